"""Where the instances of the recall statements come from: each claim's networks, with weights inside and outside of its
conditions, run exactly on all sequences of stated sizes; one file a theorem.
"""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(
    __name__,
    "CHECKS",
    ("lemma4", "theorem2", "theorem3", "theorem4", "extensions", "lower_bounds", "targets"),
)
