"""Closed quadratures of the one-dimensional system, enclosed in Arb balls: the first token's time, and lives.

x' = μ x³ softplus(S_Δ x) for the first token, so t = ∫ dv/(μ v³ softplus(S_Δ v)) from x(0) to x(t).
"""

from __future__ import annotations

from collections.abc import Callable

from flint import acb, arb, ctx

PRECISION, WANTED = 256, 2.0**-45  # bits, and where quadrature may stop; the ball holds what is left
LATE = 32  # from this S_Δ v on the rest of a life is bounded in closed form


def time_between(mu: arb | float, S_delta: arb | float, start: float, end: arb | float) -> arb:
    """The time in which a first token goes from `start` to `end`, of the same sign: negative if it would go back."""
    slope, low, high = arb(S_delta), abs(arb(start)).log(), abs(arb(end)).log()
    slope = slope if start > 0 else -slope

    def pace(z: acb, analytic: bool) -> acb:
        size = z.exp()
        return 1 / (size**2 * _softplus(slope * size, analytic))

    return _integral(pace, low, high) / arb(mu)


def life(mu: float, slope: float, size: float) -> arb:
    """∫_X^∞ du/(μ u³ softplus(s u)), s > 0: the life of a token alone.

    From V = LATE/s on, v ≤ softplus(v) ≤ v + e^{−v} holds the rest between s²/(3·LATE³) and 1 − e^{−LATE}/LATE of it.
    """
    far = (arb(LATE) / arb(slope)).max(arb(size))
    rest = 1 / (3 * arb(slope) * far**3)
    shortest = rest * (1 - (-arb(slope) * far).exp() / (arb(slope) * far))
    return time_between(mu, slope, size, far) + shortest.union(rest) / arb(mu)


def _softplus(z: acb, analytic: bool) -> acb:
    return (1 + z.exp()).log(analytic=analytic)


def _integral(integrand: Callable[[acb, bool], acb], low: arb, high: arb) -> arb:
    with ctx.workprec(PRECISION):
        return acb.integral(integrand, acb(low), acb(high), rel_tol=arb(WANTED)).real
