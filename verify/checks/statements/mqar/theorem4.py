"""Theorem 4: the gated S4D network with any numbers, one-hot codes and sign codes; its printed step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import combinations, product
from typing import Any

import sympy as sp

from mamba_theorems.constructions.mqar.printed import (
    Numbers,
    gated_blocks,
    one_hot_values,
    sign_values,
)
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.mqar import theorem4
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Ratio, Record, Several, Words
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    BALANCED,
    EVERY,
    MIDDLE,
    SHORT,
    SMALL,
    UNBALANCED,
    WIDE,
    Signs,
    repaired,
)
from mamba_theorems.verify.checks.statements.sequences import AllSequences, Asked, ExactNetwork
from mamba_theorems.verify.checks.statements.source import Columns, Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier


def gated_network(
    key: int, value: int, tap0: int, tap1: int, longest: tuple[int, int], vocabulary: Vocabulary
) -> ExactNetwork:
    """Theorem 4's network with the numbers k, v, c_0, c_1."""
    facts = {theorem4.key: key, theorem4.value: value, theorem4.tap0: tap0, theorem4.tap1: tap1}
    told = ", ".join(f"{symbol} = {number}" for symbol, number in facts.items())
    codes = one_hot_values(len(vocabulary.values), value)
    build = partial(gated_blocks, vocabulary, Numbers(key, tap0, tap1, tap0 * key), codes)
    return ExactNetwork(f"Theorem 4, {told}", build, vocabulary, longest, facts)


THEOREM4 = AllSequences(
    (
        gated_network(10, 1, 10, 1, EVERY, MIDDLE),
        gated_network(3, 1, 2, 1, SHORT, SMALL),
        gated_network(2, 1, 1, 1, SHORT, SMALL),
    )
)


@dataclass(frozen=True)
class Codes:
    """Numbers of Theorem 4, step 2: the columns, β, c_0, c_1, k; the head's bias is −`factor` Σ_r (Me_i)_r."""

    columns: tuple[str, ...]
    shift: Fraction | int = 1
    tap0: int = 10
    tap1: int = 1
    key: int = 10
    factor: Fraction | int = 0

    def network(self, longest: tuple[int, int] = SHORT, keys: int = 2) -> Signs:
        """The network, and these numbers as columns."""
        vocabulary = Vocabulary.paper(keys, len(self.columns))
        numbers = Numbers(self.key, self.tap0, self.tap1, self.tap0 * self.key)
        sums = [abs(2 * c.count("+") - len(c)) / len(c) for c in self.columns]
        network = Signs(
            f"Theorem 4, step 2, {self}",
            partial(gated_blocks, vocabulary, numbers, sign_values(self.columns, self.shift, self.factor)),
            vocabulary,
            longest,
            {
                theorem4.key: self.key,
                theorem4.tap0: self.tap0,
                theorem4.tap1: self.tap1,
                theorem4.shift: self.shift,
                theorem4.p: len(self.columns[0]),
                theorem4.BALANCED: not any(sums),
                theorem4.BIASED: self.factor == self.key * self.tap1 * self.shift,
            },
            values_alike=False,
            columns=self.columns,
        )
        network.facts.update({theorem4.eps: max(network.nearest, *sums)})
        return network

    def __str__(self) -> str:
        told = f"k = {self.key}, β = {self.shift}, c_0 = {self.tap0}, c_1 = {self.tap1}, bias × {self.factor}"
        return f"{told}, columns {' '.join(self.columns)}"


def repeated_keys(asked: Asked) -> Columns:
    """⟨m_u, m_{v(q)}⟩, and how often the query's key stood directly behind itself."""
    assert isinstance(asked.network, Signs)
    query = asked.tokens[:, -1:]
    twice = ((asked.tokens[:, 1:] == query) & (asked.tokens[:, :-1] == query)).sum(1)
    return {theorem4.g: asked.network.gram[asked.rival, asked.right], theorem4.repeats: twice}


EXTREME = ("+" * 10 + "-" * 6, "+" * 5 + "-" * 5 + "+" + "-" * 5)
"""p = 16, ε = ¼: product ¼, sums 4 and −4, so that the bound for the printed weights is attained."""
JUST_ABOVE = Fraction(9, 32)
AMENDED = (
    Codes(UNBALANCED[:2]),
    Codes(("++--", "++--")),
    Codes(BALANCED[:2], shift=Fraction(1, 4)),
    Codes(BALANCED[:2], tap1=10),
)
"""Outside of one condition after the other."""
GATED_CODES = AllSequences(
    (
        Codes(BALANCED).network(WIDE, 3),
        Codes(UNBALANCED, factor=10).network(WIDE, 3),
        *(numbers.network() for numbers in AMENDED),
    ),
    repeated_keys,
)
SMALL_EPSILON = (
    Codes(EXTREME, JUST_ABOVE),
    Codes(EXTREME, Fraction(1, 8)),
    Codes(EXTREME, 1),
    Codes(EXTREME, JUST_ABOVE, tap1=10),
)


def column_sets(tier: Tier) -> Iterator[dict[str, Any]]:
    """One or two columns of p signs, and an ε."""
    for p, count in product(range(1, 5 if tier is Tier.QUICK else 8), (1, 2)):
        words = ["".join(signs) for signs in product("+-", repeat=p)]
        for columns in combinations(words, count):
            for eps in ("1/3", "1/2", "3/4"):
                yield {"columns": list(columns), "epsilon": eps}


COLUMNS = Record(
    {"columns": Several(Words('a text of signs, as in "++-"', r"[+-]{1,64}", 1), 1, 2), "epsilon": Ratio(0, 99)},
    together=lambda case: "" if len(set(map(len, case["columns"]))) == 1 else '"columns" have equally many signs',
)


def column_products(case: dict[str, Any]) -> Point:
    """The largest product of two columns, of one with 1/√p, and the largest sum."""
    signs = [[1 if s == "+" else -1 for s in column] for column in case["columns"]]
    p, sums = len(signs[0]), [abs(sum(column)) for column in signs]
    products = [abs(sum(a * b for a, b in zip(x, y, strict=True))) for x, y in combinations(signs, 2)]
    return {
        theorem4.nearest: sp.Rational(max(products, default=0), p),
        theorem4.extra: sp.Rational(max(sums), p),
        theorem4.column_sum: max(sums) / sp.sqrt(p),
        theorem4.eps: sp.Rational(case["epsilon"]),
        theorem4.p: p,
    }


CHECKS: tuple[Check, ...] = (
    statement_test("mqar.thm4", THEOREM4),
    repaired(
        "mqar.thm4-jl",
        Listed("one or two columns of few signs", column_sets, column_products, case=COLUMNS),
        "√p as much",
        conclusion=sp.Le(theorem4.column_sum, sp.sqrt(theorem4.p) * theorem4.eps),
    ),
    statement_test(
        "mqar.thm4-jl-small-epsilon", AllSequences(tuple(numbers.network() for numbers in SMALL_EPSILON), repeated_keys)
    ),
    statement_test("mqar.thm4-jl-amended", GATED_CODES),
)
