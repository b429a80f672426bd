"""The arguments for recall with one state: Theorem 4 and its sign codes, where a gate picks the query's block.

The convolution makes a (key, value) code, the state is a plain sum, and only the block of the query passes the gate.
With ReLU, keys that follow themselves add the same to a whole block; with SiLU nothing but a pair passes, leaks apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from itertools import product as product_of
from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import balanced_columns
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    NOT_POSITIVE,
    POSITIVE,
    Argument,
    Entries,
    Expression,
    Step,
    TensorLayout,
    add,
    bit,
    div,
    entry,
    every,
    exp,
    hull,
    magnitude,
    mul,
    product,
    relu,
    rounded,
    silu,
    snap,
    sqrt,
    stacked,
    sub,
    tensor,
    zero,
)
from mamba_theorems.verify.certify.blocks import (
    LAYER,
    Mixer,
    alone,
    common_factor,
    dynamics,
    language_model,
    mamba1,
    normed_input,
    one_hot_input,
)
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.mqar.codes import CONCLUSION, HYPOTHESES, LENGTH, NAMES, SIGNS
from mamba_theorems.verify.certify.mqar.entries import ANSWERS, FIRST, V
from mamba_theorems.verify.certify.mqar.theorem2 import REQUIRES, recall_sizes
from mamba_theorems.verify.certify.tensors import shipped

ONE_HOT, SIGN_CODES = "mqar.thm4", "mqar.thm4-jl-amended"
TARGETS = dict.fromkeys((ONE_HOT, SIGN_CODES), ("paper", "official", "language_model"))

WORDS = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them; the filler, "
    "if there is one, has no code. Each key has a block of `width` channels, then comes the channel 'one'. A channel "
    "in block k is tap_previous [x_{t-1}] + tap_current [x_t] + bias before its non-linearity, where [.] is 'key' for "
    "key k, 'value' for a value with that channel in its code, else 0.",
    "Gate: at a query it is the same for all channels of block q, and 0 exactly in all other blocks and in 'one'.",
)
PAPER_WORDS = (
    "It passes 'write' where a value with that channel in its code directly follows k, 'repeated' where k follows "
    "itself, and 0 else: 'shut' is what stands before ReLU where anything else follows k, 'leak' the most without k.",
    "State: B, C and Delta are the same at all times, so a channel's state is the sum of what it passed. Under H1 and "
    "H2, when q is queried v(q) has followed q once and no other value has. So a channel of block q in v(q)'s code "
    "holds 'write' once, any other none, and all of them the same multiple of 'repeated'.",
)
SILU_WORDS = (
    "It passes 'write' where a value with that channel in its code directly follows k. Whatever else stands at two "
    "places, k after itself among it, its argument is 'closed' or less: SiLU gives no more than 'leak' in size.",
    "State: B, C and Delta are the same at all times, so a channel's state is the sum of what it passed, kept by a "
    "factor within 'kept'. Under H1 and H2, when q is queried v(q) has followed q once and no other value has. So a "
    "channel of block q in v(q)'s code holds 'write' once, any other none, beside leaks: 'stray' in all.",
)
CODED = {
    ONE_HOT: ("Values are one-hot: logit w reads channel w of every block, of which only block q passes.",),
    SIGN_CODES: (
        "Value v is 2 in the channels where a digit of columns_v is 1, and its head row is 1 there and -1 elsewhere "
        "in every block. Columns are distinct and half of their digits are 1: so v != w have as many channels where "
        "only v has 1 as where only w has, at least one, and logit v - logit w is twice the sum of their differences.",
    ),
}
INTEGERS = (
    "Integers: weights are integers, the decay is exp(0) = 1; 'largest' bounds every product and every partial sum, in "
    "any order, at a query. It is below 2^24 or 2^53: nothing is rounded, and the floats are the exact network's.",
)
ROUNDED = (
    "Floats: the convolution's three terms may be added in any order, each sum off by u of what their sizes add up to, "
    "'off'. A sum of one large term and of leaks is off by its roundings, 'summing', and by no more than the leaks "
    "when those are added. What multiplies a passed code on its way into the state is within 'gain', from there to the "
    "head within 'factor', each channel by its own roundings.",
    "Norms multiply all entries of a position by one positive factor; the last one is within 'final'. The residual at "
    "a query is the key's own one-hot, 0 at all values; the head reads values only. 'unit' is a normal number, "
    "'underflow' what a logit that underflows may miss.",
)
K, W = "num_keys", "width"
CODE = mul(K, W)
DIGIT = bit(entry("columns", "i"), sub(sub(W, 1), "j"))


@dataclass(frozen=True)
class Parts:
    """Where keys, values, gate and head stand in a matrix; what is the same in all blocks is written once."""

    signs: bool

    def stored(self, channels_first: bool, width: Expression) -> tuple[Entries, ...]:
        """Keys and values in in_proj, or in the embedding."""

        def place(channel: Expression, token: Expression) -> Expression:
            row, column = (channel, token) if channels_first else (token, channel)
            return add(mul(row, width), column)

        next_channel = width if channels_first else 1
        key = Entries(K, 1, place(mul("i", W), add(FIRST, "i")), "key", W, next_channel)
        value = self._values(lambda channel: place(channel, add(ANSWERS, "i")), "value", mul(W, next_channel))
        return key, value

    def head(self, width: Expression) -> tuple[Entries, ...]:
        """The readout, tokens first, in every block."""
        row = mul(add(ANSWERS, "i"), width)
        if self.signs:
            number = mul("head", sub(mul(2, DIGIT), 1))
            return (Entries("num_values", W, add(row, "j"), number, K, W),)
        return (self._values(lambda channel: add(row, channel), "head", W),)

    def gate(self) -> tuple[Entries, ...]:
        """z's rows: a key's own block."""
        return (Entries(K, 1, add(mul(mul("i", W), V), add(FIRST, "i")), "gate", W, V),)

    def _values(self, place: Callable[[Expression], Expression], name: str, stride: Expression) -> Entries:
        """A value's code in the first block, and `stride` further on in each other one."""
        if self.signs:
            return Entries("num_values", W, place("j"), mul(name, DIGIT), K, stride)
        return Entries("num_values", 1, place("i"), name, K, stride)


def _official(parts: Parts, prefix: str) -> dict[str, TensorLayout]:
    d_inner = mul("expand", V)
    one = (every(CODE, 1, 1, 1),)
    mixer = Mixer(
        d_model=V,
        d_inner=d_inner,
        d_state=1,
        x=parts.stored(True, V),
        conv=(Entries(1, 1, 2, "tap_previous", CODE, 4), Entries(1, 1, 3, "tap_current", CODE, 4)),
        B=one,
        C=one,
        out_proj=parts.head(d_inner),
        gate=parts.gate(),
        bias=((CODE, "bias"), (1, "one")),
    )
    return mamba1(prefix, mixer)


def _paper(parts: Parts) -> dict[str, TensorLayout]:
    d = add(CODE, 1)
    one = tensor((1, d), 0, every(CODE, 1, 1, 1))
    return {
        "embedding.weight": tensor((V, d), 0, *parts.stored(False, d)),
        "mixer.conv.weight": tensor(
            (d, 2), 0, Entries(1, 1, 0, "tap_previous", CODE, 2), Entries(1, 1, 1, "tap_current", CODE, 2)
        ),
        "mixer.conv.bias": stacked((d,), (CODE, "bias", ()), (1, "one", ())),
        "mixer.delta.weight": tensor((d, d)),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": one,
        "mixer.C.weight": one,
        "mixer.A": tensor((d, 1)),
        "mixer.gate.weight": tensor((d, d), 0, Entries(1, 1, 0, 1, d, add(d, 1))),
        "head.weight": tensor((V, d), 0, *parts.head(d)),
    }


def _tensors(claim: str, target: str) -> dict[str, TensorLayout]:
    parts = Parts(claim == SIGN_CODES)
    if target == "paper":
        return _paper(parts)
    if target == "official":
        return alone(_official(parts, "mixer."), V)
    return language_model(_official(parts, f"{LAYER}mixer."), V, ANSWERS, "num_values")


# --------------------------------------------------------------------------------------------------- steps


def _convolved(previous: Expression, current: Expression) -> Expression:
    """Before the non-linearity, rounding left out."""
    return add(add(previous, current), "bias")


PREVIOUS, CURRENT = mul("tap_previous", "key"), mul("tap_current", "key")
LATE_VALUE, VALUE = mul("tap_previous", "value"), mul("tap_current", "value")


def _integer_steps(claim: str) -> tuple[Step, ...]:
    pair, terms = mul(mul("gate", "write"), mul("step_size", mul("one", "one"))), W if claim == SIGN_CODES else 1
    return (
        Step("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
        Step("write", relu(_convolved(PREVIOUS, VALUE)), "a value's channel after the key"),
        Step("repeated", relu(_convolved(PREVIOUS, CURRENT)), "the key after itself"),
        Step("shut", _convolved(PREVIOUS, 0), "another token after the key, before ReLU"),
        Step("leak", _convolved(add(LATE_VALUE, VALUE), CURRENT), "without the key before, before ReLU"),
        Step("gate", "key", "the gate is the embedding"),
        Step("largest", mul(mul("gate", terms), add("write", mul(LENGTH, "repeated"))), "no number is larger"),
        Step("exact", sub("integers", "largest"), "integers below 2^24 or 2^53 are floats"),
        Step("pair", mul(pair, "kept"), "between a channel with the write and one without"),
        Step("margin", mul("head", mul("pair", _times(claim))), "the worst case"),
    )


def _times(claim: str) -> int:
    """How often the difference of two channels enters that of two logits."""
    return 2 if claim == SIGN_CODES else 1


def _passed() -> tuple[Step, ...]:
    """What channels pass, each with the convolution's roundings."""

    def convolved(previous: Expression, current: Expression) -> Expression:
        exact = add(add(mul("input", previous), mul("input", current)), "bias")
        return add(exact, hull("off", sub(0, "off")))

    parts = (PREVIOUS, CURRENT, LATE_VALUE, VALUE, "bias")
    sizes = reduce(add, (magnitude(part) for part in parts))
    shut = convolved(PREVIOUS, hull(CURRENT, 0))
    without = convolved(hull(LATE_VALUE, 0), hull(hull(CURRENT, VALUE), 0))
    return (
        Step("off", mul(mul(sizes, "input"), magnitude(sub(["near", 4, 1], 1))), "of a convolution, in all"),
        Step("write", silu(convolved(PREVIOUS, VALUE)), "a value's channel after the key"),
        Step("closed", hull(shut, without), "anything else after the key, or anything without the key before"),
        Step("shut", sub(0, "closed"), "minus the argument"),
        Step("beyond", sqrt(sub("shut", 1)), "a root: x exp(-x) falls from 1 on"),
        Step("leak", add(mul("shut", exp(sub(0, "shut"))), mul(4, "tiny")), "|SiLU(-x)| <= x exp(-x)"),
    )


def _float_steps(claim: str, target: str) -> tuple[Step, ...]:
    whole, signs = target == "language_model", claim == SIGN_CODES
    roundings = magnitude(sub(["near", 1, 1], 1))
    logit = mul(mul(W if signs else 1, magnitude("head")), mul("factor", "top"))
    slack = magnitude(sub(["near", add(W, 8) if signs else 4, 1], 1))
    return (
        *(normed_input(V) if whole else one_hot_input()),
        *_passed(),
        *dynamics(),
        Step("one_code", silu("one"), "B and C"),
        Step("gain", mul(["near", 3, mul("step_size", "one_code")], "kept"), "of a passed code, in the state"),
        Step("written", mul("gain", "write"), "by the pair, in the state"),
        Step("stray", mul(mul(LENGTH, magnitude("gain")), "leak"), "in all"),
        Step("top", add("written", "stray"), "no state of the block is larger"),
        Step("summing", mul(mul(2, roundings), mul(2, "top")), "of a state's roundings"),
        Step(
            "difference",
            sub("written", mul(2, add(mul(2, "stray"), "summing"))),
            "of two states of the block, one with the write, at least",
        ),
        Step("gated", silu(product("gate", "input")), "SiLU(z) of the query's block"),
        Step("factor", ["near", 6, mul("one_code", "gated")], "from the state to the head"),
        Step("final", common_factor(add(1, mul(2, logit))) if whole else 1, "the last norm" if whole else "none"),
        Step("unit", rounded(mul(mul("factor", magnitude("head")), "final")), "a state of 1, as it is shown: normal"),
        Step("underflow", mul(mul(mul(8, W), "tiny"), add(1, div(1, "final"))), "of two logits"),
        Step(
            "pair",
            sub(mul("factor", "difference"), mul(magnitude(sub("factor", "factor")), "top")),
            "of the two channels, as the head reads them",
        ),
        Step(
            "margin",
            sub(mul(mul("head", _times(claim)), "pair"), add(mul(mul(2, slack), logit), "underflow")),
            "the worst case, with the logits' roundings",
        ),
    )


def _requires(claim: str, target: str) -> tuple[tuple[str, Expression], ...]:
    signs = SIGNS.requires if claim == SIGN_CODES else (zero("a channel a value", sub(W, "num_values")),)
    numbers = {"key": 10, "tap_previous": 10, "tap_current": 1, "bias": -100, "one": 1, "step_size": 1}
    numbers["value"] = 2 if claim == SIGN_CODES else 1
    integral = (
        *(zero(f"'{name}' is {n}", sub(name, n)) for name, n in numbers.items()),
        zero("'head' is 1 or -1", sub(mul("head", "head"), 1)),
    )
    return (*REQUIRES, ("two keys", sub(K, 2)), *signs, *(integral if target == "paper" else ()))


def _argument(claim: str, target: str) -> Argument:
    paper = target == "paper"
    integers = (("shut", NOT_POSITIVE), ("leak", NOT_POSITIVE), ("exact", POSITIVE))
    return Argument(
        claim=claim,
        target=target,
        statement=HYPOTHESES + CONCLUSION,
        words=(FLOATS, *WORDS, *CODED[claim], *((*PAPER_WORDS, *INTEGERS) if paper else (*SILU_WORDS, *ROUNDED))),
        requires=_requires(claim, target),
        tensors=_tensors(claim, target),
        steps=_integer_steps(claim) if paper else _float_steps(claim, target),
        closing=(*(integers if paper else (("difference", POSITIVE),)), ("margin", POSITIVE)),
    )


# ------------------------------------------------------------------------------------------- the subject


def _sizes(claim: str, target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {**recall_sizes(target, chosen)}
    network = _network(claim, target, sizes["vocab_size"], sizes["num_kv_pairs"])
    sizes |= {name: network.hyperparameters[name] for name in ("expand", "dt_rank") if name in network.hyperparameters}
    sizes["width"] = sizes["num_values"]
    if claim == SIGN_CODES:
        words = balanced_columns(sizes["num_values"])
        sizes["columns"] = [int(word.replace("+", "1").replace("-", "0"), 2) for word in words]
        sizes["width"] = len(words[0])
    return sizes


@cache
def _network(claim: str, target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    return mqar.build(claim, target, num_kv_pairs=num_kv_pairs, vocab_size=vocab_size)


def _ship(claim: str, target: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(claim, target, sizes["vocab_size"], sizes["num_kv_pairs"]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Theorem 4 in a target."""
    return Subject(
        argument=_argument(claim, target),
        sizes=lambda chosen: _sizes(claim, target, chosen),
        tensors=lambda sizes, dtype: _ship(claim, target, sizes, dtype),
    )


SMALL, LARGE = (64, 64, 8), (1024, 4096, 64)


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """Two sizes a target."""
    for claim, targets in TARGETS.items():
        for target, sizes in product_of(targets, (SMALL, LARGE)):
            yield claim, target, "float32", dict(zip(NAMES, sizes, strict=True))


FROZEN = tuple(_frozen())
