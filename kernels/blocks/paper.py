"""The paper's simplified blocks as torch modules ([P] Table 2, eq. 14): conv, σ, mixer, optional gate; nothing else.

Each has the weights and the meaning of its namesake in `kernels.semantics`, and (batch, L, d) → (batch, L, d).
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import check_sizes
from mamba_theorems.kernels.blocks.mamba import Factory, softplus

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

    def forward(self, x: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch length channels"]:
        """σ(conv(x))."""
        y = ops.causal_conv1d(x.transpose(1, 2), self.weight, self.bias, backend=self.backend)
        return ACTIVATIONS[self.activation](y).transpose(1, 2)


class PaperBlock(nn.Module):
    """What the paper's blocks share: their options, the activation and the optional gate σ(linear(x)) ⊙ y.

    `bias` is of every linear map but that of Δ.
    """

    def __init__(
        self,
        d: int,
        d_out: int,
        *,
        gate: bool = False,
        bias: bool = True,
        activation: str = "relu",
        delta_activation: str = "softplus",
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes(d=d)
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

    def forward(self, x: Float[Tensor, "batch length d"]) -> Float[Tensor, "batch length d_out"]:
        """The block's output."""
        y = self.mix(x)
        return y if self.gate is None else ACTIVATIONS[self.activation](self.gate(x)) * y

    def mix(self, x: Tensor) -> Tensor:
        """The block without its gate."""
        raise NotImplementedError

    def step_size(self, delta: Tensor) -> Tensor:
        """Δ of its linear map."""
        return ACTIVATIONS[self.delta_activation](delta)


class PaperMamba(PaperBlock):
    """Weights conv.*, delta.*, B.*, C.*, A, gate.*: `kernels.semantics.paper_mamba`."""

    def __init__(self, d: int, d_state: int, d_conv: int = 2, **options: Any) -> None:
        super().__init__(d, d, **options)
        self.conv = self.taps(d, d_conv)
        self.delta = nn.Linear(d, self._delta_size(d, d_state), **self.factory)
        self.B, self.C = self.linear(d, d_state), self.linear(d, d_state)
        self.A = nn.Parameter(-torch.ones(d, d_state, **self.factory))

    @staticmethod
    def _delta_size(d: int, d_state: int) -> int:
        return d

    def mix(self, x: Tensor) -> Tensor:
        """S6 on σ(conv(x))."""
        x_hat, delta, B, C = self._projections(x)
        return ops.selective_scan(x_hat, delta, self.A, B, C, backend=self.backend).transpose(1, 2)

    def _projections(self, x: Tensor) -> tuple[Tensor, ...]:
        x_hat = self.conv(x)
        parts = (x_hat, self.step_size(self.delta(x_hat)), self.B(x_hat), self.C(x_hat))
        return tuple(part.transpose(1, 2) for part in parts)


class PaperMambaDeltaT(PaperMamba):
    """As PaperMamba, with delta.weight (d_state, d) and Δ along the state: `kernels.semantics.paper_mamba_delta_t`."""

    @staticmethod
    def _delta_size(d: int, d_state: int) -> int:
        return d_state

    def mix(self, x: Tensor) -> Tensor:
        """Δ^⊤ on σ(conv(x))."""
        x_hat, delta, B, C = self._projections(x)
        return ops.selective_scan_delta_t(x_hat, delta, self.A, B, C, backend=self.backend).transpose(1, 2)


class PaperS4D(PaperBlock):
    """Weights conv.*, A, B, C (d, d_state), gate.*, and Δ = 1, by Euler's rule: `kernels.semantics.paper_s4d`."""

    def __init__(self, d: int, d_state: int, d_conv: int = 2, **options: Any) -> None:
        super().__init__(d, d, delta_activation="identity", **options)
        self.conv = self.taps(d, d_conv)
        self.A = nn.Parameter(-torch.ones(d, d_state, **self.factory))
        self.B = nn.Parameter(torch.ones(d, d_state, **self.factory))
        self.C = nn.Parameter(torch.randn(d, d_state, **self.factory))

    def mix(self, x: Tensor) -> Tensor:
        """S4D on σ(conv(x))."""
        x_hat = self.conv(x).transpose(1, 2)
        one = torch.ones_like(x_hat)
        return ops.selective_scan(x_hat, one, self.A, self.B, self.C, backend=self.backend).transpose(1, 2)


class PaperMamba2(PaperBlock):
    """Weights x.*, B.*, C.* with {x,B,C}_conv.*, delta.*, A (nheads), gate.*: `kernels.semantics.paper_mamba2`."""

    def __init__(
        self, d_model: int, d_state: int, d_conv: int = 2, *, d: int | None = None, nheads: int = 1, **options: Any
    ) -> None:
        d = d or d_model
        super().__init__(d_model, d, **options)
        self.nheads = nheads
        self.x = self.linear(d_model, d)
        self.B, self.C = self.linear(d_model, d_state), self.linear(d_model, d_state)
        self.x_conv = self.taps(d, d_conv)
        self.B_conv, self.C_conv = self.taps(d_state, d_conv), self.taps(d_state, d_conv)
        self.delta = nn.Linear(d_model, nheads, **self.factory)
        self.A = nn.Parameter(-torch.ones(nheads, **self.factory))

    def mix(self, x: Tensor) -> Tensor:
        """SSD on σ(conv(linear(x)))."""
        values = self.x_conv(self.x(x)).unflatten(-1, (self.nheads, -1))
        B, C = self.B_conv(self.B(x))[:, :, None], self.C_conv(self.C(x))[:, :, None]
        dt = self.step_size(self.delta(x))
        return ops.ssd_chunk_scan(values, dt, self.A, B, C, backend=self.backend).flatten(2)
