"""The certificates of induction heads."""

from mamba_theorems.verify.certify.induction_heads import lemma3, plain

FAMILIES = (*lemma3.FAMILIES, *plain.FAMILIES)
