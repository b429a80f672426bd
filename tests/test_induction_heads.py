"""Induction heads: the oracle, every block against its definition, the float limits against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions import describe_claim
from mamba_theorems.constructions.induction_heads import (
    TARGETS,
    answers,
    first_failing_repeat,
    hard_case,
    lemma3,
    lemma3_printed,
    lone_write,
    plain_s6,
    reach,
    repeated,
)
from mamba_theorems.kernels.bounds.running_error import contains, rounding


def by_definition(tokens, blank):
    """Look back for each token, one by one."""
    found = []
    for t, token in enumerate(tokens):
        earlier = [j for j in range(t) if tokens[j] == token]
        found.append(tokens[earlier[-1] + 1] if earlier else blank)
    return found


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_the_oracle_looks_back_to_the_last_occurrence(tokens):
    assert answers(np.array(tokens), 4).tolist() == by_definition(tokens, 4)


@pytest.mark.parametrize("target", TARGETS)
def test_every_block_computes_its_definition_and_the_answers(target):
    network = plain_s6(4, target, dtype=torch.float64)
    tokens = np.random.default_rng(0).integers(0, 4, (2, 20))
    ran = network.module(torch.float64)(torch.from_numpy(tokens)).numpy()
    assert contains(network.run(rounding(np.float64), tokens), ran).all()
    assert (ran.argmax(-1) == answers(tokens, 4)).all()


@pytest.mark.parametrize("build", [lemma3, lemma3_printed])
def test_lemma_3_computes_its_definition(build):
    network = build(3, 20)
    tokens = np.random.default_rng(1).integers(0, 3, (2, 25))
    ran = network.module(torch.float64)(torch.from_numpy(tokens)).numpy()
    assert contains(network.run(rounding(np.float64), tokens), ran).all()


def rounded(value, digits=24, least=-149):
    """The nearest float32 of a fraction, ties to even."""
    exponent = least
    while value >= Fraction(2) ** (exponent + digits):
        exponent += 1
    return round(value / Fraction(2) ** exponent) * Fraction(2) ** exponent


@settings(max_examples=10)
@given(st.integers(1, 1600).map(lambda n: 0.5 - n / 2**13))
def test_reach_is_what_exact_rounding_gives(decay):
    rho, largest = Fraction(decay), Fraction(0)
    while (grown := rounded(rounded(rho * largest) + 1)) != largest:
        largest = grown
    latest, older, gap = Fraction(1), rounded(rho * largest), 0
    while latest > older:
        latest, older, gap = rounded(rho * latest), rounded(rho * older), gap + 1
    assert reach(np.float32(decay), np.float32(1)).any_input == gap - 1


def test_the_worst_case_costs_steps_near_ln_2():
    """A lone write reaches 148 steps, the worst input only 127: ρ one float below ½."""
    found = reach(np.float32(0.5) - np.finfo(np.float32).eps / 4, np.float32(1))
    assert found.any_input < 130 < found.alone


def test_repeats_and_hard_cases_are_what_they_say():
    assert repeated(3).tolist() == [0, 0, 0, 1, 0]
    assert lone_write(2).tolist() == [0, 1, 1, 0]
    tokens = hard_case(5, 20, 3, seed=0)
    assert np.flatnonzero(tokens == 0).tolist() == [2, 16]
    assert first_failing_repeat(0.5) == 4
    with pytest.raises(ValueError, match="before the middle"):
        hard_case(5, 20, 10, seed=0)


def test_an_unknown_target_is_named():
    with pytest.raises(ValueError, match="choose one of paper"):
        plain_s6(2, "attention")


def test_every_claim_s_weights_are_told_by_channel():
    assert any("1/2" in line for line in describe_claim("induction_heads", "induction.lem3-amended"))
    assert any("previous[1]" in line for line in describe_claim("induction_heads", "induction.plain-s6"))
    assert describe_claim("induction_heads", "induction.lem1") == []
