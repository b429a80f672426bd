"""Numbers that carry how far any float evaluation of them may be: a field for the equations of `kernels.semantics`.

A number is a value, the Σ|term| of the sum that it is, the errors that its terms came with, and ρ, the relative error
of that sum: added up in a dtype, in any order, it lies within errors + ρ·(Σ|term| + errors) of its value. What goes
into a product or a function is a finished sum: its bound alone goes on. `dual(spread(dtype))` bounds derivatives so.
Source: Higham 2002, chapters 3 and 4.
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
    """value ± error; `unit` is half an ulp of 1."""

    __slots__ = ("carried", "rho", "size", "unit", "value")

    def __init__(self, value: float, size: float, carried: float, rho: float, unit: float) -> None:
        self.value, self.size, self.carried, self.rho, self.unit = value, size, carried, rho, unit

    @classmethod
    def rounded(cls, value: float, error: float, unit: float) -> Spread:
        """A number of its own: within `error` before it is rounded."""
        return cls(value, abs(value), error + unit * (abs(value) + error), 0.0, unit)

    @property
    def error(self) -> float:
        """The bound."""
        return self.carried + self.rho * (self.size + self.carried)

    def _other(self, other: Any) -> Spread:
        return other if isinstance(other, Spread) else Spread(float(other), abs(float(other)), 0.0, 0.0, self.unit)

    def __add__(self, other: Any) -> Spread:
        o = self._other(other)
        if o.size == o.carried == 0:
            return self
        if self.size == self.carried == 0:
            return o
        rho = max(self.rho, o.rho)
        return Spread(
            self.value + o.value, self.size + o.size, self.carried + o.carried, rho + self.unit + rho * self.unit,
            self.unit,
        )  # fmt: skip

    def __mul__(self, other: Any) -> Spread:
        o = self._other(other)
        own, others = self.error, o.error
        error = abs(self.value) * others + abs(o.value) * own + own * others
        return Spread.rounded(self.value * o.value, error, self.unit)

    def __truediv__(self, other: Any) -> Spread:
        o = self._other(other)
        quotient, least = self.value / o.value, abs(o.value) - o.error
        error = (self.error + abs(quotient) * o.error) / least if least > 0 else math.inf
        return Spread.rounded(quotient, error, self.unit)

    def __rtruediv__(self, other: Any) -> Spread:
        return self._other(other) / self

    def __neg__(self) -> Spread:
        return Spread(-self.value, self.size, self.carried, self.rho, self.unit)

    def __sub__(self, other: Any) -> Spread:
        return self + (-self._other(other))

    def __rsub__(self, other: Any) -> Spread:
        return (-self) + other

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > self._other(other).value)

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
        error = 0.0 if isinstance(value, float | np.floating | int) else unit * abs(exact)
        return Spread(exact, abs(exact), error, 0.0, unit)

    def positive(function: Callable[[float], float]) -> Callable[[Any], Any]:
        """A function whose logarithm has a slope of at most 1: exp, sigmoid, softplus."""

        def run(x: Spread) -> Spread:
            value, error = function(x.value), x.error
            grown = math.expm1(error) if error < LARGE else math.inf
            own = (elementary.ulps + elementary.growth * abs(x.value)) * 2 * unit
            return Spread(value, value, value * (grown + own + grown * own), 0.0, unit)

        return np.frompyfunc(run, 1, 1)

    def root(x: Spread) -> Spread:
        value, least = math.sqrt(x.value), x.value - x.error
        error = x.error / (value + math.sqrt(least)) if least >= 0 and value > 0 else math.inf
        return Spread(value, value, error + 2 * unit * (value + error), 0.0, unit)

    def relu(x: Spread) -> Spread:
        """No slope is above 1."""
        value = max(x.value, 0.0)
        return Spread(value, value, x.error, 0.0, unit)

    def nothing(x: Spread) -> Spread:
        raise NotImplementedError("the blocks of the suite have no logarithm")

    return Field(
        name=f"spread {dtype}",
        number=number,
        exp=positive(math.exp),
        log=np.frompyfunc(nothing, 1, 1),
        sqrt=np.frompyfunc(root, 1, 1),
        sigmoid=positive(_sigmoid),
        softplus=positive(lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x)))),
        relu=np.frompyfunc(relu, 1, 1),
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def values(array: np.ndarray) -> np.ndarray:
    """The values of an array of such numbers."""
    return np.asarray(np.frompyfunc(lambda s: s.value if isinstance(s, Spread) else float(s), 1, 1)(array), dtype=float)


def errors(array: np.ndarray) -> np.ndarray:
    """Their bounds."""
    return np.asarray(np.frompyfunc(lambda s: s.error if isinstance(s, Spread) else 0.0, 1, 1)(array), dtype=float)
