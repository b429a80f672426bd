"""The reference functions of fla-core that are state space scans: gated linear attention with one decay a head is SSD,
with one decay a key it is S6. The compiled ones (chunk_…, fused_…) are Triton kernels and need a GPU.

q, k, v, g are C, B, Δx, ΔA; a state is (batch, heads, d_state, headdim). fla's 1/√d_state on q is undone.
"""

from collections.abc import Callable
from typing import Any

from fla.ops.gla.naive import naive_recurrent_gla
from fla.ops.simple_gla.naive import naive_chunk_simple_gla, naive_recurrent_simple_gla
from torch import Tensor

Attention = Callable[..., tuple[Tensor, Any]]


def _ssd(attention: Attention, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Any, last: bool) -> Any:
    B, C = (M.repeat_interleave(x.shape[2] // M.shape[2], 2) for M in (B, C))
    options = {"scale": 1.0, "initial_state": None if state is None else state.mT, "output_final_state": last}
    y, found = attention(C, B, x * dt[..., None], dt * A, **options)
    return (y, found.mT) if last else y


def ssd_chunk_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int = 64,
    initial_states: Tensor | None = None, return_final_states: bool = False,
) -> Any:  # fmt: skip
    """naive_chunk_simple_gla: chunk by chunk. Its output is in float32 whatever the inputs are."""

    def chunks(*args: Any, **options: Any) -> tuple[Tensor, Any]:
        return naive_chunk_simple_gla(*args, chunk_size=chunk_size, **options)

    return _ssd(chunks, x, dt, A, B, C, initial_states, return_final_states)


def ssd_recurrent(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *, initial_states: Tensor | None = None,
    return_final_states: bool = False,
) -> Any:  # fmt: skip
    """naive_recurrent_simple_gla: step by step."""
    return _ssd(naive_recurrent_simple_gla, x, dt, A, B, C, initial_states, return_final_states)


def selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *, return_last_state: bool = False,
    initial_state: Tensor | None = None,
) -> Any:  # fmt: skip
    """naive_recurrent_gla, a head a channel and a value of size 1: its decays are one a state."""
    d_inner, d_state = A.shape
    if B.ndim == 2 or C.ndim == 2:
        raise NotImplementedError("fla's gla takes no constant B or C")
    B, C = (M[:, None] if M.ndim == 3 else M for M in (B, C))
    k, q = (M.repeat_interleave(d_inner // M.shape[1], 1).permute(0, 3, 1, 2) for M in (B, C))
    step = delta.mT[..., None]
    start = None if initial_state is None else initial_state[..., None]
    y, last = naive_recurrent_gla(
        q * d_state**0.5, k, u.mT[..., None] * step, step * A, start, output_final_state=return_last_state
    )
    y = y[..., 0].mT
    return (y, last[..., 0]) if return_last_state else y


for _function in (ssd_chunk_scan, ssd_recurrent, selective_scan):
    _function.conformance = {"dtypes": ["float32", "bfloat16", "float16"]}  # type: ignore[attr-defined,union-attr] # in float32
