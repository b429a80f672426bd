"""The kinds of proof steps: each is decided by a procedure that names itself, and ships mutants that must fail.

A step says what it needs (`given`). A cited fact is listed as cited and never counts as proved by us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any, Self

import sympy as sp
from sympy.core.relational import Relational

from mamba_theorems.theorems.proofs.decide import (
    Truth,
    Verdict,
    counterpoint,
    identity,
    inequality,
    limit,
    proved,
    refuted,
    unknown,
    without_value,
)
from mamba_theorems.theorems.proofs.domain import Undefined, declared
from mamba_theorems.theorems.proofs.enclose import ONE_PRECISION, PRECISIONS, NotEnclosed, holds, interval, valued
from mamba_theorems.theorems.proofs.written import carried_out, key, put_in, vacuous

Given = tuple[sp.Basic, ...]
Mutant = tuple[str, "Step"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a proof. `decide` gives the verdict; `mutants` are wrong variants that must not be proved.

    `also_wrong` are mutants written by hand (`but_not`), beside those that every step of a kind has.
    """

    name: str
    because: str = ""
    also_wrong: tuple[Step, ...] = ()

    kind = "step"
    needs_mutant = True

    @property
    def relation(self) -> sp.Basic | None:
        """What the step establishes, if it is one relation."""
        return None

    @property
    def assumes(self) -> Given:
        """What the step takes for granted."""
        return ()

    @property
    def within(self) -> Given:
        """What a part of the step takes for granted, and its relation does not carry along."""
        return ()

    @property
    def parts(self) -> Mapping[str, Step]:
        """The steps that this one consists of and that are decided with it, by their role."""
        return {}

    @property
    def of_steps(self) -> tuple[Step, ...]:
        """Earlier steps that this one is made from and does not decide again."""
        return ()

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """Symbols of the relation that stand for one thing each: nothing else may be put in for them."""
        return frozenset()

    def but_not(self, name: str, **changes: Any) -> Self:
        """This step with one mutant more: itself with `changes`, under a name that says what is wrong with it."""
        wrong = replace(self, name=name, also_wrong=(), **changes)
        return replace(self, also_wrong=(*self.also_wrong, wrong))

    def decide(self) -> Verdict:
        """The step's verdict."""
        raise NotImplementedError

    def wrong(self) -> Iterator[Mutant]:
        """Wrong variants that every step of this kind has."""
        return iter(())

    def mutants(self) -> Iterator[Mutant]:
        """All wrong variants, with names."""
        yield from self.wrong()
        for step in self.also_wrong:
            yield step.name, step


@dataclass(frozen=True, kw_only=True)
class Conditional(Step):
    """A step that holds where its conditions do.

    `witness` is a point that satisfies them, for conditions that no drawn point satisfies.
    """

    given: Given = ()
    witness: Mapping[sp.Basic, Any] | None = None

    @property
    def assumes(self) -> Given:
        """The conditions."""
        return self.given


@dataclass(frozen=True, kw_only=True)
class Asserted(Step):
    """A step that establishes a relation as it is written."""

    claim: sp.Basic

    @property
    def relation(self) -> sp.Basic:
        """The relation."""
        return self.claim


@dataclass(frozen=True, kw_only=True)
class Identity(Conditional):
    """lhs = rhs for all values of the declared symbols."""

    lhs: sp.Expr
    rhs: sp.Expr
    kind = "identity"

    @property
    def relation(self) -> sp.Basic:
        """The equation."""
        return sp.Eq(self.lhs, self.rhs, evaluate=False)

    def decide(self) -> Verdict:
        """Refuted at an exact point, or reduced to 0; unknown where both sides are one expression from the start."""
        reason = vacuous(self.relation)
        if reason:
            return unknown("vacuous", reason)
        return identity(self.lhs, self.rhs, self.given, self.witness)

    def wrong(self) -> Iterator[Mutant]:
        """Add 1; flip one sign on the right, or on the left if the right is a single term."""
        yield "right side + 1", replace(self, rhs=self.rhs + 1)
        flipped = _flip_one_sign(self.rhs)
        if flipped is not None:
            yield "one sign flipped on the right", replace(self, rhs=flipped)


@dataclass(frozen=True, kw_only=True)
class Bound(Asserted, Conditional):
    """An inequality (or any boolean combination of relations) for all values of the declared symbols."""

    kind = "bound"

    def decide(self) -> Verdict:
        """Arb for constants, else a point that refutes, z3, or a derivative chain, unless nothing is left to say."""
        reason = vacuous(self.claim)
        if reason:
            return unknown("vacuous", reason)
        return inequality(self.claim, self.given, self.witness)

    def wrong(self) -> Iterator[Mutant]:
        """The opposite statement."""
        yield "negated", replace(self, claim=sp.Not(self.claim))


@dataclass(frozen=True, kw_only=True)
class Limit(Step):
    """lim expression = value as variable → point, from above; unless said, the limit is 0 as the variable grows."""

    expression: sp.Expr
    variable: sp.Symbol
    point: sp.Expr = sp.oo
    value: sp.Expr = sp.S.Zero
    kind = "limit"

    @property
    def relation(self) -> sp.Basic:
        """The limit as an equation."""
        form = sp.Limit(self.expression, self.variable, self.point)
        return sp.Eq(form, self.value, evaluate=False)

    def decide(self) -> Verdict:
        """By sympy's Gruntz algorithm."""
        return limit(self.expression, self.variable, self.point, self.value)

    def wrong(self) -> Iterator[Mutant]:
        """Another value."""
        yield "another value", replace(self, value=self.value + 1 if self.value.is_finite else sp.S.Zero)


@dataclass(frozen=True, kw_only=True)
class Cases(Asserted, Conditional):
    """lhs (=, ≤, …) rhs at every point of a finite grid, exactly; points outside `given` are left out.

    `under` are conditions on the symbols that are not in the grid.
    """

    over: Mapping[sp.Symbol, Sequence[Any]]
    under: Given = ()
    kind = "cases"

    @property
    def assumes(self) -> Given:
        """The conditions that pick the points, those on the other symbols, and what the grid's symbols run through."""
        return (*self.given, *self.under, *self.grid)

    @property
    def grid(self) -> Given:
        """What each symbol of the grid runs through."""
        return tuple(
            sp.Contains(symbol, sp.FiniteSet(*values)) if len(values) > 1 else sp.Eq(symbol, values[0], evaluate=False)
            for symbol, values in self.over.items()
        )

    def points(self) -> list[tuple[dict[sp.Symbol, Any], Given]]:
        """The points of the grid that do not violate `given`, each with the conditions that stay open there."""
        grid = (dict(zip(self.over, values, strict=True)) for values in product(*self.over.values()))
        found = ((point, tuple(_settled(put_in(g, point)) for g in self.given)) for point in grid)
        return [(p, tuple(c for c in open_ if c != sp.true)) for p, open_ in found if sp.false not in open_]

    def decide(self) -> Verdict:
        """Every point by substitution; what stays symbolic is decided as an identity or inequality."""
        points, reason = self.points(), vacuous(self.claim)
        if reason:
            return unknown("vacuous", reason)
        if not points:
            return unknown("enumeration", "no point satisfies the conditions")
        reason = without_value(self.claim, self.assumes)
        if reason:
            return unknown("domain", reason)
        for point, conditions in points:
            verdict = _decide_relation(put_in(self.claim, point), (*self.under, *conditions))
            if verdict.truth is not Truth.TRUE:
                where = ", ".join(f"{k}={v}" for k, v in point.items())
                return Verdict(verdict.truth, f"enumeration: {verdict.method}", where)
        return proved(f"enumeration of {len(points)} cases")

    def wrong(self) -> Iterator[Mutant]:
        """The negation, and for an equation one side shifted."""
        yield "negated", replace(self, claim=sp.Not(self.claim))
        if isinstance(self.claim, sp.Eq):
            yield "right side + 1", replace(self, claim=sp.Eq(self.claim.lhs, self.claim.rhs + 1, evaluate=False))


@dataclass(frozen=True, kw_only=True)
class Enclosed(Asserted):
    """A relation at every point of a box, by balls and bisection; with an empty box, between constants."""

    claim: Relational
    over: Mapping[sp.Symbol, tuple[Any, Any]] = field(default_factory=dict)
    boxes: int = 20_000
    kind = "enclosure"

    @property
    def assumes(self) -> Given:
        """That the symbols lie in the box."""
        return tuple(c for s, (a, b) in self.over.items() for c in (sp.Ge(s, a), sp.Le(s, b)))

    def decide(self) -> Verdict:
        """Bisect until every box is decided, one is refuted, or the budget of boxes is spent."""
        reason = vacuous(self.claim)
        if reason:
            return unknown("vacuous", reason)
        stack = [dict(self.over)]
        for count in range(1, self.boxes + 1):
            if not stack:
                return proved(f"Arb, {count - 1} boxes")
            box = stack.pop()
            balls = {s: interval(a, b) for s, (a, b) in box.items()}
            precisions = ONE_PRECISION if box else PRECISIONS
            try:
                truth = holds(self.claim, balls, precisions)
                if truth and not valued(self.claim, balls, precisions):
                    truth = None
            except NotEnclosed as reason:
                return unknown("Arb", str(reason))
            if truth is False:
                return refuted("Arb", ", ".join(f"{s} in [{a}, {b}]" for s, (a, b) in box.items()))
            if truth is None:
                if not box:
                    return unknown("Arb", "the balls overlap")
                stack += _halves(box)
        return unknown("Arb", f"not decided with {self.boxes} boxes")

    def wrong(self) -> Iterator[Mutant]:
        """The opposite relation."""
        yield "negated", replace(self, claim=self.claim.negated)


@dataclass(frozen=True, kw_only=True)
class Farkas(Step):
    """The linear system  rows·x ≤ bounds  has no solution: multipliers y ≥ 0 with yᵀrows = 0 and yᵀbounds < 0.

    Rows in `strict` stand for  < ; then yᵀbounds = 0 closes it too if a strict row has y > 0.
    """

    rows: sp.Matrix
    bounds: sp.Matrix
    multipliers: sp.Matrix
    strict: frozenset[int] = frozenset()
    kind = "linear certificate"

    @property
    def statement(self) -> str:
        """The system row by row, x_0, x_1, … for its unknowns, and the multipliers that close it."""
        x = sp.Matrix(sp.symbols(f"x_0:{self.rows.cols}"))
        relations = (sp.Lt if i in self.strict else sp.Le for i in range(self.rows.rows))
        system = [rel(row, b) for rel, row, b in zip(relations, self.rows * x, self.bounds, strict=True)]
        return f"no x satisfies {', '.join(map(str, system))}: multiply by {', '.join(map(str, self.multipliers))}"

    def decide(self) -> Verdict:
        """Exact rational arithmetic."""
        y, rows = self.multipliers, self.rows.rows
        if any(matrix.shape != (rows, 1) for matrix in (y, self.bounds)) or not self.strict <= set(range(rows)):
            return unknown("exact rationals", "rows, bounds and multipliers are not of one length")
        if not all(entry.is_Rational for matrix in (y, self.rows, self.bounds) for entry in matrix):
            return unknown("exact rationals", "an entry is not rational")
        if any(not (m >= 0) for m in y):
            return refuted("exact rationals", "a multiplier is negative")
        if any(entry != 0 for entry in (y.T * self.rows)):
            return refuted("exact rationals", "the combination does not cancel")
        total = (y.T * self.bounds)[0]
        if total < 0 or (total == 0 and any(y[i] > 0 for i in self.strict)):
            return proved("Farkas certificate in exact rationals")
        return refuted("exact rationals", f"the combined bound is {total}")

    def wrong(self) -> Iterator[Mutant]:
        """One multiplier dropped."""
        for i, m in enumerate(self.multipliers):
            if m != 0:
                changed = self.multipliers.copy()
                changed[i] = 0
                yield f"multiplier {i} dropped", replace(self, multipliers=changed)


@dataclass(frozen=True, kw_only=True)
class Specialise(Step):
    """An earlier step with expressions put in for its symbols; each must satisfy what its symbol is declared to be."""

    of: Step
    at: Mapping[sp.Symbol, sp.Expr]
    kind = "instance"

    @property
    def relation(self) -> sp.Basic | None:
        """The earlier relation, at the given expressions."""
        return None if self.of.relation is None else put_in(self.of.relation, self.at)

    @property
    def assumes(self) -> Given:
        """The earlier step's conditions, at the given expressions, but not those that are true between numbers."""
        conditions = (_settled(put_in(g, self.at)) for g in self.of.assumes)
        return tuple(c for c in conditions if c != sp.true)

    @property
    def of_steps(self) -> tuple[Step, ...]:
        """The earlier step."""
        return (self.of,)

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """What the earlier step fixes."""
        return self.of.fixed

    def decide(self) -> Verdict:
        """Whether every expression is what its symbol stands for, and no condition is violated."""
        wrong = next((str(s) for s in self.at if s in self.of.fixed or not s.is_Symbol), None)
        if wrong is not None:
            return unknown("substitution", f"'{self.of.name}' is not about every {wrong}")
        undeclared = next(self._undeclared(), "")
        if undeclared:
            return unknown("declared assumptions", undeclared)
        if sp.false in self.assumes:
            return unknown("substitution", f"a condition of '{self.of.name}' is violated")
        equations = (sp.Eq(expression, symbol, evaluate=False) for symbol, expression in self.at.items())
        reason = next(filter(None, (without_value(equation, self.assumes) for equation in equations)), "")
        return unknown("domain", reason) if reason else proved("substitution", f"in '{self.of.name}'")

    def _undeclared(self) -> Iterator[str]:
        """What an expression is not known to be, as its symbol is declared to be."""
        for symbol, expression in self.at.items():
            try:
                yield from (f"{f} is not known, as it is of {symbol}" for f in declared(symbol, sp.sympify(expression)))
            except Undefined as reason:
                yield str(reason)

    def wrong(self) -> Iterator[Mutant]:
        """An expression that its symbol cannot stand for."""
        for symbol in self.at:
            if symbol.is_real:
                yield f"{symbol} := i", replace(self, at={**self.at, symbol: sp.I})


@dataclass(frozen=True, kw_only=True)
class Conjunction(Step):
    """The relations of earlier steps, all of them at once."""

    of: tuple[Step, ...]
    kind = "conjunction"

    @property
    def relation(self) -> sp.Basic:
        """Their conjunction, in this order."""
        return sp.And(*(step.relation for step in self.of), evaluate=False)

    @property
    def assumes(self) -> Given:
        """The relations themselves: whatever these rest on, the conjunction rests on."""
        return tuple(step.relation for step in self.of)

    @property
    def of_steps(self) -> tuple[Step, ...]:
        """The earlier steps."""
        return self.of

    def decide(self) -> Verdict:
        """Nothing but that each has a relation."""
        bare = [step.name for step in self.of if step.relation is None]
        return unknown("conjunction", f"'{bare[0]}' states no relation") if bare else proved("conjunction")

    needs_mutant = False


@dataclass(frozen=True, kw_only=True)
class Discharged(Step):
    """An earlier step's relation, as a consequence of conditions that the earlier step assumes."""

    of: Step
    conditions: Given
    kind = "implication"
    needs_mutant = False

    @property
    def relation(self) -> sp.Basic | None:
        """The implication."""
        premise = sp.And(*self.conditions, evaluate=False) if len(self.conditions) > 1 else self.conditions[0]
        return None if self.of.relation is None else sp.Implies(premise, self.of.relation, evaluate=False)

    @property
    def assumes(self) -> Given:
        """What else the earlier step assumes."""
        discharged = set(map(key, self.conditions))
        return tuple(g for g in self.of.assumes if key(g) not in discharged)

    @property
    def of_steps(self) -> tuple[Step, ...]:
        """The earlier step."""
        return (self.of,)

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """What the earlier step fixes."""
        return self.of.fixed

    def decide(self) -> Verdict:
        """Nothing but that there is a relation, and that the step does assume the conditions."""
        assumed = set(map(key, self.of.assumes))
        strange = next((c for c in self.conditions if key(c) not in assumed), None)
        if self.of.relation is None or not self.conditions or strange is not None:
            return unknown("implication", f"'{self.of.name}' does not assume {strange}")
        return proved("implication", f"from '{self.of.name}'")


@dataclass(frozen=True, kw_only=True)
class Rewritten(Asserted):
    """An earlier relation in other words: with the right sides of earlier equations for their left sides it is that."""

    of: Step
    by: tuple[Step, ...]
    kind = "rewriting"

    @property
    def assumes(self) -> Given:
        """The earlier relation and the equations."""
        return tuple(step.relation for step in self.of_steps if step.relation is not None)

    @property
    def of_steps(self) -> tuple[Step, ...]:
        """The earlier steps."""
        return (self.of, *self.by)

    def decide(self) -> Verdict:
        """Whether putting in gives the earlier relation."""
        equations = [step.relation for step in self.by if isinstance(step.relation, sp.Eq)]
        if self.of.relation is None or len(equations) < len(self.by):
            return unknown("rewriting", "no relation, or no equations")
        found = put_in(self.claim, {e.lhs: e.rhs for e in equations})
        if key(found) != key(self.of.relation):
            return unknown("rewriting", f"{found} is not {self.of.relation}")
        return proved("rewriting", f"in '{self.of.name}'")

    def wrong(self) -> Iterator[Mutant]:
        """The negation, and what an equation was to replace left as it is."""
        yield "negated", replace(self, claim=sp.Not(self.claim))
        yield "nothing put in", replace(self, by=())


@dataclass(frozen=True, kw_only=True)
class Chained(Step):
    """a ≤ b ≤ … ≤ z gives a ≤ z: relations =, ≤, < read from left to right, each starting where the last one ends."""

    links: tuple[Relational, ...]
    kind = "chain"

    @property
    def relation(self) -> sp.Basic:
        """From the first side to the last: < if a link is strict, = if all are equations."""
        first, last = self.links[0].lhs, self.links[-1].rhs
        kinds = {type(link) for link in self.links}
        strongest = sp.Lt if sp.Lt in kinds else sp.Le if sp.Le in kinds else sp.Eq
        return strongest(first, last, evaluate=False)

    @property
    def assumes(self) -> Given:
        """The links."""
        return self.links

    def decide(self) -> Verdict:
        """Whether the sides meet."""
        if not all(isinstance(link, sp.Eq | sp.Le | sp.Lt) for link in self.links):
            return unknown("chain", "a link is not =, ≤ or <")
        for link, following in pairwise(self.links):
            if key(link.rhs) != key(following.lhs):
                return unknown("chain", f"{link.rhs} is not {following.lhs}")
        return proved(f"chain of {len(self.links)} links")

    def wrong(self) -> Iterator[Mutant]:
        """A link left out, and one turned round."""
        for i, link in enumerate(self.links):
            turned = link.func(link.rhs, link.lhs, evaluate=False)
            if 0 < i < len(self.links) - 1:
                yield f"link {i} left out", replace(self, links=(*self.links[:i], *self.links[i + 1 :]))
            if len(self.links) > 1:
                yield f"link {i} turned round", replace(self, links=(*self.links[:i], turned, *self.links[i + 1 :]))


@dataclass(frozen=True, kw_only=True)
class Cited(Step):
    """A textbook fact by name: shown as cited, never as proved.

    The relation that it `states` for later steps is tried at drawn points, and decided at `instances`, where it is
    nearly an equality: a constant that is written down wrong does not pass. `about` are symbols for quantities that the
    words define: of these the relation is not said for every value, and only the instances can be tried.
    """

    statement: str
    source: str
    states: sp.Basic | None = None
    instances: tuple[Mapping[sp.Symbol, Any], ...] = ()
    about: tuple[sp.Symbol, ...] = ()
    kind = "cited"

    @property
    def needs_mutant(self) -> bool:  # type: ignore[override]
        """Words alone cannot fail."""
        return self.states is not None

    @property
    def relation(self) -> sp.Basic | None:
        """The relation that the fact gives, if it is used as one."""
        return self.states

    @property
    def fixed(self) -> frozenset[sp.Basic]:
        """The quantities that the words define."""
        return frozenset(self.about)

    def decide(self) -> Verdict:
        """A point that refutes, then the instances."""
        if self.states is not None and not self.about:
            point = counterpoint(carried_out(self.states), ())
            if point is not None:
                return refuted("Arb at an exact point", f"the cited relation at {point}")
        for point in self.instances:
            verdict = _decide_relation(put_in(self.states, point), ())
            if verdict.truth is not Truth.TRUE:
                return replace(verdict, detail=f"the cited relation at {point}: {verdict.detail}")
        return Verdict(Truth.TRUE, f"cited: {self.source}")

    def wrong(self) -> Iterator[Mutant]:
        """The relation an eighth sharper."""
        if isinstance(self.states, Relational) and self.states.rhs != 0:
            sharper = sp.Rational(7, 8) if isinstance(self.states, sp.Le | sp.Lt) else sp.Rational(9, 8)
            states = self.states.func(self.states.lhs, sharper * self.states.rhs)
            yield "an eighth sharper", replace(self, states=states)


def _flip_one_sign(e: sp.Expr) -> sp.Expr | None:
    """The expression with the last term of its first sum negated; None for 0."""
    if isinstance(e, sp.Add):
        return e - 2 * e.args[-1]
    return None if e == 0 else -e


def _settled(condition: sp.Basic) -> sp.Basic:
    """True or false for a condition between numbers, else the condition."""
    if condition.free_symbols:
        return condition
    try:
        truth = holds(condition)
    except NotEnclosed:
        return condition
    return condition if truth is None else sp.sympify(truth)


def _decide_relation(relation: sp.Basic, under: Given) -> Verdict:
    if isinstance(relation, sp.Eq) and not under:
        return identity(relation.lhs, relation.rhs)
    return inequality(relation, under)


def _halves(box: Mapping[sp.Symbol, tuple[Any, Any]]) -> list[dict]:
    widest = max(box, key=lambda s: sp.Rational(box[s][1]) - sp.Rational(box[s][0]))
    a, b = (sp.Rational(v) for v in box[widest])
    middle = (a + b) / 2
    return [{**box, widest: (a, middle)}, {**box, widest: (middle, b)}]
