"""Token sequences as instances: every sequence of stated small sizes, run exactly, its last token the query of a key.

Shorter sequences cover the queries that stand earlier. H1-H4 are those of `constructions.tasks`, read off the tokens;
margins are those of the exact network, whatever is claimed of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import (
    Vocabulary,
    broken_h1,
    broken_h2,
    broken_h3,
    broken_h4,
    token_of,
    words,
)
from mamba_theorems.kernels.fields import FLOAT64, RATIONAL, Field
from mamba_theorems.theorems.mqar import task
from mamba_theorems.theorems.statement import Statement
from mamba_theorems.verify.checks.case import Choice, Domain, Record, Whole, Words
from mamba_theorems.verify.checks.statements.source import Columns, Instances, Source
from mamba_theorems.verify.settings import Tier

EXACT = 2.0**53
GRAIN = 2.0**20
"""A float64 that is an integer below 2^53 after multiplication by 2^20 is taken for exact; replays use rationals."""


@dataclass(frozen=True)
class ExactNetwork:
    """A network with a name, and the longest sequences that it is given in the quick and in the full tier.

    `facts` are columns that are the same for all its sequences: its weights. `keys_alike` and `values_alike` say that
    a renaming changes nothing; then one naming of each sequence is run. `pairs` are the numbers of pairs tried.
    """

    name: str
    build: Callable[[], Construction] = field(compare=False)
    vocabulary: Vocabulary
    longest: tuple[int, int]
    facts: dict[Any, Any] = field(default_factory=dict, compare=False)
    keys_alike: bool = True
    values_alike: bool = True
    pairs: tuple[int, ...] = (1, 2, 3)
    numbers: Field = field(default=FLOAT64, compare=False)

    @cached_property
    def construction(self) -> Construction:
        """The network, built once."""
        return self.build()

    def batches(self, tier: Tier) -> Iterator[tuple[int, int]]:
        """Lengths and numbers of pairs, smallest first; no more pairs than keys."""
        lengths = range(3, self.longest[tier is Tier.FULL] + 1)
        most = len(self.vocabulary.keys)
        return ((n, pairs) for n in lengths for pairs in self.pairs if pairs <= most and 2 * pairs < n)

    def run(self, tokens: np.ndarray, numbers: Field) -> np.ndarray:
        """(batch, vocab_size): the logits at the last token. Raises ValueError where float64 may have rounded."""
        logits = np.asarray(self.construction.run(numbers, tokens))[:, -1]
        if numbers is FLOAT64 and not _dyadic(logits):
            raise ValueError(f"The logits of {self.name} are no small dyadic numbers: run it in rationals or balls.")
        return logits


def _dyadic(logits: np.ndarray) -> bool:
    grains = logits * GRAIN
    return bool((np.abs(grains) < EXACT).all() and (grains == np.rint(grains)).all())


@dataclass(frozen=True)
class Asked:
    """Sequences of one length and their logits at the last token, a row for each sequence and rival value.

    Keys and values are counted from 0. `right` is the value stored last for the query, `rival` another one.
    """

    network: ExactNetwork
    tokens: np.ndarray
    pairs: int
    rival: np.ndarray
    logits: np.ndarray

    @property
    def vocabulary(self) -> Vocabulary:
        """The network's tokens."""
        return self.network.vocabulary

    @cached_property
    def query(self) -> np.ndarray:
        """(rows,): the key asked."""
        return self.tokens[:, -1] - self.vocabulary.keys.start

    @cached_property
    def held(self) -> np.ndarray:
        """(rows, keys): the value that the context stores, last, for each key; -1 for a key that it does not have."""
        return _held(self.tokens, self.vocabulary, self.pairs)

    @cached_property
    def right(self) -> np.ndarray:
        """(rows,): the value asked for."""
        return self.held[np.arange(len(self.tokens)), self.query]

    @cached_property
    def writes(self) -> np.ndarray:
        """(rows, keys, values): how often each value directly follows each key, tail included."""
        v = self.vocabulary
        seen = [(self.tokens[:, :-1] == k) & (self.tokens[:, 1:] == u) for k, u in product(v.keys, v.values)]
        return np.stack([s.sum(-1) for s in seen], -1).reshape(len(self.tokens), len(v.keys), len(v.values))

    @cached_property
    def before(self) -> np.ndarray:
        """(rows,): the key that stands directly before the query; -1 where none does."""
        previous = self.tokens[:, -2]
        return np.where(self.vocabulary.is_key(previous), previous - self.vocabulary.keys.start, -1)

    @cached_property
    def margin(self) -> np.ndarray:
        """(rows,): the right value's logit minus the rival's, in numbers of the field."""
        rows, first = np.arange(len(self.tokens)), self.vocabulary.values.start
        with self.network.numbers.arithmetic():
            return self.logits[rows, first + self.right] - self.logits[rows, first + self.rival]

    def among(self, rows: np.ndarray) -> Asked:
        """Some of the rows."""
        return replace(self, tokens=self.tokens[rows], rival=self.rival[rows], logits=self.logits[rows])

    def case(self, row: int) -> dict[str, Any]:
        """A row as JSON data."""
        v = self.vocabulary
        told = {"sequence": words(self.tokens[row], v), "num_kv_pairs": self.pairs, "rival": f"v{self.rival[row] + 1}"}
        return {"network": self.network.name, **told}

    def held_before(self, value: np.ndarray) -> np.ndarray:
        """(rows,): whether the key before the query is stored with this value."""
        rows = np.arange(len(self.tokens))
        return (self.before >= 0) & (self.held[rows, np.maximum(self.before, 0)] == value)

    @property
    def predicates(self) -> Columns:
        """(rows,) each: which of H1-H4 hold."""
        arguments = (self.tokens, self.vocabulary, self.pairs)
        broken = {
            task.H1: broken_h1(self.tokens, self.pairs),
            task.H2: broken_h2(*arguments),
            task.H3: broken_h3(self.tokens, self.vocabulary),
            task.H4: broken_h4(*arguments),
        }
        return {hypothesis.meaning: ~mask.any(-1) for hypothesis, mask in broken.items()}


def _held(tokens: np.ndarray, vocabulary: Vocabulary, pairs: int) -> np.ndarray:
    rows = np.arange(len(tokens))
    held = np.full((len(tokens), len(vocabulary.keys)), -1)
    for place in range(0, 2 * pairs, 2):
        held[rows, tokens[:, place] - vocabulary.keys.start] = tokens[:, place + 1] - vocabulary.values.start
    return held


# --- all sequences ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def sequences(vocabulary: Vocabulary, length: int, pairs: int, keys_alike: bool, values_alike: bool) -> np.ndarray:
    """(count, length): `pairs` pairs of a key and a value, any tail, last a key of the context.

    Where keys are alike, they are named in the order in which they occur; likewise values.
    """
    keys, values = np.array(vocabulary.keys), np.array(vocabulary.values)
    tokens = np.zeros((1, 0), dtype=np.int64)
    for place in range(length):
        choices = _choices(vocabulary, place, length, pairs)
        tokens = np.column_stack([np.repeat(tokens, len(choices), 0), np.tile(choices, len(tokens))])
        for names, alike in ((keys, keys_alike), (values, values_alike)):
            tokens = tokens[_named_in_order(tokens, names)] if alike else tokens
    return tokens[(tokens[:, : 2 * pairs : 2] == tokens[:, -1:]).any(-1)]


def _choices(vocabulary: Vocabulary, place: int, length: int, pairs: int) -> np.ndarray:
    if place == length - 1 or (place < 2 * pairs and place % 2 == 0):
        return np.array(vocabulary.keys)
    return np.array(vocabulary.values) if place < 2 * pairs else np.arange(vocabulary.size)


def _named_in_order(tokens: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Whether the last token, if it is one of the names, is the next new one at most."""
    last, earlier = tokens[:, -1], tokens[:, :-1]
    used = np.where(np.isin(earlier, names), earlier, names[0] - 1).max(-1, initial=names[0] - 1)
    return ~np.isin(last, names) | (last <= used + 1)


# --- the source ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AllSequences(Source):
    """Every sequence of every network up to its length, with each rival value; `measure` adds the statement's columns.

    The columns H1-H4 and M are there for all.
    """

    networks: tuple[ExactNetwork, ...]
    measure: Callable[[Asked], Columns] = field(default=lambda _: {}, compare=False)

    @property
    def said(self) -> str:
        """Which networks, at which sizes."""
        sizes: dict[tuple[int, int, int, int, bool], int] = {}
        for n in self.networks:
            v = n.vocabulary
            at = (len(v.keys), len(v.values), *n.longest, v.filler is not None)
            sizes[at] = sizes.get(at, 0) + 1
        told = (
            f"{count} network{'s' * (count > 1)} with {keys} keys and {values} values{', filler' * filler}:"
            f" all sequences of L ≤ {quick} (L ≤ {full} in the full tier)"
            for (keys, values, quick, full, filler), count in sizes.items()
        )
        return "; ".join(told) + ", exactly"

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Shortest first, over all networks."""
        batches = [(*batch, i) for i, network in enumerate(self.networks) for batch in network.batches(tier)]
        for length, pairs, i in sorted(batches):
            network = self.networks[i]
            tokens = sequences(network.vocabulary, length, pairs, network.keys_alike, network.values_alike)
            yield self._measured(asked_of(network, tokens, pairs, network.numbers))

    def domain(self, statement: Statement) -> Domain:
        """A network by its name, and a sequence in words."""
        least = min(len(n.vocabulary.keys) for n in self.networks), min(len(n.vocabulary.values) for n in self.networks)
        most = max(len(n.vocabulary.keys) for n in self.networks), max(len(n.vocabulary.values) for n in self.networks)
        keys, values = (str(low) if low == high else f"{low} to {high}" for low, high in zip(least, most, strict=True))
        words = f'a text as in "k1 v1 k1" of keys k1 … (of {keys}), values v1 … (of {values}) and fillers f'
        return Record(
            {
                "network": Choice([network.name for network in self.networks]),
                "sequence": Words(words, r"k|[kv][1-9][0-9]?|f", MOST_TOKENS),
                "num_kv_pairs": Whole(1, MOST_TOKENS // 2),
                "rival": Words('a value, as in "v2"', r"v[1-9][0-9]?", 1),
            },
            together=self._misfit,
        )

    def _misfit(self, case: Any) -> str:
        """What of a sequence does not fit its network."""
        v, pairs = self._network(case).vocabulary, case["num_kv_pairs"]
        try:
            tokens, rival = _tokens(case, v), token_of(case["rival"], v)
        except ValueError as reason:
            return str(reason)
        context = tokens[: 2 * pairs]
        fits = v.is_key(context[::2]).all() and v.is_value(context[1::2]).all()
        if not (2 * pairs < len(tokens) and fits and tokens[-1] in context[::2]):
            return f"a sequence starts with its {pairs} pairs of a key and a value, and ends with one of these keys"
        (right,) = _held(tokens[None], v, pairs)[:, tokens[-1] - v.keys.start]
        own = rival - v.values.start == right
        return f"the rival is another value than {case['rival']}, which is the answer" if own else ""

    def _network(self, case: Any) -> ExactNetwork:
        return next(n for n in self.networks if n.name == case["network"])

    def one(self, statement: Statement, case: Any) -> Instances:
        """The one sequence and rival, in rationals where the network needs no balls."""
        network = self._network(case)
        v, numbers = network.vocabulary, RATIONAL if network.numbers is FLOAT64 else network.numbers
        asked = asked_of(network, _tokens(case, v)[None], case["num_kv_pairs"], numbers)
        return self._measured(asked.among(asked.rival == token_of(case["rival"], v) - v.values.start), case)

    def _measured(self, asked: Asked, case: Any = None) -> Instances:
        same = {name: [value] * len(asked.tokens) for name, value in asked.network.facts.items()}
        columns = {**asked.predicates, task.M: asked.margin, **same, **self.measure(asked)}
        exact = {name: exact_numbers(column) for name, column in columns.items()}
        return Instances(exact, lambda row: case or asked.case(row))


def asked_of(network: ExactNetwork, tokens: np.ndarray, pairs: int, numbers: Field) -> Asked:
    """Every sequence with every rival."""
    logits, values = network.run(tokens, numbers), len(network.vocabulary.values)
    rows, rival = np.repeat(np.arange(len(tokens)), values), np.tile(np.arange(values), len(tokens))
    asked = Asked(network, tokens[rows], pairs, rival, logits[rows])
    return asked.among(rival != asked.right)


def exact_numbers(column: Any) -> list[Any]:
    """Python's and sympy's exact numbers for numpy's; balls as they are."""
    known: dict[Any, Any] = {}
    values = column.tolist() if hasattr(column, "tolist") else column
    return [known.setdefault(value, _number(value)) if not isinstance(value, arb) else value for value in values]


def _number(value: Any) -> Any:
    if isinstance(value, bool | sp.Basic):
        return value
    exact = Fraction(value)
    return sp.Rational(exact.numerator, exact.denominator)


MOST_TOKENS = 64
"""The longest sequence that is run again in rationals."""


def _tokens(case: Any, vocabulary: Vocabulary) -> np.ndarray:
    return np.array([token_of(word, vocabulary) for word in case["sequence"].split(" ")])
