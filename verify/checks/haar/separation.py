"""The lower bound for S4D against an optimiser: Corollary 1.

The optimiser fits N exponentials (conjugate pairs, a real one if N is odd) by variable projection: for given exponents
the best coefficients are a least-squares problem on Gauss–Legendre nodes, which is exact to rounding for smooth pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Annotated

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import minimize

from mamba_theorems.constructions.haar import Steps
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.settings import Run, Tier

NODES = 40
"""Gauss–Legendre nodes for each smooth piece: exact for polynomials of degree 79."""
LARGEST = 16
S6_W = Fraction(2**60)


def tail_sum(n: int) -> float:
    """2 Σ_{k>n} 1/((2k − 1)²π²), the bound of haar.s4d-lower-bound before its tail is estimated."""
    k = np.arange(1, n + 1)
    return float(0.25 - 2 / np.pi**2 * np.sum(1.0 / (2 * k - 1) ** 2))


def simple_bound(n: int) -> float:
    """1/(π²(2n + 1))."""
    return float(1 / (np.pi**2 * (2 * n + 1)))


Jumps = tuple[tuple[float, float], ...]
"""(place, jump) of a piecewise-constant function on [0, 1], by place."""


def step_down(place: float) -> Jumps:
    """1_[0, place)."""
    return ((0.0, 1.0), (place, -1.0))


@cache
def _nodes(jumps: Jumps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points between the jumps, square roots of their weights, and the target there."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    pieces = list(pairwise(sorted({0.0, 1.0, *(place for place, _ in jumps)})))
    s = np.concatenate([(b - a) / 2 * x + (a + b) / 2 for a, b in pieces])
    weight = np.concatenate([(b - a) / 2 * w for a, b in pieces])
    return s, np.sqrt(weight), np.sum([jump * (s > place) for place, jump in jumps], axis=0)


@dataclass(frozen=True)
class Fit:
    """Least squares for a piecewise-constant function by N exponentials on [0, 1]."""

    jumps: Jumps

    def squared_error(self, exponents: np.ndarray, count: int) -> tuple[float, np.ndarray]:
        """‖target − best combination‖² and its gradient in the real and imaginary parts of the exponents."""
        s, root, target = _nodes(self.jumps)
        basis = _real_basis(s, exponents, count)
        q, r = np.linalg.qr(basis * root[:, None])  # no SVD: its threads cost ten times the work at this size
        coefficients = np.linalg.solve(r + 1e-14 * np.eye(len(r)), q.T @ (target * root))
        residual = (target - basis @ coefficients) * root**2
        gradient = _basis_gradient(s, exponents, count, coefficients, residual)
        return float(np.sum((residual / root) ** 2)), gradient

    def best(self, count: int, starts: int, seed: int) -> float:
        """The least squared error found from Fourier and random starts."""
        rng = np.random.default_rng([seed, count])
        found = []
        for attempt in range(starts):
            start = _start(count, attempt, rng)
            fitted = minimize(self.squared_error, start, args=(count,), jac=True, method="L-BFGS-B")
            found.append(min(float(fitted.fun), self.squared_error(start, count)[0]))
        return min(found)


def _start(count: int, attempt: int, rng: np.random.Generator) -> np.ndarray:
    """Real parts, then imaginary ones: frequencies near odd multiples of 2π, or spread at random."""
    pairs = count // 2
    frequencies = 2 * np.pi * (2 * np.arange(pairs) + 1) * (0.75 if attempt % 2 else 1.0)
    if attempt > 1:
        frequencies = frequencies * rng.uniform(0.5, 1.2, pairs)
    reals = np.zeros(pairs + count % 2) + (0 if attempt == 0 else rng.normal(0, 1, pairs + count % 2))
    return np.concatenate([reals, frequencies])


def _real_basis(s: np.ndarray, exponents: np.ndarray, count: int) -> np.ndarray:
    """e^{αs}cos ωs and e^{αs}sin ωs for each pair, e^{αs} for the real exponent."""
    pairs = count // 2
    growth = np.exp(np.outer(s, np.clip(exponents[: pairs + count % 2], -50, 50)))
    angle = np.outer(s, exponents[pairs + count % 2 :])
    paired = growth[:, :pairs]
    return np.hstack([paired * np.cos(angle), paired * np.sin(angle), growth[:, pairs:]])


def _basis_gradient(
    s: np.ndarray, exponents: np.ndarray, count: int, coefficients: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """−2⟨residual, ∂basis·coefficients⟩: the projection's own derivative drops out (variable projection)."""
    pairs, odd = count // 2, count % 2
    basis = _real_basis(s, exponents, count)
    moment = (residual * s) @ basis
    cosine, sine = moment[:pairs], moment[pairs : 2 * pairs]
    a, b, c = coefficients[:pairs], coefficients[pairs : 2 * pairs], coefficients[2 * pairs :]
    real = np.concatenate([a * cosine + b * sine, c * moment[2 * pairs :]]) if odd else a * cosine + b * sine
    return -2 * np.concatenate([real, b * cosine - a * sine])


@cache
def best_error(jumps: Jumps, count: int, starts: int, seed: int) -> float:
    """The optimiser's least squared error."""
    return Fit(jumps).best(count, starts, seed)


def fourier_error(count: int) -> float:
    """The squared error of c_0 and the odd frequencies ±1, ±3, …, as many as `count` holds."""
    pairs = (count - 1) // 2
    return 0.25 - 2 / np.pi**2 * float(np.sum(1.0 / (2 * np.arange(1, pairs + 1) - 1) ** 2))


# --- never below the bound --------------------------------------------------------------------------------------------


def _table_look(lower: Callable[[int], float], run: Run) -> Finding:
    """For every N up to 16: bound ≤ best optimised ≤ Fourier."""
    starts = 3 if run.tier is Tier.QUICK else 12
    figures: dict[str, float | str] = {}
    for n in range(1, LARGEST + 1):
        best, bound = best_error(step_down(0.5), n, starts, run.seed), lower(n)
        if not bound <= best:
            return Finding(False, f"N = {n}: optimised exponentials reach {best:.4g} < {bound:.4g}")
        figures[f"N={n}"] = _row(bound, best, n)
    facts: dict[str, str | int] = {"N": f"1 … {LARGEST}", "starts": starts, "columns": "bound, optimised, Fourier, S6"}
    return Finding(True, "", facts, figures)


def _row(bound: float, best: float, n: int) -> str:
    """The norms: lower bound, optimised, Fourier, and S6 with the same N."""
    return " ".join(f"{value:.3g}" for value in (*np.sqrt([bound, best, fourier_error(n)]), s6_error(n)))


@cache
def s6_error(count: int) -> float:
    """Upper end of S6's L² error with N functions: two are enough; one can only be a constant."""
    if count == 1:
        return 0.5
    steps = Steps({Fraction(0): Fraction(1), Fraction(1, 2): Fraction(-1)}, S6_W)
    return float(steps.squared_error(1e-14).sqrt().upper())


TABLE = Examination(
    claim="haar.s4d-lower-bound",
    name="optimised-exponentials-above-the-bound",
    subject=tail_sum,
    mutants={
        "modes from k ≥ N": lambda n: tail_sum(n - 1),
        "Bessel without ½: twice the bound": lambda n: 2 * tail_sum(n),
        "frequencies kπ for (2k − 1)π": lambda n: 1 / 3 - 2 / np.pi**2 * sum(1 / k**2 for k in range(1, n + 1)),
        "1/(π²N) for 1/(π²(2N + 1))": lambda n: 3 * simple_bound(n),
    },
    look=_table_look,
)


# --- any position -----------------------------------------------------------------------------------------------------


COUNT = Annotated[int, Whole(1, 4)]
START = Annotated[int, Whole(0, 2**32 - 1, usual=7)]


@dataclass(frozen=True)
class PositionCase:
    """A jump at place/64, N exponentials, a seed for the optimiser."""

    place: Annotated[int, Whole(4, 60)]
    count: COUNT
    seed: START


def _position_score(factor: float, case: PositionCase, run: Run) -> Score:
    """Best squared error − factor·min(p, 1 − p)·(bound of the centred step)."""
    p = case.place / 64
    best = best_error(step_down(p), case.count, 2, case.seed)
    return Score(best - factor * min(p, 1 - p) * tail_sum(case.count))


POSITIONS: Property = Property(
    claim="haar.s4d-lower-bound-jumps",
    name="optimised-exponentials-above-the-bound",
    subject=2.0,
    mutants={"factor 6": 6.0, "factor 4": 4.5},
    cases=drawn(PositionCase),
    score=_position_score,
    examples=10,
)


# --- several jumps ----------------------------------------------------------------------------------------------------


PLACES = st.shared(
    st.lists(st.sampled_from(range(8, 64, 8)), min_size=1, max_size=3, unique=True).map(sorted), key="places"
)
JUMP = st.sampled_from([-3, -2, -1, 1, 2, 3])


@dataclass(frozen=True)
class WindowsCase:
    """Jumps at places/64, N exponentials, a seed for the optimiser."""

    places: Annotated[list[int], Several(Whole(4, 60), 1, 3, rising=True), PLACES]
    jumps: Annotated[
        list[int],
        Several(Whole(-9, 9), 1, 3),
        PLACES.flatmap(lambda places: st.tuples(*[JUMP] * len(places)).map(list)),
    ]
    count: COUNT
    seed: START

    def together(self) -> str:
        """A jump a place, none of them 0."""
        fits = len(self.jumps) == len(self.places) and all(self.jumps)
        return "" if fits else f'"jumps" are {len(self.places)} whole numbers other than 0, one a place'


@dataclass(frozen=True)
class Windows:
    """Exponentials spent on a plateau's constant, and the factor of J²q·(bound of the centred step)."""

    constants: int = 1
    factor: float = 2.0


def _windows_score(subject: Windows, case: WindowsCase, run: Run) -> Score:
    """Best squared error − Σ 2J²q·(bound of the centred step for N + 1)."""
    places = [p / 64 for p in case.places]
    best = best_error(tuple(zip(places, map(float, case.jumps), strict=True)), case.count, 2, case.seed)
    gaps = [places[0], *((b - a) / 2 for a, b in pairwise(places)), 1 - places[-1]]
    halves = [min(left, right) for left, right in pairwise(gaps)]
    weights = sum(subject.factor * jump**2 * q for jump, q in zip(case.jumps, halves, strict=True))
    return Score(best - weights * tail_sum(case.count + subject.constants))


WINDOWS: Property = Property(
    claim="haar.s4d-lower-bound-jumps",
    name="several-jumps-above-the-bound",
    subject=Windows(),
    mutants={"N − 1 for N + 1": Windows(constants=-1), "factor 12": Windows(factor=12.0)},
    cases=drawn(WindowsCase),
    score=_windows_score,
    examples=10,
)


CHECKS: tuple[Check, ...] = (TABLE, POSITIONS, WINDOWS)
