"""The certificates of haar."""

from mamba_theorems.verify.certify.haar import keep, mamba1, mamba2

FAMILIES = tuple(family for module in (keep, mamba1, mamba2) for family in module.FAMILIES)
