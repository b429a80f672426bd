"""Arb enclosures of sympy expressions: a ball that contains the true value, at any precision asked for.

Everything numeric in `theorems` goes through here: no float ever decides a step.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy as sp
from flint import acb, arb, ctx, fmpq
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from mamba_theorems.theorems.proofs.written import Along, Named

PRECISIONS = (64, 256, 1024, 4096)
ONE_PRECISION = (128,)
MAX_TERMS = 100_000

COMPARE: dict[Any, Callable[[Any, Any], Any]] = {
    sp.Eq: operator.eq, sp.Ne: operator.ne, sp.Lt: operator.lt, sp.Le: operator.le, sp.Gt: operator.gt,
    sp.Ge: operator.ge,
}  # fmt: skip
_METHODS: dict[Any, str] = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.cot: "cot", sp.asin: "asin",
    sp.acos: "acos", sp.atan: "atan", sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.atanh: "atanh",
    sp.asinh: "asinh", sp.erf: "erf", sp.erfc: "erfc", sp.gamma: "gamma", sp.LambertW: "lambertw", sp.sec: "sec",
}  # fmt: skip
_CUT_ELSEWHERE = frozenset({sp.asin, sp.acos, sp.atan, sp.atanh, sp.asinh, sp.LambertW})
_ANALYTIC = sp.Dummy("quadrature asks for analyticity")
"""In an environment where certified quadrature is at work: whether a ball that meets a branch cut must be refused."""
NOISE = sp.Dummy("undefined functions have values")
"""In a point: undefined functions such as n(j) get a fixed pseudo-random rational for each argument tuple.

One such function can refute a statement about all functions; it never proves one.
"""
_WRITTEN = (Named, Along, sp.UnevaluatedExpr, sp.Limit)
_TOTAL = (sp.Add, sp.Mul, sp.exp, sp.Abs, sp.sin, sp.cos, sp.Max, sp.Min, sp.Symbol, sp.Number)
"""Operations that have a value wherever their parts have one."""


class NotEnclosed(ValueError):
    """The expression has a part that no ball is known for, or a comparison that the balls leave open."""


def number(value: Any) -> arb:
    """The exact ball of an int, Fraction, sympy Rational or arb."""
    if isinstance(value, arb):
        return value
    if isinstance(value, sp.Expr):
        return enclose(value)
    exact = Fraction(value)
    return arb(fmpq(exact.numerator, exact.denominator))


def interval(low: Any, high: Any) -> arb:
    """The ball from `low` to `high` (exact numbers)."""
    a, b = Fraction(sp.Rational(low)), Fraction(sp.Rational(high))
    return arb(number((a + b) / 2), number((b - a) / 2))


def enclose(expression: sp.Expr, at: Mapping[sp.Basic, Any] | None = None, prec: int = 128) -> arb:
    """A ball that contains `expression` at the point `at` (symbols to exact numbers or balls).

    Raises NotEnclosed when a part has no enclosure here, as an undefined function has none outside NOISE.
    """
    saved, ctx.prec = ctx.prec, prec
    try:
        env = {key: number(value) for key, value in (at or {}).items()}
        return _walk(sp.sympify(expression), env, arb)
    finally:
        ctx.prec = saved


def sign(
    expression: sp.Expr, at: Mapping[sp.Basic, Any] | None = None, precisions: tuple[int, ...] = PRECISIONS
) -> int | None:
    """−1, 0 or 1 once a ball decides it, growing the precision; None if it never does (0 only if exact)."""
    for prec in precisions:
        ball = enclose(expression, at, prec)
        if ball > 0:
            return 1
        if ball < 0:
            return -1
        if ball.is_exact() and ball == 0:
            return 0
    return None


def holds(
    relation: sp.Basic, at: Mapping[sp.Basic, Any] | None = None, precisions: tuple[int, ...] = PRECISIONS
) -> bool | None:
    """Whether a relation is true at a point (or all over a box of balls); None when the balls do not decide it."""
    if relation in (sp.true, sp.false):
        return relation is sp.true
    if isinstance(relation, sp.And | sp.Or):
        return _connective(relation, [holds(part, at, precisions) for part in relation.args])
    if isinstance(relation, sp.Not):
        inner = holds(relation.args[0], at, precisions)
        return None if inner is None else not inner
    if isinstance(relation, sp.Implies | sp.Equivalent):
        return _arrow(relation, [holds(part, at, precisions) for part in relation.args])
    if isinstance(relation, sp.Contains) and isinstance(relation.args[1], sp.FiniteSet):
        e, values = relation.args
        return holds(sp.Or(*(sp.Eq(e, v, evaluate=False) for v in values), evaluate=False), at, precisions)
    if not isinstance(relation, Relational):
        raise NotEnclosed(f"not a relation: {relation}")
    if not all(_has_value(side, at, precisions) for side in relation.args):
        return None
    return _compared(relation, at, precisions)


def valued(relation: sp.Basic, at: Mapping[sp.Basic, Any] | None, precisions: tuple[int, ...] = PRECISIONS) -> bool:
    """Whether every side of a relation is seen to have a value; of an implication's conclusion where the premise is not
    false: an absorbing part says nothing of the others.
    """
    if isinstance(relation, sp.Implies):
        premise, conclusion = relation.args
        if not valued(premise, at, precisions):
            return False
        return holds(premise, at, precisions) is False or valued(conclusion, at, precisions)
    if isinstance(relation, sp.And | sp.Or | sp.Not | sp.Equivalent):
        return all(valued(part, at, precisions) for part in relation.args)
    sides = relation.args if isinstance(relation, Relational) else relation.args[:1]
    return all(_has_value(side, at, precisions) for side in sides)


def _compared(relation: Relational, at: Mapping[sp.Basic, Any] | None, precisions: tuple[int, ...]) -> bool | None:
    difference = relation.lhs - relation.rhs
    which = sign(difference, at, precisions)
    if which is not None:
        return bool(COMPARE[type(relation)](which, 0))
    if isinstance(relation, sp.Le | sp.Ge):
        return _weakly(difference, isinstance(relation, sp.Ge), at, precisions[-1])
    return None


def _has_value(e: sp.Expr, at: Mapping[sp.Basic, Any] | None, precisions: tuple[int, ...]) -> bool:
    """Whether a side is a finite real number there: sympy cancels 1/x − 1/x, and 1/0 is no number."""
    if _is_total(e):
        return True
    return any(enclose(e, at, prec).is_finite() for prec in precisions)


@lru_cache(maxsize=10_000)
def _is_total(e: sp.Basic) -> bool:
    """Whether an expression has a value wherever its symbols have one."""
    if e.is_Pow and e.exp.is_Integer:
        return e.exp > 0 and _is_total(e.base)
    return isinstance(e, _TOTAL) and e.is_finite is not False and all(map(_is_total, e.args))


def _arrow(relation: sp.Basic, parts: list[bool | None]) -> bool | None:
    """An implication or an equivalence, in three values."""
    if isinstance(relation, sp.Equivalent):
        return None if None in parts else len(set(parts)) == 1
    premise, conclusion = parts
    if premise is False or conclusion is True:
        return True
    return None if None in parts else False


def _weakly(difference: sp.Expr, upward: bool, at: Mapping[sp.Basic, Any] | None, prec: int) -> bool | None:
    """Whether a ball that touches 0 still lies on the right side of it."""
    ball = enclose(difference, at, prec)
    return True if (ball >= 0 if upward else ball <= 0) else None


def _connective(relation: sp.Basic, parts: list[bool | None]) -> bool | None:
    absorbing = isinstance(relation, sp.Or)
    if absorbing in parts:
        return absorbing
    return None if None in parts else not absorbing


def _walk(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    if e in env:
        if kind is arb and isinstance(env[e], acb):
            raise NotEnclosed(f"{e} runs over complex balls here")
        return kind(env[e])
    if e.is_Rational:
        return kind(arb(fmpq(int(e.p), int(e.q))))
    handler = _HANDLERS.get(e.func)
    if handler is not None:
        return handler(e, env, kind)
    if e.func in _METHODS:
        return _elementary(e, _walk(e.args[0], env, kind), env)
    if isinstance(e, AppliedUndef):
        return kind(_noise(e, [_walk(a, env, kind) for a in e.args], env))
    if e is sp.pi:
        return kind(arb.pi())
    if e is sp.E:
        return kind(arb(1).exp())
    done = e.doit() if isinstance(e, _WRITTEN) else e
    if done != e:
        return _walk(done, env, kind)
    raise NotEnclosed(f"no enclosure for {e.func.__name__} in {e}")


def _noise(e: AppliedUndef, args: list[Any], env: Mapping[sp.Basic, Any]) -> arb:
    """A fixed rational in (0, 2] for each function and exact arguments; 1, 2 or 3 for an integer function."""
    if NOISE not in env or _ANALYTIC in env or e.is_negative or not all(a.is_exact() for a in args):
        raise NotEnclosed(f"{e} is undefined: it has no value")
    digest = hashlib.sha256(f"{e.func.__name__}{[str(a.man_exp()) for a in args]}".encode()).digest()
    drawn = int.from_bytes(digest[:4], "big")
    return arb(1 + drawn % 3) if e.is_integer else arb(fmpq(drawn + 1, 2**31))


def _fold(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def handler(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
        return reduce(operation, (_walk(part, env, kind) for part in e.args))

    return handler


def _elementary(e: sp.Basic, argument: Any, env: Mapping[sp.Basic, Any]) -> Any:
    """A function of one argument; inside quadrature not a number where it may fail to be analytic."""
    if _ANALYTIC in env and isinstance(argument, acb):
        if e.func is sp.log:
            return argument.log(analytic=bool(env[_ANALYTIC]))
        if env[_ANALYTIC] and e.func in _CUT_ELSEWHERE:
            return acb("nan")
    return getattr(argument, _METHODS[e.func])()


def _power(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    base, exponent = _walk(e.args[0], env, kind), e.args[1]
    if exponent.is_Integer:
        return base ** int(exponent)
    cut = {"analytic": bool(env[_ANALYTIC])} if _ANALYTIC in env and isinstance(base, acb) else {}
    if exponent == sp.S.Half:
        return base.sqrt(**cut)
    power = _walk(exponent, env, kind)
    return base.pow(power, **cut) if cut else base**power


def _integer(e: sp.Basic, env: Mapping[sp.Basic, Any]) -> int:
    ball = _walk(e, env, arb)
    whole = ball.unique_fmpz()
    if whole is None or not ball.is_exact():
        raise NotEnclosed(f"{e} is not an exact integer here")
    return int(whole)


def _finite(operation: Callable[[Any, Any], Any], start: int) -> Callable[..., Any]:
    """Sum or Product over an index range, with Karr's convention that an empty range gives the neutral element."""

    def handler(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
        (index, low, high), *inner = reversed(e.limits)
        body = e.func(e.function, *reversed(inner)) if inner else e.function
        first, last = _integer(low, env), _integer(high, env)
        if last - first > MAX_TERMS or last < first - 1:
            raise NotEnclosed(f"range {first}..{last} of {e} is out of reach")
        terms = (_walk(body, {**env, index: arb(value)}, kind) for value in range(first, last + 1))
        return reduce(operation, terms, kind(start))

    return handler


def _piecewise(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    for value, condition in e.args:
        truth = holds(condition, {k: v for k, v in env.items() if isinstance(k, sp.Symbol)})
        if truth is None:
            raise NotEnclosed(f"cannot decide {condition}")
        if truth:
            return _walk(value, env, kind)
    raise NotEnclosed(f"no branch of {e} applies")


def _real(e: sp.Basic, env: Mapping[sp.Basic, Any]) -> list[arb]:
    return [_walk(a, env, arb) for a in e.args]


def _kronecker(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    left, right = _real(e, env)
    if not (left == right or left != right):
        raise NotEnclosed(f"cannot decide {e}")
    return kind(1 if left == right else 0)


def _maximum(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    return kind(reduce(arb.max if e.func is sp.Max else arb.min, _real(e, env)))


def _polylog(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    order, z = _walk(e.args[0], env, kind), _walk(e.args[1], env, kind)
    if isinstance(z, acb) and env.get(_ANALYTIC) and not (abs(z) < 1 or z.real < 1 or z.imag != 0):
        return acb("nan")  # the ball may meet the cut [1, ∞)
    return z.polylog(order)


def _evaluated(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    """A derivative, or a value of one, once sympy has carried it out."""
    done = e.doit()
    if done.has(sp.Derivative, sp.Subs):
        raise NotEnclosed(f"no enclosure for {e}")
    return _walk(done, env, kind)


def _integral(e: sp.Basic, env: Mapping[sp.Basic, Any], kind: type) -> Any:
    """Certified quadrature; the integrand must be analytic on the segment (Piecewise and Abs are refused)."""
    ((variable, low, high),) = e.limits
    if e.function.has(sp.Piecewise, sp.Abs, sp.Max, sp.Min, sp.Heaviside, sp.KroneckerDelta):
        raise NotEnclosed(f"split {e} at its kinks first: quadrature needs an analytic integrand")

    def integrand(z: acb, analytic: bool) -> acb:
        return _walk(e.function, {**env, variable: z, _ANALYTIC: int(analytic)}, acb)

    value = acb.integral(integrand, _walk(low, env, acb), _walk(high, env, acb))
    return value if kind is acb else value.real


_HANDLERS: dict[Any, Callable[..., Any]] = {
    sp.Add: _fold(operator.add),
    sp.Mul: _fold(operator.mul),
    sp.Pow: _power,
    sp.Sum: _finite(operator.add, 0),
    sp.Product: _finite(operator.mul, 1),
    sp.Piecewise: _piecewise,
    sp.KroneckerDelta: _kronecker,
    sp.Max: _maximum,
    sp.Min: _maximum,
    sp.Abs: lambda e, env, kind: kind(abs(_walk(e.args[0], env, kind))),
    sp.polylog: _polylog,
    sp.Integral: _integral,
    sp.Derivative: _evaluated,
    sp.Subs: _evaluated,
}
