"""The operations as the suite calls them: names, inputs drawn from a seed, and their meaning for the oracle.

The signatures are those of `kernels.ops`, with the field's names. An option is an optional argument or a feature: a
shape or a value of an argument that a kernel may lack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.verify.conform import oracle

Arguments = dict[str, Any]
Sizes = Mapping[str, int]
WINDOW = 256
"""How far back a running sum of exponents may begin, or chunk_size: a kernel may choose its own chunks."""


class Draws:
    """Random float64 tensors from a seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal numbers."""
        return torch.randn(*shape, generator=self._generator, dtype=torch.float64) * scale

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers."""
        return low + (high - low) * torch.rand(*shape, generator=self._generator, dtype=torch.float64)

    def choice(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(torch.randint(low, high + 1, (1,), generator=self._generator))

    def packed(self, batch: int, length: int, sequences: int = 3) -> Tensor:
        """seq_idx (batch, L) int32: `sequences` a row, where L allows, each beginning at its own place."""
        cuts = torch.rand(batch, length, generator=self._generator).argsort(1) < min(sequences, length) - 1
        cuts[:, 0] = False
        return cuts.cumsum(1).int()

    def order(self, size: int) -> Tensor:
        """The whole numbers below `size` in random order, int32."""
        return torch.rand(size, generator=self._generator).argsort().int()


def cut(bounds: Sequence[int]) -> Arguments:
    """Sequences of a batch of 1 by their bounds (0, …, L), and seq_idx beside them."""
    cu_seqlens = torch.tensor(bounds, dtype=torch.int32)
    return {"seq_idx": oracle.indices(cu_seqlens, bounds[-1]).int(), "cu_seqlens": cu_seqlens}


def _cut_at_random(n: Draws, length: int) -> Arguments:
    starts = n.packed(1, length)[0].diff().nonzero()[:, 0] + 1
    return cut([0, *starts.tolist(), length])


def _sequence(a: Arguments, length: int) -> Tensor | None:
    """Its packed sequences by number, (b, t)."""
    told = a.get("seq_idx")
    if told is None and "cu_seqlens" in a:
        told = oracle.indices(a["cu_seqlens"], length)
    return oracle.numbered(told)


@dataclass(frozen=True)
class Operation:
    """One operation: its required arguments in their order, its options, default sizes, draws and meaning.

    `problem` reads arguments (float64) as a Channels or ConvolutionInput; `outputs` lays the oracle's results out as
    the kernel's. `states` are the results beside y, in their order, each by the option that asks for it; `state` is the
    one to hand on, as `start`. `time` is the axis of time of the signal; `heavy` arguments stay in float32 beside half
    precision.
    """

    name: str
    required: tuple[str, ...]
    options: tuple[str, ...]
    features: tuple[str, ...]
    sizes: Sizes
    draw: Callable[[Draws, Sizes, frozenset[str]], Arguments]
    problem: Callable[[Arguments], Any]
    outputs: Callable[[Arguments, dict[str, Tensor]], dict[str, Tensor]]
    states: Mapping[str, str]
    state: str
    start: str
    heavy: frozenset[str]
    signal: str
    time: int
    matrix_products: bool = False

    @property
    def everything(self) -> tuple[str, ...]:
        """All options and features."""
        return (*self.options, *self.features)

    @property
    def values(self) -> Callable[[Any], dict[str, Tensor]]:
        """The oracle's values."""
        return oracle.convolution_values if self.name == "causal_conv1d" else oracle.scan_values

    @property
    def bounds(self) -> Callable[..., Any]:
        """The oracle's bounds."""
        return oracle.convolution_bounds if self.name == "causal_conv1d" else oracle.scan_bounds


def _rate(n: Draws, *shape: int) -> Tensor:
    return -n.uniform(0.2, 1.5, *shape)


def _steps(n: Draws, softplus: bool, *shape: int) -> Tensor:
    """Δ before its activation: of both signs where softplus follows, else positive."""
    return n.normal(*shape) if softplus else n.uniform(0.05, 1.0, *shape)


# --- selective_scan --------------------------------------------------------------------------------------------------


def _draw_scan(n: Draws, sizes: Sizes, uses: frozenset[str]) -> Arguments:
    batch, d, states, length = (sizes[name] for name in ("batch", "d_inner", "d_state", "length"))
    batch = 1 if "cu_seqlens" in uses else batch
    groups = sizes["groups"] if "groups" in uses else 0
    varying = (batch, groups, states, length) if groups else (batch, states, length)
    softplus = "delta_softplus" in uses

    def matrix(name: str) -> Tensor:
        return n.normal(d, states) if f"constant_{name}" in uses else n.normal(*varying)

    arguments: Arguments = {
        "u": n.normal(batch, d, length),
        "delta": _steps(n, softplus, batch, d, length),
        "A": _rate(n, d, states),
        "B": matrix("B"),
        "C": matrix("C"),
    }
    optional: dict[str, Callable[[], Any]] = {
        "D": lambda: n.normal(d),
        "z": lambda: n.normal(batch, d, length),
        "delta_bias": lambda: n.normal(d) if softplus else n.uniform(0.1, 0.5, d),
        "delta_softplus": lambda: True,
        "return_last_state": lambda: True,
        "initial_state": lambda: n.normal(batch, d, states),
        "seq_idx": lambda: n.packed(batch, length),
    }
    arguments |= {name: make() for name, make in optional.items() if name in uses}
    return arguments | (_cut_at_random(n, length) if "cu_seqlens" in uses else {})


def _scan_problem(a: Arguments) -> oracle.Channels:
    d, batch, length = a["u"].shape[1], a["u"].shape[0], a["u"].shape[2]

    def by_channel(M: Tensor) -> Tensor:
        if M.ndim == 2:
            return M[None, :, :, None].expand(batch, -1, -1, length)
        M = M[:, None] if M.ndim == 3 else M
        return M.repeat_interleave(d // M.shape[1], dim=1)

    return oracle.Channels(
        a["u"], a["delta"], a["A"], by_channel(a["B"]), by_channel(a["C"]), a.get("D"), a.get("z"), a.get("delta_bias"),
        a.get("initial_state"), _sequence(a, length), a.get("delta_softplus", False),
    )  # fmt: skip


SCAN = Operation(
    name="selective_scan",
    required=("u", "delta", "A", "B", "C"),
    options=("D", "z", "delta_bias", "delta_softplus", "return_last_state", "initial_state", "seq_idx", "cu_seqlens"),
    features=("groups", "constant_B", "constant_C"),
    sizes={"batch": 2, "d_inner": 4, "d_state": 3, "length": 21, "groups": 2},
    draw=_draw_scan,
    problem=_scan_problem,
    outputs=lambda a, found: found,
    states={"return_last_state": "last_state"},
    state="last_state",
    start="initial_state",
    heavy=frozenset({"A", "D", "delta_bias", "initial_state"}),
    signal="u",
    time=2,
)

# --- ssd_chunk_scan --------------------------------------------------------------------------------------------------


def _draw_ssd(n: Draws, sizes: Sizes, uses: frozenset[str]) -> Arguments:
    batch, length, heads, headdim = (sizes[name] for name in ("batch", "length", "nheads", "headdim"))
    varlen = "cu_seqlens" in uses or "return_varlen_states" in uses
    batch = 1 if varlen else batch
    groups = sizes["groups"] if "groups" in uses else 1
    softplus = "dt_softplus" in uses
    matrix = (batch, length, groups, sizes["d_state"])
    arguments: Arguments = {
        "x": n.normal(batch, length, heads, headdim),
        "dt": _steps(n, softplus, batch, length, heads),
        "A": _rate(n, heads),
        "B": n.normal(*matrix),
        "C": n.normal(*matrix),
        "chunk_size": sizes["chunk_size"],
    }
    per_channel = "D_per_channel" in uses
    optional: dict[str, Callable[[], Any]] = {
        "D": lambda: n.normal(heads, headdim) if per_channel else n.normal(heads),
        "z": lambda: n.normal(batch, length, heads, headdim),
        "dt_bias": lambda: n.normal(heads) if softplus else n.uniform(0.1, 0.5, heads),
        "initial_states": lambda: n.normal(batch, heads, headdim, sizes["d_state"]),
        "seq_idx": lambda: n.packed(batch, length),
        "dt_softplus": lambda: True,
        "dt_limit": lambda: (0.3, 0.8),
        "return_final_states": lambda: True,
        "return_varlen_states": lambda: True,
    }
    uses = uses | {"D"} if per_channel else uses
    arguments |= {name: make() for name, make in optional.items() if name in uses}
    return arguments | (_cut_at_random(n, length) if varlen else {})


def _ssd_problem(a: Arguments) -> oracle.Channels:
    heads, headdim = a["x"].shape[2:]

    def by_channel(M: Tensor) -> Tensor:  # (b, t, g, n)
        return M.permute(0, 2, 3, 1).repeat_interleave(heads * headdim // M.shape[2], dim=1)

    def signal(m: Tensor | None) -> Tensor | None:
        return None if m is None else m.flatten(2).mT

    D = a.get("D")
    D = None if D is None else (D[:, None].expand(-1, headdim) if D.ndim == 1 else D).flatten()
    bias, start, u = a.get("dt_bias"), a.get("initial_states"), signal(a["x"])
    assert u is not None
    return oracle.Channels(
        u,
        a["dt"].mT.repeat_interleave(headdim, 1),
        a["A"].repeat_interleave(headdim)[:, None],
        by_channel(a["B"]),
        by_channel(a["C"]),
        D,
        signal(a.get("z")),
        None if bias is None else bias.repeat_interleave(headdim),
        None if start is None else start.flatten(1, 2),
        _sequence(a, a["x"].shape[1]),
        a.get("dt_softplus", False),
        a.get("dt_limit", (0.0, float("inf"))),
        "dt_limit" in a,
        max(a.get("chunk_size", WINDOW), WINDOW),
        a["cu_seqlens"] if a.get("return_varlen_states") else None,
    )


def _ssd_outputs(a: Arguments, found: dict[str, Tensor]) -> dict[str, Tensor]:
    heads, headdim = a["x"].shape[2:]
    names = {"last_state": "final_states", "varlen_states": "varlen_states"}
    states = {names[name]: m.unflatten(1, (heads, headdim)) for name, m in found.items() if name in names}
    return {"y": found["y"].mT.unflatten(2, (heads, headdim)), **states}


SSD = Operation(
    name="ssd_chunk_scan",
    required=("x", "dt", "A", "B", "C"),
    options=(
        "D",
        "z",
        "dt_bias",
        "initial_states",
        "seq_idx",
        "dt_softplus",
        "dt_limit",
        "return_final_states",
        "cu_seqlens",
        "return_varlen_states",
    ),
    features=("groups", "D_per_channel"),
    sizes={"batch": 2, "length": 37, "nheads": 4, "headdim": 2, "d_state": 3, "groups": 2, "chunk_size": 16},
    draw=_draw_ssd,
    problem=_ssd_problem,
    outputs=_ssd_outputs,
    states={"return_final_states": "final_states", "return_varlen_states": "varlen_states"},
    state="final_states",
    start="initial_states",
    heavy=frozenset({"A", "D", "dt_bias", "initial_states"}),
    signal="x",
    time=1,
    matrix_products=True,
)

# --- selective_state_update ------------------------------------------------------------------------------------------


def _draw_update(n: Draws, sizes: Sizes, uses: frozenset[str]) -> Arguments:
    batch, states = sizes["batch"], sizes["d_state"]
    heads = "heads" in uses or "groups" in uses
    channels = (sizes["nheads"], sizes["dim"]) if heads else (sizes["dim"],)
    groups = (sizes["groups"] if "groups" in uses else 1,) if heads else ()
    softplus = "dt_softplus" in uses
    slots = "state_batch_indices" in uses or "padding_slot" in uses
    arguments: Arguments = {
        "state": n.normal(batch + 3 if slots else batch, *channels, states),
        "x": n.normal(batch, *channels),
        "dt": _steps(n, softplus, batch, *channels),
        "A": _rate(n, *channels, states),
        "B": n.normal(batch, *groups, states),
        "C": n.normal(batch, *groups, states),
    }
    optional: dict[str, Callable[[], Any]] = {
        "D": lambda: n.normal(*channels),
        "z": lambda: n.normal(batch, *channels),
        "dt_bias": lambda: n.normal(*channels) if softplus else n.uniform(0.1, 0.5, *channels),
        "dt_softplus": lambda: True,
    }
    arguments |= {name: make() for name, make in optional.items() if name in uses}
    return arguments | ({"state_batch_indices": _slots(n, batch, "padding_slot" in uses)} if slots else {})


def _slots(n: Draws, batch: int, padding: bool) -> Tensor:
    """Rows of a state of batch + 3 rows, not the first and not the last, in random order; the first is padding."""
    rows = n.order(batch + 1)[:batch] + 1
    rows[:1] = torch.where(torch.tensor(padding), -1, rows[:1])
    return rows


def slots_of(a: Arguments) -> Tensor:
    """The rows of the state that a step advances, by place in the batch; −1 where none."""
    slots = a.get("state_batch_indices")
    return torch.arange(a["x"].shape[0], device=a["x"].device) if slots is None else slots.long()


def advanced(a: Arguments) -> Tensor:
    """Those rows of the state."""
    slots = slots_of(a)
    return a["state"][slots[slots >= 0]]


def _update_problem(a: Arguments) -> oracle.Channels:
    x = a["x"].flatten(1)

    def by_channel(M: Tensor) -> Tensor:  # (b, n) or (b, g, n)
        M = M if M.ndim == 3 else M[:, None]
        return M.repeat_interleave(x.shape[1] // M.shape[1], dim=1)[..., None]

    def plain(name: str, axes: int = 1) -> Tensor | None:
        m = a.get(name)
        return None if m is None else m.flatten(0, -axes)

    z, A = a.get("z"), plain("A", 2)
    assert A is not None
    return oracle.Channels(
        x[..., None], a["dt"].flatten(1)[..., None], A, by_channel(a["B"]), by_channel(a["C"]), plain("D"),
        None if z is None else z.flatten(1)[..., None], plain("dt_bias"),
        a["state"][slots_of(a).clamp(min=0)].flatten(1, -2), None, a.get("dt_softplus", False),
    )  # fmt: skip


UPDATE = Operation(
    name="selective_state_update",
    required=("state", "x", "dt", "A", "B", "C"),
    options=("D", "z", "dt_bias", "dt_softplus", "state_batch_indices"),
    features=("heads", "groups", "padding_slot"),
    sizes={"batch": 2, "nheads": 4, "dim": 3, "d_state": 5, "groups": 2},
    draw=_draw_update,
    problem=_update_problem,
    outputs=lambda a, found: {
        "y": found["y"].reshape(a["x"].shape),
        "state": found["last_state"].reshape(-1, *a["state"].shape[1:])[slots_of(a) >= 0],
    },
    states={},
    state="state",
    start="state",
    heavy=frozenset({"A", "D", "dt_bias", "state"}),
    signal="x",
    time=0,
)

# --- causal_conv1d ---------------------------------------------------------------------------------------------------


def _draw_convolution(n: Draws, sizes: Sizes, uses: frozenset[str]) -> Arguments:
    batch, dim, length, width = (sizes[name] for name in ("batch", "dim", "length", "width"))
    batch = 1 if "cu_seqlens" in uses else batch
    arguments: Arguments = {"x": n.normal(batch, dim, length), "weight": n.normal(dim, width)}
    optional: dict[str, Callable[[], Any]] = {
        "bias": lambda: n.normal(dim),
        "seq_idx": lambda: n.packed(batch, length),
        "activation": lambda: "silu",
        "initial_states": lambda: n.normal(batch, dim, width - 1),
        "return_final_states": lambda: True,
    }
    arguments |= {name: make() for name, make in optional.items() if name in uses}
    return arguments | (_cut_at_random(n, length) if "cu_seqlens" in uses else {})


def _convolution_problem(a: Arguments) -> oracle.ConvolutionInput:
    sequence = _sequence(a, a["x"].shape[2])
    activation = a.get("activation") in ("silu", "swish")
    return oracle.ConvolutionInput(a["x"], a["weight"], a.get("bias"), a.get("initial_states"), sequence, activation)


CONVOLUTION = Operation(
    name="causal_conv1d",
    required=("x", "weight"),
    options=("bias", "seq_idx", "activation", "initial_states", "return_final_states", "cu_seqlens"),
    features=(),
    sizes={"batch": 2, "dim": 3, "length": 21, "width": 4},
    draw=_draw_convolution,
    problem=_convolution_problem,
    outputs=lambda a, found: {"y": found["y"], "final_states": found["last_state"]},
    states={"return_final_states": "final_states"},
    state="final_states",
    start="initial_states",
    heavy=frozenset(),
    signal="x",
    time=2,
)

OPERATIONS = {operation.name: operation for operation in (SCAN, SSD, CONVOLUTION, UPDATE)}


@dataclass(frozen=True)
class Right:
    """The right outputs and gradients by name, each with its bound, laid out as the kernel's; in float64."""

    outputs: Mapping[str, tuple[Tensor, Tensor]]
    gradients: Mapping[str, tuple[Tensor, Tensor]]


def widened(arguments: Arguments) -> Arguments:
    """The arguments on the host, floats in float64, without gradients."""
    return {
        name: (m.detach().cpu().double() if m.is_floating_point() else m.cpu()) if isinstance(m, Tensor) else m
        for name, m in arguments.items()
    }


def right(
    operation: Operation, arguments: Arguments, p: oracle.Precision, loss: Mapping[str, Tensor] | None = None
) -> Right:
    """What is right of a call; with a loss Σ ∂·output also the gradients of all float arguments."""
    wide = widened(arguments)
    if loss is not None:
        loss = {name: m.detach().cpu().double() for name, m in loss.items()}
    floats = [name for name, m in wide.items() if isinstance(m, Tensor) and m.is_floating_point()]
    if loss is not None:
        for name in floats:
            wide[name].requires_grad_()
    problem = operation.problem(wide)
    with torch.set_grad_enabled(loss is not None):
        outputs = operation.outputs(wide, operation.values(problem))
    fixed = problem if loss is None else _without_gradients(problem)
    inner = None if loss is None else _inner_loss(operation, wide, fixed, loss)
    sizes, slopes = operation.bounds(fixed, p, inner)
    bounds = operation.outputs(wide, sizes)
    found = {name: (outputs[name].detach(), bounds[name].detach()) for name in outputs}
    if loss is None:
        return Right(found, {})
    leaves = [wide[name] for name in floats]
    total = [outputs[name] for name in loss]
    wanted = torch.autograd.grad(total, leaves, list(loss.values()), allow_unused=True, retain_graph=True)
    parts = [(getattr(problem, name), slope) for name, slope in slopes.items()]
    widths = _adjoint(parts, leaves)
    gradients = {
        name: (torch.zeros_like(leaf) if value is None else value, torch.zeros_like(leaf) if width is None else width)
        for name, leaf, value, width in zip(floats, leaves, wanted, widths, strict=True)
    }
    return Right(found, {name: (v.detach(), w.detach()) for name, (v, w) in gradients.items()})


def _adjoint(parts: list[tuple[Tensor, Tensor]], leaves: list[Tensor]) -> tuple[Tensor | None, ...]:
    """Bounds on the problem's tensors, summed over where an argument is used several times: the layout's adjoint."""
    tensors = [tensor for tensor, _ in parts]
    return torch.autograd.grad(tensors, leaves, [bound for _, bound in parts], allow_unused=True)


def _without_gradients(problem: Any) -> Any:
    return replace(problem, **{k: v.detach() for k, v in vars(problem).items() if isinstance(v, Tensor)})


def _inner_loss(operation: Operation, wide: Arguments, problem: Any, loss: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss's weights in the oracle's layout: the adjoint of `outputs`, which only lays out."""
    with torch.no_grad():
        shapes = operation.values(problem)
    inner = {name: torch.zeros_like(m).requires_grad_() for name, m in shapes.items()}
    laid = operation.outputs(wide, inner)
    weights = torch.autograd.grad([laid[k] for k in loss], list(inner.values()), list(loss.values()), allow_unused=True)
    return {name: w for name, w in zip(inner, weights, strict=True) if w is not None}
