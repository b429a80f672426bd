"""Statements as objects: what is true at a point, which mutants there are, and a test that sees a false one."""

from dataclasses import replace

import pytest
import sympy as sp
from attacks import attack
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.statement import Hypothesis, Statement, predicate, truth
from mamba_theorems.verify.checks import statements
from mamba_theorems.verify.checks.case import Record, Whole
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.source import Listed
from mamba_theorems.verify.checks.statements.test import StatementTest, rows_of, tally
from mamba_theorems.verify.settings import Run, Tier

x, y = sp.symbols("x y", real=True)
n = sp.Symbol("n", integer=True, positive=True)
ABOVE_TWO = Hypothesis("H", "x is at least 2", sp.Ge(x, 2))


def made(statement, source=None, kind=Kind.TESTED, **options):
    """The test of a statement of no claim."""
    statement = statement if source else statement.explicit
    return StatementTest(
        claim="none",
        subject=statement,
        kind=kind,
        mutants=dict(statement.mutants()),
        source=source or Points(),
        **options,
    )


def found(statement, source=None, **options):
    """What the test makes of a statement."""
    test = made(statement, source, **options)
    return test.examine(test.subject, Run())


@pytest.mark.parametrize(
    ("meaning", "point", "expected"),
    [
        (sp.Ge(x, sp.Rational(1, 3)), {x: sp.Rational(1, 3)}, True),
        (sp.Gt(x, sp.Rational(1, 3)), {x: sp.Rational(1, 3)}, False),
        (sp.Ge(sp.sqrt(x), 0), {x: -1}, None),
        (sp.Ge(sp.log(x), 0), {x: 0}, None),
        (sp.Gt(1 / x, 0), {x: 0}, None),
        (sp.Gt(sp.exp(x), y), {x: 1, y: arb("2.7 +/- 0.1")}, None),
        (sp.Eq(sp.exp(x) * sp.exp(-x), 1, evaluate=False), {x: 3}, True),
        (sp.Gt(sp.exp(x), 1), {x: 0}, False),
        (sp.Implies(predicate("P"), sp.Gt(x, 0)), {predicate("P"): True, x: -1}, False),
        (sp.Implies(predicate("P"), sp.Gt(x, 0)), {predicate("P"): False, x: -1}, True),
        (sp.Equivalent(predicate("P"), sp.Gt(x, 0)), {predicate("P"): True, x: -1}, False),
        (sp.Or(sp.Gt(sp.log(x), 0), sp.Gt(x, -2)), {x: -1}, True),
        (sp.And(predicate("unknown"), sp.Gt(x, 0)), {x: 1}, None),
    ],
)
def test_truth_at_a_point_has_three_values(meaning, point, expected):
    assert truth(meaning, point) is expected


def test_a_function_of_the_statement_is_put_in():
    f = sp.Function("f")
    assert truth(sp.Ge(sp.Sum(f(n), (n, 1, 3)), 14), {f: sp.Lambda(n, n**2)}) is True
    assert truth(sp.Ge(sp.Sum(f(n), (n, 1, 3)), 15), {f: sp.Lambda(n, n**2)}) is False


def test_the_kinds_of_mutants():
    statement = Statement((ABOVE_TWO,), sp.And(sp.Ge(x, 1), sp.Implies(sp.Gt(x, 3), sp.Lt(y, 2))), (x,), (y,))
    names = [name for name, _ in statement.mutants()]
    assert names[0] == "without H"
    assert sorted(name.split(":")[0] for name in names[1:]) == [
        "an eighth sharper", "an eighth sharper", "quantifiers exchanged", "strict", "the converse",
    ]  # fmt: skip


def test_what_a_symbol_is_declared_to_be_is_a_hypothesis():
    w = sp.Symbol("w", positive=True)
    explicit = Statement((), sp.Ge(w, 0, evaluate=False)).explicit
    assert [h.words for h in explicit.hypotheses] == ["w > 0"]
    assert explicit.symbols[0].is_positive is None


def test_a_sharp_statement_holds_and_each_of_its_mutants_is_contradicted():
    finding = found(Statement((ABOVE_TWO,), sp.Ge(x**2, 4)))
    assert finding.holds
    assert finding.facts["statement mutants"] == finding.facts["contradicted"] == 3


@pytest.mark.parametrize(
    "conclusion", [sp.Ge(x**2, 5), sp.Gt(x**2, 4), sp.Le(x, 100), sp.Eq(x, 2), sp.Lt(sp.exp(-x), sp.Rational(1, 8))]
)
def test_a_false_statement_is_contradicted_where_it_is_simplest(conclusion):
    finding = found(Statement((ABOVE_TWO,), conclusion))
    assert finding.holds is False
    test = made(Statement((ABOVE_TWO,), conclusion))
    assert test.replay(finding.case, Run()).holds is False


def test_a_hypothesis_that_is_not_needed_and_a_bound_that_is_not_sharp_are_told():
    assert "without H" in found(Statement((ABOVE_TWO,), sp.Ge(x**2, 0))).summary
    loose = Statement((ABOVE_TWO,), sp.Ge(x, 1))
    assert "the mutant" in found(loose).summary
    names = [name for name, _ in loose.explicit.mutants() if name != "without H"]
    assert found(loose, survivors=dict.fromkeys(names, "a loose bound, for this test")).holds


def test_an_excuse_for_a_mutant_that_is_false_or_is_none_is_refused():
    sharp = Statement((ABOVE_TWO,), sp.Ge(x, 2))
    assert "said to be true" in found(sharp, survivors={"without H": "so they say"}).summary
    with pytest.raises(ValueError, match="no mutant"):
        made(sharp, survivors={"without H9": "no such"})


def test_nothing_inside_the_hypotheses_shows_nothing():
    assert found(Statement((Hypothesis("no", "x² < 0", sp.Lt(x**2, 0)),), sp.Ge(x, 0))).holds is None


def test_two_quantifiers_are_tested_as_they_stand():
    cases = [{"x": a, "y": b} for a in range(3) for b in range(3)]
    both = Record({"x": Whole(0, 2), "y": Whole(0, 2)})
    source = Listed("a grid", lambda _: cases, lambda case: {x: case["x"], y: case["y"]}, case=both)
    every_some = Statement((), sp.Eq(x, y), (x,), (y,))
    tested = found(every_some, source)
    assert tested.holds
    assert tested.facts["contradicted"] == tested.facts["statement mutants"] == 2
    assert found(replace(every_some, uniform=True), source).holds is False
    assert found(Statement((), sp.Le(x * y, 0), (x,), (y,), uniform=True), source).facts["contradicted"] == 1
    assert found(replace(every_some, every=(y,), some=()), source).holds is False


def test_a_printed_statement_that_fails_must_be_contradicted():
    repaired = Statement((ABOVE_TWO,), sp.Ge(x, 2)).explicit
    test = StatementTest(
        claim="none", kind=Kind.REFUTED, subject=Statement((), sp.Ge(x, 2)).explicit, mutants={"repaired": repaired},
        source=Points(),
    )  # fmt: skip
    assert test.examine(test.subject, Run()).holds
    assert test.examine(repaired, Run()).holds is False


@pytest.mark.parametrize("case", [{}, {"x": "1", "s": "foo"}, {"x": "foo("}, {"x": "I"}, 3])
def test_a_case_that_is_none_is_refused(case):
    test = made(Statement((ABOVE_TWO,), sp.Ge(x, 2)))
    with pytest.raises(ValueError, match=r"case|number|value"):
        test.replay(case, Run(Tier.QUICK))


DRAWN = [c for c in statements.CHECKS if isinstance(c.source, Points) and not c.source.rows and c.kind is Kind.TESTED]


@attack(8)
@given(st.sampled_from(DRAWN), st.integers(1, 2**32))
def test_points_from_any_seed_contradict_no_statement(check, seed):
    evaluated = tally(check.subject, rows_of(check.source.seeded(seed), check.subject, Tier.QUICK))
    assert evaluated.false is None
    assert evaluated.inside


def test_a_seed_draws_other_points():
    statement = Statement((), sp.Gt(x, -(10**9))).explicit
    first, again, other = (rows_of(Points().seeded(seed), statement, Tier.QUICK) for seed in (1, 1, 2))
    assert [row.case for row in first] == [row.case for row in again] != [row.case for row in other]
