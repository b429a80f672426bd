"""Instances of KEEP n-TH: runs of the printed and the amended mixers, and all answers of small additive models."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from mamba_theorems.constructions.haar import keep_two_channels
from mamba_theorems.kernels.fields import ball
from mamba_theorems.theorems.haar import keep, one_state
from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.case import Choice, Flag, Ratio, Record, Several, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

BALL = ball(256)

# --- the printed difference -------------------------------------------------------------------------------------------


def _signals(length: int) -> Iterator[list[int]]:
    """All signals of ±1 up to a length, shortest first."""
    for size in range(1, length + 1):
        yield from (list(x) for x in product((1, -1), repeat=size))


def _printed_cases(tier: Tier) -> Iterator[Any]:
    for x in _signals(3 if tier is Tier.QUICK else 6):
        places = product(range(1, len(x) + 1), range(1, len(x) + 1), (1, 0))
        yield from ({"x": x, "n": n, "t": t, "H(0)": at_zero} for n, t, at_zero in places)


PLACES = {"x": Several(Whole(-99, 99), 1, 64), "n": Whole(1, 64), "t": Whole(1, 64)}


def _no_place(case: Any) -> str:
    """What is no place of the signal."""
    length = len(case["x"])
    return "" if max(case["n"], case["t"]) <= length else f'"n" and "t" are places of the signal, from 1 to {length}'


PRINTED = Record({**PLACES, "H(0)": Choice((0, 1))}, together=_no_place)


def _printed_point(case: Any) -> Point:
    """y_t of the printed difference, and of H(s − n) − H(s − (n + 1)) with H(0) = 1."""
    x, n, t = case["x"], case["n"], case["t"]
    printed, amended = (
        sum((_heaviside(s - a, at_zero) - _heaviside(s - b, at_zero)) * x[s - 1] for s in range(1, t + 1))
        for a, b, at_zero in ((n, n - 1, case["H(0)"]), (n, n + 1, 1))
    )
    return {keep.n: n, keep.t: t, keep.answer: printed, keep.kept: amended, keep.asked: x[n - 1]}


def _heaviside(s: int, at_zero: int) -> int:
    return at_zero if s == 0 else int(s > 0)


# --- soft gates -------------------------------------------------------------------------------------------------------


@cache
def _two_channels(signal: tuple[int, ...], n: int, slope: Fraction) -> np.ndarray:
    """The answers at every t."""
    return keep_two_channels(BALL, BALL.array(signal), n, slope)


SIGNALS = (
    (0,), (1,), (1, 1), (1, -1), (-1, 1, -1), (1, 0, 1), (0, 1, 0), (0, 0, 0), (3, -1, -2, 5), (1, -1, 1, -1, 1, -1),
    (-4, 0, 2, 2, -1, 7, 7),
)  # fmt: skip
SLOPES = ("20", "4", "1", "1/4", "-1")


def _soft_cases(tier: Tier) -> Iterator[Any]:
    signals = SIGNALS if tier is Tier.QUICK else (*SIGNALS, *map(tuple, _signals(6)))
    for x, slope in product(signals, SLOPES):
        places = product(range(1, len(x) + 1), repeat=2)
        yield from ({"x": list(x), "n": n, "t": t, "w": slope} for n, t in places)


SLOPE = Ratio(-200, 200)
SOFT = Record({**PLACES, "w": SLOPE}, together=_no_place)


def _soft_point(case: Any) -> Point:
    x, n, t, slope = tuple(case["x"]), case["n"], case["t"], Fraction(case["w"])
    return {
        keep.n: n,
        keep.t: t,
        keep.slope: slope,
        keep.answer: _two_channels(x, n, slope)[t - 1],
        keep.asked: x[n - 1],
        keep.largest: max(map(abs, x[:t])),
    }


# --- one state: the sums over all inputs ------------------------------------------------------------------------------

TOO_SMALL = ("X", "D", "D at 0")


def _one_state_cases(tier: Tier) -> Iterator[Any]:
    """As before, of four inputs and more in the quick tier only two slopes at the end; and with an X or a D that a
    hypothesis does not allow, the last one for x_0 = 0 alone.
    """
    for case in _soft_cases(tier):
        last = case["t"] == len(case["x"]) and case["w"] in ("4", "1/4")
        if tier is not Tier.QUICK or len(case["x"]) <= 3 or last:
            yield case
    yield from (
        case | {"too small": bound}
        for case in _soft_cases(Tier.QUICK)
        if len(case["x"]) <= 2 and case["w"] == "20"
        for bound in TOO_SMALL
    )


ONE_STATE = Record(
    {**PLACES, "w": SLOPE, "too small": Choice(TOO_SMALL)}, optional=frozenset({"too small"}), together=_no_place
)


def _one_state_point(case: Any) -> Point:
    x, n, t, short = tuple(case["x"]), case["n"], case["t"], case.get("too small")
    values = ((sp.Integer(v), sp.Eq(one_state.s, i)) for i, v in enumerate(x, 1))
    apart = [abs(v - x[n - 1]) for v in x[:t]]
    return {
        one_state.n: sp.Integer(n),
        one_state.t: sp.Integer(t),
        one_state.slope: sp.Rational(case["w"]),
        one_state.x: sp.Lambda(one_state.s, sp.Piecewise(*values, (0, True))),
        one_state.largest: 0 if short == "X" else max(map(abs, x[:t])),
        one_state.spread: max(apart)
        if short == "D at 0"
        else abs(x[n - 1])
        if short == "D"
        else max(0, abs(x[n - 1]), *apart),
    }


# --- additive models --------------------------------------------------------------------------------------------------

OPTIMAL = {"lags": [[[0, 0], [0, 4]], [[0, 0], [0, 2]], [[0, 0], [0, 0]]], "bias": [[0, -3], [0, -1]]}
"""14 of 16 answers right at n = t = |V| = 2, δ = 1: as many as any model gets."""
SIZES = ((2, 2, 1, 2), (2, 3, 1, 2), (3, 3, 2, 2), (2, 2, 1, 3), (3, 4, 1, 2), (2, 1, 1, 2))
"""(n, t, δ, |V|)."""


def _model_cases(tier: Tier) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    yield _case(2, 2, 1, 2, OPTIMAL["lags"], OPTIMAL["bias"])
    for n, t, delta, vocab in SIZES:
        for copied in ((1, 0), (0, 1), (1, 2)):
            yield _case(n, t, delta, vocab, _copies(n, t, delta, vocab, copied))
        for _ in range(8 if tier is Tier.QUICK else 200):
            tables = rng.integers(-4, 5, (t + delta, vocab, vocab)).tolist()
            yield _case(n, t, delta, vocab, tables, rng.integers(-3, 4, (2, vocab)).tolist())
    outside = _case(2, 2, 1, 2, _copies(2, 2, 1, 2, (1, 0)))
    yield outside | {"varies": True}
    yield outside | {"equal tokens": True}
    yield _case(2, 2, 1, 2, _copies(2, 2, 1, 2, (0, 0))) | {"ties win": True}
    yield _case(2, 2, 0, 2, _copies(2, 2, 0, 2, (1, 0)))
    yield _case(2, 2, 2, 2, _copies(2, 2, 2, 2, (1, 2)))


def _case(n: int, t: int, delta: int, vocab: int, lags: Any, bias: Any = None) -> dict[str, Any]:
    sizes = {"n": n, "t": t, "delta": delta, "V": vocab}
    return {**sizes, "lags": lags, "bias": [[0] * vocab] * 2 if bias is None else bias}


def _copies(n: int, t: int, delta: int, vocab: int, factors: tuple[int, int]) -> Any:
    """The token at the lag that t needs, and the one at the lag that t + δ needs, each with a factor."""
    tables = np.zeros((t + delta, vocab, vocab), dtype=int)
    for lag, factor in zip((t - n, t + delta - n), factors, strict=True):
        if lag >= 0:
            tables[lag] += factor * np.eye(vocab, dtype=int)
    return tables.tolist()


def _no_model(case: Any) -> str:
    """What has no table for a lag, or too many sequences."""
    lags, vocab = case["t"] + case["delta"], case["V"]
    if vocab ** max(lags, case["n"]) > 20_000:
        return "it has too many sequences: lower n, t, delta or V"
    if np.shape(case["lags"]) != (lags, vocab, vocab) or np.shape(case["bias"]) != (2, vocab):
        return f'"lags" is {lags} × {vocab} × {vocab}, and "bias" 2 × {vocab}'
    return ""


TABLE = Several(Several(Whole(-99, 99), 2, 4), 2, 4)
CHANGES = ("varies", "equal tokens", "ties win")
MODEL = Record(
    {
        "n": Whole(1, 6),
        "t": Whole(1, 6),
        "delta": Whole(0, 4),
        "V": Whole(2, 4),
        "lags": Several(TABLE, 1, 10),
        "bias": TABLE,
        **dict.fromkeys(CHANGES, Flag()),
    },
    optional=frozenset(CHANGES),
    together=_no_model,
)


def _model_point(case: Any) -> Point:
    """Shares of wrong answers over all sequences of length t + δ, exactly: logits Σ_lag a_lag(x_{t−lag}) + c_t."""
    n, t, delta, vocab = (case[name] for name in ("n", "t", "delta", "V"))
    lags, bias = np.array(case["lags"]), np.array(case["bias"])
    tokens = np.array(list(product(range(vocab), repeat=max(t + delta, n))))
    if case.get("equal tokens"):
        tokens = tokens[(tokens == tokens[:, :1]).all(1)]
    shifts = (0, delta) if case.get("varies") else (0, 0)
    errors = [
        _wrong(np.roll(lags, shift, axis=0), added, tokens, at, n, ties_win=bool(case.get("ties win")))
        for at, added, shift in zip((t, t + delta), bias, shifts, strict=True)
    ]
    return {
        keep.n: n,
        keep.lag: delta,
        keep.V: vocab,
        keep.first_error: errors[0],
        keep.second_error: errors[1],
        keep.INVARIANT.meaning: not case.get("varies"),
        keep.UNIFORM.meaning: not case.get("equal tokens"),
        keep.TIES.meaning: not case.get("ties win"),
    }


def _wrong(lags: np.ndarray, bias: np.ndarray, tokens: np.ndarray, at: int, n: int, *, ties_win: bool) -> Fraction:
    logits = sum((lags[lag][tokens[:, at - 1 - lag]] for lag in range(at)), np.zeros_like(tokens[:, :1])) + bias
    right = np.take_along_axis(logits, tokens[:, n - 1 : n], axis=1)
    others = np.where(np.arange(lags.shape[1]) == tokens[:, n - 1 : n], right - 1, logits).max(1)
    won = right[:, 0] >= others if ties_win else right[:, 0] > others
    return Fraction(int((~won).sum()), len(won))


CHECKS: tuple[Check, ...] = (
    statement_test(
        "haar.cor2",
        Listed(
            "all signals of ±1 with L ≤ 3 (full: 6), every n and t, both values of H(0)",
            _printed_cases,
            _printed_point,
            case=PRINTED,
        ),
        mutants={"as amended": Statement((keep.SEEN,), sp.Eq(keep.kept, keep.asked, evaluate=False))},
    ),
    statement_test(
        "haar.cor2-amended",
        Listed(
            "eleven signals with L ≤ 7 (full: all of ±1 with L ≤ 6), every n and t: runs in balls",
            _soft_cases,
            _soft_point,
            case=SOFT,
        ),
    ),
    statement_test(
        "haar.keep-nth-one-state",
        Listed(
            "eleven signals with L ≤ 7 (full: all of ±1 with L ≤ 6, every t), every n: the sums in balls",
            _one_state_cases,
            _one_state_point,
            case=ONE_STATE,
        ),
    ),
    statement_test(
        "haar.keep-nth-s4d-impossible",
        Listed(
            "additive models at six sizes with L ≤ 5, |V| ≤ 3: every sequence, exact",
            _model_cases,
            _model_point,
            case=MODEL,
        ),
    ),
)
