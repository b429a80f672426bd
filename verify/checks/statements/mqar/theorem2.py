"""Theorem 2: the paper's one-hot network with any numbers, sign codes and the value code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import sympy as sp

from mamba_theorems.constructions.mqar.printed import (
    Numbers,
    one_hot_values,
    shared_convolution,
    sign_values,
)
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.mqar import theorem2, values
from mamba_theorems.theorems.mqar.task import H2
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    BALANCED,
    EVERY,
    MIDDLE,
    PRECISE,
    SHORT,
    SMALL,
    UNBALANCED,
    WIDE,
    Signs,
    built,
    repaired,
)
from mamba_theorems.verify.checks.statements.sequences import AllSequences, Asked, ExactNetwork
from mamba_theorems.verify.checks.statements.source import Columns
from mamba_theorems.verify.checks.statements.test import statement_test


def neighbours(asked: Asked) -> Columns:
    """What the key before the query holds: v(q), the rival; whether it is the query's own."""
    return {
        theorem2.same: asked.held_before(asked.right).astype(int),
        theorem2.rival: asked.held_before(asked.rival).astype(int),
        theorem2.twice: (asked.before == asked.query).astype(int),
    }


def one_hot_network(vocabulary: Vocabulary, longest: tuple[int, int], key: int, value: int, *rest: int) -> ExactNetwork:
    """Theorem 2's network with the numbers k, v, c_0, c_1, b."""
    numbers = Numbers(key, *rest)
    symbols = (theorem2.key, theorem2.value, theorem2.tap0, theorem2.tap1, theorem2.bias)
    told = ", ".join(f"{symbol} = {number}" for symbol, number in zip(symbols, (key, value, *rest), strict=True))
    codes = one_hot_values(len(vocabulary.values), value)
    return ExactNetwork(
        f"Theorem 2, {told}",
        partial(shared_convolution, vocabulary, numbers, codes),
        vocabulary,
        longest,
        dict(zip(symbols, (key, value, *rest), strict=True)),
    )


PAPER_NUMBERS = (2, 1, 1, 2, 1)
OTHER_NUMBERS = ((3, 1, 2, 5, 3), (2, 2, 1, 2, 1), (1, 2, 1, 3, 2), (3, 1, 2, 3, 3))
"""k, v, c_0, c_1, b: inside; then c_0v > b, b = c_0k + 1, b = c_1v."""
THEOREM2 = AllSequences(
    (
        one_hot_network(MIDDLE, EVERY, *PAPER_NUMBERS),
        *(one_hot_network(SMALL, SHORT, *numbers) for numbers in OTHER_NUMBERS),
    ),
    neighbours,
)

# --- step 2 -----------------------------------------------------------------------------------------------------------


def products(asked: Asked) -> Columns:
    """⟨m_u, m_{v(q)}⟩, and what stands before the query."""
    assert isinstance(asked.network, Signs)
    return {
        values.closeness: asked.network.gram[asked.rival, asked.right],
        values.ISOLATED: asked.before < 0,
        values.TWICE: asked.before == asked.query,
    }


@dataclass(frozen=True)
class Shifted:
    """Numbers of Theorem 2, step 2: k, β, c_0, c_1, b, the columns; the head's bias is −`factor` a₀s W_o 1."""

    columns: tuple[str, ...]
    key: int = 10
    shift: Fraction | int = 2
    tap0: int = 1
    tap1: int = 10
    bias: int = 3
    factor: int = 0

    def network(self, longest: tuple[int, int] = SHORT, keys: int = 2) -> Signs:
        """The network, and these numbers as columns."""
        vocabulary = Vocabulary.paper(keys, len(self.columns))
        low, high = self.tap0 * self.key - self.bias, self.tap1 * self.key - self.bias
        code = sign_values(self.columns, self.shift, self.factor * low * (self.tap1 * self.shift - self.bias))
        numbers = Numbers(self.key, self.tap0, self.tap1, self.bias)
        return Signs(
            f"Theorem 2, step 2, {self}",
            partial(shared_convolution, vocabulary, numbers, code),
            vocabulary,
            longest,
            {
                values.key: self.key,
                values.shift: self.shift,
                values.tap0: self.tap0,
                values.tap1: self.tap1,
                values.bias: self.bias,
                values.p: len(self.columns[0]),
                values.BALANCED_COLUMNS: all(2 * c.count("+") == len(c) for c in self.columns),
                values.BIASED: self.factor == high,
                values.factor: self.factor,
            },
            values_alike=False,
            columns=self.columns,
        )

    def __str__(self) -> str:
        told = f"k = {self.key}, β = {self.shift}, c_0 = {self.tap0}, c_1 = {self.tap1}, b = {self.bias}"
        return f"{told}, bias × {self.factor}, columns {' '.join(self.columns)}"


SHIFTED = (
    Shifted(UNBALANCED[:2]),
    Shifted(("++--", "++--")),
    Shifted(BALANCED[:2], key=2),
    Shifted(BALANCED[:2], shift=Fraction(1, 2)),
    Shifted(BALANCED[:2], bias=2),
    Shifted(UNBALANCED[:2], key=100, shift=20, tap1=2, bias=21, factor=179),
    Shifted(UNBALANCED[:2], key=11, shift=9, tap1=3, bias=10, factor=23),
)
"""Outside of one condition after the other."""
SIGN_CODES = AllSequences(
    (
        Shifted(BALANCED).network(WIDE, 3),
        Shifted(UNBALANCED, factor=97).network(WIDE, 3),
        *(numbers.network() for numbers in SHIFTED),
    ),
    products,
)
ORTHOGONAL = ("++--", "++++")
PRINTED = (Shifted(ORTHOGONAL, factor=1), Shifted(ORTHOGONAL, factor=97))
TWO_SIGNS = replace(Shifted(("+-", "++"), factor=1).network((3, 3), keys=1), numbers=PRECISE)
"""p = 2: 1/√p is no dyadic number, so this one is run in balls."""


def printed_columns(asked: Asked) -> Columns:
    """How close the columns are at most."""
    assert isinstance(asked.network, Signs)
    return {values.nearest: [asked.network.nearest] * len(asked.tokens)}


def value_indices(asked: Asked) -> Columns:
    """v(q) and the rival, counted from 1."""
    return {values.v: asked.right + 1, values.w: asked.rival + 1}


CHECKS: tuple[Check, ...] = (
    statement_test("mqar.thm2-step1", THEOREM2),
    repaired("mqar.thm2-step1-printed", AllSequences(THEOREM2.networks[:1]), "H2 kept", added=(H2,)),
    repaired(
        "mqar.thm2-step2",
        AllSequences((TWO_SIGNS, *(numbers.network() for numbers in PRINTED)), printed_columns),
        "the factor a₁",
        added=(Hypothesis("f", "f = a₁", sp.Eq(values.factor, 97)),),
        dropped=(values.PRINTED_BIAS,),
    ),
    statement_test("mqar.thm2-step2-amended", SIGN_CODES),
    statement_test(
        "mqar.value-code", AllSequences((built("mqar.value-code", MIDDLE, (7, 9), values_alike=False),), value_indices)
    ),
)
