"""Selective copying as an explicit two-layer Mamba-1 language model. Gu & Dao (2023), §4.1.1."""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, block, silu_preimage, softplus_preimage
from mamba_theorems.constructions.compiler.mamba1 import NEGLIGIBLE_A_LOG
from mamba_theorems.constructions.compiler.naming import NOTHING, LayerNames, Naming
from mamba_theorems.constructions.compiler.tensors import MAMBA, Given, Weights, fill, language_model
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import IGNORED
from mamba_theorems.kernels.fields import Exact
from mamba_theorems.kernels.semantics import RMS_NORM_EPS

CLAIM = "foundations.selective-copying"
COUNTER = (Channel("tick"), Channel("one"))
TOKENS = {
    "content": "a token of kind n that is to be copied",
    "noise": "a token that is passed over",
    "marker": "a token that asks for the next content",
}
STREAM = {
    "content": "one where content n stands; at a marker, what comes out",
    "marker": "one at a marker",
    "anchor": "a constant so large that every norm divides by it alone",
    "count": "contents and markers so far: what the first layer writes",
}
INNER = {
    "tick": "one at a content and at a marker: what is added up",
    "one": "a constant, of which B and C are made",
    "content": "one where content n stands: what is written",
    "high": "the upper bend of address n: with low it is one at that address, of which B and C are made",
    "low": "the lower bend of address n",
}


@dataclass(frozen=True)
class Copying:
    """`num_tokens` (M) content tokens out of `num_values` kinds among noise, then M markers: answer them in order.

    Token ids: contents 0 … num_values − 1, then noise, then the marker. Raises ValueError for an impossible size.
    """

    num_values: int
    num_tokens: int
    input_seq_len: int

    def __post_init__(self) -> None:
        if self.num_values < 1 or self.num_tokens < 1 or self.input_seq_len < 2 * self.num_tokens:
            raise ValueError(
                f"{self.num_tokens} tokens of {self.num_values} kinds do not fit input_seq_len={self.input_seq_len}: "
                f"use at least one of each and input_seq_len ≥ {2 * max(self.num_tokens, 1)}."
            )

    @property
    def noise(self) -> int:
        """The noise token."""
        return self.num_values

    @property
    def marker(self) -> int:
        """The marker token."""
        return self.num_values + 1

    @property
    def vocab_size(self) -> int:
        """Contents, noise, marker."""
        return self.num_values + 2

    def batch(self, num_examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and targets (num_examples, L) int64; contents i.i.d., places uniform, targets IGNORED elsewhere."""
        rng = np.random.default_rng(seed)
        context = self.input_seq_len - self.num_tokens
        places = np.sort(np.argsort(rng.random((num_examples, context)), axis=1)[:, : self.num_tokens], axis=1)
        return self.sequence(places, rng.integers(self.num_values, size=places.shape))

    def sequence(self, places: np.ndarray, contents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sequences with these contents at these increasing places, both (num_examples, M)."""
        tokens = np.full((len(places), self.input_seq_len), self.noise)
        tokens[:, -self.num_tokens :] = self.marker
        targets = np.full_like(tokens, IGNORED)
        np.put_along_axis(tokens, places, contents, axis=1)
        targets[:, -self.num_tokens :] = contents
        return tokens, targets


@dataclass(frozen=True)
class Copier:
    """The network's sizes. `d_state` addresses; M of them are needed.

    d_model = num_values + 3, d_inner ≥ num_values + 2·d_state, two layers.
    """

    num_values: int
    num_tokens: int
    d_state: int

    @property
    def sharpness(self) -> int:
        """w: SiLU(w·)/w in place of ReLU; 32M keeps every code within 1/(8M) of one-hot."""
        return 32 * self.num_tokens

    @property
    def anchor(self) -> int:
        """K, the embedding's constant coordinate: K² ≥ 4M(1 + 4M²) moves addresses by at most 1/8 under RMSNorm."""
        return isqrt(4 * self.num_tokens * (1 + 4 * self.num_tokens**2)) + 1

    @property
    def model(self) -> Space:
        """content[c], marker, anchor, count."""
        names = (*family("content", self.num_values), Channel("marker"), Channel("anchor"), Channel("count"))
        return Space(names, STREAM)

    @property
    def naming(self) -> Naming:
        """The names of the tokens, of both layers, and of the classes."""
        tokens = Space((*family("content", self.num_values), Channel("noise"), Channel("marker")), TOKENS)
        state = Space(family("address", self.d_state), {"address": "the content token of number n + 1, by content"})
        sum_ = Space(family("address", self.d_state), {"address": "how many contents and markers there were (n = 0)"})
        layers = tuple(
            LayerNames(self.model, inner, (states,), inner, self.model, NOTHING.padded(1))
            for inner, states in ((self.inner(*COUNTER), sum_), (self.inner(*self.addressing), state))
        )
        return Naming(tokens, layers, tokens)

    @property
    def addressing(self) -> tuple[Channel, ...]:
        """The second layer's inner channels."""
        return *family("content", self.num_values), *family("high", self.d_state), *family("low", self.d_state)

    @property
    def expand(self) -> int:
        """The least expansion whose d_inner holds every inner channel."""
        needed = max(2, self.num_values + 2 * self.d_state)
        return -(-needed // len(self.model))

    @property
    def hyperparameters(self) -> dict[str, int]:
        """The sizes by the field's names."""
        return {
            "vocab_size": self.num_values + 2,
            "d_model": len(self.model),
            "n_layer": 2,
            "d_state": self.d_state,
            "d_conv": 4,
            "expand": self.expand,
            "dt_rank": 1,
        }

    def inner(self, *names: Channel) -> Space:
        """The named inner channels, padded with spare ones to d_inner."""
        d_inner = self.expand * len(self.model)
        return Space(names, INNER).padded(d_inner)

    def network(self) -> Construction:
        """The whole language model by the state-spaces names."""
        d = len(self.model)
        rms = block((d,), sympy.sqrt(sympy.Rational(self.anchor**2, d) + sympy.sympify(RMS_NORM_EPS)))
        layers = [(rms, _counter(self)), (rms, _addresser(self))]
        weights = language_model(_embedding(self), layers, block((d,), 1), _head(self))
        return Construction(CLAIM, "language_model", self.hyperparameters, weights, naming=self.naming)


def _embedding(copier: Copier) -> ExactTensor:
    """content c ↦ e_c + K·anchor, noise ↦ K·anchor, marker ↦ e_marker + K·anchor."""
    position, values = copier.model.position, copier.num_values
    entries: dict[Index, Exact] = {(c, c): 1 for c in range(values)}
    entries |= {(values + 1, position(Channel("marker"))): 1}
    entries |= {(token, position(Channel("anchor"))): copier.anchor for token in range(values + 2)}
    return ExactTensor((values + 2, len(copier.model)), 0, entries)


def _head(copier: Copier) -> ExactTensor:
    return ExactTensor((copier.num_values + 2, len(copier.model)), 0, {(c, c): 1 for c in range(copier.num_values)})


def _mixer(
    copier: Copier, rows: LinearMap, bias: dict[Channel, Exact], B: LinearMap, C: LinearMap, out: LinearMap
) -> Weights:
    """An official block with Δ = 1, decay e^{−e^{−40}}, D = 0, gate SiLU(z*) off the anchor, current-token taps."""
    inner, current = rows.target, copier.hyperparameters["d_conv"] - 1
    anchor = copier.model.position(Channel("anchor"))
    given: dict[str, Given] = {
        "in_proj.weight.x": rows,
        "in_proj.weight.z": {(range(len(inner)), anchor): silu_preimage(1) / copier.anchor},
        "conv1d.weight": {(i, 0, current): 1 for i, c in enumerate(inner) if c not in bias or c.name != "one"},
        "conv1d.bias": {(inner.position(c),): b for c, b in bias.items()},
        "x_proj.weight.B": B,
        "x_proj.weight.C": C,
        "dt_proj.bias": softplus_preimage(1),
        "A_log": NEGLIGIBLE_A_LOG,
        "out_proj.weight": out,
    }
    return fill(MAMBA, copier.hyperparameters, given)


def _counter(copier: Copier) -> Weights:
    """Layer 1: count_t = contents and markers up to t."""
    (tick, one), state = COUNTER, Space(family("address", copier.d_state))
    inner = copier.inner(*COUNTER)
    counted = [*family("content", copier.num_values), Channel("marker")]
    rows = LinearMap(copier.model, inner, {(tick, channel): silu_preimage(1) for channel in counted})
    first = LinearMap(inner, state, {(Channel("address", 0), one): 1})
    out = LinearMap(inner, copier.model, {(Channel("count"), tick): 1})
    return _mixer(copier, rows, {one: silu_preimage(1)}, first, first, out)


def _addresser(copier: Copier) -> Weights:
    """Layer 2: write each content at its address count − M·[marker], read there; B = C = trapezoids of the address."""
    values, k = family("content", copier.num_values), range(copier.d_state)
    high, low = family("high", copier.d_state), family("low", copier.d_state)
    inner, state, w = copier.inner(*copier.addressing), Space(family("address", copier.d_state)), copier.sharpness
    address = {Channel("count"): 2 * w, Channel("marker"): -2 * w * copier.num_tokens}
    rows: dict[tuple[Channel, Channel], Exact] = {(value, value): silu_preimage(1) for value in values}
    rows |= {(bend, source): slope for bend in (*high, *low) for source, slope in address.items()}
    half = sympy.Rational(w, 2)
    bias: dict[Channel, Exact] = {high[i]: 3 * half - 2 * w * (i + 1) for i in k} | {
        low[i]: half - 2 * w * (i + 1) for i in k
    }
    codes: dict[tuple[Channel, Channel], Exact] = {}
    for i in k:
        for bend, sign in ((high, 1), (low, -1)):
            codes[Channel("address", i), bend[i]] = sympy.Rational(sign, w)
            if i:
                codes[Channel("address", i - 1), bend[i]] = sympy.Rational(-sign, w)
    code = LinearMap(inner, state, codes)
    out = LinearMap(inner, copier.model, {(value, value): 1 for value in values})
    return _mixer(copier, LinearMap(copier.model, inner, rows), bias, code, code, out)


def selective_copying(num_values: int, num_tokens: int, d_state: int | None = None) -> Copier:
    """The copier of a size; `d_state` defaults to M = num_tokens, the least that works."""
    return Copier(num_values, num_tokens, num_tokens if d_state is None else d_state)


def told() -> list[str]:
    """The copier by channel, at M = 2 and two values."""
    copier = selective_copying(2, 2)
    channels, w, m = ", ".join(map(str, copier.model)), copier.sharpness, copier.num_tokens
    return [
        f"language model of two official Mamba-1 layers, {copier.hyperparameters}; channels {channels}:",
        f"  embedding: content[c] ↦ e_c, marker ↦ e_marker, all + {copier.anchor}·anchor (RMSNorm divides by it)",
        "  layer 1: tick = SiLU(z*·[content or marker]); Δ = 1, decay 1, B = C = 1: count = Σ tick",
        f"  layer 2: high[k], low[k] = SiLU({2 * w}(count − {m}·marker − k) + {3 * w // 2}, + {w // 2}), k = 1 … {m};"
        f" B[k] = C[k] = (high[k] − low[k] − high[k+1] + low[k+1])/{w}",
        "  layer 2 writes SiLU(z*·content[c]) at B and reads it at C into content[c]; the head reads content",
    ]


TOLD = {CLAIM: told}
