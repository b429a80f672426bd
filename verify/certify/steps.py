"""The steps that arguments on official blocks and language models share."""

from mamba_theorems.verify.certify.argument import Scalar
from mamba_theorems.verify.certify.blocks import is_model
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, snap, softplus, sqrt
from mamba_theorems.verify.certify.term import Term, hull, square, the

EPS = rounded(Term(1) / 100_000)
LENGTH = the.input_seq_len
NORMAL = the.least * the.integers / 2
"""The smallest normal number: what underflow loses at most, rounded or flushed to 0."""


def token_input(target: str, d_model: Term) -> tuple[Scalar, ...]:
    """The one entry of every embedding, in a language model after the pre-norm."""
    if not is_model(target):
        return (Scalar("input", 1, "a one-hot embedding"),)
    return (
        Scalar("mean_square", rounded(rounded(1 / d_model)), "a one-hot's sum of squares is 1; its mean"),
        Scalar("rms", near(sqrt(rounded(the.mean_square + EPS))), "of the pre-norm, eps = 1e-5"),
        Scalar("input", rounded(rounded(1 / the.rms) * the.norm_weight), "the one entry of every normed embedding"),
    )


NEAR_SOFTPLUS = near(softplus(the.step_bias))


def dynamics(step_size: Term = NEAR_SOFTPLUS) -> tuple[Scalar, ...]:
    """Step size, decay, and what is left of a write at any age, however the recurrence is evaluated."""
    longest = near(LENGTH * rounded(the.step_size * the.rate), LENGTH)
    return (
        Scalar("step_size", step_size, "Delta, the same at all times"),
        Scalar("rate", near(exp(the.A_log)), "-A"),
        Scalar("segment", hull(1, snap(exp(-longest))), "the decay over any stretch of the sequence, a float"),
        Scalar("kept", snap(the.segment, 2) ** LENGTH, "of 1, at any age: a product and a sum a stretch"),
    )


def gated() -> tuple[Scalar, ...]:
    """The gate, the same for every token and channel."""
    return (
        Scalar("gate_input", rounded(the.gate * the.input), "z, the same at every token and channel"),
        Scalar("gated", silu(the.gate_input), "SiLU(z)"),
    )


def common_factor(largest: Term) -> Term:
    """Any value that 1/rms may have where no entry exceeds `largest`, to a factor of 2; the squares' sum is finite."""
    return 1 / sqrt(hull(EPS / 4, 4 * (EPS + square(largest))))
