"""Extensions D, E and I: the moment curve, time-gated writes, selective steps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import sympy as sp

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.mqar.printed import (
    shrinking,
)
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.mqar import extensions
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    MIDDLE,
    PRECISE,
    built,
)
from mamba_theorems.verify.checks.statements.sequences import AllSequences, Asked, ExactNetwork
from mamba_theorems.verify.checks.statements.source import Columns
from mamba_theorems.verify.checks.statements.test import statement_test


def stored_under(asked: Asked) -> Columns:
    """The query, the size of the key set, the key that the rival is stored under; 0 where it is not stored."""
    holds_rival = asked.writes[np.arange(len(asked.tokens)), :, asked.rival] > 0
    home = np.where(holds_rival.any(1), holds_rival.argmax(1) + 1, 0)
    size = len(asked.vocabulary.keys)
    return {extensions.q: asked.query + 1, extensions.home: home, extensions.K: [size] * len(home)}


def known_pairs(kappa: int) -> ExactNetwork:
    """Extension E for κ pairs, over three keys; the context may have another number of them."""
    network = built("mqar.robust", MIDDLE, (7, 9))
    build = partial(mqar.robust, MIDDLE, "paper", num_kv_pairs=kappa)
    return replace(network, name=f"mqar.robust, κ = {kappa}", build=build, facts={extensions.kappa: kappa})


def number_of_pairs(asked: Asked) -> Columns:
    """How many pairs the context has."""
    return {extensions.stored: [asked.pairs] * len(asked.tokens)}


NEAR_HALF = Fraction(1, 2) - Fraction(1, 2**62)
"""ρ(κ − 1) < 1 for three keys, and yet the rests between the pairs take more than it spares."""


def shrinking_network(kappa: int, rho: Fraction, longest: tuple[int, int], pairs: tuple[int, ...]) -> ExactNetwork:
    """Extension I with the ratio ρ: over κ keys, two values and a filler."""
    first = kappa + 2
    vocabulary = Vocabulary(first + 1, range(kappa), range(kappa, first), filler=first)
    facts = {extensions.rho: sp.Rational(rho), extensions.kappa: kappa}
    return ExactNetwork(
        f"mqar.n1-delta-gate, κ = {kappa}, ρ = {rho}",
        partial(shrinking, vocabulary, rho),
        vocabulary,
        longest,
        facts,
        pairs=pairs,
        numbers=PRECISE,
    )


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


CHECKS: tuple[Check, ...] = (
    statement_test(
        "mqar.n2-distinct",
        AllSequences((built("mqar.n2-distinct", MIDDLE, (7, 9), "paper_mamba2", keys_alike=False),), stored_under),
    ),
    statement_test("mqar.robust", AllSequences(tuple(map(known_pairs, (1, 2, 3))), number_of_pairs)),
    statement_test(
        "mqar.n1-delta-gate",
        AllSequences(
            (
                shrinking_network(2, Fraction(1, 4), (7, 8), (1, 2)),
                shrinking_network(3, Fraction(1, 2), (8, 8), (3,)),
                shrinking_network(3, NEAR_HALF, (8, 8), (3,)),
            ),
            queries_so_far,
        ),
    ),
)
