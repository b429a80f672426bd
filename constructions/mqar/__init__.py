"""Explicit networks for multi-query associative recall ([P] Section 4.3 and our extensions)."""

from mamba_theorems.constructions.compiler.targets import MIXER_TARGETS as ALL_TARGETS
from mamba_theorems.constructions.mqar.builders import BUILDERS, build, robust, theorem4_without_gate
from mamba_theorems.constructions.mqar.theorem2 import (
    CLAIM,
    OFFICIAL_CODES,
    PAPER_CODES,
    RecallForm,
    TapCodes,
    describe,
    theorem2_step1,
    token_space,
)

__all__ = [
    "ALL_TARGETS",
    "BUILDERS",
    "CLAIM",
    "OFFICIAL_CODES",
    "PAPER_CODES",
    "RecallForm",
    "TapCodes",
    "build",
    "describe",
    "robust",
    "theorem2_step1",
    "theorem4_without_gate",
    "token_space",
]
