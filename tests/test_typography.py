"""What is printed of every claim, as a page, in print and in LaTeX: no raw markup, no wrong subscript, in its margins.

The report is that of the record, with every word that a claim, a step or a piece of evidence says.
"""

import re
import shutil
import subprocess

import pytest

from mamba_theorems.theorems.claim import Kind, Outcome
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify import glossary
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Line, Report
from mamba_theorems.verify.report import appendix, book, formula, graph, html, latex, markup, paper_map, publish
from mamba_theorems.verify.settings import Run

WORDS = {
    "Delta", "Fourier", "S4D", "S6", "all", "conv", "early", "epsilon", "inner", "lag", "late", "layer", "lower", "max",
    "min", "model", "older", "other", "rival", "slow", "state", "tau", "upper",
}  # fmt: skip
PAIRS = {"ii", "il", "jl", "kk", "lj", "qa", "qq", "uu", "uv", "uw", "vw"}
"""Subscripts of several letters, each of which was looked at: another one is a subscript that does not end, or new."""
RAW = re.compile(r"[A-Za-zΑ-ω0-9)\]}′|⟩]_[\[({A-Za-zΑ-ω0-9∞]|\^[{(A-Za-z0-9−*∞]|[_^]\{")
"""What raises or lowers in plain text, left as it is."""


def line(said: str) -> Line:
    """A step of the record, but for its formula."""
    name, kind, *rest = said.split(" | ")
    cited = kind.removeprefix("cited ") if kind.startswith("cited ") else ""
    because = rest[-1] if rest and not rest[-1].startswith(("given ", "where ")) else ""
    return Line(name, "cited" if cited else "step", "true", "", cited, because)


def words(facts: dict) -> dict:
    """Facts that are no formulas as sympy writes them, which are shown as code."""
    return {name: value for name, value in facts.items() if "**" not in str(value)}


@pytest.fixture(scope="module")
def report() -> Report:
    told = []
    for part in paper_map.recorded()["canonical"]["claims"]:
        evidence = tuple(Evidence(Kind(e["kind"]), e["check"], True, "", words(e["facts"])) for e in part["evidence"])
        steps = {name: tuple(map(line, lines)) for name, lines in part["steps"].items()}
        claim = claims()[part["id"]]
        told.append(ClaimReport(claim, family_of(claim.id), Outcome(part["outcome"]), evidence, 0.0, steps))
    return Report(tuple(told), Run(), 0.0)


@pytest.fixture(scope="module", autouse=True)
def _no_code():
    """Rocq's text and the lists of weights are code: without them what is left is prose and formulas."""
    patch = pytest.MonkeyPatch()
    patch.setattr(book.ClaimEntry, "theorems", None)
    patch.setattr(book.ClaimEntry, "weights", ())
    patch.setattr(book.Book, "definitions", [])
    yield
    patch.undo()


def raw(text: str) -> list[str]:
    """Raw markup of a text, but for names of options, theorems and the like."""
    return [match[0] for match in re.finditer(r"\S*", markup._CODE.sub(" ", text)) if RAW.search(match[0])]


@pytest.fixture(scope="module")
def page(report) -> str:
    """What the page shows, without formulas and code."""
    shown = html.page(report)
    for tag in ("math", "code", "pre", "script", "style", "svg"):
        shown = re.sub(rf"<{tag}\b.*?</{tag}>", " ", shown, flags=re.DOTALL)
    return re.sub(r'<(\w+) class="sympy">.*?</\1>', " ", shown, flags=re.DOTALL)


def test_the_page_shows_no_raw_markup_and_no_subscript_that_does_not_end(page):
    assert raw(re.sub(r"<[^>]*>", " ", re.sub(r"</?(?:sub|sup)>", "", page))) == []
    subs = set(re.findall(r"<sub>([^<]*)</sub>", page))
    letters = {sub for sub in subs if re.fullmatch(r"[A-Za-z]{2,}", sub)}
    assert letters <= WORDS | PAIRS
    assert {"0", "l", "Δ", "[0,1/3)"} <= subs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x_l²Δ_l", "x<sub>l</sub>²Δ<sub>l</sub>"),
        ("Δ_lx_l and Δ_jE_lj", "Δ<sub>l</sub>x<sub>l</sub> and Δ<sub>j</sub>E<sub>lj</sub>"),
        ("dx_l/dt", "dx<sub>l</sub>/dt"),
        ("1_[0,1/3) and 1_[0,p)", "1<sub>[0,1/3)</sub> and 1<sub>[0,p)</sub>"),
        ("cumsum_j, min_r, ∂_s, score_(i)", "cumsum<sub>j</sub>, min<sub>r</sub>, ∂<sub>s</sub>, score<sub>(i)</sub>"),
        ("ρ^(n+1) T^* Π_{r=1}^t", "ρ<sup>n+1</sup> T<sup>*</sup> Π<sub>r=1</sub><sup>t</sup>"),
        ("X_0³ and x_1/4", "X<sub>0</sub>³ and x<sub>1</sub>/4"),
        ("p_S4D(m), N_Fourier", "p<sub>S4D</sub>(m), N<sub>Fourier</sub>"),
        ("mqar.Theorem2.thm2_step1_printed num_kv_pairs", "mqar.Theorem2.thm2_step1_printed num_kv_pairs"),
    ],
)
def test_a_script_ends_where_it_ends(text, shown):
    assert str(html.prose(text)) == shown
    assert markup.markdown(text).replace("\\*", "*") == shown
    assert "\\_" not in latex.text(text) or "num" in text


def test_latex_shows_no_raw_markup(report):
    braced = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
    markup_ = rf"\$.*?\$|\\(?:ensuremath|texttt|label|claimname|textsubscript|textsuperscript){braced}|\\\^\{{?\w\}}?"
    text = re.sub(markup_, " ", latex.dumps(report), flags=re.DOTALL)
    assert raw(text.replace("\\_", "_").replace("\\^{}", "^").replace("\\{", "{")) == []


def test_long_words_in_a_formula_are_set_as_words_between_which_a_line_may_end():
    long = "any write, read, gate and skip that see the window"
    latex_ = rf"a_1=\text{{{long}}},\ b\text{{ short}}"
    assert formula.runs(latex_) == [(True, "a_1="), (False, long), (True, r",\ b\text{ short}")]
    assert long in str(html.statement(latex_))
    assert f"a_1=${long}$" in latex.statement(latex_)
    assert formula.runs(rf"\left(\text{{{long}}}\right)") == [(True, rf"\left(\text{{{long}}}\right)")]


@pytest.fixture(scope="module")
def pdf(report) -> bytes:
    pytest.importorskip("typst")
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    outcomes = {name: claim.expected for name, claim in claims().items()}
    drawn = publish.Drawn("graph", "graph", "What rests on what.", "", graph.svg(list(outcomes), outcomes), b"")
    sizes = publish.legible(publish.sizes(["mqar.thm2-step1", "mqar.robust"]))
    return appendix.pdf(book.Book(report), [drawn], sizes)


def extracted(pdf: bytes, *how: str) -> str:
    return subprocess.run(["pdftotext", *how, "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()


def test_the_pdf_shows_no_raw_markup_and_the_units_of_its_sizes(pdf):
    text = extracted(pdf, "-layout")
    assert raw(text.replace("\u200b", "")) == []
    for unit in ("[pairs]", "[channels]", "[numbers]", "[bits]"):
        assert unit in text


def test_no_word_of_the_pdf_stands_outside_of_the_margins(pdf):
    width, side, wide = 595.28, 65.2, 36.9  # points: A4, its margins of 2.3 cm, and those of the graph's page, 1.3 cm
    for sheet in extracted(pdf, "-bbox").split("<page ")[1:]:
        least = wide if ">1d-monotone<" in sheet and ">zoh<" in sheet else side
        for left, top, right, bottom in re.findall(r'xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)"', sheet):
            assert least - 1 <= float(left) <= float(right) <= width - least + 1
            assert 0 <= float(top) <= float(bottom) <= 842


def test_the_graph_alone_is_coloured_whole_and_has_its_edges_behind_its_boxes():
    some = ["mqar.thm4", "mqar.thm4-jl", "foundations.zoh", "dynamics.1d-monotone"]
    outcomes = {name: claims()[name].expected for name in some}
    drawn = graph.svg(some[:1], outcomes), graph.svg(some, outcomes), graph.svg(list(claims()), outcomes)
    for svg in drawn:
        width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
        for x, y, w, h in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg):
            assert float(x) + float(w) <= width
            assert float(y) + float(h) <= height
        assert svg.rfind("<path d=") < svg.find("<a href")
    assert all(glossary.WORDS[outcome].fill in drawn[1] for outcome in outcomes.values())
    assert "outputorder=edgesfirst" in graph.dot(some, outcomes)
    points = graph.FONT * (595.28 - 2 * 36.9) / float(re.search(r'width="([\d.]+)"', drawn[2])[1])
    assert points >= 6.9, "a name in the printed graph is smaller than 7 points"
