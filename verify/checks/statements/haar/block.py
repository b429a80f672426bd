"""Instances of what mixers and official blocks do: points of eq. (8), and runs in balls of 256 bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions.compiler.blocks import TIME
from mamba_theorems.constructions.haar import full_basis, mamba1_haar
from mamba_theorems.kernels import semantics
from mamba_theorems.theorems.haar import block
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Choice, Ratio, Record, Several, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.haar.keep import BALL
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

# --- the Euler kernel -------------------------------------------------------------------------------------------------

# W, λ, s, t, t̂
KERNEL_POINTS = (
    (1, 1, 0, 1, 1), (12, 1, "99/100", 1, 1), (40, 2, "1/2", 1, "1/2"), (1, 0, "-1/2", 1, 0), (1, -1, 1, 2, 3),
    (-1, 1, "1/2", 1, 0), (12, 3, "1/4", "1/2", "3/4"),
)  # fmt: skip
r = sp.Symbol("r", real=True)
GATE = sp.Lambda(r, r**2 - r + 1)

# --- any weights ------------------------------------------------------------------------------------------------------

WEIGHTS: tuple[tuple[str, ...], ...] = (
    ("1/2",), ("1/4", "1/4"), ("1/100", "49/100"), ("1/8", "1/16", "1/4"), ("1/64",) * 32, ("1/20", "2/5", "1/100"),
    ("1", "1"), ("3",), ("-1/4", "1/4"), ("1/4", "-1"),
)  # fmt: skip


def _weight_cases(tier: Tier) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    drawn = [tuple(f"{v}/64" for v in rng.integers(1, 64 // n, n)) for n in (2, 3, 5, 8) for _ in range(2)]
    for weights in (*WEIGHTS, *drawn):
        places = range(len(weights)) if len(weights) < 9 else (0, len(weights) - 1)
        yield from ({"w": list(weights), "s": s + 1} for s in places)


@cache
def _solved(weights: tuple[Fraction, ...]) -> tuple[np.ndarray, arb, Fraction]:
    """Δ solved backwards, what the recurrence then reads out of x = 1, −2, 3, …, and Σ w x."""
    with BALL.arithmetic():
        delta: list[arb] = []
        total = BALL.number(0)
        for w in reversed(weights):
            delta.insert(0, BALL.number(w) * BALL.exp(total))
            total = total + delta[0]
    x = [(-1) ** s * (s + 1) for s in range(len(weights))]
    ones = BALL.array(np.ones((len(x), 1), dtype=int))
    y = semantics.selective_scan(BALL, BALL.array(x)[:, None], np.array(delta)[:, None], BALL.array([[-1]]), ones, ones)
    return np.array(delta), y[-1, 0], sum((w * v for w, v in zip(weights, x, strict=True)), Fraction(0))


WEIGHT = Record(
    {"w": Several(Ratio(-9, 9), 1, 64), "s": Whole(1, 64)},
    together=lambda case: "" if case["s"] <= len(case["w"]) else f'"s" is a place from 1 to {len(case["w"])}',
)


def _weight_point(case: Any) -> Point:
    weights = tuple(map(Fraction, case["w"]))
    delta, read, wanted = _solved(weights)
    return {
        block.weight_at: weights[case["s"] - 1],
        block.step_at: delta[case["s"] - 1],
        block.sum_of_weights: sum(weights, Fraction(0)),
        block.answer: read,
        block.functional: wanted,
        block.POSITIVE.meaning: min(weights) > 0,
    }


# --- Haar in the official block ---------------------------------------------------------------------------------------

SIGNALS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((0, 0), (1, 0), (1, -1), (3, 5)),
    4: ((1, 0, 0, 0), (0, 0, 1, -2), (1, 1, 1, 1)),
    8: ((1, 0, 0, 0, 0, 0, 0, 0), (3, -1, 4, 1, -5, 9, 2, -6)),
    16: (tuple(range(-8, 8)),),
}


def _haar_cases(tier: Tier) -> Iterator[Any]:
    for length, signals in SIGNALS.items():
        if length < 16 or tier is Tier.FULL:
            for signal in signals:
                yield from ({"x": list(signal), "n": n, "time": "input"} for n in range(length))
    for known in ("first layer", "none"):
        yield from ({"x": [3, 5], "n": n, "time": known} for n in range(2))


@cache
def _coefficients(signal: tuple[int, ...], known: str) -> np.ndarray:
    """What the block reads out at L, L + 1, …; a first layer recovers time up to its own decay, or it stays 0."""
    length = len(signal)
    network = mamba1_haar(length, full_basis(length), knows_time=known != "first layer")
    u = network.inputs(np.array(signal))
    if known == "none":
        u[..., network.space.position(TIME)] = 0
    y = BALL.array(u)
    for layer in network.layers[:-1]:
        with BALL.arithmetic():
            y = y + layer.run(BALL, y)
    return network.read(network.layers[-1].run(BALL, y))


def _no_signal(case: Any) -> str:
    """What is no coefficient of a signal."""
    length = len(case["x"])
    if length & (length - 1):
        return '"x" has 2, 4, 8 or 16 values'
    return "" if case["n"] < length else f'"n" is a coefficient from 0 to {length - 1}'


SIGNAL = Record(
    {"x": Several(Whole(-99, 99), 2, 16), "n": Whole(0, 15), "time": Choice(("input", "first layer", "none"))},
    together=_no_signal,
)


def _haar_point(case: Any) -> Point:
    signal, n = tuple(case["x"]), case["n"]
    psi = full_basis(len(signal))[n].values(len(signal))
    return {
        block.length: len(signal),
        block.read: _coefficients(signal, case["time"])[n],
        block.coefficient: int(psi @ np.array(signal)),
        block.magnitude: sum(map(abs, signal)),
        block.TIMED.meaning: case["time"] == "input",
    }


# --- Remark 1 ---------------------------------------------------------------------------------------------------------


def _head_cases(tier: Tier) -> Iterable[Any]:
    honest = [{"seed": seed, "length": 1 + seed % 6} for seed in range(12 if tier is Tier.QUICK else 60)]
    return [*honest, {"seed": 4, "length": 5, "decays": [1, 1, 2]}, {"seed": 4, "length": 5, "shift": 1}]


HEAD = Record(
    {"seed": Whole(0, 2**32 - 1), "length": Whole(1, 64), "decays": Several(Whole(1, 9), 3, 3), "shift": Whole(0, 8)},
    optional=frozenset({"decays", "shift"}),
)


def _head_point(case: Any) -> Point:
    """One head of Mamba-2, one S6 channel with the same decays and Δ (or not), and the sum; at the last token."""
    rng, length = np.random.default_rng(case["seed"]), case["length"]
    x, B, C = (BALL.array(rng.integers(-9, 10, (length, n)).astype(object)) for n in (1, 3, 3))
    delta = BALL.array([[Fraction(int(v), 8)] for v in rng.integers(1, 17, length)])
    decays, shift = case.get("decays", [1, 1, 1]), case.get("shift", 0)
    head = semantics.ssd(BALL, x[:, None], delta, BALL.array([-1]), B[:, None], C[:, None])[-1, 0, 0]
    A = BALL.array([[-a for a in decays]])
    channel = semantics.selective_scan(BALL, x, np.roll(delta, shift, axis=0), A, B, C)[-1, 0]
    with BALL.arithmetic():
        kept = BALL.exp(np.cumsum(delta[:, 0]) - np.sum(delta[:, 0]))
        total = np.sum(kept * delta[:, 0] * x[:, 0] * (B * C[-1]).sum(1))
    return {
        block.head: head,
        block.channel: channel,
        block.unrolled: total,
        block.ONE_DECAY.meaning: len(set(decays)) == 1,
        block.OWN_STEP.meaning: shift == 0,
    }


CHECKS: tuple[Check, ...] = (
    statement_test("haar.euler-mismatch", Points(rows=KERNEL_POINTS, functions={block.any_gate: (GATE,)})),
    statement_test(
        "haar.any-weights",
        Listed(
            "eighteen weight vectors of up to 32 weights: Δ solved backwards, runs in balls",
            _weight_cases,
            _weight_point,
            case=WEIGHT,
        ),
    ),
    statement_test(
        "haar.official-block",
        Listed(
            "signals of length 2, 4, 8 (full: 16), every coefficient: the block in balls",
            _haar_cases,
            _haar_point,
            case=SIGNAL,
        ),
    ),
    statement_test(
        "haar.remark1",
        Listed("12 heads with N = 3, L ≤ 6 (full: 60): runs in balls", _head_cases, _head_point, case=HEAD),
    ),
)
