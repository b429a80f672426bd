"""A whole block with its cache: Mamba-1 or Mamba-2, by the official names of its parameters.

The right outputs are `kernels.semantics` over numbers that carry their bounds; the derivative along a parameter is the
same over dual numbers.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.bounds.running_error import CUDA, HOST
from mamba_theorems.kernels.duals import Dual, dual, tangents
from mamba_theorems.kernels.fields import Field
from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.examine import (
    DTYPES,
    FORWARD,
    GRADIENT,
    STEP,
    Deviation,
    Examinee,
    Wrong,
    compare,
)
from mamba_theorems.verify.conform.kernel import Kernel, NotOffered, Raised
from mamba_theorems.verify.conform.layouts import NotExercised
from mamba_theorems.verify.conform.operations import SCAN, Draws
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.spread import errors, spread, values
from mamba_theorems.verify.conform.suite import Conformance, Result, RowFinding, told_of
from mamba_theorems.verify.settings import Tier

BLOCK = "block"
SIZES: Mapping[str, int] = {"d_model": 6, "d_state": 3, "d_conv": 4, "expand": 2, "headdim": 3, "chunk_size": 16}
"""Of the constructor, where its signature has them; sums in blocks this small stay short."""
LENGTH, BATCH = 7, 2
EQUATION = ("ngroups", "dt_limit", "norm_before_gate")
"""Options of the constructor that Mamba-2's equation has; the others show in the weights."""


@dataclass(frozen=True)
class BlockRow(SuiteRow):
    """A row with options of the constructor, and with sequences of these lengths."""

    options: Mapping[str, Any] = field(default_factory=dict)
    length: int = LENGTH
    batch: int = BATCH
    seq_idx: tuple[int, ...] = ()


def rows() -> Iterator[BlockRow]:
    """All, from the simple to the special."""

    def row(name: str, kind: kinds.FaultKind, exam: str = "forward", cell: str = "", **more: Any) -> BlockRow:
        return BlockRow(name, kind, exam=exam, cells=(cell or name.partition(".")[0],), **more)

    for dtype in ("", "float64", "bfloat16"):
        at = f".{dtype}" if dtype else ""
        yield row(f"plain{at}", kinds.VALUES, dtype=dtype)
        yield row(f"steps{at}", kinds.PIECES, "steps", dtype=dtype)
    for length in (1, 2, 3, 17):
        yield row(f"length.{length}", kinds.SHORT if length < 4 else kinds.RAGGED, length=length)
        yield row(f"length.{length}.steps", kinds.SHORT, "steps", length=length)
    options: dict[str, tuple[dict[str, Any], kinds.FaultKind]] = {
        "ngroups": ({"ngroups": 2}, kinds.NORM),
        "conv_bias": ({"conv_bias": False}, kinds.CONV_BIAS),
        "bias": ({"bias": True}, kinds.VALUES),
        "d_conv": ({"d_conv": 2}, kinds.SHORT),
        "dt_limit": ({"dt_limit": (0.2, 0.5)}, kinds.LIMIT),
        "D_has_hdim": ({"D_has_hdim": True}, kinds.WIDE_SKIP),
        "norm_before_gate": ({"norm_before_gate": True, "ngroups": 2}, kinds.NORM),
    }
    for name, (given, kind) in options.items():
        yield row(f"option.{name}", kind, cell=name, options=given)
        yield row(f"option.{name}.steps", kind, "steps", name, options=given)
    yield row("norm.small", kinds.NORM, exam="quiet", cell="norm of small signals")
    for words, pattern, kind in (
        ("two", (0, 0, 0, 1, 1, 1, 1), kinds.PACKED),
        ("returns", (0, 0, 1, 1, 0, 0, 0), kinds.AGAIN),
        ("padding", (0, 0, 0, 0, 0, -1, -1), kinds.PADDING),
    ):
        yield row(f"packed.{words}", kind, cell="seq_idx", seq_idx=pattern)
    yield row("prefill", kinds.PIECES, "prefill")
    yield row("prefill.short", kinds.SHORT, "prefill", length=2)
    yield row("several", kinds.PIECES, "several", "several tokens")
    yield row("confined", kinds.LEAK, "confined", "NaN and inf")
    yield row("gradient", kinds.LOST, "gradients", batch=1, length=5)


# --- the block and its right outputs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuiltBlock:
    """A block with random weights, its weights as numbers, and a sequence."""

    block: Any
    weights: dict[str, np.ndarray]
    u: Tensor
    row: BlockRow

    @property
    def is_mamba2(self) -> bool:
        """Whether it is Mamba-2 (it has one dt_bias a head)."""
        return "dt_bias" in self.weights


def build(subject: Examinee, row: BlockRow) -> BuiltBlock:
    """Construct it at small sizes and draw its weights. Raises NotOffered, Raised."""
    dtype = row.dtype or subject.main
    if dtype not in subject.dtypes:
        raise NotOffered(dtype)
    parameters = subject.kernel.parameters
    for name in row.options:
        lacking = subject.kernel.lacks(name)
        if lacking:
            raise NotOffered(lacking)
    given = {name: size for name, size in {**SIZES, **row.options}.items() if parameters is None or name in parameters}
    torch.manual_seed(row.seed)
    block = subject.kernel.run(lambda: subject.kernel.function(**given), row.options)
    block = block.to(subject.device, DTYPES[dtype])
    n = Draws(row.seed)
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            parameter.copy_(_weight(n, name, parameter.shape))
    weights = {name: m.detach().cpu().double().numpy() for name, m in block.state_dict().items()}
    if not {"in_proj.weight", "conv1d.weight", "A_log", "out_proj.weight"} <= set(weights):
        raise NotOffered("a block with the official names of parameters")
    u = n.normal(row.batch, row.length, SIZES["d_model"]).to(subject.device, DTYPES[dtype])
    return BuiltBlock(block, weights, u, row)


def _weight(n: Draws, name: str, shape: torch.Size) -> Tensor:
    if name == "A_log":
        return n.uniform(0.5, 3.0, *shape).log()
    if name in ("dt_bias", "dt_proj.bias", "log_dt"):
        return n.normal(*shape) - 1
    return n.uniform(0.5, 1.5, *shape) if name == "norm.weight" else n.normal(*shape, scale=0.5)


def right_of(f: Field, built: BuiltBlock, u: np.ndarray, weights: Mapping[str, Any] | None = None) -> np.ndarray:
    """The block's equation over a field, on one sequence (L, d_model)."""
    numbers = {name: f.array(w) for name, w in built.weights.items()} if weights is None else weights
    if built.is_mamba2:
        options = {name: value for name, value in built.row.options.items() if name in EQUATION}
        return semantics.mamba2(f, numbers, f.array(u), **options)
    if "log_dt" in numbers:
        return semantics.mamba_s4d(f, numbers, f.array(u))
    along_the_state = numbers["dt_proj.weight"].shape[0] != numbers["A_log"].shape[0]
    return (semantics.mamba_delta_t if along_the_state else semantics.mamba)(f, numbers, f.array(u))


def wanted(subject: Examinee, built: BuiltBlock, u: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """y (batch, L, d_model) and its bounds, sequence by sequence; 0 ± ∞ at padding."""
    f = spread(built.u.dtype, HOST if subject.device == "cpu" else CUDA)
    signal = (built.u if u is None else u).detach().cpu().double().numpy()
    y, bound = np.zeros(signal.shape), np.full(signal.shape, inf)
    pattern = np.array(built.row.seq_idx or (0,) * signal.shape[1])
    for row in range(signal.shape[0]):
        for part in _stretches(pattern):
            with np.errstate(all="ignore"):  # a bound may be infinite
                found = right_of(f, built, signal[row, part])
            y[row, part], bound[row, part] = values(found), errors(found)
    return torch.from_numpy(y), torch.from_numpy(bound)


def _stretches(pattern: np.ndarray) -> list[slice]:
    """Each stretch of equal index; padding belongs to none."""
    cuts = [0, *(np.flatnonzero(pattern[1:] != pattern[:-1]) + 1).tolist(), len(pattern)]
    return [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if pattern[a] >= 0]  # noqa: RUF007


# --- the exams -------------------------------------------------------------------------------------------------------


def _check(name: str, got: Any, value: Tensor, bound: Tensor, note: str = "") -> None:
    """Compare where the bound is finite. Raises NotExercised where it tells little: most entries may as well be 0."""
    if 2 * int((value.abs() > bound).sum()) < int((value != 0).sum()):
        raise NotExercised("its bounds are as large as its values, so that zeros would conform")
    if not isinstance(got, Tensor) or tuple(got.shape) != tuple(value.shape):
        form = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        raise Wrong(Deviation(name, kinds.FORM, f"is {form}, not {tuple(value.shape)} {note}".strip()))
    failure = compare(name, got, value, bound, bound.isfinite())
    if failure:
        raise Wrong(
            Deviation(name, failure.kind, note or failure.note, failure.index, failure.got, failure.want, failure.bound)
        )


def _forward(subject: Examinee, built: BuiltBlock, u: Tensor | None = None) -> Tensor:
    options = {}
    if built.row.seq_idx:
        if "seq_idx" not in inspect.signature(built.block.forward).parameters:
            raise NotOffered("seq_idx (not in the signature of forward)")
        options["seq_idx"] = torch.tensor(
            [built.row.seq_idx] * built.row.batch, dtype=torch.int32, device=subject.device
        )
    u = built.u if u is None else u
    return subject.kernel.run(lambda: built.block(u, **options))


def forward(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """y of whole sequences."""
    built = build(subject, row)
    with torch.no_grad():
        _check("y", _forward(subject, built), *wanted(subject, built))
    yield FORWARD


def quiet(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Signals so small that the eps of the norm decides."""
    built = build(subject, row)
    if not built.is_mamba2:
        raise NotOffered("a norm (Mamba-1 has none)")
    small = built.u * 2.0**-6
    with torch.no_grad():
        _check("y", _forward(subject, built, small), *wanted(subject, built, small))
    yield FORWARD


def _cache(subject: Examinee, built: BuiltBlock) -> list[Any]:
    if not hasattr(built.block, "step") or not hasattr(built.block, "allocate_inference_cache"):
        raise NotOffered("step and allocate_inference_cache")
    dtype = built.u.dtype
    return list(
        subject.kernel.run(lambda: built.block.allocate_inference_cache(built.row.batch, LENGTH + 1, dtype=dtype))
    )


def _stepped(subject: Examinee, built: BuiltBlock, cache: list[Any], start: int) -> Iterator[tuple[int, Any]]:
    for t in range(start, built.u.shape[1]):
        token = built.u[:, t : t + 1]
        out, *cache[:] = subject.kernel.run(lambda token=token: built.block.step(token, *cache))  # type: ignore[misc]
        yield t, out


def steps(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Every token by a step, from an empty cache."""
    built = build(subject, row)
    value, bound = wanted(subject, built)
    with torch.no_grad():
        for t, out in _stepped(subject, built, _cache(subject, built), 0):
            _check("y", out, value[:, t : t + 1], bound[:, t : t + 1], f"at step {t + 1}")
    yield STEP


def prefill(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """A forward pass that leaves a cache, then steps."""
    built = build(subject, row)
    value, bound = wanted(subject, built)
    first = max(1, row.length // 2)
    names = inspect.signature(built.block.forward).parameters
    with torch.no_grad():
        if "return_last_state" in names:
            out, state = subject.kernel.run(lambda: built.block(built.u[:, :first], return_last_state=True))
            cache = list(state)
        elif "inference_params" in names:
            cache = _cache(subject, built)
            memory = {getattr(built.block, "layer_idx", None): tuple(cache)}
            official = SimpleNamespace(
                seqlen_offset=0, max_seqlen=LENGTH + 1, max_batch_size=BATCH, batch_size_offset=0,
                key_value_memory_dict=memory, lengths_per_sample=None,
            )  # fmt: skip
            out = subject.kernel.run(lambda: built.block(built.u[:, :first], inference_params=official))
        else:
            raise NotOffered("a cache of forward (return_last_state or inference_params)")
        _check("y", out, value[:, :first], bound[:, :first], "in the prefill")
        for t, out in _stepped(subject, built, cache, first):
            _check("y", out, value[:, t : t + 1], bound[:, t : t + 1], f"at step {t + 1}, after a prefill of {first}")
    yield STEP


def several(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Several tokens for one step: all of them right, or a refusal."""
    built = build(subject, row)
    with torch.no_grad():
        cache = _cache(subject, built)
        try:
            out, *_ = subject.kernel.run(lambda: built.block.step(built.u[:, :3], *cache))
        except Raised as reason:
            raise NotOffered(f"several tokens with a cache ({reason})") from reason
        value, bound = wanted(subject, built)
        try:
            _check("y", out, value[:, :3], bound[:, :3], "of three tokens for one step")
        except Wrong as wrong:
            raise Wrong(replace(wrong.failure, kind=kinds.PIECES)) from wrong
    yield STEP


def confined(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """A NaN in one row's fourth token reaches no earlier token and no other row."""
    built = build(subject, row)
    value, bound = wanted(subject, built)
    spoiled = built.u.clone()
    spoiled[0, 3, 1] = nan
    value[0, 3:], bound[0, 3:] = 0, inf
    with torch.no_grad():
        _check("y", _forward(subject, built, spoiled), value, bound, "beside a NaN in row 0 from token 4 on")
    yield FORWARD


def gradients(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Every parameter's gradient, along one random direction of it, against dual numbers."""
    built = build(subject, row)
    y = _forward(subject, built)
    if not y.requires_grad:
        raise NotOffered("gradient (its result has no graph)")
    n = Draws(row.seed + 1)
    weight = n.normal(*y.shape).to(y.dtype)
    parameters = dict(built.block.named_parameters())
    found = subject.kernel.run(
        lambda: torch.autograd.grad(y, list(parameters.values()), weight.to(y.device), allow_unused=True)
    )
    f = spread(built.u.dtype, HOST if subject.device == "cpu" else CUDA)
    for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
        if gradient is None:
            raise Wrong(Deviation(f"gradient of {name}", kinds.LOST, "there is none"))
        direction = n.normal(*parameter.shape)
        value, bound = _derivative(f, built, name, direction.numpy(), weight.double().numpy())
        terms = gradient.detach().cpu().double() * direction
        info = torch.finfo(gradient.dtype)
        bound += info.eps * float(terms.abs().sum())  # the gradient's own rounding, and the sum's in float64
        if not abs(value) > bound:
            raise NotExercised(f"the bound on the gradient of {name} is as large as itself, so that 0 would conform")
        got = float(terms.sum())
        if not abs(got - value) <= bound:
            note = "along a random direction"
            raise Wrong(Deviation(f"gradient of {name}", kinds.GRADIENT, note, (), got, value, bound))
    yield GRADIENT


def _derivative(
    f: Field, built: BuiltBlock, name: str, direction: np.ndarray, weight: np.ndarray
) -> tuple[float, float]:
    """The derivative of Σ weight·y along a direction of one parameter, and its bound."""
    g = dual(f)
    numbers: dict[str, Any] = {other: g.array(w) for other, w in built.weights.items()}
    moved = np.frompyfunc(lambda w, v: Dual(f.number(float(w)), f.number(float(v))), 2, 1)
    numbers[name] = moved(built.weights[name], direction)
    total = f.number(0.0)
    for row, u in enumerate(built.u.detach().cpu().double().numpy()):
        slopes = tangents(right_of(g, built, u, numbers))
        total = total + (slopes * f.array(weight[row])).sum()
    return total.value, total.error


EXAMS: dict[str, Callable[[Examinee, BlockRow], Iterator[str]]] = {
    "forward": forward, "quiet": quiet, "steps": steps, "prefill": prefill, "several": several,
    "confined": confined, "gradients": gradients,
}  # fmt: skip
DIRECTION = {"steps": STEP, "prefill": STEP, "several": STEP, "gradients": GRADIENT}


def subject_of_block(path: str, block: type, device: str) -> Examinee:
    """A block class as a subject."""
    kernel = Kernel(path, block)
    return Examinee(kernel, SCAN, device, kernel.limits.dtypes or ("float64", "float32", "bfloat16"))


def hold_block(subject: Examinee, row: SuiteRow) -> Iterator[RowFinding]:
    """What a row says."""
    assert isinstance(row, BlockRow)
    dtype = row.dtype or subject.main
    try:
        for direction in EXAMS[row.exam](subject, row):
            yield RowFinding(row, dtype, direction, Conformance.CONFORMS)
    except (NotOffered, NotExercised, Raised, Wrong) as reason:
        yield told_of(row, dtype, DIRECTION.get(row.exam, FORWARD), reason, _named)


def _named(row: SuiteRow, failure: Deviation) -> Deviation:
    """What the row looks for, where the exam has not seen more."""
    if failure.kind is kinds.VALUES:
        return replace(failure, kind=row.kind)
    return failure


def examine_block(
    subject: Examinee,
    rows: tuple[BlockRow, ...],
    *,
    tier: Tier = Tier.QUICK,
    seed: int = 0,
    stop_early: bool = False,
) -> Result:
    """Hold every row on a block class."""
    start = time.perf_counter()
    found: list[RowFinding] = []
    for row in rows:
        told = tuple(hold_block(subject, row))
        found += told
        if stop_early and any(f.verdict is Conformance.FAILS for f in told):
            break
    refused = tuple(dict.fromkeys(f.reason for f in found if f.verdict is Conformance.NOT_OFFERED))
    seconds = time.perf_counter() - start
    return Result(
        subject.kernel.path, BLOCK, tuple(found), refused, subject.kernel.calls, seconds, tier, seed, subject.device
    )
