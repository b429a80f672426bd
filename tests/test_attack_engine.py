"""Random steps and proofs against the engine, from fixed seeds; `tests/attack_engine.py` runs with new ones."""

import warnings

from attack_engine import attack
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**9))
def test_no_random_statement_that_is_proved_is_false(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert attack(seed) is None
