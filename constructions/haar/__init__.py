"""Networks of Section 3: Heaviside steps and wavelets by S6, KEEP n-TH, and Haar transforms in the official blocks."""

from constructions.compile import Weights
from constructions.haar.blocks import Block
from constructions.haar.heavisides import (
    Steps,
    discrete_step,
    discrete_wavelet,
    keep_two_channels,
    wavelet_steps,
)
from constructions.haar.keep import KeepNth, keep_nth
from constructions.haar.transform import HaarNetwork, Wavelet, full_basis, mamba1_haar, mamba2_haar, wavelet

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
    "wavelet_steps",
]


def describe_claim(claim: str) -> list[str]:
    """The claim's weights at the smallest size, one line a weight; [] where there is no network."""
    if claim == "haar.official-block":
        one = mamba1_haar(2, (wavelet(1, 0),))
        return ["one coefficient of a signal of length 2, official Mamba-1:", *_lines(one.layers[0])]
    if claim == "haar.keep-nth-one-state":
        return ["KEEP 2nd over two tokens, official Mamba-1:", *_lines(keep_nth(2, 2).block)]
    return []


def _lines(block: Block) -> list[str]:
    inputs = ", ".join(map(str, block.space))
    return [f"  input and output channels: {inputs}", *(f"  {line}" for line in _entries(block.weights))]


def _entries(weights: Weights) -> list[str]:
    return [
        f"{name} {weight.shape}, {weight.fill} but at "
        + (", ".join(f"{list(map(_where, index))}: {value}" for index, value in weight.entries.items()) or "no place")
        for name, weight in weights.items()
    ]


def _where(index: int | range) -> str:
    return str(index) if isinstance(index, int) else f"{index.start}…{index.stop - 1}"
