"""Runs derivations and checks in worker processes, a claim a task, and computes outcomes over the dependency graph."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Protocol

import networkx as nx

from theorems.registry import claims, dependencies_first, dependency_graph, family_of
from verify.check import Run
from verify.derivations import MutantResult
from verify.evidence import ClaimReport, outcome_of
from verify.gather import FOREIGN_MEMORY, Gathered, gather, reject_mutants

Progress = Callable[[str], None]
WORKERS = 2


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
    with _workers(run) as pool:
        gathered = {c: pool.submit(gather, c, run) for c in order if c not in notes.claims}
        mutated = {c: pool.submit(reject_mutants, c, run) for c in order if c not in notes.mutants and controls}
        for claim in order:
            progress(claim)
            reports[claim] = notes.claims.get(claim) or _report(claim, gathered[claim].result(), reports)
            if claim in gathered:
                notes.add(reports[claim])
            if stop_early and not reports[claim].as_expected:
                break
        rejected = [m for c in order for m in _mutants(c, mutated, progress, notes)] if controls else []
    listed = [c for c in claims() if c in reports]
    return Report(tuple(reports[c] for c in listed), run, time.perf_counter() - start, tuple(rejected))


@contextmanager
def _workers(run: Run) -> Iterator[ProcessPoolExecutor]:
    """Worker processes that stop where the run is interrupted or this process is killed."""
    context, others = get_context("spawn"), set(active_children())
    pool = ProcessPoolExecutor(WORKERS, context, _begin, (os.getpid(), bool(run.kernel)))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    pool.shutdown(cancel_futures=True)


def _begin(parent: int, foreign: bool) -> None:
    """A worker takes its share of the cores.

    Someone else's kernel may materialise every state; where that takes more than FOREIGN_MEMORY the check fails, and
    says so, before the machine runs out of memory and the whole run is killed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))
    if foreign:
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = FOREIGN_MEMORY if most == resource.RLIM_INFINITY else min(FOREIGN_MEMORY, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
    outlive_no_parent(parent)


def outlive_no_parent(parent: int) -> None:
    """Leave Ctrl-C to the parent, and stop where it has gone: a killed parent cannot say goodbye."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers to stop
    threading.Thread(target=watch, daemon=True).start()


def _report(claim_id: str, found: Gathered, done: dict[str, ClaimReport]) -> ClaimReport:
    claim = claims()[claim_id]
    outcome = outcome_of(found.evidence, [done[d].outcome for d in claim.depends_on])
    return ClaimReport(claim, family_of(claim_id), outcome, found.evidence, found.seconds, found.steps)


def _mutants(
    claim: str, mutated: dict[str, Future], progress: Progress, notes: Notes
) -> Iterable[tuple[str, MutantResult]]:
    """Every mutant of a claim's checks and proof steps, from the workers or from the notes."""
    progress(f"controls of {claim}")
    if claim in mutated:
        found = mutated[claim].result()
        notes.add_mutants(claim, found)
    else:
        found = notes.mutants[claim]
    return [(claim, m) for m in found]
