"""Where the instances of the recall statements come from: the networks of each claim, with weights inside and outside
of its conditions, run on all sequences of stated sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import sympy as sp

from mamba_theorems.constructions.mqar.printed import Numbers, one_hot_values, shared_convolution
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.mqar import theorem2
from mamba_theorems.theorems.mqar.task import H2
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.sequences import Asked, Network, Recall
from mamba_theorems.verify.checks.statements.source import Columns
from mamba_theorems.verify.checks.statements.test import StatementTest, statement_test

SMALL = Vocabulary.paper(2, 2)
MIDDLE = Vocabulary.paper(3, 3)
EVERY, SHORT = (8, 9), (6, 7)
"""The longest sequences in the quick and in the full tier: for the paper's numbers, and for others beside them."""


def repaired(claim_id: str, source: Recall, **hypotheses: Any) -> StatementTest:
    """The test of a printed statement that fails; its mutants are what repairs it, and nothing contradicts those."""
    statement = claims()[claim_id].says
    assert statement is not None
    mutants = {
        name: replace(statement, hypotheses=(*statement.hypotheses, added)) for name, added in hypotheses.items()
    }
    return statement_test(claim_id, source, mutants=mutants)


# --- Theorem 2, step 1 -----------------------------------------------------------------------------------------------


def neighbours(asked: Asked) -> Columns:
    """What the key before the query holds: v(q), the rival; whether it is the query's own."""
    return {
        theorem2.same: asked.held_before(asked.right).astype(int),
        theorem2.rival: asked.held_before(asked.rival).astype(int),
        theorem2.twice: (asked.before == asked.query).astype(int),
    }


def one_hot_network(vocabulary: Vocabulary, longest: tuple[int, int], key: int, value: int, *rest: int) -> Network:
    """Theorem 2's network with the numbers k, v, c_0, c_1, b."""
    numbers = Numbers(key, *rest)
    symbols = (theorem2.key, theorem2.value, theorem2.tap0, theorem2.tap1, theorem2.bias)
    told = ", ".join(f"{symbol} = {number}" for symbol, number in zip(symbols, (key, value, *rest), strict=True))
    values = one_hot_values(len(vocabulary.values), value)
    return Network(
        f"Theorem 2, {told}",
        partial(shared_convolution, vocabulary, numbers, values),
        vocabulary,
        longest,
        dict(zip(symbols, (key, value, *rest), strict=True)),
    )


PAPER_NUMBERS = (2, 1, 1, 2, 1)
OTHER_NUMBERS = ((3, 1, 2, 5, 3), (2, 2, 1, 2, 1), (1, 2, 1, 3, 2), (3, 1, 2, 3, 3))
"""k, v, c_0, c_1, b: inside; then c_0v > b, b = c_0k + 1, b = c_1v."""
THEOREM2 = Recall(
    (
        one_hot_network(MIDDLE, EVERY, *PAPER_NUMBERS),
        *(one_hot_network(SMALL, SHORT, *numbers) for numbers in OTHER_NUMBERS),
    ),
    neighbours,
)

CHECKS: tuple[Check, ...] = (
    statement_test("mqar.thm2-step1", THEOREM2),
    repaired("mqar.thm2-step1-printed", Recall(THEOREM2.networks[:1]), **{"H2 kept": H2}),
)
