"""The backend "cpu": torch tensors in and out of the compiled loops of `kernels.cpu`."""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kernels import cpu
from kernels.reference import compute_dtype


def _contiguous(tensor: Tensor | None, dtype: torch.dtype, ndim: int, time_major: bool = False) -> np.ndarray:
    """A contiguous numpy array; of size 0 where there is no tensor."""
    if tensor is None:
        return torch.empty((0,) * ndim, dtype=dtype).numpy()
    tensor = tensor.detach().to(dtype)
    return (tensor.transpose(1, 2) if time_major else tensor).contiguous().numpy()


def _is_time_major(x: Tensor) -> bool:
    """Whether the channels of (batch, d_inner, L) are neighbours in memory, as a linear layer leaves them."""
    return x.stride(1) == 1 and x.stride(2) != 1


def fresh_starts(seq_idx: Tensor | None) -> Tensor:
    """Where a packed sequence begins, (batch, L) bool; of size 0 without seq_idx."""
    if seq_idx is None:
        return torch.empty((0, 0), dtype=torch.bool)
    fresh = torch.zeros(seq_idx.shape, dtype=torch.bool, device=seq_idx.device)
    fresh[:, 1:] = seq_idx[:, 1:] != seq_idx[:, :-1]
    return fresh


def with_groups(M: Tensor, groups: int) -> Tensor:
    """B or C as (batch, groups, N, L)."""
    M = M if M.ndim == 4 else M[:, None]
    return M.expand(-1, groups, -1, -1) if M.shape[1] == 1 else M


def use_torch_threads() -> None:
    """As many threads as torch was told to use."""
    available = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(torch.get_num_threads(), available))


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
    """`kernels.ops.selective_scan`, compiled."""
    dtype = compute_dtype(u, delta, A, B, C, D, z, delta_bias, initial_state)
    time_major = _is_time_major(u)
    groups = max(M.shape[1] if M.ndim == 4 else 1 for M in (B, C))
    arguments = cpu.S6(
        _contiguous(u, dtype, 3, time_major),
        _contiguous(delta, dtype, 3, time_major),
        _contiguous(A, dtype, 2),
        _contiguous(with_groups(B, groups), dtype, 4),
        _contiguous(with_groups(C, groups), dtype, 4),
        _contiguous(D, dtype, 1),
        _contiguous(z, dtype, 3, time_major),
        _contiguous(delta_bias, dtype, 1),
        _contiguous(initial_state, dtype, 3),
        fresh_starts(seq_idx).numpy(),
        delta_softplus,
        time_major,
    )
    y = np.empty_like(arguments.u)
    nothing = np.empty((0, 0, 0), y.dtype)
    last = np.empty((u.shape[0], *A.shape), y.dtype) if return_last_state else nothing
    use_torch_threads()
    cpu.forward(arguments, y, last, nothing, nothing)
    out = torch.from_numpy(y).to(u.dtype)
    out = out.transpose(1, 2) if time_major else out
    return (out, torch.from_numpy(last)) if return_last_state else out


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    seq_idx: Tensor | None = None,
    activation: str | None = None,
    *,
    initial_states: Tensor | None = None,
) -> Tensor:
    """`kernels.ops.causal_conv1d`: one multiply-add a tap, on whole tensors, in x's own layout."""
    dtype, past = compute_dtype(x, weight, bias), weight.shape[1] - 1
    time = 1 if _is_time_major(x) else 2  # work in x's own layout

    def laid_out(m: Tensor) -> Tensor:
        return m.to(dtype).transpose(1, 2) if time == 1 else m.to(dtype)

    before = x.new_zeros(*x.shape[:2], past) if initial_states is None else initial_states
    tokens = torch.cat([laid_out(before), laid_out(x)], dim=time)
    y = torch.zeros_like(laid_out(x)) if bias is None else laid_out(bias[None, :, None].expand_as(x))
    for tap in range(weight.shape[1]):
        seen = tokens.narrow(time, tap, x.shape[2])
        if seq_idx is not None and tap < past:
            seen = seen * laid_out(same_sequence(seq_idx, past - tap)[:, None])
        y = torch.addcmul(y, seen, laid_out(weight[None, :, tap, None]))
    y = y if activation is None else functional.silu(y)
    return laid_out(y).to(x.dtype)


def same_sequence(seq_idx: Tensor, lag: int) -> Tensor:
    """Whether the token `lag` steps back is of the same stretch, (batch, L); what lies before all is of the first."""
    stretch = fresh_starts(seq_idx).cumsum(-1)
    earlier = functional.pad(stretch, (lag, 0))[:, : stretch.shape[1]]
    return earlier == stretch
