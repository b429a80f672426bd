"""Torch modules that hold compiled weights: the blocks of `kernels.blocks`, between an embedding and a head.

Here a construction meets the real kernels; the weights were rounded once, from their exact values.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mamba_theorems.kernels.blocks import Mamba, Mamba2, MambaLM, PaperMamba, PaperMamba2


class Position(nn.Module):
    """t times `weight` (d) added to the token at t = 1, 2, ...: additive positions."""

    def __init__(self, d: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(d, dtype=dtype))

    def forward(self, x: Float[Tensor, "batch length d"]) -> Float[Tensor, "batch length d"]:
        """x with its positions."""
        t = torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)
        return x + t[:, None] * self.weight


class OneLayer(nn.Module):
    """embedding (+ positions) -> mixer -> head, no norm or residual ([P] Tab. 2): tokens (batch, L) -> logits."""

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        mixer: nn.Module,
        dtype: torch.dtype,
        *,
        d_inner: int | None = None,
        positions: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, dtype=dtype)
        self.position = Position(d_model, dtype) if positions else None
        self.mixer = mixer
        self.head = nn.Linear(d_inner or d_model, vocab_size, bias=False, dtype=dtype)

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length vocab_size"]:
        """Logits over the vocabulary at every position."""
        x = self.embedding(tokens)
        return self.head(self.mixer(x if self.position is None else self.position(x)))


def empty_module(
    target: str,
    sizes: Mapping[str, int],
    activation: str,
    dtype: torch.dtype,
    backend: str = "auto",
    *,
    gate: bool = False,
    positions: bool = False,
) -> nn.Module:
    """The module of a target at the given sizes, its parameters still at their initial values."""
    if "mamba2" in target:
        return _empty_mamba2(target, sizes, activation, dtype, backend)
    vocab_size, d_model, d_state, d_conv = (sizes[name] for name in ("vocab_size", "d_model", "d_state", "d_conv"))
    if target == "paper":
        options: dict[str, Any] = {"activation": activation, "delta_activation": "identity", "backend": backend}
        mixer = PaperMamba(d_model, d_state, d_conv, gate=gate, bias=False, dtype=dtype, **options)
        return OneLayer(vocab_size, d_model, mixer, dtype, positions=positions)
    official: dict[str, Any] = {
        "d_state": d_state,
        "d_conv": d_conv,
        "expand": sizes["expand"],
        "dt_rank": sizes["dt_rank"],
    }
    if target == "official":
        return OneLayer(vocab_size, d_model, Mamba(d_model, **official, backend=backend, dtype=dtype), dtype)
    return MambaLM(vocab_size, d_model, sizes["n_layer"], **official, backend=backend, dtype=dtype)


def _empty_mamba2(
    target: str, sizes: Mapping[str, int], activation: str, dtype: torch.dtype, backend: str
) -> nn.Module:
    names = ("vocab_size", "d_model", "d_state", "d_conv", "d_inner")
    vocab_size, d_model, d_state, d_conv, d_inner = (sizes[name] for name in names)
    if target == "paper_mamba2":
        options: dict[str, Any] = {"activation": activation, "delta_activation": "identity", "backend": backend}
        mixer = PaperMamba2(d_model, d_state, d_conv, d=d_inner, bias=False, dtype=dtype, **options)
        return OneLayer(vocab_size, d_model, mixer, dtype, d_inner=d_inner)
    official: dict[str, Any] = {"d_state": d_state, "d_conv": d_conv, "expand": sizes["expand"], "headdim": d_inner}
    if target == "official_mamba2":
        return OneLayer(vocab_size, d_model, Mamba2(d_model, **official, backend=backend, dtype=dtype), dtype)
    return MambaLM(vocab_size, d_model, mixer=Mamba2, **official, backend=backend, dtype=dtype)
