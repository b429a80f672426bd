"""The certificates of mqar."""

from mamba_theorems.verify.certify.mqar import codes, products, robust, robust_model, selective, theorem2

FAMILIES = tuple(
    family for module in (theorem2, codes, products, robust, selective, robust_model) for family in module.FAMILIES
)
