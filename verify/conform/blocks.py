"""A whole block with its cache: Mamba-1 or Mamba-2, by the official names of its parameters.

The right outputs are `kernels.semantics` over numbers that carry their bounds; the derivative along a parameter is the
same over dual numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, nan
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
    SAY_SO,
    STEP,
    Deviation,
    Examinee,
    Wrong,
    compare,
)
from mamba_theorems.verify.conform.kernel import Kernel, NotOffered, Raised, parameters_of
from mamba_theorems.verify.conform.layouts import NotExercised
from mamba_theorems.verify.conform.operations import SCAN, Draws, cut
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
    """A row with options of the constructor, and with sequences of these lengths.

    `seq_idx` is that of every sequence of the batch, `mask` has one attention mask a sequence, `bounds` are the
    cu_seqlens of a batch of 1. `later` tokens of each sequence follow, by steps.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    length: int = LENGTH
    batch: int = BATCH
    seq_idx: tuple[int, ...] = ()
    mask: tuple[tuple[int, ...], ...] = ()
    bounds: tuple[int, ...] = ()
    later: int = 0

    @property
    def sequences(self) -> list[tuple[int, np.ndarray]]:
        """Each sequence: its place in the batch, and the places of its tokens in time."""
        if self.bounds:
            return [(0, np.arange(a, b)) for a, b in pairwise(self.bounds)]
        if self.mask:
            return [(row, np.flatnonzero(mask)) for row, mask in enumerate(self.mask)]
        pattern = np.array(self.seq_idx or (0,) * self.length)
        cuts = [0, *(np.flatnonzero(pattern[1:] != pattern[:-1]) + 1).tolist(), self.length]
        stretches = [np.arange(a, b) for a, b in pairwise(cuts) if pattern[a] >= 0]  # padding belongs to none
        return [(row, places) for row in range(self.batch) for places in stretches]


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
        "ngroups.each": ({"ngroups": 4}, kinds.GROUPS),
        "headdim": ({"headdim": 1, "ngroups": 3}, kinds.GROUPS),
        "headdim.one": ({"headdim": 12}, kinds.VALUES),
        "d_state": ({"d_state": 1}, kinds.VALUES),
        "conv_bias": ({"conv_bias": False}, kinds.CONV_BIAS),
        "bias": ({"bias": True}, kinds.VALUES),
        "d_conv": ({"d_conv": 2}, kinds.SHORT),
        "dt_limit": ({"dt_limit": (0.2, 0.5)}, kinds.LIMIT),
        "D_has_hdim": ({"D_has_hdim": True}, kinds.WIDE_SKIP),
        "norm_before_gate": ({"norm_before_gate": True, "ngroups": 2}, kinds.NORM),
    }
    for name, (given, kind) in options.items():
        cell = name.partition(".")[0]
        yield row(f"option.{name}", kind, cell=cell, options=given)
        yield row(f"option.{name}.steps", kind, "steps", cell, options=given)
    yield row("norm.small", kinds.NORM, exam="quiet", cell="norm of small signals")
    for words, pattern, kind in (
        ("two", (0, 0, 0, 1, 1, 1, 1), kinds.PACKED),
        ("returns", (0, 0, 1, 1, 0, 0, 0), kinds.AGAIN),
        ("padding", (0, 0, 0, 0, 0, -1, -1), kinds.PADDING),
    ):
        yield row(f"packed.{words}", kind, cell="seq_idx", seq_idx=pattern)
    for words, bounds, kind in (
        ("two", (0, 3, 7), kinds.VARLEN),
        ("ones", (0, 1, 2, 7), kinds.VARLEN),
        ("empty", (0, 4, 4, 7), kinds.EMPTY),
    ):
        yield row(f"varlen.{words}", kind, cell="cu_seqlens", bounds=bounds, batch=1)
        yield row(f"varlen.{words}.cache", kind, "prefill", "cu_seqlens", bounds=bounds, batch=1, later=2)
    for words, mask in (
        ("left", ((1, 1, 1, 1, 1), (0, 0, 1, 1, 1))),
        ("right", ((1, 1, 1, 1, 1), (1, 1, 1, 0, 0))),
        ("both", ((0, 1, 1, 1, 0), (0, 0, 0, 1, 1))),
    ):
        yield row(f"mask.{words}", kinds.ATTENTION_MASK, cell="attention_mask", mask=mask, length=5)
        yield row(
            f"mask.{words}.cache", kinds.ATTENTION_MASK, "prefill", "attention_mask", mask=mask, length=5, later=3
        )
    yield row("prefill", kinds.PIECES, "prefill", length=3, later=4)
    yield row("prefill.short", kinds.SHORT, "prefill", length=1, later=1)
    yield row("several", kinds.PIECES, "several", "several tokens", length=3)
    yield row("confined", kinds.LEAK, "confined", "NaN and inf")
    yield row("gradient", kinds.LOST, "gradients", batch=1, length=5)


# --- the block and its right outputs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuiltBlock:
    """A block with random weights, its weights as numbers, what it was made with, and its tokens."""

    block: Any
    weights: dict[str, np.ndarray]
    made_with: dict[str, Any]
    u: Tensor
    later: Tensor
    row: BlockRow

    @property
    def is_mamba2(self) -> bool:
        """Whether it is Mamba-2 (it has one dt_bias a head)."""
        return "dt_bias" in self.weights


@dataclass(frozen=True)
class BlockCase:
    """What failed, for the replay: the block, its options by name, the calls, and the right outputs with bounds.

    `calls` are lines of Python that take `block`, `u`, `later` and the options, and leave `outputs` by name.
    """

    built: BuiltBlock
    inputs: Mapping[str, Tensor]
    calls: str
    outputs: Mapping[str, tuple[Tensor, Tensor]]
    got: Mapping[str, Tensor]


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
    if parameters is not None and "layer_idx" in parameters:
        given["layer_idx"] = 0  # a cache finds its layer by it
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
    later = n.normal(len(row.sequences), row.later, SIZES["d_model"]).to(u)
    return BuiltBlock(block, weights, given, u, later, row)


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


Outputs = dict[str, tuple[Tensor, Tensor]]


def wanted(subject: Examinee, built: BuiltBlock, u: Tensor | None = None) -> Outputs:
    """y (batch, L, d_model) and the later tokens' outputs, each with its bounds, sequence by sequence; y is 0 ± ∞ at
    padding.
    """
    f = spread(built.u.dtype, HOST if subject.device == "cpu" else CUDA)
    signal, later = (m.detach().cpu().double().numpy() for m in (built.u if u is None else u, built.later))
    found = [(np.zeros(m.shape), np.full(m.shape, inf)) for m in (signal, later)]
    for number, (row, places) in enumerate(built.row.sequences):
        tokens = np.concatenate([signal[row, places], later[number]])
        if not len(tokens):
            continue
        with np.errstate(all="ignore"):  # a bound may be infinite
            numbers = right_of(f, built, tokens)
        for (y, after), part in zip(zip(*found, strict=True), (values(numbers), errors(numbers)), strict=True):
            y[row, places], after[number] = np.split(part, [len(places)])
    outputs = {"y": found[0], "later": found[1]} if built.row.later else {"y": found[0]}
    return {name: (torch.from_numpy(y), torch.from_numpy(bound)) for name, (y, bound) in outputs.items()}


# --- the exams -------------------------------------------------------------------------------------------------------

FORWARD_CALL = "outputs = {{'y': block(u{options})}}"
STEPS = """\
cache, ys = list(block.allocate_inference_cache({batch}, 8, dtype=u.dtype)), []
for t in range(u.shape[1]):
    y, *cache = block.step(u[:, t : t + 1], *cache)
    ys.append(y)
outputs = {{'y': torch.cat(ys, 1)}}"""
LATER = """
ys = []
for t in range(later.shape[1]):
    out, *cache = block.step(later[:, t : t + 1], *cache)
    ys.append(out)
outputs = {{'y': y, 'later': torch.cat(ys, 1)}}"""
OWN_CACHE = "y, cache = block(u, return_last_state=True{options})" + LATER
OFFICIAL_CACHE = (
    """\
import types
cache = list(block.allocate_inference_cache({batch}, 8, dtype=u.dtype))
params = types.SimpleNamespace(
    seqlen_offset=0, max_seqlen=8, max_batch_size={batch}, batch_size_offset=0, lengths_per_sample=None,
    key_value_memory_dict={{getattr(block, 'layer_idx', None): tuple(cache)}},
)
y = block(u, inference_params=params{options})
cache = list(params.key_value_memory_dict[getattr(block, 'layer_idx', None)])"""
    + LATER
)
SEVERAL = """\
y, *_ = block.step(u, *block.allocate_inference_cache({batch}, 8, dtype=u.dtype))
outputs = {{'y': y}}"""


def _run(
    subject: Examinee, built: BuiltBlock, calls: str, right: Outputs, note: str = "", u: Tensor | None = None
) -> None:
    """Run the calls, the very lines of the replay, and compare.

    Raises Wrong with what the replay needs; NotExercised where a bound tells little: most entries may as well be 0.
    """
    for value, bound in right.values():
        if 2 * int((value.abs() > bound).sum()) < int((value != 0).sum()):
            raise NotExercised("its bounds are as large as its values, so that zeros would conform")
    inputs = {"u": built.u if u is None else u, "later": built.later, **_given(subject, built)}
    names: dict[str, Any] = {"block": built.block, "torch": torch, **inputs}
    options = "".join(f", {name}={name}" for name in inputs if name not in ("u", "later"))
    lines = calls.format(options=options, batch=len(built.row.sequences) if built.row.bounds else built.row.batch)
    with torch.no_grad():
        subject.kernel.run(lambda: exec(lines, names))
    got = names["outputs"]
    case = BlockCase(built, inputs, lines, right, got)
    for name, (value, bound) in right.items():
        if not isinstance(got[name], Tensor) or tuple(got[name].shape) != tuple(value.shape):
            form = tuple(got[name].shape) if isinstance(got[name], Tensor) else type(got[name]).__name__
            raise Wrong(Deviation(name, kinds.FORM, f"is {form}, not {tuple(value.shape)} {note}".strip()), case)
        failure = compare(name, got[name], value, bound, bound.isfinite())
        if failure:
            raise Wrong(replace(failure, note=note or failure.note), case)


def _given(subject: Examinee, built: BuiltBlock) -> dict[str, Tensor]:
    """What a forward pass takes beside the tokens. Raises NotOffered for what its signature lacks."""
    row, names = built.row, parameters_of(type(built.block), "forward") or frozenset()
    given: dict[str, Any] = {}
    if row.seq_idx:
        given["seq_idx"] = torch.tensor([row.seq_idx] * row.batch, dtype=torch.int32)
    if row.mask:
        given["attention_mask"] = torch.tensor(row.mask)
    if row.bounds:
        given |= cut(row.bounds)
    if row.bounds and "seq_idx" not in names:
        del given["seq_idx"]
    for name in given:
        if name not in names:
            raise NotOffered(f"{name} (not in the signature of forward)")
    return {name: m.to(subject.device) for name, m in given.items()}


def forward(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """y of whole sequences."""
    built = build(subject, row)
    _run(subject, built, FORWARD_CALL, wanted(subject, built))
    yield FORWARD


def quiet(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Signals so small that the eps of the norm decides."""
    built = build(subject, row)
    if not built.is_mamba2:
        raise NotOffered("a norm (Mamba-1 has none)")
    small = built.u * 2.0**-6
    _run(subject, built, FORWARD_CALL, wanted(subject, built, small), u=small)
    yield FORWARD


def _needs_cache(built: BuiltBlock) -> None:
    """Raises NotOffered where it has none."""
    if not hasattr(built.block, "step") or not hasattr(built.block, "allocate_inference_cache"):
        raise NotOffered("step and allocate_inference_cache")


def steps(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Every token by a step, from an empty cache."""
    built = build(subject, row)
    _needs_cache(built)
    _run(subject, built, STEPS, wanted(subject, built), "by steps")
    yield STEP


def prefill(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """A forward pass that leaves a cache, then steps."""
    built = build(subject, row)
    names = parameters_of(type(built.block), "forward") or frozenset()
    if not {"return_last_state", "inference_params"} & names:
        raise NotOffered("a cache of forward (return_last_state or inference_params)")
    _needs_cache(built)
    calls = OWN_CACHE if "return_last_state" in names else OFFICIAL_CACHE
    _run(subject, built, calls, wanted(subject, built), "a forward pass, then steps")
    yield STEP


def several(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Several tokens for one step: all of them right, or a refusal."""
    built = build(subject, row)
    _needs_cache(built)
    try:
        _run(subject, built, SEVERAL, wanted(subject, built), "of three tokens for one step")
    except Raised as reason:
        raise NotOffered(f"several tokens with a cache ({reason})") from reason
    except Wrong as wrong:
        raise Wrong(replace(wrong.failure, kind=kinds.PIECES), wrong.case) from wrong
    yield STEP


def confined(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """A NaN in one row's fourth token reaches no earlier token and no other row."""
    built = build(subject, row)
    right = wanted(subject, built)
    value, bound = right["y"]
    spoiled = built.u.clone()
    spoiled[0, 3, 1] = nan
    value[0, 3:], bound[0, 3:] = 0, inf
    _run(subject, built, FORWARD_CALL, right, "beside a NaN in row 0 from token 4 on", spoiled)
    yield FORWARD


ALONG = """\
y = block(u)
found = torch.autograd.grad(y, list(block.parameters()), weight, allow_unused=True)
slopes = dict(zip(dict(block.named_parameters()), found))
outputs = {{'slope': (slopes['{name}'].double() * direction).sum()}}"""


def gradients(subject: Examinee, row: BlockRow) -> Iterator[str]:
    """Every parameter's gradient, along one random direction of it, against dual numbers."""
    if not subject.kernel.limits.gradient:
        raise NotOffered("gradient (declared)")
    built = build(subject, row)
    y = subject.kernel.run(lambda: built.block(built.u))
    if not y.requires_grad:
        raise Wrong(Deviation("y", kinds.LOST, f"parameters require a gradient, the result has none: {SAY_SO}"))
    n = Draws(row.seed + 1)
    weight = n.normal(*y.shape).to(y)
    parameters = dict(built.block.named_parameters())
    found = subject.kernel.run(lambda: torch.autograd.grad(y, list(parameters.values()), weight, allow_unused=True))
    f = spread(built.u.dtype, HOST if subject.device == "cpu" else CUDA)
    for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
        direction = n.normal(*parameter.shape)
        value, bound = _derivative(f, built, name, direction.numpy(), weight.cpu().double().numpy())
        if gradient is None:
            raise Wrong(Deviation(f"gradient of {name}", kinds.LOST, "there is none"))
        terms = gradient.detach().cpu().double() * direction
        bound += torch.finfo(gradient.dtype).eps * float(terms.abs().sum())  # its rounding, and the sum's in float64
        if not abs(value) > bound:
            raise NotExercised(f"the bound on the gradient of {name} is as large as itself, so that 0 would conform")
        got = terms.sum()
        if not abs(float(got) - value) <= bound:
            note = "along a random direction"
            exact = torch.tensor(value, dtype=torch.float64), torch.tensor(bound, dtype=torch.float64)
            inputs = {"u": built.u, "weight": weight, "direction": direction}
            case = BlockCase(built, inputs, ALONG.format(name=name), {"slope": exact}, {"slope": got})
            failure = Deviation(f"gradient of {name}", kinds.GRADIENT, note, (), float(got), value, bound)
            raise Wrong(failure, case)
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
        case = reason.case if isinstance(reason, Wrong) else None
        yield told_of(row, dtype, DIRECTION.get(row.exam, FORWARD), reason, _named, case)


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
