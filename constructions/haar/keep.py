"""KEEP n-TH (y_t = x_n for t ≥ n) with one state in the official Mamba-1 block: Corollary 2, sharpened.

The gate Δ_t = softplus(−w(t − n − ½)) overwrites the state up to token n and freezes it from then on; with w = 256
every number that occurs is a power of two or underflows, so floats are exact.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mamba_theorems.constructions.compiler.blocks import ONE, TIME, UNIT, Mamba1Description
from mamba_theorems.constructions.compiler.channels import Channel, Space, family
from mamba_theorems.constructions.construction import Construction, alone
from mamba_theorems.constructions.haar.stack import Stack

CLAIM = "haar.keep-nth-one-state"
SLOPE = 2 * UNIT
"""w of the gate: softplus(w/2) = 128 at token n, softplus(−w/2) = e^{−128} after it."""


STREAM = {
    "token": "one where token n + 1 of the vocabulary stands; what comes out is the code of the token that is kept",
    "time": "t, counted from 1",
    "one": "a constant",
}
INNER = {
    "value": "128 where token n + 1 of the vocabulary stands: what is written",
    "clock": "128 t: what Δ is made of",
    "unit": "128: what B and C are made of",
}
STATE = {"kept": "the token on the input's scale: overwritten up to the wanted position, frozen from then on"}


@dataclass(frozen=True)
class KeepNth(Stack):
    """The block that outputs the one-hot code of token n at every t ≥ n; tokens are counted from 1."""

    n: int
    vocab_size: int

    @property
    def block(self) -> Construction:
        """The only block."""
        return self.layers[0]

    def inputs(self, sequence: np.ndarray) -> np.ndarray:
        """(..., L) ints → (..., L, vocab_size + 2) ints: one-hot codes, time, a constant 1."""
        u = np.zeros((*sequence.shape, self.vocab_size + 2), dtype=int)
        np.put_along_axis(u, sequence[..., None], 1, axis=-1)
        u[..., self.space.position(TIME)] = np.arange(1, sequence.shape[-1] + 1)
        u[..., self.space.position(ONE)] = 1
        return u

    def read(self, y: np.ndarray) -> np.ndarray:
        """Logits (..., L, vocab_size)."""
        return y[..., : self.vocab_size]


def keep_nth(n: int, vocab_size: int) -> KeepNth:
    """KEEP n-TH over one-hot tokens with time as an input: N = 1, d_inner = vocab_size + 2.

    h_t = e^{−Δ_t} h_{t−1} + Δ_t x_t (Euler), read with 1/softplus(w/2). Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"There is no token {n}: tokens are counted from 1.")
    tokens, values = family("token", vocab_size), family("value", vocab_size)
    clock, unit, kept = Channel("clock"), Channel("unit"), Channel("kept")
    mixer = Mamba1Description(
        space=Space((*tokens, TIME, ONE), STREAM),
        inner=Space((*values, clock, unit), INNER),
        state=Space((kept,), STATE),
        embedding={(clock, TIME): UNIT, (unit, ONE): UNIT} | dict.fromkeys(zip(values, tokens, strict=True), UNIT),
        bias={},
        B={(kept, unit): Fraction(1, UNIT)},
        C={(kept, unit): Fraction(1, UNIT)},
        readout=dict.fromkeys(zip(tokens, values, strict=True), Fraction(1, UNIT**3)),
        step_map={clock: Fraction(-SLOPE, UNIT)},
        step_bias=SLOPE * (n + Fraction(1, 2)),
        a_log=0,
    )
    return KeepNth(mixer.space, (alone(CLAIM, mixer, mixer.told()),), n, vocab_size)


def told() -> list[str]:
    """The block of the smallest size by channel."""
    return ["KEEP 2nd over two tokens, official Mamba-1:", *(f"  {line}" for line in keep_nth(2, 2).block.told)]


TOLD = {CLAIM: told}
