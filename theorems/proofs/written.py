"""Operations that are written down and not yet carried out, so that a step shows what it is about and then checks it.

sympy evaluates most expressions as they are built; an identity built from values shows the same value twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean

TIME = sp.Symbol("tau", real=True)
PLAIN = str.maketrans({"_": None, "^": None, "<": "⟨", ">": "⟩", "{": None, "}": None})
"""What of a name is shown in a formula."""
WORD = re.compile(r"(?<![\\a-zA-Z])[a-z]{3,}(?![a-zA-Z])")
"""A word in the LaTeX of a symbol, not a command."""


class Along(sp.Expr):
    """d/dτ of an expression in functions of τ, whose derivatives a flow gives: pairs (function, derivative)."""

    is_commutative = True
    is_extended_real = True

    def __new__(cls, expression: sp.Expr, flow: Mapping[sp.Expr, sp.Expr] | sp.Tuple) -> Along:
        """From a mapping of functions to their derivatives."""
        pairs = flow if isinstance(flow, sp.Tuple) else sp.Tuple(*(sp.Tuple(f, v) for f, v in flow.items()))
        return sp.Expr.__new__(cls, sp.sympify(expression), pairs)

    def doit(self, **_: Any) -> sp.Expr:
        """The derivative, with the flow put in."""
        expression, pairs = self.args
        return sp.diff(expression.doit(), TIME).subs({sp.diff(f, TIME): v for f, v in pairs})

    def _sympystr(self, printer: Any) -> str:
        expression, pairs = self.args
        flow = ", ".join(f"{printer.doprint(f)}' = {printer.doprint(v)}" for f, v in pairs)
        return f"d/dtau[{printer.doprint(expression)} | {flow}]"

    def _latex(self, printer: Any) -> str:
        expression, pairs = self.args
        flow = r",\ ".join(rf"{printer.doprint(f)}'={printer.doprint(v)}" for f, v in pairs)
        return rf"\left.\frac{{d}}{{d\tau}}\left[{printer.doprint(expression)}\right]\right|_{{{flow}}}"


class Named(sp.Expr):
    """A quantity under the name by which a reader knows it, and the expression that it was worked out to be."""

    is_commutative = True

    def __new__(cls, name: str | Str, value: Any) -> Named:
        """`name` is shown; `value` is what every procedure sees."""
        return sp.Expr.__new__(cls, Str(str(name)), sp.sympify(value))

    def doit(self, **hints: Any) -> sp.Expr:
        """The value."""
        return self.args[1].doit(**hints)

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[1].is_extended_real

    def _sympystr(self, _: Any) -> str:
        return str(self.args[0])

    def _latex(self, _: Any) -> str:
        return rf"\text{{{str(self.args[0]).translate(PLAIN)}}}"


class ForAll(Boolean):
    """A fact for every value of a variable in a domain (a relation; `true` is all that the variable is declared to be).

    A step along a variable rests on such a premise, never on the fact at one point.
    """

    def __new__(cls, variable: sp.Symbol, fact: sp.Basic, domain: sp.Basic = sp.true) -> ForAll:
        """The variable is bound."""
        return sp.Basic.__new__(cls, variable, fact, sp.sympify(domain))

    @property
    def fact(self) -> sp.Basic:
        """What holds, in the variable."""
        return self.args[1]

    @property
    def domain(self) -> tuple[sp.Basic, ...]:
        """The conditions on the variable under which it holds."""
        return () if self.args[2] == sp.true else tuple(sp.ordered(sp.And.make_args(self.args[2])))

    @property
    def bound_symbols(self) -> list[sp.Symbol]:
        """The variable."""
        return [self.args[0]]

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """Every other symbol."""
        return (self.args[1].free_symbols | self.args[2].free_symbols) - {self.args[0]}

    @property
    def instance(self) -> sp.Basic:
        """The fact at the variable itself."""
        return self.fact if self.args[2] == sp.true else sp.Implies(self.args[2], self.fact, evaluate=False)

    def _where(self, printer: Any) -> list[str]:
        return [printer.doprint(part) for part in self.domain] or [printer.doprint(self.args[0])]

    def _sympystr(self, printer: Any) -> str:
        return f"{printer.doprint(self.fact)} for all {', '.join(self._where(printer))}"

    def _latex(self, printer: Any) -> str:
        where = r",\ ".join(self._where(printer))
        return rf"{printer.doprint(self.fact)}\ \forall {where}"


def plain(e: sp.Basic) -> sp.Basic:
    """The expression with every name replaced by what it names."""
    return e.replace(lambda part: isinstance(part, Named), lambda part: plain(part.args[1])) if e.has(Named) else e


def key(relation: sp.Basic) -> sp.Basic:
    """One form for relations that say the same: names are looked through, ≥ is read as ≤, and = has no sides."""
    relation = plain(relation)
    if isinstance(relation, ForAll):
        (variable,) = relation.bound_symbols
        anonymous = sp.Symbol("·", **variable._assumptions_orig)
        return ForAll(anonymous, *(put_in(part, {variable: anonymous}) for part in relation.args[1:]))
    if isinstance(relation, sp.Ge | sp.Gt):
        return relation.reversed
    if isinstance(relation, sp.Eq | sp.Ne):
        return relation.func(*sorted(relation.args, key=sp.default_sort_key), evaluate=False)
    return relation


def names(*expressions: sp.Basic) -> Iterator[tuple[str, sp.Expr]]:
    """Every name used, with what it names there."""
    for e in expressions:
        for part in sp.preorder_traversal(e):
            if isinstance(part, Named):
                yield str(part.args[0]), plain(part.args[1])


# --- substitution -------------------------------------------------------------------------------------------------


def bound(e: sp.Basic) -> set[sp.Symbol]:
    """The variables that this expression binds itself (not those that its parts bind)."""
    if isinstance(e, sp.Limit):
        return {e.args[1]}
    if isinstance(e, sp.Derivative | Along):
        return {TIME} if isinstance(e, Along) else set()
    return set(getattr(e, "bound_symbols", ()))


def put_in(e: sp.Basic, at: Mapping[sp.Basic, Any]) -> sp.Basic:
    """The expression with others put in for its symbols; bound variables that would capture one are renamed.

    A name of a quantity that changes is dropped: the quantity is no longer the one that was named.
    """
    at = {old: sp.sympify(new) for old, new in at.items() if not old.is_Symbol or old in e.free_symbols}
    return _put_in(e, tuple(at.items())) if at else e


@lru_cache(maxsize=4_000)
def _put_in(e: sp.Basic, pairs: tuple[tuple[sp.Basic, sp.Basic], ...]) -> sp.Basic:
    at = dict(pairs)
    touched = set(at).union(*(new.free_symbols for new in at.values()), *(old.free_symbols for old in at))
    renamed = _rename(e, touched).replace(lambda part: isinstance(part, Named) and part.args[1].has(*at), plain)
    if isinstance(renamed, Relational):
        sides = (side.subs(at, simultaneous=True) for side in renamed.args)
        return renamed.func(*sides, evaluate=False)
    if isinstance(renamed, ForAll | sp.And | sp.Or | sp.Not | sp.Implies) and not isinstance(renamed, sp.Symbol):
        parts = [part if part in bound(renamed) else put_in(part, at) for part in renamed.args]
        return renamed.func(*parts) if isinstance(renamed, ForAll) else renamed.func(*parts, evaluate=False)
    return renamed.subs(at, simultaneous=True)


def _rename(e: sp.Basic, touched: set[sp.Basic]) -> sp.Basic:
    """Every bound variable in `touched` replaced by a fresh one of the same name, marked by a prime."""
    if not e.args:
        return e
    parts = [_rename(part, touched) for part in e.args]
    same = all(new is old for new, old in zip(parts, e.args, strict=True))
    rebuilt = e if same else e.func(*parts, evaluate=False) if isinstance(e, Relational) else e.func(*parts)
    for symbol in sorted(bound(e) & touched, key=str):
        if symbol == TIME:
            continue
        used = touched | e.atoms(sp.Symbol)
        name = symbol.name + "'"
        while any(str(other) == name for other in used):
            name += "'"
        rebuilt = rebuilt.xreplace({symbol: sp.Symbol(name, **symbol._assumptions_orig)})
    return rebuilt


# --- how a reader sees it -----------------------------------------------------------------------------------------


def latex(e: sp.Basic) -> str:
    """As sympy writes it, but symbols and indices that are words upright: X·mass is not Xmass."""
    words = {s: _upright(s.name) for s in e.atoms(sp.Symbol) if WORD.search(sp.latex(s))}
    return sp.latex(e, symbol_names=words)


def _upright(name: str) -> str:
    return WORD.sub(r"\\mathrm{\g<0>}", sp.latex(sp.Symbol(name)))


def product(*factors: Any) -> sp.Expr:
    """A product as it is written."""
    return sp.Mul(*factors, evaluate=False)


def total(*terms: Any) -> sp.Expr:
    """A sum with its terms in the order in which they are written."""
    return sp.Add(*terms, evaluate=False)


def carried_out(e: sp.Basic) -> sp.Basic:
    """Names, substitutions and derivatives carried out, and sums over no index dropped."""
    return e.replace(is_written, lambda part: part.doit())


def is_written(e: sp.Basic) -> bool:
    """Whether the outermost operation is written to be carried out."""
    if isinstance(e, sp.Sum) and len(e.limits) == 1:
        _, low, high = e.limits[0]
        return sp.expand(high - low) == -1
    return isinstance(e, Named | Along | sp.Subs | sp.Derivative | sp.UnevaluatedExpr)


def vacuous(relation: sp.Basic | None) -> str:
    """Why a relation says nothing as it stands: it is decided already, or a side is compared with itself."""
    if relation in (sp.true, sp.false):
        return "sympy decided it while it was built: write it with evaluate=False"
    sides = [] if relation is None else relation.atoms(Relational)
    same = next((r for r in sides if r.lhs == r.rhs), None)
    return "" if same is None else f"both sides are {str(same.lhs)[:60]}: write one of them unevaluated"
