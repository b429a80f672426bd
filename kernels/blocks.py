"""Every block as a torch module: the official ones, the paper's simplified ones, and a language model around them."""

from kernels.language_model import MambaLM, RMSNorm
from kernels.mamba import Mamba, MambaDeltaT, MambaS4D, State
from kernels.mamba2 import Mamba2
from kernels.paper_blocks import PaperMamba, PaperMamba2, PaperMambaDeltaT, PaperS4D

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
