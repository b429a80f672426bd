"""The argument in floats for extension D, N = 2: scores up to 2 K^2 that differ by 1, in official blocks and models.

Codes, gate and step are so large that SiLU and softplus give them back, and what all logits share cancels. What is left
are the roundings of B's two entries and of a logit's own products.
"""

from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import Scalar, positive
from mamba_theorems.verify.certify.blocks import is_model, is_second
from mamba_theorems.verify.certify.functions import near, rounded, sigmoid, softplus, sqrt
from mamba_theorems.verify.certify.mqar import entries
from mamba_theorems.verify.certify.mqar.recall import HEAD_SIGN, K, V
from mamba_theorems.verify.certify.steps import LENGTH, common_factor, dynamics, token_input
from mamba_theorems.verify.certify.term import Term, hull, square, the

LARGEST = 4 * square(K)
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
    "Range: 'path' says that a score of 1, from its codes to its logit, is a normal number, as are its partial "
    "products; a score is 0 or at least 1, and its two products are. 'shown' bounds what a value's channel holds at a "
    "query, behind the gate. The residual at a query is the key's own one-hot, 0 at all values, and the head reads "
    "values only.",
)
REQUIRES = (("softplus gives its argument back", the.step_bias >= 64),)
CLOSING = positive("margin")


def steps(target: str) -> tuple[Scalar, ...]:
    """The steps in an official block or a language model."""
    return (
        *token_input(target, V),
        *ranges.block(target, entries.mixer_of(entries.moments("silu"), target), abs(the.input)),
        *given_back(the.input),
        *dynamics(hull(the.step_bias, softplus(the.step_bias))),
        Scalar("lost", LENGTH * (the.step_size * the.rate), "of the oldest write, at most, exactly"),
        *_units(target),
        Scalar("factor", near(the.code * the.kept, 5), "of a logit's own: at most 8 roundings, < 10 u"),
        Scalar("quotient", the.factor / the.factor, "of two logits"),
        Scalar("tilt", the.code / the.code, "t, of C's two entries"),
        Scalar("margin", LEAD - (1 - HEAD_SIGN), "at neighbouring keys, in units of a score of 1 for the right logit"),
    )


LEAD = 1 - 2 * K * abs(the.tilt - 1) - square(K) * (1 + square(the.tilt)) * abs(the.quotient - 1)
"""What the right logit has more than any other, in units of a score of 1."""


def given_back(entry: Term) -> tuple[Scalar, ...]:
    """SiLU gives codes and gates back, where a token's one entry is `entry`; how far a code is from its integer."""
    least = hull(the.key * entry, the.value * entry, the.gate * entry)
    unit = 1 / the.integers
    return (
        Scalar("arguments", least, "of SiLU, the least that are not 0, but for a rounding that is monotone"),
        Scalar("open", sqrt(sigmoid(the.arguments) + unit / 8 - 1), "a root: sigmoid exceeds 1 - u/8 there"),
        Scalar("passed", hull(1, sigmoid(the.arguments)), "SiLU(x) / x"),
        Scalar("code", the.passed * hull(1 - unit, 1 + unit), "a code, divided by integer, key and entry"),
    )


def _units(target: str) -> tuple[Scalar, ...]:
    """A score of 1, and the largest, on the way from the codes to the logits."""
    second, whole = is_second(target), is_model(target)
    mixer = entries.mixer_of(entries.moments("silu"), target)
    key, value, gate = (weight * the.input for weight in (the.key, the.value, the.gate))
    state = square(key) * (value * gate) * (the.step_size * the.kept)
    path = (the.step_size, value, key, key, the.kept, gate, the.head, the.norm, the.final)
    return (
        Scalar("state_unit", near(state, 9), "of the gated state"),
        Scalar("shown", rounded(LARGEST * the.state_unit), "the largest, at a query"),
        *ranges.behind(target, mixer, the.shown),
        Scalar("norm", common_factor(the.shown) if second else 1, "the block's" if second else "there is none"),
        Scalar("final", common_factor(the.most_stream) if whole else 1, "the last norm" if whole else "none"),
        Scalar("path", ranges.in_any_order(*path), "of the logits"),
    )
