"""The arguments for recall by a selective step (extension I): N = 1, and no gate that chooses.

Every query shrinks all blocks but its own, and one step later its own too; floats keep the blocks' ratio for as long as
the smallest of them is a normal number. Evaluated step by step that is the state alone, which may start near the
largest float; a scan or chunks multiply the shrinks first, and need their product to be one. In the official block a
code that is shut is not 0 but SiLU of a number so negative that floats round it to 0; thresholds lie half-way, so that
in a language model it does not matter what the norm before the block rounds.
"""

from typing import Any

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify import blocks
from mamba_theorems.verify.certify.argument import FLOATS, Argument, Requirement, not_negative, positive
from mamba_theorems.verify.certify.family import Frozen, Sizes
from mamba_theorems.verify.certify.layout import Entries, Many, TensorLayout, block, diagonal, every, single, stacked
from mamba_theorems.verify.certify.mqar import recall, shrinking
from mamba_theorems.verify.certify.mqar.entries import TokenMatrix
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, V
from mamba_theorems.verify.certify.mqar.shrinking import MODEL, QUERIES, SEQUENTIAL, W, block_of
from mamba_theorems.verify.certify.term import Expression, Term, equal, term, the

SELECTIVE = "mqar.n1-delta-gate"
BLOCKS = ("paper", "official", MODEL)
TARGETS = (*BLOCKS, *(f"{SEQUENTIAL}{block}" for block in BLOCKS))

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


def _stored(matrix: TokenMatrix) -> Many:
    """Codes and indicators of the tokens, in in_proj or in the embedding."""
    place, far = matrix.place, matrix.next_channel
    return (
        Entries(K, 1, place(the.i * W, FIRST + the.i), the.key, W, far),
        Entries(W, 1, place(the.i, ANSWERS + the.i), the.value, K, W * far),
        Entries(PAIRS, 1, place(QUERY + the.i, FILLER), the.other),
        Entries(PAIRS, K, place(QUERY + the.i, FIRST + the.j), the.other),
        Entries(K, 1, place(QUERY + the.i, FIRST + the.i), the.other),
        Entries(K, 1, place(ASKED + the.i, FIRST + the.i), the.other),
    )


def _taps(width: int) -> Many:
    """Codes see the last token and minus the current one, queries the two last, asked the two before the current."""
    now = width - 1

    def tap(row: Expression, back: int, count: Expression, number: int) -> Entries:
        return Entries(1, 1, width * term(row) + (now - back), number, count, width)

    codes = (tap(0, 1, QUERY, 1), tap(0, 0, QUERY, -1))
    return (*codes, tap(QUERY, 1, K, 1), tap(QUERY, 0, K, 2), tap(ASKED, 2, K, 1), tap(ASKED, 1, K, 2))


def _head(width: Expression) -> Entries:
    """Value i reads channel i of every block."""
    return Entries(W, 1, (ANSWERS + the.i) * width + the.i, the.head, K, W)


def _paper_tensors() -> dict[str, TensorLayout]:
    d = ONE + 1
    row = the.i * W * d
    return blocks.PaperLayout(
        classes=V,
        d_model=d,
        embedding=_stored(TokenMatrix(channels_first=False, width=d)),
        d_conv=3,
        conv=_taps(3),
        conv_bias=((QUERY, the.bias, ()), (PAIRS, the.blind, ()), (1, 1, ())),
        delta=(
            Entries(K, 1, row + (ASKED + the.i), the.steps, W, d),
            Entries(K, K, row + (QUERY + the.j), the.steps, W, d),
            Entries(K, 1, row + (QUERY + the.i), MINUS, W, d),
            every(QUERY * d + ONE, d, PAIRS + 1, the.quiet),
        ),
        B=(single(ONE, the.scale),),
        C=(single(ONE, 1),),
        A=the.A,
        head=(_head(d),),
    ).tensors()


def _silu_tensors(target: str) -> dict[str, TensorLayout]:
    """The tensors of the official block, alone or in a language model."""
    d = the.expand * V
    patterns = (
        diagonal(0, ASKED, d, K, the.steps),
        block(0, QUERY, d, K, K, the.steps),
        diagonal(0, QUERY, d, K, MINUS),
        single(K * d + ONE, the.quiet),
    )
    followed = (
        Entries(K, 1, the.i * W * the.dt_rank + the.i, 1, W, the.dt_rank),
        every(QUERY * the.dt_rank + K, the.dt_rank, PAIRS + 1, 1),
    )
    mixer = blocks.MixerLayout(
        d_model=V,
        d_inner=d,
        x=_stored(TokenMatrix(channels_first=True, width=V)),
        conv=_taps(blocks.D_CONV),
        conv_bias=((QUERY, the.bias, ()), (PAIRS, the.blind, ()), (1, the.one, ()), (d - (ONE + 1), 0, ())),
        dt_proj=(0, followed),
        out_proj=(_head(d),),
    )
    scale, read = (single(ONE, the.scale),), (single(ONE, the.read),)
    x_proj = stacked((the.dt_rank + 2, d), (the.dt_rank, 0, patterns), (1, 0, scale), (1, 0, read))
    name = f"{blocks.LAYER}mixer.x_proj.weight" if blocks.is_model(target) else "mixer.x_proj.weight"
    return blocks.around_one_hots(target, blocks.official(target, mixer) | {name: x_proj}, V, ANSWERS, W)


# ---------------------------------------------------------------------------------------------- the argument

REQUIRED = (
    *recall.REQUIRES,
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


def _paper_requires() -> tuple[Requirement, ...]:
    return (*recall.fixed(other=2, blind=-9, step_size=1, quiet=-1), *CODES, ("decays", the.A <= 0))


def _silu_requires(model: bool) -> tuple[Requirement, ...]:
    return (
        *recall.fixed(other=512, blind=-2304),
        *CODES,
        ("there are enough channels", the.expand * V >= ONE + 1),
        ("there are enough steps", the.dt_rank >= K + 1),
        ("a step at rest has an argument between -100 and 1", the.step_bias + 100),
        ("a step at rest has an argument between -100 and 1", the.step_bias <= 1),
        *not_negative("read", "gate", "one"),
        *((("the last norm adds up at most 2^20 squares", V <= 2**20),) if model else ()),
    )


def _argument(target: str) -> Argument:
    sequential, model, paper = target.startswith(SEQUENTIAL), blocks.is_model(target), block_of(target) == "paper"
    floats = FLOATS.replace(shrinking.ANY_ORDER, shrinking.IN_ORDER) if sequential else FLOATS
    words = shrinking.PAPER_WORDS if paper else (shrinking.SILENT, *shrinking.SILU_WORDS)
    shut = () if paper else ("deep", "silent", "unlit", "hushed")
    last = shrinking.STEPPED if sequential else shrinking.SCANNED
    return Argument(
        claim=SELECTIVE,
        target=target,
        statement=STATEMENT + recall.CONCLUSION,
        words=(floats, *words, *shrinking.WORDS, *(shrinking.NORM_WORDS if model else ()), *last),
        requires=(*REQUIRED, *(_paper_requires() if paper else _silu_requires(model))),
        tensors=_paper_tensors() if paper else _silu_tensors(target),
        steps=shrinking.steps(target),
        closing=positive(*shut, "margin"),
    )


# ---------------------------------------------------------------------------------------------- the family

LASTING, WIDEST = 23, {"paper": 46, "official": 46, MODEL: 37}
"""In float32, for one query a pair: up to where the usual form lasts, however it is evaluated; the wide, in order."""


def _build(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    """A network over keys, values and a filler, in the wide form where float32 needs and holds it."""
    vocabulary = Vocabulary(vocab_size, range(num_kv_pairs), range(num_kv_pairs, vocab_size - 1), filler=vocab_size - 1)
    wide = LASTING < num_kv_pairs <= WIDEST[block_of(target)]
    return mqar.theorem4_without_gate(
        vocabulary, block_of(target), num_kv_pairs=num_kv_pairs, positions=False, widest=wide
    )


def _sizes(target: str, chosen: Sizes) -> dict[str, Any]:
    """One token is the filler; there are as many queries as pairs, unless num_queries is chosen."""
    sizes = recall.completed("paper", {**chosen, "vocab_size": chosen.get("vocab_size", 0) - 1})
    queries = chosen.get("num_queries", sizes["num_kv_pairs"])
    return sizes | {"vocab_size": sizes["vocab_size"] + 1, "num_queries": queries}


def _frozen(target: str) -> Frozen:
    """A small size and the widest that float32 holds, in any order of evaluation or step by step."""
    sequential = target.startswith(SEQUENTIAL)
    yield "float32", recall.at(65, 64, 8)
    yield "float32", recall.at(1024, 4096, WIDEST[block_of(target)] if sequential else LASTING)
    if not sequential:
        yield "float64", recall.at(1024, 4096, 64)


FAMILIES = (recall.family(SELECTIVE, TARGETS, _argument, build=_build, sizes=_sizes, frozen=_frozen),)
