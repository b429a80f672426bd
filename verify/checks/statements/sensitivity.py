"""Where the instances of the statements about memory come from.

Of a state with any decay, write and steps: functions put in, the unrolled sum differentiated and evaluated exactly. Of
latch, attention and Mamba-2: runs of the definition in rationals or balls.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.duals import dual, perturbed, tangents
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.theorems.proofs.enclose import enclose
from mamba_theorems.theorems.sensitivity import attention, latch, lemma2, mamba2
from mamba_theorems.theorems.sensitivity.bounded import bias, radius, z
from mamba_theorems.theorems.sensitivity.recurrence import Decay, Delta, K, Write, a, b, before, floor, j, lam, m, r, x
from mamba_theorems.theorems.statement import Statement
from mamba_theorems.verify.checks.case import Choice, Domain, Flag, Formula, Ratio, Record, Several, Tuple, Whole, Words
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]
Cases = Callable[[Tier], Iterable[Any]]

# --- a state with any decay, write and steps ----------------------------------------------------------------------

SYMBOLS = {str(s): s for s in (lam, before, x, m, j, floor, lemma2.S, lemma2.c, bias, radius)}
FUNCTIONS = {str(f): (f, variable) for f, variable in
             ((Decay, x), (Write, x), (Delta, r), (a, r), (z, r))}  # fmt: skip
VALUES: dict[str, tuple[str, ...]] = {
    "lambda": ("1", "0", "1/2", "-1"),
    "h_{j-1}": ("1", "0", "-5"),
    "x": ("1", "0", "-1/2"),
    "m": ("1", "2", "0", "4"),
    "j": ("0", "3"),
    "delta": ("1/2", "0", "2"),
    "S": ("1", "1/2", "3"),
    "b_Delta": ("0", "1"),
    "rho": ("1", "1/2"),
    "Lambda": ("x/4", "exp(-x)"),
    "w": ("x**2", "3*x"),
    "Delta": ("1/2", "r/4", "2**(-r)"),
    "a": ("r/2", "1/2"),
    "z": ("-1", "(-1)**r", "r"),
}
"""Dyadic numbers and functions: where no exponential stands, both sides of an equality are exact."""
NUMBER, COUNT = Ratio(-999, 999), Words('a whole number from 0 to 12 as a text, as in "4"', r"[0-9]|1[0-2]", 1)
DOMAINS: dict[str, Domain] = {
    **dict.fromkeys(("lambda", "h_{j-1}", "x", "delta", "S", "b_Delta", "rho"), NUMBER),
    **dict.fromkeys(("m", "j"), COUNT),
    **dict.fromkeys(("Lambda", "w"), Formula(("x",))),
    **dict.fromkeys(("Delta", "a", "z"), Formula(("r",))),
}
QUICK, FULL = 6, 150


def grid(names: Iterable[str], also: tuple[Case, ...] = ()) -> Cases:
    """The simplest combination of values, each of the others once in it, those of `also`, and random ones."""
    ways = {name: VALUES[name] for name in names}

    def cases(tier: Tier) -> Iterable[Case]:
        simple = {name: values[0] for name, values in ways.items()}
        yield simple
        yield from ({**simple, name: value} for name, values in ways.items() for value in values[1:])
        yield from ({**simple, **changed} for changed in also)
        rest = [dict(zip(ways, values, strict=True)) for values in product(*ways.values())]
        yield from random.Random(0).sample(rest, min(len(rest), QUICK if tier is Tier.QUICK else FULL))

    return cases


def put_in(case: Case) -> dict[Any, Any]:
    """Symbols and functions by their names."""
    point: dict[Any, Any] = {}
    for name, text in case.items():
        value = sp.sympify(text, locals={"x": x, "r": r})
        if name in FUNCTIONS:
            function, variable = FUNCTIONS[name]
            point[function] = sp.Lambda(variable, value)
        else:
            point[SYMBOLS[name]] = value
    return point | {b: sp.Lambda(r, r)}


LEMMA2_TIES = (
    {"lambda": "0", "h_{j-1}": "0"},
    {"lambda": "1/2", "Delta": "0", "S": "1/8"},
    {"h_{j-1}": "-64"},
    {"h_{j-1}": "0", "m": "0", "S": "0"},
)
MIXER = ("h_{j-1}", "x", "m", "j", "Lambda", "w")


def on_functions(*names: str, also: tuple[Case, ...] = ()) -> Listed:
    """Instances of a statement about the unrolled sum; besides the mixer's, values of `names`."""
    put = Record({name: DOMAINS[name] for name in (*MIXER, *names)})
    words = f"functions put in for the decay, the write and the steps, m ≤ 4; values of {', '.join((*MIXER, *names))}"
    return Listed(words, grid((*MIXER, *names), also), put_in, case=put)


# --- Lemma 2 as printed: an S6 state with Δ = softplus ------------------------------------------------------------


def printed_lemma2(case: Case) -> dict[Any, Any]:
    """λ = 1, h_0 = 0: B(x)Δ(x)x is written at two inputs, the second is x; then Δ = 2^{−r}, which adds up to 1."""
    gain, first = sp.sympify(case["B"], locals={"x": x}), sp.sympify(case["x_1"])
    step = sp.log(1 + sp.exp(x))
    write = gain * step * x
    return {
        Decay: sp.Lambda(x, sp.exp(-step)),
        Write: sp.Lambda(x, write),
        Delta: sp.Lambda(r, 2 ** (2 - r)),
        b: sp.Lambda(r, 0 * r),
        lam: sp.S.One,
        before: write.subs(x, first),
        x: sp.sympify(case["x_2"]),
        j: sp.S(2),
        m: sp.Integer(case["m"]),
        lemma2.c: sp.sympify(case["c"]),
    }


LEMMA2 = Record(
    {"B": Formula(("x",)), "x_1": Formula(), "x_2": Formula(), "m": Whole(0, 12), "c": Formula()},
)
LEMMA2_CASES = [
    {"B": gain, "x_1": first, "x_2": "0", "m": steps, "c": c}
    for gain, first in (("1 + (2 - log(3))/log(3)**2*x", "log(3)"), ("1", "1"), ("1", "3"), ("1", "-1"))
    for steps, c in ((0, "0"), (1, "1/2"), (4, "1"))
]

# --- the criterion: infinite sequences with known partial sums ------------------------------------------------------

SERIES = {
    "log(1+1/n)": "log(n+1)",
    "log(1+1/(n*(n+2)))": "log(2*(n+1)/(n+2))",
    "2**(-n)": "1-2**(-n)",
    "1": "n",
    "0": "0",
    "-1": "-n",
    "-2**(-n)": "2**(-n)-1",
}
"""Steps Δ_{j+n} and their partial sums."""


@cache
def summed(steps: str) -> tuple[sp.Symbol, sp.Expr, bool]:
    """n, Σ of the first n steps, and whether the series converges. Raises ValueError for a wrong sum."""
    n = sp.Symbol("n", integer=True, positive=True)
    step, partial = (sp.sympify(text, locals={"n": n}) for text in (steps, SERIES[steps]))
    for count in range(1, 5):
        total = sum((step.subs(n, i) for i in range(1, count + 1)), sp.S.Zero)
        if not enclose(total - partial.subs(n, count)).contains(0):
            raise ValueError(f"{partial} is not the sum of {step}")
    return n, partial, bool(sp.Sum(step, (n, 1, sp.oo)).is_convergent())


@cache
def decayed(steps: str, rate: str) -> sp.Expr:
    """lim e^{−λΣΔ}."""
    n, partial, _ = summed(steps)
    return sp.limit(sp.exp(-sp.Rational(rate) * partial), n, sp.oo)


CRITERION = Record({"Delta": Choice(tuple(SERIES)), "lambda": NUMBER, "K": NUMBER})


def criterion(case: Case) -> dict[Any, Any]:
    """Whether lim |∂h_t/∂x_j| > 0, from the closed form of the partial sums."""
    now = sp.Rational(case["K"])
    return {
        lemma2.now: now,
        lam: sp.Rational(case["lambda"]),
        lemma2.REMEMBERED: bool(now != 0 and decayed(case["Delta"], case["lambda"]) > 0),
        lemma2.SUMMABLE: summed(case["Delta"])[2],
        lemma2.POSITIVE: not case["Delta"].startswith("-"),
    }


def criterion_cases(_: Tier) -> Iterable[Case]:
    """Every kind of series with every kind of eigenvalue and K_j."""
    return ({"Delta": d, "lambda": rate, "K": k} for d in SERIES for rate in ("1", "0", "-1") for k in ("1", "0", "-2"))


# --- the latch ----------------------------------------------------------------------------------------------------


STEP = Ratio(0, 99, open=True)
LATCH = Record(
    {
        "tokens": Several(Tuple((Choice((0, 1)), Ratio(-99, 99))), 1, 64),
        "D": STEP,
        "epsilon": STEP,
        "lti": Several(NUMBER, 4, 4),
    },
    together=lambda case: "" if any(flag for flag, _ in case["tokens"]) else '"tokens" has a flag 1',
)


def latched(case: Case) -> dict[Any, Any]:
    """The S6 state in balls at the end of the tokens, and the largest error of an LTI mixer on the four inputs."""
    tokens = [(flag, Fraction(value)) for flag, value in case["tokens"]]
    with BALL.arithmetic():
        step, quiet = (BALL.number(Fraction(case[name])) for name in ("D", "epsilon"))
        delta = np.array([[step if flag else quiet] for flag, _ in tokens])
        inputs = BALL.array([[value] for _, value in tokens])
        B = BALL.array(np.ones((len(tokens), 1), dtype=int)) / step
        end = semantics.state_history(BALL, inputs, delta, BALL.array([[-1]]), B)[-1, 0, 0]
    last = max(i for i, (flag, _) in enumerate(tokens) if flag)
    return {
        latch.state: end,
        latch.value: sp.Rational(tokens[last][1]),
        latch.m: sp.Integer(len(tokens) - 1 - last),
        latch.D: sp.Rational(case["D"]),
        latch.eps: sp.Rational(case["epsilon"]),
        latch.largest: sp.Rational(max(abs(value) for _, value in tokens)),
        latch.missed: sp.Rational(_missed(*map(Fraction, case["lti"]))),
    }


def _missed(one: Fraction, other: Fraction, flagged: Fraction, none: Fraction) -> Fraction:
    """Contents 1 or −1 at the first flag, then 1 or no flag; targets 1, 1, 1, −1: an LTI mixer adds what each gives."""
    found = (one + flagged, other + flagged, one + none, other + none)
    return max(abs(y - target) for y, target in zip(found, (1, 1, 1, -1), strict=True))


def latch_cases(_: Tier) -> Iterable[Case]:
    """Flags with the value that keeps the state largest, then the other one; noise; steps and values beyond the box."""
    flood, quiet = [[1, "1"]] * 8, [[0, "1"]] * 4
    streams = [[[1, "1"]], [*flood, [1, "-1"]], [*flood, [1, "-1"], *quiet], [*quiet, *quiet, [1, "-1"]]]
    lti = (["1", "0", "1/2", "-1/2"], ["1", "-1", "0", "0"], ["1/3", "2", "-1", "1"])
    for tokens, mixer in product(streams, lti):
        for D, eps in (("1", "1"), ("1", "1/8"), ("4", "1/2"), ("1/8", "1"), ("1", "5")):
            yield {"tokens": tokens, "D": D, "epsilon": eps, "lti": mixer}
    yield {"tokens": [*[[1, "9"]] * 4, [1, "1"]], "D": "1", "epsilon": "1", "lti": lti[0]}


# --- attention ----------------------------------------------------------------------------------------------------


SCORE = Ratio(-9, 9)
ATTENTION = Record(
    {"tokens": Several(SCORE, 1, 64), "j": Whole(1, 64), "q": SCORE, "W": SCORE},
    together=lambda case: "" if case["j"] <= len(case["tokens"]) else f'"j" is a token from 1 to {len(case["tokens"])}',
)


def attended(case: Case) -> dict[Any, Any]:
    """|∂y_t/∂x_j| of causal attention in one dimension by dual numbers in balls, j counted from 1."""
    tokens, at = [Fraction(v) for v in case["tokens"]], case["j"] - 1
    score, value = Fraction(case["q"]), Fraction(case["W"])
    f = dual(BALL)
    with f.arithmetic():
        inputs = perturbed(BALL, np.array(tokens, dtype=object)[:, None], (at, 0))[:, 0]
        weights = f.exp(inputs * inputs[-1] * f.number(score))
        output = (weights * inputs).sum() / weights.sum() * f.number(value)
        change = tangents(np.array([output]))[0]
        least = min(tokens[-1] * v * score for v in tokens)
    top = max(abs(v) for v in tokens)
    return {
        attention.SIZE: abs(change),
        attention.t: sp.Integer(len(tokens)),
        attention.least: sp.exp(sp.Rational(least)),
        attention.M: sp.Rational(top),
        attention.q: sp.Rational(abs(score)),
        attention.W: sp.Rational(abs(value)),
        attention.EARLIER: at + 1 < len(tokens),
    }


def attention_cases(_: Tier) -> Iterable[Case]:
    """Scores from none at all, where the bound is attained, to sharp ones; every token moved in turn."""
    streams = (["1", "1"], ["1", "-1", "0"], ["-1", "1", "-1", "1"], ["1", "-1"] * 8 + ["0"], ["1/2", "2", "-1", "1"])
    for tokens, q in product(streams, ("0", "1", "-1/2", "3")):
        for at in {1, 2, len(tokens)}:
            yield {"tokens": tokens, "j": at, "q": q, "W": "1"}
    yield {"tokens": ["1", "-1"], "j": 1, "q": "1", "W": "-2"}


def at_query(case: Case) -> dict[Any, Any]:
    """C, and size·t·m at the length 2⌈C⌉ + 1 for x = +1, −1, …, 0: the query's own token, or the first one."""
    length = 2 * case["C"] + 1
    tokens = ["1", "-1"] * case["C"] + ["0"]
    at = length if case["own"] else 1
    found = attended({"tokens": tokens, "j": at, "q": case["q"], "W": "1"})
    return found | {attention.C: sp.Integer(case["C"]), attention.OWN: case["own"], attention.q: sp.Rational(case["q"])}


def query_cases(_: Tier) -> Iterable[Case]:
    """Every C has its length."""
    return ({"q": q, "own": own, "C": C} for q in ("1", "2") for own in (True, False) for C in (1, 2, 4, 9, 30))


WITHOUT_OWN = Statement(
    (), sp.Implies(sp.Not(attention.OWN), attention.PRINTED), (attention.q, attention.OWN), (attention.C,)
)

# --- Mamba-2 ------------------------------------------------------------------------------------------------------


def faded(case: Case) -> dict[Any, Any]:
    """A head of N = 2 states behind a convolution of two steps, in balls: component `n` along x_1, whose window ends at
    i = 2. `rates` are those of the components; a head of Mamba-2 has one.
    """
    f, n = dual(BALL), case["n"]
    with f.arithmetic():
        tokens = perturbed(BALL, np.array([Fraction(v) for v in case["x"]], dtype=object)[:, None], (0, 0))[:, 0]
        earlier = np.concatenate([[f.number(0)], tokens[:-1]])
        mixed = f.relu(tokens + earlier * f.number(Fraction(1, 2)))
        delta = f.softplus(tokens)
        write = delta * mixed * mixed * f.number(n + 1)
        decay = f.exp(-delta * f.number(Fraction(case["rates"][n])))
        history = semantics.recurrence(f, decay[:, None, None], write[:, None, None])[:, 0, 0]
        change = tangents(history)
        state, kept = (np.array([v.value for v in part]) for part in (history, decay))
        added = tangents(write) + tangents(decay) * np.concatenate([[arb(0)], state[:-1]])
        later = np.array([v.value for v in delta[2:]])
        factor = (-BALL.number(Fraction(case["rates"][0])) * later.sum()).exp()
        window = added[0] * kept[1] + added[1]
    return {
        mamba2.change: change[-1],
        mamba2.at_window: change[1],
        mamba2.window: window,
        mamba2.factor: factor,
        mamba2.ONE_DECAY: len(set(case["rates"])) == 1,
    }


def head_cases(_: Tier) -> Iterable[Case]:
    """Both components of heads with one rate, and with two."""
    for tokens, rates in product(
        (["1", "1", "1"], ["1/2", "-1", "2", "1/4"]), (["1", "1"], ["1/2", "1/2"], ["1", "2"])
    ):
        yield from ({"x": tokens, "rates": rates, "n": n} for n in (0, 1))


# --- checks -------------------------------------------------------------------------------------------------------

CHECKS: tuple[Check, ...] = (
    statement_test("sensitivity.eq11", on_functions("a")),
    statement_test("sensitivity.lem1", on_functions("Delta", "lambda")),
    statement_test(
        "sensitivity.lem1-amended", on_functions("Delta", "lambda", "delta", also=({"lambda": "-1", "delta": "0"},))
    ),
    statement_test("sensitivity.lem2-amended", on_functions("Delta", "lambda", "S", also=LEMMA2_TIES)),
    statement_test(
        "sensitivity.bounded-inputs-forget",
        on_functions("lambda", "z", "rho", "b_Delta", also=({"lambda": "-1", "z": "(-1)**r", "m": "2"},)),
    ),
    statement_test(
        "sensitivity.lem2",
        Listed(
            "S6 with Δ = softplus, two inputs and a tail that adds up to at most 1",
            lambda _: LEMMA2_CASES,
            printed_lemma2,
            case=LEMMA2,
        ),
        mutants={
            "only where the two terms of K_j have one sign": Statement(
                (lemma2.CEILING,), sp.Implies(sp.Ge(lemma2.OWN * lemma2.CROSS, 0), lemma2.LEMMA2)
            ),
            "of K_j in place of the write alone": Statement(
                (lemma2.CEILING,), sp.Ge(lemma2.SIZE, sp.exp(-lemma2.c) * sp.Abs(K), evaluate=False)
            ),
        },
    ),
    statement_test(
        "sensitivity.criterion",
        Listed("seven series of steps, three eigenvalues, three K_j", criterion_cases, criterion, case=CRITERION),
    ),
    statement_test(
        "sensitivity.latch",
        Listed("S6 states in balls and LTI mixers in rationals, up to 13 tokens", latch_cases, latched, case=LATCH),
    ),
    statement_test(
        "sensitivity.attention",
        Listed(
            "causal attention in one dimension in balls, up to 17 tokens", attention_cases, attended, case=ATTENTION
        ),
    ),
    statement_test(
        "sensitivity.attention-query",
        Listed(
            "for every C the length 2C + 1, two scores, the first token or the query's own",
            query_cases,
            at_query,
            case=Record({"q": SCORE, "own": Flag(), "C": Whole(1, 200)}),
        ),
        mutants={"for every token but the query's own": WITHOUT_OWN},
    ),
    statement_test(
        "sensitivity.mamba2",
        Listed(
            "heads of two components, a window of two steps, in balls",
            head_cases,
            faded,
            case=Record({"x": Several(SCORE, 3, 32), "rates": Several(Ratio(0, 9), 2, 2), "n": Choice((0, 1))}),
        ),
    ),
)
