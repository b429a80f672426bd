"""The name of a fault: models of known ones are run on the failing inputs, and the one that gives the result names it.

A model changes the oracle's problem as a faulty kernel would read it, or its outputs. Where no model gives what came,
the failure keeps the kind that its row looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isfinite, nan

import torch
from torch import Tensor

from mamba_theorems.verify.conform import kinds, oracle
from mamba_theorems.verify.conform.examine import Deviation, Examinee, SuiteCall, Wrong, ask, compare, same_bits
from mamba_theorems.verify.conform.kernel import NotOffered, Raised
from mamba_theorems.verify.conform.kinds import FaultKind
from mamba_theorems.verify.conform.operations import Arguments, Operation, right, widened
from mamba_theorems.verify.conform.row import SuiteRow

OWN_WORDS = (
    kinds.LOST, kinds.BITS, kinds.STALE, kinds.CHANGED, kinds.FORM, kinds.CRASH, kinds.LEAK, kinds.LOST_NAN,
    kinds.SLOTS, kinds.PADDING_SLOT,
)  # fmt: skip
"""Kinds that the exam itself has seen."""
LASTING = (kinds.MASK, kinds.RAGGED, kinds.STRIDES, kinds.COMPILE)
"""Kinds of rows that name a wrong gradient too."""
SLIGHT = 1 / 16
"""An error below this part of the largest right value may be one of precision."""


@dataclass(frozen=True)
class Model:
    """What is done wrong, its kind, and the arguments as if given; `after` changes y as the fault does."""

    words: str
    kind: FaultKind
    arguments: Arguments
    after: Callable[[Tensor], Tensor] | None = None


def named(subject: Examinee, row: SuiteRow, failure: Deviation, case: SuiteCall | None) -> Deviation:
    """The failure with the kind of the fault that explains it, and the words of the model that gives the same."""
    if case is None or failure.kind in OWN_WORDS:
        return failure
    seen = _unsteady(subject, failure, case) or (_plain(failure, case) if row.kind is not kinds.SOFTPLUS else None)
    if seen is not None:
        return replace(failure, kind=seen.kind, model=seen.words)
    for model in models(subject, row, case.arguments):
        if _explains(subject, row, failure, case, model):
            return replace(failure, kind=model.kind, model=model.words)
    return replace(failure, kind=_of_row(row, failure, case))


def _unsteady(subject: Examinee, failure: Deviation, case: SuiteCall) -> Model | None:
    """The same call once more: other bits, or bits that depend on memory that the call did not write."""
    first = case.got.get(failure.output)
    if first is None or failure.output.startswith("gradient") or case.partial:
        return None
    strided = any(isinstance(m, Tensor) and not m.is_contiguous() for m in case.arguments.values())
    copied = (
        case.arguments if strided else {n: m.clone() if isinstance(m, Tensor) else m for n, m in case.arguments.items()}
    )
    others: tuple[tuple[str, FaultKind, Arguments, float], ...] = (
        ("the same call again differs", kinds.BITS, case.arguments, nan),
        ("the result has what was in memory before", kinds.STALE, case.arguments, 1.0),
        ("the result depends on where the inputs lie in memory", kinds.STALE, copied, nan),
    )
    for words, kind, arguments, fill in others:
        try:
            again = ask(subject, arguments, fill=fill).outputs[failure.output]
        except (NotOffered, Raised, Wrong):
            return None
        if not same_bits(first.detach(), again.detach()):
            return Model(words, kind, arguments)
    return None


def _plain(failure: Deviation, case: SuiteCall) -> Model | None:
    """Zeros, or the state as it was."""
    got = case.got.get(failure.output)
    if got is None:
        return None
    if not bool(got.detach().any()) and not failure.output.startswith("gradient"):
        kind = kinds.ZEROS if failure.output == "y" else _of_state(failure)
        return Model("all zeros", kind, case.arguments)
    whole = "state_batch_indices" not in case.arguments
    if failure.output == "state" and whole and same_bits(got.detach(), case.arguments["state"]):
        return Model("the state is as it was", kinds.STEP, case.arguments)
    return None


def _of_state(failure: Deviation) -> FaultKind:
    if failure.output == "varlen_states":
        return kinds.VARLEN_STATE
    return kinds.LAST if failure.output in ("last_state", "final_states", "state") else kinds.VALUES


def _of_row(row: SuiteRow, failure: Deviation, case: SuiteCall) -> FaultKind:
    """Where no model explains it: a gradient, a state, a lack of precision, or what the row looks for."""
    if failure.output.startswith("gradient"):
        if failure.got is not None and not isfinite(failure.got):
            return kinds.MASK  # inputs and results are finite, and what is masked afterwards is not
        return row.kind if row.kind in LASTING else kinds.GRADIENT
    if row.kind is kinds.PRECISION:
        return _of_precision(failure, case)
    if row.kind in (kinds.VALUES, kinds.LARGE):
        return _of_state(failure) if failure.output != "y" else row.kind
    return row.kind


def _of_precision(failure: Deviation, case: SuiteCall) -> FaultKind:
    if failure.got is None or failure.want is None:
        return kinds.PRECISION
    if not isfinite(failure.got):
        return kinds.OVERFLOW
    value = case.right.outputs[failure.output][0]
    slight = abs(failure.got - failure.want) <= SLIGHT * float(value[value.isfinite()].abs().max())
    return kinds.PRECISION if slight else _of_state(failure)


def _explains(subject: Examinee, row: SuiteRow, failure: Deviation, case: SuiteCall, model: Model) -> bool:
    """Whether the oracle gives what came on the model's arguments."""
    got = case.got.get(failure.output)
    gradient = failure.output.startswith("gradient of ")
    if got is None or case.partial or (gradient and model.after is not None):
        return False
    loss = case.loss if gradient else None
    try:
        found = right(subject.operation, model.arguments, subject.precision(row.dtype or subject.main), loss)
    except (RuntimeError, ValueError, KeyError):  # a model that does not fit these shapes explains nothing
        return False
    name = failure.output.removeprefix("gradient of ")
    there = found.gradients if gradient else found.outputs
    if name not in there or there[name][0].shape != got.shape:
        return False
    value, bound = there[name]
    if model.after is not None and name == "y":
        value, bound = model.after(value), bound + _rounding_of(subject, row) * model.after(value).abs()
    return compare(name, got, value, bound) is None


def _rounding_of(subject: Examinee, row: SuiteRow) -> float:
    return 4 * subject.precision(row.dtype or subject.main).unit


def models(subject: Examinee, row: SuiteRow, arguments: Arguments) -> Iterator[Model]:
    """Wrong readings of the arguments, from the plain to the special."""
    a = widened(arguments)
    yield from _deaf(a)
    yield from _packing(a)
    yield from _steps(a)
    yield from _groups(subject.operation, a)
    yield from _rounded(a)
    yield from _taps(a)
    yield from _outside(subject.operation, a)


IGNORED = {
    "z": kinds.GATE, "D": kinds.SKIP, "delta_bias": kinds.BIAS, "dt_bias": kinds.BIAS, "dt_limit": kinds.LIMIT,
    "seq_idx": kinds.PACKED, "initial_state": kinds.INITIAL, "initial_states": kinds.INITIAL,
    "delta_softplus": kinds.SOFTPLUS, "dt_softplus": kinds.SOFTPLUS, "bias": kinds.CONV_BIAS,
    "activation": kinds.ACTIVATION, "state_batch_indices": kinds.SLOTS,
}  # fmt: skip


def _deaf(a: Arguments) -> Iterator[Model]:
    for name, kind in IGNORED.items():
        if name in a:
            yield Model(f"{name} ignored", kind, {k: v for k, v in a.items() if k != name})


def _packing(a: Arguments) -> Iterator[Model]:
    seq_idx, lost = a.get("seq_idx"), kinds.PACKED
    if "cu_seqlens" in a:
        seq_idx, lost = oracle.indices(a["cu_seqlens"], int(a["cu_seqlens"][-1])), kinds.VARLEN
        yield Model("cu_seqlens ignored", lost, a | {"seq_idx": torch.zeros_like(seq_idx)})
    if seq_idx is None:
        return
    if bool((seq_idx < 0).any()):
        yield Model("padding is a sequence of its own", kinds.PADDING, a | {"seq_idx": seq_idx - seq_idx.min()})
    low = seq_idx.cummin(1).values
    yield Model("only a larger index begins a sequence", kinds.AGAIN, a | {"seq_idx": seq_idx.cummax(1).values})
    yield Model("only a smaller index begins a sequence", kinds.AGAIN, a | {"seq_idx": low})
    starts = torch.nn.functional.pad(seq_idx[:, 1:] != seq_idx[:, :-1], (1, 0))
    for size in (4, 8, 16, 32, 64):
        kept = starts.clone()
        kept[:, ::size] = False
        yield Model(f"a boundary at a multiple of {size} is lost", lost, a | {"seq_idx": kept.cumsum(1)})
        kept = starts.clone()
        kept[:, torch.arange(starts.shape[1]) % size != 0] = False
        yield Model(f"a boundary inside a chunk of {size} is lost", lost, a | {"seq_idx": kept.cumsum(1)})


def _steps(a: Arguments) -> Iterator[Model]:
    """Δ by another rule: handed over as Δ itself, without bias, softplus and limits."""
    step = next((name for name in ("delta", "dt") if name in a), None)
    if step is None:
        return
    bias = next((a[name] for name in ("delta_bias", "dt_bias") if name in a), None)
    softplus = bool(a.get("delta_softplus") or a.get("dt_softplus"))
    plain = {k: v for k, v in a.items() if k not in (*IGNORED_OF_STEPS, step)}
    raw, wide = a[step], None if bias is None else _beside(a, step, bias)
    total = raw if wide is None else raw + wide
    if softplus:
        early = torch.nn.functional.softplus(total.clamp(min=0))
        yield Model("limits before softplus", kinds.LIMIT, plain | {step: early})
        yield Model("softplus is ReLU", kinds.SOFTPLUS, plain | {step: total.clamp(min=0)})
        for threshold in (5.0, 8.0, 10.0, 15.0):
            linear = torch.where(total > threshold, total, torch.nn.functional.softplus(total))
            yield Model(f"softplus is linear from {threshold:g}", kinds.SOFTPLUS, plain | {step: linear})
        naive = torch.log(1 + torch.exp(total.float())).double()
        yield Model("softplus loses its far tail", kinds.SOFTPLUS, plain | {step: naive})
        yield Model("softplus is e^x in its tail", kinds.SOFTPLUS, plain | {step: torch.exp(total)})
        if wide is not None:
            late = torch.nn.functional.softplus(raw) + wide
            yield Model("bias after softplus", kinds.BIAS, plain | {step: late})
    if wide is not None:
        yield Model(
            "bias subtracted", kinds.BIAS, a | {name: -a[name] for name in ("delta_bias", "dt_bias") if name in a}
        )
    if "dt_limit" in a:
        low, high = a["dt_limit"]
        early = total.clamp(low, high)
        early = torch.nn.functional.softplus(early) if softplus else early
        yield Model("limits before softplus", kinds.LIMIT, plain | {step: early})
        for words, limit in (("lower", (0.0, high)), ("upper", (low, float("inf")))):
            yield Model(f"the {words} limit is ignored", kinds.LIMIT, a | {"dt_limit": limit})


IGNORED_OF_STEPS = ("delta_bias", "dt_bias", "delta_softplus", "dt_softplus", "dt_limit")


def _beside(a: Arguments, step: str, bias: Tensor) -> Tensor:
    """The bias so that it adds to Δ."""
    return bias[:, None] if step == "delta" else bias


GROUPED = {"selective_scan": (1, 4), "ssd_chunk_scan": (2, 4), "selective_state_update": (1, 3)}
"""By operation: the axis of the groups in B and C, and how many axes B has where there are groups."""


def _groups(operation: Operation, a: Arguments) -> Iterator[Model]:
    """B and C as a group for every channel or head, wrongly spread."""
    axis, axes = GROUPED.get(operation.name, (0, 0))
    names = [n for n in ("B", "C") if axes and a[n].ndim == axes and a[n].shape[axis] > 1]
    if not names:
        return
    count = a[operation.signal].shape[axis]

    def spread(name: str, groups: int) -> Tensor:
        m = a[name].narrow(axis, 0, groups)
        return m.repeat([count // groups if i == axis else 1 for i in range(m.ndim)])

    tiled = {n: spread(n, a[n].shape[axis]) for n in names}
    yield Model("groups repeated, not interleaved", kinds.GROUPS, a | tiled)
    for n in names:
        yield Model(f"groups of {n} repeated, not interleaved", kinds.GROUPS, a | {n: tiled[n]})
    yield Model("only the first group", kinds.GROUPS, a | {n: spread(n, 1) for n in names})


def _rounded(a: Arguments) -> Iterator[Model]:
    for dtype in (torch.bfloat16, torch.float16):
        if "A" in a:
            yield Model(f"A rounded to {str(dtype)[6:]}", kinds.HALF, a | {"A": a["A"].to(dtype).double()})
        heavy = {n: a[n].to(dtype).double() for n in ("A", "D", "delta_bias", "dt_bias", "initial_state") if n in a}
        yield Model(f"weights rounded to {str(dtype)[6:]}", kinds.HALF, a | heavy)
    if "D" in a and a["D"].ndim == 2:
        yield Model("D of one channel for all of a head", kinds.WIDE_SKIP, a | {"D": a["D"][:, :1].expand_as(a["D"])})


def _taps(a: Arguments) -> Iterator[Model]:
    if "weight" in a:
        yield Model("taps reversed", kinds.TAPS, a | {"weight": a["weight"].flip(-1)})
    if "weight" in a and "initial_states" in a:
        yield Model("initial states reversed", kinds.INITIAL, a | {"initial_states": a["initial_states"].flip(-1)})


def _outside(operation: Operation, a: Arguments) -> Iterator[Model]:
    """D·u added after the gate."""
    if "D" in a and "z" in a:
        signal, D = a[operation.signal], a["D"]
        D = D[:, None] if operation.name == "selective_scan" or (signal.ndim == 4 and D.ndim == 1) else D
        yield Model(
            "D outside the gate", kinds.SKIP, {k: v for k, v in a.items() if k != "D"}, lambda y: y + D * signal
        )
