"""Checks of family haar: certified L² errors, the lower bound against an optimiser, KEEP n-TH, Haar transforms."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(__name__, "CHECKS", ("quadrature", "separation", "keep", "mixers", "transform"))
