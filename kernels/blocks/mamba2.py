"""Mamba-2 as a torch module: official parameter names, shapes and defaults (state-spaces/mamba, mamba2.py)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import check_dt_limit, check_group_count, check_sizes
from mamba_theorems.kernels.blocks.block import Block, State, own
from mamba_theorems.kernels.blocks.mamba import (
    Factory,
    convolve,
    depthwise_conv1d,
    log_uniform,
    softplus_inverse,
    wide,
)


class Mamba2(Block):
    """The official Mamba-2 block, (batch, L, d_model) → (batch, L, d_model). Source: mamba_ssm, mamba2.py.

    D_has_hdim: a D for each channel, not each head. norm_before_gate: RMSNorm(y)·SiLU(z), else RMSNorm(y·SiLU(z));
    y·SiLU(z) without rmsnorm. conv_init: the taps are uniform on [−conv_init, conv_init].
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        d_conv: int = 4,
        expand: int = 2,
        headdim: int = 64,
        ngroups: int = 1,
        A_init_range: tuple[float, float] = (1, 16),
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        dt_limit: tuple[float, float] = (0.0, float("inf")),
        bias: bool = False,
        conv_bias: bool = True,
        chunk_size: int = 256,
        *,
        d_inner: int | None = None,
        conv_init: float | None = None,
        D_has_hdim: bool = False,
        rmsnorm: bool = True,
        norm_before_gate: bool = False,
        norm_epsilon: float = 1e-5,
        layer_idx: int | None = None,
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        self.refuse(unknown)
        self.d_inner = int(expand * d_model) if d_inner is None else d_inner
        sizes = {"d_model": d_model, "d_state": d_state, "d_conv": d_conv, "d_inner": self.d_inner}
        check_sizes(**sizes, headdim=headdim, ngroups=ngroups, chunk_size=chunk_size)
        check_dt_limit(dt_limit)
        factory: Factory = {"device": device, "dtype": dtype}
        self.d_model, self.d_state, self.d_conv, self.backend = d_model, d_state, d_conv, backend
        self.layer_idx = layer_idx
        self.headdim, self.ngroups, self.chunk_size, self.dt_limit = headdim, ngroups, chunk_size, dt_limit
        if self.d_inner % headdim:
            raise ValueError(f"headdim = {headdim} must divide d_inner = {self.d_inner}.")
        self.nheads = self.d_inner // headdim
        check_group_count("B", ngroups, self.nheads, "nheads")
        self.conv_dim = self.d_inner + 2 * ngroups * d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + self.conv_dim + self.nheads, bias=bias, **factory)
        self.conv1d = depthwise_conv1d(self.conv_dim, d_conv, conv_bias, factory)
        steps = log_uniform(self.nheads, dt_min, dt_max).clamp(min=dt_init_floor)
        self.dt_bias = nn.Parameter(softplus_inverse(steps).to(**factory))
        self.A_log = nn.Parameter(torch.log(torch.empty(self.nheads).uniform_(*A_init_range)).to(**factory))
        self.D = nn.Parameter(torch.ones(self.d_inner if D_has_hdim else self.nheads, **factory))
        sizes = (self.d_inner, self.d_inner // ngroups, norm_epsilon)
        self.norm = GatedRMSNorm(*sizes, factory, norm_before_gate) if rmsnorm else None
        if conv_init is not None:
            nn.init.uniform_(self.conv1d.weight, -conv_init, conv_init)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, **factory)

    def run(self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool) -> Any:
        """The block on arguments that fit."""
        z, xBC, dt = self.in_proj(x).split([self.d_inner, self.conv_dim, self.nheads], dim=-1)
        xBC, conv = convolve(self, xBC.transpose(1, 2), seq_idx, state, return_last_state)
        x, B, C = self._x_B_C(xBC.transpose(1, 2))
        result = ops.ssd_chunk_scan(
            x,
            dt,
            -torch.exp(wide(self.A_log)),
            B,
            C,
            self.chunk_size,
            self._skip(),
            dt_bias=self.dt_bias,
            initial_states=None if state is None else state.ssm,
            seq_idx=seq_idx,
            dt_softplus=True,
            dt_limit=self.dt_limit,
            return_final_states=return_last_state,
            backend=self.backend,
        )
        y, *last = result if return_last_state else (result,)
        out = self.out_proj(self._gated(y.flatten(2), z))
        return (out, State(conv, *last)) if return_last_state else out

    def _skip(self) -> Tensor:
        """D as (nheads), or (nheads, headdim) where every channel has its own."""
        return self.D if self.D.shape[0] == self.nheads else self.D.unflatten(0, (self.nheads, self.headdim))

    def _gated(self, y: Tensor, z: Tensor) -> Tensor:
        return y * functional.silu(z) if self.norm is None else self.norm(y, z)

    def _x_B_C(self, xBC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (..., nheads, headdim); B and C (..., ngroups, d_state)."""
        width = self.ngroups * self.d_state
        x, B, C = xBC.split([self.d_inner, width, width], dim=-1)
        groups = (self.ngroups, self.d_state)
        return x.unflatten(-1, (self.nheads, self.headdim)), B.unflatten(-1, groups), C.unflatten(-1, groups)

    def step(
        self,
        hidden_states: Float[Tensor, "batch length d_model"],
        conv_state: Float[Tensor, "batch conv_dim d_conv"],
        ssm_state: Float[Tensor, "batch nheads headdim d_state"],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode one token, on `ops.selective_state_update`, or several: outputs, and states advanced in place."""
        if self.check(hidden_states)[1] > 1:
            return super().step(hidden_states, conv_state, ssm_state)
        z, xBC, dt = self.in_proj(hidden_states).split([self.d_inner, self.conv_dim, self.nheads], dim=-1)
        xBC, conv = convolve(self, xBC.transpose(1, 2), None, own(State(conv_state, ssm_state)), True)
        conv_state.copy_(conv)
        x, B, C = self._x_B_C(xBC[..., 0])
        shape = (self.nheads, self.headdim)
        A = -torch.exp(wide(self.A_log))[:, None, None].expand(*shape, self.d_state)
        step = (dt[:, 0] + self.dt_bias)[..., None].expand(-1, *shape)
        step = torch.logaddexp(step, torch.zeros_like(step)).clamp(*self.dt_limit)
        D = self._skip().reshape(self.nheads, -1).expand(shape)
        y = ops.selective_state_update(ssm_state, x, step, A, B, C, D, backend=self.backend)
        return self.out_proj(self._gated(y.flatten(1), z[:, 0]))[:, None], conv_state, ssm_state

    def allocate_inference_cache(self, batch_size: int, max_seqlen: int = 0, dtype: torch.dtype | None = None) -> State:
        """The State before the first token; its size does not depend on max_seqlen."""
        like = self.out_proj.weight
        conv = like.new_zeros(batch_size, self.conv_dim, self.d_conv, dtype=dtype)
        shape = (batch_size, self.nheads, self.headdim, self.d_state)
        return State(conv, like.new_zeros(shape, dtype=dtype or wide(like).dtype))


class GatedRMSNorm(nn.Module):
    """RMSNorm(y · SiLU(z)), each group of channels by itself, then the weight (d); or the gate comes last."""

    def __init__(self, d: int, group_size: int, eps: float, factory: Factory, norm_before_gate: bool = False) -> None:
        super().__init__()
        self.group_size, self.eps, self.norm_before_gate = group_size, eps, norm_before_gate
        self.weight = nn.Parameter(torch.ones(d, **factory))

    def forward(self, y: Float[Tensor, "*batch d"], z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """The gated and normalised y."""
        gate = functional.silu(wide(z))
        groups = (wide(y) if self.norm_before_gate else wide(y) * gate).unflatten(-1, (-1, self.group_size))
        normed = (groups * torch.rsqrt(groups.square().mean(-1, keepdim=True) + self.eps)).flatten(-2)
        if self.norm_before_gate:
            return (normed * wide(self.weight) * gate).to(y.dtype)
        return normed.to(y.dtype) * self.weight
