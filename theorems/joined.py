"""How a family lists what its files hold: by the files' names, so that a new file is one line in the family."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any


def joined(package: str, name: str, files: Iterable[str]) -> tuple[Any, ...]:
    """What the files of a package list under `name`, file by file: the CLAIMS of a family, or its CHECKS."""
    return tuple(item for file in files for item in getattr(import_module(f"{package}.{file}"), name))
