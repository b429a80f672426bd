"""Networks of Section 3: Heaviside steps and wavelets by S6, KEEP n-TH, and Haar transforms in the official blocks."""

from mamba_theorems.constructions.haar.heavisides import (
    Steps,
    discrete_step,
    discrete_wavelet,
    keep_one_state,
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
    "HaarNetwork",
    "KeepNth",
    "Steps",
    "Wavelet",
    "discrete_step",
    "discrete_wavelet",
    "full_basis",
    "keep_nth",
    "keep_one_state",
    "keep_two_channels",
    "mamba1_haar",
    "mamba2_haar",
    "wavelet",
    "wavelet_layer",
    "wavelet_steps",
]
