"""The argument for induction heads by plain S6 (extension F): every sequence, up to the longest gap, in five targets.

The state decays by one factor below 1/2 a step: the latest write into a column outweighs all older ones together, and
stays a normal number for as long as the gap allows. That limit is what Delta along the state buys.
"""

from functools import cache
from math import ceil
from typing import Any

import numpy as np
import torch

from mamba_theorems.constructions.compiler.mamba1 import Weights
from mamba_theorems.constructions.induction_heads import plain_s6
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, ULPS, Argument, Scalar, positive
from mamba_theorems.verify.certify.blocks import MixerLayout, around, is_model, is_second, official
from mamba_theorems.verify.certify.family import Family, Frozen, Mutants, Sizes, only
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, softplus, sqrt
from mamba_theorems.verify.certify.induction_heads.lemma3 import (
    CLASSES,
    CURRENT,
    PREVIOUS,
    D,
    N,
    paper_block,
    with_blank,
)
from mamba_theorems.verify.certify.layout import TensorLayout, diagonal, every, single, tensor
from mamba_theorems.verify.certify.steps import EPS, LENGTH, common_factor, gated, token_input
from mamba_theorems.verify.certify.term import Expression, Term, hull, square, the

CLAIM = "induction.plain-s6"
TARGETS = ("paper", "official", "language_model", "official_mamba2", "mamba2_language_model")
DTYPES = {"float32": torch.float32, "float64": torch.float64}
CHUNK = 256

STATEMENT = (
    "For every sequence of at most input_seq_len tokens out of num_tokens, at every position t: if x_t came before, "
    "last at j, and t - (j + 1) <= gap, then the logit of x_{j+1} is larger than every other; if x_t did not come "
    "before, the logit of the blank class num_tokens is larger than every other; both in exact arithmetic on these "
    "weights and in every floating-point evaluation described below. For input_seq_len <= gap + 2 this is every one."
)
WORDS = (
    FLOATS,
    "Codes: after the convolution, channel 'previous token' x_{t-1} and channel 'current token' x_t are 'code', all "
    "others 0 exactly. B_t is 'code' at x_{t-1} (0 at t = 1), C_t at x_t. Delta is the same at all times.",
    "Column q of the state: at a step with x_{t-1} = q, 'write' is added in row x_t; at every step, all entries are "
    "multiplied by a factor within 'decay', product and sum rounded, or over a stretch of at most chunk_size steps by "
    "the exponential of a sum of that many terms. All entries are >= 0.",
    "Query x_t = q, last write at s = j + 1: row x_s holds at least write kept, kept = decay^(t-s); any other row "
    "holds older writes only, at most one at each age above t - s: at most write kept decay / (1 - decay), plus what "
    "underflow adds: at most the smallest subnormal number a rounding, times what follows. The quotient of the two is "
    "worst at the longest gap, as the quotient of the ends of 'decay' is at least 1.",
    "Readout: each logit reads one row of column q, times code, gate, norm and head, a few roundings: 'factor', the "
    "same for all rows but for the roundings. If q did not come before, column q is 0, and so are all logits but one.",
)
NORMED = (
    "Norm: it multiplies all entries of a position by one positive factor, rounding each, which is within 'norm'; "
    "'norm' allows every mean square between 0 and that of the largest entry.",
)
RESIDUAL = (
    "Residual: the token's one-hot, 1 in its own coordinate, which the blank's row of the head reads; the answers' "
    "coordinates are the mixer's. The final norm multiplies both by one positive factor, within 'final'; where q did "
    "not come before the residual is that one-hot alone, and the factor 'final_alone'.",
)


BLOCK = paper_block((diagonal(0, N, D, N, the.head_scale),), step_size=1, A=the.A)


def _mixer(target: str) -> MixerLayout:
    previous = (PREVIOUS,)
    late, now, later = every(2, 4, N, the.tap), every(3, 4, N, the.tap), every(4 * N + 3, 4, N, the.tap)
    if is_second(target):
        return MixerLayout(
            d_model=D,
            d_inner=D,
            d_state=N,
            x=previous,
            conv=(now,),
            B=previous,
            C=previous,
            out_proj=(diagonal(N, 0, D, N, the.head_scale),),
            B_conv=(late,),
            C_conv=(now,),
        )
    return MixerLayout(
        d_model=D,
        d_inner=D,
        d_state=N,
        x=(PREVIOUS, diagonal(N, 0, D, N)),
        conv=(late, later),
        B=previous,
        C=(CURRENT,),
        out_proj=(diagonal(N, N, D, N, the.head_scale),),
    )


def _tensors(target: str) -> dict[str, TensorLayout]:
    if target == "paper":
        return with_blank(BLOCK, the.blank)
    embedding, mixer = tensor((CLASSES, D), 0, PREVIOUS), official(target, _mixer(target))
    if is_model(target):
        return around(target, mixer, embedding, tensor((CLASSES, D), 0, CURRENT, every(N * D, 1, N, the.blank)))
    bias = {"head.bias": tensor((CLASSES,), 0, single(N, the.blank))}
    return around(target, mixer, embedding, tensor((CLASSES, D), 0, CURRENT)) | bias


# --------------------------------------------------------------------------------------------------- steps


def _codes(target: str) -> tuple[Scalar, ...]:
    if target == "paper":
        return (
            *ranges.paper(BLOCK),
            Scalar("code", 1, "ReLU(1)"),
            Scalar("exponent", rounded(1 * -the.A), "Delta |A|"),
        )
    return (
        *token_input(target, D),
        *ranges.block(target, _mixer(target), abs(the.input)),
        Scalar("code", silu(rounded(the.tap * the.input)), "SiLU of the convolution"),
        Scalar("step_size", near(softplus(the.step_bias)), "Delta, the same at all times"),
        Scalar("exponent", rounded(the.step_size * near(exp(the.A_log))), "Delta |A|"),
        *gated(),
    )


def _state(step_size: Term) -> tuple[Scalar, ...]:
    exponent = near(the.exponent, the.chunk_size)
    return (
        Scalar("decay", near(exp(-exponent), the.ulps + 2), "of one step, with its roundings"),
        Scalar("kept", the.decay**the.gap, "over the longest gap"),
        Scalar("write", near(step_size * (square(the.code)), 2), "Delta x B"),
        Scalar("latest", rounded(the.write * hull(1, the.kept)), "what is left of the latest write, a normal number"),
        Scalar("largest", rounded(2 * the.write / (1 - the.decay)), "no entry of the state is larger"),
    )


def _readout(target: str) -> tuple[Scalar, ...]:
    """The factor from the state to the logits, norms left out, and the norms."""
    second, whole = is_second(target), is_model(target)
    gate, step_size = (Term(1), Term(1)) if target == "paper" else (the.gated, the.step_size)
    inner = the.code * gate
    norm, passed = common_factor(the.shown) if second else 1, abs(inner * the.norm)
    older = the.write * the.kept * the.decay / (1 - the.decay)
    lost = 64 * LENGTH * the.least * (hull(1, step_size) * square(hull(1, abs(the.code))))
    path = (step_size, the.code, the.code, the.code, the.kept, gate, the.head_scale)
    steps = (
        Scalar("path", ranges.in_any_order(*path), "all products from the codes to the head, norms left out"),
        Scalar("shown", ranges.finite(the.largest * abs(inner)), "of a readout, behind the gate"),
        *(() if target == "paper" else ranges.behind(target, _mixer(target), the.shown, 1 + abs(the.blank))),
        Scalar("factor", near(inner * the.head_scale, 6), "from the state to the logits, norms left out"),
        Scalar("norm", norm, "the block's, the same for all entries of a position" if second else "there is none"),
        Scalar("readout", rounded(the.latest * inner * the.norm), "before the head, a normal number"),
        Scalar("underflow", lost * (1 + 1 / abs(inner) + (1 + 1 / the.head_scale) / passed), "at most, in all"),
        Scalar("older", older + the.underflow, "all older writes in one row, at the longest gap"),
        Scalar("lifted", rounded(the.readout * the.head_scale), "and behind it"),
        Scalar("blank_shown", the.blank, "the blank logit, the last norm left out"),
    )
    return (*steps, *_last_norm()) if whole else steps


def _last_norm() -> tuple[Scalar, ...]:
    mean_square = near(1 / D, D)
    largest = 1 / (the.factor * the.norm) + 2 * the.largest
    return (
        Scalar("final", common_factor(the.most_stream), "where q came before"),
        Scalar("final_alone", hull(Term(1) / 2, 2) / sqrt(mean_square + EPS), "and where it did not"),
        Scalar("final_readout", rounded(the.latest / (4 * largest)), "the right logit, its least, a normal number"),
        Scalar("blank_alone", rounded(the.blank * the.final_alone), "the blank logit where q did not come before"),
    )


def _steps(target: str) -> tuple[Scalar, ...]:
    shown = the.right * the.factor * the.norm
    lost = 8 * the.least / abs(the.factor * the.norm * the.final) if is_model(target) else 0
    return (
        *_codes(target),
        *_state(Term(1) if target == "paper" else the.step_size),
        *_readout(target),
        Scalar("right", the.write * the.kept * near(1, 2), "the latest write, as it is read"),
        Scalar("wrong", the.older * hull(1, the.factor / the.factor) + lost, "all older ones, in the same units"),
        Scalar("margin", the.right - the.wrong, "the worst case, in units of 'factor'"),
        Scalar("over_blank", shown - (2 * the.blank_shown + _underflow(target)), "over twice the blank"),
    )


def _underflow(target: str) -> Expression:
    """What the last norm's underflow may add to the blank, its factor left out: least over the factor's least."""
    return 4 * the.least / the.final if is_model(target) else 0


def _argument(target: str) -> Argument:
    second, whole = is_second(target), is_model(target)
    return Argument(
        claim=CLAIM,
        target=target,
        statement=STATEMENT,
        words=(*WORDS, *ranges.WORDS, *(NORMED if second else ()), *(RESIDUAL if whole else ())),
        requires=(
            ("there is a token", N >= 1),
            ("a gap", the.gap >= 0),
            ("a sequence", LENGTH >= 1),
            ("chunks", the.chunk_size >= 1),
            ("the head's scale is positive", the.head_scale >= 0),
            ULPS,
        ),
        tensors=_tensors(target),
        steps=_steps(target),
        closing=positive("exponent", "margin", "over_blank", "blank_alone" if whole else "blank_shown"),
    )


# ---------------------------------------------------------------------------------------------- the family


def _sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """num_tokens, gap, input_seq_len. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "Induction heads need", ("num_tokens", "input_seq_len", "gap"))
    if min(sizes["num_tokens"], sizes["input_seq_len"]) < 1 or sizes["gap"] < 0:
        raise ValueError("Induction heads need num_tokens, input_seq_len >= 1 and gap >= 0: change them.")
    sizes["chunk_size"] = CHUNK if is_second(target) else 1
    return sizes | ({} if target == "paper" or is_second(target) else {"dt_rank": ceil(sizes["num_tokens"] / 8)})


@cache
def _network(num_tokens: int, target: str, dtype: str) -> Weights:
    return plain_s6(num_tokens, target, dtype=DTYPES[dtype]).weights


def _weights(target: str, sizes: Sizes, dtype: str) -> Weights:
    return _network(sizes["num_tokens"], target, dtype)


def _frozen(target: str) -> Frozen:
    if not is_model(target):
        yield "float64", {"num_tokens": 32, "input_seq_len": 900, "gap": 898}
    for length in (112, 4096):
        yield "float32", {"num_tokens": 32, "input_seq_len": length, "gap": 110}


def _blank_raised(head: np.ndarray) -> np.ndarray:
    head[-1] *= 2.0 ** (100 if head.dtype == np.float32 else 300)
    return head


MUTANTS: Mutants = {
    "decay slower than 1/2": {"mixer.A": lambda A: A * 0.9, "A_log": lambda A: A - 0.1},
    "blank outweighs the writes": {"head.bias": _blank_raised, "lm_head.weight": _blank_raised},
}
FAMILIES = (Family(CLAIM, TARGETS, _argument, _sizes, _weights, _frozen, lambda target: MUTANTS),)
