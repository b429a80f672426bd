"""The paper's networks with the weights as it prints them, for any numbers k, v, β, c_0, c_1, b and any sign codes.

[P] App. D.3-D.5. Whether they recall is not said here: outside the conditions of the theorems they do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import sympy as sp

from mamba_theorems.constructions.compiler.channels import LinearMap, Space, family
from mamba_theorems.constructions.compiler.compile import compile_weights, hyperparameters
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index
from mamba_theorems.constructions.compiler.naming import names_of
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import RecallCodes, describe, one_hot
from mamba_theorems.constructions.mqar.products import ProductCodes, gated
from mamba_theorems.constructions.mqar.selective import PAPER_CLOCK, selective
from mamba_theorems.constructions.mqar.theorem2 import COLUMNS, token_space
from mamba_theorems.constructions.mqar.theorem2 import INNER as ONE_HOT
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import Exact

Code = Mapping[int, Exact]
INNER = {**ONE_HOT, "code": "entry n of the code of the value that stands here, shifted: what is written"}


@dataclass(frozen=True)
class Numbers:
    """A key's weight k, the taps c_0 (previous token) and c_1 (current), the convolution's bias −b."""

    key: Exact
    tap0: Exact
    tap1: Exact
    bias: Exact

    @property
    def taps(self) -> tuple[Exact, Exact]:
        """(c_0, c_1)."""
        return self.tap0, self.tap1


@dataclass(frozen=True)
class Values:
    """How values are written and read: the code of value j, the head's row and bias for it; `width` channels."""

    width: int
    codes: tuple[Code, ...]
    heads: tuple[Code, ...]
    biases: tuple[Exact, ...] = ()


def one_hot_values(count: int, weight: Exact) -> Values:
    """Step 1: value j is `weight` on a channel of its own."""
    return Values(count, tuple({j: weight} for j in range(count)), tuple({j: 1} for j in range(count)))


def sign_values(columns: Sequence[str], shift: Exact, bias_factor: Exact = 0) -> Values:
    """Step 2: value j is m_j + β1, read by m_j; the head's bias is −`bias_factor` Σ_r (m_j)_r.

    `columns` spell the signs of M = ±1/√p.
    """
    signs = [sign_column(column) for column in columns]
    return Values(
        len(columns[0]),
        tuple({r: m + shift for r, m in enumerate(code)} for code in signs),
        tuple(dict(enumerate(code)) for code in signs),
        tuple(-bias_factor * sum(code) for code in signs),
    )


def sign_column(pattern: str) -> list[Exact]:
    """±1/√p as a pattern such as "++-+" spells it: a fraction where √p is an integer."""
    root = isqrt(len(pattern))
    size: Exact = Fraction(1, root) if root * root == len(pattern) else 1 / sp.sqrt(len(pattern))
    return [size if sign == "+" else -size for sign in pattern]


def shared_convolution(vocabulary: Vocabulary, numbers: Numbers, values: Values) -> Construction:
    """[P] Theorem 2: one convolution for keys and values, B = C = the key channels, N = keys, Λ = 0, Δ = 1."""
    keys, code = family("key", len(vocabulary.keys)), family("code", values.width)
    tokens, inner, state = token_space(vocabulary), Space(keys + code, INNER), Space(keys, COLUMNS)
    embedding = {(key, key): numbers.key for key in keys}
    named = tokens.named("value")
    embedding |= {(code[r], token): e for token, v in zip(named, values.codes, strict=True) for r, e in v.items()}
    readout = {(token, code[r]): e for token, w in zip(named, values.heads, strict=True) for r, e in w.items()}
    read_key = LinearMap.selecting(inner, state, keys)
    description = MixerDescription(
        tokens=tokens,
        inner=inner,
        state=state,
        embedding=LinearMap(tokens, inner, embedding),
        taps=dict.fromkeys(inner, numbers.taps),
        bias=dict.fromkeys(inner, -numbers.bias),
        B=read_key,
        C=read_key,
        readout=LinearMap(inner, tokens, readout),
        activation="relu",
    )
    return _with_bias(_network(description), vocabulary, values)


def gated_blocks(vocabulary: Vocabulary, numbers: Numbers, values: Values) -> Construction:
    """[P] Theorem 4: a (key, value) code for each pair, S4D with N = 1, the gate picks the query's block; b = c_0 k."""
    codes = ProductCodes(values.width, values.codes.__getitem__, values.heads.__getitem__, 1)
    description = gated(vocabulary, codes, "relu", key=numbers.key, taps=numbers.taps)
    return _with_bias(_network(description), vocabulary, values)


def sign_keys(vocabulary: Vocabulary, columns: Sequence[str], *, rectified: bool) -> Construction:
    """[P] Theorem 3, step 2: key i has the sign column `columns[i]`, N = p; values are one-hot.

    `rectified` passes B and C through ReLU, as the block of Table 2 does; else they are linear.
    """
    p = len(columns[0])
    everywhere: Code = dict.fromkeys(range(p), 1)
    count = len(vocabulary.values)
    codes = RecallCodes(len(columns), count, p, count, lambda _: everywhere, lambda _: everywhere, one_hot, one_hot)
    built = _network(describe(vocabulary, codes, "relu"), "paper_mamba2", "relu" if rectified else "identity")
    signs: dict[Index, Exact] = {
        (r, vocabulary.keys[i]): m for i, column in enumerate(columns) for r, m in enumerate(sign_column(column))
    }
    return built.with_entries("mixer.B.weight", signs).with_entries("mixer.C.weight", signs)


def shrinking(vocabulary: Vocabulary, rho: Fraction) -> Construction:
    """Extension I in the paper's block with any ratio ρ, also one that is too large."""
    codes = ProductCodes(len(vocabulary.values), one_hot, one_hot, 1)
    return _network(selective(vocabulary, codes, rho, PAPER_CLOCK))


def _network(description: MixerDescription, target: str = "paper", activation: str = "relu") -> Construction:
    sizes, weights = hyperparameters(description, target), compile_weights(description, target)
    return Construction(
        "",
        target,
        sizes,
        weights,
        activation=activation,
        description=description,
        naming=names_of(description, target, sizes),
    )


def _with_bias(built: Construction, vocabulary: Vocabulary, values: Values) -> Construction:
    """The network with the head's bias, where there is one."""
    if not any(values.biases):
        return built
    entries: dict[Index, Exact] = {(token,): e for token, e in zip(vocabulary.values, values.biases, strict=True)}
    return built.with_weight("head.bias", ExactTensor((vocabulary.size,), 0, entries))
