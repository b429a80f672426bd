"""Lower bounds: the family's own networks, of which each breaks some hypothesis; sequences and their swaps (H2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from itertools import permutations, product
from typing import Any

import numpy as np
import sympy as sp

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.printed import (
    sign_keys,
)
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.kernels.semantics import paper_mamba
from mamba_theorems.theorems.mqar import lower_bounds, task
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Choice, Flag, Ratio, Record, Whole, Words
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    PRECISE,
    SMALL,
    answers,
    built,
)
from mamba_theorems.verify.checks.statements.sequences import ExactNetwork
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier


def one_state_for_two() -> Construction:
    """B = 1 and C = 1 for the first key, B = 0 and C = −1 for the second: one state, for two distinct values."""
    network = sign_keys(SMALL, ("+", "+"), rectified=False)
    return network.with_entries("mixer.B.weight", {(0, 1): 0}).with_entries("mixer.C.weight", {(0, 1): -1})


def small_networks() -> dict[str, ExactNetwork]:
    """Networks of the family over 1 to 3 keys, as many values, and a filler where one is needed."""
    found = {"one state for two keys": ExactNetwork("one state for two keys", one_state_for_two, SMALL, (0, 0))}
    for kappa in (1, 2, 3):
        vocabulary = Vocabulary.paper(kappa, max(kappa, 2))
        for claim in ("mqar.thm2-step1", "mqar.thm3-step1", "mqar.thm4", "mqar.n2-distinct"):
            target = "paper_mamba2" if claim in ("mqar.thm3-step1", "mqar.n2-distinct") else "paper"
            found[f"{claim}, κ = {kappa}"] = built(claim, vocabulary, (0, 0), target)
        columns = ("+", "-", "+")[:kappa]
        found[f"sign keys, N = 1, κ = {kappa}"] = ExactNetwork(
            "sign keys", partial(sign_keys, vocabulary, columns, rectified=False), vocabulary, (0, 0)
        )
        with_filler = Vocabulary(vocabulary.size + 1, vocabulary.keys, vocabulary.values, filler=vocabulary.size)
        shrinks = built("mqar.n1-delta-gate", with_filler, (0, 0))
        found[f"mqar.n1-delta-gate, κ = {kappa}"] = replace(shrinks, numbers=PRECISE)
    return found


NETWORKS = small_networks()
ONE_STEP = "one step Δ, decays that differ by channel: one state for two keys"


def one_step() -> Point:
    """N = 1 recalls two keys without a gate, Δ = 2 at the second key and else 1 in every channel, A not the same.

    Channels: the previous key where A = 0, and again where A = −ln 2; the current key; the current value. 2^x for e^x
    puts A in units of ln 2.
    """
    field, channels = replace(RATIONAL, exp=np.frompyfunc(lambda x: Fraction(2) ** int(x), 1, 1)), np.eye(8, dtype=int)
    (slow, fast, key, value) = (channels[i : i + 2] for i in range(0, 8, 2))
    taps = np.array([(1, 0)] * 4 + [(0, 1)] * 4)
    weights = {
        "conv.weight": taps,
        "delta.weight": np.tile(key[1], (8, 1)),
        "delta.bias": np.ones(8, dtype=int),
        "B.weight": (value[0] - value[1])[None],
        "C.weight": np.zeros((1, 8), dtype=int),
        "C.bias": np.ones(1, dtype=int),
        "A": -(fast[0] + fast[1])[:, None],
    }
    exact = {name: field.array(weight) for name, weight in weights.items()}
    head = field.array(np.array([Fraction(-1, 4), Fraction(1, 2), 16, -2, 0, 0, 0, 0], dtype=object))
    filler, right = np.zeros(8, dtype=int), []
    for held in product((0, 1), repeat=2):
        for query in (0, 1):
            stored = [row for k, v in enumerate(held) for row in (slow[k] + fast[k] + key[k], value[v])]
            y = paper_mamba(
                field,
                exact,
                field.array(np.array([*stored, filler, slow[query] + fast[query] + key[query]])),
                delta_activation="identity",
            )[-1]
            right.append((y @ head > 0) == (held[query] == 0) and y @ head != 0)
    return {
        lower_bounds.N: 1,
        lower_bounds.kappa: 2,
        lower_bounds.GATED: False,
        lower_bounds.SHARED: False,
        lower_bounds.ALL: all(right),
        lower_bounds.DISTINCT: all(right),
    }


@cache
def network_facts(name: str) -> Point:
    """A network's states and keys, its gate and decay, and which assignments it answers, run exactly."""
    if name == ONE_STEP:
        return one_step()
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


def by_name(_: Tier) -> Iterator[str]:
    """The networks, fewest keys first."""
    yield ONE_STEP
    yield from sorted(NETWORKS, key=lambda name: (len(NETWORKS[name].vocabulary.keys), name))


ALL_NETWORKS = Listed(
    "the family's networks for κ ≤ 3, run on all assignments and queries, exactly",
    by_name,
    network_facts,
    case=Choice(tuple(by_name(Tier.QUICK))),
)


UNSEEN = (
    ("k v1", "k"),
    ("k v1", "k v2 k"),
    ("k v1", "f1 k v2 f1 k"),
    (" ".join(lower_bounds.CONTEXT), " ".join(lower_bounds.TAIL)),
)


def swaps(_: Tier) -> Iterator[dict[str, Any]]:
    """Sequences, for convolutions of 1 to 4 taps, with and without decay and positions."""
    for d_conv, decay, positions, i in product(range(1, 5), ("1", "1/2"), (False, True), range(len(UNSEEN))):
        context, tail = UNSEEN[i]
        yield {"d_conv": d_conv, "decay": decay, "positions": positions, "context": context, "tail": tail}


def _no_swap(case: dict[str, Any]) -> str:
    """What is no context of pairs, or no query of it."""
    context, tail = (case[part].split(" ") for part in ("context", "tail"))
    pairs = zip(context[::2], context[1::2], strict=False)
    if len(context) % 2 or not all(k[0] in "ak" and v[0] in "uv" for k, v in pairs):
        return '"context" is pairs of a key and a value, as in "a1 u1 k v1"'
    return "" if tail[-1] in context[::2] else '"tail" ends with a key of the context'


KEY_VALUE_FILLER = r"[ak][0-9]{0,2}|[uv][0-9]{1,2}|[fP][0-9]{0,2}"
TOKENS = Words('a text of keys k, a1, …, values v1, u1, … and fillers f1, … P, as in "k v1 f1"', KEY_VALUE_FILLER)
SWAPS = Record(
    {"d_conv": Whole(1, 8), "decay": Ratio(-2, 2), "positions": Flag(), "context": TOKENS, "tail": TOKENS},
    together=_no_swap,
)


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
    statement_test("mqar.n-lower-bound", ALL_NETWORKS),
    statement_test("mqar.n1-impossible", ALL_NETWORKS),
    statement_test(
        "mqar.h2-necessary",
        Listed("sequences and their swaps, d_conv ≤ 4, decay 1 and ½", swaps, swap_seen, case=SWAPS),
    ),
)
