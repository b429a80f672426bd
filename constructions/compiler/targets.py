"""The targets that networks with exact weights are made for, by name: tensors, definition, module of each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from mamba_theorems.constructions.compiler.tensors import MAMBA, MAMBA2, PAPER, PAPER_DELTA_T, PAPER_MAMBA2, Table
from mamba_theorems.kernels import blocks, semantics

OFFICIAL_SIZES = ("d_state", "d_conv", "d_inner")


@dataclass(frozen=True)
class Target:
    """A block, alone between an embedding and a head, or as the mixer of a whole language model.

    `sizes` gives for each size that the module takes the name of ours. `delta_activation` is that of the paper's
    blocks; the official ones have none.
    """

    table: Table
    equation: Callable[..., np.ndarray]
    module: Callable[..., nn.Module]
    sizes: Mapping[str, str]
    delta_activation: str | None = None
    is_language_model: bool = False


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _paper(table: Table, equation: Callable[..., np.ndarray], module: Callable[..., nn.Module], **more: str) -> Target:
    activation = more.pop("delta_activation", "identity")
    return Target(table, equation, module, _same("d_state", "d_conv") | more, activation)


def _mamba(*, whole: bool) -> Target:
    sizes = _same(*OFFICIAL_SIZES, "dt_rank")
    return Target(MAMBA, semantics.mamba, blocks.Mamba, sizes, is_language_model=whole)


def _mamba2(*, whole: bool) -> Target:
    sizes = _same(*OFFICIAL_SIZES, "headdim", "ngroups", "chunk_size")
    return Target(MAMBA2, semantics.mamba2, blocks.Mamba2, sizes, is_language_model=whole)


TARGETS = {
    "paper": _paper(PAPER, semantics.paper_mamba, blocks.PaperMamba),
    "official": _mamba(whole=False),
    "language_model": _mamba(whole=True),
    "paper_mamba2": _paper(PAPER_MAMBA2, semantics.paper_mamba2, blocks.PaperMamba2, d="d_inner"),
    "official_mamba2": _mamba2(whole=False),
    "mamba2_language_model": _mamba2(whole=True),
    "paper_delta_t": _paper(
        PAPER_DELTA_T, semantics.paper_mamba_delta_t, blocks.PaperMambaDeltaT, delta_activation="softplus"
    ),
}
MIXER_TARGETS = tuple(name for name in TARGETS if name != "paper_delta_t")
"""What a described mixer compiles to: all but Δ^⊤, whose step runs along the state."""


def require_target(name: str, among: Iterable[str] = TARGETS) -> None:
    """Raises ValueError for a target that is not one of them."""
    if name not in among:
        raise ValueError(f"There is no target {name!r}: choose one of {', '.join(among)}.")
