"""Haar coefficients in the official blocks against PyWavelets, and the steps of time they are made of.

The bound is derived: with |SiLU(x)| + |SiLU(−x)| = |x|, sums of m terms in any order and a SiLU good to a few ulps, a
coefficient is off by at most γ_{m+c} Σ|x_s| over its support; everything else in the block is exact in powers of two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import torch
from flint import arb
from hypothesis import strategies as st

from mamba_theorems.constructions.compiler.exact import ExactTensor
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.haar import HaarNetwork, Wavelet, full_basis, mamba1_haar, mamba2_haar, wavelet
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.kernels.fields import BALL, Field
from mamba_theorems.verify.checks.case import Whole
from mamba_theorems.verify.checks.check import DTYPE, SEED, Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, EVERY_DTYPE
from mamba_theorems.verify.settings import NotAvailable, Run, Tier

FEW = 8 + ELEMENTARY
"""Roundings beside the sum: SiLU (one elementary function, two operations), final difference, norm, scales."""

BITS = {"float32": 24, "float64": 53}
Build = Callable[[int, tuple[Wavelet, ...], str], HaarNetwork]
BUILDERS: dict[str, Build] = {
    "official-mamba1-given-time": lambda length, basis, dtype: mamba1_haar(length, basis),
    "official-mamba1-recovering-time": lambda length, basis, dtype: mamba1_haar(length, basis, knows_time=False),
    "official-mamba2": lambda length, basis, dtype: mamba2_haar(length, basis, bits=BITS[dtype]),
}

Tamper = Callable[[Construction], Construction]


def untampered(block: Construction) -> Construction:
    """The block as it is."""
    return block


@dataclass(frozen=True)
class Transform:
    """A builder of networks, and what a mutant does to the weights of the last block."""

    build: Build
    tamper: Tamper = untampered

    def network(self, length: int, basis: tuple[Wavelet, ...], dtype: str) -> HaarNetwork:
        """The network for some coefficients of signals of a length."""
        net = self.build(length, basis, dtype)
        return replace(net, layers=(*net.layers[:-1], self.tamper(net.layers[-1])))


def rounding_bound(signal: np.ndarray, basis: tuple[Wavelet, ...], dtype: str) -> np.ndarray:
    """γ_{m+FEW} Σ|x_s| for each coefficient, m its support, and as much again in float64 for the oracle."""
    unit = np.finfo(dtype).eps / 2
    sizes = np.abs(signal.astype(float)) @ np.abs(np.stack([w.values(signal.shape[-1]) for w in basis])).T
    count = np.array([w.squared_norm for w in basis]) + FEW
    double = count * 2.0**-53
    return (count * unit / (1 - count * unit) + double / (1 - double)) * sizes


def oracle(signal: np.ndarray, level: int) -> list[np.ndarray]:
    """PyWavelets' Haar decomposition in float64: approximation, then details from the widest to the narrowest."""
    try:
        import pywt  # noqa: PLC0415
    except ImportError as missing:
        raise NotAvailable("PyWavelets is not installed: pip install PyWavelets") from missing
    return pywt.wavedec(signal.astype(float), "haar", level=level, mode="periodization")


def _worst_ratio(found: np.ndarray, wanted: np.ndarray, bound: np.ndarray) -> float:
    """The largest |found − wanted|/bound; NaN counts as ∞."""
    ratio = np.abs(found.astype(float) - wanted) / np.maximum(bound, np.finfo(float).tiny)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max())


# --- single coefficients ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CoefficientCase:
    """One coefficient: 2^level·blocks is the length, k its place, `scale` the size of the signal, `seed` its draw."""

    level: Annotated[int, Whole(1, 12)]
    blocks: Annotated[int, Whole(1, 2048)]
    k: Annotated[int, Whole(0, 2047)]
    scale: Annotated[int, Whole(-10, 10)]
    seed: SEED
    dtype: DTYPE

    def together(self) -> str:
        """k is a place, and the signal is of a length that runs."""
        if self.blocks * 2**self.level > 2**12:
            return '"blocks" times 2^"level", the length of the signal, is at most 4096'
        return "" if self.k < self.blocks else f'"k" is a place below {self.blocks}, counted from 0'


def _coefficient_cases(subject: Transform, run: Run) -> st.SearchStrategy[CoefficientCase]:
    largest = 9 if run.tier is Tier.QUICK else 12
    sizes = st.integers(1, largest).flatmap(lambda j: st.tuples(st.just(j), st.integers(1, 2 ** (largest - j))))
    return sizes.flatmap(
        lambda size: st.builds(
            CoefficientCase,
            st.just(size[0]),
            st.just(size[1]),
            st.integers(0, size[1] - 1),
            st.integers(-10, 10),
            st.integers(0, 99),
            st.sampled_from(run.dtypes),
        )
    )


def _coefficient_score(subject: Transform, case: CoefficientCase, run: Run) -> Score:
    """|block − PyWavelets|/bound for one coefficient of one random signal."""
    length, basis = case.blocks * 2**case.level, (wavelet(case.level, case.k),)
    signal = _signal(length, case.seed, case.dtype) * np.array(2.0**case.scale, case.dtype)
    wanted = oracle(signal, case.level)[1][..., case.k : case.k + 1] * 2 ** (case.level / 2)
    found = subject.network(length, basis, case.dtype).on_kernels(signal[None], DTYPE_NAMED[case.dtype], run.device)[0]
    return Score(_worst_ratio(found, wanted, rounding_bound(signal, basis, case.dtype)), "error/bound")


def _signal(length: int, seed: int, dtype: str) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(length).astype(dtype)


# --- mutants of the block ---------------------------------------------------------------------------------------------


def changed(name: str, change: Callable[[ExactTensor], ExactTensor]) -> Tamper:
    """A mutant of a block: one weight changed."""
    return lambda block: block.with_weight(name, change(block.weights[name]))


def _scaled(tensor: ExactTensor, factor: Fraction, where: Callable[[Any], bool] = lambda index: True) -> ExactTensor:
    return replace(tensor, entries={i: v * factor if where(i) else v for i, v in tensor.entries.items()})


def _tap_moved(tensor: ExactTensor) -> ExactTensor:
    return replace(tensor, entries={(*i[:-1], 2): v for i, v in tensor.entries.items()})


MUTANTS = {
    "conv tap moved": changed("conv1d.weight", _tap_moved),
    "states decay: A = −1/128": changed("A_log", lambda a: replace(a, fill=-5)),
    "negative half of the signal dropped": changed(
        "out_proj.weight", lambda w: replace(w, entries={i: v for i, v in w.entries.items() if v > 0})
    ),
    "readout off by 2^{−10}": changed("out_proj.weight", lambda w: _scaled(w, Fraction(1025, 1024))),
}
HINGES_LATE = {"hinges one token late": changed("conv1d.bias", lambda b: _scaled(b, Fraction(2)))}


def _single(name: str, build: Build, examples: int) -> Property:
    subject = Transform(build)
    tampered = MUTANTS | (HINGES_LATE if "mamba1" in name else {})
    return Property(
        claim="haar.official-block",
        name=f"coefficients-{name}",
        subject=subject,
        mutants={mutant: replace(subject, tamper=tamper) for mutant, tamper in tampered.items()},
        cases=_coefficient_cases,
        score=_coefficient_score,
        examples=examples,
        facts={"oracle": "PyWavelets haar", "dtypes": EVERY_DTYPE},
    )


COEFFICIENTS = tuple(
    _single(name, build, examples) for (name, build), examples in zip(BUILDERS.items(), (20, 10, 10), strict=True)
)


# --- long signals and the full transform ------------------------------------------------------------------------------


def _on_kernels(network: HaarNetwork, signal: np.ndarray, run: Run) -> np.ndarray:
    """(batch, coefficients) in float32; on someone else's kernel, which may hold every state, one signal at a time."""
    parts = np.split(signal, len(signal)) if run.kernel else [signal]
    return np.concatenate([network.on_kernels(part, torch.float32, run.device) for part in parts])


def _full_look(tamper: Tamper, run: Run) -> Finding:
    """All L coefficients at once, for L = 2 … 256 (quick: 8, 256), in float32."""
    lengths = (8, 256) if run.tier is Tier.QUICK else (2, 4, 8, 16, 32, 64, 128, 256)
    worst: dict[str, float] = {}
    for length in lengths if run.shrink else (8,):
        basis = full_basis(length)
        norms = np.sqrt([w.squared_norm for w in basis])
        signal = np.random.default_rng(run.seed).standard_normal((4, length)).astype(np.float32)
        wanted = np.concatenate(oracle(signal, length.bit_length() - 1), axis=-1) * norms
        bound = rounding_bound(signal, basis, "float32")
        for name, build in BUILDERS.items():
            found = _on_kernels(Transform(build, tamper).network(length, basis, "float32"), signal, run)
            ratio = _worst_ratio(found, wanted, bound)
            worst[name] = max(worst.get(name, 0.0), ratio)
            if not ratio <= 1:
                return Finding(False, f"{name}: error/bound {ratio:.3g} at L = {length}")
    facts: dict[str, str | int] = {"L": ", ".join(map(str, lengths)), "oracle": "PyWavelets haar", "dtype": "float32"}
    return Finding(True, "", facts, {f"error/bound, {name}": value for name, value in worst.items()})


FULL_TRANSFORM = Examination(
    claim="haar.official-block",
    name="full-transform-against-pywavelets",
    subject=untampered,
    mutants=MUTANTS,
    look=_full_look,
)


def _long_look(tamper: Tamper, run: Run) -> Finding:
    """L = 4096: the widest wavelet, a narrow one at the end, and some between, in float32."""
    length = 4096 if run.shrink else 64
    top = length.bit_length() - 1
    chosen = [(top, 0), (top - 1, 1), (top - 3, 5), (1, length // 2 - 1)]
    basis = tuple(wavelet(level, k) for level, k in chosen)
    signal = np.random.default_rng(run.seed).standard_normal((4, length)).astype(np.float32)
    details = oracle(signal, top)
    wanted = np.stack([details[1 + top - level][..., k] * 2 ** (level / 2) for level, k in chosen], axis=-1)
    figures: dict[str, float | str] = {}
    for name, build in BUILDERS.items():
        found = _on_kernels(Transform(build, tamper).network(length, basis, "float32"), signal, run)
        ratio = _worst_ratio(found, wanted, rounding_bound(signal, basis, "float32"))
        figures[f"error/bound, {name}"] = ratio
        if not ratio <= 1:
            return Finding(False, f"{name}: error/bound {ratio:.3g} at L = {length}")
    return Finding(True, "", {"L": length, "coefficients": len(basis), "dtype": "float32"}, figures)


LONG = Examination(
    claim="haar.official-block",
    name="long-signals-against-pywavelets",
    subject=untampered,
    mutants=MUTANTS,
    look=_long_look,
)


# --- the step of time, on balls ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SiluStepCase:
    """Slope in sixteenths, and t − a."""

    slope: Annotated[int, Whole(32, 640)]
    offset: Annotated[int, Whole(-40, 40)]


@dataclass(frozen=True)
class SiluStep:
    """The activation under the step, and the bound on its error."""

    activation: Callable[[Field, np.ndarray], np.ndarray]
    bound: Callable[[arb], arb]


def _step_score(subject: SiluStep, case: SiluStepCase, run: Run) -> Score:
    """|(SiLU(w(d + 1)) − SiLU(w·d))/w − 1[d ≥ 0]| over its bound."""
    slope = Fraction(case.slope, 16)
    high, low = subject.activation(BALL, BALL.array([slope * (case.offset + 1), slope * case.offset]))
    w = BALL.number(slope)
    error = abs((high - low) / w - (1 if case.offset >= 0 else 0))
    ratio = error / subject.bound(w)
    return Score(float(ratio.mid() - ratio.rad()), "error/bound")


SILU_STEP = SiluStep(semantics.silu, lambda w: 1 / (1 + w.exp()))
STEP: Property = Property(
    claim="haar.official-block",
    name="silu-step-within-its-bound",
    subject=SILU_STEP,
    mutants={
        "softplus for SiLU": replace(SILU_STEP, activation=lambda f, x: f.softplus(x)),
        "bound 1/(2 + e^w)": replace(SILU_STEP, bound=lambda w: 1 / (2 + w.exp())),
    },
    cases=drawn(SiluStepCase),
    score=_step_score,
    examples=80,
    facts={"field": "Arb balls"},
)


CHECKS: tuple[Check, ...] = (*COEFFICIENTS, FULL_TRANSFORM, LONG, STEP)
