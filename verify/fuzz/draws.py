"""Draws that depend on their seed alone: hypothesis otherwise takes constants from the modules imported so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis.internal.conjecture import providers


@contextmanager
def pure_draws() -> Iterator[None]:
    """Let hypothesis draw no constants of the source text of imported modules: they differ between processes."""
    known = providers._get_local_constants
    nothing = providers.Constants()
    providers._get_local_constants = lambda: nothing
    providers.CONSTANTS_CACHE.cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = known
        providers.CONSTANTS_CACHE.cache.clear()
