"""The arguments for recall by codes: Theorem 3 step 1, signs (Theorem 2 step 2 amended), extensions H and D.

The readout is sum over the stored pairs of <C(q), B(k)> <head(w), x(v)>: one scalar a write. The paper's blocks compute
it in integers, without rounding; the official ones within a relative error, which integer margins outweigh.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product as product_of
from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import balanced_columns
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Expression,
    Step,
    add,
    bit,
    div,
    entry,
    exp,
    magnitude,
    mul,
    over,
    power,
    product,
    rounded,
    silu,
    snap,
    sub,
    zero,
)
from mamba_theorems.verify.certify.blocks import common_factor, dynamics, gated, normed_input, one_hot_input
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.mqar import entries as codes
from mamba_theorems.verify.certify.mqar import moments
from mamba_theorems.verify.certify.mqar.theorem2 import REQUIRES, recall_sizes
from mamba_theorems.verify.certify.tensors import shipped

HYPOTHESES = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens of the "
    "vocabulary, with distinct keys k_1 ... k_p (H1), in whose tail no key occurs again once a value has directly "
    "followed it there (H2)"
)
DISTINCT = ", and in which no value directly follows a key at two places (H3)"
CONCLUSION = (
    ": at every tail position that holds one of k_1 ... k_p, the logit of that key's value is larger than every other "
    "logit, both in exact arithmetic on these weights and in every floating-point evaluation described below."
)
WRITES = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them; the filler, "
    "if there is one, has no code. B_t is the write code of the token before, C_t the read code of the token at t, x_t "
    "the value code of the token at t; they are 0 where that token is of the other kind. So the state changes only "
    "where a value v directly follows a key k, by Delta x(v) B(k); a stored pair (k, v) adds <C(q), B(k)> <head(w), "
    "x(v)> to logit w at a query q: C is 0 at values, and no convolution looks at two tokens.",
    "Counts: let q be queried. In the first 2p tokens one value follows q, v(q), by H1; in the tail none before the "
    "query, by H2. So (q, v(q)) is stored once and q with no other value.",
)
INTEGERS = (
    "Integers: codes, head and step size are integers, the decay is exp(0) = 1; 'largest' bounds every product and "
    "every partial sum, in any order, that a logit at such a query has. It is below 2^24 or 2^53: nothing is rounded, "
    "and the floats are the exact network's numbers.",
)
ROUNDED = (
    "Floats: x_proj gives 0 for dt, so that softplus sees its bias alone; D is 0; the gate's input is the same weight "
    "times the one entry of the token's embedding. What multiplies a value code on its way to the head is within "
    "'factor' (Delta, B, C, decay, gate, a norm's two roundings), for each channel with roundings of its own: two "
    "channels differ by 'spread', a quotient of two such numbers.",
    "Norms multiply all entries of a position by one positive factor, which is within 'norm' or 'final', rounding "
    "each. The residual at a query is the key's own one-hot, 0 at all values, and the head reads values only. Logits "
    "are stated in units of these factors; 'unit' says that one is a normal number when shown, 'underflow' what a "
    "logit that underflows may miss.",
)


@dataclass(frozen=True)
class Floats:
    """An argument in floats: words, steps of a target, what its numbers must satisfy, the inequalities that end it."""

    words: tuple[str, ...]
    steps: Callable[[str], tuple[Step, ...]]
    requires: tuple[tuple[str, Expression], ...]
    closing: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Kind:
    """A construction: its codes, how it bounds its margin in integers and in floats, and its largest numbers."""

    hypotheses: str
    words: tuple[str, ...]
    codes: Callable[[codes.Activation], codes.Codes]
    integer_margin: Expression
    integer_largest: Expression
    float_steps: tuple[Step, ...] = ()
    largest_code: Expression = 1
    largest_logit: Expression = 1
    floats: Floats | None = None
    """Its argument in the official blocks, where that is not the shared one."""
    value: int = 1
    """What a value's channels hold in the paper's blocks."""
    requires: tuple[tuple[str, Expression], ...] = ()


K2 = mul("num_keys", "num_keys")
V2 = mul("num_values", "num_values")
LENGTH = "input_seq_len"
SIGN = mul("head", mul(mul("key", "key"), mul("value", "step_size")))
HEAD = mul("head", "value_code")


def _code_error(name: str, count: Expression, ideal: Expression, scale: Expression = 1) -> Expression:
    """How far the codes of a list are from integers, at most."""
    return over("i", count, magnitude(sub(mul(silu(product(entry(name, "i"), "input")), scale), ideal)))


ONE_HOT = Kind(
    hypotheses=HYPOTHESES,
    words=("One-hot keys and values: logit v(q) is what (q, v(q)) adds, all other logits are 0 exactly.",),
    codes=lambda _: codes.ONE_HOT,
    integer_margin=SIGN,
    integer_largest=mul(LENGTH, 4),
    float_steps=(Step("margin", sub(HEAD, "underflow"), "the logit of v(q), in units of 'factor'"),),
    largest_code=2,
    largest_logit=2,
)
SIGNS = Kind(
    hypotheses=HYPOTHESES,
    words=(
        "One-hot keys; value v is 2 in the channels where a digit of columns_v is 1, and its head row is 1 there and "
        "-1 elsewhere. The columns are distinct, half of each one's digits are 1: so for w != v there are channels "
        "where v has 1 and w has 0, and logit v - logit w is twice the sum of v's entries there.",
        "Rounding: each logit is a sum of width/2 terms that are not 0, off by 'slack' of the sum of their sizes.",
    ),
    codes=codes.signs,
    integer_margin=mul(2, SIGN),
    integer_largest=mul(LENGTH, mul(4, "width")),
    float_steps=(
        Step("slack", sub(["near", add("width", 8), 1], 1), "of the sum of the terms' sizes"),
        Step("term", mul("value_code", "spread"), "an entry of v, in units of 'factor'"),
        Step(
            "margin",
            sub(
                mul("head", mul(2, "term")), add(mul(mul("width", magnitude("term")), magnitude("slack")), "underflow")
            ),
            "at one differing channel",
        ),
    ),
    largest_code=4,
    largest_logit=mul(4, "width"),
    value=2,
    requires=(
        ("no column is negative", entry("columns", 0)),
        (
            "columns have width digits",
            sub(power(2, "width"), add(entry("columns", sub("num_values", 1)), div(1, 2))),
        ),
        (
            "the columns are distinct: they grow",
            over("i", sub("num_values", 1), sub(entry("columns", add("i", 1)), add(entry("columns", "i"), 1))),
        ),
        zero(
            "half of each column's digits are 1",
            over("i", "num_values", sub(mul(2, ["sum", "j", "width", bit(entry("columns", "i"), "j")]), "width")),
        ),
    ),
)
INTEGER_VALUES = Kind(
    hypotheses=HYPOTHESES,
    words=(
        "One-hot keys; value v = 1 ... num_values has the code (v, 1), head row w is (2 w, -w^2). Logit v - logit w is "
        "(v - w)^2 in units of what the second channel holds, at least 1.",
        "Errors: with y0 = v + e0 and y1 = 1 + e1 it is (v - w) ((v - w) + 2 e0 - (v + w) e1), at least 1 - 2 |e0| - 2 "
        "num_values |e1| if that is positive. 'rounding' is that of a logit's two products (2 and 1 num_values^2 at "
        "most), their sum and its norm (1 each).",
    ),
    codes=codes.integers,
    integer_margin=SIGN,
    integer_largest=add(mul(4, V2), mul(LENGTH, 2)),
    float_steps=(
        Step("error_0", _code_error("value0", "num_values", add("i", 1), "spread"), "of y0, in units of 'factor'"),
        Step("error_1", magnitude(sub(mul("value_code", "spread"), 1)), "of y1"),
        Step("rounding", mul(div(magnitude(sub(["near", 1, 1], 1)), 2), mul(5, V2)), "of a logit: u 5 num_values^2"),
        Step(
            "margin",
            sub(
                sub("head", add(mul(2, "error_0"), mul(mul(2, "num_values"), "error_1"))),
                add(mul(2, "rounding"), "underflow"),
            ),
            "at neighbouring values, in units of 'factor'",
        ),
    ),
    largest_code=mul(2, "num_values"),
    largest_logit=mul(4, V2),
)
MOMENTS = Kind(
    hypotheses=HYPOTHESES + DISTINCT,
    words=(
        "Addresses: key k = 1 ... K writes (k, K^2 - k^2), query q reads (2 q, 1): the score is K^2 + q^2 - (q - k)^2, "
        "at most 2 K^2, largest at k = q by at least 1. A value's channel holds one write at most, by H3: logit v is "
        "the score of the key that v followed, times what all logits share; or 0.",
    ),
    codes=codes.moments,
    integer_margin=SIGN,
    integer_largest=mul(8, K2),
    floats=Floats(moments.WORDS, moments.steps, moments.REQUIRES, moments.CLOSING),
)
SIGNED = (zero("'head' is 1 or -1", sub(mul("head", "head"), 1)),)
KINDS = {
    "mqar.thm3-step1": ONE_HOT,
    "mqar.thm2-step2-amended": SIGNS,
    "mqar.value-code": INTEGER_VALUES,
    "mqar.n2-distinct": MOMENTS,
}
TARGETS = dict.fromkeys(KINDS, mqar.ALL_TARGETS)


# --------------------------------------------------------------------------------------------------- steps


def _integer_steps(kind: Kind) -> tuple[Step, ...]:
    return (
        Step("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
        Step("largest", mul(kind.integer_largest, "kept"), "no number is larger"),
        Step("exact", sub("integers", "largest"), "integers below 2^24 or 2^53 are floats"),
        Step("margin", mul(kind.integer_margin, "kept"), "an integer: the worst case"),
    )


def _float_steps(kind: Kind, target: str) -> tuple[Step, ...]:
    whole, second = target.endswith("language_model"), "mamba2" in target
    norm = common_factor(mul(kind.largest_code, "factor")) if second else 1
    final = common_factor(add(1, mul(mul(kind.largest_logit, "factor"), "norm"))) if whole else 1
    normed = whole or second
    return (
        *(normed_input(codes.V) if whole else one_hot_input()),
        Step("code", silu(product("key", "input")), "the code 1 of a key"),
        Step("code_squared", mul("code", "code"), "of B and C"),
        Step("value_code", silu(product("value", "input")), "a value's code, by SiLU"),
        *dynamics(),
        *gated(),
        Step("factor", ["near", 6, mul(mul("step_size", "code_squared"), mul("kept", "gated"))], "of a value's code"),
        Step("spread", div("factor", "factor"), "of two channels"),
        Step("norm", norm, "the block's" if second else "there is none"),
        Step("final", final, "the last norm" if whole else "there is none"),
        Step("unit", rounded(mul(mul("factor", "norm"), "final")), "a logit of 1, as it is shown: a normal number"),
        Step("underflow", div(mul(4, "tiny"), "unit") if normed else mul(4, "tiny"), "of a logit, in its units"),
        Step(
            "largest_state",
            rounded(mul(mul(LENGTH, "kept"), mul("step_size", mul(kind.largest_code, kind.largest_logit)))),
            "finite",
        ),
        *kind.float_steps,
    )


def _argument(claim: str, target: str) -> Argument:
    kind, paper = KINDS[claim], target.startswith("paper")
    floats = _integers(kind) if paper else kind.floats or _shared(kind)
    return Argument(
        claim=claim,
        target=target,
        statement=kind.hypotheses + CONCLUSION,
        words=(FLOATS, *WRITES, *kind.words, *floats.words),
        requires=(*REQUIRES, *kind.requires, *floats.requires),
        tensors=codes.tensors(kind.codes("relu" if paper else "silu"), target),
        steps=floats.steps(target),
        closing=floats.closing,
    )


def _integers(kind: Kind) -> Floats:
    """In the paper's blocks: no float differs from its integer."""
    integral = (
        *(zero(f"'{name}' is 1", sub(name, 1)) for name in ("key", "step_size")),
        zero("'value' is what ReLU passes", sub("value", kind.value)),
        *SIGNED,
    )
    return Floats(INTEGERS, lambda _: _integer_steps(kind), integral, (("exact", POSITIVE), ("margin", POSITIVE)))


def _shared(kind: Kind) -> Floats:
    """In the official blocks: relative errors, which the margin outweighs."""
    return Floats(
        ROUNDED, lambda target: _float_steps(kind, target), SIGNED, (("unit", POSITIVE), ("margin", POSITIVE))
    )


# ------------------------------------------------------------------------------------------- the subject


def _sizes(claim: str, target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {**recall_sizes(target, chosen)}
    network = _network(claim, target, sizes["vocab_size"], sizes["num_kv_pairs"])
    sizes |= {name: network.hyperparameters[name] for name in ("expand", "dt_rank") if name in network.hyperparameters}
    if claim == "mqar.thm2-step2-amended":
        words = balanced_columns(sizes["num_values"])
        columns = [int(word.replace("+", "1").replace("-", "0"), 2) for word in words]
        sizes |= {"columns": columns, "width": len(words[0])}
    return sizes


@cache
def _network(claim: str, target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    return mqar.build(claim, target, num_kv_pairs=num_kv_pairs, vocab_size=vocab_size)


def _ship(claim: str, target: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(claim, target, sizes["vocab_size"], sizes["num_kv_pairs"]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """A construction by codes in a target."""
    return Subject(
        argument=_argument(claim, target),
        sizes=lambda chosen: _sizes(claim, target, chosen),
        tensors=lambda sizes, dtype: _ship(claim, target, sizes, dtype),
    )


NAMES = ("vocab_size", "input_seq_len", "num_kv_pairs")
SMALL, LARGE = (64, 64, 8), (1024, 4096, 64)


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """Two sizes a target."""
    for claim, target, sizes in product_of(KINDS, mqar.ALL_TARGETS, (SMALL, LARGE)):
        yield claim, target, "float32", dict(zip(NAMES, sizes, strict=True))


FROZEN = tuple(_frozen())
