"""What recall networks read out, in closed form: a sum over the (key, value) pairs stored so far."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mamba_theorems.constructions.tasks import Vocabulary, stored_writes
from mamba_theorems.kernels.fields import Field

Gain = Callable[[int, int, int], Any]
"""What position t reads of the pair written at s, by (t, s, key), as a number of the field."""


def stored_readout(
    f: Field, vocabulary: Vocabulary, tokens: np.ndarray, gain: Gain, products: np.ndarray, until: int | None = None
) -> np.ndarray:
    """Σ over the stored (k, v) of gain · ⟨head_w, code_v⟩, (length, vocab_size) of one sequence.

    `products` (values, values) has ⟨head_w, code_v⟩ in row w, exact; nothing is stored from position `until` on.
    """
    values, writes = vocabulary.values, stored_writes(tokens, vocabulary)
    y = f.array(np.zeros((len(tokens), vocabulary.size), dtype=int))
    columns = f.array(products)
    with f.arithmetic():
        for at, key, value in zip(writes.positions, writes.keys, writes.values, strict=True):
            if at < (until or len(tokens)):
                for t in range(at, len(tokens)):
                    y[t, values.start : values.stop] += gain(t, at, key) * columns[:, value - values.start]
    return y
