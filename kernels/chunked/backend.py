"""The backend "torch": SSD in chunks, on any device, with gradients of every order by autograd."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels.arguments import SSD, time_steps
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.chunked.ssd import chunk_scan

ChunkScan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]]


class Chunked(Backend):
    """SSD alone."""

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """In chunks of chunk_size."""
        return in_chunks(s)


def in_chunks(s: SSD, scan: ChunkScan = chunk_scan) -> Any:
    """The result of SSD; `scan` may be another implementation of `chunk_scan`."""
    x, A, B, C = (t.to(s.dtype) for t in (s.x, s.A, s.B, s.C))
    step, starts, skip = time_steps(s, s.dt_limit), s.starts, s.skip
    log_decay = step * A
    if starts is not None:
        log_decay = log_decay.masked_fill(starts[..., None], -torch.inf)
    start = x.new_zeros(x.shape[0], *x.shape[2:], B.shape[-1]) if s.initial_states is None else s.initial_states
    y, last = scan(x * step[..., None], log_decay, B, C, start.to(x.dtype), min(s.chunk_size, x.shape[1]))
    y = y if skip is None else y + skip * x
    return s.result(y if s.z is None else y * functional.silu(s.z.to(x.dtype)), last)


BACKEND = Chunked()
