"""Terms: the expressions of an argument, written with operators and stored as lists that any checker can evaluate.

`the.write * the.kept` is the term that a certificate holds as ["mul", "write", "kept"].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

    def __add__(self, other: Expression) -> Term:
        return operation("add", self, other)

    def __radd__(self, other: int) -> Term:
        return operation("add", other, self)

    def __sub__(self, other: Expression) -> Term:
        return operation("sub", self, other)

    def __rsub__(self, other: int) -> Term:
        return operation("sub", other, self)

    def __neg__(self) -> Term:
        return 0 - self

    def __mul__(self, other: Expression) -> Term:
        return operation("mul", self, other)

    def __rmul__(self, other: int) -> Term:
        return operation("mul", other, self)

    def __truediv__(self, other: Expression) -> Term:
        return operation("div", self, other)

    def __rtruediv__(self, other: int) -> Term:
        return operation("div", other, self)

    def __pow__(self, exponent: Expression) -> Term:
        return operation("pow", self, exponent)

    def __rpow__(self, base: int) -> Term:
        return operation("pow", base, self)

    def __abs__(self) -> Term:
        return operation("abs", self)

    def __getitem__(self, i: Expression) -> Term:
        return operation("at", self, i)

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
    return -abs(term(x) if isinstance(y, int) and y == 0 else x - y)


def rounded(x: Expression) -> Term:
    """What one IEEE operation gives whose exact result is x."""
    return operation("round", x)


def near(x: Expression, ulps: Expression = the.ulps) -> Term:
    """x to some units in the last place; without a number, as an elementary function computes it."""
    return operation("near", ulps, x)


def snap(x: Expression, ulps: Expression = the.ulps) -> Term:
    """x as exp or sigmoid computes it: to some units in the last place, and 1 where x is within u/4 of 1."""
    return operation("snap", ulps, x)


def slack(ulps: Expression) -> Term:
    """The largest relative error of a number that is good to some units in the last place."""
    return abs(near(1, ulps) - 1)


def hull(first: Expression, *others: Expression) -> Term:
    """The least interval that holds all of these."""
    joined = term(first)
    for other in others:
        joined = operation("hull", joined, other)
    return joined


def within(x: Expression) -> Term:
    """The interval [-x, x], x >= 0."""
    return hull(x, -x)


def exp(x: Expression) -> Term:
    """e^x."""
    return operation("exp", x)


def log(x: Expression) -> Term:
    """The natural logarithm of x > 0."""
    return operation("log", x)


def sqrt(x: Expression) -> Term:
    """The root of x > 0."""
    return term(x) ** (Term(1) / 2)


def sigmoid(x: Expression) -> Term:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(0 - term(x)))


def softplus(x: Expression) -> Term:
    """log(1 + e^x)."""
    return log(1 + exp(x))


def silu(x: Expression) -> Term:
    """x sigmoid(x) as it is computed."""
    return rounded(x * snap(sigmoid(x)))


def relu(x: Term) -> Term:
    """max(x, 0)."""
    return (x + abs(x)) / 2


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
