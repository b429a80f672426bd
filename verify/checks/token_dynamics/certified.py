"""Certified solutions: the mixed-sign instance, the saddle, and the bounded integrator held to Arb balls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb

from mamba_theorems.constructions.token_dynamics.bounded import TIME_ROUNDING, SolutionClock, follow
from mamba_theorems.constructions.token_dynamics.enclosures import Enclosure, ScalarTokens, enclose
from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.token_dynamics.divergence import MIXED
from mamba_theorems.theorems.token_dynamics.many_dimensions import SADDLE, SADDLE_START
from mamba_theorems.verify.checks.case import Ratio, Record, Several, matrix
from mamba_theorems.verify.checks.check import Examination, Finding
from mamba_theorems.verify.settings import Run

STEP = Fraction(1, 16)


@dataclass(frozen=True)
class ScalarInstance:
    """A scalar system with its start, followed to `clock` in balls."""

    system: ScalarTokens
    start: tuple[Fraction, ...]
    clock: Fraction

    def enclosed(self) -> Enclosure:
        """The solution in balls."""
        return enclose(self.system, self.start, self.clock, STEP)

    def as_case(self) -> dict[str, Any]:
        """The instance as plain data."""
        numbers = {name: str(getattr(self.system, name)) for name in ("mu", "S_delta", "decay")}
        return {**numbers, "start": [str(x) for x in self.start], "clock": str(self.clock)}

    @classmethod
    def of_case(cls, case: dict[str, Any]) -> ScalarInstance:
        """The instance that `as_case` wrote."""
        system = ScalarTokens(*(Fraction(case[name]) for name in ("mu", "S_delta", "decay")))
        return cls(system, tuple(map(Fraction, case["start"])), Fraction(case["clock"]))


MIXED_SIGNS = ScalarInstance(
    ScalarTokens(Fraction(1), Fraction(-1), Fraction(1)),
    tuple(Fraction(int(x.p), int(x.q)) for x in MIXED),
    Fraction(4),
)


SMALL = Ratio(-8, 8)
THREE_TOKENS = Record(
    {
        "mu": SMALL,
        "S_delta": SMALL,
        "decay": Ratio(0, 8),
        "start": Several(SMALL, 3, 3),
        "clock": Ratio(0, 16, open=True),
    },
    together=lambda case: "" if all(map(Fraction, case["start"])) else '"start" has no token that is 0',
)
"""The three tokens of which two are to stay finite."""


def _finite_at_the_end(instance: ScalarInstance, _: Run) -> Finding:
    """T* in [t, t + left]; tokens 1 and 2 grow by less than e^{4·left} on the way (rates below 2 a token)."""
    end = instance.enclosed()
    left = end.time_left(instance.system, 2)
    signs = [Fraction(x) * instance.system.S_delta for x in instance.start]
    rising = all(bool(abs(x) > abs(float(s))) for x, s in zip(end.tokens, instance.start, strict=True))
    finite = bool(left < end.time) and rising and signs[0] < 0 and signs[1] < 0 and signs[2] > 0
    sizes = [abs(x) for x in end.tokens]
    facts = {
        "T* from": sizes_text(end.time),
        "T* to": sizes_text(end.time + left),
        "token 1 at most": sizes_text(sizes[0] * (4 * left).exp()),
        "token 2 at most": sizes_text(sizes[1] * (4 * left).exp()),
    }
    return Finding(finite, "tokens 1 and 2 are finite where the solution ends", facts, case=instance.as_case())


def sizes_text(ball: Any) -> str:
    """Six digits that do not depend on the width of the ball."""
    return f"{float(ball.mid()):.6g}"


# ------------------------------------------------------------------------------------------------- the saddle


@dataclass(frozen=True)
class Saddle:
    """A form and a start in the plane, exact."""

    form: tuple[tuple[Fraction, ...], ...]
    start: tuple[Fraction, ...]


def _fractions(matrix: Any) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(x.p), int(x.q)) for x in matrix)


THE_SADDLE = Saddle(tuple(_fractions(SADDLE.row(i)) for i in range(2)), _fractions(SADDLE_START))


def _sinks(saddle: Saddle, _: Run) -> Finding:
    """x_1′ = q_1Δ_1x_1: exactly parallel to x_1, pointing inwards, with step 1 in place of softplus, in rationals."""
    S, x = np.array(saddle.form, dtype=object), np.array([saddle.start], dtype=object)
    unit = replace(RATIONAL, softplus=lambda v: 0 * v + Fraction(1))
    system = TokenSystem.of_form(S, np.array([Fraction(0)] * 2), np.array(Fraction(0)))
    v = system.velocity(x, unit)[0]
    q = x[0] @ S @ x[0]
    parallel = all(a == q * b for a, b in zip(v, x[0], strict=True))
    positive = any(S[i, i] > 0 for i in range(2)) and S[0, 1] == S[1, 0] == 0
    case = {"form": [[str(s) for s in row] for row in saddle.form], "start": [str(s) for s in saddle.start]}
    summary = f"q_1 = {q}: x_1 moves along itself towards 0, S has a positive eigenvalue"
    return Finding(bool(parallel and positive and q < 0), summary, {"q_1": str(q)}, case=case)


def _again(_: Saddle, case: dict[str, Any], run: Run) -> Finding:
    form = tuple(tuple(map(Fraction, row)) for row in case["form"])
    return _sinks(Saddle(form, tuple(map(Fraction, case["start"]))), run)


# ------------------------------------------------------------------------------ the collocation against balls

COMPARED = {
    "converging": ScalarInstance(
        ScalarTokens(Fraction(-1), Fraction(1, 2), Fraction(1)),
        (Fraction(1), Fraction(-1, 2), Fraction(2)),
        Fraction(3),
    ),
    "slow": ScalarInstance(
        ScalarTokens(Fraction(1), Fraction(-1), Fraction(1, 2)), (Fraction(1), Fraction(3, 2)), Fraction(3)
    ),
    "mixed": replace(MIXED_SIGNS, clock=Fraction(2)),
}


@dataclass(frozen=True)
class Integrator:
    """How a float solution is found; a mutant integrates another system."""

    flipped: bool = False
    decay: float = 1.0


def _inside(integrator: Integrator, _: Run) -> Finding:
    """The collocation at the enclosed moment: its distance from the ball over the bound on its error."""
    ratios = {name: _distance(integrator, instance) for name, instance in COMPARED.items()}
    holds = all(ratio <= 1 for ratio in ratios.values())
    return Finding(holds, "the collocation is as near to certified solutions as its bound says", {}, ratios)


def _distance(integrator: Integrator, instance: ScalarInstance) -> float:
    """|found − truth| less the ball's radius, over the bound and what the moment, a float, may move the token."""
    end, system = instance.enclosed(), instance.system
    numbers = (float(system.mu), float(system.S_delta), float(system.decay) * integrator.decay)
    scalar = TokenSystem.scalar(*(np.array([number]) for number in numbers))
    scalar = scalar.with_form_negated() if integrator.flipped else scalar
    start = np.array(instance.start, dtype=float)[None, :, None]
    path = follow(scalar, start, SolutionClock(np.array([float(end.time.mid())])), np.array([np.log(2)]))
    moment = float(end.time.rad()) + 2 * TIME_ROUNDING * float(end.time.mid())
    moved = moment * np.abs(scalar.velocity(path.tokens[-1])[0, :, 0])
    apart = [
        float(abs(arb(float(x)) - ball).lower()) for x, ball in zip(path.tokens[-1, 0, :, 0], end.tokens, strict=True)
    ]
    return float(np.max(np.array(apart) / (path.error[-1, 0, :, 0] + 2 * moved)))


CHECKS = (
    Examination(
        claim="dynamics.1d-mixed-all-diverge",
        name="mixed-signs-enclosed",
        kind=Kind.TESTED,
        subject=MIXED_SIGNS,
        mutants={
            "mu's sign flipped": replace(MIXED_SIGNS, system=replace(MIXED_SIGNS.system, mu=Fraction(-1))),
            "all tokens slow": replace(MIXED_SIGNS, start=(Fraction(1), Fraction(1, 2), Fraction(3, 5))),
        },
        look=_finite_at_the_end,
        again=lambda _, case, run: _finite_at_the_end(ScalarInstance.of_case(case), run),
        case=THREE_TOKENS,
    ),
    Examination(
        claim="dynamics.nd-positive-eigenvalue",
        name="saddle-in-rationals",
        kind=Kind.TESTED,
        subject=THE_SADDLE,
        mutants={
            "a start of positive form": replace(THE_SADDLE, start=THE_SADDLE.start[::-1]),
            "a negative definite form": replace(
                THE_SADDLE, form=((Fraction(-1), Fraction(0)), (Fraction(0), Fraction(-1)))
            ),
        },
        look=_sinks,
        again=_again,
        case=Record({"form": matrix(Ratio(-99, 99), 2, 2), "start": Several(Ratio(-99, 99), 2, 2)}),
    ),
    Examination(
        claim="dynamics.1d-monotone",
        name="collocation-against-certified-solutions",
        kind=Kind.TESTED,
        subject=Integrator(),
        mutants={"mu's sign flipped": Integrator(flipped=True), "decay a millionth off": Integrator(decay=1 + 1e-6)},
        look=_inside,
    ),
)
