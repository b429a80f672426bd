"""A ReLU mixer with integer pre-activations as a SiLU mixer: SiLU(256 n) = 256 ReLU(n) at integers n.

Exact in float32, where e^-256 is 0; in float64 and in ℝ off by at most 256 e^-256 = 1.7e-109 a channel.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from constructions.channels import Channel, LinearMap
from constructions.compile import MixerDescription, Steps
from constructions.counting import SHARP
from kernels.fields import Exact


def sharpened(description: MixerDescription) -> MixerDescription:
    """The same mixer with every inner channel 256 times as large, and every map that reads them divided by 256."""
    delta = description.delta
    return replace(
        description,
        activation="silu",
        embedding=_scaled(description.embedding, SHARP),
        bias=_times(description.bias),
        position=_times(description.position),
        B=_scaled(description.B, Fraction(1, SHARP)),
        C=_scaled(description.C, Fraction(1, SHARP)),
        readout=_scaled(description.readout, Fraction(1, SHARP)),
        delta=None if delta is None else Steps(_scaled(delta.patterns, Fraction(1, SHARP)), delta.follows),
    )


def _scaled(matrix: LinearMap, factor: Exact) -> LinearMap:
    return replace(matrix, coefficients={place: value * factor for place, value in matrix.coefficients.items()})


def _times(values: Mapping[Channel, Exact]) -> dict[Channel, Exact]:
    return {channel: value * SHARP for channel, value in values.items()}
