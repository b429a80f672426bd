"""Recall by the batch: thousands of sequences a second as one tensor, for constructions that need H1 and H2 only.

A sequence that fails is shrunk alone, by leaving out tokens while it still fails and still keeps the hypotheses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mamba_theorems.constructions.tasks import Batch, h1_keys_distinct, h2_no_query_after_noise, paper_mqar
from mamba_theorems.verify.checks.check import Property, Score
from mamba_theorems.verify.checks.mqar.recall import Recall, RecallCase, batch_margins, recall_cases, recall_score
from mamba_theorems.verify.checks.mqar.targets import plain_cases
from mamba_theorems.verify.fuzz import coverage
from mamba_theorems.verify.fuzz.executions import PLAIN, Failure
from mamba_theorems.verify.settings import Run

TOGETHER = 64
"""Sequences of one tensor: more only leave the cache."""


@dataclass(frozen=True)
class Batches:
    """So many keys and values in sequences of one length; `per_example` sequences count as one example's work."""

    num_kv_pairs: int
    num_values: int
    input_seq_len: int
    per_example: int = 10


class Watcher(Protocol):
    """Where a batch notes what it drew."""

    def note_batch(self, digest: bytes, place: str, count: int, worst: Score) -> None:
        """Count `count` cases."""


SIZES = (Batches(2, 4, 32), Batches(8, 8, 128), Batches(16, 16, 256, 3))


def batches_of(check: Property) -> dict[str, Batches]:
    """The batches that a property admits: recall on kernels, over the paper's sequences."""
    plain = check.cases in (recall_cases, plain_cases) and check.score is recall_score
    return {f"batches, κ = {b.num_kv_pairs}, L = {b.input_seq_len}": b for b in SIZES} if plain else {}


def draw_batches(spec: Batches, subject: Recall, count: int, number: int, run: Run) -> Iterator[tuple[Batch, str]]:
    """`count` sequences in tensors of TOGETHER, each with its own share of queries and its own dtype."""
    rng = np.random.default_rng(number)
    for start in range(0, count, TOGETHER):
        batch = paper_mqar(
            spec.num_kv_pairs,
            spec.num_values,
            min(TOGETHER, count - start),
            spec.input_seq_len,
            int(rng.integers(2**32)),
            query_probability=float(rng.choice([0.02, 0.1, 0.5, 0.9, 1.0])),
            requery_after_value=subject.rewrites_keys,
        )
        yield batch, str(rng.choice(list(run.dtypes)))


def run_batches(spec: Batches, check: Property, examples: int, number: int, run: Run, watch: Watcher) -> Failure | None:
    """Run the sequences; the first that fails, shrunk."""
    subject: Recall = check.subject
    for batch, dtype in draw_batches(spec, subject, examples * spec.per_example, number, run):
        margins = batch_margins(subject, batch, dtype, run, TOGETHER)
        worst = Score(float(np.nan if np.isnan(margins).any() else margins.min()))
        at = coverage.place({"L": spec.input_seq_len, "κ": spec.num_kv_pairs, "|V|": spec.num_values})
        watch.note_batch(batch.tokens.tobytes() + margins.tobytes(), at, len(margins), worst)
        if not worst.passes:
            return _failure(check, _case(batch, int(np.argmin(margins > 0)), dtype), run)
    return None


def _case(batch: Batch, row: int, dtype: str) -> RecallCase:
    return RecallCase(batch.num_kv_pairs, len(batch.vocabulary.values), batch.tokens[row].tolist(), dtype)


def _failure(check: Property, case: RecallCase, run: Run) -> Failure:
    def fails(smaller: RecallCase) -> bool:
        return _admissible(smaller, check.subject) and not check.score(check.subject, smaller, run).passes

    case = shrunk(case, fails) if fails(case) else case
    score = check.score(check.subject, case, run)
    found = Failure.of(case, PLAIN, score)
    return replace(found, summary="fails in its batch, not alone") if score.passes else found


def _admissible(case: RecallCase, subject: Recall) -> bool:
    """H1, H2 where it is needed, and something to answer."""
    tokens, start = np.array(case.tokens), 2 * case.num_keys
    if h1_keys_distinct(tokens, case.num_keys) is not None or not (tokens[start:] < case.num_keys).any():
        return False
    return subject.rewrites_keys or h2_no_query_after_noise(tokens, case.vocabulary, case.num_keys) is None


def shrunk(case: RecallCase, fails: Callable[[RecallCase], bool]) -> RecallCase:
    """A case that fails, from which no key, no stretch of the tail and no value can be left out."""
    while True:
        smaller = next((c for c in _smaller(case) if fails(c)), None)
        if smaller is None:
            return case
        case = smaller


def _smaller(case: RecallCase) -> Iterator[RecallCase]:
    """Simpler cases, the boldest first."""
    start = 2 * case.num_keys
    tail = case.tokens[start:]
    size = len(tail)
    while size:
        for at in range(0, len(tail), size):
            yield replace(case, tokens=case.tokens[:start] + tail[:at] + tail[at + size :])
        size //= 2
    if case.num_keys > 1:
        yield from (_without_key(case, key) for key in range(case.num_keys - 1, -1, -1))
    yield from _fewer_values(case)


def _without_key(case: RecallCase, key: int) -> RecallCase:
    """The pair and the queries of a key left out, and the keys after it renamed."""
    start, kept = 2 * case.num_keys, []
    for i, token in enumerate(case.tokens):
        value_of_key = 0 < i < start and i % 2 and case.tokens[i - 1] == key
        if token != key and not value_of_key:
            kept.append(token - (token > key))
    return replace(case, num_keys=case.num_keys - 1, tokens=kept)


def _fewer_values(case: RecallCase) -> Iterator[RecallCase]:
    """The values renamed to the first ones in order of size; one value replaced by another."""
    first = case.num_keys
    used = sorted({token for token in case.tokens if token >= first})
    renamed = {value: first + i for i, value in enumerate(used)}
    count = max(2, len(used))
    if count < case.num_values or any(old != new for old, new in renamed.items()):
        yield replace(case, num_values=count, tokens=_renamed(case.tokens, renamed))
    for value in used[1:]:
        yield replace(case, tokens=_renamed(case.tokens, {value: used[0]}))


def _renamed(tokens: Sequence[int], names: dict[int, int]) -> list[int]:
    return [names.get(token, token) for token in tokens]
