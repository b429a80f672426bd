"""Checks of ZOH, Euler and the bilinear rule in Arb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from flint import arb, arb_mat

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import BALL, Field
from mamba_theorems.verify.checks.case import Real
from mamba_theorems.verify.checks.check import Check, Property, Score, drawn
from mamba_theorems.verify.settings import Run

Discretization = semantics.Discretization


@dataclass(frozen=True)
class StepCase:
    """One state −`rate`, one step `delta`: λΔ from 1e-6 to 40, both sides of 2."""

    rate: Annotated[float, Real(1e-3, 20)]
    delta: Annotated[float, Real(1e-3, 2)]


def factors(discretization: Discretization, case: StepCase) -> tuple[arb, arb]:
    """Λ̄ and the gain of one step, in Arb."""
    with BALL.arithmetic():
        decay, gain = discretization(BALL, BALL.array([[case.delta]]), BALL.array([[-case.rate]]))
    return decay[0, 0], np.asarray(gain)[0, 0]


def zoh_score(subject: Discretization, case: StepCase, run: Run) -> Score:
    """Against the matrix exponential of the augmented system [[−λ, 1], [0, 0]]Δ, which we did not write."""
    decay, gain = factors(subject, case)
    with BALL.arithmetic():
        rate, delta = arb(case.rate), arb(case.delta)
        flow = arb_mat([[-rate * delta, delta], [0, 0]]).exp()
    return Score(int(not decay.overlaps(flow[0, 0])) + int(not gain.overlaps(flow[0, 1])), "mismatches")


def euler_gap_score(subject: Discretization, case: StepCase, run: Run) -> Score:
    """Gain over Euler's, in [1 − x/2, 1 − x/2 + x²/6], strictly inside."""
    (_, gain), (_, euler) = factors(subject, case), factors(semantics.euler, case)
    with BALL.arithmetic():
        x = arb(case.rate) * arb(case.delta)
        ratio, low = gain / euler, 1 - x / 2
        return Score(int(not ratio > low) + int(not ratio < low + x * x / 6), "mismatches")


def bilinear_score(subject: Discretization, case: StepCase, run: Run) -> Score:
    """0 < e^{−x} − Λ̄ < x³/12, and Λ̄ < 0 exactly beyond x = 2."""
    decay, _ = factors(subject, case)
    with BALL.arithmetic():
        x = arb(case.rate) * arb(case.delta)
        gap = (-x).exp() - decay
        wrong = [not gap > 0, not gap < x**3 / 12, bool(x > 2) != bool(decay < 0), not abs(decay) < 1]
    return Score(sum(wrong), "mismatches")


def _backward_euler(f: Field, delta: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 1 / (1 - delta * A), delta / (1 - delta * A)


CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.zoh",
        name="zoh-against-matrix-exponential",
        subject=semantics.zoh,
        mutants={"Euler": semantics.euler, "bilinear": semantics.bilinear},
        cases=drawn(StepCase),
        score=zoh_score,
        facts={"field": "Arb", "oracle": "flint's matrix exponential"},
    ),
    Property(
        claim="foundations.euler-gap",
        name="gain-ratio-within-its-bounds",
        subject=semantics.zoh,
        mutants={"Euler": semantics.euler, "bilinear": semantics.bilinear},
        cases=drawn(StepCase),
        score=euler_gap_score,
        facts={"field": "Arb"},
    ),
    Property(
        claim="foundations.bilinear",
        name="sign-and-order-of-the-factor",
        subject=semantics.bilinear,
        mutants={"ZOH": semantics.zoh, "backward Euler": _backward_euler},
        cases=drawn(StepCase),
        score=bilinear_score,
        facts={"field": "Arb"},
    ),
)
