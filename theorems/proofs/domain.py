"""Where an expression has a value: the conditions of its logarithms, roots, denominators, sums and integrals.

A relation is shown only where both sides have one; a premise says so of its own parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from mamba_theorems.theorems.proofs.written import ForAll, carried_out, is_written, put_in

TOTAL = (
    sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.asinh, sp.erf, sp.erfc, sp.Abs,
    sp.Max, sp.Min, sp.sign, sp.floor, sp.ceiling, sp.re, sp.im, sp.conjugate,
)  # fmt: skip
"""Operations that have a value wherever their parts have one. An undefined function has, and is smooth."""


INFINITE = (sp.zoo, sp.nan, sp.oo, -sp.oo)


Having = frozenset[sp.Basic]


class Undefined(ValueError):
    """No condition is known under which the expression has a value."""


class Running(sp.Symbol):
    """The variable of a sum or an integral, seen as a symbol of its own: equal to no symbol that a claim uses."""


def conditions(*expressions: sp.Basic, having: Collection[sp.Basic] = ()) -> tuple[sp.Basic, ...]:
    """Relations under which every expression has a value; those that the symbols' declarations settle are left out.

    `having` are parts that are known to have one. Raises Undefined where no such relations are known. An expression
    without imaginary parts has real values there.
    """
    found = (carried_out(c) for e in expressions for c in _sides(e, frozenset(having)))
    return tuple(dict.fromkeys(c for c in found if c != sp.true))


def _sides(e: sp.Basic, having: Having) -> Iterator[sp.Basic]:
    """Side by side, so that no relation is decided by sympy before its sides are looked at."""
    if isinstance(e, sp.Implies):
        yield from _sides(e.args[0], having)
        yield from (sp.Implies(e.args[0], c) for c in _sides(e.args[1], having))
    elif isinstance(e, Relational | sp.And | sp.Or | sp.Not | sp.Equivalent):
        for part in e.args:
            yield from _sides(part, having)
    else:
        yield from _conditions(e, having)


@lru_cache(maxsize=20_000)
def _conditions(e: sp.Basic, having: Having) -> tuple[sp.Basic, ...]:
    return tuple(_walk(e, having))


def _walk(e: sp.Basic, having: Having) -> Iterator[sp.Basic]:
    """What is written to be carried out is, part by part: sympy would decide what stands around it."""
    if e in having:
        return
    done = e.doit() if is_written(e) else e
    if done != e:
        yield from _conditions(done, having)
    elif e.is_Atom:
        if e in INFINITE:
            raise Undefined(f"{e} is no number")
    elif isinstance(e, sp.Piecewise):
        yield from _piecewise(e, having)
    elif isinstance(e, sp.Sum | sp.Product):
        yield from _ranged(e, having)
    elif isinstance(e, sp.Integral):
        yield from _integral(e, having)
    elif isinstance(e, sp.Implies):
        yield from _conditions(e.args[0], having)
        yield from (sp.Implies(e.args[0], c) for c in _conditions(e.args[1], having))
    elif isinstance(e, sp.Contains | sp.Derivative | sp.Subs):
        yield from _conditions(e.args[0], having)
    elif isinstance(e, ForAll):
        raise Undefined("a fact for all values is a premise only")
    else:
        for part in e.args:
            yield from _conditions(part, having)
        yield from _own(e)


def _own(e: sp.Basic) -> Iterator[sp.Basic]:
    """What the outermost operation asks for."""
    if isinstance(e, (*TOTAL, AppliedUndef, Relational, sp.And, sp.Or, sp.Not, sp.Equivalent)):
        return
    x = e.args[0]
    if isinstance(e, sp.Pow):
        yield _power(*e.args)
    elif isinstance(e, sp.log):
        yield _nonzero(x) if _is_complex(x) else _positive(x)
    elif isinstance(e, sp.gamma | sp.loggamma):
        yield _positive(x)
    elif isinstance(e, sp.factorial | sp.LambertW):
        yield _nonnegative(x)
    elif isinstance(e, sp.tan | sp.sec):
        yield _nonzero(sp.cos(x))
    elif isinstance(e, sp.cot | sp.csc):
        yield _nonzero(sp.sin(x))
    elif isinstance(e, sp.asin | sp.acos):
        yield _nonnegative(1 - x**2)
    elif isinstance(e, sp.atanh):
        yield _positive(1 - x**2)
    elif isinstance(e, sp.polylog):
        yield _nonnegative(1 - e.args[1]) if x.is_Integer and x >= 2 else _positive(1 - e.args[1])
    elif isinstance(e, sp.binomial | sp.KroneckerDelta):
        yield sp.true if all(part.is_integer for part in e.args) else sp.false
    elif not (isinstance(e, sp.Heaviside) and len(e.args) == 2):
        raise Undefined(f"where {e.func.__name__} has a value is not known")


def _power(base: sp.Expr, exponent: sp.Expr) -> sp.Basic:
    if exponent.is_integer:
        return sp.true if exponent.is_nonnegative else _nonzero(base)
    if _is_complex(base):
        return _nonzero(base)
    return _nonnegative(base) if exponent.is_positive and exponent.is_number else _positive(base)


def _piecewise(e: sp.Piecewise, having: Having) -> Iterator[sp.Basic]:
    earlier: list[sp.Basic] = []
    for value, condition in e.args:
        yield from _conditions(condition, having)
        here = sp.And(*(sp.Not(c) for c in earlier), condition)
        yield from (sp.Implies(here, c) for c in _conditions(value, having))
        earlier.append(condition)
    yield sp.true if e.args[-1].cond == sp.true else sp.Or(*earlier)


def _ranged(e: sp.Sum | sp.Product, having: Having) -> Iterator[sp.Basic]:
    """Integer ends, a range that is not reversed (a reversed sum is negative by Karr's convention), and each term."""
    inner, (index, low, high) = _outermost(e)
    yield from _conditions(low, having)
    yield from _conditions(high, having)
    if not (low.is_integer and high.is_integer):
        raise Undefined(f"the range of {e} has no integer ends")
    yield _nonnegative(high - low + 1)
    body = e.func(e.function, *inner) if inner else e.function
    yield from _through(body, index, Running(index.name, integer=True), low, high, having)


def _outermost(e: sp.Basic) -> tuple[tuple, tuple[sp.Symbol, sp.Expr, sp.Expr]]:
    """The inner limits of a sum or an integral, and the outermost: a variable between two finite ends."""
    *inner, outer = e.limits
    if len(outer) != 3 or any(end.is_finite is False for end in outer[1:]):
        raise Undefined(f"{e} has no two finite ends")
    return tuple(inner), outer


def _integral(e: sp.Integral, having: Having) -> Iterator[sp.Basic]:
    """An integrand that has a value and no jump in the closed segment."""
    inner, (variable, low, high) = _outermost(e)
    yield from _conditions(low, having)
    yield from _conditions(high, having)
    body = e.func(e.function, *inner) if inner else e.function
    if jumps(body, variable):
        raise Undefined(f"{e} has a jump: split it there")
    yield from _through(body, variable, Running(variable.name, real=True), low, high, having)


def _through(
    body: sp.Expr, old: sp.Symbol, new: Running, low: sp.Expr, high: sp.Expr, having: Having
) -> Iterator[sp.Basic]:
    """The conditions of `body` for all values between two ends, and that the variable's declaration holds there."""
    between = sp.And(sp.Le(low, new), sp.Le(new, high))
    if not new.is_integer and _nonnegative(high - low) != sp.true:
        between = sp.Or(between, sp.And(sp.Le(high, new), sp.Le(new, low)))
    for fact in declared(old, new):
        yield sp.Implies(between, fact)
    known = frozenset(part for part in having if old not in part.free_symbols)
    yield from (sp.Implies(between, put_in(c, {old: new})) for c in _conditions(body, known))


def declared(symbol: sp.Symbol, value: sp.Expr, ignoring: Collection[str] = ("commutative",)) -> Iterator[sp.Basic]:
    """What `symbol` is declared to be, of a value, as far as relations can say it; Undefined for what they cannot."""
    for name, truth in symbol._assumptions_orig.items():
        if getattr(value, f"is_{name}") == truth or (name in ignoring and truth):
            continue
        if name == "real" and truth and real(value):
            continue  # where it has a value, which is asked elsewhere
        if name not in _SIGNS or not truth or value.is_extended_real is False or value.has(*INFINITE):
            raise Undefined(f"{value} is not known to be {name}, as {symbol} is")
        yield _SIGNS[name](value, 0)


_SIGNS = {"positive": sp.Gt, "nonnegative": sp.Ge, "negative": sp.Lt, "nonpositive": sp.Le, "nonzero": sp.Ne}


def jumps(e: sp.Expr, variable: sp.Symbol) -> bool:
    """Whether an expression has an operation along the variable that may jump."""
    stepping = (sp.Piecewise, sp.floor, sp.ceiling, sp.sign, sp.Heaviside, sp.KroneckerDelta)
    return any(part.has(variable) for part in e.atoms(*stepping))


def real(*expressions: sp.Basic) -> bool:
    """Whether an expression is about real numbers only: order is meant between no others."""
    return not any(map(_is_complex, expressions))


def _is_complex(e: sp.Basic) -> bool:
    indices = {limit[0] for part in e.atoms(sp.Sum, sp.Product, sp.Integral) for limit in part.limits}
    letters = e.atoms(sp.Symbol, AppliedUndef) - indices
    return e.has(sp.I) or any(not letter.is_extended_real for letter in letters)


def _positive(e: sp.Expr) -> sp.Basic:
    return sp.true if e.is_positive else sp.Gt(e, 0)


def _nonnegative(e: sp.Expr) -> sp.Basic:
    return sp.true if e.is_nonnegative else sp.Ge(e, 0)


def _nonzero(e: sp.Expr) -> sp.Basic:
    return sp.true if e.is_nonzero or _is_complex_nonzero(e) else sp.Ne(e, 0)


def _is_complex_nonzero(e: sp.Expr) -> bool:
    return e.is_zero is False and e.is_finite is not False


def premises(given: Iterable[sp.Basic]) -> Iterator[sp.Basic]:
    """What premises say: each, and what its parts' having values implies. Of a fact for all, the one at its variable.

    The conditions of a goal suffice for a value; these are necessary: 0^n has one for some n, and (-1)^x for some x.
    """
    for g in given:
        said = g.instance if isinstance(g, ForAll) else g
        yield said
        for part in sp.And.make_args(said):
            if isinstance(part, Relational):
                yield from (c for inner in valued(part) for c in _implied(inner) if c != sp.true)


CLOSED = (sp.Sum, sp.Product, sp.Integral, sp.Limit, sp.Derivative, sp.Subs, sp.Piecewise)
"""Operations that may have a value where a part has none, or whose parts have letters of their own."""

VAGUE = (*CLOSED, sp.gamma, sp.loggamma, sp.factorial, sp.LambertW, sp.polylog, sp.binomial, sp.KroneckerDelta)
"""Operations that may have a value where their conditions fail."""


def valued(e: sp.Basic) -> Iterator[sp.Basic]:
    """An expression, and the parts that have values wherever it has one."""
    yield e
    if not isinstance(e, CLOSED):
        for part in e.args:
            yield from valued(part)


def vague(e: sp.Basic) -> bool:
    """Whether the expression may have a value where its conditions fail."""
    return isinstance(e, VAGUE) or (isinstance(e, sp.Pow) and not e.exp.is_Rational)


def _implied(e: sp.Basic) -> Iterator[sp.Basic]:
    """What must hold of the parts wherever the outermost operation has a real value."""
    if isinstance(e, sp.Pow) and e.exp.is_integer:
        yield sp.Or(sp.Ge(e.exp, 0), _nonzero(e.base))
    elif isinstance(e, sp.log | sp.tan | sp.sec | sp.cot | sp.csc | sp.asin | sp.acos | sp.atanh) or (
        isinstance(e, sp.Pow) and e.exp.is_Rational
    ):
        yield from _own(e)
    elif isinstance(e, sp.factorial) and e.args[0].is_integer:
        yield _nonnegative(e.args[0])
