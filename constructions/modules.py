"""Torch modules that hold compiled weights: the blocks of `kernels.blocks`, between an embedding and a head.

Here a construction meets the real kernels; the weights were rounded once, from their exact values.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kernels.blocks import Mamba, MambaLM, PaperMamba


class OneLayer(nn.Module):
    """embedding -> mixer -> head, without norm or residual ([P] Tab. 2): tokens (batch, L) -> logits."""

    def __init__(self, vocab_size: int, d_model: int, mixer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, dtype=dtype)
        self.mixer = mixer
        self.head = nn.Linear(d_model, vocab_size, bias=False, dtype=dtype)

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length vocab_size"]:
        """Logits over the vocabulary at every position."""
        return self.head(self.mixer(self.embedding(tokens)))


def empty_module(
    target: str, sizes: Mapping[str, int], activation: str, dtype: torch.dtype, backend: str = "auto"
) -> nn.Module:
    """The module of a target at the given sizes, its parameters still at their initial values."""
    vocab_size, d_model, d_state, d_conv = (sizes[name] for name in ("vocab_size", "d_model", "d_state", "d_conv"))
    if target == "paper":
        options: dict[str, Any] = {"activation": activation, "delta_activation": "identity", "backend": backend}
        mixer = PaperMamba(d_model, d_state, d_conv, bias=False, dtype=dtype, **options)
        return OneLayer(vocab_size, d_model, mixer, dtype)
    official: dict[str, Any] = {
        "d_state": d_state,
        "d_conv": d_conv,
        "expand": sizes["expand"],
        "dt_rank": sizes["dt_rank"],
    }
    if target == "official":
        return OneLayer(vocab_size, d_model, Mamba(d_model, **official, backend=backend, dtype=dtype), dtype)
    return MambaLM(vocab_size, d_model, **official, backend=backend, dtype=dtype)
