"""One training, from its settings to what came of it: the same wherever floats are rounded alike.

Its seeds come from its own settings, and it runs on one thread, so that neither workers nor their order can matter.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, lr_scheduler

from mamba_theorems.verify.experiments import networks
from mamba_theorems.verify.experiments.data import DataSource, TestSet
from mamba_theorems.verify.experiments.settings import Training


@dataclass(frozen=True)
class Trained:
    """What came of a training: `right` of `total` answers at its end, and the standard error of their share.

    `answered` counts test sequences without a wrong answer. `history` has (step, mean loss since the last, share
    right); the first is before any step. `shown_another` are queries whose key the tail showed before another token;
    of the others, `right_of_others`. `alignment` are cosines between weights and those of the construction.
    """

    training: Training
    right: int
    total: int
    answered: int
    sequences: int
    standard_error: float
    step: int
    history: tuple[tuple[int, float, float], ...]
    parameters: int
    shown_another: int
    right_of_others: int
    alignment: tuple[tuple[str, float], ...]
    seconds: float
    processor_seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.total or not 0 <= self.answered <= self.sequences or self.total < 1:
            raise ValueError(f"{self.right} right answers of {self.total} are not possible")

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.right / self.total

    @property
    def exact(self) -> bool:
        """Whether every answer is right."""
        return self.right == self.total


VOLATILE = ("seconds", "processor_seconds")
"""What of a result is not the same again."""


def run_training(training: Training, device: str = "cpu") -> Trained:
    """Train, on one thread of this process, and test."""
    wall, cpu = time.monotonic(), time.process_time()
    with _alone():
        found = _Run(training, device).outcome()
    return Trained(training, **found, seconds=time.monotonic() - wall, processor_seconds=time.process_time() - cpu)


@contextmanager
def _alone() -> Iterator[None]:
    """One thread, and draws that leave torch's generator as it was."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


class _Run:
    def __init__(self, training: Training, device: str) -> None:
        self.training, self.protocol, self.device = training, training.described, device
        torch.manual_seed(training.seed_for("weights"))
        self.network = networks.build(training).to(device)
        self.source = DataSource(training)
        self.optimizer = AdamW(
            self.network.parameters(),
            training.lr,
            betas=self.protocol.betas,
            weight_decay=self.protocol.weight_decay,
        )
        self.scheduler, self.every = schedule(self.optimizer, training, self.source.steps_per_epoch)

    @cached_property
    def test(self) -> TestSet:
        return self.source.test()

    def outcome(self) -> dict[str, Any]:
        """Every field of the result but the times."""
        tested = self._tested()
        history = [(0, math.nan, tested.share)]
        losses: list[float] = []
        steps, step, diverged = self.training.length(self.source.steps_per_epoch), 0, False
        interval = max(1, steps // self.protocol.evaluations)
        while step < steps and tested.share < self.protocol.stop_at and not diverged:
            losses.append(self.step(step))
            step += 1
            diverged = not math.isfinite(losses[-1])
            if diverged or step % interval == 0 or step == steps:
                tested = self._tested()
                history.append((step, math.nan if diverged else sum(losses) / len(losses), tested.share))
                losses = []
        return self._result(step, history, tested)

    def step(self, number: int) -> float:
        """Forward, backward and the optimiser's step on a batch; the loss."""
        tokens, targets = (m.to(self.device) for m in self.source.batch(number))
        asked = targets >= 0
        logits = networks.logits(self.network, tokens, asked)
        smoothing = self.protocol.label_smoothing
        loss = functional.cross_entropy(logits, targets[asked], reduction="sum", label_smoothing=smoothing)
        loss = loss / max(1, len(logits))  # a small batch may ask nothing
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.protocol.clip)
        self.optimizer.step()
        if (number + 1) % self.every == 0:
            self.scheduler.step()
        return loss.item()

    @torch.no_grad()
    def _tested(self) -> Tested:
        self.network.eval()
        rows: list[Tensor] = []
        others = 0
        for tokens, targets, shown_another in self.test.chunks():
            asked = targets >= 0
            right = torch.zeros_like(asked)
            logits = networks.logits(self.network, tokens.to(self.device), asked.to(self.device)).cpu()
            right[asked] = logits.argmax(-1) == targets[asked]
            rows.append(torch.stack([right.sum(1), asked.sum(1)], 1))
            others += int((right & ~shown_another).sum())
        self.network.train()
        return Tested(torch.cat(rows), others)

    def _result(self, step: int, history: list[tuple[int, float, float]], tested: Tested) -> dict[str, Any]:
        return {
            "right": tested.right,
            "total": tested.total,
            "answered": int((tested.rows[:, 0] == tested.rows[:, 1]).sum()),
            "sequences": len(tested.rows),
            "standard_error": tested.standard_error,
            "step": step,
            "history": tuple(history),
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "shown_another": self.test.shown_another,
            "right_of_others": tested.others,
            "alignment": networks.alignment(self.network, self.training),
        }


@dataclass(frozen=True)
class Tested:
    """Right answers and questions of each test sequence (sequences, 2), and the right ones of unspoilt queries."""

    rows: Tensor
    others: int

    @property
    def right(self) -> int:
        """Right answers."""
        return int(self.rows[:, 0].sum())

    @property
    def total(self) -> int:
        """Questions."""
        return int(self.rows[:, 1].sum())

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / self.total

    @property
    def standard_error(self) -> float:
        """Of the share, the sequences being independent: their residuals right − share · asked, squared."""
        residuals = self.rows[:, 0].double() - self.share * self.rows[:, 1].double()
        return float(residuals.square().sum().sqrt() / self.total)


def schedule(optimizer: AdamW, training: Training, steps_per_epoch: int) -> tuple[Any, int]:
    """The learning rate's schedule of torch, and after how many steps each of its own is taken."""
    name, steps = training.described.schedule, training.length(steps_per_epoch)
    if name == "one-cycle":
        return lr_scheduler.OneCycleLR(optimizer, training.lr, total_steps=max(steps, 2), cycle_momentum=False), 1
    if name == "epoch cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, training.described.epochs), steps_per_epoch
    warm, flat = max(1, steps // 200), max(1, steps * 59 // 200)  # 100, 5,900 and 14,000 of 20,000
    parts: list[Any] = [
        lr_scheduler.LinearLR(optimizer, 1 / warm, total_iters=warm),
        lr_scheduler.ConstantLR(optimizer, 1.0),
        lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - warm - flat)),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, [warm, warm + flat]), 1


def step_seconds(training: Training, steps: int = 5) -> float:
    """The processor seconds of a step here, without tests: the median of some, after one that warms up."""
    found = []
    with _alone():
        run = _Run(replace(training, steps=steps + 2), "cpu")
        for number in range(steps + 1):
            start = time.process_time()
            run.step(number)
            found.append(time.process_time() - start)
    return statistics.median(found[1:])


def plain(result: Trained) -> dict[str, Any]:
    """The result as JSON data."""
    data = {f.name: getattr(result, f.name) for f in fields(result)}
    history = [[step, None if math.isnan(loss) else loss, share] for step, loss, share in result.history]
    return data | {
        "training": result.training.plain,
        "history": history,
        "alignment": dict(result.alignment),
    }


def read(data: dict[str, Any]) -> Trained:
    """The result that `plain` gave. Raises ValueError, KeyError or TypeError for anything else."""
    history = tuple((step, math.nan if loss is None else loss, share) for step, loss, share in data["history"])
    training, alignment = Training(**data["training"]), tuple(dict(data["alignment"]).items())
    return Trained(**{**data, "training": training, "history": history, "alignment": alignment})
