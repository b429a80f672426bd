"""Proof steps over the integers: inductions, and sums compared term by term."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import sympy as sp

from mamba_theorems.theorems.proofs.decide import Verdict, identity, in_turn, inequality, unknown
from mamba_theorems.theorems.proofs.steps import Conditional, Given, Mutant, Step

STATE = sp.Function("h")


@dataclass(frozen=True, kw_only=True)
class Induction(Conditional):
    """A sequence with h(start) = initial and h(n+1) = next(h(n), n) equals `closed` for every n ≥ start.

    A sequence starts with h(0) = 0 unless it says otherwise. `closed` is an expression in the integer symbol `index`;
    `next` maps (h, n) to h(n+1). Base and step are identities in a symbolic n.
    """

    index: sp.Symbol
    start: int = 0
    initial: sp.Expr = sp.S.Zero
    next: Callable[[sp.Expr, sp.Symbol], sp.Expr]
    closed: sp.Expr
    kind = "induction"

    @property
    def relation(self) -> sp.Basic:
        """The closed form as an equation about h(n)."""
        return sp.Eq(STATE(self.index), self.closed, evaluate=False)

    @property
    def within(self) -> Given:
        """Where the sequence starts, and how it goes on."""
        start = sp.Eq(STATE(self.start), self.initial, evaluate=False)
        following = self.next(STATE(self.index), self.index)
        return (start, sp.Eq(STATE(self.index + 1), following, evaluate=False))

    def decide(self) -> Verdict:
        """Base, then step; the method names both."""
        return in_turn(self._identities())

    def _identities(self) -> Iterator[tuple[str, Verdict]]:
        yield "base", identity(self.closed.subs(self.index, self.start).doit(), self.initial, self.given)
        following = self.closed.subs(self.index, self.index + 1)
        yield "step", identity(self.next(self.closed, self.index), following, self.given)

    def wrong(self) -> Iterator[Mutant]:
        """A wrong base, a closed form that drifts, and a recurrence with an extra term."""
        yield "base + 1", replace(self, initial=self.initial + 1)
        yield "closed form + (n − start)", replace(self, closed=self.closed + self.index - self.start)
        original = self.next
        yield "recurrence + 1", replace(self, next=lambda h, n: original(h, n) + 1)


@dataclass(frozen=True, kw_only=True)
class InductionOn(Step):
    """Induction whose base and step are steps of their own (for statements that are not one closed form).

    `conclusion` is the statement for all n, shown to the reader and used by later steps.
    """

    base: Step
    step: Step
    conclusion: sp.Basic | None = None
    kind = "induction"

    @property
    def relation(self) -> sp.Basic | None:
        """The statement for all n."""
        return self.conclusion

    @property
    def parts(self) -> Mapping[str, Step]:
        """Base and step."""
        return {"base": self.base, "step": self.step}

    def decide(self) -> Verdict:
        """Base and step, each by its own procedure; the step must assume what is concluded."""
        if self.conclusion is not None and self.conclusion not in self.step.assumes:
            return unknown(
                "induction", "the step does not assume the conclusion (for a sum of inequalities use Termwise)"
            )
        return in_turn((label, part.decide()) for label, part in self.parts.items())

    def wrong(self) -> Iterator[Mutant]:
        """Every mutant of the base, and every mutant of the step."""
        for name, mutant in self.base.mutants():
            yield f"base: {name}", replace(self, base=mutant)
        for name, mutant in self.step.mutants():
            yield f"step: {name}", replace(self, step=mutant)


@dataclass(frozen=True, kw_only=True)
class Termwise(Conditional):
    """Σ lower ≤ Σ upper over the same finite range, because lower ≤ upper for each index that satisfies `given`.

    `given` may speak about the index; it must hold for every index of the range.
    """

    lower: sp.Sum
    upper: sp.Sum
    kind = "termwise bound"

    @property
    def relation(self) -> sp.Basic:
        """The inequality between the sums."""
        return sp.Le(self.lower, self.upper)

    def decide(self) -> Verdict:
        """One generic term."""
        if self.lower.limits != self.upper.limits:
            return unknown("termwise", "the sums have different ranges")
        return inequality(sp.Le(self.lower.function, self.upper.function), self.given)

    def wrong(self) -> Iterator[Mutant]:
        """The sums exchanged; the upper terms lowered by 1."""
        yield "exchanged", replace(self, lower=self.upper, upper=self.lower)
        yield "upper − 1", replace(self, upper=sp.Sum(self.upper.function - 1, *self.upper.limits))
