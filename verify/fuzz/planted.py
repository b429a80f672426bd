"""Ten bugs to plant, one at a time, each in one kernel or construction: a campaign must find every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

BUGS: dict[str, Callable[[], AbstractContextManager]] = {}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted; none for "". Raises KeyError for a bug that is not known."""
    with BUGS[name]() if name else nullcontext():
        yield
