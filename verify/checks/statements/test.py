"""The test of a statement: its conclusion, evaluated at every instance that satisfies exactly its hypotheses.

Its mutants are the statement's own (`Statement.mutants`): each must be false at some instance, or be listed with the
reason why it is true as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import arb

from mamba_theorems.theorems.claim import Kind, Outcome
from mamba_theorems.theorems.readable import letter, readable
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Point, Statement, truth
from mamba_theorems.verify.checks.check import Check, Finding
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.source import Source
from mamba_theorems.verify.evidence import MUTANTS
from mamba_theorems.verify.settings import Run, Tier


@dataclass(frozen=True)
class Row:
    """A point that instances have in common: how many there are, and the case of the first."""

    point: Point
    case: Any
    count: int = 1
    known: dict[sp.Basic, bool | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def said(self) -> str:
        """The point in words: each symbol with its value."""
        return "; ".join(f"{letter(str(name))} = {_valued(value)}" for name, value in self.point.items())

    def truth(self, part: sp.Basic) -> bool | None:
        """Whether a part of a statement, or of its mutants, is true here; each is worked out once."""
        if part not in self.known:
            self.known[part] = truth(part, self.point)
        return self.known[part]

    def satisfies(self, statement: Statement) -> bool | None:
        """Whether every hypothesis holds here; None where that is not decided."""
        found = {self.truth(h.meaning) for h in statement.hypotheses}
        return False if False in found else None if None in found else True


@dataclass(frozen=True)
class Tally:
    """What became of a statement: instances inside the hypotheses, those left undecided, the first that is false."""

    inside: int
    undecided: int
    false: Row | None
    part: sp.Basic | None = None


@lru_cache(maxsize=4)
def rows_of(source: Source, statement: Statement, tier: Tier) -> tuple[Row, ...]:
    """The different points of a source, smallest first, each with its first case."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for instances in source.instances(statement, tier):
        names = tuple(map(_by_name(statement), instances.columns))
        for values, i in instances:
            key = (names, *map(_hashable, values))
            row = found.setdefault(key, [dict(zip(names, values, strict=True)), instances.case, i, 0])
            row[-1] += 1
    return tuple(Row(point, case(i), count) for point, case, i, count in found.values())


def _valued(value: Any) -> str:
    """A value in words: a ball by its first digits, or by its ends where it is wide."""
    if isinstance(value, arb):
        narrow = value.rad() <= abs(value.mid()) * 1e-6
        ends = f"[{float(value.lower()):.4g}, {float(value.upper()):.4g}]"
        return (value.str(8, radius=False) if narrow else ends).replace("-", "−")
    if isinstance(value, bool) or value in (sp.true, sp.false):
        return str(bool(value)).lower()
    return readable(sp.sympify(value))


def _hashable(value: Any) -> Any:
    """A finite ball by its exact midpoint and radius."""
    if not isinstance(value, arb):
        return value
    return ("ball", value.mid().man_exp(), value.rad().man_exp()) if value.is_finite() else str(value)


def _by_name(statement: Statement) -> Callable[[Any], Any]:
    """The statement's own symbol of a name: a source may know it with more declared of it."""
    own = {str(s): s for s in (*statement.symbols, *statement.functions)}
    return lambda name: own.get(str(name), name)


def tally(statement: Statement, rows: tuple[Row, ...]) -> Tally:
    """Evaluate a statement at every row; with two quantifiers, over the groups of rows that the outer one makes."""
    if statement.every and statement.some:
        return _tally_groups(statement, rows)
    inside = undecided = 0
    for row in rows:
        applies = row.satisfies(statement)
        if applies is False:
            continue
        parts = {part: row.truth(part) for part in statement.conjuncts}
        inside += row.count if applies else 0
        if applies and False in parts.values():
            return Tally(inside, undecided, row, next(p for p, t in parts.items() if t is False))
        undecided += row.count if applies is None or None in parts.values() else 0
    return Tally(inside, undecided, None)


def _tally_groups(statement: Statement, rows: tuple[Row, ...]) -> Tally:
    """For all values of `every` some row with those values satisfies the conclusion.

    If the statement is uniform: for some values of `some` all rows with those values do.
    """
    rows = tuple(row for row in rows if row.satisfies(statement))
    outer = statement.some if statement.uniform else statement.every
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.point[s] for s in outer), []).append(row)
    verdicts = [_tally_group(statement, group) for group in groups.values()]
    false = [row for row, _ in verdicts if row is not None]
    inside, undecided = sum(row.count for row in rows), sum(unsure for _, unsure in verdicts)
    if not false or (statement.uniform and len(false) < len(verdicts)):
        return Tally(inside, undecided, None)
    return Tally(inside, undecided, false[0], statement.conclusion)


def _tally_group(statement: Statement, group: list[Row]) -> tuple[Row | None, bool]:
    """The row by which a group contradicts the statement, if it does, and whether that is open."""
    truths = [row.truth(statement.conclusion) for row in group]
    if statement.uniform:
        false = next((row for row, true in zip(group, truths, strict=True) if true is False), None)
        return false, false is None and None in truths
    return (None, True not in truths) if True in truths or None in truths else (group[0], False)


@dataclass(frozen=True, kw_only=True)
class StatementTest(Check[Statement]):
    """Whether an instance of the source contradicts the statement; for a printed one that fails, that one does.

    `survivors` are the mutants that are true as well, by name, each with the reason. `named` is the case that the
    erratum of a printed statement names: it must contradict the statement, and is the one that is told.
    """

    name: str = "statement"
    named: Any = None
    mutants: Mapping[str, Statement] = field(default_factory=dict)
    source: Source

    def examine(self, subject: Statement, run: Run) -> Finding:
        """Evaluate the subject; of the claim's own statement also every mutant, for the figures."""
        rows = rows_of(self.source.seeded(run.seed), self.subject, run.tier)
        found = tally(subject, rows)
        facts: dict[str, str | int] = {"instances": found.inside, "source": self.source.said}
        if found.undecided:
            facts["undecided"] = found.undecided
        if found.false is not None and self.named is not None and subject is self.subject:
            return self._as_named(rows, facts)
        if found.false is not None:
            return self._contradicted(found.false, found.part, facts)
        if self.kind is Kind.REFUTED:
            return Finding(False, f"no counterexample among {found.inside} instances", facts)
        if not found.inside or found.undecided > found.inside // 2:
            return Finding(None, f"{found.inside} instances inside, {found.undecided} undecided", facts)
        return self._controls(rows, facts, run.tier) if subject is self.subject else Finding(True, "", facts)

    def _contradicted(self, row: Row, part: sp.Basic | None, facts: dict[str, str | int]) -> Finding:
        shown = self.kind is Kind.REFUTED
        relation = f"{readable(part)}: " if part is not None else ""
        return Finding(shown, f"{relation}false at {row.said}", facts, {}, row.case)

    def _as_named(self, rows: tuple[Row, ...], facts: dict[str, str | int]) -> Finding:
        """Whether the instance that the erratum names is false, and of two quantifiers all that share its outer one."""
        (row,) = self._rows_of(self.named)
        s = self.subject
        group = rows if s.every and s.some and not s.uniform else ()
        alike = [other for other in group if all(other.point[e] == row.point[e] for e in s.every)]
        false = [tally(replace(s, every=(), some=()), (one,)) for one in (row, *alike)]
        if any(found.false is None for found in false):
            return Finding(False, f"the instance that the erratum names does not contradict it: {row.said}", facts)
        return self._contradicted(row, false[0].part, facts)

    def _rows_of(self, case: Any) -> tuple[Row, ...]:
        """The points of one case. Raises NotACase."""
        again = self.source.again(self.subject, case)
        names = tuple(map(_by_name(self.subject), again.columns))
        return tuple(Row(dict(zip(names, values, strict=True)), case) for values, _ in again)

    def _controls(self, rows: tuple[Row, ...], facts: dict[str, str | int], tier: Tier) -> Finding:
        """How many mutants there are and how many an instance contradicts; an unexcused or a false excuse fails."""
        rejected = {name for name, mutant in self.mutants.items() if tally(mutant, rows).false is not None}
        facts |= {MUTANTS: len(self.mutants), "contradicted": len(rejected)}
        if self.survivors:
            facts["true as well"] = "; ".join(f"{name} ({reason})" for name, reason in self.survivors.items())
        unexcused = self.mutants.keys() - rejected - self.survivors.keys()
        if unexcused:
            return Finding(False, f"nothing contradicts the mutant '{min(unexcused)}', and no reason is given", facts)
        stale = rejected & self.survivors.keys() if tier is Tier.QUICK else set()
        if stale:
            return Finding(False, f"an instance contradicts the mutant '{min(stale)}', which is said to be true", facts)
        return Finding(True, "", facts)

    def replay(self, case: Any, run: Run) -> Finding:
        """Evaluate one instance again."""
        rows = self._rows_of(case)
        found = tally(self.subject, rows)
        word = "false" if found.false else "true" if found.inside and not found.undecided else "undecided or outside"
        holds = (found.false is not None) is (self.kind is Kind.REFUTED)
        part = f"{readable(found.part)}: " if found.part is not None else ""
        return Finding(holds, f"{part}{word} at {'; '.join(row.said for row in rows)}", {}, {}, case)


def statement_test(
    claim_id: str, source: Source, *, survivors: Mapping[str, str] | None = None, **options: Any
) -> StatementTest:
    """The test of a claim's statement, with its own mutants; a printed statement that fails must be contradicted.

    For one that fails, `options` give the mutants: statements with what repairs it, which nothing contradicts.
    Raises ValueError for a claim whose statement is no object.
    """
    claim = claims()[claim_id]
    if claim.says is None:
        raise ValueError(f"{claim_id} has no formula: give its statement a meaning")
    statement = claim.says.explicit if isinstance(source, Points) else claim.says
    refuted = claim.expected is Outcome.REFUTED
    mutants = options.pop("mutants", None) or dict(statement.mutants())
    return StatementTest(
        claim=claim_id,
        kind=Kind.REFUTED if refuted else Kind.TESTED,
        subject=statement,
        mutants=mutants,
        source=source,
        survivors=survivors or {},
        named=claim.erratum.case if claim.erratum and refuted else None,
        **options,
    )
