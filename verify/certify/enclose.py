"""Intervals with Arb ends: the terms of an argument, evaluated at a precision that grows until they decide.

Ends are kept apart, so that x^L of an interval around 1 does not lose what a ball's radius would.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from flint import arb

from mamba_theorems.verify.certify.argument import POSITIVE, Argument
from mamba_theorems.verify.certify.term import Expression, Term, term

Numbers = Mapping[str, int | float | list[int] | list[float]]
PRECISIONS = (128, 256, 512, 1024, 2048)
TINY = Fraction(1, 2**126)  # the smallest normal number of float32, and more than that of float64
DIGITS = 25  # of a stated end, rounded outwards


class Undecided(Exception):
    """No precision decides: an enclosure overlaps the threshold, or a rounding error has no bound."""


class Disproved(Undecided):
    """An enclosure lies wholly on the wrong side of its threshold: the argument's worst case does not hold."""


@dataclass(frozen=True)
class Interval:
    """[low, high]; each end is a ball around it."""

    low: arb
    high: arb

    @classmethod
    def of(cls, value: int | Fraction) -> "Interval":
        """The interval of an exact number."""
        end = arb(flint.fmpq(value.numerator, value.denominator))
        return cls(end, end)

    def fraction(self) -> Fraction | None:
        """The one number of the interval, where it is known exactly."""
        single = self.low.is_exact() and self.high.is_exact() and self.low == self.high
        return exact_fraction(self.low) if single else None

    def ends(self) -> tuple[Fraction, Fraction]:
        """The least and the largest number that the interval may hold, without rounding."""
        low, high = self.low, self.high
        return exact_fraction(low.mid()) - exact_fraction(low.rad()), exact_fraction(high.mid()) + exact_fraction(
            high.rad()
        )

    def decimals(self) -> list[str]:
        """Both ends as decimals that enclose the interval."""
        low, high = self.ends()
        return [_decimal(low, -1), _decimal(high, 1)]


def exact_fraction(point: arb) -> Fraction:
    """The number of a ball without radius."""
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _decimal(value: Fraction, direction: int) -> str:
    """`value` with DIGITS digits, moved away by one or two of the last: room for a checker with other roundings."""
    if not value:
        return "0"
    exponent = len(str(abs(value).__ceil__())) if abs(value) >= 1 else -len(str((1 / abs(value)).__floor__())) + 1
    scaled = value * Fraction(10) ** (DIGITS - exponent)
    digits = scaled.__floor__() - 1 if direction < 0 else scaled.__ceil__() + 1
    return f"{digits}e{exponent - DIGITS}"


def _extremes(ends: Iterable[arb]) -> Interval:
    first, *rest = ends
    low = high = first
    for end in rest:
        low, high = low.min(end), high.max(end)
    return Interval(low, high)


def _divide(x: Interval, y: Interval) -> Interval:
    if not (y.low > 0 or y.high < 0):
        raise Undecided("a step divides by an interval that holds 0")
    return _extremes(a / b for a in (x.low, x.high) for b in (y.low, y.high))


def _log(x: Interval) -> Interval:
    if not x.low > 0:
        raise Undecided("a step takes the logarithm of what may be 0")
    return Interval(x.low.log(), x.high.log())


OPERATIONS: dict[str, Any] = {
    "add": lambda x, y: Interval(x.low + y.low, x.high + y.high),
    "sub": lambda x, y: Interval(x.low - y.high, x.high - y.low),
    "mul": lambda x, y: _extremes(a * b for a in (x.low, x.high) for b in (y.low, y.high)),
    "div": _divide,
    "exp": lambda x: Interval(x.low.exp(), x.high.exp()),
    "log": _log,
    "pow": lambda x, y: OPERATIONS["exp"](OPERATIONS["mul"](_log(x), y)),
    "abs": lambda x: Interval(x.low.max(-x.high).max(arb(0)), x.high.max(-x.low)),
    "hull": lambda x, y: Interval(x.low.min(y.low), x.high.max(y.high)),
}


@dataclass(frozen=True)
class Evaluation:
    """The values that an argument's names have in one dtype."""

    dtype: str
    known: dict[str, Interval]
    lists: Mapping[str, list[Interval]]

    def value(self, expression: Expression) -> Interval:
        """The interval of a term. Raises Undecided where there is none, KeyError for an unknown name."""
        name, arguments = term(expression).head, term(expression).arguments
        if isinstance(name, int):
            return Interval.of(name)
        if not arguments:
            return self.known[name]
        if name in ("over", "sum"):
            return self._over(*arguments, added=name == "sum")
        if name == "bit":
            return Interval.of(self.size(arguments[0]) >> self.size(arguments[1]) & 1)
        if name == "at":
            return self.lists[str(arguments[0].head)][self.size(arguments[1])]
        x = [self.value(argument) for argument in arguments]
        unit = arb(float(np.finfo(self.dtype).eps)) / 2
        if name == "round":
            single = x[0].fraction()
            return x[0] if single is not None and self._is_float(single) else self._widened(x[0], unit)
        if name == "snap" and x[1].low >= 1 - unit / 4 and x[1].high <= 1 + unit / 4:
            return OPERATIONS["hull"](x[1], Interval.of(1))
        if name in ("near", "snap"):
            return self._widened(x[1], 2 * unit * x[0].low)
        return OPERATIONS[name](*x)

    def _over(self, index: Term, count: Term, body: Term, *, added: bool) -> Interval:
        found = []
        for i in range(self.size(count)):
            self.known[str(index.head)] = Interval.of(i)
            found.append(self.value(body))
        if not found:
            raise Undecided("a step runs over an empty list")
        if added:
            return Interval(sum((x.low for x in found), arb(0)), sum((x.high for x in found), arb(0)))
        return Interval(_extremes(x.low for x in found).low, _extremes(x.high for x in found).high)

    def _is_float(self, value: Fraction) -> bool:
        """Whether a number is a float, and not subnormal: that may be flushed to 0."""
        with np.errstate(over="ignore"):
            nearest = float(np.dtype(self.dtype).type(float(value)))
        normal = not value or abs(value) >= float(np.finfo(self.dtype).smallest_normal)
        return normal and np.isfinite(nearest) and Fraction(nearest) == value

    def _widened(self, x: Interval, error: arb) -> Interval:
        """x within the relative error, provided that no value is 0, subnormal or beyond the largest float."""
        info = np.finfo(self.dtype)
        size = _extremes((abs(x.low), abs(x.high)))
        one_sign = x.low > 0 or x.high < 0
        if not (one_sign and size.low >= float(info.smallest_normal) and size.high <= float(info.max)):
            raise Undecided("a rounded step may be 0, subnormal or too large, where the relative error has no bound")
        return OPERATIONS["mul"](x, Interval(1 - error, 1 + error))

    def size(self, expression: Expression) -> int:
        """The integer that a term in sizes is. Raises ValueError where the term is none."""
        value = self.value(expression).fraction()
        if value is None or value.denominator != 1:
            raise ValueError(f"{term(expression).json()} is not an integer at these sizes: choose others.")
        return int(value)


def evaluation(dtype: str, numbers: Numbers) -> Evaluation:
    """Sizes, weights and the dtype's constants, exactly, at Arb's current precision."""
    info = np.finfo(dtype)
    constants = {"tiny": TINY, "least": float(info.smallest_subnormal), "integers": 2 ** (info.nmant + 1)}
    known, lists = {}, {}
    for name, number in {**constants, **numbers}.items():
        if isinstance(number, list):
            lists[name] = [Interval.of(Fraction(x)) for x in number]
        else:
            known[name] = Interval.of(Fraction(number))
    return Evaluation(dtype, known, lists)


def enclose(argument: Argument, dtype: str, numbers: Numbers, prec: int) -> dict[str, Interval]:
    """Every step of the argument at `prec` bits. Raises Undecided."""
    with flint.ctx.workprec(prec):
        found = evaluation(dtype, numbers)
        for because, expression in argument.requires:
            if not found.value(expression).low >= 0:
                raise Undecided(f"the argument does not apply, for it needs this: {because}")
        for step in argument.steps:
            found.known[step.name] = found.value(step.expression)
        return {step.name: found.known[step.name] for step in argument.steps}


def holds(interval: Interval, relation: str) -> bool | None:
    """Whether the whole interval satisfies the closing relation; None where only a part of it may."""
    positive, not_positive = bool(interval.low > 0), bool(interval.high <= 0)
    if not (positive or not_positive):
        return None
    return positive if relation == POSITIVE else not_positive


def decide(argument: Argument, dtype: str, numbers: Numbers) -> dict[str, Interval]:
    """The enclosures at the first precision that closes the argument; `numbers` are its sizes and weights by name.

    Raises Undecided where none does, Disproved where an inequality is shown to fail.
    """
    reason = ""
    for prec in PRECISIONS:
        try:
            found = enclose(argument, dtype, numbers, prec)
        except Undecided as undecided:
            reason = str(undecided)
            continue
        reason = _open(argument, found)
        if not reason:
            return found
    raise Undecided(reason)


def _open(argument: Argument, found: Mapping[str, Interval]) -> str:
    """The first closing inequality that its enclosure leaves open; nothing where all are shown. Raises Disproved."""
    left = ""
    for name, relation in argument.closing:
        low, high = (f"{float(end):.6g}" for end in found[name].ends())
        truth = holds(found[name], relation)
        if truth is False:
            raise Disproved(f"'{name}' lies between {low} and {high}: it is not {relation}")
        if truth is None:
            left = left or f"'{name}' lies between {low} and {high}: it is not shown to be {relation}"
    return left
