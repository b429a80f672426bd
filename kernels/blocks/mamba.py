"""Mamba-1 as a torch module, and the two mixers of the paper in the same block: S4D and Δ^⊤.

Official parameter names, shapes and defaults (state-spaces/mamba, mamba_simple.py), on the operations of `kernels.ops`.
All take backend=, keep one dtype end to end, and what every block takes: `kernels.blocks.block`.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import check_sizes
from mamba_theorems.kernels.blocks.block import Block, State, own
from mamba_theorems.kernels.confined import softplus

Factory = dict[str, Any]


class GatedMixer(Block):
    """in_proj → causal convolution and SiLU → a mixer gated by SiLU(z) → out_proj; subclasses are the mixers."""

    def __init__(
        self,
        d_model: int,
        d_state: int,
        d_conv: int,
        expand: int,
        conv_bias: bool = True,
        bias: bool = False,
        *,
        d_inner: int | None = None,
        layer_idx: int | None = None,
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        self.refuse(unknown)
        self.d_inner = int(expand * d_model) if d_inner is None else d_inner
        check_sizes(d_model=d_model, d_state=d_state, d_conv=d_conv, d_inner=self.d_inner)
        self.factory: Factory = {"device": device, "dtype": dtype}
        self.d_model, self.d_state, self.d_conv, self.backend = d_model, d_state, d_conv, backend
        self.layer_idx = layer_idx
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias, **self.factory)
        self.conv1d = depthwise_conv1d(self.d_inner, d_conv, conv_bias, self.factory)
        self.A_log = nn.Parameter(hippo_real(self.d_inner, d_state, self.factory))
        self.D = nn.Parameter(torch.ones(self.d_inner, **self.factory))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, **self.factory)

    def run(self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool) -> Any:
        """The block on arguments that fit."""
        inner, z = self.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        x, conv = convolve(self, inner, seq_idx, state, return_last_state)
        options = {"initial_state": None if state is None else state.ssm, "seq_idx": seq_idx}
        result = self.mix(x, z, return_last_state=return_last_state, backend=self.backend, **options)
        if conv is None:
            return self.out_proj(result.transpose(1, 2))
        y, ssm = result
        return self.out_proj(y.transpose(1, 2)), State(conv, ssm)

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        """The mixer on x (batch, d_inner, L), gated by z where z is given.

        Options and results are those of `ops.selective_scan`.
        """
        raise NotImplementedError

    def allocate_inference_cache(self, batch_size: int, max_seqlen: int = 0, dtype: torch.dtype | None = None) -> State:
        """The State before the first token; its size does not depend on max_seqlen."""
        like = self.out_proj.weight
        conv = like.new_zeros(batch_size, self.d_inner, self.d_conv, dtype=dtype)
        return State(conv, like.new_zeros(batch_size, self.d_inner, self.d_state, dtype=dtype or wide(like).dtype))

    def _A(self) -> Tensor:
        return -torch.exp(wide(self.A_log))


class Mamba(GatedMixer):
    """The official Mamba-1 block, (batch, L, d_model) → (batch, L, d_model). Source: mamba_ssm, mamba_simple.py."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | str = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        *,
        dt_init: str = "random",
        dt_scale: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(d_model, d_state, d_conv, expand, conv_bias, bias, **options)
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else int(dt_rank)
        check_sizes(dt_rank=self.dt_rank)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False, **self.factory)
        start = (dt_init, self.dt_rank**-0.5 * dt_scale)
        self.dt_proj = dt_projection(
            self.dt_rank, self._delta_size(), dt_min, dt_max, dt_init_floor, self.factory, *start
        )

    def _delta_size(self) -> int:
        """One Δ a channel."""
        return self.d_inner

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        """S6, on `ops.selective_scan`."""
        delta, B, C = self._delta_B_C(x)
        bias = self.dt_proj.bias
        return ops.selective_scan(x, delta, self._A(), B, C, self.D, z, bias, delta_softplus=True, **options)

    def step(
        self,
        hidden_states: Float[Tensor, "batch length d_model"],
        conv_state: Float[Tensor, "batch d_inner d_conv"],
        ssm_state: Float[Tensor, "batch d_inner d_state"],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode one token, on `ops.selective_state_update`, or several: outputs, and states advanced in place."""
        if self.check(hidden_states)[1] > 1:
            return super().step(hidden_states, conv_state, ssm_state)
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        x, conv = convolve(self, x, None, own(State(conv_state, ssm_state)), True)
        conv_state.copy_(conv)
        delta, B, C = (m[..., 0] for m in self._delta_B_C(x))
        bias, z = self.dt_proj.bias, z[..., 0]
        y = ops.selective_state_update(
            ssm_state, x[..., 0], delta, self._A(), B, C, self.D, z, bias, dt_softplus=True, backend=self.backend
        )
        return self.out_proj(y)[:, None], conv_state, ssm_state

    def _delta_B_C(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Δ before its bias (batch, d_inner, L); B and C (batch, d_state, L)."""
        dt, B, C = self._dt_B_C(x)
        delta = functional.linear(dt, self.dt_proj.weight)
        return delta.transpose(1, 2), B.transpose(1, 2), C.transpose(1, 2)

    def _dt_B_C(self, x: Tensor) -> tuple[Tensor, ...]:
        """What x_proj gives, (batch, L, ·): dt of low rank, B and C."""
        return self.x_proj(x.transpose(1, 2)).split([self.dt_rank, self.d_state, self.d_state], dim=-1)


class MambaS4D(GatedMixer):
    """The Mamba-1 block with an S4D mixer: Δ = e^log_dt (d_inner), B and C (d_inner, d_state) constant, A real.

    `discretization` is "zoh" (S4D's) or "euler" (Mamba's). Source: Gu et al. 2022, S4D; [P] Table 2.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        *,
        discretization: str = "zoh",
        **options: Any,
    ) -> None:
        super().__init__(d_model, d_state, d_conv, expand, **options)
        if discretization not in ("zoh", "euler"):
            raise ValueError(f"discretization must be 'zoh' or 'euler', not {discretization!r}.")
        self.discretization = discretization
        self.log_dt = nn.Parameter(log_uniform(self.d_inner, dt_min, dt_max).log().to(**self.factory))
        self.B = nn.Parameter(torch.ones(self.d_inner, d_state, **self.factory))
        self.C = nn.Parameter(torch.randn(self.d_inner, d_state, **self.factory))

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        """S4D as the scan with constant Δ, B, C: that multiplies the input by Δ, zero-order hold by (e^ΔA − 1)/A."""
        dt, A = torch.exp(wide(self.log_dt)), self._A()
        exponent = dt[:, None] * A
        still = (exponent == 0) | (self.discretization == "euler")  # the hold's limit is Euler's rule
        hold = torch.where(still, 1, torch.expm1(exponent) / torch.where(still, 1, exponent))
        delta = dt[None, :, None].expand(x.shape)
        return ops.selective_scan(x, delta, A, wide(self.B) * hold, wide(self.C), self.D, z, **options)


class MambaDeltaT(Mamba):
    """The Mamba-1 block with the paper's Δ^⊤: dt_proj gives one Δ a state, dt_proj.weight (d_state, dt_rank).

    Source: [P] Lemma 3.
    """

    step = Block.step

    def _delta_size(self) -> int:
        return self.d_state

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        """Δ^⊤, on `ops.selective_scan_delta_t`."""
        dt, B, C = self._dt_B_C(x)
        delta, B, C = (m.transpose(1, 2) for m in (softplus(self.dt_proj(dt)), B, C))
        return ops.selective_scan_delta_t(x, delta, self._A(), B, C, self.D, z, **options)


# ------------------------------------------------------------------------------- shared by the blocks


def convolve(
    block: Any, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool
) -> tuple[Tensor, Any]:
    """SiLU(conv(x)) for x (batch, channels, L), and the last d_conv inputs (batch, channels, d_conv) if asked for."""
    past, conv1d = None if state is None else state.conv, block.conv1d
    options = {"backend": block.backend, "initial_states": None if past is None else past[..., 1:]}
    y = ops.causal_conv1d(x, conv1d.weight[:, 0], conv1d.bias, seq_idx, "silu", **options)
    return y, ops.final_conv_states(x, block.d_conv, past, seq_idx) if return_last_state else None


def depthwise_conv1d(channels: int, width: int, bias: bool, factory: Factory) -> nn.Conv1d:
    """The parameters conv1d.weight (channels, 1, width) and conv1d.bias; `ops.causal_conv1d` does the work."""
    return nn.Conv1d(channels, channels, width, groups=channels, padding=width - 1, bias=bias, **factory)


def dt_projection(
    dt_rank: int,
    channels: int,
    dt_min: float,
    dt_max: float,
    floor: float,
    factory: Factory,
    dt_init: str,
    size: float,
) -> nn.Linear:
    """dt_proj, initialised so that softplus of its bias is log-uniform on [dt_min, dt_max] and at least `floor`.

    Its weight is `size`, or uniform on [−size, size]. Raises ValueError for a dt_init other than "random" and
    "constant".
    """
    if dt_init not in ("random", "constant"):
        raise ValueError(f"dt_init must be 'random' or 'constant', not {dt_init!r}.")
    projection = nn.Linear(dt_rank, channels, bias=True, **factory)
    with torch.no_grad():
        nn.init.uniform_(projection.weight, -size if dt_init == "random" else size, size)
        projection.bias.copy_(softplus_inverse(log_uniform(channels, dt_min, dt_max).clamp(min=floor)))
    return projection


def hippo_real(channels: int, d_state: int, factory: Factory) -> Tensor:
    """A_log (channels, d_state) of A_n = −n, n = 1 … d_state (S4D-Real)."""
    return torch.log(torch.arange(1, d_state + 1, **factory)).repeat(channels, 1)


def log_uniform(channels: int, low: float, high: float) -> Tensor:
    """Samples (channels) whose logarithm is uniform."""
    return torch.exp(torch.empty(channels).uniform_(math.log(low), math.log(high)))


def softplus_inverse(x: Tensor) -> Tensor:
    """log(e^x − 1) for x > 0, without overflow."""
    return x + torch.log(-torch.expm1(-x))


def wide(x: Tensor) -> Tensor:
    """x in float32 where it is half precision: decays must not be rounded further."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
