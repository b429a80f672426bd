"""A statement as an object: hypotheses and a conclusion, each of which an instance makes true or false.

The proof, the checks, the test of the statement and the printed page all read these objects. A meaning is a sympy
boolean: relations between numbers, and symbols for what only an instance can tell (a predicate on a token sequence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sympy as sp
from flint import arb
from sympy.core.function import AppliedUndef, UndefinedFunction
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from mamba_theorems.theorems.proofs.enclose import NotEnclosed, enclose, holds
from mamba_theorems.theorems.proofs.written import ForAll

Point = Mapping[Any, Any]
"""An instance: symbols to exact numbers, balls or truth values, and undefined functions to Lambdas."""
PRECISIONS = (64, 256)
SAME = arb(2) ** -100
EIGHTH = sp.Rational(1, 8)
RANGED, LONGEST = (sp.Sum, sp.Product), 200
STRICT = {sp.Ge: sp.Gt, sp.Le: sp.Lt}


@dataclass(frozen=True)
class Hypothesis:
    """What a claim assumes: a short name (H1), words, LaTeX where there is some, and what it means.

    `meaning` is a sympy boolean over the statement's symbols; a symbol of its own stands for a predicate on sequences.
    """

    name: str
    words: str
    meaning: sp.Basic
    latex: str = ""

    @property
    def text(self) -> str:
        """What a page shows: the formula, or the words."""
        return self.latex or self.words


def predicate(name: str) -> sp.Symbol:
    """What only an instance can tell, as a boolean: a property of a token sequence, of weights, of a function."""
    return sp.Symbol(name)


@dataclass(frozen=True)
class Statement:
    """Under all `hypotheses`, `conclusion`: for every point, or for all of `every` there are some of `some`.

    If `uniform`, the same some serve all of `every`: what a bound O(1/N) with its constant says.
    """

    hypotheses: tuple[Hypothesis, ...]
    conclusion: sp.Basic
    every: tuple[sp.Symbol, ...] = ()
    some: tuple[sp.Symbol, ...] = ()
    uniform: bool = False

    @cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """All that an instance must give a value to, by name."""
        parts = (self.conclusion, *(h.meaning for h in self.hypotheses))
        return tuple(sorted({s for part in parts for s in part.free_symbols}, key=str))

    @cached_property
    def functions(self) -> tuple[UndefinedFunction, ...]:
        """The undefined functions that an instance must give a value to, by name."""
        parts = (self.conclusion, *(h.meaning for h in self.hypotheses))
        return tuple(sorted({f.func for part in parts for f in part.atoms(AppliedUndef)}, key=str))

    @property
    def conjuncts(self) -> tuple[sp.Basic, ...]:
        """The parts of the conclusion, which are tested apart: equalities, bounds."""
        return self.conclusion.args if isinstance(self.conclusion, sp.And) else (self.conclusion,)

    @property
    def explicit(self) -> Statement:
        """The same with what its symbols are declared to be said as hypotheses, of which each can be dropped.

        What ends the range of a sum stays what it is: a range the wrong way round gives the statement no meaning.
        """
        dropped = (s for s in self.symbols if s.is_real and s not in self._ends)
        plain = {s: sp.Symbol(s.name, real=True, integer=s.is_integer or None) for s in dropped}
        declared = tuple(
            Hypothesis(str(fact), str(fact), fact) for s, free in plain.items() for fact in _declared(s, free)
        )
        stated = tuple(replace(h, meaning=_renamed(h.meaning, plain)) for h in self.hypotheses)
        known = {h.meaning for h in stated}
        return Statement(
            (*(h for h in declared if h.meaning not in known), *stated),
            _renamed(self.conclusion, plain),
            tuple(plain.get(s, s) for s in self.every),
            tuple(plain.get(s, s) for s in self.some),
            self.uniform,
        )

    @property
    def _ends(self) -> set[sp.Symbol]:
        return _ends(self.conclusion, *(h.meaning for h in self.hypotheses))

    def applies(self, point: Point) -> bool | None:
        """Whether a point satisfies every hypothesis; None where that is not decided."""
        return _all(truth(h.meaning, point) for h in self.hypotheses)

    def mutants(self) -> Iterator[tuple[str, Statement]]:
        """Stronger statements, each by one change: a hypothesis dropped, a constant sharpened, a bound made strict,
        an implication read the other way, quantifiers exchanged.
        """
        for i, hypothesis in enumerate(self.hypotheses):
            yield f"without {hypothesis.name}", replace(self, hypotheses=self.hypotheses[:i] + self.hypotheses[i + 1 :])
        for name, conclusion in _stronger(self.conclusion):
            yield name, replace(self, conclusion=conclusion)
        if self.every and self.some and not self.uniform:
            yield "quantifiers exchanged", replace(self, uniform=True)


def _renamed(meaning: sp.Basic, names: Mapping[sp.Symbol, sp.Symbol]) -> sp.Basic:
    """Other symbols put in, with nothing evaluated by what they are declared to be."""
    if isinstance(meaning, Relational):
        return meaning.func(*(side.xreplace(names) for side in meaning.args), evaluate=False)
    if isinstance(meaning, sp.Symbol) or not meaning.args:
        return names.get(meaning, meaning)
    return meaning.func(*(_renamed(part, names) for part in meaning.args))


def _ends(*parts: sp.Basic) -> set[sp.Symbol]:
    """The symbols in the ends of sums and products."""
    limits = (limit for part in parts for e in part.atoms(*RANGED) for limit in e.limits)
    return {s for _, *ends in limits for end in ends for s in end.free_symbols}


def _declared(symbol: sp.Symbol, free: sp.Symbol) -> Iterator[sp.Basic]:
    """What a symbol is declared to be beyond real or integer, about another symbol that is not."""
    signs = {"positive": sp.Gt, "negative": sp.Lt, "nonnegative": sp.Ge, "nonpositive": sp.Le, "nonzero": sp.Ne}
    known = [relation for fact, relation in signs.items() if getattr(symbol, f"is_{fact}")]
    if known:
        yield known[0](free, 0, evaluate=False)


# --- truth at a point ------------------------------------------------------------------------------------------------


def truth(meaning: sp.Basic, point: Point) -> bool | None:
    """Whether a boolean is true at a point; None where balls do not decide it or a part has no value there.

    Of a predicate the point itself tells whether it is true; of a fact for all values of a variable, too, or else it is
    looked at for each of a range of integers.
    """
    if meaning in (sp.true, sp.false):
        return meaning is sp.true
    if meaning in point or isinstance(meaning, sp.Symbol):
        value = point.get(meaning)
        return None if value is None else bool(value)
    if isinstance(meaning, Relational):
        return _relation(meaning, point)
    if isinstance(meaning, ForAll):
        (variable,) = meaning.bound_symbols
        values = _range(meaning, point)
        return None if values is None else _all(truth(meaning.fact, {**point, variable: v}) for v in values)
    connective = _CONNECTIVES.get(type(meaning))
    if connective is None:
        raise NotEnclosed(f"not a statement: {meaning}")
    return connective(truth(part, point) for part in meaning.args)


def _range(fact: ForAll, point: Point) -> tuple[sp.Integer, ...] | None:
    """The integers of the domain; None if it is not between two ends that the point makes integers."""
    (variable,) = fact.bound_symbols
    at = {s: v for s, v in point.items() if isinstance(s, sp.Symbol)}
    ends: dict[Any, list[sp.Expr]] = {sp.Ge: [], sp.Le: []}
    for relation in fact.domain:
        if type(relation) not in ends or relation.lhs != variable:
            return None
        ends[type(relation)].append(relation.rhs.subs(at))
    if not all(ends.values()) or not all(end.is_Integer for several in ends.values() for end in several):
        return None
    return tuple(map(sp.Integer, range(max(ends[sp.Ge]), min(ends[sp.Le]) + 1)))


def _relation(relation: Relational, point: Point) -> bool | None:
    """In balls, and exactly where they touch."""
    relation = relation.func(*(_put_in(side, point) for side in relation.args), evaluate=False)
    at = {s: v for s, v in point.items() if s in relation.free_symbols and not isinstance(v, bool | BooleanAtom)}
    try:
        found = holds(relation, at, PRECISIONS)
        return _tie(relation, at) if found is None else found
    except (NotEnclosed, ValueError, TypeError, ArithmeticError):
        return None


def _put_in(side: sp.Expr, point: Point) -> sp.Expr:
    """With values for undefined functions and for the ends of sums; then sums and derivatives are carried out."""
    for function, value in point.items():
        if isinstance(function, UndefinedFunction):
            side = side.replace(function, value)
    side = _written_out(side.xreplace({s: sp.sympify(point[s]) for s in _ends(side) & point.keys()}))
    return side.replace(lambda e: isinstance(e, sp.Derivative), lambda e: e.doit())


def _written_out(e: sp.Expr) -> sp.Expr:
    """Sums and products between numbers term by term, so that nothing looks for their closed forms."""
    if not e.has(*RANGED):
        return e
    if isinstance(e, RANGED) and len(e.limits) == 1:
        ((index, low, high),) = e.limits
        if low.is_Integer and high.is_Integer and low - 1 <= high < low + LONGEST:
            terms = (_written_out(e.function.xreplace({index: sp.Integer(i)})) for i in range(low, high + 1))
            return (sp.Add if isinstance(e, sp.Sum) else sp.Mul)(*terms)
    return e.func(*map(_written_out, e.args))


def _tie(relation: Relational, at: Point) -> bool | None:
    """Two sides that balls do not tell apart: compared exactly where both are rational, as e^{−ln 2} is.

    Else what agrees to 2^{−100} does not contradict (an instance proves nothing); a strict bound is left open.
    """
    costly = (*RANGED, sp.Integral, *((sp.exp, sp.log) if isinstance(relation, sp.Eq) else ()))
    exact = {} if _balls(at) else {s: sp.sympify(v) for s, v in at.items()}
    if not relation.has(*costly) and not _balls(at):
        sides = [side.subs(exact, simultaneous=True) for side in (relation.lhs, relation.rhs)]
        if all(side.is_Rational for side in sides):
            return bool(relation.func(*sides))
    ball = enclose(relation.lhs - relation.rhs, at, PRECISIONS[-1])
    if not ball.contains(0) or not ball.rad() < SAME:
        return None
    if isinstance(relation, sp.Eq | sp.Ge | sp.Le):
        return True
    same = not _balls(at) and sp.simplify((relation.lhs - relation.rhs).subs(exact, simultaneous=True)) == 0
    return False if same else None


def _balls(at: Point) -> bool:
    return any(isinstance(value, arb) for value in at.values())


def _all(parts: Iterable[bool | None]) -> bool | None:
    """Whether all parts are true; what stands after a false one is not looked at."""
    found: bool | None = True
    for part in parts:
        if part is False:
            return False
        found = None if part is None else found
    return found


def _any(parts: Iterable[bool | None]) -> bool | None:
    return _not(_all(map(_not, parts)))


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


def _implies(premise: bool | None, consequences: Iterable[bool | None]) -> bool | None:
    """A false premise implies everything, and its consequence is not looked at."""
    return True if premise is False else _any((_not(premise), *consequences))


def _same(parts: Iterable[bool | None]) -> bool | None:
    found = set(parts)
    return None if None in found else len(found) == 1


def _chosen(condition: bool | None, if_true: bool | None, if_false: bool | None) -> bool | None:
    return None if condition is None else if_true if condition else if_false


_CONNECTIVES: Mapping[Any, Callable[[Iterator[bool | None]], bool | None]] = {
    sp.And: _all,
    sp.Or: _any,
    sp.Not: lambda parts: _not(next(parts)),
    sp.Implies: lambda parts: _implies(next(parts), parts),
    sp.Equivalent: _same,
    sp.ITE: lambda parts: _chosen(*parts),
}

# --- stronger conclusions --------------------------------------------------------------------------------------------


def _stronger(meaning: sp.Basic) -> Iterator[tuple[str, sp.Basic]]:
    """Every change of one relation in a place where a stronger one makes a stronger statement; converses."""
    if isinstance(meaning, Relational):
        yield from _sharper(meaning)
    elif isinstance(meaning, sp.Implies):
        premise, consequence = meaning.args
        yield f"the converse: {consequence} implies {premise}", sp.Implies(consequence, premise)
        yield from ((name, sp.Implies(premise, changed)) for name, changed in _stronger(consequence))
    elif isinstance(meaning, sp.And | sp.Or | sp.Equivalent):
        for part in meaning.args:
            rest = [other for other in meaning.args if other != part]
            yield from ((name, meaning.func(*rest, changed)) for name, changed in _stronger(part))


def _sharper(relation: Relational) -> Iterator[tuple[str, sp.Basic]]:
    """The right side an eighth sharper; a bound made strict."""
    bound, size = relation.rhs, sp.Abs(relation.rhs) * EIGHTH
    if bound != 0 and isinstance(relation, sp.Eq):
        yield f"an eighth more: {relation}", sp.Eq(relation.lhs, bound + size, evaluate=False)
    if bound != 0 and isinstance(relation, sp.Ge | sp.Gt):
        yield f"an eighth sharper: {relation}", relation.func(relation.lhs, bound + size, evaluate=False)
    if bound != 0 and isinstance(relation, sp.Le | sp.Lt):
        yield f"an eighth sharper: {relation}", relation.func(relation.lhs, bound - size, evaluate=False)
    if type(relation) in STRICT:
        yield f"strict: {relation}", STRICT[type(relation)](relation.lhs, relation.rhs, evaluate=False)
