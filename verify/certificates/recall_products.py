"""The arguments for recall with one state: Theorem 4 and its sign codes, where a gate picks the query's block.

The convolution makes a (key, value) code, the state is a plain sum, and only the block of the query passes the gate.
What keys that follow themselves add is the same for a whole block; floats bound how far two channels' sums differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from constructions import mqar
from constructions.construction import Construction
from constructions.mqar.codes import balanced_columns
from verify.certificates.argument import (
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
    diagonal,
    div,
    entry,
    every,
    exp,
    hull,
    magnitude,
    mul,
    over,
    product,
    relu,
    rounded,
    silu,
    snap,
    stacked,
    sub,
    tensor,
    zero,
)
from verify.certificates.blocks import (
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
from verify.certificates.certificate import Subject, Tensors
from verify.certificates.codes import ANSWERS, FIRST, V
from verify.certificates.recall import REQUIRES, recall_sizes
from verify.certificates.recall_codes import CONCLUSION, HYPOTHESES, LENGTH, NAMES, SIGNS
from verify.certificates.tensors import shipped

ONE_HOT, SIGN_CODES = "mqar.thm4", "mqar.thm4-jl-amended"
TARGETS = dict.fromkeys((ONE_HOT, SIGN_CODES), ("paper", "official", "language_model"))

REPEATS = ", and in which a key directly follows itself at most num_repeats times"
WORDS = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them; the filler, "
    "if there is one, has no code. Each key has a block of `width` channels, then comes the channel 'one'. A channel "
    "in block k is tap_previous [x_{t-1}] + tap_current [x_t] + bias before its non-linearity, where [.] is 'key' for "
    "key k, the value's code for a value, else 0. It passes 'write' where a value with that channel in its code "
    "directly follows k, 'repeated' where k follows itself, 'shut' where anything else follows k; else its argument is "
    "at most tap_previous + tap_current value codes + key + bias: 'leak', or 0 behind ReLU.",
    "State: B, C and Delta are the same at all times, so a channel's state is the sum of what it passed, kept by a "
    "factor within 'kept'. Under H1 and H2, when q is queried v(q) has followed q once and no other value has. So a "
    "channel of block q in v(q)'s code holds 'write' once, any other none, and all of them the same multiple of "
    "'repeated', beside shut and leaking steps: 'stray' in all.",
    "Gate: at a query it is the same for all channels of block q, and 0 exactly in all other blocks and in 'one'.",
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
    "'off'; integers are exact. A sum of num_repeats + 1 large terms and of stray ones is off by as many roundings of "
    "its largest value, and by no more than the stray terms when those are added. What multiplies a passed code on its "
    "way into the state is within 'gain', from there to the head within 'factor', each channel by its own roundings.",
    "Norms multiply all entries of a position by one positive factor; the last one is within 'final'. The residual at "
    "a query is the key's own one-hot, 0 at all values; the head reads values only. 'unit' is a normal number, "
    "'underflow' what a logit that underflows may miss.",
)
K, W = "num_keys", "width"
CODE = mul(K, W)


@dataclass(frozen=True)
class Parts:
    """Where keys, values and the head stand in a matrix: (rows are channels?, width, first row, first column)."""

    signs: bool

    def stored(self, channels_first: bool, width: Expression) -> tuple[Entries, ...]:
        """Keys and values in in_proj, or in the embedding."""

        def place(channel: Expression, token: Expression) -> Expression:
            row, column = (channel, token) if channels_first else (token, channel)
            return add(mul(row, width), column)

        key = Entries(K, W, place(add(mul("i", W), "j"), add(FIRST, "i")), "key")
        return key, self._values(place, "value")

    def head(self, width: Expression) -> tuple[Entries, ...]:
        """The readout, tokens first."""
        if self.signs:
            number = mul("head", sub(mul(2, self._digit()), 1))
            return (Entries("num_values", CODE, add(mul(add(ANSWERS, "i"), width), "j"), number),)
        return (self._values(lambda channel, token: add(mul(token, width), channel), "head"),)

    def gate(self) -> tuple[Entries, ...]:
        """z's rows: a key's own block."""
        return (Entries(K, W, add(mul(add(mul("i", W), "j"), V), add(FIRST, "i")), "gate"),)

    def _digit(self) -> Expression:
        return bit(entry("columns", "i"), entry("digits", "j"))

    def _values(self, place: Any, name: str) -> Entries:
        if self.signs:
            return Entries("num_values", CODE, place("j", add(ANSWERS, "i")), mul(name, self._digit()))
        return Entries("num_values", K, place(add(mul("j", W), "i"), add(ANSWERS, "i")), name)


def _official(parts: Parts, prefix: str) -> dict[str, TensorLayout]:
    d_inner = mul("expand", V)
    one = (every(CODE, 1, 1, 1),)
    mixer = Mixer(
        d_model=V,
        d_inner=d_inner,
        d_state=1,
        x=parts.stored(True, V),
        conv=(every(2, 4, CODE, "tap_previous"), every(3, 4, CODE, "tap_current")),
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
        "mixer.conv.weight": tensor((d, 2), 0, every(0, 2, CODE, "tap_previous"), every(1, 2, CODE, "tap_current")),
        "mixer.conv.bias": stacked((d,), (CODE, "bias", ()), (1, "one", ())),
        "mixer.delta.weight": tensor((d, d)),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": one,
        "mixer.C.weight": one,
        "mixer.A": tensor((d, 1)),
        "mixer.gate.weight": tensor((d, d), 0, diagonal(0, 0, d, d)),
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


def _passed(target: str) -> tuple[Step, ...]:
    """What channels pass, each with the convolution's roundings: none where all its numbers are integers."""

    def convolved(previous: Expression, current: Expression) -> Expression:
        exact = add(add(mul("input", previous), mul("input", current)), "bias")
        return add(exact, hull("off", sub(0, "off")))

    sizes = add(add(add(PREVIOUS, CURRENT), add(LATE_VALUE, VALUE)), magnitude("bias"))
    off = 0 if target == "official" else mul(sizes, magnitude(sub(["near", 3, 1], 1)))
    closed = sub(0, convolved(add(LATE_VALUE, VALUE), CURRENT))
    return (
        Step("off", off, "of a convolution, in all; integers are exact"),
        Step("write", silu(convolved(PREVIOUS, VALUE)), "a value's channel after the key"),
        Step("repeated", silu(convolved(PREVIOUS, CURRENT)), "the key after itself"),
        Step("shut", magnitude(convolved(PREVIOUS, 0)), "another token after the key: |SiLU(x)| <= |x|"),
        Step("closed", closed, "minus the largest argument without the key before"),
        Step("beyond", sub("closed", 1), "x exp(-x) falls from there on"),
        Step("leak", add(mul(mul(4, "closed"), exp(sub(0, "closed"))), mul(4, "tiny")), "|SiLU(-x)| <= x exp(-x)"),
    )


def _float_steps(claim: str, target: str) -> tuple[Step, ...]:
    whole = target == "language_model"
    roundings = magnitude(sub(["near", 1, 1], 1))
    logit = mul("width" if claim == SIGN_CODES else 1, mul("factor", "top"))
    slack = magnitude(sub(["near", add(W, 8) if claim == SIGN_CODES else 4, 1], 1))
    return (
        *(normed_input(V) if whole else one_hot_input()),
        *_passed(target),
        *dynamics(),
        Step("one_code", silu("one"), "B and C"),
        Step("gain", mul(["near", 3, mul("step_size", "one_code")], "kept"), "of a passed code, in the state"),
        Step("written", mul("gain", "write"), "by the pair, in the state"),
        Step("added", mul("gain", "repeated"), "by the key after itself"),
        Step("stray", mul(mul(LENGTH, magnitude("gain")), add("shut", "leak")), "in all"),
        Step("top", add(add("written", mul("num_repeats", "added")), "stray"), "no state of the block is larger"),
        Step("summing", mul(mul(add("num_repeats", 2), roundings), mul(2, "top")), "of a state's roundings"),
        Step(
            "difference",
            sub(
                sub("written", mul("num_repeats", magnitude(sub("added", "added")))),
                mul(2, add(mul(2, "stray"), "summing")),
            ),
            "of two states of the block, one with the write, at least",
        ),
        Step("gated", silu(product("gate", "input")), "SiLU(z) of the query's block"),
        Step("factor", ["near", 6, mul("one_code", "gated")], "from the state to the head"),
        Step("final", common_factor(add(1, mul(2, logit))) if whole else 1, "the last norm" if whole else "none"),
        Step("unit", rounded(mul("factor", "final")), "a state of 1, as it is shown: a normal number"),
        Step("underflow", div(mul(8, "tiny"), "final"), "of two logits"),
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


DIGITS = (
    zero("digits start with the first", over("j", W, sub(add(entry("digits", "j"), "j"), sub(W, 1)))),
    zero(
        "digits repeat for every block",
        over("j", mul(sub(K, 1), W), sub(entry("digits", add("j", W)), entry("digits", "j"))),
    ),
)


def _requires(claim: str, target: str) -> tuple[tuple[str, Expression], ...]:
    numbers = {"key": 10, "tap_previous": 10, "tap_current": 1, "bias": -100, "one": 1, "step_size": 1}
    numbers["value"] = 2 if claim == SIGN_CODES else 1
    if target == "official":
        del numbers["one"], numbers["step_size"]
    integral = tuple(zero(f"'{name}' is {n}", sub(name, n)) for name, n in numbers.items())
    signs = (*SIGNS.requires, *DIGITS) if claim == SIGN_CODES else (zero("a channel a value", sub(W, "num_values")),)
    sign = zero("'head' is 1 or -1", sub(mul("head", "head"), 1))
    positive = tuple((f"'{name}' is not negative", name) for name in ("key", "value", "tap_previous", "tap_current"))
    return (*REQUIRES, ("two keys", sub(K, 2)), *signs, sign, *(positive if target == "language_model" else integral))


def _argument(claim: str, target: str) -> Argument:
    paper = target == "paper"
    ends = (("shut", NOT_POSITIVE), ("leak", NOT_POSITIVE), ("exact", POSITIVE)) if paper else (("beyond", POSITIVE),)
    return Argument(
        claim=claim,
        target=target,
        statement=HYPOTHESES + ("" if paper else REPEATS) + CONCLUSION,
        words=(FLOATS, *WORDS, *CODED[claim], *(INTEGERS if paper else ROUNDED)),
        requires=_requires(claim, target),
        tensors=_tensors(claim, target),
        steps=_integer_steps(claim) if paper else _float_steps(claim, target),
        closing=(*ends, ("margin", POSITIVE)),
    )


# ------------------------------------------------------------------------------------------- the subject

MOST_REPEATS = 256


def _sizes(claim: str, target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {**recall_sizes(target, chosen)}
    network = _network(claim, target, sizes["vocab_size"], sizes["num_kv_pairs"])
    sizes |= {name: network.hyperparameters[name] for name in ("expand", "dt_rank") if name in network.hyperparameters}
    sizes["width"] = sizes["num_values"]
    if claim == SIGN_CODES:
        words = balanced_columns(sizes["num_values"])
        sizes["columns"] = [int(word.replace("+", "1").replace("-", "0"), 2) for word in words]
        sizes["width"] = len(words[0])
        sizes["digits"] = list(range(sizes["width"] - 1, -1, -1)) * sizes["num_keys"]
    return sizes if target == "paper" else sizes | {"num_repeats": chosen.get("num_repeats", MOST_REPEATS)}


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


SMALL, LARGE, MIDDLE = (64, 64, 8), (1024, 4096, 64), (128, 256, 32)


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """Two sizes a target; a language model has a block for every key of half its vocabulary: a smaller one."""
    for claim, targets in TARGETS.items():
        for target in targets:
            for sizes in (SMALL, MIDDLE if target == "language_model" else LARGE):
                yield claim, target, "float32", dict(zip(NAMES, sizes, strict=True))


FROZEN = tuple(_frozen())
