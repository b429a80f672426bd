"""The token system, written with the block's own selective scan: an S6 layer is one Euler step of it.

dx_l/dt = Σ_{j≤l} (S_C x_l · S_B x_j) Δ_j exp(−a Σ_{k=j+1}^{l} Δ_k) x_j, Δ_j = softplus(S_Δ · x_j): S6 with u = x,
one Δ a token and A = −a. Source: Vo et al. (ICLR 2025), restated from the abstract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mamba_theorems.kernels.fields import FLOAT64, Exact, Field
from mamba_theorems.kernels.semantics import selective_scan


@dataclass(frozen=True)
class TokenSystem:
    """S_B, S_C (..., N, D), S_delta (..., D) and the decay a >= 0 (...): batches of systems share leading dimensions.

    Entries are exact numbers or floats; `velocity` reads them in the field it is given.
    """

    S_B: np.ndarray
    S_C: np.ndarray
    S_delta: np.ndarray
    decay: np.ndarray

    @classmethod
    def scalar(cls, mu: Exact | np.ndarray, S_delta: Exact | np.ndarray, decay: Exact | np.ndarray) -> TokenSystem:
        """One dimension with S_C = 1 and S_B = mu; arguments broadcast to a batch."""
        mu, S_delta, decay = np.broadcast_arrays(np.asarray(mu), np.asarray(S_delta), np.asarray(decay))
        return cls(mu[..., None, None], np.ones_like(mu)[..., None, None], S_delta[..., None], decay)

    @classmethod
    def of_form(cls, S: np.ndarray, S_delta: np.ndarray, decay: np.ndarray) -> TokenSystem:
        """The system whose S_C^T S_B is `S` (..., D, D): S_B = S, S_C = 1."""
        identity = np.broadcast_to(np.eye(S.shape[-1], dtype=int).astype(S.dtype), S.shape)
        return cls(S, identity, S_delta, np.asarray(decay))

    @property
    def form(self) -> np.ndarray:
        """S = S_C^T S_B, (..., D, D)."""
        return np.swapaxes(self.S_C, -1, -2) @ self.S_B

    def with_form_negated(self) -> TokenSystem:
        """The same with the sign of S (in one dimension: of mu) flipped."""
        return replace(self, S_B=-self.S_B)

    def only(self, which: np.ndarray) -> Self:
        """Some systems of a batch with one leading dimension."""
        return replace(
            self, S_B=self.S_B[which], S_C=self.S_C[which], S_delta=self.S_delta[which], decay=self.decay[which]
        )

    def steps(self, f: Field, x: np.ndarray) -> np.ndarray:
        """Δ_l = softplus(S_Δ · x_l): (..., L) for x (..., L, D)."""
        with f.arithmetic():
            return f.softplus((x * f.array(self.S_delta)[..., None, :]).sum(-1))

    def velocity(self, x: np.ndarray, f: Field = FLOAT64) -> np.ndarray:
        """dx/dt (..., L, D) of tokens x (..., L, D), by `kernels.semantics.selective_scan`."""
        S_B, S_C, decay = (f.array(w) for w in (self.S_B, self.S_C, self.decay))
        with f.arithmetic():
            B, C = (x @ np.swapaxes(S, -1, -2) for S in (S_B, S_C))
            delta = self.steps(f, x)[..., None]
            A = -decay[..., None, None, None] * f.array(np.ones((1, 1, 1), dtype=int))
            return selective_scan(f, x, delta, A, B, C)


def quadratic_forms(S: np.ndarray, x: np.ndarray) -> np.ndarray:
    """q_l = x_l^T S x_l: (..., L) for S (..., D, D) and x (..., L, D)."""
    return np.einsum("...ld,...de,...le->...l", x, S, x)
