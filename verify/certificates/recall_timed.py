"""The arguments for recall in the paper's block by positions (extension E) and by a selective step (extension I).

E: keys write at the positions of the pairs only, in integers. I: every query shrinks all blocks but its own, and one
step later its own too; floats keep the blocks' ratio for as long as the smallest of them is a normal number.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from constructions import mqar
from constructions.construction import Construction
from constructions.tasks import Vocabulary
from verify.certificates.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Entries,
    Step,
    TensorLayout,
    add,
    block,
    diagonal,
    div,
    every,
    exp,
    hull,
    magnitude,
    mul,
    near,
    power,
    rounded,
    snap,
    stacked,
    sub,
    tensor,
    zero,
)
from verify.certificates.certificate import Subject, Tensors
from verify.certificates.codes import ANSWERS, FIRST, V
from verify.certificates.recall import REQUIRES, recall_sizes
from verify.certificates.recall_codes import CONCLUSION, LENGTH, NAMES
from verify.certificates.tensors import shipped

ROBUST, SELECTIVE = "mqar.robust", "mqar.n1-delta-gate"
TARGETS = dict.fromkeys((ROBUST, SELECTIVE), ("paper",))
K, W = "num_keys", "num_values"

# --------------------------------------------------------------------------------- extension E: positions

ROBUST_STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens of the "
    "vocabulary, with distinct keys k_1 ... k_p (H1), whatever the tail"
)
ROBUST_WORDS = (
    "Channels: 'open' and 'open late' of key k are ReLU(reach [x_{t-1} = k] - s + 1) and ReLU(reach [x_{t-1} = k] - "
    "s), s = t - 1 the position of the token before, reach = 2 num_kv_pairs; at t = 1 they are 1 and 0. B is their "
    "difference: 1 for the key before where s <= reach, else 0, and 0 after other tokens; C is the one-hot of the key "
    "at t, x that of the value at t.",
    "So a value is stored under the key before it if that stands at a position <= 2 num_kv_pairs, and nothing else is: "
    "x_1 is a key, so what B is at t = 1 writes nothing; no tail token follows a key of the first 2 num_kv_pairs "
    "positions, as the last of them holds a value. (q, v(q)) is stored once, q with no other value, by H1.",
    "Integers: all weights are integers, the decay is exp(0) = 1, and 'largest' bounds every product and partial sum. "
    "It is below 2^24 or 2^53: nothing is rounded, and the floats are the exact network's numbers.",
)


def _robust_tensors() -> dict[str, TensorLayout]:
    reads, values, d = mul(2, K), mul(3, K), add(mul(3, K), W)
    opens = (diagonal(FIRST, 0, d, K, "reach"), diagonal(FIRST, K, d, K, "reach"))
    now = add(K, W)
    return {
        "embedding.weight": tensor(
            (V, d), 0, *opens, diagonal(FIRST, reads, d, K, "key"), diagonal(ANSWERS, values, d, W, "value")
        ),
        "position.weight": stacked((d,), (mul(2, K), "position", ()), (now, 0, ())),
        "mixer.conv.weight": tensor((d, 2), 0, every(0, 2, mul(2, K), 1), every(add(mul(4, K), 1), 2, now, 1)),
        "mixer.conv.bias": stacked((d,), (K, "bias", ()), (mul(2, K), 0, ()), (W, 0, ())),
        "mixer.delta.weight": tensor((d, d)),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": tensor((K, d), 0, diagonal(0, 0, d, K, "opening"), diagonal(0, K, d, K, "closing")),
        "mixer.C.weight": tensor((K, d), 0, diagonal(0, reads, d, K)),
        "mixer.A": tensor((d, K)),
        "head.weight": tensor((V, d), 0, diagonal(ANSWERS, values, d, W, "head")),
    }


def _robust_argument() -> Argument:
    ones = ("key", "value", "step_size", "bias", "opening")
    open_ = mul("opening", "bias")
    return Argument(
        claim=ROBUST,
        target="paper",
        statement=ROBUST_STATEMENT + CONCLUSION,
        words=(FLOATS, *ROBUST_WORDS),
        requires=(
            *REQUIRES,
            *(zero(f"'{name}' is 1", sub(name, 1)) for name in ones),
            zero("'closing' is -1", add("closing", 1)),
            zero("positions count down", add("position", 1)),
            zero("keys reach as far as the pairs", sub("reach", mul(2, "num_kv_pairs"))),
            zero("'head' is 1 or -1", sub(mul("head", "head"), 1)),
        ),
        tensors=_robust_tensors(),
        steps=(
            Step("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
            Step("written", mul(open_, mul("value", "step_size")), "Delta x B of a pair"),
            Step("largest", add(mul(4, LENGTH), mul(4, "reach")), "no number is larger"),
            Step("exact", sub("integers", "largest"), "integers below 2^24 or 2^53 are floats"),
            Step("margin", mul(mul("head", "key"), mul("written", "kept")), "the right logit; all others are 0"),
        ),
        closing=(("exact", POSITIVE), ("margin", POSITIVE)),
    )


# ---------------------------------------------------------------------------- extension I: a selective step

SELECTIVE_STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens, with "
    "distinct keys k_1 ... k_p (H1), whose tail begins with the filler and holds only the filler and keys (H4), at "
    "most num_queries keys, none directly after itself"
)
SELECTIVE_WORDS = (
    "Channels: code (k, v) is ReLU([x_{t-1} = k] + [x_t = v] - 1), 1 where v directly follows k, else 0 (keys count 1 "
    "on their block, values -1 under a tap of -1). 'query' of key k is 1 where x_t is k behind the filler or another "
    "key, else 0 (2 * 2 + 1 - 4; behind a value or nothing 2 * 2 - 4); 'asked' the same one token later. B is "
    "'scale', C is 1. No pair is written where one of these is 1, as the tail has no value: it adds step_size scale.",
    "Step: Delta of block k is step_size + steps (asked k + the queries of other keys). So at the n-th query all "
    "blocks have been shrunk by the n - 1 before, and by the n-th all but block q; each shrink is a factor within "
    "'per_query', any other step one within 'base'. Two shrinks in one step are within its square.",
    "Query: logit w is the sum of channel w of all blocks. Block q holds v(q)'s write, every other block at most one "
    "wrong value's, with one shrink more: at most 'others' of what block q holds, whatever the pairs' ages; 'spread' "
    "bounds the quotient of two products of as many factors. 'least_state' is a normal number, so that block q never "
    "underflows; what underflow adds to others is 'underflow' of it.",
)
QUERY, ASKED, ONE = mul(K, W), add(mul(K, W), K), add(mul(K, W), mul(2, K))


def _selective_tensors() -> dict[str, TensorLayout]:
    d, n = add(ONE, 1), mul(2, K)
    filler = add(ANSWERS, W)
    minus = mul(sub(0, 1), "steps")
    return {
        "embedding.weight": tensor(
            (V, d),
            0,
            Entries(K, W, add(mul(add(FIRST, "i"), d), add(mul("i", W), "j")), "key"),
            Entries(W, K, add(mul(add(ANSWERS, "i"), d), add(mul("j", W), "i")), "value"),
            block(filler, QUERY, d, 1, n, "other"),
            block(FIRST, QUERY, d, K, n, "other"),
            diagonal(FIRST, QUERY, d, K, "other"),
            diagonal(FIRST, ASKED, d, K, "other"),
        ),
        "mixer.conv.weight": tensor(
            (d, 3),
            0,
            every(1, 3, QUERY, 1),
            every(2, 3, QUERY, -1),
            every(add(mul(3, QUERY), 1), 3, K, 1),
            every(add(mul(3, QUERY), 2), 3, K, 2),
            every(mul(3, ASKED), 3, K, 1),
            every(add(mul(3, ASKED), 1), 3, K, 2),
        ),
        "mixer.conv.bias": stacked((d,), (QUERY, "bias", ()), (n, -4, ()), (1, 1, ())),
        "mixer.delta.weight": tensor(
            (d, d),
            0,
            Entries(K, W, add(mul(add(mul("i", W), "j"), d), add(QUERY, "i")), minus),
            Entries(K, W, add(mul(add(mul("i", W), "j"), d), add(ASKED, "i")), "steps"),
            block(0, QUERY, d, QUERY, K, "steps"),
        ),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": tensor((1, d), 0, every(ONE, 1, 1, "scale")),
        "mixer.C.weight": tensor((1, d), 0, every(ONE, 1, 1, 1)),
        "mixer.A": tensor((d, 1), "A"),
        "head.weight": tensor((V, d), 0, Entries(W, K, add(mul(add(ANSWERS, "i"), d), add(mul("j", W), "i")), "head")),
    }


def _selective_steps() -> tuple[Step, ...]:
    exponent = ["near", 2, mul("A", add("step_size", "steps"))]
    ages = hull(1, power("base", LENGTH))
    return (
        Step("base", ["snap", 2, snap(exp(mul("A", "step_size")))], "of a step without a query, with its roundings"),
        Step("per_query", ["near", 2, near(exp(exponent))], "of a step that shrinks once more, and of its roundings"),
        Step("spread", mul(div(ages, ages), power(div("per_query", "per_query"), "num_queries")), "of two blocks"),
        Step("others", mul(mul(sub("num_kv_pairs", 1), "per_query"), "spread"), "all other blocks over block q"),
        Step("written", rounded(mul("step_size", "scale")), "Delta x B of a pair"),
        Step(
            "least_state",
            rounded(mul("written", mul(power("base", LENGTH), power("per_query", "num_queries")))),
            "block q at the last query, a normal number",
        ),
        Step("underflow", div(mul(mul(64, LENGTH), mul("num_kv_pairs", "least")), "least_state"), "of all others"),
        Step("rounding", magnitude(sub(["near", add("num_kv_pairs", 4), 1], 1)), "of the sum of the blocks"),
        Step(
            "margin",
            sub("head", add("others", add("underflow", mul(4, "rounding")))),
            "the right logit over any other, in units of block q",
        ),
    )


def _selective_argument() -> Argument:
    numbers = {"key": 1, "value": -1, "other": 1, "bias": -1, "step_size": 1}
    return Argument(
        claim=SELECTIVE,
        target="paper",
        statement=SELECTIVE_STATEMENT + CONCLUSION,
        words=(FLOATS, *SELECTIVE_WORDS),
        requires=(
            *REQUIRES,
            *(zero(f"'{name}' is {n}", sub(name, n)) for name, n in numbers.items()),
            zero("'head' is 1 or -1", sub(mul("head", "head"), 1)),
            ("the filler is a token", sub(V, add(ANSWERS, add(W, 1)))),
            ("steps shrink", sub("steps", 1)),
            ("writes are positive", "scale"),
            ("decays", sub(0, "A")),
        ),
        tensors=_selective_tensors(),
        steps=_selective_steps(),
        closing=(("margin", POSITIVE),),
    )


# ------------------------------------------------------------------------------------------- the subjects


def _sizes(claim: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    if claim == ROBUST:
        return recall_sizes("paper", chosen)
    sizes = recall_sizes("paper", {**chosen, "vocab_size": chosen.get("vocab_size", 0) - 1})
    queries = chosen.get("num_queries", sizes["num_kv_pairs"])
    return {**sizes, "vocab_size": sizes["vocab_size"] + 1, "num_queries": queries}


@cache
def _network(claim: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    if claim == ROBUST:
        return mqar.build(claim, "paper", num_kv_pairs=num_kv_pairs, vocab_size=vocab_size)
    vocabulary = Vocabulary(vocab_size, range(num_kv_pairs), range(num_kv_pairs, vocab_size - 1), filler=vocab_size - 1)
    return mqar.build(claim, "paper", num_kv_pairs=num_kv_pairs, vocab_size=vocab_size, vocabulary=vocabulary)


def _ship(claim: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(claim, sizes["vocab_size"], sizes["num_kv_pairs"]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Extension E or I in the paper's block."""
    return Subject(
        argument=_robust_argument() if claim == ROBUST else _selective_argument(),
        sizes=lambda chosen: _sizes(claim, chosen),
        tensors=lambda sizes, dtype: _ship(claim, sizes, dtype),
    )


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    kinds = (
        (ROBUST, "float32", ((64, 64, 8), (1024, 4096, 64))),
        (SELECTIVE, "float32", ((65, 64, 8), (129, 4096, 24))),
        (SELECTIVE, "float64", ((129, 4096, 64),)),
    )
    for claim, dtype, sizes in kinds:
        for size in sizes:
            yield claim, "paper", dtype, dict(zip(NAMES, size, strict=True))


FROZEN = tuple(_frozen())
