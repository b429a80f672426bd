"""The Python surface: reports and constructions as data that a notebook shows, and the notebooks, executed."""

import re

import pytest

from mamba_theorems import verify
from mamba_theorems.constructions import build
from mamba_theorems.verify.report import notebook

KEPT = sorted(path for path in notebook.NOTEBOOKS.glob("*.ipynb") if path.name not in notebook.PAGES)


def test_the_worked_notebook_runs_and_everything_it_shows_can_be_shown():
    (path,) = (notebook.NOTEBOOKS / name for name in notebook.PAGES)
    document = notebook.read(path)
    assert not any(cell.get("outputs") for cell in document["cells"]), "commit this notebook without outputs"
    outputs = [o for cell in notebook.executed(document)["cells"] for o in cell.get("outputs", ())]
    pages = ["".join(o["data"]["text/html"]) for o in outputs if "text/html" in o.get("data", ())]
    assert len(pages) >= 4
    assert any("REFUTED" in page for page in pages)


def told(document: dict) -> list[str]:
    """What every cell of a notebook shows, but for fractions, which differ from machine to machine."""
    outputs = [o for cell in document["cells"] for o in cell.get("outputs", ())]
    shown = ("".join(o["text"] if "text" in o else o["data"]["text/plain"]) for o in outputs)
    return [re.sub(r"-?\d+\.\d+(?:e[+-]?\d+)?", "#", text) for text in shown]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_notebook_shows_today_what_it_was_committed_with(path):
    for package in ("transformers", "safetensors"):
        pytest.importorskip(package)
    document = notebook.read(path)
    assert told(document), "run `python -m verify.report.notebook`"
    assert told(notebook.executed(document)) == told(document), "run `python -m verify.report.notebook`"


def test_what_a_cell_shows_is_kept_as_a_notebook_keeps_it():
    cells = [{"cell_type": "code", "source": ["x = 3\n", "print('a')\n", "x"], "outputs": [], "metadata": {}}]
    (cell,) = notebook.executed({"cells": cells})["cells"]
    assert [o["output_type"] for o in cell["outputs"]] == ["stream", "execute_result"]
    assert cell["outputs"][0]["text"] == ["a\n"]
    assert cell["outputs"][1]["data"] == {"text/plain": ["3"]}
    with pytest.raises(ZeroDivisionError):
        notebook.executed({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]})


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
