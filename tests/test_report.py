"""Reports in every format, from a real run: whole, readable without a network, and saying what the run found."""

import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console

from mamba_theorems.theorems.claim import Form, Kind, Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import glossary
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.evidence import LINK, Evidence, Report
from mamba_theorems.verify.glossary import is_formula
from mamba_theorems.verify.report import appendix, book, explain, formula, graph, html, junit, latex, markup
from mamba_theorems.verify.report.formats import plain_text
from mamba_theorems.verify.settings import Run

SELECTED = ["foundations.euler-gap", "haar.thm1", "mqar.thm2-step1-printed"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def report(small_report) -> Report:
    return small_report


def formulas() -> list[str]:
    return [
        line
        for claim in claims().values()
        for text in (claim.statement, *filter(is_formula, claim.assumed))
        for line in formula.clauses(text)
    ]


@pytest.mark.parametrize("claim", claims())
def test_every_statement_and_hypothesis_can_be_shown_on_a_page_and_in_print(claim):
    for text in (claims()[claim].statement, *filter(is_formula, claims()[claim].assumed)):
        for line in formula.clauses(text):
            ET.fromstring(formula.mathml(line))
            assert formula.typst(line)
            assert latex.math(line).isascii()


@pytest.mark.parametrize(
    ("text", "subscripts"),
    [
        ("x_lᵀSx_l > 0", "ll"),
        ("S_CᵀS_B", "CB"),
        ("μ/S_Δ²", "Δ"),
        ("S_Δx_l", "Δl"),
        ("(Px_l)_i", "li"),
        ("num_keys", ""),
        ("e_{n+1}", ["n+1"]),
    ],
)
def test_a_subscript_ends_at_a_transpose_or_a_power_and_names_have_none(text, subscripts):
    assert [piece.text for piece in markup.pieces(text) if piece.kind == "sub"] == list(subscripts)


def test_every_word_about_a_claim_can_be_typeset_in_ascii():
    for claim in claims().values():
        erratum = claim.erratum.texts.values() if claim.erratum else ()
        for text in (claim.title, claim.paper, *claim.assumed, *erratum):
            assert latex.text(text).isascii()


def test_typst_sets_every_formula():
    typst = pytest.importorskip("typst")
    lines = "\n".join(f"$ {formula.typst(line)} $" for line in formulas())
    assert typst.compile(lines.encode(), ignore_system_fonts=True).startswith(b"%PDF")


@pytest.mark.parametrize("wrong", [r"\quadx", r"\nosuchcommand{x}", r"\text{a}\Alphabet"])
def test_a_command_that_cannot_be_shown_is_an_error(wrong):
    with pytest.raises(formula.FormulaError, match=re.escape(wrong[:5])):
        formula.mathml(wrong)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("c_0k ≤ 2^{j/2}", "c<sub>0</sub>k ≤ 2<sup>j/2</sup>"),
        ("e^{−x_l} and num_kv_pairs", "e<sup>−x<sub>l</sub></sup> and num_kv_pairs"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("see mqar.thm2-step1.", 'see <a href="#mqar.thm2-step1"><code>mqar.thm2-step1</code></a>.'),
    ],
)
def test_prose_raises_and_lowers_scripts_and_links_claims(text, shown):
    assert str(html.prose(text)) == shown


def test_clauses_are_cut_at_wide_spaces_outside_braces():
    assert formula.clauses(r"a=1,\quad b_{x\quad y};\ g(s;t)") == ["a=1", r"b_{x\quad y}", "g(s;t)"]


def test_a_document_read_again_is_the_same_report(report):
    document = json.loads(data.dumps(report))
    again = data.load(document)
    assert data.document(again)["canonical"] == document["canonical"]
    assert [c.steps for c in again.claims] == [dict(c.steps) for c in report.claims]
    with pytest.raises(ValueError, match="digest"):
        data.load({**document, "digest": "0" * 64})


def test_junit_counts_what_it_lists_and_fails_what_is_not_expected(report):
    root = ET.fromstring(junit.dumps(report))
    assert int(root.get("tests")) == len(root.findall(".//testcase"))
    assert root.get("failures") == "0"
    assert len(root.findall("testsuite[@name='controls']/testcase")) == len(report.mutants)
    assert any("--replay" in out.text for out in root.findall(".//testcase/system-out"))
    broken = Report((), Run(), 0.0, tuple((c, type(m)(m.check, m.mutant, False, "")) for c, m in report.mutants))
    assert int(ET.fromstring(junit.dumps(broken)).get("failures")) == len(report.mutants)


def test_every_form_tells_the_same_counts_verdicts_and_replays(report):
    wrong = Evidence(Kind.TESTED, "a check", False, "the instance", replay="python -m verify --replay it")
    whole = report["foundations.euler-gap"]
    open_ = Evidence(Kind.TESTED, "a search", None, "nothing found")
    late = [Evidence(Kind.SKIPPED, name, None, "needs --tier full") for name in ("one", "two")]
    broken = replace(report, claims=(replace(whole, outcome=Outcome.UNKNOWN, evidence=(wrong, open_, *late)),))
    printed, page = plain_text(broken), html.page(broken)
    for line in (
        "      contradicted: a check: the instance\n      replay: python -m verify --replay it\n",
        "      undecided: a search: nothing found\n",
        "      expected PROVED, found UNKNOWN\n",
        "1 claim, 2 checks SKIPPED\n  foundations: 1 UNKNOWN\n  skipped 2: needs --tier full\n",
        "not as expected: foundations.euler-gap\n",
    ):
        assert line in printed
    root = ET.fromstring(junit.dumps(broken))
    assert [root.get(name) for name in ("failures", "skipped")] == ["3", "2"]
    for told in (page, latex.dumps(broken)):
        assert "a check: contradicted" in told
        assert "a search: undecided" in told
        assert "one, two: skipped" in told
        assert "the instance" in told
    assert (
        '<p class="headline">1 claim, 2 checks SKIPPED</p>\n<ul class="counts"><li>foundations: 1 UNKNOWN</li></ul>'
        in page
    )


DERIVED = Evidence(Kind.DERIVED, "derivation", True, "", {"steps": 3, LINK: "that both sums run over one set"})


def derived(report: Report, **changes) -> Report:
    """A run in which the first claim is DERIVED and the second rests on it."""
    first, second, *_ = report.claims
    claim = replace(second.claim, depends_on=(first.claim.id,), **changes)
    whole = replace(first, outcome=Outcome.DERIVED, evidence=(DERIVED,))
    return replace(report, claims=(whole, replace(second, claim=claim)), mutants=())


def told(report: Report, claim: str) -> str:
    """What `explain` prints in 80 columns."""
    console, outcomes = Console(file=io.StringIO(), width=80), {c.claim.id: c.outcome for c in report.claims}
    explain.write(report[claim], console, outcomes)
    return console.file.getvalue()


def test_every_form_tells_a_derived_claim_with_its_link(report):
    run = derived(report)
    for text in (told(run, SELECTED[0]), html.page(run), latex.dumps(run)):
        assert "DERIVED" in text
        assert "A reader must see" in text
        assert "that both sums run over one set" in text
        assert text.count("both sums run over one set") == 1  # once, and not again among the figures
    contents = appendix.contents(book.Book(run), (), ())["families"][0]["entries"][0]
    assert (contents["mark"], contents["outcome"]) == ("□", "DERIVED")
    assert contents["link"][0]["text"] == "that both sums run over one set"
    case = ET.fromstring(junit.dumps(run)).find(f".//testcase[@classname='{SELECTED[0]}']")
    assert case.findtext("system-out") == "a reader must see: that both sums run over one set"
    facts = data.document(run)["canonical"]["claims"][0]["evidence"][0]["facts"]
    assert facts["a reader must see"] == "that both sums run over one set"


def test_what_a_claim_rests_on_is_told_with_its_outcome(report):
    run = derived(report)
    assert f"Rests on\n  {SELECTED[0]}  DERIVED\n" in told(run, SELECTED[1])
    assert f'<a href="#{SELECTED[0]}"><code>{SELECTED[0]}</code></a> (DERIVED).' in html.page(run)
    assert f"\\claimname{{{SELECTED[0]}}} (DERIVED)." in latex.dumps(run)


def test_the_drawings_have_a_sign_for_a_derived_claim_and_a_legend(report):
    run = derived(report)
    outcomes = book.Book(run).outcomes
    for draw in (graph.dot, graph.mermaid, graph.svg):
        drawn = draw(list(outcomes), outcomes)
        assert "□ DERIVED" in drawn
        assert "✗ REFUTED" in drawn
        assert "PROVED" not in drawn
        assert glossary.WORDS["DERIVED"].fill in drawn


def test_a_restated_claim_that_fails_is_nobody_s_erratum(report):
    run = derived(report, form=Form.RESTATED)
    chapters = book.Book(run)
    assert not chapters.errata
    assert dict(chapters.counts)["other papers'"] == "1 REFUTED"
    for text in (told(run, SELECTED[1]), html.page(run).partition("<h2 id")[2], latex.dumps(run)):
        assert "restated" in text
        assert "Erratum" not in text
    assert "Where it fails" in told(run, SELECTED[1])
    assert "Restated:" in told(run, SELECTED[1])
    assert "Printed:" not in told(run, SELECTED[1])
    contents = appendix.contents(chapters, (), ())
    (others,) = (group["entries"] for group in contents["apart"] if "nobody's errata" in group["title"])
    assert (contents["errata"], contents["paper"], [e["id"] for e in others][-1]) == ([], [], SELECTED[1])


def test_latex_holds_every_claim_step_and_the_digest_in_ascii(report):
    written = latex.dumps(report)
    assert written.isascii()
    assert data.digest(data.canonical(report)) in written
    for c in report.claims:
        assert f"\\label{{claim:{c.claim.id}}}" in written
    assert written.count("\\item") >= sum(len(lines) for c in report.claims for lines in c.steps.values())
    assert all(written.count(f"\\begin{{{e}}}") == written.count(f"\\end{{{e}}}") for e in ("itemize", "enumerate"))


def test_long_numbers_are_shortened_and_long_formulas_become_text():
    line = data.Line("n", "k", "true", "m", f"1/{'1234567890' * 9}", "", "x" * (book.LONG + 1))
    shown = book.legible(line)
    assert shown.latex == ""
    assert shown.statement == "1/12345678…34567890"


def test_the_graph_names_every_claim_and_draws_every_edge():
    selected, outcomes = list(claims()), {c: claim.expected for c, claim in claims().items()}
    edges = len(graph.dependency_graph().edges)
    drawn = ET.fromstring(graph.svg(selected, outcomes))
    assert len(drawn.findall("{*}a")) == len(selected)
    assert len(drawn.findall("{*}path")) == edges
    assert graph.dot(selected, outcomes).count(" -> ") == graph.mermaid(selected, outcomes).count(" --> ") == edges


def test_boxes_of_the_graph_do_not_overlap():
    places, _, (width, height) = graph._layout(list(claims()))
    spots = sorted(places.values())
    assert len(set(spots)) == len(spots)
    for x, y in spots:
        assert 0 <= x <= width - graph.WIDTH
        assert 0 <= y <= height - graph.HEIGHT
        assert not any(x == a and 0 < b - y < graph.HEIGHT for a, b in spots)


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(small_report) -> str:
    return html.page(small_report)


def test_the_page_needs_no_network_and_holds_the_digest(page, report):
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "url(#" in page or "url(" not in page
    assert data.digest(data.canonical(report)) in page
    assert page.count('<details class="claim') == len(report.claims)
    assert "--replay" in page


def browse(folder, page: str, script: str) -> str:
    """What a script finds on the page in a headless Chromium."""
    path = folder / "page.html"
    probe = f"<script>document.body.dataset.found = JSON.stringify((() => {{{script}}})());</script>"
    path.write_text(page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-500:]
    return json.loads(found[1].replace("&quot;", '"').replace("&amp;", "&"))


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_filters_folds_and_links_work_in_a_browser_and_nothing_overflows(tmp_path, page):
    found = browse(
        tmp_path,
        page,
        """
        const shown = () => all(".claim:not([hidden])").map((c) => c.id);
        const before = shown();
        const box = document.querySelector("input[value=REFUTED]"); box.checked = false; filter();
        const without = shown();
        box.checked = true;
        document.getElementById("search").value = "euler"; filter();
        const searched = shown();
        document.getElementById("search").value = ""; filter();
        document.getElementById("unfold").click();
        const open = all(".claim[open]").length;
        location.hash = "#word-H2"; reveal();
        const told = document.getElementById("word-H2").closest("details").open;
        const height = document.querySelector(".formula math").getBoundingClientRect().height;
        return {before, without, searched, open, told, height,
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth};
        """,
    )
    assert found["before"] == SELECTED
    assert found["without"] == found["searched"] == [SELECTED[0]]
    assert found["open"] == len(SELECTED)
    assert found["told"]
    assert found["height"] > 10
    assert found["overflow"] <= 0


# --- the command line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file"), [("html", "report.html"), ("latex", "report.tex"), ("junit", "report.xml")])
def test_a_recorded_report_is_rendered_without_running(tmp_path, capsys, report, name, file):
    source = tmp_path / "report.json"
    source.write_text(data.dumps(report), encoding="utf-8")
    assert cli.main(["all", "--from", str(source), "--output-format", name, "-o", str(tmp_path)]) == cli.Exit.EXPECTED
    assert (tmp_path / file).stat().st_size > 1000
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["report.json", file])
    capsys.readouterr()


def test_a_broken_report_and_a_format_that_does_not_fit_get_one_sentence(tmp_path, capsys):
    broken = tmp_path / "report.json"
    broken.write_text("{}")
    for args in (
        ["all", "--from", str(broken)],
        ["graph", "--output-format", "junit"],
        ["all", "--output-format", "dot"],
    ):
        assert cli.main(args) == cli.Exit.USAGE
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_graph_command_prints_and_writes(tmp_path, capsys):
    assert cli.main(["graph", "--output-format", "mermaid"]) == cli.Exit.EXPECTED
    assert capsys.readouterr().out.startswith("flowchart")
    assert cli.main(["graph", "mqar.thm2-step1", "--output-format", "svg", "-o", str(tmp_path)]) == cli.Exit.EXPECTED
    assert ET.parse(tmp_path / "graph.svg")
