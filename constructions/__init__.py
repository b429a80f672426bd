"""Tasks and networks with explicit, exact weights: what the paper's theorems build, ready to run."""

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import BUILDERS, build

if __name__ == "constructions":
    from mamba_theorems.checkout import hand_over

    hand_over(__name__)


__all__ = ["BUILDERS", "Construction", "build"]
