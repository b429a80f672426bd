"""The tensors of a described mixer in the paper's block with an S4D mixer ([P] Tab. 2): Δ = 1, constant B and C.

Where B and C read channels that hold a constant, the constants are theirs, and the channels are left out.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap
from mamba_theorems.constructions.compiler.description import MixerDescription, Reason
from mamba_theorems.constructions.compiler.exact import Index
from mamba_theorems.constructions.compiler.tensors import PAPER_S4D, Given, Weights, fill
from mamba_theorems.kernels.fields import SYMPY, Exact
from mamba_theorems.kernels.semantics import ACTIVATIONS


def _constants(description: MixerDescription) -> set[Channel]:
    """The channels that B and C read."""
    return {source for part in (description.B, description.C) for _, source in part.coefficients}


def without_constants(description: MixerDescription) -> MixerDescription:
    """The mixer without the channels that only B and C read."""
    constants = _constants(description)
    inner = description.inner.among(channel for channel in description.inner if channel not in constants)
    return replace(
        description,
        inner=inner,
        embedding=replace(description.embedding, target=inner),
        readout=replace(description.readout, source=inner),
        gate=None if description.gate is None else replace(description.gate, target=inner),
    )


def s4d_mixer(description: MixerDescription) -> Weights:
    """The paper's block."""
    kept = without_constants(description)
    inner, channels = kept.inner, kept.inner.channels
    sizes = {"d_model": len(inner), "d_state": len(kept.state), "d_conv": kept.d_conv}
    given: dict[str, Given] = {
        "conv.weight": dict(kept.taps_of(channels, kept.d_conv).items()),
        "conv.bias": kept.bias_of(channels),
        "A": -kept.decay_rate,
        "B": _constant_rows(description, description.B, len(inner)),
        "C": _constant_rows(description, description.C, len(inner)),
    }
    if kept.gate is not None:
        given["gate.weight"] = LinearMap.selecting(inner, inner, inner)
    return fill(PAPER_S4D, sizes, given)


def _constant_rows(description: MixerDescription, part: LinearMap, width: int) -> dict[Index, Exact]:
    """B or C, the same for every channel: what the constants give."""
    total: dict[Channel, Exact] = {}
    for (state, source), coefficient in part.coefficients.items():
        bias = SYMPY.array([description.bias.get(source, 0)])
        (constant,) = ACTIVATIONS[description.activation](SYMPY, np.asarray(bias))
        total[state] = total.get(state, 0) + coefficient * constant
    return {(range(width), description.state.position(state)): value for state, value in total.items()}


def no_s4d(description: MixerDescription) -> Iterator[Reason]:
    """Why S4D cannot hold the mixer."""
    moved = {target for target, _ in description.embedding.coefficients} | set(description.position)
    seen = sorted(channel for channel in _constants(description) & moved if any(description.taps[channel]))
    if seen:
        yield Reason("B", f"S4D's B and C are the same at every token, and {seen[0]} is not; use Mamba")
    if description.delta is not None or description.step != 1:
        yield Reason("step", "S4D's step is 1 at every token; use Mamba")
