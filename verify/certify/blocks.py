"""The official blocks and the language models around them, as layouts and steps that every argument on them shares.

A mixer is given by the entries of its in_proj, convolution, x_proj and out_proj; everything else is constant.
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

Many = tuple[Entries, ...]
EPS = rounded(div(1, 100_000))
D_CONV = 4


@dataclass(frozen=True)
class Mixer:
    """Entries at their places in x's rows of in_proj, in conv1d.weight and out_proj.weight, and in B and C.

    For Mamba-1, B and C are rows (d_state) of x_proj; for Mamba-2 rows of in_proj, with convolutions of their own.
    """

    d_model: Expression
    d_inner: Expression
    d_state: Expression
    x: Many
    conv: Many
    B: Many
    C: Many
    out_proj: Many
    B_conv: Many = ()
    C_conv: Many = ()
    gate: Many | None = None
    """z's rows of in_proj; everywhere the weight `gate` if None."""
    bias: tuple[tuple[Expression, Expression], ...] = ()
    """How many channels of the convolution have which bias; no others have one."""


def mamba1(prefix: str, m: Mixer) -> dict[str, TensorLayout]:
    """The official Mamba-1 block's tensors; sizes: dt_rank; weights: gate, step_bias, A_log."""
    gate = (m.d_inner, "gate", ()) if m.gate is None else (m.d_inner, 0, m.gate)
    biased: Expression = 0
    for count, _ in m.bias:
        biased = add(biased, count)
    layouts = {
        "in_proj.weight": stacked((mul(2, m.d_inner), m.d_model), (m.d_inner, 0, m.x), gate),
        "conv1d.weight": tensor((m.d_inner, 1, D_CONV), 0, *m.conv),
        "conv1d.bias": stacked((m.d_inner,), *((n, bias, ()) for n, bias in m.bias), (sub(m.d_inner, biased), 0, ())),
        "x_proj.weight": stacked(
            (add("dt_rank", mul(2, m.d_state)), m.d_inner), ("dt_rank", 0, ()), (m.d_state, 0, m.B), (m.d_state, 0, m.C)
        ),
        "dt_proj.weight": tensor((m.d_inner, "dt_rank")),
        "dt_proj.bias": tensor((m.d_inner,), "step_bias"),
        "A_log": tensor((m.d_inner, m.d_state), "A_log"),
        "D": tensor((m.d_inner,)),
        "out_proj.weight": tensor((m.d_model, m.d_inner), 0, *m.out_proj),
    }
    return {f"{prefix}{name}": layout for name, layout in layouts.items()}


def mamba2(prefix: str, m: Mixer) -> dict[str, TensorLayout]:
    """The official Mamba-2 block's tensors, one head; weights: gate, step_bias, A_log."""
    convolved = add(m.d_inner, mul(2, m.d_state))
    layouts = {
        "in_proj.weight": stacked(
            (add(add(m.d_inner, convolved), 1), m.d_model),
            (m.d_inner, "gate", ()),
            (m.d_inner, 0, m.x),
            (m.d_state, 0, m.B),
            (m.d_state, 0, m.C),
            (1, 0, ()),
        ),
        "conv1d.weight": stacked(
            (convolved, 1, D_CONV), (m.d_inner, 0, m.conv), (m.d_state, 0, m.B_conv), (m.d_state, 0, m.C_conv)
        ),
        "conv1d.bias": tensor((convolved,)),
        "dt_bias": tensor((1,), "step_bias"),
        "A_log": tensor((1,), "A_log"),
        "D": tensor((1,)),
        "norm.weight": tensor((m.d_inner,), 1),
        "out_proj.weight": tensor((m.d_model, m.d_inner), 0, *m.out_proj),
    }
    return {f"{prefix}{name}": layout for name, layout in layouts.items()}


def alone(mixer: dict[str, TensorLayout], tokens: Expression) -> dict[str, TensorLayout]:
    """One-hot embedding, mixer, head that copies."""
    identity = tensor((tokens, tokens), 0, diagonal(0, 0, tokens, tokens))
    return {"embedding.weight": identity, **mixer, "head.weight": identity}


LAYER = "backbone.layers.0."


def language_model(
    mixer: dict[str, TensorLayout], tokens: Expression, answers: Expression, count: Expression
) -> dict[str, TensorLayout]:
    """One-hot embedding, pre-norm, mixer, residual, norm, and a head that copies `count` answers."""
    return {
        "backbone.embedding.weight": tensor((tokens, tokens), 0, diagonal(0, 0, tokens, tokens)),
        f"{LAYER}norm.weight": tensor((tokens,), "norm_weight"),
        **mixer,
        "backbone.norm_f.weight": tensor((tokens,), 1),
        "lm_head.weight": tensor((tokens, tokens), 0, diagonal(answers, answers, tokens, count)),
    }


# ------------------------------------------------------------------------------------------------- steps


def one_hot_input() -> tuple[Step, ...]:
    """The one entry of every embedding."""
    return (Step("input", 1, "a one-hot embedding"),)


def normed_input(d_model: Expression) -> tuple[Step, ...]:
    """The one entry of every embedding after the pre-norm."""
    return (
        Step("mean_square", rounded(rounded(div(1, d_model))), "a one-hot's sum of squares is 1; its mean"),
        Step("rms", near(sqrt(total("mean_square", EPS))), "of the pre-norm, eps = 1e-5"),
        Step("input", product(rounded(div(1, "rms")), "norm_weight"), "the one entry of every normed embedding"),
    )


NEAR_SOFTPLUS = near(softplus("step_bias"))


def dynamics(step_size: Expression = NEAR_SOFTPLUS) -> tuple[Step, ...]:
    """Step size, decay, and what is left of a write at any age, however the recurrence is evaluated."""
    longest = ["near", "input_seq_len", mul("input_seq_len", product("step_size", "rate"))]
    return (
        Step("step_size", step_size, "Delta, the same at all times"),
        Step("rate", near(exp("A_log")), "-A"),
        Step("segment", hull(1, snap(exp(sub(0, longest)))), "the decay over any stretch of the sequence, a float"),
        Step("kept", power(["snap", 2, "segment"], "input_seq_len"), "of 1, at any age: a product and a sum a stretch"),
    )


def gated() -> tuple[Step, ...]:
    """The gate, the same for every token and channel."""
    return (
        Step("gate_input", product("gate", "input"), "z, the same at every token and channel"),
        Step("gated", silu("gate_input"), "SiLU(z)"),
    )


def common_factor(largest: Expression) -> Expression:
    """Any value that 1/rms may have where no entry exceeds `largest`, to a factor of 2; 2^20 squares are finite."""
    mean_square = div(rounded(mul(2**20, mul(largest, largest))), 2**20)
    return div(1, sqrt(hull(div(EPS, 4), mul(4, add(EPS, mean_square)))))
