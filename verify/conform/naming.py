"""The name of a fault: models of the known ones are run on the failing inputs, and the one that gives the result names it.

A model changes the oracle's problem as a faulty kernel would read it, or its outputs. Where no model gives what came,
the failure keeps the kind that its row looks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.examine import Case, Failure, Subject, compare
from mamba_theorems.verify.conform.kinds import Kind
from mamba_theorems.verify.conform.operations import Arguments, Operation, right, widened
from mamba_theorems.verify.conform.row import Row

Model = tuple[str, Kind, Arguments]


def named(subject: Subject, row: Row, failure: Failure, case: Case | None) -> Failure:
    """The failure with the kind of the fault that explains it, and the words of the model that gives the same."""
    if case is None or failure.kind in OWN_WORDS:
        return failure
    if _only_zeros(failure, case):
        return replace(failure, kind=kinds.ZEROS if failure.output == "y" else _of_row(row, failure), model="all zeros")
    for words, kind, arguments in models(subject, row, case.arguments):
        if _explains(subject, row, failure, case, arguments):
            return replace(failure, kind=kind, model=words)
    return replace(failure, kind=_of_row(row, failure))


OWN_WORDS = (
    kinds.LOST, kinds.BITS, kinds.STALE, kinds.CHANGED, kinds.FORM, kinds.CRASH, kinds.LEAK, kinds.LOST_NAN,
)  # fmt: skip
"""Kinds that the exam itself has seen."""


def _of_row(row: Row, failure: Failure) -> Kind:
    """The kind that the row looks for; where the row is about anything, that of the output."""
    if row.kind is not kinds.VALUES and row.kind is not kinds.LARGE:
        return row.kind
    if failure.output.startswith("gradient"):
        return kinds.GRADIENT
    if failure.output in ("last_state", "final_states"):
        return kinds.LAST
    return row.kind


def _only_zeros(failure: Failure, case: Case) -> bool:
    got = case.got.get(failure.output)
    return got is not None and not bool(got.detach().any())


def _explains(subject: Subject, row: Row, failure: Failure, case: Case, arguments: Arguments) -> bool:
    """Whether the oracle gives what came on the model's arguments, and not on the right ones."""
    got = case.got.get(failure.output)
    if got is None:
        return False
    gradient = failure.output.startswith("gradient of ")
    loss = None if case.loss is None or not gradient else {n: w.double().cpu() for n, w in case.loss.items()}
    try:
        found = right(subject.operation, arguments, subject.precision(row.dtype or subject.main), loss)
    except (RuntimeError, ValueError, KeyError):
        return False
    name = failure.output.removeprefix("gradient of ")
    there = found.gradients if gradient else found.outputs
    if name not in there or there[name][0].shape != got.shape:
        return False
    return compare(name, got, *there[name]) is None


def models(subject: Subject, row: Row, arguments: Arguments) -> Iterator[Model]:
    """Wrong readings of the arguments, from the plain to the special: (what is done wrong, its kind, as if given)."""
    a = widened(arguments)
    yield from _deaf(a)
    yield from _packing(a)
    yield from _steps(a)
    yield from _groups(subject.operation, a)
    yield from _rounded(a)
    yield from _taps(a)


IGNORED = {
    "z": kinds.GATE, "D": kinds.SKIP, "delta_bias": kinds.BIAS, "dt_bias": kinds.BIAS, "dt_limit": kinds.LIMIT,
    "seq_idx": kinds.PACKED, "initial_state": kinds.INITIAL, "initial_states": kinds.INITIAL,
    "delta_softplus": kinds.SOFTPLUS, "dt_softplus": kinds.SOFTPLUS, "bias": kinds.CONV_BIAS,
    "activation": kinds.ACTIVATION,
}  # fmt: skip


def _deaf(a: Arguments) -> Iterator[Model]:
    for name, kind in IGNORED.items():
        if name in a:
            yield f"{name} ignored", kind, {k: v for k, v in a.items() if k != name}


def _packing(a: Arguments) -> Iterator[Model]:
    seq_idx = a.get("seq_idx")
    if seq_idx is None:
        return
    if bool((seq_idx < 0).any()):
        yield "padding is a sequence of its own", kinds.PADDING, a | {"seq_idx": seq_idx - seq_idx.min()}
    low = seq_idx.cummin(1).values
    yield "only a larger index begins a sequence", kinds.AGAIN, a | {"seq_idx": seq_idx.cummax(1).values}
    yield "only a smaller index begins a sequence", kinds.AGAIN, a | {"seq_idx": low}
    starts = torch.nn.functional.pad(seq_idx[:, 1:] != seq_idx[:, :-1], (1, 0))
    for size in (4, 8, 16, 32, 64):
        kept = starts.clone()
        kept[:, ::size] = False
        yield f"a boundary at a multiple of {size} is lost", kinds.PACKED, a | {"seq_idx": kept.cumsum(1)}
        kept = starts.clone()
        kept[:, torch.arange(starts.shape[1]) % size != 0] = False
        yield f"a boundary inside a chunk of {size} is lost", kinds.PACKED, a | {"seq_idx": kept.cumsum(1)}


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
        yield "softplus is ReLU", kinds.SOFTPLUS, plain | {step: total.clamp(min=0)}
        for threshold in (5.0, 8.0, 10.0, 15.0):
            linear = torch.where(total > threshold, total, torch.nn.functional.softplus(total))
            yield f"softplus is linear from {threshold:g}", kinds.SOFTPLUS, plain | {step: linear}
        naive = torch.log(1 + torch.exp(total.float())).double()
        yield "softplus loses its far tail", kinds.SOFTPLUS, plain | {step: naive}
        yield "softplus is e^x in its tail", kinds.SOFTPLUS, plain | {step: torch.exp(total)}
        if wide is not None:
            late = torch.nn.functional.softplus(raw) + wide
            yield "bias after softplus", kinds.BIAS, plain | {step: late}
    if wide is not None:
        yield "bias subtracted", kinds.BIAS, a | {name: -a[name] for name in ("delta_bias", "dt_bias") if name in a}
    if "dt_limit" in a:
        low, high = a["dt_limit"]
        early = total.clamp(low, high)
        early = torch.nn.functional.softplus(early) if softplus else early
        yield "limits before softplus", kinds.LIMIT, plain | {step: early}
        for words, limit in (("lower", (0.0, high)), ("upper", (low, float("inf")))):
            yield f"the {words} limit is ignored", kinds.LIMIT, a | {"dt_limit": limit}


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
    yield "groups repeated, not interleaved", kinds.GROUPS, a | tiled
    for n in names:
        yield f"groups of {n} repeated, not interleaved", kinds.GROUPS, a | {n: tiled[n]}
    yield "only the first group", kinds.GROUPS, a | {n: spread(n, 1) for n in names}


def _rounded(a: Arguments) -> Iterator[Model]:
    for dtype in (torch.bfloat16, torch.float16):
        if "A" in a:
            yield f"A rounded to {str(dtype)[6:]}", kinds.HALF, a | {"A": a["A"].to(dtype).double()}
        heavy = {n: a[n].to(dtype).double() for n in ("A", "D", "delta_bias", "dt_bias", "initial_state") if n in a}
        yield f"weights rounded to {str(dtype)[6:]}", kinds.HALF, a | heavy
    if "D" in a and a["D"].ndim == 2:
        yield "D of one channel for all of a head", kinds.WIDE_SKIP, a | {"D": a["D"][:, :1].expand_as(a["D"])}


def _taps(a: Arguments) -> Iterator[Model]:
    if "weight" in a:
        yield "taps reversed", kinds.TAPS, a | {"weight": a["weight"].flip(-1)}
    if "weight" in a and "initial_states" in a:
        yield "initial states reversed", kinds.INITIAL, a | {"initial_states": a["initial_states"].flip(-1)}
