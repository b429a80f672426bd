"""The Python surface: reports and constructions as data that a notebook shows, and the worked notebook, executed."""

import ast
import json
from pathlib import Path

import pytest

from mamba_theorems import verify
from mamba_theorems.constructions import build

NOTEBOOK = Path("notebooks/theorem2.ipynb")


def cells() -> list[str]:
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not c.get("outputs") for c in document["cells"]), "commit the notebook without outputs"
    return ["".join(c["source"]) for c in document["cells"] if c["cell_type"] == "code"]


def value(source: str, names: dict) -> object:
    """What a notebook would show under a cell: the value of its last line, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def test_the_worked_notebook_runs_and_everything_it_shows_can_be_shown():
    names: dict = {}
    shown = [value(source, names) for source in cells()]
    pages = [thing._repr_html_() for thing in shown if hasattr(thing, "_repr_html_")]
    assert len(pages) >= 4
    assert any("REFUTED" in page for page in pages)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"selected": "mqar.thm2-step1-print"}, "did you mean 'mqar.thm2-step1-printed'"),
        ({"selected": ["foundations.unrolled"], "tier": "huge"}, "quick, full, gpu"),
        ({"selected": ["foundations.unrolled"], "device": "abacus"}, "leave it out"),
    ],
)
def test_what_cannot_run_is_a_value_error_that_says_what_to_do(asked, says):
    with pytest.raises(ValueError, match=says):
        verify.run(**asked)


def test_a_report_is_data_and_shows_its_claims():
    report = verify.run("foundations.euler-gap")
    found = report["foundations.euler-gap"]
    assert found.outcome == found.claim.expected
    assert "foundations.euler-gap" in report._repr_html_()
    page = found._repr_html_()
    assert page.count("<math") > len(found.steps["derivation"])
    with pytest.raises(KeyError):
        report["mqar.thm4"]


def test_a_construction_shows_its_weights_by_channel():
    page = build("mqar.thm2-step1", "paper", num_kv_pairs=2, vocab_size=4)._repr_html_()
    assert "mqar.thm2-step1" in page
    assert "d_state = 2" in page
    assert "conv" in page
