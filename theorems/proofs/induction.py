"""Proof steps over the integers: inductions, and sums compared term by term."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from mamba_theorems.theorems.proofs.decide import Verdict, identity, in_turn, inequality, unknown, without_value
from mamba_theorems.theorems.proofs.domain import Undefined, declared
from mamba_theorems.theorems.proofs.steps import Bound, Conditional, Given, Mutant, Step
from mamba_theorems.theorems.proofs.written import ForAll, key, put_in

NOTHING: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


def counts_from(index: sp.Symbol, start: sp.Expr) -> str:
    """Why the integers from `start` on are not what `index` runs through; empty if they are."""
    if not (index.is_Symbol and index.is_integer and start.is_integer):
        return f"{index} and its start {start} are not declared integers"
    try:
        facts = tuple(declared(index, start))
    except Undefined as reason:
        return str(reason)
    return f"{facts[0]} is not known, as it is of {index}" if facts else ""


def domain(index: sp.Symbol, start: sp.Expr) -> Given:
    """That the index is at least `start`, unless it is declared to be."""
    least = sp.S.One if index.is_positive else sp.S.Zero if index.is_nonnegative else None
    return () if least is not None and least == start else (sp.Ge(index, start, evaluate=False),)


def loose(given: Iterable[sp.Basic], variable: sp.Symbol) -> str:
    """A premise at one value of the variable, where a fact for all of them is needed; empty if there is none."""
    pointwise = next((g for g in given if variable in g.free_symbols), None)
    return "" if pointwise is None else f"{pointwise} is a fact at one {variable}: say it ForAll and show it before"


@dataclass(frozen=True, kw_only=True)
class Induction(Conditional):
    """A sequence with h(start) = initial and h(n+1) = next(h(n), n) equals `closed` for every n ≥ start.

    A sequence starts with h(0) = 0 unless it says otherwise, and is called h unless `sequence` says otherwise: one name
    in a proof is one sequence. `closed` is an expression in the integer symbol `index`; `next` maps (h, n) to h(n+1).
    Base and step are identities in a symbolic n.
    """

    index: sp.Symbol
    start: int = 0
    initial: sp.Expr = sp.S.Zero
    next: Callable[[sp.Expr, sp.Symbol], sp.Expr]
    closed: sp.Expr
    sequence: str = "h"
    kind = "induction"

    @property
    def state(self) -> type[sp.Function]:
        """The sequence, as a function that only this recurrence defines; real if its closed form is."""
        return sp.Function(self.sequence, real=self.closed.is_real or None)

    @property
    def relation(self) -> sp.Basic:
        """The closed form as an equation about h(n)."""
        return sp.Eq(self.state(self.index), self.closed, evaluate=False)

    @property
    def assumes(self) -> Given:
        """The conditions, and that n is at least `start`."""
        return (*self.given, *domain(self.index, sp.Integer(self.start)))

    @property
    def within(self) -> Given:
        """Where the sequence starts, and how it goes on: its definition."""
        start = sp.Eq(self.state(self.start), self.initial, evaluate=False)
        following = self.next(self.state(self.index), self.index)
        return (start, sp.Eq(self.state(self.index + 1), following, evaluate=False))

    @property
    def definitions(self) -> Given:
        """The same for every n, as a hypothesis would say it."""
        start, following = self.within
        return (start, ForAll(self.index, following, sp.And(*domain(self.index, sp.Integer(self.start)))))

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """The sequence's parameters: with others it is another sequence, and would need another name."""
        return frozenset(set().union(*(part.free_symbols for part in self.within)) - {self.index})

    def decide(self) -> Verdict:
        """Base, then step; the method names both."""
        reason = counts_from(self.index, sp.Integer(self.start)) or loose(self.given, self.index) or self._circular()
        return unknown("induction", reason) if reason else in_turn(self._identities())

    def _circular(self) -> str:
        """Why the recurrence does not define the sequence; empty if it does."""
        value = sp.Dummy()
        speaks = (self.initial, self.closed, self.next(value, self.index), *self.given)
        used = {f.func.__name__ for e in speaks for f in sp.sympify(e).atoms(AppliedUndef)}
        return f"the recurrence speaks of another {self.sequence}" if self.sequence in used else ""

    def _identities(self) -> Iterator[tuple[str, Verdict]]:
        base = put_in(self.closed, {self.index: sp.Integer(self.start)})
        yield "base", identity(base.doit(), self.initial, self.given, self.witness)
        following = put_in(self.closed, {self.index: self.index + 1})
        yield "step", identity(self.next(self.closed, self.index), following, self.assumes, self.witness)

    def wrong(self) -> Iterator[Mutant]:
        """A wrong base, a closed form that drifts, and a recurrence with an extra term."""
        yield "base + 1", replace(self, initial=self.initial + 1)
        yield "closed form + (n − start)", replace(self, closed=self.closed + self.index - self.start)
        original = self.next
        yield "recurrence + 1", replace(self, next=lambda h, n: original(h, n) + 1)


@dataclass(frozen=True, kw_only=True)
class InductionOn(Step):
    """A statement for every n ≥ start, from a base and a step that are steps of their own.

    The base states `conclusion` at the start; the step states it at n + 1 and assumes it at n. What else the step
    assumes of n must hold for every n, and is a premise in that form; but `sequences` are equations f(start) = … and
    f(n + 1) = … that define the sequences the statement is about, and no premise.
    """

    base: Step
    step: Step
    conclusion: sp.Basic
    index: sp.Symbol
    start: sp.Expr = sp.S.Zero
    sequences: Given = ()
    kind = "induction"

    @property
    def relation(self) -> sp.Basic:
        """The statement for all n."""
        return self.conclusion

    @property
    def within(self) -> Given:
        """The definitions of the sequences."""
        return self.sequences

    @property
    def definitions(self) -> Given:
        """The same for every n, as a hypothesis would say it."""
        return tuple(self._for_all(equation) for equation in self.sequences)

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """The sequences' parameters."""
        return frozenset(set().union(*(part.free_symbols for part in self.sequences)) - {self.index})

    @property
    def parts(self) -> Mapping[str, Step]:
        """Base and step."""
        return {"base": self.base, "step": self.step}

    @property
    def assumes(self) -> Given:
        """What base and step assume, of n for all n, and that n is at least `start`."""
        beyond = domain(self.index, self.start)
        said = {key(self.conclusion), *map(key, beyond), *map(key, self.sequences)}
        rest = (g for g in (*self.base.assumes, *self.step.assumes) if key(g) not in said)
        return (*dict.fromkeys(self._for_all(g) for g in rest), *beyond)

    def _for_all(self, fact: sp.Basic) -> sp.Basic:
        if self.index not in fact.free_symbols:
            return fact
        return ForAll(self.index, fact, sp.And(*domain(self.index, self.start)))

    def decide(self) -> Verdict:
        """What base and step say, and then each by its own procedure."""
        reason = counts_from(self.index, self.start) or self._mismatch()
        return unknown("induction", reason) if reason else in_turn((n, p.decide()) for n, p in self.parts.items())

    def _mismatch(self) -> str:
        at_start = put_in(self.conclusion, {self.index: self.start})
        following = put_in(self.conclusion, {self.index: self.index + 1})
        if not same(self.base.relation, at_start):
            return f"the base does not state the conclusion at the start: {at_start}"
        if not same(self.step.relation, following):
            return f"the step does not state the conclusion at {self.index} + 1: {following}"
        if key(self.conclusion) not in map(key, self.step.assumes):
            return "the step does not assume the conclusion"
        return loose(self.base.assumes, self.index) or self._undefined()

    def _undefined(self) -> str:
        """Which equation defines no sequence: each must have one start and one following value, in terms of earlier."""
        heads = [equation.lhs for equation in self.sequences]
        functions = {head.func for head in heads}
        wanted = {f(at) for f in functions for at in (self.start, self.index + 1)}
        if set(heads) != wanted or len(heads) != len(wanted):
            return "the sequences are not defined by one start and one following value each"
        for equation in self.sequences:
            allowed = {f(self.index) for f in functions} if equation.lhs.args[0] == self.index + 1 else set()
            used = {f for f in equation.rhs.atoms(AppliedUndef) if f.func in functions}
            if not used <= allowed:
                return f"{equation} is not in terms of what comes before"
        return ""

    def wrong(self) -> Iterator[Mutant]:
        """Every mutant of the base, and every mutant of the step."""
        for name, mutant in self.base.mutants():
            yield f"base: {name}", replace(self, base=mutant)
        for name, mutant in self.step.mutants():
            yield f"step: {name}", replace(self, step=mutant)


def invariant(
    name: str,
    conclusion: sp.Basic,
    index: sp.Symbol,
    initial: Mapping[sp.Expr, Any],
    following: Mapping[sp.Expr, Any],
    given: Given = (),
    because: str = "",
    start: int = 0,
    at_start: Given = (),
    wrong: Mapping[str, Mapping[str, Any]] = NOTHING,
) -> InductionOn:
    """The induction on a statement about sequences, h(n), …: `initial` gives h(start), and `following` gives h(n + 1).

    The step also uses `given`, for every n, and the base `at_start`. `wrong` are mutants: other arguments, by name.
    """

    def equations(values: Mapping[sp.Expr, Any], at: sp.Expr) -> Given:
        return tuple(sp.Eq(put_in(h, {index: at}), value, evaluate=False) for h, value in values.items())

    first, later = sp.Integer(start), index + 1
    starts, recurrences = equations(initial, first), equations(following, later)
    base = Bound(name="at the start", claim=put_in(conclusion, {index: first}), given=(*starts, *at_start))
    step = Bound(
        name="from n to n + 1",
        claim=put_in(conclusion, {index: later}),
        given=(conclusion, *recurrences, *given),
    )
    arguments = {
        "conclusion": conclusion, "index": index, "initial": initial, "following": following, "given": given,
        "start": start, "at_start": at_start,
    }  # fmt: skip
    mutants = tuple(invariant(name=label, **{**arguments, **changes}) for label, changes in wrong.items())
    return InductionOn(
        name=name, because=because, base=base, step=step, conclusion=conclusion, index=index, start=first,
        sequences=(*starts, *recurrences), also_wrong=mutants,
    )  # fmt: skip


def same(one: sp.Basic | None, other: sp.Basic) -> bool:
    """Whether two relations are one, with sides that are written apart multiplied out."""
    return one is not None and (key(one) == key(other) or _expanded(one) == _expanded(other))


def _expanded(relation: sp.Basic) -> sp.Basic:
    if isinstance(relation, sp.And | sp.Or):
        return relation.func(*map(_expanded, relation.args), evaluate=False)
    if not relation.is_Relational:
        return relation
    left, right = (sp.expand(side.doit()) for side in relation.args)
    return key(relation.func(left, right, evaluate=False))


@dataclass(frozen=True, kw_only=True)
class Termwise(Conditional):
    """Σ lower ≤ Σ upper over the same finite range, because lower ≤ upper for each index in it.

    What `given` says of the index it says for all of them.
    """

    lower: sp.Sum
    upper: sp.Sum
    kind = "termwise bound"

    @property
    def relation(self) -> sp.Basic:
        """The inequality between the sums."""
        return sp.Le(self.lower, self.upper, evaluate=False)

    def decide(self) -> Verdict:
        """A range that is not reversed, then one generic term."""
        if self.lower.limits != self.upper.limits or len(self.lower.limits) != 1:
            return unknown("termwise", "the sums have different ranges")
        reason = loose(self.given, self.lower.limits[0][0]) or without_value(self.relation, self.given)
        return unknown("termwise", reason) if reason else in_turn(self._inequalities())

    @property
    def _range(self) -> Given:
        index, low, high = self.lower.limits[0]
        return (sp.Ge(index, low, evaluate=False), sp.Le(index, high, evaluate=False))

    def _inequalities(self) -> Iterator[tuple[str, Verdict]]:
        _, low, high = self.lower.limits[0]
        yield "range", inequality(sp.Ge(high - low, -1, evaluate=False), self.given)
        terms = sp.Le(self.lower.function, self.upper.function, evaluate=False)
        yield "terms", inequality(terms, (*self.given, *self._range), self.witness)

    def wrong(self) -> Iterator[Mutant]:
        """The sums exchanged; the upper terms lowered by 1."""
        yield "exchanged", replace(self, lower=self.upper, upper=self.lower)
        yield "upper − 1", replace(self, upper=sp.Sum(self.upper.function - 1, *self.upper.limits))
