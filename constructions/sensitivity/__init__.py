"""Memory in explicit weights: eq. (11) for an S6 mixer, and official blocks that freeze time where they want."""

from mamba_theorems.constructions.sensitivity.eq11 import S6Mixer
from mamba_theorems.constructions.sensitivity.memory import (
    ANCHOR,
    StepRule,
    by_clock,
    by_flag,
    constant,
    memory_block,
    memory_block2,
)

__all__ = [
    "ANCHOR",
    "S6Mixer",
    "StepRule",
    "by_clock",
    "by_flag",
    "constant",
    "memory_block",
    "memory_block2",
]
