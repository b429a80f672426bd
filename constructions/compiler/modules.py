"""Torch modules that hold compiled weights: the blocks of `kernels.blocks`, between an embedding and a head.

Here a construction meets the real kernels; the weights were rounded once, from their exact values.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mamba_theorems.constructions.compiler.targets import Target
from mamba_theorems.constructions.compiler.tensors import Weights, complete
from mamba_theorems.kernels.blocks import MambaLM


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
    """embedding (+ positions) -> mixer -> head, no norm or residual ([P] Tab. 2): tokens (batch, L) -> logits.

    `weights` say how large embedding and head are, whether there are positions, and whether the head has a bias.
    """

    def __init__(self, weights: Weights, mixer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        vocab_size, d_model = weights["embedding.weight"].shape
        classes, width = weights["head.weight"].shape
        self.embedding = nn.Embedding(vocab_size, d_model, dtype=dtype)
        self.position = Position(d_model, dtype) if "position.weight" in weights else None
        self.mixer = mixer
        self.head = nn.Linear(width, classes, bias="head.bias" in weights, dtype=dtype)

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length classes"]:
        """Logits over the classes at every position."""
        x = self.embedding(tokens)
        return self.head(self.mixer(x if self.position is None else self.position(x)))


def empty_module(
    target: Target, sizes: Mapping[str, int], weights: Weights, activation: str, dtype: torch.dtype, backend: str
) -> nn.Module:
    """The module that these weights fit, its parameters still at their initial values.

    A bare block where there is no embedding; `activation` is that of the paper's blocks.
    """
    full = complete(sizes)
    options: dict[str, Any] = {name: full[name] for name in target.sizes if name in full}
    options |= {"dtype": dtype, "backend": backend}
    if target.is_language_model:
        return MambaLM(sizes["vocab_size"], sizes["d_model"], sizes["n_layer"], mixer=target.module, **options)
    if target.is_the_papers:
        options |= {"activation": activation, "bias": False, "gate": "mixer.gate.weight" in weights}
    if target.delta_activation is not None:
        options["delta_activation"] = target.delta_activation
    mixer = target.module(sizes["d_model"], **options)
    return OneLayer(weights, mixer, dtype) if "embedding.weight" in weights else mixer
