"""Induction heads: Lemma 3 and extension F."""

from __future__ import annotations

from mamba_theorems.theorems.induction_heads import lemma3, plain

CLAIMS = (*lemma3.CLAIMS, *plain.CLAIMS)
