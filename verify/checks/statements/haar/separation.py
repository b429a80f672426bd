"""Instances of the lower bound for time-invariant mixers: sums of exponentials and polynomials, their errors in balls.

The squared distance of a piecewise-constant f from e(s) = Σ c_n e^{a_n s} is a finite sum of exponentials of the
exact exponents; best coefficients are found in floats and then taken as the exact numbers that they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import factorial
from typing import Any

import numpy as np
from flint import acb, acb_mat, arb, ctx, fmpq_mat

from mamba_theorems.constructions.haar import Steps
from mamba_theorems.constructions.haar.heavisides import ball
from mamba_theorems.theorems.haar import separation
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Choice, Flag, Ratio, Record, Several, Tuple, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

Jumps = dict[Fraction, Fraction]
"""Where a piecewise-constant function on [0, 1] jumps, and by how much; it is 0 before its first jump."""
Exponent = tuple[Fraction, Fraction]
"""a = growth + iπ·turns."""
PRECISION = 256

NEAR_BEST = {
    2: ((-2509, 11699),),
    4: ((-3720, 13206), (-1622, 44520)),
    16: (
        (-6180, 15267), (-4729, 50091), (-3676, 87678), (-2332, 163840), (-2930, 125768), (-638, 273681),
        (-1273, 238707), (-1801, 201624),
    ),
}  # fmt: skip
"""Exponents α + iω that an optimiser found for 1_[0,1/2), as (1000 α, 10000 ω/π); each stands for a conjugate pair."""


@dataclass(frozen=True)
class Exponentials:
    """e(s) = Re Σ c_n e^{a_n s} ; conjugate pairs count two states, real exponents one."""

    exponents: tuple[Exponent, ...]

    @property
    def states(self) -> int:
        """How many states a real system needs for it."""
        return sum(2 if turns else 1 for _, turns in self.exponents)

    def squared_error(self, jumps: Jumps, coefficients: Sequence[acb] = ()) -> arb:
        """‖f − e‖² on [0, 1]; the coefficients are near the best where none are given."""
        terms = [(c / 2, a) for c, a in zip(coefficients or _best(self, jumps), self.exponents, strict=True)]
        terms += [(c.conjugate(), (growth, -turns)) for c, (growth, turns) in terms]
        own = sum((c * d * _moment(_both(a, b), arb(0), arb(1)) for c, a in terms for d, b in terms), acb(0))
        with_f = (c * _moment(a, ball(low), ball(high)) * ball(f) for c, a in terms for low, high, f in pieces(jumps))
        return norm(jumps) - 2 * sum(with_f, acb(0)).real + own.real


def _both(one: Exponent, other: Exponent) -> Exponent:
    return one[0] + other[0], one[1] + other[1]


def _moment(exponent: Exponent, low: arb, high: arb) -> acb:
    """∫_low^high e^{as} ds."""
    a = acb(ball(exponent[0]), ball(exponent[1]) * arb.pi())
    return ((a * high).exp() - (a * low).exp()) / a if any(exponent) else acb(high - low)


def pieces(jumps: Jumps) -> list[tuple[Fraction, Fraction, Fraction]]:
    """(low, high, value) of each piece."""
    places = sorted({Fraction(0), Fraction(1), *jumps})
    return [(a, b, sum((jump for t, jump in jumps.items() if t <= a), Fraction(0))) for a, b in pairwise(places)]


def norm(jumps: Jumps) -> arb:
    """‖f‖²."""
    return ball(sum((value**2 * (b - a) for a, b, value in pieces(jumps)), Fraction(0)))


def _best(e: Exponentials, jumps: Jumps) -> list[acb]:
    """Least squares on Gauss–Legendre nodes, in floats, which are exact numbers from then on."""
    x, w = np.polynomial.legendre.leggauss(40)
    spans = [(float(a), float(b), float(value)) for a, b, value in pieces(jumps)]
    s = np.concatenate([(b - a) / 2 * x + (a + b) / 2 for a, b, _ in spans])
    root = np.sqrt(np.concatenate([(b - a) / 2 * w for a, b, _ in spans]))
    f = np.repeat([value for *_, value in spans], len(x))
    grown = np.exp(np.outer(s, [complex(float(a), float(b) * np.pi) for a, b in e.exponents]))
    found = np.linalg.lstsq(np.hstack([grown.real, -grown.imag]) * root[:, None], f * root, rcond=None)[0]
    real, imaginary = np.split(found, 2)
    return [acb(float(a), float(b)) for a, b in zip(real, imaginary, strict=True)]


def fourier(pairs: int) -> Exponentials:
    """The constant and the frequencies ±1, ±3, …, ±(2M − 1)."""
    return Exponentials(tuple((Fraction(0), Fraction(turns)) for turns in (0, *range(2, 4 * pairs, 4))))


def fourier_coefficients(pairs: int) -> list[acb]:
    """Those of 1_[0,1/2): ½, and 2/(iπ(2k − 1)) for both signs of a frequency together."""
    odd = (acb(0, -2) / (arb.pi() * (2 * k - 1)) for k in range(1, pairs + 1))
    return [acb(0.5), *odd]


def near_best(states: int) -> Exponentials:
    """Those of an optimiser."""
    return Exponentials(tuple((Fraction(a, 1000), Fraction(b, 10000)) for a, b in NEAR_BEST[states]))


def legendre_error(states: int) -> Fraction:
    """‖1_[0,1/2) − best polynomial of degree below N‖²: one Jordan block with eigenvalue 0, exactly.

    The shifted Legendre polynomial P_i has norm² 1/(2i + 1), and ∫_0^{1/2} P_i is by its coefficients.
    """
    left = Fraction(1, 2)
    for i in range(states):
        terms = (
            Fraction((-1) ** (i + j) * factorial(i + j), factorial(j) ** 2 * factorial(i - j) * (j + 1) * 2 ** (j + 1))
            for j in range(i + 1)
        )
        left -= (2 * i + 1) * sum(terms, Fraction(0)) ** 2
    return left


def step_down(place: Fraction) -> Jumps:
    """1_[0, place)."""
    return {Fraction(0): Fraction(1), place: Fraction(-1)}


# --- one centred step -------------------------------------------------------------------------------------------------

HALF = Fraction(1, 2)


def _centred(kind: str, size: int) -> tuple[int, arb]:
    """The states and the squared error of an approximation of 1_[0,1/2)."""
    if kind == "polynomial":
        return size, ball(legendre_error(size))
    if kind == "S6":
        return size, Steps({Fraction(0): Fraction(1), HALF: Fraction(-1)}, Fraction(2**60)).squared_error(1e-14)
    chosen = {"Fourier": fourier, "optimised": near_best}[kind](size)
    return chosen.states, chosen.squared_error(step_down(HALF))


def _centred_cases(tier: Tier) -> Iterable[Any]:
    last = 8 if tier is Tier.QUICK else 24
    honest = [("polynomial", n) for n in range(1, last + 1)] + [("Fourier", m) for m in range(1, last + 1)]
    honest += [("optimised", n) for n in NEAR_BEST]
    cases = [{"e": kind, "size": size, "counted": True} for kind, size in honest]
    return [*cases, {"e": "S6", "size": 2, "counted": True}, {"e": "optimised", "size": 4, "counted": False}]


JUMPS = Several(Tuple((Ratio(0, 1), Ratio(-99, 99))), 1, 8)
"""Places with jumps."""


def unordered(case: Any) -> str:
    """What is no jump, or does not stand behind the one before it."""
    places, sizes = ([Fraction(pair[i]) for pair in case["jumps"]] for i in (0, 1))
    fits = all(sizes) and places[-1] < 1 and all(a < b for a, b in pairwise(places))
    return "" if fits else '"jumps" have rising places below 1, and sizes other than 0'


def _not_known(case: Any) -> str:
    """What no optimiser has found."""
    optimised = case["e"] == "optimised" and case["size"] not in NEAR_BEST
    return f'the "size" of "optimised" is one of {", ".join(map(str, NEAR_BEST))}' if optimised else ""


APPROXIMATION = {"size": Whole(1, 64), "counted": Flag()}
CENTRED = Record(
    {"e": Choice(("polynomial", "Fourier", "optimised", "S6")), **APPROXIMATION},
    together=lambda case: 'the "size" of "S6" is 2' if case["e"] == "S6" and case["size"] != 2 else _not_known(case),
)


def _centred_point(case: Any) -> Point:
    """`counted` is false where each complex state read through its real part counts once."""
    with ctx.workprec(PRECISION):
        states, error = _centred(case["e"], case["size"])
    said = states if case["counted"] else states // 2
    return {
        separation.N: said,
        separation.squared: error,
        separation.LTI.meaning: case["e"] != "S6",
        separation.COUNTED.meaning: bool(case["counted"]),
    }


# --- any jumps, and the delay -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Windowed:
    """Jumps with a half-width for each."""

    jumps: Jumps
    halves: tuple[Fraction, ...]

    @property
    def inner(self) -> list[Fraction]:
        """The jumps inside (0, 1)."""
        return [t for t in sorted(self.jumps) if 0 < t < 1]

    @property
    def allowed(self) -> bool:
        """Whether the windows are disjoint, in [0, 1], with one jump each."""
        ends = [(t - q, t + q) for t, q in zip(self.inner, self.halves, strict=True)]
        return all(a >= 0 and b <= 1 for a, b in ends) and all(one[1] <= two[0] for one, two in pairwise(ends))

    def weight(self, *, beside: bool) -> Fraction:
        """Σ 2J²q over the jumps with 0 on neither side (`beside`), or on one."""
        total = Fraction(0)
        for t, q in zip(self.inner, self.halves, strict=True):
            before = sum((jump for place, jump in self.jumps.items() if place < t), Fraction(0))
            after = before + self.jumps[t]
            total += 2 * self.jumps[t] ** 2 * q if (bool(before and after)) is beside else 0
        return total


def _windowed(case: Any) -> Windowed:
    jumps = {Fraction(t): Fraction(jump) for t, jump in case["jumps"]}
    return Windowed(jumps, tuple(map(Fraction, case["halves"])))


ONE = [["0", "1"], ["1/2", "-1"]]
FUNCTIONS: tuple[tuple[list[list[str]], list[str]], ...] = (
    (ONE, ["1/2"]),
    ([["1/3", "1"]], ["1/3"]),
    ([["0", "1"], ["1/4", "-1"]], ["1/4"]),
    ([["0", "1"], ["1/4", "1"], ["3/4", "-2"]], ["1/4", "1/4"]),
    ([["1/4", "1"], ["1/2", "2"], ["3/4", "-1"]], ["1/8", "1/8", "1/8"]),
    ([["1/2", "1"], ["33/64", "-1"]], ["31/64", "31/64"]),
)
"""Jumps and half-widths; the last one's windows overlap."""


def _jump_cases(tier: Tier) -> Iterable[Any]:
    last = 5 if tier is Tier.QUICK else 16
    kinds = [("Fourier", m) for m in range(1, last + 1)] + [("optimised", 4), ("optimised", 16)]
    cases = [
        {
            "jumps": jumps,
            "halves": halves,
            "e": kind,
            "size": size,
            "counted": True,
            "n": i % 12 + 1,
            "k": i % (i % 12 + 1) + 1,
        }
        for i, ((kind, size), (jumps, halves)) in enumerate((e, f) for e in kinds for f in FUNCTIONS)
    ]
    outside = {"jumps": ONE, "halves": ["1/2"], "size": 4, "n": 2, "k": 1}
    return [*cases, {**outside, "e": "S6", "counted": True}, {**outside, "e": "optimised", "counted": False}]


def _no_windows(case: Any) -> str:
    """What is no function with a window a jump, or no singular value of the delay."""
    if wrong := unordered(case) or _not_known(case):
        return wrong
    inner = sum(Fraction(place) > 0 for place, _ in case["jumps"])
    if len(case["halves"]) != inner:
        return f'"halves" has {inner} values, one for each jump inside (0, 1)'
    return "" if case["k"] <= case["n"] else f'"k" is a singular value from 1 to {case["n"]}'


WINDOWED = Record(
    {
        "jumps": JUMPS,
        "halves": Several(Ratio(0, 1), 0, 8),
        "e": Choice(("Fourier", "optimised", "S6")),
        **APPROXIMATION,
        "n": Whole(1, 16),
        "k": Whole(1, 16),
    },
    together=_no_windows,
)


def _jump_point(case: Any) -> Point:
    f = _windowed(case)
    with ctx.workprec(PRECISION):
        if case["e"] == "S6":
            states, error = len(f.jumps), Steps(f.jumps, Fraction(2**60)).squared_error(1e-14)
        else:
            e = {"Fourier": fourier, "optimised": near_best}[case["e"]](case["size"])
            states, error = e.states, e.squared_error(f.jumps)
        singular, rank = delay(case["n"], case["k"])
    return {
        separation.N: states if case["counted"] else states // 2,
        separation.squared: error,
        separation.alone: f.weight(beside=False),
        separation.beside: f.weight(beside=True),
        separation.size: case["n"],
        separation.which: case["k"],
        separation.singular: singular,
        separation.order: rank,
        separation.LTI.meaning: case["e"] != "S6",
        separation.COUNTED.meaning: bool(case["counted"]),
        separation.DISJOINT.meaning: f.allowed,
    }


def delay(size: int, which: int) -> tuple[arb, int]:
    """The k-th singular value of [1[a + b < n]], from enclosures of its eigenvalues, and its rank."""
    hankel = fmpq_mat(size, size, [int(a + b < size) for a in range(size) for b in range(size)])
    values = sorted((abs(v.real) for v in acb_mat(hankel).eig()), key=lambda v: -float(v.mid()))
    return values[which - 1], hankel.rank()


CHECKS: tuple[Check, ...] = (
    statement_test(
        "haar.s4d-lower-bound",
        Listed(
            "1_[0,1/2) by best polynomials, Fourier's and optimised exponentials, N ≤ 17 (full: 49): errors in balls",
            _centred_cases,
            _centred_point,
            case=CENTRED,
        ),
    ),
    statement_test(
        "haar.s4d-lower-bound-jumps",
        Listed(
            "six functions with 1 to 3 jumps by Fourier's and an optimiser's exponentials, and delays up to 12",
            _jump_cases,
            _jump_point,
            case=WINDOWED,
        ),
    ),
)
