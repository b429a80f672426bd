"""What a user may ask of a run: how much, on what, from which seed, at which sizes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mamba_theorems.kernels.dtypes import DTYPES

FOREIGN_MEMORY = 4 << 30  # bytes that a run on someone else's kernel may take, a worker


class Tier(StrEnum):
    """How much is run: quick is for every day, full for a release, gpu needs a CUDA device."""

    QUICK = "quick"
    FULL = "full"
    GPU = "gpu"


@dataclass(frozen=True)
class Sizes:
    """Sizes the user asked for, by Zoology's names."""

    vocab_size: int
    input_seq_len: int
    num_kv_pairs: int


class NotAvailable(RuntimeError):
    """What a check needs is not on this machine, or not in the kernel that it runs on."""


class BrokenInstrument(RuntimeError):
    """What decides decides a known case wrongly; the message is one sentence that names it."""


@dataclass(frozen=True)
class Run:
    """What the user asked for: how much, on what, from which seed, at which sizes.

    `kernel` names someone else's implementation that runs under every block, if there is one (it is set by the caller
    with `kernels.using_backend`).
    """

    tier: Tier = Tier.QUICK
    seed: int = 0
    device: str = "cpu"
    dtypes: tuple[str, ...] = DTYPES
    kernel: str = ""
    sizes: Sizes | None = None
    shrink: bool = True
