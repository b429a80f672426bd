"""The arguments for recall by codes: Theorem 3 step 1, signs (Theorem 2 step 2 amended), extensions H and D.

The readout is sum over the stored pairs of <C(q), B(k)> <head(w), x(v)>: one scalar a write. The paper's blocks compute
it in integers, without rounding; the official ones within a relative error, which integer margins outweigh.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, Argument, Proven, Requirement, Scalar, positive
from mamba_theorems.verify.certify.blocks import is_model, is_second
from mamba_theorems.verify.certify.family import Sizes
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, slack, snap
from mamba_theorems.verify.certify.mqar import entries, moments, recall
from mamba_theorems.verify.certify.mqar.recall import K, V
from mamba_theorems.verify.certify.steps import LENGTH, common_factor, dynamics, gated, token_input
from mamba_theorems.verify.certify.term import Term, bit, equal, over, square, summed, the

DISTINCT = ", and in which no value directly follows a key at two places (H3)"
WRITES = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them; the filler, "
    "if there is one, has no code. B_t is the write code of the token before, C_t the read code of the token at t, x_t "
    "the value code of the token at t; they are 0 where that token is of the other kind. So the state changes only "
    "where a value v directly follows a key k, by Delta x(v) B(k); a stored pair (k, v) adds <C(q), B(k)> <head(w), "
    "x(v)> to logit w at a query q: C is 0 at values, and no convolution looks at two tokens.",
    "Counts: let q be queried. In the first 2p tokens one value follows q, v(q), by H1; in the tail none before the "
    "query, by H2. So (q, v(q)) is stored once and q with no other value.",
)
INTEGERS = (
    "Integers: codes, head and step size are integers, the decay is exp(0) = 1; 'largest' bounds every product and "
    "every partial sum, in any order, that a logit at such a query has. It is below 2^24 or 2^53: nothing is rounded, "
    "and the floats are the exact network's numbers.",
)
ROUNDED = (
    "Floats: x_proj gives 0 for dt, so that softplus sees its bias alone; D is 0; the gate's input is the same weight "
    "times the one entry of the token's embedding. What multiplies a value code on its way to the head is within "
    "'factor' (Delta, B, C, decay, gate, a norm's two roundings), for each channel with roundings of its own: two "
    "channels differ by 'spread', a quotient of two such numbers.",
    "Norms multiply all entries of a position by one positive factor, which is within 'norm' or 'final', rounding "
    "each. The residual at a query is the key's own one-hot, 0 at all values, and the head reads values only. Logits "
    "are stated in units of these factors; 'unit' says that one is a normal number when shown, 'underflow' what a "
    "logit that underflows may miss.",
)


@dataclass(frozen=True)
class FloatArgument:
    """An argument in floats: words, steps of a target, what its numbers must satisfy, the inequalities that end it."""

    words: tuple[str, ...]
    steps: Callable[[str], tuple[Scalar, ...]]
    requires: tuple[Requirement, ...]
    closing: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CodedRecall:
    """A construction: its codes, its margin in integers, its steps in floats, and its largest numbers.

    `floats` is the argument in the official blocks where the shared argument does not serve. `value` is what a value's
    channels hold in the paper's blocks, of which `theorem` speaks: of the first by this name.
    """

    words: tuple[str, ...]
    codes: Callable[[entries.Activation], entries.CodesLayout]
    integer_margin: Term
    integer_largest: Term
    float_steps: tuple[Scalar, ...] = ()
    floats: FloatArgument | None = None
    value: int = 1
    requires: tuple[Requirement, ...] = ()
    hypotheses: str = recall.HYPOTHESES
    theorem: str = ""

    @property
    def formal(self) -> dict[str, Proven]:
        """The theorems about the paper's two blocks."""
        targets = {"paper": self.theorem, "paper_mamba2": f"{self.theorem}_mamba2"} if self.theorem else {}
        return {target: recall.in_integers(theorem) for target, theorem in targets.items()}


VALUES = the.num_values
SIGN = the.head * (square(the.key) * (the.value * the.step_size))
HEAD = the.head * the.value_code
HALF = Term(1) / 2
VALUE_0 = silu(rounded(the.value0[the.i] * the.input)) * the.spread
"""The first channel of value i + 1 by integers."""


ONE_HOT = CodedRecall(
    words=("One-hot keys and values: logit v(q) is what (q, v(q)) adds, all other logits are 0 exactly.",),
    codes=lambda _: entries.ONE_HOT,
    integer_margin=SIGN,
    integer_largest=LENGTH * 4,
    float_steps=(Scalar("margin", HEAD - the.underflow, "the logit of v(q), in units of 'factor'"),),
    theorem="certified.IntegerCodes.one_hot_codes",
)
SIGNS = CodedRecall(
    words=(
        "One-hot keys; value v is 2 in the channels where a digit of columns_v is 1, and its head row is 1 there and "
        "-1 elsewhere. The columns are distinct, half of each one's digits are 1: so for w != v there are channels "
        "where v has 1 and w has 0, and logit v - logit w is twice the sum of v's entries there.",
        "Rounding: each logit is a sum of width/2 terms that are not 0, off by 'slack' of the sum of their sizes.",
    ),
    codes=entries.signs,
    integer_margin=2 * SIGN,
    integer_largest=LENGTH * (4 * the.width),
    float_steps=(
        Scalar("slack", near(1, the.width + 8) - 1, "of the sum of the terms' sizes"),
        Scalar("term", the.value_code * the.spread, "an entry of v, in units of 'factor'"),
        Scalar(
            "margin",
            the.head * (2 * the.term) - (the.width * abs(the.term) * abs(the.slack) + the.underflow),
            "at one differing channel",
        ),
    ),
    value=2,
    requires=(
        ("no column is negative", the.columns[0] >= 0),
        ("columns have width digits", 2**the.width >= the.columns[VALUES - 1] + HALF),
        (
            "the columns are distinct: they grow",
            over(the.i, VALUES - 1, the.columns[the.i + 1] >= the.columns[the.i] + 1),
        ),
        (
            "half of each column's digits are 1",
            equal(over(the.i, VALUES, 2 * summed(the.j, the.width, bit(the.columns[the.i], the.j)) - the.width), 0),
        ),
    ),
)
INTEGER_VALUES = CodedRecall(
    words=(
        "One-hot keys; value v = 1 ... num_values has the code (v, 1), head row w is (2 w, -w^2). Logit v - logit w is "
        "(v - w)^2 in units of what the second channel holds, at least 1.",
        "Errors: with y0 = v + e0 and y1 = 1 + e1 it is (v - w) ((v - w) + 2 e0 - (v + w) e1), at least 1 - 2 |e0| - 2 "
        "num_values |e1| if that is positive. 'rounding' is that of a logit's two products (2 and 1 num_values^2 at "
        "most), their sum and its norm (1 each).",
    ),
    codes=entries.integers,
    integer_margin=SIGN,
    integer_largest=4 * square(VALUES) + LENGTH * 2,
    float_steps=(
        Scalar("error_0", over(the.i, VALUES, abs(VALUE_0 - (the.i + 1))), "of y0, in units of 'factor'"),
        Scalar("error_1", abs(the.value_code * the.spread - 1), "of y1"),
        Scalar("rounding", slack(1) / 2 * (5 * square(VALUES)), "of a logit: u 5 num_values^2"),
        Scalar(
            "margin",
            the.head - (2 * the.error_0 + 2 * VALUES * the.error_1) - (2 * the.rounding + the.underflow),
            "at neighbouring values, in units of 'factor'",
        ),
    ),
    theorem="certified.IntegerCodes.value_code",
)
MOMENTS = CodedRecall(
    hypotheses=recall.HYPOTHESES + DISTINCT,
    words=(
        "Addresses: key k = 1 ... K writes (k, K^2 - k^2), query q reads (2 q, 1): the score is K^2 + q^2 - (q - k)^2, "
        "at most 2 K^2, largest at k = q by at least 1. A value's channel holds one write at most, by H3: logit v is "
        "the score of the key that v followed, times what all logits share; or 0.",
    ),
    codes=entries.moments,
    integer_margin=SIGN,
    integer_largest=8 * square(K),
    floats=FloatArgument(moments.WORDS, moments.steps, moments.REQUIRES, moments.CLOSING),
    theorem="certified.IntegerCodes.two_states",
)
RECALLS = {
    "mqar.thm3-step1": ONE_HOT,
    "mqar.thm2-step2-amended": SIGNS,
    "mqar.value-code": INTEGER_VALUES,
    "mqar.n2-distinct": MOMENTS,
}


# --------------------------------------------------------------------------------------------------- steps


def _integer_steps(coded: CodedRecall) -> tuple[Scalar, ...]:
    return (
        Scalar("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
        Scalar("largest", coded.integer_largest * the.kept, "no number is larger"),
        Scalar("exact", the.integers - the.largest, "integers below 2^24 or 2^53 are floats"),
        Scalar("margin", coded.integer_margin * the.kept, "an integer: the worst case"),
    )


def _float_steps(coded: CodedRecall, target: str) -> tuple[Scalar, ...]:
    whole, second = is_model(target), is_second(target)
    mixer = entries.mixer_of(coded.codes("silu"), target)
    norm = common_factor(the.shown) if second else 1
    final = common_factor(the.most_stream) if whole else 1
    underflow = 4 * the.tiny / the.unit if whole or second else 4 * the.tiny
    written = (the.step_size, the.value_code, the.code, the.code)
    return (
        *token_input(target, V),
        *ranges.block(target, mixer, abs(the.input)),
        Scalar("code", silu(rounded(the.key * the.input)), "the code 1 of a key"),
        Scalar("code_squared", square(the.code), "of B and C"),
        Scalar("value_code", silu(rounded(the.value * the.input)), "a value's code, by SiLU"),
        *dynamics(),
        *gated(),
        Scalar("factor", near(the.step_size * the.code_squared * (the.kept * the.gated), 6), "of a value's code"),
        Scalar("spread", the.factor / the.factor, "of two channels"),
        Scalar("shown", ranges.finite(the.most_u * abs(the.factor)), "of a value's channels at a query"),
        *ranges.behind(target, mixer, the.shown),
        Scalar("norm", norm, "the block's" if second else "there is none"),
        Scalar("final", final, "the last norm" if whole else "there is none"),
        Scalar("unit", rounded(the.factor * the.norm * the.final), "a logit of 1, as it is shown: a normal number"),
        Scalar("underflow", underflow, "of a logit, in its units"),
        Scalar(
            "path",
            ranges.in_any_order(*written, the.kept, the.gated, the.head, the.norm, the.final),
            "all products on the way from a code 1 to its logit",
        ),
        *coded.float_steps,
    )


def _integers(coded: CodedRecall) -> FloatArgument:
    """In the paper's blocks: no float differs from its integer."""
    passed = ("'value' is what ReLU passes", equal(the.value, coded.value))
    integral = (*recall.fixed(key=1, step_size=1), passed, recall.SIGNED)
    return FloatArgument(INTEGERS, lambda _: _integer_steps(coded), integral, positive("exact", "margin"))


def _shared(coded: CodedRecall) -> FloatArgument:
    """In the official blocks: relative errors, which the margin outweighs."""
    return FloatArgument(ROUNDED, partial(_float_steps, coded), (recall.SIGNED,), positive("unit", "margin"))


def _argument(claim: str, target: str) -> Argument:
    coded, paper = RECALLS[claim], target.startswith("paper")
    floats = _integers(coded) if paper else coded.floats or _shared(coded)
    return Argument(
        claim=claim,
        target=target,
        statement=coded.hypotheses + recall.CONCLUSION,
        words=(FLOATS, *(() if paper else ranges.WORDS), *WRITES, *coded.words, *floats.words),
        requires=(*recall.REQUIRES, *coded.requires, *floats.requires),
        tensors=entries.tensors(coded.codes("relu" if paper else "silu"), target),
        steps=floats.steps(target),
        closing=floats.closing,
    )


def _signed_sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    sizes = recall.completed(target, chosen)
    return sizes | recall.sign_columns(sizes)


FAMILIES = tuple(
    recall.family(
        claim,
        mqar.ALL_TARGETS,
        partial(_argument, claim),
        sizes=_signed_sizes if coded is SIGNS else recall.completed,
        formal=coded.formal,
    )
    for claim, coded in RECALLS.items()
)
