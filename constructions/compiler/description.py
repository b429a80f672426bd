"""What is compiled: a mixer over named channels, its block's sizes, and why a target cannot hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.exact import Index
from mamba_theorems.kernels.fields import Exact


@dataclass(frozen=True)
class StepPatterns:
    """What the inner channels add to the steps: a channel of `follows` takes the sum that `patterns` gives its step.

    The paper's block adds the sum to the step itself, the official block to the argument of softplus. The rank of what
    is added is the number of patterns. Other channels keep their constant step.
    """

    patterns: LinearMap
    follows: Mapping[Channel, Channel]


@dataclass(frozen=True)
class MixerDescription:
    """One selective mixer: tokens -> inner channels -> convolution -> state -> readout, with a constant step.

    `taps` are a channel's convolution taps, the current token's last; `bias` the convolution's, 0 where missing.
    h_t = e^(-decay_rate step) h_(t-1) + step x_t B_t^T, y_t = h_t C_t, B_t = B x_t and C_t = C x_t.
    `gate` gives what each token multiplies y by, `level` what all tokens do where there is no gate; `position` what
    t = 1, 2, ... adds to the embedding, times t; `delta` what the inner channels add to the step. Gate, position and
    delta are None or empty where the mixer has none.
    """

    tokens: Space
    inner: Space
    state: Space
    embedding: LinearMap
    taps: Mapping[Channel, tuple[Exact, ...]]
    bias: Mapping[Channel, Exact]
    B: LinearMap
    C: LinearMap
    readout: LinearMap
    activation: str
    step: Exact = 1
    decay_rate: Exact = 0
    gate: LinearMap | None = None
    level: Exact = 1
    position: Mapping[Channel, Exact] = field(default_factory=dict)
    delta: StepPatterns | None = None

    @property
    def answers(self) -> tuple[Channel, ...]:
        """The tokens that the readout writes to, in order."""
        written = {target for target, _ in self.readout.coefficients}
        return tuple(token for token in self.tokens if token in written)

    @property
    def read(self) -> tuple[Channel, ...]:
        """The inner channels that the readout reads, in order."""
        sources = {source for _, source in self.readout.coefficients}
        return tuple(channel for channel in self.inner if channel in sources)

    @property
    def d_conv(self) -> int:
        """The most taps that a channel has."""
        return max(map(len, self.taps.values()), default=0)

    def taps_of(self, channels: Sequence[Channel], d_conv: int) -> dict[tuple[int, int], Exact]:
        """The taps that are not 0 as entries (channels, d_conv); a channel may occur twice."""
        return {
            (row, d_conv - len(self.taps[channel]) + i): tap
            for row, channel in enumerate(channels)
            for i, tap in enumerate(self.taps[channel])
            if tap != 0
        }

    def bias_of(self, channels: Sequence[Channel]) -> dict[Index, Exact]:
        """The convolution's biases as entries (channels,)."""
        return {(row,): self.bias[channel] for row, channel in enumerate(channels) if channel in self.bias}

    @property
    def num_patterns(self) -> int:
        """The rank of what is added to the steps."""
        return 0 if self.delta is None else len(self.delta.patterns.target)

    @property
    def stream_width(self) -> int:
        """d_model of the official block: the tokens' one-hot, and with positions what a counting layer needs."""
        return counting.stream_width(len(self.tokens)) if self.position else len(self.tokens)

    @property
    def layers(self) -> int:
        """How many a language model has: one that counts, where there are positions, and the mixer."""
        return 2 if self.position else 1


@dataclass(frozen=True)
class Layout:
    """The official block's sizes that the description leaves open; dt_rank defaults to ceil(d_model / 16)."""

    expand: int = 1
    d_conv: int = 4
    dt_rank: int | None = None

    def d_inner(self, description: MixerDescription) -> int:
        """The official block's inner width."""
        return self.expand * description.stream_width

    def sizes(self, description: MixerDescription) -> dict[str, int]:
        """d_model, d_inner, d_state, d_conv, expand and dt_rank, as the official block takes them."""
        d_model = description.stream_width
        least = max(ceil(d_model / 16), description.num_patterns)
        return {
            "d_model": d_model,
            "d_inner": self.d_inner(description),
            "d_state": len(description.state),
            "d_conv": self.d_conv,
            "expand": self.expand,
            "dt_rank": least if self.dt_rank is None else self.dt_rank,
        }


@dataclass(frozen=True)
class Reason:
    """Which part of a description a target cannot hold, and why."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"
