"""What is compiled: a mixer over named channels, its block's sizes, and why a target cannot hold it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.kernels.fields import Exact


@dataclass(frozen=True)
class Steps:
    """What the inner channels add to the steps: a channel of `follows` takes the sum that `patterns` gives its step.

    The paper's block adds it to the step itself, the official block to the argument of softplus. Its rank is the number
    of patterns. Other channels keep their constant step.
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
    delta: Steps | None = None

    @property
    def answers(self) -> tuple[Channel, ...]:
        """The tokens that the readout writes to, in order."""
        written = {target for target, _ in self.readout.coefficients}
        return tuple(token for token in self.tokens if token in written)


@dataclass(frozen=True)
class Layout:
    """The official block's sizes that the description leaves open; dt_rank defaults to ceil(d_model / 16)."""

    expand: int = 1
    d_conv: int = 4
    dt_rank: int | None = None

    def sizes(self, description: MixerDescription) -> dict[str, int]:
        """d_model, d_inner, d_state, d_conv, expand and dt_rank, as the official block takes them."""
        d_model, patterns = stream_width(description), 0
        if description.delta is not None:
            patterns = len(description.delta.patterns.target)
        return {
            "d_model": d_model,
            "d_inner": self.expand * d_model,
            "d_state": len(description.state),
            "d_conv": self.d_conv,
            "expand": self.expand,
            "dt_rank": max(ceil(d_model / 16), patterns) if self.dt_rank is None else self.dt_rank,
        }


def stream_width(description: MixerDescription) -> int:
    """d_model of the official block: the tokens' one-hot, and with positions what a counting layer needs."""
    num_tokens = len(description.tokens)
    return counting.stream_width(num_tokens) if description.position else num_tokens


def layers(description: MixerDescription) -> int:
    """How many a language model has: one that counts, where there are positions, and the mixer."""
    return 2 if description.position else 1


@dataclass(frozen=True)
class Reason:
    """Which part of a description a target cannot hold, and why."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"
