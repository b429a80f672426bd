"""The argument in floats for extension I: blocks that queries shrink, in a block or a language model.

Floats keep the blocks' ratio for as long as the smallest of them is a normal number; and nothing else may become one.
"""

from mamba_theorems.verify.certify.argument import Scalar
from mamba_theorems.verify.certify.functions import exp, log, near, rounded, silu, slack, snap, softplus, sqrt
from mamba_theorems.verify.certify.mqar.recall import HEAD_SIGN, K, P, V
from mamba_theorems.verify.certify.ranges import finite, in_any_order
from mamba_theorems.verify.certify.steps import EPS, LENGTH, gated, token_input
from mamba_theorems.verify.certify.term import Expression, Term, hull, square, the, within

SEQUENTIAL, MODEL = "sequential_", "language_model"
W, QUERIES = the.num_values, the.num_queries

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
    "Products: 'path' says that those of a pair's Delta, x, B, C, gate and head are normal numbers in any order; where "
    "all shrink, x is 0, and 'longest_B' is finite. 'seen' bounds what the convolution adds up.",
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


def _paper_codes() -> tuple[Scalar, ...]:
    return (
        Scalar("rate", -the.A, "-A"),
        Scalar("code", the.key / 2, "a code where the value follows the key"),
        Scalar("seen", finite(4 * the.key), "two entries and the bias, and all that is added on the way"),
        Scalar("longer", near(hull(0, the.step_size) + the.steps, 1), "Delta of a block that shrinks"),
        Scalar("written", near(the.code * the.scale, 1), "Delta x B of a pair"),
        Scalar("path", in_any_order(the.code, the.scale, the.head), "all products on the way to a logit"),
        *_products(the.code, the.scale),
        Scalar("factor", near(abs(the.head), 1), "from a state to a logit"),
        Scalar("stray", 0, "of all shut codes"),
    )


def _channels() -> tuple[Scalar, ...]:
    """Codes and indicators, at their thresholds' two sides."""

    def seen(n: int) -> Term:
        return near(n * the.other * the.input, 3)

    return (
        Scalar("entry", near(the.key * the.input, 3), "of a key on its block, or of a value"),
        Scalar("seen", finite(4 * the.entry), "two entries and the bias, and all that is added on the way"),
        Scalar("open", 2 * the.entry + near(the.bias, 3), "the argument of a code where v directly follows k"),
        Scalar("shut", -the.entry - near(the.bias, 3), "minus that of any other code, at least"),
        Scalar("deep", the.shut - 600, "more than 600"),
        Scalar("silent", the.shut + log(the.least) - log(32), "a code that is shut is 0 in floats"),
        Scalar("leak", 600 * exp(-600), "one that is shut, in exact arithmetic, at most"),
        Scalar("code", silu(the.open), "a code where v directly follows k"),
        Scalar("on", silu(seen(5) + near(the.blind, 3)), "an indicator that is on"),
        Scalar("dark", -seen(4) - near(the.blind, 3), "minus the argument of one that is off, at least"),
        Scalar("unlit", the.dark - 128, "more than 128"),
        Scalar("off", 16 * (the.dark * exp(-the.dark) + the.tiny), "the size of one that is off, at most"),
    )


def _products(x: Term, B: Term) -> tuple[Scalar, ...]:
    """Delta x B in any order; `x` holds the convolution's channels."""
    return (
        Scalar("Delta_x", rounded(the.step_size * the.code), "of a pair, if it is multiplied first: finite"),
        Scalar("Delta_B", rounded(the.step_size * B), "or this"),
        Scalar("x_B", rounded(x * B), "or this, in any channel"),
        Scalar("longest_B", rounded(2 * the.longer * hull(1, B)), "where all shrink, before codes, 0: finite"),
    )


def _silu_codes(block: str) -> tuple[Scalar, ...]:
    dims = within(the.dim)
    path = (the.step_size, the.code, the.B, the.C, the.gated, the.head)
    ends = hull(1, the.C * hull(1, the.gated))
    held = 2 * LENGTH * exp(-100) * (hull(the.on, the.one_code) * the.B)
    return (
        *token_input(block, V),
        *_channels(),
        Scalar("dim", 8 * K * the.steps * the.off, "of all that are off, in the argument of a step"),
        Scalar("step_size", near(softplus(rounded(the.step_bias + dims))), "Delta of a block at rest"),
        Scalar("extra", rounded(the.steps * the.on), "what one indicator adds to the argument"),
        Scalar("longer", near(the.extra + hull(the.step_bias, 0, 2), the.ulps + 4), "Delta of a block that shrinks"),
        Scalar("rate", near(exp(the.A_log)), "-A"),
        Scalar("one_code", silu(the.one), "the constant channel"),
        Scalar("B", rounded(the.scale * the.one_code), "B, at all times"),
        Scalar("written", near(the.step_size * the.code * the.B, 2), "Delta x B of a pair"),
        *gated(),
        Scalar("C", rounded(the.read * the.one_code), "C, at all times"),
        Scalar("factor", near(the.C * the.gated * abs(the.head), 6), "from a state to a logit"),
        Scalar("path", in_any_order(*path), "all products on the way of a pair to its logit, decays left out"),
        *_products(hull(the.code, hull(the.on, the.one_code)), the.B),
        Scalar("loud", rounded(the.written * the.C), "no readout is larger: finite"),
        Scalar("loudest", rounded(the.written * (the.C * the.gated)), "nor behind the gate"),
        Scalar("hushed", -101 - (the.step_bias + rounded(the.quiet * the.one_code)), "the argument of other steps"),
        Scalar("idle", rounded(1 + held * ends), "of a channel that is no code: finite, and read, and behind the gate"),
        Scalar(
            "stray",
            LENGTH * K * the.leak * (4 * the.longer * (the.B * (the.factor / the.factor))),
            "of all shut codes, in exact arithmetic, in the state",
        ),
    )


def _shrinking(sequential: bool) -> tuple[Scalar, ...]:
    """The factors of a step, with the roundings of its exponent, its function, its product and its sum."""
    terms: Expression = 2 if sequential else LENGTH + 2
    rest = the.rate * the.step_size
    return (
        Scalar("base", snap(snap(exp(-near(rest, terms))), 2), "of a step without a query"),
        Scalar(
            "per_query", near(near(exp(-near(the.rate * the.longer, terms))), 2), "of a step that shrinks once more"
        ),
        Scalar("stretch", the.base**LENGTH * the.per_query ** (QUERIES - 1), "of all steps, for block q"),
    )


def _underflow(sequential: bool, shown: tuple[Term, ...]) -> Term:
    """What underflow adds to all others, in units of block q, on the way to the logits and in the state."""
    lost = sum((8 * P * the.least / number for number in shown), Term(0))
    if sequential:
        restless = the.resting * (4 * the.integers * abs(the.base - 1))
        return lost + P * the.least * (2 * QUERIES + restless) / the.least_state
    return lost + 64 * LENGTH * (P * the.least) * hull(1, the.written) / the.least_state


def _seen(block: str) -> tuple[Scalar, ...]:
    """Block q at the last query, on its way to the logits: normal numbers."""
    logit = rounded(the.least_state * the.factor)
    if block == "paper":
        return (Scalar("shown", logit, "and its logit"),)
    on_the_way = (
        Scalar("least_readout", rounded(the.least_state * the.C), "and its readout"),
        Scalar("least_gated", rounded(the.least_state * (the.C * the.gated)), "and that behind the gate"),
    )
    if block == "official":
        return (*on_the_way, Scalar("shown", logit, "and its logit"))
    mean = (1 + 8 * (square(the.least_logit))) / V
    return (
        *on_the_way,
        Scalar("least_logit", logit, "and its logit before the last norm"),
        Scalar("root", sqrt(4 * (EPS + mean)), "what the norm divides by there, at most"),
        Scalar("shown", rounded(the.least_logit / the.root), "and its logit behind the norm, at least"),
    )


def _finite(block: str) -> tuple[Scalar, ...]:
    squares = rounded(2 * (1 + square(the.largest)))
    return (
        Scalar("largest", rounded(2 * (the.written * the.factor)), "no logit at a query is larger: finite"),
        *((Scalar("squares", squares, "that the last norm adds up: finite"),) if block == MODEL else ()),
    )


def block_of(target: str) -> str:
    """The block of a target, in whichever order its recurrence is evaluated."""
    return target.removeprefix(SEQUENTIAL)


def steps(target: str) -> tuple[Scalar, ...]:
    """The steps of a target's argument."""
    sequential, block = target.startswith(SEQUENTIAL), block_of(target)
    ages = hull(1, the.base**LENGTH)
    alike = the.written / the.written * (the.factor / the.factor)
    wrong = the.others + the.underflow + (the.stray / the.least_state + 4 * the.rounding)
    whole = (
        Scalar("resting", LENGTH, "steps at rest, at most")
        if sequential
        else Scalar("product", rounded(the.stretch), "a normal number")
    )
    seen = _seen(block)
    on_the_way = tuple(Term(step.name) for step in seen if step.name != "root")
    return (
        *(_paper_codes() if block == "paper" else _silu_codes(block)),
        *_shrinking(sequential),
        whole,
        Scalar("spread", ages / ages * (the.per_query / the.per_query) ** QUERIES, "of two blocks"),
        Scalar("others", (P - 1) * the.per_query * the.spread * alike, "all other blocks over block q"),
        Scalar("least_state", rounded(the.written * the.stretch), "block q at the last query, a normal number"),
        *seen,
        *_finite(block),
        Scalar("underflow", _underflow(sequential, on_the_way), "of all others"),
        Scalar("rounding", slack(P + 4), "of the sum of the blocks"),
        Scalar("margin", HEAD_SIGN - wrong, "the right logit over any other, in units of block q"),
    )
