"""The statements about token dynamics, and what their tests make of other wordings."""

import sympy as sp

from mamba_theorems.theorems.claim import Form, Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Statement
from mamba_theorems.theorems.token_dynamics import divergence, many_dimensions, refinements, system
from mamba_theorems.verify.checks.statements.token_dynamics import CHECKS
from mamba_theorems.verify.settings import Run

TESTS = {check.claim: check for check in CHECKS}


def contradicted(claim, *hypotheses, says):
    """The case at which a claim's instances contradict a statement; None if none does."""
    found = TESTS[claim].examine(Statement(hypotheses, says), Run(shrink=False))
    return found.case if found.holds is False else None


def test_an_ascending_order_is_not_kept_where_tokens_decay():
    order = sp.Implies(refinements.SORTED, refinements.STAYS)
    case = contradicted("dynamics.reorder", system.RISES, says=order)
    assert case["a"] == "100"
    still = next(h for h in claims()["dynamics.reorder"].hypotheses if h.name == "a = 0")
    assert contradicted("dynamics.reorder", system.RISES, still, says=order) is None


def test_tokens_of_both_signs_do_not_all_diverge():
    diverges = sp.Gt(divergence.reached, 10**6)
    case = contradicted("dynamics.1d-mixed-all-diverge", system.RISES, says=diverges)
    assert case == {"mu": "1", "S": "-1", "a": "1", "x": ["1", "1/2", "-3/5"], "l": 3}


def test_a_positive_eigenvalue_does_not_keep_a_token_from_falling():
    rises = sp.Implies(sp.Gt(many_dimensions.top, 0), sp.Ge(many_dimensions.now, many_dimensions.begun))
    case = contradicted("dynamics.nd-positive-eigenvalue", says=rises)
    assert case["S"] == [["1", "0"], ["0", "-1"]]
    assert case["x"][0] == ["1/2", "1"]


def test_what_any_form_does_to_the_first_token_it_does_not_do_to_the_second():
    assert contradicted("dynamics.nd-first-token", says=many_dimensions.LINE)["l"] == 2


def test_another_paper_s_sentence_is_never_refuted():
    restated = [claim for claim in claims().values() if claim.form is Form.RESTATED]
    assert {"dynamics.1d-mixed-all-diverge", "dynamics.nd-positive-eigenvalue"} <= {claim.id for claim in restated}
    assert all(claim.expected is not Outcome.REFUTED and claim.erratum is None for claim in restated)
