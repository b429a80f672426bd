"""The command line as a user meets it: exit codes, one sentence for bad input, no partial files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.engine.derivations import steps_of
from mamba_theorems.verify.report import paper_map

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


def verify(*args: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "verify", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


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


@pytest.mark.parametrize("args", ["all --tier huge", "", "mqar.thm2-step1 --replay nonsense", "explain"])
def test_wrong_usage_gets_one_sentence(capsys, args):
    assert usage(capsys, *args.split())


def test_a_broken_replay_case_gets_one_sentence(capsys):
    assert "replay line" in usage(capsys, "mqar.thm2-step1-printed", "--replay", "smallest-counterexample:{")


def test_nothing_that_matches_is_exit_5():
    assert verify("all", "-k", "no such words").returncode == cli.Exit.NOTHING


def test_a_report_is_written_whole_and_says_the_same_twice(tmp_path):
    for folder in ("one", "two"):
        done = verify("foundations.euler-gap", "--output-format", "json", "-o", str(tmp_path / folder))
        assert done.returncode == cli.Exit.EXPECTED, done.stderr
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


def test_an_output_folder_that_cannot_be_written_is_a_usage_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    done = verify("foundations.scan-associative", "-o", str(blocked))
    assert done.returncode == cli.Exit.USAGE
    assert "Traceback" not in done.stderr
    assert blocked.read_text() == "in the way"


def test_the_paper_map_and_the_record_are_not_stale():
    record = paper_map.recorded()
    assert paper_map.render(record) == Path("paper_map.md").read_text(encoding="utf-8")
    assert record["digest"] == data.digest(record["canonical"])
    recorded = {c["id"]: c for c in record["canonical"]["claims"]}
    assert list(recorded) == list(claims()), "run `python -m verify all --record`"
    for name, claim in claims().items():
        assert recorded[name]["title"] == claim.title, "run `python -m verify all --record`"
        assert recorded[name]["outcome"] == str(claim.expected)


@pytest.mark.parametrize("claim", claims())
def test_no_step_says_anything_else_than_the_record(claim):
    recorded = {c["id"]: c["steps"] for c in paper_map.recorded()["canonical"]["claims"]}
    assert data.stated(steps_of(claim)) == recorded[claim], "read the change, then run `python -m verify all --record`"
