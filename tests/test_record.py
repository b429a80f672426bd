"""The record and the report as JSON: all that a claim says is in it; what is wrong with it is told in one sentence."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Kind, Outcome
from mamba_theorems.theorems.proofs.proof import Identity, Proof
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.verify import record as data
from mamba_theorems.verify import recorded
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.commands import run as running
from mamba_theorems.verify.engine import derivations
from mamba_theorems.verify.evidence import ClaimReport
from mamba_theorems.verify.report import paper_map
from mamba_theorems.verify.shape import misfit

X = sp.Symbol("x", positive=True)


@pytest.fixture(scope="module")
def document(small_report) -> dict[str, Any]:
    return json.loads(data.dumps(small_report))


# --- what it holds ---------------------------------------------------------------------------------------------------

PLAIN = Claim(
    "haar.thm1-amended",
    "Theorem 1",
    Form.AMENDED,
    "a title",
    r"x \ge 0",
    (Hypothesis("P", "x is positive", sp.Gt(X, 0), "x>0"), "in words"),
    formula=sp.Ge(X, 0, evaluate=False),
    cites=("a book",),
)


def reported(claim: Claim, **steps: Any) -> ClaimReport:
    return ClaimReport(claim, "haar", Outcome.DERIVED, (), steps=steps)


def changed(**changes: Any) -> list[str]:
    """The fields of which a record says otherwise once a claim is changed."""
    before, after = reported(PLAIN), reported(replace(PLAIN, **changes))
    part = data.canonical(data.Report((before,), data.Run(), 0.0))
    found = data.differences(part, data.Report((after,), data.Run(), 0.0))
    return found and found[0].removeprefix(f"{PLAIN.id} (").removesuffix(")").split(", ")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"statement": r"x > 0"}, ["statement"]),
        ({"title": "another"}, ["title"]),
        ({"formula": sp.Ge(X, 1)}, ["formula"]),
        ({"formula": sp.Ge(sp.Symbol("x", real=True), 0, evaluate=False)}, ["formula"]),
        ({"formula": None}, ["formula"]),
        ({"every": (X,)}, ["every"]),
        ({"some": (X,)}, ["some"]),
        ({"cites": ()}, ["cites"]),
        ({"hypotheses": PLAIN.hypotheses[:1]}, ["hypotheses"]),
        ({"hypotheses": (replace(PLAIN.hypotheses[0], meaning=sp.Gt(X, 1)), "in words")}, ["hypotheses"]),
        ({"hypotheses": (replace(PLAIN.hypotheses[0], words="x is large"), "in words")}, ["hypotheses"]),
        ({"hypotheses": (replace(PLAIN.hypotheses[0], latex="x>1"), "in words")}, ["hypotheses"]),
        ({"depends_on": ("haar.thm1",)}, ["depends_on"]),
        ({"form": Form.RESTATED, "paper": "another"}, ["paper", "form"]),
        ({"expected": Outcome.DERIVED}, ["expected"]),
    ],
)
def test_whatever_a_claim_says_is_in_the_record_and_a_change_of_it_is_named(changes, fields):
    assert changed(**changes) == fields


def line(value: sp.Expr) -> derivations.Line:
    proof = Proof((Identity(name="s", lhs=Named("margin", value), rhs=X),))
    results = (derivations.StepResult(proof.steps[0], derivations.unknown("")),)
    return derivations.lines_of(results, proof)[0]


def test_a_step_is_recorded_with_what_its_names_stand_for():
    assert data.said(line(X + 0)) == "s | identity Eq(margin, x) | given x > 0 | where margin = x"
    assert data.said(line(2 * X)) != data.said(line(X + 0))


def test_two_quantities_of_one_name_are_both_recorded():
    step = Identity(name="s", lhs=Named("m", X), rhs=Named("m", 2 * X))
    proof = Proof((step,))
    told = derivations.lines_of((derivations.StepResult(step, derivations.unknown("")),), proof)[0]
    assert told.where == "m = 2*x, m = x"


def test_the_digest_covers_all_that_a_claim_says(document):
    for name in data.said_of(claims()["haar.thm1"], "haar"):
        part = copy.deepcopy(document["canonical"])
        part["claims"][0][name] = "changed"
        assert data.digest(part) != document["digest"]


# --- what is wrong with it -------------------------------------------------------------------------------------------


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every part."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def kinds(value: Any) -> list[tuple]:
    """One path of every kind of place: the first of those that differ only in numbers and in names of claims."""
    found: dict[tuple, tuple] = {}
    for path in places(value):
        found.setdefault(tuple(0 if isinstance(k, int) or k in claims() else k for k in path), path)
    return [path for path in found.values() if path]


def put(value: Any, path: tuple, change: Any) -> Any:
    """A copy with another part at a path, or without it; and with digests that fit."""
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    if change is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = change
    return whole


GONE = object()
WRONG = (GONE, None, {"strange\n": 7.5})


def signed(document: Any) -> Any:
    """The document with digests that fit its parts, as a forger would write them."""
    for name, digest in (("canonical", "digest"), ("volatile", "volatile_digest")):
        if name in document and digest in document:
            document[digest] = data.digest(document[name])
    return document


def refused(document: Any) -> str:
    """Why a document is no report; fails where it is one."""
    with pytest.raises(ValueError, match=r".") as reason:
        data.load(document)
    assert "\n" not in str(reason.value)
    return str(reason.value)


FREE = ("facts", "measured", "versions", "dtypes", "mutants", "digest", "volatile_digest")
"""What may be of any number or name, and the digests that a forger makes anew."""


def test_a_part_of_another_kind_anywhere_is_refused_even_with_fitting_digests(document):
    for path, wrong in ((path, wrong) for path in kinds(document) for wrong in WRONG):
        broken = put(document, path, wrong)
        if broken != document:
            refused(broken)
        if broken != document and not set(path) & set(FREE):
            refused(signed(broken))


def test_another_text_or_number_anywhere_is_refused_for_its_digest(document):
    for path in kinds(document):
        part = document
        for key in path:
            part = part[key]
        if isinstance(part, str | int | float) and path[0] not in ("digest", "volatile_digest"):
            assert refused(put(document, path, f"{part}x" if isinstance(part, str) else part + 1))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("canonical", "version"), "9.9", "it was written by mamba-theorems 9.9, and this is 0.1.0"),
        (("canonical", "version"), "9\n9", "it was written by no version"),
        (("canonical", "claims", 0, "statement"), "x", "it says otherwise than this version of .* \\(statement\\)"),
        (("canonical", "claims", 0, "id"), "haar.thm9", "'haar.thm9'"),
        (
            ("canonical", "claims", 0, "outcome"),
            "CERTIFIED",
            "does not follow from its evidence|its counts are not those of its claims",
        ),
        (("canonical", "counts"), {}, "its counts are not those of its claims"),
        (("volatile",), None, "it is no report of this program: it.volatile is not a mapping"),
    ],
)
def test_a_forged_report_is_refused_for_that(document, path, value, says):
    with pytest.raises(ValueError, match=says):
        data.load(signed(put(document, path, value)))


def test_a_record_without_its_run_is_told_apart_from_a_broken_one(document):
    kept = {name: document[name] for name in ("canonical", "digest")}
    assert data.read_record(kept) == document["canonical"]
    assert "without the steps and figures" in refused(kept)


def cuts(text: str) -> Iterator[str]:
    """A text cut short at every kind of place: before and inside texts, numbers, lists, mappings, at every depth."""
    seen = set()
    for i in range(len(text)):
        around = (
            text[max(0, i - 1) : i + 1],
            (len(text[: i + 1].splitlines()[-1]) - len(text[: i + 1].splitlines()[-1].lstrip())),
        )
        if around not in seen:
            seen.add(around)
            yield text[:i]


def test_a_text_cut_short_anywhere_is_told_in_one_sentence(document):
    short = {**document, "canonical": {**document["canonical"], "claims": document["canonical"]["claims"][:1]}}
    short["volatile"] = {**document["volatile"], "claims": dict(list(document["volatile"]["claims"].items())[:1])}
    text = json.dumps(signed(short), indent=2)
    tried = 0
    for cut in cuts(text):
        with pytest.raises(ValueError, match="whole JSON text") as reason:
            recorded.parsed(cut)
        assert "\n" not in str(reason.value)
        tried += 1
    assert tried > 100


def test_nested_beyond_measure_is_no_json_either():
    with pytest.raises(ValueError, match="whole JSON text"):
        recorded.parsed("[" * 100_000)


# --- told by every command that reads it ------------------------------------------------------------------------------

READERS = (
    "foundations.euler-gap", "all -x", "explain haar.thm1", "explain haar.thm1 --run", "paper", "graph",
    "appendix haar.thm1 -o out",
    "foundations.euler-gap --kernel mamba_theorems.kernels.ops:selective_scan",
)  # fmt: skip
FROM = ("all --from FILE", "graph --from FILE", "appendix --from FILE -o out", "all --from FILE --output-format html")


def broken(document: dict[str, Any]) -> dict[str, str]:
    """A record that cannot be used, by what is wrong with it."""
    kept = data.recorded(data.load(document), {})
    text = json.dumps(kept)
    return {
        "cut short": text[: len(text) // 2],
        "empty": "",
        "a list": "[]",
        "no record": "{}",
        "edited": text.replace("haar", "hair", 1),
        "of another version": json.dumps(signed(put(kept, ("canonical", "version"), "0.0.9"))),
        "without claims": json.dumps(signed(put(kept, ("canonical", "claims"), GONE))),
        "not UTF-8": "\udcff",
    }


@pytest.mark.parametrize("words", [*READERS, *FROM])
def test_every_command_that_reads_a_broken_record_says_so_in_one_sentence(
    words, document, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "with_progress", None)  # nothing runs
    for text in broken(document).values():
        file = tmp_path / ("report.json" if "FILE" in words else "recorded.json")
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        assert cli.main(words.replace("FILE", str(file)).split()) == cli.Exit.USAGE, text[:60]
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.strip().splitlines()) == 1
        assert file.name in printed.err
        assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_a_claim_changed_without_its_record_is_named_after_the_run(
    document, small_report, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    part = put(document["canonical"], ("claims", 0, "statement"), "x = y")
    part["claims"].pop()
    Path("recorded.json").write_text(json.dumps({"canonical": part, "digest": data.digest(part)}))
    monkeypatch.setattr(running, "with_progress", lambda *_, **__: small_report)
    cli.main(["foundations.euler-gap"])
    said = capsys.readouterr().err
    assert (
        "the record says otherwise of foundations.euler-gap (statement), mqar.thm2-step1-printed (not in it): " in said
    )
    assert "--record" in said


def test_the_record_that_ships_has_every_kind_of_evidence_in_its_shape():
    record = paper_map.recorded()
    assert misfit(record, data.KEPT) == ""
    kinds = {e["kind"] for claim in record["canonical"]["claims"] for e in claim["evidence"]}
    assert kinds == set(map(str, Kind))
