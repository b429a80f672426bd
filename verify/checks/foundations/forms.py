"""Checks that the recurrence is a scan over any tree, a convolution, and an FFT; and that S6 is not LTI."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import strategies as st

from mamba_theorems.constructions import foundations as forms
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.arguments import S6
from mamba_theorems.kernels.backends import choices
from mamba_theorems.kernels.bounds.running_error import selective_scan_bound
from mamba_theorems.kernels.fields import BALL, FLOAT64, RATIONAL
from mamba_theorems.verify.checks.case import Choice, Several, Whole
from mamba_theorems.verify.checks.check import SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, UNIT, disjoint
from mamba_theorems.verify.settings import Run

# --- trees and chunks ------------------------------------------------------------------------------------------------

Pair = tuple[Fraction, Fraction]
Combine = Callable[[Pair, Pair], Pair]


@dataclass(frozen=True)
class TreeCase:
    """Rational decays and writes (numerators over 4), and where to split each block."""

    decays: Annotated[list[int], Several(Whole(-8, 8), 1, 100)]
    writes: Annotated[list[int], Several(Whole(-8, 8), 1, 100)]
    seed: SEED

    def together(self) -> str:
        """A write a step."""
        return (
            "" if len(self.decays) == len(self.writes) else f'"writes" has {len(self.decays)} values, as "decays" has'
        )


def tree_cases(subject: Combine, run: Run) -> st.SearchStrategy[TreeCase]:
    """Two to twelve steps."""
    numbers = st.integers(-8, 8)
    return st.integers(2, 12).flatmap(
        lambda n: st.builds(
            TreeCase,
            decays=st.lists(numbers, min_size=n, max_size=n),
            writes=st.lists(numbers, min_size=n, max_size=n),
            seed=st.integers(0, 999),
        )
    )


def combine(first: Pair, second: Pair) -> Pair:
    """(a1, b1) ∘ (a2, b2)."""
    return first[0] * second[0], second[0] * first[1] + second[1]


def _fold(operator: Combine, steps: list[Pair], rng: np.random.Generator) -> Pair:
    if len(steps) == 1:
        return steps[0]
    cut = int(rng.integers(1, len(steps)))
    return operator(_fold(operator, steps[:cut], rng), _fold(operator, steps[cut:], rng))


def tree_score(subject: Combine, case: TreeCase, run: Run) -> Score:
    """A random bracketing against the recurrence, exactly."""
    steps = [(Fraction(a, 4), Fraction(b, 4)) for a, b in zip(case.decays, case.writes, strict=True)]
    decay, write = (np.array(column, dtype=object)[:, None, None] for column in zip(*steps, strict=True))
    last = semantics.recurrence(RATIONAL, decay, write)[-1, 0, 0]
    return Score(int(_fold(subject, steps, np.random.default_rng(case.seed))[1] != last), "mismatches")


BACKEND = Annotated[str, Choice(lambda run: choices("selective_scan", run.device))]
CUT_LENGTH = st.shared(st.integers(2, 90), key="length")


@dataclass(frozen=True)
class CutCase:
    """A scan cut at any step but its ends, the state carried over, on a backend ("auto": the compiled one)."""

    length: Annotated[int, Whole(2, 2000), CUT_LENGTH]
    cut: Annotated[int, Whole(1, 1999), CUT_LENGTH.flatmap(lambda length: st.integers(1, length - 1))]
    d_state: Annotated[int, Whole(1, 64, usual=9)]
    seed: SEED
    backend: BACKEND

    def together(self) -> str:
        """The cut lies inside."""
        return "" if self.cut < self.length else f'"cut" is a step from 1 to {self.length - 1}'


cut_cases = drawn(CutCase)


def _random_scan(case: CutCase) -> dict[str, Any]:
    rng = np.random.default_rng(case.seed)
    shapes = {"u": (1, 3, case.length), "delta": (1, 3, case.length), "A": (3, case.d_state)}
    shapes |= dict.fromkeys("BC", (1, case.d_state, case.length))
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    arrays["delta"], arrays["A"] = np.abs(arrays["delta"]), -np.abs(arrays["A"])
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def two_scans(inputs: dict[str, Any], cut: int, backend: str) -> torch.Tensor:
    """The scan of the first part, its last state handed to the scan of the second."""
    one, two = _parts(inputs, cut)
    first, state = ops.selective_scan(**one, return_last_state=True, backend=backend)
    second = ops.selective_scan(**two, initial_state=state, backend=backend)
    return torch.cat([first, second], -1)


def _parts(inputs: dict[str, Any], cut: int) -> list[dict[str, Any]]:
    """The inputs before the cut, and the ones after it."""
    wheres = slice(0, cut), slice(cut, None)
    return [{k: v if k == "A" else v[..., w].contiguous() for k, v in inputs.items()} for w in wheres]


def _forgetting(inputs: dict[str, Any], cut: int, backend: str) -> torch.Tensor:
    return torch.cat([ops.selective_scan(**part) for part in _parts(inputs, cut)], -1)


def _undecayed(inputs: dict[str, Any], cut: int, backend: str) -> torch.Tensor:
    y = two_scans(inputs, cut, backend)
    _, state = ops.selective_scan(**_parts(inputs, cut)[0], return_last_state=True)
    extra = torch.einsum("bdn,bnl->bdl", state, inputs["C"][..., cut : cut + 1])
    return torch.cat([y[..., :cut], y[..., cut : cut + 1] + extra, y[..., cut + 1 :]], -1)


def cut_score(subject: Callable[..., torch.Tensor], case: CutCase, run: Run) -> Score:
    """Against the unrolled whole, over its running-error bound."""
    inputs = _random_scan(case)
    moved = {name: value.to(run.device) for name, value in inputs.items()}
    bound = selective_scan_bound(S6(**inputs))
    return Score(bound.ratio(subject(moved, case.cut, case.backend)), "error/bound")


# --- convolution and FFT ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConvolutionCase:
    """S4D states: decays and gains as numerators over 8, inputs as integers."""

    decays: Annotated[list[int], Several(Whole(-8, 8), 1, 16)]
    gains: Annotated[list[int], Several(Whole(-8, 8), 1, 16)]
    inputs: Annotated[list[int], Several(Whole(-99, 99), 1, 64)]

    def together(self) -> str:
        """A gain a state."""
        return "" if len(self.decays) == len(self.gains) else f'"gains" has {len(self.decays)} values, as "decays" has'


@st.composite
def convolution_cases(draw: st.DrawFn, subject: Any, run: Run) -> ConvolutionCase:
    """One to three states, up to 12 inputs; the ends are not 0, so that a wrap-around is seen."""
    n, numbers = draw(st.integers(1, 3)), st.integers(1, 7)
    decays, gains = (draw(st.lists(numbers, min_size=n, max_size=n)) for _ in range(2))
    return ConvolutionCase(decays, gains, draw(st.lists(numbers, min_size=2, max_size=12)))


def padded_to(extra: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The circular convolution of period 2L − 1 + `extra` (≤ 0), exactly: what an FFT of that length computes."""

    def convolve(kernel: np.ndarray, x: np.ndarray) -> np.ndarray:
        length = len(x)
        y, period = np.convolve(kernel, x), max(2 * length - 1 + extra, length)
        y[: len(y) - period] += y[period:]
        return y[:length]

    return convolve


def convolution_score(subject: Callable[..., np.ndarray], case: ConvolutionCase, run: Run) -> Score:
    """Recurrence against convolution with k_i = Σ C a^i B, in rationals."""
    decay, gain = (np.array([Fraction(v, 8) for v in values], dtype=object) for values in (case.decays, case.gains))
    x = np.array([Fraction(v) for v in case.inputs], dtype=object)
    steps = np.ones((len(x), 1, 1), dtype=object)
    h = semantics.recurrence(RATIONAL, steps * decay, 0 * decay + x[:, None, None])
    y = (h[:, 0] * gain).sum(-1)
    kernel = forms.s4d_kernel(RATIONAL, decay, gain, len(x))
    return Score(int((subject(kernel, x) != y).sum()), "mismatches")


@dataclass(frozen=True)
class FftCase:
    """A random S4D of d_state states on a backend, against the FFT; lengths around powers of two."""

    d_state: Annotated[int, Whole(1, 64, usual=16)]
    length: Annotated[int, Whole(1, 4000), st.sampled_from([1, 2, 3, 31, 32, 33, 257, 1000])]
    seed: SEED
    backend: BACKEND


def power_of_two(length: int) -> int:
    """The least power of two ≥ 2L − 1."""
    return 1 << (2 * length - 2).bit_length()


def fft_score(subject: Callable[[int], int], case: FftCase, run: Run) -> Score:
    """|kernel − FFT| over the scan's running-error bound plus the FFT's: 21 u log₂P ‖k‖₂‖x‖₂ (three transforms).

    Each transform of length P is within 7u·log₂P of its norm (Higham 2002, theorem 24.2, with twiddles to 2u).
    The convolution's kernel has its own roundings: e^{ΔA i} by i products.
    """
    rng = np.random.default_rng(case.seed)
    A, B, C = -np.exp(rng.standard_normal(case.d_state)), *rng.standard_normal((2, case.d_state))
    x, delta = rng.standard_normal(case.length), 0.1
    kernel = forms.s4d_kernel(FLOAT64, np.exp(delta * A), delta * B * C, case.length)
    arrays = {"u": x[None, None], "delta": np.full((1, 1, case.length), delta), "A": A[None]}
    arrays |= {name: np.repeat(m[None, :, None], case.length, 2) for name, m in (("B", B), ("C", C))}
    inputs: dict[str, Any] = {name: torch.from_numpy(m) for name, m in arrays.items()}
    y = ops.selective_scan(**{k: v.to(run.device) for k, v in inputs.items()}, backend=case.backend).cpu().numpy()[0, 0]
    period = subject(case.length)
    found = forms.fft_convolution(kernel, x, period)
    size = float(np.linalg.norm(kernel) * np.linalg.norm(x))
    lags = np.arange(case.length) + 1
    terms = np.exp(delta * A[:, None] * lags) * np.abs(delta * B * C)[:, None] * (lags * (ELEMENTARY + 2) + 5)
    kernel_error = UNIT * float(np.linalg.norm(terms.sum(0)) * np.linalg.norm(x))
    fft_error = 21 * UNIT * max(1, math.log2(period)) * size
    bound = selective_scan_bound(S6(**inputs)).y.error.numpy()[0, 0] + kernel_error + fft_error
    return Score(float((np.abs(y - found) / bound).max()), "error/bound")


# --- S6 is not LTI ---------------------------------------------------------------------------------------------------

Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LinearityCase:
    """Two input sequences of one channel, and a delay."""

    first: Annotated[list[int], Several(Whole(1, 6), 1, 16)]
    second: Annotated[list[int], Several(Whole(1, 6), 1, 16)]
    delay: Annotated[int, Whole(1, 16)]

    def together(self) -> str:
        """Two sequences of one length."""
        return "" if len(self.first) == len(self.second) else f'"second" has {len(self.first)} values, as "first" has'


@st.composite
def linearity_cases(draw: st.DrawFn, subject: Any, run: Run) -> LinearityCase:
    """Integers of one sign, not 0, over 2: the defect of additivity is then never 0 by chance."""
    n = draw(st.integers(1, 6))
    numbers = st.lists(st.integers(1, 6), min_size=n, max_size=n)
    return LinearityCase(draw(numbers), draw(numbers), draw(st.integers(1, 4)))


def s6_with(delta: Map) -> Map:
    """N = 1, λ = 1, Δ = delta(x), B = C = 1 over balls; x and y (L,)."""

    def scan(x: np.ndarray) -> np.ndarray:
        ones = BALL.array(np.ones((len(x), 1), dtype=int))
        return semantics.selective_scan(BALL, x[:, None], delta(x)[:, None], BALL.array([[-1]]), ones, ones)[:, 0]

    return scan


def linearity_score(subject: Map, case: LinearityCase, run: Run) -> Score:
    """Mismatches: outputs that superpose after all, and outputs that do not commute with a delay."""
    x, y = (BALL.array([Fraction(v, 2) for v in values]) for values in (case.first, case.second))
    with BALL.arithmetic():
        superposes = len(x) - disjoint(subject(x + y), subject(x) + subject(y))
        silence = BALL.array([0] * case.delay)
        delayed = subject(np.concatenate([silence, x]))[case.delay :]
    return Score(superposes + disjoint(delayed, subject(x)), "mismatches")


CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.scan-associative",
        name="any-bracketing",
        subject=combine,
        mutants={
            "operands swapped": lambda one, two: combine(two, one),
            "decay on the wrong write": lambda one, two: (one[0] * two[0], one[1] + one[0] * two[1]),
        },
        cases=tree_cases,
        score=tree_score,
        facts={"field": "rationals"},
    ),
    Property(
        claim="foundations.scan-associative",
        name="state-carried-over",
        subject=two_scans,
        mutants={"state dropped": _forgetting, "state added twice": _undecayed},
        cases=cut_cases,
        score=cut_score,
        facts={"kernel": "selective_scan", "backends": "compiled, reference", "dtypes": "float64"},
    ),
    Property(
        claim="foundations.lti-convolution",
        name="recurrence-is-convolution",
        subject=padded_to(0),
        mutants={"period 2L − 2": padded_to(-1), "kernel reversed": lambda k, x: padded_to(0)(k[::-1], x)},
        cases=convolution_cases,
        score=convolution_score,
        facts={"field": "rationals"},
    ),
    Property(
        claim="foundations.lti-convolution",
        name="kernel-against-fft",
        subject=power_of_two,
        mutants={"not padded": lambda length: length, "padded to 3L/2": lambda length: length + length // 2},
        cases=drawn(FftCase),
        score=fft_score,
        examples=30,
        facts={"kernel": "selective_scan", "backends": "compiled, reference", "oracle": "numpy FFT"},
    ),
    Property(
        claim="foundations.s6-not-lti",
        name="not-additive-but-shift-invariant",
        subject=s6_with(BALL.softplus),
        mutants={
            "S4D": s6_with(lambda x: BALL.array(np.ones(len(x), dtype=int))),
            "Δ by position": s6_with(lambda x: BALL.softplus(BALL.array(np.arange(len(x))))),
        },
        cases=linearity_cases,
        score=linearity_score,
        facts={"field": "Arb"},
    ),
)
