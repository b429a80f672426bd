"""Statements of the foundations and the induction heads: old wordings refuted, sources that say what is so."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from mamba_theorems.constructions.induction_heads import answers
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.foundations import recurrence
from mamba_theorems.theorems.induction_heads import lemma3, plain
from mamba_theorems.theorems.statement import truth
from mamba_theorems.verify.checks.statements import CHECKS, foundations
from mamba_theorems.verify.checks.statements import induction_heads as sources
from mamba_theorems.verify.settings import Run, Tier

TESTS = {check.claim: check for check in CHECKS}
OURS = [claim for claim in TESTS if claim.startswith(("foundations.", "induction."))]


def examined(claim, **changes):
    """What the statement test of a claim makes of its statement with other parts."""
    test = TESTS[claim]
    return test.examine(replace(test.subject, **changes), Run())


@pytest.mark.parametrize("claim", OURS)
def test_a_statement_holds_at_every_instance_and_its_mutants_at_some_do_not(claim):
    test = TESTS[claim]
    finding = test.examine(test.subject, Run())
    assert finding.holds, finding.summary
    if test.kind is not Kind.REFUTED:
        assert finding.facts["statement mutants"] - finding.facts["contradicted"] == len(test.survivors)


# --- old wordings, put back ------------------------------------------------------------------------------------------


def test_lemma_3_s_bound_was_an_equality_at_w_ln_2l():
    bound = sp.Gt(1 - lemma3.length * sp.exp(-lemma3.w), sp.S.Half)
    finding = examined("induction.lem3-amended", conclusion=sp.And(lemma3.ANSWERED, bound))
    assert finding.holds is False
    assert finding.case["w"] == "log(12)"
    assert len(finding.case["tokens"]) == 6


def test_for_one_length_the_threshold_of_plain_s6_is_not_one_half():
    finding = examined("induction.plain-s6", conclusion=sp.Equivalent(plain.right, sp.Le(plain.rho, sp.S.Half)))
    assert finding.holds is False
    assert finding.case == {"num_tokens": 2, "n": 0, "rho": "5/8", "theta": "5/16"}


def test_three_tokens_are_answered_at_lengths_4_and_5_with_a_decay_just_below_three_fifths():
    """The reading that found the old threshold wrong had 3/5, which float64 would round; 19/32 it holds exactly."""
    for n, expected in ((1, True), (2, True), (3, False)):
        case = {"num_tokens": 3, "n": n, "rho": "19/32", "theta": "1/32"}
        point = {s: values[0] for s, values in sources.PlainS6().again(None, case).columns.items()}
        assert point[plain.right] is expected


def test_the_printed_lemma_fails_at_its_first_token():
    finding = examined("induction.lem3")
    assert finding.case == {"num_tokens": 2, "w": "3", "tokens": [0]}
    assert TESTS["induction.lem3"].replay(finding.case, Run()).holds


def test_without_a_positive_step_euler_s_gap_has_another_sign():
    assert examined("foundations.euler-gap", hypotheses=()).case == {"y": "-1"}


def test_weak_bounds_of_euler_s_gap_are_not_claimed_strict_at_0_only():
    """At y = 0 the ratio has no value: nothing is said there."""
    test = TESTS["foundations.euler-gap"]
    assert truth(test.subject.conclusion, {next(iter(test.subject.symbols)): 0}) is None


# --- sources ---------------------------------------------------------------------------------------------------------


def test_sequences_up_to_renaming_are_all_of_them_once():
    rows = sources.up_to_renaming(3, 4)
    assert len(rows) == 1 + 7 + 6  # Stirling numbers: 4 places in 1, 2, 3 blocks
    assert len(set(map(tuple, rows.tolist()))) == len(rows)


@given(st.floats(-(2.0**90), 2.0**90, width=32), st.floats(-(2.0**90), 2.0**90, width=32))
def test_rounded_numbers_are_floats(one, other):
    x, y = (sources.BinaryFloat(Fraction(v), 24, 149) for v in (one, other))
    for exact, found in ((x + y, np.float32(one) + np.float32(other)), (x - y, np.float32(one) - np.float32(other))):
        assert float(exact.value) == float(found)
    small = np.float32(one) * np.float32(1e-40)
    assert float((x * sources.BinaryFloat(Fraction(float(np.float32(1e-40))), 24, 149)).value) == float(small)


@pytest.mark.parametrize(("digits", "least"), [(2, 4), (3, 4), (3, 6)])
@pytest.mark.parametrize("decay", ["1/2", "3/8", "1/4"])
def test_no_sequence_is_worse_than_one_token_repeated(digits, least, decay):
    """All sequences of two tokens up to length 9, run in a small format: answered at gap g exactly if g ≤ reach."""
    rho = sources.BinaryFloat(Fraction(decay), digits, least)
    one = replace(rho, value=Fraction(1))
    reach = sources._reach(digits, least, Fraction(decay)).any_input
    wrong = set()
    for row in sources.up_to_renaming(2, 9):
        columns = np.full((2, 2), one - one, dtype=object)  # token asked, token that followed
        since = [0, 0]
        for t in range(1, len(row)):
            columns, since = columns * rho, [s + 1 for s in since]
            columns[row[t - 1], row[t]] += one
            since[row[t - 1]] = 0
            target = answers(row[: t + 1], 2)[-1]
            if target < 2 and not columns[row[t], target] > columns[row[t], 1 - target]:
                wrong.add(since[row[t]])
    assert all(gap > reach for gap in wrong)


def test_a_recurrence_that_is_none_is_told():
    decays, writes = [Fraction(1, 2)], [Fraction(3)]
    assert foundations.follows([Fraction(0), Fraction(3)], decays, writes)
    assert not foundations.follows([Fraction(0), Fraction(4)], decays, writes)
    case = {"decays": ("1/2",), "writes": ("1",), "initial": "0", "off": "1"}
    assert truth(recurrence.RECURRENCE.meaning, foundations.unrolled_point(case)) is False


def test_a_period_fits_from_twice_the_length_less_one_on():
    assert [period for period in range(1, 8) if foundations.fits(3, period)] == [5, 6, 7]


@pytest.mark.parametrize("claim", OURS)
def test_quick_sizes_are_no_larger_than_the_full_ones(claim):
    source = TESTS[claim].source
    if hasattr(source, "cases"):
        assert len(list(source.cases(Tier.QUICK))) <= len(list(source.cases(Tier.FULL))) + 1
