"""The tensors of a described mixer in the paper's Mamba block ([P] Tab. 2) and in the official Mamba-1 block."""

from math import ceil, log

import sympy

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import Channel, LinearMap
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, silu_preimage, softplus_preimage
from mamba_theorems.constructions.compiler.tensors import MAMBA, PAPER, Given, Weights, fill
from mamba_theorems.kernels.fields import Exact

# The official block's decay is strict: e^-40 < 2^-54, so exp(-step e^-40) is exactly 1 in float32 and float64.
NEGLIGIBLE_A_LOG = -40


def paper_mixer(description: MixerDescription) -> Weights:
    """The paper's block; the step needs its `delta_activation="identity"`."""
    inner, channels = description.inner, description.inner.channels
    sizes = {"d_model": len(inner), "d_state": len(description.state), "d_conv": description.d_conv}
    given: dict[str, Given] = {
        "conv.weight": dict(description.taps_of(channels, description.d_conv).items()),
        "conv.bias": description.bias_of(channels),
        "delta.weight": _step_entries(description),
        "delta.bias": description.step,
        "B.weight": description.B,
        "C.weight": description.C,
        "A": -description.decay_rate,
    }
    if description.gate is not None:
        given["gate.weight"] = LinearMap.selecting(inner, inner, inner)
    return fill(PAPER, sizes, given)


def mamba_mixer(description: MixerDescription, layout: Layout) -> Weights:
    """The official Mamba-1 block, for one-hot inputs over `description.tokens`.

    The gate is SiLU(z* 1^T e) = `level` on a one-hot e; inner channels beyond the description's stay 0.
    """
    sizes, channels = layout.sizes(description), description.inner.channels
    given: dict[str, Given] = {
        "in_proj.weight.x": _inner_rows(description, sizes["d_inner"]),
        "in_proj.weight.z": _gate_rows(description, sizes["d_inner"]),
        "conv1d.weight": {(c, 0, i): tap for (c, i), tap in description.taps_of(channels, layout.d_conv).items()},
        "conv1d.bias": description.bias_of(channels),
        "x_proj.weight.B": description.B,
        "x_proj.weight.C": description.C,
        "dt_proj.bias": softplus_preimage(description.step),
        "A_log": a_log(description),
        "out_proj.weight": description.readout,
    }
    if description.delta is not None:
        given |= {"x_proj.weight.dt": description.delta.patterns, "dt_proj.weight": _followed(description)}
    return fill(MAMBA, sizes, given)


def a_log(description: MixerDescription) -> Exact:
    """log of the decay rate; where the description has no decay, so little that the step rounds it off."""
    if description.decay_rate:
        return sympy.log(description.decay_rate)
    return NEGLIGIBLE_A_LOG - max(0, ceil(log(description.step)))


# ------------------------------------------------------------------------------------------ varying steps


def _step_entries(description: MixerDescription) -> dict[Index, Exact]:
    """Δ's matrix, a block of rows for each run of channels that follow one pattern."""
    if description.delta is None:
        return {}
    place, runs = description.inner.position, _runs(description)
    return {
        (rows, place(source)): value
        for (pattern, source), value in description.delta.patterns.coefficients.items()
        for rows in runs.get(pattern, ())
    }


def _followed(description: MixerDescription) -> dict[Index, Exact]:
    """dt_proj: which pattern a channel's step follows."""
    if description.delta is None:
        return {}
    place = description.delta.patterns.target.position
    return {(rows, place(pattern)): 1 for pattern, found in _runs(description).items() for rows in found}


def _runs(description: MixerDescription) -> dict[Channel, list[range]]:
    """The places of the channels that follow each pattern, as runs."""
    runs: dict[Channel, list[range]] = {}
    follows = {} if description.delta is None else description.delta.follows
    for i, channel in enumerate(description.inner):
        if channel not in follows:
            continue
        found = runs.setdefault(follows[channel], [])
        if found and found[-1].stop == i:
            found[-1] = range(found[-1].start, i + 1)
        else:
            found.append(range(i, i + 1))
    return runs


# ---------------------------------------------------------------------------------- in_proj of the official block


def _inner_rows(description: MixerDescription, d_inner: int) -> ExactTensor:
    """The embedding, and the multiples of the count that stand for positions."""
    place, count = description.inner.position, len(description.tokens)
    rows = description.embedding.tensor().padded((d_inner, description.stream_width))
    return rows.with_entries({(place(channel), count): value for channel, value in description.position.items()})


def _gate_rows(description: MixerDescription, d_inner: int) -> Given:
    """z of each token: the SiLU preimage of its gate, or of `level` for all where the mixer has none."""
    level = silu_preimage(description.level)
    if description.position:
        return counting.gate_rows(len(description.tokens), d_inner, level)
    if description.gate is None:
        return level
    preimages = {value: silu_preimage(value) for value in set(description.gate.coefficients.values())}
    codes = {place: preimages[value] for place, value in description.gate.coefficients.items()}
    return LinearMap(description.tokens, description.inner, codes)
