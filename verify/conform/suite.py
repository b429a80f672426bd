"""The suite: what a kernel takes is found out, every row is held, and each gets its verdicts.

Verdicts are CONFORMS, FAILS, NOT EXERCISED and NOT OFFERED, by operation, option, dtype and direction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import Any

import torch

from mamba_theorems.verify.conform import kinds, naming
from mamba_theorems.verify.conform.examine import (
    DTYPES,
    EXAMS,
    FORWARD,
    Deviation,
    Examinee,
    In,
    Wrong,
    ask,
    draw,
)
from mamba_theorems.verify.conform.kernel import Kernel, KernelLimits, KernelRefusal, NotOffered, Raised, elements
from mamba_theorems.verify.conform.layouts import NotExercised
from mamba_theorems.verify.conform.operations import Draws, Operation
from mamba_theorems.verify.conform.refusals import BASE, DECLARE_IT, friendly_sizes, judged
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.words import says_size
from mamba_theorems.verify.settings import Tier


class Conformance(StrEnum):
    """What is said of a kernel, the worst first."""

    FAILS = "FAILS"
    CONFORMS = "CONFORMS"
    NOT_OFFERED = "NOT OFFERED"
    NOT_EXERCISED = "NOT EXERCISED"


@dataclass(frozen=True)
class RowFinding:
    """What one row says in one direction.

    `case` is what failed, for the replay: a SuiteCall or a BlockCase; `worst` is the largest error/bound.
    """

    row: SuiteRow
    dtype: str
    direction: str
    verdict: Conformance
    reason: str = ""
    failure: Deviation | None = None
    case: Any = field(default=None, repr=False)
    worst: float = 0.0


@dataclass(frozen=True)
class Result:
    """All that was found about one kernel."""

    path: str
    operation: str
    findings: tuple[RowFinding, ...]
    not_offered: tuple[str, ...]
    calls: int
    seconds: float
    tier: Tier
    seed: int
    device: str

    @property
    def failures(self) -> tuple[RowFinding, ...]:
        """What failed."""
        return tuple(f for f in self.findings if f.verdict is Conformance.FAILS)

    @property
    def worst(self) -> float:
        """The largest error/bound of what conforms."""
        return max((f.worst for f in self.findings), default=0.0)

    @property
    def exercised(self) -> bool:
        """Whether any row reached the kernel."""
        return any(f.verdict in (Conformance.CONFORMS, Conformance.FAILS) for f in self.findings)

    @property
    def cells(self) -> dict[tuple[str, str, str], Conformance]:
        """The verdict by option, direction and dtype: the worst of its rows."""
        found: dict[tuple[str, str, str], Conformance] = {}
        order = list(Conformance)
        for f in self.findings:
            for option in f.row.lines:
                key = (option, f.direction, f.dtype)
                found[key] = min(found.get(key, f.verdict), f.verdict, key=order.index)
        return found


# --- what a kernel takes ---------------------------------------------------------------------------------------------

MULTIPLES = (2, 4, 8, 16, 32, 64, 128, 256)


def subject_of(
    path: str, function: Callable[..., Any], operation: Operation, device: str, limits: KernelLimits | None = None
) -> Examinee:
    """The kernel as a subject: its dtypes, what it accumulates in, and its limits on sizes, as it declares or shows."""
    kernel = Kernel(path, function, limits)
    if kernel.limits.devices is not None and device not in kernel.limits.devices:
        raise NotOffered(f"{device} (declared)")
    subject = Examinee(kernel, operation, device, kernel.limits.dtypes or tuple(DTYPES))
    _learn_sizes(subject)
    if kernel.limits.dtypes is None:
        subject.dtypes = tuple(name for name in DTYPES if _takes_dtype(subject, name)) or ("float32",)
    _learn_precision(subject)
    return subject


def _learn_sizes(subject: Examinee) -> None:
    """Where the base row's sizes are refused, which are taken: friendly ones, made ordinary again one by one."""
    first = next((name for name in ("float32", *subject.dtypes) if _accepts(subject, {}, name)), None)
    if first is not None:
        return
    operation, kernel = subject.operation, subject.kernel
    friendly = friendly_sizes(operation)
    dtype = next((name for name in ("float32", *subject.dtypes) if _accepts(subject, friendly, name)), None)
    if dtype is None and _accepts(subject, friendly | {"batch": 1}, "float32"):
        friendly, dtype = friendly | {"batch": 1}, "float32"
    if dtype is None:
        return
    rules = dict(kernel.limits.sizes)
    for name in friendly:
        ordinary = operation.sizes[name]
        reason = _refusal(subject, friendly | {name: ordinary}, dtype)
        if reason is not None and (isinstance(reason, KernelRefusal | Raised) or name not in rules):
            rules[name] = _rule(subject, friendly, name, dtype)
            if not (isinstance(reason, KernelRefusal) and says_size(name, reason.text)):
                subject.unnamed[name] = f"{name} = {ordinary}, where {friendly[name]} is taken: {reason}: {DECLARE_IT}"
    kernel.limits = replace(kernel.limits, sizes=rules)


def _rule(subject: Examinee, friendly: Mapping[str, int], name: str, dtype: str) -> Any:
    """The multiple that a size must be, or the one value that is taken."""
    for multiple in MULTIPLES:
        odd = max(3, subject.operation.sizes[name] // multiple | 1) * multiple
        if _accepts(subject, {**friendly, name: odd}, dtype) and _accepts(subject, {**friendly, name: multiple}, dtype):
            return {"multiple": multiple}
    taken = [
        size for size in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256) if _accepts(subject, {**friendly, name: size}, dtype)
    ]
    return taken or [friendly[name]]


def _accepts(subject: Examinee, sizes: Mapping[str, int], dtype: str) -> bool:
    """Whether the plain call at these sizes ends without an exception; wrong results are for the rows to see."""
    return _refusal(subject, sizes, dtype) is None


def _refusal(subject: Examinee, sizes: Mapping[str, int], dtype: str) -> Exception | None:
    """The exception of the plain call at these sizes."""
    try:
        arguments = draw(replace(subject, dtypes=tuple(DTYPES)), replace(BASE, sizes=sizes, dtype=dtype))
        ask(subject, arguments)
    except (NotOffered, Raised) as reason:
        return reason
    except Wrong:
        return None
    return None


def _takes_dtype(subject: Examinee, dtype: str) -> bool:
    sizes: tuple[dict[str, int], ...] = ({}, subject.kernel.limits.fitted(friendly_sizes(subject.operation)))
    if any(_accepts(subject, at, dtype) for at in sizes):
        return True
    if DTYPES[dtype].itemsize == 2:
        subject.uniform.add(dtype)
        if any(_accepts(subject, at, dtype) for at in sizes):
            return True
        subject.uniform.discard(dtype)
    return False


def _learn_precision(subject: Examinee) -> None:
    """float64 that is computed in float32, as mamba_ssm's reference does: found, told, and held to float32."""
    if "float64" not in subject.dtypes or "float32" not in subject.dtypes:
        return
    row = replace(BASE, dtype="float64", gradient=False)
    if _verdict(subject, row) is Conformance.FAILS:
        subject.accumulation["float64"] = torch.float32
        if _verdict(subject, row) is Conformance.FAILS:
            del subject.accumulation["float64"]


def _verdict(subject: Examinee, row: SuiteRow) -> Conformance:
    return next(f.verdict for f in hold(subject, row))


# --- one row ---------------------------------------------------------------------------------------------------------


def hold(subject: Examinee, row: SuiteRow) -> Iterator[RowFinding]:
    """What a row says, a finding a direction."""
    dtype = row.dtype or subject.main
    subject.worst = 0.0
    if row.id == "plain" and subject.unnamed:
        failure = Deviation("the call", kinds.REFUSAL, "; ".join(subject.unnamed.values()))
        yield RowFinding(row, dtype, FORWARD, Conformance.FAILS, str(failure), failure)
    try:
        for direction in EXAMS[row.exam](subject, row):
            yield RowFinding(row, dtype, direction, Conformance.CONFORMS, worst=subject.worst)
    except In as found:
        reason = judged(subject, row, found.direction, found.reason)
        case = reason.case if isinstance(reason, Wrong) else None

        def name(row: SuiteRow, failure: Deviation) -> Deviation:
            return naming.named(subject, row, failure, case)

        yield told_of(row, dtype, found.direction, reason, name, case)


def told_of(
    row: SuiteRow,
    dtype: str,
    direction: str,
    reason: Exception,
    name: Callable[[SuiteRow, Deviation], Deviation],
    case: Any = None,
) -> RowFinding:
    """The finding of an exam that ended early; `name` gives a failure its kind."""
    if isinstance(reason, NotOffered):
        return RowFinding(row, dtype, direction, Conformance.NOT_OFFERED, str(reason))
    if isinstance(reason, NotExercised):
        return RowFinding(row, dtype, direction, Conformance.NOT_EXERCISED, str(reason))
    if isinstance(reason, Wrong):
        failure = name(row, reason.failure)
    else:
        kind = row.kind if row.kind is not kinds.VALUES else kinds.CRASH
        failure = Deviation("the call", kind, f"raises {reason}")
    return RowFinding(row, dtype, direction, Conformance.FAILS, str(failure), failure, case)


# --- all rows --------------------------------------------------------------------------------------------------------

SLOW = 4.0
"""Seconds that one row may be expected to take in the quick tier."""


def examine(
    subject: Examinee,
    rows: Iterable[SuiteRow],
    *,
    tier: Tier = Tier.QUICK,
    seed: int = 0,
    stop_early: bool = False,
    draws: bool = True,
    progress: Callable[[str], None] = lambda name: None,
) -> Result:
    """Hold every row, then random draws from what the kernel takes."""
    start, found = time.perf_counter(), []
    pace = _Pace()
    for row in chain(rows, random_rows(subject, seed, DRAWS[tier] if draws else 0)):
        progress(row.id)
        reason = pace.too_long(subject, row, tier)
        if reason:
            found.append(RowFinding(row, row.dtype or subject.main, FORWARD, Conformance.NOT_EXERCISED, reason))
            continue
        with pace.timed(row):
            told = tuple(hold(subject, row))
        found += told
        _remember(subject, row, told)
        if stop_early and any(f.verdict is Conformance.FAILS for f in told):
            break
    kernel = subject.kernel
    return Result(
        kernel.path, subject.operation.name, tuple(found), _not_offered(subject, found), kernel.calls,
        time.perf_counter() - start, tier, seed, subject.device,
    )  # fmt: skip


def _remember(subject: Examinee, row: SuiteRow, told: tuple[RowFinding, ...]) -> None:
    """An option that is refused alone is asked for no more, where the call without it is not refused."""
    refused = [f.verdict for f in told] == [Conformance.NOT_OFFERED]
    if row.id == "plain":
        subject.bare = not refused
    if subject.bare and refused and row.id == f"option.{''.join(row.uses)}":
        subject.kernel.refused.setdefault(row.uses[0], told[0].reason)


class _Pace:
    """How long a kernel takes a step of time, so that a slow one is not asked for 100,000 in the quick tier."""

    def __init__(self) -> None:
        self.a_step = 0.0

    def too_long(self, subject: Examinee, row: SuiteRow, tier: Tier) -> str:
        """Why a row is not held, or ""."""
        if row.tier is not Tier.QUICK and tier is Tier.QUICK:
            return f"needs --tier {row.tier}"
        expected = self.a_step * row.sizes.get("length", 0)
        if tier is Tier.QUICK and expected > SLOW:
            return f"would take about {expected:.0f} s: --tier full"
        return ""

    def timed(self, row: SuiteRow) -> Any:
        """Time a row."""
        return _Timed(self, row)


class _Timed:
    def __init__(self, pace: _Pace, row: SuiteRow) -> None:
        self.pace, self.row = pace, row

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: Any) -> None:
        length = self.row.sizes.get("length", 0)
        if length >= 1000:
            self.pace.a_step = (time.perf_counter() - self.start) / length


def _not_offered(subject: Examinee, findings: Iterable[RowFinding]) -> tuple[str, ...]:
    """What is not offered, each with who says so; dtypes, sizes and gradients among it."""
    found = dict.fromkeys(f.reason for f in findings if f.verdict is Conformance.NOT_OFFERED)
    for name in DTYPES:
        if name not in subject.dtypes:
            found.pop(name, None)
            declared = subject.kernel.limits.dtypes is not None
            found[f"{name} ({'declared' if declared else 'refused'})"] = None
    for name, rule in subject.kernel.limits.sizes.items():
        found[f"{name} other than {_words_of(rule)}"] = None
    for *together, last in subject.kernel.limits.not_together:
        rules = last if isinstance(last, Mapping) else {}
        words = [f"{name} other than {_words_of(rule)}" for name, rule in rules.items()] if rules else [last]
        found[f"{' with '.join([*together, *words])} (declared)"] = None
    if not subject.kernel.limits.gradient:
        found["gradient (declared)"] = None
    if subject.accumulation.get("float64") is torch.float32:
        found["the precision of float64 (it is computed in float32)"] = None
    return tuple(found)


def _words_of(rule: Any) -> str:
    """A rule of sizes in words."""
    whole = isinstance(rule, Mapping) and list(rule) == ["multiple"]
    return f"multiples of {rule['multiple']}" if whole else str(rule)


DRAWS = {Tier.QUICK: 25, Tier.FULL: 5000, Tier.GPU: 500}
"""So many random draws."""


WORK = 500_000
"""So many terms may the oracle sum for one random draw."""


def _too_large(limits: KernelLimits, sizes: Mapping[str, int]) -> bool:
    return elements(sizes) * sizes.get("length", 1) > WORK or bool(limits.too_many(sizes))


def random_rows(subject: Examinee, seed: int, count: int) -> Iterator[SuiteRow]:
    """Random options and sizes in a random dtype, from what the kernel takes."""
    operation, kernel = subject.operation, subject.kernel
    offered = [option for option in operation.everything if not kernel.lacks(option, operation.features)]
    most = 4 if count <= DRAWS[Tier.QUICK] else 8
    for number in range(count):
        n = Draws(1_000_003 * seed + number)
        uses = tuple(option for option in offered if n.choice(0, 1))
        groups = n.choice(1, 3)
        sizes = {name: n.choice(1, most * 2) for name in operation.sizes}
        sizes |= {name: groups * n.choice(1, most) for name in ("d_inner", "nheads") if name in sizes}
        sizes |= {"groups": groups, "batch": n.choice(1, 3), "length": n.choice(1, 20 * most)}
        sizes = {name: size for name, size in sizes.items() if name in operation.sizes}
        while _too_large(kernel.limits, sizes):
            largest = max(
                (name for name in sizes if name not in ("groups", "nheads", "d_inner")), key=sizes.__getitem__
            )
            if sizes[largest] == 1:
                break  # what is left is the kernel's to refuse
            sizes[largest] //= 2
        sizes |= {"chunk_size": 1 << n.choice(4, 6)} if "chunk_size" in sizes else {}
        sizes |= {"width": n.choice(2, 4)} if "width" in sizes else {}
        dtype = subject.dtypes[n.choice(0, len(subject.dtypes) - 1)]
        fitted = kernel.limits.fitted(sizes)
        yield SuiteRow(
            f"random.{seed}.{number}", kinds.VALUES, uses, fitted, dtype, cells=("random draws",),
        )  # fmt: skip
