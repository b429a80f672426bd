"""`python -m kernels.accuracy`: the worst error of the compiled elementary functions over every float32, one by one.

What `kernels.bounds.running_error` assumes of them is checked here exhaustively, against libm in float64: 0.67 ulp for
exp, 2.4 for softplus, 1.5 for sigmoid. The tests take every 61st float. Twenty seconds of one core.
"""

# mypy: disable-error-code="call-arg,arg-type"
# (numba supplies the first argument of an intrinsic, and converts integers)
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange

from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS
from mamba_theorems.kernels.cpu import simd

EPS, TINY = 2.0**-23, 2.0**-149
LARGEST = {"exp": 88.7, "softplus": 104.0, "sigmoid": 104.0}  # e^88.73 overflows
SMALLEST, LOWEST = 2.0**-25, -104.0  # e^x is 1 to rounding above the one, 0 below the other
BLOCK = 1 << 12  # floats at a time


@njit
def _exp(x: float) -> float:
    return math.exp(x)


@njit
def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit
def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


FUNCTIONS = {"exp": (simd.exp, _exp), "softplus": (simd.softplus, _softplus), "sigmoid": (simd.sigmoid, _sigmoid)}


def _sweep(compiled: Any, exact: Any) -> Callable[[int, int, int], float]:
    """The worst error, in ε·value + one subnormal, over the floats whose bits are first, first + stride, …"""

    @njit(parallel=True)
    def sweep(first, count, stride):  # type: ignore[no-untyped-def]
        blocks = (count + BLOCK - 1) // BLOCK
        worst = np.zeros(blocks)
        for block in prange(blocks):
            bits = np.empty(BLOCK, np.uint32)
            for i in range(BLOCK):
                bits[i] = first + np.uint32(min(block * BLOCK + i, count - 1)) * stride
            x, out = bits.view(np.float32), np.empty(BLOCK, np.float32)
            for i in range(0, BLOCK, simd.LANES):
                simd.store(out, i, compiled(simd.load(x, i)))
            for i in range(BLOCK):
                true = exact(np.float64(x[i]))
                worst[block] = max(worst[block], abs(out[i] - true) / (EPS * true + TINY))
        return worst.max()

    return sweep


def worst_error(name: str, stride: int = 1) -> float:
    """The largest error of one function, in units of ε·value + one subnormal, over every stride-th float32."""
    sweep, worst = _sweep(*FUNCTIONS[name]), 0.0
    for low, high in ((SMALLEST, LARGEST[name]), (-SMALLEST, LOWEST)):
        first, last = (int(np.float32(x).view(np.uint32)) for x in (low, high))
        worst = max(worst, sweep(np.uint32(first), (last - first) // stride + 1, np.uint32(stride)))
    return worst


def main() -> int:
    """Print the three; 0 where all are below what the bounds assume."""
    errors = {name: worst_error(name) for name in FUNCTIONS}
    for name, error in errors.items():
        print(f"{name:<10}{error:.3f} ulp; assumed {ELEMENTARY_ULPS}")
    return int(max(errors.values()) > ELEMENTARY_ULPS)


if __name__ == "__main__":
    sys.exit(main())
