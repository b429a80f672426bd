"""The networks that are trained: our blocks, gated or not, and the baselines, in one language model.

All stand in `MambaLM`: embedding, pre-norm residual layers, final norm, head. The head has no bias, so that the final
norm, a positive number a token, changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn

from mamba_theorems.constructions import Construction, mqar
from mamba_theorems.constructions.compiler.modules import empty_module
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels import blocks, ops
from mamba_theorems.kernels.blocks.mamba import GatedMixer, hippo_real
from mamba_theorems.verify.experiments.data import DataSource, classes
from mamba_theorems.verify.experiments.settings import Training

TARGET, CLAIM = "language_model", "mqar.thm2-step1"


class OneDecay(blocks.Mamba):
    """Mamba-1 with one Δ and one A for all channels: dt_proj (1, dt_rank), A_log (1, d_state). `mqar.n-lower-bound`."""

    def __init__(self, d_model: int, **options: Any) -> None:
        super().__init__(d_model, **options)
        self.A_log = nn.Parameter(hippo_real(1, self.d_state, self.factory))

    def _delta_size(self) -> int:
        return 1

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        """S6 whose Δ and A are spread over the channels."""
        delta, B, C = self._delta_B_C(x)
        A, bias = self._A().expand(self.d_inner, -1), self.dt_proj.bias.expand(self.d_inner)
        return ops.selective_scan(x, delta.expand_as(x), A, B, C, self.D, z, bias, delta_softplus=True, **options)


class _Ungated:
    """A Mamba-1 block whose z is not used."""

    def mix(self, x: Tensor, z: Tensor | None, **options: Any) -> Any:
        return super().mix(x, None, **options)  # type: ignore[misc]


class UngatedMamba2(blocks.Mamba2):
    """Mamba-2 whose z is not used, and without the norm after it."""

    def __init__(self, d_model: int, **options: Any) -> None:
        super().__init__(d_model, rmsnorm=False, **options)

    def _gated(self, y: Tensor, z: Tensor) -> Tensor:
        return y


class Attention(nn.Module):
    """Causal softmax attention, one head; torch's."""

    def __init__(self, d_model: int, **factory: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(d_model, 1, bias=False, batch_first=True, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, L, d_model) → the same."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.attention(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]


class Lstm(nn.Module):
    """torch's LSTM and a projection, with as many parameters as fit into `parameters`."""

    def __init__(self, d_model: int, parameters: int, **factory: Any) -> None:
        super().__init__()
        hidden = 1
        while 4 * (hidden + 1) * (d_model + hidden + 3) + (hidden + 1) * d_model <= parameters:
            hidden += 1
        self.lstm = nn.LSTM(d_model, hidden, batch_first=True, **factory)
        self.out_proj = nn.Linear(hidden, d_model, bias=False, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, L, d_model) → the same."""
        return self.out_proj(self.lstm(x)[0])


class Positions(nn.Module):
    """An embedding, and a learned vector for each position added to it."""

    def __init__(self, embedding: nn.Embedding, length: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.position = nn.Embedding(length, embedding.embedding_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, L) → (batch, L, d_model)."""
        return self.embedding(tokens) + self.position.weight[: tokens.shape[1]]


BLOCKS: dict[str, type[GatedMixer]] = {
    "mamba": blocks.Mamba,
    "mamba-one-decay": OneDecay,
    "s4d": blocks.MambaS4D,
    "mamba-delta-t": blocks.MambaDeltaT,
}
UNGATED = {name: type(f"Ungated{block.__name__}", (_Ungated, block), {}) for name, block in BLOCKS.items()}


def mixer(training: Training) -> Callable[..., nn.Module]:
    """What makes the mixers, layer after layer."""
    sizes: dict[str, Any] = {"d_state": training.d_state, "d_conv": training.d_conv, "expand": training.expand}
    d_inner = training.expand * training.d_model
    if training.mixer in BLOCKS:
        return partial((BLOCKS if training.gate else UNGATED)[training.mixer], **sizes)
    if training.mixer == "mamba2":
        block = blocks.Mamba2 if training.gate else UngatedMamba2
        return partial(block, headdim=d_inner, chunk_size=64, **sizes)
    if training.mixer == "lstm":
        like = blocks.Mamba(training.d_model, **sizes)
        return partial(Lstm, parameters=sum(p.numel() for p in like.parameters()))
    if training.mixer == "hybrid":
        return _in_turn(partial(BLOCKS["mamba"], **sizes), Attention)
    return Attention


def _in_turn(*kinds: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    turn = cycle(kinds)

    def make(*args: Any, **options: Any) -> nn.Module:
        return next(turn)(*args, **options)

    return make


def construction(training: Training) -> Construction:
    """The network of Theorem 2, step 1 for the task's tokens."""
    vocabulary = Vocabulary.paper(training.num_kv_pairs, training.vocab_size)
    return mqar.build(
        CLAIM, TARGET, num_kv_pairs=training.num_kv_pairs, vocab_size=vocabulary.size, vocabulary=vocabulary
    )


def build(training: Training) -> Any:
    """The network at its start, from torch's generator."""
    if training.mixer == "construction":
        return _constructed(training)
    made = blocks.MambaLM(
        classes(training), training.d_model, training.n_layer, mixer=mixer(training), tie_embeddings=training.tie
    )
    if training.pe:
        made.backbone.embedding = Positions(made.backbone.embedding, DataSource(training).longest)  # type: ignore[assignment]
    return made


def _constructed(training: Training) -> nn.Module:
    exact = construction(training)
    made = empty_module(TARGETS[TARGET], exact.hyperparameters, exact.weights, exact.activation, torch.float32, "auto")
    if training.start != "random":
        made.load_state_dict(exact.state_dict(torch.float32))
    if training.start == "noise":
        with torch.no_grad():
            for weight in made.parameters():
                weight.add_(training.noise * weight.square().mean().sqrt() * torch.randn_like(weight))
    return made


def logits(network: Any, tokens: Tensor, asked: Tensor) -> Tensor:
    """Logits (asked, classes) at the places that are asked alone: at most places nobody asks."""
    x, _ = network.backbone(tokens, None)
    return network.lm_head(x[asked])


def alignment(network: nn.Module, training: Training) -> tuple[tuple[str, float], ...]:
    """The cosine between each weight matrix and the construction's; nothing where there is no construction."""
    if training.mixer != "construction":
        return ()
    exact, found = construction(training).state_dict(torch.float64), []
    for name, weight in network.state_dict().items():
        if weight.ndim > 1 and exact[name].any():
            cosine = torch.nn.functional.cosine_similarity(weight.double().flatten(), exact[name].flatten(), 0)
            found.append((name, round(float(cosine), 4)))
    return tuple(found)
