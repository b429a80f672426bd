"""Checks of what the theorems stand on: one definition, its number fields, its backends and its other forms."""

from __future__ import annotations

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.foundations import copying, discretisation, duality, forms, operations, scan, silu

CHECKS: tuple[Check, ...] = (
    *discretisation.CHECKS,
    *scan.CHECKS,
    *operations.CHECKS,
    *forms.CHECKS,
    *duality.CHECKS,
    *silu.CHECKS,
    *copying.CHECKS,
)
