"""Where the instances of the induction heads' statements come from: exact runs of the heads on every small sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache, reduce, total_ordering
from math import inf
from typing import Any

import numpy as np
import sympy as sp
import torch
from flint import arb

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads import (
    FloatReach,
    answers,
    lemma3,
    lemma3_printed,
    lone_write,
    plain_s6,
    reach,
)
from mamba_theorems.constructions.induction_heads.plain import HEAD_SCALE
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import BALL, FLOAT64
from mamba_theorems.theorems.induction_heads import lemma3 as stated
from mamba_theorems.theorems.induction_heads import plain
from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.case import Domain, Formula, Ratio, Record, Several, Whole
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.induction_heads.heads import margins
from mamba_theorems.verify.checks.statements.source import Instances, Listed, Source
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]


def up_to_renaming(num_tokens: int, length: int) -> np.ndarray:
    """All sequences of a length over so many tokens, each token that is new being the next one: (sequences, length)."""
    rows: list[tuple[int, ...]] = [(0,)]
    for _ in range(length - 1):
        rows = [(*row, token) for row in rows for token in range(min(num_tokens, max(row) + 2))]
    return np.array(rows)


# --- Lemma 3 in balls ------------------------------------------------------------------------------------------------

SIZES = {Tier.QUICK: ((2, 6), (3, 5)), Tier.FULL: ((2, 9), (3, 7), (4, 6))}
"""Numbers of tokens and lengths: all sequences of these and of every shorter length."""
GAPS = (10, 38)
"""Steps of the longer sequences 0 1 … 1 0 that show how sharp the bounds are."""


@dataclass(frozen=True)
class Lemma3(Source):
    """Lemma 3's block at every position of every small sequence, for several w."""

    build: Callable[[int, Any], Construction]
    sharpness: tuple[sp.Expr, ...]
    measure: Callable[[Construction, np.ndarray], list[Point]] = field(hash=False)
    gaps: tuple[int, ...] = ()

    @property
    def said(self) -> str:
        """Sizes, lengths and w."""
        sizes = ", ".join(f"{tokens} tokens up to L = {length}" for tokens, length in SIZES[Tier.QUICK])
        longer = "".join(f", 0 1 … 1 0 of length {gap + 2} at w = ln {2 * gap + 4}" for gap in self.gaps)
        return f"all sequences up to renaming, {sizes}, at w = {', '.join(map(str, self.sharpness))}{longer}; in balls"

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Every prefix once, shortest first, with each w; then the longer sequences."""
        sizes = SIZES.get(tier, SIZES[Tier.QUICK])
        found = [at for num_tokens, length in sizes for at in self._all(num_tokens, length)]
        found.sort(key=lambda at: len(at[0]["tokens"]))
        for gap in self.gaps:
            case = {"num_tokens": 2, "w": str(sp.log(2 * gap + 4)), "tokens": lone_write(gap).tolist()}
            found.append((case, self._at(case)))
        yield _columns([point for _, point in found], [case for case, _ in found])

    def domain(self, statement: Statement) -> Domain:
        """A number of tokens, w, and a sequence."""
        return Record(
            {"num_tokens": Whole(1, 8), "w": Formula(), "tokens": Several(Whole(0, 7), 1, 400)},
            together=lambda case: (
                "" if max(case["tokens"]) < case["num_tokens"] else f'"tokens" are below {case["num_tokens"]}'
            ),
        )

    def one(self, statement: Statement, case: Any) -> Instances:
        """The last position of the case's sequence."""
        return _columns([self._at(case)], [case])

    def _at(self, case: Case) -> Point:
        w = sp.sympify(case["w"])
        return self._points(case["num_tokens"], w, np.array([case["tokens"]]))[-1]

    def _all(self, num_tokens: int, length: int) -> Iterator[tuple[Case, Point]]:
        tokens, seen = up_to_renaming(num_tokens, length), set()
        for w in self.sharpness:
            for i, point in enumerate(self._points(num_tokens, w, tokens)):
                prefix = tuple(tokens[i // length, : i % length + 1].tolist())
                if (w, prefix) not in seen:
                    seen.add((w, prefix))
                    yield {"num_tokens": num_tokens, "w": str(w), "tokens": list(prefix)}, point

    def _points(self, num_tokens: int, w: sp.Expr, tokens: np.ndarray) -> list[Point]:
        """At every position of every sequence (batch, L)."""
        places = np.tile(np.arange(1, tokens.shape[1] + 1), len(tokens)).tolist()
        found = self.measure(self.build(num_tokens, w), tokens)
        return [{**point, stated.w: w, stated.length: place} for point, place in zip(found, places, strict=True)]


def _columns(points: list[Point], cases: list[Case]) -> Instances:
    return Instances({symbol: [point[symbol] for point in points] for symbol in points[0]}, cases.__getitem__)


def _logits(network: Construction, tokens: np.ndarray) -> Iterator[tuple[list[arb], int, int]]:
    """The logits at every position, the right class, and the number of blank."""
    logits = network.run(BALL, tokens)
    num_tokens = logits.shape[-1] - 1
    for row, target in zip(logits.reshape(-1, num_tokens + 1), answers(tokens, num_tokens).ravel(), strict=True):
        yield list(row), int(target), num_tokens


def _margin(row: list[arb], target: int) -> arb:
    return row[target] - reduce(arb.max, row[:target] + row[target + 1 :])


def printed(network: Construction, tokens: np.ndarray) -> list[Point]:
    """The margin with blank at 0, and how much is kept of the columns that are not erased."""
    kept = _kept(network, tokens)
    return [
        {
            stated.repeated: target < blank,
            stated.margin: _margin(row, target),
            stated.column: sum(row[:blank], arb(0)),
            stated.kept: factor,
        }
        for (row, target, blank), factor in zip(_logits(network, tokens), kept, strict=True)
    ]


def _kept(network: Construction, tokens: np.ndarray) -> Iterator[arb]:
    """How much a step keeps of the columns that it does not erase, with Δ = softplus(0); 1 where there is none."""
    weights = semantics.sub_weights(network.to(BALL), "mixer")
    with BALL.arithmetic():
        factor = BALL.exp(weights["A"][0, 0] * BALL.softplus(weights["delta.bias"][0]))
    for row in tokens.tolist():
        for t in range(len(row)):
            yield factor if set(row[: max(t - 1, 0)]) - {row[t - 1]} else arb(1)


def amended(network: Construction, tokens: np.ndarray) -> list[Point]:
    """The answer's logit, the other tokens' together, and blank's."""
    found: list[Point] = []
    for row, target, blank in _logits(network, tokens):
        own = row[target] if target < blank else arb(0)
        rest = sum((x for token, x in enumerate(row[:blank]) if token != target), arb(0))
        found.append({stated.repeated: target < blank, stated.own: own, stated.rest: rest, stated.blank: row[blank]})
    return found


def _lemma3() -> Iterator[Check]:
    zero, low, high = sp.S.Zero, sp.Rational(-3, 2), sp.S.One
    yield statement_test(
        "induction.lem3",
        Lemma3(lemma3_printed, (sp.Integer(3),), printed),
        mutants={
            "at a repeated token, nothing said of what is kept": Statement((stated.REPEATED,), sp.Gt(stated.margin, 0))
        },
    )
    yield statement_test("induction.lem3-argmax", Lemma3(lemma3_printed, (zero, high, low), printed))
    wide = (sp.log(12), sp.Integer(3), sp.S.Half)
    yield statement_test("induction.lem3-amended", Lemma3(lemma3, wide, amended, GAPS))


# --- plain S6 in real arithmetic -------------------------------------------------------------------------------------

DECAYS = tuple(map(Fraction, ("1/2", "1/4", "5/8", "19/32", "9/16", "3/4", "1")))
LONGEST = {Tier.QUICK: {1: 7, 2: 7, 3: 5}, Tier.FULL: {1: 9, 2: 9, 3: 7, 4: 6}}
"""By the number of tokens: all sequences up to this length."""


@dataclass(frozen=True)
class PlainS6(Source):
    """Plain S6 in the paper's block on all sequences up to a length, with decays ρ and blank logits θ.

    float64 is exact here: all numbers are dyadic, of at most 53 bits. The exponential has e^{−1} = ρ, for λΔ = 1.
    """

    @property
    def said(self) -> str:
        """Sizes, lengths, decays."""
        sizes = ", ".join(f"{tokens} up to L = {length}" for tokens, length in LONGEST[Tier.QUICK].items())
        return f"all sequences up to renaming, tokens: {sizes}; ρ = {', '.join(map(str, DECAYS))}, θ from 0 to ρ^(n+1)"

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Shortest first."""
        sizes = LONGEST.get(tier, LONGEST[Tier.QUICK])
        cases = [
            {"num_tokens": num_tokens, "n": n, "rho": str(rho), "theta": str(theta)}
            for n in range(max(sizes.values()) - 2)
            for num_tokens, length in sizes.items()
            if n + 3 <= length
            for rho in DECAYS
            for theta in (rho ** (n + 1) / 2, rho ** (n + 1), Fraction(0))
        ]
        yield _columns(list(map(_plain_point, cases)), cases)

    def domain(self, statement: Statement) -> Domain:
        """A number of tokens, n, ρ and θ."""
        share = Ratio(0, 1)
        names = {"num_tokens": Whole(1, 4), "n": Whole(0, 6), "rho": Ratio(Fraction(1, 32), 1), "theta": share}
        return Record(names, together=self._misfit)

    @staticmethod
    def _misfit(case: Any) -> str:
        """What float64 would round, or has too many sequences."""
        rho, theta, steps = Fraction(case["rho"]), Fraction(case["theta"]), case["n"] + 3
        bits = {number.denominator.bit_length() - 1 for number in (rho**steps, theta)}
        dyadic = all(d & (d - 1) == 0 for d in (rho.denominator, theta.denominator))
        if not dyadic or max(bits) > 48:
            return '"rho" and "theta" have powers of 2 as denominators, and "rho" to the n + 3 at most 48 bits'
        return "" if case["num_tokens"] ** (steps - 1) <= 20_000 else "it has too many sequences: lower n or num_tokens"

    def one(self, statement: Statement, case: Any) -> Instances:
        """All sequences of the case's size."""
        return _columns([_plain_point(case)], [case])


def _plain_point(case: Case) -> Point:
    rho, theta = Fraction(case["rho"]), Fraction(case["theta"])
    margins = _margins(case["num_tokens"], case["n"] + 3, rho, theta)
    return {
        plain.right: bool((margins > 0).all()),
        plain.rho: sp.Rational(rho),
        plain.theta: sp.Rational(theta),
        plain.count: case["n"],
        plain.num_tokens: case["num_tokens"],
    }


def _margins(num_tokens: int, length: int, rho: Fraction, theta: Fraction) -> np.ndarray:
    """At every position of all sequences of a length, and so of every shorter one."""
    logits, tokens = _plain_logits(num_tokens, length, rho), up_to_renaming(num_tokens, length)
    logits = np.concatenate([logits, np.full((*logits.shape[:-1], 1), float(HEAD_SCALE[torch.float32] * theta))], -1)
    return margins(logits, answers(tokens, num_tokens))


@lru_cache(maxsize=64)
def _plain_logits(num_tokens: int, length: int, rho: Fraction) -> np.ndarray:
    """The tokens' logits, (sequences, L, num_tokens); blank's is a constant."""
    field = replace(FLOAT64, exp=lambda x: float(rho) ** -x)
    network = plain_s6(num_tokens, "paper", decay_rate=1)
    return network.run(field, up_to_renaming(num_tokens, length))[..., :num_tokens]


# --- plain S6 in floats of every size --------------------------------------------------------------------------------


@total_ordering
@dataclass(frozen=True)
class BinaryFloat:
    """A number of a binary format with p bits and the least subnormal 2^{−s}; operations are rounded once, to even."""

    value: Fraction
    digits: int
    least: int

    def rounded(self, value: Fraction) -> BinaryFloat:
        """The nearest number of this format."""
        size = abs(value.numerator).bit_length() - value.denominator.bit_length()  # 2^(size−1) < |value| < 2^(size+1)
        top = size if abs(value) >= Fraction(2) ** size else size - 1
        unit = Fraction(2) ** max(top - self.digits + 1, -self.least)
        return replace(self, value=round(value / unit) * unit)

    def __mul__(self, other: BinaryFloat) -> BinaryFloat:
        return self.rounded(self.value * other.value)

    def __add__(self, other: BinaryFloat) -> BinaryFloat:
        return self.rounded(self.value + other.value)

    def __sub__(self, other: BinaryFloat) -> BinaryFloat:
        return self.rounded(self.value - other.value)

    def __lt__(self, other: BinaryFloat) -> bool:
        return self.value < other.value


FORMATS = ((2, 4), (3, 4), (3, 7), (4, 9), (8, 17), (11, 24), (24, 149), (53, 1074), (4, 2))
"""Bits and least subnormals: among them half, single and double precision."""
NEVER = 10**6
"""Stands for a gap without end."""


def float_cases(tier: Tier) -> Iterator[Case]:
    """Decays around ½ and far from it; repetitions and gaps around where answers stop."""
    for p, s in FORMATS:
        u = Fraction(1, 2**p)
        near = BinaryFloat(Fraction(0), p, s).rounded(Fraction(24, 50)).value
        half = Fraction(1, 2)
        for rho in dict.fromkeys((half, half - u / 2, half - u, Fraction(1, 4), near, Fraction(1, 2**12), half + u)):
            last = _reach(p, s, rho).any_input
            gaps = (0, 1, last, last - 1, last + 1, s // 2, 2)
            for k, g in zip((1, 2, p + 1, p + 2, p + 3, 3 * p, p), gaps, strict=True):
                yield {"p": p, "s": s, "rho": str(rho), "k": k, "g": max(g, 0)}


@lru_cache(maxsize=128)
def _reach(p: int, s: int, rho: Fraction) -> FloatReach:
    decay = BinaryFloat(rho, p, s)
    return reach(decay, replace(decay, value=Fraction(1)))


def in_floats(case: Case) -> Point:
    """How far plain S6 reaches in a format, and whether q^k v q is answered there."""
    p, s, rho, k = case["p"], case["s"], Fraction(case["rho"]), case["k"]
    decay, found = BinaryFloat(rho, p, s), _reach(p, s, rho)
    one = replace(decay, value=Fraction(1))
    older = one - one
    for _ in range(k - 1):
        older = decay * older + one
    return {
        plain.digits: p,
        plain.least: s,
        plain.rho: sp.Rational(rho),
        plain.repeats: k,
        plain.steps: case["g"],
        plain.right: decay * older < one,
        plain.alone: NEVER if found.alone == inf else int(found.alone),
        plain.reach: found.any_input,
    }


RATES = Ratio(Fraction(1, 4096), Fraction(3, 4))
FLOATS = Record({"p": Whole(2, 64), "s": Whole(1, 2000), "rho": RATES, "k": Whole(1, 400), "g": Whole(0, 3000)})


def _plain() -> Iterator[Check]:
    yield statement_test("induction.plain-s6", PlainS6())
    words = "exact rounding in formats (p, s) " + ", ".join(map(str, FORMATS))
    yield statement_test("induction.plain-s6-limits", Listed(words, float_cases, in_floats, case=FLOATS))


CHECKS: tuple[Check, ...] = (*_lemma3(), *_plain())
