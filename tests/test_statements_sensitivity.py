"""The statements about memory, and what their tests make of other wordings."""

import pytest
import sympy as sp

from mamba_theorems.theorems.sensitivity import attention, latch, lemma2
from mamba_theorems.theorems.sensitivity.recurrence import FLOOR, LAMBDA, absolute, before, floor, lam, m, s4d, s6
from mamba_theorems.theorems.statement import Statement
from mamba_theorems.verify.checks.statements.sensitivity import CHECKS
from mamba_theorems.verify.settings import Run

TESTS = {check.claim: check for check in CHECKS}


def contradicted(claim, *hypotheses, says):
    """The case at which a claim's instances contradict a statement; None if none does."""
    found = TESTS[claim].examine(Statement(hypotheses, says), Run(shrink=False))
    return found.case if found.holds is False else None


def test_lemma_2_as_printed_fails_at_the_second_input_that_cancels_the_first():
    finding = TESTS["sensitivity.lem2"].examine(TESTS["sensitivity.lem2"].subject, Run())
    assert finding.holds
    assert finding.case["x_1"] == "log(3)"
    assert finding.case["m"] == 4


def test_the_exponent_of_s4d_is_t_minus_j():
    printed = absolute(s4d, sp.exp(-lam * (m - 1)))
    assert contradicted("sensitivity.lem1-amended", says=printed)
    assert contradicted("sensitivity.lem1-amended", says=absolute(s4d, sp.exp(-lam * m))) is None


def test_a_floor_under_one_step_fewer_is_not_enough():
    early = sp.Le(sp.Abs(sp.Derivative(0, lam)) + sp.Abs(before), 0)
    assert contradicted("sensitivity.lem1-amended", LAMBDA, FLOOR, says=early)
    faster = absolute(s6, sp.exp(-lam * floor * m))
    assert contradicted("sensitivity.lem1-amended", LAMBDA, FLOOR, says=faster)


def test_the_latch_loses_more_than_the_old_state_s_share_of_a_flag():
    one = sp.Lt(sp.Abs(latch.state - latch.value), sp.exp(-latch.D) + latch.m * latch.eps * (1 + 1 / latch.D))
    assert contradicted("sensitivity.latch", *latch.BOX, says=one)


def test_the_bound_on_attention_fails_at_the_query_s_own_token():
    case = contradicted("sensitivity.attention", says=attention.EQ45)
    assert case["j"] == len(case["tokens"])


def test_a_state_may_forget_though_its_steps_tend_to_zero():
    summable = sp.Equivalent(lemma2.REMEMBERED, sp.Ne(lemma2.now, 0))
    assert contradicted("sensitivity.criterion", says=summable)["Delta"] == "log(1+1/n)"


@pytest.mark.parametrize("claim", sorted(TESTS))
def test_a_case_is_told_again(claim):
    source = TESTS[claim].source
    case = next(iter(source.cases(Run().tier)))
    assert TESTS[claim].replay(case, Run()).case == case
