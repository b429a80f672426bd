"""Checks in one dimension, μ > 0: logarithmic growth, finite-time blow-up, and who is finite at the end.

Every figure is a bound on the true solution: the collocation's value with its error, or a quadrature in Arb balls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from flint import arb

from mamba_theorems.constructions.token_dynamics.bounded import Path, SolutionClock
from mamba_theorems.constructions.token_dynamics.quadrature import life, time_between
from mamba_theorems.verify.checks.check import Finding
from mamba_theorems.verify.checks.token_dynamics.law import (
    FORMULA,
    HALVED,
    REVERSED,
    SIGN,
    TOKENS,
    Law,
    ScalarSystems,
    draw,
    finding,
    instances,
    slow,
    tested,
    unreached,
    worst,
    worst_reached,
)
from mamba_theorems.verify.settings import Run

LN2 = np.log(2)
UNENDED = "solutions of which no end is known"


# ------------------------------------------------------------------------------------------- slow divergence


def _logarithmic(law: Law, run: Run) -> Finding:
    found = slow(run)
    path = found.follow(law)
    low, high = (size * np.abs(found.S_delta)[:, None] for size in path.sizes)
    low, high = low * (1 - FORMULA), high * (1 + FORMULA)
    settles, ahead = _settles(low, high)
    ratios = {
        "time of x_1 against its integral": _own_clock(found, path, 0, alone=True),
        "time of x_l over its own integral": max(_own_clock(found, path, token) for token in range(1, TOKENS)),
        "κt·u³e^{−u} against its bounds": _asymptote(found, path.time, low[..., 0], high[..., 0]),
        "u_1/u_l at the end": worst(high[-1, :, :1], low[-1, :, 1:]),
        "movement of u_2/u_1 over its bound": settles if ahead else np.inf,
        "10^8/t": unreached(path),
    }
    summary = "every token grows at least like ln t, the first as proved, the others lead it by a factor that settles"
    return finding(ratios, summary, {"instances": len(found.mu)})


FAR = 64.0  # no first token is there before t = e^50: the integral up to it is enough for one that is farther


def _own_clock(found: ScalarSystems, path: Path, token: int, *, alone: bool = False) -> float:
    """How long a token takes over its integral's time without the older ones; of the first, both are equal."""
    ratio = 0.0
    low, high = (size[-1, :, token] for size in path.sizes)
    for i, time in enumerate(path.time[-1]):
        numbers = (float(found.mu[i]), float(found.S_delta[i]), float(found.start[i, token]))
        if not abs(numbers[2]) < high[i] < np.inf:
            return np.inf
        end = min(high[i], max(FAR / abs(numbers[1]), 2 * abs(numbers[2])))
        latest = time_between(*numbers, np.copysign(end, numbers[2]))
        ratio = max(ratio, float((arb(time) / latest).lower()))
        if alone:
            soonest = time_between(*numbers, np.copysign(min(max(low[i], abs(numbers[2])), end), numbers[2]))
            ratio = max(ratio, float((soonest / arb(time)).lower()))
    return ratio / (1 + FORMULA)


FROM = 9.0


def _asymptote(found: ScalarSystems, time: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """1 − (u/u_0)³e^{u_0−u} ≤ κt·u³e^{−u} ≤ 1 + 6/u + (e^9 + 1)/(2u_0²)·u³e^{−u} for u ≥ 9: dynamics.1d-diverge-slow.

    u³e^{−u} falls there, so each side is largest or least at one end of [low, high].
    """
    kappa, start = found.mu / found.S_delta**2, np.abs(found.S_delta * found.start[:, 0])
    late = low >= FROM
    with np.errstate(all="ignore"):
        shrink_low, shrink_high = low**3 * np.exp(-low), high**3 * np.exp(-high)
        most = 1 + 6 / high + (np.exp(FROM) + 1) / (2 * start**2) * shrink_high
        least = 1 - np.exp(start) / start**3 * shrink_low
        above = kappa * time * shrink_low * (1 + FORMULA * (1 + low)) / most
        below = least / (kappa * time * shrink_high * (1 - FORMULA * (1 + high)))
    return worst_reached(np.where(late, np.maximum(above, below), 0), 1.0) if late.any(0).all() else np.inf


def _settles(low: np.ndarray, high: np.ndarray) -> tuple[float, int]:
    """The movement of ln(u_2/u_1) over the last quarter of the marks, against its bound; how many instances have one.

    0 ≤ movement ≤ 2(1 + ε)²e^{−εu_1}/(εu_1) from a mark on with u_1 ≥ 4 and u_2 ≥ (1 + ε)u_1 at it and after: what a
    token ahead of the first still gains (dynamics.1d-diverge-slow).
    """
    begin = -(len(low) // 4)
    ahead = (low[begin:, :, 1] / high[begin:, :, 0]).min(0) - 1
    sure = (ahead > 0) & (low[begin, :, 0] >= 4)
    ratio_low, ratio_high = np.log(low[..., 1] / high[..., 0]), np.log(high[..., 1] / low[..., 0])
    with np.errstate(all="ignore"):
        first = low[begin, :, 0]
        bound = 2 * (1 + ahead) ** 2 * np.exp(-ahead * first) / (ahead * first)
        rise = np.maximum(ratio_low[-1] - ratio_high[begin], 0)
        rises = np.where(rise > 0, rise / (bound * (1 + FORMULA * (1 + first))), 0)
        ratio = np.where(sure, np.where(ratio_high[-1] < ratio_low[begin], np.inf, rises), 0)
    return float(np.max(ratio)), int(sure.sum())


# -------------------------------------------------------------------------------------------------- blow-up


def _with_a_growing_token(run: Run, *, salt: int = 0) -> ScalarSystems:
    """Random instances with S_Δ x_l > 0 for some l."""
    found = draw(run, 1, salt=salt)
    signs = np.where(found.growing.any(1), 1, -1)
    return replace(found, S_delta=found.S_delta * signs)


def _lives(found: ScalarSystems) -> Iterator[tuple[int, int, arb]]:
    """(instance, token, life of that token alone) for every token with S_Δ x > 0."""
    for i, token in zip(*np.nonzero(found.growing), strict=True):
        numbers = (float(found.mu[i]), float(abs(found.S_delta[i])), float(abs(found.start[i, token])))
        yield int(i), int(token), life(*numbers)


def _ends(law: Law, run: Run) -> Finding:
    found = _with_a_growing_token(run)
    lowest, highest = found.life(found.follow_to_the_end(law))
    bound = 1 / (2 * found.mu * LN2 * np.where(found.growing, np.abs(found.start), 0).max(1) ** 2)
    integrals = max(float((arb(lowest[i]) / alone).lower()) for i, _, alone in _lives(found))
    ratios = {
        "T*/(1/(2μ ln 2·x²))": worst(lowest, bound * (1 + FORMULA)),
        "T*/the least integral": integrals,
    }
    none = {UNENDED: int(np.sum(np.isinf(highest)))}
    seen = finding(ratios, "every solution ends before its bound", {"instances": len(found.mu)}, none)
    with np.errstate(divide="ignore"):
        return replace(seen, measured={**seen.measured, "T* is known to": float(np.max(highest / lowest - 1))})


def _alone(law: Law, run: Run) -> Finding:
    found = draw(run, 1).tokens(1)
    found = replace(found, S_delta=np.sign(found.start[:, 0]) * np.abs(found.S_delta))
    return _one_token(law, found, "one token ends at its integral, and 2μ ln 2·x²·T_1 lies in [1 − 2sx/ln 2, 1]")


def _small_start(law: Law, run: Run) -> Finding:
    """x → 0: 2 mu ln 2 x² T_1 → 1, at x = 10^-1, …, 10^-5."""
    sizes = np.logspace(-1, -5, 9)
    ones = np.ones_like(sizes)
    found = ScalarSystems(ones, ones, ones, sizes[:, None])
    return _one_token(law, found, "the leading constant 1/(2μ ln 2·x²) is approached within 2sx/ln 2")


def _one_token(law: Law, found: ScalarSystems, summary: str) -> Finding:
    """A solution's end, known between two bounds, against its integral; and the integral against its leading term."""
    lowest, highest = found.life(found.follow_to_the_end(law))
    ratio, constant = 0.0, 0.0
    for i, _, alone in _lives(found):
        ratio = max(ratio, float((arb(lowest[i]) / alone).lower()), float((alone / arb(highest[i])).lower()))
        mu, slope, size = (arb(float(v)) for v in (found.mu[i], abs(found.S_delta[i]), abs(found.start[i, 0])))
        leading = 2 * mu * arb(2).log() * size**2
        least = 1 - 2 * slope * size / arb(2).log()
        constant = max(constant, float((leading * alone).upper()), float((least / (leading * alone)).upper()))
        constant = max(constant, float((leading * arb(lowest[i])).lower()))
    ratios = {
        "T_1 against its integral": ratio,
        "1/(2μ ln 2·x²) against its two bounds": constant,
    }
    return finding(ratios, summary, {"instances": len(found.mu)}, {UNENDED: int(np.sum(np.isinf(highest)))})


# ---------------------------------------------------------------------------------------------- mixed signs


def _draw_mixed(run: Run) -> ScalarSystems:
    """Random instances with tokens of both signs of S_Δ x."""
    wanted = instances(run)
    found = draw(run, 1, count=2 * wanted, salt=2)
    mixed = found.growing.any(1) & ~found.growing.all(1)
    return found.only(np.nonzero(mixed)[0][:wanted])


def _mixed(law: Law, run: Run) -> Finding:
    """At the end T* the tokens before the first that blows up are finite, it and all later ones are not.

    T_1 ≥ … ≥ T_L are the lives of the systems of the first l tokens, each known between two bounds; a token whose
    system surely outlives the whole one is finite at T*; the others move more, near the end, than any finite one.
    """
    found = _draw_mixed(run)
    path = found.follow_to_the_end(law)
    lowest, highest = _mixed_lives(found, law, path)
    outlives = (lowest > highest[:, -1:]) | _finite_at(found, law, highest[:, -1])
    slow_so_far = np.cumprod(~found.growing, axis=1).astype(bool)
    moved_least, moved_most = _movement(path)
    ratios = {
        "T_{l+1}/T_l": worst(lowest[:, 1:], highest[:, :-1]),
        "movement near the end, finite over infinite": worst(
            np.where(outlives, moved_most, 0).max(1), np.where(outlives, np.inf, moved_least).min(1)
        ),
    }
    none = {
        "slow tokens that may be first": int(np.sum(slow_so_far & ~outlives)),
        "finite after one that is not": int(np.sum(outlives[:, 1:] & ~outlives[:, :-1])),
        UNENDED: int(np.sum(np.isinf(highest[:, -1]))),
    }
    facts: dict[str, str | int] = {"instances": len(found.mu)}
    return finding(ratios, "finite before the first that blows up, infinite from it on", facts, none)


def _mixed_lives(found: ScalarSystems, law: Law, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on T_1, …, T_L, (n, L); T_l is infinite, as far as is known, where no token up to l grows fast."""
    lowest, highest = np.zeros(found.start.shape), np.full(found.start.shape, np.inf)
    for tokens in range(1, TOKENS + 1):
        some = np.nonzero(found.growing[:, :tokens].any(1))[0]
        part = found.only(some).tokens(tokens)
        run = path if tokens == TOKENS else part.follow_to_the_end(law)
        lowest[some, tokens - 1], highest[some, tokens - 1] = part.life(run)
    return lowest, highest


def _finite_at(found: ScalarSystems, law: Law, end: np.ndarray) -> np.ndarray:
    """Whether the slow tokens before the first that grows fast are surely finite at time `end`, (n, L)."""
    leading = np.cumprod(~found.growing, axis=1).sum(1)
    finite = np.zeros(found.start.shape, dtype=bool)
    for tokens in range(1, TOKENS):
        some = np.nonzero((leading == tokens) & np.isfinite(end))[0]
        if not len(some):
            continue
        part = found.only(some).tokens(tokens)
        clock = SolutionClock(end[some] * (1 + FORMULA))  # at s = ln 2 it shows `end`
        path = law.follow(part.system, part.start[..., None], clock, np.array([np.log(2) * (1 + FORMULA)]))
        finite[some, :tokens] = np.isfinite(path.error[-1]).all((-2, -1))[:, None]
    return finite


def _movement(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on how far ln|x_l| moves in the second half of the marks, up to the last with a bound, (n, L)."""
    (low, high), middle, each = path.sizes, len(path.time) // 2, np.arange(path.time.shape[1])
    with np.errstate(all="ignore"):
        return np.log(low[path.last, each] / high[middle]), np.log(high[path.last, each] / low[middle])


CHECKS = (
    tested("dynamics.1d-diverge-slow", "logarithmic-growth-beyond-time-1e8", _logarithmic, SIGN | HALVED | REVERSED),
    tested("dynamics.1d-blowup", "end-comes-before-its-bound", _ends, SIGN | HALVED),
    tested("dynamics.1d-blowup", "one-token-against-its-integral", _alone, SIGN | HALVED),
    tested("dynamics.1d-blowup", "leading-constant-at-small-starts", _small_start, SIGN | HALVED),
    tested("dynamics.1d-mixed", "who-is-finite-at-the-end", _mixed, SIGN | REVERSED),
)
