"""The table of sizes: what each construction needs, counted on the weights that are built for it.

[P] Table 1 states sizes by order; here they are numbers, from the exact weights in the paper's block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from theorems.registry import claims

HEAD = ("claim", "κ", "|V|", "width d", "state N", "weights", "of them not 0")
PAIRS, VALUES = (4, 16), 16


def sizes(selected: Iterable[str]) -> list[tuple[str, ...]]:
    """The head and one row for each construction of the selected claims and number of pairs; [] without any."""
    from constructions import BUILDERS  # noqa: PLC0415 - torch

    wanted = set(selected)
    rows = [row for claim in claims() if claim in BUILDERS and claim in wanted for row in _rows(claim)]
    return [HEAD, *rows] if rows else []


def _rows(claim: str) -> list[tuple[str, ...]]:
    return [_row(claim, pairs) for pairs in PAIRS]


def _row(claim: str, pairs: int) -> tuple[str, ...]:
    from constructions import build  # noqa: PLC0415 - torch
    from kernels.fields import FLOAT64  # noqa: PLC0415

    built = build(claim, "paper", num_kv_pairs=pairs, vocab_size=pairs + VALUES)
    mixer = [weight for name, weight in built.weights.items() if name.startswith("mixer.")]
    width, state = built.hyperparameters["d_model"], built.hyperparameters["d_state"]
    nonzero = sum(np.count_nonzero(weight.to(FLOAT64)) for weight in mixer)
    numbers = (pairs, VALUES, width, state, sum(math.prod(w.shape) for w in mixer), nonzero)
    return (claim, *map(str, numbers))
