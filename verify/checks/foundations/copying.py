"""Checks of selective copying: the explicit two-layer language model on the kernels, and one address fewer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import strategies as st

from mamba_theorems.constructions.foundations import Copier, Copying
from mamba_theorems.constructions.tasks import IGNORED
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.foundations.copying import LEAST_MARGIN
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import DTYPE, Check, Examination, Finding, Property, Score
from mamba_theorems.verify.checks.scoring import EVERY_DTYPE
from mamba_theorems.verify.settings import Run, Tier


@dataclass(frozen=True)
class Network:
    """How a copier is built for a size: with `missing` addresses, `blunt` times less sharp."""

    missing: int = 0
    blunt: int = 1

    def copier(self, num_values: int, num_tokens: int) -> Copier:
        """The network for a size; at M = 1 nothing can be missing but the only address."""
        copier = Copier(num_values, num_tokens, max(1, num_tokens - self.missing))
        return copier if self.blunt == 1 else Blunt(num_values, num_tokens, copier.d_state, self.blunt)


@dataclass(frozen=True)
class Blunt(Copier):
    """A copier with a smaller w."""

    times: int = 1

    @property
    def sharpness(self) -> int:
        """The copier's w, divided by `times`."""
        return max(1, super().sharpness // self.times)


@lru_cache(maxsize=64)
def module(network: Network, num_values: int, num_tokens: int, dtype: str) -> torch.nn.Module:
    """The language model of a size."""
    return network.copier(num_values, num_tokens).network().module(DTYPE_NAMED[dtype])


@dataclass(frozen=True)
class CopyCase:
    """Contents and their increasing places in a sequence of length L (places count from 0)."""

    num_values: Annotated[int, Whole(2, 32)]
    contents: Annotated[list[int], Several(Whole(0, 31), 1, 64)]
    places: Annotated[list[int], Several(Whole(0, 9999), 1, 64, rising=True)]
    input_seq_len: Annotated[int, Whole(2, 10_000)]
    dtype: DTYPE

    def together(self) -> str:
        """A content a place, before the markers."""
        free = self.input_seq_len - len(self.contents)
        if len(self.places) != len(self.contents) or self.places[-1] >= free:
            return f'"places" are {len(self.contents)} of the first {max(free, 0)}, one a content, counted from 0'
        return "" if max(self.contents) < self.num_values else f'"contents" are below {self.num_values}'

    @property
    def task(self) -> Copying:
        """The task of this size."""
        return Copying(self.num_values, len(self.contents), self.input_seq_len)


@st.composite
def copy_cases(draw: st.DrawFn, subject: Network, run: Run) -> CopyCase:
    """M from 2 to 16; any places: crowded, spread, first, last; equal contents included."""
    m, values = draw(st.sampled_from([2, 3, 5, 16])), draw(st.sampled_from([2, 14]))
    length = draw(st.sampled_from([2 * m, 3 * m + 1, 100, 1000]))
    places = draw(st.lists(st.integers(0, length - m - 1), min_size=m, max_size=m, unique=True))
    contents = draw(st.lists(st.integers(0, values - 1), min_size=m, max_size=m))
    return CopyCase(values, contents, sorted(places), length, draw(st.sampled_from(run.dtypes)))


def margins(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Right logit minus the best of all others, at every marker of a batch."""
    asked = targets != IGNORED
    rows, answers = logits[asked].astype(float), targets[asked]
    own = rows[np.arange(len(rows)), answers]
    rows[np.arange(len(rows)), answers] = -np.inf
    return own - rows.max(axis=1)


def copy_score(subject: Network, case: CopyCase, run: Run) -> Score:
    """The least margin before the final norm, less the derived 5/8."""
    task = case.task
    tokens, targets = task.sequence(np.array([case.places]), np.array([case.contents]))
    network = module(subject, task.num_values, task.num_tokens, case.dtype).to(run.device)
    logits = network(torch.from_numpy(tokens).to(run.device)).cpu().numpy()
    copier = subject.copier(task.num_values, task.num_tokens)
    scale = copier.anchor / math.sqrt(len(copier.model))
    return Score(float(margins(logits, targets).min()) * scale - float(LEAST_MARGIN), "margin")


def look_at_size(subject: Network, run: Run) -> Finding:
    """Every marker of random batches at M = 16, 14 values, L up to 1,000, right or wrong."""
    m, values = 16, 14
    lengths, examples = ((100, 1000), 16) if run.tier is Tier.QUICK else ((100, 1000, 4000), 200)
    right = asked = 0
    for length in lengths:
        tokens, targets = Copying(values, m, length).batch(examples, run.seed)
        for dtype in run.dtypes:
            logits = module(subject, values, m, dtype).to(run.device)(torch.from_numpy(tokens).to(run.device))
            found = margins(logits.cpu().numpy(), targets)
            right, asked = right + int((found > 0).sum()), asked + len(found)
    sizes = subject.copier(values, m)
    facts: dict[str, str | int] = {"right": right, "asked": asked, "longest": max(lengths)}
    facts |= {k: sizes.hyperparameters[k] for k in ("n_layer", "d_model", "d_state", "expand")}
    return Finding(right == asked, f"{right:,} of {asked:,} answers right, L up to {max(lengths):,}", facts)


def look_at_all(subject: Network, run: Run) -> Finding:
    """M = 2, two values, L = 5, every sequence there is (12), in Arb on the weights as they are before rounding."""
    task, copier = Copying(2, 2, 5), subject.copier(2, 2)
    places = [p for p in product(range(3), repeat=2) if p[0] < p[1]]
    cases = [(p, c) for p in places for c in product(range(2), repeat=2)]
    tokens, targets = task.sequence(np.array([p for p, _ in cases]), np.array([c for _, c in cases]))
    logits = copier.network().run(BALL, tokens)
    wrong = 0
    for row, answer in zip(logits[targets != IGNORED], targets[targets != IGNORED], strict=True):
        wrong += not all(row[answer] > row[u] for u in range(task.vocab_size) if u != answer)
    facts: dict[str, str | int] = {"sequences": len(cases), "wrong": wrong, "field": "Arb"}
    return Finding(wrong == 0, f"{len(cases)} sequences, {wrong} answers not certified", facts)


SMALLER: dict[str, Any] = {"N = M − 1": Network(missing=1)}

CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.selective-copying",
        name="margin-on-the-kernels",
        subject=Network(),
        mutants={**SMALLER, "w = 1": Network(blunt=10_000)},
        cases=copy_cases,
        score=copy_score,
        examples=30,
        facts={"model": "official Mamba-1 language model, two layers", "dtypes": EVERY_DTYPE},
    ),
    Examination(
        claim="foundations.selective-copying",
        name="every-answer-right",
        subject=Network(),
        mutants=SMALLER,
        look=look_at_size,
    ),
    Examination(
        claim="foundations.selective-copying",
        name="every-sequence-of-a-size",
        kind=Kind.CERTIFIED,
        subject=Network(),
        mutants=SMALLER,
        look=look_at_all,
    ),
)
