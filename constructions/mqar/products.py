"""Recall with N = 1: the convolution stores a (key, value) code, and a gate picks the query's block.

[P] Theorem 4 (S4D with a gate) and its amended step 2. The paper's numbers: keys 10, values 1, taps (10, 1), bias 100.
With SiLU: keys 1, values -1, taps (1, -1), bias -3/2, all times 256, so that nothing but a pair passes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.exact import silu_preimage
from mamba_theorems.constructions.mqar.closed_form import stored_readout
from mamba_theorems.constructions.mqar.codes import Code, products
from mamba_theorems.constructions.mqar.theorem2 import token_space
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import Exact, Field

KEY, TAPS = 10, (10, 1)
LOUD, LOUD_TAPS = 256, (1, -1)
"""(key, value) gives 2 - 3/2 = 1/2, anything else -1/2 or less, times 256: a leak is 128 e^-128, and 0 in float32."""
PASSED = LOUD // 2
INNER = {
    "code": "entry n of the list of (key, value) codes, a block a key: above 0 where that value follows it",
    "one": "a constant, so that B and C are the same at every token: S4D",
}
STATE = {"state": "the sum of each code channel over time: which values followed which key"}
ONE = Channel("one")


@dataclass(frozen=True)
class ProductCodes:
    """The code of value j (entries ≥ 0, at most 2) and the head's row, counted from 0; `width` channels a block."""

    width: int
    value: Callable[[int], Code]
    head: Callable[[int], Code]
    margin: Exact

    def products(self, num_values: int) -> np.ndarray:
        """⟨head_w, code_v⟩, row w."""
        return np.array(products(self.head, self.value, num_values), dtype=object)


@dataclass(frozen=True)
class ProductForm:
    """logit_w = k Σ_r head_w[r] code_v[r] for each stored (q, v), plus with ReLU what keys after themselves add."""

    codes: ProductCodes
    vocabulary: Vocabulary
    activation: str

    @property
    def margins(self) -> dict[str, Exact]:
        """The least margin under H1 and H2."""
        return {"every query": KEY * sympy.sympify(self.codes.margin)}

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """(length, vocab_size) of one sequence at its keys; 0 elsewhere."""
        values, gate, nothing = self.vocabulary.values, f.number(KEY), f.number(0)

        def gain(t: int, _: int, key: int) -> Any:
            return gate if tokens[t] == key else nothing

        y = stored_readout(f, self.vocabulary, tokens, gain, self.codes.products(len(values)))
        if self.activation == "silu":
            return y
        heads = f.array([sum(self.codes.head(w).values()) for w in range(len(values))])
        for t in np.flatnonzero(self.vocabulary.is_key(tokens)):
            repeats = int(((tokens[1 : t + 1] == tokens[t]) & (tokens[:t] == tokens[t])).sum())
            with f.arithmetic():
                y[t, values.start : values.stop] += f.number(KEY * repeats) * gate * heads
        return y


def key_blocks(vocabulary: Vocabulary, width: int) -> list[list[Channel]]:
    """code[i, r] as code[i · width + r], a list a key."""
    return [[Channel("code", i * width + r) for r in range(width)] for i in range(len(vocabulary.keys))]


def _stored(
    vocabulary: Vocabulary, tokens: Space, codes: ProductCodes, key: Exact, sign: Exact = 1
) -> dict[tuple[Channel, Channel], Exact]:
    """The embedding: a key on its own block, a value's code, times `sign`, on every block."""
    blocks = key_blocks(vocabulary, codes.width)
    entries: dict[tuple[Channel, Channel], Exact] = {}
    for block, token in zip(blocks, tokens.named("key"), strict=True):
        entries |= {(channel, token): key for channel in block}
    for j, value in enumerate(tokens.named("value")):
        code = {r: sign * e for r, e in codes.value(j).items()}
        entries |= {(block[r], value): e for r, e in code.items() for block in blocks}
    return entries


def readout_of(
    vocabulary: Vocabulary, tokens: Space, codes: ProductCodes, scale: Exact = 1
) -> dict[tuple[Channel, Channel], Exact]:
    """The head, the same rows for every block, times `scale`."""
    blocks = key_blocks(vocabulary, codes.width)
    entries: dict[tuple[Channel, Channel], Exact] = {}
    for w, token in enumerate(tokens.named("value")):
        row = {r: scale * e for r, e in codes.head(w).items()}
        entries |= {(token, block[r]): e for r, e in row.items() for block in blocks}
    return entries


def gated(
    vocabulary: Vocabulary,
    codes: ProductCodes,
    activation: str,
    *,
    key: Exact = KEY,
    taps: tuple[Exact, Exact] = TAPS,
) -> MixerDescription:
    """[P] Theorem 4: constant Δ, B = C = 1 (the channel `one`), N = 1; a key's gate is `key` on its block, 0 elsewhere.

    With ReLU the key's weight and the taps may be others than the paper's; the bias is −c_0 k.
    """
    blocks, tokens = key_blocks(vocabulary, codes.width), token_space(vocabulary)
    code = [channel for block in blocks for channel in block]
    inner, state = Space((*code, ONE), INNER), Space((Channel("state"),), STATE)
    constant = LinearMap(inner, state, {(Channel("state"), ONE): 1})
    gate = {(c, token): key for block, token in zip(blocks, tokens.named("key"), strict=True) for c in block}
    convolution = partial(_relu, key=key, taps=taps) if activation == "relu" else _silu
    embedding, used, bias, one, head = convolution(vocabulary, tokens, codes)
    return MixerDescription(
        tokens=tokens,
        inner=inner,
        state=state,
        embedding=LinearMap(tokens, inner, embedding),
        taps=dict.fromkeys(code, used) | {ONE: (0, 0)},
        bias=dict.fromkeys(code, bias) | {ONE: one},
        B=constant,
        C=constant,
        readout=LinearMap(inner, tokens, readout_of(vocabulary, tokens, codes, head)),
        activation=activation,
        gate=LinearMap(tokens, inner, gate),
    )


Convolution = tuple[dict[tuple[Channel, Channel], Exact], tuple[Exact, Exact], Exact, Exact, Exact]
"""The embedding, the taps and the bias of a code's channels, that of the channel `one`, what the head is times."""


def _relu(
    vocabulary: Vocabulary, tokens: Space, codes: ProductCodes, *, key: Exact, taps: tuple[Exact, Exact]
) -> Convolution:
    """[P]'s: a key after itself passes too, the same in its whole block."""
    return _stored(vocabulary, tokens, codes, key), taps, -taps[0] * key, 1, 1


def _silu(vocabulary: Vocabulary, tokens: Space, codes: ProductCodes) -> Convolution:
    """Pairs alone pass, 128 a channel of the value's code. Raises ValueError for a code of several levels."""
    levels = {e for v in range(len(vocabulary.values)) for e in codes.value(v).values()}
    if levels not in ({1}, {2}):
        raise ValueError("With SiLU a value's code has one level beside 0: give its channels 1 each, or 2.")
    (level,) = map(int, levels)
    embedding = _stored(vocabulary, tokens, codes, LOUD, -LOUD // level)
    return embedding, LOUD_TAPS, Fraction(-3 * LOUD, 2), silu_preimage(1), Fraction(level, PASSED)
