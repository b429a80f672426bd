"""The arguments for recall by a selective step (extension I): N = 1, and no gate that chooses.

Every query shrinks all blocks but its own, and one step later its own too; floats keep the blocks' ratio for as long as
the smallest of them is a normal number. Evaluated step by step that is the state alone, which may start near the
largest float; a scan or chunks multiply the shrinks first, and need their product to be one. In the official block a
code that is shut is not 0 but SiLU of a number so negative that floats round it to 0; thresholds lie half-way, so that
in a language model it does not matter what the norm before the block rounds.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    POSITIVE,
    Argument,
    Entries,
    Expression,
    TensorLayout,
    add,
    block,
    diagonal,
    every,
    mul,
    stacked,
    sub,
    tensor,
    zero,
)
from mamba_theorems.verify.certify.blocks import D_CONV, LAYER, alone, language_model
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.mqar.codes import CONCLUSION, NAMES
from mamba_theorems.verify.certify.mqar.entries import ANSWERS, FIRST, V
from mamba_theorems.verify.certify.mqar.shrinking import (
    ANY_ORDER,
    IN_ORDER,
    MODEL,
    NORM_WORDS,
    PAPER_WORDS,
    QUERIES,
    SCANNED,
    SEQUENTIAL,
    SILENT,
    SILU_WORDS,
    STEPPED,
    WORDS,
    K,
    P,
    W,
    block_of,
    steps,
)
from mamba_theorems.verify.certify.mqar.theorem2 import REQUIRES, recall_sizes
from mamba_theorems.verify.certify.tensors import shipped

SELECTIVE = "mqar.n1-delta-gate"
BLOCKS = ("paper", "official", MODEL)
TARGETS = {SELECTIVE: (*BLOCKS, *(f"{SEQUENTIAL}{block}" for block in BLOCKS))}

STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens, with "
    "distinct keys k_1 ... k_p (H1), whose tail begins with the filler and holds only the filler and keys (H4), at "
    "most num_queries keys, none directly after itself"
)
FILLER = ANSWERS + W
QUERY, ASKED, ONE = K * W, K * W + K, K * W + 2 * K
PAIRS = 2 * K
MINUS = (Term(0) - 1) * the.steps

# ------------------------------------------------------------------------------------------------- layouts


def _stored(channels_first: bool, width: Expression) -> tuple[Entries, ...]:
    """Codes and indicators of the tokens, in in_proj or in the embedding."""

    def place(channel: Expression, token: Expression) -> Expression:
        row, column = (channel, token) if channels_first else (token, channel)
        return row * width + column

    far = width if channels_first else 1
    return (
        Entries(K, 1, place(the.i * W, FIRST + the.i), the.key, W, far),
        Entries(W, 1, place("i", ANSWERS + the.i), the.value, K, W * far),
        Entries(PAIRS, 1, place(QUERY + the.i, FILLER), the.other),
        Entries(PAIRS, K, place(QUERY + the.i, FIRST + the.j), the.other),
        Entries(K, 1, place(QUERY + the.i, FIRST + the.i), the.other),
        Entries(K, 1, place(ASKED + the.i, FIRST + the.i), the.other),
    )


def _taps(width: int) -> tuple[Entries, ...]:
    """Codes see the last token and minus the current one, queries the two last, asked the two before the current."""
    now = width - 1

    def tap(row: Expression, back: int, count: Expression, number: int) -> Entries:
        return Entries(1, 1, width * row + (now - back), number, count, width)

    codes = (tap(0, 1, QUERY, 1), tap(0, 0, QUERY, -1))
    return (*codes, tap(QUERY, 1, K, 1), tap(QUERY, 0, K, 2), tap(ASKED, 2, K, 1), tap(ASKED, 1, K, 2))


def _head(width: Expression) -> Entries:
    """Value i reads channel i of every block."""
    return Entries(W, 1, (ANSWERS + the.i) * width + the.i, the.head, K, W)


def _paper_tensors() -> dict[str, TensorLayout]:
    d = ONE + 1
    return {
        "embedding.weight": tensor((V, d), 0, *_stored(False, d)),
        "mixer.conv.weight": tensor((d, 3), 0, *_taps(3)),
        "mixer.conv.bias": stacked((d,), (QUERY, the.bias, ()), (PAIRS, the.blind, ()), (1, 1, ())),
        "mixer.delta.weight": tensor(
            (d, d),
            0,
            Entries(K, 1, the.i * W * d + (ASKED + the.i), the.steps, W, d),
            Entries(K, K, the.i * W * d + (QUERY + the.j), the.steps, W, d),
            Entries(K, 1, the.i * W * d + (QUERY + the.i), MINUS, W, d),
            every(QUERY * d + ONE, d, PAIRS + 1, the.quiet),
        ),
        "mixer.delta.bias": tensor((d,), the.step_size),
        "mixer.B.weight": tensor((1, d), 0, every(ONE, 1, 1, the.scale)),
        "mixer.C.weight": tensor((1, d), 0, every(ONE, 1, 1, 1)),
        "mixer.A": tensor((d, 1), the.A),
        "head.weight": tensor((V, d), 0, _head(d)),
    }


def _silu_tensors(model: bool) -> dict[str, TensorLayout]:
    """Of the official block, alone or in a language model."""
    d = the.expand * V
    patterns = (
        diagonal(0, ASKED, d, K, the.steps),
        block(0, QUERY, d, K, K, the.steps),
        diagonal(0, QUERY, d, K, MINUS),
        every(K * d + ONE, 1, 1, the.quiet),
    )
    followed = (
        Entries(K, 1, the.i * W * the.dt_rank + the.i, 1, W, the.dt_rank),
        every(QUERY * the.dt_rank + K, the.dt_rank, PAIRS + 1, 1),
    )
    constants = (every(ONE, 1, 1, the.scale),), (every(ONE, 1, 1, the.read),)
    unused = (d - (ONE + 1), 0, ())
    mixer = {
        "in_proj.weight": stacked((2 * d, V), (d, 0, _stored(True, V)), (d, the.gate, ())),
        "conv1d.weight": tensor((d, 1, D_CONV), 0, *_taps(D_CONV)),
        "conv1d.bias": stacked((d,), (QUERY, the.bias, ()), (PAIRS, the.blind, ()), (1, the.one, ()), unused),
        "x_proj.weight": stacked(
            (the.dt_rank + 2, d), (the.dt_rank, 0, patterns), *((1, 0, entries) for entries in constants)
        ),
        "dt_proj.weight": tensor((d, the.dt_rank), 0, *followed),
        "dt_proj.bias": tensor((d,), the.step_bias),
        "A_log": tensor((d, 1), the.A_log),
        "D": tensor((d,)),
        "out_proj.weight": tensor((V, d), 0, _head(d)),
    }
    named = {f"{LAYER if model else ''}mixer.{name}": layout for name, layout in mixer.items()}
    return language_model(named, V, ANSWERS, W) if model else alone(named, V)


# ---------------------------------------------------------------------------------------------- the argument

REQUIRED = (
    *REQUIRES,
    ("there is a query", QUERIES >= 1),
    ("the filler is a token", V >= FILLER + 1),
    ("steps shrink", the.steps >= 1),
    ("writes are positive", the.scale >= 0),
)


CODES = (
    ("'key' is not negative", the.key >= 0),
    ("'value' is minus 'key'", equal(the.value + the.key, 0)),
    ("'bias' is -3/2 'key'", equal(2 * the.bias + 3 * the.key, 0)),
)


def _paper_requires() -> tuple[tuple[str, Expression], ...]:
    numbers = {"other": 2, "blind": -9, "step_size": 1, "quiet": -1}
    integral = tuple((f"'{name}' is {n}", equal(name, n)) for name, n in numbers.items())
    return (*integral, *CODES, ("decays", -the.A))


def _silu_requires(model: bool) -> tuple[tuple[str, Expression], ...]:
    numbers = {"other": 512, "blind": -2304}
    return (
        *((f"'{name}' is {n}", equal(name, n)) for name, n in numbers.items()),
        *CODES,
        ("there are enough channels", the.expand * V >= ONE + 1),
        ("there are enough steps", the.dt_rank >= K + 1),
        ("a step at rest has an argument between -100 and 1", the.step_bias + 100),
        ("a step at rest has an argument between -100 and 1", the.step_bias <= 1),
        *((f"'{name}' is not negative", name) for name in ("read", "gate", "one")),
        *((("the last norm adds up at most 2^20 squares", 2**20 >= V),) if model else ()),
    )


def _argument(target: str) -> Argument:
    block, sequential = block_of(target), target.startswith(SEQUENTIAL)
    model, paper = block == MODEL, block == "paper"
    floats = FLOATS.replace(ANY_ORDER, IN_ORDER) if sequential else FLOATS
    words = PAPER_WORDS if paper else (SILENT, *SILU_WORDS)
    closing = () if paper else tuple((name, POSITIVE) for name in ("deep", "silent", "unlit", "hushed"))
    last = STEPPED if sequential else SCANNED
    return Argument(
        claim=SELECTIVE,
        target=target,
        statement=STATEMENT + CONCLUSION,
        words=(floats, *words, *WORDS, *(NORM_WORDS if model else ()), *last),
        requires=(*REQUIRED, *(_paper_requires() if paper else _silu_requires(model))),
        tensors=_paper_tensors() if paper else _silu_tensors(model),
        steps=steps(target),
        closing=(*closing, ("margin", POSITIVE)),
    )


# ------------------------------------------------------------------------------------------- the subject

LASTING, WIDEST = 23, {"paper": 46, "official": 46, MODEL: 37}
"""In float32, for one query a pair: up to where the usual form lasts, however it is evaluated; the wide, in order."""


@cache
def _network(block: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    """Keys, values and a filler. Beyond what float32 holds, the usual form."""
    vocabulary = Vocabulary(vocab_size, range(num_kv_pairs), range(num_kv_pairs, vocab_size - 1), filler=vocab_size - 1)
    wide = LASTING < num_kv_pairs <= WIDEST[block]
    return mqar.theorem4_without_gate(vocabulary, block, num_kv_pairs=num_kv_pairs, positions=False, widest=wide)


def _sizes(target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """One token is the filler; as many queries as pairs, unless it is said."""
    sizes: dict[str, Any] = {**recall_sizes("paper", {**chosen, "vocab_size": chosen.get("vocab_size", 0) - 1})}
    sizes |= {"vocab_size": sizes["vocab_size"] + 1, QUERIES: chosen.get(QUERIES, sizes[P])}
    network = _network(block_of(target), sizes["vocab_size"], sizes[P])
    names = () if block_of(target) == "paper" else ("expand", "dt_rank")
    return sizes | {name: network.hyperparameters[name] for name in names}


def _ship(target: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(block_of(target), sizes["vocab_size"], sizes[P]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Extension I in the paper's block, the official one, or a language model of one layer, without positions."""
    return Subject(
        argument=_argument(target),
        sizes=lambda chosen: _sizes(target, chosen),
        tensors=lambda sizes, dtype: _ship(target, sizes, dtype),
    )


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    small, lasting, most = (65, 64, 8), (1024, 4096, LASTING), (1024, 4096, 64)
    for target in TARGETS[SELECTIVE]:
        in_order, widest = target.startswith(SEQUENTIAL), (1024, 4096, WIDEST[block_of(target)])
        float64 = () if in_order else (("float64", (most,)),)
        for dtype, sizes in (("float32", (small, widest if in_order else lasting)), *float64):
            for size in sizes:
                yield SELECTIVE, target, dtype, dict(zip(NAMES, size, strict=True))


FROZEN = tuple(_frozen())
