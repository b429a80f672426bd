"""Checks of the recall theorems ([P] Section 4.3, Appendix D.3-D.5), one module a kind of evidence."""

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.mqar import certificates, hypotheses, large, refutations, targets, theorem2
from mamba_theorems.verify.checks.mqar import counting as counted
from mamba_theorems.verify.checks.mqar.theorem2 import exact_margin

__all__ = ["CHECKS", "exact_margin"]

CHECKS: tuple[Check, ...] = tuple(
    check
    for part in (theorem2, targets, counted, large, hypotheses, refutations, certificates)
    for check in part.CHECKS
)
