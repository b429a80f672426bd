"""Runs derivations and checks in worker processes, a claim a task, and computes outcomes over the dependency graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import networkx as nx

from mamba_theorems.theorems.registry import claims, dependencies_first, dependency_graph, family_of
from mamba_theorems.verify.engine.gather import Gathered, gather, reject_mutants
from mamba_theorems.verify.engine.instruments import check_instruments
from mamba_theorems.verify.engine.journal import Journal
from mamba_theorems.verify.evidence import ClaimReport, Evidence, MutantResult, Report, outcome_of
from mamba_theorems.verify.formal import kept, worth
from mamba_theorems.verify.settings import Run
from mamba_theorems.verify.workers import workers

Progress = Callable[[str], None]


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
    notes: Journal | None = None,
) -> Report:
    """Gather all evidence on the selected claims and on what they rest on.

    What `notes` has from an interrupted run is not run again, and what is done is noted there. Raises BrokenInstrument
    before anything is told, where an instrument decides a known case wrongly.
    """
    start, order = time.perf_counter(), with_dependencies(selected)
    reports: dict[str, ClaimReport] = {}
    known, known_mutants = (notes.claims, notes.mutants) if notes else ({}, {})
    with workers(run) as pool:
        gathered = {c: pool.submit(gather, c, run) for c in order if c not in known}
        mutated = {c: pool.submit(reject_mutants, c, run) for c in order if controls and c not in known_mutants}
        check_instruments()  # here, while the workers work
        formal = _theorems(c for c in order if c not in known)
        for claim in order:
            progress(claim)
            reports[claim] = known.get(claim) or _report(
                claim, gathered[claim].result(), formal.get(claim, ()), reports
            )
            if notes and claim in gathered:
                notes.add(reports[claim])
            if stop_early and not reports[claim].as_expected:
                break
        rejected: list[tuple[str, MutantResult]] = []
        for claim in order if controls else ():
            progress(f"controls of {claim}")
            found = mutated[claim].result() if claim in mutated else known_mutants[claim]
            if notes and claim in mutated:
                notes.add_mutants(claim, found)
            rejected += [(claim, m) for m in found]
    listed = [c for c in claims() if c in reports]
    return Report(tuple(reports[c] for c in listed), run, time.perf_counter() - start, tuple(rejected))


def _theorems(order: Iterable[str]) -> dict[str, tuple[Evidence, ...]]:
    """What the theorems in Rocq are worth to each claim that names some."""
    asked = [claims()[c] for c in order if claims()[c].formal]
    if not asked:
        return {}
    known = kept.known()
    return {claim.id: worth.evidence(claim, known) for claim in asked}


def _report(claim_id: str, found: Gathered, formal: tuple[Evidence, ...], done: dict[str, ClaimReport]) -> ClaimReport:
    claim = claims()[claim_id]
    evidence = (*formal, *found.evidence)
    outcome = outcome_of(evidence, [done[d].outcome for d in claim.depends_on])
    return ClaimReport(claim, family_of(claim_id), outcome, evidence, found.seconds, found.steps, found.calls)
