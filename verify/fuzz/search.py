"""One cell of a campaign, run: a pure function of the cell and the settings, on whatever worker.

Three things would make it depend on the worker, and are held still: the number of threads (sums are rounded in
another order), constants that hypothesis picks up from the modules imported so far, and its settings profile.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import torch
from hypothesis import strategies as st

from mamba_theorems.verify.checks.check import Property, Score, Seen, hunt
from mamba_theorems.verify.checks.foreign import foreign
from mamba_theorems.verify.fuzz import coverage
from mamba_theorems.verify.fuzz.batches import Batches, run_batches
from mamba_theorems.verify.fuzz.cells import Cell, properties
from mamba_theorems.verify.fuzz.draws import pure_draws
from mamba_theorems.verify.fuzz.executions import PLAIN, Failure, admitted, running
from mamba_theorems.verify.fuzz.generators import generators_of
from mamba_theorems.verify.fuzz.planted import planted
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class CellResult:
    """What a cell found. `draws` is a digest of every case drawn before the first failure, with its score."""

    cell: Cell
    examples: int
    worst: float | None
    unit: str
    draws: str
    places: dict[str, int]
    failure: Failure | None = None
    seconds: float = field(default=0.0, compare=False)
    processor_seconds: float = field(default=0.0, compare=False)


ONE_AT_A_TIME = Lock()
"""A worker with several threads runs one cell after the other: what is held still belongs to the process."""


def run_cell(cell: Cell, run: Run, bug: str = "") -> CellResult:
    """Hunt through one cell, with a bug planted if one is named. `run.seed` is the campaign's."""
    start, processor = time.perf_counter(), time.process_time()
    torch.set_num_threads(1)
    check = properties(cell.stream.claim)[cell.stream.check]
    try:
        with ONE_AT_A_TIME, pure_draws(), foreign(run.kernel), planted(bug):
            found = _search(check, cell, run)
    except Exception as reason:  # a strategy that raises must not end an hour's campaign: it is a finding
        failure = Failure(None, PLAIN, math.nan, "", f"drawing raises {type(reason).__name__}: {reason}", True)
        found = Watch().figures() | {"failure": failure}
    found |= {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}
    return CellResult(cell, **found)


def _search(check: Property, cell: Cell, run: Run) -> dict[str, Any]:
    generator, number = generators_of(check)[cell.stream.generator], cell.seed(run.seed)
    watch = Watch()
    if isinstance(generator, Batches):
        failure = run_batches(generator, check, cell.examples, number, run, watch)
        return watch.figures() | {"failure": failure}
    cases = st.tuples(generator(check.subject, run), admitted(check, run))

    def score(drawn: tuple[Any, str]) -> Score:
        with running(drawn[1]):
            return check.score(check.subject, drawn[0], run)

    hunt(cases, score, watch, number=number, examples=cell.examples)
    return watch.figures() | {"failure": watch.failure()}


class Watch(Seen):
    """What was drawn until the first failure: how many, where in the grid, and a digest; then the shrunk failure."""

    def __init__(self) -> None:
        super().__init__()
        self.digest, self.places = hashlib.sha256(), Counter[str]()
        self.drawn, self.failed = 0, False
        self.worst_drawn: Score | None = None

    def record(self, case: tuple[Any, str], score: Score) -> None:
        """Do as any hunt does, and note the case."""
        self.note(case, score)
        super().record(case, score)

    def crash(self, case: tuple[Any, str], reason: Exception) -> None:
        """Do as any hunt does, and note the case."""
        self.note(case, Score(math.nan))
        super().crash(case, reason)

    def note(self, case: tuple[Any, str], score: Score) -> None:
        """Count one case, unless one has failed already: what follows is its shrinking."""
        if not self.failed:
            drawn = f"{json.dumps([asdict(case[0]), case[1]])}{score.value!r}".encode()
            self.note_batch(drawn, coverage.place(coverage.sizes(case[0])), 1, score)
            self.failed = not score.passes

    def note_batch(self, drawn: bytes, place: str, count: int, worst: Score) -> None:
        """Count a whole batch, by its worst score."""
        self.drawn += count
        self.places[place] += count
        self.digest.update(drawn)
        if self.worst_drawn is None or worst.badness > self.worst_drawn.badness:
            self.worst_drawn = worst

    def failure(self) -> Failure | None:
        """The last case that failed: hypothesis ends with the smallest."""
        if not self.failed:
            return None
        (case, execution), score, error = self.failing
        return Failure.of(case, execution, score, error)

    def figures(self) -> dict[str, Any]:  # type: ignore[override]
        """The fields of a result."""
        worst = self.worst_drawn
        return {
            "examples": self.drawn,
            "worst": None if worst is None else worst.value,
            "unit": "" if worst is None else worst.unit,
            "draws": self.digest.hexdigest()[:16],
            "places": dict(sorted(self.places.items())),
        }


def replay(claim: str, check_name: str, failure: Failure, run: Run, bug: str = "") -> Failure | None:
    """Run a failure's case again in the same way: how it fails now, or None where it passes.

    Raises KeyError if the claim has no such check, NotACase if the case does not fit it.
    """
    torch.set_num_threads(1)
    check = properties(claim)[check_name]
    case = check.case_of(failure.case, run)
    with foreign(run.kernel), planted(bug), running(failure.execution):
        try:
            score = check.score(check.subject, case, run)
        except Exception as reason:
            said = f"raises {type(reason).__name__}: {reason}"
            return Failure.of(case, failure.execution, Score(math.nan), said)
    return None if score.passes else Failure.of(case, failure.execution, score)
