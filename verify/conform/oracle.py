"""What is right, in float64, and how far a dtype may be from it: one derivation for values and for all gradients.

Everything computed here is a sum of products. A number that is computed in floats, in any order of its sums and any
bracketing of its recurrence, lies within Σ|term|·ρ(term), where ρ counts the relative errors that one term can gather:
a rounding for each product and for each sum that it passes, and e^x, whose relative error is the absolute one of x.
`_outputs` is
evaluated twice: for the values, and for the sums Σ|term|·ρ, the majorant. A gradient's terms are those of
the value, each without one factor: the bound's own gradient, every slope taken absolute, is the bound on the gradient.
Source: Higham 2002, chapter 3; Linnainmaa 1976.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from mamba_theorems.kernels.bounds.running_error import Elementary

OWN = torch.finfo(torch.float64)
HALVES = (torch.float16, torch.bfloat16)
THRESHOLD = 20.0
"""Beyond it a softplus may return its argument, as PyTorch's own does."""
POINTWISE_ROUNDINGS = 3
"""So often may y be rounded to half precision before its last time: before the gate or activation, the gate, ∂y."""
MIXED_ROUNDINGS = 6
"""So often may SSD round a term to half precision: C·B·decay, the state at both ends of a chunk, B·decay, y, and ∂y."""


@dataclass(frozen=True)
class Precision:
    """What a kernel may round to: `accumulation` inside, `operands` where matrices are multiplied, `tiny` flushed.

    unit and ulp are of the accumulation (with float64's own added, of the value compared with); `operands` is the
    relative error of one term that rounding the operands of matrix products may make, `pointwise` that of an entry of y
    by roundings to half precision around the gate and the activation.
    """

    accumulation: torch.dtype
    elementary: Elementary
    operands: float = 0.0
    pointwise: float = 0.0

    @property
    def unit(self) -> float:
        """Half an ulp of 1."""
        return (torch.finfo(self.accumulation).eps + OWN.eps) / 2

    @property
    def tiny(self) -> float:
        """What may be flushed to 0."""
        return torch.finfo(self.accumulation).smallest_normal

    def function(self, x: Tensor) -> Tensor:
        """The relative error of an elementary function at x."""
        return (self.elementary.ulps + self.elementary.growth * x.abs()) * 2 * self.unit


# --- the recurrence: S6, SSD and one step ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Channels:
    """A scan as S6's channels: u (b, d, t), step (b, d, t) before bias, softplus and limits, A (d, n) or
    (d, 1), B, C (b, d, n, t).

    The others are None where there are none: D (d), z (b, d, t), bias (d), start (b, d, n); sequence (b, t) numbers the
    packed sequences, −1 for padding. `window` is how far back a kernel may begin a running sum of exponents, 0 where it
    multiplies decays. `ends` (number + 1) are the bounds of sequences whose last states are wanted.
    """

    u: Tensor
    step: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    z: Tensor | None = None
    bias: Tensor | None = None
    start: Tensor | None = None
    sequence: Tensor | None = None
    softplus: bool = False
    limit: tuple[float, float] = (0.0, float("inf"))
    clamped: bool = False
    window: int = 0
    ends: Tensor | None = None


def indices(cu_seqlens: Tensor, length: int) -> Tensor:
    """seq_idx (1, length) of sequences by their bounds."""
    return (torch.searchsorted(cu_seqlens.long(), torch.arange(length), right=True) - 1)[None]


def numbered(seq_idx: Tensor | None) -> Tensor | None:
    """Each stretch of equal seq_idx gets a number of its own (b, t); −1 where seq_idx is negative: padding."""
    if seq_idx is None:
        return None
    index = seq_idx.long()
    real = index >= 0
    number = torch.full_like(index, -1)
    for row in range(index.shape[0]):  # over sequences of a batch, not over time
        kept = index[row][real[row]]
        if len(kept):
            changes = (kept[1:] != kept[:-1]).long()
            number[row, real[row]] = torch.cat([changes.new_zeros(1), changes.cumsum(0)])
    return number


def scan_values(s: Channels) -> dict[str, Tensor]:
    """y (b, d, t) and the last state (b, d, n), in float64."""
    delta = _delta(s)
    write = (delta * _zeroed(s, s.u))[:, :, None] * _zeroed(s, s.B)
    exponent = _zeroed(s, delta)[:, :, None] * s.A[None, :, :, None]
    gate = None if s.z is None else s.z * torch.sigmoid(s.z)
    skip = None if s.D is None else s.D[:, None] * s.u
    visible = _visible(s.sequence, *exponent.shape[::3])
    sums = segment_sums(torch.nn.functional.pad(exponent, (1, 0)))
    decay = torch.exp(torch.where(visible, sums, -torch.inf))
    return _outputs(decay, visible, write, s.C, s.start, skip, gate, s.ends)


def _zeroed(s: Channels, signal: Tensor) -> Tensor:
    """The signal, 0 at padding."""
    if s.sequence is None:
        return signal
    real = (s.sequence >= 0).reshape(s.sequence.shape[0], *[1] * (signal.ndim - 2), -1)
    return torch.where(real, signal, 0.0)


def _delta(s: Channels) -> Tensor:
    raw = s.step if s.bias is None else s.step + s.bias[:, None]
    delta = torch.logaddexp(raw, torch.zeros_like(raw)) if s.softplus else raw
    return delta.clamp(*s.limit) if s.clamped else delta


def _outputs(
    decay: Tensor,
    visible: Tensor,
    write: Tensor,
    read: Tensor,
    start: Tensor | None,
    skip: Tensor | None,
    gate: Tensor | None,
    ends: Tensor | None,
) -> dict[str, Tensor]:
    """Both modes: y_i = (Σ_n C_i Σ_j decay_ij w_j + skip_i)·gate_i, j from the initial state on.

    The last states of sequences by their bounds (number, d, n) are those at their ends, 0 of an empty one. A NaN or inf
    is selected by where it is visible, never multiplied by 0.
    """
    begin = torch.zeros_like(write[..., 0]) if start is None else start
    writes = torch.cat([begin[..., None], write], -1)  # (b, d, n, 1 + t)
    if not bool(writes.isfinite().all()):
        states = torch.where(visible, decay * writes[..., None, :], 0.0).sum(-1)
    elif decay.shape[2] == 1:
        states = (decay[:, :, 0] @ writes.mT).mT
    else:
        states = (decay @ writes[..., None])[..., 0]
    y = (read * states[..., 1:]).sum(2)
    y = y if skip is None else y + skip
    found = {"y": y if gate is None else y * gate, "last_state": states[..., -1]}
    if ends is not None:
        at_ends = states[0].movedim(-1, 0)[ends[1:].long()]
        found["varlen_states"] = torch.where((ends.diff() > 0)[:, None, None], at_ends, 0.0)
    return found


def segment_sums(x: Tensor) -> Tensor:
    """S[i, j] = x_{j+1} + … + x_i for j ≤ i, each a sum of its own terms; 0 elsewhere."""
    return torch.where(_lower(x.shape[-1], -1), x[..., :, None], 0.0).cumsum(-2)


@lru_cache(maxsize=64)
def _lower(size: int, diagonal: int = 0) -> Tensor:
    return torch.ones(size, size, dtype=torch.bool).tril(diagonal)


def _differences(x: Tensor) -> Tensor:
    """`segment_sums` up to rounding, and cheaper, forward and back: for what is itself a bound or a slope."""
    total = x.cumsum(-1)
    return total[..., :, None] - total[..., None, :]


def _visible(sequence: Tensor | None, batch: int, length: int) -> Tensor:
    """(b, 1, 1, 1 + t, 1 + t): what of step j is seen at step i. Step 0 is the initial state, which the row's first
    sequence sees. At padding the state stays what it was.
    """
    causal = _lower(length + 1)
    if sequence is None:
        return causal.expand(batch, 1, 1, -1, -1)
    current = torch.cat([sequence.new_zeros(batch, 1), sequence], 1).cummax(1).values
    return (causal & (current[:, :, None] == current[:, None, :]))[:, None, None]


LINEAR = ("u", "B", "C", "D", "z", "start")


def scan_bounds(
    s: Channels, p: Precision, loss: Mapping[str, Tensor] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Bounds on y and the last state, and with a loss Σ ∂y·y + Σ ∂h·h on the gradient of every input.

    The gradients' bounds are those of the majorant, whose every slope is the absolute one.
    """
    leaves = {
        name: torch.zeros_like(value).requires_grad_()
        for name in (*LINEAR, "step", "A", "bias")
        if (value := getattr(s, name)) is not None
    }
    batch, channels, length = s.u.shape
    count = s.B.shape[2] + length + 16
    if loss is not None:
        count += channels + batch * length + 8  # a gradient is summed over the batch, time and a group's channels
    with torch.set_grad_enabled(loss is not None):
        found = _majorant(s, p, count, leaves if loss is not None else {})
    flushed = _flushed(s, p, count)
    outputs = {name: value.detach() + flushed for name, value in found.items()}
    if loss is None:
        return outputs, {}
    total = torch.stack([(found[name] * weight.abs()).sum() for name, weight in loss.items()]).sum()
    slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    flushed = flushed * (1 + max(float(w.abs().max()) for w in loss.values()))
    found = {
        name: flushed + (torch.zeros_like(leaf) if slope is None else slope)
        for (name, leaf), slope in zip(leaves.items(), slopes, strict=True)
    }
    ties = _ties(s, p)
    if bool(ties.any()):
        found["step"] = found["step"].masked_fill(ties, torch.inf)
        if "bias" in found:
            found["bias"] = found["bias"].masked_fill(ties.any(2).any(0), torch.inf)
    return outputs, found


def _ties(s: Channels, p: Precision) -> Tensor:
    """Where Δ is a limit but for rounding: whether a gradient passes the clamp there nobody can say."""
    delta = _delta(replace(s, clamped=False)).detach()
    near = torch.zeros_like(delta, dtype=torch.bool)
    for limit in s.limit if s.clamped else ():
        near |= (delta - limit).abs() <= (p.pointwise / POINTWISE_ROUNDINGS + 8 * p.unit) * 2 * abs(limit)
    return near


def _flushed(s: Channels, p: Precision, count: int) -> float:
    """What underflow may take: `tiny` for each of a result's operations, times the largest factors that follow."""

    def largest(m: Tensor | None) -> float:
        return 1.0 if m is None else 1.0 + float(torch.nan_to_num(m, 0.0, 0.0, 0.0).abs().max())

    factors = [largest(m) for m in (s.u, s.B, s.C, s.D, s.z, s.start)]
    return p.tiny * count * float(torch.tensor(factors, dtype=torch.float64).prod())


def _majorant(s: Channels, p: Precision, count: int, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Σ|term|·ρ of every output; the leaves are zeros beside the absolute inputs, through which the slopes flow."""

    def absolute(name: str) -> Tensor | None:
        value = getattr(s, name)
        return None if value is None else value.abs() + leaves[name] if name in leaves else value.abs()

    delta, relative = _majorant_delta(s, p, leaves)
    delta = _zeroed(s, delta)
    signed = _zeroed(s, _delta(s))[:, :, None] * s.A[None, :, :, None]
    u, B, C = absolute("u"), absolute("B"), absolute("C")
    assert u is not None
    assert B is not None
    assert C is not None
    write = (delta * _zeroed(s, u))[:, :, None] * _zeroed(s, B)
    D, gate, gate_error = absolute("D"), None, torch.zeros_like(s.u)
    if s.z is not None:
        gate, gate_error = _majorant_gate(s.z, p, leaves.get("z"))
        gate_error = gate_error.nan_to_num(0.0)  # where the gate is no number, nor is y
    gate_error = gate_error + p.pointwise
    flat = count * p.unit + p.operands
    skip = None if D is None else D[:, None] * u * (flat + gate_error)
    visible = _visible(s.sequence, *signed.shape[::3])
    sums = segment_sums(torch.nn.functional.pad(signed, (1, 0)))
    plain = torch.exp(torch.where(visible, sums, -torch.inf))
    decay = plain * _weights(s, p, flat, signed, relative, gate_error)
    if leaves:
        size, rate = delta[:, :, None], s.A.abs()[None, :, :, None]
        slope = rate * (size - size.detach()) + size.detach() * leaves["A"][None, :, :, None]
        decay = decay * (1 + _differences(torch.nn.functional.pad(slope, (1, 0))))
        if s.window:  # through a difference of running sums, what cancels leaves its rounding, up to a window before
            decay = decay + plain * _windowed(s, p, slope)[..., :, None]
    return _outputs(decay, visible, write, C, absolute("start"), skip, gate, s.ends)


def _majorant_delta(s: Channels, p: Precision, leaves: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """|Δ| with the slopes of its raw value, and its relative error."""
    raw = s.step if s.bias is None else s.step + s.bias[:, None]
    error = (0.0 if s.bias is None else p.unit) * raw.abs()
    delta, slope, relative = raw, torch.ones_like(raw), torch.where(raw == 0, 0.0, error / raw.abs())
    if s.softplus:
        delta, slope = torch.logaddexp(raw, torch.zeros_like(raw)), torch.sigmoid(raw)
        linear = torch.where(raw > THRESHOLD, torch.exp(-raw), 0.0)
        relative = torch.expm1(error) + p.function(raw) + linear  # log of softplus has slope at most 1
    if s.clamped:
        low, high = s.limit
        slope = torch.where((delta < low) | (delta > high), 0.0, slope)
        delta = delta.clamp(low, high)
    moved = leaves.get("step", 0.0)
    if s.bias is not None and "bias" in leaves:
        moved = moved + leaves["bias"][:, None]
    return delta.abs() + slope * moved, relative


def _majorant_gate(z: Tensor, p: Precision, leaf: Tensor | None) -> tuple[Tensor, Tensor]:
    """|SiLU(z)| with the absolute slopes σ(1 + |z|(1 − σ)), and its relative error."""
    sigma = torch.sigmoid(z)
    slope = sigma * (1 + z.abs() * (1 - sigma))
    gate = (z * sigma).abs()
    return gate if leaf is None else gate + slope * leaf, p.function(z) + 3 * p.unit


def _weights(s: Channels, p: Precision, flat: float, exponent: Tensor, relative: Tensor, gate_error: Tensor) -> Tensor:
    """ρ of every term, (b, d, n, 1 + t, 1 + t): what its exponents' sum, in any order, may be off by; one e^x and two
    products a step; the write's own; the gate's; and `flat` for every other rounding.
    """
    pad, length = torch.nn.functional.pad, exponent.shape[-1]
    size = exponent.abs()
    a_step = size * (_zeroed(s, relative)[:, :, None] + (length + 1) * p.unit) + p.function(exponent) + 2 * p.unit
    rho = _differences(pad(a_step, (1, 0))).clamp(min=0)
    if s.window:  # e^(difference of running sums that began up to a window ago)
        rho = rho + _windowed(s, p, size)[..., :, None]
    written = pad(relative + 2 * p.unit, (1, 0))[:, :, None, None, :]
    gated = pad(gate_error, (1, 0))[:, :, None, :, None]
    return torch.expm1(rho + (written + gated + float(p.function(torch.zeros(()))) + flat))


def _windowed(s: Channels, p: Precision, size: Tensor) -> Tensor:
    """What a running sum of sizes, begun up to a window ago, may be off by, (…, 1 + t): two roundings a step."""
    pad, length = torch.nn.functional.pad, size.shape[-1]
    reach = min(s.window, length)
    before = pad(size, (1, 0)).cumsum(-1)
    return 2 * reach * p.unit * (before - pad(before, (reach, 0))[..., : length + 1])


# --- the convolution -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConvolutionInput:
    """x (b, d, t), weight (d, k); bias (d), start (b, d, k − 1) and sequence (b, t) or None; SiLU where asked."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None = None
    start: Tensor | None = None
    sequence: Tensor | None = None
    silu: bool = False


def convolution_values(s: ConvolutionInput) -> dict[str, Tensor]:
    """y (b, d, t), and the last k − 1 tokens of the last sequence (b, d, k − 1)."""
    taps, visible = _taps(s, s.x, s.start)
    y = torch.where(visible, s.weight[None, :, None, :] * taps[:, :, :-1], 0.0).sum(-1)
    y = y if s.bias is None else y + s.bias[:, None]
    y = y * torch.sigmoid(y) if s.silu else y
    return {"y": _zeroed_like(s.sequence, y), "last_state": _final(s, taps)}


def _final(s: ConvolutionInput, taps: Tensor) -> Tensor:
    """What the next token would see before it: its taps but the last."""
    past = s.weight.shape[1] - 1
    return taps[:, :, -1, :past]


def _zeroed_like(sequence: Tensor | None, y: Tensor) -> Tensor:
    return y if sequence is None else torch.where((sequence >= 0)[:, None], y, 0.0)


def _taps(s: ConvolutionInput, x: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
    """(b, d, t + 1, k): the tokens that every step multiplies by its taps, the next token's (0) last; 0 where a token
    belongs to another sequence or is padding. And where they are seen, (b, 1, t, k).
    """
    width, (batch, channels, length) = s.weight.shape[1], x.shape
    before = x.new_zeros(batch, channels, width - 1) if start is None else start
    sequence = torch.zeros(batch, length, dtype=torch.long) if s.sequence is None else s.sequence
    rows = []
    for row in range(batch):  # over sequences of a batch, not over time
        rows.append(_taps_of_row(x[row], before[row], sequence[row], width))
    taps, visible = (torch.stack(part) for part in zip(*rows, strict=True))
    return taps, visible[:, None, :-1]


def _taps_of_row(x: Tensor, before: Tensor, sequence: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Padding is taken out, so that the tokens on both sides of it are neighbours."""
    length, real = x.shape[1], (sequence >= 0).nonzero().flatten()
    kept = torch.cat([before, x[:, real], x.new_zeros(x.shape[0], 1)], 1)
    number = sequence[real]
    first = number[:1] if len(number) else sequence.new_zeros(1)
    last = number[-1:] if len(number) else first
    number = torch.cat([first.expand(width - 1), number, last])
    windows, numbers = kept.unfold(1, width, 1), number.unfold(0, width, 1)  # (d, r + 1, k), (r + 1, k)
    seen = numbers == numbers[:, -1:]
    windows = torch.where(seen, windows, 0.0)
    taps, visible = x.new_zeros(x.shape[0], length + 1, width), torch.zeros(length + 1, width, dtype=torch.bool)
    places = torch.cat([real, real.new_tensor([length])])
    taps[:, places], visible[places] = windows, seen
    return taps, visible


def convolution_bounds(
    s: ConvolutionInput, p: Precision, loss: Mapping[str, Tensor] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """As `scan_bounds`: ρ is k + 2 roundings; through SiLU the slopes are absolute, and one function is added."""
    names = [name for name in ("x", "weight", "bias", "start") if getattr(s, name) is not None]
    leaves = {name: torch.zeros_like(getattr(s, name)).requires_grad_() for name in names}
    width, (batch, _, length) = s.weight.shape[1], s.x.shape

    def majorant(count: int) -> dict[str, Tensor]:
        m = {name: getattr(s, name).abs() + leaves[name] for name in names}
        taps, visible = _taps(s, m["x"], m.get("start"))
        size = torch.where(visible, m["weight"][None, :, None, :] * taps[:, :, :-1], 0.0).sum(-1)
        size = size + m["bias"][:, None] if "bias" in m else size
        error = (count * p.unit + p.pointwise) * size
        if s.silu:
            at = _before_activation(s)
            sigma = torch.sigmoid(at)
            slope = sigma * (1 + at.abs() * (1 - sigma))
            # an error e before SiLU moves its slope by at most e/2, as |SiLU″| ≤ ½; SiLU's own error is relative
            error = slope * error + error.detach() * size + (p.function(at) + 3 * p.unit) * slope * size
        return {"y": _zeroed_like(s.sequence, error), "last_state": 0 * _final(s, taps)}

    with torch.no_grad():
        outputs = {name: value + p.tiny * (width + 4) for name, value in majorant(width + 2).items()}
    if loss is None:
        return outputs, {}
    found = majorant(2 * width + batch * length + 8)
    total = torch.stack([(found[name] * weight.abs()).sum() for name, weight in loss.items()]).sum()
    if "last_state" in loss:  # a copy of tokens: exact but for the sum with the other gradient
        taps, _ = _taps(s, s.x.abs() + leaves["x"], None if s.start is None else s.start.abs() + leaves["start"])
        total = total + 2 * p.unit * (_final(s, taps) * loss["last_state"].abs()).sum()
    slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    flushed = p.tiny * (width + batch * length) * (1 + max(float(w.abs().max()) for w in loss.values()))
    return outputs, {
        name: flushed + (torch.zeros_like(leaf) if slope is None else slope)
        for (name, leaf), slope in zip(leaves.items(), slopes, strict=True)
    }


def _before_activation(s: ConvolutionInput) -> Tensor:
    taps, visible = _taps(s, s.x, s.start)
    y = torch.where(visible, s.weight[None, :, None, :] * taps[:, :, :-1], 0.0).sum(-1)
    return (y if s.bias is None else y + s.bias[:, None]).detach()
