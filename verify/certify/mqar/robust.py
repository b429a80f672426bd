"""The arguments for recall in the paper's block by positions: extension E, and D with it, N = 2.

Keys write at the positions of the pairs only, in integers; so nothing is rounded, whatever the tail.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import RecallCodes, one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.argument import FLOATS, Argument, Scalar, positive
from mamba_theorems.verify.certify.blocks import PaperLayout
from mamba_theorems.verify.certify.functions import exp, rounded, snap
from mamba_theorems.verify.certify.layout import TensorLayout, diagonal, every, stacked
from mamba_theorems.verify.certify.mqar import entries, recall
from mamba_theorems.verify.certify.mqar.entries import columns, rows
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, P, V
from mamba_theorems.verify.certify.steps import LENGTH
from mamba_theorems.verify.certify.term import Term, equal, hull, square, the

ROBUST = "mqar.robust"
ONE_HOT, TWO_STATES = "paper", "two_state_paper"
READS = 2 * K
"""Where C's channels start, after 'open' and 'open late' of every key."""

ROBUST_STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens of the "
    "vocabulary, with distinct keys k_1 ... k_p (H1), whatever the tail"
)
DISTINCT = ", if v_1 ... v_p are distinct too (H3 in the context)"
STORED = (
    "So a value is stored under the key before it if that stands at a position <= 2 num_kv_pairs, and nothing else is: "
    "x_1 is a key, so what B is at t = 1 writes nothing; no tail token follows a key of the first 2 num_kv_pairs "
    "positions, as the last of them holds a value. (q, v(q)) is stored once, q with no other value, by H1."
)


@dataclass(frozen=True)
class ByPosition:
    """Codes: who chooses them, what they assume, what B writes in units of a weight, and the largest numbers."""

    choose: Callable[[Vocabulary], RecallCodes]
    hypothesis: str
    words: tuple[str, ...]
    codes: entries.CodesLayout
    write: Callable[[Term], entries.Code]
    bounds: tuple[Scalar, ...]
    margin: str


BLOCKS = {
    ONE_HOT: ByPosition(
        one_hot_codes,
        "",
        (
            "Channels: 'open' and 'open late' of key k are ReLU(reach [x_{t-1} = k] - s + 1) and ReLU(reach [x_{t-1} = "
            "k] - s), s = t - 1 the position of the token before, reach = 2 num_kv_pairs; at t = 1 they are 1 and 0. B "
            "is their difference: 1 for the key before where s <= reach, else 0, and 0 after other tokens; C is the "
            "one-hot of the key at t, x that of the value at t.",
            STORED,
            "Integers: all weights are integers, the decay is exp(0) = 1, and 'largest' bounds every product and "
            "partial sum. It is below 2^24 or 2^53: nothing is rounded, and the floats are the exact network's "
            "numbers.",
        ),
        entries.ONE_HOT,
        entries.one_hot_writes,
        (Scalar("largest", 4 * LENGTH + 4 * the.reach, "no number is larger"),),
        "the right logit; all others are 0",
    ),
    TWO_STATES: ByPosition(
        two_state_codes,
        DISTINCT,
        (
            "Channels: 'open' and 'open late' of key k = 1 ... K, K = num_keys, are ReLU(reach [x_{t-1} = k] - s + 1) "
            "and ReLU(reach [x_{t-1} = k] - s), s = t - 1 the position of the token before, reach = 2 num_kv_pairs; at "
            "t = 1 they are 1 and 0, for every k. B is the sum of (k, K^2 - k^2) times their difference: after t = 1 "
            "the code of the key before where s <= reach, else 0, and 0 after other tokens, where each term is 0. C is "
            "(2 q, 1) for the key q at t, x the one-hot of the value at t; they are 0 at other tokens.",
            STORED,
            "Addresses: from key k query q reads the score 2 q k + K^2 - k^2 = K^2 + q^2 - (q - k)^2, at most 2 K^2, "
            "largest at k = q by at least 1, and at least 2 there. A value stands behind one key of the context at "
            "most, by H3 there: its logit is that key's score, or 0 if it stands behind none.",
            "Integers: all weights are integers and the decay is exp(0) = 1. 'largest' bounds every product and partial"
            " sum, in any order, on the way to a logit: the positions up to input_seq_len, which is more than reach, "
            "and what is added to them; B's two terms at a pair, of different signs and at most reach K^2; C's two "
            "products with the state of a value, at most 2 K^2, as is their sum. It is below 2^24 or 2^53: nothing of "
            "this is rounded, and the floats are the exact network's numbers.",
            "The rest is B at t = 1 and the state of channels other than values', in which all writes are added up. It "
            "may be rounded, but 'unread' bounds it: x has no entry beyond reach + 2 K, B none beyond (K + reach) K^2, "
            "C none beyond 2 K, and rounding makes none 8 times as large. So it is finite, and it is multiplied by 0: B"
            " at t = 1 by the value channels of a key, readouts of other channels by the head.",
        ),
        entries.moments("relu"),
        entries.moment_writes,
        (
            Scalar(
                "largest", hull(LENGTH, the.reach * square(K)), "no number on the way to a logit exceeds the upper end"
            ),
            Scalar(
                "unread",
                rounded(32 * K * LENGTH * ((the.reach + 2 * K) * ((K + the.reach) * square(K)))),
                "8 times C's two largest entries, the length, x's largest and B's: finite",
            ),
        ),
        "at neighbouring keys",
    ),
}


def _tensors(block: ByPosition) -> dict[str, TensorLayout]:
    codes = block.codes
    n, now = codes.d_state, codes.d_state + codes.width
    d = READS + now
    opens = (diagonal(FIRST, 0, d, K, the.reach), diagonal(FIRST, K, d, K, the.reach))
    layout = PaperLayout(
        classes=V,
        d_model=d,
        d_state=n,
        embedding=(*opens, *columns(codes.read, FIRST, READS, d), *columns(codes.value, ANSWERS, READS + n, d)),
        conv=(every(0, 2, READS, 1), every(2 * READS + 1, 2, now, 1)),
        conv_bias=((K, the.bias, ()), (K + now, 0, ())),
        B=(*rows(block.write(the.opening), 0, 0, d), *rows(block.write(the.closing), 0, K, d)),
        C=(diagonal(0, READS, d, n),),
        head=columns(codes.head, ANSWERS, READS + n, d),
    )
    return layout.tensors() | {"position.weight": stacked((d,), (READS, the.position, ()), (now, 0, ()))}


def _argument(target: str) -> Argument:
    block = BLOCKS[target]
    written = the.opening * the.bias * (the.value * the.step_size)
    return Argument(
        claim=ROBUST,
        target=target,
        statement=ROBUST_STATEMENT + block.hypothesis + recall.CONCLUSION,
        words=(FLOATS, *block.words),
        requires=(
            *recall.REQUIRES,
            *recall.fixed(key=1, value=1, step_size=1, bias=1, opening=1),
            ("'closing' is -1", equal(the.closing + 1, 0)),
            ("positions count down", equal(the.position + 1, 0)),
            ("keys reach as far as the pairs", equal(the.reach, 2 * P)),
            recall.SIGNED,
        ),
        tensors=_tensors(block),
        steps=(
            Scalar("kept", snap(exp(0)), "the decay, exp(Delta A) with A = 0"),
            Scalar("written", written, "Delta x B of a pair, in units of its code"),
            *block.bounds,
            Scalar("exact", the.integers - the.largest, "integers below 2^24 or 2^53 are floats"),
            Scalar("margin", the.head * the.key * (the.written * the.kept), block.margin),
        ),
        closing=positive("exact", "margin"),
    )


def _build(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    vocabulary = Vocabulary.paper(num_kv_pairs, vocab_size - num_kv_pairs)
    return mqar.robust(vocabulary, "paper", num_kv_pairs=num_kv_pairs, choose=BLOCKS[target].choose)


FAMILIES = (recall.family(ROBUST, tuple(BLOCKS), _argument, build=_build),)
