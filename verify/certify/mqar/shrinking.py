"""The argument in floats for extension I: blocks that queries shrink, in a block or a language model.

Floats keep the blocks' ratio for as long as the smallest of them is a normal number; and nothing else may become one.
"""

from mamba_theorems.verify.certify.argument import (
    Expression,
    Step,
    add,
    div,
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
    sqrt,
    sub,
    total,
)
from mamba_theorems.verify.certify.blocks import EPS, gated, normed_input, one_hot_input
from mamba_theorems.verify.certify.mqar.codes import LENGTH
from mamba_theorems.verify.certify.mqar.entries import V

SEQUENTIAL, MODEL = "sequential_", "language_model"
K, W, P, QUERIES = "num_keys", "num_values", "num_kv_pairs", "num_queries"

ANY_ORDER = "the recurrence may be evaluated step by step, by an associative scan or chunk by chunk"
IN_ORDER = "the recurrence is evaluated step by step"
SILENT = (
    "Moreover exp and sigmoid are 0 where their value is below 1/16 of the least subnormal number. That "
    "e^-shut is below 1/32 of it, 'silent' says in logarithms."
)
PAPER_WORDS = (
    "Channels: code (k, v) is ReLU(key [x_{t-1} = k] + key [x_t = v] - 3/2 key), or of less behind a value or at a key:"
    " 'code' where v directly follows k, without rounding, else 0. 'query' of key k is ReLU(2 n - 9), n = 2 a(x_t) + "
    "a(x_{t-1}), a being 2 for k, 1 for the filler and other keys, 0 for values and before the first token: it is 1 "
    "where x_t is k behind the filler or another key, else n <= 4 and it is 0; 'asked' the same one token later. B is "
    "'scale', C is 1. No pair is written where one of these is 1, as the tail has no value: it adds Delta code scale.",
    "Step: Delta of block k is step_size + steps (asked k + the queries of other keys). All channels that are no codes "
    "have a step of 0.",
)
SILU_WORDS = (
    "Channels: at each position in_proj sees a one-hot times a number within 'input'. Each convolution adds at most "
    "two entries and a bias, 'near 3 x' of each: the roundings of a product and two sums. An entry of code (k, v) is "
    "within 'entry' or minus that, or 0; both are within it if v directly follows k, else at most one, whatever the "
    "other takes off. So code (k, v) is SiLU of what is within 'open', or of -x, x at least 'shut': it is 0, or in "
    "exact arithmetic at most 'leak' in size, as |SiLU(-x)| <= x exp(-x), which falls for x > 1.",
    "'query' of key k is SiLU of what is other n + blind, roundings apart, n = 2 a(x_t) + a(x_{t-1}), a being 2 for k, "
    "1 for the filler and other keys, 0 for values and before the first token. n is 5 where x_t is k behind the filler "
    "or another key: then it is within 'on'; else n is at most 4, and it is SiLU(-x), x at least 'dark'; 'asked' the "
    "same one token later. 'dim' bounds what all of them that are off add to a step's argument, far below an ulp of "
    "what one that is on adds. The tail has no value: no pair is written where one is on, only what is shut.",
    "Step: Delta of block k is softplus of step_bias + steps (asked k + the queries of other keys), within 'step_size' "
    "if none is on, else, as x <= softplus(x) <= x + 1 for x >= 0, within 'longer' for one of them and twice 'longer' "
    "for two. No output reads channels that are no codes; as 'hushed' says they have a step of at most e^-100, so that "
    "they hold a finite number, no larger than 'idle'.",
)
NORM_WORDS = (
    "Last norm: at a query the stream is the key's one-hot, 0 at all values, and the logits. Block q's share is s, the "
    "others' together is less, so that all squares add up to at most 1 + 4 s^2: finite by 'squares'. The norm divides "
    "every entry by one root, at most sqrt(4 (eps + (1 + 8 s^2) / vocab_size)) with all roundings. s over this grows "
    "with s, and s is at least 'least_logit': so block q's share is shown as 'shown' or more. The head reads values "
    "only.",
)
WORDS = (
    "Products: those of Delta, x and B are finite in any order, 'longest_B' where x is 0.",
    "Shrinks: at the n-th query all blocks have been shrunk by the n - 1 before, and by the n-th all but block q; each "
    "shrink is a factor within 'per_query', any other step one within 'base'. Two shrinks in one step are within its "
    "square.",
    "Query: logit w is the sum of channel w of all blocks, times what is within 'factor' for each. Block q holds "
    "v(q)'s write, every other block at most one wrong value's, with one shrink more: at most 'others' of what block q "
    "holds, whatever the pairs' ages; 'spread' bounds the quotient of two products of as many factors. 'least_state' "
    "and what it is on its way to the logits are normal numbers, so that block q never underflows.",
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


def _paper_codes() -> tuple[Step, ...]:
    return (
        Step("rate", sub(0, "A"), "-A"),
        Step("code", div("key", 2), "a code where the value follows the key"),
        Step("longer", ["near", 1, add(hull(0, "step_size"), "steps")], "Delta of a block that shrinks"),
        Step("written", ["near", 1, mul("code", "scale")], "Delta x B of a pair"),
        *_products("code", "scale"),
        Step("factor", ["near", 1, magnitude("head")], "from a state to a logit"),
        Step("stray", 0, "of all shut codes"),
    )


def _channels() -> tuple[Step, ...]:
    """Codes and indicators, at their thresholds' two sides."""

    def seen(n: int) -> Expression:
        return ["near", 3, mul(mul(n, "other"), "input")]

    return (
        Step("entry", ["near", 3, mul("key", "input")], "of a key on its block, or of a value"),
        Step("open", add(mul(2, "entry"), ["near", 3, "bias"]), "the argument of a code where v directly follows k"),
        Step("shut", sub(sub(0, "entry"), ["near", 3, "bias"]), "minus that of any other code, at least"),
        Step("deep", sub("shut", 600), "more than 600"),
        Step("silent", sub(add("shut", ["log", "least"]), ["log", 32]), "a code that is shut is 0 in floats"),
        Step("leak", mul(600, exp(-600)), "one that is shut, in exact arithmetic, at most"),
        Step("code", silu("open"), "a code where v directly follows k"),
        Step("on", silu(add(seen(5), ["near", 3, "blind"])), "an indicator that is on"),
        Step("dark", sub(sub(0, seen(4)), ["near", 3, "blind"]), "minus the argument of one that is off, at least"),
        Step("unlit", sub("dark", 128), "more than 128"),
        Step("off", mul(16, add(mul("dark", exp(sub(0, "dark"))), "tiny")), "the size of one that is off, at most"),
    )


def _products(x: Expression, B: str) -> tuple[Step, ...]:
    """Delta x B in any order; `x` holds the convolution's channels."""
    return (
        Step("Delta_x", rounded(mul("step_size", "code")), "of a pair, if it is multiplied first: finite"),
        Step("Delta_B", rounded(mul("step_size", B)), "or this"),
        Step("x_B", rounded(mul(x, B)), "or this, in any channel"),
        Step("longest_B", rounded(mul(mul(2, "longer"), hull(1, B))), "where all shrink, before codes, 0: finite"),
    )


def _silu_codes(model: bool) -> tuple[Step, ...]:
    dims = hull("dim", sub(0, "dim"))
    ends = hull(1, mul("C", hull(1, "gated")))
    held = mul(mul(mul(2, LENGTH), exp(-100)), mul(hull("on", "one_code"), "B"))
    return (
        *(normed_input(V) if model else one_hot_input()),
        *_channels(),
        Step("dim", mul(mul(mul(8, K), "steps"), "off"), "of all that are off, in the argument of a step"),
        Step("step_size", near(softplus(total("step_bias", dims))), "Delta of a block at rest"),
        Step("extra", product("steps", "on"), "what one indicator adds to the argument"),
        Step(
            "longer",
            ["near", add("ulps", 4), add("extra", hull(hull("step_bias", 0), 2))],
            "Delta of a block that shrinks",
        ),
        Step("rate", near(exp("A_log")), "-A"),
        Step("one_code", silu("one"), "the constant channel"),
        Step("B", product("scale", "one_code"), "B, at all times"),
        Step("written", ["near", 2, mul(mul("step_size", "code"), "B")], "Delta x B of a pair"),
        *gated(),
        Step("C", product("read", "one_code"), "C, at all times"),
        Step("factor", ["near", 6, mul(mul("C", "gated"), magnitude("head"))], "from a state to a logit"),
        *_products(hull("code", hull("on", "one_code")), "B"),
        Step("loud", rounded(mul("written", "C")), "no readout is larger: finite"),
        Step("loudest", rounded(mul("written", mul("C", "gated"))), "nor behind the gate"),
        Step("hushed", sub(-101, add("step_bias", product("quiet", "one_code"))), "the argument of other steps"),
        Step(
            "idle",
            rounded(add(1, mul(held, ends))),
            "of a channel that is no code: finite, and read, and behind the gate",
        ),
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


def _underflow(sequential: bool, shown: tuple[str, ...]) -> Expression:
    """What it adds to all others, in units of block q, on the way to the logits and in the state."""
    lost: Expression = 0
    for number in shown:
        lost = add(lost, div(mul(mul(8, P), "least"), number))
    if sequential:
        restless = mul("resting", mul(mul(4, "integers"), magnitude(sub("base", 1))))
        return add(lost, div(mul(mul(P, "least"), add(mul(2, QUERIES), restless)), "least_state"))
    return add(lost, div(mul(mul(mul(64, LENGTH), mul(P, "least")), hull(1, "written")), "least_state"))


def _seen(block: str) -> tuple[Step, ...]:
    """Block q at the last query, on its way to the logits: normal numbers."""
    logit = rounded(mul("least_state", "factor"))
    if block == "paper":
        return (Step("shown", logit, "and its logit"),)
    on_the_way = (
        Step("least_readout", rounded(mul("least_state", "C")), "and its readout"),
        Step("least_gated", rounded(mul("least_state", mul("C", "gated"))), "and that behind the gate"),
    )
    if block == "official":
        return (*on_the_way, Step("shown", logit, "and its logit"))
    mean = div(add(1, mul(8, mul("least_logit", "least_logit"))), V)
    return (
        *on_the_way,
        Step("least_logit", logit, "and its logit before the last norm"),
        Step("root", sqrt(mul(4, add(EPS, mean))), "what the norm divides by there, at most"),
        Step("shown", rounded(div("least_logit", "root")), "and its logit behind the norm, at least"),
    )


def _finite(block: str) -> tuple[Step, ...]:
    squares = rounded(mul(2, add(1, mul("largest", "largest"))))
    return (
        Step("largest", rounded(mul(2, mul("written", "factor"))), "no logit at a query is larger: finite"),
        *((Step("squares", squares, "that the last norm adds up: finite"),) if block == MODEL else ()),
    )


def block_of(target: str) -> str:
    """The block of a target, in whichever order its recurrence is evaluated."""
    return target.removeprefix(SEQUENTIAL)


def steps(target: str) -> tuple[Step, ...]:
    """The steps of a target's argument."""
    sequential, block = target.startswith(SEQUENTIAL), block_of(target)
    ages = hull(1, power("base", LENGTH))
    alike = mul(div("written", "written"), div("factor", "factor"))
    wrong = add(add("others", "underflow"), add(div("stray", "least_state"), mul(4, "rounding")))
    whole = (
        Step("resting", LENGTH, "steps at rest, at most")
        if sequential
        else Step("product", rounded("stretch"), "a normal number")
    )
    seen = _seen(block)
    on_the_way = tuple(step.name for step in seen if step.name != "root")
    return (
        *(_paper_codes() if block == "paper" else _silu_codes(block == MODEL)),
        *_shrinking(sequential),
        whole,
        Step("spread", mul(div(ages, ages), power(div("per_query", "per_query"), QUERIES)), "of two blocks"),
        Step("others", mul(mul(mul(sub(P, 1), "per_query"), "spread"), alike), "all other blocks over block q"),
        Step("least_state", rounded(mul("written", "stretch")), "block q at the last query, a normal number"),
        *seen,
        *_finite(block),
        Step("underflow", _underflow(sequential, on_the_way), "of all others"),
        Step("rounding", magnitude(sub(["near", add(P, 4), 1], 1)), "of the sum of the blocks"),
        Step(
            "margin",
            sub(div("head", magnitude("head")), wrong),
            "the right logit over any other, in units of block q",
        ),
    )
