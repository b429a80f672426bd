"""The tensors of a described mixer in the paper's Mamba-2 block ([P] Tab. 2) and in the official one.

x, B and C leave one convolution, with no linear map after it.
"""

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, silu_preimage, softplus_preimage
from mamba_theorems.constructions.compiler.mamba1 import a_log
from mamba_theorems.constructions.compiler.tensors import MAMBA2, PAPER_MAMBA2, Given, Weights, fill
from mamba_theorems.kernels.fields import Exact


def streams(description: MixerDescription) -> dict[str, tuple[Channel, ...]]:
    """Which inner channels x, B and C carry, in order. KeyError where B or C is no selection (see `validate`)."""
    source_of = {name: dict(getattr(description, name).coefficients.keys()) for name in ("B", "C")}
    return {"x": description.read} | {name: tuple(of[n] for n in description.state) for name, of in source_of.items()}


def readout(description: MixerDescription) -> ExactTensor:
    """(vocab_size, x channels): the readout of the x channels."""
    return LinearMap(Space(description.read), description.tokens, description.readout.coefficients).tensor()


def paper_mamba2_mixer(description: MixerDescription) -> Weights:
    """The paper's block, for one-hot inputs: its linear maps hold the description's embedding."""
    given: dict[str, Given] = {"delta.bias": description.step, "A": -description.decay_rate}
    for name, channels in streams(description).items():
        taps: dict[Index, Exact] = dict(description.taps_of(channels, description.d_conv).items())
        given |= {f"{name}.weight": _rows(description.embedding, channels), f"{name}_conv.weight": taps}
        given[f"{name}_conv.bias"] = description.bias_of(channels)
    sizes = {"d_model": len(description.tokens), "d_inner": len(description.read)}
    return fill(PAPER_MAMBA2, sizes | {"d_state": len(description.state), "d_conv": description.d_conv}, given)


def mamba2_mixer(description: MixerDescription, layout: Layout) -> Weights:
    """The official Mamba-2 block, one head, for one-hot inputs over `description.tokens`.

    The gate is SiLU(z* 1^T e) = `level`; the norm after it divides by a positive number, which no argmax sees.
    """
    given: dict[str, Given] = {
        "in_proj.weight.z": silu_preimage(description.level),
        "dt_bias": softplus_preimage(description.step),
        "A_log": a_log(description),
        "out_proj.weight": readout(description),
    }
    for name, channels in streams(description).items():
        taps = description.taps_of(channels, layout.d_conv)
        given[f"in_proj.weight.{name}"] = _rows(description.embedding, channels)
        given[f"conv1d.weight.{name}"] = {(row, 0, i): tap for (row, i), tap in taps.items()}
        given[f"conv1d.bias.{name}"] = description.bias_of(channels)
    return fill(MAMBA2, layout.sizes(description), given)


def _rows(matrix: LinearMap, channels: tuple[Channel, ...]) -> ExactTensor:
    """The rows of `matrix` for `channels`, one below the other (a channel may occur twice)."""
    row_of: dict[Channel, list[int]] = {}
    for row, channel in enumerate(channels):
        row_of.setdefault(channel, []).append(row)
    entries: dict[Index, Exact] = {
        (row, matrix.source.position(source)): value
        for (target, source), value in matrix.coefficients.items()
        for row in row_of.get(target, ())
    }
    return ExactTensor((len(channels), len(matrix.source)), 0, entries)
