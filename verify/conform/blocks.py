"""Blocks as operations (to come)."""

from typing import Any

from mamba_theorems.verify.conform.operations import Operation


def block_operation(name: str, block: type) -> Operation:
    """The operation of a block class."""
    raise ValueError(f"'{block.__name__}' is a class: name a function")


assert Any
