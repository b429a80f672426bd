"""Lemma 4: all sign matrices of a few rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from mamba_theorems.theorems.mqar import lemma4
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Ratio, Record, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import repaired
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier


def sign_matrices(tier: Tier) -> Iterator[dict[str, Any]]:
    """All matrices of p × d signs, up to 2^10 (2^15) of them, and an ε; one of those with the same products.

    Their first row and column are +: a sign of a column changes no |product|, and one of a row changes no product.
    """
    most = 10 if tier is Tier.QUICK else 15
    for d, p in product((1, 2, 3), range(1, most + 2)):
        free = (p - 1) * (d - 1)
        codes = {_nearest(p, d, code): code for code in reversed(range(2**free if free <= most else 0))}
        for code, eps in product(sorted(codes.values()), ("9/10", "1/2", "2/3")):
            yield {"p": p, "d": d, "signs": code, "epsilon": eps}


@lru_cache(maxsize=2**16)
def _nearest(p: int, d: int, code: int) -> tuple[sp.Rational, sp.Rational, int]:
    """The largest product of two columns; of the columns stacked on their negatives, and the largest sum of those."""
    rows = [[1] * d, *([1] + [1 - 2 * (code >> (i * (d - 1) + j) & 1) for j in range(d - 1)] for i in range(p - 1))]
    matrix = np.array(rows)
    found = []
    for M in (matrix, np.vstack([matrix, -matrix])):
        gram = np.abs(M.T @ M)
        np.fill_diagonal(gram, 0)
        found.append(sp.Rational(int(gram.max()), len(M)))
    return found[0], found[1], int(np.abs(np.vstack([matrix, -matrix]).sum(0)).max())


def matrix_products(case: dict[str, Any]) -> Point:
    """What Lemma 4 speaks of."""
    p, d, code = case["p"], case["d"], case["signs"]
    nearest, doubled, column_sum = _nearest(p, d, code)
    return {
        lemma4.p: p,
        lemma4.d: d,
        lemma4.eps: sp.Rational(case["epsilon"]),
        lemma4.matrix: (code * 100 + p) * 100 + d,
        lemma4.nearest: nearest,
        lemma4.doubled: doubled,
        lemma4.column_sum: column_sum,
        lemma4.with_own: sp.Integer(1),
    }


SIGNS = Record(
    {"p": Whole(1, 16), "d": Whole(1, 4), "signs": Whole(0, 2**45), "epsilon": Ratio(0, 1, open=True)},
    together=lambda case: (
        "" if case["signs"] < 2 ** ((case["p"] - 1) * (case["d"] - 1)) else '"signs" is below 2^((p − 1)(d − 1))'
    ),
)
"""A matrix by the signs below its first row and right of its first column, as bits."""
MATRICES = Listed("all sign matrices with 1 to 3 columns and few rows", sign_matrices, matrix_products, case=SIGNS)


CHECKS: tuple[Check, ...] = (
    repaired("mqar.lem4", MATRICES, "i ≠ j", conclusion=sp.Le(lemma4.nearest, lemma4.eps)),
    statement_test(
        "mqar.lem4-amended",
        MATRICES,
        survivors={
            f"an eighth sharper: {sp.Lt(lemma4.nearest, lemma4.eps)}": "true as well: chosen one after the other,"
            " columns with products below 7ε/8 exist once 2(d − 1)e^{−p(7ε/8)²/2} < 1, and pε² ≥ 4 log d makes that at"
            " most 2(d − 1)d^{−49/32} < 1",
            "quantifiers exchanged": "true as well: of one size the matrix with the least products serves every ε",
        },
    ),
)
