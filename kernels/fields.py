"""Number fields: one record of elementary functions for each kind of number the equations run on.

The equations of `kernels.semantics` are written once over a `Field`. FLOAT64 and FLOAT32 run them, RATIONAL and
SYMPY make them exact, BALL (Arb) encloses them. A field is a plain record, so `dataclasses.replace(FLOAT64,
exp=lambda x: 1 + x)` is a mutant of everything built on it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import flint
import numpy as np
import scipy.special
import sympy

Exact = int | Fraction | sympy.Expr
Elementwise = Callable[[Any], Any]
OBJECT = np.dtype(object)


def _unwatched(name: str, value: Any) -> None:
    """Nobody looks at what an equation computes on its way."""


@dataclass(frozen=True)
class Field:
    """Numbers and the elementary functions on them, elementwise over numpy arrays.

    `number` takes an int, a Fraction, a sympy expression or a float (read as the dyadic rational it is) and gives the
    field's scalar: the nearest one for floats, an enclosure for balls. `arithmetic` is entered while an equation runs;
    Arb's working precision lives there. `note` is told the name and the value of what an equation computes on its way:
    `replace(RATIONAL, note=seen.setdefault)` watches a block, and changes nothing of what it computes.
    """

    name: str
    number: Callable[[Any], Any]
    exp: Elementwise
    log: Elementwise
    sqrt: Elementwise
    sigmoid: Elementwise
    softplus: Elementwise
    relu: Elementwise
    dtype: np.dtype = OBJECT
    arithmetic: Callable[[], AbstractContextManager[Any]] = nullcontext
    note: Callable[[str, Any], None] = _unwatched

    def array(self, values: Any) -> np.ndarray:
        """The numpy array of this field's numbers nearest to `values` (nested exact numbers, or an ndarray)."""
        values = np.asarray(values)
        if values.dtype == self.dtype != object or values.size == 0:
            return values.astype(self.dtype)
        return np.asarray(np.frompyfunc(self.number, 1, 1)(values)).astype(self.dtype)


def exact(value: Any) -> Fraction | sympy.Expr:
    """`value` without rounding: a Fraction where it is rational, else a sympy expression."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, sympy.Expr) and not isinstance(value, sympy.Rational):
        return value
    if isinstance(value, sympy.Rational):
        return Fraction(int(value.p), int(value.q))
    return Fraction(value.item() if isinstance(value, np.generic) else value)


# ---------------------------------------------------------------------------------------------- Arb


def _enclose(expr: sympy.Expr) -> flint.arb:
    """The ball of a closed form, bottom up, at Arb's current precision."""
    if isinstance(expr, sympy.Rational):
        return flint.arb(flint.fmpq(int(expr.p), int(expr.q)))
    constants = {sympy.pi: flint.arb.pi, sympy.E: lambda: flint.arb(1).exp()}
    if expr in constants:
        return constants[expr]()
    args = [_enclose(arg) for arg in expr.args]
    rules: dict[Any, Callable[..., flint.arb]] = {
        sympy.Add: lambda *xs: sum(xs, flint.arb(0)),
        sympy.Mul: _product,
        sympy.Pow: lambda x, y: x.sqrt() if expr.args[1] == sympy.Rational(1, 2) else x**y,
        sympy.exp: flint.arb.exp,
        sympy.log: flint.arb.log,
        sympy.LambertW: flint.arb.lambertw,
        sympy.sin: flint.arb.sin,
        sympy.cos: flint.arb.cos,
        sympy.Abs: abs,
    }
    if expr.func not in rules:
        raise ValueError(f"No ball is known for {expr}; write it with + * ** exp log sqrt sin cos Abs LambertW pi.")
    return rules[expr.func](*args)


def _product(*factors: flint.arb) -> flint.arb:
    result = flint.arb(1)
    for factor in factors:
        result *= factor
    return result


def _ball(value: Any) -> flint.arb:
    """The ball around an exact number, at Arb's current precision."""
    if isinstance(value, flint.arb):
        return value
    value = exact(value)
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    return _enclose(value)


def ball(prec: int) -> Field:
    """Arb balls at `prec` bits: every result encloses the exact one.

    Source: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic (2017).
    """

    def at_precision(function: Callable[[Any], Any]) -> Elementwise:
        def run(x: Any) -> Any:
            with flint.ctx.workprec(prec):
                return function(x)

        return np.frompyfunc(run, 1, 1)

    return Field(
        name=f"ball{prec}",
        number=at_precision(_ball),
        exp=at_precision(lambda x: x.exp()),
        log=at_precision(lambda x: x.log()),
        sqrt=at_precision(lambda x: x.sqrt()),
        sigmoid=at_precision(lambda x: 1 / (1 + (-x).exp())),
        softplus=at_precision(lambda x: x.exp().log1p()),
        relu=at_precision(lambda x: x.max(flint.arb(0))),
        arithmetic=lambda: flint.ctx.workprec(prec),
    )


# ------------------------------------------------------------------------------------------- floats


def _rounded(dtype: type[np.floating]) -> Callable[[Any], Any]:
    """The correctly rounded float of an exact number (ties to even), without double rounding."""

    def number(value: Any) -> Any:
        if isinstance(value, float | np.floating):
            return dtype(value)
        value = exact(value)
        return _nearest(dtype, value) if isinstance(value, Fraction) else _nearest_of_closed_form(dtype, value)

    return number


def _nearest(dtype: type[np.floating], value: Fraction) -> Any:
    guess = dtype(float(value))  # rounded twice when dtype is float32: off by at most one neighbour
    if dtype is np.float64 or not np.isfinite(guess):
        return guess
    around = (guess, np.nextafter(guess, dtype(-np.inf)), np.nextafter(guess, dtype(np.inf)))
    return min(around, key=lambda x: (abs(Fraction(float(x)) - value), _is_odd(x)))


def _is_odd(x: np.floating) -> bool:
    return bool(np.asarray(x, np.float32).view(np.uint32) & 1)


def _nearest_of_closed_form(dtype: type[np.floating], value: sympy.Expr) -> Any:
    """Enclose at doubling precision until both ends of the ball round to one float."""
    for prec in (128, 256, 512, 1024):
        with flint.ctx.workprec(prec):
            enclosure = _enclose(value)
            low, high = (_nearest(dtype, _fraction(end)) for end in (enclosure.lower(), enclosure.upper()))
        if low == high:
            return low
    raise ValueError(f"{value} lies too close to the middle of two floats; give it as a Fraction.")


def _fraction(point: flint.arb) -> Fraction:
    mantissa, exponent = point.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _float(name: str, dtype: type[np.floating]) -> Field:
    return Field(
        name=name,
        number=_rounded(dtype),
        exp=np.exp,
        log=np.log,
        sqrt=np.sqrt,
        sigmoid=scipy.special.expit,
        softplus=lambda x: np.logaddexp(dtype(0), x),  # log1p inside: exact in relative terms down to x = -100
        relu=lambda x: np.maximum(x, dtype(0)),
        dtype=np.dtype(dtype),
    )


# --------------------------------------------------------------------------------- rationals, sympy


def _only_at(function: str, values: dict[int, Fraction]) -> Elementwise:
    """A transcendental function on the rationals: only its rational values."""

    def evaluate(x: Any) -> Fraction:
        if x not in values:
            raise ArithmeticError(f"{function}({x}) is not rational; run this on Arb: kernels.fields.ball(prec).")
        return values[x]

    return np.frompyfunc(evaluate, 1, 1)


def _rational_sqrt(x: Fraction) -> Fraction:
    root = Fraction(isqrt(x.numerator), isqrt(x.denominator)) if x >= 0 else None
    if root is None or root * root != x:
        raise ArithmeticError(f"sqrt({x}) is not rational; run this on Arb: kernels.fields.ball(prec).")
    return root


def _rational(value: Any) -> Fraction:
    value = exact(value)
    if not isinstance(value, Fraction):
        raise ArithmeticError(f"{value} is not rational; run this on Arb: kernels.fields.ball(prec).")
    return value


def _elementwise(function: Callable[[Any], Any]) -> Elementwise:
    return np.frompyfunc(function, 1, 1)


FLOAT64 = _float("float64", np.float64)
FLOAT32 = _float("float32", np.float32)
BALL = ball(128)
RATIONAL = Field(
    name="rational",
    number=_rational,
    exp=_only_at("exp", {0: Fraction(1)}),
    log=_only_at("log", {1: Fraction(0)}),
    sqrt=_elementwise(_rational_sqrt),
    sigmoid=_only_at("sigmoid", {0: Fraction(1, 2)}),
    softplus=_only_at("softplus", {}),
    relu=_elementwise(lambda x: max(x, Fraction(0))),
)
SYMPY = Field(
    name="sympy",
    number=lambda value: value if isinstance(value, sympy.Expr) else sympy.Rational(exact(value)),
    exp=_elementwise(sympy.exp),
    log=_elementwise(sympy.log),
    sqrt=_elementwise(sympy.sqrt),
    sigmoid=_elementwise(lambda x: 1 / (1 + sympy.exp(-x))),
    softplus=_elementwise(lambda x: sympy.log(1 + sympy.exp(x))),
    relu=_elementwise(lambda x: sympy.Max(x, 0)),
)
