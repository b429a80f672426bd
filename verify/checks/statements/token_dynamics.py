"""Where the instances of the statements about token dynamics come from: solutions with a bound on their error.

A case is one system with its exact start, a token and a time; the solution's bound makes every figure a ball.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce
from itertools import pairwise, product
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions.token_dynamics.bounded import TIME_ROUNDING, Path, SolutionClock, follow
from mamba_theorems.constructions.token_dynamics.quadrature import life
from mamba_theorems.constructions.token_dynamics.refinements import positive_form
from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.kernels.fields import BALL, SYMPY
from mamba_theorems.theorems.proofs.enclose import number
from mamba_theorems.theorems.token_dynamics import convergence, divergence, many_dimensions, refinements, slow, system
from mamba_theorems.verify.checks.case import Choice, Domain, Ratio, Record, Several, Whole, matrix
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.checks.token_dynamics.law import TRUE, ScalarSystems
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]
Numbers = tuple[str, ...]
MOMENTS = tuple(map(Fraction, ("1/16", "1/8", "1/4", "1/2", "1", "2", "8", "100", "10000", "100000000")))
ENDLESS = arb("inf")

# --- one dimension ------------------------------------------------------------------------------------------------


def floats(*numbers: str) -> np.ndarray:
    """Exactly: numbers of a case are dyadic, or the nearest float is meant."""
    return np.array([float(Fraction(n)) for n in numbers])


def moving(x: Numbers) -> Numbers:
    """Without the zeros at the end, which stay where they are and drive nobody."""
    return moving(x[:-1]) if not Fraction(x[-1]) else x


@cache
def scalar_path(mu: str, S: str, a: str, x: Numbers, until: str) -> Path:
    """A one-dimensional solution at the moments up to `until`; tokens that are 0, the last ones, are left out."""
    x = moving(x)
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


def scalar(case: Case) -> dict[Any, Any]:
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
    if not Fraction(case["S"]) and token == 0:
        return point | _constant_step(point, sp.Rational(case["t"]))
    path, mark = followed(case)
    return point | {system.now: at_mark(path, mark, token), system.after: moment(path, mark)}


def _constant_step(point: dict[Any, Any], time: sp.Rational) -> dict[Any, Any]:
    """The first token where Δ = ln 2: x^{−2} falls by 2μ ln 2·t."""
    begun, rate = (point[s] for s in (system.begun, system.rate))
    return {system.now: sp.sign(begun) / sp.sqrt(1 / begun**2 - 2 * rate * sp.log(2) * time), system.after: time}


def at_mark(path: Path, mark: int, token: int) -> Any:
    """x_l at a mark; 0 for one of the zeros at the end."""
    if token >= path.tokens.shape[2]:
        return sp.S.Zero
    return ball(path.tokens[mark, 0, token, 0], path.error[mark, 0, token, 0])


def with_velocity(case: Case) -> dict[Any, Any]:
    """And dx_l/dt at the start, exactly."""
    numbers = (np.array(sp.Rational(case[n]), dtype=object) for n in ("mu", "S", "a"))
    x = np.array([sp.Rational(v) for v in case["x"]], dtype=object)[:, None]
    velocity = TokenSystem.scalar(*numbers).velocity(x, SYMPY)
    return scalar(case) | {convergence.velocity: velocity[case["l"] - 1, 0]}


@dataclass(frozen=True)
class ScalarFamily:
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
    ScalarFamily("-1", "0", "1", ("1", "2")),
    ScalarFamily("-1", "1/2", "1", ("1", "-1/2", "2")),
    ScalarFamily("-2", "-1", "0", ("1/4", "1")),
    ScalarFamily("-1/2", "1", "2", ("2", "1/8", "0")),
)
GROWING = (
    ScalarFamily("1", "-1", "0", ("1", "3/2", "1/2")),
    ScalarFamily("1/2", "1", "2", ("-1", "-2")),
    ScalarFamily("2", "-2", "1", ("2", "1/4")),
)
ENDING = (ScalarFamily("1", "1", "1", ("1/2", "-1/2"), "1/4"), ScalarFamily("1", "-1", "1", ("1", "-3/5"), "1/2"))
STEEP = ScalarFamily("1/64", "1", "1", ("4",), "1/4")
STILL = ScalarFamily("0", "1", "1", ("1", "2"), "2")
HIGH = ScalarFamily("-1", "-1", "1", ("10", "1"), "2")


def of(
    *families: ScalarFamily, times: Iterable[str], when: Callable[[Case], bool] = lambda _: True
) -> Callable[[Tier], Any]:
    """The cases of families at times."""
    wanted = tuple(times)
    return lambda _: (c for family in families for c in family.cases(wanted) if when(c))


SOLUTIONS = "solutions of one-dimensional systems with a bound on their error, up to 3 tokens and t = 10^8"


def second_rate(case: Case) -> dict[Any, Any]:
    """Tokens 1 and 2, at t and at the moment before it."""
    path, mark = followed(case)
    middle = MOMENTS.index(Fraction(case["t_m"]))
    late, halfway = (at_mark(path, i, 1) for i in (mark, middle))
    seconds = {convergence.second: sp.Rational(case["x"][1]), convergence.late: late, convergence.halfway: halfway}
    return scalar(case | {"l": 1}) | seconds | {convergence.middle: moment(path, middle)}


def rate_cases(_: Tier) -> Iterable[Case]:
    """Later and later moments, and a moment beside itself."""
    for family, (middle, time) in product(
        (*SINKING[:3], GROWING[0]), (("8", "100"), ("10000", "10000"), ("10000", "100000000"))
    ):
        yield family.case(1, time) | {"t_m": middle}


def constants(case: Case) -> dict[Any, Any]:
    """x²t over K(1 − 2^{−a}), over K for the first token, x²t ln t over K without decay: how near it comes to 1."""
    path = scalar_path(case["mu"], case["S"], case["a"], tuple(case["x"]), case["until"])
    mu, a, token = abs(Fraction(case["mu"])), Fraction(case["a"]), case["l"] - 1
    off = []
    for mark in range(4, int(path.last[0]) + 1):
        time, now = moment(path, mark), number(at_mark(path, mark, token))
        factor = time * 2 * arb(2).log() * number(mu)
        if token:
            factor = factor / (1 - (-number(a) * arb(2).log()).exp()) if a else factor * time.log()
        off.append(abs(now * now * factor - 1))
    return {
        system.rate: sp.Rational(case["mu"]),
        system.begun: sp.Rational(case["x"][token]),
        convergence.room: sp.Rational(case["near"]),
        convergence.nearest: reduce(arb.min, off),
    }


def constants_cases(_: Tier) -> Iterable[Case]:
    """Two tokens without decay, three with it."""
    for family in (*SINKING[1:], GROWING[0]):
        for case in family.cases(("100000000",)):
            yield from ({**case, "near": near} for near in (("1/4", "1/8") if family.a != "0" else ("1/4",)))


def passing(case: Case) -> dict[Any, Any]:
    """The token at t = 10^8, beside the first one, with a size to pass."""
    found, first = scalar(case), scalar(case | {"l": 1})
    now = number(found[system.now])
    return {
        system.rate: found[system.rate],
        system.begun: found[system.begun],
        slow.token: sp.Integer(case["l"]),
        slow.quotient: sp.S.One if case["l"] == 1 else abs(now / first[system.now]),
        slow.largest: abs(now * number(sp.Rational(case["S"]))),
        slow.floor: sp.Rational(case["R"]),
    }


def passing_cases(_: Tier) -> Iterable[Case]:
    """Sizes that a token passes by t = 10^8."""
    for family in (*GROWING[:2], SINKING[1], ScalarFamily("1", "-1", "1", ("1", "0"))):
        for case in family.cases(("100000000",)):
            yield from ({**case, "R": size} for size in ("4", "16"))


# --- ends ---------------------------------------------------------------------------------------------------------


@cache
def ending(mu: str, S: str, a: str, x: Numbers) -> tuple[Path, arb, float]:
    """The path towards the end, a ball that holds the end, and a time that is surely after it."""
    x = moving(x)
    found = ScalarSystems(floats(mu), floats(S), floats(a), floats(*x)[None])
    if not found.mu[0] > 0 or not found.growing.any():
        return scalar_path(mu, S, a, x, "100000000"), ENDLESS, np.inf
    path = found.follow_to_the_end(TRUE)
    (low,), (high,) = found.life(path)
    return path, ball((low + high) / 2, (high - low) / 2 * (1 + 2.0**-50)), float(high)


def ends(case: Case) -> dict[Any, Any]:
    """When the solution ends, and when token l alone would.

    At S_Δ = 0 exactly: the first token ends first, as the second one's quotient to it falls while it is below 1/√2.
    """
    mu, S, a, x = case["mu"], case["S"], case["a"], tuple(case["x"])
    start = sp.Rational(x[case["l"] - 1])
    numbers = (float(Fraction(mu)), abs(float(Fraction(S))), abs(float(start)))
    alone = _life_at_zero(mu, str(start)) if not Fraction(S) else life(*numbers)
    return {
        system.rate: sp.Rational(mu),
        system.weight: sp.Rational(S),
        system.begun: start,
        divergence.end: _life_at_zero(mu, x[0]) if not Fraction(S) else ending(mu, S, a, x)[1],
        divergence.own_life: alone,
        divergence.ALONE: len(x) == 1,
    }


def _life_at_zero(mu: str, start: str) -> sp.Expr:
    """1/(2μ ln 2·x²): a token alone with Δ = ln 2."""
    return 1 / (2 * sp.Rational(mu) * sp.log(2) * sp.Rational(start) ** 2)


ENDS = [
    {"mu": mu, "S": S, "a": a, "x": list(x), "l": token}
    for mu, S, a, x in (
        ("1", "1", "0", ("1",)),
        ("1", "0", "1", ("1/2",)),
        ("1", "0", "1", ("1/2", "1/8")),
        ("1", "1", "1", ("1/2", "-1/2", "3/4")),
        ("2", "-1", "1/2", ("5", "-1/4")),
        ("-1", "1", "1", ("1", "1/2")),
    )
    for token in range(1, len(x) + 1)
]


def at_the_end(case: Case) -> dict[Any, Any]:
    """Token l as near to the end as it was followed, and at the end in the system of the first l tokens alone."""
    mu, S, a, x, token = case["mu"], case["S"], case["a"], tuple(case["x"]), case["l"] - 1
    path, _, after = ending(mu, S, a, x)
    outlives = bool(np.isfinite(after) and ending(mu, S, a, x[: case["l"]])[1].lower() > after)
    return {
        system.rate: sp.Rational(mu),
        system.begun: sp.Rational(x[token]),
        system.now: at_mark(path, int(path.last[0]) // (4 if outlives else 1), token),
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
    """Two sizes to pass."""
    for mu, S, a, x in MIXES:
        for token, size in product(range(1, len(x) + 1), ("1", "9/8")):
            yield {"mu": mu, "S": S, "a": a, "x": list(x), "l": token, "R": size}


def stays(case: Case) -> dict[Any, Any]:
    """T*, how large token 1 is there, alone as it is; and the start of a token l beside it."""
    mu, S, a, x = case["mu"], case["S"], case["a"], tuple(case["x"])
    _, end, after = ending(mu, S, a, x)
    shrinks = Fraction(mu) < 0 or Fraction(S) * Fraction(x[0]) < 0
    size = _alone_at(mu, S, a, x[:1], after) if np.isfinite(after) and shrinks else ENDLESS
    return {
        system.rate: sp.Rational(mu),
        system.weight: sp.Rational(S),
        system.begun: sp.Rational(x[case["l"] - 1]),
        divergence.first: sp.Rational(x[0]),
        divergence.end: end,
        divergence.reached: size,
    }


STAYS = [
    {"mu": mu, "S": S, "a": a, "x": x, "l": 3}
    for mu, S, a, x in (
        ("1", "-1", "1", ["1", "1/2", "-3/5"]),
        ("1", "-1", "0", ["2", "-1/8", "-2"]),
        ("4", "-1/64", "1", ["1/16", "1/8", "-1"]),
        ("1/2", "2", "1", ["-1", "1/2", "1"]),
        ("-1", "-1", "1", ["1", "1/2", "-3/5"]),
        ("1", "-1", "1", ["1", "1/2", "3/5"]),
        ("1", "-1", "1", ["-2", "1/2", "-3/5"]),
    )
]

# --- more dimensions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """A system in the plane with S_B = S, S_C = 1, exact: S row by row, S_Δ, a, the tokens, how far to follow it."""

    S: tuple[Numbers, Numbers]
    S_delta: Numbers
    a: str
    x: tuple[Numbers, ...]
    until: str = "100000000"

    def case(self, token: int, time: str) -> Case:
        """As JSON data."""
        parts = {"S": [*map(list, self.S)], "S_delta": list(self.S_delta), "x": [*map(list, self.x)]}
        return {**parts, "a": self.a, "until": self.until, "l": token, "t": time}

    @classmethod
    def of_case(cls, case: Case) -> Plane:
        """The system of a case."""
        (one, other), x = case["S"], tuple(map(tuple, case["x"]))
        return cls((tuple(one), tuple(other)), tuple(case["S_delta"]), case["a"], x, case["until"])

    def exact(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """S, S_Δ and the tokens in fractions."""
        return tuple(np.vectorize(Fraction, otypes=[object])(np.array(p)) for p in (self.S, self.S_delta, self.x))

    def cases(self, times: Iterable[str]) -> Iterable[Case]:
        """Every token at the times up to which it is followed."""
        for time, token in product(times, range(1, len(self.x) + 1)):
            if Fraction(time) <= Fraction(self.until):
                yield self.case(token, time)


@cache
def plane_path(plane: Plane) -> Path:
    """The solution at the moments up to `until`."""
    S, weight, x = (part.astype(float) for part in plane.exact())
    marks = np.log1p(np.array([float(t) for t in MOMENTS if t <= Fraction(plane.until)]))
    tokens = TokenSystem.of_form(S[None], weight[None], floats(plane.a))
    return follow(tokens, x[None], SolutionClock(np.ones(1)), marks)


def _square(path: Path, mark: int, token: int) -> arb:
    """|x_l|² at a mark."""
    parts = map(ball, path.tokens[mark, 0, token], path.error[mark, 0, token])
    return sum((x * x for x in parts), arb(0))


@dataclass(frozen=True)
class TokenAt:
    """A token of a solution in the plane: |x_l|² at the start and at t, t, and the range of its steps up to then."""

    begun: sp.Rational
    now: Any
    time: Any
    least: arb
    most: arb


@cache
def seen(plane: Plane, token: int, time: str) -> TokenAt:
    """Raises ValueError where the solution was not followed so far."""
    _, weight, x = plane.exact()
    begun, path = _rational((x[token] ** 2).sum()), plane_path(plane)
    first = BALL.softplus(BALL.array([(weight * x[token]).sum()]))[0]
    if time == "0":
        return TokenAt(begun, begun, sp.S.Zero, first, first)
    mark = MOMENTS.index(Fraction(time))
    if mark > path.last[0]:
        raise ValueError(f"the solution is not known at t = {time}")
    error = float((np.abs(weight.astype(float)) * path.error[: mark + 1, 0, token]).sum(-1).max())
    low, high = path.least[: mark + 1, 0, token].min(), path.most[: mark + 1, 0, token].max()
    return TokenAt(begun, _square(path, mark, token), moment(path, mark), arb(low) - arb(error), arb(high) + arb(error))


def _rational(value: Any) -> sp.Rational:
    value = Fraction(value)
    return sp.Rational(value.numerator, value.denominator)


def _velocity(plane: Plane) -> np.ndarray:
    """dx/dt at the start, in balls."""
    S, weight, x = plane.exact()
    return TokenSystem.of_form(S, weight, np.array(Fraction(plane.a), dtype=object)).velocity(BALL.array(x), BALL)


def _norm(vector: np.ndarray) -> sp.Expr:
    return sp.sqrt(_rational((vector**2).sum()))


def _room(S: np.ndarray) -> sp.Expr:
    """The least of −xᵀSx/|x|²."""
    (a, b), (_, d) = (S + S.T) / 2
    trace, gap = map(_rational, (a + d, (a - d) ** 2 + 4 * b**2))
    return -(trace + sp.sqrt(gap)) / 2


def symmetric(case: Case) -> dict[Any, Any]:
    """The form and its derivative at the start, and the token at t."""
    plane, token = Plane.of_case(case), case["l"] - 1
    found, (S, weight, x) = seen(plane, token, case["t"]), plane.exact()
    velocity, form = _velocity(plane)[token], _rational(x[token] @ S @ x[token])
    room = _room(S)
    definite = bool(room > 0) and bool((S == S.T).all())
    least = sp.log(1 + sp.exp(-_norm(weight) * sp.sqrt(sp.Abs(form) / room))) if definite else sp.S.Zero
    with BALL.arithmetic():
        rise = (velocity * BALL.array((S + S.T) @ x[token])).sum()
    return {
        many_dimensions.form: form,
        many_dimensions.rise: rise,
        many_dimensions.step_now: sp.log(1 + sp.exp(_rational((weight * x[token]).sum()))),
        many_dimensions.now: found.now,
        many_dimensions.definite: definite,
        many_dimensions.largest: room if definite else sp.S.Zero,
        many_dimensions.least: least,
        many_dimensions.seen: found.least,
        many_dimensions.kernel: not (S @ x[token]).any(),
        many_dimensions.moving: (velocity * velocity).sum(),
        system.after: found.time,
        sp.Symbol("symmetric"): bool((S == S.T).all()),
    }


def on_line(case: Case) -> dict[Any, Any]:
    """The token's form and speed at the start, and its size at t; and whether the case is the saddle's."""
    plane, token = Plane.of_case(case), case["l"] - 1
    found, (S, weight, x) = seen(plane, token, case["t"]), plane.exact()
    velocity = _velocity(plane)[token]
    return {
        many_dimensions.begun: found.begun,
        many_dimensions.now: found.now,
        many_dimensions.form: _rational(x[token] @ S @ x[token]),
        many_dimensions.moving: (velocity * velocity).sum(),
        many_dimensions.toward: _rational((weight * x[0]).sum()),
        many_dimensions.top: -_room(S),
        system.FIRST: token == 0,
        system.after: found.time,
        sp.Symbol("S"): (np.array([[1, 0], [0, -1]]) == S).all(),
        sp.Symbol("x(0)"): list(x[0]) == [Fraction(1, 2), 1],
    }


def damped(case: Case) -> dict[Any, Any]:
    """A token behind at most one other, which falls: C_1 = sup (1 + t)|x_1|² over the moments up to t."""
    plane, token = Plane.of_case(case), case["l"] - 1
    found, (S, _, x) = seen(plane, token, case["t"]), plane.exact()
    drive = arb(0)
    if token:
        earlier = [seen(plane, 0, t) for t in ("0", *(str(t) for t in MOMENTS if t <= Fraction(case["t"])))]
        sizes, times = ([number(getattr(s, name)) for s in earlier] for name in ("now", "time"))
        ceiling = sizes[0]
        for size, later in pairwise(zip(sizes, times, strict=True)):
            ceiling = ceiling.max(size[0] * (1 + later[1]))
        drive = number(sp.sqrt(_rational((S**2).sum()))) * ceiling * earlier[-1].most
    return {
        many_dimensions.begun: found.begun,
        many_dimensions.now: found.now,
        many_dimensions.room: _room(S),
        many_dimensions.seen: found.least,
        many_dimensions.driven: drive,
        many_dimensions.SECOND: token == 1,
        many_dimensions.pairing: _rational(x[token] @ S @ x[0]),
        many_dimensions.first: _norm(x[0]),
        many_dimensions.first_form: _rational(x[0] @ S @ x[0]),
        system.after: found.time,
    }


DEFINITE = (
    Plane((("-1", "0"), ("0", "-1")), ("0", "0"), "1", (("1", "0"), ("0", "2"))),
    Plane((("-1", "1/2"), ("1/2", "-2")), ("1/2", "-1"), "1/2", (("1", "1"), ("-1/2", "1"))),
)
TWISTED = (
    Plane((("-1", "2"), ("-2", "-1")), ("1", "0"), "1", (("1", "0"), ("0", "1"))),
    Plane((("-1", "1"), ("0", "-1/2")), ("0", "1/2"), "0", (("1", "1"), ("1", "-2"))),
)
SADDLE = (
    Plane((("1", "0"), ("0", "-1")), ("1", "1/2"), "1", (("1/2", "1"), ("1", "1")), "1/8"),
    Plane((("1", "0"), ("0", "-1")), ("-1", "1/2"), "1", (("1/2", "1"),)),
    Plane((("1", "0"), ("0", "-1")), ("0", "0"), "1", (("1", "1/2"),), "1/8"),
    Plane((("1", "1"), ("1", "1")), ("1", "0"), "1", (("1", "-1"), ("1", "-1/2")), "1/8"),
)
RISING = (
    Plane((("1", "0"), ("0", "1")), ("0", "0"), "1", (("1", "0"), ("1/8", "1/8")), "1/2"),
    Plane((("1", "0"), ("0", "1")), ("0", "0"), "0", (("1/2", "0"), ("0", "1")), "1/2"),
    Plane((("21/16", "0"), ("0", "1")), ("0", "0"), "0", (("1", "0"),), "1/2"),
)
TURNING = Plane((("0", "1"), ("-1", "0")), ("1", "0"), "1", (("1", "0"), ("1", "1")), "1/8")
ASKEW = Plane((("0", "2"), ("-1", "0")), ("0", "0"), "0", (("1", "1"), ("0", "1")), "1/8")
ROUND = Plane((("1", "0"), ("0", "1")), ("0", "0"), "0", (("1/2", "1"),), "1/8")
LEVEL = Plane((("1", "0"), ("0", "-1")), ("0", "0"), "0", (("1", "1"),), "1/8")
PLANES = "solutions of systems in the plane with a bound on their error, up to 2 tokens and t = 10^8"


def in_planes(*planes: Plane, times: Iterable[str]) -> Callable[[Tier], Any]:
    """The cases of planes at times."""
    wanted = tuple(times)
    return lambda _: (case for plane in planes for case in plane.cases(wanted))


def sinking(case: Case) -> dict[Any, Any]:
    """The least size that the token is met at, and one that it is to fall below."""
    plane, token = Plane.of_case(case), case["l"] - 1
    path = plane_path(plane)
    sizes = [_square(path, mark, token) for mark in range(int(path.last[0]) + 1)]
    return {
        many_dimensions.room: _room(plane.exact()[0]),
        many_dimensions.smallest: reduce(arb.min, sizes).sqrt(),
        many_dimensions.radius: sp.Rational(case["radius"]),
    }


def sinking_cases(_: Tier) -> Iterable[Case]:
    """Radii below every start."""
    for plane in (*DEFINITE, *TWISTED, RISING[0]):
        for case in plane.cases((plane.until,)):
            yield from ({**case, "radius": radius} for radius in ("1/16", "1/1000"))


# --- refinements --------------------------------------------------------------------------------------------------


def excluded(case: Case) -> dict[Any, Any]:
    """A form from P and s, in fractions, on the first token; where P is not triangular it is taken as it is."""
    P, x = (np.vectorize(Fraction, otypes=[object])(np.array(case[name])) for name in ("P", "x"))
    s = np.array([Fraction(v) for v in case["s"]], dtype=object)
    rows, columns = np.indices(P.shape)
    triangular = bool(np.all(np.where(columns < rows, P, 0) == 0) and np.all(P[rows == columns] == 1))
    S_B, S_C = positive_form(P, s) if triangular and min(s) > 0 else (s[:, None] * P, P)
    S, zero = S_C.T @ S_B, np.array(Fraction(0), dtype=object)
    velocity = TokenSystem(S_B, S_C, np.zeros(P.shape[1], dtype=int), zero).velocity(BALL.array(x[None]), BALL)
    return {
        refinements.states: sp.Integer(P.shape[0]),
        refinements.channels: sp.Integer(P.shape[1]),
        refinements.least: _rational(min(s)),
        refinements.form: _rational(x @ S @ x),
        refinements.moving: (velocity[0] * velocity[0]).sum(),
        refinements.SYMMETRIC: bool((S == S.T).all()),
        refinements.TRIANGULAR: triangular,
        refinements.ZERO: not x.any(),
        refinements.KERNEL: not (P @ x).any(),
    }


EXCLUDED = [
    {"P": P, "s": list(s), "x": x}
    for P in ([["1", "2"]], [["1", "2"], ["0", "1"]], [["1", "2"], ["1/2", "1"]])
    for s in (("1", "1/2")[: len(P)], ("1", "-1")[-len(P) :])
    for x in (["0", "0"], ["1", "0"], ["-2", "1"], ["1", "-1"], ["1/2", "3"])
]


def reordered(case: Case) -> dict[Any, Any]:
    """SoftSort of the scores in balls; token l of a solution beside the one before it, at the start and at t."""
    with BALL.arithmetic():
        scores, tau = [Fraction(v) for v in case["scores"]], BALL.number(Fraction(case["tau"]))
        ranked, miss = sorted(scores), arb(0)
        for score in ranked:
            weights = [(-BALL.number(abs(score - other)) / tau).exp() for other in scores]
            soft = [w / sum(weights, arb(0)) for w in weights]
            for other, weight in zip(scores, soft, strict=True):
                miss = miss.max(abs(weight - int(other == score)))
    path, mark = followed(case)
    sizes = np.abs(path.tokens[mark, 0, :, 0])
    numbers = [np.array(Fraction(case[n]), dtype=object) for n in ("mu", "S", "a")]
    x = np.array([Fraction(v) for v in case["x"]], dtype=object)
    velocity = TokenSystem.scalar(*numbers).velocity(BALL.array(x[:, None]), BALL)[:, 0]
    l = case["l"] - 1
    return {
        refinements.missed: miss if len(scores) > 1 else sp.S.Zero,
        refinements.tokens: sp.Integer(len(scores)),
        refinements.gap: _rational(min((b - a for a, b in pairwise(ranked)), default=1)),
        refinements.tau: sp.Rational(case["tau"]),
        system.rate: sp.Rational(case["mu"]),
        system.damping: sp.Rational(case["a"]),
        refinements.later: _rational(x[l]),
        refinements.earlier: _rational(x[l - 1]),
        refinements.pull: velocity[l],
        refinements.earlier_pull: velocity[l - 1],
        refinements.drive: sp.log(1 + sp.exp(_rational(Fraction(case["S"]) * x[l]))),
        refinements.SORTED: all(abs(a) <= abs(b) for a, b in pairwise(x)),
        refinements.STAYS: bool(np.all(np.diff(sizes) > -2 * path.error[mark].max())),
    }


def reordered_cases(_: Tier) -> Iterable[Case]:
    """Sorted and unsorted starts, with and without decay, falling and rising."""
    scores = (["1"], ["0", "1"], ["1", "0", "2"])
    families = (
        ScalarFamily("1", "-1", "0", ("1/2", "1", "3/2"), "10000"),
        ScalarFamily("1", "-1", "0", ("1", "3/4"), "10000"),
        ScalarFamily("1", "-1", "100", ("9/4", "5", "321/64"), "10000"),
        ScalarFamily("-1", "1", "0", ("1", "17/16"), "10000"),
    )
    for family, given in product(families, scores):
        for time, tau in (("1/8", "1"), ("10000", "1/8")):
            yield family.case(2, time) | {"scores": given, "tau": tau}


# --- what a case may be -----------------------------------------------------------------------------------------


NUMBER, SHARE = Ratio(-99, 99), Ratio(0, 10**6, open=True)
LATER = Choice(tuple(map(str, MOMENTS)))
TIMED = {"until": LATER, "l": Whole(1, 4), "t": Choice(("0", *map(str, MOMENTS)))}
SYSTEM: dict[str, Domain] = {"mu": NUMBER, "S": NUMBER, "a": Ratio(0, 999), "x": Several(NUMBER, 1, 4)}


def _not_followed(case: Case) -> str:
    """What is no token, a start of zeros, or beyond the time up to which a solution is followed."""
    if case["l"] > len(case["x"]):
        return f'"l" is a token from 1 to {len(case["x"])}'
    if not any(map(any, ([Fraction(v) for v in (x if isinstance(x, list) else [x])] for x in case["x"]))):
        return '"x" is not 0 throughout'
    return "" if Fraction(case.get("t", 0)) <= Fraction(case.get("until", 0)) else '"t" is at most "until"'


def with_more(**others: Domain) -> Record:
    """A scalar system with its start, a token, a time, and other values."""
    return Record({**SYSTEM, **TIMED, **others}, together=_not_followed)


SCALAR = with_more()
ENDED = Record({**SYSTEM, "l": Whole(1, 4)}, together=_not_followed)
SIZED = Record({**SYSTEM, "l": Whole(1, 4), "R": SHARE}, together=_not_followed)
IN_PLANE: dict[str, Domain] = {
    "S": matrix(NUMBER, 2, 2),
    "S_delta": Several(NUMBER, 2, 2),
    "x": Several(Several(NUMBER, 2, 2), 1, 3),
    "a": Ratio(0, 999),
    **TIMED,
}
PLANE = Record(IN_PLANE, together=_not_followed)
SINKS = Record({**IN_PLANE, "radius": SHARE}, together=_not_followed)


def _no_form(case: Case) -> str:
    """What is no P with a scale a row."""
    rows = len(case["P"])
    return "" if len(case["s"]) == rows else f'"s" has {rows} values, one a row of "P"'


FORMS = Record(
    {
        "P": Several(Several(NUMBER, 2, 2), 1, 2),
        "s": Several(NUMBER, 1, 2),
        "x": Several(NUMBER, 2, 2),
    },
    together=_no_form,
)


def _not_sorted(case: Case) -> str:
    """What has no neighbour, or two equal scores."""
    if len(set(map(Fraction, case["scores"]))) < len(case["scores"]):
        return '"scores" are different'
    return _not_followed(case) or (
        "" if case["l"] > 1 else '"l" is a token from 2 on: it is held against the one before'
    )


SORTED = Record(
    {**SYSTEM, **TIMED, "scores": Several(NUMBER, 1, 6), "tau": Ratio(Fraction(1, 100), 99)}, together=_not_sorted
)

# --- checks -------------------------------------------------------------------------------------------------------

AT_ONE_MOMENT = {
    f"strict: {convergence.SECOND_RATE}": "both sides are equal at t = t_m, where the token is known in a ball only"
}
TIMES = ("0", "1/16", "1", "100", "100000000")
CHECKS: tuple[Check, ...] = (
    statement_test(
        "dynamics.1d-monotone",
        Listed(
            SOLUTIONS,
            of(*SINKING, *GROWING, *ENDING, STILL, times=("1/16", "1/8", "1", "100000000")),
            with_velocity,
            case=SCALAR,
        ),
    ),
    statement_test(
        "dynamics.1d-converge", Listed(SOLUTIONS, of(*SINKING, *GROWING[:1], times=TIMES), scalar, case=SCALAR)
    ),
    statement_test(
        "dynamics.1d-converge-rates",
        Listed(SOLUTIONS, rate_cases, second_rate, case=with_more(t_m=LATER)),
        survivors=AT_ONE_MOMENT,
    ),
    statement_test(
        "dynamics.1d-converge-constants", Listed(SOLUTIONS, constants_cases, constants, case=with_more(near=SHARE))
    ),
    statement_test(
        "dynamics.1d-diverge-slow",
        Listed(
            SOLUTIONS, of(*GROWING, HIGH, STEEP, times=("1/16", "1/4", "2", "100", "100000000")), scalar, case=SCALAR
        ),
    ),
    statement_test("dynamics.1d-slow-ratios", Listed(SOLUTIONS, passing_cases, passing, case=with_more(R=SHARE))),
    statement_test(
        "dynamics.1d-blowup",
        Listed("ends of solutions between two bounds, up to 3 tokens", lambda _: ENDS, ends, case=ENDED),
    ),
    statement_test(
        "dynamics.1d-mixed",
        Listed("solutions on the way to their ends, up to 3 tokens", mixed_cases, at_the_end, case=SIZED),
    ),
    statement_test(
        "dynamics.1d-mixed-all-diverge",
        Listed(
            "solutions of three tokens with the time they end, between two bounds", lambda _: STAYS, stays, case=ENDED
        ),
    ),
    statement_test(
        "dynamics.nd-symmetric",
        Listed(
            PLANES,
            in_planes(*DEFINITE, *SADDLE, *RISING, ASKEW, LEVEL, times=("0", "1/16", "1/2", "100")),
            symmetric,
            case=PLANE,
        ),
    ),
    statement_test(
        "dynamics.nd-first-token",
        Listed(
            PLANES, in_planes(*DEFINITE, *TWISTED, *SADDLE, TURNING, times=("0", "1/16", "100")), on_line, case=PLANE
        ),
    ),
    statement_test(
        "dynamics.nd-positive-eigenvalue",
        Listed(
            PLANES,
            in_planes(*SADDLE[:3], ROUND, DEFINITE[1], times=("0", "1/16", "1/8", "100000000")),
            on_line,
            case=PLANE,
        ),
    ),
    statement_test(
        "dynamics.nd-nonsymmetric",
        Listed(
            PLANES, in_planes(*DEFINITE, *TWISTED, *RISING, times=("0", "1/16", "1/2", "100000000")), damped, case=PLANE
        ),
    ),
    statement_test("dynamics.nd-conjecture", Listed(PLANES, sinking_cases, sinking, case=SINKS)),
    statement_test(
        "dynamics.exclude-convergent",
        Listed("forms of one and two states in fractions", lambda _: EXCLUDED, excluded, case=FORMS),
    ),
    statement_test(
        "dynamics.reorder",
        Listed("SoftSort in balls up to 3 scores, solutions up to t = 10^4", reordered_cases, reordered, case=SORTED),
    ),
)
