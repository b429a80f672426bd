"""What each hypothesis H1–H4 excludes: the shortest sequence that fails without it, every shorter one tried, exactly.

[P] eq. (46) and App. D.3 (i.i.d. keys break H1). The predicates are those of `constructions.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations, product
from typing import Any

import numpy as np

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import (
    Violation,
    Vocabulary,
    h1_keys_distinct,
    h2_no_query_after_noise,
    h3_values_distinct,
    h4_no_query_after_value,
)
from mamba_theorems.kernels.fields import FLOAT64, RATIONAL, Field, ball
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.checks.mqar.targets import ByClaim
from mamba_theorems.verify.settings import Run

PREDICATES: dict[str, Callable[[np.ndarray, Vocabulary, int], Violation | None]] = {
    "H1": lambda tokens, vocabulary, pairs: h1_keys_distinct(tokens, pairs),
    "H2": h2_no_query_after_noise,
    "H3": lambda tokens, vocabulary, pairs: h3_values_distinct(tokens, vocabulary),
    "H4": h4_no_query_after_value,
}
PRECISE = ball(300)
LARGEST_EXACT = 2.0**53


@dataclass(frozen=True)
class Dropped:
    """A claim over `num_keys` keys and two values (a filler too, if `filler`) that keeps some hypotheses, not `drops`.

    `balls` where its numbers are no integers. `expected` is the shortest sequence that fails, in words.
    """

    claim: str
    drops: str
    keeps: tuple[str, ...]
    expected: str
    num_keys: int
    longest: int
    filler: bool = False
    balls: bool = False

    @property
    def vocabulary(self) -> Vocabulary:
        """Keys, two values, and the filler last."""
        size = self.num_keys + 2
        return Vocabulary(
            size + self.filler, range(self.num_keys), range(self.num_keys, size), size if self.filler else None
        )

    def word(self, token: int) -> str:
        """k1, k2, …, v1, v2, f."""
        if token < self.num_keys:
            return f"k{token + 1}"
        return "f" if token == self.num_keys + 2 else f"v{token - self.num_keys + 1}"


def _sequences(subject: Dropped, length: int, pairs: int) -> Iterator[tuple[int, ...]]:
    """Every sequence of that many pairs whose last token asks for a key of the context."""
    keys, values = range(subject.num_keys), subject.vocabulary.values
    contexts = product(keys, repeat=pairs) if subject.drops == "H1" else permutations(keys, pairs)
    between = length - 2 * pairs - 1
    for chosen in contexts:
        for stored in product(values, repeat=pairs):
            context = tuple(token for pair in zip(chosen, stored, strict=True) for token in pair)
            for tail in product(range(subject.vocabulary.size), repeat=between):
                yield from ((*context, *tail, asked) for asked in sorted(set(chosen)))


@lru_cache(maxsize=32)
def _built(claim: str, vocabulary: Vocabulary) -> Construction:
    return ByClaim(claim)("paper", vocabulary)


def _answer(tokens: tuple[int, ...], pairs: int) -> int:
    """The value stored last for the key asked at the end."""
    return dict(zip(tokens[0 : 2 * pairs : 2], tokens[1 : 2 * pairs : 2], strict=True))[tokens[-1]]


def exact_margin(subject: Dropped, tokens: tuple[int, ...], pairs: int) -> Any:
    """The margin at the last query over the rationals, or enclosed."""
    field: Field = PRECISE if subject.balls else RATIONAL
    logits = _built(subject.claim, subject.vocabulary).run(field, np.array(tokens))[-1]
    right = _answer(tokens, pairs)
    with field.arithmetic():
        return logits[right] - max(logits[v] for v in range(len(logits)) if v != right)


def _fails(subject: Dropped, sequences: list[tuple[int, ...]], pairs: int) -> tuple[int, ...] | None:
    """The first sequence with a margin ≤ 0. Integers below 2^53 are exact in float64, and run as one batch."""
    if subject.balls:
        return next((s for s in sequences if not exact_margin(subject, s, pairs) > 0), None)
    logits = _built(subject.claim, subject.vocabulary).run(FLOAT64, np.array(sequences))[:, -1]
    if np.abs(logits).max() >= LARGEST_EXACT or (logits != np.rint(logits)).any():
        raise ValueError(f"The logits of {subject.claim} are no small integers: search in balls.")
    rows, right = np.arange(len(sequences)), np.array([_answer(s, pairs) for s in sequences])
    own = logits[rows, right]
    logits[rows, right] = -np.inf
    wrong = np.flatnonzero(own <= logits.max(axis=1))
    return sequences[wrong[0]] if len(wrong) else None


def _look(subject: Dropped, run: Run) -> Finding:
    """Length by length, all sequences that keep the other hypotheses."""
    searched = 0
    for length in range(3, subject.longest + 1):
        for pairs in range(1, (length - 1) // 2 + 1):
            kept = [s for s in _sequences(subject, length, pairs) if _keeps(subject, s, pairs)]
            searched += len(kept)
            found = _fails(subject, kept, pairs) if kept else None
            if found is not None:
                return _found(subject, found, pairs, searched)
    return Finding(False, f"none among {searched} sequences of length ≤ {subject.longest}", {"searched": searched})


def _keeps(subject: Dropped, tokens: tuple[int, ...], pairs: int) -> bool:
    return all(PREDICATES[name](np.array(tokens), subject.vocabulary, pairs) is None for name in subject.keeps)


def _found(subject: Dropped, tokens: tuple[int, ...], pairs: int, searched: int) -> Finding:
    margin, words = exact_margin(subject, tokens, pairs), " ".join(map(subject.word, tokens))
    violation = PREDICATES[subject.drops](np.array(tokens), subject.vocabulary, pairs)
    broken = "keeps every hypothesis" if violation is None else f"{violation.hypothesis}: {violation.reason}"
    shown = "at most 0, enclosed" if subject.balls else f"exactly {margin}"
    holds = violation is not None and words == subject.expected and not margin > 0
    facts: dict[str, str | int] = {"sequence": words, "searched": searched, "margin": shown, "broken": broken}
    case = {"tokens": list(tokens), "num_kv_pairs": pairs}
    return Finding(holds, f"{words}: margin {shown}; every shorter sequence is answered; {broken}", facts, {}, case)


def _again(subject: Dropped, case: Any, run: Run) -> Finding:
    tokens, pairs = tuple(case["tokens"]), case["num_kv_pairs"]
    margin = exact_margin(subject, tokens, pairs)
    violation = PREDICATES[subject.drops](np.array(tokens), subject.vocabulary, pairs)
    word = "is not answered" if not margin > 0 else "is answered"
    return Finding(
        not margin > 0 and violation is not None, f"{' '.join(map(subject.word, tokens))} {word}", {}, {}, case
    )


def _check(subject: Dropped) -> Examination:
    return Examination(
        claim=subject.claim,
        name=f"fails-without-{subject.drops.lower()}",
        kind=Kind.CERTIFIED,
        subject=subject,
        mutants={
            f"{subject.drops} kept": replace(subject, keeps=(*subject.keeps, subject.drops)),
            "shorter sequences only": replace(subject, longest=subject.longest - 1),
        },
        look=_look,
        again=_again,
    )


DROPPED = (
    Dropped("mqar.thm2-step1", "H1", ("H2",), "k1 v1 k1 v2 k1", 2, 5),
    Dropped("mqar.thm3-step1", "H2", ("H1",), "k1 v1 k1 v2 k1", 2, 5),
    Dropped("mqar.value-code", "H2", ("H1",), "k1 v1 k1 v2 k1", 2, 5),
    Dropped("mqar.thm4", "H2", ("H1",), "k1 v1 k1 v2 k1", 2, 5),
    Dropped("mqar.n2-distinct", "H3", ("H1", "H2"), "k1 v1 k2 v2 k3 v2 k1", 3, 7),
    Dropped("mqar.n1-delta-gate", "H4", ("H1", "H2"), "k1 v1 k2 v2 k1", 2, 5, filler=True, balls=True),
)

CHECKS: tuple[Check, ...] = tuple(map(_check, DROPPED))
