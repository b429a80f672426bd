"""The arguments for recall with one state: Theorem 4 and its sign codes, where a gate picks the query's block.

The convolution makes a (key, value) code, the state is a plain sum, and only the block of the query passes the gate.
With ReLU, keys that follow themselves add the same to a whole block; with SiLU nothing but a pair passes, leaks apart.
"""

from functools import partial
from typing import Any

from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, NOT_POSITIVE, Argument, Requirement, Scalar, positive
from mamba_theorems.verify.certify.blocks import MixerLayout, PaperLayout, around_one_hots, is_model, official, unbiased
from mamba_theorems.verify.certify.family import Sizes
from mamba_theorems.verify.certify.functions import exp, near, relu, rounded, silu, slack, snap, sqrt
from mamba_theorems.verify.certify.layout import Entries, Many, TensorLayout, single, tensor
from mamba_theorems.verify.certify.mqar import entries, recall
from mamba_theorems.verify.certify.mqar.codes import SIGNS
from mamba_theorems.verify.certify.mqar.entries import CodesLayout, TokenMatrix
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, V
from mamba_theorems.verify.certify.steps import LENGTH, common_factor, dynamics, token_input
from mamba_theorems.verify.certify.term import Expression, Term, equal, hull, square, term, the, within

ONE_HOT, SIGN_CODES = "mqar.thm4", "mqar.thm4-jl-amended"
TARGETS = ("paper", "official", "language_model")

WORDS = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them; the filler, "
    "if there is one, has no code. Each key has a block of `width` channels, then comes the channel 'one'. A channel "
    "in block k is tap_previous [x_{t-1}] + tap_current [x_t] + bias before its non-linearity, where [.] is 'key' for "
    "key k, 'value' for a value with that channel in its code, else 0.",
    "Gate: at a query it is the same for all channels of block q, and 0 exactly in all other blocks and in 'one'.",
)
PAPER_WORDS = (
    "It passes 'write' where a value with that channel in its code directly follows k, 'repeated' where k follows "
    "itself, and 0 else: 'shut' is what stands before ReLU where anything else follows k, 'leak' the most without k.",
    "State: B, C and Delta are the same at all times, so a channel's state is the sum of what it passed. Under H1 and "
    "H2, when q is queried v(q) has followed q once and no other value has. So a channel of block q in v(q)'s code "
    "holds 'write' once, any other none, and all of them the same multiple of 'repeated'.",
)
SILU_WORDS = (
    "It passes 'write' where a value with that channel in its code directly follows k. Whatever else stands at two "
    "places, k after itself among it, its argument is 'closed' or less: SiLU gives no more than 'leak' in size.",
    "State: B, C and Delta are the same at all times, so a channel's state is the sum of what it passed, kept by a "
    "factor within 'kept'. Under H1 and H2, when q is queried v(q) has followed q once and no other value has. So a "
    "channel of block q in v(q)'s code holds 'write' once, any other none, beside leaks: 'stray' in all.",
)
CODED = {
    ONE_HOT: ("Values are one-hot: logit w reads channel w of every block, of which only block q passes.",),
    SIGN_CODES: (
        "Value v is 2 in the channels where a digit of columns_v is 1, and its head row is 1 there and -1 elsewhere "
        "in every block. Columns are distinct and half of their digits are 1: so v != w have as many channels where "
        "only v has 1 as where only w has, at least one, and logit v - logit w is twice the sum of their differences.",
    ),
}
INTEGERS = (
    "Integers: weights are integers, the decay is exp(0) = 1; 'largest' bounds every product and every partial sum, in "
    "any order, at a query. It is below 2^24 or 2^53: nothing is rounded, and the floats are the exact network's.",
)
ROUNDED = (
    "Floats: the convolution's three terms may be added in any order, each sum off by u of what their sizes add up to, "
    "'off'. A sum of one large term and of leaks is off by its roundings, 'summing', and by no more than the leaks "
    "when those are added. What multiplies a passed code on its way into the state is within 'gain', from there to the "
    "head within 'factor', each channel by its own roundings.",
    "Norms multiply all entries of a position by one positive factor; the last one is within 'final'. The residual at "
    "a query is the key's own one-hot, 0 at all values; the head reads values only. 'unit' is a normal number, "
    "'underflow' what a logit that underflows may miss.",
)
IN_INTEGERS, IN_FLOATS = (*PAPER_WORDS, *INTEGERS), (*SILU_WORDS, *ROUNDED, *ranges.WORDS)
W = the.width
CODE = K * W
CODES = {ONE_HOT: entries.ONE_HOT, SIGN_CODES: entries.signs("silu")}
TIMES = {ONE_HOT: 1, SIGN_CODES: 2}
"""How often the difference of two channels enters that of two logits."""


# ------------------------------------------------------------------------------------------------- layouts


def _stored(codes: CodesLayout, matrix: TokenMatrix) -> Many:
    """Keys and values in in_proj, or in the embedding; what is the same in all blocks is written once."""
    (value,), far = codes.value, matrix.next_channel
    place = matrix.place(term(value.channel), ANSWERS + the.i)
    return (
        Entries(K, 1, matrix.place(the.i * W, FIRST + the.i), the.key, W, far),
        Entries(value.tokens, value.columns, place, value.number, K, W * far),
    )


def _head(codes: CodesLayout, width: Expression) -> Many:
    """The readout, tokens first, in every block."""
    (head,) = codes.head
    place = (ANSWERS + the.i) * width + head.channel
    return (Entries(head.tokens, head.columns, place, head.number, K, W, head.columns * K),)


def _mixer(codes: CodesLayout) -> MixerLayout:
    """The gate opens a key's own block."""
    d_inner, one = the.expand * V, (single(CODE, 1),)
    return MixerLayout(
        d_model=V,
        d_inner=d_inner,
        x=_stored(codes, TokenMatrix(channels_first=True, width=V)),
        conv=(Entries(1, 1, 2, the.tap_previous, CODE, 4), Entries(1, 1, 3, the.tap_current, CODE, 4)),
        B=one,
        C=one,
        out_proj=_head(codes, d_inner),
        gate=(0, (Entries(K, 1, the.i * W * V + (FIRST + the.i), the.gate, W, V),)),
        conv_bias=((CODE, the.bias, ()), (1, the.one, ()), (unbiased(d_inner, CODE, 1), 0, ())),
    )


def _paper(codes: CodesLayout) -> dict[str, TensorLayout]:
    d, one = CODE + 1, (single(CODE, 1),)
    block = PaperLayout(
        classes=V,
        d_model=d,
        embedding=_stored(codes, TokenMatrix(channels_first=False, width=d)),
        conv=(Entries(1, 1, 0, the.tap_previous, CODE, 2), Entries(1, 1, 1, the.tap_current, CODE, 2)),
        conv_bias=((CODE, the.bias, ()), (1, the.one, ())),
        B=one,
        C=one,
        head=_head(codes, d),
    )
    return block.tensors() | {"mixer.gate.weight": tensor((d, d), 0, Entries(1, 1, 0, 1, d, d + 1))}


def _tensors(claim: str, target: str) -> dict[str, TensorLayout]:
    codes = CODES[claim]
    if target == "paper":
        return _paper(codes)
    return around_one_hots(target, official(target, _mixer(codes)), V, ANSWERS, the.num_values)


# --------------------------------------------------------------------------------------------------- steps


def _convolved(previous: Term, current: Expression) -> Term:
    """Before the non-linearity, rounding left out."""
    return previous + current + the.bias


PREVIOUS, CURRENT = the.tap_previous * the.key, the.tap_current * the.key
LATE_VALUE, VALUE = the.tap_previous * the.value, the.tap_current * the.value


def _integer_steps(claim: str) -> tuple[Scalar, ...]:
    pair, terms = the.gate * the.write * (the.step_size * square(the.one)), W if claim == SIGN_CODES else 1
    return (
        Scalar("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
        Scalar("write", relu(_convolved(PREVIOUS, VALUE)), "a value's channel after the key"),
        Scalar("repeated", relu(_convolved(PREVIOUS, CURRENT)), "the key after itself"),
        Scalar("shut", _convolved(PREVIOUS, 0), "another token after the key, before ReLU"),
        Scalar("leak", _convolved(LATE_VALUE + VALUE, CURRENT), "without the key before, before ReLU"),
        Scalar("gate", the.key, "the gate is the embedding"),
        Scalar("largest", the.gate * terms * (the.write + LENGTH * the.repeated), "no number is larger"),
        Scalar("exact", the.integers - the.largest, "integers below 2^24 or 2^53 are floats"),
        Scalar("pair", pair * the.kept, "between a channel with the write and one without"),
        Scalar("margin", the.head * (the.pair * TIMES[claim]), "the worst case"),
    )


def _passed() -> tuple[Scalar, ...]:
    """What channels pass, each with the convolution's roundings."""

    def convolved(previous: Term, current: Term) -> Term:
        exact = the.input * previous + the.input * current + the.bias
        return exact + within(the.off)

    sizes = abs(PREVIOUS) + abs(CURRENT) + abs(LATE_VALUE) + abs(VALUE) + abs(the.bias)
    shut = convolved(PREVIOUS, hull(CURRENT, 0))
    without = convolved(hull(LATE_VALUE, 0), hull(CURRENT, VALUE, 0))
    seen = hull(abs(the.key), abs(the.value)), hull(abs(the.tap_previous), abs(the.tap_current))
    return (
        Scalar("seen", ranges.in_any_order(the.input, *seen), "the products of a convolution: normal numbers"),
        Scalar("off", sizes * the.input * slack(4), "of a convolution, in all"),
        Scalar("write", silu(convolved(PREVIOUS, VALUE)), "a value's channel after the key"),
        Scalar("closed", hull(shut, without), "anything else after the key, or anything without the key before"),
        Scalar("shut", -the.closed, "minus the argument"),
        Scalar("beyond", sqrt(the.shut - 1), "a root: x exp(-x) falls from 1 on"),
        Scalar("leak", the.shut * exp(-the.shut) + 4 * the.tiny, "|SiLU(-x)| <= x exp(-x)"),
    )


def _float_steps(claim: str, target: str) -> tuple[Scalar, ...]:
    path = (the.step_size, the.write, the.one_code, the.kept, the.one_code, the.gated, the.head, the.final)
    whole, terms = is_model(target), W if claim == SIGN_CODES else 1
    logit = terms * abs(the.head) * (the.factor * the.top)
    summing = slack(W + 8 if claim == SIGN_CODES else 4)
    difference = the.written - 2 * (2 * the.stray + the.summing)
    pair = the.factor * the.difference - abs(the.factor - the.factor) * the.top
    margin = the.head * TIMES[claim] * the.pair - (2 * summing * logit + the.underflow)
    return (
        *token_input(target, V),
        *ranges.block(target, _mixer(CODES[claim]), abs(the.input)),
        *_passed(),
        *dynamics(),
        Scalar("one_code", silu(the.one), "B and C"),
        Scalar("gain", near(the.step_size * the.one_code, 3) * the.kept, "of a passed code, in the state"),
        Scalar("written", the.gain * the.write, "by the pair, in the state"),
        Scalar("stray", 16 * LENGTH * abs(the.gain) * the.leak, "in all; what underflows is at most doubled"),
        Scalar("top", the.written + the.stray, "no state of the block is larger"),
        Scalar("summing", 2 * slack(1) * (2 * the.top), "of a state's roundings"),
        Scalar("difference", difference, "of two states of the block, one with the write, at least"),
        Scalar("gated", silu(rounded(the.gate * the.input)), "SiLU(z) of the query's block"),
        Scalar("factor", near(the.one_code * the.gated, 6), "from the state to the head"),
        *ranges.behind(target, _mixer(CODES[claim]), ranges.finite(abs(the.factor) * the.top)),
        Scalar("final", common_factor(the.most_stream) if whole else 1, "the last norm" if whole else "none"),
        Scalar("path", ranges.in_any_order(*path), "all products on the way from a pair's code to its logit"),
        Scalar("unit", rounded(the.factor * abs(the.head) * the.final), "a state of 1, as it is shown: normal"),
        Scalar("underflow", 8 * W * the.tiny * (1 + 1 / the.final), "of two logits"),
        Scalar("pair", pair, "of the two channels, as the head reads them"),
        Scalar("margin", margin, "the worst case, with the logits' roundings"),
    )


def _requires(claim: str, target: str) -> tuple[Requirement, ...]:
    signed = claim == SIGN_CODES
    coded = SIGNS.requires if signed else (("a channel a value", equal(W, the.num_values)),)
    integral = recall.fixed(
        key=10, tap_previous=10, tap_current=1, bias=-100, one=1, step_size=1, value=2 if signed else 1
    )
    return (*recall.REQUIRES, ("two keys", K >= 2), *coded, *((*integral, recall.SIGNED) if target == "paper" else ()))


def _argument(claim: str, target: str) -> Argument:
    paper = target == "paper"
    silent = (("shut", NOT_POSITIVE), ("leak", NOT_POSITIVE))
    return Argument(
        claim=claim,
        target=target,
        statement=recall.HYPOTHESES + recall.CONCLUSION,
        words=(FLOATS, *WORDS, *CODED[claim], *(IN_INTEGERS if paper else IN_FLOATS)),
        requires=_requires(claim, target),
        tensors=_tensors(claim, target),
        steps=_integer_steps(claim) if paper else _float_steps(claim, target),
        closing=(*silent, *positive("exact", "margin")) if paper else positive("difference", "margin"),
    )


# ---------------------------------------------------------------------------------------------- the family


def _sizes(claim: str, target: str, chosen: Sizes) -> dict[str, Any]:
    sizes = recall.completed(target, chosen)
    return sizes | (recall.sign_columns(sizes) if claim == SIGN_CODES else {"width": sizes["num_values"]})


FORMAL = {ONE_HOT: {"paper": recall.in_integers("certified.GatedBlocks.gated_blocks_answer")}}
FAMILIES = tuple(
    recall.family(
        claim, TARGETS, partial(_argument, claim), sizes=partial(_sizes, claim), formal=FORMAL.get(claim, recall.NONE)
    )
    for claim in (ONE_HOT, SIGN_CODES)
)
