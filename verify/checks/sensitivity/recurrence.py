"""Checks of eq. (11), Lemma 1 and bounded inputs: the definition's derivative, and autograd through the kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mamba_theorems.constructions.sensitivity import S6Mixer
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.duals import dual, perturbed, tangents
from mamba_theorems.kernels.fields import BALL, FLOAT64, Field
from mamba_theorems.verify.checks.case import Flag, Real, Several, Whole
from mamba_theorems.verify.checks.check import SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, UNIT, disjoint
from mamba_theorems.verify.settings import Run

Formula = Callable[[S6Mixer, Field, np.ndarray, int, int], np.ndarray]
Scan = Callable[..., Any]


@dataclass(frozen=True)
class MixerCase:
    """Sizes and the seed of an S6 mixer; the derivative of h_1 … h_L with respect to x̂_{j,e}, j and e from 0."""

    d: Annotated[int, Whole(1, 8)]
    d_state: Annotated[int, Whole(1, 8)]
    length: Annotated[int, Whole(1, 100)]
    j: Annotated[int, Whole(0, 99)]
    e: Annotated[int, Whole(0, 7)]
    seed: SEED
    one_head: Annotated[bool, Flag()] = False

    def together(self) -> str:
        """j is a step, e a coordinate."""
        if self.j >= self.length:
            return f'"j" is a step before {self.length}, counted from 0'
        return "" if self.e < self.d else f'"e" is a coordinate below {self.d}, counted from 0'

    def draw(self) -> tuple[S6Mixer, np.ndarray]:
        """The mixer and its input (L, d); `one_head` makes it a Mamba-2 head: one Δ and one decay for all."""
        rng = np.random.default_rng(self.seed)
        d, n = self.d, self.d_state
        weights = rng.standard_normal((d, d)), rng.standard_normal(d)
        mixer = S6Mixer(*weights, -np.exp(rng.standard_normal((d, n))), rng.standard_normal((n, d)))
        x = rng.standard_normal((self.length, d))
        return (mixer.one_head() if self.one_head else mixer), x


@st.composite
def mixer_cases(draw: st.DrawFn, subject: Any, run: Run, longest: int = 8, one_head: bool = False) -> MixerCase:
    """Small mixers, any step j and coordinate e."""
    d, n, length = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, longest))
    j, e = draw(st.integers(0, length - 1)), draw(st.integers(0, d - 1))
    return MixerCase(d, n, length, j, e, draw(st.integers(0, 999)), one_head)


# --- the definition's derivative, enclosed -----------------------------------------------------------------------


def enclosed_score(subject: Formula, case: MixerCase, run: Run) -> Score:
    """Entries in which the formula's ball and the ball of the definition's derivative (dual numbers) are disjoint."""
    mixer, x = case.draw()
    exact = tangents(mixer.states(dual(BALL), perturbed(BALL, x, (case.j, case.e))))[case.j :]
    claimed = subject(mixer, BALL, BALL.array(x), case.j, case.e)
    return Score(disjoint(exact, claimed), "mismatches")


def _without_decay_term(mixer: S6Mixer, f: Field, x: np.ndarray, j: int, e: int) -> np.ndarray:
    """K_j without (∂Λ̄_j/∂x̂_j) h_{j−1}: what Lemma 2 as printed leaves out."""
    return mixer.eq11(f, x[j:], 0, e)


def _product_from_j(mixer: S6Mixer, f: Field, x: np.ndarray, j: int, e: int) -> np.ndarray:
    with f.arithmetic():
        delta = f.softplus(semantics.linear(x[j], f.array(mixer.delta_weight), f.array(mixer.delta_bias)))
        return mixer.eq11(f, x, j, e) * f.exp(delta[:, None] * f.array(mixer.A))


def _constant_B(mixer: S6Mixer, f: Field, x: np.ndarray, j: int, e: int) -> np.ndarray:
    return replace(mixer, B_weight=mixer.B_weight * (np.arange(x.shape[1]) != e)).eq11(f, x, j, e)


# --- autograd through the kernel ---------------------------------------------------------------------------------


def kernel_gradient(scan: Scan, mixer: S6Mixer, x: np.ndarray, readout: np.ndarray, device: str) -> np.ndarray:
    """∂y_L/∂x̂ (L, d) by autograd, y_L = Σ_{d,n} readout_n h_L[d,n]; Δ and B are computed from x̂ in torch."""
    u = torch.from_numpy(x).to(device).requires_grad_(True)
    weights = {k: torch.from_numpy(v).to(device) for k, v in vars(mixer).items()}
    delta = functional.linear(u, weights["delta_weight"])
    B = functional.linear(u, weights["B_weight"])
    C = torch.from_numpy(readout).to(device).expand(len(x), -1)
    x, delta, B, C = (m.T[None].contiguous() for m in (u, delta, B, C))
    y = scan(x, delta, weights["A"], B, C, delta_bias=weights["delta_bias"], delta_softplus=True)
    (gradient,) = torch.autograd.grad(y[0, :, -1].sum(), u)
    return gradient.cpu().numpy()


@dataclass(frozen=True)
class Magnitude:
    """The same formula with every term replaced by its absolute value, and the roundings that a term may see."""

    value: float
    roundings: float

    @property
    def bound(self) -> float:
        """2γ_n Σ|terms|: two evaluations, each within γ_n (Higham 2002, lemma 3.1)."""
        growth = self.roundings * UNIT
        return 2 * growth / (1 - growth) * self.value


def magnitude(mixer: S6Mixer, x: np.ndarray, readout: np.ndarray, j: int, e: int) -> Magnitude:
    """Σ|terms| of ∂y_L/∂x̂_{j,e} and n: a product has a factor e^{ΔA} a step, each with its own relative error.

    A pre-activation of d terms is good to (d+2)u(Σ|W||x| + |b|), softplus and its slope to 8u more, exp(ΔA) to 9u plus
    |A| times the error of Δ; sums over d, N and L add their lengths. A chunked kernel takes e^{A(σ_t − σ_j)} from
    cumulative sums σ of Δ, which adds |A|σ_L(L + 4).
    """
    absolute = S6Mixer(*(np.abs(w) for w in vars(mixer).values()))
    d, n = mixer.A.shape
    z = semantics.linear(x, mixer.delta_weight, mixer.delta_bias)
    pre = semantics.linear(np.abs(x), absolute.delta_weight, absolute.delta_bias)
    delta, slope = np.logaddexp(0, z), 1 / (1 + np.exp(-z))
    write = (delta * np.abs(x))[..., None] * (np.abs(x) @ absolute.B_weight.T)[:, None, :]
    decay = np.exp(delta[..., None] * mixer.A)
    h = np.zeros((d, n))
    for t in range(j):
        h = decay[t] * h + write[t]
    K = (slope[j] * absolute.delta_weight[:, e] * np.abs(x[j]))[:, None] * (np.abs(x[j]) @ absolute.B_weight.T)
    K = K + (delta[j] * np.abs(x[j]))[:, None] * absolute.B_weight[:, e]
    K[e] += delta[j, e] * (np.abs(x[j]) @ absolute.B_weight.T)
    K = K + np.abs(mixer.A) * (slope[j] * absolute.delta_weight[:, e])[:, None] * decay[j] * h
    terms = (K * np.prod(decay[j + 1 :], axis=0) * np.abs(readout)).sum()
    step = (np.abs(mixer.A).max() * ((d + 2) * pre + (ELEMENTARY + 2) * delta)).max(axis=1) + ELEMENTARY + 2
    cumulative = np.abs(mixer.A).max() * delta.max(axis=1).sum() * (len(x) + 4)
    return Magnitude(
        float(terms),
        float(cumulative + 2 * step.sum() + (d + 2) * pre.max() + 4 * ELEMENTARY + 2 * (d + n + len(x)) + 20),
    )


def gradient_score(subject: Scan, case: MixerCase, run: Run) -> Score:
    """|autograd − eq. (11)| over 2γ_n Σ|terms|, both in float64."""
    mixer, x = case.draw()
    readout = np.random.default_rng(case.seed + 1).standard_normal(case.d_state)
    claimed = (mixer.eq11(FLOAT64, x, case.j, case.e)[-1] * readout).sum()
    found = kernel_gradient(subject, mixer, x, readout, run.device)[case.j, case.e]
    return Score(float(abs(found - claimed)) / magnitude(mixer, x, readout, case.j, case.e).bound, "error/bound")


def loop_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *, delta_bias: Tensor, delta_softplus: bool, kind: str
) -> Tensor:
    """The recurrence in plain torch with one thing changed: a wrong kernel for the checks to reject."""
    step = functional.softplus(delta + delta_bias[:, None])
    decay = torch.exp(step[..., None] * A[:, None])
    gain = (decay - 1) / A[:, None] if kind == "zoh" else step[..., None].expand_as(decay)
    decay = decay.detach() if kind == "detached" else decay
    h, ys = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[-1]):
        h = decay[:, :, t - 1 if kind == "late" and t else t] * h + gain[:, :, t] * u[:, :, t, None] * B[:, None, :, t]
        ys.append((h * C[:, None, :, t]).sum(-1))
    return torch.stack(ys, -1)


def wrong_scan(kind: str) -> Scan:
    """`loop_scan` of a kind."""
    return partial(loop_scan, kind=kind)


# --- the slope of the log-sensitivity ----------------------------------------------------------------------------


@dataclass(frozen=True)
class SlopeCase:
    """Constant Δ = `step`, one state with eigenvalue −`rate`; λΔL stays within float64's range."""

    rate: Annotated[float, Real(0.01, 4)]
    step: Annotated[float, Real(0.01, 1)]
    length: Annotated[int, Whole(2, 100), st.sampled_from([2, 17, 64, 100])]


def sensitivities(scan: Scan, delta: np.ndarray, rate: float, device: str = "cpu") -> np.ndarray:
    """∂y_L/∂x_j for every j by autograd, one channel, one state, B = C = 1, Δ given: (L)."""
    length = len(delta)
    u = torch.zeros(1, 1, length, dtype=torch.float64, device=device, requires_grad=True)
    ones = torch.ones(1, 1, length, dtype=torch.float64, device=device)
    step = torch.from_numpy(delta).to(device)[None, None]
    y = scan(u, step, torch.full((1, 1), -rate, dtype=torch.float64, device=device), ones, ones)
    (gradient,) = torch.autograd.grad(y[0, 0, -1], u)
    return gradient[0, 0].cpu().numpy()


def slope_score(subject: Scan, case: SlopeCase, run: Run) -> Score:
    """log of the sensitivity against log Δ − λΔ(L − j): a line of slope −λΔ, up to the roundings of L products."""
    found = np.log(sensitivities(subject, np.full(case.length, case.step), case.rate, run.device))
    lag = np.arange(case.length)[::-1]
    line = np.log(case.step) - case.rate * case.step * lag
    roundings = lag * (ELEMENTARY + 2 + case.rate * case.step) + ELEMENTARY * (1 + np.abs(line)) + 8
    return Score(float((np.abs(found - line) / (2 * roundings * UNIT)).max()), "error/bound")


def changed_scan(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Scan:
    """The scan with (Δ, A) changed."""
    return lambda u, delta, A, B, C: ops.selective_scan(u, *change(delta, A), B, C)


def _uneven(delta: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    return delta * torch.linspace(1, 1 + 1e-9, delta.shape[-1], dtype=delta.dtype, device=delta.device), A


# --- bounded inputs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BoundedCase:
    """One channel, one state: inputs in [−radius, radius]·`reach`, Δ = softplus(wx + b), λ = `rate`."""

    weight: Annotated[float, Real(-2, 2)]
    bias: Annotated[float, Real(-2, 2)]
    rate: Annotated[float, Real(0.1, 3)]
    inputs: Annotated[list[float], Several(Real(-1, 1), 2, 12)]
    j: Annotated[int, Whole(0, 10)]

    def together(self) -> str:
        """j is not the last step."""
        return "" if self.j < len(self.inputs) - 1 else f'"j" is a step before {len(self.inputs) - 1}, counted from 0'


@st.composite
def bounded_cases(draw: st.DrawFn, subject: Any, run: Run) -> BoundedCase:
    """Inputs on the whole interval, ends included; every other case stays at the end where Δ is least."""
    weight, bias, rate = draw(st.floats(-2, 2)), draw(st.floats(-2, 2)), draw(st.floats(0.1, 3))
    inputs = draw(st.lists(st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, 1.0])), min_size=2, max_size=12))
    if draw(st.booleans()):
        inputs = [-math.copysign(1.0, weight)] * len(inputs)
    return BoundedCase(weight, bias, rate, inputs, draw(st.integers(0, len(inputs) - 2)))


@dataclass(frozen=True)
class Floor:
    """δ = softplus(b + sign·|w|M), for inputs of which `reach`·M is the largest."""

    sign: float = -1.0
    reach: float = 1.0


def bounded_score(subject: Floor, case: BoundedCase, run: Run) -> Score:
    """|∂h_L/∂x_j| e^{λδ(L−j)} / |K_j| in Arb: at most 1, reached by inputs that stay at the end."""
    x = np.array(case.inputs)[:, None] * subject.reach
    mixer = S6Mixer(np.array([[case.weight]]), np.array([case.bias]), np.array([[-case.rate]]), np.array([[1.0]]))
    change = mixer.eq11(BALL, BALL.array(x), case.j, 0)
    lag = len(change) - 1
    with BALL.arithmetic():
        w, b, rate = (BALL.number(v) for v in (case.weight, case.bias, case.rate))
        floor = BALL.softplus(b + subject.sign * abs(w))
        if not abs(change[0, 0, 0]) > 0:
            return Score(0.0, "error/bound")
        ratio = abs(change[-1, 0, 0]) / abs(change[0, 0, 0]) * (rate * floor * lag).exp()
    return Score(float(ratio), "error/bound")


CHECKS: tuple[Check, ...] = (
    Property(
        claim="sensitivity.eq11",
        name="derivative-of-the-definition",
        subject=S6Mixer.eq11,
        mutants={
            "term through h_{j−1} dropped": _without_decay_term,
            "product starts at r = j": _product_from_j,
            "B does not move": _constant_B,
        },
        cases=mixer_cases,
        score=enclosed_score,
        examples=12,
        facts={"field": "Arb, dual numbers"},
    ),
    Property(
        claim="sensitivity.eq11",
        name="autograd-through-the-kernel",
        subject=ops.selective_scan,
        mutants={
            "Δ detached in the decay": wrong_scan("detached"),
            "ZOH in place of Euler": wrong_scan("zoh"),
            "decay one step late": wrong_scan("late"),
        },
        cases=lambda subject, run: mixer_cases(subject, run, longest=40),
        score=gradient_score,
        examples=100,
        facts={"kernel": "selective_scan", "dtypes": "float64"},
    ),
    Property(
        claim="sensitivity.lem1-amended",
        name="log-sensitivity-is-a-line",
        subject=ops.selective_scan,
        mutants={
            "λ off by 1e-9": changed_scan(lambda delta, A: (delta, A * (1 + 1e-9))),
            "Δ rises by 1e-9": changed_scan(_uneven),
            "λ halved": changed_scan(lambda delta, A: (delta, A / 2)),
        },
        cases=drawn(SlopeCase),
        score=slope_score,
        examples=60,
        facts={"kernel": "selective_scan", "dtypes": "float64", "slope": "−λΔ"},
    ),
    Property(
        claim="sensitivity.bounded-inputs-forget",
        name="compact-inputs-forget",
        subject=Floor(),
        mutants={"floor from the wrong end": Floor(sign=1.0), "inputs beyond M": Floor(reach=2.0)},
        cases=bounded_cases,
        score=bounded_score,
        examples=60,
        facts={"field": "Arb"},
    ),
)
