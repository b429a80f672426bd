"""The arguments for recall by a selective step (extension I): N = 1, and no gate that chooses.

Every query shrinks all blocks but its own, and one step later its own too; floats keep the blocks' ratio for as long as
the smallest of them is a normal number. Evaluated step by step that is the state alone, which may start near the
largest float; a scan or chunks multiply the shrinks first, and need their product to be one. In the official block a
code that is shut is not 0 but SiLU of a number so negative that floats round it to 0.
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
    Expression,
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
    product,
    rounded,
    silu,
    snap,
    softplus,
    stacked,
    sub,
    tensor,
    total,
    zero,
)
from verify.certificates.blocks import D_CONV, alone
from verify.certificates.certificate import Subject, Tensors
from verify.certificates.codes import ANSWERS, FIRST, V
from verify.certificates.recall import REQUIRES, recall_sizes
from verify.certificates.recall_codes import CONCLUSION, LENGTH, NAMES
from verify.certificates.tensors import shipped

SELECTIVE, SEQUENTIAL = "mqar.n1-delta-gate", "sequential_"
TARGETS = {SELECTIVE: ("paper", "official", f"{SEQUENTIAL}paper", f"{SEQUENTIAL}official")}
K, W, P, QUERIES = "num_keys", "num_values", "num_kv_pairs", "num_queries"

STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens, with "
    "distinct keys k_1 ... k_p (H1), whose tail begins with the filler and holds only the filler and keys (H4), at "
    "most num_queries keys, none directly after itself"
)
ANY_ORDER = "the recurrence may be evaluated step by step, by an associative scan or chunk by chunk"
IN_ORDER = "the recurrence is evaluated step by step"
SILENT = (
    "Moreover exp and sigmoid are 0 where their value is below 1/16 of the least subnormal number. That e^-key is "
    "below 1/32 of it, 'silent' says in logarithms."
)
PAPER_WORDS = (
    "Channels: code (k, v) is ReLU([x_{t-1} = k] + [x_t = v] - 1), 1 where v directly follows k, else 0 (keys count 1 "
    "on their block, values -1 under a tap of -1). 'query' of key k is 1 where x_t is k behind the filler or another "
    "key, else 0 (2 * 2 + 1 - 4; behind a value or nothing 2 * 2 - 4); 'asked' the same one token later. B is "
    "'scale', C is 1. No pair is written where one of these is 1, as the tail has no value: it adds step_size scale.",
    "Step: Delta of block k is step_size + steps (asked k + the queries of other keys). All channels that are no codes "
    "have a step of 0.",
)
OFFICIAL_WORDS = (
    "Channels: code (k, v) is SiLU(key ([x_{t-1} = k] + [x_t = v] - 1 - m)), m >= 0 an integer, and m = 0 where v "
    "directly follows k: then it is 'code', else its argument is 0 or at most -key. So it is 0 or, in exact arithmetic "
    "alone, at most 'leak' in size. 'query' of key k is SiLU(256 n) with n = 1 where x_t is k behind the filler or "
    "another key ('on'), else n <= 0; 'asked' the same one token later. 'dim' bounds what all of them that are off add "
    "to a step's argument. All convolutions are integers, without rounding. The tail has no value: no pair is written "
    "where an indicator is on, only what is shut.",
    "Step: Delta of block k is softplus of step_bias + steps (asked k + the queries of other keys), within 'step_size' "
    "if none is on, else, as x <= softplus(x) <= x + 1 for x >= 0, within 'longer' for one of them and twice 'longer' "
    "for two. Channels that are no codes have a step of at most e^(step_bias + quiet one), and no output reads them.",
)
WORDS = (
    "Shrinks: at the n-th query all blocks have been shrunk by the n - 1 before, and by the n-th all but block q; each "
    "shrink is a factor within 'per_query', any other step one within 'base'. Two shrinks in one step are within its "
    "square.",
    "Query: logit w is the sum of channel w of all blocks, times what is within 'factor' for each. Block q holds "
    "v(q)'s write, every other block at most one wrong value's, with one shrink more: at most 'others' of what block q "
    "holds, whatever the pairs' ages; 'spread' bounds the quotient of two products of as many factors. 'least_state' "
    "and 'shown' are normal numbers, so that block q never underflows.",
)
SCANNED = (
    "Scans and chunks: 'stretch', the product of all factors from a pair to the last query, is a normal number too; an "
    "exponent may be a sum of input_seq_len terms. What underflow adds to the others, a subnormal number times a "
    "write, is 'underflow' of block q.",
)
STEPPED = (
    "Underflow: numbers >= 0 that underflow are rounded up by 'least' at most. That happens at the steps of queries "
    "and behind them, twice num_queries in all, and at no other step if 'base' is 1; a float that is not 1 is off by "
    "more than 1 / (4 integers). So it adds at most 'underflow' of block q to the others.",
)
FILLER = add(ANSWERS, W)
QUERY, ASKED, ONE = mul(K, W), add(mul(K, W), K), add(mul(K, W), mul(2, K))
PAIRS = mul(2, K)
MINUS = mul(sub(0, 1), "steps")

# ------------------------------------------------------------------------------------------------- layouts


def _stored(channels_first: bool, width: Expression) -> tuple[Entries, ...]:
    """Codes and indicators of the tokens, in in_proj or in the embedding."""

    def place(channel: Expression, token: Expression) -> Expression:
        row, column = (channel, token) if channels_first else (token, channel)
        return add(mul(row, width), column)

    far = width if channels_first else 1
    return (
        Entries(K, 1, place(mul("i", W), add(FIRST, "i")), "key", W, far),
        Entries(W, 1, place("i", add(ANSWERS, "i")), "value", K, mul(W, far)),
        Entries(PAIRS, 1, place(add(QUERY, "i"), FILLER), "other"),
        Entries(PAIRS, K, place(add(QUERY, "i"), add(FIRST, "j")), "other"),
        Entries(K, 1, place(add(QUERY, "i"), add(FIRST, "i")), "other"),
        Entries(K, 1, place(add(ASKED, "i"), add(FIRST, "i")), "other"),
    )


def _taps(width: int) -> tuple[Entries, ...]:
    """Codes see the last token and minus the current one, queries the two last, asked the two before the current."""
    now = width - 1

    def tap(row: Expression, back: int, count: Expression, number: int) -> Entries:
        return Entries(1, 1, add(mul(width, row), now - back), number, count, width)

    codes = (tap(0, 1, QUERY, 1), tap(0, 0, QUERY, -1))
    return (*codes, tap(QUERY, 1, K, 1), tap(QUERY, 0, K, 2), tap(ASKED, 2, K, 1), tap(ASKED, 1, K, 2))


def _head(width: Expression) -> Entries:
    """Value i reads channel i of every block."""
    return Entries(W, 1, add(mul(add(ANSWERS, "i"), width), "i"), "head", K, W)


def _paper_tensors() -> dict[str, TensorLayout]:
    d = add(ONE, 1)
    return {
        "embedding.weight": tensor((V, d), 0, *_stored(False, d)),
        "mixer.conv.weight": tensor((d, 3), 0, *_taps(3)),
        "mixer.conv.bias": stacked((d,), (QUERY, "bias", ()), (PAIRS, -4, ()), (1, 1, ())),
        "mixer.delta.weight": tensor(
            (d, d),
            0,
            Entries(K, 1, add(mul(mul("i", W), d), add(ASKED, "i")), "steps", W, d),
            Entries(K, K, add(mul(mul("i", W), d), add(QUERY, "j")), "steps", W, d),
            Entries(K, 1, add(mul(mul("i", W), d), add(QUERY, "i")), MINUS, W, d),
            every(add(mul(QUERY, d), ONE), d, add(PAIRS, 1), "quiet"),
        ),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": tensor((1, d), 0, every(ONE, 1, 1, "scale")),
        "mixer.C.weight": tensor((1, d), 0, every(ONE, 1, 1, 1)),
        "mixer.A": tensor((d, 1), "A"),
        "head.weight": tensor((V, d), 0, _head(d)),
    }


def _official_tensors() -> dict[str, TensorLayout]:
    d = mul("expand", V)
    patterns = (
        diagonal(0, ASKED, d, K, "steps"),
        block(0, QUERY, d, K, K, "steps"),
        diagonal(0, QUERY, d, K, MINUS),
        every(add(mul(K, d), ONE), 1, 1, "quiet"),
    )
    followed = (
        Entries(K, 1, add(mul(mul("i", W), "dt_rank"), "i"), 1, W, "dt_rank"),
        every(add(mul(QUERY, "dt_rank"), K), "dt_rank", add(PAIRS, 1), 1),
    )
    constants = (every(ONE, 1, 1, "scale"),), (every(ONE, 1, 1, "read"),)
    unused = (sub(d, add(ONE, 1)), 0, ())
    mixer = {
        "in_proj.weight": stacked((mul(2, d), V), (d, 0, _stored(True, V)), (d, "gate", ())),
        "conv1d.weight": tensor((d, 1, D_CONV), 0, *_taps(D_CONV)),
        "conv1d.bias": stacked((d,), (QUERY, "bias", ()), (PAIRS, "blind", ()), (1, "one", ()), unused),
        "x_proj.weight": stacked(
            (add("dt_rank", 2), d), ("dt_rank", 0, patterns), *((1, 0, entries) for entries in constants)
        ),
        "dt_proj.weight": tensor((d, "dt_rank"), 0, *followed),
        "dt_proj.bias": tensor((d,), "step_bias"),
        "A_log": tensor((d, 1), "A_log"),
        "D": tensor((d,)),
        "out_proj.weight": tensor((V, d), 0, _head(d)),
    }
    return alone({f"mixer.{name}": layout for name, layout in mixer.items()}, V)


# --------------------------------------------------------------------------------------------------- steps


def _paper_codes() -> tuple[Step, ...]:
    return (
        Step("rate", sub(0, "A"), "-A"),
        Step("longer", ["near", 1, add("step_size", "steps")], "Delta of a block that shrinks"),
        Step("written", rounded(mul("step_size", "scale")), "Delta x B of a pair"),
        Step("factor", magnitude("head"), "from a state to a logit"),
        Step("loudest", rounded("written"), "no readout is larger: finite"),
        Step("stray", 0, "of all shut codes"),
    )


def _official_codes() -> tuple[Step, ...]:
    dims = hull("dim", sub(0, "dim"))
    return (
        Step("code", silu("key"), "a code where the value follows the key"),
        Step("silent", sub(add("key", ["log", "least"]), ["log", 32]), "a code that is shut is 0 in floats"),
        Step("leak", mul("key", exp(-600)), "at most, in exact arithmetic: |SiLU(-x)| <= x exp(-x), and key > 600"),
        Step("on", silu("other"), "an indicator that is on"),
        Step("off", mul(16, add(mul("other", exp(sub(0, "other"))), "tiny")), "the size of one that is off, at most"),
        Step("dim", mul(mul(mul(8, K), "steps"), "off"), "of all that are off, in the argument of a step"),
        Step("step_size", near(softplus(total("step_bias", dims))), "Delta of a block at rest"),
        Step("extra", product("steps", "on"), "what one indicator adds to the argument"),
        Step("longer", ["near", 4, add("extra", hull(sub(-1, "dim"), add(2, "dim")))], "Delta of a block that shrinks"),
        Step("rate", near(exp("A_log")), "-A"),
        Step("one_code", silu("one"), "the constant channel"),
        Step("B", product("scale", "one_code"), "B, at all times"),
        Step("written", ["near", 2, mul(mul("step_size", "code"), "B")], "Delta x B of a pair"),
        Step("gated", silu("gate"), "SiLU(z)"),
        Step("C", product("read", "one_code"), "C, at all times"),
        Step("factor", ["near", 6, mul(mul("C", "gated"), magnitude("head"))], "from a state to a logit"),
        *(Step(f"{name}_half", rounded(mul("step_size", name)), "Delta x or Delta B, first") for name in ("code", "B")),
        Step("loud", rounded(mul("written", "C")), "no readout is larger: finite"),
        Step("loudest", rounded(mul("written", mul("C", "gated"))), "nor behind the gate"),
        Step(
            "stray",
            mul(mul(mul(LENGTH, K), "leak"), mul(mul(4, "longer"), mul("B", div("factor", "factor")))),
            "of all shut codes, in exact arithmetic, in the state",
        ),
    )


def _shrinking(sequential: bool) -> tuple[Step, ...]:
    """The factors of a step, with the roundings of its exponent, its function, its product and its sum."""
    terms: Expression = 2 if sequential else add(LENGTH, 2)
    rest = mul("rate", "step_size")
    return (
        Step("base", ["snap", 2, snap(exp(sub(0, ["near", terms, rest])))], "of a step without a query"),
        Step(
            "per_query",
            ["near", 2, near(exp(sub(0, ["near", terms, mul("rate", "longer")])))],
            "of a step that shrinks once more",
        ),
        Step("stretch", mul(power("base", LENGTH), power("per_query", sub(QUERIES, 1))), "of all steps, for block q"),
    )


def _underflow(sequential: bool) -> Expression:
    """What it adds to all others, in units of block q."""
    shown = div(mul(mul(8, P), "least"), "shown")
    if sequential:
        restless = mul("resting", mul(mul(4, "integers"), magnitude(sub("base", 1))))
        return add(shown, div(mul(mul(P, "least"), add(mul(2, QUERIES), restless)), "least_state"))
    return add(shown, div(mul(mul(mul(64, LENGTH), mul(P, "least")), hull(1, "written")), "least_state"))


def _seen() -> tuple[Step, ...]:
    """Block q at the last query, on its way to the logits."""
    return (
        Step("least_readout", rounded(mul("least_state", "C")), "and its readout"),
        Step("least_gated", rounded(mul("least_state", mul("C", "gated"))), "and that behind the gate"),
    )


def _steps(target: str) -> tuple[Step, ...]:
    sequential = target.startswith(SEQUENTIAL)
    ages = hull(1, power("base", LENGTH))
    alike = mul(div("written", "written"), div("factor", "factor"))
    wrong = add(add("others", "underflow"), add(div("stray", "least_state"), mul(4, "rounding")))
    whole = (
        Step("resting", LENGTH, "steps at rest, at most")
        if sequential
        else Step("product", rounded("stretch"), "a normal number")
    )
    return (
        *(_official_codes() if target.endswith("official") else _paper_codes()),
        *_shrinking(sequential),
        whole,
        Step("spread", mul(div(ages, ages), power(div("per_query", "per_query"), QUERIES)), "of two blocks"),
        Step("others", mul(mul(mul(sub(P, 1), "per_query"), "spread"), alike), "all other blocks over block q"),
        Step("least_state", rounded(mul("written", "stretch")), "block q at the last query, a normal number"),
        *(_seen() if target.endswith("official") else ()),
        Step("shown", rounded(mul("least_state", "factor")), "and its logit"),
        Step("largest", rounded(mul(2, mul("written", "factor"))), "no logit at a query is larger: finite"),
        Step("underflow", _underflow(sequential), "of all others"),
        Step("rounding", magnitude(sub(["near", add(P, 4), 1], 1)), "of the sum of the blocks"),
        Step(
            "margin",
            sub(div("head", magnitude("head")), wrong),
            "the right logit over any other, in units of block q",
        ),
    )


# ---------------------------------------------------------------------------------------------- the argument

REQUIRED = (
    *REQUIRES,
    ("there is a query", sub(QUERIES, 1)),
    ("the filler is a token", sub(V, add(FILLER, 1))),
    ("steps shrink", sub("steps", 1)),
    ("writes are positive", "scale"),
)


def _paper_requires() -> tuple[tuple[str, Expression], ...]:
    numbers = {"key": 1, "value": -1, "other": 1, "bias": -1, "step_size": 1, "quiet": -1}
    integral = tuple(zero(f"'{name}' is {n}", sub(name, n)) for name, n in numbers.items())
    return (*integral, ("decays", sub(0, "A")))


def _official_requires() -> tuple[tuple[str, Expression], ...]:
    numbers = {"key": 1024, "value": -1024, "bias": -1024, "other": 256, "blind": -1024}
    return (
        *(zero(f"'{name}' is {n}", sub(name, n)) for name, n in numbers.items()),
        ("there are enough channels", sub(mul("expand", V), add(ONE, 1))),
        ("there are enough steps", sub("dt_rank", add(K, 1))),
        ("a step at rest has an argument between -100 and 1", add("step_bias", 100)),
        ("a step at rest has an argument between -100 and 1", sub(1, "step_bias")),
        ("no other channel has a step", sub(sub(0, 1), "quiet")),
        *((f"'{name}' is not negative", name) for name in ("read", "gate", "one")),
    )


def _argument(target: str) -> Argument:
    official, sequential = target.endswith("official"), target.startswith(SEQUENTIAL)
    floats = FLOATS.replace(ANY_ORDER, IN_ORDER) if sequential else FLOATS
    words = (SILENT, *OFFICIAL_WORDS) if official else PAPER_WORDS
    closing = (*((("silent", POSITIVE),) if official else ()), ("margin", POSITIVE))
    return Argument(
        claim=SELECTIVE,
        target=target,
        statement=STATEMENT + CONCLUSION,
        words=(floats, *words, *WORDS, *(STEPPED if sequential else SCANNED)),
        requires=(*REQUIRED, *(_official_requires() if official else _paper_requires())),
        tensors=_official_tensors() if official else _paper_tensors(),
        steps=_steps(target),
        closing=closing,
    )


# ------------------------------------------------------------------------------------------- the subject

LASTING, WIDEST = 23, 46
"""In float32, for one query a pair: up to where the usual form lasts, however it is evaluated; the wide, in order."""


def _block(target: str) -> str:
    return target.removeprefix(SEQUENTIAL)


@cache
def _network(block: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    """Keys, values and a filler. Beyond what float32 holds, the usual form."""
    vocabulary = Vocabulary(vocab_size, range(num_kv_pairs), range(num_kv_pairs, vocab_size - 1), filler=vocab_size - 1)
    wide = LASTING < num_kv_pairs <= WIDEST
    return mqar.theorem4_without_gate(vocabulary, block, num_kv_pairs=num_kv_pairs, widest=wide)


def _sizes(target: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """One token is the filler; as many queries as pairs, unless it is said."""
    sizes: dict[str, Any] = {**recall_sizes("paper", {**chosen, "vocab_size": chosen.get("vocab_size", 0) - 1})}
    sizes |= {"vocab_size": sizes["vocab_size"] + 1, QUERIES: chosen.get(QUERIES, sizes[P])}
    network = _network(_block(target), sizes["vocab_size"], sizes[P])
    names = ("expand", "dt_rank") if target.endswith("official") else ()
    return sizes | {name: network.hyperparameters[name] for name in names}


def _ship(target: str, sizes: Mapping[str, Any], dtype: str) -> Tensors:
    return shipped(_network(_block(target), sizes["vocab_size"], sizes[P]).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Extension I in the paper's or the official block."""
    return Subject(
        argument=_argument(target),
        sizes=lambda chosen: _sizes(target, chosen),
        tensors=lambda sizes, dtype: _ship(target, sizes, dtype),
    )


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    small, lasting, widest, most = (65, 64, 8), (1024, 4096, LASTING), (1024, 4096, WIDEST), (1024, 4096, 64)
    for target in TARGETS[SELECTIVE]:
        in_order = target.startswith(SEQUENTIAL)
        float64 = () if in_order else (("float64", (most,)),)
        for dtype, sizes in (("float32", (small, widest if in_order else lasting)), *float64):
            for size in sizes:
                yield SELECTIVE, target, dtype, dict(zip(NAMES, size, strict=True))


FROZEN = tuple(_frozen())
