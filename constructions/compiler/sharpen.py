"""A ReLU mixer as a SiLU mixer whose elementary functions do not round.

`sharpened`: SiLU(256 n) = 256 ReLU(n) at integers n. Exact in float32, where e^-256 is 0; in float64 and in ℝ off by
at most 256 e^-256 = 1.7e-109 a channel. `amplified`: no argument is below 64, where SiLU and softplus give it back.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap
from mamba_theorems.constructions.compiler.counting import SHARP
from mamba_theorems.constructions.compiler.description import MixerDescription, StepPatterns
from mamba_theorems.constructions.compiler.exact import silu_preimage
from mamba_theorems.kernels.fields import Exact

LOUD = 64
"""e^-64 < 2^-92: sigmoid(64) is 1, SiLU(64 n) is 64 n and softplus(64) is 64 in float32 and float64."""


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
        delta=None if delta is None else StepPatterns(_scaled(delta.patterns, Fraction(1, SHARP)), delta.follows),
    )


def amplified(description: MixerDescription, *, normed: bool = False) -> MixerDescription:
    """The same mixer for codes that are integers: inner channels, step and gate are 64 times as large.

    The readout divides by their product, a power of 2, unless a norm in the block does (`normed`). In ℝ the embedding
    holds SiLU's preimages, which round to the integers. Raises ValueError where a bias, a gate, positions or a varying
    step would have to grow with them.
    """
    if description.bias or description.gate or description.position or description.delta:
        raise ValueError("Only codes without a bias, gate, position or varying step are amplified: sharpen this mixer.")
    loud = {place: silu_preimage(LOUD * code) for place, code in description.embedding.coefficients.items()}
    return replace(
        description,
        activation="silu",
        embedding=replace(description.embedding, coefficients=loud),
        step=LOUD * description.step,
        level=LOUD,
        readout=description.readout if normed else _scaled(description.readout, Fraction(1, LOUD**5)),
    )


def _scaled(matrix: LinearMap, factor: Exact) -> LinearMap:
    return replace(matrix, coefficients={place: value * factor for place, value in matrix.coefficients.items()})


def _times(values: Mapping[Channel, Exact]) -> dict[Channel, Exact]:
    return {channel: value * SHARP for channel, value in values.items()}
