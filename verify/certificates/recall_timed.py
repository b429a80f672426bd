"""The argument for recall in the paper's block by positions (extension E).

Keys write at the positions of the pairs only, in integers; so nothing is rounded, whatever the tail.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from constructions import mqar
from constructions.construction import Construction
from verify.certificates.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Step,
    TensorLayout,
    add,
    diagonal,
    every,
    exp,
    mul,
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

ROBUST = "mqar.robust"
TARGETS = {ROBUST: ("paper",)}
K, W = "num_keys", "num_values"

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


# ------------------------------------------------------------------------------------------- the subject


@cache
def _network(vocab_size: int, num_kv_pairs: int) -> Construction:
    return mqar.build(ROBUST, "paper", num_kv_pairs=num_kv_pairs, vocab_size=vocab_size)


def _ship(sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(sizes["vocab_size"], sizes["num_kv_pairs"]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Extension E in the paper's block."""
    return Subject(argument=_robust_argument(), sizes=lambda chosen: recall_sizes("paper", chosen), tensors=_ship)


FROZEN = tuple(
    (ROBUST, "paper", "float32", dict(zip(NAMES, size, strict=True))) for size in ((64, 64, 8), (1024, 4096, 64))
)
