"""What transformers' Mamba and Mamba-2 run without the CUDA kernels, by the names of the suite's operations.

Their functions take any other keyword and pass over it in silence (`seq_idx`, `z`): the adapters take what is named.
The two scans return float32, or what D is in, and their only caller casts y to the dtype of its input: so do these.
"""

from typing import Any

from torch import Tensor
from transformers import DynamicCache, Mamba2Config, MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer, mamba_selective_state_update
from transformers.models.mamba2.modeling_mamba2 import (
    Mamba2Mixer,
    causal_conv1d_fn,
    mamba2_chunk_scan,
    mamba2_selective_state_update,
)

from mamba_theorems.kernels.peers.scans import transformers_scan

NO_LIMIT = (0.0, float("inf"))


def selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, z: Tensor | None = None,
    delta_bias: Tensor | None = None, delta_softplus: bool = False, return_last_state: bool = False,
) -> Any:  # fmt: skip
    """transformers' Mamba-1 scan, a loop over time."""
    result = transformers_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)
    return (result[0].to(u.dtype), result[1]) if return_last_state else result.to(u.dtype)


def ssd_chunk_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int = 64, D: Tensor | None = None,
    dt_bias: Tensor | None = None, initial_states: Tensor | None = None, dt_softplus: bool = False,
    dt_limit: tuple[float, float] = NO_LIMIT, return_final_states: bool = False,
) -> Any:  # fmt: skip
    """transformers' Mamba-2 scan in chunks, in float32. Raises NotImplementedError for a D of each channel."""
    if D is not None and D.ndim == 2:
        raise NotImplementedError("transformers' scan takes one D a head")
    y, last = mamba2_chunk_scan(
        x, dt, A, B, C, chunk_size, D=D, dt_bias=dt_bias, initial_states=initial_states, dt_softplus=dt_softplus,
        dt_limit=dt_limit, return_final_states=True,
    )  # fmt: skip
    return (y.to(x.dtype), last) if return_final_states else y.to(x.dtype)


ssd_chunk_scan.conformance = {"dtypes": ["float32", "bfloat16", "float16"]}  # type: ignore[attr-defined]


def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None) -> Any:
    """transformers' convolution."""
    return causal_conv1d_fn(x, weight, bias, activation)


def selective_state_update(
    state: Tensor, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None,
    z: Tensor | None = None, dt_bias: Tensor | None = None, dt_softplus: bool = False,
) -> Tensor:  # fmt: skip
    """transformers' step: Mamba-1's without heads, Mamba-2's with them."""
    step = mamba2_selective_state_update if x.ndim == 3 else mamba_selective_state_update
    return step(state, x, dt, A, B, C, D=D, z=z, dt_bias=dt_bias, dt_softplus=dt_softplus)


class _Cached:
    """The official interface of a block's cache over theirs."""

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, return_last_state: bool = False
    ) -> Any:
        """The block's output; with return_last_state also the cache that it leaves."""
        if not return_last_state:
            return super().forward(hidden_states, attention_mask=attention_mask)  # type: ignore[misc]
        cache = DynamicCache(config=self.of)  # type: ignore[attr-defined]
        return super().forward(hidden_states, cache_params=cache, attention_mask=attention_mask), (cache,)  # type: ignore[misc]

    def step(self, hidden_states: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """One token, or several, with the cache of those before."""
        return super().forward(hidden_states, cache_params=cache), cache  # type: ignore[misc]

    def allocate_inference_cache(self, batch_size: int, max_seqlen: int = 0, dtype: Any = None) -> tuple[Any]:
        """A cache of no tokens."""
        return (DynamicCache(config=self.of),)  # type: ignore[attr-defined]


class TransformersMamba(_Cached, MambaMixer):
    """transformers' Mamba-1 block by the official names of its parameters; its scan is in float32."""

    conformance = {"dtypes": ["float32", "bfloat16"]}  # noqa: RUF012

    def __init__(
        self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2, conv_bias: bool = True,
        bias: bool = False,
    ) -> None:  # fmt: skip
        self_of = MambaConfig(
            hidden_size=d_model, state_size=d_state, conv_kernel=d_conv, expand=expand, use_conv_bias=conv_bias,
            use_bias=bias, num_hidden_layers=1,
        )  # fmt: skip
        super().__init__(self_of, 0)
        self.of = self_of


class TransformersMamba2(_Cached, Mamba2Mixer):
    """transformers' Mamba-2 block by the official names of its parameters; its scan is in float32."""

    conformance = {"dtypes": ["float32", "bfloat16"]}  # noqa: RUF012

    def __init__(
        self, d_model: int, d_state: int = 128, d_conv: int = 4, expand: int = 2, headdim: int = 64, ngroups: int = 1,
        dt_limit: tuple[float, float] = NO_LIMIT, bias: bool = False, conv_bias: bool = True, chunk_size: int = 256,
    ) -> None:  # fmt: skip
        self_of = Mamba2Config(
            hidden_size=d_model, state_size=d_state, conv_kernel=d_conv, expand=expand, head_dim=headdim,
            num_heads=expand * d_model // headdim, n_groups=ngroups, time_step_limit=dt_limit, use_bias=bias,
            use_conv_bias=conv_bias, chunk_size=chunk_size, num_hidden_layers=1,
        )  # fmt: skip
        super().__init__(self_of, 0)
        self.of = self_of
