"""Ten bugs to plant, one at a time, each in one kernel or construction: a campaign must find every one of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import _lru_cache_wrapper

BUGS: dict[str, Callable[[], AbstractContextManager]] = {}
BUILT = ("constructions.", "verify.checks.")
"""Modules that remember networks they have built."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted; none for "". Raises KeyError for a bug that is not known."""
    if not name:
        yield
        return
    forget()
    try:
        with BUGS[name]():
            yield
    finally:
        forget()


def forget() -> None:
    """Drop every network built so far: it may have been built with the bug, or without."""
    for path, module in list(sys.modules.items()):
        if path.startswith(BUILT):
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()
