"""Where the instances of the foundations' statements come from: points, and exact runs of the recurrences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions import foundations as forms
from mamba_theorems.constructions.compiler.channels import Channel
from mamba_theorems.constructions.foundations import Copier, Copying
from mamba_theorems.constructions.tasks import IGNORED
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import BALL, RATIONAL
from mamba_theorems.theorems.foundations import copying, discretisation, duality, recurrence
from mamba_theorems.theorems.statement import Point
from mamba_theorems.verify.checks.case import Choice, Flag, Kinds, Ratio, Record, Several, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]
t = sp.Symbol("t", integer=True)

# --- discretisation --------------------------------------------------------------------------------------------------

s = discretisation.s
PATHS = tuple(sp.Lambda(s, path) for path in (1 - sp.exp(-s), s**2 - s, 2 + sp.exp(s / 2)))
"""Differentiable functions, one of which solves a state equation with a held input."""
HELD = {
    discretisation.rate: (0, 1, sp.Rational(-1, 2)),
    discretisation.length: (1, sp.Rational(1, 4)),
    discretisation.u: (1, -2),
}
"""λ, Δ and the input: all combinations, for each costs an integral."""

# --- recurrences over rationals --------------------------------------------------------------------------------------


def table(values: Sequence[Any], first: int = 1) -> sp.Lambda:
    """The function with these values from `first` on, and 0 elsewhere."""
    at = (sp.Mul(sp.sympify(value), sp.KroneckerDelta(t, i)) for i, value in enumerate(values, first))
    return sp.Lambda(t, sp.Add(*at))


def fractions(values: Iterable[str]) -> list[Fraction]:
    """Exact numbers as a case writes them."""
    return list(map(Fraction, values))


def states(decays: Sequence[Fraction], writes: Sequence[Fraction], initial: Fraction) -> list[Fraction]:
    """h_0, h_1, … of the recurrence as it is defined."""
    if not decays:
        return [initial]
    decay, write = (np.array(column, dtype=object)[:, None, None] for column in (decays, writes))
    return [initial, *semantics.recurrence(RATIONAL, decay, write, np.array([[initial]], dtype=object))[:, 0, 0]]


def follows(found: Sequence[Fraction], decays: Sequence[Fraction], writes: Sequence[Fraction]) -> bool:
    """Whether every state is the last one decayed, and a write; beyond the ends all are 0."""
    zero = Fraction(0)
    steps = zip((*decays, zero), (*writes, zero), found, (*found[1:], zero), strict=True)
    return all(after == decay * before + write for decay, write, before, after in steps)


def recurrence_cases(tier: Tier) -> Iterator[Case]:
    """All sequences of small numbers from every state, and runs in which the last state is off by one."""
    longest = 2 if tier is Tier.QUICK else 3
    for n in range(longest + 1):
        for decays, writes in product(product(("1/2", "-2", "0"), repeat=n), product(("1", "-3"), repeat=n)):
            for initial, off in (("0", "0"), ("1", "0"), ("0", "1")):
                yield {"decays": decays, "writes": writes, "initial": initial, "off": off}
    yield {"decays": ("1/2", "-2", "3"), "writes": ("1", "-3", "2"), "initial": "0", "off": "0"}


SMALL = Ratio(-99, 99)
STEPS = {"decays": Several(SMALL, 0, 8), "writes": Several(SMALL, 0, 8), "initial": SMALL, "off": SMALL}


def _one_each(case: Case) -> str:
    """A write a step."""
    count = len(case["decays"])
    return "" if len(case["writes"]) == count else f'"writes" has {count} values, as "decays" has'


BLOCKS = Record({**STEPS, "i": Whole(0, 8), "from": SMALL}, together=_one_each)


def _run(case: Case) -> tuple[list[Fraction], list[Fraction], list[Fraction]]:
    decays, writes = fractions(case["decays"]), fractions(case["writes"])
    found = states(decays, writes, Fraction(case["initial"]))
    found[-1] += Fraction(case["off"])
    return decays, writes, found


def unrolled_point(case: Case) -> Point:
    """The recurrence's states, and whether they are its states."""
    decays, writes, found = _run(case)
    return {
        recurrence.n: len(decays),
        recurrence.a: table(decays),
        recurrence.b: table(writes),
        recurrence.UNROLLED.state: table(found, 0),
        recurrence.RECURRENCE.meaning: follows(found, decays, writes),
    }


def block_cases(tier: Tier) -> Iterator[Case]:
    """The same behind i other steps, of which the block knows nothing."""
    for case in recurrence_cases(tier):
        if case["writes"] == ("1", "-3", "2")[: len(case["writes"])]:
            yield {**case, "i": len(case["decays"]) % 2, "from": case["initial"]}
    yield {"decays": ("1/2", "-2"), "writes": ("1", "-3"), "initial": "1", "off": "0", "i": 1, "from": "2"}


def block_point(case: Case) -> Point:
    """The states of a block of m steps from h_i on; three of the steps, for the operator."""
    decays, writes, found = _run(case)
    pairs = [*zip(decays, writes, strict=True), *[(Fraction(3), Fraction(-2))] * 3][:3]
    return {
        recurrence.i: case["i"],
        recurrence.m: len(decays),
        recurrence.a: table(decays, case["i"] + 1),
        recurrence.b: table(writes, case["i"] + 1),
        recurrence.start: sp.Rational(case["from"]),
        recurrence.BLOCK.state: table(found, 0),
        recurrence.ONWARD.meaning: follows(found, decays, writes),
        **dict(zip((recurrence.a1, recurrence.a2, recurrence.a3), (sp.Rational(a) for a, _ in pairs), strict=True)),
        **dict(zip((recurrence.b1, recurrence.b2, recurrence.b3), (sp.Rational(b) for _, b in pairs), strict=True)),
    }


# --- S4D and its FFT -------------------------------------------------------------------------------------------------


def convolution_cases(tier: Tier) -> Iterator[Case]:
    """One or two states, a few inputs; every period around 2L − 1."""
    longest = 4 if tier is Tier.QUICK else 7
    kernels = ((("1/2",), ("1",)), (("1/2", "-1/3"), ("1", "-2")))
    for length, (decays, gains) in product(range(1, longest + 1), kernels):
        for period in range(1, 2 * length + 2):
            inputs = [str((j * j) % 5 - 1) for j in range(1, length + 1)]
            yield {"decays": decays, "gains": gains, "inputs": inputs, "period": period}


STATES = Record(
    {
        "decays": Several(SMALL, 1, 4),
        "gains": Several(SMALL, 1, 4),
        "inputs": Several(SMALL, 1, 12),
        "period": Whole(1, 64),
    },
    together=lambda case: "" if len(case["gains"]) == len(case["decays"]) else '"gains" has as many values as "decays"',
)


def convolution_point(case: Case) -> Point:
    """The recurrence's last output, and whether an FFT of the period convolves all inputs of this length."""
    decays, gains, inputs = (fractions(case[name]) for name in ("decays", "gains", "inputs"))
    length = len(inputs)
    output = sum(k * states([a] * length, inputs, Fraction(0))[-1] for a, k in zip(decays, gains, strict=True))
    return {
        recurrence.output: sp.Rational(output),
        recurrence.decay: table(decays),
        recurrence.gain: table(gains),
        recurrence.fed: table(inputs),
        recurrence.num_states: len(decays),
        recurrence.last: length,
        recurrence.length: length,
        recurrence.period: case["period"],
        recurrence.fits: fits(length, case["period"]),
    }


@lru_cache(maxsize=64)
def fits(length: int, period: int) -> bool:
    """On every pair of unit vectors, which is enough for a bilinear map; floats are within 1/4 of these integers."""
    units = np.eye(length)
    pairs = [(k, x, np.convolve(k, x)[:length]) for k in units for x in units]
    return all(
        len(found := forms.fft_convolution(k, x, period)) == length and np.array_equal(np.rint(4 * found), 4 * y)
        for k, x, y in pairs
    )


# --- S6 in balls -----------------------------------------------------------------------------------------------------


def s6_cases(_: Tier) -> Iterator[Case]:
    """One input of either sign, small and large, and 0; behind up to two zeros."""
    for x, delay in product(("1", "-1", "1/10", "-1/10", "3", "0"), (0, 1, 2)):
        yield {"x": x, "delay": delay}


def s6(inputs: Sequence[Fraction], *, write: bool = True) -> arb:
    """The last output of N = 1, A = −1, B = C = 1, Δ = softplus(x); without `write`, Δ stands in the decay only."""
    x = BALL.array(list(inputs))
    delta = BALL.softplus(x)
    if write:
        ones, A = BALL.array(np.ones((len(x), 1), dtype=int)), BALL.array([[-1]])
        return semantics.selective_scan(BALL, x[:, None], delta[:, None], A, ones, ones)[-1, 0]
    return semantics.recurrence(BALL, BALL.exp(-delta)[:, None, None], x[:, None, None])[-1, 0, 0]


def s6_point(case: Case) -> Point:
    """Outputs of the input, of twice the input, and behind zeros."""
    x = Fraction(case["x"])
    return {
        recurrence.fed_once: sp.Rational(x),
        recurrence.single: s6([x]),
        recurrence.double: s6([2 * x]),
        recurrence.delayed: s6([Fraction(0)] * case["delay"] + [x]),
        recurrence.held: s6([x, x], write=False),
        recurrence.held_double: s6([2 * x, 2 * x], write=False),
    }


# --- Mamba-2 in balls ------------------------------------------------------------------------------------------------


def ssd_cases(tier: Tier) -> Iterator[Case]:
    """Lengths, states and chunks that do not divide; the numbers follow from these."""
    longest = 4 if tier is Tier.QUICK else 7
    for length, d_state in product(range(1, longest + 1), (1, 2)):
        yield {"length": length, "d_state": d_state, "chunk_size": 1 + length // 2}


SSD = Record({"length": Whole(1, 32), "d_state": Whole(1, 8), "chunk_size": Whole(1, 64)})


def ssd_point(case: Case) -> Point:
    """The last output of the recurrence, and by chunks."""
    length, d_state = case["length"], case["d_state"]
    n, j = np.arange(1, d_state + 1), np.arange(1, length + 1)[:, None]
    x, dt = (j[:, 0] ** 2) % 7 - 2, 1 + j[:, 0] % 3
    B, C, A = j * n - 3, (n + length) % 4 - 1, Fraction(-1, 3)
    u, delta, keys, queries = (BALL.array(v) for v in (x[:, None], dt, B, np.tile(C, (length, 1))))
    y = semantics.ssd(BALL, u[:, None], delta[:, None], BALL.array([A]), keys[:, None], queries[:, None])[-1, 0, 0]
    by_chunks = forms.chunked(BALL, u, delta, BALL.number(A), keys, queries, case["chunk_size"])[-1, 0]
    state, write = sp.symbols("n j", integer=True)
    return {
        duality.output: y,
        duality.chunked: by_chunks,
        duality.rate: sp.Rational(A),
        duality.place: length,
        duality.num_states: d_state,
        duality.step: table(dt.tolist()),
        duality.fed: table(x.tolist()),
        duality.B: sp.Lambda((state, write), state * write - 3),
        duality.C: table(C.tolist()),
    }


# --- selective copying -----------------------------------------------------------------------------------------------


def copying_cases(tier: Tier) -> Iterator[Case]:
    """The network, one address fewer or one content too many; states read by small matrices; one read by its digits."""
    for m, length in ((1, 3), (2, 5)) if tier is Tier.QUICK else ((1, 6), (2, 7), (3, 7)):
        yield {"network": "copier", "M": m, "N": m, "L": length}
        yield {"network": "copier", "M": m, "N": m, "L": length + 1, "too many": True}
    yield {"network": "copier", "M": 2, "N": 1, "L": 5}
    for C, B in product(product((-1, 0, 1), repeat=2), repeat=2):
        yield {"network": "matrices", "C": [[c] for c in C], "B": [list(B)]}
    for C in ([[1, 0], [0, 1]], [[1, 1], [0, 1]], [[2, 1], [1, 2]], [[0, 0], [0, 0]], [[1, 0], [0, 1], [1, 1]]):
        yield {"network": "matrices", "C": C, "B": np.array(C).T.tolist()}
    yield {"network": "digits", "M": 2}


def _too_large(case: Case) -> str:
    """What a copier has no room, or no address, for."""
    m, length = case["M"], case["L"]
    if case["N"] > m or length < 2 * m:
        return f'"N" is at most "M", which is {m}, and "L" at least {2 * m}'
    return "" if comb(length - m, m) * 2**m <= 2000 else '"L" is smaller: it has too many sequences'


def _not_matrices(case: Case) -> str:
    """What is no product of a (M, N) and an (N, M) matrix."""
    rows, columns = len(case["C"]), len(case["C"][0])
    fits = all(len(row) == columns for row in case["C"]) and len(case["B"]) == columns
    return "" if fits and all(len(row) == rows for row in case["B"]) else '"C" is M × N, and "B" N × M'


ROWS = Several(Several(Whole(-99, 99), 1, 4), 1, 4)
COPYING = Kinds(
    "network",
    {
        "copier": Record(
            {"network": Choice(("copier",)), "M": Whole(1, 3), "N": Whole(1, 3), "L": Whole(2, 12), "too many": Flag()},
            optional=frozenset({"too many"}),
            together=_too_large,
        ),
        "matrices": Record({"network": Choice(("matrices",)), "C": ROWS, "B": ROWS}, together=_not_matrices),
        "digits": Record({"network": Choice(("digits",)), "M": Whole(1, 10)}),
    },
)


def copying_point(case: Case) -> Point:
    """The least margin over all sequences of the size."""
    measured = {"copier": _copier_point, "matrices": _matrices_point, "digits": _digits_point}[case["network"]](case)
    return {
        copying.TASK.meaning: not case.get("too many", False),
        copying.ADDITIVE.meaning: case["network"] != "digits",
        copying.built: False,
        **measured,
    }


def _copier_point(case: Case) -> Point:
    m, length = case["M"], case["L"]
    copier, task = Copier(2, m, case["N"]), Copying(2, m, length)
    places = list(combinations(range(length - m), m))
    chosen = [(p, c) for p in places for c in product(range(2), repeat=m)]
    tokens, targets = task.sequence(np.array([p for p, _ in chosen]), np.array([c for _, c in chosen]))
    if case.get("too many"):
        tokens[tokens == task.noise] = 0
    return {
        copying.margin: _least_margin(copier, tokens, targets),
        copying.num_states: case["N"],
        copying.num_contents: m,
        copying.built: case["N"] == m,
    }


def _least_margin(copier: Copier, tokens: np.ndarray, targets: np.ndarray) -> arb:
    """In balls, before the final norm: the anchor is K there, so that its logit tells what the norm divides by."""
    head, noise = "lm_head.weight", copier.num_values
    network = copier.network()
    anchored = network.with_entries(head, {(noise, copier.model.position(Channel("anchor"))): 1})
    logits = anchored.run(BALL, tokens)[targets != IGNORED]
    scale = BALL.number(copier.anchor) / logits[:, noise]
    rows = zip(logits[:, :noise].tolist(), targets[targets != IGNORED].tolist(), strict=True)
    leads = [row.pop(answer) - reduce(arb.max, row) for row, answer in rows]
    return reduce(arb.min, scale * np.array(leads))


def _matrices_point(case: Case) -> Point:
    """y_i = Σ_l C_i·B_l x_l, contents ±1: the least of x_i y_i over all contents is S_ii − Σ |S_il|."""
    C, B = np.array(case["C"]), np.array(case["B"])
    S = C @ B
    own = np.diag(S)
    least = int((own - (np.abs(S).sum(1) - np.abs(own))).min())
    return {copying.margin: least, copying.num_states: C.shape[1], copying.num_contents: C.shape[0]}


def _digits_point(case: Case) -> Point:
    """One number Σ 2^l x_l, read by its binary digits: all right with one state."""
    m = case["M"]
    right = all(
        [(sum(x << i for i, x in enumerate(contents)) >> i) & 1 for i in range(m)] == list(contents)
        for contents in product((0, 1), repeat=m)
    )
    return {copying.margin: int(right), copying.num_states: 1, copying.num_contents: m}


CHECKS: tuple[Check, ...] = (
    statement_test("foundations.zoh", Points(values=HELD, functions={discretisation.h: PATHS})),
    *(
        statement_test(f"foundations.{name}", Points())
        for name in ("euler-gap", "bilinear", "gated-rnn", "silu-pair", "silu-step")
    ),
    statement_test(
        "foundations.unrolled",
        Listed(
            "all recurrences over small rationals, n ≤ 2",
            recurrence_cases,
            unrolled_point,
            case=Record(STEPS, together=_one_each),
        ),
    ),
    statement_test(
        "foundations.scan-associative",
        Listed("blocks of m ≤ 2 steps of all recurrences over small rationals", block_cases, block_point, case=BLOCKS),
    ),
    statement_test(
        "foundations.lti-convolution",
        Listed(
            "S4D with 1 or 2 states over rationals, L ≤ 4, P ≤ 2L + 1",
            convolution_cases,
            convolution_point,
            case=STATES,
        ),
    ),
    statement_test(
        "foundations.s6-not-lti",
        Listed(
            "S6 on inputs of either sign, in balls",
            s6_cases,
            s6_point,
            case=Record({"x": SMALL, "delay": Whole(0, 32)}),
        ),
    ),
    statement_test(
        "foundations.ssd-duality", Listed("SSD with L ≤ 4, N ≤ 2, in balls", ssd_cases, ssd_point, case=SSD)
    ),
    statement_test(
        "foundations.selective-copying",
        Listed(
            "all sequences of two values, M = 1, L = 3 and M = 2, L = 5, in balls; small matrices",
            copying_cases,
            copying_point,
            case=COPYING,
        ),
        survivors={
            "an eighth sharper: margin > 5/8": "the least margin is 0.857, at M = 1; the derivation takes the largest"
            " of all errors for each of them"
        },
    ),
)
