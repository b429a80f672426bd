"""All evidence on one claim: its derivation, its checks, and with controls what becomes of every mutant.

Each function here runs in a worker process as well as in this one.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from typing import Any

from verify.check import Check, Finding, NotAvailable, Run, Tier, rejects
from verify.checks import all_checks
from verify.derivations import MutantResult, derive, reject_step_mutants
from verify.evidence import Evidence, Kind, Steps

FOREIGN_MEMORY = 4 << 30  # bytes that a run on someone else's kernel may take, a worker


@dataclass(frozen=True)
class Gathered:
    """A claim's evidence, the steps of its proofs, and the seconds it took."""

    evidence: tuple[Evidence, ...]
    steps: Steps
    seconds: float


def gather(claim_id: str, run: Run) -> Gathered:
    """Derive the claim and run its checks, on someone else's kernel if the run names one."""
    start = time.perf_counter()
    with foreign(run.kernel):
        derived = derive(claim_id)
        numeric = tuple(run_check(check, run) for check in all_checks()[claim_id])
    return Gathered((*derived.evidence, *numeric), derived.steps, time.perf_counter() - start)


def reject_mutants(claim_id: str, run: Run) -> tuple[MutantResult, ...]:
    """Run every check of the claim on its mutants, and decide every mutant of its proof steps."""
    with foreign(run.kernel):
        found = [
            MutantResult(check.name, name, *rejects(check, mutant, run))
            for check in all_checks()[claim_id]
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


def replay_line(check: Check, finding: Finding) -> str:
    """The command that runs one instance again."""
    case = json.dumps(finding.case, separators=(",", ":"), sort_keys=True)
    return f"python -m verify {check.claim} --replay {shlex.quote(f'{check.name}:{case}')}"


def replay(claim_id: str, check_name: str, case: object, run: Run) -> Evidence:
    """Run one instance of one check again. Raises KeyError if the claim has no such check."""
    check = {c.name: c for c in all_checks()[claim_id]}[check_name]
    with foreign(run.kernel):
        return _as_evidence(check, replace(check.replay(case, run), case=case), run)


@contextmanager
def foreign(kernel: str) -> Iterator[None]:
    """Someone else's operation under every block: [OPERATION=]MODULE:FUNCTION, or "" for ours.

    Raises ValueError for an operation or a function that does not exist.
    """
    if not kernel:
        yield
        return
    from kernels.backends import OPERATIONS, using_backend  # noqa: PLC0415 - most runs need no other kernel

    operation, _, path = kernel.rpartition("=")
    operation = operation or "selective_scan"
    if operation not in OPERATIONS:
        raise ValueError(f"there is no operation '{operation}': use one of {', '.join(OPERATIONS)}")
    with using_backend({operation: _with_reasons(_function(path), path)}):
        yield


def _with_reasons(function: Callable, path: str) -> Callable:
    """`function`, saying what it lacks: an option that it does not take, or the memory that it asked for.

    What it does not do skips a check; a kernel may say so itself, by NotImplementedError.
    """

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as reason:
            lacking = re.search(r"unexpected keyword argument '(\w+)'", str(reason))
            if lacking is None or lacking[1] not in options:
                raise
            raise NotAvailable(f"{path} takes no {lacking[1]}") from reason
        except NotImplementedError as reason:
            raise NotAvailable(str(reason) or f"{path} does not do this") from reason
        except (MemoryError, RuntimeError) as reason:
            if isinstance(reason, MemoryError) or "allocate memory" in str(reason):
                raise MemoryError(f"{path} asks for more than the {FOREIGN_MEMORY >> 30} GiB of a run") from reason
            raise

    return call


def _function(path: str) -> Callable:
    """The function at MODULE:FUNCTION; modules of the current directory count."""
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as reason:
        raise ValueError(f"--kernel takes MODULE:FUNCTION, and '{path}' is none ({reason})") from reason
