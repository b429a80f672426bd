"""A plan's trainings on workers, as fuzzing runs its cells: each is noted when it is done, and none is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mamba_theorems.verify.experiments.cost import work
from mamba_theorems.verify.experiments.plan import Plan
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import Trained, plain, read, run_training
from mamba_theorems.verify.files import FOLDER, JsonLines
from mamba_theorems.verify.fuzz.campaign import CellPool, as_they_come
from mamba_theorems.verify.record import fingerprint

SOURCES = ("constructions", "kernels", "verify/experiments")
"""The source text that a result depends on: a change elsewhere keeps what was trained."""


def made_by(device: str) -> str:
    """A digest of the device, of that source text and of the packages."""
    return fingerprint(device, SOURCES)


@dataclass
class PlanRun:
    """A plan, what was trained of it so far, and the `seconds` of this sitting."""

    plan: Plan
    device: str = "cpu"
    results: dict[Training, Trained] = field(default_factory=dict)
    seconds: float = 0.0
    workers: int = 1
    interrupted: bool = False
    fresh: list[Trained] = field(default_factory=list)

    @property
    def missing(self) -> tuple[Training, ...]:
        """The trainings that are still to be run."""
        return tuple(training for training in self.plan.trainings if training not in self.results)

    @property
    def remaining(self) -> float:
        """An estimate of the seconds to go, from those of this sitting; infinite at first."""
        done = sum(map(work, (result.training for result in self.fresh)))
        return self.seconds / done * sum(map(work, self.missing)) if done else float("inf")


class TrainingNotes(JsonLines):
    """A plan's journal: every result of this source text and these packages."""

    def __init__(self, plan: Plan, device: str, folder: Path = FOLDER) -> None:
        super().__init__(folder / f"train-{plan.name}-{made_by(device)}.jsonl")
        self.plan, self.device = plan, device

    def run(self) -> PlanRun:
        """The plan, with what was trained of it before."""
        found, wanted = PlanRun(self.plan, self.device), set(self.plan.trainings)
        for note in self.read():
            with suppress(ValueError, KeyError, TypeError):
                result = read(note)
                found.results |= {result.training: result} if result.training in wanted else {}
        return found

    def add(self, result: Trained) -> None:
        """Note a training that is done."""
        self.append(plain(result))


def run_plan(
    run: PlanRun, pool: CellPool, *, notes: TrainingNotes | None = None, progress: Callable[[PlanRun], None]
) -> None:
    """Run what is missing, and note it. Ctrl-C stops it; what was done until then is kept."""
    start = time.monotonic()
    submitted = (pool.submit(run_training, training, run.device) for training in run.missing)
    try:
        for result in as_they_come(pool, submitted, lambda: pool.workers, lambda: False):
            run.results[result.training] = result
            run.fresh.append(result)
            run.seconds = time.monotonic() - start
            if notes:
                notes.add(result)
            progress(run)
    except KeyboardInterrupt:
        run.interrupted = True
    run.seconds = time.monotonic() - start
