"""KEEP n-TH: two channels and one state on balls, one state on the real kernel in float32, and what no S4D can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, reduce
from itertools import product
from typing import Annotated

import numpy as np
import sympy as sp
import torch
import z3
from flint import arb
from hypothesis import strategies as st

from mamba_theorems.constructions.compiler.blocks import UNIT
from mamba_theorems.constructions.haar import discrete_wavelet, keep_nth, keep_one_state, keep_two_channels
from mamba_theorems.constructions.haar.keep import SLOPE
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.fields import BALL, Field
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.haar import keep as theorem
from mamba_theorems.theorems.haar import one_state
from mamba_theorems.theorems.proofs.enclose import enclose
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.settings import Run, Tier

LENGTH = 512
VOCAB_SIZE = 16


# --- the error bounds, on balls ---------------------------------------------------------------------------------------


CONSTANT = st.builds(lambda value, times: [value] * times, st.integers(1, 9), st.integers(1, 16))
KEPT = st.shared(st.lists(st.integers(-9, 9), min_size=1, max_size=16) | CONSTANT, key="signal")
SLOPES = Annotated[int, Whole(4, 60)]


@dataclass(frozen=True)
class KeepCase:
    """A signal of small integers, n (counted from 1), and the slope of the gate."""

    signal: Annotated[list[int], Several(Whole(-9, 9), 1, 100), KEPT]
    n: Annotated[int, Whole(1, 100), KEPT.flatmap(lambda signal: st.integers(1, len(signal)))]
    slope: SLOPES

    def together(self) -> str:
        """n is a place of the signal."""
        return "" if self.n <= len(self.signal) else f'"n" is a place of the signal, from 1 to {len(self.signal)}'


@dataclass(frozen=True)
class Keeper:
    """A way to keep x_n and the bound on its error, as a function of (signal, n, slope)."""

    keep: Callable[[Field, np.ndarray, int, int], np.ndarray]
    bound: Callable[[list[int], int, int], arb]


def _keep_score(subject: Keeper, case: KeepCase, run: Run) -> Score:
    """Worst |y_t − x_n|/bound over t ≥ n; upper ends of balls."""
    y = subject.keep(BALL, BALL.array(case.signal), case.n, case.slope)[case.n - 1 :]
    error = reduce(arb.max, abs(y - case.signal[case.n - 1]))
    bound = subject.bound(case.signal, case.n, case.slope)
    return Score(float((error / bound).upper()) if bound > 0 else (0.0 if error == 0 else float("inf")), "error/bound")


def _one_state(discretization: semantics.Discretization) -> Callable[[Field, np.ndarray, int, int], np.ndarray]:
    def keep(f: Field, x: np.ndarray, n: int, slope: int) -> np.ndarray:
        y = keep_one_state(f, x, n, slope, discretization)
        if discretization is semantics.zoh:
            return y
        with f.arithmetic():
            return y / f.softplus(f.array(Fraction(slope, 2)))

    return keep


def spread(signal: list[int], n: int, *, initial: bool = True) -> int:
    """max |x_s − x_n| over all s, with x_0 = 0 the initial state."""
    return max(abs(x - signal[n - 1]) for x in [*([0] if initial else []), *signal])


def largest(signal: list[int]) -> int:
    """max |x_s|."""
    return max(map(abs, signal))


def stated(bound: sp.Expr) -> Callable[[int], arb]:
    """A bound of `theorems.haar.keep` as a function of the slope."""
    return cache(lambda slope: enclose(bound, {theorem.slope: slope}))


UNDER_ZOH, UNDER_EULER, TWO = map(stated, (one_state.UNDER_ZOH, one_state.UNDER_EULER, theorem.TWO_CHANNELS))
TWO_CHANNELS = Keeper(keep_two_channels, lambda x, n, w: TWO(w) * largest(x))
ZOH = Keeper(_one_state(semantics.zoh), lambda x, n, w: UNDER_ZOH(w) * spread(x, n))
EULER = Keeper(_one_state(semantics.euler), lambda x, n, w: UNDER_EULER(w) * largest(x))


def _reversed(f: Field, x: np.ndarray, n: int, slope: int) -> np.ndarray:
    with f.arithmetic():
        return -keep_two_channels(f, x, n, slope)


def _bounds(claim: str, name: str, subject: Keeper, mutants: dict[str, Keeper]) -> Property:
    return Property(
        claim=claim,
        name=name,
        subject=subject,
        mutants=mutants,
        cases=drawn(KeepCase),
        score=_keep_score,
        examples=40,
        facts={"field": "Arb balls", "kernel": "definition"},
    )


BOUNDS = (
    _bounds(
        "haar.cor2-amended",
        "error-within-its-bound",
        TWO_CHANNELS,
        {
            "the printed order of the two steps": replace(TWO_CHANNELS, keep=_reversed),
            "thresholds one token late": replace(
                TWO_CHANNELS, keep=lambda f, x, n, w: keep_two_channels(f, x, n + 1, w)
            ),
            "bound of twice the slope": replace(TWO_CHANNELS, bound=lambda x, n, w: TWO(2 * w) * largest(x)),
        },
    ),
    _bounds(
        "haar.keep-nth-one-state",
        "zoh-within-its-bound",
        ZOH,
        {
            "Euler for ZOH": replace(ZOH, keep=_one_state(semantics.euler)),
            "D without the initial state": replace(
                ZOH, bound=lambda x, n, w: UNDER_ZOH(w) * spread(x, n, initial=False)
            ),
            "half the bound": replace(ZOH, bound=lambda x, n, w: UNDER_ZOH(w) * spread(x, n) / 2),
        },
    ),
    _bounds(
        "haar.keep-nth-one-state",
        "euler-within-its-bound",
        EULER,
        {
            "bilinear for Euler": replace(EULER, keep=_one_state(semantics.bilinear)),
            "a quarter of the bound": replace(EULER, bound=lambda x, n, w: UNDER_EULER(w) * largest(x) / 4),
        },
    ),
)


# --- Theorem 1 on integers --------------------------------------------------------------------------------------------


SIGNAL = st.shared(st.lists(st.integers(-9, 9), min_size=3, max_size=20), key="signal")


@dataclass(frozen=True)
class WaveletCase:
    """A signal of small integers, three places of it in increasing order, and the slope of the gates."""

    signal: Annotated[list[int], Several(Whole(-9, 9), 3, 100), SIGNAL]
    places: Annotated[
        list[int],
        Several(Whole(1, 100), 3, 3, rising=True),
        SIGNAL.flatmap(lambda s: st.lists(st.integers(1, len(s)), min_size=3, max_size=3, unique=True).map(sorted)),
    ]
    slope: SLOPES

    def together(self) -> str:
        """Places are those of the signal."""
        fits = self.places[-1] <= len(self.signal)
        return "" if fits else f'"places" are places of the signal, from 1 to {len(self.signal)}'


@dataclass(frozen=True)
class DiscreteWavelet:
    """Three discretised S6 functions and the bound factor·e^{−W/2}·max|x| on what they read."""

    read: Callable[..., np.ndarray] = discrete_wavelet
    factor: int = 9


def _wavelet_score(subject: DiscreteWavelet, case: WaveletCase, run: Run) -> Score:
    """Worst |y_t − Σψx|/bound over t ≥ c, on balls; the wavelet is 1 on [a, b), −1 on [b, c)."""
    a, b, c = case.places
    wanted = sum(case.signal[a - 1 : b - 1]) - sum(case.signal[b - 1 : c - 1])
    errors = [abs(y - wanted) for y in subject.read(BALL, BALL.array(case.signal), case.places, case.slope)[c - 1 :]]
    bound = subject.factor * (arb(-case.slope) / 2).exp() * max(1, largest(case.signal))
    return Score(max(float((error / bound).upper()) for error in errors), "error/bound")


WAVELET: Property = Property(
    claim="haar.cor2-amended",
    name="discrete-wavelet-within-its-bound",
    subject=DiscreteWavelet(),
    mutants={
        "middle one token late": DiscreteWavelet(lambda f, x, p, w: discrete_wavelet(f, x, (p[0], p[1] + 1, p[2]), w)),
        "slope W − 4 under the bound of W": DiscreteWavelet(lambda f, x, p, w: discrete_wavelet(f, x, p, w - 4)),
    },
    cases=drawn(WaveletCase),
    score=_wavelet_score,
    facts={"field": "Arb balls"},
)


# --- float32, every n, on the real kernel -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gate:
    """Δ before softplus is slope·(n + offset − t); the state is read with 1/softplus(slope/2)."""

    slope: int = SLOPE
    offset: float = 0.5


def _every_n_look(subject: Gate, run: Run) -> Finding:
    """All n ≤ L = 512 at once, one channel and one state each: y_t == x_n bit for bit for every t ≥ n.

    By causality this covers every shorter length.
    """
    rng = np.random.default_rng(run.seed)
    x = torch.from_numpy(rng.standard_normal((4, 1, LENGTH)).astype(np.float32)).to(run.device)
    n = t = torch.arange(1, LENGTH + 1, dtype=torch.float32, device=run.device)
    raw = (subject.slope * (n[:, None] + subject.offset - t)).expand(4, -1, -1).contiguous()
    ones, u = torch.ones_like(x), x.expand(-1, LENGTH, -1).contiguous()
    A = -torch.ones_like(n)[:, None]
    y = ops.selective_scan(u, raw, A, ones, ones / UNIT, delta_softplus=True)
    wrong = (y != x[:, 0, :, None]) & (t >= n[:, None])
    facts: dict[str, str | int] = {"n": f"1 … {LENGTH}", "L": LENGTH, "d_state": 1, "dtype": "float32", "sequences": 4}
    if bool(wrong.any()):
        _, channel, position = (int(i) for i in wrong.nonzero()[0])
        return Finding(False, f"n = {channel + 1}: y differs from x_n at t = {position + 1}", facts)
    return Finding(True, "", facts)


EVERY_N = Examination(
    claim="haar.keep-nth-one-state",
    name="every-n-exact-in-float32",
    subject=Gate(),
    mutants={
        "gate crosses 0 at token n": Gate(offset=0.0),
        "gate one token late": Gate(offset=1.5),
        "slope 64: e^{−32} survives": Gate(slope=64),
    },
    look=_every_n_look,
)


def _block_look(shift: int, run: Run) -> Finding:
    """One-hot tokens through the whole block, float32: the output is the one-hot code of token n, exactly.

    `shift` keeps another token than asked for.
    """
    every = run.tier is not Tier.QUICK and run.shrink
    chosen = range(1, LENGTH + 1) if every else (1, 2, 3, 31, 256, 511, 512)
    tokens = np.random.default_rng(run.seed).integers(0, VOCAB_SIZE, (2, LENGTH))
    for n in chosen:
        y = keep_nth(max(n - shift, 1), VOCAB_SIZE).on_kernels(tokens, torch.float32, run.device)[:, n - 1 :]
        wrong = (y != np.eye(VOCAB_SIZE)[tokens[:, n - 1]][:, None]).any(-1)
        if wrong.any():
            return Finding(False, f"n = {n}: {int(wrong.sum())} outputs differ from token n")
    facts: dict[str, str | int] = {
        "n": len(chosen),
        "L": LENGTH,
        "vocab_size": VOCAB_SIZE,
        "block": "official Mamba-1, d_state 1",
    }
    return Finding(True, "", facts)


BLOCK = Examination(
    claim="haar.keep-nth-one-state",
    name="official-block-keeps-token-n",
    subject=0,
    mutants={"the token before n": 1, "the token after n": -1},
    look=_block_look,
)


# --- S4D cannot: exhaustive at (n, L, |V|) = (2, 3, 2) ----------------------------------------------------------------


@dataclass(frozen=True)
class AdditiveModel:
    """Logit difference Σ_lag a_lag(x_{t−lag}) + c_t; `invariant` is false where a may depend on t as well."""

    invariant: bool = True
    ties_win: bool = False


def _best_look(subject: AdditiveModel, run: Run) -> Finding:
    """The most of the 16 answers (8 sequences, t = 2, 3) that any such model gets right, over all real weights."""
    solver = z3.Optimize()
    a: dict[tuple[int, int, int], z3.ArithRef] = {}
    c = {t: z3.Real(f"c{t}") for t in (2, 3)}
    right = []
    for t, x in product((2, 3), product((0, 1), repeat=3)):
        terms = [_piece(a, subject, t, t - s, x[s - 1]) for s in range(1, t + 1)]
        logit = z3.Sum(terms) + c[t]
        signed = logit if x[1] else -logit
        right.append(signed >= 0 if subject.ties_win else signed > 0)
    score = z3.Sum([z3.If(r, 1, 0) for r in right])
    solver.maximize(score)
    solver.check()
    most = solver.model().eval(score).as_long()
    facts: dict[str, str | int] = {"(n, L, |V|)": "(2, 3, 2)", "right at most": most, "of": 16}
    met = most == 14
    return Finding(met, "" if met else f"{16 - most} of 16 wrong, where the bound ¼(1 − ½) says 2", facts)


def _piece(
    a: dict[tuple[int, int, int], z3.ArithRef], subject: AdditiveModel, t: int, lag: int, token: int
) -> z3.ArithRef:
    key = (0 if subject.invariant else t, lag, token)
    return a.setdefault(key, z3.Real(f"a{key}"))


EXHAUSTIVE = Examination(
    claim="haar.keep-nth-s4d-impossible",
    name="bound-is-met",
    kind=Kind.CERTIFIED,
    subject=AdditiveModel(),
    mutants={
        "a mixer that varies in time": AdditiveModel(invariant=False),
        "ties count as right": AdditiveModel(ties_win=True),
    },
    look=_best_look,
)

CHECKS: tuple[Check, ...] = (*BOUNDS, WAVELET, EVERY_N, BLOCK, EXHAUSTIVE)
