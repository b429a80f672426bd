"""Random steps and proofs against the engine, from fixed seeds or a night's; `tests/attack_engine.py` goes on."""

import warnings

import attack_engine
from attacks import attack
from hypothesis import given
from hypothesis import strategies as st


@attack(40)
@given(st.integers(0, 10**9))
def test_no_random_statement_that_is_proved_is_false(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert attack_engine.attack(seed) is None
