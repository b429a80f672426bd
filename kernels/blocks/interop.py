"""Weights to and from transformers' MambaForCausalLM and Mamba2ForCausalLM: one name differs, all values stay.

state-spaces/mamba checkpoints carry our names already; transformers calls the embedding `embeddings`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.kernels.blocks.language_model import MambaLM
from mamba_theorems.kernels.blocks.mamba import Mamba
from mamba_theorems.kernels.blocks.mamba2 import Mamba2

OURS, THEIRS = "backbone.embedding.weight", "backbone.embeddings.weight"


def to_transformers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MambaLM's state_dict under transformers' names."""
    return {THEIRS if name == OURS else name: weight for name, weight in state_dict.items()}


def from_transformers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state_dict of transformers' MambaForCausalLM or Mamba2ForCausalLM under our names."""
    return {OURS if name == THEIRS else name: weight for name, weight in state_dict.items()}


def model_from_transformers(model: Any, backend: str = "auto") -> MambaLM:
    """A MambaLM with the sizes, weights and dtype of a transformers Mamba or Mamba-2 language model.

    Raises ValueError for another architecture or an activation other than SiLU.
    """
    config = model.config
    builders = {"mamba": _mamba_options, "mamba2": _mamba2_options}
    if config.model_type not in builders:
        raise ValueError(f"{config.model_type!r} is no Mamba model; pass a MambaForCausalLM or a Mamba2ForCausalLM.")
    if config.hidden_act != "silu":
        raise ValueError(f"hidden_act must be 'silu', not {config.hidden_act!r}; the official block has no other.")
    ours = MambaLM(
        config.vocab_size,
        config.hidden_size,
        config.num_hidden_layers,
        norm_epsilon=config.layer_norm_epsilon,
        tie_embeddings=bool(config.tie_word_embeddings),
        backend=backend,
        dtype=next(model.parameters()).dtype,
        **builders[config.model_type](config),
    )
    with torch.no_grad():
        ours.load_state_dict(from_transformers(model.state_dict()))
    return ours


def _mamba_options(config: Any) -> dict[str, Any]:
    return _shared(config) | {
        "mixer": Mamba,
        "d_inner": config.intermediate_size,
        "dt_rank": int(config.time_step_rank),
    }


def _mamba2_options(config: Any) -> dict[str, Any]:
    return _shared(config) | {
        "mixer": Mamba2,
        "d_inner": int(config.expand * config.hidden_size),
        "headdim": config.head_dim,
        "ngroups": config.n_groups,
        "chunk_size": config.chunk_size,
        "dt_limit": tuple(config.time_step_limit),
    }


def _shared(config: Any) -> dict[str, Any]:
    return {
        "d_state": config.state_size,
        "d_conv": config.conv_kernel,
        "bias": config.use_bias,
        "conv_bias": config.use_conv_bias,
    }
