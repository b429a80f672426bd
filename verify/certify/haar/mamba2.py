"""The argument for the Haar transform in two official Mamba-2 blocks: every signal, every coefficient.

The first block makes steps of time, whose differences its norm leaves inexact in floats; the second has them in B and C
behind a threshold halfway, so that a code is off by a relative error where it is 1 and by nearly nothing where it is 0.
"""

from functools import cache
from typing import Any

import numpy as np

from mamba_theorems.constructions.haar import full_basis, mamba2_haar
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, ULPS, Argument, Scalar, positive
from mamba_theorems.verify.certify.blocks import D_CONV, named
from mamba_theorems.verify.certify.family import Family, Mutants, Sizes, one_more
from mamba_theorems.verify.certify.functions import exp, near, rounded, sigmoid, silu, slack, snap, sqrt
from mamba_theorems.verify.certify.haar.mamba1 import BLOCK, ON_SIGNALS, T, block_frozen, block_sizes, wavelets_lie_in
from mamba_theorems.verify.certify.layout import Entries, TensorLayout, every, single, stacked, tensor
from mamba_theorems.verify.certify.steps import EPS, NORMAL, dynamics
from mamba_theorems.verify.certify.term import Expression, Term, equal, hull, square, the, within

TARGET = "official_mamba2"
BITS = {"float32": 24, "float64": 53}

STATEMENT = (
    "For every signal x of `length` numbers of `dtype`, |x_s| <= 1 and followed by zeros, and every n < length: at "
    "position length + n the second block's output 'signal' is within 2^-bits |x| of <psi_n, x>, |x| being the sum of "
    "|x_s| over the support of psi_n, and within 2^-80 beyond that; both in exact arithmetic on these weights and in "
    "every floating-point evaluation described below. The first block's input has the signal, the time t = 0, 1, ... "
    "and 1, the second's is the sum of its input and its output. psi_n is 1 on [starts_n, middles_n), -1 on "
    "[middles_n, stops_n), 0 elsewhere."
)
WORDS = (
    FLOATS,
    "Hinges: channel i of the first block is SiLU(128 (t - p)), p = i - 1 = -1 ... 2 length; its argument is an "
    "integer multiple of 128, exact. For t > p it is 128 (t - p) times a sigmoid within 'sure', for t = p it is 0, "
    "for t < p its size is at most 'leak'. Another channel is 'loud'; B and C are 0, so that the state adds nothing "
    "and y is x.",
    "First norm: the squares of all channels add up to that of the loud one, and at most 'beside'; what floats round "
    "off when they add one sum to another is no more than the smaller, so that 4 times 'beside' covers both. So every "
    "channel is multiplied by one factor of its position, by the gate (whose sigmoid is that of 128, in floats 1) and "
    "by out_proj, within 'common', each channel with roundings of its own, within 'own'. The coordinate 1[t >= p] "
    "gets the difference of two neighbouring hinges: within 'high' for t >= p, of at most 'low' in size for t < p. "
    "The residual leaves signal, time and 1 as they are.",
    "Codes of the second block: SiLU(256 (1[t >= p] - 1[t >= q]) - 128). On [p, q) its argument is within 'argument' "
    "and it is within 'code'. Elsewhere the difference is one of two numbers within 'high', or of two of size 'low': "
    "the argument is at most -'shut', and |SiLU(-x)| <= x exp(-x), which falls for x > 1: at most 'stray_code'. B has "
    "the halves of psi_n, a group each, and C the position length + n, in both groups. ('slop' is what three products "
    "and their sum round.)",
    "State: SiLU(x) and SiLU(-x) are written with Delta B and kept; |SiLU(x)| + |SiLU(-x)| = |x| and SiLU(x) - "
    "SiLU(-x) = x. A head of its own holds 'loud_2', whose Delta is at most 'faint_step' and whose state adds at most "
    "'faint'. The second norm, over the 16 channels of a group, sees the loud one's square and at most 'beside_2'. "
    "The output is the first half's readout less the second's. Each term of the sum over s takes part in at most "
    "length + 20 roundings beside the elementary functions, in any order and chunk by chunk, and so reaches the "
    "output with a factor within 'factor': it should be 1, 'worst' is how far it is from that. A psi_n of one half "
    "has no second.",
    "Stray: every other product of two codes has at least one of at most 'stray_code', in each of the `length` states "
    "and at each of the `length` positions; when floats add one to another number, what they round off is no more "
    "than the product. Underflow adds at most the smallest normal number a rounding, 16 a position, in the state or "
    "behind the norm, times what follows: 'lost'.",
    "Ranges: 'path_1' says that an open hinge, on its way to a step, is a normal number, as are all products; 'path' "
    "does so for a signal of 1 and two codes that are on. 'summed', 'summed_2', 'finite_1', 'finite' and 'unread' "
    "bound the norms' sums, the readouts, and what the loud head may write.",
)
D, HINGES = 2 * T + 4, 2 * T + 2
SIGNAL, ONE, STEPS = 0, 2, 3
CHANNELS = Term(32)


def _steps_layer() -> dict[str, TensorLayout]:
    """side² channels in side heads; one state, which nothing writes."""
    d, convolved, idle = the.d_inner, the.d_inner + 2, 2 + the.side
    hinges = every(1, D, HINGES, 128)
    readout = (
        Entries(HINGES - 1, 1, (the.i + STEPS) * d + the.i, the.step_out),
        Entries(HINGES - 1, 1, (the.i + STEPS) * d + (the.i + 1), the.step_out * -1),
    )
    gate = (every(ONE, D, d, the.gate),)
    x = (hinges, single(HINGES * D + ONE, the.large))
    return named(
        "layers.0.",
        {
            "in_proj.weight": stacked((2 * d + idle, D), (d, 0, gate), (d, 0, x), (idle, 0, ())),
            "conv1d.weight": tensor((convolved, 1, D_CONV), 0, every(3, D_CONV, convolved, 1)),
            "conv1d.bias": tensor((convolved,), 0, Entries(HINGES, 1, the.i, 128 * (1 - the.i))),
            "dt_bias": tensor((the.side,), the.closed),
            "A_log": tensor((the.side,), the.A_log),
            "D": tensor((the.side,), 1),
            "norm.weight": tensor((d,), 1),
            "out_proj.weight": tensor((D, d), 0, *readout),
        },
    )


def _code(row: Expression, place: Term, sign: int) -> Entries:
    """256 sign 1[t >= place] in the rows from `row` on."""
    return Entries(T, 1, (row + the.i) * D + (place + STEPS), 256 * sign)


def _halves_layer() -> dict[str, TensorLayout]:
    """Two groups of two heads of 8 channels: signal and its opposite; the loud one."""
    states = 2 * T
    convolved = CHANNELS + 2 * states
    threshold = every(ONE, D, states, -128)
    starts, middles, stops = (name[the.i] for name in (the.starts, the.middles, the.stops))
    B = (_code(0, starts, 1), _code(0, middles, -1), _code(T, middles, 1), _code(T, stops, -1), threshold)
    reads = [_code(row, the.i + T + k, sign) for row in (0, T) for k, sign in ((0, 1), (1, -1))]
    halves = ((0, 1), (1, -1), (16, 1), (17, -1))
    x = (
        *(Entries(1, 1, row * D + SIGNAL, sign) for row, sign in halves),
        *(Entries(1, 1, row * D + ONE, the.large_2) for row in (8, 24)),
    )
    signs = ((0, 1), (1, -1), (16, -1), (17, 1))
    return named(
        "layers.1.",
        {
            "in_proj.weight": stacked(
                (2 * CHANNELS + (2 * states + 4), D),
                (CHANNELS, 0, (every(ONE, D, CHANNELS, the.gate),)),
                (CHANNELS, 0, x),
                (states, 0, B),
                (states, 0, (*reads, threshold)),
                (4, 0, ()),
            ),
            "conv1d.weight": tensor((convolved, 1, D_CONV), 0, every(3, D_CONV, convolved, 1)),
            "conv1d.bias": tensor((convolved,)),
            "dt_bias": tensor((4,), 0, every(0, 2, 2, the.step_bias), every(1, 2, 2, the.closed)),
            "A_log": tensor((4,), the.A_log),
            "D": tensor((4,), 0, every(1, 2, 2, 1)),
            "norm.weight": tensor((CHANNELS,), 1),
            "out_proj.weight": tensor(
                (D, CHANNELS), 0, single(0, the.scale), *(single(c, the.scale * s) for c, s in signs[1:])
            ),
        },
    )


# --------------------------------------------------------------------------------------------------- steps


def _norm(name: str, loud: Term, beside: Term, width: Expression) -> tuple[Scalar, ...]:
    """The root of a mean of squares, all of them but one small: `rms` of a name."""
    loudest, small = rounded(square(loud)), 4 * Term(f"beside{name}")
    return (
        Scalar(f"beside{name}", beside, "what the norm sees beside the loud channel, squared"),
        Scalar(f"squares{name}", loudest + hull(-small, small), "their sum, in any order"),
        Scalar(f"summed{name}", rounded(2 * (loudest + small)), "finite, however it is rounded"),
        Scalar(
            f"rms{name}", near(sqrt(rounded(near(Term(f"squares{name}") / width, 2) + EPS))), "of the norm, eps = 1e-5"
        ),
    )


def _first_block() -> tuple[Scalar, ...]:
    loudest = 128 * HINGES * the.gated
    spread = (2 * T + 1) * abs(the.own - the.own)
    unit = 128 * (the.common * the.sure)
    return (
        Scalar("gated", silu(the.gate), "the gate, SiLU(128)"),
        Scalar("sure", snap(sigmoid(128)), "of an argument of 128 or more"),
        Scalar("leak", 1024 * (exp(-128) + the.least), "of a closed hinge, at most"),
        Scalar("loud", rounded(silu(the.large) * the.gated), "the loud channel"),
        *_norm("", the.loud, HINGES * square(loudest), the.d_inner),
        Scalar("path_1", ranges.in_any_order(128, the.gated, 1 / the.rms, the.step_out), "of an open hinge"),
        Scalar("finite_1", ranges.finite(the.step_out * (2 * sqrt(the.d_inner))), "of the first block's outputs"),
        Scalar("common", near(the.gated * (the.step_out / the.rms), 2), "from a hinge to a step"),
        Scalar("own", near(hull(1, the.sure), 3), "the roundings of a channel of its own"),
        Scalar("low", 4 * the.leak * (the.common + the.least), "of a step that is to come"),
        Scalar("off", spread + the.low, "of a step, for the difference of two hinges"),
        Scalar("high", unit * near(the.own + within(the.off), 1), "a step that was"),
    )


def _second_block() -> tuple[Scalar, ...]:
    slop = 1024 * slack(4)
    closed = 256 * (abs(the.high - the.high) + 2 * the.low)
    wide = 256 * the.low + the.slop
    faint = square(T) * (4 * the.faint_step) * (the.loud_2 * square(the.code))
    path = (the.step_size, the.code, the.code, the.kept, the.gated, 1 / the.rms_2, the.scale)
    products = square(hull(1, the.code)) * (hull(1, the.step_size) * hull(1, the.gated))
    follows = products * abs(the.scale / the.rms_2)
    largest = 2 * T * (the.gated * (the.step_size * square(the.code)))
    return (
        Scalar("slop", slop, "of three products and their sum"),
        Scalar("argument", 256 * the.high + within(wide) - 128, "of a code that is on"),
        Scalar("code", rounded(the.argument * snap(sigmoid(the.argument))), "SiLU of it"),
        Scalar("shut", 128 - (closed + 2 * the.slop), "minus the argument of one that is off, at least"),
        Scalar("beyond", the.shut - 1, "x exp(-x) falls from there on"),
        Scalar("stray_code", 4 * (the.shut * exp(-the.shut) + 256 * the.least), "of one, at most"),
        *dynamics(),
        Scalar("loud_2", silu(the.large_2), "the loud channel"),
        Scalar("faint_step", 2 * exp(the.closed) + the.tiny, "softplus(x) <= exp(x)"),
        Scalar("faint", faint * the.kept, "what its state adds to it"),
        Scalar("shown", rounded(the.loud_2 * the.gated), "behind the gate"),
        *_norm("_2", the.shown, 4 * (the.shown * (the.gated * the.faint)) + 2 * square(largest), 16),
        Scalar("path", ranges.in_any_order(*path), "of a signal of 1 and of its codes"),
        Scalar("finite", ranges.finite(abs(the.scale) * 64), "of the outputs: four entries, none beyond 4"),
        Scalar("unread", ranges.finite(4 * square(T) * (the.loud_2 * square(the.code))), "of the loud head's products"),
        Scalar("lost", 64 * T * NORMAL * hull(1, abs(the.scale), follows), "what underflow adds"),
        Scalar("readout", the.gated * (the.scale / the.rms_2) * (the.step_size * the.kept), "norm and out_proj"),
        Scalar("factor", near(the.readout * square(the.code), T + 20 + the.ulps), "of a term of the sum"),
        Scalar("worst", abs(the.factor - 1), "of the L1 norm over the support"),
        Scalar("stray", _stray() + the.lost, "at |x_s| <= 1"),
        Scalar("margin", 1 / 2**the.bits - the.worst, "below what is stated"),
        Scalar("margin_of_stray", 1 / Term(2) ** 80 - the.stray, "below 2^-80"),
    )


def _stray() -> Term:
    """Products of codes that should be 0."""
    each = 8 * the.stray_code * (the.stray_code + 2 * the.code)
    return square(T) * (2 * each) * abs(the.readout)


def _argument(target: str) -> Argument:
    return Argument(
        claim=BLOCK,
        target=target,
        statement=STATEMENT,
        words=WORDS,
        requires=(
            *ON_SIGNALS,
            ("nor are the loud channels", the.large >= 1),
            ("nor are the loud channels", the.large_2 >= 1),
            ("steps go up", the.step_out >= 0),
            ("the idle step is closed", the.closed <= -50),
            ("there are enough channels", the.d_inner >= HINGES + 1),
            ("side heads of side channels", equal(square(the.side), the.d_inner)),
            ULPS,
            *wavelets_lie_in("the signal", T),
        ),
        tensors={**_steps_layer(), **_halves_layer()},
        steps=(*_first_block(), *_second_block()),
        closing=positive("beyond", "margin", "margin_of_stray"),
    )


# ---------------------------------------------------------------------------------------------- the family


@cache
def _layers(length: int, bits: int) -> tuple[Any, ...]:
    return mamba2_haar(length, full_basis(length), bits=bits).layers


def _sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """length and bits, the basis, and what the first block takes. Raises ValueError for impossible sizes."""
    sizes = block_sizes(target, chosen)
    first = _layers(sizes["length"], BITS["float32"])[0].weights
    (side,), (_, d_inner) = first["D"].shape, first["out_proj.weight"].shape
    return {**sizes, "side": side, "d_inner": d_inner}


def _weights(target: str, sizes: Sizes, dtype: str) -> dict[str, Any]:
    layers = enumerate(_layers(sizes["length"], BITS[dtype]))
    return {f"layers.{i}.{name}": w for i, layer in layers for name, w in layer.weights.items()}


MUTANTS: Mutants = {
    "readout negated": {"layers.1.out_proj.weight": np.negative},
    "step halved": {"layers.1.dt_bias": lambda bias: bias / 2},
    "one entry of D": {"layers.0.D": one_more},
}
FROZEN = block_frozen(float32=10, float64=39)
FAMILIES = (Family(BLOCK, (TARGET,), _argument, _sizes, _weights, FROZEN, lambda target: MUTANTS),)
