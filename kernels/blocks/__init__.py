"""Every block as a torch module: the official ones, the paper's simplified ones, and a language model around them."""

from mamba_theorems.kernels.blocks.language_model import MambaLM, RMSNorm
from mamba_theorems.kernels.blocks.mamba import Mamba, MambaDeltaT, MambaS4D, State
from mamba_theorems.kernels.blocks.mamba2 import Mamba2
from mamba_theorems.kernels.blocks.paper import PaperMamba, PaperMamba2, PaperMambaDeltaT, PaperS4D

__all__ = [
    "Mamba",
    "Mamba2",
    "MambaDeltaT",
    "MambaLM",
    "MambaS4D",
    "PaperMamba",
    "PaperMamba2",
    "PaperMambaDeltaT",
    "PaperS4D",
    "RMSNorm",
    "State",
]
