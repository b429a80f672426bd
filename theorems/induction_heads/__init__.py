"""Induction heads: Lemma 3 and extension F."""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(__name__, "CLAIMS", ("lemma3", "plain"))
