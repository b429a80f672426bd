"""Recall asked of every assignment of values to keys: the set on which N < κ must fail (extension C).

A sequence is `k_1 v_1 … k_κ v_κ`, then `gap` values as noise, then queries. The tail stores nothing: the noise follows
no key, and no value follows a query. With gap ≥ d_conv − 1 a convolution at the first query sees the same tokens for
every assignment.
"""

from math import perm

import numpy as np

from mamba_theorems.constructions.tasks import Batch, Vocabulary, answers

MOST = 10**6
"""Sequences that `every_assignment` makes at most."""


def queried_once(
    num_kv_pairs: int, num_values: int, num_examples: int, seed: int, *, gap: int = 3, distinct_values: bool = False
) -> Batch:
    """Random sequences of length 3κ + gap: keys and queries in random order, values with replacement or distinct."""
    rng, vocabulary = np.random.default_rng(seed), Vocabulary.paper(num_kv_pairs, num_values)
    _require_values(num_kv_pairs, num_values, distinct_values)
    keys = rng.permuted(np.tile(vocabulary.keys, (num_examples, 1)), axis=1)
    if distinct_values:
        values = rng.permuted(np.tile(vocabulary.values, (num_examples, 1)), axis=1)[:, :num_kv_pairs]
    else:
        values = rng.choice(vocabulary.values, (num_examples, num_kv_pairs))
    noise = rng.choice(vocabulary.values, (num_examples, gap))
    return _batch(keys, values, noise, rng.permuted(keys, axis=1), vocabulary)


def every_assignment(num_kv_pairs: int, num_values: int, *, gap: int = 3, distinct_values: bool = False) -> Batch:
    """All assignments of values to the keys in their order, each with every key as its only query, one noise value.

    Raises ValueError for more than MOST sequences.
    """
    _require_values(num_kv_pairs, num_values, distinct_values)
    count = perm(num_values, num_kv_pairs) if distinct_values else num_values**num_kv_pairs
    if count * num_kv_pairs > MOST:
        raise ValueError(
            f"{num_kv_pairs} keys and {num_values} values have {count * num_kv_pairs} assignments and queries, more "
            f"than {MOST}: use a smaller vocab_size."
        )
    vocabulary = Vocabulary.paper(num_kv_pairs, num_values)
    values = np.indices((num_values,) * num_kv_pairs).reshape(num_kv_pairs, -1).T
    if distinct_values:
        ordered = np.sort(values, axis=1)
        values = values[(ordered[:, 1:] != ordered[:, :-1]).all(1)]
    values = np.repeat(values + num_kv_pairs, num_kv_pairs, axis=0)
    keys = np.tile(vocabulary.keys, (len(values), 1))
    queries = np.tile(vocabulary.keys, len(values) // num_kv_pairs)[:, None]
    return _batch(keys, values, np.full((len(values), gap), vocabulary.values[0]), queries, vocabulary)


def _require_values(num_kv_pairs: int, num_values: int, distinct_values: bool) -> None:
    if num_kv_pairs < 1 or num_values < (num_kv_pairs if distinct_values else 1):
        raise ValueError(f"{num_values} values are too few for {num_kv_pairs} keys: use a larger vocab_size.")


def _batch(
    keys: np.ndarray, values: np.ndarray, noise: np.ndarray, queries: np.ndarray, vocabulary: Vocabulary
) -> Batch:
    context = np.stack([keys, values], axis=2).reshape(len(keys), -1)
    tokens = np.concatenate([context, noise, queries], axis=1)
    num_kv_pairs = keys.shape[1]
    return Batch(tokens, answers(tokens, vocabulary, num_kv_pairs), vocabulary, num_kv_pairs)
