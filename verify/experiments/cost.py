"""What a training costs: its operations by formula, and seconds from steps that are timed here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from mamba_theorems.verify.experiments.data import DataSource, classes
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import step_seconds

STEP = 2e8
"""What a step costs beside its operations, in operations: the calls of torch."""
EXPONENTIAL = 30
"""Operations of a scan by channel, state and token, an exponential among them, forward and backward."""
TRIAL = 3e10
"""Operations of the largest step that is timed for an estimate."""


@cache
def step_work(t: Training) -> float:
    """Operations of a step, about: a formula, not a measurement."""
    source = DataSource(t)
    shapes = t.described.shapes
    total = sum(shape.examples * shape.input_seq_len for shape in shapes)
    tokens = total / source.steps_per_epoch if shapes else (t.batch_size or t.described.batch_size) * source.longest
    asked = tokens if t.task in ("keep", "induction") else tokens / 2
    d_inner = t.expand * t.d_model
    if t.mixer == "attention":
        layer = 8 * t.d_model**2 + 4 * t.d_model * source.longest
    else:
        layer = 6 * t.d_model * d_inner + d_inner * (t.d_state * (4 + EXPONENTIAL) + 8 * t.d_conv)
    return STEP + 3 * tokens * t.n_layer * 2 * layer + 6 * asked * t.d_model * classes(t)


def work(training: Training) -> float:
    """Operations of the whole training, if it does not stop early."""
    return step_work(training) * training.length(DataSource(training).steps_per_epoch)


def rates(trainings: Iterable[Training]) -> dict[str, float]:
    """Seconds an operation by mixer: steps of its costliest training that a trial allows, timed here."""
    found: dict[str, float] = {}
    by_mixer: dict[str, list[Training]] = {}
    for training in trainings:
        by_mixer.setdefault(training.mixer, []).append(training)
    for mixer, those in by_mixer.items():
        cheapest = min(those, key=step_work)
        chosen = max((t for t in those if step_work(t) <= TRIAL), key=step_work, default=None)
        if chosen is None:  # all are too large to be timed: time a small batch, with the same sizes otherwise
            batch = max(1, int((cheapest.batch_size or 64) * TRIAL / step_work(cheapest)))
            chosen = replace(cheapest, batch_size=batch)
        found[mixer] = step_seconds(chosen) / step_work(chosen)
    return found


def seconds(training: Training, rate: dict[str, float]) -> float:
    """The seconds of a training on one processor of this machine, at most, as estimated."""
    return work(training) * rate[training.mixer]
