"""What a terminal shows at 80 and 120 columns, from the record, at once; and a sign of life of what takes longer."""

import io
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.readable import readable
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.commands.usage import Beats
from mamba_theorems.verify.evidence import OTHERS, ClaimReport, Evidence, Kind, Report
from mamba_theorems.verify.glossary import is_formula
from mamba_theorems.verify.report import explain, html, junit, latex, paper
from mamba_theorems.verify.report.book import Book
from mamba_theorems.verify.report.formats import plain_text
from mamba_theorems.verify.report.plain import plain
from mamba_theorems.verify.settings import Run

SNAPSHOTS = Path(__file__).parent / "snapshots"
FIVE = ("haar.thm1", "sensitivity.lem2", "mqar.thm2-step1-printed", "haar.cor1-s6", "foundations.bilinear")
WRONG = ("explain nope", "explain haar.thm1 --tier full", "haar.thm1 --replay statement:{}", "paper x", "lst")
RAW = re.compile(r"\\[a-zA-Z]|\b(?:Eq|Abs|Max|Min|Derivative|Sum|Product|Implies|Equivalent)\(|\*\*")
"""What LaTeX and sympy write, and a reader of a terminal does not."""


def as_expected(claim) -> ClaimReport:
    """A claim's report as if all that is expected of it had been found."""
    named = f"python -m verify {claim.id} --replay 'statement:{{}}'" if claim.expected is Outcome.REFUTED else ""
    evidence = Evidence(Kind(str(claim.expected)), "statement", True, "as expected", replay=named)
    return ClaimReport(claim, family_of(claim.id), claim.expected, (evidence,))


@pytest.fixture(scope="module")
def whole() -> Report:
    made = {"date": "2026-01-01", "python": "3.11", "machine": "any", "versions": {"sympy": "1"}}
    return Report(tuple(map(as_expected, claims().values())), Run(), 1.0, (), made)


@pytest.fixture(scope="module")
def folder(whole, tmp_path_factory):
    """A folder with a record of that report."""
    told = {c.claim.id: explain.told(c, {}) for c in whole.claims if c.claim.id in FIVE}
    place = tmp_path_factory.mktemp("recorded")
    (place / "recorded.json").write_text(json.dumps(data.recorded(whole, told)), encoding="utf-8")
    return place


@pytest.fixture
def at(folder, monkeypatch, capsys):
    """What a command prints, standard output and error together, in a terminal so wide."""
    monkeypatch.chdir(folder)

    def printed(words: str, width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        cli.main(words.split())
        shown = capsys.readouterr()
        return re.sub(r"digest\s+[0-9a-f]{16}|\b[0-9a-f]{16}\b", "DIGEST", shown.out + shown.err)

    return printed


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", ["list", "paper", *(f"explain {c}" for c in FIVE)])
def test_a_terminal_shows_what_it_showed(at, words, width):
    shown = at(words, width)
    same_as_before(f"{words.replace(' ', '-')}-{width}.txt", shown)
    shown = re.sub(r"\nIn Rocq\n.*?\nRests on\n", "\n", shown, flags=re.DOTALL)  # Rocq's own words
    for line in shown.splitlines():
        assert len(line) <= width or "--replay" in line or line.startswith("     "), line
    assert not RAW.search(
        "\n".join(line for line in shown.splitlines() if "--replay" not in line and "Rocq" not in line)
    )


def test_errors_say_what_they_said(at):
    same_as_before("errors.txt", "".join(at(words, 80) for words in WRONG))


def same_as_before(name: str, shown: str) -> None:
    """Compare with the snapshot; one that is not there is written, to be looked at."""
    path = SNAPSHOTS / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
        pytest.fail(f"{path} was written: look at it, and run the test again")
    assert shown == path.read_text(encoding="utf-8"), f"look at the change; to take it, delete {path} and run again"


def test_explain_and_list_come_at_once_without_sympy_or_torch(folder):
    code = "import sys; from mamba_theorems.verify.commands.main import main; main(sys.argv[1:]); "
    code += "print(sorted({'sympy', 'torch', 'networkx', 'hypothesis'} & set(sys.modules)), file=sys.stderr)"
    root = str(Path(__file__).parent.parent)
    for words, most in ((["list"], 0.5), (["explain", "haar.thm1"], 1.0), (["paper"], 1.0)):
        before, command = children_seconds(), [sys.executable, "-c", code, *words]
        done = subprocess.run(command, cwd=folder, env={"PYTHONPATH": root}, capture_output=True, text=True, check=True)
        assert children_seconds() - before < most
        assert done.stderr.strip() == "[]"
        assert done.stdout


def children_seconds() -> float:
    """What processes that ended have computed: a busy machine makes them wait, and not compute more."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("claim", claims())
def test_every_statement_is_readable_text(claim):
    shown = claims()[claim]
    lines = [*plain(shown.statement), *(line for h in shown.assumed if is_formula(h) for line in plain(h))]
    lines += [readable(shown.formula)] if shown.formula is not None else []
    lines += [shown.erratum.instance] if shown.erratum else []
    assert not [line for line in lines if RAW.search(line) or not line.strip()]


# --- the paper at a glance -------------------------------------------------------------------------------------------


def test_every_claim_on_the_paper_has_its_row_and_the_rows_stand_in_the_paper_s_order(whole):
    book = Book(whole)
    shown = [c.id for row in book.paper for c in (*([row.printed] if row.printed else []), *row.amended, *row.beyond)]
    assert set(shown) == {c.claim.id for c in whole.claims if c.family in paper.OF_THE_PAPER}
    assert list(dict.fromkeys(row.item for row in book.paper)) == list(paper.ITEMS)
    assert [row.words for row in book.paper if row.item == "Remark 3"] == [paper.NOTHING]


def test_a_part_of_the_claims_says_nothing_of_what_it_leaves_out(small_report):
    assert {row.item for row in Book(small_report).paper} == {"Theorem 1", "Theorem 2, step 1"}
    assert "glance" not in plain_text(small_report)


def test_every_form_has_the_paper_first_then_the_errata_and_counts_the_groups_apart(whole):
    printed, page, tex = plain_text(whole), html.page(whole), latex.dumps(whole)
    assert printed.startswith("the paper at a glance\n  Theorem 1 ")
    for told, errata, derived in (
        (page, '<h2 id="errata">', '<h2 id="claims">'),
        (tex, r"\section{Errata}", r"\section{A"),
    ):
        assert told.index("The paper at a glance") < told.index(errata) < told.index(derived)
    counts = dict(Book(whole).counts)
    assert list(counts) == ["the paper's own", "beyond it", "foundations", "other papers'"]
    assert counts[OTHERS] == "15 DERIVED, 1 TESTED"
    xml = junit.dumps(whole)
    for group, words in counts.items():
        assert all(f"{group}: {words}" in told for told in (printed, page.replace("&#39;", "'"), tex))
        assert f'name="{group}" value="{words}"' in xml


def test_explain_tells_an_erratum_before_the_derivation(small_report):
    console = Console(file=io.StringIO(), width=80)
    explain.write(small_report["haar.thm1"], console)
    shown = console.file.getvalue()
    assert shown.index("\nErratum\n") < shown.index("\nDisproof\n") < shown.index("\nEvidence\n")


# --- signs of life ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["formal"], ["foundations.silu-step"], ["figure", "all", "-o", "out"]])
def test_a_long_command_gives_a_sign_of_life_within_a_second_in_a_pipe(words, tmp_path):
    command, root = [sys.executable, "-m", "mamba_theorems.verify", *words], str(Path(__file__).parent.parent)
    surroundings = {"PYTHONPATH": root, "PATH": os.environ["PATH"]}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=tmp_path, env=surroundings, **pipes)
    try:
        line = process.stderr.readline()
        waited = time.perf_counter() - start
    finally:
        process.kill()
        process.communicate()
    assert line.startswith("verify: ")
    if os.getloadavg()[0] < (os.cpu_count() or 1):  # a busy machine makes everything wait
        assert waited < 1


def test_progress_in_a_pipe_tells_what_is_done_and_what_runs(capsys):
    beats = Beats(3, every=0)
    for name in ("one", "two"):
        beats(name)
    assert [line.partition(" (")[0] for line in capsys.readouterr().err.splitlines()] == [
        "verify: 0 of 3 done, now one",
        "verify: 1 of 3 done, now two",
    ]
