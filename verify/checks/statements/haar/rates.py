"""Instances of Corollary 1: S6 functions by certified quadrature, exact Haar projections, Fourier's exponentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import sympy as sp
from flint import arb, ctx

from mamba_theorems.constructions.haar import Steps
from mamba_theorems.constructions.haar.heavisides import ball
from mamba_theorems.theorems.haar import rates
from mamba_theorems.theorems.haar.pointwise import W
from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.case import Flag, Ratio, Record, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.haar.heaviside import hull
from mamba_theorems.verify.checks.statements.haar.separation import (
    HALF,
    JUMPS,
    PRECISION,
    Jumps,
    fourier,
    fourier_coefficients,
    norm,
    step_down,
    unordered,
)
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

# --- S6 functions for jumps -------------------------------------------------------------------------------------------

TOLERANCE = 2.0**-10
FUNCTIONS: tuple[list[list[str]], ...] = (
    [["1/64", "1"]],
    [["1/2", "1"]],
    [["0", "1"], ["1/2", "-2"]],
    [["0", "3"], ["1/4", "-1"], ["3/4", "2"]],
    [["1/8", "1"], ["1/4", "-1"], ["1/2", "1"], ["3/4", "-1"]],
)


FUNCTION = {"jumps": JUMPS, "all": Flag()}


def _jumps(case: Any) -> Jumps:
    return {Fraction(t): Fraction(jump) for t, jump in case["jumps"]}


def _error(known: Jumps, f: Jumps, w: Fraction) -> arb:
    """‖f − Σ jump·g‖ over the jumps that the network knows."""
    size = float(sum(map(abs, f.values())))
    return Steps(known, w, f).squared_error(TOLERANCE * size**2 / float(w)).sqrt()


def _known(case: Any) -> Jumps:
    """All jumps of f, or all but the last: then f has not as many as is said."""
    f = _jumps(case)
    return f if case["all"] else dict(list(f.items())[:-1])


def _jump_cases(tier: Tier) -> Iterator[Any]:
    slopes = (1, 16, 1024) if tier is Tier.QUICK else (1, 2, 16, 256, 1024, 10**6)
    yield from ({"jumps": f, "W": w, "all": True} for f in FUNCTIONS for w in slopes)
    yield from ({"jumps": f, "W": 1024, "all": False} for f in FUNCTIONS if len(f) > 2)


def _jump_point(case: Any) -> Point:
    f, known = _jumps(case), _known(case)
    size = sum(map(abs, known.values()), Fraction(0))
    return {
        rates.distance: _error(known, f, Fraction(case["W"])),
        rates.size: size,
        W: case["W"],
        rates.PIECEWISE.meaning: known == f,
    }


def enough(count: int, jumps: int) -> int:
    """⌈(5/2)·2^{4N/(3m)}⌉, exactly."""
    w = int(2.5 * 2 ** (4 * count / (3 * jumps))) - 1
    while Fraction(2 * w, 5) ** (3 * jumps) < 2 ** (4 * count):
        w += 1
    return w


def _printed_cases(tier: Tier) -> Iterator[Any]:
    counts = (0, 1, 2, 3, 5, 8) if tier is Tier.QUICK else range(17)
    yield from ({"jumps": f, "N": n, "all": True} for f in FUNCTIONS for n in counts)
    yield from ({"jumps": f, "N": 40, "all": False} for f in FUNCTIONS if len(f) > 2)


def _printed_point(case: Any) -> Point:
    f, known, count = _jumps(case), _known(case), case["N"]
    inside = sum(t > 0 for t in known)
    error = norm(f).sqrt() if count <= inside else _error(known, f, Fraction(enough(count, inside)))
    return {
        rates.distance: error,
        rates.size: sum(map(abs, known.values()), Fraction(0)),
        rates.count: count,
        rates.jumps: inside,
        rates.PIECEWISE.meaning: known == f,
    }


# --- S4D --------------------------------------------------------------------------------------------------------------

COUNTS = (1, 2, 5, 10, 19, 20, 40, 78, 79, 178)


def _s4d_cases(tier: Tier) -> Iterable[Any]:
    return [{"C": c, "N": n} for c in (1, 2, 3) for n in COUNTS]


def _s4d_point(case: Any) -> Point:
    """inf‖1_[0,1/2) − e_N‖, between haar.s4d-lower-bound and Fourier's exponentials."""
    count = case["N"]
    with ctx.workprec(PRECISION):
        low, high = (_left_out(n) for n in (count, (count - 1) // 2))
        return {rates.count: count, rates.constant: case["C"], rates.distance: hull(low.sqrt(), high.sqrt())}


def _left_out(modes: int) -> arb:
    """(2/π²) Σ_{k>modes} 1/(2k − 1)²."""
    return ball(Fraction(1, 4)) - 2 / arb.pi() ** 2 * sum(
        (1 / arb(2 * k - 1) ** 2 for k in range(1, modes + 1)), arb(0)
    )


# --- exact rates ------------------------------------------------------------------------------------------------------


def _inner(p: Fraction, level: int, position: int) -> Fraction:
    """∫_0^p ψ(2^j s − k) ds."""
    a, m, b = (Fraction(2 * position + i, 2 ** (level + 1)) for i in range(3))
    first, second = (max(Fraction(0), min(p, high) - low) for low, high in ((a, m), (m, b)))
    return first - second


def _integrals(p: Fraction, level: int) -> list[Fraction]:
    return [_inner(p, level, position) for position in range(2**level)]


def _rate_cases(tier: Tier) -> Iterator[Any]:
    largest = 7 if tier is Tier.QUICK else 16
    places = sorted({Fraction(a, b) for b in range(1, largest) for a in range(b + 1)}, key=lambda p: (p.denominator, p))
    for p in (*places, Fraction(3, 2), Fraction(-1, 3)):
        yield from ({"p": str(p), "J": level, "M": 1 + level} for level in range(5))


def _rate_point(case: Any) -> Point:
    p, level, pairs = Fraction(case["p"]), case["J"], case["M"]
    length = min(max(p, Fraction(0)), Fraction(1))
    squares = (2**j * sum(i * i for i in _integrals(p, j)) for j in range(level))
    with ctx.workprec(PRECISION):
        tail = fourier(pairs).squared_error(step_down(HALF), fourier_coefficients(pairs))
    return {
        rates.place: p,
        rates.part: p * 2**level % 1,
        rates.level: level,
        rates.pairs: pairs,
        rates.coefficients: sp.sqrt(2**level) * sp.Rational(sum(map(abs, _integrals(p, level)))),
        rates.projected: length * (1 - length) - sum(squares, Fraction(0)),
        rates.fourier: tail,
    }


NORMS = {
    "the squared norm": sp.Le(rates.distance**2, rates.constant / rates.count),
    "N^{−1/2}": sp.Le(rates.distance, rates.constant / sp.sqrt(rates.count)),
}

CHECKS: tuple[Check, ...] = (
    statement_test(
        "haar.cor1-s6",
        Listed(
            "five functions with 1 to 4 jumps, N ≤ 8 (full: 16): L² errors in balls",
            _printed_cases,
            _printed_point,
            case=Record({**FUNCTION, "N": Whole(0, 60)}, together=unordered),
        ),
    ),
    statement_test(
        "haar.cor1-s4d",
        Listed(
            "C ≤ 3 and N ≤ 178: the infimum between the proved bound and Fourier's exponentials",
            _s4d_cases,
            _s4d_point,
            case=Record({"C": Whole(1, 20), "N": Whole(1, 2000)}),
        ),
        mutants={
            name: Statement((), truth, (rates.count,), (rates.constant,), uniform=True) for name, truth in NORMS.items()
        },
    ),
    statement_test(
        "haar.cor1-amended",
        Listed(
            "every p = a/b with b ≤ 6 (full: 15), J ≤ 4, M ≤ 5: exact projections, Fourier's error in balls",
            _rate_cases,
            _rate_point,
            case=Record({"p": Ratio(-9, 9), "J": Whole(0, 12), "M": Whole(1, 40)}),
        ),
    ),
    statement_test(
        "haar.exact-jumps",
        Listed(
            "five functions with 1 to 4 jumps, W = 1, 16, 1024 (full: more): L² errors in balls",
            _jump_cases,
            _jump_point,
            case=Record({**FUNCTION, "W": Ratio(0, 10**9, open=True)}, together=unordered),
        ),
    ),
)
