"""Checks of the recall theorems ([P] Section 4.3, Appendix D.3-D.5), one file a kind of evidence."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(__name__, "CHECKS", ("theorem2", "targets", "counting", "large", "certificates"))
