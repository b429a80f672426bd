"""Other people's scans with the field's signature: to time them beside ours, and to run every claim on them.

`python -m verify all --kernel kernels.peers:mambapy_scan` runs all numeric evidence on mambapy. Each needs its package.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.kernels.blocks.interop import to_transformers
from mamba_theorems.kernels.blocks.language_model import MambaLM
from mamba_theorems.kernels.confined import softplus

Scan = Callable[..., Any]


def _with_field_signature(scan: Callable[[Tensor, Tensor], Tensor]) -> Scan:
    """From h(decay, write), each (batch, L, d_inner, N), to the field's signature of a selective scan."""

    @wraps(scan)
    def selective_scan(
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None = None,
        z: Tensor | None = None,
        delta_bias: Tensor | None = None,
        delta_softplus: bool = False,
        return_last_state: bool = False,
    ) -> Any:
        delta = delta if delta_bias is None else delta + delta_bias[:, None]
        delta = softplus(delta) if delta_softplus else delta
        step, x = delta.transpose(1, 2)[..., None], u.transpose(1, 2)
        B, C = (_by_channel(M, u.shape[1]) for M in (B, C))
        states = scan(torch.exp(step * A), step * x[..., None] * B)
        y = (states * C).sum(-1) if C.shape[2] > 1 else (states @ C[:, :, 0, :, None])[..., 0]
        y = (y if D is None else y + D * x).transpose(1, 2)
        y = y if z is None else y * functional.silu(z)
        return (y, states[:, -1]) if return_last_state else y

    selective_scan.conformance = {"dtypes": ["float32", "float64"]}  # type: ignore[attr-defined] # decays as the inputs
    return selective_scan


def _by_channel(M: Tensor, d_inner: int) -> Tensor:
    """B or C as (batch, L, 1 or d_inner, N)."""
    if M.ndim == 2:
        return M[None, None]
    M = M[:, None] if M.ndim == 3 else M.repeat_interleave(d_inner // M.shape[1], dim=1)
    return M.permute(0, 3, 1, 2)


@_with_field_signature
def mambapy_scan(decay: Tensor, write: Tensor) -> Tensor:
    """mambapy's parallel scan (Blelloch's, in torch operations)."""
    from mambapy.pscan import pscan  # noqa: PLC0415

    return pscan(decay, write)


@_with_field_signature
def accelerated_scan(decay: Tensor, write: Tensor) -> Tensor:
    """accelerated-scan: its reference on a CPU, its warp kernel on a GPU; lengths padded to a power of two."""
    from accelerated_scan import ref  # noqa: PLC0415

    _, length, d_inner, n = decay.shape
    padding = (0, 2 ** max(5, (length - 1).bit_length()) - length)
    gates, tokens = (m.permute(0, 2, 3, 1).flatten(1, 2) for m in (decay, write))
    gates, tokens = functional.pad(gates, padding, value=1.0), functional.pad(tokens, padding)
    if decay.is_cuda:
        from accelerated_scan import warp  # noqa: PLC0415

        states = warp.scan(gates.contiguous(), tokens.contiguous())
    else:
        states = ref.scan(gates, tokens)
    return states[..., :length].unflatten(1, (d_inner, n)).permute(0, 3, 1, 2)


def transformers_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Any:
    """What transformers' Mamba runs on a CPU: a loop over time, on materialised decays (batch, d_inner, L, N).

    It would pass over an initial_state in silence. Raises NotImplementedError for groups and for constant B or C.
    """
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan  # noqa: PLC0415

    B, C = (M[:, 0] if M.ndim == 4 and M.shape[1] == 1 else M for M in (B, C))
    if B.ndim != 3 or C.ndim != 3:
        raise NotImplementedError("transformers' scan takes no groups and no constant B or C")
    return mamba_selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)


def mamba_ssm_scan(*args: Any, **kwargs: Any) -> Any:
    """The official CUDA kernel."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # noqa: PLC0415

    return selective_scan_fn(*args, **kwargs)


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


MODELS: dict[str, Callable[[MambaLM], nn.Module]] = {"transformers": transformers_model, "mambapy": mambapy_model}
"""The same language model in other people's code, weights included, for whom there is one."""
PEERS: dict[str, tuple[str, Scan]] = {
    "transformers": ("transformers", transformers_scan),
    "mambapy": ("mambapy", mambapy_scan),
    "accelerated-scan": ("accelerated_scan", accelerated_scan),
    "mamba_ssm": ("mamba_ssm", mamba_ssm_scan),
}


def installed(name: str) -> bool:
    """Whether the package of a peer is there. ValueError for a peer that is not known."""
    if name not in PEERS:
        raise ValueError(f"There is no peer {name!r}; choose from {', '.join(PEERS)}.")
    return find_spec(PEERS[name][0]) is not None
