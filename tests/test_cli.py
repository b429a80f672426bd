"""The command line as a user meets it: exit codes, one sentence for bad input, no partial files."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import pytest

from mamba_theorems.theorems.claim import FAMILIES
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import asked, run, table
from mamba_theorems.verify.commands import certify as certificates
from mamba_theorems.verify.commands import fuzz as campaigns
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.fuzz import cells
from mamba_theorems.verify.report import formats, graph, paper_map
from mamba_theorems.verify.version import __version__

SSE_ONLY = {
    "ATEN_CPU_CAPABILITY": "default",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_CPU_NAME": "generic",
    "OPENBLAS_CORETYPE": "Prescott",
}
"""What makes torch, numpy and numba compute as on a processor twenty years older."""


def verify(*args: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    command, surroundings = [sys.executable, "-m", "verify", *args], {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=surroundings)


def usage(capsys, *args: str) -> str:
    assert cli.main(args) == cli.Exit.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    return printed.err


def test_list_names_every_claim(capsys):
    assert cli.main(["list"]) == cli.Exit.EXPECTED
    out = capsys.readouterr().out
    assert all(name in out for name in claims())


def test_an_unknown_claim_gets_one_sentence_with_the_nearest_name(capsys):
    assert "did you mean 'mqar.thm2-step1'" in usage(capsys, "mqar.thm2-stp1")


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (("8", "64", "8"), "num_kv_pairs"),
        (("64", "20", "8"), "input_seq_len"),
        (("64", "33", "8"), "input_seq_len"),
    ],
)
def test_impossible_sizes_get_one_sentence(capsys, sizes, says):
    vocab, length, pairs = sizes
    flags = ["--vocab-size", vocab, "--input-seq-len", length, "--num-kv-pairs", pairs]
    assert says in usage(capsys, "mqar.thm2-step1", *flags)


def test_sizes_go_together(capsys):
    assert "together" in usage(capsys, "mqar.thm2-step1", "--vocab-size", "64")


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="a CUDA device is here")
def test_a_missing_device_gets_one_sentence(capsys):
    assert "CUDA" in usage(capsys, "all", "--device", "cuda")


@pytest.mark.parametrize(
    "args", ["all --tier huge", "", "mqar.thm2-step1 --replay nonsense", "mqar --replay x", "explain"]
)
def test_wrong_usage_gets_one_sentence(capsys, args):
    assert usage(capsys, *args.split())


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("all --input-seq-len -3", "--input-seq-len: give a whole number from 1 to 1,000,000,000, not '-3'"),
        ("all --seed x", "--seed: give a whole number from 0 to 4,294,967,295, not 'x'"),
        ("fuzz all --time 0m", "--time: give a time as in 90s, 10m or 1h30m, of a year at most, not '0m'"),
        ("check nowhere.json", "cannot read nowhere.json (No such file or directory)"),
        ("check certificates", "cannot read certificates (Is a directory)"),
        ("cite mqar.thm5", "there is no claim 'mqar.thm5'"),
        ("all --fuzz nowhere.json", "cannot read nowhere.json"),
        ("conform math:pi", "'math:pi' is no MODULE:FUNCTION (it is of type float)"),
        ("all --record -k haar", "--record goes with `all`"),
    ],
)
def test_a_wrong_value_is_told_before_anything_runs(capsys, args, says):
    assert says in usage(capsys, *args.split())


READS_NUMBERS = ("whole.<locals>.read", "seconds", "workers", "size")
"""The readers of options that are numbers."""


def numeric() -> list[tuple[str, str]]:
    """Every command with each of its options that is a number."""
    return [
        (name, action.option_strings[-1])
        for name, command in table.TABLE.items()
        for action in table.Parser(command)._actions
        if getattr(action.type, "__qualname__", "") in READS_NUMBERS
    ]


@pytest.mark.parametrize(("command", "option"), numeric())
@pytest.mark.parametrize("number", ["-3", "1.5.2", "nan", "inf", "1e99", "9" * 17, "", "²"])
def test_a_number_that_makes_no_sense_gets_one_sentence_in_every_command(capsys, command, option, number):
    given = f"vocab_size={number}" if option == "--sizes" else number
    assert option in usage(capsys, command, "mqar.thm4", f"{option}={given}")


def test_every_option_that_is_a_number_has_a_range():
    """An option with a bare `int` or `float` would take anything."""
    taken = {option for _, option in numeric()}
    assert {"--seed", "--vocab-size", "--input-seq-len", "--num-kv-pairs", "--time", "--examples", "--sizes"} <= taken
    for command in table.TABLE.values():
        assert not any(action.type in (int, float) for action in table.Parser(command)._actions)


def test_check_without_files_takes_those_that_ship_and_tells_how_many_hold(capsys, monkeypatch):
    monkeypatch.setattr(certificates, "SHIPPED", Path("tests"))
    assert cli.main(["check"]) == cli.Exit.EXPECTED
    assert capsys.readouterr().out == "0 of 0 certificates hold\n"
    monkeypatch.undo()
    (smallest, *_) = sorted(Path("certificates").glob("*.json"), key=lambda path: path.stat().st_size)
    monkeypatch.setattr(certificates, "_sound", lambda path, *_: Path(path).name != smallest.name)
    assert cli.main(["check"]) == cli.Exit.UNEXPECTED
    number = len(list(Path("certificates").glob("*.json")))
    assert capsys.readouterr().out == f"{number - 1} of {number} certificates hold\n"


@pytest.mark.parametrize("kept", [0, 1, 1000, -2])
@pytest.mark.parametrize("args", ["all --from", "graph --from", "cite mqar.thm4 --from", "all --fuzz", "fuzz --replay"])
def test_a_record_that_is_cut_short_is_noticed_by_everything_that_reads_one(capsys, tmp_path, args, kept):
    whole = Path("recorded.json").read_text(encoding="utf-8")
    (tmp_path / "cut.json").write_text(whole[:kept], encoding="utf-8")
    assert "cut.json" in usage(capsys, *args.split(), str(tmp_path / "cut.json"))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("list --longest", "--longest goes with `certify`, not with `list`: see `python -m verify list --help`"),
        ("all --time=3m", "--time goes with `fuzz`, not with `verify`: see `python -m verify all --help`"),
        ("sizes --replay x", "--replay goes with `verify`, `fuzz`, not with `sizes`"),
        ("certify all --lngest", "`certify` takes no --lngest (did you mean --longest?)"),
        ("sizes mqar", "`sizes` takes no mqar"),
        ("--seed 7 fuzz all", "`fuzz` is a command and comes first"),
        ("fuz all", "there is no claim 'fuz' (did you mean 'fuzz'?)"),
        ("list mqra", "there is no claim 'mqra' (did you mean 'mqar'?)"),
    ],
)
def test_what_belongs_elsewhere_is_refused_and_says_where_it_goes(capsys, args, says):
    assert says in usage(capsys, *args.split())


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in table.TABLE)])
def test_every_help_fits_one_screen(capsys, words):
    with pytest.raises(SystemExit) if len(words) > 1 else nullcontext():
        cli.main(words)
    lines = capsys.readouterr().out.splitlines()
    assert 5 < len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("usage: python -m verify ")


def test_the_overview_names_every_command_and_every_command_is_there():
    for name, command in table.TABLE.items():
        assert f"\n  {name} " in cli.overview()
        module, _, function = command.work.partition(":")
        assert callable(getattr(import_module(f"mamba_theorems.verify.commands.{module}"), function))


def test_the_table_names_what_the_rooms_offer():
    """The table imports none of them, so that help is told at once."""
    assert tuple(formats.FORMATS) == table.FORMATS
    assert tuple(graph.DRAWN) == table.GRAPHS
    assert tuple(campaigns.PROFILES) == table.PROFILES
    _, args = cli.parsed(["fuzz", "all"])
    assert args.per_cell == cells.PER_ROUND


@pytest.mark.parametrize(
    ("words", "imports"),
    [
        ("--help", set()),
        ("--version", set()),
        ("fuzz --help", set()),
        ("list --longest", set()),
        ("list", set()),
        ("paper", set()),
        ("explain haar.thm1", set()),
        ("graph", {"sympy", "networkx"}),
    ],
)
def test_help_and_wrong_usage_import_no_theorem_and_what_only_shows_claims_no_torch(words, imports):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "verify", *words.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mamba_theorems.verify.commands.main" in found
    assert found & {"sympy", "networkx", "torch", "numba"} == imports


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == cli.Exit.EXPECTED
    assert capsys.readouterr().out == f"mamba-theorems {__version__}\n"


def selected(*words: str) -> list[str]:
    return asked.selected(cli.parsed(words)[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_s_name_selects_its_claims(family):
    members = [c for c in claims() if family_of(c) == family]
    assert selected(family) == selected("fuzz", family) == selected("certify", family) == members
    assert selected(members[0].partition(".")[0]) == members
    assert selected("all") == list(claims())


def test_k_alone_selects_among_all_and_narrows_what_is_named(capsys):
    assert selected("-k", "THM1") == ["haar.thm1", "haar.thm1-amended", "haar.thm1-pointwise"]
    assert selected("haar", "-k", "thm1", "mqar") == selected("-k", "thm1")
    assert selected("mqar.thm4", "-x", "mqar.lem4", "mqar.thm4") == ["mqar.thm4", "mqar.lem4"]
    for words in (["fuzz", "-k", "no such words"], ["list", "-k", "no such words"], ["haar", "-k", "KEEP!"]):
        assert cli.main(words) == cli.Exit.NOTHING
        assert "no claim matches" in capsys.readouterr().err


# --- surroundings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        "foundations.euler-gap --output-format json",
        "appendix",
        "conform mamba_theorems.kernels.ops:selective_scan",
        "fuzz all",
        "certify mqar.thm2-step1",
        "export mqar.thm2-step1 --vocab-size 16 --input-seq-len 16 --num-kv-pairs 2",
        "figure all",
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_the_run(args, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(run, "with_progress", None)
    monkeypatch.setattr(campaigns, "_campaign", None)
    said = usage(capsys, *args.split(), "-o", str(tmp_path / "file" / "out"))
    assert "cannot write" in said
    assert "choose another folder" in said
    assert (tmp_path / "file").read_text() == "in the way"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_the_place_of_the_report_is_told_before_the_run(tmp_path, capsys, monkeypatch):
    (tmp_path / "report.txt").mkdir()
    monkeypatch.setattr(run, "with_progress", None)
    assert "Is a directory" in usage(capsys, "foundations.euler-gap", "-o", str(tmp_path))


def test_a_record_is_written_only_where_there_is_one(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "with_progress", None)
    assert "docs/reading.md" in usage(capsys, "all", "--record")
    assert not list(tmp_path.iterdir())


def test_a_run_where_nothing_can_be_noted_on_a_terminal_of_ascii_reports_all(tmp_path):
    """`.verify` is in the way here, as a file: a read-only checkout gives the same errors."""
    (tmp_path / ".verify").write_text("mine")
    surroundings = {"PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "ascii"}
    done = verify("foundations.bilinear", "-o", str(tmp_path / "out"), cwd=tmp_path, **surroundings)
    assert done.returncode == cli.Exit.EXPECTED
    assert all(line.startswith("verify: ") and ("working" in line or "done, now" in line)
               for line in done.stderr.splitlines())  # fmt: skip
    assert (tmp_path / ".verify").read_text() == "mine"
    assert done.stdout.isascii()
    assert r"beyond \u03bb\u0394 = 2" in done.stdout
    assert "beyond λΔ = 2" in (tmp_path / "out" / "report.txt").read_text(encoding="utf-8")


def test_the_locale_c_gets_escapes():
    done = verify("list", "foundations", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (cli.Exit.EXPECTED, "")
    assert done.stdout.isascii()
    assert r"beyond \u03bb\u0394 = 2" in done.stdout


def test_a_document_is_the_same_bytes_whatever_the_terminal(tmp_path):
    command = [sys.executable, "-m", "verify", "graph", "foundations", "--output-format", "svg"]
    here, there = (
        subprocess.run(command, capture_output=True, check=True, env=os.environ | {"PYTHONIOENCODING": name}).stdout
        for name in ("utf-8", "ascii")
    )
    assert here == there
    assert "Δ".encode() in here


def test_a_reader_that_stops_reading_is_no_error():
    """As `python -m verify list | head -1` does."""
    for args in (["list"], ["--version"], ["graph"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "verify", *args], stdout=writing, stderr=subprocess.PIPE, check=False
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_broken_replay_case_gets_one_sentence(capsys):
    assert "replay line" in usage(capsys, "mqar.thm2-step1-printed", "--replay", "statement:{")
    assert '"network"' in usage(capsys, "mqar.thm2-step1-printed", "--replay", "statement:{}")


def test_a_report_is_written_whole_and_says_the_same_twice(tmp_path):
    """In workers, and in this process, which has other hashes and has done other work before."""
    words = ["foundations.euler-gap", "--output-format", "json", "-o"]
    done = verify(*words, str(tmp_path / "one"), PYTHONHASHSEED="7")
    assert done.returncode == cli.Exit.EXPECTED, done.stderr
    assert cli.main([*words, str(tmp_path / "two")]) == cli.Exit.EXPECTED
    one, two = (json.loads((tmp_path / f / "report.json").read_text()) for f in ("one", "two"))
    assert one["canonical"] == two["canonical"]
    assert one["digest"] == two["digest"] == data.digest(one["canonical"])
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["report.json"]


def measured(report: dict) -> list[dict]:
    """What each check measured: numbers of examples, worst margins."""
    return [evidence["measured"] for claim in report["volatile"]["claims"].values() for evidence in claim["evidence"]]


@pytest.mark.slow
def test_another_processor_gives_other_floats_and_the_same_digest(tmp_path):
    for folder, environment in (("here", {}), ("older", {**SSE_ONLY, "NUMBA_CACHE_DIR": str(tmp_path / "cache")})):
        done = verify("all", "--output-format", "json", "-o", str(tmp_path / folder), **environment)
        assert done.returncode == cli.Exit.EXPECTED, done.stderr
    here, older = (json.loads((tmp_path / f / "report.json").read_text()) for f in ("here", "older"))
    assert here["digest"] == older["digest"]
    assert measured(here) != measured(older)


def test_the_paper_map_and_the_record_are_not_stale():
    record = paper_map.recorded()
    assert paper_map.render(record) == Path("paper_map.md").read_text(encoding="utf-8")
    assert record["digest"] == data.digest(record["canonical"])
    recorded = {c["id"]: c for c in record["canonical"]["claims"]}
    assert list(recorded) == list(claims()), "run `python -m verify all --record`"
    for name, claim in claims().items():
        now = data.said_of(claim, family_of(name))
        assert {key: recorded[name][key] for key in now} == now, (
            "read the change, then run `python -m verify all --record`"
        )
        assert recorded[name]["outcome"] == str(claim.expected)
