"""The operations of the blocks, with the field's names, layouts and signatures, on interchangeable backends.

`backend` is "auto" (compiled, by device), a name that `kernels.backends` lists, or a registered one. Each operation
makes its record of `kernels.arguments`, whose check serves all backends. Source: mamba_ssm's and causal_conv1d's
interfaces.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels.arguments import S6, SSD, Convolution, DeltaT, StateUpdate, check_rows, sequence_starts
from mamba_theorems.kernels.packed import Packed
from mamba_theorems.kernels.padding import filled, tokens_first
from mamba_theorems.kernels.traced import run

Matrix = (
    Float[Tensor, "batch d_state length"]
    | Float[Tensor, "batch groups d_state length"]
    | Float[Tensor, "d_inner d_state"]
)


def selective_scan(
    u: Float[Tensor, "batch d_inner length"],
    delta: Float[Tensor, "batch d_inner length"],
    A: Float[Tensor, "d_inner d_state"],
    B: Matrix,
    C: Matrix,
    D: Float[Tensor, " d_inner"] | None = None,
    z: Float[Tensor, "batch d_inner length"] | None = None,
    delta_bias: Float[Tensor, " d_inner"] | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    *,
    backend: str = "auto",
    initial_state: Float[Tensor, "batch d_inner d_state"] | None = None,
    seq_idx: Int[Tensor, "batch length"] | None = None,
    cu_seqlens: Int[Tensor, " bounds"] | None = None,
) -> Any:
    """S6: h_t = e^{Δ_t A} h_{t−1} + Δ_t B_t u_t; y_t = C_t·h_t + D u_t, times SiLU(z_t) where z is given.

    Δ is delta + delta_bias, through softplus where delta_softplus. Where seq_idx changes the state starts from 0;
    where it is negative there is padding (`kernels.padding`). cu_seqlens (0, …, L) cuts a batch of 1 into sequences,
    beside seq_idx or instead of it.
    B and C vary with time, for all channels or by group of channels, or are constants (d_inner, d_state).
    Returns y like u, and with return_last_state also h_L (batch, d_inner, d_state).
    Raises TypeError or ValueError that names the argument. Source: Gu & Dao 2023, Algorithm 2.
    """
    if cu_seqlens is not None:
        seq_idx = Packed(cu_seqlens, u.shape[0], u.shape[-1], seq_idx).seq_idx
    options = (delta_bias, delta_softplus, return_last_state, initial_state, seq_idx)
    return run(S6(u, delta, A, B, C, D, z, *options), backend)


def selective_scan_delta_t(
    u: Float[Tensor, "batch d_inner length"],
    delta: Float[Tensor, "batch d_state length"],
    A: Float[Tensor, "d_inner d_state"],
    B: Float[Tensor, "batch d_state length"],
    C: Float[Tensor, "batch d_state length"],
    D: Float[Tensor, " d_inner"] | None = None,
    z: Float[Tensor, "batch d_inner length"] | None = None,
    return_last_state: bool = False,
    *,
    backend: str = "auto",
    initial_state: Float[Tensor, "batch d_inner d_state"] | None = None,
    seq_idx: Int[Tensor, "batch length"] | None = None,
) -> Any:
    """The paper's Δ^⊤: h_t = e^{A ⊙ (1⊗Δ_t)} h_{t−1} + u_t ⊗ B_t. Δ runs along the state and not on the input.

    Returns and raises as `selective_scan`. On a CPU only: there is no Triton kernel. Source: [P] Lemma 3.
    """
    return run(DeltaT(u, delta, A, B, C, D, z, return_last_state, initial_state, seq_idx), backend)


def ssd_chunk_scan(
    x: Float[Tensor, "batch length nheads headdim"],
    dt: Float[Tensor, "batch length nheads"],
    A: Float[Tensor, " nheads"],
    B: Float[Tensor, "batch length groups d_state"],
    C: Float[Tensor, "batch length groups d_state"],
    chunk_size: int = 64,
    D: Float[Tensor, " nheads"] | Float[Tensor, "nheads headdim"] | None = None,
    z: Float[Tensor, "batch length nheads headdim"] | None = None,
    dt_bias: Float[Tensor, " nheads"] | None = None,
    initial_states: Float[Tensor, "batch nheads headdim d_state"] | None = None,
    seq_idx: Int[Tensor, "batch length"] | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    return_final_states: bool = False,
    *,
    backend: str = "auto",
    cu_seqlens: Int[Tensor, " bounds"] | None = None,
    return_varlen_states: bool = False,
) -> Any:
    """SSD: h_t = e^{Δ_t A} h_{t−1} + Δ_t x_t ⊗ B_t, one decay a head; y_t = h_t C_t + D x_t, times SiLU(z_t).

    Δ is dt + dt_bias, through softplus where dt_softplus, clamped to dt_limit. Where seq_idx changes the state starts
    from 0; where it is negative there is padding (`kernels.padding`). cu_seqlens (0, …, L) cuts a batch of 1 into
    sequences, beside seq_idx or instead of it. Returns y like x, and with return_final_states also h_L (batch, nheads,
    headdim, d_state), with return_varlen_states also the last state of each sequence of cu_seqlens (number, nheads,
    headdim, d_state): 0 of an empty one.
    Raises TypeError or ValueError that names the argument. Source: Dao & Gu 2024; mamba_chunk_scan_combined.
    """
    if return_varlen_states and cu_seqlens is None:
        raise ValueError("return_varlen_states needs cu_seqlens, which tells the sequences.")
    if cu_seqlens is not None:
        packed = Packed(cu_seqlens, x.shape[0], x.shape[1], seq_idx)
        seq_idx = packed.seq_idx
    options = (initial_states, seq_idx, dt_softplus, dt_limit, return_final_states)
    record = SSD(x, dt, A, B, C, chunk_size, D, z, dt_bias, *options)
    return _by_rows(record, packed, backend) if return_varlen_states else run(record, backend)


def _by_rows(s: SSD, packed: Packed, backend: str) -> Any:
    """Each sequence a row of a batch, so that each has a last state; the initial state is the first one's."""
    s.check()
    at, real = packed.rows
    rows = {name: m[0, at] for name in ("x", "dt", "B", "C", "z") if (m := getattr(s, name)) is not None}
    if s.initial_states is not None:
        begin = s.initial_states.new_zeros(len(at), *s.initial_states.shape[1:])
        rows["initial_states"] = begin.index_copy(0, packed.with_tokens[:1], s.initial_states)
    padding = torch.where(real, 0, -1)
    y, states = run(replace(s, **rows, seq_idx=padding, return_final_states=True), backend)
    final = (states[packed.with_tokens[-1:]],) if s.return_final_states else ()
    return (y[real][None], *final, states)


def selective_state_update(
    state: Float[Tensor, "rows *heads dim d_state"],
    x: Float[Tensor, "batch *heads dim"],
    dt: Float[Tensor, "batch *heads dim"],
    A: Float[Tensor, "*heads dim d_state"],
    B: Float[Tensor, "batch *groups d_state"],
    C: Float[Tensor, "batch *groups d_state"],
    D: Float[Tensor, "*heads dim"] | None = None,
    z: Float[Tensor, "batch *heads dim"] | None = None,
    dt_bias: Float[Tensor, "*heads dim"] | None = None,
    dt_softplus: bool = False,
    *,
    backend: str = "auto",
    state_batch_indices: Int[Tensor, " batch"] | None = None,
) -> Tensor:
    """One step of decoding: `state` is advanced in place, and y of that step returned, shaped as x.

    Mamba-1: state (batch, dim, d_state), B and C (batch, d_state). Mamba-2: state (batch, nheads, headdim, d_state),
    B and C (batch, groups, d_state). state_batch_indices says which rows of a larger `state` the batch advances; an
    entry of −1 is padding: it advances no row, and its y is 0.
    Raises TypeError or ValueError that names the argument. Source: mamba_ssm.
    """
    arguments = (x, dt, A, B, C, D, z, dt_bias, dt_softplus)
    if state_batch_indices is None:
        return run(StateUpdate(state, *arguments), backend)
    check_rows(state_batch_indices, state, x)
    real, at = state_batch_indices >= 0, state_batch_indices.long().clamp(min=0)
    rows = state[at]
    y = run(StateUpdate(rows, *arguments), backend)
    # An entry of padding stands for the first real one, and writes what that writes: no index is read back from a GPU.
    # The gradient of a row goes to one entry alone.
    each = torch.arange(len(at), device=at.device)
    entry = torch.where(real, each, real.int().argmax())
    still, own = (m.reshape(-1, *[1] * (state.ndim - 1)) for m in (real[entry], entry == each))
    written = torch.where(still, rows[entry], state[at[entry]])
    state.index_copy_(0, at[entry], torch.where(own, written, written.detach()))
    return torch.where(real.reshape(-1, *[1] * (y.ndim - 1)), y, 0)


def causal_conv1d(
    x: Float[Tensor, "batch dim length"],
    weight: Float[Tensor, "dim width"],
    bias: Float[Tensor, " dim"] | None = None,
    seq_idx: Int[Tensor, "batch length"] | None = None,
    activation: str | None = None,
    *,
    backend: str = "auto",
    initial_states: Float[Tensor, "batch dim past"] | None = None,
    return_final_states: bool = False,
    cu_seqlens: Int[Tensor, " bounds"] | None = None,
) -> Any:
    """Depthwise causal convolution, last tap = current token; activation None, "silu" or "swish".

    initial_states and the returned final states are the width − 1 tokens before and at the end. A tap sees tokens of
    its own packed sequence, by seq_idx; where that is negative there is padding (`kernels.padding`). cu_seqlens
    (0, …, L) cuts a batch of 1 into sequences, beside seq_idx or instead of it.
    Raises TypeError or ValueError that names the argument. Source: Dao-AILab/causal-conv1d.
    """
    if cu_seqlens is not None:
        seq_idx = Packed(cu_seqlens, x.shape[0], x.shape[-1], seq_idx).seq_idx
    y = run(Convolution(x, weight, bias, seq_idx, activation, initial_states), backend)
    return (y, final_conv_states(x, weight.shape[1] - 1, initial_states, seq_idx)) if return_final_states else y


def final_conv_states(x: Tensor, past: int, initial: Tensor | None, seq_idx: Tensor | None) -> Tensor:
    """The last `past` inputs (batch, dim, past) that the next token's convolution will see: 0 before the sequence.

    Padding, where seq_idx is negative, is none of them.
    """
    before = x.new_zeros(*x.shape[:2], past) if initial is None else initial.to(x.dtype)
    if seq_idx is None:
        return torch.cat([before, x], dim=-1)[..., x.shape[-1] :]
    order = tokens_first(seq_idx)
    tokens = torch.cat([before, x.gather(2, order[:, None].expand(x.shape))], dim=-1)
    seen = (seq_idx >= 0).sum(1, keepdim=True) + torch.arange(past, device=x.device)
    starts = sequence_starts(filled(seq_idx).gather(1, order))
    assert starts is not None
    stretch = functional.pad(starts.cumsum(-1), (past, 0)).gather(1, seen)
    tail = tokens.gather(2, seen[:, None].expand(*x.shape[:2], past))
    return torch.where((stretch == stretch[:, -1:])[:, None], tail, 0)
