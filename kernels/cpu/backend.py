"""The backend "cpu": torch tensors in and out of the compiled loops of `kernels.cpu.s6` and `kernels.cpu.ssd`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mamba_theorems.kernels.arguments import (
    DTYPE_NAMED,
    S6,
    SSD,
    Convolution,
    DeltaT,
    StateUpdate,
    sequence_starts,
    time_steps,
)
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.chunked.scan import confined, in_chunks
from mamba_theorems.kernels.confined import multiply_add, product, select, silu
from mamba_theorems.kernels.cpu import s6, s6_backward, simd, ssd

SERIAL_WORK = 200_000


class Compiled(Backend):
    """Scans in compiled loops, the rest in whole-tensor operations; all with gradients."""

    def selective_scan(self, s: S6) -> Any:
        """In tiles of time, sixteen channels to a vector."""
        groups = max((M.shape[1] for M in (s.B, s.C) if M.ndim == 4), default=1)
        B, B_gain = _matrix_and_gain(s.B, s.u, groups)
        C, C_gain = _matrix_and_gain(s.C, s.u, groups)
        tensors = (s.u, s.delta, s.A, B, C, s.D, s.z, s.delta_bias, s.initial_state, B_gain, C_gain, None)
        return _scanned(s, s.delta_softplus, tensors)

    def selective_scan_delta_t(self, s: DeltaT) -> Any:
        """By the same loop, with Δ along the state."""
        B, C = (_with_groups(M, 1) for M in (s.B, s.C))
        return _scanned(s, False, (s.u, s.u, s.A, B, C, s.D, s.z, None, s.initial_state, None, None, s.delta))

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """In tiles of its own, whatever chunk_size is; in torch's chunks where gradients are wanted."""
        return confined(s, in_chunks if s.needs_gradients else self._ssd_in_tiles, self.selective_scan)

    def _ssd_in_tiles(self, s: SSD) -> Any:
        dtype, lanes, rows = s.dtype, simd.LANES, ssd.COMPONENTS
        arrays = ssd.SSDArrays(
            _padded(s.x, dtype, 4, lanes),
            _contiguous(s.dt, dtype, 3),
            _contiguous(s.A, dtype, 1),
            _padded(s.B, dtype, 4, rows),
            _padded(s.C, dtype, 4, rows),
            _padded(None if s.skip is None else s.skip.expand(s.x.shape[2:]), dtype, 2, lanes),
            _padded(s.z, dtype, 4, lanes),
            _contiguous(s.dt_bias, dtype, 1),
            _fresh(s.seq_idx),
            _contiguous(torch.tensor(s.dt_limit, dtype=torch.float64), dtype, 1),
            s.dt_softplus,
        )
        return s.result(*_ssd_forward(arrays, s.initial_states, s.x.shape[3], s.B.shape[3]))

    def causal_conv1d(self, s: Convolution) -> Tensor:
        """One multiply-add a tap, in x's own layout."""
        x, weight, dtype, starts = s.x, s.weight, s.dtype, s.starts
        time, past = 1 if _is_time_major(x) else 2, weight.shape[1] - 1

        def laid_out(m: Tensor) -> Tensor:
            return m.to(dtype).transpose(1, 2) if time == 1 else m.to(dtype)

        before = x.new_zeros(*x.shape[:2], past) if s.initial_states is None else s.initial_states
        tokens = torch.cat([laid_out(before), laid_out(x)], dim=time)
        y = torch.zeros_like(laid_out(x)) if s.bias is None else laid_out(s.bias[None, :, None].expand_as(x))
        for tap in range(past + 1):
            seen = tokens.narrow(time, tap, x.shape[2])
            if starts is not None and tap < past:
                same = _same_sequence(starts, past - tap)[:, None]
                seen = select(same.transpose(1, 2) if time == 1 else same, seen)
            y = multiply_add(y, seen, laid_out(weight[None, :, tap, None]))
        y = y if s.activation is None else silu(y)
        return laid_out(y).to(x.dtype)

    def selective_state_update(self, s: StateUpdate) -> Tensor:
        """In whole-tensor operations, on any device; the state is advanced in place."""
        dtype, wanted = s.dtype, s.needs_gradients
        times, gate = (product, silu) if wanted else (torch.mul, functional.silu)
        x, step, state = s.x.to(dtype), time_steps(s), s.state.to(dtype, copy=wanted)  # its own changes in place
        B, C = (_by_head(M.to(dtype), x) for M in (s.B, s.C))
        decay, write = torch.exp(times(step[..., None], s.A.to(dtype))), times(times(x, step)[..., None], B)
        h = times(decay, state) + write
        s.state.copy_(h)
        y = times(h, C).sum(-1)
        y = y if s.D is None else y + times(x, s.D.to(dtype))
        return (y if s.z is None else times(y, gate(s.z.to(dtype)))).to(s.x.dtype)


def _contiguous(tensor: Tensor | None, dtype: torch.dtype, ndim: int, time_major: bool = False) -> np.ndarray:
    """A contiguous numpy array; of size 0 where there is no tensor."""
    if tensor is None:
        return torch.empty((0,) * ndim, dtype=dtype).numpy()
    tensor = tensor.detach().to(dtype)
    return (tensor.transpose(1, 2) if time_major else tensor).contiguous().numpy()


def _is_time_major(x: Tensor) -> bool:
    """Whether the channels of (batch, d_inner, L) are neighbours in memory, as a linear layer leaves them."""
    return x.stride(1) == 1 and x.stride(2) != 1


def _fresh(seq_idx: Tensor | None) -> np.ndarray:
    """Where a packed sequence begins, (batch, L) bool; of size 0 without seq_idx."""
    starts = sequence_starts(seq_idx)
    return np.empty((0, 0), np.bool_) if starts is None else starts.numpy()


def _with_groups(M: Tensor, groups: int) -> Tensor:
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


class _Options(NamedTuple):
    softplus: bool
    fresh: np.ndarray
    last_state: bool  # else it is of size 0


def _scanned(s: S6 | DeltaT, softplus: bool, tensors: Sequence[Tensor | None]) -> Any:
    dtype, options = s.dtype, _Options(softplus, _fresh(s.seq_idx), s.return_last_state)
    return s.result(*_CompiledScan.apply(options, *(None if t is None else t.to(dtype) for t in tensors)))


def _matrix_and_gain(M: Tensor, u: Tensor, groups: int) -> tuple[Tensor, Tensor | None]:
    """B or C as (batch, groups, N, L) and its factor by channel: a constant (d_inner, N) is all factor."""
    if M.ndim == 2:
        return M.new_ones(1).expand(u.shape[0], groups, M.shape[1], u.shape[2]), M
    return _with_groups(M, groups), None


class _CompiledScan(torch.autograd.Function):
    """y and the last state; the tensors of `s6.S6Arrays`, all in one dtype, u, delta and z as (batch, d_inner, L)."""

    @staticmethod
    def forward(ctx: Any, options: _Options, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        scan = _arguments(options, tensors)
        y, nothing = np.empty_like(scan.u), np.empty((0, 0, 0), scan.u.dtype)
        last = np.empty((scan.u.shape[0], *scan.A.shape), y.dtype) if options.last_state else nothing
        training = any(ctx.needs_input_grad)
        checkpoints = np.empty(_checkpoint_shape(scan), y.dtype) if training else nothing
        ungated = np.empty_like(y) if training and scan.z.size else nothing
        use_torch_threads(_work(scan))
        s6.forward(scan, y, last, checkpoints, ungated)
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
        saved = s6_backward.Saved(y_bar_array, last_bar_array, checkpoints.numpy(), ungated.numpy())
        use_torch_threads(_work(scan))
        gradients = _empty_gradients(scan)
        s6_backward.backward(scan, saved, gradients)
        return None, *_by_argument(scan, gradients, tensors)


def _arguments(options: _Options, tensors: Sequence[Tensor | None]) -> s6.S6Arrays:
    u, delta, A, B, C, D, z, delta_bias, initial_state, B_gain, C_gain, state_delta = tensors
    assert u is not None
    dtype, time_major = u.dtype, _is_time_major(u)
    return s6.S6Arrays(
        _contiguous(u, dtype, 3, time_major),
        _contiguous(delta, dtype, 3, time_major),
        _contiguous(A, dtype, 2),
        _contiguous(B, dtype, 4),
        _contiguous(C, dtype, 4),
        _contiguous(D, dtype, 1),
        _contiguous(z, dtype, 3, time_major),
        _contiguous(delta_bias, dtype, 1),
        _contiguous(initial_state, dtype, 3),
        options.fresh,
        _contiguous(B_gain, dtype, 2),
        _contiguous(C_gain, dtype, 2),
        _contiguous(state_delta, dtype, 3),
        options.softplus,
        time_major,
    )


def _work(scan: s6.S6Arrays) -> int:
    return scan.u.size * scan.A.shape[1]


def _laid_out(x: np.ndarray, scan: s6.S6Arrays) -> Tensor:
    """A result in the kernel's layout as (batch, d_inner, L)."""
    tensor = torch.from_numpy(x)
    return tensor.transpose(1, 2) if scan.time_major else tensor


def _checkpoint_shape(scan: s6.S6Arrays) -> tuple[int, int, int]:
    """(jobs, tiles, N·LANES)."""
    tiles = -(-scan.B.shape[3] // s6.TILE)
    return s6.number_of_jobs(scan), tiles, scan.A.shape[1] * simd.LANES


def _empty_gradients(scan: s6.S6Arrays) -> s6_backward.Gradients:
    """Room for the gradients: as many parts a sequence as it takes to occupy every thread."""
    batch, dtype = scan.u.shape[0], scan.u.dtype
    blocks = s6.number_of_jobs(scan) // batch
    parts = min(blocks, -(-numba.get_num_threads() // batch))
    u, delta, z = (np.empty_like(x) for x in (scan.u, scan.delta, scan.z))
    B, C = (np.zeros((batch * parts, *scan.B.shape[1:]), dtype) for _ in range(2))
    D, bias = (np.empty((batch, scan.A.shape[0]), dtype) for _ in range(2))
    state_delta = np.zeros((batch * parts, *scan.state_delta.shape[1:]), dtype)
    matrices = np.empty((4, batch, *scan.A.shape), dtype)
    return s6_backward.Gradients(u, delta, z, B, C, D, bias, state_delta, matrices)


def _by_argument(scan: s6.S6Arrays, g: s6_backward.Gradients, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
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


def _ssd_forward(
    scan: ssd.SSDArrays, initial_states: Tensor | None, headdim: int, d_state: int
) -> tuple[Tensor, Tensor]:
    """y (batch, L, nheads, headdim) and the last state (batch, nheads, headdim, N), without the padding."""
    batch, _, nheads, _ = scan.x.shape
    state = np.zeros((batch, nheads, scan.B.shape[3], scan.x.shape[3]), scan.x.dtype)
    if initial_states is not None:
        state[..., :d_state, :headdim] = initial_states.detach().mT.to(torch.from_numpy(state).dtype).numpy()
    y = np.empty_like(scan.x)
    use_torch_threads(scan.x.size * d_state // simd.LANES)  # one decay for many states
    ssd.forward(scan, state.reshape(batch, nheads, -1), y)
    return torch.from_numpy(y)[..., :headdim], torch.from_numpy(state)[..., :d_state, :headdim].mT


def _padded(x: Tensor | None, dtype: torch.dtype, ndim: int, multiple: int) -> np.ndarray:
    """_contiguous, with zeros up to a multiple in the last axis."""
    return _contiguous(None if x is None else functional.pad(x.detach(), (0, -x.shape[-1] % multiple)), dtype, ndim)


# ------------------------------------------------------------------------- convolution, one step


def _same_sequence(starts: Tensor, lag: int) -> Tensor:
    """Whether the token `lag` steps back is of the same stretch, (batch, L); what lies before all is of the first."""
    stretch = starts.cumsum(-1)
    earlier = functional.pad(stretch, (lag, 0))[:, : stretch.shape[1]]
    return earlier == stretch


def _by_head(M: Tensor, x: Tensor) -> Tensor:
    """B or C of one step, to fit the state: (batch, 1, N), or (batch, nheads, 1, N) from (batch, groups, N)."""
    return M[:, None] if x.ndim == 2 else M.repeat_interleave(x.shape[1] // M.shape[1], dim=1)[:, :, None]


def warm_up() -> None:
    """Compile the scans and their gradients for both dtypes; numba keeps them on disk beside this file."""
    for dtype in DTYPE_NAMED.values():
        x = torch.ones(1, simd.LANES, 2, dtype=dtype, requires_grad=True)
        matrix, A = torch.ones(1, 1, 2, dtype=dtype), -torch.ones(simd.LANES, 1, dtype=dtype)
        BACKEND.selective_scan(S6(x, x, A, matrix, matrix)).sum().backward()
        head = torch.ones(1, 1, 1, 1, dtype=dtype)
        BACKEND.ssd_chunk_scan(SSD(head, head[..., 0], -head[0, 0, 0], head, head))


BACKEND = Compiled()

if __name__ == "__main__":
    warm_up()
