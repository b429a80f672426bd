"""Extension F: plain S6 is an induction head, in the paper's block and in the official ones, as far as floats reach."""

from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
import sympy
import torch

from mamba_theorems.constructions.compiler.channels import LinearMap, Space, family
from mamba_theorems.constructions.compiler.compile import one_hot_norm
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, block, silu_preimage
from mamba_theorems.constructions.compiler.explain import explain_mixer
from mamba_theorems.constructions.compiler.mamba1 import mamba_mixer
from mamba_theorems.constructions.compiler.mamba2 import mamba2_mixer
from mamba_theorems.constructions.compiler.naming import layer_names
from mamba_theorems.constructions.compiler.targets import TARGETS as ALL_TARGETS
from mamba_theorems.constructions.compiler.targets import require_target
from mamba_theorems.constructions.compiler.tensors import Given, language_model, one_layer
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads.lemma3 import (
    COLUMNS,
    INNER,
    TOKENS,
    blank_bias,
    head_naming,
    paper_head,
)
from mamba_theorems.kernels.fields import Exact

CLAIM = "induction.plain-s6"
TARGETS = ("paper", "official", "official_mamba2", "language_model", "mamba2_language_model")
DECAY_RATE = Fraction(18, 25)  # of plain S6 with step 1: near the best reach for every input in float32
REACH = {torch.float32: 150, torch.float64: 1075}  # 2^-reach rounds to 0: the blank logit lies below every write
ANSWER = {"answer": "token n as the block's answer, apart from the token that came in"}
HEAD_SCALE = {torch.float32: 2**32, torch.float64: 2**64}  # lifts blank to a normal number, below subnormal writes


def plain_s6(
    num_tokens: int, target: str = "paper", *, decay_rate: Exact = DECAY_RATE, dtype: torch.dtype = torch.float32
) -> Construction:
    """Extension F for `target`: constant step 1, decay e^{-decay_rate}, exact where decay_rate >= ln 2.

    The blank logit is HEAD_SCALE 2^{-REACH}, below every write of `dtype`. Raises ValueError for an unknown target.
    """
    require_target(target, TARGETS)
    scale = HEAD_SCALE[dtype]
    blank = Fraction(scale, 2 ** REACH[dtype])
    if target == "paper":
        dynamics: dict[str, Given] = {"delta.bias": 1, "A": -sympy.sympify(decay_rate)}
        return paper_head(CLAIM, target, num_tokens, dynamics, Fraction(scale), blank)
    n, width = num_tokens, 2 * num_tokens
    sizes = Layout().sizes(describe(n)) | {"vocab_size": n + 1, "n_layer": 1}
    mixer = (mamba2_mixer if "mamba2" in target else mamba_mixer)(describe(n, decay_rate, scale), Layout())
    one_hot = ExactTensor((n + 1, width), 0, {(i, i): 1 for i in range(n)})
    head = ExactTensor((n + 1, width), 0, {(i, n + i): 1 for i in range(n)})
    if ALL_TARGETS[target].is_language_model:
        head = head.with_entries({(n, range(n)): blank})
        weights = language_model(one_hot, [(one_hot_norm(width), mixer)], block((width,), 1), head)
    else:
        weights = one_layer(one_hot, mixer, head) | blank_bias(n, blank)
    layer = layer_names(describe(n), target, sizes)
    return Construction(CLAIM, target, sizes, weights, naming=head_naming(n, layer))


def describe(
    num_tokens: int, decay_rate: Exact = DECAY_RATE, scale: int = HEAD_SCALE[torch.float32]
) -> MixerDescription:
    """Plain S6 as named channels: tokens and answers in the stream, previous and current token inside."""
    token, answer = family("token", num_tokens), family("answer", num_tokens)
    previous, current = family("previous", num_tokens), family("current", num_tokens)
    stream, inner = Space(token + answer, {**TOKENS, **ANSWER}), Space(previous + current, INNER)
    state = Space(family("column", num_tokens), COLUMNS)
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
        readout=LinearMap(inner, stream, dict.fromkeys(zip(answer, current, strict=True), scale)),
        activation="silu",
        decay_rate=decay_rate,
    )


# ------------------------------------------------------------------------------------ where floats stop plain S6


@dataclass(frozen=True)
class FloatReach:
    """How far plain S6 with a rounded decay reaches, found step by step in the float's own arithmetic.

    `alone`: the largest gap after which a lone write is not 0, infinite if it never is. `any_input`: the largest gap
    after which the latest write beats every older one, whatever the input; −1 if even gap 0 does not. `repeats`: how
    many repetitions the worst case needs at most.
    """

    alone: float
    any_input: int
    repeats: int


def reach(decay: Any, write: Any) -> FloatReach:
    """The limits of h' = fl(fl(decay·h) + write), by rounding's monotony reached by 0^k 1 … 1 0.

    `decay` < 1 and `write` are floats, or other numbers whose operations round monotonously. No sequence has a larger
    older entry than one token repeated, as fl is monotone: exact for all inputs.
    """
    zero, largest, repeats = write - write, write - write, 0
    while (grown := decay * largest + write) != largest and repeats < 10_000:
        largest, repeats = grown, repeats + 1
    latest, older, gap = write, decay * largest, 0
    while latest > older:
        latest, older, gap = decay * latest, decay * older, gap + 1
    alone, left = 0, decay * write
    while left > zero:
        if decay * left == left:
            return FloatReach(inf, gap - 1, repeats)
        left, alone = decay * left, alone + 1
    return FloatReach(alone, gap - 1, repeats)


def first_failing_repeat(decay_rate: float) -> int:
    """The least k at which 0^k 1 0 fails in real arithmetic, ρ > ½: ρ + … + ρ^{k−1} ≥ 1."""
    rho = float(np.exp(-decay_rate))
    return 1 + int(np.ceil(np.log(2 - 1 / rho) / np.log(rho)))


def told() -> list[str]:
    """The mixer over two tokens by channel."""
    return explain_mixer(describe(2))


TOLD = dict.fromkeys((CLAIM, "induction.plain-s6-limits"), told)
