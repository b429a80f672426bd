"""The backend "reference": the definition itself, `kernels.semantics` on numpy floats. Slow, and not differentiable."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.arguments import S6, SSD, Arguments, Convolution, DeltaT, StateUpdate
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.fields import FLOAT32, FLOAT64, Field

Array = np.ndarray


class Reference(Backend):
    """Every operation by its definition, one sequence at a time."""

    differentiable = False

    def selective_scan(self, s: S6) -> Any:
        """One group of one sequence at a time."""
        f, dtype = _field(s), s.dtype
        delta = s.delta if s.delta_bias is None else s.delta.to(dtype) + s.delta_bias.to(dtype)[:, None]
        step = _array(delta, dtype)
        step = f.softplus(step) if s.delta_softplus else step
        signals = {"u": _array(s.u, dtype), "delta": step, "z": _optional(s.z, dtype)}
        B, C = (_array(M, dtype) for M in s.matrices)
        matrices = {"A": _array(s.A, dtype), "D": _optional(s.D, dtype), "B": B, "C": C}
        y = np.empty(s.u.shape, step.dtype)
        last = np.zeros((*s.u.shape[:2], s.A.shape[1]), step.dtype)
        for row, part, first in _stretches(s.seq_idx, s.u.shape[0], s.u.shape[2], _optional(s.initial_state, dtype)):
            y[row, :, part], last[row] = _one_sequence(f, signals, matrices, row, part, first)
        return s.result(torch.from_numpy(y), torch.from_numpy(last))

    def selective_scan_delta_t(self, s: DeltaT) -> Any:
        """One sequence at a time."""
        f, dtype = _field(s), s.dtype
        u, delta, A, B, C = (_array(m, dtype) for m in (s.u, s.delta, s.A, s.B, s.C))
        D, z = _optional(s.D, dtype), _optional(s.z, dtype)
        y, last = np.empty(u.shape, u.dtype), np.zeros((u.shape[0], *A.shape), u.dtype)
        for row, part, first in _stretches(s.seq_idx, u.shape[0], u.shape[2], _optional(s.initial_state, dtype)):
            x, step, b, c = (m[row, :, part].T for m in (u, delta, B, C))
            h = semantics.state_history_delta_t(f, x, step, A, b, first)
            out = (h * c[:, None, :]).sum(-1)
            out = out if D is None else out + D * x
            out = out if z is None else out * semantics.silu(f, z[row, :, part].T)
            y[row, :, part], last[row] = out.T, h[-1]
        return s.result(torch.from_numpy(y), torch.from_numpy(last))

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """The recurrence, step by step."""
        f, dtype = _field(s), s.dtype
        step = _array(s.dt if s.dt_bias is None else s.dt.to(dtype) + s.dt_bias.to(dtype), dtype)
        step = np.clip(f.softplus(step) if s.dt_softplus else step, *np.array(s.dt_limit, f.dtype))
        x, A, B, C = (_array(m, dtype) for m in (s.x, s.A, s.B, s.C))
        y, last = np.empty(x.shape, f.dtype), np.zeros((x.shape[0], *x.shape[2:], B.shape[-1]), f.dtype)
        for row, part, first in _stretches(s.seq_idx, x.shape[0], x.shape[1], _optional(s.initial_states, dtype)):
            h = semantics.ssd_states(f, x[row, part], step[row, part], A, B[row, part], first)
            y[row, part], last[row] = semantics.ssd_readout(h, C[row, part]), h[..., -1, :, :]
        y = y if s.skip is None else y + _array(s.skip, dtype) * x
        y = y if s.z is None else y * semantics.silu(f, _array(s.z, dtype))
        return s.result(torch.from_numpy(y), torch.from_numpy(last))

    def causal_conv1d(self, s: Convolution) -> Tensor:
        """One sequence at a time."""
        f, dtype, start = _field(s), s.dtype, s.initial_states
        weight, bias = _array(s.weight, dtype), _optional(s.bias, dtype)
        start = None if start is None else start.to(s.x.dtype)
        y = np.empty(s.x.shape, f.dtype)
        for row, part, first in _stretches(s.seq_idx, s.x.shape[0], s.x.shape[2], _optional(start, dtype)):
            tokens = _array(s.x[row, :, part], dtype)
            past = 0 if first is None else first.shape[1]
            tokens = tokens if first is None else np.concatenate([first, tokens], axis=-1)
            y[row, :, part] = semantics.causal_conv1d(f, tokens.T, weight, bias)[past:].T
        y = y if s.activation is None else semantics.silu(f, y)
        return torch.from_numpy(y).to(s.x.device, s.x.dtype)

    def selective_state_update(self, s: StateUpdate) -> Tensor:
        """A scan of length 1, every head a sequence."""
        if s.x.ndim == 2:
            y, last = self.selective_scan(_as_scan(s))
            s.state.copy_(last)
            return y[..., 0]
        y, nheads = torch.empty_like(s.x), s.x.shape[1]
        for head in range(nheads):
            at: dict[str, Any] = dict.fromkeys(("state", "x", "dt", "z"), (slice(None), head))
            at |= dict.fromkeys(("B", "C"), (slice(None), head * s.B.shape[1] // nheads))
            at |= dict.fromkeys(("A", "D", "dt_bias"), head)
            given = {name: getattr(s, name)[i] for name, i in at.items() if getattr(s, name) is not None}
            y[:, head] = self.selective_state_update(replace(s, **given))
        return y


def _field(s: Arguments) -> Field:
    return FLOAT64 if s.dtype == torch.float64 else FLOAT32


def _array(tensor: Tensor, dtype: torch.dtype) -> Array:
    return tensor.detach().cpu().to(dtype).numpy()


def _optional(tensor: Tensor | None, dtype: torch.dtype) -> Array | None:
    return None if tensor is None else _array(tensor, dtype)


def _stretches(
    seq_idx: Tensor | None, batch: int, length: int, initial: Array | None
) -> Iterator[tuple[int, slice, Array | None]]:
    """Each stretch of equal seq_idx: its row, its place in it, and what was before it, which only a row's first has."""
    for row in range(batch):
        cuts = [] if seq_idx is None else ((seq_idx[row, 1:] != seq_idx[row, :-1]).nonzero().flatten() + 1).tolist()
        for start, stop in pairwise([0, *cuts, length]):
            yield row, slice(start, stop), None if start or initial is None else initial[row]


def _one_sequence(f: Field, signals: dict, matrices: dict, row: int, part: slice, start: Array | None) -> Any:
    """y (d_inner, L) and the last state of one stretch of one sequence, group by group."""
    d_inner, groups = matrices["A"].shape[0], max(matrices[name].shape[1] for name in ("B", "C"))
    ys, states = [], []
    for group in range(groups):
        channels = slice(group * d_inner // groups, (group + 1) * d_inner // groups)
        u, delta = (signals[name][row, channels, part].T for name in ("u", "delta"))
        z = None if signals["z"] is None else signals["z"][row, channels, part].T
        B, C = (matrices[name][row, group * matrices[name].shape[1] // groups, :, part].T for name in ("B", "C"))
        A, D = matrices["A"][channels], None if matrices["D"] is None else matrices["D"][channels]
        first = None if start is None else start[channels]
        ys.append(semantics.selective_scan(f, u, delta, A, B, C, D, z, first).T)
        states.append(semantics.state_history(f, u, delta, A, B, first)[-1])
    return np.concatenate(ys), np.concatenate(states)


def _as_scan(s: StateUpdate) -> S6:
    """One step without heads as a scan of length 1."""
    x, dt, B, C = (m[..., None] for m in (s.x, s.dt, s.B, s.C))
    z = None if s.z is None else s.z[..., None]
    return S6(x, dt, s.A, B, C, s.D, z, s.dt_bias, s.dt_softplus, True, s.state)


BACKEND = Reference()
