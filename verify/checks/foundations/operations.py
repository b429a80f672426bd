"""Checks of every option of every operation, on each backend: groups, packed sequences, handed-on states, layouts.

The theorems' networks use few of these; who builds on the kernels uses all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import mul
from typing import Annotated, Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import DTYPE_NAMED, S6, SSD
from mamba_theorems.kernels.backends import DEFINITION, choices
from mamba_theorems.kernels.bounds.running_error import Approximate, selective_scan_bound
from mamba_theorems.kernels.bounds.ssd import ssd_bound
from mamba_theorems.verify.checks.case import Choice, Domain, Flag, Real, Subset, Whole
from mamba_theorems.verify.checks.check import DTYPE, WIDE_SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, EVERY_DTYPE
from mamba_theorems.verify.settings import Run

Operation = Callable[..., Any]
LAYOUT = Annotated[str, Choice(("contiguous", "time-major", "strided"))]
"""How a signal lies in memory."""
GROUPS = st.shared(st.integers(1, 3), key="groups")


class RandomTensors:
    """Random tensors of one dtype from a seed, scaled."""

    def __init__(self, seed: int, dtype: str) -> None:
        self._generator, self._dtype = torch.Generator().manual_seed(seed), DTYPE_NAMED[dtype]

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal numbers."""
        return (torch.randn(*shape, generator=self._generator, dtype=torch.float64) * scale).to(self._dtype)

    def signal(self, batch: int, channels: int, length: int, layout: str, scale: float = 1.0) -> Tensor:
        """(batch, channels, L) in a LAYOUT."""
        if layout == "time-major":
            return self.normal(batch, length, channels, scale=scale).transpose(1, 2)
        if layout == "strided":
            return self.normal(batch, 2 * channels, 2 * length, scale=scale)[:, ::2, ::2]
        return self.normal(batch, channels, length, scale=scale)

    def packed(self, batch: int, length: int) -> Tensor:
        """seq_idx (batch, L): up to three sequences a row."""
        return torch.randint(0, 3, (batch, length), generator=self._generator).sort(-1).values


def _times(low: int, high: int) -> st.SearchStrategy[int]:
    """Multiples of the case's groups."""
    return st.builds(mul, GROUPS, st.integers(low, high))


def _backends(operation: str) -> Domain:
    return Choice(lambda run: choices(operation, run.device))


def _shared(name: str, count: int, groups: int) -> str:
    """What is wrong with a count that groups do not divide; a layout without heads has no groups."""
    return "" if count % groups == 0 else f'"{name}" is a multiple of "groups", which is {groups}'


def _moved(arguments: dict[str, Any], device: str) -> dict[str, Any]:
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in arguments.items()}


def _chosen(optional: dict[str, Tensor], options: list[str]) -> dict[str, Tensor]:
    return {name: value for name, value in optional.items() if name in options}


# --- the selective scan ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScanOptions:
    """Ragged sizes and options of `ops.selective_scan`; `constants` of B and C do not vary with time; Δ is shifted."""

    groups: Annotated[int, Whole(1, 3), GROUPS]
    batch: Annotated[int, Whole(1, 16, usual=3)]
    d_inner: Annotated[int, Whole(1, 64), _times(1, 8)]
    d_state: Annotated[int, Whole(1, 64, usual=9)]
    length: Annotated[int, Whole(1, 1000, usual=80)]
    options: Annotated[list[str], Subset(("D", "z", "delta_bias", "initial_state", "seq_idx"))]
    constants: Annotated[str, Choice(["", "B", "C", "BC"])]
    layout: LAYOUT
    scale: Annotated[float, Real(0, 1e6), st.sampled_from([1.0, 1e-6, 1e6])]
    delta_shift: Annotated[float, Real(-200, 700), st.sampled_from([0.0, -8.0, 8.0, 30.0])]
    dtype: DTYPE
    backend: Annotated[str, _backends("selective_scan")]
    seed: WIDE_SEED

    def together(self) -> str:
        """Groups divide the channels."""
        return _shared("d_inner", self.d_inner, self.groups)

    def arguments(self) -> dict[str, Any]:
        """The arguments of the call."""
        n, d, length = RandomTensors(self.seed, self.dtype), self.d_inner, self.length
        shape = (self.batch, self.groups, self.d_state, length)
        optional = {
            "D": n.normal(d),
            "z": n.signal(self.batch, d, length, self.layout),
            "delta_bias": n.normal(d) + self.delta_shift,
            "initial_state": n.normal(self.batch, d, self.d_state),
            "seq_idx": n.packed(self.batch, length),
        }
        return {
            "u": n.signal(self.batch, d, length, self.layout, self.scale),
            "delta": n.signal(self.batch, d, length, self.layout),
            "A": -n.normal(d, self.d_state).abs(),
            "B": n.normal(d, self.d_state) if "B" in self.constants else n.normal(*shape),
            "C": n.normal(d, self.d_state) if "C" in self.constants else n.normal(*shape),
            "delta_softplus": True,
        } | _chosen(optional, self.options)


def scan_score(subject: Operation, case: ScanOptions, run: Run) -> Score:
    """y and the last state over their running-error bounds."""
    arguments = case.arguments()
    bound = selective_scan_bound(S6(**arguments))
    y, last = subject(**_moved(arguments, run.device), return_last_state=True, backend=case.backend)
    return Score(max(bound.ratio(y), bound.last_state.ratio(last)), "error/bound")


def _deaf(operation: Operation, name: str) -> Operation:
    """The operation, deaf to an argument."""
    return lambda **arguments: operation(**{k: v for k, v in arguments.items() if k != name})


def _wrong_group(u: Tensor, B: Tensor, C: Tensor, **arguments: Any) -> Any:
    """Channel d of group d mod G."""
    B, C = (m if m.ndim == 2 else m.repeat(1, u.shape[1] // m.shape[1], 1, 1) for m in (B, C))
    return ops.selective_scan(u, B=B, C=C, **arguments)


# --- SSD -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SsdOptions:
    """Sizes and options of `ops.ssd_chunk_scan`; `backend` "torch" runs its chunks by matrix products.

    A chunk may divide L or not, and may be longer than L.
    """

    groups: Annotated[int, Whole(1, 3), GROUPS]
    batch: Annotated[int, Whole(1, 16, usual=2)]
    nheads: Annotated[int, Whole(1, 16), _times(1, 3)]
    headdim: Annotated[int, Whole(1, 64, usual=17)]
    d_state: Annotated[int, Whole(1, 64, usual=9)]
    length: Annotated[int, Whole(1, 1000, usual=40)]
    chunk_size: Annotated[int, Whole(1, 1000, usual=50)]
    options: Annotated[list[str], Subset(("D", "z", "dt_bias", "initial_states", "seq_idx"))]
    wide_skip: Annotated[bool, Flag()]
    dtype: DTYPE
    backend: Annotated[str, _backends("ssd_chunk_scan")]
    seed: WIDE_SEED

    def together(self) -> str:
        """Groups divide the heads."""
        return _shared("nheads", self.nheads, self.groups)

    def arguments(self) -> dict[str, Any]:
        """The arguments of the call."""
        n, heads, length = RandomTensors(self.seed, self.dtype), self.nheads, self.length
        shape, matrix = (self.batch, length, heads, self.headdim), (self.batch, length, self.groups, self.d_state)
        optional = {
            "D": n.normal(heads, self.headdim) if self.wide_skip else n.normal(heads),
            "z": n.normal(*shape),
            "dt_bias": n.normal(heads),
            "initial_states": n.normal(self.batch, heads, self.headdim, self.d_state),
            "seq_idx": n.packed(self.batch, length),
        }
        return {
            "x": n.normal(*shape),
            "dt": n.normal(self.batch, length, heads),
            "A": -n.normal(heads).abs(),
            "B": n.normal(*matrix),
            "C": n.normal(*matrix),
            "chunk_size": self.chunk_size,
            "dt_softplus": True,
        } | _chosen(optional, self.options)


def ssd_score(subject: Operation, case: SsdOptions, run: Run) -> Score:
    """y over its running-error bound."""
    arguments = case.arguments()
    y = subject(**_moved(arguments, run.device), backend=case.backend)
    return Score(ssd_bound(SSD(**arguments)).ratio(y), "error/bound")


# --- convolution -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConvOptions:
    """Sizes and options of `ops.causal_conv1d`; a sequence may be shorter than the convolution."""

    batch: Annotated[int, Whole(1, 16, usual=3)]
    dim: Annotated[int, Whole(1, 64, usual=9)]
    length: Annotated[int, Whole(1, 1000, usual=40)]
    width: Annotated[int, Whole(1, 5)]
    options: Annotated[list[str], Subset(("bias", "initial_states", "seq_idx"))]
    activation: Annotated[str, Choice(["", "silu"])]
    layout: LAYOUT
    dtype: DTYPE
    backend: Annotated[str, _backends("causal_conv1d")]
    seed: WIDE_SEED

    def arguments(self) -> dict[str, Any]:
        """The arguments of the call."""
        n = RandomTensors(self.seed, self.dtype)
        optional = {
            "bias": n.normal(self.dim),
            "initial_states": n.normal(self.batch, self.dim, self.width - 1),
            "seq_idx": n.packed(self.batch, self.length),
        }
        return {
            "x": n.signal(self.batch, self.dim, self.length, self.layout),
            "weight": n.normal(self.dim, self.width),
            "activation": self.activation or None,
        } | _chosen(optional, self.options)


STEEPEST_SILU = 1.1
"""|SiLU′| ≤ 1.0999."""


def conv_score(subject: Operation, case: ConvOptions, run: Run) -> Score:
    """|y − definition| over (k + 1) roundings of Σ|w x| + |b|; through SiLU four more and one elementary function."""
    arguments = case.arguments()
    wide: dict[str, Any] = {
        k: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in arguments.items()
    }
    positive: dict[str, Any] = {
        k: v.abs() if k in ("x", "weight", "bias", "initial_states") else v for k, v in wide.items()
    }
    size = ops.causal_conv1d(**positive | {"activation": None}, backend=DEFINITION)
    info = torch.finfo(DTYPE_NAMED[case.dtype])
    unit = (info.eps + torch.finfo(torch.float64).eps) / 2
    error = (case.width + 1) * (unit * size + info.tiny)
    if case.activation:
        error = STEEPEST_SILU * error + (ELEMENTARY + 4) * (unit * STEEPEST_SILU * size + info.tiny)
    limit = Approximate(ops.causal_conv1d(**wide, backend=DEFINITION), error)
    y = subject(**_moved(arguments, run.device), backend=case.backend)
    return Score(limit.ratio(y), "error/bound")


# --- one step of decoding --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepOptions:
    """Sizes and options of `ops.selective_state_update`; nheads = 0 is Mamba-1's layout, without heads."""

    groups: Annotated[int, Whole(1, 3), GROUPS]
    batch: Annotated[int, Whole(1, 16, usual=3)]
    nheads: Annotated[int, Whole(0, 16), _times(0, 3)]
    headdim: Annotated[int, Whole(1, 64, usual=9)]
    d_state: Annotated[int, Whole(1, 64, usual=9)]
    options: Annotated[list[str], Subset(("D", "z", "dt_bias"))]
    dtype: DTYPE
    backend: Annotated[str, _backends("selective_state_update")]
    seed: WIDE_SEED

    def together(self) -> str:
        """Groups divide the heads."""
        return _shared("nheads", self.nheads, self.groups)

    def arguments(self) -> dict[str, Any]:
        """The arguments of the call."""
        n = RandomTensors(self.seed, self.dtype)
        heads = (self.nheads,) if self.nheads else ()
        groups = (self.groups,) if self.nheads else ()
        channels = (*heads, self.headdim)
        optional = {"D": n.normal(*channels), "z": n.normal(self.batch, *channels), "dt_bias": n.normal(*channels)}
        return {
            "state": n.normal(self.batch, *channels, self.d_state),
            "x": n.normal(self.batch, *channels),
            "dt": n.normal(self.batch, *channels),
            "A": -n.normal(*channels, self.d_state).abs(),
            "B": n.normal(self.batch, *groups, self.d_state),
            "C": n.normal(self.batch, *groups, self.d_state),
            "dt_softplus": True,
        } | _chosen(optional, self.options)


def step_score(subject: Operation, case: StepOptions, run: Run) -> Score:
    """y and the new state over the running-error bounds of a scan of length 1 that starts from the old state."""
    arguments = case.arguments()
    bound = selective_scan_bound(_as_scan(arguments))
    moved = _moved(arguments, run.device)
    y = subject(**moved, backend=case.backend)
    y, state = y.flatten(1)[..., None], moved["state"].flatten(1, -2)
    return Score(max(bound.ratio(y), bound.last_state.ratio(state)), "error/bound")


def _as_scan(arguments: dict[str, Any]) -> S6:
    """The same step as a scan of length 1, its channels those of all heads."""
    flat = {name: arguments[name].flatten(1)[..., None] for name in ("x", "dt", "z") if name in arguments}
    groups = {name: m if m.ndim == 3 else m[:, None] for name, m in arguments.items() if name in "BC"}
    plain = {name: arguments[name].flatten() for name in ("D", "dt_bias") if name in arguments}
    return S6(
        flat["x"],
        flat["dt"],
        arguments["A"].flatten(0, -2),
        groups["B"][..., None],
        groups["C"][..., None],
        plain.get("D"),
        flat.get("z"),
        plain.get("dt_bias"),
        delta_softplus=True,
        initial_state=arguments["state"].flatten(1, -2).clone(),
    )


def _relu_step(dt: Tensor, dt_softplus: bool, dt_bias: Tensor | None = None, **arguments: Any) -> Any:
    step = functional.relu(dt if dt_bias is None else dt + dt_bias)
    return ops.selective_state_update(dt=step, **arguments)


FACTS: dict[str, str | int] = {"backends": "compiled, reference", "dtypes": EVERY_DTYPE}
CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.unrolled",
        name="every-option-of-the-scan",
        subject=ops.selective_scan,
        mutants={
            "packing ignored": _deaf(ops.selective_scan, "seq_idx"),
            "state not handed on": _deaf(ops.selective_scan, "initial_state"),
            "gate ignored": _deaf(ops.selective_scan, "z"),
            "channels of the wrong group": _wrong_group,
        },
        cases=drawn(ScanOptions),
        score=scan_score,
        examples=20,
        facts=FACTS,
    ),
    Property(
        claim="foundations.unrolled",
        name="every-option-of-the-convolution",
        subject=ops.causal_conv1d,
        mutants={
            "taps reversed": lambda weight, **rest: ops.causal_conv1d(weight=weight.flip(-1), **rest),
            "packing ignored": _deaf(ops.causal_conv1d, "seq_idx"),
        },
        cases=drawn(ConvOptions),
        score=conv_score,
        examples=20,
        facts=FACTS,
    ),
    Property(
        claim="foundations.unrolled",
        name="one-step-of-decoding",
        subject=ops.selective_state_update,
        mutants={
            "state not advanced": lambda state, **rest: ops.selective_state_update(state.clone(), **rest),
            "softplus replaced by ReLU": _relu_step,
        },
        cases=drawn(StepOptions),
        score=step_score,
        examples=20,
        facts=FACTS,
    ),
    Property(
        claim="foundations.ssd-duality",
        name="every-option-of-the-kernel",
        subject=ops.ssd_chunk_scan,
        mutants={
            "packing ignored": _deaf(ops.ssd_chunk_scan, "seq_idx"),
            "state not handed on": _deaf(ops.ssd_chunk_scan, "initial_states"),
            "groups reversed": lambda B, C, **rest: ops.ssd_chunk_scan(B=B.flip(2), C=C.flip(2), **rest),
        },
        cases=drawn(SsdOptions),
        score=ssd_score,
        examples=20,
        facts=FACTS,
    ),
)
