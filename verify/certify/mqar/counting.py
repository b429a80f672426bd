"""A language model whose first layer counts, as layouts and steps that arguments share.

The count is exact in floats whose reciprocal root is exact. The steps allow for every other reciprocal root: then the
count at t is t times a number close to 1, and what looks at positions does so half a position or more away from its
threshold.
"""

from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import Scalar
from mamba_theorems.verify.certify.blocks import MixerLayout, mamba1
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, snap, softplus, sqrt
from mamba_theorems.verify.certify.layout import TensorLayout, diagonal, every, single, tensor
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, V
from mamba_theorems.verify.certify.steps import EPS, LENGTH
from mamba_theorems.verify.certify.term import Term, hull, square, the

D = the.d_model
D_INNER = the.expand * D
COUNT, ANCHOR = V, V + 1
UNCOUNTED = every(COUNT, D, D_INNER, 0)
"""The gate's weights at the count are 0."""
GATE = (the.gate, (UNCOUNTED,))
"""The second layer's."""


def counting_layer(d_state: Term) -> MixerLayout:
    """The layer that counts: its first channel alone is not 0."""
    return MixerLayout(
        d_model=D,
        d_inner=D_INNER,
        d_state=d_state,
        conv_bias=((D_INNER, 0, (single(0, the.count_bias),)),),
        B=(single(0, the.count_B),),
        C=(single(0, the.count_C),),
        out_proj=(single(COUNT * D_INNER, the.count_out),),
        gate=(the.count_gate, (UNCOUNTED,)),
        step_bias=the.count_step_bias,
        A_log=the.count_A_log,
    )


def counting_model(second: MixerLayout) -> dict[str, TensorLayout]:
    """One-hot and anchor, the layer that counts, a second one, a norm before each and before a head of the answers."""
    first = counting_layer(second.d_state)
    norm = tensor((D,), the.norm_weight, single(ANCHOR, 0))
    layers: dict[str, TensorLayout] = {}
    for number, layer in enumerate((first, second)):
        name = f"backbone.layers.{number}."
        layers |= {f"{name}norm.weight": norm, **mamba1(f"{name}mixer.", layer)}
    return {
        "backbone.embedding.weight": tensor((V, D), 0, diagonal(0, 0, D, V), every(ANCHOR, D, V, the.anchor)),
        **layers,
        "backbone.norm_f.weight": norm,
        "lm_head.weight": tensor((V, D), 0, diagonal(ANSWERS, ANSWERS, D, the.num_values)),
    }


# ----------------------------------------------------------------------------------------- words and steps

WORDS = (
    "Stream: a token's one-hot, the count (0 at first), the anchor, and zeros. Every norm sees squares that add up to "
    "the anchor's and at most 'beside' ('room' shows it); what floats round off when they add one sum to another is no "
    "more than the smaller, so that 4 times 'beside' covers both. It multiplies every entry of a position by "
    "one positive factor, rounding each, which is within 'normed', and gives the anchor as 0. The gates read one "
    "one-hot entry: their weights are the same at all tokens and 0 at the count.",
    "Count: in the first layer only channel 0 is not 0: its convolution is 'count_bias' at all times, so that every "
    "step adds within 'tick' to its state, which keeps a factor within 'count_kept'. The first layer writes it to the "
    "count's coordinate alone, where the second finds t times a number within 'unit' at t = 1, 2, ...: 'unit' allows "
    "for the rounding of input_seq_len sums.",
)


def count_steps(beside: Term, d_state: Term) -> tuple[Scalar, ...]:
    """The norms, the first layer, and the count. `beside` bounds the squares that any norm sees beside the anchor's."""
    layer = counting_layer(d_state)
    code, gate = the.count_code, the.count_gate * the.normed
    path = (the.count_step, code, the.count_B, code, the.count_C, code, gate, the.count_out, hull(1, LENGTH))
    written = the.count_step * (the.count_code * rounded(the.count_B * the.count_code))
    shown = rounded(the.count_C * the.count_code) * (silu(rounded(the.count_gate * the.normed)) * the.count_out)
    anchor = rounded(square(the.anchor))
    return (
        Scalar("beside", beside, "what a norm sees beside the anchor, squared"),
        Scalar("squares", hull(anchor, anchor + 4 * the.beside), "their sum, in any order"),
        Scalar("summed", rounded(2 * (anchor + 4 * the.beside)), "finite, however it is rounded"),
        Scalar("rms", near(sqrt(rounded(near(the.squares / D, 2) + EPS))), "of any norm, eps = 1e-5"),
        Scalar("normed", near(the.norm_weight / the.rms, 4), "what a norm multiplies entries by"),
        Scalar("one_hot", ranges.in_any_order(1 / the.rms, the.norm_weight), "of a one-hot behind a norm"),
        *ranges.renamed("count_", ranges.block("official", layer, the.normed)),
        Scalar("count_code", silu(the.count_bias), "the channel that counts, at all times"),
        Scalar("count_step", near(softplus(the.count_step_bias)), "its Delta"),
        Scalar("tick", near(written, 3), "Delta u B"),
        *kept("count_", the.count_step),
        Scalar("unit", near(the.tick * the.count_kept * shown, LENGTH + 8), "a step of the count"),
        Scalar("count_path", ranges.in_any_order(*path), "all products on the way from the bias to the count"),
        Scalar("count", ranges.in_any_order(hull(1, LENGTH) * the.unit, 1 / the.rms, the.norm_weight), "behind a norm"),
    )


def kept(prefix: str, step: Term) -> tuple[Scalar, ...]:
    """What is left of a write after input_seq_len steps of a size, however the recurrence is evaluated."""
    longest = near(LENGTH * rounded(step * Term(f"{prefix}rate")), LENGTH)
    return (
        Scalar(f"{prefix}rate", near(exp(Term(f"{prefix}A_log"))), "-A"),
        Scalar(f"{prefix}segment", hull(1, snap(exp(-longest))), "the decay over any stretch, a float"),
        Scalar(f"{prefix}kept", snap(Term(f"{prefix}segment"), 2) ** LENGTH, "of 1, at any age"),
    )
