"""A language model whose first layer counts, as layouts and steps that every argument on it shares.

Its count is exact in floats whose reciprocal root is; the steps allow for every other one: then the count at t is t
times a number close to 1, and what looks at positions does so half a position or more away from its threshold.
"""

from dataclasses import dataclass

from mamba_theorems.verify.certify.argument import (
    Entries,
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
    snap,
    softplus,
    sqrt,
    stacked,
    sub,
    tensor,
    total,
)
from mamba_theorems.verify.certify.blocks import D_CONV, EPS
from mamba_theorems.verify.certify.mqar.entries import ANSWERS, V

D, LENGTH = "d_model", "input_seq_len"
D_INNER = the.expand * D
COUNT, ANCHOR = V, V + 1
Many = tuple[Entries, ...]


@dataclass(frozen=True)
class Second:
    """The second layer's entries: in x's rows of in_proj, conv1d, x_proj (steps, B, C), dt_proj and out_proj."""

    d_state: Expression
    x: Many
    conv: Many
    conv_bias: Many
    steps: Many
    B: Many
    C: Many
    follow: Many
    out_proj: Many


def counting_model(second: Second) -> dict[str, TensorLayout]:
    """One-hot and anchor, the layer that counts, a second one, a norm before each and before a head of the answers."""
    first = Second(
        d_state=second.d_state,
        x=(),
        conv=(),
        conv_bias=(every(0, 1, 1, the.count_bias),),
        steps=(),
        B=(every(0, 1, 1, the.count_B),),
        C=(every(0, 1, 1, the.count_C),),
        follow=(),
        out_proj=(every(COUNT * D_INNER, 1, 1, the.count_out),),
    )
    norm = tensor((D,), the.norm_weight, every(ANCHOR, 1, 1, 0))
    layers: dict[str, TensorLayout] = {}
    for number, layer, prefix in ((0, first, "count_"), (1, second, "")):
        name = f"backbone.layers.{number}."
        layers |= {f"{name}norm.weight": norm, **_mixer(f"{name}mixer.", layer, prefix)}
    return {
        "backbone.embedding.weight": tensor((V, D), 0, diagonal(0, 0, D, V), every(ANCHOR, D, V, the.anchor)),
        **layers,
        "backbone.norm_f.weight": norm,
        "lm_head.weight": tensor((V, D), 0, diagonal(ANSWERS, ANSWERS, D, the.num_values)),
    }


def _mixer(name: str, m: Second, prefix: str) -> dict[str, TensorLayout]:
    """The official Mamba-1 block's tensors; the gate sees no count."""
    uncounted = every(COUNT, D, D_INNER, 0)
    codes = ((m.d_state, 0, m.B), (m.d_state, 0, m.C))
    layouts = {
        "in_proj.weight": stacked((2 * D_INNER, D), (D_INNER, 0, m.x), (D_INNER, Term(f"{prefix}gate"), (uncounted,))),
        "conv1d.weight": tensor((D_INNER, 1, D_CONV), 0, *m.conv),
        "conv1d.bias": tensor((D_INNER,), 0, *m.conv_bias),
        "x_proj.weight": stacked((the.dt_rank + 2 * m.d_state, D_INNER), (the.dt_rank, 0, m.steps), *codes),
        "dt_proj.weight": tensor((D_INNER, the.dt_rank), 0, *m.follow),
        "dt_proj.bias": tensor((D_INNER,), Term(f"{prefix}step_bias")),
        "A_log": tensor((D_INNER, m.d_state), Term(f"{prefix}A_log")),
        "D": tensor((D_INNER,)),
        "out_proj.weight": tensor((D, D_INNER), 0, *m.out_proj),
    }
    return {f"{name}{key}": layout for key, layout in layouts.items()}


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


def count_steps(beside: Expression) -> tuple[Step, ...]:
    """The norms, the first layer, and the count. `beside` bounds the squares that any norm sees beside the anchor's."""
    written = the.count_step * (the.count_code * rounded(the.count_B * the.count_code))
    shown = rounded(the.count_C * the.count_code) * (silu(rounded(the.count_gate * the.normed)) * the.count_out)
    square = rounded(the.anchor * the.anchor)
    return (
        Scalar("beside", beside, "what a norm sees beside the anchor, squared"),
        Scalar("squares", hull(square, square + 4 * the.beside), "their sum, in any order"),
        Scalar("summed", rounded(2 * (square + 4 * the.beside)), "finite, however it is rounded"),
        Scalar("rms", near(sqrt(rounded(near(the.squares / D, 2) + EPS))), "of any norm, eps = 1e-5"),
        Scalar("normed", near(the.norm_weight / the.rms, 4), "what a norm multiplies entries by"),
        Scalar("count_code", silu(the.count_bias), "the channel that counts, at all times"),
        Scalar("count_step", near(softplus(the.count_step_bias)), "its Delta"),
        Scalar("tick", near(written, 3), "Delta u B"),
        *kept(the.count_, the.count_step),
        Scalar("unit", near(the.tick * the.count_kept * shown, LENGTH + 8), "a step of the count"),
    )


def kept(prefix: str, step: Expression) -> tuple[Step, ...]:
    """What is left of a write after input_seq_len steps of a size, however the recurrence is evaluated."""
    longest = near(LENGTH * rounded(step * Term(f"{prefix}rate")), LENGTH)
    return (
        Scalar(f"{prefix}rate", near(exp(Term(f"{prefix}A_log"))), "-A"),
        Scalar(f"{prefix}segment", hull(1, snap(exp(-longest))), "the decay over any stretch, a float"),
        Scalar(f"{prefix}kept", snap(Term(f"{prefix}segment"), 2) ** LENGTH, "of 1, at any age"),
    )
