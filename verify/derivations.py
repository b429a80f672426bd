"""Evidence from the derivations in `theorems`: no kernel, no torch, so these run in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from theorems.claim import Claim
from theorems.decide import Truth, unknown
from theorems.proof import Proof, ProofResult, StepResult
from theorems.registry import claims
from theorems.steps import Given, Step
from theorems.written import latex
from verify.evidence import COMMA, Evidence, Kind, Line, Steps


@dataclass(frozen=True)
class MutantResult:
    """A mutant, and whether the check or step that faced it rejected it."""

    check: str
    mutant: str
    rejected: bool
    how: str


@dataclass(frozen=True)
class Derivation:
    """What became of a claim's proof and disproof, whichever it has: evidence, every step, and the seconds it took."""

    evidence: tuple[Evidence, ...]
    steps: Steps
    seconds: float


def derive(claim_id: str) -> Derivation:
    """Check the claim's proof and disproof."""
    start, claim = time.perf_counter(), claims()[claim_id]
    proofs = [(kind, name, proof()) for kind, name, proof in _proofs(claim)]
    results = [(kind, name, proof, proof.check(_formula(claim, kind))) for kind, name, proof in proofs]
    evidence = tuple(_evidence(kind, name, result) for kind, name, _, result in results)
    steps = {name: tuple(map(_line, result.steps, proof.assumptions())) for _, name, proof, result in results}
    return Derivation(evidence, steps, time.perf_counter() - start)


def steps_of(claim_id: str) -> Steps:
    """Every step as it is written, undecided."""
    proofs = [(name, proof()) for _, name, proof in _proofs(claims()[claim_id])]
    return {name: tuple(map(_undecided, proof.steps, proof.assumptions())) for name, proof in proofs}


def _undecided(step: Step, beyond: Given) -> Line:
    return _line(StepResult(step, unknown("not decided")), beyond)


def reject_step_mutants(claim_id: str) -> tuple[MutantResult, ...]:
    """Decide every mutant of every step; one that is still proved was not rejected."""
    found = []
    for _, name, proof in _proofs(claims()[claim_id]):
        for mutant_name, step in proof().mutants():
            verdict = step.decide()
            found.append(MutantResult(name, mutant_name, verdict.truth is not Truth.TRUE, verdict.method))
    return tuple(found)


def steps_without_mutants(claim_id: str) -> tuple[str, ...]:
    """Names of steps that nothing shows able to fail."""
    steps = [s for _, _, proof in _proofs(claims()[claim_id]) for s in proof().steps]
    return tuple(s.name for s in steps if s.needs_mutant and not list(s.mutants()))


def _proofs(claim: Claim) -> list[tuple[Kind, str, Callable[[], Proof]]]:
    found = []
    if claim.proof is not None:
        found.append((Kind.PROVED, "derivation", claim.proof))
    if claim.disproof is not None:
        found.append((Kind.REFUTED, "disproof", claim.disproof))
    return found


def _formula(claim: Claim, kind: Kind) -> object:
    return claim.formula if kind is Kind.PROVED else None


def _evidence(kind: Kind, name: str, result: ProofResult) -> Evidence:
    holds = {Truth.TRUE: True, Truth.FALSE: False, Truth.UNKNOWN: None}[result.truth]
    facts: dict[str, str | int] = {"steps": len(result.steps)}
    if result.cited:
        facts["cited"] = "; ".join(result.cited)
    return Evidence(kind, name, holds, result.reason, facts)


def _line(result: StepResult, beyond: Given) -> Line:
    assumed = (*beyond, *result.step.within)
    step, verdict, words = result.step, result.verdict, getattr(result.step, "statement", "")
    relation = "" if step.relation in (None, sp.true, sp.false) else str(step.relation)
    formula = latex(step.relation) if relation and words in ("", relation) else ""
    return Line(
        name=step.name,
        kind=step.kind,
        truth=verdict.truth.value,
        method=verdict.method,
        statement=words or relation,
        because=step.because,
        latex=formula,
        given=", ".join(map(_words, assumed)),
        given_latex=COMMA.join(map(latex, assumed)),
    )


def _words(condition: sp.Basic) -> str:
    if isinstance(condition, sp.Contains):
        return f"{condition.args[0]} in {condition.args[1]}"
    return str(condition)
