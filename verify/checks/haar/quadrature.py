"""L² and sup errors of S6 functions by certified quadrature on Arb balls: Theorem 1, Corollary 1, the decaying clock.

No sums on a grid: every figure is an enclosure of the integral itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

import sympy as sp
from flint import acb, arb
from hypothesis import strategies as st

from mamba_theorems.constructions.haar import Steps, wavelet_steps
from mamba_theorems.constructions.haar.heavisides import ball
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.haar.heaviside import sufficient_w
from mamba_theorems.verify.checks.case import Ratio, Record, Several, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.settings import Run, Tier

LEVELS = 6
ERRORS = (Fraction(1, 2), Fraction(1, 4), Fraction(1, 8))
SLACK = 2
"""W(ε, j)/2 must already miss ε: the printed figure is within a factor 2 of the smallest that works."""
RESOLUTION = Fraction(1, 2**9)


# --- Theorem 1, amended -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Theorem1:
    """The construction under examination: its W, and the jumps it uses for a wavelet."""

    w: Callable[[Fraction, int], Fraction]
    steps: Callable[[int, int, Fraction], Steps] = wavelet_steps

    def relative_error(self, level: int, k: int, w: Fraction, error: Fraction) -> arb:
        """‖ψ_{j,k} − (g₁ − 2g₂ + g₃)‖²/ε², as a ball."""
        target = error * error
        tolerance = float(target * RESOLUTION) / 2**level
        return self.steps(level, k, w).squared_error(tolerance) * ball(2**level / target)


def proved_w(error: Fraction, level: int) -> Fraction:
    """W(ε, j) of haar.thm1-amended."""
    return Fraction(str(sufficient_w(sp.Integer(level), sp.Rational(error.numerator, error.denominator))))


def _positions(level: int, run: Run) -> list[int]:
    """All k for the upper bound; for the lower one, in the quick tier, the ends and the middle."""
    last = 2**level - 1
    return list(range(last + 1)) if run.tier is not Tier.QUICK else sorted({0, last // 2, last})


def _theorem1_look(subject: Theorem1, run: Run) -> Finding:
    """error ≤ ε at W(ε, j), and > ε at half of it."""
    worst, least, count = arb(0), arb("inf"), 0
    for level in range(LEVELS + 1 if run.shrink else 3):
        for error in ERRORS:
            w = subject.w(error, level)
            for k in range(2**level):
                worst, count = worst.max(subject.relative_error(level, k, w, error)), count + 1
                if not worst <= 1:
                    return _missed(level, k, error, w, f"the squared error is {worst.str(4)} of ε²")
            for k in _positions(level, run):
                least = least.min(subject.relative_error(level, k, w / SLACK, error))
                if not least > 1:
                    why = f"W/{SLACK} is enough already: {least.str(4)} of ε²"
                    return replace(_missed(level, k, error, w, why), case=None)
    facts: dict[str, str | int] = {
        "wavelets": f"all (j, k) with j ≤ {LEVELS}",
        "errors": ", ".join(map(str, ERRORS)),
        "integrals at W": count,
        "smallest W that works": f"> W(ε, j)/{SLACK}",
    }
    figures = {"largest ‖error‖²/ε² at W": float(worst.upper()), "least at W/2": float(least.lower())}
    return Finding(True, "", facts, figures)


def _missed(level: int, k: int, error: Fraction, w: Fraction, why: str) -> Finding:
    case = {"j": level, "k": k, "error": str(error), "W": str(w)}
    return Finding(False, f"j = {level}, k = {k}, ε = {error}, W = {float(w):.4g}: {why}", case=case)


def _missed_again(subject: Theorem1, case: Any, run: Run) -> Finding:
    """Whether the error of one wavelet with one W is at most ε."""
    square = subject.relative_error(case["j"], case["k"], Fraction(case["W"]), Fraction(case["error"]))
    return Finding(bool(square <= 1), f"the squared error is {square.str(4)} of ε²", case=case)


WAVELETS = Record(
    {"j": Whole(0, 9), "k": Whole(0, 511), "error": Ratio(Fraction(1, 100), 10), "W": Ratio(1, 10**12)},
    together=lambda case: "" if case["k"] < 2 ** case["j"] else f'"k" is below 2^j = {2 ** case["j"]}',
)


def _shifted(level: int, k: int, w: Fraction) -> Steps:
    """The middle breakpoint an eighth of the wavelet too late."""
    steps = wavelet_steps(level, k, w)
    middle = Fraction(2 * k + 1, 2 ** (level + 1))
    late = middle + Fraction(1, 2 ** (level + 3))
    return replace(
        steps, jumps={late if t == middle else t: jump for t, jump in steps.jumps.items()}, wanted=steps.jumps
    )


THEOREM1 = Theorem1(proved_w)
QUADRATURE = Examination(
    claim="haar.thm1-amended",
    name="l2-error-at-the-proved-w",
    kind=Kind.CERTIFIED,
    subject=THEOREM1,
    mutants={
        "W half as large": replace(THEOREM1, w=lambda e, j: proved_w(e, j) / 2),
        "2^j for 4^j": replace(THEOREM1, w=lambda e, j: proved_w(e, j) / 2**j),
        "W three times as large": replace(THEOREM1, w=lambda e, j: 3 * proved_w(e, j)),
        "middle breakpoint late": replace(THEOREM1, steps=_shifted),
    },
    look=_theorem1_look,
    again=_missed_again,
    case=WAVELETS,
)


# --- Theorem 1, printed -----------------------------------------------------------------------------------------------


def _sup_look(distance: Fraction, run: Run) -> Finding:
    """At s → ½ from the left ψ = 1; the three functions' value there gives |error| ≥ 1, nearly 2 for large W.

    The printed construction for ψ_{0,0} is looked at in a distance from the middle breakpoint.
    """
    errors = [_error_at(Fraction(1, 2) - distance, Fraction(10**power)) for power in (1, 2, 4, 8)]
    refutes = all(e > 1 for e in errors) and errors[-1] > ball(Fraction(199, 100))
    figures = {"sup error at least, W = 10^8": float(errors[-1].lower())}
    case = {"s": "1/2", "W": 10**8, "epsilon": "1/2"}
    text = "j = k = 0: at s = ½ from the left the three functions miss ψ = 1 by more than 1 at W = 10 … 10⁸, → 2"
    return Finding(refutes, text if refutes else "the error is below 1 here", {"W": "10, 10², 10⁴, 10⁸"}, figures, case)


def _sup_again(distance: Fraction, case: Any, run: Run) -> Finding:
    """Whether the three functions with one W miss ψ_{0,0} by more than ε at one s; at the jump, from the left."""
    s, w, allowed = (Fraction(case[name]) for name in ("s", "W", "epsilon"))
    error = _error_at(s - distance, w)
    side = " from the left" if s - distance == Fraction(1, 2) else ""
    word = "more than" if error > ball(allowed) else "at most" if error <= ball(allowed) else "about"
    said = (
        f"at s = {s - distance}{side} the three functions with W = {w} miss ψ_{{0,0}} by {error.str(6, radius=False)}"
    )
    return Finding(word == "more than", f"{said}, which is {word} ε = {allowed}", case=case)


def _error_at(s: Fraction, w: Fraction) -> arb:
    steps = wavelet_steps(0, 0, w)
    point = acb(ball(s))
    total = sum(
        (ball(jump) * steps.error_at(t, point, analytic=False, to_the_left=s < t) for t, jump in steps.jumps.items()),
        acb(0),
    )
    at_the_jump = ball(-2 if s == Fraction(1, 2) else 0)
    return abs(total.real + at_the_jump)


PRINTED = Examination(
    claim="haar.thm1",
    name="sup-error-above-one",
    kind=Kind.REFUTED,
    subject=Fraction(0),
    mutants={"away from the breakpoint": Fraction(1, 100), "far away from it": Fraction(1, 5)},
    look=_sup_look,
    again=_sup_again,
    case=Record(
        {"s": Ratio(0, 1), "W": Ratio(0, 10**12, open=True), "epsilon": Ratio(0, 10**12, open=True)},
    ),
)


# --- Corollary 1: m jumps ---------------------------------------------------------------------------------------------


PLACES = st.shared(st.lists(st.integers(0, 60), min_size=1, max_size=5, unique=True).map(sorted), key="places")
JUMP = st.integers(1, 9).flatmap(lambda size: st.sampled_from([size, -size]))


@dataclass(frozen=True)
class JumpCase:
    """A piecewise-constant function by its jumps at multiples of 1/64, and the wanted error as a share of Σ|jump|."""

    places: Annotated[list[int], Several(Whole(0, 60), 1, 5, rising=True), PLACES]
    jumps: Annotated[
        list[int],
        Several(Whole(-9, 9), 1, 5),
        PLACES.flatmap(lambda places: st.tuples(*[JUMP] * len(places)).map(list)),
    ]
    share: Annotated[int, Whole(2, 16)]

    def together(self) -> str:
        """A jump a place, none of them 0."""
        fits = len(self.jumps) == len(self.places) and all(self.jumps)
        return "" if fits else f'"jumps" are {len(self.places)} whole numbers other than 0, one a place'


@dataclass(frozen=True)
class Jumps:
    """W = factor·(S/η)⁴, and how many of the jumps the network knows."""

    factor: Fraction = Fraction(5, 2)
    forgotten: int = 0


def _jump_score(subject: Jumps, case: JumpCase, run: Run) -> Score:
    """‖f − Σ jump·g‖²/η², an upper end of its ball."""
    share = Fraction(1, case.share)
    size = sum(map(abs, case.jumps))
    jumps = {Fraction(p, 64): Fraction(a) for p, a in zip(case.places, case.jumps, strict=True)}
    known = dict(list(jumps.items())[subject.forgotten :])
    target = ball((size * share) ** 2)
    error = Steps(known, subject.factor / share**4, jumps).squared_error(float(target) / 2**9)
    return Score(float((error / target).upper()), "error/bound")


EXACT_JUMPS: Property = Property(
    claim="haar.exact-jumps",
    name="l2-error-as-small-as-wanted",
    subject=Jumps(),
    mutants={"W a thousand times too small": Jumps(Fraction(1, 1000)), "one function too few": Jumps(forgotten=1)},
    cases=drawn(JumpCase),
    score=_jump_score,
    examples=25,
    facts={"kernel": "eq. (8), certified quadrature"},
)


# --- the decaying clock -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DecayingClockCase:
    """λ, W, t̂ and a distance, all rationals given by their numerators over 16."""

    rate: Annotated[int, Whole(1, 64)]
    w: Annotated[int, Whole(1, 1600)]
    threshold: Annotated[int, Whole(1, 15)]
    distance: Annotated[int, Whole(1, 15)]


@dataclass(frozen=True)
class ClockBounds:
    """The two bounds of haar.clock on the exponent, as functions of (λ, W, t̂, distance)."""

    left: Callable[[arb, arb, arb, arb], arb]
    right: Callable[[arb, arb], arb]


def _clock_score(subject: ClockBounds, case: DecayingClockCase, run: Run) -> Score:
    """The worse of bound/exponent to the left of t̂ and exponent/bound to the right."""
    rate, w, threshold = (ball(Fraction(n, 16)) for n in (case.rate, case.w, case.threshold))
    one, last = arb(1), ball(Fraction(min(case.distance, case.threshold), 16))
    left = subject.left(rate, w, threshold, last) / _clock_exponent(rate, w, threshold, threshold - last, one)
    later = ball(Fraction(min(case.threshold + case.distance, 16), 16))
    right = _clock_exponent(rate, w, threshold, later, one) / subject.right(rate, w)
    return Score(float(left.max(right).upper()), "error/bound")


def _clock_exponent(rate: arb, w: arb, threshold: arb, low: arb, high: arb) -> arb:
    """∫ softplus(−W(τ(r) − τ(t̂))) dr; the integrand is analytic where 1 + e^… keeps off the negative axis."""

    def gate(r: acb, analytic: bool) -> acb:
        argument = 1 + (w * ((-rate * r).exp() - (-rate * threshold).exp()) / rate).exp()
        return argument.log(analytic=analytic)

    return acb.integral(gate, acb(low), acb(high), abs_tol=arb(2) ** -40, rel_tol=arb(2) ** -30).real


CLOCK_BOUNDS = ClockBounds(
    left=lambda rate, w, threshold, u: w * (-rate * threshold).exp() * u * u / 2,
    right=lambda rate, w: arb.pi() ** 2 * rate.exp() / (12 * w),
)
CLOCK: Property = Property(
    claim="haar.clock",
    name="tails-within-their-bounds",
    subject=CLOCK_BOUNDS,
    mutants={
        "e^{−λt̂} dropped": replace(CLOCK_BOUNDS, left=lambda rate, w, threshold, u: w * u * u / 2),
        "e^λ dropped": replace(CLOCK_BOUNDS, right=lambda rate, w: arb.pi() ** 2 / (12 * w)),
    },
    cases=drawn(DecayingClockCase),
    score=_clock_score,
    examples=60,
    facts={"kernel": "eq. (8), certified quadrature"},
)

CHECKS: tuple[Check, ...] = (PRINTED, QUADRATURE, EXACT_JUMPS, CLOCK)
