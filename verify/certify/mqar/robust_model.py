"""The arguments for recall by positions in a language model whose first layer counts: extension E, and D with it.

One channel shuts the step after the context; before, a write is as if there were no positions. So the codes' margins
hold whatever the tail, in floats that may compute the count, every code and every step with an error.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import RecallCodes, one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, Argument, Requirement, Scalar, not_negative, positive
from mamba_theorems.verify.certify.blocks import MixerLayout
from mamba_theorems.verify.certify.family import Mutants, one_more
from mamba_theorems.verify.certify.functions import exp, near, rounded, silu, snap, softplus
from mamba_theorems.verify.certify.layout import diagonal, every, single
from mamba_theorems.verify.certify.mqar import counting, entries, moments, recall, robust
from mamba_theorems.verify.certify.mqar.counting import COUNT, D_INNER, D
from mamba_theorems.verify.certify.mqar.entries import columns, rows
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, P, V
from mamba_theorems.verify.certify.steps import LENGTH
from mamba_theorems.verify.certify.term import Term, hull, square, the, within

ONE_HOT, TWO_STATES = "language_model", "two_state_language_model"
VALUES = the.num_values
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
class ByCount:
    """Codes, the largest score of two of them, the largest code that B has, and how the margin follows."""

    choose: Callable[[Vocabulary], RecallCodes]
    codes: entries.CodesLayout
    hypothesis: str
    words: tuple[str, ...]
    score: Term
    write: Term
    margin: Term
    steps: tuple[Scalar, ...] = ()
    requires: tuple[Requirement, ...] = ()


EXACT_STEP = softplus(the.step_bias + within(the.off))
OWN = (
    *moments.given_back(the.normed),
    Scalar(
        "norms", snap(the.squares / the.squares, 24), "of what two norms multiply a code by: 1 if they see one float"
    ),
    Scalar("deltas", snap(EXACT_STEP / EXACT_STEP, 24), "of two steps in the context: 1 if they see one float"),
    Scalar("alike", square(the.norms) * (the.deltas * the.passed), "of two pairs' Delta x and B, roundings apart"),
    Scalar("own", near(the.code * the.alike * the.kept, 5), "of a logit: at most 9 roundings beside, < 10 u"),
    Scalar("quotient", the.own / the.own, "of two logits"),
    Scalar("tilt", near(the.code, 1) / near(the.code, 1), "t, of C's two entries"),
)
SLACK = the.stray / the.factor + the.underflow
MODELS = {
    ONE_HOT: ByCount(
        one_hot_codes,
        entries.ONE_HOT,
        "",
        ("One-hot keys and values: the pair (q, v(q)) adds 1 to logit v(q), and no other pair adds to any logit.",),
        Term(1),
        Term(1),
        1 - SLACK,
    ),
    TWO_STATES: ByCount(
        two_state_codes,
        entries.moments("relu"),
        robust.DISTINCT,
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
        2 * square(K),
        square(K),
        moments.LEAD - SLACK,
        OWN,
        moments.REQUIRES,
    ),
}


def _late(codes: entries.CodesLayout) -> Term:
    """Where 'late' stands, after B's, C's and x's channels."""
    return 2 * codes.d_state + codes.width


def _mixer(codes: entries.CodesLayout) -> MixerLayout:
    n, late = codes.d_state, _late(codes)
    stored = (*rows(codes.write, 0, FIRST, D), *rows(codes.read, n, FIRST, D), *rows(codes.value, 2 * n, ANSWERS, D))
    return MixerLayout(
        d_model=D,
        d_inner=D_INNER,
        d_state=n,
        x=(*stored, single(late * D + COUNT, the.late)),
        conv=(every(2, 4, n, 1), every(4 * n + 3, 4, n + codes.width + 1, 1)),
        conv_bias=((D_INNER, 0, (single(late, the.threshold),)),),
        steps=(single(late, the.closing),),
        B=(diagonal(0, 0, D_INNER, n, the.B),),
        C=(diagonal(0, n, D_INNER, n, the.C),),
        dt_proj=(0, (every(0, the.dt_rank, late + 1, 1),)),
        out_proj=columns(codes.head, ANSWERS, 2 * n, D_INNER),
        gate=counting.GATE,
    )


def _steps(target: str, model: ByCount) -> tuple[Scalar, ...]:
    context = 2 * P
    largest = 4 * (P + 2) * model.score
    closed = 2 * LENGTH * the.step_closed * (the.value_factor * model.score / the.step_size)
    logits = (P + 1 + the.stray / the.factor) * (the.factor * model.score)
    code = the.B * the.key_code * (the.C * the.key_code)
    path = (the.step_size, the.value_code, the.B, the.key_code, the.C, the.key_code, the.kept, the.gated, the.head)
    count = abs(the.late) * (2 * LENGTH * (the.unit * the.normed))
    most_step = hull(the.step_size, softplus(the.step_bias))
    actual = 1 + square(LENGTH * the.unit) + VALUES * square(logits)
    return (
        *counting.count_steps(16 * square(LENGTH) + VALUES * square(largest), model.codes.d_state),
        Scalar("pace", near(the.late * (the.unit * the.normed), 3), "a position, in the channel 'late'"),
        Scalar("early", rounded(-the.threshold - context * the.pace), "minus its argument at 2 num_kv_pairs"),
        Scalar("beyond", the.early - 1, "x exp(-x) falls from there on"),
        Scalar("ajar", 4 * (the.early * exp(-the.early) + the.tiny), "|SiLU| of it, at most"),
        Scalar("off", abs(2 * the.closing * the.ajar), "what it may add to Delta's argument"),
        Scalar("step_size", near(softplus(rounded(the.step_bias + within(the.off)))), "Delta in the context"),
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
        *counting.kept("", the.step_size),
        Scalar(
            "read",
            near(code * (the.kept * (the.gated * abs(the.head))), 12),
            "what multiplies Delta x(v), for each unit of the score",
        ),
        Scalar("factor", the.step_size * the.value_code * the.read, "of a pair's score, in its logit"),
        Scalar("value_factor", hull(the.factor, the.factor * near(1, 4)), "with the roundings of a late write"),
        Scalar("stray", 64 * abs(closed), "what late writes add to a logit; what underflows is at most doubled"),
        *ranges.block(target, _mixer(model.codes), the.normed, also=count, delta=most_step),
        Scalar("path", ranges.in_any_order(*path), "all products on the way from a code 1 to its logit"),
        Scalar("shown", rounded(the.factor / the.rms), "a logit of 1 behind the last norm, its weight left out"),
        Scalar("underflow", 8 * the.tiny / the.shown, "of two logits"),
        Scalar(
            "answer", ranges.in_any_order(the.factor, 1 / the.rms, the.norm_weight), "that logit behind the last norm"
        ),
        Scalar("most_logit", ranges.finite(logits * the.normed), "of all logits"),
        Scalar("room", the.beside - actual, "nothing that a norm sees beside the anchor is larger"),
        *model.steps,
        Scalar("margin", model.margin - (1 - recall.HEAD_SIGN), "in units of the right logit's factor: the worst case"),
    )


def _argument(target: str) -> Argument:
    model = MODELS[target]
    return Argument(
        claim=robust.ROBUST,
        target=target,
        statement=robust.ROBUST_STATEMENT + model.hypothesis + recall.CONCLUSION,
        words=(FLOATS, *ranges.WORDS, *counting.WORDS, *ROBUST_WORDS, *model.words),
        requires=(
            *recall.REQUIRES,
            ("the stream holds count and anchor", D >= V + 2),
            ("there are enough channels", _late(model.codes) + 1 <= D_INNER),
            ("the step closes", the.closing <= 0),
            *not_negative("key", "value", "B", "C", "late", "anchor", "norm_weight", "count_out", "gate"),
            *model.requires,
        ),
        tensors=counting.counting_model(_mixer(model.codes)),
        steps=_steps(target, model),
        closing=positive("beyond", "room", "margin"),
    )


# ---------------------------------------------------------------------------------------------- the family


def _build(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    vocabulary = Vocabulary.zoology(vocab_size)
    return mqar.robust(vocabulary, ONE_HOT, num_kv_pairs=num_kv_pairs, choose=MODELS[target].choose)


MUTANTS: Mutants = {
    "readout negated": {"layers.1.mixer.out_proj.weight": np.negative},
    "one entry of D": {"mixer.D": one_more},
    "one entry of x_proj": {"mixer.x_proj.weight": one_more},
}
FAMILIES = (
    recall.family(
        robust.ROBUST,
        tuple(MODELS),
        _argument,
        build=_build,
        shapes=("d_model", "expand", "dt_rank"),
        mutants=lambda target: MUTANTS,
    ),
)
