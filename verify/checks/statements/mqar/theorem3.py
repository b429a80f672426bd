"""Theorem 3: Mamba-2 with one-hot keys and with sign keys, and what N = O(log κ) would ask."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from math import comb

import numpy as np
import sympy as sp

from mamba_theorems.constructions.mqar.printed import (
    sign_keys,
)
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.mqar import theorem3
from mamba_theorems.theorems.statement import Hypothesis, Point
from mamba_theorems.verify.checks.case import Record, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    EVERY,
    MIDDLE,
    Signs,
    answers,
    built,
    contexts,
    margins,
    repaired,
)
from mamba_theorems.verify.checks.statements.sequences import AllSequences, Asked, ExactNetwork
from mamba_theorems.verify.checks.statements.source import Columns, Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier


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
CLIPPED = AllSequences(tuple(sign_key_network(ORTHOGONAL_KEYS, rectified) for rectified in (True, False)))


def cross_terms(asked: Asked) -> Columns:
    """What other keys add, how many writes may, and over all assignments the least margin."""
    network, rows = asked.network, np.arange(len(asked.tokens))
    assert isinstance(network, Signs)
    elsewhere = np.arange(len(network.gram)) != asked.query[:, None]
    others = network.gram[asked.query] * elsewhere
    right, rival = (asked.writes[rows, :, value] for value in (asked.right, asked.rival))
    sums = np.abs(network.gram).sum(1) - 1
    return {
        theorem3.added: (others * (right - rival)).sum(1),
        theorem3.of_u: (rival * elsewhere).sum(1),
        theorem3.of_v: (right * elsewhere).sum(1),
        theorem3.least: least_margins(network)[asked.query],
        theorem3.sums: sums[asked.query],
        theorem3.largest_sum: [sums.max()] * len(rows),
    }


@cache
def least_margins(network: ExactNetwork) -> np.ndarray:
    """(keys,): the least margin of each key as the first query, over all assignments of two values to the keys."""
    v = network.vocabulary
    found = []
    for query in v.keys:
        assignments = np.array(list(product(v.values[:2], repeat=len(v.keys))))
        tokens = np.concatenate([contexts(v, assignments), np.full((len(assignments), 1), query)], 1)
        found.append(margins(network, tokens, len(v.keys)).min())
    return np.array(found)


LINEAR = AllSequences(
    (
        sign_key_network(ORTHOGONAL_KEYS, False),
        sign_key_network(("++++", "-+++", "---+"), False),
        sign_key_network(("++++", "++--", "+-+-", "+--+"), False),
        sign_key_network(("+", "-"), False, 3),
    ),
    cross_terms,
)


def states_and_keys(tier: Tier) -> Iterator[dict[str, int]]:
    """C, κ and N."""
    for constant, kappa in product((1, 2), range(1, 6)):
        yield from ({"C": constant, "kappa": kappa, "N": n} for n in range(1, kappa + 1))


STATES = Record({"C": Whole(1, 64), "kappa": Whole(1, 6), "N": Whole(1, 64)})


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


CHECKS: tuple[Check, ...] = (
    statement_test("mqar.thm3-step1", AllSequences((built("mqar.thm3-step1", MIDDLE, EVERY, "paper_mamba2"),))),
    repaired(
        "mqar.thm3-relu-clip",
        CLIPPED,
        "linear B and C",
        added=(Hypothesis("linear", "B and C are linear", sp.Not(theorem3.RECTIFIED.meaning)),),
        dropped=(theorem3.RECTIFIED,),
    ),
    statement_test("mqar.thm3-amended", LINEAR),
    repaired(
        "mqar.thm3",
        Listed("C ≤ 2, κ ≤ 5 and every N ≤ κ", states_and_keys, recall_with, case=STATES),
        "N ≤ Cκ",
        conclusion=sp.And(theorem3.RECALLS, sp.Le(theorem3.N, theorem3.constant * theorem3.kappa)),
    ),
)
