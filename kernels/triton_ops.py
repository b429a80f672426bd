"""The backend "triton": torch tensors in and out of the Triton kernels. Fixed configurations, no autotuning."""

import os
from typing import Any

import torch
import triton
from torch import Tensor

from kernels import triton_s6
from kernels.cpu_ops import fresh_starts, with_groups
from kernels.reference import compute_dtype

BLOCK_D, BLOCK_T, NUM_WARPS = 2, 256, 4


def interpreted() -> bool:
    """Whether Triton runs its slow interpreter, which checks indexing and masks on a CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def require_device(tensor: Tensor) -> None:
    """Raise ValueError where Triton cannot run on the tensor's device."""
    if tensor.device.type != "cuda" and not interpreted():
        raise ValueError(
            f'backend="triton" needs CUDA tensors, not {tensor.device}; use backend="cpu", '
            "or set TRITON_INTERPRET=1 before importing to check indexing."
        )


def _contiguous(tensor: Tensor | None, dtype: torch.dtype, like: Tensor) -> Tensor:
    """Contiguous, in the accumulation's dtype; a stand-in that is never read where there is no tensor."""
    return like.new_empty(1, dtype=dtype) if tensor is None else tensor.detach().to(dtype).contiguous()


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    *,
    initial_state: Tensor | None = None,
    seq_idx: Tensor | None = None,
) -> Any:
    """`kernels.ops.selective_scan`, fused on a GPU."""
    require_device(u)
    dtype = compute_dtype(u, delta, A, B, C, D, z, delta_bias, initial_state)
    batch, d_inner, length = u.shape
    groups = max(M.shape[1] if M.ndim == 4 else 1 for M in (B, C))
    B, C = with_groups(B, groups), with_groups(C, groups)
    fresh = fresh_starts(seq_idx) if seq_idx is not None else None
    inputs = [_contiguous(x, dtype, u) for x in (u, delta, A, B, C, D, z, delta_bias, initial_state)]
    y, last = torch.empty_like(inputs[0]), inputs[0].new_empty(batch, *A.shape)
    grid = (triton.cdiv(d_inner // groups, BLOCK_D), groups, batch)
    triton_s6.s6_forward[grid](
        *inputs,
        inputs[0] if fresh is None else fresh.to(torch.int8),
        y,
        last,
        last,
        y,
        length,
        d_inner,
        groups,
        A.shape[1],
        HAS_D=D is not None,
        HAS_Z=z is not None,
        HAS_BIAS=delta_bias is not None,
        HAS_INITIAL=initial_state is not None,
        HAS_FRESH=fresh is not None,
        SAVE=False,
        SOFTPLUS=delta_softplus,
        BLOCK_D=BLOCK_D,
        BLOCK_T=min(BLOCK_T, triton.next_power_of_2(length)),
        BLOCK_N=triton.next_power_of_2(A.shape[1]),
        num_warps=NUM_WARPS,
        enable_fp_fusion=triton_s6.FP_FUSION,
    )
    return (y.to(u.dtype), last) if return_last_state else y.to(u.dtype)
