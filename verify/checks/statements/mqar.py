"""Where the instances of the recall statements come from: the networks of each claim, with weights inside and outside
of its conditions, run on all sequences of stated sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache, partial
from itertools import combinations, permutations, product
from math import comb
from typing import Any

import numpy as np
import sympy as sp

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.printed import (
    Numbers,
    gated_blocks,
    one_hot_values,
    shared_convolution,
    shrinking,
    sign_keys,
    sign_values,
)
from mamba_theorems.constructions.mqar.selective import PAPER_CLOCK
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import BALL, ball
from mamba_theorems.theorems.mqar import extensions, lemma4, lower_bounds, task, theorem2, theorem3, theorem4, values
from mamba_theorems.theorems.mqar.task import H2
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis, Point, Statement
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.sequences import Asked, Network, Recall, asked_of
from mamba_theorems.verify.checks.statements.source import Columns, Listed, Source
from mamba_theorems.verify.checks.statements.test import StatementTest, statement_test
from mamba_theorems.verify.settings import Tier

SMALL = Vocabulary.paper(2, 2)
MIDDLE = Vocabulary.paper(3, 3)
EVERY, WIDE, SHORT = (8, 9), (6, 9), (6, 7)
"""The longest sequences in the quick and in the full tier: of the paper's numbers, where values are not alike, others."""


def repaired(claim_id: str, source: Source, name: str, with_: Hypothesis, without: Hypothesis | None = None) -> Check:
    """The test of a printed statement that fails; its mutant has what repairs it, and nothing contradicts that."""
    statement = claims()[claim_id].says
    assert statement is not None
    kept = tuple(h for h in statement.hypotheses if h is not without)
    return statement_test(claim_id, source, mutants={name: replace(statement, hypotheses=(*kept, with_))})


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
    codes = one_hot_values(len(vocabulary.values), value)
    return Network(
        f"Theorem 2, {told}",
        partial(shared_convolution, vocabulary, numbers, codes),
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

# --- Theorem 2, step 2: sign codes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signs(Network):
    """A network whose values have sign columns."""

    columns: tuple[str, ...] = ()

    @cached_property
    def gram(self) -> np.ndarray:
        """⟨m_u, m_v⟩, exact in float64: 1/p is a power of 2."""
        codes = np.array([[1 if sign == "+" else -1 for sign in column] for column in self.columns])
        return codes @ codes.T / codes.shape[1]

    @property
    def nearest(self) -> float:
        """The largest |⟨m_u, m_v⟩| of two columns."""
        return float(np.abs(self.gram - np.eye(len(self.gram))).max())


def products(asked: Asked) -> Columns:
    """⟨m_u, m_{v(q)}⟩, and what stands before the query."""
    assert isinstance(asked.network, Signs)
    return {
        values.g_uv: asked.network.gram[asked.rival, asked.right],
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


BALANCED, UNBALANCED = ("++--", "+-+-", "--++"), ("+---", "++++", "+++-")
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
SIGN_CODES = Recall(
    (
        Shifted(BALANCED).network(WIDE, 3),
        Shifted(UNBALANCED, factor=97).network(WIDE, 3),
        *(numbers.network() for numbers in SHIFTED),
    ),
    products,
)
ORTHOGONAL = ("++--", "++++")
PRINTED = (Shifted(ORTHOGONAL, factor=1), Shifted(ORTHOGONAL, factor=97))


def printed_columns(asked: Asked) -> Columns:
    """How close the columns are at most."""
    assert isinstance(asked.network, Signs)
    return {values.nearest: [asked.network.nearest] * len(asked.tokens)}


# --- codes on channels of their own ----------------------------------------------------------------------------------


def built(claim: str, vocabulary: Vocabulary, longest: tuple[int, int], target: str = "paper", **options: Any) -> Network:
    """A claim's own network for a target."""
    size = {"num_kv_pairs": len(vocabulary.keys), "vocab_size": vocabulary.size, "vocabulary": vocabulary}
    return Network(f"{claim}, {target}", partial(mqar.build, claim, target, **size), vocabulary, longest, **options)


def on_target(claim: str, target: str) -> StatementTest:
    """That a claim's network recalls in another target, in balls: without the closed form, which decays blur there."""
    statement = claims()[claim].says
    assert statement is not None
    sequences_only = tuple(h for h in statement.hypotheses if h in (task.H1, task.H2))
    source = Recall((replace(built(claim, Vocabulary.paper(3, 2), (7, 7), target), numbers=BALL),))
    recalls = Statement(sequences_only, task.RECALLED)
    return StatementTest(
        claim=claim,
        name=f"statement-{target.replace('_', '-')}",
        subject=recalls,
        mutants=dict(recalls.mutants()),
        source=source,
    )


ELSEWHERE = {
    "mqar.thm2-step1": ("official", "language_model"),
    "mqar.value-code": ("mamba2_language_model",),
    "mqar.thm3-step1": ("official_mamba2",),
    "mqar.thm4": ("official", "language_model"),
}
"""Other targets, at three keys and two values, L ≤ 7: H1 first fails there, where the older value was stored twice."""


def value_indices(asked: Asked) -> Columns:
    """v(q) and the rival, counted from 1."""
    return {values.v: asked.right + 1, values.w: asked.rival + 1}


# --- Theorem 3, step 2: sign keys ------------------------------------------------------------------------------------


def sign_key_network(columns: tuple[str, ...], rectified: bool, values_: int = 2) -> Signs:
    """Mamba-2 with these keys, and what is known of it."""
    vocabulary = Vocabulary.paper(len(columns), values_)
    network = Signs(
        f"Theorem 3, step 2, keys {' '.join(columns)}{', ReLU' * rectified}",
        partial(sign_keys, vocabulary, columns, rectified=rectified),
        vocabulary,
        (7, 9),
        {theorem3.RECTIFIED.meaning: rectified, theorem3.N: len(columns[0]), theorem3.kappa: len(columns)},
        keys_alike=False,
        columns=columns,
    )
    network.facts.update({theorem3.nearest: network.nearest, theorem3.eps: network.nearest})
    return network


ORTHOGONAL_KEYS = ("++++", "++--", "+-+-")
CLIPPED = Recall(tuple(sign_key_network(ORTHOGONAL_KEYS, rectified) for rectified in (True, False)))
LINEAR = Recall(
    (
        sign_key_network(ORTHOGONAL_KEYS, False),
        sign_key_network(("++++", "-+++", "---+"), False),
        sign_key_network(("++++", "++--", "+-+-", "+--+"), False),
        sign_key_network(("+", "-"), False, 3),
    ),
    lambda asked: cross_terms(asked),
)


def cross_terms(asked: Asked) -> Columns:
    """What other keys add, how many writes may, and over all assignments the least margin."""
    network, rows = asked.network, np.arange(len(asked.tokens))
    assert isinstance(network, Signs)
    others = network.gram[asked.query] * (np.arange(len(network.gram)) != asked.query[:, None])
    right, rival = (asked.writes[rows, :, value] for value in (asked.right, asked.rival))
    elsewhere = np.arange(len(network.gram)) != asked.query[:, None]
    sums = np.abs(network.gram).sum(1) - 1
    return {
        theorem3.cross: (others * (right - rival)).sum(1),
        theorem3.writes_u: (rival * elsewhere).sum(1),
        theorem3.writes_v: (right * elsewhere).sum(1),
        theorem3.least: least_margins(network)[asked.query],
        theorem3.sums: sums[asked.query],
        theorem3.largest_sum: [sums.max()] * len(rows),
    }


@cache
def least_margins(network: Network) -> np.ndarray:
    """(keys,): the least margin of each key as the first query, over all assignments of two values to the keys."""
    v = network.vocabulary
    found = []
    for query in v.keys:
        assignments = np.array(list(product(v.values[:2], repeat=len(v.keys))))
        tokens = np.concatenate([contexts(v, assignments), np.full((len(assignments), 1), query)], 1)
        found.append(margins(network, tokens, len(v.keys)).min())
    return np.array(found)


def contexts(vocabulary: Vocabulary, assignments: np.ndarray) -> np.ndarray:
    """Every key with its value, in order."""
    keys = np.broadcast_to(np.array(vocabulary.keys), assignments.shape)
    return np.stack([keys, assignments], -1).reshape(len(assignments), -1)


def margins(network: Network, tokens: np.ndarray, pairs: int) -> np.ndarray:
    """(sequences,): the least margin over the other values that some key holds or that are left."""
    asked = asked_of(network, tokens, pairs, network.numbers)
    return np.array([min(row) for row in asked.margin.reshape(len(tokens), -1).tolist()])


# --- Theorem 4 -------------------------------------------------------------------------------------------------------


def gated_network(
    key: int, value: int, tap0: int, tap1: int, longest: tuple[int, int], vocabulary: Vocabulary
) -> Network:
    """Theorem 4's network with the numbers k, v, c_0, c_1."""
    facts = {theorem4.key: key, theorem4.value: value, theorem4.tap0: tap0, theorem4.tap1: tap1}
    told = ", ".join(f"{symbol} = {number}" for symbol, number in facts.items())
    codes = one_hot_values(len(vocabulary.values), value)
    build = partial(gated_blocks, vocabulary, Numbers(key, tap0, tap1, tap0 * key), codes)
    return Network(f"Theorem 4, {told}", build, vocabulary, longest, facts)


THEOREM4 = Recall(
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
GATED_CODES = Recall(
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


# --- Lemma 4 ---------------------------------------------------------------------------------------------------------


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


MATRICES = Listed("all sign matrices with 1 to 3 columns and few rows", sign_matrices, matrix_products)

# --- extensions D, E, I ----------------------------------------------------------------------------------------------


def stored_under(asked: Asked) -> Columns:
    """The query, the size of the key set, the key that the rival is stored under; 0 where it is not stored."""
    holds_rival = asked.writes[np.arange(len(asked.tokens)), :, asked.rival] > 0
    home = np.where(holds_rival.any(1), holds_rival.argmax(1) + 1, 0)
    size = len(asked.vocabulary.keys)
    return {extensions.q: asked.query + 1, extensions.home: home, extensions.K: [size] * len(home)}


def known_pairs(kappa: int) -> Network:
    """Extension E for κ pairs, over three keys; the context may have another number of them."""
    network = built("mqar.robust", MIDDLE, (7, 9))
    build = partial(mqar.robust, MIDDLE, "paper", num_kv_pairs=kappa)
    return replace(network, name=f"mqar.robust, κ = {kappa}", build=build, facts={extensions.kappa: kappa})


def number_of_pairs(asked: Asked) -> Columns:
    """How many pairs the context has."""
    return {extensions.stored: [asked.pairs] * len(asked.tokens)}


def shrinking_network(kappa: int, rho: Fraction, longest: tuple[int, int], pairs: tuple[int, ...]) -> Network:
    """Extension I with the ratio ρ: over κ keys, two values and a filler."""
    first = kappa + 2
    vocabulary = Vocabulary(first + 1, range(kappa), range(kappa, first), filler=first)
    facts = {
        extensions.rho: sp.Rational(rho),
        extensions.kappa: kappa,
        extensions.scale: PAPER_CLOCK.stored,
        extensions.leak: sp.log(1 / sp.Rational(rho)) / PAPER_CLOCK.shrink,
    }
    return Network(
        f"mqar.n1-delta-gate, κ = {kappa}, ρ = {rho}",
        partial(shrinking, vocabulary, rho),
        vocabulary,
        longest,
        facts,
        pairs=pairs,
        numbers=PRECISE,
    )


PRECISE = ball(300)
"""Steps of 2^60 beside writes of 2^40."""


def queries_so_far(asked: Asked) -> Columns:
    """Q, each query counted once, or three times where it stands directly behind itself, and this one's share w;
    how many other keys hold v(q), the rival; whether the tail stores nothing.
    """
    tokens, v = asked.tokens, asked.vocabulary
    behind = v.is_key(tokens[:, :-1]) | (tokens[:, :-1] == v.filler)
    weight = (v.is_key(tokens[:, 1:]) & behind) * np.where(tokens[:, 1:] == tokens[:, :-1], 3, 1)
    others = np.arange(len(v.keys)) != asked.query[:, None]
    rows, tail = np.arange(len(tokens)), tokens[:, 2 * asked.pairs :]
    return {
        extensions.asked: weight.sum(1),
        extensions.weight: weight[:, -1],
        extensions.rivals: (asked.writes[rows, :, asked.rival] * others).sum(1),
        extensions.fellows: (asked.writes[rows, :, asked.right] * others).sum(1),
        extensions.TAIL_WRITES.meaning: ~(v.is_key(tail[:, :-1]) & v.is_value(tail[:, 1:])).any(1),
        extensions.length: [tokens.shape[1]] * len(tokens),
    }


# --- lower bounds ----------------------------------------------------------------------------------------------------


def one_state_for_two() -> Construction:
    """B = 1 and C = 1 for the first key, B = 0 and C = −1 for the second: one state, for two distinct values."""
    network = sign_keys(SMALL, ("+", "+"), rectified=False)
    return network.with_entries("mixer.B.weight", {(0, 1): 0}).with_entries("mixer.C.weight", {(0, 1): -1})


def small_networks() -> dict[str, Network]:
    """Networks of the family over 1 to 3 keys, as many values, and a filler where one is needed."""
    found = {"one state for two keys": Network("one state for two keys", one_state_for_two, SMALL, (0, 0))}
    for kappa in (1, 2, 3):
        vocabulary = Vocabulary.paper(kappa, max(kappa, 2))
        for claim in ("mqar.thm2-step1", "mqar.thm3-step1", "mqar.thm4", "mqar.n2-distinct"):
            target = "paper_mamba2" if claim in ("mqar.thm3-step1", "mqar.n2-distinct") else "paper"
            found[f"{claim}, κ = {kappa}"] = built(claim, vocabulary, (0, 0), target)
        columns = ("+", "-", "+")[:kappa]
        found[f"sign keys, N = 1, κ = {kappa}"] = Network(
            "sign keys", partial(sign_keys, vocabulary, columns, rectified=False), vocabulary, (0, 0)
        )
        with_filler = Vocabulary(vocabulary.size + 1, vocabulary.keys, vocabulary.values, filler=vocabulary.size)
        shrinks = built("mqar.n1-delta-gate", with_filler, (0, 0))
        found[f"mqar.n1-delta-gate, κ = {kappa}"] = replace(shrinks, numbers=PRECISE)
    return found


NETWORKS = small_networks()


@cache
def network_facts(name: str) -> Point:
    """A network's states and keys, its gate and step, and which assignments it answers, run exactly."""
    network = NETWORKS[name]
    weights = network.construction.weights
    step = weights["mixer.delta.weight"]
    return {
        lower_bounds.N: network.construction.hyperparameters["d_state"],
        lower_bounds.kappa: len(network.vocabulary.keys),
        lower_bounds.GATED: "mixer.gate.weight" in weights,
        lower_bounds.SHARED: not any(step.entries.values()) and not step.fill,
        lower_bounds.ALL: answers(network, product(network.vocabulary.values[:2], repeat=len(network.vocabulary.keys))),
        lower_bounds.DISTINCT: answers(network, permutations(network.vocabulary.values, len(network.vocabulary.keys))),
    }


def answers(network: Network, assignments: Iterable[tuple[int, ...]]) -> bool:
    """Whether each key is answered as the first query after each assignment, and after a filler where there is one."""
    v = network.vocabulary
    context = contexts(v, np.array(list(assignments)))
    between = np.full((len(context), int(v.filler is not None)), v.filler or 0)
    asked = [np.column_stack([context, between, np.full(len(context), query)]) for query in v.keys]
    return all((margins(network, tokens, len(v.keys)) > 0).all() for tokens in asked)


def by_name(_: Tier) -> Iterator[str]:
    """The networks, fewest keys first."""
    return iter(sorted(NETWORKS, key=lambda name: (len(NETWORKS[name].vocabulary.keys), name)))


ALL_NETWORKS = Listed(
    "the family's networks for κ ≤ 3, run on all assignments and queries, exactly", by_name, network_facts
)


def states_and_keys(tier: Tier) -> Iterator[dict[str, int]]:
    """C, κ and N."""
    for constant, kappa in product((1, 2), range(1, 6)):
        yield from ({"C": constant, "kappa": kappa, "N": n} for n in range(1, kappa + 1))


def recall_with(case: dict[str, int]) -> Point:
    """Whether N states recall κ keys: no where hyperplanes cut R^N into fewer than 2^κ cells, else by a run."""
    kappa, n = case["kappa"], case["N"]
    few = sum(comb(kappa, i) for i in range(n + 1)) < 2**kappa
    return {
        theorem3.constant: case["C"],
        theorem3.kappa: kappa,
        theorem3.N: n,
        theorem3.RECALLS: not few and _one_hot_recalls(kappa),
    }


@cache
def _one_hot_recalls(kappa: int) -> bool:
    network = built("mqar.thm3-step1", Vocabulary.paper(kappa, 2), (0, 0), "paper_mamba2")
    return answers(network, product(network.vocabulary.values, repeat=kappa))


# --- H2 --------------------------------------------------------------------------------------------------------------

UNSEEN = (
    ("k v1", "k"),
    ("k v1", "k v2 k"),
    (" ".join(lower_bounds.SHORT_CONTEXT), " ".join(lower_bounds.SHORT_TAIL)),
    (" ".join(lower_bounds.CONTEXT), " ".join(lower_bounds.TAIL)),
)


def swaps(_: Tier) -> Iterator[dict[str, Any]]:
    """Sequences, for convolutions of 1 to 4 taps, with and without decay and positions."""
    for d_conv, decay, positions, i in product(range(1, 5), ("1", "1/2"), (False, True), range(len(UNSEEN))):
        context, tail = UNSEEN[i]
        yield {"d_conv": d_conv, "decay": decay, "positions": positions, "context": context, "tail": tail}


def swap_seen(case: dict[str, Any]) -> Point:
    """How a sequence and its swap differ as sums of windows, and whether the query's own window tells them apart."""
    context, tail = (tuple(case[part].split()) for part in ("context", "tail"))
    both, rate = (context + tail, lower_bounds.swapped(context + tail)), sp.Rational(case["decay"])
    sums: dict[Any, sp.Rational] = {}
    last = []
    for sign, tokens in zip((1, -1), both, strict=True):
        seen = lower_bounds.windows(tokens, case["d_conv"])
        placed = [(window, t * case["positions"]) for t, window in enumerate(seen)]
        for age, window in enumerate(reversed(placed)):
            sums[window] = sums.get(window, sp.S.Zero) + sign * rate**age
        last.append(placed[-1])
    stored = [dict(zip(tokens[: len(context) : 2], tokens[1 : len(context) : 2], strict=True)) for tokens in both]
    held = [int(of[tokens[-1]][1:]) for of, tokens in zip(stored, both, strict=True)]
    keys = context[::2]
    return {
        lower_bounds.d_conv: case["d_conv"],
        lower_bounds.decay: rate,
        lower_bounds.POSITIONS: case["positions"],
        lower_bounds.sequence: len(context + tail),
        lower_bounds.unlike: sum(map(abs, sums.values()), sp.S.Zero),
        lower_bounds.SAME_WINDOW: last[0] == last[1],
        lower_bounds.answer: held[0],
        lower_bounds.other_answer: held[1],
        task.H1.meaning: len(set(keys)) == len(keys),
    }


CHECKS: tuple[Check, ...] = (
    statement_test("mqar.thm2-step1", THEOREM2),
    repaired("mqar.thm2-step1-printed", Recall(THEOREM2.networks[:1]), "H2 kept", H2),
    repaired(
        "mqar.thm2-step2",
        Recall(tuple(numbers.network() for numbers in PRINTED), printed_columns),
        "the factor a₁",
        Hypothesis("f", "f = a₁", sp.Eq(values.factor, 97)),
        without=values.PRINTED_BIAS,
    ),
    statement_test("mqar.thm2-step2-amended", SIGN_CODES),
    statement_test(
        "mqar.value-code", Recall((built("mqar.value-code", MIDDLE, (7, 9), values_alike=False),), value_indices)
    ),
    statement_test("mqar.thm3-step1", Recall((built("mqar.thm3-step1", MIDDLE, EVERY, "paper_mamba2"),))),
    repaired(
        "mqar.thm3-relu-clip",
        CLIPPED,
        "linear B and C",
        Hypothesis("linear", "B and C are linear", sp.Not(theorem3.RECTIFIED.meaning)),
        without=theorem3.RECTIFIED,
    ),
    statement_test("mqar.thm3-amended", LINEAR),
    statement_test("mqar.thm4", THEOREM4),
    statement_test(
        "mqar.thm4-jl",
        Listed("one or two columns of few signs", column_sets, column_products),
        mutants={
            "√p as much": replace(
                claims()["mqar.thm4-jl"].says, conclusion=sp.Le(theorem4.column_sum, sp.sqrt(theorem4.p) * theorem4.eps)
            )
        },
    ),
    statement_test(
        "mqar.thm4-jl-small-epsilon", Recall(tuple(numbers.network() for numbers in SMALL_EPSILON), repeated_keys)
    ),
    statement_test("mqar.thm4-jl-amended", GATED_CODES),
    statement_test(
        "mqar.n2-distinct",
        Recall((built("mqar.n2-distinct", MIDDLE, (7, 9), "paper_mamba2", keys_alike=False),), stored_under),
    ),
    statement_test("mqar.robust", Recall(tuple(map(known_pairs, (1, 2, 3))), number_of_pairs)),
    statement_test(
        "mqar.n1-delta-gate",
        Recall(
            (
                shrinking_network(2, Fraction(1, 4), (7, 8), (1, 2)),
                shrinking_network(3, Fraction(1, 2), (8, 8), (3,)),
            ),
            queries_so_far,
        ),
    ),
    statement_test(
        "mqar.thm3",
        Listed("C ≤ 2, κ ≤ 5 and every N ≤ κ", states_and_keys, recall_with),
        mutants={
            "N ≤ Cκ": replace(
                claims()["mqar.thm3"].says,
                conclusion=sp.And(theorem3.RECALLS, sp.Le(theorem3.N, theorem3.constant * theorem3.kappa)),
            )
        },
    ),
    statement_test("mqar.n-lower-bound", ALL_NETWORKS),
    statement_test("mqar.n1-impossible", ALL_NETWORKS),
    statement_test(
        "mqar.h2-necessary", Listed("sequences and their swaps, d_conv ≤ 4, decay 1 and ½", swaps, swap_seen)
    ),
    statement_test(
        "mqar.lem4",
        MATRICES,
        mutants={"i ≠ j": replace(claims()["mqar.lem4"].says, conclusion=sp.Le(lemma4.nearest, lemma4.eps))},
    ),
    statement_test(
        "mqar.lem4-amended",
        MATRICES,
        survivors={
            f"an eighth sharper: {sp.Lt(lemma4.nearest, lemma4.eps)}": "true as well: chosen one after the other,"
            " columns with products below 7ε/8 exist once 2(d − 1)e^{−p(7ε/8)²/2} < 1, and pε² ≥ 4 log d makes that at"
            " most 2(d − 1)d^{−49/32} < 1"
        },
    ),
    *(on_target(claim, target) for claim, targets in ELSEWHERE.items() for target in targets),
)
