"""A language model around the mixers: embedding, pre-norm residual layers, final norm, head, named as in mamba_ssm."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mamba_theorems.kernels.arguments import check_sizes
from mamba_theorems.kernels.blocks.mamba import Factory, Mamba


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
        check_sizes(vocab_size=vocab_size, d_model=d_model, n_layer=n_layer)
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
