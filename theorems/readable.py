"""Formulas as lines of text: what sympy builds, in the signs of mathematics, on one line."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.str import StrPrinter

from mamba_theorems.theorems.proofs.written import ForAll

NAMES = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"""
GREEK = dict(zip(NAMES.split(), "αβγδεζηθικλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
OWN = {"that": "t̂"}
RAISED = str.maketrans("0123456789-+()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ⁿ")
SETS = {"Reals": "ℝ", "Complexes": "ℂ", "Integers": "ℤ", "Naturals": "ℕ⁺", "Naturals0": "ℕ"}
SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}
RANGED = (sp.Sum, sp.Product, sp.Integral)
PRODUCT, POWER, RELATION = PRECEDENCE["Mul"], PRECEDENCE["Pow"], PRECEDENCE["Relational"]


def readable(formula: sp.Basic) -> str:
    """A formula on one line."""
    return _Printer().doprint(formula)


def letter(name: str) -> str:
    """A symbol's name with Greek letters for their names: lambda, Delta_1, h_{j-1}."""
    head, mark, rest = name.partition("_")
    return OWN.get(name) or f"{GREEK.get(head, head)}{mark}{GREEK.get(rest, rest)}".replace("-", "−")


class _Printer(StrPrinter):
    """sympy's one-line printer with other signs."""

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return letter(expr.name)

    _print_Dummy = _print_Symbol

    def _print_Function(self, expr: sp.Function) -> str:
        name = letter(str(expr.func)) if isinstance(expr, AppliedUndef) else str(expr.func).lower()
        return f"{name}({self.stringify(expr.args, ', ')})"

    def _print_Relational(self, expr: sp.Rel) -> str:
        sides = (self.parenthesize(side, RELATION) for side in expr.args)
        return f" {SIGNS[expr.rel_op]} ".join(sides)

    def _joined(self, expr: sp.Basic, word: str) -> str:
        return word.join(self._part(part) for part in expr.args)

    def _part(self, part: sp.Basic) -> str:
        """A part of a longer statement: in brackets where it has words of its own."""
        text = self._print(part)
        return f"({text})" if isinstance(part, sp.And | sp.Or | sp.Implies | sp.Equivalent | sp.ITE) else text

    def _print_And(self, expr: sp.And) -> str:
        return self._joined(expr, " and ")

    def _print_Or(self, expr: sp.Or) -> str:
        return self._joined(expr, " or ")

    def _print_Not(self, expr: sp.Not) -> str:
        return f"not {self._part(expr.args[0])}"

    def _print_Implies(self, expr: sp.Implies) -> str:
        return self._joined(expr, " ⇒ ")

    def _print_Equivalent(self, expr: sp.Equivalent) -> str:
        return self._joined(expr, " ⇔ ")

    def _print_ITE(self, expr: sp.ITE) -> str:
        condition, then, other = map(self._part, expr.args)
        return f"{then} if {condition}, else {other}"

    def _print_ForAll(self, expr: ForAll) -> str:
        domain = ", ".join(map(self._print, expr.domain))
        return f"for all {self.stringify(expr.bound_symbols, ', ')} with {domain}: {self._part(expr.fact)}"

    def _print_Abs(self, expr: sp.Abs) -> str:
        return f"|{self._print(expr.args[0])}|"

    def _print_log(self, expr: sp.log) -> str:
        (argument,) = expr.args
        text = self._print(argument)
        return f"ln {text}" if argument.is_Atom else f"ln({text})"

    def _print_exp(self, expr: sp.exp) -> str:
        return f"e{self._raised(expr.args[0])}"

    def _print_Exp1(self, expr: sp.Basic) -> str:
        return "e"

    def _print_Pi(self, expr: sp.Basic) -> str:
        return "π"

    def _print_Infinity(self, expr: sp.Basic) -> str:
        return "∞"

    def _print_floor(self, expr: sp.floor) -> str:
        return f"⌊{self._print(expr.args[0])}⌋"

    def _print_ceiling(self, expr: sp.ceiling) -> str:
        return f"⌈{self._print(expr.args[0])}⌉"

    def _raised(self, exponent: sp.Expr) -> str:
        """An exponent: small digits, or behind ^."""
        text = self._print(exponent)
        if exponent.is_Integer or exponent == sp.Symbol("n"):
            return text.replace("−", "-").translate(RAISED)
        return f"^{text}" if exponent.is_Symbol else f"^({text})"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if exponent == sp.S.Half:
            return f"√{self._print(base)}" if base.is_Atom else f"√({self._print(base)})"
        if exponent.is_Rational and exponent.is_negative:
            below = base if exponent == -1 else sp.Pow(base, -exponent, evaluate=False)
            return f"1/{self.parenthesize(below, PRODUCT, strict=False)}"
        shown = self.parenthesize(base, POWER, strict=False)
        return f"{f'({shown})' if isinstance(base, sp.log) else shown}{self._raised(exponent)}"

    def _print_Rational(self, expr: sp.Rational) -> str:
        return str(expr).replace("-", "−")

    _print_Integer = _print_Rational

    def _print_Mul(self, expr: sp.Mul) -> str:
        factors = list(sp.Mul.make_args(expr))
        sign = ""
        if factors[0].is_Number and factors[0].is_negative:
            sign, factors[0] = "−", -factors[0]
        above: list[sp.Expr] = []
        below: list[sp.Expr] = []
        for factor in factors:
            if factor.is_Rational and not factor.is_Integer:
                above.append(sp.Integer(factor.p))
                below.append(sp.Integer(factor.q))
            elif factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
                below.append(factor.base if factor.exp == -1 else sp.Pow(factor.base, -factor.exp, evaluate=False))
            else:
                above.append(factor)
        above = [f for f in above if f != 1] or [sp.S.One]
        top = self._times(above)
        if not below:
            return sign + top
        under = self._times(below)
        return f"{sign}{top}/{under if len(below) == 1 else f'({under})'}"

    def _times(self, factors: list[sp.Expr]) -> str:
        """Factors; a sum over a range would take the next factor in, unless it stands last or in brackets."""
        *earlier, last = (self.parenthesize(f, PRODUCT, strict=False) for f in factors)
        opened = (f"({text})" if isinstance(f, RANGED) else text for f, text in zip(factors, earlier, strict=False))
        return "·".join([*opened, last])

    def _print_Add(self, expr: sp.Add, order: str | None = None) -> str:
        text, terms = "", self._as_ordered_terms(expr, order=order)
        first = next((term for term in terms if not self._print(term).startswith("−")), terms[0])
        for term in [first, *(term for term in terms if term is not first)]:
            shown = self._print(term)
            if precedence(term) < PRECEDENCE["Add"]:
                shown = f"({shown})"
            negative = shown.startswith("−")
            join = ("−" if negative else "") if not text else (" − " if negative else " + ")
            text += join + (shown[1:] if negative else shown)
        return text

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        variables = "".join(f"∂{self._print(v)}" + ("" if n == 1 else str(n).translate(RAISED))
                            for v, n in expr.variable_count)  # fmt: skip
        body = self._print(expr.expr)
        return f"∂{body}/{variables}" if isinstance(expr.expr, AppliedUndef) else f"∂/{variables} ({body})"

    def _ranged(self, sign: str, expr: sp.Basic) -> str:
        ends = (f"{self._print(i)}={self._print(a)}…{self._print(b)}".replace(" ", "") for i, a, b in expr.limits)
        ranges = "".join(f"{sign}_{{{range_}}} " for range_ in ends)
        return f"{ranges}{self.parenthesize(expr.function, PRODUCT, strict=True)}"

    def _print_Sum(self, expr: sp.Sum) -> str:
        return self._ranged("Σ", expr)

    def _print_Product(self, expr: sp.Product) -> str:
        return self._ranged("Π", expr)

    def _print_Integral(self, expr: sp.Integral) -> str:
        text = self.parenthesize(expr.function, PRODUCT, strict=True)
        for variable, *ends in expr.limits:
            at = f"_{{{self._print(ends[0])}}}^{{{self._print(ends[1])}}}" if len(ends) == 2 else ""
            text = f"∫{at} {text} d{self._print(variable)}"
        return text

    def _print_Limit(self, expr: sp.Limit) -> str:
        body, variable, end, side = expr.args
        return (
            f"lim_{{{self._print(variable)}→{self._print(end)}{side if str(side) != '+-' else ''}}} {self._print(body)}"
        )

    def _print_Min(self, expr: sp.Min) -> str:
        return f"min({self.stringify(expr.args, ', ')})"

    def _print_Max(self, expr: sp.Max) -> str:
        return f"max({self.stringify(expr.args, ', ')})"

    def _print_Lambda(self, expr: sp.Lambda) -> str:
        return f"{self.stringify(expr.signature, ', ')} ↦ {self._print(expr.expr)}"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        parts = (f"{self._print(e)} if {self._print(c)}" if c != sp.true else self._print(e) for e, c in expr.args)
        return f"({', else '.join(parts)})"

    def _print_Subs(self, expr: sp.Subs) -> str:
        at = ", ".join(f"{self._print(v)} = {self._print(p)}" for v, p in zip(expr.variables, expr.point, strict=True))
        return f"[{self._print(expr.expr)} at {at}]"

    def _print_Contains(self, expr: sp.Contains) -> str:
        return f"{self._print(expr.args[0])} ∈ {SETS.get(str(expr.args[1]), expr.args[1])}"

    def _print_BooleanTrue(self, expr: sp.Basic) -> str:
        return "true"

    def _print_BooleanFalse(self, expr: sp.Basic) -> str:
        return "false"
