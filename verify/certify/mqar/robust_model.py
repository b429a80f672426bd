"""The arguments for recall by positions in a language model whose first layer counts: extension E, and D with it.

One channel shuts the step after the context; before, a write is as if there were no positions. So the codes' margins
hold whatever the tail, in floats that may compute the count, every code and every step with an error.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product as product_of
from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import RecallCodes, one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Expression,
    Step,
    TensorLayout,
    add,
    diagonal,
    div,
    every,
    exp,
    hull,
    magnitude,
    mul,
    near,
    product,
    rounded,
    silu,
    softplus,
    sub,
    total,
)
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.mqar import entries as codes
from mamba_theorems.verify.certify.mqar import moments
from mamba_theorems.verify.certify.mqar.codes import CONCLUSION, LENGTH, NAMES
from mamba_theorems.verify.certify.mqar.counting import (
    COUNT,
    D_INNER,
    WORDS,
    D,
    Second,
    count_steps,
    counting_model,
    kept,
)
from mamba_theorems.verify.certify.mqar.entries import ANSWERS, FIRST
from mamba_theorems.verify.certify.mqar.robust import DISTINCT, ROBUST, ROBUST_STATEMENT
from mamba_theorems.verify.certify.mqar.theorem2 import REQUIRES, recall_sizes
from mamba_theorems.verify.certify.tensors import shipped

ONE_HOT, TWO_STATES = "language_model", "two_state_language_model"
TARGETS = {ROBUST: (ONE_HOT, TWO_STATES)}
P = "num_kv_pairs"
ROBUST_WORDS = (
    "Channels of the second layer: B's, with the write code of the token before; C's, with the read code of the token "
    "at t; x's, with the value code of the token at t; and 'late', SiLU of late count + threshold. A code of n is n "
    "times a number within 'key_code' or 'value_code': SiLU(x) is x sigmoid(x), and sigmoid grows. Every other "
    "channel, and a code of a token of the other kind, is 0 exactly.",
    "Step: Delta is softplus of step_bias + closing SiLU(late count + threshold), closing < 0. Up to t = 2 num_kv_pairs"
    " 'late' has an argument of at most -'early', where |SiLU(-x)| <= x exp(-x), which falls for x > 1: Delta is "
    "within 'step_size'. From t = 2 num_kv_pairs + 2 on its argument is at least 'past', and Delta <= exp(argument) "
    "at most 'step_closed'.",
    "Writes: the state changes only where a value directly follows a key, by Delta x(v) B(k). Up to 2 num_kv_pairs "
    "these are the pairs; at 2 num_kv_pairs + 1 a value stands before; after that Delta is at most 'step_closed', and "
    "all such writes together add at most 'stray' to a logit, half of it for what floats round off when they add one "
    "to another number, which is no more than the write. All numbers are >= 0.",
    "Logits: x(v) B(k) adds <C(q), B(k)> x(v) to logit v at a query q, times what is within 'factor', for each pair "
    "and each term with roundings of its own. The residual at a query is the key's one-hot, the count and the anchor, "
    "0 at all values, and the head reads values only. The last norm's factor, the same for all logits but for their "
    "roundings, is left out; 'shown' says that a logit of 1 is a normal number on the way, 'underflow' what one that "
    "underflows may miss.",
)


@dataclass(frozen=True)
class Kind:
    """Codes, the largest score of two of them, the largest code that B has, and how the margin follows."""

    choose: Callable[[Vocabulary], RecallCodes]
    codes: codes.Codes
    hypothesis: str
    words: tuple[str, ...]
    score: Expression
    write: Expression
    margin: Expression
    steps: tuple[Step, ...] = ()
    requires: tuple[tuple[str, Expression], ...] = ()


K2 = the.num_keys * the.num_keys
EXACT_STEP = softplus(the.step_bias + hull(the.off, -the.off))
OWN = (
    *moments.given_back("normed"),
    Scalar(
        "norms", snap(the.squares / the.squares, 24), "of what two norms multiply a code by: 1 if they see one float"
    ),
    Scalar("deltas", snap(EXACT_STEP / EXACT_STEP, 24), "of two steps in the context: 1 if they see one float"),
    Scalar("alike", the.norms * the.norms * (the.deltas * the.passed), "of two pairs' Delta x and B, roundings apart"),
    Scalar("own", near(the.code * the.alike * the.kept, 5), "of a logit: at most 9 roundings beside, < 10 u"),
    Scalar("quotient", the.own / the.own, "of two logits"),
    Scalar("tilt", near(the.code, 1) / near(the.code, 1), "t, of C's two entries"),
)
SLACK = the.stray / the.factor + the.underflow
SIGN = the.head / abs(the.head)
KINDS = {
    ONE_HOT: Kind(
        one_hot_codes,
        codes.ONE_HOT,
        "",
        ("One-hot keys and values: the pair (q, v(q)) adds 1 to logit v(q), and no other pair adds to any logit.",),
        1,
        1,
        1 - SLACK,
    ),
    TWO_STATES: Kind(
        two_state_codes,
        codes.moments("relu"),
        DISTINCT,
        (
            "Addresses: key k = 1 ... K writes (k, K^2 - k^2), query q reads (2 q, 1): the score is K^2 + q^2 - (q - "
            "k)^2, at most 2 K^2, and largest at k = q by at least 1. A value stands behind one key of the context, by "
            "H3 there: its logit is that key's score times a factor.",
            "What all logits share: sigmoid is within u/4 of 1 at codes and gates ('open' exists), so that SiLU "
            "gives floats back, and in exact arithmetic at least 'passed' of them. Two norms' sums of squares have a "
            "quotient within that of 'squares': if it is within u/4 of 1, all are the anchor's float, and a norm is "
            "taken to be evaluated alike at all positions, so that a token's one entry is one float; else two "
            "entries differ by 24 ulps at most, roundings with them ('norms'). So do two Deltas in the context "
            "('deltas'): there the argument is the float 'step_bias', which softplus is taken to give back from 64 "
            "on. The gate, C and the last norm's factor belong to a position. 'alike' is what is left.",
            "What they do not share is within 'own': the decay, and the roundings of B's code and entry, of two "
            "products with Delta and x, of the product with C, the sum of two, the gate, the head and the last norm's "
            "two factors. 'quotient' is that of two logits, t that of C's two entries, in units of the second of which "
            "key k has the score 2 q k t + K^2 - k^2, at most K^2 (1 + t^2); that of q is |q - k| (|q - k| - 2 q |t - "
            "1|) more, at least 1 - 2 K |t - 1| if that is positive. The margin is this, less the largest score times "
            "what 'quotient' is off from 1, and less what late writes and underflow may add.",
        ),
        2 * K2,
        K2,
        moments.LEAD - SLACK,
        OWN,
        (("softplus gives its argument back", the.step_bias >= 64),),
    ),
}


def _late(c: codes.Codes) -> Expression:
    """Where 'late' stands, after B's, C's and x's channels."""
    return 2 * c.d_state + c.width


def _layout(kind: Kind) -> dict[str, TensorLayout]:
    c = kind.codes
    n, values, late = c.d_state, 2 * c.d_state, _late(c)

    def rows(part: tuple[codes.Code, ...], row: Expression, column: Expression) -> tuple[Any, ...]:
        return tuple(code.channels_by_tokens(row, column, D) for code in part)

    stored = (*rows(c.write, 0, FIRST), *rows(c.read, n, FIRST), *rows(c.value, values, ANSWERS))
    return counting_model(
        Second(
            d_state=n,
            x=(*stored, every(late * D + COUNT, 1, 1, the.late)),
            conv=(every(2, 4, n, 1), every(4 * n + 3, 4, n + c.width + 1, 1)),
            conv_bias=(every(late, 1, 1, the.threshold),),
            steps=(every(late, 1, 1, the.closing),),
            B=(diagonal(0, 0, D_INNER, n, the.B),),
            C=(diagonal(0, n, D_INNER, n, the.C),),
            follow=(every(0, the.dt_rank, late + 1, 1),),
            out_proj=tuple(code.tokens_by_channels(ANSWERS, values, D_INNER) for code in c.head),
        )
    )


def _steps(kind: Kind) -> tuple[Step, ...]:
    context = 2 * P
    largest = 4 * (P + 2) * kind.score
    closed = 2 * LENGTH * the.step_closed * (the.value_factor * kind.score / the.step_size)
    logits = (P + 1 + the.stray / the.factor) * (the.factor * kind.score)
    stored = the.step_size * the.value_code * (the.B * the.key_code) * kind.write
    read = 4 * the.num_keys * hull(1, the.gated)
    actual = 1 + _square(LENGTH * the.unit) + the.num_values * _square(logits)
    return (
        *count_steps(16 * _square(LENGTH) + the.num_values * _square(largest)),
        Scalar("pace", near(the.late * (the.unit * the.normed), 3), "a position, in the channel 'late'"),
        Scalar("early", rounded(-the.threshold - context * the.pace), "minus its argument at 2 num_kv_pairs"),
        Scalar("beyond", the.early - 1, "x exp(-x) falls from there on"),
        Scalar("ajar", 4 * (the.early * exp(-the.early) + the.tiny), "|SiLU| of it, at most"),
        Scalar("off", abs(2 * the.closing * the.ajar), "what it may add to Delta's argument"),
        Scalar("step_size", near(softplus(rounded(the.step_bias + hull(the.off, -the.off)))), "Delta in the context"),
        Scalar(
            "past", rounded((context + 2) * the.pace + the.threshold), "the argument of 'late' at 2 num_kv_pairs + 2"
        ),
        Scalar(
            "shut",
            rounded(the.step_bias + rounded(the.closing * silu(the.past))),
            "the argument of Delta then, at most",
        ),
        Scalar("step_closed", 2 * exp(the.shut) + the.tiny, "and Delta"),
        Scalar("key_code", silu(rounded(the.key * the.normed)), "the code 1 of a key"),
        Scalar("value_code", silu(rounded(the.value * the.normed)), "of a value"),
        Scalar("gated", silu(rounded(the.gate * the.normed)), "SiLU(z)"),
        *kept("", the.step_size),
        Scalar(
            "read",
            near(_squared_code() * (the.kept * (the.gated * abs(the.head))), 12),
            "what multiplies Delta x(v), for each unit of the score",
        ),
        Scalar("factor", the.step_size * the.value_code * the.read, "of a pair's score, in its logit"),
        Scalar("value_factor", hull(the.factor, the.factor * near(1, 4)), "with the roundings of a late write"),
        Scalar("stray", abs(closed), "what all late writes add to a logit, at most"),
        Scalar("largest", rounded(LENGTH * the.kept * (stored * read)), "no number in the block is larger: finite"),
        Scalar("shown", rounded(the.factor / the.rms), "a logit of 1 behind the last norm, its weight left out"),
        Scalar("underflow", 8 * the.tiny / the.shown, "of two logits"),
        Scalar("room", the.beside - actual, "nothing that a norm sees beside the anchor is larger"),
        *kind.steps,
        Scalar("margin", kind.margin - (1 - SIGN), "in units of the right logit's factor: the worst case"),
    )


def _squared_code() -> Expression:
    return the.B * the.key_code * (the.C * the.key_code)


def _square(x: Expression) -> Expression:
    return x * x


def _argument(target: str) -> Argument:
    kind = KINDS[target]
    positive = ("key", "value", "B", "C", "late", "anchor", "norm_weight", "count_out", "gate")
    return Argument(
        claim=ROBUST,
        target=target,
        statement=ROBUST_STATEMENT + kind.hypothesis + CONCLUSION,
        words=(FLOATS, *WORDS, *ROBUST_WORDS, *kind.words),
        requires=(
            *REQUIRES,
            ("the stream holds count and anchor", D >= the.vocab_size + 2),
            ("there are enough channels", D_INNER >= _late(kind.codes) + 1),
            ("the step closes", the.closing <= 0),
            *((f"'{name}' is not negative", name) for name in positive),
            *kind.requires,
        ),
        tensors=_layout(kind),
        steps=_steps(kind),
        closing=tuple((name, POSITIVE) for name in ("beyond", "room", "margin")),
    )


# ------------------------------------------------------------------------------------------- the subject


@cache
def _network(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    vocabulary = Vocabulary.zoology(vocab_size)
    return mqar.robust(vocabulary, ONE_HOT, num_kv_pairs=num_kv_pairs, choose=KINDS[target].choose)


def _sizes(target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {**recall_sizes(ONE_HOT, chosen)}
    network = _network(target, sizes["vocab_size"], sizes["num_kv_pairs"])
    return sizes | {name: network.hyperparameters[name] for name in ("d_model", "expand", "dt_rank")}


def _ship(target: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(target, sizes["vocab_size"], sizes["num_kv_pairs"]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Extension E in a language model, over one-hot codes or two states."""
    return Subject(
        argument=_argument(target),
        sizes=lambda chosen: _sizes(target, chosen),
        tensors=lambda sizes, dtype: _ship(target, sizes, dtype),
    )


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """Two sizes a target."""
    for target, size in product_of((ONE_HOT, TWO_STATES), ((64, 64, 8), (1024, 4096, 64))):
        yield ROBUST, target, "float32", dict(zip(NAMES, size, strict=True))


FROZEN = tuple(_frozen())
