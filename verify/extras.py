"""Optional extras: what is missing, and how to get it, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtra(RuntimeError):
    """A part of the program needs a package that is not installed."""


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Turn an ImportError inside into one sentence. Raises MissingExtra."""
    try:
        yield
    except ImportError as reason:
        name = reason.name or "a package"
        raise MissingExtra(
            f"{what} needs {name}, which is not installed: pip install {name} (in a checkout: pip install '.[{extra}]')"
        ) from reason
