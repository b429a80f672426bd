"""Running-error analysis: how far a float evaluation may lie from the exact value, computed beside it.

`rounding(dtype)` is a number field: run any equation of `kernels.semantics` over it and every entry of the result is a
ball that contains the exact value and what IEEE arithmetic of that dtype computes, fused multiply-adds or not.
`selective_scan_bound` does the same for the S6 scan, on whole tensors; `kernels.bounds.ssd` for SSD, on matrix
products. Source: Higham 2002, section 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import flint
import numpy as np
import torch
from torch import Tensor

from mamba_theorems.kernels.arguments import S6, SSD, DeltaT
from mamba_theorems.kernels.fields import BALL, Field, _elementwise

ELEMENTARY_ULPS = 4  # numpy states this for its vectorised exp, log, expit, logaddexp; kernels.cpu.simd stays below it
AnyScan = TypeVar("AnyScan", S6, DeltaT, SSD)


@dataclass(frozen=True)
class Elementary:
    """exp, softplus and sigmoid are good to ulps + growth·|x| units in the last place at x."""

    ulps: float = ELEMENTARY_ULPS
    growth: float = 0.0


HOST = Elementary()
# Triton's float32 exp is ex2.approx.f32 of a rounded product, and its division div.full.f32. CUDA's programming guide
# states 2 + 1.173|x| ulp for the one (as __expf) and 2 ulp for the other. In softplus, whose artanh is no steeper than
# 1.09 in relative terms, and in sigmoid that makes at most 1.09·(2 + 1.173|x|) + 2 + 3 roundings of ½ + the series' 1.
CUDA = Elementary(7.0, 1.3)


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
    """The field whose numbers enclose every evaluation in a dtype, elementary functions being good to so many ulps."""
    info = torch.finfo(dtype) if isinstance(dtype, torch.dtype) else np.finfo(dtype)
    eps, smallest_normal = flint.arb(float(info.eps)), flint.arb(float(info.smallest_normal))
    unit = (eps / 2, smallest_normal * eps)

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
    """One float format: `unit` is half an ulp of 1, `tiny` its smallest subnormal; `elementary` counts in `ulp`."""

    unit: float
    tiny: float
    ulp: float
    elementary: Elementary

    @classmethod
    def of(cls, dtype: torch.dtype, elementary: Elementary = HOST) -> "Rounding":
        """The rounding of a torch dtype."""
        info = torch.finfo(dtype)
        return cls(info.eps / 2, info.smallest_normal * info.eps, info.eps, elementary)

    def operations(self, count: int, size: Tensor) -> Tensor:
        """The error of `count` roundings of results no larger than `size`."""
        return count * (self.unit * size + self.tiny)

    def function(self, x: Tensor, value: Tensor) -> Tensor:
        """The error of an elementary function at x, whose value there is at most `value`."""
        return (self.elementary.ulps + self.elementary.growth * x.abs()) * (self.ulp * value + self.tiny)


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


def exactly(value: Tensor) -> Approximate:
    """A value without error."""
    return Approximate(value, torch.zeros_like(value))


def at_time(a: Approximate, t: int) -> Approximate:
    """The entries at time t, the last axis."""
    return Approximate(a.value[..., t], a.error[..., t])


def total(r: Rounding, a: Approximate, b: Approximate) -> Approximate:
    """a + b."""
    value, error = a.value + b.value, a.error + b.error
    return Approximate(value, error + r.operations(1, value.abs() + error))


def product(r: Rounding, a: Approximate, b: Approximate) -> Approximate:
    """a·b."""
    value, error = a.value * b.value, a.error * b.largest + a.value.abs() * b.error
    return Approximate(value, error + r.operations(1, value.abs() + error))


def exponential(r: Rounding, a: Approximate) -> Approximate:
    """e^a, where e^−∞ is exactly 0."""
    value, gone = torch.exp(a.value), a.value == -torch.inf
    error = value * torch.expm1(a.error)
    error = error + r.function(a.largest, value + error)
    return Approximate(value, error.masked_fill(gone, 0))


@dataclass(frozen=True)
class ScanBound:
    """y and the last state of a selective scan, each with its bound."""

    y: Approximate
    last_state: Approximate

    def ratio(self, y: Tensor) -> float:
        """The worst error/bound of a computed y."""
        return self.y.ratio(y)


def analysed(dtype: torch.dtype, elementary: Elementary = HOST) -> Rounding:
    """The rounding of `dtype`, and of the float64 value that a result is compared with."""
    r, own = (Rounding.of(d, elementary) for d in (dtype, torch.float64))
    return Rounding(r.unit + own.unit, r.tiny + own.tiny, r.ulp + own.ulp, elementary)


def in_float64(s: AnyScan) -> AnyScan:
    """The arguments on the host, floats in float64 and without gradients."""
    given = {name: value.detach().cpu() for name, value in vars(s).items() if isinstance(value, Tensor)}
    wide: dict[str, Any] = {name: m.double() if m.is_floating_point() else m for name, m in given.items()}
    return replace(s, **wide)


def selective_scan_bound(
    s: S6, *, dtype: torch.dtype | None = None, elementary: Elementary = HOST, associative: bool = False
) -> ScanBound:
    """y of `kernels.ops.selective_scan` with a bound on its error when evaluated in `dtype` (that of u by default).

    Holds for any order of the sum over the state and with or without fused multiply-adds; where `associative` also for
    any bracketing of the steps, as a parallel scan chooses it. The inputs count as exact; the float64 value's own
    rounding is included. Time O(batch·d_inner·N·L), memory O(batch·d_inner·(N + L)).
    """
    r, s = analysed(dtype or s.u.dtype, elementary), in_float64(s)
    step = bounded_delta(r, s.delta, s.delta_bias, s.delta_softplus)
    B, C = (_per_channel(M, s.u.shape[1]) for M in s.matrices)
    scan = Scan(by_channel(step), s.u, s.A, B, C, s.D, s.z, s.initial_state, s.seq_idx)
    return bounded_associative_scan(r, scan) if associative else bounded_scan(r, scan)


def selective_scan_delta_t_bound(s: DeltaT, *, dtype: torch.dtype | None = None) -> ScanBound:
    """`selective_scan_bound` of `kernels.ops.selective_scan_delta_t`: Δ along the state, and none on the input."""
    r, s = analysed(dtype or s.u.dtype), in_float64(s)
    step, B, C = exactly(s.delta[:, None]), s.B[:, None], s.C[:, None]
    return bounded_scan(r, Scan(step, s.u, s.A, B, C, s.D, s.z, s.initial_state, s.seq_idx, exactly(s.u)))


class Scan(NamedTuple):
    """What a bound needs to know of a scan, in float64; B and C (batch, 1 or d_inner, N, L).

    step (batch, d_inner, 1, L), or (batch, 1, N, L) where Δ runs along the state; `written` is what is multiplied by B,
    Δu where it is not given.
    """

    step: Approximate
    u: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    initial_state: Tensor | None
    seq_idx: Tensor | None
    written: Approximate | None = None


def by_channel(step: Approximate) -> Approximate:
    """Δ (batch, d_inner, L) as `Scan` wants it."""
    return Approximate(step.value[:, :, None], step.error[:, :, None])


def bounded_scan(r: Rounding, s: Scan) -> ScanBound:
    """y and the last state, step by step."""
    skip, written = None if s.D is None else s.D * s.u.transpose(1, 2), _written(r, s)
    nothing = torch.zeros(s.u.shape[0], *s.A.shape, dtype=torch.float64)
    h = exactly(nothing if s.initial_state is None else s.initial_state)
    ys = []
    for t in range(s.u.shape[2]):
        h = _restarted(h, s.seq_idx, t)
        decay = exponential(r, product(r, at_time(s.step, t), exactly(s.A)))
        write = product(r, by_channel(at_time(written, t)), exactly(s.B[..., t]))
        h = total(r, product(r, decay, h), write)
        ys.append(_bounded_readout(r, h, s.C[..., t], None if skip is None else skip[:, t]))
    y = Approximate(torch.stack([y.value for y in ys], -1), torch.stack([y.error for y in ys], -1))
    return ScanBound(y if s.z is None else bounded_gate(r, y, s.z), h)


def _written(r: Rounding, s: Scan) -> Approximate:
    """What is multiplied by B, (batch, d_inner, L)."""
    return s.written or product(r, Approximate(s.step.value[:, :, 0], s.step.error[:, :, 0]), exactly(s.u))


def bounded_associative_scan(r: Rounding, s: Scan) -> ScanBound:
    """`bounded_scan` for every bracketing of the steps.

    However they are bracketed, a term C_t·(Π decays)·w_j is a product in at most as many roundings as step by step. But
    its partial sums are others: at most Σ|terms|, so the error of the scan of absolute values step by step covers them,
    with one rounding more for each of the at most 2⌈log₂L⌉ + 1 sums of a term in a tree. And a product of decays may
    underflow before it meets w_j: `tiny` for each step, times |w_j|.
    """
    found, absolute = bounded_scan(r, s._replace(z=None)), bounded_scan(r, _absolute(r, s))
    length = s.u.shape[2]
    sums = 2 * (length - 1).bit_length() + 1
    writes = _written(r, s).largest[:, :, None] * s.B.abs()
    start = 0 if s.initial_state is None else s.initial_state.abs()[..., None]
    lost = length * r.tiny * (start + writes.cumsum(-1))
    y_error = absolute.y.error + r.operations(sums, absolute.y.largest) + (lost * s.C.abs()).sum(-2)
    last_error = absolute.last_state.error + r.operations(sums, absolute.last_state.largest) + lost[..., -1]
    y, last = Approximate(found.y.value, y_error), Approximate(found.last_state.value, last_error)
    return ScanBound(y if s.z is None else bounded_gate(r, y, s.z), last)


def _absolute(r: Rounding, s: Scan) -> Scan:
    """The scan whose terms are the absolute values of this one's; Δ and A stay, and so do the decays."""
    start, D = (None if m is None else m.abs() for m in (s.initial_state, s.D))
    written = _written(r, s)
    written = Approximate(written.value.abs(), written.error)
    return s._replace(u=s.u.abs(), B=s.B.abs(), C=s.C.abs(), D=D, z=None, initial_state=start, written=written)


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
    raw = exactly(delta)
    if bias is not None:
        raw = total(r, raw, exactly(bias[:, None]))
    if not softplus:
        return raw
    value = torch.logaddexp(raw.value, torch.zeros_like(raw.value))
    slope = torch.sigmoid(raw.value + raw.error)  # softplus is convex: its slope is largest on the right
    error = slope * raw.error
    return Approximate(value, error + r.function(raw.largest, value + error))


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
    sigmoid_error = r.function(z, torch.sigmoid(z)) * z.abs() * y.largest
    return Approximate(value, y.error * gate.abs() + sigmoid_error + r.operations(3, size) + r.tiny * y.largest)
