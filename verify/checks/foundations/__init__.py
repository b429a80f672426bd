"""Checks of what the theorems stand on: one definition, its number fields, its backends and its other forms."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(
    __name__, "CHECKS", ("discretisation", "scan", "operations", "forms", "duality", "silu", "copying")
)
