"""SSD in chunks, of a record; and the same step by step, where a matrix product would spread what is not finite.

A product of matrices multiplies what it masks: 0·NaN is NaN, and reaches tokens before it and other sequences. A finite
result has lost nothing so. Where a result or a gradient is not finite the recurrence is run instead, which selects.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.kernels.arguments import NO_LIMIT, S6, SSD, time_steps
from mamba_theorems.kernels.chunked.ssd import chunk_scan
from mamba_theorems.kernels.confined import is_finite, product, silu

ChunkScan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]]
SSDScan = Callable[[SSD], Any]
FLOATS = ("x", "dt", "A", "B", "C", "D", "z", "dt_bias", "initial_states")


def in_chunks(s: SSD, scan: ChunkScan = chunk_scan) -> Any:
    """The result of SSD; `scan` may be another implementation of `chunk_scan`."""
    x, A, B, C = (t.to(s.dtype) for t in (s.x, s.A, s.B, s.C))
    step, starts, skip = time_steps(s), s.starts, s.skip
    log_decay = product(step, A)
    if starts is not None:
        log_decay = log_decay.masked_fill(starts[..., None], -torch.inf)
    start = x.new_zeros(x.shape[0], *x.shape[2:], B.shape[-1]) if s.initial_states is None else s.initial_states
    written = product(x, step[..., None])
    y, last = scan(written, log_decay, B, C, start.to(x.dtype), min(s.chunk_size, x.shape[1]))
    y = y if skip is None else y + product(x, skip.to(x.dtype))
    return s.result(y if s.z is None else product(y, silu(s.z.to(x.dtype))), last)


def confined(s: SSD, in_products: SSDScan, scan: Callable[[S6], Any]) -> Any:
    """SSD by matrix products; step by step, as the S6 that it is, where a result or a gradient is not finite."""
    if not s.needs_gradients:
        result = in_products(s)
        return result if _finite(result) else by_steps(s, scan)
    wanted = [name for name in FLOATS if (t := getattr(s, name)) is not None and t.requires_grad]
    seen = {name: getattr(s, name).view_as(getattr(s, name)) for name in wanted}
    result = in_products(replace(s, **seen))
    if not _finite(result):
        return by_steps(s, scan)
    mending = _Mending(s, wanted, scan)
    for name, alias in seen.items():
        alias.register_hook(partial(mending.mended, name))
    results = _KeepCotangents.apply(mending, *_as_tuple(result))
    return results if s.return_last_state else results[0]


def by_steps(s: SSD, scan: Callable[[S6], Any]) -> Any:
    """SSD by `scan`: the channels of a head share Δ and one rate."""
    nheads, headdim = s.x.shape[2:]
    clamped = not s.dt_softplus or tuple(s.dt_limit) != NO_LIMIT
    dt = time_steps(s) if clamped else s.dt
    bias = None if clamped or s.dt_bias is None else s.dt_bias.repeat_interleave(headdim)
    record = S6(
        s.x.flatten(2).mT,
        dt.repeat_interleave(headdim, -1).mT,
        s.A.repeat_interleave(headdim)[:, None].expand(-1, s.B.shape[3]),
        s.B.permute(0, 2, 3, 1),
        s.C.permute(0, 2, 3, 1),
        None if s.skip is None else s.skip.expand(nheads, headdim).flatten(),
        None if s.z is None else s.z.flatten(2).mT,
        bias,
        not clamped,
        True,
        None if s.initial_states is None else s.initial_states.flatten(1, 2),
        s.seq_idx,
    )
    y, last = scan(record)
    return s.result(y.mT.unflatten(2, (nheads, headdim)), last.unflatten(1, (nheads, headdim)))


class _Mending:
    """Hooks that replace the gradients of a scan by those of `by_steps` where one is not finite."""

    def __init__(self, s: SSD, wanted: list[str], scan: Callable[[S6], Any]) -> None:
        self.s, self.wanted, self.scan = s, wanted, scan
        self.bars: tuple[Tensor | None, ...] = ()
        self.found: dict[str, Tensor] = {}

    def mended(self, name: str, bar: Tensor | None) -> Tensor | None:
        """The gradient of one argument, or None where `bar` may stay."""
        if bar is None or (not self.found and is_finite(bar)):
            return None
        if not self.found:
            inputs = {name: getattr(self.s, name).detach().requires_grad_() for name in self.wanted}
            with torch.enable_grad():
                results = _as_tuple(by_steps(replace(self.s, **inputs), self.scan))
            outputs, given = zip(
                *((r, b) for r, b in zip(results, self.bars, strict=True) if b is not None), strict=True
            )
            bars = torch.autograd.grad(outputs, list(inputs.values()), given, materialize_grads=True)
            self.found = dict(zip(self.wanted, bars, strict=True))
        return self.found[name]


class _KeepCotangents(torch.autograd.Function):
    """The results themselves; each backward pass begins here, and leaves its cotangents with `mending`."""

    @staticmethod
    def forward(ctx: Any, mending: _Mending, *results: Tensor) -> tuple[Tensor, ...]:
        ctx.mending = mending
        ctx.set_materialize_grads(False)
        return tuple(result.clone() for result in results)  # whoever has a result may change it in place

    @staticmethod
    def backward(ctx: Any, *bars: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.mending.bars, ctx.mending.found = bars, {}
        return None, *bars


def _as_tuple(result: Any) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _finite(result: Any) -> bool:
    return is_finite(*_as_tuple(result))
