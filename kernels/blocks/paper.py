"""The paper's simplified blocks as torch modules ([P] Table 2, eq. 14): conv, σ, mixer, optional gate; nothing else.

Each has the weights and the meaning of its namesake in `kernels.semantics`, and (batch, L, d) → (batch, L, d). Each
takes what every block takes: `kernels.blocks.block`.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import check_sizes
from mamba_theorems.kernels.blocks.block import Block, State
from mamba_theorems.kernels.blocks.mamba import Factory
from mamba_theorems.kernels.confined import softplus

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": functional.relu,
    "silu": functional.silu,
    "softplus": softplus,
}


class Taps(nn.Module):
    """Weight (channels, width) and bias (channels) of a depthwise causal convolution, and its activation."""

    def __init__(self, channels: int, width: int, activation: str, backend: str, factory: Factory) -> None:
        super().__init__()
        check_sizes(channels=channels, d_conv=width)
        self.activation, self.backend = activation, backend
        self.weight = nn.Parameter(torch.randn(channels, width, **factory) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(channels, **factory))

    def forward(
        self,
        x: Float[Tensor, "batch length channels"],
        seq_idx: Int[Tensor, "batch length"] | None = None,
        past: Float[Tensor, "batch channels past"] | None = None,
    ) -> tuple[Float[Tensor, "batch length channels"], Float[Tensor, "batch channels past"]]:
        """σ(conv(x)), and the last width − 1 inputs; `past` are those before x."""
        options: dict[str, Any] = {"backend": self.backend, "initial_states": past, "return_final_states": True}
        y, last = ops.causal_conv1d(x.transpose(1, 2), self.weight, self.bias, seq_idx, **options)
        return ACTIVATIONS[self.activation](y).transpose(1, 2), last


class PaperBlock(Block):
    """What the paper's blocks share: their options, the activation and the optional gate σ(linear(x)) ⊙ y.

    `bias` is of every linear map but that of Δ.
    """

    def __init__(
        self,
        d: int,
        d_out: int,
        d_state: int,
        *,
        gate: bool = False,
        bias: bool = True,
        activation: str = "relu",
        delta_activation: str = "softplus",
        layer_idx: int | None = None,
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        self.refuse(unknown)
        check_sizes(d=d, d_out=d_out, d_state=d_state)
        self.d_model, self.layer_idx = d, layer_idx
        for name in (activation, delta_activation):
            if name not in ACTIVATIONS:
                raise ValueError(f"There is no activation {name!r}; choose from {', '.join(ACTIVATIONS)}.")
        self.activation, self.delta_activation, self.backend = activation, delta_activation, backend
        self.bias, self.factory = bias, Factory(device=device, dtype=dtype)
        self.gate = self.linear(d, d_out) if gate else None

    def linear(self, width: int, out: int) -> nn.Linear:
        """One of the block's linear maps."""
        return nn.Linear(width, out, bias=self.bias, **self.factory)

    def taps(self, channels: int, width: int) -> Taps:
        """One of its convolutions."""
        return Taps(channels, width, self.activation, self.backend, self.factory)

    def run(self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool) -> Any:
        """The block on arguments that fit."""
        y, last = self.mix(x, seq_idx, state, return_last_state)
        y = y if self.gate is None else ACTIVATIONS[self.activation](self.gate(x)) * y
        return (y, last) if return_last_state else y

    def mix(
        self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool
    ) -> tuple[Tensor, State | None]:
        """The block without its gate, and its State after the last token where that is asked for."""
        raise NotImplementedError

    def allocate_inference_cache(self, batch_size: int, max_seqlen: int = 0, dtype: torch.dtype | None = None) -> State:
        """The State before the first token; its size does not depend on max_seqlen."""
        like = next(self.parameters())
        conv, ssm = self._state_shapes()
        return State(like.new_zeros(batch_size, *conv, dtype=dtype), like.new_zeros(batch_size, *ssm, dtype=dtype))

    def _scanned(
        self,
        scan: Callable[..., Any],
        signals: tuple[Tensor, ...],
        seq_idx: Tensor | None,
        state: State | None,
        return_last_state: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """y (batch, L, d) and, where it is asked for, the last state of one of the selective scans."""
        options = {"initial_state": None if state is None else state.ssm, "seq_idx": seq_idx, "backend": self.backend}
        result = scan(*signals, return_last_state=return_last_state, **options)
        y, last = result if return_last_state else (result, None)
        return y.transpose(1, 2), last

    def _state_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(channels, taps − 1) of the convolution's inputs, and that of the SSM's state."""
        raise NotImplementedError

    def step_size(self, delta: Tensor) -> Tensor:
        """Δ of its linear map."""
        return ACTIVATIONS[self.delta_activation](delta)


class PaperMamba(PaperBlock):
    """Weights conv.*, delta.*, B.*, C.*, A, gate.*: `kernels.semantics.paper_mamba`."""

    def __init__(self, d: int, d_state: int, d_conv: int = 2, **options: Any) -> None:
        super().__init__(d, d, d_state, **options)
        self.conv = self.taps(d, d_conv)
        self.delta = nn.Linear(d, self._delta_size(d, d_state), **self.factory)
        self.B, self.C = self.linear(d, d_state), self.linear(d, d_state)
        self.A = nn.Parameter(-torch.ones(d, d_state, **self.factory))

    @staticmethod
    def _delta_size(d: int, d_state: int) -> int:
        return d

    def mix(
        self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool
    ) -> tuple[Tensor, State | None]:
        """S6 on σ(conv(x))."""
        x_hat, conv = self.conv(x, seq_idx, None if state is None else state.conv)
        parts = (x_hat, self.step_size(self.delta(x_hat)), self.B(x_hat), self.C(x_hat))
        u, delta, B, C = (part.transpose(1, 2) for part in parts)
        y, ssm = self._scanned(self._scan, (u, delta, self.A, B, C), seq_idx, state, return_last_state)
        return y, None if ssm is None else State(conv, ssm)

    def _scan(self, *signals: Any, **options: Any) -> Any:
        return ops.selective_scan(*signals, **options)

    def _state_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.conv.weight.shape[0], self.conv.weight.shape[1] - 1), tuple(self.A.shape)


class PaperMambaDeltaT(PaperMamba):
    """As PaperMamba, with delta.weight (d_state, d) and Δ along the state: `kernels.semantics.paper_mamba_delta_t`."""

    @staticmethod
    def _delta_size(d: int, d_state: int) -> int:
        return d_state

    def _scan(self, *signals: Any, **options: Any) -> Any:
        return ops.selective_scan_delta_t(*signals, **options)


class PaperS4D(PaperBlock):
    """Weights conv.*, A, B, C (d, d_state), gate.*, and Δ = 1, by Euler's rule: `kernels.semantics.paper_s4d`."""

    def __init__(self, d: int, d_state: int, d_conv: int = 2, **options: Any) -> None:
        super().__init__(d, d, d_state, delta_activation="identity", **options)
        self.conv = self.taps(d, d_conv)
        self.A = nn.Parameter(-torch.ones(d, d_state, **self.factory))
        self.B = nn.Parameter(torch.ones(d, d_state, **self.factory))
        self.C = nn.Parameter(torch.randn(d, d_state, **self.factory))

    def mix(
        self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool
    ) -> tuple[Tensor, State | None]:
        """S4D on σ(conv(x))."""
        x_hat, conv = self.conv(x, seq_idx, None if state is None else state.conv)
        u = x_hat.transpose(1, 2)
        signals = (u, torch.ones_like(u), self.A, self.B, self.C)
        y, ssm = self._scanned(ops.selective_scan, signals, seq_idx, state, return_last_state)
        return y, None if ssm is None else State(conv, ssm)

    def _state_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.conv.weight.shape[0], self.conv.weight.shape[1] - 1), tuple(self.A.shape)


class PaperMamba2(PaperBlock):
    """Weights x.*, B.*, C.* with {x,B,C}_conv.*, delta.*, A (nheads), gate.*: `kernels.semantics.paper_mamba2`."""

    def __init__(
        self, d_model: int, d_state: int, d_conv: int = 2, *, d: int | None = None, nheads: int = 1, **options: Any
    ) -> None:
        d = d_model if d is None else d
        super().__init__(d_model, d, d_state, **options)
        check_sizes(nheads=nheads)
        if d % nheads:
            raise ValueError(f"nheads = {nheads} must divide d = {d}.")
        self.nheads, self.d_state = nheads, d_state
        self.x = self.linear(d_model, d)
        self.B, self.C = self.linear(d_model, d_state), self.linear(d_model, d_state)
        self.x_conv = self.taps(d, d_conv)
        self.B_conv, self.C_conv = self.taps(d_state, d_conv), self.taps(d_state, d_conv)
        self.delta = nn.Linear(d_model, nheads, **self.factory)
        self.A = nn.Parameter(-torch.ones(nheads, **self.factory))

    def mix(
        self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool
    ) -> tuple[Tensor, State | None]:
        """SSD on σ(conv(linear(x))); the State has the convolutions of x, B and C one below another."""
        maps = ((self.x, self.x_conv), (self.B, self.B_conv), (self.C, self.C_conv))
        sizes = [linear.out_features for linear, _ in maps]
        pasts = [None] * 3 if state is None else state.conv.split(sizes, dim=1)
        parts = [taps(linear(x), seq_idx, past) for (linear, taps), past in zip(maps, pasts, strict=True)]
        values, B, C = (y for y, _ in parts)
        options: dict[str, Any] = {
            "initial_states": None if state is None else state.ssm,
            "seq_idx": seq_idx,
            "backend": self.backend,
        }
        if self.delta_activation in ("identity", "silu"):  # Δ may be negative, and the paper's is not clamped
            options["dt_limit"] = (-math.inf, math.inf)
        dt, heads = self.step_size(self.delta(x)), values.unflatten(-1, (self.nheads, -1))
        matrices = (B[:, :, None], C[:, :, None])
        result = ops.ssd_chunk_scan(heads, dt, self.A, *matrices, return_final_states=return_last_state, **options)
        if not return_last_state:
            return result.flatten(2), None
        y, ssm = result
        return y.flatten(2), State(torch.cat([last for _, last in parts], dim=1), ssm)

    def _state_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        d, taps = self.x_conv.weight.shape
        return (d + 2 * self.d_state, taps - 1), (self.nheads, d // self.nheads, self.d_state)
