"""Derivatives of every equation in `kernels.semantics`: dual numbers a + b·ε over any number field.

`dual(BALL)` encloses a derivative, `dual(FLOAT64)` computes it, with no second text of the equations to get wrong.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mamba_theorems.kernels.fields import Field


class Dual:
    """value + tangent·ε with ε² = 0."""

    __slots__ = ("tangent", "value")

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value, self.tangent = value, tangent

    def __add__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.tangent + other.tangent)
        return Dual(self.value + other, self.tangent)

    def __mul__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value * other.value, self.value * other.tangent + self.tangent * other.value)
        return Dual(self.value * other, self.tangent * other)

    def __truediv__(self, other: Any) -> "Dual":
        if not isinstance(other, Dual):
            return Dual(self.value / other, self.tangent / other)
        quotient = self.value / other.value
        return Dual(quotient, (self.tangent - quotient * other.tangent) / other.value)

    def __rtruediv__(self, other: Any) -> "Dual":
        return Dual(other + self.value * 0, self.tangent * 0) / self

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.tangent)

    def __sub__(self, other: Any) -> "Dual":
        return self + (-other)

    def __rsub__(self, other: Any) -> "Dual":
        return -self + other

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, Dual) else other))

    def __hash__(self) -> int:
        return hash(self.value)

    __radd__, __rmul__ = __add__, __mul__


def dual(f: Field) -> Field:
    """The field of dual numbers over `f`; constants have tangent 0. ReLU's slope at 0 is taken as 0."""

    def number(value: Any) -> Dual:
        return value if isinstance(value, Dual) else Dual(f.number(value), f.number(0))

    def lifted(function: Callable[[Any], Any], slope: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
        """slope(x, function(x)) is the derivative at x."""

        def run(x: Dual) -> Dual:
            y = function(x.value)
            return Dual(y, slope(x.value, y) * x.tangent)

        return np.frompyfunc(run, 1, 1)

    one = f.number(1)
    return Field(
        name=f"dual {f.name}",
        number=number,
        exp=lifted(f.exp, lambda _, y: y),
        log=lifted(f.log, lambda x, _: one / x),
        sqrt=lifted(f.sqrt, lambda _, y: one / (y + y)),
        sigmoid=lifted(f.sigmoid, lambda _, y: y * (one - y)),
        softplus=lifted(f.softplus, lambda x, _: f.sigmoid(x)),
        relu=lifted(f.relu, lambda x, _: f.number(1 if x > 0 else 0)),
        arithmetic=f.arithmetic,
    )


def perturbed(f: Field, values: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    """`values` in dual(f), with tangent 1 at `index`: what follows is differentiated along that entry."""
    array = dual(f).array(values)
    array[index] = Dual(array[index].value, f.number(1))
    return array


def tangents(array: np.ndarray) -> np.ndarray:
    """The derivatives in an array of dual numbers."""
    return np.asarray(np.frompyfunc(lambda d: d.tangent, 1, 1)(array))
