"""Outcomes are computed from evidence, and a claim is no stronger than what it rests on."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamba_theorems.theorems.claim import Claim, Form, Kind, Outcome
from mamba_theorems.theorems.registry import claims, dependencies_first, dependency_graph
from mamba_theorems.verify.checks.check import Score
from mamba_theorems.verify.engine.gather import checks_of
from mamba_theorems.verify.engine.runner import with_dependencies
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Report, outcome_of
from mamba_theorems.verify.settings import Run


def piece(kind: Kind, holds: bool | None = True) -> Evidence:
    return Evidence(kind, "check", holds, "")


@pytest.mark.parametrize(
    ("evidence", "rests_on", "outcome"),
    [
        ([], [], Outcome.UNKNOWN),
        ([piece(Kind.TESTED)], [], Outcome.TESTED),
        ([piece(Kind.TESTED), piece(Kind.CERTIFIED)], [], Outcome.CERTIFIED),
        ([piece(Kind.PROVED), piece(Kind.TESTED)], [], Outcome.PROVED),
        ([piece(Kind.PROVED, None)], [], Outcome.UNKNOWN),
        ([piece(Kind.PROVED, None), piece(Kind.TESTED)], [], Outcome.TESTED),
        ([piece(Kind.PROVED), piece(Kind.TESTED, False)], [], Outcome.UNKNOWN),
        ([piece(Kind.SKIPPED, None)], [], Outcome.UNKNOWN),
        ([piece(Kind.OBSERVED)], [], Outcome.UNKNOWN),
        ([piece(Kind.TESTED), piece(Kind.OBSERVED)], [], Outcome.TESTED),
        ([piece(Kind.PROVED), piece(Kind.OBSERVED, False)], [], Outcome.UNKNOWN),
        ([piece(Kind.REFUTED)], [], Outcome.REFUTED),
        ([piece(Kind.REFUTED), piece(Kind.PROVED)], [], Outcome.UNKNOWN),
        ([piece(Kind.REFUTED), piece(Kind.REFUTED, False)], [], Outcome.UNKNOWN),
        ([piece(Kind.PROVED)], [Outcome.TESTED], Outcome.TESTED),
        ([piece(Kind.PROVED)], [Outcome.PROVED, Outcome.UNKNOWN], Outcome.UNKNOWN),
        ([piece(Kind.PROVED)], [Outcome.REFUTED], Outcome.UNKNOWN),
        ([piece(Kind.FORMAL)], [], Outcome.FORMAL),
        ([piece(Kind.FORMAL), piece(Kind.DERIVED)], [Outcome.TESTED, Outcome.UNKNOWN], Outcome.FORMAL),
        ([piece(Kind.FORMAL), piece(Kind.TESTED, False)], [], Outcome.UNKNOWN),
        ([piece(Kind.FORMAL, None), piece(Kind.DERIVED)], [], Outcome.DERIVED),
        ([piece(Kind.FORMAL), piece(Kind.REFUTED)], [], Outcome.UNKNOWN),
        ([piece(Kind.PROVED)], [Outcome.FORMAL], Outcome.PROVED),
        ([piece(Kind.DERIVED)], [], Outcome.DERIVED),
        ([piece(Kind.DERIVED), piece(Kind.CERTIFIED)], [], Outcome.DERIVED),
        ([piece(Kind.DERIVED)], [Outcome.PROVED], Outcome.DERIVED),
        ([piece(Kind.DERIVED)], [Outcome.CERTIFIED], Outcome.CERTIFIED),
        ([piece(Kind.PROVED)], [Outcome.PROVED, Outcome.DERIVED], Outcome.DERIVED),
        ([piece(Kind.PROVED), piece(Kind.DERIVED, None)], [], Outcome.PROVED),
        ([piece(Kind.DERIVED), piece(Kind.TESTED, False)], [], Outcome.UNKNOWN),
        ([piece(Kind.REFUTED), piece(Kind.DERIVED)], [], Outcome.UNKNOWN),
    ],
)
def test_outcome_is_the_strongest_word_supported_and_capped(evidence, rests_on, outcome):
    assert outcome_of(evidence, rests_on) is outcome


KINDS = st.lists(st.sampled_from([Kind.PROVED, Kind.DERIVED, Kind.CERTIFIED, Kind.TESTED]))
STRENGTH = (
    Outcome.UNKNOWN, Outcome.TESTED, Outcome.CERTIFIED, Outcome.DERIVED, Outcome.PROVED, Outcome.FORMAL,
)  # fmt: skip


@given(KINDS, st.lists(st.sampled_from(STRENGTH)))
def test_an_outcome_is_as_strong_as_the_evidence_and_no_stronger_than_what_the_claim_rests_on(kinds, rests_on):
    own = max((STRENGTH.index(Outcome(kind)) for kind in kinds), default=0)
    assert outcome_of(map(piece, kinds), rests_on) is STRENGTH[min([own, *map(STRENGTH.index, rests_on)])]


@given(KINDS, st.lists(st.sampled_from(Outcome)))
def test_a_contradicting_piece_always_leaves_the_claim_unknown(kinds, rests_on):
    evidence = [*(piece(k) for k in kinds), piece(Kind.TESTED, False)]
    assert outcome_of(evidence, rests_on) is Outcome.UNKNOWN


@pytest.mark.parametrize("kind", [Kind.DERIVED, Kind.CERTIFIED, Kind.TESTED])
def test_a_piece_that_shows_nothing_is_not_excused_by_a_stronger_one(kind):
    def found(*evidence):
        claim = Claim("a.claim", "", Form.AMENDED, "", "", expected=Outcome.FORMAL)
        return ClaimReport(claim, "mqar", outcome_of(evidence, []), evidence)

    assert found(piece(Kind.FORMAL), piece(kind), piece(Kind.SKIPPED, None)).as_expected
    undecided = found(piece(Kind.FORMAL), piece(kind, None))
    assert undecided.outcome is Outcome.FORMAL
    assert not undecided.as_expected


def test_scores_never_pass_nan_or_the_wrong_side():
    assert not Score(float("nan")).passes
    assert not Score(float("nan"), "error/bound").passes
    assert not Score(0.0).passes
    assert Score(1.0, "error/bound").passes
    assert not Score(1.001, "error/bound").passes


def test_the_headline_counts_the_paper_s_own_claims_apart_from_what_is_not_its_own():
    def reported(form: Form, family: str, outcome: Outcome) -> ClaimReport:
        return ClaimReport(Claim("a.claim", "", form, "", "", expected=Outcome.TESTED), family, outcome, ())

    report = Report(
        (
            reported(Form.PRINTED, "mqar", Outcome.PROVED),
            reported(Form.AMENDED, "haar", Outcome.DERIVED),
            reported(Form.AMENDED, "haar", Outcome.PROVED),
            reported(Form.PRINTED, "foundations", Outcome.PROVED),
            reported(Form.EXTENSION, "foundations", Outcome.TESTED),
            reported(Form.EXTENSION, "mqar", Outcome.DERIVED),
            reported(Form.RESTATED, "token_dynamics", Outcome.REFUTED),
        ),
        Run(),
        0.0,
    )
    assert report.counts == {
        "the paper's own": {"PROVED": 2, "DERIVED": 1},
        "beyond it": {"DERIVED": 1},
        "foundations": {"PROVED": 1, "TESTED": 1},
        "other papers'": {"REFUTED": 1},
    }
    assert list(report.counts["the paper's own"]) == ["PROVED", "DERIVED"]


def test_the_graph_of_claims_has_no_circle_and_dependencies_come_first():
    order = dependencies_first()
    assert nx.is_directed_acyclic_graph(dependency_graph())
    for claim in claims().values():
        assert all(order.index(d) < order.index(claim.id) for d in claim.depends_on)
    assert set(order) == set(claims())


def test_selecting_a_claim_selects_what_it_rests_on():
    assert "foundations.unrolled" in with_dependencies(["mqar.thm2-step1"])


def test_every_claim_expected_refuted_tells_its_erratum_and_has_something_that_refutes():
    for claim in claims().values():
        if claim.expected is Outcome.REFUTED:
            kinds = {check.kind for check in checks_of(claim.id)}
            assert claim.erratum is not None
            assert claim.disproof is not None or Kind.REFUTED in kinds, claim.id
