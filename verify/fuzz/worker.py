"""What a worker process needs before its first cell: every check, imported once and forked from there."""

from mamba_theorems.verify.checks.registry import all_checks
from mamba_theorems.verify.fuzz.search import run_cell

__all__ = ["run_cell"]

all_checks()
