"""Where a training's batches and its test set come from: the tasks of `constructions`, seeded by the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.constructions.foundations.copying import Copying
from mamba_theorems.constructions.haar import task as keep
from mamba_theorems.constructions.induction_heads import task as induction
from mamba_theorems.constructions.mqar.assignments import every_assignment, queried_once
from mamba_theorems.constructions.tasks import Batch, broken_h2, paper_mqar, zoology_mqar
from mamba_theorems.verify.experiments.protocols import Shape
from mamba_theorems.verify.experiments.settings import Training

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Tokens, targets, and where a query's key was shown before another token; (batch, L) each."""
LOGITS = 1 << 24
"""Logits that a test computes at once."""
TOGETHER = 1 << 17
"""Tokens that a test runs at once."""


def classes(training: Training) -> int:
    """The number of tokens a network knows."""
    extra = {"mqar": training.num_kv_pairs, "mqar-once": training.num_kv_pairs, "induction": 1, "copying": 2}
    return training.vocab_size + extra.get(training.task, 0)


def draw(training: Training, shape: Shape, examples: int, seed: int) -> Arrays:
    """Examples of the task at a size. Raises ValueError where the size is impossible."""
    length, pairs, size = shape.input_seq_len, shape.num_kv_pairs, training.vocab_size
    match training.task:
        case "mqar":
            return _recall(paper_mqar(pairs, size, examples, length, seed))
        case "mqar-once":
            gap, distinct = training.d_conv - 1, training.distinct_values
            return _recall(queried_once(pairs, size, examples, seed, gap=gap, distinct_values=distinct))
        case "keep":
            return _plain(keep.batch(training.n, size, examples, length, seed))
        case "induction":
            return _plain(induction.batch(size, examples, length, seed))
        case "copying":
            return _plain(Copying(size, pairs, length).batch(examples, seed))
    random, power_a = training.task == "zoology-random", training.described.power_a
    return _recall(zoology_mqar(size, examples, length, seed, power_a, pairs, random))


def _plain(drawn: tuple[np.ndarray, np.ndarray]) -> Arrays:
    return (*drawn, np.zeros_like(drawn[0], dtype=bool))


def _recall(batch: Batch, rows: int = 64) -> Arrays:
    parts = [
        broken_h2(batch.tokens[i : i + rows], batch.vocabulary, batch.num_kv_pairs)
        for i in range(0, len(batch.tokens), rows)
    ]
    return batch.tokens, batch.targets, np.concatenate(parts) & batch.queries


def check(training: Training) -> None:
    """Draw an example of every shape. Raises ValueError where there is none."""
    network: dict[str, Any] = {
        "mixer": "mamba",
        "gate": True,
        "pe": False,
        "tie": False,
        "d_model": 1,
        "d_state": 1,
        "n_layer": 1,
    }
    _check(replace(training, **network, expand=1, start="random", noise=0.0, lr=1.0, seed=0))


@cache
def _check(training: Training) -> None:
    source = DataSource(training)
    for shape in (*training.described.shapes, *training.described.tested) or (source.own,):
        draw(training, shape, 1, 0)
    if training.task == "mqar-once":
        source.test()


@dataclass(frozen=True)
class TestSet:
    """What a training is tested on."""

    __test__ = False
    parts: tuple[Arrays, ...]
    classes: int

    def chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The test set in pieces that fit the memory."""
        for arrays in self.parts:
            length = arrays[0].shape[1]
            asked = max(1, int((arrays[1] >= 0).sum(1).max()))
            rows = max(1, min(LOGITS // (asked * self.classes), TOGETHER // length))
            tensors = tuple(map(torch.from_numpy, arrays))
            yield from zip(*(m.split(rows) for m in tensors), strict=True)  # type: ignore[misc]

    @property
    def shown_another(self) -> int:
        """Queries whose key the tail showed before another token."""
        return sum(int(part[2].sum()) for part in self.parts)


class DataSource:
    """Batches by number: fresh ones, or those of a data set, in an order new every epoch."""

    def __init__(self, training: Training) -> None:
        self.training, self.protocol = training, training.described
        self.own = Shape(training.input_seq_len, training.num_kv_pairs, 0)

    @cached_property
    def _batches(self) -> list[tuple[Shape, int, int]]:
        """The data set: shape, number and examples of each of its batches."""
        return [
            (shape, start, min(size, shape.examples - start))
            for shape in self.protocol.shapes
            for size in [self.training.batch_size or shape.batch_size]
            for start in range(0, shape.examples, size)
        ]

    @property
    def steps_per_epoch(self) -> int:
        """Batches of the data set; 0 where every batch is fresh."""
        return len(self._batches)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Tokens and targets of a step."""
        shape, place, size = self.at(number)
        tokens, targets, _ = draw(self.training, shape, size, self.training.seed_for(f"batch {shape} {place}"))
        return torch.from_numpy(tokens), torch.from_numpy(targets)

    def at(self, number: int) -> tuple[Shape, int, int]:
        """A step's batch by its shape, its number and its examples, which its seed is derived from."""
        if not self._batches:
            return self.own, number, self.training.batch_size or self.protocol.batch_size
        epoch, place = divmod(number, self.steps_per_epoch)
        order = np.random.default_rng(self.training.seed_for(f"order {epoch}")).permutation(self.steps_per_epoch)
        return self._batches[order[place]]

    def test(self) -> TestSet:
        """The test set: every assignment where the task has so few, else drawn."""
        training = self.training
        if training.task == "mqar-once":
            sizes, gap = (training.num_kv_pairs, training.vocab_size), training.d_conv - 1
            every = every_assignment(*sizes, gap=gap, distinct_values=training.distinct_values)
            return TestSet((_plain((every.tokens, every.targets)),), classes(training))
        own = Shape(training.input_seq_len, training.num_kv_pairs, self.protocol.test_examples)
        shapes = self.protocol.tested or (own,)
        drawn = (draw(training, shape, shape.examples, training.seed_for(f"test {shape}")) for shape in shapes)
        return TestSet(tuple(drawn), classes(training))

    @property
    def longest(self) -> int:
        """The longest sequence of training and test."""
        training = self.training
        if training.task == "mqar-once":
            return 3 * training.num_kv_pairs + training.d_conv - 1
        shapes = (*self.protocol.shapes, *self.protocol.tested) or (self.own,)
        return max(shape.input_seq_len for shape in shapes)
