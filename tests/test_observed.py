"""The chapter on trainings: from records alone, every training a point, no outcome raised."""

import json
import random
from collections import Counter

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("typst")

from mamba_theorems.theorems.claim import Kind, Outcome
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Report, outcome_of
from mamba_theorems.verify.experiments import plan, predictions
from mamba_theorems.verify.experiments import report as records
from mamba_theorems.verify.experiments.campaign import PlanRun
from mamba_theorems.verify.experiments.training import Trained
from mamba_theorems.verify.report import appendix, explain, html, latex, observed
from mamba_theorems.verify.report.book import Book
from mamba_theorems.verify.report.figures import observed as drawings
from mamba_theorems.verify.settings import Run

NAMES = observed.ORDER
COVERED = "mqar.n2-distinct"


def imagined(name, share=1.0):
    """A plan with this share of its trainings done, each with another number of right answers where that can be."""
    draw, run = random.Random(name), PlanRun(plan.load(name))
    for training in run.plan.trainings:
        if draw.random() < share:
            right = draw.randrange(500)
            cosines = (
                (("in_proj", draw.random()), ("x_proj", draw.random())) if training.mixer == "construction" else ()
            )
            history = ((0, 0.0, 1.0 if training.start == "exact" else 0.0),)
            run.results[training] = Trained(
                training, right, 1000, 0, 1000, 0.01, 1, history, 1, 100, right // 2, cosines, 1.0, 1.0
            )
    return run


def write(folder, *runs):
    for run in runs:
        (folder / records.file_name(run.plan)).write_text(records.dumps(run), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Whole records, but for one of Table 1 that a kill cut short, and one of MQAR that has predictions alone."""
    found = tmp_path_factory.mktemp("observed")
    shares = {"table1": 0.5, "mqar": 0.0}
    write(found, *(imagined(name, shares.get(name, 1.0)) for name in NAMES))
    return found


def drawn_points(canvas):
    """The values of every point, by axes; points have markers, joined lines and marks of [P] have none of these."""
    across = len(canvas.axes[0].get_yticklabels()) and canvas.axes[0].get_ylabel() == ""
    return [
        Counter(
            round(float((line.get_xdata() if across else line.get_ydata())[0]), 9)
            for line in axes.lines
            if line.get_marker() in set(drawings.SHAPES) and line.get_linestyle() == "None"
        )
        for axes in canvas.axes
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_a_point_for_every_training(name):
    run = imagined(name)
    found = drawings.of(run)
    assert found
    shares = Counter(round(r.accuracy, 9) for r in run.results.values())
    if name == "construction":
        kept, cosines = drawn_points(found[0].draw())
        assert kept == shares
        assert cosines == Counter(round(drawings.least_cosine(r), 9) for r in run.results.values())
    elif name == "mqar":
        canvases = [drawn_points(figure.draw()) for figure in found]
        together = sum((sum(panels, Counter()) for panels in canvases), Counter())
        assert together == shares
    else:
        assert sum(drawn_points(found[0].draw()), Counter()) == shares


def test_thresholds_are_those_of_the_predictions_and_of_what_the_paper_prints():
    run = PlanRun(plan.load("mqar"))
    rows = {row.label: row for row in run.plan.rows}
    for kappa, d in ((4, 10), (8, 18)):
        first = rows[f"Mamba, κ = {kappa}: width"].trainings[0]
        assert drawings.threshold(run, first, "d_model") == d
        assert drawings.threshold(run, rows[f"Mamba, κ = {kappa}: state"].trainings[0], "d_state") == kappa
    assert drawings.threshold(run, rows["S4D, κ = 4: width"].trainings[0], "d_model") is None
    assert observed.printed_width(rows["Mamba-2, κ = 4: width"]) == (5, 7)
    table = {row.label: observed.printed_shares(row) for row in plan.load("table1").rows}
    assert table["Mamba + PE"] == (1.0, 1.0)
    assert table["S4D, T = 10, with and without PE"] == (0.79, 0.99)
    assert None not in table.values()


def test_only_plans_with_results_are_drawn_and_others_say_how_many_of_how_many(folder):
    told = {chapter.name: chapter for chapter in observed.chapter((), whole=True, folder=folder)}
    assert tuple(told) == NAMES
    done = len(imagined("table1", 0.5).results)
    assert told["table1"].state.startswith(f"{done} of its 63 trainings were run")
    assert told["mqar"].state.startswith("None of its 306 trainings was run yet")
    assert not told["mqar"].rows
    assert {p.verdict for p in told["mqar"].predicted} == {"not decided yet"}
    assert told["koren"].state == "All of its 9 trainings were run."
    runs = {run.plan.name: run for run in observed.runs(folder)}
    assert not drawings.of(runs["mqar"])
    assert [figure.name for figure in drawings.of(runs["table1"])] == ["observed-table1"]


def test_the_table_shows_every_rate_and_every_seed_and_what_the_paper_prints():
    run = imagined("table1")
    told = observed.observed(run)
    shown = [cell for row in told.rows for _, seeds in row.rates for cell in seeds.split()]
    assert Counter(shown) == Counter(f"{r.accuracy:.4f}"[1:] for r in run.results.values())
    assert [row.printed for row in told.rows if row.printed] == [row.printed for row in run.plan.rows]
    assert any(line.startswith("Mamba + PE: ours is") and line.endswith("why is open.") for line in told.deviations)
    assert any("not met" in line and "contradicts nothing" in line for line in told.deviations)


def test_a_record_edited_by_hand_is_refused_by_its_name(tmp_path):
    write(tmp_path, imagined("koren"))
    path = tmp_path / "train-koren.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["canonical"]["results"][0]["right"] += 1
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot use observed/train-koren\.json: .*edited by hand"):
        observed.runs(tmp_path)


def test_the_commands_refuse_such_a_record_before_anything_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "train-koren.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(observed, "FOLDER", tmp_path)
    assert cli.main(["foundations.euler-gap"]) == cli.Exit.USAGE
    assert "cannot use observed/train-koren.json: it is no record of `train`" in capsys.readouterr().err


def test_page_pdf_latex_and_explain_tell_the_plans_of_their_claims(folder, monkeypatch):
    monkeypatch.setattr(observed, "FOLDER", folder)
    pieces = observed.evidence()[COVERED]
    claim = ClaimReport(claims()[COVERED], family_of(COVERED), claims()[COVERED].expected, pieces)
    report = Report((claim,), Run(), 0.0)
    assert report.as_expected
    (told,) = Book(report).observed
    assert told.name == "states"
    page, text = html.page(report), latex.dumps(report)
    assert 'id="observed-states"' in page
    assert 'id="observed-table1"' not in page
    assert "OBSERVED" in page
    assert latex.text(told.title) in text
    assert appendix.contents(Book(report), (), ())["observed"]["plans"][0]["command"] == told.command
    assert appendix.pdf(Book(report)).startswith(b"%PDF")
    evidence = dict(explain.told(claim))["Evidence"]
    assert any("plan states" in line for _, line in evidence)
    assert any(line.endswith(": not met") for _, line in evidence)


def test_what_was_not_run_is_skipped_and_what_was_not_found_leaves_nothing_open(folder):
    found = observed.evidence(folder)
    assert {e.kind for e in found["mqar.value-code"]} == {Kind.SKIPPED, Kind.OBSERVED}
    missed = [e for pieces in found.values() for e in pieces if e.missed]
    assert missed
    claim = claims()[COVERED]
    assert not ClaimReport(claim, family_of(COVERED), claim.expected, tuple(missed)).open
    broken = (Evidence(Kind.OBSERVED, "train", False, "a network beyond the bound"),)
    assert ClaimReport(claim, family_of(COVERED), claim.expected, broken).open


def test_the_records_that_ship_contradict_no_theorem_and_change_no_outcome():
    assert {run.plan.name for run in observed.runs()} == set(NAMES)
    for run in observed.runs():
        verdicts = predictions.verdicts(run.plan, run.results)
        assert not [p for p in predictions.of(run.plan) if p.every and verdicts[p.name] == predictions.NOT_MET]
    for claim, pieces in observed.evidence().items():
        known = [Evidence(Kind(claims()[claim].expected), "as recorded", True, "")]
        assert outcome_of([*known, *pieces], []) is outcome_of(known, []) is claims()[claim].expected
        assert outcome_of(pieces, []) is Outcome.UNKNOWN
