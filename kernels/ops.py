"""The operations of the blocks, with the field's names, layouts and signatures, on interchangeable backends.

`backend` is "auto" (cpu or triton, by device), "reference" (the definition), "cpu", "triton", or a registered name.
Every operation checks its arguments here, once, for all backends. Source: mamba_ssm's and causal_conv1d's interfaces.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels.arguments import check_group_count, check_no_nan, check_seq_idx, check_tensor
from mamba_theorems.kernels.backends import find, register_backend, using_backend

__all__ = [
    "causal_conv1d",
    "register_backend",
    "selective_scan",
    "selective_scan_delta_t",
    "selective_state_update",
    "ssd_chunk_scan",
    "using_backend",
]

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
) -> Any:
    """S6: h_t = e^{Δ_t A} h_{t−1} + Δ_t B_t u_t; y_t = C_t·h_t + D u_t, times SiLU(z_t) where z is given.

    Δ is delta + delta_bias, through softplus where delta_softplus. Where seq_idx changes the state starts from 0.
    B and C vary with time, for all channels or by group of channels, or are constants (d_inner, d_state).
    Returns y like u, and with return_last_state also h_L (batch, d_inner, d_state).
    Raises TypeError or ValueError that names the argument. Source: Gu & Dao 2023, Algorithm 2.
    """
    _check_selective_scan(u, delta, A, B, C, D, z, delta_bias, initial_state, seq_idx)
    run = find("selective_scan", backend, u.device.type)
    extra = {k: v for k, v in {"initial_state": initial_state, "seq_idx": seq_idx}.items() if v is not None}
    return run(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, **extra)


def _check_selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
    seq_idx: Tensor | None,
) -> None:
    check_tensor("u", u, [("batch", None), ("d_inner", None), ("L", None)], like=u)
    batch, d_inner, length = (("batch", u.shape[0]), ("d_inner", u.shape[1]), ("L", u.shape[2]))
    check_tensor("delta", delta, [batch, d_inner, length], like=u)
    check_tensor("A", A, [d_inner, ("d_state", None)], like=u)
    d_state, groups = ("d_state", A.shape[1]), ("groups", None)
    for name, value in (("B", B), ("C", C)):
        shapes = ([batch, d_state, length], [batch, groups, d_state, length], [d_inner, d_state])
        check_tensor(name, value, *shapes, like=u)
        if value.ndim == 4:
            check_group_count(name, value.shape[1], u.shape[1], "d_inner")
    optional = (
        ("D", D, [d_inner]),
        ("z", z, [batch, d_inner, length]),
        ("delta_bias", delta_bias, [d_inner]),
        ("initial_state", initial_state, [batch, d_inner, d_state]),
    )
    for name, tensor, axes in optional:
        if tensor is not None:
            check_tensor(name, tensor, axes, like=u)
    check_seq_idx(seq_idx, u.shape[0], u.shape[2])
    check_no_nan("delta", delta)


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
    _check_selective_scan(u, u, A, B, C, D, z, None, initial_state, seq_idx)
    axes = [("batch", u.shape[0]), ("d_state", A.shape[1]), ("L", u.shape[2])]
    for name, tensor in (("delta", delta), ("B", B), ("C", C)):
        check_tensor(name, tensor, axes, like=u)
    check_no_nan("delta", delta)
    run = find("selective_scan_delta_t", backend, u.device.type)
    return run(u, delta, A, B, C, D, z, return_last_state, initial_state=initial_state, seq_idx=seq_idx)


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
) -> Any:
    """SSD: h_t = e^{Δ_t A} h_{t−1} + Δ_t x_t ⊗ B_t, one decay a head; y_t = h_t C_t + D x_t, times SiLU(z_t).

    Δ is dt + dt_bias, through softplus where dt_softplus, clamped to dt_limit. Where seq_idx changes the state starts
    from 0. Returns y like x, and with return_final_states also h_L (batch, nheads, headdim, d_state).
    Raises TypeError or ValueError that names the argument. Source: Dao & Gu 2024; mamba_chunk_scan_combined.
    """
    _check_ssd(x, dt, A, B, C, chunk_size, D, z, dt_bias, initial_states, seq_idx)
    run = find("ssd_chunk_scan", backend, x.device.type)
    optional = {
        "D": D,
        "z": z,
        "dt_bias": dt_bias,
        "initial_states": initial_states,
        "seq_idx": seq_idx,
        "dt_softplus": dt_softplus or None,
        "dt_limit": None if dt_limit == (0.0, float("inf")) else dt_limit,
        "return_final_states": return_final_states or None,
    }
    return run(x, dt, A, B, C, chunk_size, **{k: v for k, v in optional.items() if v is not None})


def _check_ssd(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int,
    D: Tensor | None,
    z: Tensor | None,
    dt_bias: Tensor | None,
    initial_states: Tensor | None,
    seq_idx: Tensor | None,
) -> None:
    check_tensor("x", x, [("batch", None), ("L", None), ("nheads", None), ("headdim", None)], like=x)
    names = zip(("batch", "L", "nheads", "headdim"), x.shape, strict=True)
    batch, length, nheads, headdim = names
    check_tensor("dt", dt, [batch, length, nheads], like=x)
    check_tensor("A", A, [nheads], like=x)
    check_tensor("B", B, [batch, length, ("groups", None), ("d_state", None)], like=x)
    check_tensor("C", C, [batch, length, ("groups", B.shape[2]), ("d_state", B.shape[3])], like=x)
    check_group_count("B", B.shape[2], x.shape[2], "nheads")
    optional = (
        ("D", D, ([nheads], [nheads, headdim])),
        ("z", z, ([batch, length, nheads, headdim],)),
        ("dt_bias", dt_bias, ([nheads],)),
        ("initial_states", initial_states, ([batch, nheads, headdim, ("d_state", B.shape[3])],)),
    )
    for name, tensor, shapes in optional:
        if tensor is not None:
            check_tensor(name, tensor, *shapes, like=x)
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, not {chunk_size}.")
    check_seq_idx(seq_idx, x.shape[0], x.shape[1])
    check_no_nan("dt", dt)


def selective_state_update(
    state: Float[Tensor, "batch *heads dim d_state"],
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
) -> Tensor:
    """One step of decoding: `state` is advanced in place, and y of that step returned, shaped as x.

    Mamba-1: state (batch, dim, d_state), B and C (batch, d_state). Mamba-2: state (batch, nheads, headdim, d_state),
    B and C (batch, groups, d_state). Raises TypeError or ValueError that names the argument. Source: mamba_ssm.
    """
    check_tensor("x", x, [("batch", None), ("dim", None)], [("batch", None), ("nheads", None), ("dim", None)], like=x)
    sizes = [("batch", x.shape[0]), *((f"axis {i}", n) for i, n in enumerate(x.shape[1:], 1))]
    check_tensor("state", state, [*sizes, ("d_state", None)], like=x)
    check_tensor("dt", dt, sizes, like=x)
    d_state, groups = ("d_state", state.shape[-1]), [("groups", None)] * (x.ndim - 2)
    check_tensor("A", A, [*sizes[1:], d_state], like=x)
    for name, tensor in (("B", B), ("C", C)):
        check_tensor(name, tensor, [sizes[0], *groups, d_state], like=x)
    for name, optional, axes in (("D", D, sizes[1:]), ("z", z, sizes), ("dt_bias", dt_bias, sizes[1:])):
        if optional is not None:
            check_tensor(name, optional, axes, like=x)
    check_no_nan("dt", dt)
    run = find("selective_state_update", backend, x.device.type)
    return run(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus)


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
) -> Any:
    """Depthwise causal convolution, last tap = current token; activation None, "silu" or "swish".

    initial_states and the returned final states are the width − 1 tokens before and at the end.
    Raises TypeError or ValueError that names the argument. Source: Dao-AILab/causal-conv1d.
    """
    check_tensor("x", x, [("batch", None), ("dim", None), ("L", None)], like=x)
    batch, dim, length = x.shape
    check_tensor("weight", weight, [("dim", dim), ("width", None)], like=x)
    if bias is not None:
        check_tensor("bias", bias, [("dim", dim)], like=x)
    if initial_states is not None:
        axes = [("batch", batch), ("dim", dim), ("width - 1", weight.shape[1] - 1)]
        check_tensor("initial_states", initial_states, axes, like=x)
    if activation not in (None, "silu", "swish"):
        raise ValueError(f"activation must be None, 'silu' or 'swish', not {activation!r}.")
    check_seq_idx(seq_idx, batch, length)
    run = find("causal_conv1d", backend, x.device.type)
    final = final_conv_states(x, weight.shape[1] - 1, initial_states, seq_idx) if return_final_states else None
    y = run(x, weight, bias, seq_idx, activation, initial_states=initial_states)
    return (y, final) if return_final_states else y


def final_conv_states(x: Tensor, past: int, initial: Tensor | None, seq_idx: Tensor | None) -> Tensor:
    """The last `past` inputs (batch, dim, past) that the next token's convolution will see: 0 before the sequence."""
    before = x.new_zeros(*x.shape[:2], past) if initial is None else initial.to(x.dtype)
    tail = torch.cat([before, x], dim=-1)[..., x.shape[-1] :]
    if seq_idx is None or past == 0:
        return tail
    stretch = functional.pad((seq_idx[:, 1:] != seq_idx[:, :-1]).cumsum(-1), (past + 1, 0))
    return tail * (stretch[:, x.shape[-1] :] == stretch[:, -1:])[:, None]
