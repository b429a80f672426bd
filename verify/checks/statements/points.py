"""Points of a statement about numbers: simple ones first, random ones, and both sides of every hypothesis' boundary.

A hypothesis that is an equation for a symbol gives that symbol its value, besides points that break it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import sympy as sp
from sympy.core.function import UndefinedFunction
from sympy.core.relational import Relational

from mamba_theorems.theorems.statement import Statement
from mamba_theorems.verify.checks.case import Choice, Domain, Flag, Formula, Ratio, Record
from mamba_theorems.verify.checks.statements.source import Instances, Source
from mamba_theorems.verify.settings import Run, Tier

Value = Any
"""An exact number, or a truth value of sympy's."""
SIMPLE = tuple(map(sp.Rational, ("0", "1", "2", "1/2", "-1", "3", "1/3", "-1/2", "-2", "5", "1/10", "10", "-3", "40")))
NUDGES = (sp.Rational(1, 64), sp.Rational(-1, 64), sp.S.One, -sp.S.One)
PRODUCT = 250
"""At most so many points are made by combining the simplest values of every symbol."""
RANDOM = {Tier.QUICK: 150, Tier.FULL: 3000, Tier.GPU: 150}
LONGEST = 80  # letters of a boundary's equation that sympy is asked to solve
DECLARED = ("integer", "positive", "nonnegative", "negative", "nonpositive", "nonzero")


@dataclass(frozen=True)
class Exact(Domain):
    """An exact number that a symbol may be, as sympy writes it."""

    symbol: sp.Symbol

    @property
    def words(self) -> str:
        """What the symbol is declared to be."""
        return f'an exact number as in "3/8" or "log(3)"{"".join(f", {fact}" for fact in _facts(self.symbol))}'

    def fits(self, value: Any, run: Run) -> bool:
        """As the symbol's other values."""
        number = Ratio().fits(value, run) or Formula().fits(value, run)
        return number and _may_be(self.symbol, _read(value))


@dataclass(frozen=True)
class Points(Source):
    """Exact points for the free symbols of a statement.

    `values` are the values that a symbol is to take, in place of those drawn by what it is declared to be; `functions`
    the Lambdas that an undefined function is to be. `rows` are the points where each costs much (integrals in balls),
    in place of all others: the values of the symbols in the order of their names, as sympy reads them.
    """

    values: Mapping[sp.Symbol, tuple[Any, ...]] = field(default_factory=dict, hash=False)
    functions: Mapping[UndefinedFunction, tuple[sp.Lambda, ...]] = field(default_factory=dict, hash=False)
    seed: int = 0
    rows: tuple[tuple[Any, ...], ...] = ()

    @property
    def said(self) -> str:
        """As every such source is told."""
        if self.rows:
            return f"{len(self.rows)} points inside and outside of the hypotheses"
        return "simple and random points, and both sides of the boundary of every hypothesis"

    def seeded(self, seed: int) -> Points:
        """From the seed that many further on."""
        return replace(self, seed=self.seed + seed)

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Simplest first; every point also with the functions' values."""
        names = (*statement.symbols, *statement.functions)
        chosen = [self.functions.get(f, ()) for f in statement.functions]
        if not all(chosen):
            raise ValueError(f"say which functions {', '.join(map(str, statement.functions))} are to be")
        rows = [(*point, *given) for point in self._points(statement, tier) for given in product(*chosen)]
        if rows:
            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            yield Instances(columns, lambda i: dict(zip(map(str, names), map(_written, rows[i]), strict=True)))

    def _points(self, statement: Statement, tier: Tier) -> Iterable[tuple[Value, ...]]:
        """Each once."""
        if self.rows:
            return [tuple(map(_read, row)) for row in self.rows]
        rng = random.Random(self.seed)
        plain = [*self._simple(statement), *self._random(statement, rng, RANDOM[tier])]
        return dict.fromkeys([*plain, *(p for row in plain for p in _boundaries(statement, row))])

    def domain(self, statement: Statement) -> Domain:
        """Every symbol and function by its name; a number as sympy writes it, a function as one of those listed."""
        truths = _booleans(statement)
        values: dict[str, Domain] = {str(s): Flag() if s in truths else Exact(s) for s in statement.symbols}
        functions = {str(f): Choice([_written(given) for given in self.functions[f]]) for f in statement.functions}
        return Record({**values, **functions})

    def one(self, statement: Statement, case: Any) -> Instances:
        """Every symbol and function by its name."""
        given = {_written(value): value for values in self.functions.values() for value in values}
        columns = {s: (_read(case[str(s)]),) for s in statement.symbols}
        return Instances(columns | {f: (given[case[str(f)]],) for f in statement.functions}, lambda _: case)

    def _candidates(self, statement: Statement, symbol: sp.Symbol) -> tuple[Value, ...]:
        if symbol in self.values:
            return tuple(map(sp.sympify, self.values[symbol]))
        if symbol in _booleans(statement):
            return (sp.true, sp.false)
        return tuple(v for v in SIMPLE if _may_be(symbol, v))

    def _simple(self, statement: Statement) -> Iterator[tuple[Value, ...]]:
        """All combinations of the simplest values, as many values a symbol as the budget holds."""
        symbols = statement.symbols
        each = max(2, int(PRODUCT ** (1 / max(len(symbols), 1))))
        ways = [self._candidates(statement, s)[:each] for s in symbols]
        order = sorted(product(*(range(len(w)) for w in ways)), key=lambda ranks: (sum(ranks), ranks))
        return (tuple(w[r] for w, r in zip(ways, ranks, strict=True)) for ranks in order[:PRODUCT])

    def _random(self, statement: Statement, rng: random.Random, count: int) -> Iterator[tuple[Value, ...]]:
        for _ in range(count):
            yield tuple(self._drawn(statement, s, rng) for s in statement.symbols)

    def _drawn(self, statement: Statement, symbol: sp.Symbol, rng: random.Random) -> Value:
        known = self._candidates(statement, symbol)
        if symbol in self.values or symbol in _booleans(statement) or rng.random() < 0.25:
            return rng.choice(known)
        size = rng.choice((1, 4, 30))
        value = sp.Integer(rng.randint(-size, size)) if symbol.is_integer else _dyadic(rng, size)
        return value if _may_be(symbol, value) else -value if _may_be(symbol, -value) else rng.choice(known)


def _dyadic(rng: random.Random, size: int) -> sp.Rational:
    return sp.Rational(rng.randint(-128 * size, 128 * size), 128)


def _may_be(symbol: sp.Symbol, value: Any) -> bool:
    """Whether a value is what the symbol is declared to be."""
    if value in (sp.true, sp.false) or isinstance(value, bool):
        return True
    return all(getattr(value, f"is_{fact}") for fact in _facts(symbol)) and bool(value.is_extended_real)


@cache
def _facts(symbol: sp.Symbol) -> tuple[str, ...]:
    return tuple(fact for fact in DECLARED if getattr(symbol, f"is_{fact}"))


def _booleans(statement: Statement) -> frozenset[sp.Symbol]:
    """The symbols that stand alone as truth values."""
    found: set[sp.Symbol] = set()
    stack = [statement.conclusion, *(h.meaning for h in statement.hypotheses)]
    while stack:
        part = stack.pop()
        if isinstance(part, sp.Symbol):
            found.add(part)
        elif not isinstance(part, Relational):
            stack += part.args
    return frozenset(found)


# --- boundaries ------------------------------------------------------------------------------------------------------


def _boundaries(statement: Statement, row: tuple[Value, ...]) -> Iterator[tuple[Value, ...]]:
    """The row moved onto each relation's boundary, in every symbol that it can be solved for, and beside it."""
    at = dict(zip(statement.symbols, row, strict=True))
    for relation in _relations(statement):
        for symbol in sorted(relation.free_symbols, key=str):
            for solution in _solved(relation, symbol):
                rest = {s: v for s, v in at.items() if s != symbol}
                value = solution.subs(rest, simultaneous=True)
                if value.free_symbols or not value.is_finite:
                    continue
                for moved in (value, *(value + nudge for nudge in NUDGES)):
                    if _may_be(symbol, moved):
                        yield tuple(moved if s == symbol else at[s] for s in statement.symbols)


@cache
def _relations(statement: Statement) -> tuple[Relational, ...]:
    """Those of the hypotheses, and the bounds of the conclusion."""
    assumed = {r for h in statement.hypotheses for r in h.meaning.atoms(Relational)}
    bounds = {r for r in statement.conclusion.atoms(Relational) if not isinstance(r, sp.Eq)}
    return tuple(sorted(assumed | bounds, key=str))


@cache
def _solved(relation: Relational, symbol: sp.Symbol) -> tuple[sp.Expr, ...]:
    """Where the two sides are equal, as expressions for a symbol in which they are rational, if any is found."""
    difference = relation.lhs - relation.rhs
    if not difference.is_rational_function(symbol) or len(str(difference)) > LONGEST:
        return ()
    try:
        found = sp.solve(difference, symbol)
    except (NotImplementedError, ValueError, TypeError, AttributeError):
        return ()
    return tuple(e for e in found if isinstance(e, sp.Expr) and e.is_extended_real is not False)[:4]


def _written(value: Any) -> Any:
    return bool(value) if value in (sp.true, sp.false) else sp.sstr(value)


def _read(text: Any) -> Any:
    return (
        sp.true if text is True else sp.false if text is False else sp.sympify(Fraction(text) if _ratio(text) else text)
    )


def _ratio(text: Any) -> bool:
    try:
        Fraction(text)
    except (ValueError, TypeError):
        return False
    return True
