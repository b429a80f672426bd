"""[P] eq. (11), the derivative of an S6 mixer's states, over any number field."""

from dataclasses import dataclass

import numpy as np

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import Field


@dataclass(frozen=True)
class S6Mixer:
    """S6: Δ = softplus(W_Δ x̂ + b), B = W_B x̂; delta_weight (d, d), delta_bias (d), A (d, N), B_weight (N, d)."""

    delta_weight: np.ndarray
    delta_bias: np.ndarray
    A: np.ndarray
    B_weight: np.ndarray

    def one_head(self) -> "S6Mixer":
        """The Mamba-2 head with this mixer's first Δ and first decay: the same for all channels and states."""
        tied = np.repeat(self.delta_weight[:1], len(self.A), axis=0), np.repeat(self.delta_bias[:1], len(self.A))
        return S6Mixer(*tied, np.full_like(self.A, self.A[0, 0]), self.B_weight)

    def states(self, f: Field, x: np.ndarray) -> np.ndarray:
        """h_1 … h_L, (L, d, N), by the definition; x (L, d)."""
        with f.arithmetic():
            delta = f.softplus(semantics.linear(x, f.array(self.delta_weight), f.array(self.delta_bias)))
            B = semantics.linear(x, f.array(self.B_weight))
            return semantics.state_history(f, x, delta, f.array(self.A), B)

    def eq11(self, f: Field, x: np.ndarray, j: int, e: int) -> np.ndarray:
        """∂h_t/∂x̂_{j,e} for t = j … L, (L − j, d, N), j counted from 0: (Π_{r>j} Λ̄_r) K_j."""
        with f.arithmetic():
            z = semantics.linear(x, f.array(self.delta_weight), f.array(self.delta_bias))
            decay = f.exp(f.softplus(z)[..., None] * f.array(self.A))
            before = self.states(f, x)[j - 1] if j else 0 * decay[0]
            K = self._write_change(f, x[j], z[j], e) + self._decay_change(f, decay[j], z[j], e) * before
            return np.stack([K, *(K * p for p in np.multiply.accumulate(decay[j + 1 :], axis=0))])

    def _write_change(self, f: Field, x: np.ndarray, z: np.ndarray, e: int) -> np.ndarray:
        """∂(B̄ x̂)/∂x̂_e at one step, (d, N): Δ′Bx + ΔB′x + ΔB where the coordinate is e's."""
        B = semantics.linear(x, f.array(self.B_weight))
        through_delta = (f.sigmoid(z) * f.array(self.delta_weight)[:, e] * x)[:, None] * B
        through_B = (f.softplus(z) * x)[:, None] * f.array(self.B_weight)[:, e]
        own = f.array(np.eye(len(x), dtype=int))[:, e, None] * f.softplus(z)[:, None] * B
        return through_delta + through_B + own

    def _decay_change(self, f: Field, decay: np.ndarray, z: np.ndarray, e: int) -> np.ndarray:
        """∂Λ̄/∂x̂_e at one step, (d, N): A Δ′ e^{ΔA}."""
        slope = f.sigmoid(z) * f.array(self.delta_weight)[:, e]
        return f.array(self.A) * slope[:, None] * decay
