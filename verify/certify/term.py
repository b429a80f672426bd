"""Terms: the expressions of an argument, written with operators and stored as lists that any checker can evaluate.

`the.write * the.kept` is the term that a certificate holds as ["mul", "write", "kept"].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _left(name: str) -> Callable[[Term, Expression], Term]:
    """The operator that has the term on its left."""
    return lambda self, other: operation(name, self, other)


def _right(name: str) -> Callable[[Term, int], Term]:
    """The operator that has an integer on its left."""
    return lambda self, other: operation(name, other, self)


@dataclass(frozen=True)
class Term:
    """An integer, a name (a size, a weight, a step, an index), or an operation and its arguments."""

    head: int | str
    arguments: tuple[Term, ...] = ()

    def json(self) -> int | str | list[Any]:
        """As a certificate writes it."""
        return [self.head, *(argument.json() for argument in self.arguments)] if self.arguments else self.head

    @property
    def name(self) -> str:
        """The name that the term is; nothing for a number or an operation."""
        return "" if self.arguments or isinstance(self.head, int) else self.head

    __iter__ = None  # an index picks an entry of a list: without this, unpacking a term would never end

    def __bool__(self) -> bool:
        raise TypeError("A term is neither true nor false: state it as a requirement or a closing inequality.")

    __add__, __radd__ = _left("add"), _right("add")
    __sub__, __rsub__ = _left("sub"), _right("sub")
    __mul__, __rmul__ = _left("mul"), _right("mul")
    __truediv__, __rtruediv__ = _left("div"), _right("div")
    __pow__, __rpow__ = _left("pow"), _right("pow")
    __getitem__ = _left("at")

    def __neg__(self) -> Term:
        return 0 - self

    def __abs__(self) -> Term:
        return operation("abs", self)

    def __ge__(self, other: Expression) -> Term:
        """What is left on the larger side: a requirement holds where this is at least 0."""
        return self if other == 0 else self - other

    def __le__(self, other: Expression) -> Term:
        return other - self


Expression = Term | int


def term(x: Expression) -> Term:
    """An integer as a term."""
    return x if isinstance(x, Term) else Term(x)


def operation(name: str, *arguments: Expression) -> Term:
    """An operation on terms."""
    return Term(name, tuple(term(x) for x in arguments))


class Names:
    """Every name as a term: `the.gate` is the term "gate"."""

    def __getattr__(self, name: str) -> Term:
        return Term(name)


the = Names()


def equal(x: Expression, y: Expression) -> Term:
    """A requirement: x is y."""
    return -abs(term(x) if y == 0 else term(x) - y)


def hull(first: Expression, *others: Expression) -> Term:
    """The least interval that holds all of these."""
    joined = term(first)
    for other in others:
        joined = operation("hull", joined, other)
    return joined


def within(x: Expression) -> Term:
    """The interval [-x, x], x >= 0."""
    return hull(x, -x)


def square(x: Expression) -> Term:
    """x²."""
    return term(x) * x


def bit(x: Expression, i: Expression) -> Term:
    """The i-th binary digit of an integer."""
    return operation("bit", x, i)


def over(index: Term, count: Expression, x: Expression) -> Term:
    """All values of x for index = 0 ... count - 1."""
    return operation("over", index, count, x)


def summed(index: Term, count: Expression, x: Expression) -> Term:
    """The sum of x for index = 0 ... count - 1."""
    return operation("sum", index, count, x)
