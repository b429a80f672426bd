"""S6 functions of eq. (8) that tend to Heaviside steps: in closed form on Arb balls, and discretised over any field.

g(s) = exp(−∫_s^1 softplus(−W(r − t̂)) dr) for Theorem 1 and Corollary 1; on integers, Σ for ∫, for Corollary 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import sympy
from flint import acb, arb, ctx, fmpq

from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, block
from mamba_theorems.constructions.compiler.tensors import Weights
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import Exact, Field

PRECISION = 64
NEGLIGIBLE = 12
"""p ≤ e^{−72} at a distance of 12/√W to the left of a threshold, and Li₂ ≤ e^{−12} at 12/W to the right."""


@dataclass(frozen=True)
class Steps:
    """Σ jump·g_threshold, thresholds in [0, 1] and all with the same W: what S6 makes of a piecewise-constant function.

    `wanted` are the jumps of the function it stands for, the same ones unless told otherwise.
    """

    jumps: Mapping[Fraction, Fraction]
    W: Fraction
    wanted: Mapping[Fraction, Fraction] | None = None

    def squared_error(self, tolerance: float) -> arb:
        """A ball around ‖Σ jump·g − Σ wanted·H‖² on [0, 1]; `tolerance` is what each piece's quadrature aims at.

        Certified quadrature (Petras' algorithm in Arb) between the points where the integrand is not analytic.
        """
        with ctx.workprec(PRECISION):
            points = self._cuts()
            return sum((self._piece(a, b, tolerance) for a, b in pairwise(points)), arb(0))

    def _cuts(self) -> list[Fraction]:
        """Thresholds, and where the fast scales 1/√W (left) and 1/W (right) have died out."""
        left = Fraction(NEGLIGIBLE * 2**20, int(float(self.W) ** 0.5 * 2**20))
        right = NEGLIGIBLE / self.W
        near = {t + d for t in (*self.jumps, *(self.wanted or ())) for d in (-left, Fraction(0), right)}
        return sorted({Fraction(0), Fraction(1), *(c for c in near if 0 < c < 1)})

    def _piece(self, low: Fraction, high: Fraction, tolerance: float) -> arb:
        """The integral over [low, high], which holds no threshold inside."""
        missing = acb(ball(self._missing(low)))

        def integrand(s: acb, analytic: bool) -> acb:
            total = missing
            for threshold, jump in self.jumps.items():
                total += ball(jump) * self.error_at(threshold, s, analytic=analytic, to_the_left=high <= threshold)
            return total * total

        value = acb.integral(integrand, acb(ball(low)), acb(ball(high)), abs_tol=arb(tolerance), rel_tol=arb(2) ** -30)
        return value.real

    def _missing(self, at: Fraction) -> Fraction:
        """Σ jump·H − Σ wanted·H right of `at`."""
        wanted = self.jumps if self.wanted is None else self.wanted
        own, asked = (sum(jump for t, jump in part.items() if t <= at) for part in (self.jumps, wanted))
        return Fraction(own) - Fraction(asked)

    def error_at(self, threshold: Fraction, s: acb, *, analytic: bool, to_the_left: bool) -> acb:
        """g(s) − H(s − t̂), from whichever form of the dilogarithm does not overflow."""
        W, end = acb(ball(self.W)), dilog_of_exp(ball(self.W) * ball(1 - threshold), analytic)
        if to_the_left:
            u = ball(threshold) - s
            exponent = W * u * u / 2 + (acb.pi() ** 2 / 6 + dilog_of_exp(W * u, analytic) + end) / W
            return (-exponent).exp()
        return ((dilog_of_exp(W * (s - ball(threshold)), analytic) - end) / W).expm1()


def ball(number: Fraction | int) -> arb:
    """The exact number as a ball."""
    exact = Fraction(number)
    return arb(fmpq(exact.numerator, exact.denominator))


def dilog_of_exp(y: acb | arb, analytic: bool) -> acb:
    """Li₂(−e^{−y}); not a number where quadrature asks for analyticity and −e^{−y} may meet the cut [1, ∞)."""
    z = -(-acb(y)).exp()
    off_the_cut = abs(z) < 1 or z.real < 1 or z.imag != 0
    return acb("nan") if analytic and not off_the_cut else z.polylog(2)


def wavelet_steps(level: int, k: int, W: Fraction) -> Steps:
    """The three functions of Theorem 1 for ψ_{j,k} without its factor 2^{j/2}: jumps 1, −2, 1."""
    width = Fraction(1, 2**level)
    return Steps({k * width: Fraction(1), (k + Fraction(1, 2)) * width: Fraction(-2), (k + 1) * width: Fraction(1)}, W)


def wavelet_layer(level: int, inverse_epsilon: int) -> Weights:
    """Theorem 1's weights at a level for every k: B (3), W (1), thresholds (2^level, 3); W = 626·4^level ε^{−4}."""
    gains: dict[Index, Exact] = {(i,): jump * sympy.sqrt(2**level) for i, jump in enumerate((1, -2, 1))}
    halves: dict[Index, Exact] = {
        (k, i): Fraction(2 * k + i, 2 ** (level + 1)) for k in range(2**level) for i in range(3)
    }
    return {
        "B": ExactTensor((3,), 0, gains),
        "W": block((1,), 626 * 4**level * inverse_epsilon**4),
        "thresholds": ExactTensor((2**level, 3), 0, halves),
    }


# --- discretised ------------------------------------------------------------------------------------------------------


def discrete_step(f: Field, x: np.ndarray, threshold: Exact, W: Exact) -> np.ndarray:
    """Σ_{s≤t} g_c(s; t) x_s at every t, g_c(s; t) = exp(−Σ_{r=s}^t softplus(−W(r − c + ½))): about Σ_{s≥c} x_s.

    Eq. (8) on integers (no Δ on the input) as h_t = e^{−Δ_t}(h_{t−1} + x_t); x (..., L), tokens counted from 1. The
    sum starts at r = s: were it to start at s + 1, nothing would have closed the gate on x_{c−1} at t = c − 1.
    """
    positions = range(1, x.shape[-1] + 1)
    gates = f.softplus(f.array([-Fraction(W) * (r - Fraction(threshold) + Fraction(1, 2)) for r in positions]))
    with f.arithmetic():
        decay = np.broadcast_to(f.exp(-gates), x.shape)[..., None, None]
        return semantics.recurrence(f, decay, decay * x[..., None, None])[..., 0, 0]


def keep_two_channels(f: Field, x: np.ndarray, n: int, W: Exact) -> np.ndarray:
    """Corollary 2, amended: the step at n less the step at n + 1; y_t ≈ x_n for t ≥ n. x (..., L)."""
    with f.arithmetic():
        return discrete_step(f, x, n, W) - discrete_step(f, x, n + 1, W)


def keep_one_state(f: Field, x: np.ndarray, n: int, W: Exact, discretization: semantics.Discretization) -> np.ndarray:
    """S6 with one state, λ = 1 and Δ_t = softplus(−W(t − n − ½)), before its readout; y_t ≈ x_n up to it. x (L)."""
    ones = f.array(np.ones((len(x), 1), dtype=int))
    gates = f.softplus(f.array([-Fraction(W) * (t - n - Fraction(1, 2)) for t in range(1, len(x) + 1)]))
    A = f.array([[-1]])
    y = semantics.selective_scan(f, x[:, None], gates[:, None], A, ones, ones, discretization=discretization)
    return y[:, 0]


def discrete_wavelet(f: Field, x: np.ndarray, places: Sequence[int], W: Exact) -> np.ndarray:
    """Theorem 1 on integers: steps at a, b, c with factors 1, −2, 1; ≈ ⟨ψ, x⟩ for t ≥ c. x (..., L)."""
    first, middle, last = (discrete_step(f, x, place, W) for place in places)
    with f.arithmetic():
        return first - middle - middle + last
