"""Runs derivations and checks in worker processes, a claim a task, and computes outcomes over the dependency graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

import networkx as nx

from mamba_theorems.theorems.registry import claims, dependencies_first, dependency_graph, family_of
from mamba_theorems.verify.engine.gather import Gathered, gather, reject_mutants
from mamba_theorems.verify.evidence import ClaimReport, MutantResult, Report, outcome_of
from mamba_theorems.verify.settings import Run
from mamba_theorems.verify.workers import workers

Progress = Callable[[str], None]


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
    with workers(run) as pool:
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
