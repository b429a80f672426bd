"""Torch modules of the blocks: official parameter names, shapes and defaults, on the operations of `kernels.ops`.

`Mamba` is Mamba-1, `PaperMamba` the paper's simplified block ([P] Table 2, eq. 14), `MambaLM` the language model of
state-spaces/mamba. All take backend= and keep one dtype end to end, A and D included.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kernels import ops

Factory = dict[str, Any]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": functional.relu,
    "silu": functional.silu,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
}


class Mamba(nn.Module):
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
        d_inner: int | None = None,
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        factory: Factory = {"device": device, "dtype": dtype}
        self.d_model, self.d_state, self.d_conv, self.backend = d_model, d_state, d_conv, backend
        self.d_inner = d_inner or expand * d_model
        self.dt_rank = math.ceil(d_model / 16) if isinstance(dt_rank, str) else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias, **factory)
        self.conv1d = depthwise_conv1d(self.d_inner, d_conv, conv_bias, factory)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False, **factory)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner, bias=True, **factory)
        self.A_log = nn.Parameter(hippo_real(self.d_inner, d_state, factory))
        self.D = nn.Parameter(torch.ones(self.d_inner, **factory))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, **factory)
        with torch.no_grad():
            nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
            self.dt_proj.bias.copy_(softplus_inverse_of_log_uniform(self.d_inner, dt_min, dt_max, dt_init_floor))

    def forward(
        self,
        hidden_states: Float[Tensor, "batch length d_model"],
        seq_idx: Int[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch length d_model"]:
        """The block's output; where seq_idx changes, conv and state start afresh."""
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        x = ops.causal_conv1d(x, self.conv1d.weight[:, 0], self.conv1d.bias, seq_idx, "silu", backend=self.backend)
        delta, B, C = self._delta_B_C(x)
        y = ops.selective_scan(
            x,
            delta,
            -torch.exp(self.A_log),
            B,
            C,
            self.D,
            z,
            self.dt_proj.bias,
            delta_softplus=True,
            backend=self.backend,
            seq_idx=seq_idx,
        )
        return self.out_proj(y.transpose(1, 2))

    def _delta_B_C(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Δ before its bias (batch, d_inner, L); B and C (batch, d_state, L)."""
        parts = self.x_proj(x.transpose(1, 2)).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        dt, B, C = parts
        delta = functional.linear(dt, self.dt_proj.weight)
        return delta.transpose(1, 2), B.transpose(1, 2), C.transpose(1, 2)


def depthwise_conv1d(channels: int, width: int, bias: bool, factory: Factory) -> nn.Conv1d:
    """The parameters conv1d.weight (channels, 1, width) and conv1d.bias; `ops.causal_conv1d` does the work."""
    return nn.Conv1d(channels, channels, width, groups=channels, padding=width - 1, bias=bias, **factory)


def hippo_real(channels: int, d_state: int, factory: Factory) -> Tensor:
    """A_log (channels, d_state) of A_n = −n, n = 1 … d_state (S4D-Real)."""
    return torch.log(torch.arange(1, d_state + 1, **factory)).repeat(channels, 1)


def softplus_inverse_of_log_uniform(channels: int, dt_min: float, dt_max: float, floor: float) -> Tensor:
    """The bias whose softplus is log-uniform on [dt_min, dt_max], at least `floor`."""
    dt = torch.exp(torch.empty(channels).uniform_(math.log(dt_min), math.log(dt_max))).clamp(min=floor)
    return dt + torch.log(-torch.expm1(-dt))


class PaperMamba(nn.Module):
    """The paper's block: x̂ = σ(conv(x)); Δ, B, C linear in x̂; S6; optional gate. (batch, L, d) → (batch, L, d).

    Parameters conv.*, delta.*, B.*, C.*, A, gate.* as in `kernels.semantics.paper_mamba`. Source: [P] Table 2, eq. 14.
    """

    def __init__(
        self,
        d: int,
        d_state: int,
        d_conv: int = 2,
        *,
        gate: bool = False,
        bias: bool = True,
        activation: str = "relu",
        delta_activation: str = "softplus",
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        factory: Factory = {"device": device, "dtype": dtype}
        self.activation, self.delta_activation, self.backend = activation, delta_activation, backend
        self.conv = _Taps(d, d_conv, factory)
        self.delta = nn.Linear(d, d, **factory)
        self.B = nn.Linear(d, d_state, bias=bias, **factory)
        self.C = nn.Linear(d, d_state, bias=bias, **factory)
        self.A = nn.Parameter(-torch.ones(d, d_state, **factory))
        self.gate = nn.Linear(d, d, bias=bias, **factory) if gate else None

    def forward(self, x: Float[Tensor, "batch length d"]) -> Float[Tensor, "batch length d"]:
        """The block's output."""
        x_hat = ops.causal_conv1d(x.transpose(1, 2), self.conv.weight, self.conv.bias, backend=self.backend)
        x_hat = ACTIVATIONS[self.activation](x_hat)
        tokens = x_hat.transpose(1, 2)
        delta = ACTIVATIONS[self.delta_activation](self.delta(tokens)).transpose(1, 2)
        B, C = self.B(tokens).transpose(1, 2), self.C(tokens).transpose(1, 2)
        y = ops.selective_scan(x_hat, delta, self.A, B, C, backend=self.backend).transpose(1, 2)
        return y if self.gate is None else ACTIVATIONS[self.activation](self.gate(x)) * y


class _Taps(nn.Module):
    """Weight (channels, width) and bias (channels) of a depthwise convolution."""

    def __init__(self, channels: int, width: int, factory: Factory) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, width, **factory) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(channels, **factory))


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · weight over the last axis."""

    def __init__(self, d: int, eps: float = 1e-5, device: Any = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d, device=device, dtype=dtype))

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """The normalised input."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class _Layer(nn.Module):
    """x + mixer(norm(x))."""

    def __init__(self, mixer: nn.Module, norm: RMSNorm) -> None:
        super().__init__()
        self.mixer, self.norm = mixer, norm

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        return x + self.mixer(self.norm(x), **options)


class _Backbone(nn.Module):
    def __init__(self, vocab_size: int, d_model: int, layers: list[_Layer], eps: float, factory: Factory) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, **factory)
        self.layers = nn.ModuleList(layers)
        self.norm_f = RMSNorm(d_model, eps, **factory)

    def forward(self, tokens: Tensor, **options: Any) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, **options)
        return self.norm_f(x)


class MambaLM(nn.Module):
    """Embedding, pre-norm residual mixers, final norm, head, with the parameter names of state-spaces/mamba.

    `mixer` is the block's class, its options follow by name. tokens (batch, L) → logits (batch, L, vocab_size).
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        n_layer: int = 1,
        *,
        mixer: Callable[..., nn.Module] = Mamba,
        norm_epsilon: float = 1e-5,
        tie_embeddings: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **mixer_options: Any,
    ) -> None:
        super().__init__()
        factory: Factory = {"device": device, "dtype": dtype}
        layers = [
            _Layer(mixer(d_model, **mixer_options, **factory), RMSNorm(d_model, norm_epsilon, **factory))
            for _ in range(n_layer)
        ]
        self.backbone = _Backbone(vocab_size, d_model, layers, norm_epsilon, factory)
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False, **factory)
        if tie_embeddings:
            self.lm_head.weight = self.backbone.embedding.weight

    def forward(
        self, tokens: Int[Tensor, "batch length"], **mixer_options: Any
    ) -> Float[Tensor, "batch length vocab_size"]:
        """Logits."""
        return self.lm_head(self.backbone(tokens, **mixer_options))
