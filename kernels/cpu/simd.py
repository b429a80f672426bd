"""Sixteen-lane vectors inside numba, so that a compiled scan keeps its state in registers and its exp in vectors.

LLVM maps a vector onto whatever the processor has. Elementary functions are polynomials with a stated accuracy:
exp(0) = 1 and exp(tiny) = 1 exactly, results stay accurate into the subnormals, NaN stays NaN.
"""

# mypy: disable-error-code="call-arg,var-annotated"
# (numba supplies the first argument of an intrinsic)
import math
import operator
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.extending import intrinsic, overload

Array = np.ndarray
LANES = 16
# Numba's cache notices a change of a loop's own file only. A loop that takes SOURCES as a default argument is compiled
# anew after a change of any file that it inlines, for the value is part of its signature.
_FILES = [Path(__file__).with_name(name) for name in ("simd.py", "s6.py", "s6_backward.py", "ssd.py")]
SOURCES = zlib.crc32(b"".join(file.read_bytes() for file in _FILES))
try:
    numba.njit(cache=True)(lambda: None)
except RuntimeError:  # numba compiles nothing where neither this folder nor the user's cache can be written
    numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="numba-")  # type: ignore[attr-defined]
FLAGS = ("contract",)  # fused multiply-add allowed, nothing reordered: the running-error bound covers both


class Vector(types.Type):
    """Numba's type of a vector of LANES floats."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"vector{LANES}({dtype})")


@register_default(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        super().__init__(dmm, fe_type, _ir_type(fe_type.dtype))


def _ir_type(dtype: types.Float, lanes: int = LANES) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if dtype == types.float32 else ir.DoubleType(), lanes)


def _constant(like: ir.VectorType, value: float | int) -> ir.Constant:
    return ir.Constant(like, [ir.Constant(like.element, value)] * like.count)


def _splat(builder: Any, scalar: Any) -> Any:
    vector = ir.VectorType(scalar.type, LANES)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [ir.Constant(ir.IntType(32), 0)] * LANES)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)


# --------------------------------------------------------------------------------------- memory


def _vector_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    pointer = cgutils.pointer_add(builder, data, builder.mul(index, ir.Constant(index.type, _itemsize(array_type))))
    return builder.bitcast(pointer, _ir_type(array_type.dtype).as_pointer())


def _itemsize(array_type: Any) -> int:
    return int(array_type.dtype.bitwidth) // 8


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """The vector array[index : index + LANES] of a contiguous one-dimensional array; unchecked."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _vector_pointer(context, builder, array, args[0], args[1])
        return builder.load(pointer, align=_itemsize(array))

    return Vector(array.dtype)(array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + LANES] = value; unchecked."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _vector_pointer(context, builder, array, args[0], args[1])
        builder.store(args[2], pointer, align=_itemsize(array))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def splat(typingctx: Any, scalar: Any) -> Any:
    """A vector with `scalar` in every lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return Vector(scalar)(scalar), generate


@intrinsic
def total(typingctx: Any, value: Any) -> Any:
    """The sum over the lanes, as a balanced tree."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, lanes = args[0], LANES
        while lanes > 1:
            lanes //= 2
            halves = [_part(builder, vector, start, lanes) for start in (0, lanes)]
            vector = builder.fadd(*halves)
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return value.dtype(value), generate


def _part(builder: Any, vector: Any, start: int, lanes: int) -> Any:
    i32 = ir.IntType(32)
    mask = ir.Constant(ir.VectorType(i32, lanes), [ir.Constant(i32, start + i) for i in range(lanes)])
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


# ------------------------------------------------------------------------------------- arithmetic


def _binary(instruction: str) -> Any:
    @intrinsic
    def apply(typingctx: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args, flags=FLAGS)

        return a(a, b), generate

    return apply


def _register(operation: Any, instruction: str) -> None:
    apply = _binary(instruction)

    @overload(operation)
    def arithmetic(a, b):  # type: ignore[no-untyped-def]  # numba compares the annotations too
        if isinstance(a, Vector) and isinstance(b, Vector):
            return lambda a, b: apply(a, b)  # noqa: PLW0108  # numba wants a function
        if isinstance(a, Vector) and isinstance(b, types.Float):
            return lambda a, b: apply(a, splat(b))
        if isinstance(a, types.Float) and isinstance(b, Vector):
            return lambda a, b: apply(splat(a), b)
        return None


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _register(_operation, _instruction)


# --------------------------------------------------------------------------- elementary functions


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)


def _horner(builder: Any, x: Any, coefficients: list[float]) -> Any:
    """Σ coefficients[i]·x^i."""
    result = _constant(x.type, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = _fma(builder, result, x, _constant(x.type, coefficient))
    return result


def _select_less(builder: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), yes, no)


@intrinsic
def times(typingctx: Any, cotangent: Any, factor: Any) -> Any:
    """cotangent·factor, and 0 where the cotangent is 0: what the loss does not see may be NaN."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = _constant(args[0].type, 0.0)
        unseen = builder.fcmp_ordered("==", args[0], zero)
        return builder.select(unseen, zero, builder.fmul(*args, flags=FLAGS))

    return cotangent(cotangent, factor), generate


def _intrinsic(builder: Any, name: str, x: Any) -> Any:
    suffix = f"v{LANES}f{32 if isinstance(x.type.element, ir.FloatType) else 64}"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(x.type, [x.type]), f"llvm.{name}.{suffix}"
    )
    return builder.call(function, [x])


class _Format:
    """What exp needs to know of a float format: its range, a two-part ln 2, the degree that gives its precision."""

    def __init__(self, bits: int, mantissa: int, degree: int, head_bits: int) -> None:
        self.integer, self.mantissa, self.bias = ir.IntType(bits), mantissa, 2 ** (bits - mantissa - 2) - 1
        self.lowest = -(self.bias + mantissa + 1) * math.log(2)  # below: 0
        self.highest = (self.bias + 2) * math.log(2)  # above: inf
        self.taylor = [1 / math.factorial(i) for i in range(degree + 1)]
        ln2 = Fraction(0x58B90BFBE8E7BCD5E4F1D9CC01F97B57, 2**127)  # ln 2 to 127 bits
        self.ln2_head = float(Fraction(math.floor(ln2 * 2**head_bits), 2**head_bits))
        self.ln2_tail = float(ln2 - Fraction(self.ln2_head))


_FORMATS = {"float": _Format(32, 23, 7, 14), "double": _Format(64, 52, 13, 40)}


def _exp(builder: Any, x: Any) -> Any:
    """e^x = 2^k e^r, |r| ≤ ln(2)/2, by Cody & Waite's reduction and Taylor's polynomial; within 1 ulp."""
    vector, form = x.type, _FORMATS[str(x.type.element)]
    low, high = _constant(vector, form.lowest), _constant(vector, form.highest)
    x = _select_less(builder, x, low, low, x)
    x = _select_less(builder, high, x, high, x)
    k = _intrinsic(builder, "floor", _fma(builder, x, _constant(vector, 1 / math.log(2)), _constant(vector, 0.5)))
    r = _fma(builder, k, _constant(vector, -form.ln2_head), x)
    r = _fma(builder, k, _constant(vector, -form.ln2_tail), r)
    narrow = ir.VectorType(ir.IntType(32), LANES)
    exponent = builder.fptosi(k, narrow)
    half = builder.ashr(exponent, _constant(narrow, 1))  # in two steps: 2^k may be subnormal, or 2·max
    result = _horner(builder, r, form.taylor)
    for part in (half, builder.sub(exponent, half)):
        result = builder.fmul(result, _power_of_two(builder, part, vector, form))
    return result


def _power_of_two(builder: Any, exponent: Any, vector: ir.VectorType, form: _Format) -> Any:
    wide = ir.VectorType(form.integer, LANES)
    exponent = exponent if form.integer.width == 32 else builder.sext(exponent, wide)
    biased = builder.add(exponent, _constant(wide, form.bias))
    return builder.bitcast(builder.shl(biased, _constant(wide, form.mantissa)), vector)


def _minus_abs(builder: Any, x: Any) -> Any:
    return builder.fneg(_intrinsic(builder, "fabs", x))


def _softplus(builder: Any, x: Any) -> Any:
    """max(x, 0) + log1p(e^−|x|), with log1p(t) = 2 artanh(t/(2+t)) by its odd series; relative accuracy at every x."""
    vector = x.type
    t = _exp(builder, _minus_abs(builder, x))
    s = builder.fdiv(t, builder.fadd(t, _constant(vector, 2.0)))
    terms = 8 if isinstance(vector.element, ir.FloatType) else 17  # 9^−terms is below the precision
    series = _horner(builder, builder.fmul(s, s), [2 / (2 * i + 1) for i in range(terms)])
    zero = _constant(vector, 0.0)
    positive = _select_less(builder, x, zero, zero, x)
    return _fma(builder, s, series, positive)


def _sigmoid(builder: Any, x: Any) -> Any:
    """1/(1 + e^−x), written with e^−|x| so that nothing overflows."""
    one = _constant(x.type, 1.0)
    t = _exp(builder, _minus_abs(builder, x))
    return builder.fdiv(_select_less(builder, x, _constant(x.type, 0.0), t, one), builder.fadd(one, t))


def _elementary(generate_ir: Callable[[Any, Any], Any]) -> Any:
    @intrinsic
    def apply(typingctx: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return generate_ir(builder, args[0])

        return x(x), generate

    return apply


exp = _elementary(_exp)
softplus = _elementary(_softplus)
sigmoid = _elementary(_sigmoid)
