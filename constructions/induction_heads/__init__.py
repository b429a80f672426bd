"""Induction heads: [P] Lemma 3 in Mamba-Δ^⊤, and extension F, plain S6, in the paper's and the official blocks."""

from mamba_theorems.constructions.induction_heads.lemma3 import lemma3, lemma3_printed
from mamba_theorems.constructions.induction_heads.plain import (
    DECAY_RATE,
    TARGETS,
    FloatReach,
    first_failing_repeat,
    plain_s6,
    reach,
)
from mamba_theorems.constructions.induction_heads.task import answers, hard_case, lone_write, repeated

__all__ = [
    "DECAY_RATE",
    "TARGETS",
    "FloatReach",
    "answers",
    "first_failing_repeat",
    "hard_case",
    "lemma3",
    "lemma3_printed",
    "lone_write",
    "plain_s6",
    "reach",
    "repeated",
]
