"""Our language model in other people's code, weights included: what a training step costs is compared on these."""

from typing import Any

from torch import Tensor, nn

from mamba_theorems.kernels.blocks.interop import to_transformers
from mamba_theorems.kernels.blocks.language_model import MambaLM


def transformers_model(ours: MambaLM) -> nn.Module:
    """transformers' MambaForCausalLM with the sizes and weights of a Mamba-1 language model; tokens → logits."""
    from transformers import MambaConfig, MambaForCausalLM  # noqa: PLC0415

    mixer: Any = ours.backbone.layers[0].mixer
    config = MambaConfig(
        vocab_size=ours.lm_head.out_features,
        hidden_size=mixer.d_model,
        state_size=mixer.d_state,
        num_hidden_layers=len(ours.backbone.layers),
        expand=mixer.d_inner // mixer.d_model,
        conv_kernel=mixer.d_conv,
        time_step_rank=mixer.dt_rank,
        tie_word_embeddings=False,
        use_cache=False,
    )
    model = MambaForCausalLM(config)
    model.load_state_dict(to_transformers(ours.state_dict()))
    return _Logits(model)


class _Logits(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens).logits


def mambapy_model(ours: MambaLM) -> nn.Module:
    """mambapy's Mamba between an embedding and a head, with the sizes and weights of a Mamba-1 language model."""
    from mambapy.mamba import Mamba, MambaConfig, RMSNorm  # noqa: PLC0415

    mixer: Any = ours.backbone.layers[0].mixer
    config = MambaConfig(
        d_model=mixer.d_model,
        n_layers=len(ours.backbone.layers),
        dt_rank=mixer.dt_rank,
        d_state=mixer.d_state,
        expand_factor=mixer.d_inner // mixer.d_model,
        d_conv=mixer.d_conv,
    )
    vocab_size, state = ours.lm_head.out_features, ours.state_dict()
    embedding, head = nn.Embedding(vocab_size, mixer.d_model), nn.Linear(mixer.d_model, vocab_size, bias=False)
    model = nn.Sequential(embedding, Mamba(config), RMSNorm(mixer.d_model), head)
    places = {"backbone.embedding": "0", "backbone.layers": "1.layers", "backbone.norm_f": "2", "lm_head": "3"}
    model.load_state_dict(
        {name.replace(old, new): w for name, w in state.items() for old, new in places.items() if name.startswith(old)}
    )
    return model
