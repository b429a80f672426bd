"""Proof steps of calculus: an integral by its antiderivative, and an inequality by the sign of a derivative.

Both reduce to identities and inequalities that `theorems.proofs.decide` settles; the fundamental theorem is all they
add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sympy as sp

from mamba_theorems.theorems.proofs.decide import (
    KINKS,
    Truth,
    Verdict,
    closed,
    identity,
    in_turn,
    inequality,
    proved,
    unknown,
    without_value,
)
from mamba_theorems.theorems.proofs.domain import Undefined, declared, jumps, real
from mamba_theorems.theorems.proofs.induction import loose
from mamba_theorems.theorems.proofs.steps import Conditional, Given, Mutant, Step
from mamba_theorems.theorems.proofs.written import ForAll, carried_out, put_in


def _continuous(e: sp.Expr, variable: sp.Symbol, domain: Given, given: Given = ()) -> Verdict:
    """Whether an expression has a value and no jump all along a domain, whose ends belong to it."""
    if jumps(e, variable):
        return unknown("continuity", f"{e} may jump along {variable}")
    return _has_value(sp.Eq(e, 0, evaluate=False), (*given, *domain))


def _has_value(relation: sp.Basic, given: Given) -> Verdict:
    """Whether both sides have values where `given` holds."""
    reason = without_value(relation, given)
    return unknown("domain", reason) if reason else proved("has values")


def _differentiable(e: sp.Expr, variable: sp.Symbol) -> Verdict:
    """Whether an expression has no kink along the variable."""
    kinks = [part for part in e.atoms(*KINKS) if part.has(variable)]
    return unknown("smoothness", f"{kinks[0]} may have a kink") if kinks else proved("smoothness")


def _degenerate(e: sp.Expr) -> sp.Expr:
    """Integrals between equal limits are 0."""
    return e.replace(
        lambda part: isinstance(part, sp.Integral) and sp.expand(part.limits[0][1] - part.limits[0][2]) == 0,
        lambda part: sp.S.Zero,
    )


@dataclass(frozen=True, kw_only=True)
class Integrated(Step):
    """∫_low^high integrand = value: `antiderivative`' = integrand, and its ends differ by `value`."""

    integrand: sp.Expr
    variable: sp.Symbol
    low: sp.Expr = sp.S.Zero
    high: sp.Expr
    antiderivative: sp.Expr
    value: sp.Expr
    kind = "integral"

    @property
    def relation(self) -> sp.Basic:
        """The integral as an equation."""
        integral = sp.Integral(self.integrand, (self.variable, self.low, self.high))
        return sp.Eq(integral, self.value, evaluate=False)

    def decide(self) -> Verdict:
        """No jump or pole of antiderivative and integrand from end to end, and two identities."""
        return in_turn(self._parts())

    def _parts(self) -> Iterator[tuple[str, Verdict]]:
        v, segment = self._segment()
        antiderivative, integrand = (put_in(e, {self.variable: v}) for e in (self.antiderivative, self.integrand))
        yield "variable", in_turn(("declaration", inequality(c, segment)) for c in declared(self.variable, v))
        between = tuple(put_in(fact, {v: self.variable}) for fact in segment)
        yield "written", _has_value(sp.Eq(self.integrand, self.antiderivative, evaluate=False), between)
        yield "antiderivative", _continuous(antiderivative, v, segment)
        yield "integrand", _continuous(integrand, v, segment)
        slope = sp.expand_func(sp.diff(antiderivative, v))
        yield "derivative", identity(slope, integrand, segment)
        high, low = (put_in(antiderivative, {v: end}) for end in (self.high, self.low))
        yield "ends", identity(high - low, self.value)

    def _segment(self) -> tuple[sp.Symbol, Given]:
        """A real variable, and that it lies between the ends, whichever of them is the lower."""
        ends = (self.low, self.high)
        v = sp.Dummy(self.variable.name, real=True, **({"nonnegative": True} if _all_nonnegative(ends) else {}))
        upward, downward = (sp.And(sp.Le(a, v), sp.Le(v, b)) for a, b in (ends, ends[::-1]))
        if (self.high - self.low).is_nonnegative:
            return v, (upward,)
        return v, (sp.Or(upward, downward),)

    def wrong(self) -> Iterator[Mutant]:
        """Another value, another antiderivative, the ends exchanged."""
        yield "value + 1", replace(self, value=self.value + 1)
        yield "antiderivative + variable", replace(self, antiderivative=self.antiderivative + self.variable)
        if self.value != 0:
            yield "ends exchanged", replace(self, low=self.high, high=self.low)


def _all_nonnegative(ends: tuple[sp.Expr, ...]) -> bool:
    return all(end.is_nonnegative for end in ends)


@dataclass(frozen=True, kw_only=True)
class Grows(Conditional):
    """larger ≥ smaller for variable ≥ start (and ≤ until): at start, and the difference has a derivative ≥ 0.

    A fact in `given` about the variable is used all the way from `start`, so it is said ForAll its values there.
    """

    larger: sp.Expr
    smaller: sp.Expr
    variable: sp.Symbol
    start: sp.Expr = sp.S.Zero
    until: sp.Expr | None = None
    kind = "monotone difference"

    @property
    def relation(self) -> sp.Basic:
        """The inequality."""
        return sp.Ge(self.larger, self.smaller, evaluate=False)

    @property
    def domain(self) -> Given:
        """Where it holds, beyond what the symbol is declared to be."""
        redundant = self.start == 0 and self.variable.is_nonnegative
        low = () if redundant else (sp.Ge(self.variable, self.start),)
        return low if self.until is None else (*low, sp.Le(self.variable, self.until))

    @property
    def assumes(self) -> Given:
        """The facts used, and the domain."""
        return (*self.given, *self.domain)

    def decide(self) -> Verdict:
        """No jump, then the start and the derivative; each an inequality of its own."""
        reason = loose(self.given, self.variable) or self._declaration()
        return unknown("monotone difference", reason) if reason else in_turn(self._inequalities())

    def _declaration(self) -> str:
        """Why the variable does not run through the reals from `start` on."""
        if self.variable.is_integer or self.start.has(self.variable) or not real(self.larger, self.smaller):
            return f"{self.variable} does not run through real numbers, or a side is not real"
        try:
            facts = tuple(declared(self.variable, sp.Symbol("beyond", positive=True) + self.start))
        except Undefined as undefined:
            return str(undefined)
        return f"{facts[0]} is not known, as it is of {self.variable}" if facts else ""

    def _inequalities(self) -> Iterator[tuple[str, Verdict]]:
        difference = carried_out(self.larger - self.smaller)
        whole, x = closed(difference, self.variable, self.start)
        domain, given = (tuple(put_in(g, {self.variable: x}) for g in facts) for facts in (self.domain, self._along()))
        domain = (*domain, sp.Ge(x, self.start))
        yield "sides", _has_value(self.relation, self.assumes)
        yield "continuity", _continuous(whole, x, domain, given)
        yield "smoothness", _differentiable(whole, x)
        at_start = _degenerate(put_in(difference, {self.variable: self.start}))
        yield "at the start", inequality(sp.Ge(at_start, 0), self._at_start())
        slope = sp.expand_func(sp.diff(difference, self.variable))
        rising = inequality(sp.Ge(slope, 0), [*self.given, *self.domain], self.witness)
        falls = rising.truth is Truth.FALSE  # somewhere, which does not refute the inequality
        yield "derivative", replace(rising, truth=Truth.UNKNOWN) if falls else rising

    def _along(self) -> Given:
        """The facts used, those for all values of the variable as they are at one."""
        along = (isinstance(g, ForAll) and self.variable in g.bound_symbols for g in self.given)
        return tuple(g.instance if every else g for g, every in zip(self.given, along, strict=True))

    def _at_start(self) -> Given:
        """The facts used, at the start."""
        facts = (_degenerate(put_in(g, {self.variable: self.start})) for g in self._along())
        return tuple(g for g in facts if g not in (sp.true, True))

    def wrong(self) -> Iterator[Mutant]:
        """The inequality reversed, and one with less room everywhere."""
        yield "reversed", replace(self, larger=self.smaller, smaller=self.larger)
        yield "1 less on the larger side", replace(self, larger=self.larger - 1)
