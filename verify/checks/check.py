"""What a numeric check is: something that examines a subject, and mutants of that subject which it must reject.

`Property` draws cases with hypothesis, aims at the worst score, and prints a shrunk failure with its replay line;
`Examination` looks at stated sizes once (bulk runs, exhaustive searches, enclosures).
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy

from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.case import Choice, Domain, NotACase, Record, Whole
from mamba_theorems.verify.settings import NotAvailable, Run, Tier

S = TypeVar("S")
C = TypeVar("C")
MUTANT_EXAMPLES = 60


@dataclass(frozen=True)
class Score:
    """How well one case went: a margin must be > 0, an error/bound ≤ 1, mismatches 0; NaN never passes."""

    value: float
    unit: str = "margin"

    @property
    def passes(self) -> bool:
        """Whether the case is fine."""
        return {"margin": self.value > 0, "error/bound": self.value <= 1, "mismatches": self.value == 0}[self.unit]

    @property
    def badness(self) -> float:
        """Larger is worse, for hypothesis to aim at and for the worst case seen."""
        if math.isnan(self.value):
            return math.inf
        return -self.value if self.unit == "margin" else self.value


@dataclass(frozen=True)
class Finding:
    """What a check saw. `case` is the instance to replay, as JSON data, when there is one.

    `crashed` says that it failed by raising rather than by its own measure.
    """

    holds: bool | None
    summary: str
    facts: Mapping[str, str | int] = field(default_factory=dict)
    measured: Mapping[str, float | str] = field(default_factory=dict)
    case: Any = None
    crashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Check(ABC, Generic[S]):
    """A check of one claim. Every mutant of the subject must make it fail, but `survivors`, each with its reason."""

    claim: str
    name: str
    kind: Kind = Kind.TESTED
    subject: S
    mutants: Mapping[str, S]
    tier: Tier = Tier.QUICK
    survivors: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a check that nothing shows able to fail, and an excuse for a mutant that it has not."""
        strange = set(self.survivors) - set(self.mutants)
        if strange:
            raise ValueError(f"check {self.claim}:{self.name} has no mutant '{min(strange)}' to excuse")
        if not self.mutants:
            raise ValueError(f"check {self.claim}:{self.name} has no mutant: give it one that it must reject")

    @abstractmethod
    def examine(self, subject: S, run: Run) -> Finding:
        """Run the check on a subject."""

    @abstractmethod
    def replay(self, case: Any, run: Run) -> Finding:
        """Run the check on one instance, given as JSON data. Raises NotACase for what is none."""

    def wanted(self, run: Run) -> bool:
        """Whether the tier asked for includes this check."""
        order = list(Tier)
        return order.index(self.tier) <= order.index(run.tier)


@dataclass(frozen=True, kw_only=True)
class Property(Check[S], Generic[S, C]):
    """score(subject, case) passes for every case that the strategy draws.

    `case_type` is a dataclass of plain data, so that a case can be printed and replayed; the annotation of the
    score's `case` says which, unless a subclass is given. Each of its fields is annotated with its domain, and its
    method `together`, where it has one, tells what is wrong with the fields together. `examples` is the number for the
    quick tier; the full tier draws five times as many.
    """

    cases: Callable[[S, Run], SearchStrategy[C]]
    score: Callable[[S, C, Run], Score]
    case_type: type[C] = None  # type: ignore[assignment]
    examples: int = 40
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the type of the cases. Raises ValueError if no annotation says it."""
        super().__post_init__()
        case_type = self.case_type or get_type_hints(self.score).get("case")
        if not is_dataclass(case_type):
            raise ValueError(f"check {self.claim}:{self.name}: annotate its score's `case` with a dataclass")
        object.__setattr__(self, "case_type", case_type)
        domains(case_type)

    def examine(self, subject: S, run: Run) -> Finding:
        """Draw cases, aim at worse ones, and shrink one that fails."""
        count = self.examples * (1 if run.tier is Tier.QUICK else 5)
        seen, examples = Seen(), count if run.shrink else min(count, MUTANT_EXAMPLES)

        def score(case: C) -> Score:
            return self.score(subject, case, run)

        if hunt(self.cases(subject, run), score, seen, number=run.seed, examples=examples, shrink=run.shrink):
            return Finding(True, "", self.facts, seen.figures())
        return self._failed(seen)

    def _failed(self, seen: Seen) -> Finding:
        case, score, error = seen.failing
        summary = error or f"fails with {score.unit} {score.value:.3g}"
        return Finding(False, summary, self.facts, seen.figures(), _plain(case), crashed=bool(error))

    def case_of(self, data: Any, run: Run) -> C:
        """The case that JSON data is. Raises NotACase, which says what a case must be."""
        if reason := Record(domains(self.case_type)).misfit(data, f"a case of '{self.name}'", run):
            raise NotACase(reason)
        case = self.case_type(**data)
        if reason := getattr(case, "together", str)():
            raise NotACase(f"a case of '{self.name}' cannot be so: {reason}")
        return case

    def replay(self, case: Any, run: Run) -> Finding:
        """Score one case again, given as JSON data."""
        fitting = self.case_of(case, run)
        try:
            score = self.score(self.subject, fitting, run)
        except NotAvailable:
            raise
        except Exception as reason:
            return Finding(False, f"raises {type(reason).__name__}: {reason}", {}, {}, case, crashed=True)
        word = "passes" if score.passes else "fails"
        return Finding(score.passes, f"{word} with {score.unit} {score.value:.6g}", {}, {score.unit: score.value}, case)


SEED = Annotated[int, Whole(0, 2**32 - 1, usual=999)]
WIDE_SEED = Annotated[int, Whole(0, 2**32 - 1, usual=2**16)]
DTYPE = Annotated[str, Choice(DTYPES), lambda run: st.sampled_from(run.dtypes)]
"""A dtype, drawn from those that the run asks for."""


def _annotated(case_type: Any) -> dict[str, tuple[Any, ...]]:
    """What each field of a case is annotated with. Raises ValueError for a field without a domain."""
    names: dict[str, Any] = {}  # where a lambda in an annotation looks its names up
    for base in reversed(case_type.__mro__):
        names |= vars(sys.modules[base.__module__])
    found = {}
    for name, hint in get_type_hints(case_type, names, include_extras=True).items():
        said = getattr(hint, "__metadata__", ())
        if not said or not isinstance(said[0], Domain):
            raise ValueError(f"{case_type.__name__}.{name} does not say what it may be: annotate it with a domain")
        found[name] = said
    return found


def domains(case_type: Any) -> dict[str, Domain]:
    """The domain of each field of a case. Raises ValueError for a field without one."""
    return {name: said[0] for name, said in _annotated(case_type).items()}


def drawn(case_type: type[C]) -> Callable[[Any, Run], SearchStrategy[C]]:
    """How a case is drawn, field by field: from its domain, or as a strategy, or a function from a run to one, says
    that stands behind the domain. Raises ValueError for a field without a domain.
    """
    ways = {name: said[1] if len(said) > 1 else said[0].drawn for name, said in _annotated(case_type).items()}

    def cases(_: Any, run: Run) -> SearchStrategy[C]:
        return st.builds(case_type, **{name: way(run) if callable(way) else way for name, way in ways.items()})

    return cases


class Fails(AssertionError):
    """A case failed."""


class Seen:
    """What hypothesis has shown so far; `failing` is the last case that failed, its score, and how it crashed."""

    def __init__(self) -> None:
        self.count = 0
        self.worst: Score | None = None
        self.failing: tuple[Any, Score, str] = (None, Score(math.nan), "")

    def record(self, case: Any, score: Score) -> None:
        """Count a case, aim at worse ones, and fail on a bad one."""
        self.count += 1
        if self.worst is None or score.badness > self.worst.badness:
            self.worst = score
        if not score.passes:
            self.failing = (case, score, "")
            raise Fails
        target(max(min(score.badness, 1e9), -1e9))

    def crash(self, case: Any, reason: Exception) -> None:
        """Fail on a case that could not be scored."""
        self.failing = (case, Score(math.nan), f"raises {type(reason).__name__}: {reason}")
        raise Fails from reason

    def figures(self) -> dict[str, float | str]:
        """How many cases ran, and the worst score under its unit."""
        found: dict[str, float | str] = {"examples": self.count}
        if self.worst is not None and self.worst.unit != "mismatches":
            found[f"worst {self.worst.unit}"] = self.worst.value
        return found


def hunt(
    cases: SearchStrategy[C],
    score: Callable[[C], Score],
    seen: Seen,
    *,
    number: int,
    examples: int,
    shrink: bool = True,
) -> bool:
    """Draw `examples` cases from the seed `number`, aim at worse ones, and shrink one that fails.

    Returns whether none failed.
    """

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        print_blob=False,
        phases=[Phase.generate, Phase.target, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def attempt(case: C) -> None:
        try:
            found = score(case)
        except (UnsatisfiedAssumption, NotAvailable):
            raise
        except Exception as reason:
            seen.crash(case, reason)
        else:
            seen.record(case, found)

    try:
        attempt()
    except (Fails, ExceptionGroup):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Examination(Check[S]):
    """look(subject, run) decides at stated sizes; `again` does it for one instance, which is in the domain `case`.

    A check that looks at all its sizes at once has neither, and its findings name no case.
    """

    look: Callable[[S, Run], Finding]
    again: Callable[[S, Any, Run], Finding] | None = None
    case: Domain | None = None

    def __post_init__(self) -> None:
        """Refuse a way to look at a case of which nothing says what it may be, and the converse."""
        super().__post_init__()
        if (self.again is None) is not (self.case is None):
            raise ValueError(f"check {self.claim}:{self.name}: give both `again` and the domain of its `case`, or none")

    def examine(self, subject: S, run: Run) -> Finding:
        """Look once. Raises TypeError for a finding that names a case which cannot be run again."""
        found = self.look(subject, run)
        if found.case is not None and self.again is None:
            raise TypeError(f"check {self.claim}:{self.name} names a case and has no way to run it: give it `again`")
        return found

    def replay(self, case: Any, run: Run) -> Finding:
        """Look at one instance."""
        if self.again is None or self.case is None:
            raise NotACase(
                f"'{self.name}' looks at all its sizes at once and takes no case: run `python -m verify {self.claim}`"
            )
        if reason := self.case.misfit(case, f"a case of '{self.name}'", run):
            raise NotACase(reason)
        return self.again(self.subject, case, run)


def rejects(check: Check[S], mutant: S, run: Run) -> tuple[bool, str]:
    """Whether the check fails on a mutant, as it must, and how; a mutant that only crashes has not been rejected."""
    try:
        finding = check.examine(mutant, replace(run, shrink=False))
    except Exception as reason:
        return False, f"crashed: {type(reason).__name__}: {reason}"
    return finding.holds is False and not finding.crashed, finding.summary


def replay_line(check: Check, finding: Finding) -> str:
    """The command that runs one instance again."""
    case = json.dumps(finding.case, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return f"python -m verify {check.claim} --replay {shlex.quote(f'{check.name}:{case}')}"


def _plain(case: Any) -> Any:
    return json.loads(json.dumps(asdict(case)))
