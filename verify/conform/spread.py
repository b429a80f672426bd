"""Numbers that carry how far any float evaluation of them may be: a field for the equations of `kernels.semantics`.

A number is (value, Σ|term|, ρ): computed in a dtype, in any order of its sums, it lies within ρ·Σ|term| of its value.
`dual(spread(dtype))` bounds derivatives so. Source: Higham 2002, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mamba_theorems.kernels.bounds.running_error import Elementary
from mamba_theorems.kernels.fields import Field

LARGE = 700.0
"""e^x is finite below it."""


class Spread:
    """value ± rho·size; `unit` is half an ulp of 1."""

    __slots__ = ("rho", "size", "unit", "value")

    def __init__(self, value: float, size: float, rho: float, unit: float) -> None:
        self.value, self.size, self.rho, self.unit = value, size, rho, unit

    @property
    def error(self) -> float:
        """The bound."""
        return self.rho * self.size

    def _other(self, other: Any) -> Spread:
        return other if isinstance(other, Spread) else Spread(float(other), abs(float(other)), 0.0, self.unit)

    def __add__(self, other: Any) -> Spread:
        o = self._other(other)
        if o.size == 0:
            return self
        if self.size == 0:
            return o
        return Spread(self.value + o.value, self.size + o.size, max(self.rho, o.rho) + self.unit, self.unit)

    def __mul__(self, other: Any) -> Spread:
        o = self._other(other)
        rho = self.rho + o.rho + self.rho * o.rho + self.unit
        return Spread(self.value * o.value, self.size * o.size, rho, self.unit)

    def relative(self) -> float:
        """The error relative to the value; infinite where it may be 0."""
        e = self.error / abs(self.value) if self.value else math.inf
        return e / (1 - e) if e < 1 else math.inf

    def __truediv__(self, other: Any) -> Spread:
        o = self._other(other)
        e = o.relative()
        return Spread(
            self.value / o.value, self.size / abs(o.value), self.rho + e + self.rho * e + self.unit, self.unit
        )

    def __rtruediv__(self, other: Any) -> Spread:
        return self._other(other) / self

    def __neg__(self) -> Spread:
        return Spread(-self.value, self.size, self.rho, self.unit)

    def __sub__(self, other: Any) -> Spread:
        return self + (-self._other(other))

    def __rsub__(self, other: Any) -> Spread:
        return (-self) + other

    def __eq__(self, other: object) -> bool:
        return bool(self.value == self._other(other).value)

    def __hash__(self) -> int:
        return hash(self.value)

    __radd__, __rmul__ = __add__, __mul__


def spread(dtype: torch.dtype, elementary: Elementary) -> Field:
    """The field of a dtype, whose elementary functions are good to so many units in the last place."""
    own = torch.finfo(torch.float64)
    unit = (torch.finfo(dtype).eps + own.eps) / 2

    def number(value: Any) -> Spread:
        if isinstance(value, Spread):
            return value
        exact = float(value)
        return Spread(exact, abs(exact), 0.0 if isinstance(value, float | np.floating | int) else unit, unit)

    def positive(function: Callable[[float], float]) -> Callable[[Any], Any]:
        """A function whose logarithm has a slope of at most 1: exp, sigmoid, softplus."""

        def run(x: Spread) -> Spread:
            value = function(x.value)
            grown = math.expm1(x.error) if x.error < LARGE else math.inf
            rho = grown + (elementary.ulps + elementary.growth * abs(x.value)) * 2 * unit
            return Spread(value, value, rho, unit)

        return np.frompyfunc(run, 1, 1)

    def root(x: Spread) -> Spread:
        value = math.sqrt(x.value)
        return Spread(value, value, x.relative() / 2 + 2 * unit, unit)

    def nothing(x: Spread) -> Spread:
        raise NotImplementedError("the blocks of the suite have no ReLU and no logarithm")

    return Field(
        name=f"spread {dtype}",
        number=number,
        exp=positive(math.exp),
        log=np.frompyfunc(nothing, 1, 1),
        sqrt=np.frompyfunc(root, 1, 1),
        sigmoid=positive(_sigmoid),
        softplus=positive(lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x)))),
        relu=np.frompyfunc(nothing, 1, 1),
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def values(array: np.ndarray) -> np.ndarray:
    """The values of an array of such numbers."""
    return np.asarray(np.frompyfunc(lambda s: s.value if isinstance(s, Spread) else float(s), 1, 1)(array), dtype=float)


def errors(array: np.ndarray) -> np.ndarray:
    """Their bounds."""
    return np.asarray(np.frompyfunc(lambda s: s.error if isinstance(s, Spread) else 0.0, 1, 1)(array), dtype=float)
