"""Running-error analysis of SSD: the recurrence step by step, and the chunks, product by product.

Every operation of `kernels.chunked.ssd.chunk_scan` is done here on a value in float64 and a bound on its error, so that
cancellation, underflow and the order of summation are accounted for where they occur. Source: Higham 2002, chapter 3.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mamba_theorems.kernels.arguments import NO_LIMIT, SSD
from mamba_theorems.kernels.bounds.running_error import (
    HOST,
    Approximate,
    Elementary,
    Rounding,
    Scan,
    ScanBound,
    analysed,
    bounded_delta,
    bounded_gate,
    bounded_scan,
    by_channel,
    exactly,
    exponential,
    in_float64,
    product,
    total,
)
from mamba_theorems.kernels.chunked import ssd
from mamba_theorems.kernels.chunked.ssd import segment_sums


def ssd_bound(s: SSD, *, dtype: torch.dtype | None = None, elementary: Elementary = HOST) -> ScanBound:
    """`kernels.ops.ssd_chunk_scan` with a bound on its error when evaluated in `dtype` (that of x by default).

    The larger of two bounds: of the recurrence, and of chunks of chunk_size; for any order of summation, with or
    without fused multiply-adds. The inputs count as exact; the float64 value's own rounding is included. Raises
    ValueError for a dt_limit.
    """
    if s.dt_limit != NO_LIMIT:
        raise ValueError(f"No bound is known for dt_limit = {s.dt_limit}; clamp dt, and leave dt_limit out.")
    r, s = analysed(dtype or s.x.dtype, elementary), in_float64(s)
    step = bounded_delta(r, s.dt.mT, s.dt_bias, s.dt_softplus)
    step = Approximate(step.value.clamp(min=0), step.error)  # dt_limit's own least
    by_steps, by_chunks = _recurrence(r, s, step), _chunks(r, s, step)
    y, last = _either(by_steps.y, by_chunks.y), _either(by_steps.last_state, by_chunks.last_state)
    return ScanBound(y if s.z is None else bounded_gate(r, y, s.z), last)


def _either(a: Approximate, b: Approximate) -> Approximate:
    return Approximate(a.value, torch.maximum(a.error, b.error))


def _recurrence(r: Rounding, s: SSD, step: Approximate) -> ScanBound:
    """SSD as the S6 scan that it is: the channels of a head share Δ and one rate."""
    heads, headdim = s.x.shape[2:]
    channels = Approximate(*(m.repeat_interleave(headdim, 1) for m in (step.value, step.error)))
    rate = s.A.repeat_interleave(headdim)[:, None].expand(-1, s.B.shape[3])
    B, C = (m.permute(0, 2, 3, 1).repeat_interleave(heads * headdim // m.shape[2], 1) for m in (s.B, s.C))
    skip = None if s.skip is None else s.skip.expand(s.x.shape[2:]).flatten()
    start = None if s.initial_states is None else s.initial_states.flatten(1, 2)
    found = bounded_scan(r, Scan(by_channel(channels), s.x.flatten(2).mT, rate, B, C, skip, None, start, s.seq_idx))
    y, last = found.y, found.last_state
    by_head = Approximate(*(m.mT.unflatten(2, (heads, headdim)) for m in (y.value, y.error)))
    return ScanBound(by_head, Approximate(*(m.unflatten(1, (heads, headdim)) for m in (last.value, last.error))))


def _chunks(r: Rounding, s: SSD, step: Approximate) -> ScanBound:
    """`kernels.chunked.backend.in_chunks` without its gate, operation by operation."""
    dt = Approximate(step.value.mT, step.error.mT)
    log_decay = product(r, dt, exactly(s.A))
    starts, skip = s.starts, s.skip
    if starts is not None:
        log_decay = Approximate(log_decay.value.masked_fill(starts[..., None], -torch.inf), log_decay.error)
    written = product(r, exactly(s.x), Approximate(dt.value[..., None], dt.error[..., None]))
    nothing = s.x.new_zeros(s.x.shape[0], *s.x.shape[2:], s.B.shape[-1])
    start, size = nothing if s.initial_states is None else s.initial_states, min(s.chunk_size, s.x.shape[1])
    y, last = _chunk_scan(r, written, log_decay, s.B, s.C, start, size)
    return ScanBound(y if skip is None else total(r, y, product(r, exactly(skip), exactly(s.x))), last)


def _chunk_scan(
    r: Rounding, x: Approximate, log_decay: Approximate, B: Tensor, C: Tensor, start: Tensor, size: int
) -> tuple[Approximate, Approximate]:
    """`kernels.chunked.ssd.chunk_scan`, operation by operation."""
    cut = ssd.cut(x.value, log_decay.value, B, C, size)
    cut_errors = ssd.cut(x.error, log_decay.error, 0 * B, 0 * C, size)
    values, decay = Approximate(cut.x, cut_errors.x), Approximate(cut.decay, cut_errors.decay)
    B, C = cut.B[:, :, :, None], cut.C[:, :, :, None]
    decays = exponential(r, _cumulated(r, decay, segment_sums))
    within = _matmul(r, product(r, _matmul(r, exactly(C), exactly(B.mT)), decays), values)
    to_end = Approximate(*(m[..., -1, :, None] for m in (decays.value, decays.error)))
    written = _matmul(r, Approximate(values.value.mT, values.error.mT), product(r, exactly(B), to_end))
    from_start = exponential(r, _cumulated(r, decay, lambda m: m.cumsum(-1)))
    states, last = _between_chunks(r, written, from_start, start)
    gain = Approximate(from_start.value[..., None], from_start.error[..., None])
    carried = product(r, _matmul(r, exactly(C), Approximate(states.value.mT, states.error.mT)), gain)
    y = total(r, within, carried)
    last = Approximate(last.value.flatten(1, 2), last.error.flatten(1, 2))
    return Approximate(*(ssd.joined(m, x.value.shape[1]) for m in (y.value, y.error))), last


def _between_chunks(
    r: Rounding, written: Approximate, from_start: Approximate, start: Tensor
) -> tuple[Approximate, Approximate]:
    """The state before each chunk, and the last one."""
    h = exactly(start.unflatten(1, written.value.shape[2:4]))
    states = []
    for chunk in range(written.value.shape[1]):
        states.append(h)
        decay = Approximate(*(m[:, chunk, ..., -1, None, None] for m in (from_start.value, from_start.error)))
        h = total(r, product(r, decay, h), Approximate(written.value[:, chunk], written.error[:, chunk]))
    return Approximate(*(torch.stack([getattr(s, part) for s in states], 1) for part in ("value", "error"))), h


# ----------------------------------------------------------------------------------- operations


def _matmul(r: Rounding, a: Approximate, b: Approximate) -> Approximate:
    """K products and K − 1 sums in any order: γ_K ≤ (K + 1)u as long as K(K + 1)u ≤ 1."""
    error = a.error @ b.largest + a.value.abs() @ b.error
    return Approximate(a.value @ b.value, error + r.operations(a.value.shape[-1] + 1, a.largest @ b.largest))


def _cumulated(r: Rounding, a: Approximate, sums: Callable[[Tensor], Tensor]) -> Approximate:
    """Sums of at most Q terms, in any order; where a term is −∞ so is the sum, and its error does not count."""
    count = a.value.shape[-1] - 1
    return Approximate(sums(a.value), sums(a.error) + r.operations(count, sums(a.largest)))
