"""Operations that are written down and not yet carried out, so that a step shows what it is about and then checks it.

sympy evaluates most expressions as they are built; an identity built from values shows the same value twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.core.symbol import Str

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
    return e.replace(_is_written, lambda part: part.doit())


def _is_written(e: sp.Basic) -> bool:
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
