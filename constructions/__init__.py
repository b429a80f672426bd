"""Tasks and networks with explicit, exact weights: what the paper's theorems build, ready to run."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import BUILDERS, build
from mamba_theorems.constructions.scene import Example

if __name__ == "constructions":
    from mamba_theorems.checkout import hand_over

    hand_over(__name__)


__all__ = ["BUILDERS", "Construction", "build", "describe_claim", "examples"]
SHOWN = ("foundations", "haar", "sensitivity", "mqar", "induction_heads")
"""The families whose networks run on a sequence; each lists its EXAMPLES in a module `scenes`."""


def describe_claim(family: str, claim: str) -> list[str]:
    """What each weight of a claim's network does between named channels, at the smallest size; [] without a network.

    A module of the family says so in its TOLD, by claim. Raises ImportError for an unknown family.
    """
    package = import_module(f"mamba_theorems.constructions.{family}")
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        told = getattr(import_module(found.name), "TOLD", {})
        if claim in told:
            return told[claim]()
    return []


@cache
def examples() -> dict[str, Example]:
    """How the network of each claim that has one is shown on a sequence, by claim."""
    modules = (import_module(f"mamba_theorems.constructions.{family}.scenes") for family in SHOWN)
    return {example.claim: example for module in modules for example in module.EXAMPLES}
