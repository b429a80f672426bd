"""The forms of one recurrence as code of their own, and selective copying as an explicit language model."""

from mamba_theorems.constructions.foundations.copying import Copier, Copying, selective_copying
from mamba_theorems.constructions.foundations.forms import (
    chunked,
    fft_convolution,
    gated_rnn,
    gated_rnn_in_s6,
    masked_attention,
    s4d_kernel,
)

__all__ = [
    "Copier",
    "Copying",
    "chunked",
    "fft_convolution",
    "gated_rnn",
    "gated_rnn_in_s6",
    "masked_attention",
    "s4d_kernel",
    "selective_copying",
]
