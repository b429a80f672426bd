"""The controls of campaigns: each planted bug must be found, within a minute on two cores, and shrunk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from mamba_theorems.kernels.cpu.backend import warm_up
from mamba_theorems.verify.fuzz import coverage, local
from mamba_theorems.verify.fuzz.campaign import CellPool, Settings, run_campaign
from mamba_theorems.verify.fuzz.cells import properties
from mamba_theorems.verify.fuzz.findings import Found
from mamba_theorems.verify.fuzz.planted import BUGS
from mamba_theorems.verify.settings import Run

SECONDS = 60.0
PER_ROUND = 10
"""Small cells: a bug that shows at once is then found at once."""


@dataclass(frozen=True)
class Hunted:
    """A planted bug, the seconds until it was found, and the first finding; None where it was not."""

    bug: str
    seconds: float
    finding: Found | None

    @property
    def length(self) -> int | None:
        """L of the shrunk case, where it has one."""
        if self.finding is None or self.finding.failure.case is None:
            return None
        check = properties(self.finding.claim)[self.finding.check]
        return coverage.sizes(check.case_of(self.finding.failure.case, Run())).get("L")


def hunt(bug: str, selected: Sequence[str], run: Run, pool: CellPool, seconds: float = SECONDS) -> Hunted:
    """Plant a bug and hunt until something fails or the seconds are over."""
    found: list[Found] = []
    start = time.monotonic()
    settings = Settings(tuple(selected), run, per_round=PER_ROUND, bug=bug)
    run_campaign(settings, pool, seconds=seconds, stop_early=True, on_finding=found.append)
    return Hunted(bug, time.monotonic() - start, found[0] if found else None)


def hunt_all(selected: Sequence[str], run: Run, workers: int, console: Console) -> bool:
    """Hunt every bug, and say how each was found; whether all were."""
    missed = []
    warm_up()  # compiling for the first time is no part of a hunt
    for bug in BUGS:
        with local.pool_of(workers) as pool:
            hunted = hunt(bug, selected, run, pool)
        console.print(line(hunted), soft_wrap=True, markup=False)
        missed += [] if hunted.finding else [bug]
    console.print(f"{len(BUGS) - len(missed)} of {len(BUGS)} planted bugs found", style="red" if missed else "green")
    return not missed


def line(hunted: Hunted) -> str:
    """A hunt as one line, as in `conv tap: found in 3.1 s by mqar.thm4: paper (L = 3: fails with margin 0)`."""
    if hunted.finding is None:
        return f"{hunted.bug}: NOT found in {hunted.seconds:.0f} s"
    f = hunted.finding
    size = "" if hunted.length is None else f"L = {hunted.length}: "
    return f"{hunted.bug}: found in {hunted.seconds:.1f} s by {f.claim}: {f.check} ({size}{f.failure.summary})"
