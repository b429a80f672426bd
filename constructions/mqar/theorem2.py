"""Explicit networks for multi-query associative recall: [P] Theorem 2, step 1 (one-hot keys and values, N = keys).

One description compiles to the paper's block (ReLU), the official Mamba-1 block (SiLU) and a language model. A value
directly after key k adds to the state's column k; a query reads its column: logit_v = a0 c (a1 n_qv + a0 n_iv).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.exact import PREIMAGES
from mamba_theorems.constructions.construction import Construction, compiled
from mamba_theorems.constructions.mqar.closed_form import stored_readout
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import SYMPY, Exact, Field
from mamba_theorems.kernels.semantics import ACTIVATIONS

CLAIM = "mqar.thm2-step1"


@dataclass(frozen=True)
class TapCodes:
    """What the convolution's non-linearity must give: `previous` a0, `current` a1 for keys, `value` c for values.

    The weights are its preimages. `relu` with key_weight k = 2 and bias b = 1 gives the paper's c_0 = 1, c_1 = 2,
    v = 1; `silu` has no bias, and no tap on the previous value. Raises ValueError for codes that are not positive,
    or where the previous value passes: with ReLU, a1 >= a0 + c + a0 c / b stops it (c_0 v <= b).
    """

    activation: str
    previous: Exact = 1
    current: Exact = 3
    value: Exact = 1
    key_weight: Exact = 1
    bias: Exact = 0

    def __post_init__(self) -> None:
        if not all(sympy.sympify(code) > 0 for code in (self.previous, self.current, self.value, self.key_weight)):
            raise ValueError("The codes and the key weight of a recall mixer must be positive: raise them above 0.")
        if self.activation == "relu" and not self.bias > 0:
            raise ValueError("ReLU with no bias lets the previous value through: use a bias above 0.")
        if self.activation == "relu" and not self.previous_tap * self.value_weight <= self.bias:
            least = self.previous + self.value + sympy.sympify(self.previous * self.value) / self.bias
            raise ValueError(f"The previous value passes the bias {self.bias}: raise `current` to at least {least}.")

    def preimage(self, code: Exact) -> sympy.Expr:
        """The convolution's output, bias left out, that the non-linearity takes to `code`."""
        return sympy.sympify(PREIMAGES[self.activation](code)) + sympy.sympify(self.bias)

    @cached_property
    def previous_tap(self) -> sympy.Expr:
        """c_0."""
        return self.preimage(self.previous) / sympy.sympify(self.key_weight)

    @cached_property
    def current_tap(self) -> sympy.Expr:
        """c_1."""
        return self.preimage(self.current) / sympy.sympify(self.key_weight)

    @cached_property
    def value_weight(self) -> sympy.Expr:
        """v."""
        return self.preimage(self.value) / self.current_tap

    @cached_property
    def repeated(self) -> sympy.Expr:
        """What a key directly after itself gives: SiLU or ReLU of (c_0 + c_1) k - b."""
        x = self.preimage(self.previous) + self.preimage(self.current) - sympy.sympify(self.bias)
        return sympy.sympify(ACTIVATIONS[self.activation](SYMPY, x))


TOKENS = {
    "key": "the token k of number n + 1, which a value follows in the context, and which asks for that value behind it",
    "value": "the token v of number n + 1: what is stored, and what is answered",
    "filler": "a token that stores and asks nothing",
    "unused": "a token that the task does not have",
}
PAPER_CODES = TapCodes("relu", key_weight=2, bias=1)
OFFICIAL_CODES = TapCodes("silu")


@dataclass(frozen=True)
class RecallForm:
    """The closed form of the mixer's readout, exact for every sequence: what the network must compute."""

    codes: TapCodes
    vocabulary: Vocabulary

    @property
    def margins(self) -> dict[str, Exact]:
        """A query's least margin over every other value, by what stands before it (under H1, H2)."""
        a0, a1, value = (sympy.sympify(x) for x in (self.codes.previous, self.codes.current, self.codes.value))
        return {
            "isolated": a0 * value * a1,
            "adjacent, other value": a0 * value * (a1 - a0),
            "adjacent, same value": a0 * value * (a1 + a0),
            "adjacent, same key": a0 * value * self.codes.repeated,
        }

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """logit_v = sum over the (k, v) stored so far of a0 c C_t[k], (length, vocab_size), of one sequence."""
        code, one_hot = self._query_code(f, tokens), np.eye(len(self.vocabulary.values), dtype=int)
        with f.arithmetic():
            code = f.number(self.codes.previous) * f.number(self.codes.value) * code
        return stored_readout(f, self.vocabulary, tokens, lambda t, _, key: code[t, key], one_hot)

    def _query_code(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """C_t over token ids, (length, vocab_size)."""
        codes = self.codes
        known = [codes.previous, codes.current, codes.repeated, 0]
        previous, current, repeated, zero = f.array(np.array(known, dtype=object))
        code = np.full((len(tokens), self.vocabulary.size), zero)
        is_key = self.vocabulary.is_key(tokens)
        for t, token in enumerate(tokens):
            if t and is_key[t - 1]:
                code[t, tokens[t - 1]] = previous
            if is_key[t]:
                code[t, token] = repeated if t and tokens[t - 1] == token else current
        return code


def token_space(vocabulary: Vocabulary) -> Space:
    """The tokens as channels, in the order of their ids: key[i], value[j], filler, unused[id]; counted from 0."""
    channels = {token: Channel("unused", token) for token in range(vocabulary.size)}
    channels |= dict(zip(vocabulary.keys, family("key", len(vocabulary.keys)), strict=True))
    channels |= dict(zip(vocabulary.values, family("value", len(vocabulary.values)), strict=True))
    if vocabulary.filler is not None:
        channels[vocabulary.filler] = Channel("filler")
    return Space(tuple(channels[token] for token in range(vocabulary.size)), TOKENS)


INNER = {
    "key": "a little where key n stands one token ago, more where it stands here: B writes by it, C reads by it",
    "value": "one where value n stands here, and nothing one token later: what is written",
}
COLUMNS = {"key": "the column of the state that adds up which values directly followed key n"}


def describe(vocabulary: Vocabulary, codes: TapCodes) -> MixerDescription:
    """[P] Theorem 2, step 1 as named channels: d = keys + values, N = keys, B = C = the key channels, no decay."""
    keys, values = family("key", len(vocabulary.keys)), family("value", len(vocabulary.values))
    tokens, inner, state = token_space(vocabulary), Space(keys + values, INNER), Space(keys, COLUMNS)
    key_taps = (codes.previous_tap, codes.current_tap)
    value_taps = key_taps if codes.activation == "relu" else (sympy.Integer(0), codes.current_tap)
    weight = {(key, key): codes.key_weight for key in keys} | {(value, value): codes.value_weight for value in values}
    read_key = LinearMap.selecting(inner, state, keys)
    return MixerDescription(
        tokens=tokens,
        inner=inner,
        state=state,
        embedding=LinearMap(tokens, inner, weight),
        taps=dict.fromkeys(keys, key_taps) | dict.fromkeys(values, value_taps),
        bias=dict.fromkeys(inner, -codes.bias) if codes.bias else {},
        B=read_key,
        C=read_key,
        readout=LinearMap.selecting(inner, tokens, values),
        activation=codes.activation,
    )


def theorem2_step1(vocabulary: Vocabulary, target: str, *, codes: TapCodes | None = None) -> Construction:
    """[P] Theorem 2, step 1 for `target`.

    `codes` defaults to the paper's constants, or to their SiLU preimages. Raises ValueError where the target cannot
    hold the mixer.
    """
    codes = codes or (PAPER_CODES if target.startswith("paper") else OFFICIAL_CODES)
    return compiled(CLAIM, target, describe(vocabulary, codes), RecallForm(codes, vocabulary))
