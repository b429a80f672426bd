"""SSD, Mamba-2's scan, in chunks: attention inside a chunk, one recurrence between chunks, all in matrix products.

Decays are exponentials of sums over segments that are *summed*, never differences of running sums: after 256 steps of
strong decay such a difference has lost its digits. Torch throughout: any device, gradients by autograd.
Source: Dao & Gu 2024, section 6 and Listing 1.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


class Chunks(NamedTuple):
    """Arguments cut into chunks of Q steps, heads split into (groups g, heads a group k)."""

    x: Tensor  # (b, c, g, k, Q, p), times Δ
    decay: Tensor  # (b, c, g, k, Q), the logarithms Δ_t A
    B: Tensor  # (b, c, g, Q, n)
    C: Tensor  # (b, c, g, Q, n)


def segment_sums(x: Float[Tensor, "*batch Q"]) -> Float[Tensor, "*batch Q Q"]:
    """S[i, j] = x_{j+1} + … + x_i for j ≤ i, else −∞; each a sum of its own terms."""
    size = x.shape[-1]
    not_below, above = _masks(size, x.device)
    sums = x[..., :, None].expand(*x.shape, size).masked_fill(not_below, 0).cumsum(-2)
    return sums.masked_fill(above, -torch.inf)


@lru_cache(maxsize=32)
def _masks(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where j ≥ i, and where j > i, (size, size)."""
    every = torch.ones(size, size, dtype=torch.bool, device=device)
    return every.triu(0), every.triu(1)


def chunk_scan(
    x: Float[Tensor, "batch length nheads headdim"],
    log_decay: Float[Tensor, "batch length nheads"],
    B: Float[Tensor, "batch length groups d_state"],
    C: Float[Tensor, "batch length groups d_state"],
    initial_state: Float[Tensor, "batch nheads headdim d_state"],
    chunk_size: int,
) -> tuple[Float[Tensor, "batch length nheads headdim"], Float[Tensor, "batch nheads headdim d_state"]]:
    """y_t = h_t C_t and h_L of h_t = e^{log_decay_t} h_{t−1} + x_t ⊗ B_t. A log-decay of −∞ starts afresh."""
    length = x.shape[1]
    chunks = cut(x, log_decay, B, C, chunk_size)
    decays = torch.exp(segment_sums(chunks.decay))
    within = (chunks.C @ chunks.B.mT)[:, :, :, None] * decays @ chunks.x
    written = chunks.x.mT @ (chunks.B[:, :, :, None] * decays[..., -1, :, None])
    from_start = torch.exp(chunks.decay.cumsum(-1))
    states, last = _between_chunks(written, from_start[..., -1], initial_state)
    carried = (chunks.C[:, :, :, None] @ states.mT) * from_start[..., None]
    return joined(within + carried, length), last


def cut(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, chunk_size: int) -> Chunks:
    """Pad with steps that do nothing (no decay, no input) and split time into chunks."""
    missing = -x.shape[1] % chunk_size
    groups = B.shape[2]

    def split(m: Tensor) -> Tensor:
        padding = (0, 0) * (m.ndim - 2) + (0, missing)
        return functional.pad(m, padding).unflatten(1, (-1, chunk_size))

    x, log_decay = split(x).unflatten(3, (groups, -1)), split(log_decay).unflatten(3, (groups, -1))
    B, C = (split(m).transpose(2, 3) for m in (B, C))
    return Chunks(x.permute(0, 1, 3, 4, 2, 5), log_decay.permute(0, 1, 3, 4, 2), B, C)


def joined(y: Tensor, length: int) -> Tensor:
    """(b, c, g, k, Q, p) as (batch, length, nheads, headdim)."""
    return y.permute(0, 1, 4, 2, 3, 5).flatten(1, 2).flatten(2, 3)[:, :length]


def _between_chunks(written: Tensor, decay: Tensor, initial_state: Tensor) -> tuple[Tensor, Tensor]:
    """The state before each chunk (b, c, g, k, p, n), and the last one (b, nheads, p, n): one step a chunk."""
    h = initial_state.unflatten(1, written.shape[2:4])
    states = []
    for chunk in range(written.shape[1]):
        states.append(h)
        h = decay[:, chunk, ..., None, None] * h + written[:, chunk]
    return torch.stack(states, 1), h.flatten(1, 2)
