"""The arguments for Haar coefficients: every signal, every coefficient down to level j ([P] Theorem 1 and its block).

A coefficient is a linear functional of the signal: what the network computes differs from it, at the worst signal, by
a weighted L1 norm that one relative error bounds; in the continuous case by three L2 distances of S6 functions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mamba_theorems.constructions.haar import full_basis, mamba1_haar, wavelet_layer
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, ULPS, Argument, Requirement, Scalar, positive
from mamba_theorems.verify.certify.blocks import MixerLayout, mamba1
from mamba_theorems.verify.certify.certificate import Tensors
from mamba_theorems.verify.certify.family import Family, Frozen, Mutants, Sizes, only, weights_of
from mamba_theorems.verify.certify.functions import exp, near, rounded, sigmoid, silu, sqrt
from mamba_theorems.verify.certify.layout import Entries, Many, every, single, tensor
from mamba_theorems.verify.certify.steps import NORMAL, dynamics
from mamba_theorems.verify.certify.term import Term, equal, hull, over, square, the

BLOCK, WAVELET = "haar.official-block", "haar.thm1-amended"

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
    *ranges.WORDS,
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
    "states and at each of the `length` positions; |x_s| <= 1; underflow adds at most the smallest normal number a "
    "rounding, 16 for each position, times what follows: 'lost'. The hinges' own states are finite ('most_gated') and "
    "out_proj multiplies them by 0.",
)
T = the.length
D = 2 * T + 4


def _second_difference(name: Term, jump: int) -> Many:
    """In row i of B: jump (hinge(p - 1) - hinge(p)) code for p the i-th entry of a list."""
    return tuple(
        Entries(T, 1, the.i * D + (name[the.i] + column), factor * the.code, in_a_row=1)
        for column, factor in ((2, jump), (3, -jump))
    )


def _mixer() -> MixerLayout:
    hinges = 2 * T + 2
    reading = the.i * D + the.i + T
    starts, middles, stops = (
        _second_difference(name, jump) for name, jump in ((the.starts, 1), (the.middles, -2), (the.stops, 1))
    )
    return MixerLayout(
        d_model=3,
        d_inner=D,
        d_state=T,
        x=(single(0, 1), single(3, -1), every(7, 3, hinges, 128)),
        gate=(0, (every(2, 3, D, the.gate),)),
        conv=(every(3, 4, D, 1),),
        conv_bias=((D, 0, (Entries(hinges, 1, the.i + 2, 128 * (1 - the.i)),)),),
        B=(*starts, *middles, *stops),
        C=tuple(Entries(T, 1, reading + (2 + column), k * the.code, in_a_row=1) for column, k in enumerate((1, -2, 1))),
        dt_rank=Term(1),
        dt_proj=(1, ()),
        out_proj=(single(0, the.plus), single(1, the.minus)),
    )


def _block_steps() -> tuple[Scalar, ...]:
    read = hull(the.plus, -the.minus)
    path = (the.step_size, the.kept, the.gated, read)
    roundings = T + 16 + the.ulps
    plus, minus = (rounded(rounded(the.step_size * the.gated) * weight) for weight in (the.plus, -the.minus))
    leak = 256 * exp(-128) + 512 * T * the.least
    missing = 2 * T * (128 * (1 - sigmoid(128)))
    stray = square(T) * (4 * the.stray_code) * hull(1, the.factor)
    return (
        *ranges.block("official", _mixer(), 2 * T + 2),
        *dynamics(),
        Scalar("gated", silu(the.gate), "the gate, SiLU(128)"),
        Scalar("leak", leak, "of a closed hinge, at most; 'least' is the smallest subnormal number"),
        Scalar("stray_code", 16 * the.code * (the.leak + missing), "of an entry of B or C, at most"),
        Scalar("factor", near(hull(plus, minus), roundings) * the.kept, "of a term of the sum; all values"),
        Scalar("worst", abs(the.factor - 1), "of the L1 norm over the support"),
        Scalar("path", ranges.in_any_order(*path), "of a signal and codes of 1, on their way to the output"),
        Scalar(
            "lost",
            64 * T * NORMAL * hull(1, read, the.gated * read, the.step_size * (the.gated * read)),
            "what underflow adds, in the state, and behind it",
        ),
        Scalar("stray", stray + abs(the.lost), "at |x_s| <= 1"),
        *ranges.behind("official", _mixer(), the.most_gated),
        Scalar("margin", 1 / 2**the.bits - the.worst, "below what is stated"),
        Scalar("margin_of_stray", 1 / Term(2) ** 100 - the.stray, "below 2^-100"),
    )


def wavelets_lie_in(what: str, stop: Term) -> tuple[Requirement, ...]:
    """The requirements that 0 <= starts_i <= middles_i <= stops_i <= stop for every i < length; `what` ends at stop."""
    starts, middles, stops = (name[the.i] for name in (the.starts, the.middles, the.stops))
    return (
        ("no wavelet starts before the signal", over(the.i, T, starts >= 0)),
        ("nor has its middle before its start", over(the.i, T, middles >= starts)),
        ("nor stops before its middle", over(the.i, T, stops >= middles)),
        (f"nor after {what}", over(the.i, T, stops <= stop)),
    )


ON_SIGNALS: tuple[Requirement, ...] = (
    ("there is a signal", T >= 1),
    ("its coefficients are read after it", the.input_seq_len >= 2 * T),
    ("every integer is a float", the.integers >= Term(128) * 24 * T),
    ("decays fade", the.A_log <= -20),
    ("Delta is no small number", the.step_bias >= 1),
    ("nor is the gate", the.gate >= 1),
)


def _block_argument(target: str) -> Argument:
    return Argument(
        claim=BLOCK,
        target=target,
        statement=STATEMENT,
        words=WORDS,
        requires=(
            *ON_SIGNALS,
            ULPS,
            *wavelets_lie_in("the hinges", 2 * T),
            ("codes undo the hinges' scale", equal(128 * the.code, 1)),
        ),
        tensors=mamba1("", _mixer()),
        steps=_block_steps(),
        closing=positive("margin", "margin_of_stray"),
    )


def block_sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """length and bits, and the basis. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "A Haar transform needs", ("length", "bits"))
    basis = full_basis(sizes["length"])
    lists = {f"{name}s": [getattr(w, name) for w in basis] for name in ("start", "middle", "stop")}
    return sizes | {"input_seq_len": 2 * sizes["length"]} | lists


def _code(sizes: Sizes, tensors: Tensors) -> dict[str, Any]:
    """1/128, the step from a hinge to a code: the first entry of B."""
    weight = tensors["x_proj.weight"]
    return {"code": float(abs(weight[1][weight[1] != 0][0]))}  # type: ignore[index]


def block_frozen(**bits: int) -> Callable[[str], Frozen]:
    """So many bits in each dtype."""
    return lambda target: tuple((dtype, {"length": 128, "bits": count}) for dtype, count in bits.items())


def _gate_doubled(weight: np.ndarray) -> np.ndarray:
    weight[weight.shape[0] // 2 :] *= 2
    return weight


BLOCK_MUTANTS: Mutants = {
    "gate doubled": {"in_proj.weight": _gate_doubled},
    "step halved": {"dt_proj.bias": lambda bias: bias / 2},
    "signs of the signal's halves": {"out_proj.weight": np.negative},
}

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


def _wavelet_steps() -> tuple[Scalar, ...]:
    pi = Term(355) / 113
    third = square(pi) / (12 * the.W)
    return (
        Scalar("scale", sqrt(the.cells), "2^(level/2)"),
        Scalar("distance", sqrt(sqrt(pi / the.W) / 2 + square(third)), "of an S6 function to its step"),
        Scalar("gains", the.first + the.last + -the.second, "the sum of |B_i|"),
        Scalar("off", _off(the.first, 1) + _off(the.last, 1) + _off(the.second, -2), "of |B_i - what it should be|"),
        Scalar("worst", the.gains * the.distance + the.off, "the norm of e - psi, at most"),
        Scalar("margin", 1 / the.inverse_epsilon - the.worst, "at the worst f"),
    )


def _off(weight: Term, jump: int) -> Term:
    return abs(weight - jump * the.scale)


def _wavelet_argument(target: str) -> Argument:
    thresholds = Entries(the.cells, 3, 3 * the.i + the.j, the.half * (2 * the.i + the.j))
    return Argument(
        claim=WAVELET,
        target=target,
        statement=WAVELET_STATEMENT,
        words=WAVELET_WORDS,
        requires=(
            ("a level", the.level - 0),
            ("cells is 2^level", Term(1) / 2 >= abs(the.cells - 2**the.level)),
            ("W is positive", the.W >= 1),
            ("gains have their signs", the.first >= 0),
            ("gains have their signs", the.second <= 0),
            ("gains have their signs", the.last >= 0),
            ("half a cell is half of 2^-level", equal(the.half * (2 * the.cells), 1)),
        ),
        tensors={
            "B": tensor((3,), 0, single(0, the.first), single(1, the.second), single(2, the.last)),
            "W": tensor((1,), the.W),
            "thresholds": tensor((the.cells, 3), 0, thresholds),
        },
        steps=_wavelet_steps(),
        closing=positive("margin"),
    )


def _wavelet_sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """level and inverse_epsilon. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "A wavelet needs", ("level", "inverse_epsilon"))
    if not 0 <= sizes["level"] <= 20 or sizes["inverse_epsilon"] < 1:
        raise ValueError("A wavelet needs 0 <= level <= 20 and inverse_epsilon >= 1: change them.")
    return sizes | {"cells": 2 ** sizes["level"]}


def _half(sizes: Sizes, tensors: Tensors) -> dict[str, Any]:
    return {"half": float(tensors["thresholds"][0, 1])}  # type: ignore[index]


def _frozen(target: str) -> Frozen:
    for level in range(7):
        yield "float32", {"level": level, "inverse_epsilon": 10}
    yield "float64", {"level": 6, "inverse_epsilon": 100}


def _middle_halved(gains: np.ndarray) -> np.ndarray:
    gains[1] /= 2
    return gains


WAVELET_MUTANTS: Mutants = {"W a 16th": {"W": lambda w: w / 16}, "middle step halved": {"B": _middle_halved}}
WEIGHTS = weights_of(wavelet_layer, "level", "inverse_epsilon")
BLOCK_WEIGHTS = weights_of(lambda length: mamba1_haar(length, full_basis(length)).layers[0].weights, "length")
FROZEN = block_frozen(float32=14, float64=43)
FAMILIES = (
    Family(BLOCK, ("official",), _block_argument, block_sizes, BLOCK_WEIGHTS, FROZEN, lambda _: BLOCK_MUTANTS, _code),
    Family(WAVELET, ("mixer",), _wavelet_argument, _wavelet_sizes, WEIGHTS, _frozen, lambda _: WAVELET_MUTANTS, _half),
)
