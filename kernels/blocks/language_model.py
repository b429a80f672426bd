"""A language model around the mixers: embedding, pre-norm residual layers, final norm, head, named as in mamba_ssm."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mamba_theorems.kernels.arguments import check_sizes
from mamba_theorems.kernels.blocks.block import State, own
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

    mixer: Any

    def __init__(self, mixer: nn.Module, norm: RMSNorm) -> None:
        super().__init__()
        self.mixer, self.norm = mixer, norm

    def forward(self, x: Tensor, **options: Any) -> Any:
        result = self.mixer(self.norm(x), **options)
        y, *last = result if isinstance(result, tuple) else (result,)
        return (x + y, *last) if last else x + y


class _Backbone(nn.Module):
    def __init__(self, vocab_size: int, d_model: int, layers: list[_Layer], eps: float, factory: Factory) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, **factory)
        self.layers = nn.ModuleList(layers)
        self.norm_f = RMSNorm(d_model, eps, **factory)

    def forward(self, tokens: Tensor, states: Sequence[State] | None, **options: Any) -> tuple[Tensor, list[State]]:
        x, last = self.embedding(tokens), []
        for i, layer in enumerate(self.layers):
            x = layer(x, **options) if states is None else layer(x, state=states[i], **options)
            if isinstance(x, tuple):
                x, state = x
                last.append(state)
        return self.norm_f(x), last


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
        for i, layer in enumerate(layers):
            layer.mixer.layer_idx = i  # where mamba_ssm's cache has its state
        self.backbone = _Backbone(vocab_size, d_model, layers, norm_epsilon, factory)
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False, **factory)
        if tie_embeddings:
            self.lm_head.weight = self.backbone.embedding.weight

    def forward(
        self,
        tokens: Int[Tensor, "batch length"],
        state: Sequence[State] | None = None,
        return_last_state: bool = False,
        **mixer_options: Any,
    ) -> Any:
        """Logits; with return_last_state also the State of every layer after the last token.

        `state` continues an earlier sequence. The mixers' other options follow by name: seq_idx, attention_mask,
        cu_seqlens, inference_params. Raises ValueError for tokens of another shape than (batch, L).
        """
        if tokens.ndim != 2 or 0 in tokens.shape:
            raise ValueError(f"tokens must have shape (batch, L), both at least 1, not {tuple(tokens.shape)}.")
        if return_last_state:
            mixer_options["return_last_state"] = True
        x, last = self.backbone(tokens, state, **mixer_options)
        return (self.lm_head(x), last) if return_last_state else self.lm_head(x)

    def step(self, tokens: Int[Tensor, "batch length"], state: Sequence[State]) -> tuple[Tensor, Sequence[State]]:
        """Decode one token or several: their logits, and the State of every layer, advanced in place."""
        logits, last = self(tokens, [own(layer) for layer in state], return_last_state=True)
        for old, new in zip(state, last, strict=True):
            old.conv.copy_(new.conv)
            old.ssm.copy_(new.ssm)
        return logits, state

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int = 0, dtype: torch.dtype | None = None
    ) -> list[State]:
        """The State of every layer before the first token; its size does not depend on max_seqlen."""
        return [layer.mixer.allocate_inference_cache(batch_size, max_seqlen, dtype) for layer in self.backbone.layers]  # type: ignore[union-attr,operator]
