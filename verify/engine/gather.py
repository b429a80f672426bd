"""All evidence on one claim: its derivation, its checks, and with controls what becomes of every mutant.

Each function here runs in a worker process as well as in this one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.checks.check import Check, Finding, rejects, replay_line
from mamba_theorems.verify.checks.foreign import foreign
from mamba_theorems.verify.checks.registry import all_checks
from mamba_theorems.verify.conform import claims as rows
from mamba_theorems.verify.engine.derivations import derive, reject_step_mutants
from mamba_theorems.verify.evidence import Evidence, MutantResult, Steps
from mamba_theorems.verify.settings import NotAvailable, Run, Tier


@dataclass(frozen=True)
class Gathered:
    """A claim's evidence, the steps of its proofs, the seconds it took, and the calls of someone else's kernel."""

    evidence: tuple[Evidence, ...]
    steps: Steps
    seconds: float
    calls: int


@cache
def checks_of(claim_id: str) -> tuple[Check, ...]:
    """A claim's numeric checks: its family's, and the conformance suite's rows on what it rests on."""
    return (*all_checks()[claim_id], *(check for check in rows.CHECKS if check.claim == claim_id))


def gather(claim_id: str, run: Run) -> Gathered:
    """Derive the claim and run its checks, on someone else's kernel if the run names one."""
    start = time.perf_counter()
    with foreign(run.kernel) as calls:
        derived = derive(claims()[claim_id])
        numeric = tuple(run_check(check, run) for check in checks_of(claim_id))
    return Gathered((*derived.evidence, *numeric), derived.steps, time.perf_counter() - start, calls.total())


def reject_mutants(claim_id: str, run: Run) -> tuple[MutantResult, ...]:
    """Run every check of the claim on its mutants, and decide every mutant of its proof steps."""
    with foreign(run.kernel):
        found = [
            MutantResult(check.name, name, *rejects(check, mutant, run), check.survivors.get(name, ""))
            for check in checks_of(claim_id)
            if check.wanted(run)
            for name, mutant in check.mutants.items()
        ]
    return (*found, *reject_step_mutants(claim_id))


def run_check(check: Check, run: Run) -> Evidence:
    """Examine a check's own subject, or say why it was skipped."""
    if not check.wanted(run):
        return Evidence(Kind.SKIPPED, check.name, None, f"needs --tier {check.tier}")
    if check.tier is Tier.GPU and run.device == "cpu":
        return Evidence(Kind.SKIPPED, check.name, None, "needs --device cuda")
    try:
        finding = check.examine(check.subject, run)
    except NotAvailable as reason:
        return Evidence(Kind.SKIPPED, check.name, None, str(reason))
    except Exception as reason:
        finding = Finding(False, f"raises {type(reason).__name__}: {reason}", crashed=True)
    return _as_evidence(check, finding, run)


def _as_evidence(check: Check, finding: Finding, run: Run) -> Evidence:
    replay = "" if finding.case is None else replay_line(check, finding)
    replay += f" --kernel {run.kernel}" if replay and run.kernel else ""
    return Evidence(check.kind, check.name, finding.holds, finding.summary, finding.facts, finding.measured, replay)


def replay(claim_id: str, check_name: str, case: object, run: Run) -> Evidence:
    """Run one instance of one check again. Raises KeyError if the claim has no such check, NotACase for no case of it,
    NotAvailable where it cannot run here.
    """
    check = {c.name: c for c in checks_of(claim_id)}[check_name]
    with foreign(run.kernel):
        return _as_evidence(check, replace(check.replay(case, run), case=case), run)
