"""What a selective mixer can do at all: time from a constant input, any weight vector, Mamba-2's heads as S6 channels.

Proposition 1, the recurrence behind eq. (8), Remark 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

import numpy as np
import torch
from flint import arb
from hypothesis import strategies as st

from mamba_theorems.constructions.haar import discrete_step, mamba1_haar, wavelet
from mamba_theorems.constructions.haar.transform import clock_block
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.fields import BALL, RATIONAL, Field
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.checks.haar.transform import changed
from mamba_theorems.verify.checks.scoring import ELEMENTARY
from mamba_theorems.verify.settings import Run

# --- Proposition 1 on the kernel --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClockCase:
    """λ = rate/1024 and Δ₀ = step/16, both in ℝ, over `length` tokens."""

    rate: Annotated[int, Whole(1, 512)]
    step: Annotated[int, Whole(1, 64)]
    length: Annotated[int, Whole(2, 400, usual=40)]


ClockError = Callable[[arb, int], arb]
"""The bound on n − h_n/Δ₀ as a function of (λΔ₀, n)."""


def _clock_score(subject: ClockError, case: ClockCase, run: Run) -> Score:
    """The worst of (n − h_n/Δ₀)/bound over n ≥ 2, on balls."""
    step, rate = Fraction(case.step, 16), Fraction(case.rate, 1024)
    h = _clock(BALL, case, step, -rate)
    z = BALL.number(step * rate)
    ratios = [(n - h[n - 1] / BALL.number(step)) / subject(z, n) for n in range(2, case.length + 1)]
    return Score(max(float(r.upper()) for r in ratios), "error/bound")


CLOCK: Property = Property(
    claim="haar.prop1-amended",
    name="euler-clock-within-its-bound",
    subject=lambda z, n: z * n * (n - 1) / 2,
    mutants={"n(n − 3/2)/2 for n(n − 1)/2": lambda z, n: z * n * (n - arb("1.5")) / 2},
    cases=drawn(ClockCase),
    score=_clock_score,
    facts={"field": "Arb balls"},
)


def _clock(f: Field, case: ClockCase, delta: Fraction, A: Fraction) -> np.ndarray:
    """h_1 … h_L with Δ constant, B = C = u = 1."""
    ones = f.array(np.ones((case.length, 1), dtype=int))
    return semantics.selective_scan(f, ones, f.array([[delta]] * case.length), f.array([[A]]), ones, ones)[:, 0]


def _plain_score(step_power: int, case: ClockCase, run: Run) -> Score:
    """How many of h_1 … h_L differ from Δ₀t, in exact rationals, with A = 0 and Δ = Δ₀ to a power."""
    step = Fraction(case.step, 16)
    h = _clock(RATIONAL, case, step**step_power, Fraction(0))
    return Score(float(sum(h[t - 1] != step * t for t in range(1, case.length + 1))), "mismatches")


PLAIN: Property = Property(
    claim="haar.prop1",
    name="time-is-exact",
    subject=1,
    mutants={"Δ₀² for Δ₀": 2},
    cases=lambda subject, run: st.builds(ClockCase, st.just(1), st.integers(1, 64), st.integers(2, 40)),
    score=_plain_score,
    facts={"field": "exact rationals"},
)


def _time_look(a_log: int | None, run: Run) -> Finding:
    """t = 0 … 8191 from a constant input, exactly, in float32; `a_log` takes the place of the block's A_log."""
    net = mamba1_haar(2, (wavelet(1, 0),), knows_time=False)
    block = clock_block(net.space)
    if a_log is not None:
        block = changed("A_log", lambda a: replace(a, fill=a_log))(block)
    length = 8192 if run.shrink else 256
    u = torch.zeros(1, length, len(net.space))
    u[..., -1] = 1
    with torch.no_grad():
        found = block.module(torch.float32, device=run.device)(u.to(run.device))[0, :, 1].cpu()
    exact = bool((found == torch.arange(length)).all())
    first = int((found != torch.arange(length)).nonzero()[0]) if not exact else 0
    summary = "" if exact else f"t = {first} comes out as {float(found[first]):.6g}"
    return Finding(exact, summary, {"t": "0 … 8191", "block": "official Mamba-1", "dtype": "float32"})


TIME: Examination[int | None] = Examination(
    claim="haar.prop1-amended",
    name="time-in-the-official-block",
    subject=None,
    mutants={"A = −e^{−12}": -12, "A = −1": 0},
    look=_time_look,
)


# --- any positive weights, and Mamba-2's scalar decay -----------------------------------------------------------------


@dataclass(frozen=True)
class WeightCase:
    """Positive weights by their numerators, summing to half of their total; a seed for the signal."""

    weights: Annotated[list[int], Several(Whole(1, 999), 2, 64)]
    seed: Annotated[int, Whole(0, 2**32 - 1, usual=99)]


def backwards(weights: np.ndarray) -> np.ndarray:
    """Δ_s = w_s e^{Σ_{r>s}Δ_r}, solved backwards in exact-to-rounding float64."""
    delta, total = np.zeros_like(weights), 0.0
    for s in reversed(range(len(weights))):
        delta[s] = weights[s] * np.exp(total)
        total += delta[s]
    return delta


def _weight_score(solve: Callable[[np.ndarray], np.ndarray], case: WeightCase, run: Run) -> Score:
    """|y_L − Σ w x| over γ Σ|w x| on the kernel in float64, and Δ_s ≤ 2w_s."""
    weights = np.array(case.weights) / (2 * sum(case.weights))
    delta, x = solve(weights), np.random.default_rng(case.seed).standard_normal(len(weights))
    ones = torch.ones(1, 1, len(x), dtype=torch.float64)
    u, steps = (torch.from_numpy(v)[None, None] for v in (x, delta))
    y = ops.selective_scan(u, steps, -torch.ones(1, 1, dtype=torch.float64), ones, ones)[0, 0, -1].item()
    count = (4 * len(x) + 4) * (2 + ELEMENTARY)
    bound = count * 2.0**-53 * float(np.sum(weights * np.abs(x)))
    return Score(max(abs(y - float(weights @ x)) / bound, float((delta / (2 * weights)).max())), "error/bound")


WEIGHTS: Property = Property(
    claim="haar.any-weights",
    name="weights-on-the-kernel",
    subject=backwards,
    mutants={"Δ = w": np.copy, "solved forwards": lambda w: backwards(w[::-1])[::-1].copy()},
    cases=drawn(WeightCase),
    score=_weight_score,
    facts={"kernel": "selective_scan", "dtype": "float64"},
)


@dataclass(frozen=True)
class HeadCase:
    """Length and a seed for a head's inputs."""

    length: Annotated[int, Whole(2, 400, usual=24)]
    seed: Annotated[int, Whole(0, 2**32 - 1, usual=99)]


def _head_score(shift: int, case: HeadCase, run: Run) -> Score:
    """One head of Mamba-2 and one S6 channel with all eigenvalues equal, on balls: overlap, of radius below 2^{−80}.

    The channel is given the head's decays, moved by `shift` tokens.
    """
    rng = np.random.default_rng(case.seed)
    x, B, C = (BALL.array(rng.integers(-9, 10, (case.length, n)).astype(object)) for n in (1, 3, 3))
    delta = BALL.array([[Fraction(int(v), 8)] for v in rng.integers(1, 17, case.length)])
    A = BALL.array([-1])
    head = semantics.ssd(BALL, x[:, None], delta, A, B[:, None], C[:, None])[:, 0, 0]
    channel = semantics.selective_scan(BALL, x, np.roll(delta, shift, axis=0), BALL.array([[-1] * 3]), B, C)[:, 0]
    gaps = [abs(a - b) for a, b in zip(head, channel, strict=True)]
    return Score(max(float(gap.upper()) for gap in gaps) * 2.0**80, "error/bound")


HEADS: Property = Property(
    claim="haar.remark1",
    name="head-is-channel",
    subject=0,
    mutants={"Δ one token late": 1, "Δ one token early": -1},
    cases=drawn(HeadCase),
    score=_head_score,
    examples=25,
    facts={"field": "Arb balls, 128 bits"},
)

# --- the printed parameters in the Euler recurrence -------------------------------------------------------------------


@dataclass(frozen=True)
class GateCase:
    """Threshold c, the number of tokens after it, and the slope W."""

    threshold: Annotated[int, Whole(1, 9)]
    after: Annotated[int, Whole(0, 100, usual=12)]
    slope: Annotated[int, Whole(1, 60)]


Recurrence = Callable[[Field, np.ndarray, int, int], np.ndarray]
"""A mixer's answer at the last token to an input that is 1 from c on: what a Heaviside at c would add up."""


def _euler(f: Field, x: np.ndarray, threshold: int, slope: int) -> np.ndarray:
    """Mamba's recurrence with λ = 1 and the gates of the discretised Theorem 1."""
    gates = f.softplus(f.array([-slope * (r - threshold + Fraction(1, 2)) for r in range(1, len(x) + 1)]))
    ones = f.array(np.ones((len(x), 1), dtype=int))
    return semantics.selective_scan(f, x[:, None], gates[:, None], f.array([[-1]]), ones, ones)[:, 0]


def _euler_score(subject: Recurrence, case: GateCase, run: Run) -> Score:
    """The answer over z/(1 − z²), z = e^{−W/2}: nothing of the Heaviside is left."""
    length = case.threshold + case.after
    x = BALL.array([int(t >= case.threshold) for t in range(1, length + 1)])
    z = (arb(-case.slope) / 2).exp()
    y = subject(BALL, x, case.threshold, case.slope)[-1]
    return Score(float((y / (z / (1 - z * z))).upper()), "error/bound")


EULER: Property = Property(
    claim="haar.euler-mismatch",
    name="heaviside-is-lost",
    subject=_euler,
    mutants={
        "eq. (8) for the recurrence": discrete_step,
        "gates one token later": lambda f, x, c, w: _euler(f, x, c + 1, w),
    },
    cases=drawn(GateCase),
    score=_euler_score,
    facts={"field": "Arb balls"},
)

CHECKS: tuple[Check, ...] = (PLAIN, CLOCK, TIME, WEIGHTS, EULER, HEADS)
