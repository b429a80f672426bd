"""The backend "cpu": torch tensors in and out of the compiled loops of `kernels.cpu` and `kernels.cpu_ssd`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mamba_theorems.kernels import ssd
from mamba_theorems.kernels.arguments import compute_dtype
from mamba_theorems.kernels.cpu import s6 as cpu
from mamba_theorems.kernels.cpu import s6_backward as cpu_backward
from mamba_theorems.kernels.cpu import simd
from mamba_theorems.kernels.cpu import ssd as cpu_ssd
from mamba_theorems.kernels.ssd import time_steps

__all__ = ["causal_conv1d", "selective_scan", "selective_scan_delta_t", "selective_state_update", "ssd_chunk_scan"]

SERIAL_WORK = 200_000


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
    starts = ssd.sequence_starts(seq_idx)
    return torch.empty((0, 0), dtype=torch.bool) if starts is None else starts


def with_groups(M: Tensor, groups: int) -> Tensor:
    """B or C as (batch, groups, N, L)."""
    M = M if M.ndim == 4 else M[:, None]
    return M.expand(-1, groups, -1, -1) if M.shape[1] == 1 else M


def use_torch_threads(work: int) -> None:
    """As many threads as torch was told to use; one where `work`, in steps of one state, is less than a start costs.

    Numba shares OpenMP with torch and on first use resets the number of threads: torch's own is restored.
    """
    threads = torch.get_num_threads()
    available = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(threads, available) if work > SERIAL_WORK else 1)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


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
    options = _Options(delta_softplus, fresh_starts(seq_idx), return_last_state)
    groups = max((M.shape[1] for M in (B, C) if M.ndim == 4), default=1)
    B, B_gain = _matrix_and_gain(B, u, groups)
    C, C_gain = _matrix_and_gain(C, u, groups)
    y, last = _run(u, options, (u, delta, A, B, C, D, z, delta_bias, initial_state, B_gain, C_gain, None))
    return (y, last) if return_last_state else y


def selective_scan_delta_t(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    return_last_state: bool = False,
    *,
    initial_state: Tensor | None = None,
    seq_idx: Tensor | None = None,
) -> Any:
    """`kernels.ops.selective_scan_delta_t`, compiled, with gradients."""
    B, C = (with_groups(M, 1) for M in (B, C))
    options = _Options(False, fresh_starts(seq_idx), return_last_state)
    y, last = _run(u, options, (u, u, A, B, C, D, z, None, initial_state, None, None, delta))
    return (y, last) if return_last_state else y


class _Options(NamedTuple):
    softplus: bool
    fresh: Tensor
    last_state: bool  # else it is of size 0


def _matrix_and_gain(M: Tensor, u: Tensor, groups: int) -> tuple[Tensor, Tensor | None]:
    """B or C as (batch, groups, N, L) and its factor by channel: a constant (d_inner, N) is all factor."""
    if M.ndim == 2:
        return M.new_ones(1).expand(u.shape[0], groups, M.shape[1], u.shape[2]), M
    return with_groups(M, groups), None


def _run(u: Tensor, options: _Options, tensors: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(*tensors)
    y, last = _SelectiveScan.apply(options, *(None if t is None else t.to(dtype) for t in tensors))
    return y.to(u.dtype), last


class _SelectiveScan(torch.autograd.Function):
    """y and the last state; the tensors of `cpu.S6`, all in one dtype, u, delta and z as (batch, d_inner, L)."""

    @staticmethod
    def forward(ctx: Any, options: _Options, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        scan = _arguments(options, tensors)
        y, nothing = np.empty_like(scan.u), np.empty((0, 0, 0), scan.u.dtype)
        last = np.empty((scan.u.shape[0], *scan.A.shape), y.dtype) if options.last_state else nothing
        training = any(ctx.needs_input_grad)
        checkpoints = np.empty(_checkpoint_shape(scan), y.dtype) if training else nothing
        ungated = np.empty_like(y) if training and scan.z.size else nothing
        use_torch_threads(_work(scan))
        cpu.forward(scan, y, last, checkpoints, ungated)
        ctx.save_for_backward(torch.from_numpy(checkpoints), torch.from_numpy(ungated), *tensors)
        ctx.options = options
        return _laid_out(y, scan), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_bar: Tensor, last_bar: Tensor) -> tuple[Tensor | None, ...]:
        checkpoints, ungated, *tensors = ctx.saved_tensors
        scan = _arguments(ctx.options, tensors)
        y_bar_array = _contiguous(y_bar, y_bar.dtype, 3, scan.time_major)
        last_bar_array = _contiguous(last_bar, y_bar.dtype, 3)
        saved = cpu_backward.Saved(y_bar_array, last_bar_array, checkpoints.numpy(), ungated.numpy())
        use_torch_threads(_work(scan))
        gradients = _empty_gradients(scan)
        cpu_backward.backward(scan, saved, gradients)
        return None, *_by_argument(scan, gradients, tensors)


def _arguments(options: _Options, tensors: Sequence[Tensor | None]) -> cpu.S6:
    u, delta, A, B, C, D, z, delta_bias, initial_state, B_gain, C_gain, state_delta = tensors
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
        options.fresh.numpy(),
        _contiguous(B_gain, dtype, 2),
        _contiguous(C_gain, dtype, 2),
        _contiguous(state_delta, dtype, 3),
        options.softplus,
        time_major,
    )


def _work(scan: cpu.S6) -> int:
    return scan.u.size * scan.A.shape[1]


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
    batch, dtype = scan.u.shape[0], scan.u.dtype
    blocks = cpu.number_of_jobs(scan) // batch
    parts = min(blocks, -(-numba.get_num_threads() // batch))
    u, delta, z = (np.empty_like(x) for x in (scan.u, scan.delta, scan.z))
    B, C = (np.zeros((batch * parts, *scan.B.shape[1:]), dtype) for _ in range(2))
    D, bias = (np.empty((batch, scan.A.shape[0]), dtype) for _ in range(2))
    state_delta = np.zeros((batch * parts, *scan.state_delta.shape[1:]), dtype)
    matrices = np.empty((4, batch, *scan.A.shape), dtype)
    return cpu_backward.Gradients(u, delta, z, B, C, D, bias, state_delta, matrices)


def _by_argument(scan: cpu.S6, g: cpu_backward.Gradients, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients in the order of the arguments; None for an argument that was not there."""
    batch = scan.u.shape[0]
    B, C, state_delta = (torch.from_numpy(m).unflatten(0, (batch, -1)).sum(1) for m in (g.B, g.C, g.state_delta))
    D, bias = (torch.from_numpy(m).sum(0) for m in (g.D, g.delta_bias))
    A, B_gain, C_gain, initial_state = torch.from_numpy(g.matrices).unbind()
    u, z = _laid_out(g.u, scan), _laid_out(g.z, scan)
    delta = torch.zeros_like(u) if scan.state_delta.size else _laid_out(g.delta, scan)  # unused with Δ along the state
    gains = (B_gain.sum(0), C_gain.sum(0))
    gradients = (u, delta, A.sum(0), B, C, D, z, bias, initial_state, *gains, state_delta)
    return [None if t is None else gradient for t, gradient in zip(tensors, gradients, strict=True)]


# -------------------------------------------------------------------------------------------- SSD


def ssd_chunk_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int = ssd.CHUNK_SIZE,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    return_final_states: bool = False,
) -> Any:
    """`kernels.ops.ssd_chunk_scan`: compiled, in tiles of its own; in torch's chunks where gradients are wanted."""
    tensors = (x, dt, A, B, C, D, z, dt_bias, initial_states)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        options = (dt_bias, initial_states, seq_idx, dt_softplus, dt_limit, return_final_states)
        return ssd.ssd_chunk_scan(x, dt, A, B, C, chunk_size, D, z, *options)
    dtype, lanes, rows = compute_dtype(*tensors), simd.LANES, cpu_ssd.COMPONENTS
    D = None if D is None else (D if D.ndim == 2 else D[:, None]).expand(x.shape[2:])
    scan = cpu_ssd.SSD(
        _padded(x, dtype, 4, lanes),
        _contiguous(dt, dtype, 3),
        _contiguous(A, dtype, 1),
        _padded(B, dtype, 4, rows),
        _padded(C, dtype, 4, rows),
        _padded(D, dtype, 2, lanes),
        _padded(z, dtype, 4, lanes),
        _contiguous(dt_bias, dtype, 1),
        fresh_starts(seq_idx).numpy(),
        _contiguous(torch.tensor(dt_limit, dtype=torch.float64), dtype, 1),
        dt_softplus,
    )
    y, last = _ssd_forward(scan, initial_states, x.shape[3], B.shape[3])
    return (y.to(x.dtype), last) if return_final_states else y.to(x.dtype)


def _ssd_forward(scan: cpu_ssd.SSD, initial_states: Tensor | None, headdim: int, d_state: int) -> tuple[Tensor, Tensor]:
    """y (batch, L, nheads, headdim) and the last state (batch, nheads, headdim, N), without the padding."""
    batch, _, nheads, _ = scan.x.shape
    state = np.zeros((batch, nheads, scan.B.shape[3], scan.x.shape[3]), scan.x.dtype)
    if initial_states is not None:
        state[..., :d_state, :headdim] = initial_states.detach().mT.to(torch.from_numpy(state).dtype).numpy()
    y = np.empty_like(scan.x)
    use_torch_threads(scan.x.size * d_state // simd.LANES)  # one decay for many states
    cpu_ssd.forward(scan, state.reshape(batch, nheads, -1), y)
    return torch.from_numpy(y)[..., :headdim], torch.from_numpy(state)[..., :d_state, :headdim].mT


def _padded(x: Tensor | None, dtype: torch.dtype, ndim: int, multiple: int) -> np.ndarray:
    """_contiguous, with zeros up to a multiple in the last axis."""
    return _contiguous(None if x is None else functional.pad(x.detach(), (0, -x.shape[-1] % multiple)), dtype, ndim)


# ------------------------------------------------------------------------- convolution, one step


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


def selective_state_update(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    dt_softplus: bool = False,
) -> Tensor:
    """`kernels.ops.selective_state_update`: a handful of whole-tensor operations, on any device."""
    dtype = compute_dtype(state, x, dt, A, B, C, D, z, dt_bias)
    wide = x.to(dtype)
    step = time_steps(dt.to(dtype), dt_bias, dt_softplus, (0.0, float("inf")))
    B, C = (_by_head(M.to(dtype), x) for M in (B, C))
    h = torch.exp(step[..., None] * A.to(dtype)) * state.to(dtype) + (step * wide)[..., None] * B
    state.copy_(h)
    y = (h * C).sum(-1)
    y = y if D is None else y + D.to(dtype) * wide
    return (y if z is None else y * functional.silu(z.to(dtype))).to(x.dtype)


def _by_head(M: Tensor, x: Tensor) -> Tensor:
    """B or C of one step, to fit the state: (batch, 1, N), or (batch, nheads, 1, N) from (batch, groups, N)."""
    return M[:, None] if x.ndim == 2 else M.repeat_interleave(x.shape[1] // M.shape[1], dim=1)[:, :, None]


def warm_up() -> None:
    """Compile the scans and their gradients for both dtypes; numba keeps them on disk beside this file."""
    for dtype in (torch.float32, torch.float64):
        x = torch.ones(1, simd.LANES, 2, dtype=dtype, requires_grad=True)
        matrix, A = torch.ones(1, 1, 2, dtype=dtype), -torch.ones(simd.LANES, 1, dtype=dtype)
        selective_scan(x, x, A, matrix, matrix).sum().backward()
        head = torch.ones(1, 1, 1, 1, dtype=dtype)
        ssd_chunk_scan(head, head[..., 0], -head[0, 0, 0], head, head)


if __name__ == "__main__":
    warm_up()
