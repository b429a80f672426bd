"""The argument for the Haar transform in two official Mamba-2 blocks: every signal, every coefficient.

The first block makes steps of time, whose differences its norm leaves inexact in floats; the second has them in B and C
behind a threshold halfway, so that a code is off by a relative error where it is 1 and by nearly nothing where it is 0.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from mamba_theorems.constructions.haar import full_basis, mamba2_haar
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Entries,
    Expression,
    Step,
    TensorLayout,
    add,
    div,
    entry,
    every,
    exp,
    hull,
    magnitude,
    mul,
    near,
    power,
    product,
    rounded,
    sigmoid,
    silu,
    snap,
    sqrt,
    stacked,
    sub,
    tensor,
    total,
    zero,
)
from mamba_theorems.verify.certify.blocks import D_CONV, EPS, dynamics
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.haar.mamba1 import BLOCK, block_sizes, wavelets_lie_in
from mamba_theorems.verify.certify.tensors import shipped

TARGET = "official_mamba2"
TARGETS = {BLOCK: (TARGET,)}
BITS = {"float32": 24, "float64": 53}

STATEMENT = (
    "For every signal x of `length` numbers of `dtype`, |x_s| <= 1 and followed by zeros, and every n < length: at "
    "position length + n the second block's output 'signal' is within 2^-bits |x| of <psi_n, x>, |x| being the sum of "
    "|x_s| over the support of psi_n, and within 2^-100 beyond that; both in exact arithmetic on these weights and in "
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
    "than the product. Underflow adds at most 'least' a rounding, in the state or behind the norm.",
)
T = "length"
D, HINGES = add(mul(2, T), 4), add(mul(2, T), 2)
SIGNAL, ONE, STEPS = 0, 2, 3
CHANNELS = 32


def _layer(number: int, layouts: dict[str, TensorLayout]) -> dict[str, TensorLayout]:
    return {f"layers.{number}.{name}": layout for name, layout in layouts.items()}


def _steps_layer() -> dict[str, TensorLayout]:
    """side² channels in side heads; one state, which nothing writes."""
    d, convolved, idle = "d_inner", add("d_inner", 2), add(2, "side")
    hinges = every(1, D, HINGES, 128)
    readout = (
        Entries(sub(HINGES, 1), 1, add(mul(add("i", STEPS), d), "i"), "step_out"),
        Entries(sub(HINGES, 1), 1, add(mul(add("i", STEPS), d), add("i", 1)), mul("step_out", -1)),
    )
    gate = (every(ONE, D, d, "gate"),)
    x = (hinges, every(add(mul(HINGES, D), ONE), 1, 1, "large"))
    return _layer(
        0,
        {
            "in_proj.weight": stacked((add(mul(2, d), idle), D), (d, 0, gate), (d, 0, x), (idle, 0, ())),
            "conv1d.weight": tensor((convolved, 1, D_CONV), 0, every(3, D_CONV, convolved, 1)),
            "conv1d.bias": tensor((convolved,), 0, Entries(HINGES, 1, "i", mul(128, sub(1, "i")))),
            "dt_bias": tensor(("side",), "closed"),
            "A_log": tensor(("side",), "A_log"),
            "D": tensor(("side",), 1),
            "norm.weight": tensor((d,), 1),
            "out_proj.weight": tensor((D, d), 0, *readout),
        },
    )


def _code(row: Expression, place: Expression, sign: int) -> Entries:
    """256 sign 1[t >= place] in the rows from `row` on."""
    return Entries(T, 1, add(mul(add(row, "i"), D), add(place, STEPS)), 256 * sign)


def _halves_layer() -> dict[str, TensorLayout]:
    """Two groups of two heads of 8 channels: signal and its opposite; the loud one."""
    states = mul(2, T)
    convolved = add(CHANNELS, mul(2, states))
    threshold = every(ONE, D, states, -128)
    starts, middles, stops = (entry(name, "i") for name in ("starts", "middles", "stops"))
    B = (_code(0, starts, 1), _code(0, middles, -1), _code(T, middles, 1), _code(T, stops, -1), threshold)
    reads = [_code(row, add(add("i", T), k), sign) for row in (0, T) for k, sign in ((0, 1), (1, -1))]
    halves = ((0, 1), (1, -1), (16, 1), (17, -1))
    x = (
        *(Entries(1, 1, add(mul(row, D), SIGNAL), sign) for row, sign in halves),
        *(Entries(1, 1, add(mul(row, D), ONE), "large_2") for row in (8, 24)),
    )
    signs = ((0, 1), (1, -1), (16, -1), (17, 1))
    return _layer(
        1,
        {
            "in_proj.weight": stacked(
                (add(mul(2, CHANNELS), add(mul(2, states), 4)), D),
                (CHANNELS, 0, (every(ONE, D, CHANNELS, "gate"),)),
                (CHANNELS, 0, x),
                (states, 0, B),
                (states, 0, (*reads, threshold)),
                (4, 0, ()),
            ),
            "conv1d.weight": tensor((convolved, 1, D_CONV), 0, every(3, D_CONV, convolved, 1)),
            "conv1d.bias": tensor((convolved,)),
            "dt_bias": tensor((4,), 0, every(0, 2, 2, "step_bias"), every(1, 2, 2, "closed")),
            "A_log": tensor((4,), "A_log"),
            "D": tensor((4,), 0, every(1, 2, 2, 1)),
            "norm.weight": tensor((CHANNELS,), 1),
            "out_proj.weight": tensor(
                (D, CHANNELS), 0, every(0, 1, 1, "scale"), *(every(c, 1, 1, mul("scale", s)) for c, s in signs[1:])
            ),
        },
    )


# --------------------------------------------------------------------------------------------------- steps


def _norm(name: str, loud: Expression, beside: Expression, width: Expression) -> tuple[Step, ...]:
    """The root of a mean of squares, all of them but one small: `rms` of a name."""
    square, small = product(loud, loud), mul(4, f"beside{name}")
    return (
        Step(f"beside{name}", beside, "what the norm sees beside the loud channel, squared"),
        Step(f"squares{name}", add(square, hull(sub(0, small), small)), "their sum, in any order"),
        Step(f"summed{name}", rounded(mul(2, add(square, small))), "finite, however it is rounded"),
        Step(
            f"rms{name}", near(sqrt(total(["near", 2, div(f"squares{name}", width)], EPS))), "of the norm, eps = 1e-5"
        ),
    )


def _square(x: Expression) -> Expression:
    return mul(x, x)


def _first_block() -> tuple[Step, ...]:
    loudest = mul(mul(128, HINGES), "gated")
    spread = mul(add(mul(2, T), 1), magnitude(sub("own", "own")))
    unit = mul(128, mul("common", "sure"))
    return (
        Step("gated", silu("gate"), "the gate, SiLU(128)"),
        Step("sure", snap(sigmoid(128)), "of an argument of 128 or more"),
        Step("leak", mul(1024, add(exp(-128), "least")), "of a closed hinge, at most"),
        Step("loud", product(silu("large"), "gated"), "the loud channel"),
        *_norm("", "loud", mul(HINGES, _square(loudest)), "d_inner"),
        Step("common", ["near", 2, mul("gated", div("step_out", "rms"))], "from a hinge to a step"),
        Step("own", ["near", 3, hull(1, "sure")], "the roundings of a channel of its own"),
        Step("low", mul(mul(4, "leak"), add("common", "least")), "of a step that is to come"),
        Step("off", add(spread, "low"), "of a step, for the difference of two hinges"),
        Step("high", mul(unit, ["near", 1, add("own", hull("off", sub(0, "off")))]), "a step that was"),
    )


def _second_block() -> tuple[Step, ...]:
    slop = mul(1024, magnitude(sub(["near", 4, 1], 1)))
    closed = mul(256, add(magnitude(sub("high", "high")), mul(2, "low")))
    wide = add(mul(256, "low"), "slop")
    faint = mul(mul(mul(T, T), mul(4, "faint_step")), mul("loud_2", _square("code")))
    largest = mul(mul(2, T), mul("gated", mul("step_size", _square("code"))))
    return (
        Step("slop", slop, "of three products and their sum"),
        Step("argument", sub(add(mul(256, "high"), hull(wide, sub(0, wide))), 128), "of a code that is on"),
        Step("code", product("argument", snap(sigmoid("argument"))), "SiLU of it"),
        Step("shut", sub(128, add(closed, mul(2, "slop"))), "minus the argument of one that is off, at least"),
        Step("beyond", sub("shut", 1), "x exp(-x) falls from there on"),
        Step("stray_code", mul(4, add(mul("shut", exp(sub(0, "shut"))), mul(256, "least"))), "of one, at most"),
        *dynamics(),
        Step("loud_2", silu("large_2"), "the loud channel"),
        Step("faint_step", add(mul(2, exp("closed")), "tiny"), "softplus(x) <= exp(x)"),
        Step("faint", mul(faint, "kept"), "what its state adds to it"),
        Step("shown", product("loud_2", "gated"), "behind the gate"),
        *_norm("_2", "shown", add(mul(4, mul("shown", mul("gated", "faint"))), mul(2, _square(largest))), 16),
        Step("readout", mul(mul("gated", div("scale", "rms_2")), mul("step_size", "kept")), "norm and out_proj"),
        Step("factor", ["near", add(add(T, 20), "ulps"), mul("readout", _square("code"))], "of a term of the sum"),
        Step("worst", magnitude(sub("factor", 1)), "of the L1 norm over the support"),
        Step("stray", add(_stray(), _underflow()), "at |x_s| <= 1"),
        Step("margin", sub(div(1, power(2, "bits")), "worst"), "below what is stated"),
        Step("margin_of_stray", sub(div(1, power(2, 100)), "stray"), "below 2^-100"),
    )


def _stray() -> Expression:
    """Products of codes that should be 0."""
    each = mul(mul(8, "stray_code"), add("stray_code", mul(2, "code")))
    return mul(mul(_square(T), mul(2, each)), magnitude("readout"))


def _underflow() -> Expression:
    """In the state, times what follows; behind the norm, times out_proj's entry."""
    state = mul(mul(_square(T), mul(2**16, "least")), magnitude(hull(1, mul("readout", _square("code")))))
    return add(state, mul(mul(64, "least"), magnitude("scale")))


ARGUMENT = Argument(
    claim=BLOCK,
    target=TARGET,
    statement=STATEMENT,
    words=WORDS,
    requires=(
        ("there is a signal", sub(T, 1)),
        ("its coefficients are read after it", sub("input_seq_len", mul(2, T))),
        ("every integer is a float", sub("integers", mul(mul(128, 24), T))),
        ("decays fade", sub(-20, "A_log")),
        ("Delta is no small number", sub("step_bias", 1)),
        ("nor is the gate", sub("gate", 1)),
        ("nor are the loud channels", sub("large", 1)),
        ("nor are the loud channels", sub("large_2", 1)),
        ("steps go up", "step_out"),
        ("the idle step is closed", sub(-50, "closed")),
        ("there are enough channels", sub("d_inner", add(HINGES, 1))),
        zero("side heads of side channels", sub(mul("side", "side"), "d_inner")),
        ("elementary functions good to at least one ulp are what floats give", sub("ulps", 1)),
        *wavelets_lie_in("the signal", T),
    ),
    tensors={**_steps_layer(), **_halves_layer()},
    steps=(*_first_block(), *_second_block()),
    closing=(("beyond", POSITIVE), ("margin", POSITIVE), ("margin_of_stray", POSITIVE)),
)


# ------------------------------------------------------------------------------------------- the subject


@cache
def _layers(length: int, bits: int) -> tuple[Any, ...]:
    return mamba2_haar(length, full_basis(length), bits=bits).layers


def _sizes(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """length and bits, the basis, and what the first block takes. Raises ValueError for impossible sizes."""
    sizes = block_sizes(chosen)
    first = _layers(sizes["length"], BITS["float32"])[0].weights
    (side,), (_, d_inner) = first["D"].shape, first["out_proj.weight"].shape
    return {**sizes, "side": side, "d_inner": d_inner}


def _ship(sizes: Mapping[str, Any], dtype: str) -> Tensors:
    layers = _layers(sizes["length"], BITS[dtype])
    weights = {f"layers.{i}.{name}": w for i, layer in enumerate(layers) for name, w in layer.weights.items()}
    return shipped(weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """The transform in two Mamba-2 blocks."""
    return Subject(argument=ARGUMENT, sizes=_sizes, tensors=_ship)


FROZEN = tuple(
    (BLOCK, TARGET, dtype, {"length": 128, "bits": bits}) for dtype, bits in (("float32", 10), ("float64", 39))
)
