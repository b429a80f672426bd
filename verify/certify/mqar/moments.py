"""The argument in floats for extension D, N = 2: scores up to 2 K^2 that differ by 1, in official blocks and models.

Codes, gate and step are so large that SiLU and softplus give them back, and what all logits share cancels. What is left
are the roundings of B's two entries and of a logit's own products.
"""

from mamba_theorems.verify.certify.argument import (
    POSITIVE,
    Expression,
    Step,
    add,
    div,
    hull,
    magnitude,
    mul,
    rounded,
    sigmoid,
    softplus,
    sqrt,
    sub,
)
from mamba_theorems.verify.certify.blocks import common_factor, dynamics, normed_input, one_hot_input
from mamba_theorems.verify.certify.mqar.entries import V

K2 = mul("num_keys", "num_keys")
LARGEST = mul(4, K2)
"""More than the largest score, 2 K^2 and what codes are off by."""
WORDS = (
    "SiLU: its arguments at codes and gates are 'arguments' or larger, or 0; 'open' exists only if sigmoid is within "
    "u/4 of 1 there, so that SiLU gives a float back as it is, and in exact arithmetic at least 'passed' of it. "
    "Softplus is taken to give floats from 64 on back as they are, for log(1 + e^x) < x + 2^-92. x_proj gives 0 for "
    "dt, and D is 0.",
    "What all logits share: every token's one entry after the pre-norm is within 'input', and the same float at every "
    "position: a norm is taken to be evaluated alike at all positions, where its sum of squares is 1 in any order. So "
    "x_t is one number for all values, the gate is one for all channels, Delta is 'step_size', and a norm's factor "
    "belongs to a position: but for the roundings of products, they multiply all logits of a query alike, and cancel.",
    "What they do not share is within 'factor': the decay, the rounding of a code of B ('code'), and those of two "
    "products with Delta and x, the product with C, the sum of two, the products with gate, head and each norm's "
    "factor; adding 0 is exact, no sum has more terms, as a channel holds one write. 'quotient' is that of two logits.",
    "Scores: C_t is (2 q, 1), each entry times the same number and one within 'code', the same for all logits; t is "
    "the quotient of these two. In units of the second, key k has the score 2 q k t + K^2 - k^2, at most K^2 (1 + "
    "t^2), and q has |q - k| (|q - k| - 2 q |t - 1|) more, at least 1 - 2 K |t - 1| if that is positive. 'margin' is "
    "this, less the largest score times what 'quotient' is off from 1. A value that nothing stored has logit 0.",
    "Range: a score of 1 is 'state_unit' in the state, 'read_unit' in the stream, 'shown_unit' in the logits, normal "
    "numbers all; a score is 0 or at least 1, and its two products are. 'state_largest', 'normed_sum' and 'final_sum' "
    "bound a state, and the sums of squares of the norms: they are finite. The residual at a query is the key's own "
    "one-hot, 0 at all values, and the head reads values only.",
)
REQUIRES = (("softplus gives its argument back", sub("step_bias", 64)),)
SIGN = div("head", magnitude("head"))
CLOSING = (("margin", POSITIVE),)


def steps(target: str) -> tuple[Step, ...]:
    """In an official block or a language model."""
    whole, second = target.endswith("language_model"), "mamba2" in target
    return (
        *(normed_input(V) if whole else one_hot_input()),
        *given_back("input"),
        *dynamics(hull("step_bias", softplus("step_bias"))),
        Step("lost", mul("input_seq_len", mul("step_size", "rate")), "of the oldest write, at most, exactly"),
        *_units(whole, second),
        Step("factor", ["near", 5, mul("code", "kept")], "of a logit's own: at most 8 roundings, < 10 u"),
        Step("quotient", div("factor", "factor"), "of two logits"),
        Step("tilt", div("code", "code"), "t, of C's two entries"),
        Step("margin", sub(LEAD, sub(1, SIGN)), "at neighbouring keys, in units of a score of 1 for the right logit"),
    )


LEAD = sub(
    sub(1, mul(mul(2, "num_keys"), magnitude(sub("tilt", 1)))),
    mul(mul(K2, add(1, mul("tilt", "tilt"))), magnitude(sub("quotient", 1))),
)
"""What the right logit has more than any other, in units of a score of 1."""


def given_back(entry: str) -> tuple[Step, ...]:
    """SiLU gives codes and gates back, where a token's one entry is `entry`; how far a code is from its integer."""
    least = hull(hull(mul("key", entry), mul("value", entry)), mul("gate", entry))
    unit = div(1, "integers")
    return (
        Step("arguments", least, "of SiLU, the least that are not 0, but for a rounding that is monotone"),
        Step("open", sqrt(sub(add(sigmoid("arguments"), div(unit, 8)), 1)), "a root: sigmoid exceeds 1 - u/8 there"),
        Step("passed", hull(1, sigmoid("arguments")), "SiLU(x) / x"),
        Step("code", mul("passed", hull(sub(1, unit), add(1, unit))), "a code, divided by integer, key and entry"),
    )


def _units(whole: bool, second: bool) -> tuple[Step, ...]:
    """A score of 1, and the largest, in the state, the stream and the logits."""
    width = mul("expand", V)
    key, value, gate = (mul(name, "input") for name in ("key", "value", "gate"))
    state = mul(mul(mul(key, key), mul(value, gate)), mul("step_size", "kept"))
    head = magnitude("head")
    read, largest = mul("state_unit", head), mul(LARGEST, mul("state_unit", head))
    if second:
        read, largest = mul(read, "norm"), mul(head, mul(2, sqrt(width)))
    return (
        Step("state_unit", ["near", 9, state], "of the gated state"),
        Step("state_largest", rounded(mul(LARGEST, "state_unit")), "finite"),
        Step("normed_sum", _squares(width, "state_largest") if second else 0, "of squares, finite"),
        Step("norm", common_factor("state_largest") if second else 1, "the block's" if second else "there is none"),
        Step("read_unit", ["near", 3, read], "of the readout"),
        Step("read_largest", largest, "a normed vector has no entry beyond the root of its width" if second else ""),
        Step("final_sum", _squares(V, add(1, "read_largest")) if whole else 0, "of squares, finite"),
        Step("final", common_factor(add(1, "read_largest")) if whole else 1, "the last norm" if whole else "none"),
        Step("shown_unit", rounded(mul("read_unit", "final")), "of the logits"),
    )


def _squares(count: Expression, largest: Expression) -> Expression:
    """At most so many squares of at most so large numbers, a finite sum however it is rounded."""
    return rounded(mul(2, mul(count, mul(largest, largest))))
