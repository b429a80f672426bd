"""The two refinements of Vo et al. as code to put on a block: exclude the convergent case, and reorder the tokens.

S_C = P, S_B = diag(s)P makes S_C^T S_B = P^T diag(s) P positive definite. Reordering sorts by a score that is linear in
Δ, by SoftSort (Prillo & Eisenschlos, 2020). Restated from the abstract; the parametrisation is ours.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize


def positive_form(upper: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S_B = diag(s) P and S_C = P, both (N, D), P the unit upper triangular part of `upper` (N, D), s > 0 (N).

    Entries may be exact. Raises ValueError for an s that is not positive.
    """
    if not all(value > 0 for value in s):
        raise ValueError("Every entry of s must be positive: the form would not exclude convergence.")
    rows, columns = np.indices(upper.shape)
    P = np.where(columns > rows, upper, (columns == rows).astype(int))
    return s[:, None] * P, P


class PositiveForm(nn.Module):
    """Parametrisation of an official Mamba block's `x_proj.weight` (dt_rank + 2N, d_inner): B rows diag(s)P, C rows P.

    Trains the strictly upper part of P (N, d_inner) and ln s (N); the rows of dt stay as they are.
    """

    def __init__(self, d_state: int, d_inner: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.upper = nn.Parameter(torch.zeros(d_state, d_inner, dtype=dtype))
        self.log_s = nn.Parameter(torch.zeros(d_state, dtype=dtype))

    def forward(self, weight: Float[Tensor, "rows d_inner"]) -> Float[Tensor, "rows d_inner"]:
        """The weight with its B and C rows replaced."""
        d_state, d_inner = self.upper.shape
        eye = torch.eye(d_state, d_inner, dtype=weight.dtype, device=weight.device)
        P = eye + torch.triu(self.upper, diagonal=1)
        dt = weight[: weight.shape[0] - 2 * d_state]
        return torch.cat([dt, self.log_s.exp()[:, None] * P, P])


def exclude_convergent(block: nn.Module, d_state: int) -> None:
    """Put `PositiveForm` on a block's x_proj, in place. Raises ValueError where the weight is too small for d_state."""
    projection = cast(nn.Linear, block.x_proj)
    weight = projection.weight
    if weight.shape[0] < 2 * d_state:
        raise ValueError(f"x_proj has {weight.shape[0]} rows, fewer than 2·d_state = {2 * d_state}: give its d_state.")
    form = PositiveForm(d_state, weight.shape[1], weight.dtype).to(weight.device)
    parametrize.register_parametrization(projection, "weight", form)


def softsort(scores: Float[Tensor, "*batch length"], tau: float | Tensor) -> Float[Tensor, "*batch length length"]:
    """Row i: softmax over j of −|score of rank i − score_j|/tau, ascending; a permutation as tau → 0."""
    ranked = scores.sort(dim=-1).values
    return torch.softmax(-(ranked[..., :, None] - scores[..., None, :]).abs() / tau, dim=-1)


class Reordered(nn.Module):
    """A mixer on tokens sorted by `score`, least important first, with its outputs put back in place.

    `score` maps x (batch, length, d) to (batch, length).
    """

    def __init__(self, mixer: nn.Module, score: nn.Module, tau: float = 0.1) -> None:
        super().__init__()
        self.mixer, self.score, self.tau = mixer, score, tau

    def forward(self, x: Float[Tensor, "batch length d"]) -> Float[Tensor, "batch length d"]:
        """P^T mixer(P x), P = softsort(score(x))."""
        order = softsort(self.score(x), self.tau)
        return order.transpose(-1, -2) @ self.mixer(order @ x)
