"""The test of every claim's statement, one file a family: where its instances come from."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(
    __name__, "CHECKS", ("foundations", "haar", "sensitivity", "mqar", "induction_heads", "token_dynamics")
)
