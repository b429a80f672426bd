"""The argument for induction heads by Mamba-Δ^⊤ ([P] Lemma 3, amended), for every token sequence up to a length.

A column of the state belongs to a previous token. It is erased and rewritten whenever that token comes, kept else; the
latest write outweighs all older ones together, at any gap up to the length.
"""

from collections.abc import Mapping
from functools import cache

from mamba_theorems.constructions.induction_heads import lemma3
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Step,
    TensorLayout,
    add,
    diagonal,
    every,
    exp,
    mul,
    near,
    softplus,
    sub,
    tensor,
    total,
    zero,
)
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.tensors import shipped

CLAIM = "induction.lem3-amended"
TARGETS = {CLAIM: ("paper",)}
LARGEST_W = 64

STATEMENT = (
    "For every sequence of at most input_seq_len tokens out of num_tokens, at every position t: let j < t be the last "
    "position before t with x_j = x_t. The logit of x_{j+1}, or of the blank class num_tokens if there is none, is "
    "larger than every other logit, both in exact arithmetic on these weights and in every floating-point evaluation "
    "described below."
)
WORDS = (
    FLOATS,
    "Underflow: an error of at most tiny = 2^-126 a product.",
    "Channels: the convolution gives exactly 1 at 'previous token' x_{t-1} and 'current token' x_t, and 0 elsewhere. "
    "B_t is the one-hot of x_{t-1}, C_t that of x_t, both exact; at t = 1 there is no previous token and B_1 is 0. "
    "Delta of column n is softplus(slope + offset) if x_{t-1} is n, else softplus(offset), and A is -1.",
    "Column q, row 'current v': at each step with x_{t-1} = q it is multiplied by 'erase', and 1 is added in row "
    "x_t; at every other step it is multiplied by a factor that is within 'kept' over the whole sequence. All entries "
    "are >= 0. No entry exceeds 2 right after a write: 2 kept erase <= 1/2 ('room') and (1 + 1/2)(1 + u) <= 2, by "
    "induction on the writes.",
    "Query x_t = q: if q came before, let the last write to column q be at s = j + 1 <= t. Row x_s then holds at "
    "least 1, any other at most 2 kept erase and what underflow added; afterwards both are only kept. The head reads "
    "each entry once: 'right' at least, 'wrong' at most. If q did not come before, column q is exactly 0, and so are "
    "all logits but the blank one, which is 'blank' at all times.",
)


def _tensors() -> dict[str, TensorLayout]:
    n = "num_tokens"
    d, classes = 2 * n, n + 1
    previous, current = diagonal(0, 0, d, n), diagonal(0, n, d, n)
    return {
        "embedding.weight": tensor((classes, d), 0, previous, current),
        "mixer.conv.weight": tensor((d, 2), 0, every(0, 2, n, 1), every(d + 1, 2, n, 1)),
        "mixer.conv.bias": tensor((d,)),
        "mixer.delta.weight": tensor((n, d), 0, diagonal(0, 0, d, n, the.slope)),
        "mixer.delta.bias": tensor((n,), the.offset),
        "mixer.B.weight": tensor((n, d), 0, previous),
        "mixer.C.weight": tensor((n, d), 0, current),
        "mixer.A": tensor((d, n), -1),
        "head.weight": tensor((classes, d), 0, current),
        "head.bias": tensor((classes,), 0, every(n, 1, 1, the.blank_bias)),
    }


STEPS = (
    Scalar("blank", the.blank_bias, "the blank logit: 0 + bias"),
    Scalar(
        "erase_step", near(softplus(rounded(the.slope + the.offset))), "Delta where the previous token is the column's"
    ),
    Scalar("keep_step", near(softplus(the.offset)), "Delta elsewhere"),
    Scalar("erase", near(near(exp(-the.erase_step)), 2), "with the roundings of one step"),
    Scalar("keep", near(near(exp(-the.keep_step)), 2), "with the roundings of one step"),
    Scalar("kept", hull(1, the.keep) ** the.input_seq_len, "of 1, between any two steps"),
    Scalar("room", 1 - 4 * (the.kept * the.erase), "2 kept erase is below 1/2"),
    Scalar("right", the.kept, "the latest write, its least"),
    Scalar("underflow", 4 * the.input_seq_len * (the.kept * the.tiny), "at most, in all"),
    Scalar("wrong", 2 * (the.kept * the.kept * the.erase) + the.underflow, "all older writes, their most"),
    Scalar("margin", the.right - the.wrong, "the latest write over all older ones: the worst case"),
    Scalar("margin_over_blank", the.right - the.blank, "at the longest gap"),
)
ARGUMENT = Argument(
    claim=CLAIM,
    target="paper",
    statement=STATEMENT,
    words=WORDS,
    requires=(
        ("there is a token", the.num_tokens >= 1),
        ("there is a position", the.input_seq_len >= 1),
        ("elementary functions good to at least one ulp are what floats give", the.ulps >= 1),
        ("the slope is 2w", equal(the.slope, 2 * the.w)),
        ("the offset is -w", equal(the.offset + the.w, 0)),
    ),
    tensors=_tensors(),
    steps=STEPS,
    closing=tuple((name, POSITIVE) for name in ("blank", "room", "margin", "margin_over_blank")),
)


def _sizes(chosen: Mapping[str, int]) -> dict[str, int]:
    """num_tokens, input_seq_len and w, the weight of Δ. Raises ValueError for impossible sizes."""
    names = ("num_tokens", "input_seq_len", "w")
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"Induction heads need the sizes {', '.join(names)}: give {', '.join(missing)}.")
    if min(chosen[name] for name in names) < 1 or chosen["w"] > LARGEST_W:
        raise ValueError(f"Induction heads need num_tokens, input_seq_len >= 1 and 1 <= w <= {LARGEST_W}: change them.")
    return {name: chosen[name] for name in names}


@cache
def _shipped(num_tokens: int, w: int, dtype: str) -> Tensors:
    return shipped(lemma3(num_tokens, w).weights, dtype)


def _ship(sizes: Mapping[str, int], dtype: str) -> Tensors:
    return _shipped(sizes["num_tokens"], sizes["w"], dtype)


def subject(claim: str, target: str) -> Subject:
    """Lemma 3, amended, in the paper's block."""
    return Subject(argument=ARGUMENT, sizes=_sizes, tensors=_ship)


FROZEN = tuple(
    (CLAIM, "paper", dtype, {"num_tokens": 32, "input_seq_len": length, "w": 16})
    for dtype, lengths in (("float32", (512, 4096)), ("float64", (4096,)))
    for length in lengths
)
