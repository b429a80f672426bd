"""Checks in one dimension: signs and monotonicity, and convergence for μ < 0 with its bound and leading constants.

Every figure is a bound on the true solution: the collocation's value with its error, or a quadrature in Arb balls.
"""

from __future__ import annotations

import numpy as np

from mamba_theorems.constructions.token_dynamics.bounded import Path
from mamba_theorems.constructions.token_dynamics.quadrature import time_between
from mamba_theorems.verify.checks.check import Finding
from mamba_theorems.verify.checks.token_dynamics.law import (
    FORMULA,
    HALVED,
    REVERSED,
    SIGN,
    TOKENS,
    UNSHARED,
    Facts,
    Law,
    ScalarSystems,
    draw,
    finding,
    slow,
    tested,
    unreached,
    worst_reached,
)
from mamba_theorems.verify.settings import Run

LN2 = np.log(2)
Bounds = tuple[np.ndarray, np.ndarray]


def softplus(v: np.ndarray) -> np.ndarray:
    """ln(1 + e^v)."""
    return np.logaddexp(0, v)


def _steady(start: np.ndarray, path: Path, direction: int) -> float:
    """The largest |x_l| at a mark over the least at the next, or the other way round; infinite where a sign changes."""
    low, high = path.sizes
    if np.any(path.tokens[..., 0] * np.sign(start) <= 0):
        return np.inf
    size = np.abs(start)[None]
    low, high = np.concatenate([size, low]), np.concatenate([size, high])
    return worst_reached(high[1:], low[:-1]) if direction < 0 else worst_reached(high[:-1], low[1:])


def _falls(start: np.ndarray, path: Path) -> float:
    """The least that |x_l| can be at a mark over the most at the next; finite tokens hardly move at the end."""
    low, high = path.sizes
    if np.any(path.tokens[..., 0] * np.sign(start) <= 0):
        return np.inf
    return worst_reached(np.concatenate([np.abs(start)[None], low[:-1]]), high)


def _monotone(law: Law, run: Run) -> Finding:
    """Monotone from mark to mark, strictly where solutions last for ever, whatever the errors within their bounds."""
    shrinking, growing, ending = draw(run, -1), slow(run), draw(run, 1, salt=1)
    ending = ending.only(np.nonzero(ending.growing.any(1))[0])
    down, up, end = shrinking.follow(law), growing.follow(law), ending.follow_to_the_end(law)
    ratios = {
        "mu < 0": _steady(shrinking.start, down, -1),
        "mu > 0, slow": _steady(growing.start, up, 1),
        "mu > 0, a sure fall on the way to the end": _falls(ending.start, end),
        "10^8/t": max(unreached(down), unreached(up)),
    }
    count = sum(len(found.mu) for found in (shrinking, growing, ending))
    return finding(ratios, "signs kept and |x_l| strictly monotone", {"instances": count, "tokens": TOKENS})


# ------------------------------------------------------------------------------------------------ the bound


def size_bound(found: ScalarSystems, time: np.ndarray) -> np.ndarray:
    """The convergence theorem's bound on x_l², (marks, n, L)."""
    size = np.abs(found.start)
    least = softplus(-np.abs(found.S_delta)[:, None] * size)
    return 1 / (size**-2.0 + 2 * np.abs(found.mu)[:, None] * least * time[..., None])


def _bounded(law: Law, run: Run) -> Finding:
    found = draw(run, -1)
    path = found.follow(law)
    bound = size_bound(found, path.time) * (1 - FORMULA)
    ratios = {"x²/bound": worst_reached(path.sizes[1] ** 2, bound), "10^8/t": unreached(path)}
    facts: Facts = {"instances": len(found.mu), "tokens": TOKENS}
    return finding(ratios, "|x_l|² below 1/(x_l(0)^−2 + 2|μ|δt) up to t = 10^8", facts)


# ---------------------------------------------------------------------------------------- leading constants


def leading_constant_error(found: ScalarSystems, time: np.ndarray) -> np.ndarray:
    """E(t) of dynamics.1d-converge-rates: |x_1^{−2}/(2|μ| ln 2·t) − 1| ≤ E, (marks, n)."""
    mu, size, slope = np.abs(found.mu), np.abs(found.start[:, 0]), np.abs(found.S_delta)
    least = softplus(-slope * size)
    return 1 / (size**2 * 2 * mu * LN2 * time) + slope / LN2 * 2 / np.sqrt(2 * mu * least * time)


def inverse_squares(path: Path) -> Bounds:
    """Bounds on y_l = x_l^{−2}, (marks, n, L)."""
    low, high = path.sizes
    with np.errstate(divide="ignore"):
        return high**-2.0 * (1 - FORMULA), low**-2.0 * (1 + FORMULA)


def _rates(law: Law, run: Run) -> Finding:
    found = draw(run, -1)
    path = found.follow(law)
    y = inverse_squares(path)
    scale = 2 * np.abs(found.mu) * LN2 * path.time
    off = np.maximum(np.abs(y[0][..., 0] / scale - 1), np.abs(y[1][..., 0] / scale - 1))
    ratios = {
        "constant of x_1": worst_reached(off, leading_constant_error(found, path.time) * (1 - FORMULA)),
        "constant of x_2": _second_token(found, path.time, y),
        "time of x_1 against its integral": _first_token(found, path),
        "10^8/t": unreached(path),
    }
    facts: Facts = {"instances": len(found.mu)}
    return finding(ratios, "x_1 and x_2 approach √(K/t) and √(K(1−2^−a)/t) within the proved bounds", facts)


def _first_token(found: ScalarSystems, path: Path) -> float:
    """The time at the last mark over what the Arb integral needs to reach the token's bounds; both ways."""
    worst_ratio = 0.0
    low, high = (size[-1, :, 0] for size in path.sizes)
    for i, time in enumerate(path.time[-1]):
        ends = (np.copysign(size[i], found.start[i, 0]) for size in (low, high))
        numbers = (float(found.mu[i]), float(found.S_delta[i]), float(found.start[i, 0]))
        late, early = (time_between(*numbers, float(end)) if 0 < abs(end) < np.inf else None for end in ends)
        if late is None or early is None:
            return np.inf
        worst_ratio = max(worst_ratio, float((early / time).lower()), float((time / late).lower()))
    return worst_ratio / (1 + FORMULA)


def _second_token(found: ScalarSystems, time: np.ndarray, y: Bounds) -> float:
    """|v − v*| against its bound from mark to mark, v = y_2/t, v* = 1/(K(1 − r)): the last step of the rates' proof.

    e_q and e_p bound |q − 1/K| and |P − r| from a mark on; marks count once e_p < 1 − r.
    """
    r = 2.0**-found.decay
    target = 2 * np.abs(found.mu) * LN2 / (1 - r)
    e_q, e_p = _drive_errors(found, time)
    pulled = 1 - r - e_p
    ratio, allowed, compared = 0.0, np.full(len(found.mu), np.nan), 0
    for k in range(len(time) - 1):
        low, high = (bound[k : k + 2, :, 1] / time[k : k + 2] for bound in y)
        begun = np.maximum(np.abs(low[0] - target), np.abs(high[0] - target))
        allowed = np.where(np.isnan(allowed), begun, allowed)
        allowed = np.where(pulled[k] > 0, allowed, np.nan)
        with np.errstate(all="ignore"):
            pull = np.exp(-pulled[k] * np.log(time[k + 1] / time[k]))
            allowed = pull * allowed + (1 - pull) * (e_q + e_p * target)[k] / pulled[k]
        off = np.maximum(np.abs(low[1] - target), np.abs(high[1] - target))
        ratio = max(ratio, worst_reached(off, allowed * (1 - FORMULA)))
        compared += int(np.isfinite(allowed).sum())
    return ratio if compared else np.inf


def _drive_errors(found: ScalarSystems, time: np.ndarray) -> Bounds:
    """e_q ≥ |2|μ|Δ_2 − 1/K| and e_p ≥ |t·2|μ|e^{−aΔ_2}g_1 − r| from each mark on, (marks, n); infinite too early."""
    mu, weight = np.abs(found.mu), np.abs(found.S_delta)
    first, second = (np.sqrt(size_bound(found, time)[..., token]) for token in (0, 1))
    drift = leading_constant_error(found, time)
    with np.errstate(divide="ignore"):
        step = (1 + weight * first / LN2) * np.exp(found.decay * weight * second)
        e_p = np.where(drift < 1, 2.0**-found.decay * (step / (1 - np.minimum(drift, 1)) - 1), np.inf)
    return 2 * mu * weight * second, e_p


CHECKS = (
    tested("dynamics.1d-monotone", "signs-and-monotonicity-on-random-systems", _monotone, SIGN),
    tested("dynamics.1d-converge", "bound-to-time-1e8", _bounded, SIGN | HALVED),
    tested(
        "dynamics.1d-converge-rates",
        "leading-constants-to-time-1e8",
        _rates,
        SIGN | HALVED | {"decay left out": UNSHARED} | REVERSED,
    ),
)
