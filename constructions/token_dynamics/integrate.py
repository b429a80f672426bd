"""An integrator of the token system for every case: scipy's DOP853 in a clock of each solution's own.

dt/ds = (1 + t)/(1 + (1 + t)·rate), rate = Σ_l |x_l'|/|x_l|: slow solutions advance in ln t, far beyond t = 10^8, those
that blow up in ln|x|, as near to the end as wanted. A second run at a looser tolerance estimates the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853, solve_ivp

from constructions.token_dynamics.system import TokenSystem

TIGHT, LOOSE = 1e-11, 1e-8
FLOOR = 1e-2  # absolute part of the tolerance, relative to rtol and the smallest coordinate that matters
MAX_EVALUATIONS = 4_000


@dataclass(frozen=True)
class Trajectory:
    """Solutions at the marks of their own clocks: `time` (marks, n), `tokens` (marks, n, L, D).

    `error` (marks, n) is how far the runs at two tolerances lie apart, relative, in time and in every token;
    `time_error` in time alone.
    """

    time: np.ndarray
    tokens: np.ndarray
    error: np.ndarray
    time_error: np.ndarray

    @property
    def norms(self) -> np.ndarray:
        """|x_l|, (marks, n, L)."""
        return np.linalg.norm(self.tokens, axis=-1)


def integrate(
    system: TokenSystem, start: np.ndarray, marks: np.ndarray, tolerances: tuple[float, float] = (TIGHT, LOOSE)
) -> Trajectory:
    """Follow tokens from `start` (n, L, D), n solutions together, to the clock times `marks` (increasing, > 0).

    What the integrator cannot follow comes back as NaN.
    """
    tight, loose = (_run(system, start, marks, rtol) for rtol in tolerances)
    time, tokens = np.expm1(tight[0]), tight[1]
    apart = np.linalg.norm(tokens - loose[1], axis=-1) / np.linalg.norm(tokens, axis=-1)
    late = np.abs(time - np.expm1(loose[0])) / time
    return Trajectory(time, tokens, np.maximum(apart.max(-1), late), late)


def _run(system: TokenSystem, start: np.ndarray, marks: np.ndarray, rtol: float) -> tuple[np.ndarray, np.ndarray]:
    """ln(1 + t), (marks, n), and tokens (marks, n, L, D)."""
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
    shape = (len(marks), *start.shape)
    try:
        with np.errstate(all="ignore"):
            found = solve_ivp(
                flow, (0.0, marks[-1]), initial, method=DOP853, t_eval=marks, rtol=rtol, atol=rtol * FLOOR * 1e-6
            )
    except _GaveUp:
        return np.full((len(marks), count), np.nan), np.full(shape, np.nan)
    return found.y[:count].T, found.y[count:].T.reshape(shape)


class _GaveUp(ArithmeticError):
    """The right-hand side was evaluated too often, or left the floats."""


def time_left(system: TokenSystem, tokens: np.ndarray) -> np.ndarray:
    """At most how long solutions (n, L, 1) with mu > 0 go on: min over S_Δ x_l >= 0 of 1/(2 mu ln 2 x_l²)."""
    mu = system.form[..., 0, 0]
    growing = np.where(tokens[..., 0] * system.S_delta >= 0, np.abs(tokens[..., 0]), 0.0).max(-1)
    with np.errstate(divide="ignore"):
        return 1 / (2 * mu * np.log(2) * growing**2)
