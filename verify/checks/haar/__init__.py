"""Checks of family haar: certified L² errors, the lower bound against an optimiser, KEEP n-TH, Haar transforms."""

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.haar import keep, mixers, quadrature, separation, transform

CHECKS: tuple[Check, ...] = (*quadrature.CHECKS, *separation.CHECKS, *keep.CHECKS, *mixers.CHECKS, *transform.CHECKS)
