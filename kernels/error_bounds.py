"""Running-error analysis: how far a float evaluation may lie from the exact value, computed beside it.

`rounding(dtype)` is a number field: run any equation of `kernels.semantics` over it and every entry of the result is a
ball that contains both the exact value and what IEEE arithmetic of that dtype computes, whatever fused multiply-adds
the compiler chose. Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3.
"""

from collections.abc import Callable
from typing import Any

import flint
import numpy as np

from kernels.fields import BALL, Field, _elementwise

ELEMENTARY_ULPS = 4  # the accuracy numpy states for its vectorised exp, log, expit, logaddexp


class Rounded:
    """A ball that is widened by one rounding after every operation: it holds the exact value and every float's."""

    __slots__ = ("ball", "unit")

    def __init__(self, ball: flint.arb, unit: tuple[flint.arb, flint.arb]) -> None:
        self.ball, self.unit = ball, unit

    def widened(self, ball: flint.arb, roundings: int = 1) -> "Rounded":
        """`ball` after `roundings` relative errors of u, or one subnormal step where it underflows."""
        relative, subnormal = self.unit
        return Rounded(ball + flint.arb(0, 1) * (roundings * (abs(ball) * relative + subnormal)), self.unit)

    def _other(self, other: Any) -> flint.arb:
        return other.ball if isinstance(other, Rounded) else flint.arb(int(other))

    def __add__(self, other: Any) -> "Rounded":
        return self.widened(self.ball + self._other(other))

    def __mul__(self, other: Any) -> "Rounded":
        return self.widened(self.ball * self._other(other))

    def __sub__(self, other: Any) -> "Rounded":
        return self.widened(self.ball - self._other(other))

    def __rsub__(self, other: Any) -> "Rounded":
        return self.widened(self._other(other) - self.ball)

    def __truediv__(self, other: Any) -> "Rounded":
        return self.widened(self.ball / self._other(other))

    def __neg__(self) -> "Rounded":
        return Rounded(-self.ball, self.unit)

    def __eq__(self, other: object) -> bool:
        return bool(self.ball == self._other(other))

    def __hash__(self) -> int:
        return hash(self.ball)

    __radd__, __rmul__ = __add__, __mul__


def rounding(dtype: Any, elementary_ulps: int = ELEMENTARY_ULPS) -> Field:
    """The field whose numbers enclose every evaluation in `dtype`, elementary functions being good to so many ulps."""
    info = np.finfo(dtype)
    unit = (flint.arb(float(info.eps)) / 2, flint.arb(float(info.smallest_subnormal)))

    def number(value: Any) -> Rounded:
        ball = BALL.number(value)
        return Rounded(ball, unit).widened(ball)

    def elementary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return _elementwise(lambda x: x.widened(function(x.ball), 2 * elementary_ulps))

    return Field(
        name=f"rounding to {info.dtype}",
        number=number,
        exp=elementary(BALL.exp),
        log=elementary(BALL.log),
        sqrt=elementary(BALL.sqrt),
        sigmoid=elementary(BALL.sigmoid),
        softplus=elementary(BALL.softplus),
        relu=_elementwise(lambda x: Rounded(BALL.relu(x.ball), x.unit)),
        arithmetic=BALL.arithmetic,
    )


def contains(enclosures: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where each float of `values` lies in its ball: (…) bool."""
    inside = np.frompyfunc(lambda e, v: e.ball.contains(flint.arb(float(v))), 2, 1)
    return np.asarray(inside(enclosures, np.asarray(values, dtype=float)), dtype=bool)
