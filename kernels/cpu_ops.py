"""The backend "cpu": torch tensors in and out of the compiled loops of `kernels.cpu`."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from kernels import cpu, cpu_backward, simd
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
    """`kernels.ops.selective_scan`, compiled, with gradients."""
    dtype = compute_dtype(u, delta, A, B, C, D, z, delta_bias, initial_state)
    groups = max(M.shape[1] if M.ndim == 4 else 1 for M in (B, C))
    matrices = (with_groups(M, groups) for M in (B, C))
    tensors = (u, delta, A, *matrices, D, z, delta_bias, initial_state)
    wide = tuple(None if t is None else t.to(dtype) for t in tensors)
    y, last = _SelectiveScan.apply(delta_softplus, fresh_starts(seq_idx), *wide)
    return (y.to(u.dtype), last) if return_last_state else y.to(u.dtype)


class _SelectiveScan(torch.autograd.Function):
    """y and the last state; everything in one dtype, B and C with groups."""

    @staticmethod
    def forward(ctx: Any, softplus: bool, fresh: Tensor, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        scan = _arguments(softplus, fresh, tensors)
        y, last = np.empty_like(scan.u), np.empty((scan.u.shape[0], *scan.A.shape), scan.u.dtype)
        nothing = np.empty((0, 0, 0), y.dtype)
        training = any(ctx.needs_input_grad)
        checkpoints = np.empty(_checkpoint_shape(scan), y.dtype) if training else nothing
        ungated = np.empty_like(y) if training and scan.z.size else nothing
        use_torch_threads()
        cpu.forward(scan, y, last, checkpoints, ungated)
        ctx.save_for_backward(fresh, torch.from_numpy(checkpoints), torch.from_numpy(ungated), *tensors)
        ctx.softplus = softplus
        return _laid_out(y, scan), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_bar: Tensor, last_bar: Tensor) -> tuple[Tensor | None, ...]:
        fresh, checkpoints, ungated, *tensors = ctx.saved_tensors
        scan = _arguments(ctx.softplus, fresh, tensors)
        dtype = y_bar.dtype
        saved = cpu_backward.Saved(
            _contiguous(y_bar, dtype, 3, scan.time_major),
            _contiguous(last_bar, dtype, 3),
            checkpoints.numpy(),
            ungated.numpy(),
        )
        use_torch_threads()
        gradients = _empty_gradients(scan)
        cpu_backward.backward(scan, saved, gradients)
        return None, None, *_by_argument(scan, gradients, tensors)


def _arguments(softplus: bool, fresh: Tensor, tensors: Sequence[Tensor | None]) -> cpu.S6:
    u, delta, A, B, C, D, z, delta_bias, initial_state = tensors
    assert u is not None
    dtype, time_major = u.dtype, _is_time_major(u)
    return cpu.S6(
        _contiguous(u, dtype, 3, time_major),
        _contiguous(delta, dtype, 3, time_major),
        _contiguous(A, dtype, 2),
        _contiguous(B, dtype, 4),
        _contiguous(C, dtype, 4),
        _contiguous(D, dtype, 1),
        _contiguous(z, dtype, 3, time_major),
        _contiguous(delta_bias, dtype, 1),
        _contiguous(initial_state, dtype, 3),
        fresh.numpy(),
        softplus,
        time_major,
    )


def _laid_out(x: np.ndarray, scan: cpu.S6) -> Tensor:
    """A result in the kernel's layout as (batch, d_inner, L)."""
    tensor = torch.from_numpy(x)
    return tensor.transpose(1, 2) if scan.time_major else tensor


def _checkpoint_shape(scan: cpu.S6) -> tuple[int, int, int]:
    """(jobs, tiles, N·LANES)."""
    tiles = -(-scan.B.shape[3] // cpu.TILE)
    return cpu.number_of_jobs(scan), tiles, scan.A.shape[1] * simd.LANES


def _empty_gradients(scan: cpu.S6) -> cpu_backward.Gradients:
    """Room for the gradients: as many parts a sequence as it takes to occupy every thread."""
    batch, (d_inner, n), dtype = scan.u.shape[0], scan.A.shape, scan.u.dtype
    blocks = cpu.number_of_jobs(scan) // batch
    parts = min(blocks, -(-numba.get_num_threads() // batch))
    matrices = [np.zeros((batch * parts, *scan.B.shape[1:]), dtype) for _ in "BC"]
    states = [np.empty((batch, d_inner, n), dtype) for _ in ("A", "initial_state")]
    vectors = [np.empty((batch, d_inner), dtype) for _ in ("D", "delta_bias")]
    u, delta, z = (np.empty_like(x) for x in (scan.u, scan.delta, scan.z))
    return cpu_backward.Gradients(u, delta, z, states[0], matrices[0], matrices[1], vectors[0], vectors[1], states[1])


def _by_argument(scan: cpu.S6, g: cpu_backward.Gradients, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients in the order of the arguments; None for an argument that was not there."""
    batch = scan.u.shape[0]
    B, C = (torch.from_numpy(m).unflatten(0, (batch, -1)).sum(1) for m in (g.B, g.C))
    A, D, bias = (torch.from_numpy(m).sum(0) for m in (g.A, g.D, g.delta_bias))
    u, delta, z = (_laid_out(m, scan) for m in (g.u, g.delta, g.z))
    gradients = (u, delta, A, B, C, D, z, bias, torch.from_numpy(g.initial_state))
    return [None if t is None else gradient for t, gradient in zip(tensors, gradients, strict=True)]


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
