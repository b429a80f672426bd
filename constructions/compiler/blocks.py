"""Official blocks written in named channels: in_proj, taps, x_proj, Δ, A, D, gate and out_proj, exact and unrolled.

Where `constructions.compiler.compile` starts from tokens and a constant step, these take any input space (a signal,
time, a constant 1) and a step that may depend on it: what Section 3 of the paper asks of S6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.exact import Index, silu_preimage, softplus_preimage
from mamba_theorems.constructions.compiler.naming import NOTHING, LayerNames
from mamba_theorems.constructions.compiler.tensors import MAMBA, MAMBA2, Given, Weights, fill
from mamba_theorems.kernels.fields import Exact

Coefficients = Mapping[tuple[Channel, Channel], Exact]
UNIT = 128
"""SiLU(128) = softplus(128) = 128 in float32, and e^{−128} = 0: powers of two make the whole block exact."""
NO_DECAY = -60
"""A_log of a state that forgets nothing: 128·e^{−60} < 2^{−54}, so e^{ΔA} is exactly 1 in float32 and float64."""
CLOSED = -200
"""A Δ bias that writes nothing: softplus(−200) underflows in float32 and is 1e-87 in ℝ."""
D_CONV = 4
ONE, TIME, SIGNAL = Channel("one"), Channel("time"), Channel("signal")


@dataclass(frozen=True)
class Mamba1Description:
    """A Mamba-1 block by channel. Inner channels are SiLU(embedding·u + bias); the gate is SiLU(128) times `one`.

    Δ is 128, or softplus of one linear form of the inner channels, `step_map` and `step_bias`, the same for all. `D` is
    per inner channel, `a_log` the same for all.
    """

    target: ClassVar[str] = "official"
    space: Space
    inner: Space
    state: Space
    embedding: Coefficients
    bias: Mapping[Channel, Exact]
    B: Coefficients
    C: Coefficients
    readout: Coefficients
    step_map: Mapping[Channel, Exact] = field(default_factory=dict)
    step_bias: Exact | None = None
    D: Mapping[Channel, Exact] = field(default_factory=dict)
    a_log: Exact = NO_DECAY

    @property
    def sizes(self) -> dict[str, int]:
        """The block's sizes, by the field's names; dt_rank is 1."""
        sizes = {"d_model": len(self.space), "d_inner": len(self.inner), "d_state": len(self.state)}
        return sizes | {"d_conv": D_CONV, "dt_rank": 1}

    @property
    def names(self) -> LayerNames:
        """What every row is called."""
        return LayerNames(self.space, self.inner, (self.state,), self.inner, self.space, NOTHING.padded(1))

    def weights(self) -> Weights:
        """The weights, by the official names."""
        given: dict[str, Given] = {
            "in_proj.weight.x": LinearMap(self.space, self.inner, self.embedding),
            "in_proj.weight.z": _gate(self.space, self.inner),
            "conv1d.weight": current_token(len(self.inner)),
            "conv1d.bias": vector(self.inner, self.bias),
            "x_proj.weight.dt": {(0, self.inner.position(c)): value for c, value in self.step_map.items()},
            "x_proj.weight.B": LinearMap(self.inner, self.state, self.B),
            "x_proj.weight.C": LinearMap(self.inner, self.state, self.C),
            "dt_proj.weight": 1,
            "dt_proj.bias": softplus_preimage(UNIT) if self.step_bias is None else self.step_bias,
            "A_log": self.a_log,
            "D": vector(self.inner, self.D),
            "out_proj.weight": LinearMap(self.inner, self.space, self.readout),
        }
        return fill(MAMBA, self.sizes, given)

    def told(self) -> Iterator[str]:
        """What each weight does between named channels, for a reader."""
        for channel in self.inner:
            yield f"{channel} = SiLU({_sum(self.embedding, channel, self.bias.get(channel, 0))})"
        for state in self.state:
            yield f"B of {state} = {_sum(self.B, state)}"
            yield f"C of {state} = {_sum(self.C, state)}"
        steps = {(ONE, channel): value for channel, value in self.step_map.items()}
        yield "Δ = " + (str(UNIT) if self.step_bias is None else f"softplus({_sum(steps, ONE, self.step_bias)})")
        yield f"A = −exp({self.a_log}); D = {', '.join(f'{c}: {v}' for c, v in self.D.items()) or 0}; gate = {UNIT}"
        for channel in self.space:
            yield f"output {channel} = {_sum(self.readout, channel)}"


@dataclass(frozen=True)
class Mamba2Description:
    """A Mamba-2 block by channel: x, B and C are SiLU of linear maps of the input; one Δ and D a head.

    `heads` are equally long tuples of x channels, divided evenly among groups; B, C map the input to (group, state).
    `purposes` say what the x channels are for.
    RMSNorm runs over the x channels of a group: one of them may hold a constant that outweighs the rest.
    """

    target: ClassVar[str] = "official_mamba2"
    space: Space
    heads: tuple[tuple[Channel, ...], ...]
    codes: tuple[Space, ...]
    x: Coefficients
    x_bias: Mapping[Channel, Exact]
    B: Coefficients
    C: Coefficients
    dt_bias: tuple[Exact, ...]
    D: tuple[Exact, ...]
    readout: Coefficients
    purposes: Mapping[str, str] = field(default_factory=dict)

    @property
    def inner(self) -> Space:
        """The x channels, head by head."""
        return Space(tuple(channel for head in self.heads for channel in head), self.purposes)

    @property
    def sizes(self) -> dict[str, int]:
        """The block's sizes, by the field's names."""
        sizes = {"d_model": len(self.space), "d_inner": len(self.inner), "d_state": len(self.codes[0])}
        return sizes | {"d_conv": D_CONV, "nheads": len(self.heads), "ngroups": len(self.codes)}

    @property
    def names(self) -> LayerNames:
        """What every row is called; heads are counted from 0."""
        heads = Space(family("head", len(self.heads)), {"head": "one step and one decay for all channels of head n"})
        return LayerNames(self.space, self.inner, self.codes, heads, self.space)

    def weights(self) -> Weights:
        """The weights, by the official names."""
        inner, code = self.inner, Space(tuple(channel for group in self.codes for channel in group))
        given: dict[str, Given] = {
            "in_proj.weight.z": _gate(self.space, inner),
            "in_proj.weight.x": LinearMap(self.space, inner, self.x),
            "in_proj.weight.B": LinearMap(self.space, code, self.B),
            "in_proj.weight.C": LinearMap(self.space, code, self.C),
            "conv1d.weight.x": current_token(len(inner)),
            "conv1d.weight.B": current_token(len(code)),
            "conv1d.weight.C": current_token(len(code)),
            "conv1d.bias.x": vector(inner, self.x_bias),
            "dt_bias": {(head,): bias for head, bias in enumerate(self.dt_bias)},
            "A_log": NO_DECAY,
            "D": {(head,): skip for head, skip in enumerate(self.D)},
            "out_proj.weight": LinearMap(inner, self.space, self.readout),
        }
        return fill(MAMBA2, self.sizes, given)


def _gate(space: Space, inner: Space) -> LinearMap:
    """SiLU(z*) = 128 times `one`, for every inner channel."""
    return LinearMap(space, inner, dict.fromkeys(((channel, ONE) for channel in inner), silu_preimage(UNIT)))


def _sum(part: Coefficients, target: Channel, constant: Exact = 0) -> str:
    """A row of a linear map, as a sum of named channels."""
    terms = [f"{value}·{source}" for (row, source), value in part.items() if row == target]
    return " + ".join([*terms, *([str(constant)] if constant or not terms else [])])


def current_token(channels: int) -> dict[Index, Exact]:
    """The convolution that looks at the current token only, of conv1d.weight (channels, 1, 4)."""
    return {(range(channels), 0, D_CONV - 1): 1}


def vector(space: Space, values: Mapping[Channel, Exact]) -> dict[Index, Exact]:
    """Values by channel."""
    return {(space.position(channel),): value for channel, value in values.items()}
