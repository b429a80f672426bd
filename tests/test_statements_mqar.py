"""The recall statements: old wordings, put back, are refuted by their smallest sequence; no sequence is left out."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from mamba_theorems.constructions.mqar.printed import sign_keys
from mamba_theorems.constructions.tasks import Vocabulary, broken_h1, broken_h2, broken_h3, broken_h4
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.mqar import extensions, lemma4, lower_bounds, theorem2, values
from mamba_theorems.theorems.mqar.task import H1, H2, H4, RECALLED, M
from mamba_theorems.theorems.proofs.proof import Bound, Proof
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis, Statement
from mamba_theorems.verify.checks.case import NotACase
from mamba_theorems.verify.checks.statements import CHECKS
from mamba_theorems.verify.checks.statements.mqar.extensions import NEAR_HALF
from mamba_theorems.verify.checks.statements.mqar.lower_bounds import one_step
from mamba_theorems.verify.checks.statements.mqar.theorem2 import Shifted, products
from mamba_theorems.verify.checks.statements.sequences import AllSequences, sequences, words
from mamba_theorems.verify.checks.statements.test import rows_of, tally
from mamba_theorems.verify.settings import Run, Tier

TESTS = {check.claim: check for check in CHECKS if check.name == "statement" and check.claim.startswith("mqar.")}
CLAIMS = [claim for claim in claims().values() if claim.id.startswith("mqar.")]


def said(claim: str) -> Statement:
    statement = claims()[claim].says
    assert statement is not None
    return statement


def refuted(claim: str, **changes) -> object:
    """The smallest case at which the claim's statement, changed, is false in the quick tier."""
    finding = TESTS[claim].examine(replace(said(claim), **changes), Run())
    assert finding.holds is False
    return finding.case


def without(claim: str, name: str) -> tuple[Hypothesis, ...]:
    kept = tuple(h for h in said(claim).hypotheses if h.name != name)
    assert len(kept) == len(said(claim).hypotheses) - 1
    return kept


def false_at(claim: str, case: dict, **changes) -> bool:
    """Whether the changed statement is false at one case, run again."""
    statement = replace(said(claim), **changes)
    check = replace(TESTS[claim], subject=statement)
    return not check.replay(case, Run()).holds


# --- every claim ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_recall_claim_is_an_object_and_is_tested(claim):
    assert claim.says is not None
    assert all(isinstance(h, Hypothesis) for h in claim.hypotheses)
    assert claim.id in TESTS


def test_no_claim_about_blocks_is_called_proved():
    assert {claim.expected for claim in CLAIMS} <= {Outcome.FORMAL, Outcome.DERIVED, Outcome.REFUTED}


# --- old wordings ---------------------------------------------------------------------------------------------------


def test_two_states_without_h2_tie():
    case = refuted("mqar.n2-distinct", hypotheses=without("mqar.n2-distinct", "H2"), conclusion=RECALLED)
    assert case["sequence"] == "k v1 k v2 k"


def test_selective_steps_with_nothing_to_spare_for_rests_are_wrong():
    """The claim once asked for ρ(κ − 1) < 1 alone: a pair that was stored earlier has decayed more at rest."""
    once = Hypothesis("ρ(κ − 1) < 1", "ρ(κ − 1) < 1", sp.Lt(extensions.rho * (extensions.kappa - 1), 1))
    changes = {"hypotheses": (H1, H4, extensions.TAIL_WRITES, once), "conclusion": RECALLED}
    case = refuted("mqar.n1-delta-gate", **changes)
    assert (case["sequence"], case["network"]) == (
        "k1 v1 k2 v2 k3 v2 f k1",
        f"mqar.n1-delta-gate, κ = 3, ρ = {NEAR_HALF}",
    )


def test_selective_steps_without_h2_are_wrong():
    changes = {"hypotheses": (H1, H4, extensions.SHRINKS), "conclusion": RECALLED}
    network = "mqar.n1-delta-gate, κ = 2, ρ = 1/4"
    case = {"network": network, "sequence": "k v1 f k v2 f k", "num_kv_pairs": 1, "rival": "v2"}
    assert false_at("mqar.n1-delta-gate", case, **changes)
    assert len(refuted("mqar.n1-delta-gate", **changes)["sequence"].split()) <= 7


@pytest.mark.parametrize(("sequence", "pairs"), [("k1 v1 f k2 v2 f k1", 1), ("k1 v1 k2 v2 f k2 v2 f k1", 2)])
def test_selective_steps_with_h2_alone_are_wrong_where_another_key_is_written_in_the_tail(sequence, pairs):
    changes = {"hypotheses": (H1, H2, H4, extensions.SHRINKS), "conclusion": RECALLED}
    network = "mqar.n1-delta-gate, κ = 2, ρ = 1/4"
    case = {"network": network, "sequence": sequence, "num_kv_pairs": pairs, "rival": "v2"}
    assert false_at("mqar.n1-delta-gate", case, **changes)
    assert not false_at("mqar.n1-delta-gate", case)


def test_the_margin_of_theorem_2_is_larger_behind_the_query_s_own_key():
    """The smallest sequence has one key; the referee's has two."""
    old = sp.And(sp.Eq(M, theorem2.CLOSED_FORM.rhs.subs(theorem2.twice, 0), evaluate=False), RECALLED)
    assert refuted("mqar.thm2-step1", conclusion=old)["sequence"] == "k v1 k k"
    network = "Theorem 2, k = 2, v = 1, c_0 = 1, c_1 = 2, b = 1"
    case = {"network": network, "sequence": "k1 v1 k2 v2 k1 k1", "num_kv_pairs": 2, "rival": "v2"}
    assert false_at("mqar.thm2-step1", case, conclusion=old)
    assert not false_at("mqar.thm2-step1", case)


def test_the_bias_s_condition_is_not_necessary_for_one_matrix():
    """Balanced columns recall with any bias: the condition fails, and every assignment is answered."""
    network = Shifted(("++--", "--++"), key=100, shift=3, tap0=1, tap1=2, bias=4, factor=196).network()
    rows = rows_of(AllSequences((network,), products), said("mqar.thm2-step2-amended"), Tier.QUICK)
    assert tally(Statement((H1, H2), RECALLED), rows).false is None
    only_if = Statement((H1, H2), sp.Implies(RECALLED, values.BIAS_FITS.meaning))
    assert tally(only_if, rows).false is not None


def test_the_bound_on_states_cannot_be_exponential():
    """The one-hot network with N = κ answers all 2^κ assignments."""
    assert refuted("mqar.n-lower-bound", conclusion=sp.Ge(lower_bounds.N, 2**lower_bounds.kappa)).endswith("κ = 1")


def test_the_bound_on_states_does_not_rest_on_its_trivial_last_step():
    tau = sp.Symbol("tau", real=True)
    trivial = Proof(steps=(Bound(name="no number is of both signs", claim=sp.Not(sp.And(tau > 0, tau < 0))),))
    assert trivial.check(claims()["mqar.n-lower-bound"].formula).link


def test_one_step_for_all_channels_is_not_one_decay():
    """The bound once asked for a shared step alone: with A that differs by channel one state recalls two keys."""
    point = one_step()
    assert point[lower_bounds.ALL]
    assert point[lower_bounds.N] < point[lower_bounds.kappa]


def test_theorem_4_s_printed_step_is_false_and_its_conclusion_stands():
    assert TESTS["mqar.thm4-jl"].examine(said("mqar.thm4-jl"), Run()).case["columns"] == ["++-"]
    assert claims()["mqar.thm4-jl"].expected is Outcome.REFUTED
    assert claims()["mqar.thm4-jl-small-epsilon"].expected is Outcome.FORMAL


def test_theorem_3_fails_for_two_keys_by_the_bound_on_states():
    case = TESTS["mqar.thm3"].examine(said("mqar.thm3"), Run()).case
    assert case == {"C": 1, "kappa": 2, "N": 1}
    assert "mqar.n-lower-bound" in claims()["mqar.thm3"].depends_on


def test_the_printed_sign_keys_fail_with_five_keys_in_four_dimensions():
    vocabulary = Vocabulary.paper(5, 2)
    network = sign_keys(vocabulary, ("++++", "-+++", "+-++", "++-+", "+++-"), rectified=False)
    u, v = vocabulary.values
    logits = network.run(RATIONAL, np.array([0, u, 1, v, 2, v, 3, v, 4, v, 0]))[-1]
    assert logits[u] - logits[v] == -1


def test_lemma_4_speaks_of_a_matrix():
    assert said("mqar.lem4-amended").some == (lemma4.matrix,)


# --- sequences ------------------------------------------------------------------------------------------------------


def renamed(tokens: tuple[int, ...], names: range) -> tuple[int, ...]:
    """Those names in the order in which they occur."""
    order = list(dict.fromkeys(t for t in tokens if t in names))
    return tuple(names[order.index(t)] if t in names else t for t in tokens)


@pytest.mark.parametrize(("keys", "values_"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize(("length", "pairs"), [(3, 1), (4, 1), (5, 1), (5, 2), (6, 2)])
def test_every_sequence_is_there_once_up_to_renaming(keys, values_, length, pairs):
    v = Vocabulary(5, range(2), range(2, 4), filler=4)
    expected = set()
    for tokens in product(range(v.size), repeat=length):
        context = tokens[: 2 * pairs]
        fits = all(t in v.keys for t in context[::2]) and all(t in v.values for t in context[1::2])
        if fits and tokens[-1] in context[::2]:
            once = renamed(tokens, v.keys) if keys else tokens
            expected.add(renamed(once, v.values) if values_ else once)
    found = [tuple(row) for row in sequences(v, length, pairs, keys, values_).tolist()]
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(1, 3), st.data())
def test_the_masks_of_h1_to_h4_say_what_the_words_say(tail, pairs, data):
    v = Vocabulary(7, range(3), range(3, 6), filler=6)
    keys, held = data.draw(st.lists(st.sampled_from(v.keys), min_size=pairs, max_size=pairs)), st.sampled_from(v.values)
    tokens = [t for key in keys for t in (key, data.draw(held))] + tail
    start, n = 2 * pairs, len(tokens)
    writes = [s for s in range(1, n) if tokens[s] in v.values and tokens[s - 1] in v.keys]
    h1 = {t for t in range(0, start, 2) if tokens[t] in tokens[0:t:2]}
    h2 = {t for t in range(n) if any(s - 1 >= start and s < t and tokens[s - 1] == tokens[t] for s in writes)}
    h3 = {t for t in writes if tokens[t] in [tokens[s] for s in writes if s < t]}
    h4 = {t for t in range(start, n) if tokens[t] in keys and tokens[t - 1] in v.values}
    batch = np.array([tokens])
    masks = (broken_h1(batch, pairs), broken_h2(batch, v, pairs), broken_h3(batch, v), broken_h4(batch, v, pairs))
    assert [set(np.flatnonzero(mask[0]).tolist()) for mask in masks] == [h1, h2, h3, h4]


def test_a_case_is_run_again_in_rationals_and_refused_where_it_is_none():
    source = TESTS["mqar.thm2-step1-printed"].source
    finding = TESTS["mqar.thm2-step1-printed"].examine(said("mqar.thm2-step1-printed"), Run())
    assert finding.case["sequence"] == "k v1 k v2 k"
    assert TESTS["mqar.thm2-step1-printed"].replay(finding.case, Run()).holds
    starts = "a sequence starts with its {} pairs of a key and a value, and ends with one of these keys"
    for change, says in (
        ({"sequence": "k v1 f k"}, "there is no token 'f': use k1 … k3, v1 … v3"),
        ({"sequence": "k v1 v2"}, starts.format(1)),
        ({"num_kv_pairs": 3}, starts.format(3)),
        ({"network": "another"}, f'"network" must be one of "{finding.case["network"]}", not "another"'),
    ):
        with pytest.raises(NotACase, match=f"^{re.escape(says)}$"):
            source.again(said("mqar.thm2-step1-printed"), finding.case | change)


def test_words_and_sizes():
    v = Vocabulary(5, range(2), range(2, 4), filler=4)
    assert words(np.array([0, 2, 4, 0]), v) == "k v1 f k"
    assert words(np.array([1, 2, 4, 1]), v) == "k2 v1 f k2"
    networks = [
        n for claim in ("mqar.thm2-step1", "mqar.thm3-step1", "mqar.thm4") for n in TESTS[claim].source.networks
    ]
    assert {n.longest[1] for n in networks if len(n.vocabulary.keys) == len(n.vocabulary.values) == 3} == {9}
