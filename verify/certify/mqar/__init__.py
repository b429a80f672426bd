"""The certificates of mqar."""

from mamba_theorems.verify.certify.mqar import codes, products, theorem2

FAMILIES = (*theorem2.FAMILIES, *codes.FAMILIES, *products.FAMILIES)
