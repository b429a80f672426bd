"""A row: one thing that is tried, with a stable id, the kind of fault that it looks for, and how it is examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from torch import Tensor

from mamba_theorems.verify.conform.kinds import VALUES, FaultKind
from mamba_theorems.verify.conform.operations import Arguments, Draws
from mamba_theorems.verify.settings import Tier

Edit = Callable[[Arguments, Draws], Arguments]
Exact = Callable[[Arguments], Mapping[str, Tensor]]


@dataclass(frozen=True)
class SuiteRow:
    """What is drawn (options in use, sizes, edits of the arguments, layouts in memory) and which exam is held on it.

    dtype "" is the kernel's first. `cells` are the lines of the scorecard where the row counts, by default the options
    in use. `exactly` gives the right values, without bounds, where they are known exactly.
    """

    id: str
    kind: FaultKind = VALUES
    uses: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    dtype: str = ""
    edit: Edit | None = None
    layout: Mapping[str, str] = field(default_factory=dict)
    exam: str = "values"
    cells: tuple[str, ...] = ()
    gradient: bool = True
    exactly: Exact | None = None
    tier: Tier = Tier.QUICK

    @property
    def seed(self) -> int:
        """The seed of its draws: of its id alone."""
        return crc32(self.id.encode())

    @property
    def lines(self) -> tuple[str, ...]:
        """Where it counts in the scorecard."""
        return self.cells or self.uses or ("plain",)
