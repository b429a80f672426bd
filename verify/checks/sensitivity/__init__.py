"""Checks of what the state remembers: derivatives, frozen tails, counterexamples, the latch, attention."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(__name__, "CHECKS", ("recurrence", "lemma2", "latch", "attention"))
