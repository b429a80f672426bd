"""The arguments for Haar coefficients: every signal, every coefficient down to level j ([P] Theorem 1 and its block).

A coefficient is a linear functional of the signal: what the network computes differs from it, at the worst signal, by
a weighted L1 norm that one relative error bounds; in the continuous case by three L2 distances of S6 functions.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from mamba_theorems.constructions.haar import full_basis, mamba1_haar, wavelet_layer
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
    over,
    power,
    product,
    sigmoid,
    silu,
    sqrt,
    stacked,
    sub,
    tensor,
    zero,
)
from mamba_theorems.verify.certify.blocks import dynamics
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.tensors import shipped

BLOCK, WAVELET = "haar.official-block", "haar.thm1-amended"
TARGETS = {BLOCK: ("official",), WAVELET: ("mixer",)}

# --------------------------------------------------------------------------------------------- the block

STATEMENT = (
    "For every signal x of `length` numbers of `dtype`, |x_s| <= 1 and followed by zeros, and every n < length: at "
    "position length + n the block's output 'signal' is within 2^-bits |x| of <psi_n, x>, |x| being the sum of |x_s| "
    "over the support of psi_n, and within 'stray' beyond that; both in exact arithmetic on these weights and in every "
    "floating-point evaluation described below. psi_n is 1 on [starts_n, middles_n), -1 on [middles_n, stops_n), 0 "
    "elsewhere. For psi_n of unit norm and x of norm 1 the error is within 2^-bits + stray, by Cauchy and Schwarz."
)
WORDS = (
    FLOATS,
    "Hinges: with t = 0, 1, ... as an input, channel 3 + p is SiLU(128 (t - p)), p = -1 ... 2 length. Its argument is "
    "an integer multiple of 128, exact. For t > p it is 128 (t - p) times a sigmoid that is at least sigmoid(128), in "
    "floats exactly 128 (t - p); for t = p it is 0; for t < p its size is at most 128 exp(-128), since x exp(-x) falls "
    "for x > 1, and in floats at most 2 of that and what underflow leaves: 'leak'.",
    "Codes: 128 'code' is 1, so that a row of x_proj adds up second differences of hinges: B_n(t) = psi_n(t), and "
    "C_n(t) = 1 at t = length + n and else 0, each within 'stray_code'. The main terms are integers, at most 24 "
    "length, whose sums are exact in any order; the rest are leaks, whose weights add up to 8 at most in a row, and "
    "when floats add a leak to an integer, what they round off is no more than the leak.",
    "State: SiLU(x) and SiLU(-x) are written with Delta B_n and kept; |SiLU(x)| + |SiLU(-x)| = |x| and SiLU(x) - "
    "SiLU(-x) = x. The output is the difference of both readouts, times the gate and out_proj. Each term of the sum "
    "over s takes part in at most length + 16 roundings, beside SiLU's sigmoid and Delta, and so reaches the output "
    "with a factor within 'factor': it should be 1, 'worst' is how far it is from that.",
    "Stray: every product of two codes has at most one of them wrong by 'stray_code', or both, in each of the `length` "
    "states and at each of the `length` positions; |x_s| <= 1; underflow adds at most 'least' a rounding. The hinges' "
    "own states are finite ('largest') and out_proj multiplies them by 0.",
)
T = "length"
D = 2 * T + 4


def _second_difference(name: str, jump: int) -> tuple[Entries, ...]:
    """In row i of B: jump (hinge(p - 1) - hinge(p)) code for p the i-th entry of a list."""
    return tuple(
        Entries(T, 1, the.i * D + (name[the.i] + column), factor * the.code)
        for column, factor in ((2, jump), (3, -jump))
    )


def _block_tensors() -> dict[str, TensorLayout]:
    hinges = 2 * T + 2
    reading = the.i * D + the.i + T
    read = tuple(Entries(T, 1, reading + (2 + column), k * the.code) for column, k in enumerate((1, -2, 1)))
    written = (
        *_second_difference(the.starts, 1),
        *_second_difference(the.middles, -2),
        *_second_difference(the.stops, 1),
    )
    return {
        "in_proj.weight": stacked(
            (2 * D, 3),
            (D, 0, (every(0, 1, 1, 1), every(3, 1, 1, -1), every(7, 3, hinges, 128))),
            (D, 0, (every(2, 3, D, the.gate),)),
        ),
        "conv1d.weight": tensor((D, 1, 4), 0, every(3, 4, D, 1)),
        "conv1d.bias": tensor((D,), 0, Entries(hinges, 1, the.i + 2, 128 * (1 - the.i))),
        "x_proj.weight": stacked((1 + 2 * T, D), (1, 0, ()), (T, 0, written), (T, 0, read)),
        "dt_proj.weight": tensor((D, 1), 1),
        "dt_proj.bias": tensor((D,), the.step_bias),
        "A_log": tensor((D, T), the.A_log),
        "D": tensor((D,)),
        "out_proj.weight": tensor((3, D), 0, every(0, 1, 1, the.plus), every(1, 1, 1, the.minus)),
    }


def _block_steps() -> tuple[Step, ...]:
    roundings = T + 16 + the.ulps
    plus, minus = (rounded(rounded(the.step_size * the.gated) * weight) for weight in ("plus", -the.minus))
    leak = 256 * exp(-128) + 512 * T * the.least
    missing = 2 * T * (128 * (1 - sigmoid(128)))
    stray = T * T * (4 * the.stray_code) * hull(1, the.factor)
    return (
        *dynamics(),
        Scalar("gated", silu(the.gate), "the gate, SiLU(128)"),
        Scalar("leak", leak, "of a closed hinge, at most; 'least' is the smallest subnormal number"),
        Scalar("stray_code", 16 * the.code * (the.leak + missing), "of an entry of B or C, at most"),
        Scalar("factor", near(hull(plus, minus), roundings) * the.kept, "of a term of the sum; all values"),
        Scalar("worst", abs(the.factor - 1), "of the L1 norm over the support"),
        Scalar("stray", stray + T * T * 2**16 * the.least, "at |x_s| <= 1"),
        Scalar("largest", rounded(2**20 * the.gated * (T * T * the.step_size)), "of all that hinges read"),
        Scalar("margin", 1 / 2**the.bits - the.worst, "below what is stated"),
        Scalar("margin_of_stray", 1 / Term(2) ** 100 - the.stray, "below 2^-100"),
    )


def wavelets_lie_in(what: str, stop: Expression) -> tuple[tuple[str, Expression], ...]:
    """The requirements that 0 <= starts_i <= middles_i <= stops_i <= stop for every i < length; `what` ends at stop."""
    starts, middles, stops = (name[the.i] for name in ("starts", "middles", "stops"))
    return (
        ("no wavelet starts before the signal", over(the.i, T, starts)),
        ("nor has its middle before its start", over(the.i, T, middles - starts)),
        ("nor stops before its middle", over(the.i, T, stops - middles)),
        (f"nor after {what}", over(the.i, T, stop - stops)),
    )


BLOCK_ARGUMENT = Argument(
    claim=BLOCK,
    target="official",
    statement=STATEMENT,
    words=WORDS,
    requires=(
        ("there is a signal", T >= 1),
        ("its coefficients are read after it", the.input_seq_len >= 2 * the.length),
        ("every integer is a float", the.integers >= Term(128) * 24 * T),
        ("decays fade", the.A_log <= -20),
        ("Delta is no small number", the.step_bias >= 1),
        ("nor is the gate", the.gate >= 1),
        ("elementary functions good to at least one ulp are what floats give", the.ulps >= 1),
        *wavelets_lie_in("the hinges", 2 * T),
        ("codes undo the hinges' scale", equal(128 * the.code, 1)),
    ),
    tensors=_block_tensors(),
    steps=_block_steps(),
    closing=(("margin", POSITIVE), ("margin_of_stray", POSITIVE)),
)


def block_sizes(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """length and bits, and the basis. Raises ValueError for impossible sizes."""
    _need("A Haar transform", chosen, ("length", "bits"))
    basis = full_basis(chosen["length"])
    lists = {f"{name}s": [getattr(w, name) for w in basis] for name in ("start", "middle", "stop")}
    length = chosen["length"]
    return {"length": length, "bits": chosen["bits"], "input_seq_len": 2 * length, **lists}


def _need(what: str, chosen: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"{what} needs the sizes {', '.join(names)}: give {', '.join(missing)}.")


@cache
def _block(length: int, dtype: str) -> Tensors:
    return shipped(mamba1_haar(length, full_basis(length)).layers[0].weights, dtype)


def _code(sizes: Mapping[str, Any], tensors: Tensors) -> dict[str, Any]:
    """1/128, the step from a hinge to a code: the first entry of B."""
    weight = tensors["x_proj.weight"]
    return {"code": float(abs(weight[1][weight[1] != 0][0]))}  # type: ignore[index]


# ------------------------------------------------------------------------------------------ the wavelets

WAVELET_STATEMENT = (
    "For every f in L2[0, 1] of norm at most 1 and every k < cells = 2^level: |<f, e> - <f, psi_{level,k}>| < "
    "1/inverse_epsilon, for e(s) = sum_i B_i exp(-integral_s^1 softplus(-W (r - thresholds_{k,i})) dr), in exact "
    "arithmetic on these weights; psi_{j,k} = 2^(j/2) psi(2^j s - k), psi = 1 on [0, 1/2), -1 on [1/2, 1)."
)
WAVELET_WORDS = (
    "By Cauchy and Schwarz the left side is at most the norm of e - psi. psi is the sum of 2^(j/2) (1, -2, 1)_i H(s - "
    "t_i), the thresholds t_i being k, k + 1/2, k + 1 in units of 2^-j, exactly.",
    "Each g_i = exp(-integral) is within the square root of sqrt(pi/W)/2 + (pi^2/(12 W))^2 of its step H(s - t_i) in "
    "L2[0, 1] (haar.thm1-amended): below t the square of g is at most exp(-W (t - s)^2), above t 1 - g is at most "
    "pi^2/(12 W). The norm of a step is at most 1. So e - psi has a norm of at most the sum of |B_i| times that "
    "distance, and of |B_i - 2^(j/2) (1, -2, 1)_i|. 355/113 is more than pi.",
)


def _wavelet_steps() -> tuple[Step, ...]:
    pi = Term(355) / 113
    third = pi * pi / (12 * the.W)
    return (
        Scalar("scale", sqrt(the.cells), "2^(level/2)"),
        Scalar("distance", sqrt(sqrt(pi / the.W) / 2 + third * third), "of an S6 function to its step"),
        Scalar("gains", the.first + the.last + -the.second, "the sum of |B_i|"),
        Scalar("off", _off(the.first, 1) + _off(the.last, 1) + _off(the.second, -2), "of |B_i - what it should be|"),
        Scalar("worst", the.gains * the.distance + the.off, "the norm of e - psi, at most"),
        Scalar("margin", 1 / the.inverse_epsilon - the.worst, "at the worst f"),
    )


def _off(name: str, jump: int) -> Expression:
    return abs(name - jump * the.scale)


WAVELET_ARGUMENT = Argument(
    claim=WAVELET,
    target="mixer",
    statement=WAVELET_STATEMENT,
    words=WAVELET_WORDS,
    requires=(
        ("a level", the.level >= 0),
        ("cells is 2^level", Term(1) / 2 >= abs(the.cells - 2**the.level)),
        ("W is positive", the.W >= 1),
        ("gains have their signs", the.first >= 0),
        ("gains have their signs", the.second <= 0),
        ("gains have their signs", the.last >= 0),
        ("half a cell is half of 2^-level", equal(the.half * (2 * the.cells), 1)),
    ),
    tensors={
        "B": tensor((3,), 0, every(0, 1, 1, the.first), every(1, 1, 1, the.second), every(2, 1, 1, the.last)),
        "W": tensor((1,), the.W),
        "thresholds": tensor(
            (the.cells, 3), 0, Entries(the.cells, 3, 3 * the.i + the.j, the.half * (2 * the.i + the.j))
        ),
    },
    steps=_wavelet_steps(),
    closing=(("margin", POSITIVE),),
)


def _wavelet_sizes(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """level and inverse_epsilon. Raises ValueError for impossible sizes."""
    _need("A wavelet", chosen, ("level", "inverse_epsilon"))
    if not 0 <= chosen["level"] <= 20 or chosen["inverse_epsilon"] < 1:
        raise ValueError("A wavelet needs 0 <= level <= 20 and inverse_epsilon >= 1: change them.")
    return {name: chosen[name] for name in ("level", "inverse_epsilon")} | {"cells": 2 ** chosen["level"]}


def _ship_wavelet(sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(wavelet_layer(sizes["level"], sizes["inverse_epsilon"]), dtype)


def subject(claim: str, target: str) -> Subject:
    """The block's transform, or the wavelets of a level."""
    if claim == WAVELET:
        return Subject(WAVELET_ARGUMENT, _wavelet_sizes, _ship_wavelet, lambda _, found: {"half": _half(found)})
    return Subject(BLOCK_ARGUMENT, block_sizes, lambda sizes, dtype: _block(sizes["length"], dtype), _code)


def _half(tensors: Tensors) -> float:
    return float(tensors["thresholds"][0, 1])  # type: ignore[index]


FROZEN = (
    *((BLOCK, "official", dtype, {"length": 128, "bits": bits}) for dtype, bits in (("float32", 14), ("float64", 43))),
    *((WAVELET, "mixer", "float32", {"level": level, "inverse_epsilon": 10}) for level in range(7)),
    (WAVELET, "mixer", "float64", {"level": 6, "inverse_epsilon": 100}),
)
