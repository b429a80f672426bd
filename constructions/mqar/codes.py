"""Recall by codes on separate channels: B reads the previous key's code, C the current key's, x the current value's.

[P] Theorem 3 step 1 and our extensions: logit_w = Σ over the stored (k, v) of ⟨C(q), B(k)⟩ ⟨head(w), x(v)⟩.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.exact import PREIMAGES
from mamba_theorems.constructions.mqar.closed_form import stored_readout
from mamba_theorems.constructions.mqar.theorem2 import token_space
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import Exact, Field

Code = Mapping[int, Exact]
"""The nonzero entries of a code, by channel."""


@dataclass(frozen=True)
class RecallCodes:
    """The codes of key i and value j, counted from 0; all but the head's entries are ≥ 0.

    `write` and `read` have d_state channels, `value` and `head` have `width`. `num_keys`, `num_values` are those of
    the vocabulary.
    """

    num_keys: int
    num_values: int
    d_state: int
    width: int
    write: Callable[[int], Code]
    read: Callable[[int], Code]
    value: Callable[[int], Code]
    head: Callable[[int], Code]
    margin: Exact = 1

    def scores(self) -> list[list[Exact]]:
        """⟨C(q), B(k)⟩, row q."""
        return products(self.read, self.write, self.num_keys)

    def products(self) -> list[list[Exact]]:
        """⟨head(w), x(v)⟩, row w."""
        return products(self.head, self.value, self.num_values)


def products(rows: Callable[[int], Code], columns: Callable[[int], Code], count: int) -> list[list[Exact]]:
    """⟨rows(i), columns(j)⟩ for i, j below `count`, row i."""
    others = [columns(j) for j in range(count)]
    return [[sum((a * y[r] for r, a in rows(i).items() if r in y), 0) for y in others] for i in range(count)]


@dataclass(frozen=True)
class CodeForm:
    """The closed form of the readout: what the network must compute."""

    codes: RecallCodes
    vocabulary: Vocabulary
    written_until: int | None = None

    @property
    def margins(self) -> dict[str, Exact]:
        """The least margin under the claim's hypotheses."""
        return {"every query": self.codes.margin}

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """(length, vocab_size) of one sequence, by the sum over the stored pairs."""
        first, is_key = self.vocabulary.keys.start, self.vocabulary.is_key(tokens)
        scores, products = (np.array(m, dtype=object) for m in (self.codes.scores(), self.codes.products()))
        numbers, nothing = f.array(scores), f.number(0)

        def gain(t: int, _: int, key: int) -> Any:
            return numbers[tokens[t] - first, key - first] if is_key[t] else nothing

        return stored_readout(f, self.vocabulary, tokens, gain, products, self.written_until)


# ------------------------------------------------------------------------------------ the description


INNER = {
    "previous key": "entry n of the code of the key one token ago, 0 behind any other token: B writes by it",
    "current key": "entry n of the code of the key that stands here, 0 for any other token: C reads by it",
    "value code": "entry n of the code of the value that stands here: what is written",
}
COLUMNS = {"state": "the sum of the values' codes, each times entry n of the code of the key that it followed"}


def describe(vocabulary: Vocabulary, codes: RecallCodes, activation: str) -> MixerDescription:
    """The codes as named channels, d = 2 N + value channels: taps (1, 0) for B's, (0, 1) for the others."""
    write, read = family("previous key", codes.d_state), family("current key", codes.d_state)
    value, state = family("value code", codes.width), Space(family("state", codes.d_state), COLUMNS)
    tokens, inner = token_space(vocabulary), Space(write + read + value, INNER)
    keys, values = tokens.named("key"), tokens.named("value")
    embedding = {
        **_entries(write, keys, codes.write, activation),
        **_entries(read, keys, codes.read, activation),
        **_entries(value, values, codes.value, activation),
    }
    readout = {
        (token, value[r]): entry
        for token, w in zip(values, range(codes.num_values), strict=True)
        for r, entry in codes.head(w).items()
    }
    return MixerDescription(
        tokens=tokens,
        inner=inner,
        state=state,
        embedding=LinearMap(tokens, inner, embedding),
        taps=dict.fromkeys(write, (1, 0)) | dict.fromkeys((*read, *value), (0, 1)),
        bias={},
        B=LinearMap(inner, state, dict.fromkeys(zip(state, write, strict=True), 1)),
        C=LinearMap(inner, state, dict.fromkeys(zip(state, read, strict=True), 1)),
        readout=LinearMap(inner, tokens, readout),
        activation=activation,
    )


def _entries(
    channels: tuple[Channel, ...], tokens: tuple[Channel, ...], code: Callable[[int], Code], activation: str
) -> dict[tuple[Channel, Channel], Exact]:
    """What the embedding must hold so that the non-linearity gives the code."""
    preimages: dict[Exact, Exact] = {}
    entries: dict[tuple[Channel, Channel], Exact] = {}
    for i, token in enumerate(tokens):
        for r, number in code(i).items():
            if number not in preimages:
                preimages[number] = PREIMAGES[activation](number)
            entries[channels[r], token] = preimages[number]
    return entries


# ------------------------------------------------------------------------------------------- the codes


def one_hot(i: int) -> Code:
    """The unit vectors."""
    return {i: 1}


def _sizes(vocabulary: Vocabulary) -> tuple[int, int]:
    return len(vocabulary.keys), len(vocabulary.values)


def one_hot_codes(vocabulary: Vocabulary) -> RecallCodes:
    """[P] Theorem 3, step 1: one-hot keys and values, N = keys, margin 1."""
    keys, values = _sizes(vocabulary)
    return RecallCodes(keys, values, keys, values, one_hot, one_hot, one_hot, one_hot)


def integer_value_codes(vocabulary: Vocabulary) -> RecallCodes:
    """Extension H: one-hot keys, value code (v, 1) with head (2w, −w²), v = 1, 2, ...; margin (v − w)² ≥ 1."""
    keys, values = _sizes(vocabulary)
    return RecallCodes(
        keys,
        values,
        keys,
        2,
        one_hot,
        one_hot,
        lambda v: {0: v + 1, 1: 1},
        lambda w: {0: 2 * (w + 1), 1: -((w + 1) ** 2)},
    )


def two_state_codes(vocabulary: Vocabulary) -> RecallCodes:
    """Extension D, nonnegative form: B = (k, K² − k²), C = (2q, 1), k = 1 ... K; one-hot values, margin 1 under H3."""
    keys, values = _sizes(vocabulary)
    return RecallCodes(
        keys,
        values,
        2,
        values,
        lambda k: {0: k + 1, 1: keys**2 - (k + 1) ** 2} if k + 1 < keys else {0: keys},
        lambda q: {0: 2 * (q + 1), 1: 1},
        one_hot,
        one_hot,
    )


def sign_codes(vocabulary: Vocabulary, columns: list[str]) -> RecallCodes:
    """One-hot keys, value v by the sign column m_v = columns[v]/√p shifted to {0, 2}/√p, head m_w; times p.

    With columns of sum 0 the shift is read out as 0: margin p (1 − ⟨m_u, m_v⟩), twice the least number of differing
    signs. Raises ValueError for columns that coincide or whose signs do not balance.
    """
    if len(set(columns)) < len(columns) or any(2 * column.count("+") != len(column) for column in columns):
        raise ValueError("Sign columns must differ and have as many + as −: draw others or add rows.")
    keys = len(vocabulary.keys)
    head = [{r: 1 if s == "+" else -1 for r, s in enumerate(column)} for column in columns]
    value = [{r: 2 for r, s in enumerate(column) if s == "+"} for column in columns]
    width = len(columns[0])
    return RecallCodes(
        keys, len(columns), keys, width, one_hot, one_hot, value.__getitem__, head.__getitem__, 2 * _least(columns)
    )


def _least(columns: list[str]) -> int:
    """The least number of signs in which two columns differ; 1 for a single column."""
    M = np.array([[1 if s == "+" else -1 for s in column] for column in columns])
    products = M @ M.T
    np.fill_diagonal(products, -M.shape[1])
    return int(M.shape[1] - products.max()) // 2 if len(columns) > 1 else 1


def balanced_width(count: int) -> int:
    """The least even p with binom(p, p/2) ≥ count."""
    p = 2
    while comb(p, p // 2) < count:
        p += 2
    return p


def balanced_columns(count: int) -> list[str]:
    """`count` distinct sign columns of even length p with sum 0, p the least with binom(p, p/2) ≥ count, in order."""
    p = balanced_width(count)
    columns: list[str] = []
    word = (1 << p // 2) - 1
    while len(columns) < count:
        columns.append(format(word, f"0{p}b").replace("1", "+").replace("0", "-"))
        low = word & -word  # the next word with as many ones (Gosper)
        ripple = word + low
        word = ripple | (((word ^ ripple) >> 2) // low)
    return columns
