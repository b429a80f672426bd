"""Running-error analysis: how far a float evaluation may lie from the exact value, computed beside it.

`rounding(dtype)` is a number field: run any equation of `kernels.semantics` over it and every entry of the result is a
ball that contains the exact value and what IEEE arithmetic of that dtype computes, fused multiply-adds or not.
`selective_scan_bound` does the same for the S6 scan, on whole tensors; `kernels.ssd_bounds` for SSD, on matrix
products. Source: Higham 2002, section 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
import torch
from torch import Tensor

from kernels.fields import BALL, Field, _elementwise
from kernels.reference import by_group

ELEMENTARY_ULPS = 4  # numpy states this for its vectorised exp, log, expit, logaddexp; kernels.simd stays below it


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


# ------------------------------------------------------------------------------- the S6 scan, on tensors


@dataclass(frozen=True)
class Rounding:
    """One float format: `unit` is half an ulp of 1, `tiny` its smallest subnormal."""

    unit: float
    tiny: float
    elementary: float  # relative error of an elementary function

    @classmethod
    def of(cls, dtype: torch.dtype, elementary_ulps: float = ELEMENTARY_ULPS) -> "Rounding":
        """The rounding of a torch dtype."""
        info = torch.finfo(dtype)
        return cls(info.eps / 2, info.smallest_normal * info.eps, elementary_ulps * info.eps)

    def operations(self, count: int, size: Tensor) -> Tensor:
        """The error of `count` roundings of results no larger than `size`."""
        return count * (self.unit * size + self.tiny)


@dataclass(frozen=True)
class Approximate:
    """A value in float64 and a bound on how far the evaluation in the analysed dtype may be from it."""

    value: Tensor
    error: Tensor

    @property
    def largest(self) -> Tensor:
        """The largest magnitude that either may have."""
        return self.value.abs() + self.error

    def ratio(self, computed: Tensor) -> float:
        """The worst error/bound of what was computed: at most 1 for a correct kernel; 0 where nothing was rounded."""
        error = (computed.detach().cpu().double() - self.value).abs()
        return float(torch.where(error == 0, 0.0, error / self.error).max())


@dataclass(frozen=True)
class ScanBound:
    """y and the last state of a selective scan, each with its bound."""

    y: Approximate
    last_state: Approximate

    def ratio(self, y: Tensor) -> float:
        """The worst error/bound of a computed y."""
        return self.y.ratio(y)


def analysed(dtype: torch.dtype, elementary_ulps: float = ELEMENTARY_ULPS) -> Rounding:
    """The rounding of `dtype`, and of the float64 value that a result is compared with."""
    r, own = (Rounding.of(d, elementary_ulps) for d in (dtype, torch.float64))
    return Rounding(r.unit + own.unit, r.tiny + own.tiny, r.elementary + own.elementary)


def selective_scan_bound(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    initial_state: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dtype: torch.dtype | None = None,
    elementary_ulps: float = ELEMENTARY_ULPS,
) -> ScanBound:
    """y of `kernels.ops.selective_scan` with a bound on its error when evaluated in `dtype` (that of u by default).

    Holds for any order of the sum over the state and with or without fused multiply-adds. The inputs count as exact;
    the float64 value's own rounding is included. Time O(batch·d_inner·N·L), memory O(batch·d_inner·(N + L)).
    """
    r = analysed(dtype or u.dtype, elementary_ulps)
    step = bounded_delta(r, delta, delta_bias, delta_softplus)
    B, C = (_per_channel(by_group(M, u.shape[0], u.shape[2]), u.shape[1]) for M in (B, C))
    return bounded_scan(r, u, step, A, B, C, D, z, initial_state, seq_idx)


def bounded_scan(
    r: Rounding,
    u: Tensor,
    step: Approximate,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    initial_state: Tensor | None,
    seq_idx: Tensor | None,
) -> ScanBound:
    """`selective_scan_bound` for a Δ that is known up to an error, B and C (batch, 1 or d_inner, N, L)."""
    u, A, B, C = (m.detach().cpu().double() for m in (u, A, B, C))
    skip = None if D is None else D.detach().cpu().double() * u.transpose(1, 2)
    nothing = torch.zeros(u.shape[0], *A.shape, dtype=torch.float64)
    h = Approximate(nothing if initial_state is None else initial_state.detach().cpu().double(), nothing)
    ys = []
    for t in range(u.shape[2]):
        h = _restarted(h, seq_idx, t)
        h = _bounded_step(r, h, Approximate(step.value[..., t], step.error[..., t]), u[..., t], A, B[..., t])
        ys.append(_bounded_readout(r, h, C[..., t], None if skip is None else skip[:, t]))
    y = Approximate(*(torch.stack(parts, -1) for parts in zip(*((y.value, y.error) for y in ys), strict=True)))
    return ScanBound(y if z is None else bounded_gate(r, y, z.detach().cpu().double()), h)


def _restarted(h: Approximate, seq_idx: Tensor | None, t: int) -> Approximate:
    """h, or 0 in the rows where a packed sequence begins at t."""
    if seq_idx is None or t == 0:
        return h
    same = (seq_idx[:, t] == seq_idx[:, t - 1])[:, None, None]
    return Approximate(h.value * same, h.error * same)


def _per_channel(M: Tensor, d_inner: int) -> Tensor:
    """B or C (batch, groups, N, L) as (batch, d_inner or 1, N, L)."""
    return M if M.shape[1] == 1 else M.repeat_interleave(d_inner // M.shape[1], dim=1)


def bounded_delta(r: Rounding, delta: Tensor, bias: Tensor | None, softplus: bool) -> Approximate:
    """Δ = delta + bias, through softplus where asked; delta (batch, d_inner, L), bias (d_inner)."""
    delta = delta.detach().cpu().double()
    raw = Approximate(delta, torch.zeros_like(delta))
    if bias is not None:
        total = delta + bias.detach().cpu().double()[:, None]
        raw = Approximate(total, r.operations(1, total.abs()))
    if not softplus:
        return raw
    value = torch.logaddexp(raw.value, torch.zeros_like(raw.value))
    slope = torch.sigmoid(raw.value + raw.error)  # softplus is convex: its slope is largest on the right
    return Approximate(value, slope * raw.error + r.elementary * (value + slope * raw.error) + r.tiny)


def _bounded_step(r: Rounding, h: Approximate, delta: Approximate, u: Tensor, A: Tensor, B: Tensor) -> Approximate:
    """One step of the recurrence; h (batch, d_inner, N), delta and u (batch, d_inner), B (batch, 1 or d_inner, N)."""
    exponent = delta.value[..., None] * A
    exponent_error = delta.error[..., None] * A.abs() + r.operations(1, exponent.abs())
    decay = torch.exp(exponent)
    decay_error = decay * (torch.expm1(exponent_error) + r.elementary * torch.exp(exponent_error)) + r.tiny
    write = (delta.value * u)[..., None] * B
    write_error = (delta.error * u.abs())[..., None] * B.abs()
    write_error = write_error + r.operations(2, write.abs() + write_error) + r.tiny * B.abs()
    kept = decay * h.value
    kept_error = decay * h.error + decay_error * h.largest
    kept_error = kept_error + r.operations(1, kept.abs() + kept_error)
    value, error = kept + write, kept_error + write_error
    return Approximate(value, error + r.operations(1, value.abs() + error))


def _bounded_readout(r: Rounding, h: Approximate, C: Tensor, skip: Tensor | None) -> Approximate:
    """Σ_n C_n h_n + skip in any order of summation."""
    terms = h.largest * C.abs()
    value, sizes = (h.value * C).sum(-1), terms.sum(-1)
    if skip is not None:
        value, sizes = value + skip, sizes + skip.abs()
    error = (h.error * C.abs()).sum(-1)
    return Approximate(value, error + r.operations(h.value.shape[-1] + 2, sizes))


def bounded_gate(r: Rounding, y: Approximate, z: Tensor) -> Approximate:
    """y·(z·σ(z)): one elementary function, two products."""
    gate = z * torch.sigmoid(z)
    value = y.value * gate
    size = y.largest * gate.abs()
    return Approximate(value, y.error * gate.abs() + r.elementary * size + r.operations(3, size) + r.tiny * y.largest)
