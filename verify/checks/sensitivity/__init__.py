"""Checks of what the state remembers: derivatives, frozen tails, counterexamples, the latch, attention."""

from __future__ import annotations

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.sensitivity import attention, latch, lemma2, recurrence

CHECKS: tuple[Check, ...] = (*recurrence.CHECKS, *lemma2.CHECKS, *latch.CHECKS, *attention.CHECKS)
