"""The argument for KEEP n-TH with one state ([P] Corollary 2, sharpened), for every token sequence up to a length.

Before token n everything the state holds is forgotten at n, after it nothing is written. Both factors underflow, so
the steps bound them by tiny numbers that also cover floats that round or flush to 0.
"""

from collections.abc import Mapping
from functools import cache

from mamba_theorems.constructions.haar import keep_nth
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Expression,
    Step,
    TensorLayout,
    add,
    diagonal,
    every,
    exp,
    mul,
    near,
    product,
    silu,
    softplus,
    stacked,
    sub,
    tensor,
    total,
)
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.tensors import shipped

CLAIM = "haar.keep-nth-one-state"
TARGETS = {CLAIM: ("official",)}
LONGEST = 2**20

STATEMENT = (
    "For every sequence of at most input_seq_len tokens, and at every position t >= n (counted from 1), the block's "
    "output is largest at token x_n, both in exact arithmetic on these weights and in every floating-point evaluation "
    "described below. The block's input at t is the one-hot code of x_t, the time t, and 1."
)
WORDS = (
    FLOATS,
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


def _under(x: Expression) -> Expression:
    """All that may be computed for 0 <= x, underflow included."""
    return ["hull", 0, add(mul(2, x), "tiny")]


def _tensors() -> dict[str, TensorLayout]:
    v = "vocab_size"
    d = add(v, 2)
    one = add(v, 1)
    return {
        "in_proj.weight": stacked(
            (mul(2, d), d), (d, 0, (diagonal(0, 0, d, d, "unit"),)), (d, 0, (every(one, d, d, "gate"),))
        ),
        "conv1d.weight": tensor((d, 1, 4), 0, every(3, 4, d, 1)),
        "conv1d.bias": tensor((d,)),
        "x_proj.weight": tensor(
            (3, d),
            0,
            every(v, 1, 1, "slope"),
            every(add(d, one), 1, 1, "code"),
            every(add(mul(2, d), one), 1, 1, "code"),
        ),
        "dt_proj.weight": tensor((d, 1), 1),
        "dt_proj.bias": tensor((d,), "bias"),
        "A_log": tensor((d, 1)),
        "D": tensor((d,)),
        "out_proj.weight": tensor((d, d), 0, diagonal(0, 0, d, v, "readout")),
    }


def _step_sizes() -> tuple[Step, ...]:
    late = add("n", 1)
    return (
        Step("one", silu("unit"), "SiLU(unit), the token's channel and the constant"),
        Step("clock_now", silu(product("unit", "n")), "the clock at n"),
        Step("clock_late", silu(product("unit", late)), "the clock at n + 1"),
        Step("argument_now", total(product("slope", "clock_now"), "bias"), "of softplus, at n"),
        Step("argument_late", total(product("slope", "clock_late"), "bias"), "of softplus, at n + 1"),
        Step("step_largest", near(add("bias", 1)), "Delta at most: softplus(x) < x + 1 for x >= 0"),
        Step("step_now", near(softplus("argument_now")), "Delta_n"),
        Step("step_late", _under(softplus("argument_late")), "Delta_t for t > n"),
        Step("rate", near(exp(0)), "-A"),
        Step("forget", _under(exp(sub(0, product("step_now", "rate")))), "exp(Delta_n A)"),
        Step("decay_late", near(exp(sub(0, _under(mul("step_late", "rate"))))), "exp(Delta_t A) for t > n"),
    )


def _state() -> tuple[Step, ...]:
    length = "input_seq_len"
    late_write = add(mul(4, mul(mul("step_late", "one"), "B")), mul(16, "tiny"))
    return (
        Step("B", product("code", "one"), "B_t and C_t"),
        Step("write", product(product("step_now", "one"), "B"), "at n, in the channel of x_n"),
        Step("largest_write", product(product("step_largest", "one"), "B"), "at any time"),
        Step("growth", ["pow", ["near", 2, near(1)], length], "decays are at most 1, each with its roundings"),
        Step("before", ["hull", 0, mul(mul(length, "growth"), "largest_write")], "the state before n"),
        Step("left", _under(mul("before", "forget")), "what n leaves of it"),
        Step("late_write", late_write, "a write after n, each of its operations with its underflow"),
        Step("kept", ["pow", ["hull", 1, ["near", 2, "decay_late"]], length], "of 1, at any time after n"),
        Step("stored", mul("write", "kept"), "the state of x_n, its least"),
        Step("noise", mul("kept", add("left", mul(length, "late_write"))), "the state of any other token"),
    )


def _logits() -> tuple[Step, ...]:
    return (
        Step("gated", silu("gate"), "SiLU(z), z the gate's entry times 1"),
        Step("right", product(product(product("stored", "B"), "gated"), "readout"), "the output at x_n, its least"),
        Step("wrong", _under(mul(_under(mul(_under(mul("noise", "B")), "gated")), "readout")), "at any other token"),
        Step("margin", sub("right", "wrong"), "the worst case"),
    )


ARGUMENT = Argument(
    claim=CLAIM,
    target="official",
    statement=STATEMENT,
    words=WORDS,
    requires=(
        ("tokens are counted from 1", sub("n", 1)),
        ("the sequence reaches token n", sub("input_seq_len", "n")),
        ("there is a token", sub("vocab_size", 1)),
        ("every time is a float", sub(LONGEST, "input_seq_len")),
        ("the clock slows Delta down", sub(0, "slope")),
        ("nothing is negative: bias", "bias"),
        ("nothing is negative: unit", "unit"),
        ("nothing is negative: code", "code"),
        ("nothing is negative: gate", "gate"),
        ("elementary functions good to at least one ulp are what floats give", sub("ulps", 1)),
    ),
    tensors=_tensors(),
    steps=(*_step_sizes(), *_state(), *_logits()),
    closing=(("right", POSITIVE), ("margin", POSITIVE)),
)


def _sizes(chosen: Mapping[str, int]) -> dict[str, int]:
    """n, vocab_size, input_seq_len. Raises ValueError for impossible sizes."""
    names = ("n", "vocab_size", "input_seq_len")
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"KEEP needs the sizes {', '.join(names)}: give {', '.join(missing)}.")
    if not 1 <= chosen["n"] <= chosen["input_seq_len"] <= LONGEST or chosen["vocab_size"] < 1:
        raise ValueError(f"KEEP needs 1 <= n <= input_seq_len <= {LONGEST} and vocab_size >= 1: change them.")
    return {name: chosen[name] for name in names}


@cache
def _shipped(n: int, vocab_size: int, dtype: str) -> Tensors:
    return shipped(keep_nth(n, vocab_size).block.weights, dtype)


def _ship(sizes: Mapping[str, int], dtype: str) -> Tensors:
    return _shipped(sizes["n"], sizes["vocab_size"], dtype)


def subject(claim: str, target: str) -> Subject:
    """KEEP n-TH in the official block."""
    return Subject(argument=ARGUMENT, sizes=_sizes, tensors=_ship)


FROZEN = tuple(
    (CLAIM, "official", dtype, {"n": n, "vocab_size": 128, "input_seq_len": 512})
    for dtype, places in (("float32", (1, 5, 256, 512)), ("float64", (256,)))
    for n in places
)
