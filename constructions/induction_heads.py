"""Induction heads: [P] Lemma 3 in Mamba-Δ^⊤, and extension F, plain S6, in the paper's and the official blocks.

Task: y_t = x_{j+1}, j the last earlier position with x_j = x_t, blank if none. One-hot tokens; the state's column is
named by the previous token and holds the current one; a query reads the column of the current token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor, nn

from mamba_theorems.constructions.compiler.channels import LinearMap, Space, family
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import (
    ExactTensor,
    Index,
    block,
    silu_preimage,
    softplus_preimage,
    stack_rows,
)
from mamba_theorems.constructions.compiler.explain import explain_mixer
from mamba_theorems.constructions.compiler.mamba1 import Weights, mamba_weights
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.blocks import Mamba, Mamba2, MambaLM, PaperMamba, PaperMambaDeltaT
from mamba_theorems.kernels.fields import Exact, Field
from mamba_theorems.kernels.semantics import RMS_NORM_EPS

TARGETS = ("paper", "official", "official_mamba2", "language_model", "language_model_mamba2")
DECAY_RATE = Fraction(18, 25)  # of plain S6 with step 1: near the best reach for every input in float32
REACH = {torch.float32: 150, torch.float64: 1075}  # 2^-reach rounds to 0: the blank logit lies below every write
HEAD_SCALE = Fraction(2**32)  # lifts the logits of writes that are subnormal, so that blank fits below them


def answers(tokens: np.ndarray, num_tokens: int) -> np.ndarray:
    """What follows the last earlier occurrence of each token, `num_tokens` (blank) if none: (..., L) int64."""
    if tokens.ndim > 1:
        return np.stack([answers(row, num_tokens) for row in tokens])
    follower: dict[int, int] = {}
    found = np.full(len(tokens), num_tokens)
    for t, token in enumerate(tokens.tolist()):
        if t:
            follower[int(tokens[t - 1])] = token
        found[t] = follower.get(token, num_tokens)
    return found


def hard_case(num_tokens: int, length: int, position: int, seed: int) -> np.ndarray:
    """The paper's hard case: token 0 only at `position` and `length - position` (from 1), the rest random others."""
    if not 1 <= position < length - position:
        raise ValueError(f"position={position} must lie before the middle of a sequence of length {length}: lower it.")
    tokens = np.random.default_rng(seed).integers(1, num_tokens, length)
    tokens[[position - 1, length - position - 1]] = 0
    return tokens


def lone_write(gap: int) -> np.ndarray:
    """0 1 … 1 0, asked `gap` steps after the write: length gap + 2."""
    return np.array([0, *[1] * gap, 0])


def repeated(count: int, gap: int = 1) -> np.ndarray:
    """0^count 1 … 1 0: the query's token before its answer as often as wanted, asked `gap` steps after the write."""
    return np.array([*[0] * count, *[1] * gap, 0])


@dataclass(frozen=True)
class InductionHead:
    """Exact weights for one target, over tokens 0 … num_tokens−1; class num_tokens is blank.

    `step_activation` is the paper blocks' for Δ; `transposed` says that Δ runs along the state.
    """

    claim: str
    target: str
    num_tokens: int
    weights: Weights
    transposed: bool = False

    def with_entries(self, name: str, entries: Mapping[Index, Exact]) -> InductionHead:
        """This network with entries of one weight overwritten: how a mutant is made."""
        return replace(self, weights=self.weights | {name: self.weights[name].with_entries(entries)})

    def with_weight(self, name: str, weight: ExactTensor) -> InductionHead:
        """This network with another weight in the place of one."""
        return replace(self, weights=self.weights | {name: weight})

    def run(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """Logits (..., L, num_tokens + 1) by the definition of the block over a field."""
        weights = {name: weight.to(f) for name, weight in self.weights.items()}
        if self.target.startswith("language_model"):
            return semantics.language_model(f, weights, tokens)
        x, mixer = weights["embedding.weight"][tokens], semantics.sub_weights(weights, "mixer")
        with f.arithmetic():
            y = self._block(f, mixer, x)
            return semantics.linear(y, weights["head.weight"], weights["head.bias"])

    def _block(self, f: Field, mixer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        if self.target == "paper" and self.transposed:
            return semantics.paper_mamba_delta_t(f, mixer, x)
        if self.target == "paper":
            return semantics.paper_mamba(f, mixer, x, delta_activation="identity")
        return semantics.mamba2(f, mixer, x) if self.target == "official_mamba2" else semantics.mamba(f, mixer, x)

    def module(self, dtype: torch.dtype, backend: str = "auto", device: str = "cpu") -> nn.Module:
        """The same as a torch module on real kernels: tokens (batch, L) -> logits (batch, L, num_tokens + 1)."""
        module = self._empty(dtype, backend)
        state = {name: weight.torch(dtype) for name, weight in self.weights.items()}
        missing, unexpected = module.load_state_dict(state, strict=False)
        if unexpected or any(not name.endswith("bias") for name in missing):
            raise ValueError(f"The weights do not fit the {self.target} block: {unexpected or missing} do not match.")
        for name in missing:
            nn.init.zeros_(module.get_parameter(name))
        return module.to(device).eval().requires_grad_(False)

    def _empty(self, dtype: torch.dtype, backend: str) -> nn.Module:
        width = 2 * self.num_tokens
        options: dict[str, Any] = {"backend": backend, "dtype": dtype}
        sizes: dict[str, Any] = {"d_state": self.num_tokens, "d_conv": 4, "expand": 1, **options}
        second = {**sizes, "headdim": width}
        if self.target == "language_model":
            return MambaLM(self.num_tokens + 1, width, mixer=Mamba, **sizes)
        if self.target == "language_model_mamba2":
            return MambaLM(self.num_tokens + 1, width, mixer=Mamba2, **second)
        if self.target == "paper":
            kind = PaperMambaDeltaT if self.transposed else PaperMamba
            activation = "softplus" if self.transposed else "identity"
            mixer: nn.Module = kind(width, self.num_tokens, 2, bias=False, delta_activation=activation, **options)
        else:
            mixer = Mamba2(width, **second) if self.target == "official_mamba2" else Mamba(width, **sizes)
        return _OneLayer(self.num_tokens, width, mixer, dtype)


class _OneLayer(nn.Module):
    """embedding -> mixer -> head with a bias (the blank logit)."""

    def __init__(self, num_tokens: int, width: int, mixer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens + 1, width, dtype=dtype)
        self.mixer = mixer
        self.head = nn.Linear(width, num_tokens + 1, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits at every position."""
        return self.head(self.mixer(self.embedding(tokens)))


# ---------------------------------------------------------------------------------------- the paper's block


def lemma3(num_tokens: int, w: Exact) -> InductionHead:
    """[P] Lemma 3 amended: Δ = softplus(w(2[I|0]x̂ − 1)), Λ = −1, blank ½; exact for w ≥ ln(2L)."""
    return _lemma3("induction.lem3-amended", num_tokens, 2 * w, -w, Fraction(1, 2))


def lemma3_printed(num_tokens: int, w: Exact) -> InductionHead:
    """[P] Lemma 3 as printed: Δ = softplus(w[I|0]x̂), Λ = −1, no row for blank (its logit stays 0)."""
    return _lemma3("induction.lem3", num_tokens, w, 0, 0)


def _lemma3(claim: str, num_tokens: int, slope: Exact, offset: Exact, blank: Exact) -> InductionHead:
    weights = _paper_weights(num_tokens, 1, blank)
    delta: dict[Index, Exact] = {(n, n): slope for n in range(num_tokens)}
    weights |= {
        "mixer.delta.weight": ExactTensor((num_tokens, 2 * num_tokens), 0, delta),
        "mixer.delta.bias": block((num_tokens,), offset),
        "mixer.A": block((2 * num_tokens, num_tokens), -1),
    }
    return InductionHead(claim, "paper", num_tokens, weights, transposed=True)


def _paper_weights(num_tokens: int, scale: Exact, blank: Exact) -> Weights:
    """Embedding, convolution [previous; current], B = [I|0], C = [0|I], and the head on the current half."""
    n, width = num_tokens, 2 * num_tokens
    previous: dict[Index, Exact] = {(i, i): 1 for i in range(n)}
    current: dict[Index, Exact] = {(i, n + i): 1 for i in range(n)}
    return {
        "embedding.weight": ExactTensor((n + 1, width), 0, previous | current),
        "mixer.conv.weight": ExactTensor((width, 2), 0, {(range(n), 0): 1, (range(n, width), 1): 1}),
        "mixer.conv.bias": block((width,), 0),
        "mixer.B.weight": ExactTensor((n, width), 0, previous),
        "mixer.C.weight": ExactTensor((n, width), 0, current),
        "head.weight": ExactTensor((n + 1, width), 0, dict.fromkeys(current, scale)),
        "head.bias": ExactTensor((n + 1,), 0, {(n,): blank}),
    }


# -------------------------------------------------------------------------------------------- plain S6 (F)


def plain_s6(
    num_tokens: int, target: str = "paper", *, decay_rate: Exact = DECAY_RATE, dtype: torch.dtype = torch.float32
) -> InductionHead:
    """Extension F for `target`: constant step 1, decay e^{-decay_rate}, exact where decay_rate >= ln 2.

    The blank logit is 2^{-REACH}, below every write of `dtype`. Raises ValueError for an unknown target.
    """
    if target not in TARGETS:
        raise ValueError(f"There is no target {target!r}: choose one of {', '.join(TARGETS)}.")
    blank = HEAD_SCALE * Fraction(1, 2 ** REACH[dtype])
    build = _plain_paper if target == "paper" else _plain_official
    return InductionHead("induction.plain-s6", target, num_tokens, build(num_tokens, target, decay_rate, blank))


def _plain_paper(num_tokens: int, _: str, decay_rate: Exact, blank: Exact) -> Weights:
    width = 2 * num_tokens
    return _paper_weights(num_tokens, HEAD_SCALE, blank) | {
        "mixer.delta.weight": block((width, width), 0),
        "mixer.delta.bias": block((width,), 1),
        "mixer.A": block((width, num_tokens), -sympy.sympify(decay_rate)),
    }


def describe(num_tokens: int, decay_rate: Exact = DECAY_RATE) -> MixerDescription:
    """Plain S6 as named channels: tokens and answers in the stream, previous and current token inside."""
    token, answer = family("token", num_tokens), family("answer", num_tokens)
    previous, current = family("previous", num_tokens), family("current", num_tokens)
    stream, inner, state = Space(token + answer), Space(previous + current), Space(family("column", num_tokens))
    one = silu_preimage(1)
    seen = {(channel, t): 1 for half in (previous, current) for channel, t in zip(half, token, strict=True)}
    return MixerDescription(
        tokens=stream,
        inner=inner,
        state=state,
        embedding=LinearMap(stream, inner, seen),
        taps=dict.fromkeys(previous, (one, sympy.Integer(0))) | dict.fromkeys(current, (sympy.Integer(0), one)),
        bias={},
        B=LinearMap(inner, state, dict.fromkeys(zip(state, previous, strict=True), 1)),
        C=LinearMap(inner, state, dict.fromkeys(zip(state, current, strict=True), 1)),
        readout=LinearMap(inner, stream, dict.fromkeys(zip(answer, current, strict=True), HEAD_SCALE)),
        activation="silu",
        decay_rate=decay_rate,
    )


def _plain_official(num_tokens: int, target: str, decay_rate: Exact, blank: Exact) -> Weights:
    n, width = num_tokens, 2 * num_tokens
    mixer = _mamba2_weights(n, decay_rate) if "mamba2" in target else mamba_weights(describe(n, decay_rate), Layout())
    one_hot = ExactTensor((n + 1, width), 0, {(i, i): 1 for i in range(n)})
    read: dict[Index, Exact] = {(i, n + i): 1 for i in range(n)}
    if not target.startswith("language_model"):
        head = {"head.weight": ExactTensor((n + 1, width), 0, read)}
        bias = {"head.bias": ExactTensor((n + 1,), 0, {(n,): blank})}
        return {"embedding.weight": one_hot} | {f"mixer.{name}": w for name, w in mixer.items()} | head | bias
    layer = "backbone.layers.0"
    rms = sympy.sqrt(sympy.sympify(Fraction(1, width) + RMS_NORM_EPS))
    return {
        "backbone.embedding.weight": one_hot,
        f"{layer}.norm.weight": block((width,), rms),
        **{f"{layer}.mixer.{name}": weight for name, weight in mixer.items()},
        "backbone.norm_f.weight": block((width,), 1),
        "lm_head.weight": ExactTensor((n + 1, width), 0, {**read, (n, range(n)): blank}),
    }


def _mamba2_weights(num_tokens: int, decay_rate: Exact) -> Weights:
    """The official Mamba-2 block, one head of headdim 2·num_tokens: x and C the current token, B the previous one."""
    n, width = num_tokens, 2 * num_tokens
    one = silu_preimage(1)
    token = ExactTensor((n, width), 0, {(i, i): 1 for i in range(n)})
    taps: dict[Index, Exact] = {
        (range(n), 0, 3): one,
        (range(width, width + n), 0, 2): one,
        (range(width + n, width + 2 * n), 0, 3): one,
    }
    in_proj = [block((width, width), one), token, block((n, width), 0), token, token, block((1, width), 0)]
    return {
        "in_proj.weight": stack_rows(in_proj),
        "conv1d.weight": ExactTensor((2 * width, 1, 4), 0, taps),
        "conv1d.bias": block((2 * width,), 0),
        "dt_bias": block((1,), softplus_preimage(1)),
        "A_log": block((1,), sympy.log(sympy.sympify(decay_rate))),
        "D": block((1,), 0),
        "norm.weight": block((width,), 1),
        "out_proj.weight": ExactTensor((width, width), 0, {(n + i, i): HEAD_SCALE for i in range(n)}),
    }


# ------------------------------------------------------------------------------------ where floats stop plain S6


@dataclass(frozen=True)
class Reach:
    """How far plain S6 with a rounded decay reaches, found step by step in the float's own arithmetic.

    `alone`: the largest gap after which a lone write is not 0. `any_input`: the largest gap after which the latest
    write beats every older one, whatever the input; −1 if even gap 0 does not. `repeats`: how many repetitions the
    worst case needs at most.
    """

    alone: int
    any_input: int
    repeats: int


def reach(decay: np.floating, write: np.floating) -> Reach:
    """The limits of h' = fl(fl(decay·h) + write), by rounding's monotony reached by 0^k 1 … 1 0.

    No sequence has a larger older entry than one token repeated, as fl is monotone: exact for all inputs.
    """
    zero, largest, repeats = write - write, write - write, 0
    while (grown := decay * largest + write) != largest and repeats < 10_000:
        largest, repeats = grown, repeats + 1
    latest, older, gap = write, decay * largest, 0
    while latest > older:
        latest, older, gap = decay * latest, decay * older, gap + 1
    alone, left = 0, decay * write
    while left > zero:
        left, alone = decay * left, alone + 1
    return Reach(alone, gap - 1, repeats)


def first_failing_repeat(decay_rate: float) -> int:
    """The least k at which 0^k 1 0 fails in real arithmetic, ρ > ½: ρ + … + ρ^{k−1} ≥ 1."""
    rho = float(np.exp(-decay_rate))
    return 1 + int(np.ceil(np.log(2 - 1 / rho) / np.log(rho)))


def describe_claim(claim: str) -> list[str]:
    """The weights of a claim's network by channel, two tokens; [] for a claim without one."""
    if claim in ("induction.plain-s6", "induction.plain-s6-limits"):
        return explain_mixer(describe(2))
    if claim not in ("induction.lem3", "induction.lem3-argmax", "induction.lem3-amended"):
        return []
    step = "w(2 previous[n] − 1)" if claim == "induction.lem3-amended" else "w previous[n]"
    blank = "1/2" if claim == "induction.lem3-amended" else "no row"
    return [
        "previous[n] = token n one step ago, current[n] = token n now (taps (1, 0) and (0, 1))",
        f"Δ[n] = softplus({step}), Λ = −1: column n is erased when token n came before",
        "B[n] = previous[n], C[n] = current[n], x̂ = [previous; current]",
        f"logit[v] = current[v] of the column read; blank: {blank}",
    ]
