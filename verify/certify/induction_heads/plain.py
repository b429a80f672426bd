"""The argument for induction heads by plain S6 (extension F): every sequence, up to the longest gap, in five targets.

The state decays by one factor below 1/2 a step: the latest write into a column outweighs all older ones together, and
stays a normal number for as long as the gap allows. That limit is what Delta along the state buys.
"""

from collections.abc import Mapping
from functools import cache
from math import ceil
from typing import Any

import torch

from mamba_theorems.constructions.induction_heads import plain_s6
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Expression,
    Step,
    TensorLayout,
    add,
    diagonal,
    div,
    every,
    exp,
    hull,
    mul,
    near,
    power,
    product,
    rounded,
    silu,
    softplus,
    sqrt,
    sub,
    tensor,
)
from mamba_theorems.verify.certify.blocks import EPS, LAYER, Mixer, common_factor, gated, mamba1, mamba2, normed_input
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.tensors import shipped

CLAIM = "induction.plain-s6"
TARGETS = {CLAIM: ("paper", "official", "language_model", "official_mamba2", "language_model_mamba2")}
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
N = "num_tokens"
D, CLASSES = 2 * N, N + 1


def _paper_tensors() -> dict[str, TensorLayout]:
    previous, current = diagonal(0, 0, D, N), diagonal(0, N, D, N)
    return {
        "embedding.weight": tensor((CLASSES, D), 0, previous, current),
        "mixer.conv.weight": tensor((D, 2), 0, every(0, 2, N, 1), every(D + 1, 2, N, 1)),
        "mixer.conv.bias": tensor((D,)),
        "mixer.B.weight": tensor((N, D), 0, previous),
        "mixer.C.weight": tensor((N, D), 0, current),
        "mixer.delta.weight": tensor((D, D)),
        "mixer.delta.bias": tensor((D,), 1),
        "mixer.A": tensor((D, N), the.A),
        "head.weight": tensor((CLASSES, D), 0, diagonal(0, N, D, N, the.head_scale)),
        "head.bias": tensor((CLASSES,), 0, every(N, 1, 1, the.blank)),
    }


def _mixer(target: str) -> dict[str, TensorLayout]:
    rows = (diagonal(0, 0, D, N),)
    prefix = f"{LAYER}mixer." if target.startswith("language_model") else "mixer."
    late, now, later = every(2, 4, N, the.tap), every(3, 4, N, the.tap), every(4 * N + 3, 4, N, the.tap)
    if target.endswith("mamba2"):
        head = (diagonal(N, 0, D, N, the.head_scale),)
        return mamba2(prefix, Mixer(D, D, N, rows, (now,), rows, rows, head, (late,), (now,)))
    x = (diagonal(0, 0, D, N), diagonal(N, 0, D, N))
    read = (diagonal(0, N, D, N),)
    return mamba1(prefix, Mixer(D, D, N, x, (late, later), rows, read, (diagonal(N, N, D, N, the.head_scale),)))


def _official_tensors(target: str) -> dict[str, TensorLayout]:
    embedding, read = tensor((CLASSES, D), 0, diagonal(0, 0, D, N)), diagonal(0, N, D, N)
    if not target.startswith("language_model"):
        head = {"head.weight": tensor((CLASSES, D), 0, read)}
        bias = {"head.bias": tensor((CLASSES,), 0, every(N, 1, 1, the.blank))}
        return {"embedding.weight": embedding, **_mixer(target), **head, **bias}
    return {
        "backbone.embedding.weight": embedding,
        f"{LAYER}norm.weight": tensor((D,), the.norm_weight),
        **_mixer(target),
        "backbone.norm_f.weight": tensor((D,), 1),
        "lm_head.weight": tensor((CLASSES, D), 0, read, every(N * D, 1, N, the.blank)),
    }


# --------------------------------------------------------------------------------------------------- steps


def _codes(target: str) -> tuple[Step, ...]:
    if target == "paper":
        return (Scalar("code", 1, "ReLU(1)"), Scalar("exponent", rounded(1 * -the.A), "Delta |A|"))
    ideal = (Scalar("input", 1, "a one-hot embedding"),)
    return (
        *(normed_input(D) if target.startswith("language_model") else ideal),
        Scalar("code", silu(rounded(the.tap * the.input)), "SiLU of the convolution"),
        Scalar("step_size", near(softplus(the.step_bias)), "Delta, the same at all times"),
        Scalar("exponent", rounded(the.step_size * near(exp(the.A_log))), "Delta |A|"),
        *gated(),
    )


def _state(step_size: Expression) -> tuple[Step, ...]:
    exponent = near(the.exponent, the.chunk_size)
    wrong = the.write * the.kept * the.decay / (1 - the.decay)
    return (
        Scalar("decay", near(exp(-exponent), the.ulps + 2), "of one step, with its roundings"),
        Scalar("kept", the.decay**the.gap, "over the longest gap"),
        Scalar("write", near(step_size * (the.code * the.code), 2), "Delta x B"),
        Scalar("latest", rounded(the.write * hull(1, the.kept)), "what is left of the latest write, a normal number"),
        Scalar("underflow", 64 * the.input_seq_len * the.least, "at most, in all"),
        Scalar("older", wrong + the.underflow, "all older writes in one row, at the longest gap"),
        Scalar("largest", rounded(2 * the.write / (1 - the.decay)), "no entry of the state is larger"),
    )


def _readout(target: str) -> tuple[Step, ...]:
    """The factor from the state to the logits, norms left out, and the norms."""
    second, whole = target.endswith("mamba2"), target.startswith("language_model")
    inner = the.code * (1 if target == the.paper else the.gated)
    norm = common_factor(the.largest * inner) if second else 1
    steps = (
        Scalar("factor", near(inner * the.head_scale, 6), "from the state to the logits, norms left out"),
        Scalar("norm", norm, "the block's, the same for all entries of a position" if second else "there is none"),
        Scalar("readout", rounded(the.latest * inner * the.norm), "before the head, a normal number"),
        Scalar("blank_shown", the.blank, "the blank logit, the last norm left out"),
    )
    return (*steps, *_last_norm()) if whole else steps


def _last_norm() -> tuple[Step, ...]:
    mean_square = near(1 / D, D)
    largest = 1 / (the.factor * the.norm) + 2 * the.largest
    return (
        Scalar("final", common_factor(1 + 2 * (the.largest * (the.factor * the.norm))), "where q came before"),
        Scalar("final_alone", hull(Term(1) / 2, 2) / sqrt(mean_square + EPS), "and where it did not"),
        Scalar("final_readout", rounded(the.latest / (4 * largest)), "the right logit, its least, a normal number"),
        Scalar("blank_alone", rounded(the.blank * the.final_alone), "the blank logit where q did not come before"),
    )


def _steps(target: str) -> tuple[Step, ...]:
    shown = the.right * the.factor * the.norm
    return (
        *_codes(target),
        *_state(1 if target == "paper" else "step_size"),
        *_readout(target),
        Scalar("right", the.write * the.kept * near(1, 2), "the latest write, as it is read"),
        Scalar("wrong", the.older * hull(1, the.factor / the.factor), "all older ones, in the same units"),
        Scalar("margin", the.right - the.wrong, "the worst case, in units of 'factor'"),
        Scalar("over_blank", shown - (2 * the.blank_shown + _underflow(target)), "over twice the blank"),
    )


def _underflow(target: str) -> Expression:
    """What the last norm's underflow may add to the blank, its factor left out: least over the factor's least."""
    return 4 * the.least / the.final if target.startswith("language_model") else 0


def _argument(target: str) -> Argument:
    second, whole = target.endswith("mamba2"), target.startswith("language_model")
    blank = "blank_alone" if whole else "blank_shown"
    return Argument(
        claim=CLAIM,
        target=target,
        statement=STATEMENT,
        words=(*WORDS, *(NORMED if second else ()), *(RESIDUAL if whole else ())),
        requires=(
            ("there is a token", N >= 1),
            ("a gap", the.gap >= 0),
            ("a sequence", the.input_seq_len >= 1),
            ("chunks", the.chunk_size - 1),
            ("the head's scale is positive", the.head_scale >= 0),
            ("elementary functions good to at least one ulp are what floats give", the.ulps >= 1),
        ),
        tensors=_paper_tensors() if target == "paper" else _official_tensors(target),
        steps=_steps(target),
        closing=tuple((name, POSITIVE) for name in ("exponent", "margin", "over_blank", blank)),
    )


def _sizes(target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """num_tokens, gap, input_seq_len. Raises ValueError for impossible sizes."""
    names = ("num_tokens", "input_seq_len", "gap")
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"Induction heads need the sizes {', '.join(names)}: give {', '.join(missing)}.")
    if min(chosen["num_tokens"], chosen["input_seq_len"]) < 1 or chosen["gap"] < 0:
        raise ValueError("Induction heads need num_tokens, input_seq_len >= 1 and gap >= 0: change them.")
    sizes = {name: chosen[name] for name in names} | {"chunk_size": CHUNK if target.endswith("mamba2") else 1}
    return sizes | ({"dt_rank": ceil(chosen["num_tokens"] / 8)} if target in ("official", "language_model") else {})


@cache
def _shipped(num_tokens: int, target: str, dtype: str) -> Tensors:
    return shipped(plain_s6(num_tokens, target, dtype=DTYPES[dtype]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Plain S6 in a target."""
    return Subject(
        argument=_argument(target),
        sizes=lambda chosen: _sizes(target, chosen),
        tensors=lambda sizes, dtype: _shipped(sizes["num_tokens"], target, dtype),
    )


FROZEN = tuple(
    (CLAIM, target, dtype, {"num_tokens": 32, "input_seq_len": length, "gap": gap})
    for target in TARGETS[CLAIM]
    for dtype, length, gap in (("float64", 900, 898), ("float32", 112, 110), ("float32", 4096, 110))
    if dtype == "float32" or not target.startswith("language_model")
)
