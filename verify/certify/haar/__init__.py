"""The certificates of haar."""

MODULES = ("keep", "mamba1", "mamba2")
