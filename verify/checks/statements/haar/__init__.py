"""Where the instances of the approximation statements come from, one file for each file of `theorems.haar`."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(__name__, "CHECKS", ("heaviside", "clock", "rates", "separation", "keep", "block"))
