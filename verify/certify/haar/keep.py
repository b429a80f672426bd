"""The argument for KEEP n-TH with one state ([P] Corollary 2, sharpened), for every token sequence up to a length.

Before token n everything the state holds is forgotten at n, after it nothing is written. Both factors underflow, so
the steps bound them by tiny numbers that also cover floats that round or flush to 0.
"""

from typing import Any

import numpy as np

from mamba_theorems.constructions.haar import keep_nth
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, ULPS, Argument, Scalar, positive
from mamba_theorems.verify.certify.blocks import MixerLayout, mamba1
from mamba_theorems.verify.certify.family import Family, Frozen, Mutants, Sizes, only, weights_of
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, softplus
from mamba_theorems.verify.certify.layout import diagonal, every, single
from mamba_theorems.verify.certify.steps import LENGTH
from mamba_theorems.verify.certify.term import Term, hull, the

CLAIM = "haar.keep-nth-one-state"
LONGEST = 2**20

STATEMENT = (
    "For every sequence of at most input_seq_len tokens, and at every position t >= n (counted from 1), the block's "
    "output is largest at token x_n, both in exact arithmetic on these weights and in every floating-point evaluation "
    "described below. The block's input at t is the one-hot code of x_t, the time t, and 1."
)
WORDS = (
    FLOATS,
    *ranges.WORDS,
    "Underflow: for x >= 0 what is computed is at most 2 x + tiny, tiny = 2^-126 being no less than the smallest "
    "normal number.",
    "Channel v of the mixer is SiLU(unit) where x_t is v and else 0; then come a clock, SiLU(unit t), and the constant "
    "SiLU(unit). Delta_t is softplus of 'bias + slope clock', the same for all channels; B and C are the constant.",
    "Delta_t: slope is negative. The clock and its errors are proportional to t, so the upper end of 'slope clock' "
    "falls as t grows and so does its lower end. Hence Delta_t is at most 'step_largest' at all t and at most "
    "'step_late' at all t > n; Delta_n is 'step_now'.",
    "State of channel v, always >= 0: before n it is at most 'before', a sum of at most input_seq_len writes that are "
    "not multiplied by more than 'growth'. At n it is multiplied by 'forget', and gains 'write' if x_n is v. After n "
    "it is multiplied by factors within 'kept' in all, and gains at most 'late_write' at each step.",
    "So at every t >= n the state of x_n is at least the lower end of 'stored' (what is added is not negative, and "
    "rounding is monotone), and that of every other token at most 'noise'. The readout multiplies each by C, by the "
    "gate and by out_proj's entry: 'right' and 'wrong'.",
)


def _under(x: Term) -> Term:
    """All that may be computed for 0 <= x, underflow included."""
    return hull(0, 2 * x + the.tiny)


V, ONE = the.vocab_size, the.vocab_size + 1


def _mixer() -> MixerLayout:
    """Channels: a token each, the clock, the constant."""
    d = V + 2
    return MixerLayout(
        d_model=d,
        d_inner=d,
        x=(diagonal(0, 0, d, d, the.unit),),
        gate=(0, (every(ONE, d, d, the.gate),)),
        conv=(every(3, 4, d, 1),),
        conv_bias=((d, 0, ()),),
        dt_rank=1,
        steps=(single(V, the.slope),),
        B=(single(ONE, the.code),),
        C=(single(ONE, the.code),),
        dt_proj=(1, ()),
        step_bias=the.bias,
        A_log=0,
        out_proj=(diagonal(0, 0, d, V, the.readout),),
    )


def _step_sizes() -> tuple[Scalar, ...]:
    late = the.n + 1
    return (
        Scalar("one", silu(the.unit), "SiLU(unit), the token's channel and the constant"),
        Scalar("clock_now", silu(rounded(the.unit * the.n)), "the clock at n"),
        Scalar("clock_late", silu(rounded(the.unit * late)), "the clock at n + 1"),
        Scalar("argument_now", rounded(rounded(the.slope * the.clock_now) + the.bias), "of softplus, at n"),
        Scalar("argument_late", rounded(rounded(the.slope * the.clock_late) + the.bias), "of softplus, at n + 1"),
        Scalar("step_largest", near(the.bias + 1), "Delta at most: softplus(x) < x + 1 for x >= 0"),
        Scalar("step_now", near(softplus(the.argument_now)), "Delta_n"),
        Scalar("step_late", _under(softplus(the.argument_late)), "Delta_t for t > n"),
        Scalar("rate", near(exp(0)), "-A"),
        Scalar("forget", _under(exp(-rounded(the.step_now * the.rate))), "exp(Delta_n A)"),
        Scalar("decay_late", near(exp(-_under(the.step_late * the.rate))), "exp(Delta_t A) for t > n"),
    )


def _state() -> tuple[Scalar, ...]:
    late_write = 4 * (the.step_late * the.one * the.B) + 16 * the.tiny
    return (
        Scalar("B", rounded(the.code * the.one), "B_t and C_t"),
        Scalar("write", rounded(rounded(the.step_now * the.one) * the.B), "at n, in the channel of x_n"),
        Scalar("largest_write", rounded(rounded(the.step_largest * the.one) * the.B), "at any time"),
        Scalar("before", hull(0, LENGTH * the.growth * the.largest_write), "the state before n"),
        Scalar("left", _under(the.before * the.forget), "what n leaves of it"),
        Scalar("late_write", late_write, "a write after n, each of its operations with its underflow"),
        Scalar("kept", hull(1, near(the.decay_late, 2)) ** LENGTH, "of 1, at any time after n"),
        Scalar("stored", the.write * the.kept, "the state of x_n, its least"),
        Scalar("noise", the.kept * (the.left + LENGTH * the.late_write), "the state of any other token"),
    )


def _logits() -> tuple[Scalar, ...]:
    right = rounded(rounded(rounded(the.stored * the.B) * the.gated) * the.readout)
    path = (the.step_now, the.one, the.B, the.kept, the.B, the.gated, the.readout)
    return (
        Scalar("gated", silu(the.gate), "SiLU(z), z the gate's entry times 1"),
        *ranges.behind("official", _mixer(), the.most_gated),
        Scalar("path", ranges.in_any_order(*path), "all products on the way of x_n to the output"),
        Scalar("right", right, "the output at x_n, its least"),
        Scalar("wrong", _under(_under(_under(the.noise * the.B) * the.gated) * the.readout), "at any other token"),
        Scalar("margin", the.right - the.wrong, "the worst case"),
    )


def _argument(target: str) -> Argument:
    return Argument(
        claim=CLAIM,
        target=target,
        statement=STATEMENT,
        words=WORDS,
        requires=(
            ("tokens are counted from 1", the.n >= 1),
            ("the sequence reaches token n", the.n <= LENGTH),
            ("there is a token", the.vocab_size >= 1),
            ("every time is a float", LENGTH <= LONGEST),
            ("the clock slows Delta down", the.slope <= 0),
            *((f"nothing is negative: {name}", Term(name) >= 0) for name in ("bias", "unit", "code", "gate")),
            ULPS,
        ),
        tensors=mamba1("", _mixer()),
        steps=(*ranges.block("official", _mixer(), LENGTH + 2), *_step_sizes(), *_state(), *_logits()),
        closing=positive("right", "margin"),
    )


def _sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """n, vocab_size, input_seq_len. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "KEEP needs", ("n", "vocab_size", "input_seq_len"))
    if not 1 <= sizes["n"] <= sizes["input_seq_len"] <= LONGEST or sizes["vocab_size"] < 1:
        raise ValueError(f"KEEP needs 1 <= n <= input_seq_len <= {LONGEST} and vocab_size >= 1: change them.")
    return sizes


def _frozen(target: str) -> Frozen:
    for dtype, n in (*(("float32", n) for n in (1, 5, 256, 512)), ("float64", 256)):
        yield dtype, {"n": n, "vocab_size": 128, "input_seq_len": 512}


MUTANTS: Mutants = {"readout negated": {"out_proj.weight": np.negative}}
WEIGHTS = weights_of(lambda n, vocab_size: keep_nth(n, vocab_size).block.weights, "n", "vocab_size")
FAMILIES = (Family(CLAIM, ("official",), _argument, _sizes, WEIGHTS, _frozen, lambda target: MUTANTS),)
