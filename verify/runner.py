"""Runs derivations and checks, and computes outcomes over the dependency graph.

Derivations run in worker processes while the checks, which use every core, run here.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context
from typing import Protocol

import networkx as nx

from theorems.registry import claims, dependencies_first, dependency_graph, family_of
from verify.check import Check, Finding, Run, Tier, rejects
from verify.checks import all_checks
from verify.derivations import MutantResult, derive, reject_step_mutants
from verify.evidence import ClaimReport, Evidence, Kind, outcome_of

Progress = Callable[[str], None]
WORKERS = 2


class NotAvailable(RuntimeError):
    """What was asked for is not on this machine."""


@dataclass(frozen=True)
class Report:
    """All that a run found: the claims that were asked for and, with controls, what became of each mutant."""

    claims: tuple[ClaimReport, ...]
    run: Run
    seconds: float
    mutants: tuple[tuple[str, MutantResult], ...] = ()

    @property
    def unexpected(self) -> tuple[ClaimReport, ...]:
        """Claims whose outcome is not the expected one."""
        return tuple(c for c in self.claims if not c.as_expected)

    @property
    def survivors(self) -> tuple[tuple[str, MutantResult], ...]:
        """Mutants that nothing rejected, with their claims."""
        return tuple((claim, m) for claim, m in self.mutants if not m.rejected)

    @property
    def as_expected(self) -> bool:
        """Whether every outcome is the expected one and every mutant was rejected."""
        return not self.unexpected and not self.survivors

    def __getitem__(self, claim_id: str) -> ClaimReport:
        """One claim's report. Raises KeyError if it did not run."""
        return {c.claim.id: c for c in self.claims}[claim_id]

    def _repr_html_(self) -> str:
        """The claims as a table, for a notebook."""
        from verify.report.html import fragment  # noqa: PLC0415 - reports build on runs, and html is an extra

        return fragment(self)


class Notes(Protocol):
    """What an interrupted run has, and where to add to it."""

    claims: dict[str, ClaimReport]
    mutants: dict[str, tuple[MutantResult, ...]]

    def add(self, report: ClaimReport) -> None:
        """Note a claim that is done."""

    def add_mutants(self, claim: str, found: Sequence[MutantResult]) -> None:
        """Note what became of a claim's mutants."""


class _NoNotes:
    """Nothing from before, and nothing kept."""

    def __init__(self) -> None:
        self.claims: dict[str, ClaimReport] = {}
        self.mutants: dict[str, tuple[MutantResult, ...]] = {}

    def add(self, report: ClaimReport) -> None:
        """Keep nothing."""

    def add_mutants(self, claim: str, found: Sequence[MutantResult]) -> None:
        """Keep nothing."""


def with_dependencies(selected: Iterable[str]) -> list[str]:
    """The selected claims and all that they rest on, dependencies first."""
    graph, wanted = dependency_graph(), set(selected)
    for claim in list(wanted):
        wanted |= nx.descendants(graph, claim)
    return [c for c in dependencies_first() if c in wanted]


def verify(
    selected: Sequence[str],
    run: Run,
    *,
    controls: bool = False,
    stop_early: bool = False,
    progress: Progress = lambda _: None,
    notes: Notes | None = None,
) -> Report:
    """Gather all evidence on the selected claims and on what they rest on.

    What `notes` has from an interrupted run is not run again, and what is done is noted there.
    """
    start, order = time.perf_counter(), with_dependencies(selected)
    notes = notes or _NoNotes()
    reports: dict[str, ClaimReport] = {}
    with _workers() as pool:
        derivations = {c: pool.submit(derive, c) for c in order if c not in notes.claims}
        mutated = {c: pool.submit(reject_step_mutants, c) for c in order if c not in notes.mutants and controls}
        for claim in order:
            progress(claim)
            reports[claim] = notes.claims.get(claim) or _report(claim, derivations[claim], reports, run)
            if claim in derivations:
                notes.add(reports[claim])
            if stop_early and not reports[claim].as_expected:
                break
        rejected = [m for c in order for m in _mutants(c, mutated, run, progress, notes)] if controls else []
    listed = [c for c in claims() if c in reports]
    return Report(tuple(reports[c] for c in listed), run, time.perf_counter() - start, tuple(rejected))


@contextmanager
def _workers() -> Iterator[ProcessPoolExecutor]:
    """Worker processes that stop where the run is interrupted or this process is killed."""
    context, others = get_context("spawn"), set(active_children())
    pool = ProcessPoolExecutor(WORKERS, context, _leave_with_parent, (os.getpid(),))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    pool.shutdown(cancel_futures=True)


def _leave_with_parent(parent: int) -> None:
    """A worker outlives no run: a killed parent cannot say goodbye, so each worker looks for it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers to stop
    threading.Thread(target=watch, daemon=True).start()


def _report(claim_id: str, derivation: Future, done: dict[str, ClaimReport], run: Run) -> ClaimReport:
    start, claim = time.perf_counter(), claims()[claim_id]
    numeric = tuple(run_check(check, run) for check in all_checks()[claim_id])
    elapsed = time.perf_counter() - start
    derived = derivation.result()
    evidence = (*derived.evidence, *numeric)
    outcome = outcome_of(evidence, [done[d].outcome for d in claim.depends_on])
    return ClaimReport(claim, family_of(claim_id), outcome, evidence, elapsed + derived.seconds, derived.steps)


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
    return _as_evidence(check, finding)


def _as_evidence(check: Check, finding: Finding) -> Evidence:
    replay = "" if finding.case is None else replay_line(check, finding)
    return Evidence(
        check.kind, check.name, finding.holds, finding.summary, finding.facts, finding.measured, replay
    )  # fmt: skip


def replay_line(check: Check, finding: Finding) -> str:
    """The command that runs one instance again."""
    case = json.dumps(finding.case, separators=(",", ":"), sort_keys=True)
    return f"python -m verify {check.claim} --replay {shlex.quote(f'{check.name}:{case}')}"


def replay(claim_id: str, check_name: str, case: object, run: Run) -> Evidence:
    """Run one instance of one check again. Raises KeyError if the claim has no such check."""
    check = {c.name: c for c in all_checks()[claim_id]}[check_name]
    return _as_evidence(check, replace(check.replay(case, run), case=case))


def _mutants(
    claim: str, mutated: dict[str, Future], run: Run, progress: Progress, notes: Notes
) -> Iterable[tuple[str, MutantResult]]:
    """Every mutant of a claim's checks here, and of its proof steps from the workers."""
    progress(f"controls of {claim}")
    if claim in mutated:
        found = [
            MutantResult(check.name, name, *rejects(check, mutant, run))
            for check in all_checks()[claim]
            if check.wanted(run)
            for name, mutant in check.mutants.items()
        ]
        found += mutated[claim].result()
        notes.add_mutants(claim, found)
    else:
        found = list(notes.mutants[claim])
    return [(claim, m) for m in found]
