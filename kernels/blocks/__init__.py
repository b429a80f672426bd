"""Every block as a torch module: the official ones, the paper's simplified ones, and a language model around them.

Their names are listed in `kernels/__init__.py`.
"""

# ruff: noqa: F401

from mamba_theorems.kernels.blocks.block import State
from mamba_theorems.kernels.blocks.language_model import MambaLM, RMSNorm
from mamba_theorems.kernels.blocks.mamba import Mamba, MambaDeltaT, MambaS4D
from mamba_theorems.kernels.blocks.mamba2 import Mamba2
from mamba_theorems.kernels.blocks.paper import PaperMamba, PaperMamba2, PaperMambaDeltaT, PaperS4D
