"""Evidence from the derivations in `theorems`: no kernel, no torch, so these run in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from theorems.claim import Claim
from theorems.decide import Truth
from theorems.proof import Proof, ProofResult
from theorems.registry import claims
from verify.evidence import Evidence, Kind


@dataclass(frozen=True)
class Line:
    """A proof step as it is shown: its name, its kind, its verdict, and how that was reached."""

    name: str
    kind: str
    truth: str
    method: str
    statement: str
    because: str


@dataclass(frozen=True)
class MutantResult:
    """A mutant, and whether the check or step that faced it rejected it."""

    check: str
    mutant: str
    rejected: bool
    how: str


def derive(claim_id: str) -> tuple[tuple[Evidence, ...], float]:
    """Check the claim's proof and disproof, whichever it has; the evidence, and the seconds it took."""
    start, claim = time.perf_counter(), claims()[claim_id]
    found = [_evidence(kind, name, proof().check(_formula(claim, kind))) for kind, name, proof in _proofs(claim)]
    return tuple(found), time.perf_counter() - start


def lines(claim_id: str) -> dict[str, tuple[Line, ...]]:
    """Every step of the proof and the disproof, decided, for a reader."""
    claim = claims()[claim_id]
    return {name: tuple(map(_line, proof().check().steps)) for _, name, proof in _proofs(claim)}


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


def _line(result: object) -> Line:
    step, verdict = result.step, result.verdict  # type: ignore[attr-defined]
    return Line(step.name, step.kind, verdict.truth.value, verdict.method, _statement(step), step.because)


def _statement(step: object) -> str:
    relation = getattr(step, "statement", None) or getattr(step, "relation", None)
    return "" if relation is None else str(relation)
