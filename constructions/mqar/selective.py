"""Extension I: recall with N = 1 and no gate, where a query's step shrinks every other block of the state by ρ.

One step later the block just asked shrinks too, so that all are equal again. A query is told from a key of the context
by the token before it (H4), or, in a language model whose first layer counts, by its position.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import log2
from typing import Any

import numpy as np
import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.counting import ANCHOR
from mamba_theorems.constructions.compiler.description import MixerDescription, StepPatterns
from mamba_theorems.constructions.mqar.closed_form import stored_readout
from mamba_theorems.constructions.mqar.products import ONE, ProductCodes, key_blocks, readout_of
from mamba_theorems.constructions.mqar.theorem2 import token_space
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import Exact, Field

TWICE = 2
"""Codes and indicators are 2n - 1 for an integer n: 1 where they pass, else -1 or less, far from what norms round."""
CODE_TAPS, CODE_BIAS = (0, 1, -1), -3
"""Key i is 2 on its block, value v minus twice its code everywhere: 1 iff v directly follows i, nothing else passes."""
INDICATOR_TAPS, INDICATOR_BIAS = (1, 2), -9
"""With 4 for the key, 2 for the filler and other keys, 0 for values: 1 iff the key stands behind no value (H4).

The first token, behind nothing, is no query either; a key behind itself counts 3.
"""


REACH = 2**15
"""How far beyond the context the timed form tells a key from other tokens: t ≤ 2κ + 2^15. 256 · 2^16 fits float32."""
OVER = family("over", 2)
INNER = {
    "code": "entry n of the list of (key, value) codes, a block a key: above 0 where that value follows it",
    "query": "above 0 where key n is asked here",
    "query late": "what is taken off the channel query[n], so that their difference is one at a query",
    "asked": "above 0 where key n was asked one token ago",
    "asked late": "what is taken off the channel asked[n]",
    "over": "t − 2κ, and t − 2κ − 1: their difference closes B behind the context",
    "one": "a constant, of which B and C are made",
}
STATE = {"state": "what each code channel has stored, shrunk by ρ wherever another key was asked"}
RANK = {
    "step": "what lengthens the step of block n: a query of another key, or its own one token ago",
    "no step": "what takes the step from channels that store nothing",
}


@dataclass(frozen=True)
class ShrinkClock:
    """The step at rest, what a shrink adds to it (or to the argument of softplus), and B and C, which set the scale.

    Codes are `code` times as large as other channels; the head is divided by that, and multiplied by `head`. `quiet` is
    what channels that are no codes lose of their step: nothing is written where nothing is read, and nothing overflows.
    """

    rest: Exact
    shrink: int
    quiet: int
    B: int
    C: Exact = 1
    code: int = 1
    head: int = 1

    @property
    def stored(self) -> sympy.Expr:
        """What a write of 1 leaves in the state, as the head reads it."""
        return sympy.sympify(self.rest) * self.B * self.head


PAPER_CLOCK = ShrinkClock(sympy.Integer(1), 2**60, 1, 2**40)
"""Δ = 1 + 2^60 n: at rest every block decays by ρ^(2^-60) a step, all alike."""
OFFICIAL_CLOCK = ShrinkClock(sympy.exp(-40), 2**60, 2**10, 2**58, 2**18, code=2**42, head=2**40)
"""Δ = softplus(−40 + 2^60 n): e^−40 at rest, which decays nothing, and 2^98 e^-40 > 2^40; else 2^60 n to 40.

At queries a code that is shut adds SiLU(−256 code) 2^60 B to every block: with code = 1 that is 2^-251 of a write, and
in float64 more than what 37 queries leave of it at κ = 64; from code = 4 on it rounds to 0. And 2^61 B is finite, for
blocks that multiply Δ by B before they multiply by the code, 0.
"""
WIDE_CLOCKS = {
    "paper": ShrinkClock(sympy.Integer(1), 2**60, 1, 5 * 2**60, code=2**60, head=2**60),
    "official": ShrinkClock(sympy.Integer(1), 2**60, 2**10, 5 * 2**60, code=2**52, head=2**60),
    "language_model": ShrinkClock(
        sympy.Integer(1), 2**60, 2**10, 5 * 2**60, Fraction(1, 2**61), code=2**52, head=2**60
    ),
}
"""From the largest state of which 46 add up to a float32, with the largest ρ: κ = 46 there.

A last norm squares the logits, so that none may be above 2^64: κ = 37 in a language model, where they are 2^-61 of the
state, and 37^37 > 2^190 is too much.

Every ratio ρ < 1/(κ − 1) leaves (κ − 1)^(1 − κ) of the block that is asked last, and 46^46 > 2^254 is more than the
quotient of two normal numbers. Whatever the shrinks: when any query may come next, the block that has shrunk most is at
most 1/(κ − n) of the one asked n-th, or the rest outweighs that; after κ − 1 queries 1/(κ − 1)!, and 57! > 2^254.
"""
SMALLEST_EXPONENT = {"float32": -126, "float64": -1022}


@dataclass(frozen=True)
class Indicators:
    """The channels that tell queries: which key each speaks of, with its sign, and how the convolution makes them.

    `closes` is what B subtracts, `position` what each channel takes of t.
    """

    query: Mapping[Channel, Mapping[int, int]]
    asked: Mapping[Channel, Mapping[int, int]]
    embedding: Mapping[tuple[Channel, Channel], Exact]
    taps: Mapping[Channel, tuple[Exact, ...]]
    bias: Mapping[Channel, Exact]
    position: Mapping[Channel, Exact] = field(default_factory=dict)
    closes: Mapping[Channel, int] = field(default_factory=dict)


def ratio(num_kv_pairs: int) -> Fraction:
    """ρ = 1/(2κ): ρ (κ − 1) < ½."""
    return Fraction(1, 2 * num_kv_pairs)


def largest_ratio(num_kv_pairs: int) -> Fraction:
    """ρ = 2/(2κ − 1): 1 − ρ (κ − 1) = 1/(2κ − 1), for the most queries."""
    return Fraction(2, 2 * num_kv_pairs - 1)


def most_queries(num_kv_pairs: int, dtype: str, *, language_model: bool = False) -> int:
    """How many queries leave every block a normal number: C stored ρ^Q, in a language model after its last norm too."""
    clock = OFFICIAL_CLOCK if language_model else PAPER_CLOCK
    bits = log2(clock.stored * clock.C) - SMALLEST_EXPONENT[dtype] - (log2(ANCHOR) if language_model else 0)
    return int(bits // -log2(ratio(num_kv_pairs)))


def selective(vocabulary: Vocabulary, codes: ProductCodes, rho: Fraction, clock: ShrinkClock) -> MixerDescription:
    """N = 1, no gate, no positions: a query is told from a key of the context by the token before it (H4).

    Channels query[j] see [token is key j, behind the filler or a key], asked[j] the same one token later.
    """
    tokens, keys = token_space(vocabulary), token_space(vocabulary).named("key")
    query, asked = family("query", len(keys)), family("asked", len(keys))
    others = (*tokens.named("filler"), *keys)
    seen = dict.fromkeys(product((*query, *asked), others), TWICE)
    seen |= dict.fromkeys((*zip(query, keys, strict=True), *zip(asked, keys, strict=True)), 2 * TWICE)
    return _mixer(
        vocabulary,
        codes,
        rho,
        clock,
        Indicators(
            query={channel: {j: 1} for j, channel in enumerate(query)},
            asked={channel: {j: 1} for j, channel in enumerate(asked)},
            embedding=seen,
            taps=dict.fromkeys(query, (0, *INDICATOR_TAPS)) | dict.fromkeys(asked, (*INDICATOR_TAPS, 0)),
            bias=dict.fromkeys((*query, *asked), INDICATOR_BIAS),
        ),
    )


def timed(
    vocabulary: Vocabulary, codes: ProductCodes, rho: Fraction, clock: ShrinkClock, kappa: int
) -> MixerDescription:
    """The same with positions t = 1, 2, ... up to 2κ + REACH: a query is a key after 2κ, and nothing is written there.

    [key j][t > 2κ] = ReLU(x) − ReLU(x − 1), x = REACH [key j] + t − 2κ − REACH; [t > 2κ] closes B alike.
    """
    keys = token_space(vocabulary).named("key")
    names = ("query", "query late", "asked", "asked late")
    channels = {name: family(name, len(keys)) for name in names}
    query, query_late, asked, asked_late = channels.values()
    late = (*query_late, *asked_late, OVER[1])
    ramps = (*query, *asked, *query_late, *asked_late)
    signs = {1: (query, asked), -1: (query_late, asked_late)}
    return _mixer(
        vocabulary,
        codes,
        rho,
        clock,
        Indicators(
            query={c: {j: sign} for sign, (now, _) in signs.items() for j, c in enumerate(now)},
            asked={c: {j: sign} for sign, (_, past) in signs.items() for j, c in enumerate(past)},
            embedding={place: REACH for family_ in channels.values() for place in zip(family_, keys, strict=True)},
            taps=dict.fromkeys((*query, *query_late, *OVER), (0, 0, 1))
            | dict.fromkeys((*asked, *asked_late), (0, 1, 0)),
            bias={c: -2 * kappa - REACH * (c in ramps) - (c in late) for c in (*ramps, *OVER)},
            position=dict.fromkeys((*ramps, *OVER), 1),
            closes={OVER[0]: -1, OVER[1]: 1},
        ),
    )


def _mixer(
    vocabulary: Vocabulary, codes: ProductCodes, rho: Fraction, clock: ShrinkClock, indicators: Indicators
) -> MixerDescription:
    """Every channel of block j follows the pattern Σ_{q≠j} query[q] + asked[j]: the step's rank is that of the keys."""
    blocks, tokens = key_blocks(vocabulary, codes.width), token_space(vocabulary)
    code = [channel for block in blocks for channel in block]
    inner, state = Space((*code, *indicators.taps, ONE), INNER), Space((Channel("state"),), STATE)
    written, loud = {ONE: 1, **indicators.closes}, Fraction(clock.head, clock.code)
    stored = {place: TWICE * clock.code * e for place, e in _written(tokens, blocks, codes).items()}
    read = {place: loud * e for place, e in readout_of(vocabulary, tokens, codes).items()}
    return MixerDescription(
        tokens=tokens,
        inner=inner,
        state=state,
        embedding=LinearMap(tokens, inner, {**stored, **indicators.embedding}),
        taps={**dict.fromkeys(code, CODE_TAPS), **indicators.taps, ONE: (0, 0, 0)},
        bias={**dict.fromkeys(code, clock.code * CODE_BIAS), **indicators.bias, ONE: 1},
        B=LinearMap(inner, state, {(state.channels[0], c): sign * clock.B for c, sign in written.items()}),
        C=LinearMap(inner, state, {(state.channels[0], ONE): clock.C}),
        readout=LinearMap(inner, tokens, read),
        activation="relu",
        step=clock.rest,
        decay_rate=-sympy.log(rho) / clock.shrink,
        position=indicators.position,
        delta=_shrinks(inner, blocks, indicators, clock),
    )


def _written(tokens: Space, blocks: list[list[Channel]], codes: ProductCodes) -> dict[tuple[Channel, Channel], Exact]:
    keys, entries = tokens.named("key"), dict[tuple[Channel, Channel], Exact]()
    for block, key in zip(blocks, keys, strict=True):
        entries |= {(channel, key): 1 for channel in block}
    for j, value in enumerate(tokens.named("value")):
        entries |= {(block[r], value): -e for r, e in codes.value(j).items() for block in blocks}
    return entries


def _shrinks(inner: Space, blocks: list[list[Channel]], indicators: Indicators, clock: ShrinkClock) -> StepPatterns:
    """Which indicators lengthen the step of which block; all other channels have none."""
    steps, quiet = family("step", len(blocks)), Channel("no step")
    patterns: dict[tuple[Channel, Channel], Exact] = {
        (steps[j], channel): sign * clock.shrink for channel, of in indicators.asked.items() for j, sign in of.items()
    }
    for channel, of in indicators.query.items():
        ((own, sign),) = of.items()
        patterns |= {(step, channel): sign * clock.shrink for j, step in enumerate(steps) if j != own}
    patterns[quiet, ONE] = -clock.quiet
    follows = dict.fromkeys((*indicators.taps, ONE), quiet)
    follows |= {channel: step for block, step in zip(blocks, steps, strict=True) for channel in block}
    return StepPatterns(LinearMap(inner, Space((*steps, quiet), RANK), patterns), follows)


# ------------------------------------------------------------------------------------ what it computes


@dataclass(frozen=True)
class SelectiveForm:
    """logit_w = Σ over the stored (b, v) of stored · ρ^(shrinks of block b since) ⟨head_w, code_v⟩; none at rest."""

    codes: ProductCodes
    vocabulary: Vocabulary
    rho: Fraction
    stored: Exact
    written_until: int | None = None

    @property
    def margins(self) -> dict[str, Exact]:
        """The first query's least margin, every other key holding one value: 1 − ρ(κ − 1) ≥ ½ of what is stored."""
        return {"first query": sympy.sympify(self.stored) * sympy.sympify(self.codes.margin) / 2}

    def shrinks(self, tokens: np.ndarray) -> np.ndarray:
        """(length, keys): how often each block has shrunk, up to and with each token."""
        query = self._queries(tokens)
        asked = np.vstack([np.zeros_like(query[:1]), query[:-1]])
        return (query.sum(1, keepdims=True) - query + asked).cumsum(0)

    def _queries(self, tokens: np.ndarray) -> np.ndarray:
        v, keys = self.vocabulary, np.array(self.vocabulary.keys)
        is_key = (tokens[:, None] == keys).astype(int)
        if self.written_until is not None:
            return is_key * (np.arange(len(tokens)) >= self.written_until)[:, None]
        passes = v.is_key(tokens) | (tokens == (-1 if v.filler is None else v.filler))
        behind = np.concatenate([[False], passes[:-1]])[:, None]
        again = np.concatenate([[False], tokens[1:] == tokens[:-1]])[:, None]
        return is_key * behind * (1 + TWICE * again)

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """(length, vocab_size) of one sequence."""
        shrunk, first, stored = self.shrinks(tokens), self.vocabulary.keys.start, f.number(self.stored)

        def gain(t: int, at: int, key: int) -> Any:
            return stored * f.number(self.rho ** int(shrunk[t, key - first] - shrunk[at, key - first]))

        products = self.codes.products(len(self.vocabulary.values))
        return stored_readout(f, self.vocabulary, tokens, gain, products, self.written_until)
