"""Checks of Lemma 2: its counterexamples on the definition itself, the exact limit, and tails that stay flat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import sympy as sp
import torch
from flint import arb
from hypothesis import strategies as st

from mamba_theorems.constructions import sensitivity as construction
from mamba_theorems.constructions.compiler.exact import softplus_preimage
from mamba_theorems.constructions.sensitivity import StepRule
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.kernels.duals import dual, perturbed, tangents
from mamba_theorems.kernels.fields import BALL, SYMPY
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.sensitivity.lemma2 import BETA, BRACKET, FIRST, tail_input
from mamba_theorems.verify.checks.case import Choice, Real, Record, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property, Score
from mamba_theorems.verify.checks.scoring import ELEMENTARY, UNIT
from mamba_theorems.verify.checks.sensitivity.latch import ROUNDINGS
from mamba_theorems.verify.checks.sensitivity.recurrence import Scan, changed_scan, sensitivities
from mamba_theorems.verify.settings import Run, Tier

LONGEST = 100_000

# --- the counterexamples -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counterexample:
    """N = 1, λ = 1, Δ = softplus, B(x) = 1 + slope·x: x_1 = first, x_2 = 0, x_{2+r} = ln(e^{2^{−r}} − 1)."""

    first: sp.Expr
    slope: sp.Expr


def exact_sensitivity(instance: Counterexample, steps: int) -> list[sp.Expr]:
    """∂h_t/∂x_2, t = 2 … steps + 2, by differentiating the definition's own h_t in sympy."""
    x = sp.Symbol("x_2", real=True)
    inputs = [instance.first, x, *(tail_input(r) for r in range(1, steps + 1))]
    column = np.array(inputs, dtype=object)[:, None]
    B = 1 + instance.slope * column
    history = semantics.state_history(SYMPY, column, SYMPY.softplus(column), SYMPY.array([[-1]]), B)
    return [sp.simplify(sp.diff(h, x).subs(x, 0)) for h in history[1:, 0, 0]]


def look_exactly(subject: Counterexample, run: Run) -> Finding:
    """Left side 0 at every t tried, right side ln 2/(8e) > 0."""
    left = exact_sensitivity(subject, 3)
    facts: dict[str, str | int] = {"left": str(left[-1])[:80], "right": "ln 2/(8e)", "times": len(left)}
    summary = f"left side {facts['left']} at t = 2 … {len(left) + 1}, printed lower bound ln 2/(8e) = 0.0318…"
    return Finding(not any(left), summary, facts, case={"steps": 3})


def look_again(subject: Counterexample, case: Any, run: Run) -> Finding:
    """The left sides for another number of later steps."""
    left = exact_sensitivity(subject, case["steps"])
    return Finding(not any(left), f"left sides {', '.join(map(str, left))}; right side ln 2/(8e)", case=case)


def root_ball(low: sp.Rational, high: sp.Rational) -> arb:
    """The ball [low, high] shrunk by interval Newton on a·softplus(a) − 4 ln 2, which proves a root inside it."""
    with BALL.arithmetic():
        a = arb((arb(low.p) / low.q + arb(high.p) / high.q) / 2, (arb(high.p) / high.q - arb(low.p) / low.q) / 2)
        for _ in range(6):
            middle = arb(a.mid())
            value = middle * BALL.softplus(middle) - 4 * arb(2).log()
            slope = BALL.softplus(a) + a * BALL.sigmoid(a)
            newton = middle - value / slope
            if not a.contains(newton):
                raise ArithmeticError("interval Newton left its ball: no root is proved")
            a = newton
    return a


def look_enclosed(shift: int, run: Run, steps: int = 6) -> Finding:
    """B = 1: x_1 in a ball proved to hold the root, moved by `shift`; |∂h_t/∂x_2| below the printed bound, at x_2 and
    at so many later steps.
    """
    first = root_ball(*BRACKET) + shift
    with BALL.arithmetic():
        tail = [BALL.number(tail_input(r)) for r in range(1, steps + 1)]
        x = perturbed(BALL, np.array([first, arb(0), *tail], dtype=object)[:, None], (1, 0))
        f = dual(BALL)
        history = semantics.state_history(f, x, f.softplus(x), f.array([[-1]]), f.array(np.ones_like(x)))
        left = [abs(value) for value in tangents(history)[1:, 0, 0]]
        printed = arb(2).log() * (-(BALL.softplus(first) + arb(2).log() + 1)).exp()
    largest = max(float(value.upper()) for value in left)
    holds = all(value < printed for value in left)
    facts: dict[str, str | int] = {"x_1": first.str(12, radius=False), "times": len(left)}
    lower = printed.str(6, radius=False)
    where = f"x_1 = {facts['x_1']} (ball), t = 2 … {steps + 2}"
    summary = f"{where}: left side below {largest:.1e}, printed lower bound {lower}"
    return Finding(holds, summary, facts, {"left side below": largest}, case={"steps": steps})


# --- the limit, on random steps ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepsCase:
    """Δ_r of a kind, r = 1 … length: geometric a·q^r, power a/r^p; λ = `rate`. The input stands at r = 0 with Δ = 1."""

    kind: Annotated[str, Choice(("geometric", "power"))]
    amplitude: Annotated[float, Real(0.05, 2)]
    exponent: Annotated[float, Real(0.1, 3)]
    rate: Annotated[float, Real(0.05, 2)]
    length: Annotated[int, Whole(1, LONGEST)]

    def together(self) -> str:
        """What the bounds on the rest of a series ask of the exponent."""
        if self.kind == "geometric":
            return "" if self.exponent <= 0.95 else 'the "exponent" of a geometric series is at most 0.95'
        near = 1 < self.exponent < 1.1
        return 'the "exponent" of a power is at most 1, or at least 1.1' if near or self.exponent < 0.3 else ""

    def steps(self) -> np.ndarray:
        """Δ_1 … Δ_length."""
        r = np.arange(1, self.length + 1, dtype=float)
        return self.amplitude * (self.exponent**r if self.kind == "geometric" else r**-self.exponent)

    def rest(self) -> float:
        """Σ_{r>length} Δ_r, an upper bound to float64: closed for the geometric, by the Hurwitz zeta for the power."""
        with BALL.arithmetic():
            a, p = arb(self.amplitude), arb(self.exponent)
            if self.kind == "geometric":
                return float((a * p ** (self.length + 1) / (1 - p)).upper())
            return float((a * p.zeta(arb(self.length + 1))).upper())

    @property
    def summable(self) -> bool:
        """Whether Σ Δ_r < ∞."""
        return self.kind == "geometric" or self.exponent > 1


@st.composite
def sequence_cases(draw: st.DrawFn, subject: Any, run: Run) -> StepsCase:
    """Both sides of the criterion: 1/r is not summable, 1/r^{1.1} is."""
    kind = draw(st.sampled_from(["geometric", "power"]))
    exponent = draw(
        st.floats(0.1, 0.95) if kind == "geometric" else st.one_of(st.floats(0.3, 1.0), st.floats(1.1, 3.0))
    )
    longest = 10_000 if run.tier is Tier.QUICK else LONGEST
    return StepsCase(
        kind, draw(st.floats(0.05, 2)), exponent, draw(st.floats(0.05, 2)), draw(st.sampled_from([1, 30, 700, longest]))
    )


def criterion_score(subject: Scan, case: StepsCase, run: Run) -> Score:
    """Summable: at most |K|λ·rest above |K|e^{−λS}; else at most |K|/(1 + λs). Up to the roundings of L steps."""
    steps = case.steps()
    found = sensitivities(subject, np.concatenate([[1.0], steps]), case.rate, run.device)[0]
    s, roundings = float(steps.sum()), (ELEMENTARY + 2) * (case.length + 2) + 2 * case.rate * float(steps.sum())
    slack = 4 * roundings * UNIT
    if not case.summable:
        return Score(float(found) / ((1 + slack) / (1 + case.rate * s)), "error/bound")
    limit = np.exp(-case.rate * (s + case.rest()))
    room = case.rate * case.rest() / 2
    return Score(float(abs(found - limit - room)) / (room + slack), "error/bound")


SEQUENCE_MUTANTS: dict[str, Scan] = {
    "λ halved": changed_scan(lambda delta, A: (delta, A / 2)),
    "every step leaks 2^−20": changed_scan(lambda delta, A: (delta + (delta < 1) * 2.0**-20, A)),
    "the steps come late by one": changed_scan(lambda delta, A: (torch.roll(delta, 1, -1), A)),
}

# --- flat tails --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frozen:
    """A memory block, and how its signal freezes time after the step `moment`.

    Mamba-1's scan multiplies by decays that are exactly 1; Mamba-2's chunks reach a step by other products, so there
    two gradients may differ by the roundings of two evaluations.
    """

    step: StepRule
    clock: bool
    moment: int = 7
    mamba2: bool = False

    def module(self, dtype: torch.dtype) -> torch.nn.Module:
        """The official block."""
        build = construction.memory_block2 if self.mamba2 else construction.memory_block
        return build(self.step).module(dtype)

    def drift(self, dtype: torch.dtype) -> float:
        """The largest difference that rounding explains."""
        return ROUNDINGS * torch.finfo(dtype).eps if self.mamba2 else 0.0


def frozen_gradients(subject: Frozen, length: int, dtype: torch.dtype, device: str) -> np.ndarray:
    """∂y_t/∂value_moment at four times up to `length`, through the official block by autograd."""
    module = subject.module(dtype).to(device)
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(1, length, 3, generator=generator, dtype=dtype) * 2 - 1
    time = torch.arange(length, dtype=dtype)
    u[0, :, 1] = time if subject.clock else (time == subject.moment).to(dtype)
    u[0, :, 2] = 1
    u = u.to(device).requires_grad_(True)
    y = module(u)
    times = [subject.moment + 4, 70, length // 9, length - 1]
    read = [torch.autograd.grad(y[0, t, 0], u, retain_graph=True)[0][0, subject.moment, 0].item() for t in times]
    return np.array(read)


def look_flat(subject: Frozen, run: Run) -> Finding:
    """Frozen decays are exactly 1 in floats, so the gradient must be the same number at every later time."""
    length = 8192 if subject.mamba2 and run.tier is Tier.QUICK else LONGEST
    drifts: list[str] = []
    holds = True
    for name in run.dtypes:
        dtype = DTYPE_NAMED[name]
        found = frozen_gradients(subject, length, dtype, run.device)
        drift = float(np.abs(found - found[0]).max())
        holds &= bool(abs(found[0]) > 0.5 and drift <= subject.drift(dtype))
        drifts.append(f"{name} {drift:.2g}")
    block = "official Mamba-2" if subject.mamba2 else "official Mamba-1"
    facts: dict[str, str | int] = {"length": length, "dtypes": ", ".join(run.dtypes), "block": block}
    summary = f"gradient to the input up to L = {length:,} differs by at most {', '.join(drifts)}"
    return Finding(holds, summary, facts)


def _warm(step: StepRule, bits: int) -> StepRule:
    """Δ = 2^−bits between flags in place of e^{−100}."""
    offset = softplus_preimage(sp.Rational(1, 2**bits))
    return StepRule(step.slope + step.offset - offset, offset, step.write)


FLAG, CLOCK = construction.by_flag(), construction.by_clock(7)


def _flat(claim: str, *, mamba2: bool) -> tuple[Examination, Examination]:
    """Time frozen by a flag, and by a clock, in one of the official blocks."""

    def frozen(step: StepRule, *, clock: bool) -> Frozen:
        return Frozen(step, clock, mamba2=mamba2)

    tail, ticking = frozen(FLAG, clock=False), frozen(CLOCK, clock=True)
    looser = {"Δ = 2^−20 when frozen": frozen(_warm(FLAG, 20), clock=False), "no flag": frozen(FLAG, clock=True)}
    blunt = {"blunt clock": frozen(construction.by_clock(7, sp.Rational(1, 100)), clock=True)}
    common: dict[str, Any] = {"claim": claim, "look": look_flat}
    return (
        Examination(name="frozen-tail-is-flat", subject=tail, mutants=looser, **common),
        Examination(name="frozen-clock-is-flat", subject=ticking, mutants=blunt, **common),
    )


CHECKS: tuple[Check, ...] = (
    Examination(
        claim="sensitivity.lem2",
        name="exact-counterexample",
        kind=Kind.REFUTED,
        subject=Counterexample(FIRST, BETA),
        mutants={
            "β with ln 2": Counterexample(FIRST, (2 - sp.log(2)) / sp.log(3) ** 2),
            "x_1 = ln 4": Counterexample(sp.log(4), BETA),
        },
        look=look_exactly,
        again=look_again,
        case=Record({"steps": Whole(0, 8)}),
    ),
    Examination(
        claim="sensitivity.lem2",
        name="enclosed-counterexample",
        kind=Kind.REFUTED,
        subject=0,
        mutants={"x_1 one larger": 1, "x_1 one smaller": -1},
        look=look_enclosed,
        again=lambda shift, case, run: look_enclosed(shift, run, case["steps"]),
        case=Record({"steps": Whole(0, 40)}),
    ),
    Property(
        claim="sensitivity.criterion",
        name="kept-if-and-only-if-summable",
        subject=ops.selective_scan,
        mutants=SEQUENCE_MUTANTS,
        cases=sequence_cases,
        score=criterion_score,
        examples=40,
        facts={"kernel": "selective_scan", "dtypes": "float64"},
    ),
    *_flat("sensitivity.lem2-amended", mamba2=False),
    *_flat("sensitivity.mamba2", mamba2=True),
)
