"""The numeric checks, one file a family, one for all certificates, one for all statements; each lists CHECKS."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from mamba_theorems.theorems.claim import FAMILIES
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.checks.check import Check


@cache
def all_checks() -> dict[str, tuple[Check, ...]]:
    """Checks by claim id. Raises ValueError for a check of no claim, or two of one name."""
    found: dict[str, list[Check]] = {claim: [] for claim in claims()}
    for family in (*FAMILIES, "certificates", "statements"):
        if find_spec(f"mamba_theorems.verify.checks.{family}") is None:
            continue
        for check in import_module(f"mamba_theorems.verify.checks.{family}").CHECKS:
            if check.claim not in found:
                raise ValueError(f"check {check.name} is of claim {check.claim}, which does not exist")
            if check.name in {c.name for c in found[check.claim]}:
                raise ValueError(f"claim {check.claim} has two checks called {check.name}")
            found[check.claim].append(check)
    return {claim: tuple(checks) for claim, checks in found.items()}
