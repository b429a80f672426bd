"""Networks of Section 3: Heaviside steps and wavelets by S6, KEEP n-TH, and Haar transforms in the official blocks."""

from mamba_theorems.constructions.compiler.blocks import Block
from mamba_theorems.constructions.haar.heavisides import (
    Steps,
    discrete_step,
    discrete_wavelet,
    keep_two_channels,
    wavelet_layer,
    wavelet_steps,
)
from mamba_theorems.constructions.haar.keep import KeepNth, keep_nth
from mamba_theorems.constructions.haar.transform import (
    HaarNetwork,
    Wavelet,
    full_basis,
    mamba1_haar,
    mamba2_haar,
    wavelet,
)

__all__ = [
    "Block",
    "HaarNetwork",
    "KeepNth",
    "Steps",
    "Wavelet",
    "describe_claim",
    "discrete_step",
    "discrete_wavelet",
    "full_basis",
    "keep_nth",
    "keep_two_channels",
    "mamba1_haar",
    "mamba2_haar",
    "wavelet",
    "wavelet_layer",
    "wavelet_steps",
]


def describe_claim(claim: str) -> list[str]:
    """The claim's weights by channel at the smallest size; [] where there is no network."""
    if claim == "haar.official-block":
        network = mamba1_haar(2, (wavelet(1, 0),))
        return ["one coefficient of a signal of length 2, official Mamba-1:", *_indented(network.layers[0])]
    if claim == "haar.keep-nth-one-state":
        return ["KEEP 2nd over two tokens, official Mamba-1:", *_indented(keep_nth(2, 2).block)]
    return []


def _indented(block: Block) -> list[str]:
    return [f"  {line}" for line in block.told]
