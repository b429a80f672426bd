"""The certificates of mqar."""

MODULES = ("theorem2", "codes", "products", "robust", "selective", "robust_model")
