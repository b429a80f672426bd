"""The glossary: every word and letter that a claim uses has an entry, everything that shows a report shows it."""

import io
import re
from itertools import chain
from pathlib import Path

import pytest
from rich.console import Console

from mamba_theorems.theorems.claim import FAMILIES, Form, Kind, Outcome
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify import glossary
from mamba_theorems.verify.report import explain, formula, html, latex, paper_map, readme

ALL = tuple(chain.from_iterable(glossary.glossary().values()))
NAMES = {gloss.name for gloss in ALL}
SIGNS = {"π", "Σ"}
"""Greek letters that are signs of their own where no family uses them otherwise."""


SHOWN = [Path("README.md"), Path("glossary.md"), *Path("docs").rglob("*.md"), *Path("notebooks").glob("*.ipynb")]
SHOWN += [p for room in ("verify", "theorems") for p in Path(room).rglob("*") if p.suffix in (".py", ".html", ".typ")]


def test_no_text_says_more_of_a_proof_than_its_word_does():
    """PROVED is said of what composes, and of a DERIVED claim only that its steps are decided for all sizes."""
    more = re.compile(r"(?i)\b(proved|checked|holds?|shown|verified)\b[^.|\n]{0,60}for all sizes")
    found = {path: more.findall(path.read_text(encoding="utf-8")) for path in SHOWN}
    assert not {path: lines for path, lines in found.items() if lines}
    assert more.search("The steps are checked for all sizes.")
    assert not more.search("a reader checks an argument once, for all sizes")


def texts(claim):
    erratum = claim.erratum.texts.values() if claim.erratum else ()
    return claim.paper, claim.title, claim.statement, *claim.assumed, *erratum


def used(claim_id: str) -> list[str]:
    return [gloss.name for gloss in glossary.used(claims()[claim_id], family_of(claim_id))]


def letters(claim_id: str) -> set[str]:
    """Every capital and Greek letter that a claim states, and every letter of the glossary there."""
    claim, family = claims()[claim_id], family_of(claim_id)
    known = {gloss.name for gloss in glossary.LETTERS if family in gloss.families}
    found = {name for text in (claim.title, claim.statement, *claim.assumed) for name in glossary.symbols(text, known)}
    return {name for name in found if name in known or re.fullmatch("[A-ZΑ-ω]", name)}


def test_every_verdict_word_is_told_once_and_each_outcome_can_be_told_apart():
    assert set(glossary.WORDS) == {*Kind, *Outcome}
    for looks in ("mark", "style", "fill", "ink"):
        shown = [getattr(glossary.WORDS[outcome], looks) for outcome in Outcome]
        assert all(shown)
        assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("claim", claims())
def test_every_hypothesis_extension_and_evidence_word_of_a_claim_is_in_the_glossary(claim):
    text = "\n".join(texts(claims()[claim]))
    words = re.findall(r"\bH\d\b|\b[A-Z]{5,}\b", text)
    words += [f"Extension {letter}" for letter in re.findall(r"\b[Ee]xtension ([A-Z])\b", text)]
    assert set(words) <= NAMES
    assert set(words) <= set(used(claim)) | set(glossary.WORDS)


def test_every_extension_and_hypothesis_that_the_code_speaks_of_is_in_the_glossary():
    found = set()
    for room in ("theorems", "constructions", "verify"):
        for path in Path(room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            found |= {f"Extension {letter}" for letter in re.findall(r"\b[Ee]xtension ([A-Z])\b", text)}
            found |= set(re.findall(r"\bH[1-9]\b", text))
    assert len(found) > 8
    assert found <= NAMES


@pytest.mark.parametrize("claim", claims())
def test_every_capital_and_greek_letter_of_a_statement_is_explained(claim):
    assert letters(claim) - SIGNS <= set(used(claim))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_letter_of_the_glossary_stands_in_a_statement_of_its_family(family):
    stand = set().union(*(letters(claim) for claim in claims() if family_of(claim) == family))
    own = {gloss.name for gloss in glossary.LETTERS if family in gloss.families and len(gloss.families) < len(FAMILIES)}
    assert own <= stand


def test_extensions_are_claims_beyond_the_paper():
    for ids in glossary._EXTENSIONS.values():
        assert all(claims()[claim].form is Form.EXTENSION for claim in ids)


@pytest.mark.parametrize(
    ("claim", "there", "absent"),
    [
        ("mqar.thm2-step1", {"[P]", "H1", "H2", "κ", "Λ", "V", "a_0", "c_1", "d"}, {"H3", "H", "h", "s", "a"}),
        ("mqar.h2-necessary", {"d_conv", "H2"}, {"d", "n", "c"}),
        ("haar.cor1-s6", {"Extension A", "N", "O"}, {"L", "Extension B"}),
        ("sensitivity.attention", {"W_Q", "W_V"}, {"W", "V", "K"}),
        ("dynamics.1d-diverge-slow", {"κ", "S_Δ", "Vo, Pham, Tong & Nguyen (ICLR 2025)"}, {"S", "Δ", "[P]"}),
        ("foundations.gated-rnn", {"ZOH", "z", "σ", "A"}, {"a", "S"}),
    ],
)
def test_a_claim_uses_the_letters_of_its_formulas_and_no_letters_of_words(claim, there, absent):
    assert there <= set(used(claim))
    assert not absent & set(used(claim))


def test_the_same_letter_means_what_its_family_says():
    meaning = {family: {g.name: g.meaning for g in glossary.LETTERS if family in g.families} for family in FAMILIES}
    assert "num_kv_pairs" in meaning["mqar"]["κ"]
    assert meaning["token_dynamics"]["κ"] == "μ/S_Δ²"


def test_every_entry_has_an_anchor_of_its_own_and_can_be_shown_in_every_markup():
    assert len({gloss.anchor for gloss in ALL}) == len(ALL)
    for gloss in ALL:
        assert not re.search(r"\s", gloss.anchor)
        assert latex.text(f"{gloss.name}: {gloss.meaning}").isascii()
        if gloss.latex:
            assert formula.mathml(gloss.latex)
            assert formula.typst(gloss.latex)
            assert latex.math(gloss.latex).isascii()


def test_page_latex_and_explain_show_the_glossary(small_report):
    page, written = html.page(small_report), latex.dumps(small_report)
    for gloss in ALL:
        assert f'id="{html.escape(gloss.anchor)}"' in page
        assert latex.text(gloss.meaning) in written
    assert '<a href="#word-H1">H1</a>: the context' in page
    told = io.StringIO()
    explain.write(small_report["mqar.thm2-step1-printed"], Console(file=told, width=80))
    shown = told.getvalue().partition("Words and letters")[2]
    assert "H1: the context's keys are distinct" in shown
    assert "REFUTED: " in shown
    assert "H3" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_glossary_md_the_table_of_words_and_the_picture_are_not_stale():
    again = "run `python -m verify.report.readme`"
    reading, page, picture = (p.read_text(encoding="utf-8") for p in (readme.READING, readme.GLOSSARY, readme.PICTURE))
    assert page == readme.page(), again
    assert reading == readme.with_words(reading), again
    assert picture == readme.picture(paper_map.recorded()["canonical"]), again
