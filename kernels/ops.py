"""The operations of the blocks, with the field's names, layouts and signatures, on interchangeable backends.

`backend` is "auto" (cpu or triton, by device), "reference" (the definition), "cpu", "triton", or a registered name.
Every operation checks its arguments here, once, for all backends. Source: mamba_ssm's and causal_conv1d's interfaces.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from kernels.backends import find, register_backend, using_backend
from kernels.checks import check_group_count, check_no_nan, check_seq_idx, check_tensor

__all__ = ["causal_conv1d", "register_backend", "selective_scan", "using_backend"]


def selective_scan(
    u: Float[Tensor, "batch d_inner length"],
    delta: Float[Tensor, "batch d_inner length"],
    A: Float[Tensor, "d_inner d_state"],
    B: Float[Tensor, "batch d_state length"] | Float[Tensor, "batch groups d_state length"],
    C: Float[Tensor, "batch d_state length"] | Float[Tensor, "batch groups d_state length"],
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
        check_tensor(name, value, [batch, d_state, length], [batch, groups, d_state, length], like=u)
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
