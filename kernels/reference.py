"""The backend "reference": the definition itself, `kernels.semantics` on numpy floats. Slow, and not differentiable."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.arguments import compute_dtype
from mamba_theorems.kernels.fields import FLOAT32, FLOAT64, Field

Array = np.ndarray


def _field(dtype: torch.dtype) -> Field:
    return FLOAT64 if dtype == torch.float64 else FLOAT32


def _array(tensor: Tensor, dtype: torch.dtype) -> Array:
    return tensor.detach().cpu().to(dtype).numpy()


def _optional(tensor: Tensor | None, dtype: torch.dtype) -> Array | None:
    return None if tensor is None else _array(tensor, dtype)


def segments(seq_idx: Tensor | None, row: int, length: int) -> list[slice]:
    """The stretches of equal seq_idx in one row."""
    if seq_idx is None:
        return [slice(0, length)]
    cuts = (seq_idx[row, 1:] != seq_idx[row, :-1]).nonzero().flatten() + 1
    ends = [0, *cuts.tolist(), length]
    return [slice(a, b) for a, b in pairwise(ends)]


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
    """`kernels.ops.selective_scan`, by its definition: one group, one sequence at a time."""
    dtype = compute_dtype(u, delta, A, B, C, D, z, delta_bias, initial_state)
    f = _field(dtype)
    if delta_bias is not None:
        delta = delta.to(dtype) + delta_bias.to(dtype)[:, None]
    step = _array(delta, dtype)
    step = f.softplus(step) if delta_softplus else step
    arrays = {"u": _array(u, dtype), "delta": step, "z": _optional(z, dtype)}
    matrices = {"A": _array(A, dtype), "D": _optional(D, dtype), "B": _grouped(B, u, dtype), "C": _grouped(C, u, dtype)}
    y = np.empty(u.shape, step.dtype)
    last = np.zeros((*u.shape[:2], A.shape[1]), step.dtype)
    start = _optional(initial_state, dtype)
    for row in range(u.shape[0]):
        for i, part in enumerate(segments(seq_idx, row, u.shape[2])):
            first = start[row] if start is not None and i == 0 else None
            y[row, :, part], last[row] = _one_sequence(f, arrays, matrices, row, part, first)
    out = torch.from_numpy(y).to(u.device, u.dtype)
    return (out, torch.from_numpy(last).to(u.device)) if return_last_state else out


def _grouped(M: Tensor, u: Tensor, dtype: torch.dtype) -> Array:
    return _array(by_group(M, u.shape[0], u.shape[2]), dtype)


def by_group(M: Tensor, batch: int, length: int) -> Tensor:
    """B or C as (batch, groups, N, L): constants (d_inner, N) make every channel a group of its own."""
    if M.ndim == 2:
        return M[None, :, :, None].expand(batch, -1, -1, length)
    return M if M.ndim == 4 else M[:, None]


def _one_sequence(f: Field, arrays: dict, matrices: dict, row: int, part: slice, start: Array | None) -> Any:
    """y (d_inner, L) and the last state of one stretch of one sequence, group by group."""
    d_inner, groups = matrices["A"].shape[0], max(matrices[name].shape[1] for name in ("B", "C"))
    ys, states = [], []
    for group in range(groups):
        channels = slice(group * d_inner // groups, (group + 1) * d_inner // groups)
        u, delta = (arrays[name][row, channels, part].T for name in ("u", "delta"))
        z = None if arrays["z"] is None else arrays["z"][row, channels, part].T
        B, C = (matrices[name][row, group * matrices[name].shape[1] // groups, :, part].T for name in ("B", "C"))
        A, D = matrices["A"][channels], None if matrices["D"] is None else matrices["D"][channels]
        first = None if start is None else start[channels]
        ys.append(semantics.selective_scan(f, u, delta, A, B, C, D, z, first).T)
        states.append(semantics.state_history(f, u, delta, A, B, first)[-1])
    return np.concatenate(ys), np.concatenate(states)


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
    """`kernels.ops.selective_scan_delta_t`, by its definition."""
    dtype = compute_dtype(u, delta, A, B, C, D, z, initial_state)
    f, out = _field(dtype), []
    last = torch.zeros(u.shape[0], *A.shape, dtype=dtype)
    for row in range(u.shape[0]):
        for i, part in enumerate(segments(seq_idx, row, u.shape[2])):
            first = _array(initial_state[row], dtype) if initial_state is not None and i == 0 else None
            signals = (_array(m[row, :, part], dtype).T for m in (u, delta, B, C))
            x, step, b, c = signals
            h = semantics.state_history_delta_t(f, x, step, _array(A, dtype), b, first)
            y = (h * c[:, None, :]).sum(-1)
            y = y if D is None else y + _array(D, dtype) * x
            gate = None if z is None else _array(z[row, :, part], dtype).T
            out.append(torch.from_numpy(y if gate is None else y * semantics.silu(f, gate)).T)
            last[row] = torch.from_numpy(h[-1])
    y = torch.cat(out, dim=1).unflatten(1, (u.shape[0], -1)).transpose(0, 1).to(u.dtype)
    return (y, last) if return_last_state else y


def ssd_chunk_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int = 1,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    return_final_states: bool = False,
) -> Any:
    """`kernels.ops.ssd_chunk_scan`, by its definition: the recurrence, step by step."""
    dtype = compute_dtype(x, dt, A, B, C, D, z, dt_bias, initial_states)
    f = _field(dtype)
    step = _array(dt if dt_bias is None else dt.to(dtype) + dt_bias.to(dtype), dtype)
    step = np.clip(f.softplus(step) if dt_softplus else step, *np.array(dt_limit, f.dtype))
    values, b, c, a = (_array(m, dtype) for m in (x, B, C, A))
    y, last = np.empty(x.shape, f.dtype), np.zeros((x.shape[0], *x.shape[2:], B.shape[-1]), f.dtype)
    for row in range(x.shape[0]):
        for i, part in enumerate(segments(seq_idx, row, x.shape[1])):
            first = _array(initial_states[row], dtype) if initial_states is not None and i == 0 else None
            h = semantics.ssd_states(f, values[row, part], step[row, part], a, b[row, part], first)
            y[row, part], last[row] = semantics.ssd_readout(h, c[row, part]), h[..., -1, :, :]
    if D is not None:
        y = y + _array(D if D.ndim == 2 else D[:, None], dtype) * values
    y = y if z is None else y * semantics.silu(f, _array(z, dtype))
    out = torch.from_numpy(y).to(x.device, x.dtype)
    return (out, torch.from_numpy(last).to(x.device)) if return_final_states else out


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
    """`kernels.ops.selective_state_update`, by its definition: a scan of length 1, every head a sequence."""
    y = torch.empty_like(x)
    heads = [None] if x.ndim == 2 else range(x.shape[1])
    for head in heads:
        at = (slice(None),) if head is None else (slice(None), head)
        group = at if head is None else (slice(None), head * B.shape[1] // x.shape[1])
        vector = () if head is None else (head,)
        y_head, h = selective_scan(
            x[at][..., None],
            dt[at][..., None],
            A[vector],
            B[group][..., None],
            C[group][..., None],
            None if D is None else D[vector],
            None if z is None else z[at][..., None],
            None if dt_bias is None else dt_bias[vector],
            dt_softplus,
            True,
            initial_state=state[at],
        )
        y[at] = y_head[..., 0]
        state[at] = h.to(state.dtype)
    return y


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    seq_idx: Tensor | None = None,
    activation: str | None = None,
    *,
    initial_states: Tensor | None = None,
) -> Tensor:
    """`kernels.ops.causal_conv1d`, by its definition."""
    dtype = compute_dtype(x, weight, bias)
    f, w, b = _field(dtype), _array(weight, dtype), _optional(bias, dtype)
    y = np.empty(x.shape, f.dtype)
    for row in range(x.shape[0]):
        for i, part in enumerate(segments(seq_idx, row, x.shape[2])):
            tokens = x[row, :, part]
            past = 0
            if i == 0 and initial_states is not None:
                past = initial_states.shape[2]
                tokens = torch.cat([initial_states[row].to(x.dtype), tokens], dim=-1)
            y[row, :, part] = semantics.causal_conv1d(f, _array(tokens, dtype).T, w, b)[past:].T
    y = y if activation is None else semantics.silu(f, y)
    return torch.from_numpy(y).to(x.device, x.dtype)
