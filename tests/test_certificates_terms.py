"""Terms build the lists that certificates hold, and families are found where packages list them."""

import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.enclose import Undecided, evaluation
from mamba_theorems.verify.certify.functions import near, rounded
from mamba_theorems.verify.certify.term import Term, equal, hull, the, within

OPERATORS = {operator.add: "add", operator.sub: "sub", operator.mul: "mul", operator.truediv: "div"}


@pytest.mark.parametrize(("apply", "name"), OPERATORS.items())
def test_an_operator_writes_its_operands_in_order(apply, name):
    assert apply(the.x, the.y).json() == [name, "x", "y"]
    assert apply(the.x, 2).json() == [name, "x", 2]
    assert apply(2, the.x).json() == [name, 2, "x"]


def test_a_term_reads_like_the_list_that_it_writes():
    found = rounded(the.W * the.columns[the.i + 1] ** 2) - near(abs(-the.x), 3)
    power = ["pow", ["at", "columns", ["add", "i", 1]], 2]
    assert found.json() == ["sub", ["round", ["mul", "W", power]], ["near", 3, ["abs", ["sub", 0, "x"]]]]
    assert hull(0, the.x, 2).json() == ["hull", ["hull", 0, "x"], 2]


def test_a_requirement_is_what_is_left_on_the_larger_side():
    assert (the.x >= 0).json() == "x"
    assert (the.x >= the.y).json() == ["sub", "x", "y"]
    assert (the.x <= 0).json() == ["sub", 0, "x"]
    assert (the.x <= the.y).json() == ["sub", "y", "x"]
    assert equal(the.x, 1).json() == ["sub", 0, ["abs", ["sub", "x", 1]]]
    assert equal(the.x, 0).json() == ["sub", 0, ["abs", "x"]]


def test_a_term_has_no_truth_and_no_parts_to_unpack():
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(0 <= the.x <= 1)
    with pytest.raises(TypeError):
        list(the.x)


@st.composite
def terms(draw, depth: int = 3) -> Term:
    if not depth or draw(st.booleans()):
        return Term(draw(st.one_of(st.integers(-9, 9), st.sampled_from("xy"))))
    x, y = draw(terms(depth - 1)), draw(terms(depth - 1))
    apply = draw(st.sampled_from([*OPERATORS, lambda x, _: abs(x), lambda x, _: within(abs(x)), hull, equal]))
    return apply(x, y)


@given(terms())
def test_both_checkers_give_a_term_overlapping_intervals(x):
    numbers = {"x": 3, "y": -5}
    known = {name: (number * alone.ONE,) * 2 for name, number in numbers.items()}
    try:
        ours = evaluation("float64", numbers).value(x).ends()
    except Undecided:
        with pytest.raises(ValueError, match="divides"):
            alone.value(x.json(), known, "float64")
        return
    low, high = (Fraction(end, alone.ONE) for end in alone.value(x.json(), known, "float64"))
    assert ours[0] <= high
    assert low <= ours[1]


def test_every_family_is_listed_once_for_a_claim_and_a_target():
    pairs = [(family.claim, target) for family in catalogue.families() for target in family.targets]
    assert len(set(pairs)) == len(pairs) > 50
    assert all(family.mutants(target) for family in catalogue.families() for target in family.targets)
