"""A quick integrator of the token system for pictures and for guesses of where a solution ends: scipy's DOP853.

Each solution has its own clock, dt/ds = (1 + t)/(1 + (1 + t)·rate), rate = Σ_l |x_l'|/|x_l|: slow ones advance in ln t,
far beyond t = 10^8, those that blow up in ln|x|. The integrator's error is not bounded here: `bounded` does that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853, solve_ivp

from mamba_theorems.constructions.token_dynamics.system import TokenSystem

RTOL, ATOL = 1e-10, 1e-18
MAX_EVALUATIONS = 4_000


@dataclass(frozen=True)
class Trajectory:
    """Solutions at the marks of their own clocks: `time` (marks, n), `tokens` (marks, n, L, D)."""

    time: np.ndarray
    tokens: np.ndarray

    @property
    def norms(self) -> np.ndarray:
        """|x_l|, (marks, n, L)."""
        return np.linalg.norm(self.tokens, axis=-1)


def integrate(system: TokenSystem, start: np.ndarray, marks: np.ndarray) -> Trajectory:
    """Follow tokens from `start` (n, L, D), n solutions together, to the clock times `marks` (increasing, > 0).

    What the integrator cannot follow comes back as NaN.
    """
    count, evaluations = start.shape[0], 0

    def flow(_: float, y: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        x, elapsed = y[count:].reshape(start.shape), np.exp(y[:count])
        velocity = elapsed[:, None, None] * system.velocity(x)
        rate = (np.linalg.norm(velocity, axis=-1) / np.linalg.norm(x, axis=-1)).sum(-1)
        if evaluations > MAX_EVALUATIONS or not np.all(np.isfinite(rate)):
            raise _GaveUp
        return np.concatenate([1 / (1 + rate), (velocity / (1 + rate)[:, None, None]).ravel()])

    initial = np.concatenate([np.zeros(count), start.ravel()])
    try:
        with np.errstate(all="ignore"):
            found = solve_ivp(flow, (0.0, marks[-1]), initial, method=DOP853, t_eval=marks, rtol=RTOL, atol=ATOL)
    except _GaveUp:
        return Trajectory(np.full((len(marks), count), np.nan), np.full((len(marks), *start.shape), np.nan))
    return Trajectory(np.expm1(found.y[:count].T), found.y[count:].T.reshape(len(marks), *start.shape))


class _GaveUp(ArithmeticError):
    """The right-hand side was evaluated too often, or left the floats."""


def ends_about(system: TokenSystem, start: np.ndarray, reach: float = 7.0) -> np.ndarray:
    """Roughly when each solution ends, (n): when ln|x| has moved by `reach` a token; or, without an end, a time."""
    return integrate(system, start, np.array([reach * start.shape[1]])).time[-1]


def time_left(system: TokenSystem, sizes: np.ndarray, growing: np.ndarray) -> np.ndarray:
    """At most how long solutions with mu > 0 go on, sizes |x_l| and `growing` = S_Δ x_l ≥ 0 both (n, L).

    The least of 1/(2 mu ln 2 X²) and 1/(3 mu s X³), for softplus(sX) is at least ln 2 and at least sX.
    """
    mu, slope = system.form[..., 0, 0], np.abs(system.S_delta[..., 0])
    largest = np.where(growing, sizes, 0.0).max(-1)
    with np.errstate(divide="ignore"):
        return np.minimum(1 / (2 * mu * np.log(2) * largest**2), 1 / (3 * mu * slope * largest**3))
