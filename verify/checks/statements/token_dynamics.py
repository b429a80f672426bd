"""Where the instances of the statements about token dynamics come from: solutions with a bound on their error.

A case is one system with its exact start, a token and a time; the solution's bound makes every figure a ball.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions.token_dynamics.bounded import TIME_ROUNDING, Path, SolutionClock, follow
from mamba_theorems.constructions.token_dynamics.quadrature import life
from mamba_theorems.constructions.token_dynamics.refinements import positive_form
from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.theorems.statement import Point
from mamba_theorems.theorems.token_dynamics import convergence, divergence, many_dimensions, refinements, slow, system
from mamba_theorems.theorems.token_dynamics.divergence import MIXED
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.checks.token_dynamics.law import TRUE, Instances
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]
Numbers = tuple[str, ...]
MOMENTS = tuple(map(Fraction, ("1/16", "1/8", "1/4", "1/2", "1", "2", "8", "100", "10000", "100000000")))
ENDLESS = arb("inf")

# --- one dimension ------------------------------------------------------------------------------------------------


def floats(*numbers: str) -> np.ndarray:
    """Exactly: numbers of a case are dyadic, or the nearest float is meant."""
    return np.array([float(Fraction(n)) for n in numbers])


@cache
def scalar_path(mu: str, S: str, a: str, x: Numbers, until: str) -> Path:
    """A one-dimensional solution at the moments up to `until`."""
    marks = np.log1p(np.array([float(t) for t in MOMENTS if t <= Fraction(until)]))
    tokens = TokenSystem.scalar(*(floats(n) for n in (mu, S, a)))
    return follow(tokens, floats(*x)[None, :, None], SolutionClock(np.ones(1)), marks)


def ball(middle: float, radius: float) -> arb:
    """A float with a bound on its error."""
    return arb(float(middle), float(radius))


def moment(path: Path, mark: int) -> arb:
    """The time of a mark."""
    return ball(path.time[mark, 0], 2 * TIME_ROUNDING * path.time[mark, 0])


def followed(case: Case) -> tuple[Path, int]:
    """The path of a case and the mark of its time. Raises ValueError where the solution was not followed so far."""
    path = scalar_path(case["mu"], case["S"], case["a"], tuple(case["x"]), case["until"])
    mark = MOMENTS.index(Fraction(case["t"]))
    if mark > path.last[0]:
        raise ValueError(f"the solution is not known at t = {case['t']}")
    return path, mark


def scalar(case: Case) -> Point:
    """What the statements share: the system's numbers, and token l at the start and at t (exact at t = 0)."""
    token = case["l"] - 1
    point: dict[Any, Any] = {
        system.rate: sp.Rational(case["mu"]),
        system.weight: sp.Rational(case["S"]),
        system.damping: sp.Rational(case["a"]),
        system.begun: sp.Rational(case["x"][token]),
        system.FIRST: token == 0,
    }
    if case["t"] == "0":
        return point | {system.now: point[system.begun], system.after: sp.S.Zero}
    path, mark = followed(case)
    now = ball(path.tokens[mark, 0, token, 0], path.error[mark, 0, token, 0])
    return point | {system.now: now, system.after: moment(path, mark)}


def with_velocity(case: Case) -> Point:
    """And dx_l/dt at the start, in balls."""
    numbers = (np.array(Fraction(case[n]), dtype=object) for n in ("mu", "S", "a"))
    x = np.array([Fraction(v) for v in case["x"]], dtype=object)[:, None]
    velocity = TokenSystem.scalar(*numbers).velocity(BALL.array(x), BALL)
    return scalar(case) | {convergence.velocity: velocity[case["l"] - 1, 0]}


@dataclass(frozen=True)
class Family:
    """A system, how far it is followed, and how it starts."""

    mu: str
    S: str
    a: str
    x: Numbers
    until: str = "100000000"

    def case(self, token: int, time: str) -> Case:
        """As JSON data."""
        numbers = {"mu": self.mu, "S": self.S, "a": self.a, "x": list(self.x), "until": self.until}
        return {**numbers, "l": token, "t": time}

    def cases(self, times: Iterable[str]) -> Iterable[Case]:
        """Every token at the times up to which it is followed."""
        for time, token in product(times, range(1, len(self.x) + 1)):
            if Fraction(time) <= Fraction(self.until):
                yield self.case(token, time)


SINKING = (
    Family("-1", "0", "1", ("1", "2")),
    Family("-1", "1/2", "1", ("1", "-1/2", "2")),
    Family("-2", "-1", "0", ("1/4", "1")),
    Family("-1/2", "1", "2", ("2", "0", "1/8")),
)
GROWING = (
    Family("1", "-1", "0", ("1", "3/2", "1/2")),
    Family("1/2", "1", "2", ("-1", "-2")),
    Family("2", "-2", "1", ("2", "1/4")),
)
ENDING = (Family("1", "1", "1", ("1/2", "-1/2"), "1/4"), Family("1", "-1", "1", ("1", "-3/5"), "1/2"))
STILL = Family("0", "1", "1", ("1", "2"), "2")
HIGH = Family("-1", "-1", "1", ("10", "1"), "2")


def of(*families: Family, times: Iterable[str], when: Callable[[Case], bool] = lambda _: True) -> Callable[[Tier], Any]:
    """The cases of families at times."""
    wanted = tuple(times)
    return lambda _: (c for family in families for c in family.cases(wanted) if when(c))


SOLUTIONS = "solutions of one-dimensional systems with a bound on their error, up to 3 tokens and t = 10^8"


def second_rate(case: Case) -> Point:
    """Tokens 1 and 2, at t and at the moment before it."""
    path, mark = followed(case)
    late, halfway = (ball(path.tokens[i, 0, 1, 0], path.error[i, 0, 1, 0]) for i in (mark, mark - 1))
    seconds = {convergence.second: sp.Rational(case["x"][1]), convergence.late: late, convergence.halfway: halfway}
    return scalar(case | {"l": 1}) | seconds | {convergence.middle: moment(path, mark - 1)}


NUMBERED = (*SINKING, *GROWING)


def numbered(case: Case) -> Point:
    """For statements that some time shows: the time is the moment's name, the system has its number."""
    which = next((i for i, f in enumerate(NUMBERED) if f.case(case["l"], case["t"]).items() <= case.items()), -1)
    return scalar(case) | {
        system.after: sp.Rational(case["t"]),
        convergence.which: sp.Integer(which),
        convergence.token: sp.Integer(case["l"]),
    }


def constants(case: Case) -> Point:
    """t over K(1 − 2^{−a}), K/ln t without decay, K for the first token."""
    path, mark = followed(case)
    time, mu, a = moment(path, mark), abs(Fraction(case["mu"])), Fraction(case["a"])
    factor = time * 2 * arb(2).log() * mu.numerator / mu.denominator
    if case["l"] > 1:
        factor = factor / (1 - arb(2) ** -(arb(a.numerator) / a.denominator)) if a else factor * time.log()
    return numbered(case) | {convergence.FACTOR: factor, convergence.room: sp.Rational(case["near"])}


def constants_cases(_: Tier) -> Iterable[Case]:
    """Two tokens without decay, three with it."""
    for family in (*SINKING[1:3], SINKING[3], GROWING[0]):
        for case in family.cases(("1/16", "100", "10000", "100000000")):
            yield from ({**case, "near": near} for near in (("1/4", "1/8") if family.a != "0" else ("1/4",)))


def passing(case: Case) -> Point:
    """And the first token at the same time, with a size to pass."""
    first = scalar(case | {"l": 1})
    u_1 = abs(first[system.now]) * abs(sp.Rational(case["S"]).p) / sp.Rational(case["S"]).q
    return numbered(case) | {slow.earlier: u_1, slow.floor: sp.Rational(case["R"])}


def passing_cases(_: Tier) -> Iterable[Case]:
    """Sizes that a token passes by t = 10^8."""
    for family in (*GROWING[:2], SINKING[1], Family("1", "-1", "1", ("1", "0"))):
        for case in family.cases(("1/16", "8", "10000", "100000000")):
            yield from ({**case, "R": size} for size in ("4", "16"))


# --- ends ---------------------------------------------------------------------------------------------------------


@cache
def ending(mu: str, S: str, a: str, x: Numbers) -> tuple[Path, arb, float]:
    """The path towards the end, a ball that holds the end, and a time that is surely after it."""
    found = Instances(floats(mu), floats(S), floats(a), floats(*x)[None])
    if not found.mu[0] > 0 or not found.growing.any():
        return scalar_path(mu, S, a, x, "100000000"), ENDLESS, np.inf
    path = found.follow_to_the_end(TRUE)
    (low,), (high,) = found.life(path)
    return path, ball((low + high) / 2, (high - low) / 2 * (1 + 2.0**-50)), float(high)


def ends(case: Case) -> Point:
    """When the solution ends, and when token l alone would."""
    mu, S, a, x = case["mu"], case["S"], case["a"], tuple(case["x"])
    start = sp.Rational(x[case["l"] - 1])
    if S == "0":
        alone = 1 / (2 * sp.Rational(mu) * sp.log(2) * start**2)
    else:
        alone = life(float(Fraction(mu)), abs(float(Fraction(S))), abs(float(start)))
    return {
        system.rate: sp.Rational(mu),
        system.weight: sp.Rational(S),
        system.begun: start,
        divergence.end: ending(mu, S, a, x)[1],
        divergence.own_life: alone,
        divergence.ALONE: len(x) == 1,
    }


ENDS = [
    {"mu": mu, "S": S, "a": a, "x": list(x), "l": token}
    for mu, S, a, x in (
        ("1", "1", "0", ("1",)),
        ("1", "0", "1", ("1/2",)),
        ("1", "0", "1", ("1/2", "1")),
        ("1", "1", "1", ("1/2", "-1/2", "3/4")),
        ("2", "-1", "1/2", ("5", "-1/4")),
        ("-1", "1", "1", ("1", "1/2")),
    )
    for token in range(1, len(x) + 1)
]


def at_the_end(case: Case) -> Point:
    """Token l at a mark on the way to the end, and at the end in the system of the first l tokens alone."""
    mu, S, a, x, token = case["mu"], case["S"], case["a"], tuple(case["x"]), case["l"] - 1
    path, _, after = ending(mu, S, a, x)
    low = ending(mu, S, a, x[: case["l"]])[1].lower()
    outlives = bool(low > after) if np.isfinite(after) else False
    mark = min(case["mark"], int(path.last[0]))
    return {
        system.rate: sp.Rational(mu),
        system.begun: sp.Rational(x[token]),
        system.now: ball(path.tokens[mark, 0, token, 0], path.error[mark, 0, token, 0]),
        system.after: sp.Rational(str(path.time[mark, 0])),
        divergence.which: sp.Integer(case["system"]),
        divergence.token: sp.Integer(case["l"]),
        divergence.floor: sp.Rational(case["R"]),
        divergence.OUTLIVES: outlives,
        divergence.ceiling: _alone_at(mu, S, a, x[: case["l"]], after) if outlives else ENDLESS,
    }


@cache
def _alone_at(mu: str, S: str, a: str, x: Numbers, time: float) -> arb:
    """The size of the last of these tokens at a time."""
    tokens = TokenSystem.scalar(*(floats(n) for n in (mu, S, a)))
    path = follow(tokens, floats(*x)[None, :, None], SolutionClock(np.ones(1)), np.array([np.log1p(time)]))
    return abs(ball(path.tokens[-1, 0, -1, 0], path.error[-1, 0, -1, 0]))


MIXES = (
    ("1", "1", "1", ("1/2", "1/4")),
    ("1", "-1", "1", ("1", "1/2", "-5/8")),
    ("1", "-1", "1/2", ("1", "-1", "1/2")),
    ("1", "-1", "1", ("1", "2")),
    ("-1", "-1", "1", ("1", "-1")),
    ("1", "1", "1", ("1", "0")),
)


def mixed_cases(_: Tier) -> Iterable[Case]:
    """A token that outlives the end is looked at once, shortly before it; the others all the way."""
    for number, (mu, S, a, x) in enumerate(MIXES):
        path, _, after = ending(mu, S, a, x)
        for token in range(1, len(x) + 1):
            lives = np.isfinite(after) and ending(mu, S, a, x[:token])[1].lower() > after
            for size, mark in product(("1/2", "4"), (4,) if lives else range(0, int(path.last[0]) + 1, 3)):
                yield {"system": number, "mu": mu, "S": S, "a": a, "x": list(x), "l": token, "R": size, "mark": mark}


def stays(case: Case) -> Point:
    """T*, and how large tokens 1 and 2 are there: their own system, at the end of the whole."""
    mu, S, a, x = case["mu"], case["S"], case["a"], tuple(case["x"])
    _, end, after = ending(mu, S, a, x)
    grows = sp.Rational(mu) * sp.Rational(S) * max(sp.Rational(v) * sp.sign(sp.Rational(S)) for v in x[:2]) > 0
    sizes = [_alone_at(mu, S, a, x[:n], after) if np.isfinite(after) and not grows else ENDLESS for n in (1, 2)]
    return {
        system.rate: sp.Rational(mu),
        system.weight: sp.Rational(S),
        system.damping: sp.Rational(a),
        divergence.START: tuple(map(sp.Rational, x)) == MIXED,
        divergence.end: end,
        **dict(zip(divergence.sizes, sizes, strict=True)),
    }


STAYS = [
    {"mu": mu, "S": S, "a": a, "x": x}
    for mu, S, a, x in (
        ("1", "-1", "1", ["1", "1/2", "-3/5"]),
        ("1/2", "-1", "1", ["1", "1/2", "-3/5"]),
        ("1", "-1/4", "1", ["1", "1/2", "-3/5"]),
        ("1", "-1", "16", ["1", "1/2", "-3/5"]),
        ("1", "-1", "1", ["2", "1/2", "-3/5"]),
    )
]
