"""Proof steps of calculus: an integral by its antiderivative, and an inequality by the sign of a derivative.

Both reduce to identities and inequalities that `theorems.proofs.decide` settles; the fundamental theorem is all they
add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sympy as sp

from mamba_theorems.theorems.proofs.decide import Truth, Verdict, identity, in_turn, inequality
from mamba_theorems.theorems.proofs.steps import Conditional, Given, Mutant, Step


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
        """Two identities: of the derivative, and of the ends."""
        return in_turn(self._identities())

    def _identities(self) -> Iterator[tuple[str, Verdict]]:
        slope = sp.expand_func(sp.diff(self.antiderivative, self.variable))
        yield "derivative", identity(slope, self.integrand)
        high, low = (self.antiderivative.subs(self.variable, end) for end in (self.high, self.low))
        yield "ends", identity(high - low, self.value)

    def wrong(self) -> Iterator[Mutant]:
        """Another value, another antiderivative, the ends exchanged."""
        yield "value + 1", replace(self, value=self.value + 1)
        yield "antiderivative + variable", replace(self, antiderivative=self.antiderivative + self.variable)
        if self.value != 0:
            yield "ends exchanged", replace(self, low=self.high, high=self.low)


@dataclass(frozen=True, kw_only=True)
class Grows(Conditional):
    """larger ≥ smaller for variable ≥ start (and ≤ until): at start, and the difference has a derivative ≥ 0.

    `given` are facts that hold all the way from `start`, not only at one point.
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
        """At the start, then the derivative; each an inequality of its own."""
        return in_turn(self._inequalities())

    def _inequalities(self) -> Iterator[tuple[str, Verdict]]:
        difference = self.larger - self.smaller
        at_start = _degenerate(difference.subs(self.variable, self.start))
        fixed = tuple(_degenerate(g.subs(self.variable, self.start)) for g in self.given)
        yield "at the start", inequality(sp.Ge(at_start, 0), [g for g in fixed if g != sp.true])
        slope = sp.expand_func(sp.diff(difference, self.variable))
        rising = inequality(sp.Ge(slope, 0), [*self.given, *self.domain])
        falls = rising.truth is Truth.FALSE  # somewhere, which does not refute the inequality
        yield "derivative", replace(rising, truth=Truth.UNKNOWN) if falls else rising

    def wrong(self) -> Iterator[Mutant]:
        """The inequality reversed, and one with less room everywhere."""
        yield "reversed", replace(self, larger=self.smaller, smaller=self.larger)
        yield "1 less on the larger side", replace(self, larger=self.larger - 1)
