"""The argument for induction heads by Mamba-Δ^⊤ ([P] Lemma 3, amended), for every token sequence up to a length.

A column of the state belongs to a previous token. It is erased and rewritten whenever that token comes, kept else; the
latest write outweighs all older ones together, at any gap up to the length.
"""

from typing import Any

import numpy as np

from mamba_theorems.constructions.induction_heads import lemma3
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, ULPS, Argument, Scalar, positive
from mamba_theorems.verify.certify.blocks import PaperLayout
from mamba_theorems.verify.certify.family import Family, Frozen, Mutants, Sizes, only, weights_of
from mamba_theorems.verify.certify.functions import exp, near, rounded, softplus
from mamba_theorems.verify.certify.layout import Many, TensorLayout, diagonal, every, single, tensor
from mamba_theorems.verify.certify.steps import LENGTH
from mamba_theorems.verify.certify.term import Term, equal, hull, square, the

CLAIM = "induction.lem3-amended"
LARGEST_W = 64

STATEMENT = (
    "For every sequence of at most input_seq_len tokens out of num_tokens, at every position t: let j < t be the last "
    "position before t with x_j = x_t. The logit of x_{j+1}, or of the blank class num_tokens if there is none, is "
    "larger than every other logit, both in exact arithmetic on these weights and in every floating-point evaluation "
    "described below."
)
WORDS = (
    FLOATS,
    *ranges.WORDS,
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
N = the.num_tokens
D, CLASSES = 2 * N, N + 1
"""Channels: the previous token, the current one. Classes: the tokens and the blank."""
PREVIOUS, CURRENT = diagonal(0, 0, D, N), diagonal(0, N, D, N)


def paper_block(head: Many, **given: Any) -> PaperLayout:
    """An induction head in the paper's block."""
    return PaperLayout(
        classes=CLASSES,
        d_model=D,
        d_state=N,
        embedding=(PREVIOUS, CURRENT),
        conv=(every(0, 2, N, 1), every(D + 1, 2, N, 1)),
        B=(PREVIOUS,),
        C=(CURRENT,),
        head=head,
        **given,
    )


def with_blank(block: PaperLayout, blank: Term) -> dict[str, TensorLayout]:
    """The tensors of a block, with a head that has a bias at the blank."""
    return block.tensors() | {"head.bias": tensor((CLASSES,), 0, single(N, blank))}


BOTH = rounded(the.slope + the.offset)
BLOCK = paper_block((CURRENT,), steps=N, delta=(diagonal(0, 0, D, N, the.slope),), step_size=the.offset, A=Term(-1))
STEPS = (
    *ranges.paper(BLOCK),
    Scalar("blank", the.blank_bias, "the blank logit: 0 + bias"),
    Scalar("erase_step", near(softplus(BOTH)), "Delta where the previous token is the column's"),
    Scalar("keep_step", near(softplus(the.offset)), "Delta elsewhere"),
    Scalar("erase", near(near(exp(-the.erase_step)), 2), "with the roundings of one step"),
    Scalar("keep", near(near(exp(-the.keep_step)), 2), "with the roundings of one step"),
    Scalar("kept", hull(1, the.keep) ** LENGTH, "of 1, between any two steps"),
    Scalar("path", ranges.in_any_order(the.kept, 1), "of a write of 1, as long as it is kept: a normal number"),
    Scalar("room", 1 - 4 * (the.kept * the.erase), "2 kept erase is below 1/2"),
    Scalar("right", the.kept, "the latest write, its least"),
    Scalar("underflow", 4 * LENGTH * (the.kept * the.tiny), "at most, in all"),
    Scalar("wrong", 2 * (square(the.kept) * the.erase) + the.underflow, "all older writes, their most"),
    Scalar("margin", the.right - the.wrong, "the latest write over all older ones: the worst case"),
    Scalar("margin_over_blank", the.right - the.blank, "at the longest gap"),
)


def _argument(target: str) -> Argument:
    return Argument(
        claim=CLAIM,
        target=target,
        statement=STATEMENT,
        words=WORDS,
        requires=(
            ("there is a token", N >= 1),
            ("there is a position", LENGTH >= 1),
            ULPS,
            ("the slope is 2w", equal(the.slope, 2 * the.w)),
            ("the offset is -w", equal(the.offset + the.w, 0)),
        ),
        tensors=with_blank(BLOCK, the.blank_bias),
        steps=STEPS,
        closing=positive("blank", "room", "margin", "margin_over_blank"),
    )


def _sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """num_tokens, input_seq_len and w, the weight of Δ. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "Induction heads need", ("num_tokens", "input_seq_len", "w"))
    if min(sizes.values()) < 1 or sizes["w"] > LARGEST_W:
        raise ValueError(f"Induction heads need num_tokens, input_seq_len >= 1 and 1 <= w <= {LARGEST_W}: change them.")
    return sizes


def _frozen(target: str) -> Frozen:
    for dtype, length in (("float32", 512), ("float32", 4096), ("float64", 4096)):
        yield dtype, {"num_tokens": 32, "input_seq_len": length, "w": 16}


MUTANTS: Mutants = {
    "blank outweighs the writes": {"head.bias": lambda bias: bias * 3},
    "blank below 0": {"head.bias": np.negative},
}
WEIGHTS = weights_of(lambda num_tokens, w: lemma3(num_tokens, w).weights, "num_tokens", "w")
FAMILIES = (Family(CLAIM, ("paper",), _argument, _sizes, WEIGHTS, _frozen, lambda target: MUTANTS),)
