"""The targets that networks with exact weights are made for, by name: tensors, definition, module of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from mamba_theorems.constructions.compiler.tensors import (
    MAMBA,
    MAMBA2,
    PAPER,
    PAPER_DELTA_T,
    PAPER_MAMBA2,
    PAPER_S4D,
    Table,
)
from mamba_theorems.kernels import blocks, semantics


@dataclass(frozen=True)
class Target:
    """A block, alone or between an embedding and a head, or as the mixer of a whole language model.

    `sizes` are those that the module takes by name. `delta_activation` is that of the paper's blocks, whose other
    activation is the network's; S4D's Δ and the official blocks have none.
    """

    table: Table
    equation: Callable[..., np.ndarray]
    module: Callable[..., nn.Module]
    sizes: tuple[str, ...]
    delta_activation: str | None = None
    is_language_model: bool = False
    is_the_papers: bool = False


_PAPER = Target(PAPER, semantics.paper_mamba, blocks.PaperMamba, ("d_state", "d_conv"), "identity", is_the_papers=True)
_PAPER_MAMBA2 = Target(
    PAPER_MAMBA2,
    semantics.paper_mamba2,
    blocks.PaperMamba2,
    ("d_state", "d_conv", "d", "nheads"),
    "identity",
    is_the_papers=True,
)
_MAMBA = Target(MAMBA, semantics.mamba, blocks.Mamba, ("d_state", "d_conv", "d_inner", "dt_rank"))
_MAMBA2 = Target(
    MAMBA2, semantics.mamba2, blocks.Mamba2, ("d_state", "d_conv", "d_inner", "headdim", "ngroups", "chunk_size")
)
TARGETS = {
    "paper": _PAPER,
    "official": _MAMBA,
    "language_model": replace(_MAMBA, is_language_model=True),
    "paper_mamba2": _PAPER_MAMBA2,
    "official_mamba2": _MAMBA2,
    "mamba2_language_model": replace(_MAMBA2, is_language_model=True),
    "paper_delta_t": Target(
        PAPER_DELTA_T,
        semantics.paper_mamba_delta_t,
        blocks.PaperMambaDeltaT,
        _PAPER.sizes,
        "softplus",
        is_the_papers=True,
    ),
    "paper_s4d": Target(PAPER_S4D, semantics.paper_s4d, blocks.PaperS4D, _PAPER.sizes, is_the_papers=True),
}
MIXER_TARGETS = tuple(name for name in TARGETS if name not in ("paper_delta_t", "paper_s4d"))
"""What a described mixer that selects compiles to: all but Δ^⊤, whose step runs along the state, and S4D."""
COMPILED_TARGETS = (*MIXER_TARGETS, "paper_s4d")
"""What a described mixer compiles to."""


def require_target(name: str, among: Iterable[str] = TARGETS) -> None:
    """Raises ValueError for a target that is not one of them."""
    if name not in among:
        raise ValueError(f"There is no target {name!r}: choose one of {', '.join(among)}.")
