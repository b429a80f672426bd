"""The appendix: a PDF with every claim of a run and its digest, figures without colour, and no partial output."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("typst")
pytest.importorskip("matplotlib")

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.evidence import Report
from mamba_theorems.verify.report import appendix, book, figures, publish

FAST = "haar-wavelet"


@pytest.fixture
def report(small_report) -> Report:
    return small_report


@pytest.fixture(scope="module")
def files(small_report) -> publish.Files:
    return publish.companion(small_report)


def words(pdf: bytes) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    command = ["pdftotext", "-layout", "-", "-"]
    return subprocess.run(command, input=pdf, capture_output=True, check=True).stdout.decode()


def test_the_companion_is_a_pdf_a_page_latex_results_and_figures(files):
    expected = {"appendix.pdf", "appendix.tex", "report.html", "report.json", *_figures("graph"), *_figures(FAST)}
    assert set(files) == expected
    assert files["appendix.pdf"].startswith(b"%PDF")


def _figures(name: str) -> list[str]:
    return [f"figures/{name}.svg", f"figures/{name}.pdf"]


def test_the_pdf_says_every_claim_its_outcome_its_replay_line_and_the_digest(files, report):
    shown = re.sub(r"\s|\u200b", "", words(files["appendix.pdf"]))
    assert data.digest(data.canonical(report)) in shown
    for c in report.claims:
        assert c.claim.id in shown
        assert str(c.outcome) in shown
        for e in c.evidence:
            assert re.sub(r"\s", "", e.replay) in shown
    for title in ("Glossary", "HypothesesofrecallH1", "Errata", "Beyondthepaper", "Whatistrusted", "Reproduction"):
        assert title in shown


def test_the_pdf_shows_the_graph_with_every_claim(files, report):
    drawn = words(files["figures/graph.pdf"])
    for c in report.claims:
        assert c.claim.id.partition(".")[2] in drawn


def test_every_erratum_stands_in_the_errata_with_all_its_parts(report):
    listed = appendix.contents(book.Book(report), (), ())["errata"]
    assert [e["id"] for e in listed] == [c.claim.id for c in report.claims if c.claim.expected is Outcome.REFUTED]
    parts = {"Printed", "Fails at", "Reading", "Instead", "Survives"}
    assert all(parts <= set(e["fields"]) <= parts | {"Also"} and len(e["replays"]) == 1 for e in listed)


def test_page_and_latex_show_the_figures_and_the_digest(files, report):
    digest = data.digest(data.canonical(report))
    assert digest in files["report.html"]
    assert f'id="figure-{FAST}"' in files["report.html"]
    assert f"\\includegraphics[width=.8\\linewidth]{{figures/{FAST}}}" in files["appendix.tex"]
    assert digest in files["appendix.tex"]


def test_a_figure_is_the_same_twice_and_has_no_colour():
    one, two = (figures.draw(figures.figures()[FAST]) for _ in range(2))
    assert one == two
    ET.fromstring(one.svg)
    for colour in re.findall(r"#([0-9a-fA-F]{6})\b", one.svg):
        assert colour[:2] == colour[2:4] == colour[4:]


def test_every_figure_is_about_claims_that_exist_and_has_its_command():
    for name, figure in figures.figures().items():
        assert set(figure.claims) <= set(claims())
        assert f"figure {name} " in figure.command


def test_the_table_of_sizes_counts_built_weights():
    head, small, large = publish.sizes(["mqar.thm2-step1"])
    assert head == publish.HEAD
    assert [small[1], small[4]] == ["4", "4"]
    assert [large[1], large[4]] == ["16", "16"]
    assert int(small[3]) == 4 + publish.VALUES


def test_the_commands_of_the_reproduction_chapter_are_understood(files, tmp_path, capsys):
    assert cli.main(["figure", FAST, "-o", str(tmp_path)]) == cli.Exit.EXPECTED
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{FAST}.pdf", f"{FAST}.svg"]
    for wrong in (["figure", "no-such", "-o", str(tmp_path)], ["figure", FAST], ["appendix"]):
        assert cli.main(wrong) == cli.Exit.USAGE
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_an_appendix_that_fails_half_way_leaves_the_old_one(tmp_path, monkeypatch, report, capsys):
    source, folder = tmp_path / "report.json", tmp_path / "out"
    source.write_text(data.dumps(report), encoding="utf-8")
    folder.mkdir()
    (folder / "appendix.pdf").write_text("old")
    monkeypatch.setattr(publish.latex, "dumps", lambda *_, **__: 1 / 0)
    assert cli.main(["appendix", "--from", str(source), "-o", str(folder)]) == cli.Exit.INTERNAL
    assert [p.name for p in folder.iterdir()] == ["appendix.pdf"]
    assert (folder / "appendix.pdf").read_text() == "old"


def test_every_figure_draws_from_what_the_families_offer_today(tmp_path):
    assert cli.main(["figure", "all", "-o", str(tmp_path)]) == cli.Exit.EXPECTED
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    assert set(drawn) == set(figures.figures())
    assert all(svg.count("<path") > 10 for svg in drawn.values())
