"""Memory: how much of an input the state still knows later (Section 3.2 of the paper, Lemmas 1 and 2, eq. 11, 45).

Statements are about one component of a diagonal state h and one coordinate of the mixer's input x̂; j ≤ t.
"""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(
    __name__, "CLAIMS", ("recurrence", "lemma2", "bounded", "latch", "attention", "mamba2")
)
