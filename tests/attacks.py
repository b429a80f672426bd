"""Random attacks: a few from fixed seeds in an ordinary run, many from a new seed in a nightly one."""

from collections.abc import Callable

import pytest
from hypothesis import settings

NIGHTLY = "nightly"
MANY = 20


def attack(examples: int) -> Callable[[Callable], Callable]:
    """Marks a hypothesis test as an attack of so many examples; a nightly run draws MANY times as many."""
    nightly = settings.get_current_profile_name().startswith(NIGHTLY)  # `-with-verbose-verbosity` may follow
    many = examples * (MANY if nightly else 1)

    def marked(test: Callable) -> Callable:
        return pytest.mark.attack(settings(max_examples=many)(test))

    return marked
