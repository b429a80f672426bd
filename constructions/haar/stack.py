"""Official blocks in a row over a sequence: what goes in at each position, and what is read of what comes out."""

from dataclasses import dataclass

import numpy as np
import torch

from mamba_theorems.constructions.compiler.channels import Space
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.kernels.fields import Field


@dataclass(frozen=True)
class Stack:
    """Blocks over the channels of `space`; all but the last add to their input."""

    space: Space
    layers: tuple[Construction, ...]

    def inputs(self, sequence: np.ndarray) -> np.ndarray:
        """The first block's inputs for sequences (..., L)."""
        raise NotImplementedError

    def read(self, y: np.ndarray) -> np.ndarray:
        """What the last block's outputs are read for."""
        raise NotImplementedError

    def run(self, f: Field, sequence: np.ndarray) -> np.ndarray:
        """What is read of sequences (..., L), by the blocks' definition over a number field."""
        u = f.array(self.inputs(sequence))
        for layer in self.layers[:-1]:
            u = u + layer.run(f, u)
        return self.read(self.layers[-1].run(f, u))

    def on_kernels(self, sequence: np.ndarray, dtype: torch.dtype, device: str = "cpu") -> np.ndarray:
        """The same on the torch blocks; sequences (batch, L)."""
        u = torch.from_numpy(self.inputs(sequence)).to(device, dtype)
        with torch.no_grad():
            for layer in self.layers[:-1]:
                u = u + layer.module(dtype, device=device)(u)
            return self.read(self.layers[-1].module(dtype, device=device)(u).cpu().numpy())
