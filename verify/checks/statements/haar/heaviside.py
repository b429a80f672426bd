"""Instances of Theorem 1: points of eq. (8) in balls, and distances from a wavelet by certified enclosures."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from typing import Any

import sympy as sp
from flint import acb, arb

from mamba_theorems.constructions.haar import wavelet_steps
from mamba_theorems.constructions.haar.heavisides import Steps, ball
from mamba_theorems.theorems.haar.heaviside import L2, SUP, eps, j, k, sufficient_w
from mamba_theorems.theorems.haar.pointwise import W
from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.case import Ratio, Record, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

AWAY = sp.Symbol("E_away", nonnegative=True)
"""The supremum at a distance of 2^{−j}/16 or more from the three breakpoints."""
TOLERANCE = 2.0**-9


def hull(low: arb, high: arb) -> arb:
    """The ball from the lower end of one ball to the upper end of another."""
    return low.union(high)


# --- eq. (8) at points: W, s, t̂ --------------------------------------------------------------------------------------

KERNEL_POINTS = (
    (1, 0, 1), (1, 1, 0), (40, 1, 1), (40, "99/100", 1), (40, "1/2", "1/2"), (1, "1/2", "1/2"), (1, "-1/2", 0),
    (1, 0, 3), (-1, "1/2", 0), (7, "3/2", "1/2"), ("1/3", "1/4", "3/4"), (12, "1/4", "3/4"), (3, -1, -2),
)  # fmt: skip

# --- distances from a wavelet -----------------------------------------------------------------------------------------


def _supremum(steps: Steps, level: int, position: int) -> arb:
    """‖ψ − G‖ on [0, 1] in units of 2^{j/2}: at the middle breakpoint on both sides, and at most 2, as g₁ ≥ g₂ ≥ g₃."""
    middle = Fraction(2 * position + 1, 2 ** (level + 1))
    there = sum((ball(jump) * (_value(steps, t, middle)) for t, jump in steps.jumps.items()), arb(0))
    return hull(abs(1 - there).max(abs(1 + there)), arb(2))


def _value(steps: Steps, threshold: Fraction, at: Fraction) -> arb:
    """g(at) for one threshold, without its B."""
    error = steps.error_at(threshold, acb(ball(at)), analytic=False, to_the_left=at < threshold).real
    return error + (0 if at < threshold else 1)


def _supremum_away(steps: Steps, level: int, position: int) -> arb:
    """The same at a distance from all breakpoints: each g grows, so its values at the ends of a region enclose it."""
    width = Fraction(1, 2**level)
    first, middle, last = sorted(steps.jumps)
    gap = width / 16
    regions = (
        (Fraction(0), first - gap, 0),
        (first + gap, middle - gap, 1),
        (middle + gap, last - gap, -1),
        (last + gap, Fraction(1), 0),
    )
    worst = arb(0)
    for low, high, psi in regions:
        if low <= high:
            terms = (
                ball(jump) * hull(_value(steps, t, low), _value(steps, t, high)) for t, jump in steps.jumps.items()
            )
            worst = worst.max(abs(sum(terms, arb(-psi))))
    return hull(arb(0), worst)


def _uniform_cases(tier: Tier) -> Iterable[Any]:
    shifts = ((0, 0), (1, 1), (2, 1))
    return [
        {"j": level, "k": position, "epsilon": error, "W": w}
        for (level, position), error, w in product(shifts, ("1/2", "1/10"), (10, 10**3, 10**8))
    ]


SHIFTS = {"j": Whole(0, 9), "k": Whole(0, 511)}
POSITIVE = Ratio(0, 10**12, open=True)


def _no_shift(case: Any) -> str:
    """What is no wavelet on [0, 1]."""
    return "" if case["k"] < 2 ** case["j"] else f'"k" is below 2^j = {2 ** case["j"]}'


UNIFORMLY = Record({**SHIFTS, "epsilon": POSITIVE, "W": POSITIVE}, together=_no_shift)
FACTOR = Ratio(Fraction(1, 1000), 1000)
IN_NORM = Record({**SHIFTS, "epsilon": Ratio(Fraction(1, 100), 100), "factor": FACTOR}, together=_no_shift)


def _uniform(case: Any) -> Point:
    level, position, error, w = case["j"], case["k"], Fraction(case["epsilon"]), Fraction(case["W"])
    steps, scale = wavelet_steps(level, position, w), arb(2) ** (ball(Fraction(level, 2)))
    away, near = (scale * f(steps, level, position) for f in (_supremum_away, _supremum))
    return {j: level, k: position, eps: sp.Rational(error), W: sp.Rational(w), SUP: near, AWAY: away}


def _norm_cases(tier: Tier) -> Iterable[Any]:
    """At W(ε, j), at half and at twice of it."""
    levels = range(3 if tier is Tier.QUICK else 7)
    return [
        {"j": level, "k": position, "epsilon": error, "factor": factor}
        for level in levels
        for position in range(2**level)
        if tier is Tier.FULL or position in (0, 2**level - 1)
        for error, factor in product(("1/2", "1/4", "1", "2"), ("1", "1/2", "2"))
    ]


def _norm(case: Any) -> Point:
    level, position, error = case["j"], case["k"], sp.Rational(case["epsilon"])
    w = sp.Rational(case["factor"]) * sufficient_w(sp.Integer(level), error)
    steps = wavelet_steps(level, position, Fraction(str(w)))
    square = steps.squared_error(TOLERANCE * float(error) ** 2 / 2**level) * 2**level
    return {j: level, k: position, eps: error, W: w, L2: square.sqrt()}


UNIFORM = Statement((), sp.Lt(AWAY, eps), (eps, j, k), (W,))

CHECKS: tuple[Check, ...] = (
    statement_test(
        "haar.thm1",
        Listed(
            "ψ_{j,k}, j ≤ 2, by the printed functions with W = 10, 10³, 10⁸: suprema enclosed",
            _uniform_cases,
            _uniform,
            case=UNIFORMLY,
        ),
        mutants={"at a distance from the breakpoints": UNIFORM},
    ),
    statement_test("haar.thm1-pointwise", Points(rows=KERNEL_POINTS)),
    statement_test(
        "haar.thm1-amended",
        Listed(
            "first and last ψ_{j,k} of j ≤ 2 (full: all of j ≤ 6), ε = ½, ¼, 1, 2, W = W(ε, j), half, twice: in balls",
            _norm_cases,
            _norm,
            case=IN_NORM,
        ),
    ),
)
