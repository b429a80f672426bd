"""Certified solutions of the one-dimensional token system: Taylor steps in Arb balls, each with its remainder enclosed.

A step first finds a box that the solution cannot leave (Picard), then adds the Taylor polynomial at the start and the
remainder over the box. Source: Moore, Interval Analysis (1966). Time runs as dt/ds = 1/(1 + Σ_j x_j² Δ_j).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flint import arb, arb_series, ctx, fmpq

ORDER = 16
PRECISION = 128
LEAST_STEP = Fraction(1, 2**16)
WIDEST = 2.0**-50  # of one remainder, relative to the token


@dataclass(frozen=True)
class ScalarTokens:
    """mu, S_Δ and a of a one-dimensional system, exact."""

    mu: Fraction
    S_delta: Fraction
    decay: Fraction


@dataclass(frozen=True)
class Enclosure:
    """Balls that hold the time and every token at the same moment."""

    time: arb
    tokens: tuple[arb, ...]

    def time_left(self, system: ScalarTokens, token: int) -> arb:
        """An upper bound on the time until that token, mu > 0 and S_Δ x >= 0, blows up."""
        return 1 / (2 * _ball(system.mu) * arb(2).log() * self.tokens[token] ** 2)


def enclose(system: ScalarTokens, start: tuple[Fraction, ...], clock: Fraction, step: Fraction) -> Enclosure:
    """The solution from `start` at clock time `clock`, in steps of at most `step`.

    Raises ArithmeticError where no box holds even a small step: use a smaller `step` or `clock`.
    """
    with ctx.workprec(PRECISION):
        state, done = [arb(0), *map(_ball, start)], Fraction(0)
        while done < clock:
            size = min(step, clock - done)
            state = _advance(system, state, size)
            done += size
        return Enclosure(state[0], tuple(state[1:]))


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


def _advance(system: ScalarTokens, state: list[arb], step: Fraction) -> list[arb]:
    """State after `step`, in halves where no box holds it or the remainder is too wide."""
    remainder = _remainder(system, state, step)
    if remainder is None:
        if step < LEAST_STEP:
            raise ArithmeticError(f"no box holds a step of {step}: start with a smaller step, or stop earlier")
        return _advance(system, _advance(system, state, step / 2), step / 2)
    h = _ball(step)
    polynomial = _taylor(system, state, ORDER)
    return [sum((p[i] * h**i for i in range(ORDER)), arb(0)) + r for p, r in zip(polynomial, remainder, strict=True)]


def _remainder(system: ScalarTokens, state: list[arb], step: Fraction) -> list[arb] | None:
    """Lagrange's remainder over a box that holds the solution; None if there is no box or it is wider than WIDEST."""
    box = _box(system, state, step)
    if box is None:
        return None
    last = [series[ORDER] * _ball(step) ** ORDER for series in _taylor(system, box, ORDER + 1)]
    narrow = all(bool(r.rad() < WIDEST * (1 + abs(x).mid())) for r, x in zip(last, state, strict=True))
    return last if narrow else None


def _box(system: ScalarTokens, state: list[arb], step: Fraction) -> list[arb] | None:
    """A box Z with state + [0, step]·f(Z) inside Z; None if a few widenings find none."""
    span = _ball(step / 2) + arb(0, 1) * _ball(step / 2)
    box = state
    for _ in range(8):
        try:
            reach = [x + span * v for x, v in zip(state, _velocity(system, box), strict=True)]
        except ValueError:  # the box has grown until 1 + G may be 0
            return None
        if box is not state and all(z.contains(r) for z, r in zip(box, reach, strict=True)):
            return box
        box = [r + arb(0, 1) * (abs(r - x) / 4 + arb(2) ** -40) for x, r in zip(state, reach, strict=True)]
    return None


def _velocity(system: ScalarTokens, state: list[arb]) -> list[arb]:
    return [series[1] for series in _taylor(system, state, 2)]


def _taylor(system: ScalarTokens, state: list[arb], count: int) -> list[arb_series]:
    """The first `count` Taylor coefficients in the clock: x = x_0 + ∫ f(x), one more coefficient each round."""
    series = [arb_series([x], 1) for x in state]
    for terms in range(2, count + 1):
        saved, ctx.cap = ctx.cap, terms
        try:
            grown = [arb_series([s[i] for i in range(terms - 1)], terms) for s in series]
            flow = _flow(system, grown, terms)
            series = [
                arb_series([x, *(f[i] / (i + 1) for i in range(terms - 1))], terms)
                for x, f in zip(state, flow, strict=True)
            ]
        finally:
            ctx.cap = saved
    return series


def _flow(system: ScalarTokens, state: list[arb_series], terms: int) -> list[arb_series]:
    """Right-hand sides: 1/(1 + G) for the time, mu x_l g_l/(1 + G) for the tokens, G = Σ_j x_j² Δ_j."""
    mu, weight, decay = map(_ball, (system.mu, system.S_delta, system.decay))
    one = arb_series([1], terms)
    drive, total, driven = arb_series([0], terms), arb_series([0], terms), []
    for x in state[1:]:
        step = (one + (weight * x).exp()).log()
        own = x * x * step
        drive = (-decay * step).exp() * drive + own
        total = total + own
        driven.append(mu * x * drive)
    pace = one / (one + total)
    return [pace, *(v * pace for v in driven)]
