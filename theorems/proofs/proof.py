"""Proofs as lists of small named steps; the last step must state the claim.

It may use the proof's own hypotheses and the relations of earlier steps that rest on nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from mamba_theorems.theorems.proofs.decide import Truth, Verdict
from mamba_theorems.theorems.proofs.induction import Induction, InductionOn, Termwise
from mamba_theorems.theorems.proofs.steps import (
    Bound,
    Cases,
    Cited,
    Enclosed,
    Farkas,
    Given,
    Identity,
    Limit,
    Specialise,
    Step,
)

__all__ = [
    "Bound",
    "Cases",
    "Cited",
    "Enclosed",
    "Farkas",
    "Identity",
    "Induction",
    "InductionOn",
    "Limit",
    "Proof",
    "ProofResult",
    "Specialise",
    "Step",
    "StepResult",
    "Termwise",
]


@dataclass(frozen=True)
class StepResult:
    """A step and its verdict."""

    step: Step
    verdict: Verdict


@dataclass(frozen=True)
class ProofResult:
    """All verdicts of a proof, and what they amount to.

    `link` is what a reader must see to get from the steps to the statement; empty where the proof composes.
    """

    truth: Truth
    steps: tuple[StepResult, ...]
    reason: str = ""
    link: str = ""

    @property
    def cited(self) -> tuple[str, ...]:
        """Sources the proof leans on."""
        return tuple(r.step.source for r in self.steps if isinstance(r.step, Cited))


@dataclass(frozen=True)
class Proof:
    """Steps in order, under `hypotheses` (relations that the claim assumes)."""

    steps: tuple[Step, ...]
    hypotheses: Given = ()

    def check(self, formula: sp.Basic | None = None) -> ProofResult:
        """Decide every step; with `formula`, the last step must state it from what is known by then."""
        results = tuple(StepResult(step, step.decide()) for step in self.steps)
        truths = {r.verdict.truth for r in results}
        if all(isinstance(s, Cited) for s in self.steps):
            return ProofResult(Truth.UNKNOWN, results, "nothing but citations")
        if Truth.FALSE in truths or Truth.UNKNOWN in truths:
            worst = Truth.FALSE if Truth.FALSE in truths else Truth.UNKNOWN
            bad = next(r for r in results if r.verdict.truth is worst)
            return ProofResult(worst, results, f"step '{bad.step.name}': {bad.verdict.method} {bad.verdict.detail}")
        strays = [s for s in self.steps if isinstance(s, Specialise) and s.of not in self.steps]
        if strays:
            return ProofResult(Truth.UNKNOWN, results, f"'{strays[0].name}' specialises a step that is not here")
        return ProofResult(Truth.TRUE, results, "", self.gap(formula))

    def gap(self, formula: sp.Basic | None) -> str:
        """Why the last step does not yet give `formula`; empty if it does."""
        if formula is None:
            return "that the steps together are the statement, which is in words"
        if self.steps[-1].relation != formula:
            return f"the last step '{self.steps[-1].name}' does not state the claim"
        *_, missing = self.assumptions(self.hypotheses)
        return f"the last step assumes {missing[0]}, which nothing establishes" if missing else ""

    def assumptions(self, hypotheses: Given = ()) -> Iterator[Given]:
        """For each step, what it assumes beyond `hypotheses` and the relations of the steps before it."""
        known: set[sp.Basic] = set(hypotheses)
        for step in self.steps:
            yield tuple(g for g in step.assumes if g not in known)
            if step.relation is not None and known.issuperset(step.assumes):
                known.add(step.relation)

    def mutants(self) -> Iterator[tuple[str, Step]]:
        """Every mutant of every step, as (description, step)."""
        for step in self.steps:
            for name, mutant in step.mutants():
                yield f"{step.name}: {name}", mutant
