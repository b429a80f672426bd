"""KEEP n-TH (y_t = x_n for t ≥ n) with one state in the official Mamba-1 block: Corollary 2, sharpened.

The gate Δ_t = softplus(−w(t − n − ½)) overwrites the state up to token n and freezes it from then on; with w = 256
every number that occurs is a power of two or underflows, so floats are exact.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from mamba_theorems.constructions.compiler.blocks import ONE, TIME, UNIT, Block, Mamba1
from mamba_theorems.constructions.compiler.channels import Channel, Space, family
from mamba_theorems.kernels.fields import Field

SLOPE = 2 * UNIT
"""w of the gate: softplus(w/2) = 128 at token n, softplus(−w/2) = e^{−128} after it."""


@dataclass(frozen=True)
class KeepNth:
    """The block that outputs the one-hot code of token n at every t ≥ n; tokens are counted from 1."""

    n: int
    vocab_size: int
    block: Block

    def inputs(self, tokens: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """(..., L) ints → (..., L, vocab_size + 2): one-hot codes, time, a constant 1."""
        u = np.zeros((*tokens.shape, self.vocab_size + 2), dtype=dtype)
        np.put_along_axis(u, tokens[..., None], 1, axis=-1)
        u[..., self.block.space.position(TIME)] = np.arange(1, tokens.shape[-1] + 1)
        u[..., self.block.space.position(ONE)] = 1
        return u

    def run(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """Logits (..., L, vocab_size) by the block's definition over a number field."""
        return self.block.run(f, f.array(self.inputs(tokens, np.dtype(int))))[..., : self.vocab_size]

    def on_kernels(self, tokens: np.ndarray, dtype: torch.dtype, device: str = "cpu") -> np.ndarray:
        """The same on the torch block; tokens (batch, L)."""
        u = torch.from_numpy(self.inputs(tokens, np.dtype(float))).to(device, dtype)
        with torch.no_grad():
            return self.block.module(dtype, device)(u)[..., : self.vocab_size].cpu().numpy()


def keep_nth(n: int, vocab_size: int) -> KeepNth:
    """KEEP n-TH over one-hot tokens with time as an input: N = 1, d_inner = vocab_size + 2.

    h_t = e^{−Δ_t} h_{t−1} + Δ_t x_t (Euler), read with 1/softplus(w/2). Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"There is no token {n}: tokens are counted from 1.")
    tokens, values = family("token", vocab_size), family("value", vocab_size)
    clock, unit, kept = Channel("clock"), Channel("unit"), Channel("kept")
    mixer = Mamba1(
        space=Space((*tokens, TIME, ONE)),
        inner=Space((*values, clock, unit)),
        state=Space((kept,)),
        embedding={(clock, TIME): UNIT, (unit, ONE): UNIT} | dict.fromkeys(zip(values, tokens, strict=True), UNIT),
        bias={},
        B={(kept, unit): Fraction(1, UNIT)},
        C={(kept, unit): Fraction(1, UNIT)},
        readout=dict.fromkeys(zip(tokens, values, strict=True), Fraction(1, UNIT**3)),
        step_map={clock: Fraction(-SLOPE, UNIT)},
        step_bias=SLOPE * (n + Fraction(1, 2)),
        a_log=0,
    )
    return KeepNth(n, vocab_size, mixer.block())
