"""Tasks and networks with explicit, exact weights: what the paper's theorems build, ready to run."""

from constructions.construction import Construction
from constructions.mqar import BUILDERS, build

__all__ = ["BUILDERS", "Construction", "build"]
