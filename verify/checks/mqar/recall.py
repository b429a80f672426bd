"""What every recall check shares: cases, strategies, networks on real kernels, and the margin of an answer.

Task: [P] eq. (46) and Zoology's generator; hypotheses H1–H4 as in `constructions.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import assume
from hypothesis import strategies as st

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import IGNORED, Batch, Vocabulary, answers
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.kernels.backends import using_backend
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import DTYPE, Score
from mamba_theorems.verify.settings import Run

LONGEST_GAP = 40
Scan = Callable[..., Any]


def keep(construction: Construction) -> Construction:
    """The construction as it is."""
    return construction


@dataclass(frozen=True)
class Recall:
    """What a recall check looks at: a builder, what is done to its weights, which hypotheses its sequences keep.

    `scan` replaces the selective scan under the block (a mutant kernel); None leaves it alone. Where keys repeat, the
    value stored last is asked for, which is how i.i.d. keys ([P] App. D.3) are labelled.
    """

    build: Callable[[str, Vocabulary], Construction]
    target: str
    tamper: Callable[[Construction], Construction] = keep
    repeats_keys: bool = False
    rewrites_keys: bool = False
    scan: Scan | None = None

    def construct(self, vocabulary: Vocabulary) -> Construction:
        """The network for a vocabulary."""
        return self.tamper(self.build(self.target, vocabulary))


@dataclass(frozen=True)
class RecallCase:
    """One sequence over the paper's vocabulary (keys first, then values), and the dtype it runs in."""

    num_keys: Annotated[int, Whole(1, 128)]
    num_values: Annotated[int, Whole(1, 1024)]
    tokens: Annotated[list[int], Several(Whole(0, 1152), 3, 20_000)]
    dtype: DTYPE

    def together(self) -> str:
        """Pairs of a key and a value, as many as there are keys; then a query, and other tokens of the vocabulary."""
        v, context = self.vocabulary, self.tokens[: 2 * self.num_keys]
        if max(self.tokens) >= v.size:
            return f'"tokens" are below {v.size}: keys, then values'
        pairs = zip(context[::2], context[1::2], strict=False)
        if len(context) < 2 * self.num_keys or not all(key in v.keys and value in v.values for key, value in pairs):
            return f'"tokens" begin with {self.num_keys} pairs of a key and a value'
        asked = any(token in context[::2] for token in self.tokens[2 * self.num_keys :])
        return "" if asked else '"tokens" ask for a key of the context behind it'

    @property
    def vocabulary(self) -> Vocabulary:
        """Keys 0 … num_keys−1, values after them."""
        return Vocabulary.paper(self.num_keys, self.num_values)


@st.composite
def recall_cases(draw: st.DrawFn, subject: Recall, run: Run) -> RecallCase:
    """Sequences that keep H1 and H2 (unless the subject drops them): any order, gaps, adjacency and filler."""
    num_keys, num_values = draw(st.integers(1, 8)), draw(st.integers(2, 8))
    values = st.integers(num_keys, num_keys + num_values - 1)
    keys = draw(
        st.lists(st.integers(0, num_keys - 1), min_size=num_keys, max_size=num_keys)
        if subject.repeats_keys
        else st.permutations(range(num_keys))
    )
    tokens = [token for key in keys for token in (key, draw(values))]
    steps = st.one_of(st.integers(0, num_keys - 1), st.tuples(values, st.integers(1, LONGEST_GAP)))
    tail = draw(st.lists(steps, min_size=1, max_size=12))
    tokens += _tail(tail, subject.rewrites_keys)
    case = RecallCase(num_keys, num_values, tokens, draw(st.sampled_from(run.dtypes)))
    assume(any(token < num_keys for token in tokens[2 * num_keys :]))
    return case


def _tail(steps: list[int | tuple[int, int]], rewrites: bool) -> list[int]:
    """Queries, and runs of one noise value; a key that a value has followed is not queried again (H2)."""
    tokens: list[int] = []
    closed: set[int] = set()
    for step in steps:
        if isinstance(step, tuple):
            if tokens and not rewrites:
                closed.add(tokens[-1])
            tokens += [step[0]] * step[1]
        elif step not in closed:
            tokens.append(step)
    return tokens


@lru_cache(maxsize=256)
def network(subject: Recall, vocabulary: Vocabulary, dtype: str, device: str) -> torch.nn.Module:
    """The torch module with the subject's weights."""
    return subject.construct(vocabulary).module(DTYPE_NAMED[dtype], device=device)


def logits(subject: Recall, vocabulary: Vocabulary, tokens: np.ndarray, dtype: str, run: Run) -> np.ndarray:
    """(batch, length, vocab_size) float64 of the network run on the kernels."""
    module = network(replace(subject, scan=None), vocabulary, dtype, run.device)
    with torch.no_grad(), _kernels(subject):
        return module(torch.from_numpy(tokens).to(run.device)).double().cpu().numpy()


def _kernels(subject: Recall) -> AbstractContextManager:
    """The subject's own scan under the block, if it has one."""
    return nullcontext() if subject.scan is None else using_backend({"selective_scan": subject.scan})


def asked(subject: Recall, tokens: np.ndarray, vocabulary: Vocabulary, num_kv_pairs: int) -> np.ndarray:
    """The targets: the oracle's, or where keys may repeat the value stored last."""
    if not subject.repeats_keys:
        return answers(tokens, vocabulary, num_kv_pairs)
    start = 2 * num_kv_pairs
    targets = np.full_like(tokens, IGNORED)
    for row, target in zip(tokens, targets, strict=True):
        stored = dict(zip(row[0:start:2], row[1:start:2], strict=True))
        target[start:] = [stored.get(token, IGNORED) for token in row[start:]]
    return targets


def least_margins(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(batch,): over a sequence's queries, the least of (correct logit − best other); inf where nothing is asked."""
    is_query = targets != IGNORED
    right = np.where(is_query, targets, 0)[..., None]
    correct = np.take_along_axis(scores, right, axis=-1)[..., 0]
    others = scores.copy()
    np.put_along_axis(others, right, -np.inf, axis=-1)
    margins = np.where(is_query, correct - others.max(axis=-1), np.inf)
    return np.where(np.isnan(scores).any(axis=(-2, -1)), np.nan, margins.min(axis=-1))


def recall_score(subject: Recall, case: RecallCase, run: Run) -> Score:
    """The least margin over the queries of one sequence, on the real kernel."""
    tokens = np.array([case.tokens], dtype=np.int64)
    targets = asked(subject, tokens, case.vocabulary, case.num_keys)
    return Score(float(least_margins(logits(subject, case.vocabulary, tokens, case.dtype, run), targets)[0]))


def batch_margins(subject: Recall, batch: Batch, dtype: str, run: Run, chunk: int) -> np.ndarray:
    """`least_margins` of a whole batch, `chunk` sequences at a time."""
    parts = []
    for start in range(0, len(batch.tokens), chunk):
        part = slice(start, start + chunk)
        scores = logits(subject, batch.vocabulary, batch.tokens[part], dtype, run)
        parts.append(least_margins(scores, batch.targets[part]))
    return np.concatenate(parts)
