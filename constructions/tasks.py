"""Multi-query associative recall, as the paper states it and as Zoology generates it, with an exact oracle.

Both generators, the oracle and the hypotheses H1-H4 read a sequence as `k_1 v_1 ... k_K v_K | tail`, K = num_kv_pairs.
Source: [P] eq. (46) and App. D.3; Arora et al., Zoology (2023), App. E.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

IGNORED = -100
Tokens = Int64[np.ndarray, "batch length"]
Mask = Bool[np.ndarray, "batch length"]


@dataclass(frozen=True)
class Vocabulary:
    """Token ids `0 ... size-1` and the parts they play; ids that are neither key, value nor filler are unused."""

    size: int
    keys: range
    values: range
    filler: int | None = None

    def __post_init__(self) -> None:
        roles = [*self.keys, *self.values, *([] if self.filler is None else [self.filler])]
        if not self.keys or not self.values:
            raise ValueError(f"A vocabulary needs a key and a value: got {self.keys} and {self.values}; enlarge it.")
        if len(set(roles)) < len(roles) or not all(0 <= token < self.size for token in roles):
            raise ValueError(f"{self.keys}, {self.values} and filler must be disjoint token ids below {self.size}.")

    @classmethod
    def paper(cls, num_keys: int, num_values: int) -> "Vocabulary":
        """The paper's: keys `0 ... num_keys-1`, then the values, which are the noise too; no filler."""
        return cls(num_keys + num_values, range(num_keys), range(num_keys, num_keys + num_values))

    @classmethod
    def zoology(cls, vocab_size: int) -> "Vocabulary":
        """Zoology's: filler 0, keys `1 ... vocab_size/2-1`, values `vocab_size/2 ... vocab_size-1`."""
        if vocab_size < 4:
            raise ValueError(f"vocab_size={vocab_size} leaves no key between 0 and vocab_size/2: use at least 4.")
        return cls(vocab_size, range(1, vocab_size // 2), range(vocab_size // 2, vocab_size), filler=0)

    def is_key(self, tokens: np.ndarray) -> np.ndarray:
        """Where `tokens` are keys."""
        return np.isin(tokens, self.keys)

    def is_value(self, tokens: np.ndarray) -> np.ndarray:
        """Where `tokens` are values."""
        return np.isin(tokens, self.values)


# ------------------------------------------------------------------------------------------------ words


def words(tokens: np.ndarray, vocabulary: Vocabulary) -> str:
    """k1 v1 f k1: keys, values and fillers, counted from 1; k where the first key is the only one, u5 for an unused id.

    tokens (length,).
    """
    keys = set(tokens[vocabulary.is_key(tokens)].tolist())
    only = keys == {vocabulary.keys.start}
    return " ".join("k" if only and t in vocabulary.keys else word(t, vocabulary) for t in tokens.tolist())


def word(token: int, vocabulary: Vocabulary) -> str:
    """How a token is written: k1, v1, f; u and its id where it is unused."""
    if token == vocabulary.filler:
        return "f"
    for letter, ids in (("k", vocabulary.keys), ("v", vocabulary.values)):
        if token in ids:
            return f"{letter}{token - ids.start + 1}"
    return f"u{token}"


def token_of(text: str, vocabulary: Vocabulary) -> int:
    """The token that a word names, k being k1. Raises ValueError for a word that names none."""
    found = re.fullmatch(r"([kv])([0-9]{0,6})", text)
    if text == "f" and vocabulary.filler is not None:
        return vocabulary.filler
    ids = {"k": vocabulary.keys, "v": vocabulary.values}[found[1]] if found else range(0)
    place = int(found[2] or 1) - 1 if found else 0
    if not 0 <= place < len(ids):
        last = f"k1 … k{len(vocabulary.keys)}, v1 … v{len(vocabulary.values)}"
        raise ValueError(f"there is no token '{text}': use {last}{', f' if vocabulary.filler is not None else ''}")
    return ids[place]


@dataclass(frozen=True)
class Batch:
    """Sequences and the answers asked of them: both (batch, length) int64, targets IGNORED (-100) elsewhere."""

    tokens: Tokens
    targets: Tokens
    vocabulary: Vocabulary
    num_kv_pairs: int

    @property
    def queries(self) -> np.ndarray:
        """Where an answer is asked: (batch, length) bool."""
        return self.targets != IGNORED


def paper_mqar(
    num_kv_pairs: int,
    num_values: int,
    num_examples: int,
    input_seq_len: int,
    seed: int,
    *,
    query_probability: float = 0.5,
    distinct_keys: bool = True,
    requery_after_value: bool = False,
) -> Batch:
    """[P] eq. (46): `num_kv_pairs` pairs over as many keys, then a tail of queries and of values as noise.

    Each tail position is a query with `query_probability`, of a key drawn uniformly. `distinct_keys=False` draws the
    context's keys independently, as [P] App. D.3 does (breaks H1); `requery_after_value=True` also queries keys that
    a value has followed in the tail (breaks H2). Queries may be adjacent and repeated; values may coincide.
    Raises ValueError where a size is impossible.
    """
    _require_positive(num_kv_pairs=num_kv_pairs, num_values=num_values, num_examples=num_examples)
    context_size = 2 * num_kv_pairs
    if input_seq_len <= context_size:
        raise ValueError(
            f"input_seq_len={input_seq_len} has no room for a query after {num_kv_pairs} pairs: "
            f"use at least {context_size + 1}."
        )
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.paper(num_kv_pairs, num_values)
    tokens = np.empty((num_examples, input_seq_len), dtype=np.int64)
    tokens[:, 0:context_size:2] = _paper_keys(rng, num_examples, num_kv_pairs, distinct_keys)
    tokens[:, 1:context_size:2] = rng.choice(vocabulary.values, (num_examples, num_kv_pairs))
    _fill_tail(rng, tokens, vocabulary, context_size, query_probability, requery_after_value)
    return Batch(tokens, answers(tokens, vocabulary, num_kv_pairs), vocabulary, num_kv_pairs)


def _paper_keys(rng: np.random.Generator, num_examples: int, num_keys: int, distinct: bool) -> np.ndarray:
    if not distinct:
        return rng.integers(num_keys, size=(num_examples, num_keys))
    return _draw_without_replacement(rng, np.full(num_keys, 1 / num_keys), num_examples, num_keys)


def _fill_tail(
    rng: np.random.Generator,
    tokens: np.ndarray,
    vocabulary: Vocabulary,
    start: int,
    query_probability: float,
    requery_after_value: bool,
) -> None:
    """Write the tail in place, step by step for all examples at once, closing a key once a value has followed it."""
    num_examples, length = tokens.shape
    rows = np.arange(num_examples)
    is_open = np.zeros((num_examples, vocabulary.size), dtype=bool)
    np.put_along_axis(is_open, tokens[:, :start:2], True, axis=1)
    for t in range(start, length):
        score = np.where(is_open, rng.random(is_open.shape), -1.0)
        query = score.argmax(axis=1)
        asks = (rng.random(num_examples) < query_probability) & (score[rows, query] >= 0)
        tokens[:, t] = np.where(asks, query, rng.choice(vocabulary.values, num_examples))
        if t > start and not requery_after_value:
            is_open[rows[~asks], tokens[~asks, t - 1]] = False


def zoology_mqar(
    vocab_size: int,
    num_examples: int,
    input_seq_len: int,
    seed: int,
    power_a: float = 0.01,
    num_kv_pairs: int = 8,
    random_non_queries: bool = True,
) -> Batch:
    """Zoology's multi-query associative recall: the field's standard task, from a random stream of our own.

    Keys and values are drawn without replacement; every key is queried exactly once, at `2 num_kv_pairs + 2 gap` with
    gaps drawn without replacement, probability proportional to `power_a (gap+1)^(power_a-1)`, so queries are never
    adjacent. Every other position is 0 or, with `random_non_queries`, any token of the vocabulary.

    Zoology's own generator also requires `vocab_size > input_seq_len`; here smaller vocabularies are allowed.
    Raises ValueError where a size is impossible.
    """
    _require_positive(num_kv_pairs=num_kv_pairs, num_examples=num_examples)
    _require_room(vocab_size, input_seq_len, num_kv_pairs)
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.zoology(vocab_size)
    context_size = 2 * num_kv_pairs
    space = (input_seq_len - context_size) // 2
    keys = _draw_uniformly(rng, vocabulary.keys, num_examples, num_kv_pairs)
    values = _draw_uniformly(rng, vocabulary.values, num_examples, num_kv_pairs)
    gaps = _draw_without_replacement(rng, _power_law(space, power_a), num_examples, num_kv_pairs)
    tokens = np.zeros((num_examples, input_seq_len), dtype=np.int64)
    targets = np.full_like(tokens, IGNORED)
    tokens[:, 0:context_size:2], tokens[:, 1:context_size:2] = keys, values
    np.put_along_axis(tokens, context_size + 2 * gaps, keys, axis=1)
    np.put_along_axis(targets, context_size + 2 * gaps, values, axis=1)
    if random_non_queries:
        tokens = np.where(tokens == 0, rng.integers(vocab_size, size=tokens.shape), tokens)
    return Batch(tokens, targets, vocabulary, num_kv_pairs)


def requeried_mqar(
    vocab_size: int,
    num_examples: int,
    input_seq_len: int,
    seed: int,
    num_kv_pairs: int = 8,
    queries_per_key: int = 3,
) -> Batch:
    """Zoology's context, then every key queried `queries_per_key` times among noise from the values, in any order.

    Queries may be adjacent; what follows one is noise as a rule, so H2 is broken. Raises ValueError without room.
    """
    _require_positive(num_kv_pairs=num_kv_pairs, num_examples=num_examples, queries_per_key=queries_per_key)
    num_queries, context_size = num_kv_pairs * queries_per_key, 2 * num_kv_pairs
    if input_seq_len < context_size + num_queries:
        raise ValueError(
            f"input_seq_len={input_seq_len} has no room for {num_queries} queries after {num_kv_pairs} pairs: "
            f"use at least {context_size + num_queries}."
        )
    rng, vocabulary = np.random.default_rng(seed), Vocabulary.zoology(vocab_size)
    tokens = rng.choice(vocabulary.values, (num_examples, input_seq_len))
    tokens[:, 0:context_size:2] = _draw_uniformly(rng, vocabulary.keys, num_examples, num_kv_pairs)
    tokens[:, 1:context_size:2] = _draw_uniformly(rng, vocabulary.values, num_examples, num_kv_pairs)
    places = _draw_uniformly(rng, range(context_size, input_seq_len), num_examples, num_queries)
    np.put_along_axis(tokens, places, np.tile(tokens[:, 0:context_size:2], queries_per_key), axis=1)
    return Batch(tokens, answers(tokens, vocabulary, num_kv_pairs), vocabulary, num_kv_pairs)


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1.")


def _require_room(vocab_size: int, input_seq_len: int, num_kv_pairs: int) -> None:
    num_keys = len(Vocabulary.zoology(vocab_size).keys)
    if num_kv_pairs > num_keys:
        raise ValueError(
            f"num_kv_pairs={num_kv_pairs} distinct keys do not fit the {num_keys} keys of vocab_size={vocab_size}: "
            f"use vocab_size >= {2 * num_kv_pairs + 2} or fewer pairs."
        )
    if input_seq_len % 2:
        raise ValueError(f"input_seq_len={input_seq_len} is odd: use {input_seq_len + 1}.")
    if input_seq_len < 4 * num_kv_pairs:
        raise ValueError(
            f"input_seq_len={input_seq_len} is too short for {num_kv_pairs} pairs and their queries: "
            f"use at least {4 * num_kv_pairs}."
        )


def _power_law(space: int, power_a: float) -> Float64[np.ndarray, " space"]:
    weights = power_a * np.arange(1, space + 1, dtype=np.float64) ** (power_a - 1)
    return weights / weights.sum()


def _draw_uniformly(rng: np.random.Generator, choices: range, num_rows: int, count: int) -> np.ndarray:
    uniform = np.full(len(choices), 1 / len(choices))
    return np.asarray(choices)[_draw_without_replacement(rng, uniform, num_rows, count)]


def _draw_without_replacement(
    rng: np.random.Generator, probabilities: np.ndarray, num_rows: int, count: int
) -> Int64[np.ndarray, "num_rows count"]:
    """Ordered draws without replacement, a row each: the `count` largest of log p + Gumbel noise, in order."""
    perturbed = np.log(probabilities) + rng.gumbel(size=(num_rows, len(probabilities)))
    return np.argsort(-perturbed, axis=1)[:, :count]


# ------------------------------------------------------------------------------- the exact oracle


def answers(tokens: Tokens, vocabulary: Vocabulary, num_kv_pairs: int) -> Tokens:
    """What the definition says: at each tail position that holds a key of the context, that key's value; else -100.

    A key that the context stores with two different values has no answer (-100): the definition needs H1 there.
    Raises ValueError if the first `2 num_kv_pairs` tokens are not key, value, key, value, ...
    """
    context = tokens[:, : 2 * num_kv_pairs]
    keys, values = context[:, 0::2], context[:, 1::2]
    if values.shape[1] < num_kv_pairs or not (vocabulary.is_key(keys).all() and vocabulary.is_value(values).all()):
        raise ValueError(f"Sequences must start with {num_kv_pairs} pairs of a key and a value: reorder them.")
    rows = np.arange(len(tokens))[:, None]
    lowest = np.full((len(tokens), vocabulary.size), vocabulary.size)
    highest = np.full((len(tokens), vocabulary.size), IGNORED)
    np.minimum.at(lowest, (rows, keys), values)
    np.maximum.at(highest, (rows, keys), values)
    answer = np.where(lowest == highest, highest, IGNORED)
    targets = np.full_like(tokens, IGNORED)
    targets[:, 2 * num_kv_pairs :] = np.take_along_axis(answer, tokens[:, 2 * num_kv_pairs :], axis=1)
    return targets


@dataclass(frozen=True)
class Writes:
    """The (key, value) pairs a one-token look-back stores from one sequence: each value directly after a key."""

    positions: Int64[np.ndarray, " writes"]
    keys: Int64[np.ndarray, " writes"]
    values: Int64[np.ndarray, " writes"]


def stored_writes(tokens: Int64[np.ndarray, " length"], vocabulary: Vocabulary) -> Writes:
    """Every place of one sequence where a value directly follows a key, the tail included."""
    follows = vocabulary.is_value(tokens[1:]) & vocabulary.is_key(tokens[:-1])
    positions = np.flatnonzero(follows) + 1
    return Writes(positions, tokens[positions - 1], tokens[positions])


# --------------------------------------------------------------------------------- the hypotheses


def broken_h1(tokens: Tokens, num_kv_pairs: int) -> Mask:
    """(batch, length): where the context stores a key again, against H1."""
    places = np.arange(tokens.shape[1])
    return np.any(_occurred(tokens, (places % 2 == 0) & (places < 2 * num_kv_pairs)), axis=-1)


def broken_h2(tokens: Tokens, vocabulary: Vocabulary, num_kv_pairs: int) -> Mask:
    """(batch, length): where a key occurs that the tail showed directly before a value, against H2."""
    written = np.zeros_like(tokens, dtype=bool)
    written[:, :-1] = _writes(tokens, vocabulary)[:, 1:]
    stored = written & (np.arange(tokens.shape[1]) >= 2 * num_kv_pairs)
    return np.any(_occurred(tokens) & stored[:, None], axis=-1)


def broken_h3(tokens: Tokens, vocabulary: Vocabulary) -> Mask:
    """(batch, length): where a value is stored a second time, against H3."""
    return np.any(_occurred(tokens, _writes(tokens, vocabulary)), axis=-1)


def broken_h4(tokens: Tokens, vocabulary: Vocabulary, num_kv_pairs: int) -> Mask:
    """(batch, length): where the tail asks for a key of the context directly behind a value, against H4."""
    start = 2 * num_kv_pairs
    asked = (tokens[:, :, None] == tokens[:, None, 0:start:2]).any(-1)
    behind = np.zeros_like(asked)
    behind[:, 1:] = vocabulary.is_value(tokens[:, :-1])
    return asked & behind & (np.arange(tokens.shape[1]) >= start)


def _writes(tokens: Tokens, vocabulary: Vocabulary) -> Mask:
    """Where a value directly follows a key: the places of `stored_writes`."""
    found = np.zeros_like(tokens, dtype=bool)
    found[:, 1:] = vocabulary.is_value(tokens[:, 1:]) & vocabulary.is_key(tokens[:, :-1])
    return found


def _occurred(tokens: Tokens, among: np.ndarray | bool = True) -> np.ndarray:
    """(batch, length, length): whether the token at t stood at s < t already, both places being `among`."""
    places, among = np.arange(tokens.shape[1]), np.broadcast_to(among, tokens.shape)
    earlier = places[None, :] < places[:, None]
    return (tokens[:, :, None] == tokens[:, None, :]) & earlier & among[:, :, None] & among[:, None, :]


@dataclass(frozen=True)
class Violation:
    """Why a sequence breaks a hypothesis, and the positions (counted from 0) at which it does."""

    hypothesis: str
    positions: tuple[int, ...]
    reason: str


def h1_keys_distinct(tokens: Int64[np.ndarray, " length"], num_kv_pairs: int) -> Violation | None:
    """H1: the context's keys are distinct. None where it holds."""
    return _violation("H1", broken_h1(tokens[None], num_kv_pairs), tokens, "the context stores key {token} again")


def h2_no_query_after_noise(
    tokens: Int64[np.ndarray, " length"], vocabulary: Vocabulary, num_kv_pairs: int
) -> Violation | None:
    """H2: no key occurs again after the tail showed it directly before a value. None where it holds.

    Every key of the tail counts as a query, keys that the context does not store included: their writes reach an
    adjacent query too.
    """
    broken = broken_h2(tokens[None], vocabulary, num_kv_pairs)
    return _violation("H2", broken, tokens, "key {token} is queried again after the tail showed it before a value")


def h3_values_distinct(tokens: Int64[np.ndarray, " length"], vocabulary: Vocabulary) -> Violation | None:
    """H3: the values of all stored writes are distinct, the tail's writes included. None where it holds."""
    return _violation("H3", broken_h3(tokens[None], vocabulary), tokens, "value {token} is stored a second time")


def h4_filler(
    tokens: Int64[np.ndarray, " length"], vocabulary: Vocabulary, num_kv_pairs: int, allowed: Sequence[int]
) -> Violation | None:
    """H4: every tail token that is not a query (a key of the context) is one of `allowed`. None where it holds.

    Zoology without random non-queries allows `[vocabulary.filler]`, the paper `vocabulary.values`.
    """
    start = 2 * num_kv_pairs
    tail = tokens[start:]
    strange = ~np.isin(tail, tokens[0:start:2]) & ~np.isin(tail, allowed)
    if not strange.any():
        return None
    positions = tuple(int(t) for t in np.flatnonzero(strange) + start)
    return Violation("H4", positions, f"the tail holds token {tokens[positions[0]]}, which is no allowed filler")


def h4_no_query_after_value(
    tokens: Int64[np.ndarray, " length"], vocabulary: Vocabulary, num_kv_pairs: int
) -> Violation | None:
    """H4 without positions: no query stands directly behind a value, as the context's keys do. None where it holds."""
    broken = broken_h4(tokens[None], vocabulary, num_kv_pairs)
    return _violation("H4", broken, tokens, "key {token} is queried directly behind a value")


def _violation(hypothesis: str, broken: Mask, tokens: np.ndarray, reason: str) -> Violation | None:
    positions = tuple(np.flatnonzero(broken[0]).tolist())
    return Violation(hypothesis, positions, reason.format(token=tokens[positions[0]])) if positions else None
