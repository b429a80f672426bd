"""Checks of the one-dimensional theorems on a thousand random systems each, to t = 10^8 and to the end of blow-ups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.integrate import quad

from constructions.token_dynamics.integrate import Trajectory, time_left
from verify.check import Examination, Finding, Run
from verify.checks.token_dynamics.law import (
    ANTICAUSAL,
    FLIPPED,
    LAST_TIME,
    LINEAR,
    SLOWER,
    TOKENS,
    TRUE,
    UNSHARED,
    Instances,
    Law,
    draw,
    finding,
    slow,
    worst,
)
from verify.evidence import Kind

LN2 = np.log(2)
LONG = np.arange(2.0, 80.0, 4.0)
SLOW = np.arange(2.0, 80.0, 4.0)
SHORT = np.arange(4.0, 65.0, 4.0)
QUADRATURES = 100


def softplus(v: np.ndarray) -> np.ndarray:
    """ln(1 + e^v)."""
    return np.logaddexp(0, v)


def _steady(start: np.ndarray, path: Trajectory, direction: int) -> float:
    """The largest step of ln|x| against `direction`, over its room for error; infinite where a sign changes."""
    tokens = np.concatenate([start[None], path.tokens[..., 0]])
    if np.any(np.isfinite(tokens) & (np.sign(tokens) != np.sign(start))):
        return np.inf
    backward = -direction * np.diff(np.log(np.abs(tokens)), axis=0)
    return worst(backward, 2 * path.error[..., None])


def _monotone(law: Law, run: Run) -> Finding:
    shrinking, growing, ending = draw(run, -1), slow(run), draw(run, 1, salt=1)
    ratios = {
        "mu < 0": _steady(shrinking.start, shrinking.follow(law, LONG), -1),
        "mu > 0, slow": _steady(growing.start, growing.follow(law, SLOW), 1),
        "mu > 0, to the end": _steady(ending.start, ending.follow(law, SHORT), 1),
    }
    return finding(ratios, "signs kept and |x_l| monotone", {"instances": 3000, "tokens": TOKENS})


# ---------------------------------------------------------------------------------------------- convergence


def _bounded(law: Law, run: Run) -> Finding:
    found = draw(run, -1)
    path = found.follow(law, LONG)
    size = np.abs(found.start)
    least = softplus(-np.abs(found.S_delta)[:, None] * size)
    bound = 1 / (size**-2.0 + 2 * np.abs(found.mu)[:, None] * least * path.time[..., None])
    room = 1 + 4 * path.error[..., None]
    ratios = {"x²/bound": worst(path.norms**2, bound * room), "10^8/t": LAST_TIME / float(path.time[-1].min())}
    return finding(ratios, "|x_l|² below 1/(x_l(0)^−2 + 2|μ|δt) up to t = 10^8")


def leading_constant_error(found: Instances, time: np.ndarray) -> np.ndarray:
    """A bound on |y_1/(2|mu| ln 2·t) − 1|, y = x^−2: |softplus(v) − ln 2| ≤ |v| and ∫|x_1| ≤ 2√t/√(2|mu|δ)."""
    mu, size = np.abs(found.mu), np.abs(found.start[:, 0])
    least = softplus(-np.abs(found.S_delta) * size)
    begun = 1 / (size**2 * 2 * mu * LN2 * time)
    return begun + np.abs(found.S_delta) / LN2 * 2 / np.sqrt(2 * mu * least * time)


def _rates(law: Law, run: Run) -> Finding:
    found = draw(run, -1)
    path = found.follow(law, LONG)
    scale = 2 * np.abs(found.mu) * LN2 * path.time
    first = np.abs(path.norms[..., 0] ** -2.0 / scale - 1)
    later = _second_token(found, path)
    ratios = {
        "constant of x_1": worst(first, leading_constant_error(found, path.time) + 4 * path.error),
        "constant of x_2": later,
        "10^8/t": LAST_TIME / float(path.time[-1].min()),
    }
    return finding(ratios, "x_1 and x_2 approach √(K/t) and √(K(1−2^−a)/t) within the derived bounds")


def _second_token(found: Instances, path: Trajectory) -> float:
    """|v − v*| against its bound along ln t, v = y_2/t, v* = 1/(K(1 − r)): v_τ = q − (1 − tp)v, errors e_q, e_p."""
    strong = found.decay > 1
    some, time = found.only(strong), path.time[:, strong]
    y = path.norms[:, strong] ** -2.0
    mu, weight = np.abs(some.mu), np.abs(some.S_delta)
    r, target = 2.0**-some.decay, 2 * mu * LN2 / (1 - 2.0**-some.decay)
    sizes = [_size_bound(some, token, time) for token in (0, 1)]
    drift = leading_constant_error(some, time)
    e_q = 2 * mu * weight * sizes[1]
    e_p = r * ((1 + weight * sizes[0] / LN2) * np.exp(some.decay * weight * sizes[1]) / (1 - drift) - 1)
    late = np.all((drift < 0.5) & (e_p < (1 - r) / 2), axis=1)
    if late.sum() <= 3:
        return np.inf
    allowed = np.abs(y[late][0, :, 1] / time[late][0] - target)
    ratio = 0.0
    for k in range(1, int(late.sum())):
        past, now = (rows[late][k - 1 : k + 1] for rows in (time, y[..., 1]))
        span = np.log(past[1] / past[0])
        pull = np.exp(-(1 - r - e_p[late][k - 1]) * span)
        allowed = pull * allowed + (1 - pull) * (e_q + e_p * target)[late][k - 1] / (1 - r - e_p[late][k - 1])
        room = 4 * path.error[:, strong][late][k] * now[1] / past[1]
        ratio = max(ratio, worst(np.abs(now[1] / past[1] - target), allowed + room))
    return ratio


def _size_bound(found: Instances, token: int, time: np.ndarray) -> np.ndarray:
    """The convergence theorem's bound on |x_l|."""
    size = np.abs(found.start[:, token])
    least = softplus(-np.abs(found.S_delta) * size)
    return (size**-2.0 + 2 * np.abs(found.mu) * least * time) ** -0.5


# ------------------------------------------------------------------------------------------- slow divergence


def _clock(found: Instances, i: int, end: float) -> float:
    """∫ from u_1(0) to u of dv/(κ v³ softplus(−v)), by QUADPACK: the first token's time, independently.

    NaN where `end` is not a size that a slow token can have: not above its start, or beyond the floats.
    """
    u0 = abs(found.S_delta[i] * found.start[i, 0])
    kappa = abs(found.mu[i]) / found.S_delta[i] ** 2
    if not u0 < end < 600:
        return np.nan
    value, _ = quad(lambda v: np.exp(-end) / (v**3 * np.log1p(np.exp(-v))), u0, end, epsrel=1e-10, limit=200)
    return value * np.exp(end) / kappa


def _logarithmic(law: Law, run: Run) -> Finding:
    found = slow(run)
    path = found.follow(law, SLOW)
    u = path.norms * np.abs(found.S_delta)[:, None]
    end = u[-1, :, 0]
    exact = np.array([_clock(found, i, end[i]) for i in range(QUADRATURES)])
    log_k = np.log(found.mu / found.S_delta**2)
    log_t = np.log(path.time)
    gap = np.abs(u[..., 0] - log_t - 3 * np.log(np.maximum(log_t, 1.01)) - log_k)
    later = path.time > 1e4
    some = path.error[-1, :QUADRATURES]
    ratios = {
        "time of x_1 against its integral": worst(
            np.abs(path.time[-1, :QUADRATURES] / exact - 1), 4 * (1 + end[:QUADRATURES]) * some + 1e-10
        ),
        "u_1 − (ln t + 3 ln ln t + ln κ), last/before": _shrinks(gap, later),
        "u_1/u_l at the end": worst(u[-1, :, :1] / u[-1, :, 1:], 1.0),
        "change of u_l/u_1 in the last stretch": _settles(u),
        "10^8/t": LAST_TIME / float(path.time[-1].min()),
    }
    return finding(ratios, "every token Θ(ln t), the first as predicted, the others ahead by a constant factor")


def _shrinks(gap: np.ndarray, later: np.ndarray) -> float:
    """The last distance from the asymptote over the one when t first exceeds 10^4, the worst instance."""
    begin = np.argmax(later, axis=0)
    return worst(gap[-1], gap[begin, np.arange(gap.shape[1])])


def _settles(u: np.ndarray) -> float:
    """How far u_l/u_1 moves in the last quarter, over how far it moved in the quarter before."""
    ratio, quarter = u[..., 1:] / u[..., :1], len(u) // 4
    last, before = (np.abs(ratio[a] - ratio[b]) for a, b in ((-1, -quarter), (-quarter, -2 * quarter)))
    return worst(last, before + 1e-6 * ratio[-1])


# -------------------------------------------------------------------------------------------------- blow-up


def _life(mu: float, slope: float, size: float) -> float:
    """∫_{X_0}^∞ du/(μu³ softplus(su)), with u = X_0/w, by QUADPACK."""
    value, _ = quad(lambda w: w / np.logaddexp(0, slope * size / w) if w else 0.0, 0, 1, epsrel=1e-12)
    return value / (mu * size**2)


def _ends(law: Law, run: Run) -> Finding:
    found = draw(run, 1)
    signs = np.where(np.all(found.S_delta[:, None] * found.start < 0, axis=1), -1, 1)
    found = Instances(found.mu, found.S_delta * signs, found.decay, found.start)
    path = found.follow(law, SHORT)
    latest = path.time[-1] + time_left(found.system, path.tokens[-1])
    size = np.where(found.S_delta[:, None] * found.start >= 0, np.abs(found.start), 1e-9)
    bound = 1 / (2 * found.mu * LN2 * size.max(1) ** 2)
    some = range(QUADRATURES)
    integral = [min(_life(found.mu[i], abs(found.S_delta[i]), x) for x in size[i] if x > 1e-8) for i in some]
    ratios = {
        "T*/(1/(2μ ln 2·x²))": worst(path.time[-1] * (1 - 4 * path.error[-1]), bound),
        "T*/min of the integrals": worst(path.time[-1, some] * (1 - 4 * path.error[-1, some]), np.array(integral)),
        "time left at the end, relative": worst(latest - path.time[-1], 1e-6 * latest),
    }
    return finding(ratios, "every solution ends before its bound")


def _alone(law: Law, run: Run) -> Finding:
    found = draw(run, 1).first_token()
    found = Instances(found.mu, np.sign(found.start[:, 0]) * np.abs(found.S_delta), found.decay, found.start)
    path = found.follow(law, SHORT)
    left = time_left(found.system, path.tokens[-1])
    size, slope = np.abs(found.start[:, 0]), np.abs(found.S_delta)
    constant = path.time[-1] * 2 * found.mu * LN2 * size**2
    some = slice(QUADRATURES)
    exact = np.array([_life(*row) for row in zip(found.mu[some], slope[some], size[some], strict=True)])
    room = 4 * path.error[-1] + left / path.time[-1]
    ratios = {
        "T_1 against its integral": worst(np.abs(path.time[-1, some] / exact - 1), room[some] + 1e-11),
        "1/(2μ ln 2·x²), from above": worst(constant, 1 + room),
        "1/(2μ ln 2·x²), from below": worst(1 - 2 * slope * size / LN2, np.abs(constant) * (1 + room)),
    }
    return finding(ratios, "one token ends at its integral, and 2μ ln 2·x²·T_1 lies in [1 − 2sx/ln 2, 1]")


def _small_start(law: Law, run: Run) -> Finding:
    """x → 0: 2 mu ln 2 x² T_1 → 1, at x = 10^-1, …, 10^-5."""
    sizes = np.logspace(-1, -5, 9)
    ones = np.ones_like(sizes)
    found = Instances(ones, ones, ones, sizes[:, None])
    path = found.follow(law, np.array([20.0, 60.0]))
    constant = path.time[-1] * 2 * LN2 * sizes**2
    ratios = {"|constant − 1|": worst(np.abs(constant - 1), 2 * sizes / LN2 + 4 * path.error[-1])}
    return finding(ratios, "the leading constant 1/(2μ ln 2·x²) is approached", {"instances": len(sizes)})


def _mixed(law: Law, run: Run) -> Finding:
    """At the end, tokens before the first that blows up are finite; it and all later ones are not.

    Which is the first comes from the lives T_1 ≥ … ≥ T_L of the systems of the first l tokens, run one by one.
    """
    found = draw(run, 1, count=400, salt=2)
    mixed = (found.S_delta[:, None] * found.start > 0).sum(1)
    found = found.only((mixed > 0) & (mixed < TOKENS))
    path = found.follow(law, SHORT)
    outlives = np.stack([_outlives(found, law, tokens, path) for tokens in range(1, TOKENS + 1)], axis=1)
    moved = np.abs(np.log(path.norms[-1] / path.norms[len(SHORT) // 2]))
    finite, infinite = np.where(outlives, moved, 0.0).max(1), np.where(outlives, np.inf, moved).min(1)
    slow_so_far = np.cumprod(found.S_delta[:, None] * found.start < 0, axis=1).astype(bool)
    left = time_left(found.system, path.tokens[len(SHORT) // 2])
    rates = np.abs(found.system.rates(path.tokens[-1]))
    ratios = {
        "movement near the end, finite over infinite": worst(finite, infinite),
        "movement of the finite over rate × time left": worst(
            np.where(outlives, moved, 0).T, 4 * (rates.T * left + 1e-9)
        ),
        "slow tokens that blow up first": 2.0 * float(np.max(slow_so_far & ~outlives)),
    }
    return finding(ratios, "finite before the first that blows up, infinite from it on", {"instances": len(found.mu)})


def _outlives(found: Instances, law: Law, tokens: int, whole: Trajectory) -> np.ndarray:
    """Whether the first `tokens` tokens alone live longer than all together, (n)."""
    part = replace(found, start=found.start[:, :tokens])
    path = part.follow(law, SHORT)
    room = whole.time_error[-1] + path.time_error[-1] + np.finfo(float).eps
    return path.time[-1] > whole.time[-1] * (1 + 4 * room)


SIGN = {"mu's sign flipped": FLIPPED}
CHECKS = (
    Examination(
        claim="dynamics.1d-monotone",
        name="signs and monotonicity on random systems",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "steps that may be negative": LINEAR},
        look=_monotone,
    ),
    Examination(
        claim="dynamics.1d-converge",
        name="the bound, to t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER},
        look=_bounded,
    ),
    Examination(
        claim="dynamics.1d-converge-rates",
        name="leading constants at t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER, "decay left out": UNSHARED, "driven by later tokens": ANTICAUSAL},
        look=_rates,
    ),
    Examination(
        claim="dynamics.1d-diverge-slow",
        name="logarithmic growth beyond t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER, "driven by later tokens": ANTICAUSAL},
        look=_logarithmic,
    ),
    Examination(
        claim="dynamics.1d-blowup",
        name="the end comes before its bound",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER},
        look=_ends,
    ),
    Examination(
        claim="dynamics.1d-blowup",
        name="one token, against its integral",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER},
        look=_alone,
    ),
    Examination(
        claim="dynamics.1d-blowup",
        name="the leading constant as x → 0",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER},
        look=_small_start,
    ),
    Examination(
        claim="dynamics.1d-mixed",
        name="who is finite at the end",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "driven by later tokens": ANTICAUSAL},
        look=_mixed,
    ),
)
