"""Checks as the runner uses them: mutants rejected, failures shrunk and replayable, the whole run as expected."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from mamba_theorems.kernels.peers import installed
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import recorded
from mamba_theorems.verify.checks.check import rejects
from mamba_theorems.verify.checks.foreign import foreign
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.conform.claims import Rows
from mamba_theorems.verify.engine.gather import checks_of, replay, run_check
from mamba_theorems.verify.evidence import Evidence
from mamba_theorems.verify.report import readme
from mamba_theorems.verify.settings import Run

EVERY = [pytest.param(check, id=f"{claim}:{check.name}") for claim in claims() for check in checks_of(claim)]


def named(claim: str, name: str):
    return {check.name: check for check in checks_of(claim)}[name]


def broken(claim: str, name: str, mutant: str):
    check = named(claim, name)
    return replace(check, subject=check.mutants[mutant])


@pytest.mark.parametrize("check", EVERY)
def test_every_check_has_a_mutant_that_differs_from_its_subject(check):
    assert check.mutants
    assert all(mutant != check.subject for mutant in check.mutants.values())


def test_a_planted_bug_is_shrunk_and_its_replay_line_fails_again_until_it_is_mended(capsys):
    check = broken("mqar.thm2-step1", "recall-paper", "conv tap moved")
    evidence = run_check(check, Run(dtypes=("float64",)))
    assert evidence.holds is False
    words = shlex.split(evidence.replay)
    assert words[:4] == ["python", "-m", "verify", "mqar.thm2-step1"]
    name, _, case = words[-1].partition(":")
    tokens = json.loads(case)["tokens"]
    assert len(tokens) == 3, "one pair and one query are the smallest failing case"
    assert check.replay(json.loads(case), Run()).holds is False
    assert replay("mqar.thm2-step1", name, json.loads(case), Run()).holds is True
    assert cli.main(words[3:]) == cli.Exit.EXPECTED
    assert "passes" in capsys.readouterr().out


def test_the_smallest_counterexample_replays_with_margin_zero_and_its_extension_is_strictly_wrong(capsys):
    check = named("mqar.thm2-step1-printed", "statement")
    evidence = run_check(check, Run())
    assert evidence.kind is Kind.REFUTED
    assert evidence.holds
    words = shlex.split(evidence.replay)
    case = json.loads(words[-1].partition(":")[2])
    assert case["sequence"] == "k v1 k v2 k"
    assert cli.main(words[3:]) == cli.Exit.EXPECTED
    assert "M = 0;" in capsys.readouterr().out
    assert "M = −3;" in check.replay(case | {"sequence": "k v1 k v2 k v2 k"}, Run()).summary
    assert "M = 6;" in check.replay(case | {"sequence": "k v1 k v1 k"}, Run()).summary


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A module with kernels of someone else."""
    (tmp_path / "theirs.py").write_text(
        "from functools import partial\n"
        "from mamba_theorems.kernels.ops import selective_scan\n"
        "ours = partial(selective_scan, backend='cpu')\n"
        "def good(*args, **options): return ours(*args, **options)\n"
        "def swapped(u, delta, A, B, C, *rest, **options): return ours(u, delta, A, C, B, *rest, **options)\n"
        "def deaf(*args, seq_idx=None, **options): return ours(*args, **options)\n"
        "def nothing(*args, **options): raise NotImplementedError('it does nothing yet')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


ROWS = [check for claim in claims() for check in checks_of(claim) if isinstance(check, Rows)]


@pytest.mark.parametrize("check", ROWS, ids=lambda check: check.name)
def test_rows_hold_on_our_backends_and_reject_every_mutant(check):
    """With the number of verdicts, the worst error over its bound, and where; all rows run in test_conform_ours.py."""
    few = replace(check, beginnings=check.beginnings[:1])
    found = run_check(few, Run())
    assert (found.kind, found.holds) == (Kind.TESTED, True)
    assert found.measured["examples"] >= len(few.rows) > 0
    assert 0 < found.measured["worst error/bound"] <= 1
    assert found.facts["kernel"] == check.operation
    assert found.facts["device"] == "cpu"
    for mutant in check.mutants.values():
        rejected, words = rejects(check, mutant, Run())
        assert rejected, words
        assert " FAILS in float" in words


@pytest.mark.usefixtures("theirs")
def test_a_row_that_fails_on_a_foreign_kernel_is_named_and_replayed():
    run = Run(kernel="theirs:deaf")
    check = named("foundations.unrolled", "rows-of-the-scan")
    with foreign(run.kernel) as calls:
        found = run_check(check, run)
        assert 0 < calls.total() <= found.measured["calls"]  # which counts its backward passes too
        assert found.holds is False
        assert found.summary.startswith("option.seq_idx FAILS in float32, forward, on theirs: y[")
        assert found.facts["kernel"] == "theirs:deaf"
        words = shlex.split(found.replay)
        assert words[-2:] == ["--kernel", "theirs:deaf"]
        name, _, case = words[-3].partition(":")
        assert check.replay(json.loads(case), run).holds is False
    assert cli.main(words[3:]) == cli.Exit.UNEXPECTED
    assert cli.main(["foundations.unrolled", "--replay", f"{name}:{case}", "--kernel", "theirs:good"]) == 0


@pytest.mark.usefixtures("theirs")
def test_a_run_on_a_foreign_kernel_says_which_claims_exercised_it_and_what_it_breaks(capsys):
    words = ["foundations.unrolled", "haar.thm1", "--dtype", "float32", "--kernel"]
    assert cli.main([*words, "theirs:good"]) == cli.Exit.EXPECTED
    assert " calls by foundations.unrolled; 1 others never called it" in capsys.readouterr().err
    assert cli.main([*words, "theirs:swapped"]) == cli.Exit.UNEXPECTED
    said = capsys.readouterr().out
    assert "replay: " in said
    assert "not as expected on theirs:swapped: foundations.unrolled\n" in said
    for never in (["haar.thm1", "--kernel", "theirs:good"], ["foundations.unrolled", "--kernel", "theirs:nothing"]):
        assert cli.main(never) == cli.Exit.NOTHING
        assert "was never called" in capsys.readouterr().err


def test_what_a_foreign_kernel_lacks_is_said(tmp_path, monkeypatch):
    """An option that it does not take skips a check; memory that it cannot have fails one."""
    (tmp_path / "lacking.py").write_text(
        "from functools import partial\n"
        "from mamba_theorems.kernels.ops import selective_scan\n"
        "ours = partial(selective_scan, backend='cpu')\n"
        "def plain(*args): return ours(*args)\n"
        "def hungry(u, *args, **options): return u.new_empty(1 << 44)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with foreign("lacking:plain"):
        skipped = run_check(named("foundations.scan-associative", "pieces-of-a-scan"), Run())
        some = run_check(named("foundations.unrolled", "rows-of-the-scan"), Run())
        assert run_check(named("foundations.lti-convolution", "kernel-against-fft"), Run()).holds
    assert skipped.kind is Kind.SKIPPED
    assert skipped.summary.startswith("no row of selective_scan reached the kernel: return_last_state (not in its sig")
    assert some.holds
    assert "z (not in its signature); delta_bias (not in its signature)" in some.facts["not offered"]
    with foreign("lacking:hungry"):
        failed = run_check(named("foundations.lti-convolution", "kernel-against-fft"), Run())
    assert failed.holds is False
    assert "lacking:hungry asks for more than the 4 GiB of a run" in failed.summary


def checked_on(peer: str) -> Evidence:
    """The scan against its definition on a peer's kernel, on which recall holds, and which takes no initial state."""
    if not installed(peer):
        pytest.skip(f"{peer} is not installed")
    run = Run(kernel=f"kernels.peers:{peer}_scan")
    with foreign(run.kernel):
        assert run_check(named("mqar.thm2-step1", "recall-paper"), run).holds
        assert run_check(named("foundations.scan-associative", "pieces-of-a-scan"), run).kind is Kind.SKIPPED
        return run_check(named("foundations.unrolled", "scan-against-definition"), run)


def test_a_parallel_scan_of_others_is_the_recurrence_in_both_dtypes():
    found = checked_on("mambapy")
    assert found.holds
    assert "float64" in found.facts["dtypes"]


def test_what_a_peers_kernel_breaks_is_named_with_its_shrunk_input():
    """In float64 transformers round B and u to float32."""
    broken = checked_on("transformers")
    assert broken.holds is False
    assert '"dtype":"float64"' in broken.replay
    assert '"length":1' in broken.replay
    assert broken.replay.endswith(" --kernel kernels.peers:transformers_scan")


@pytest.mark.parametrize("path", ["nowhere:scan", "kernels.ops:absent", "ssd=kernels.ops:selective_scan", "plain"])
def test_a_kernel_that_cannot_be_found_gets_one_sentence(capsys, path):
    assert cli.main(["foundations.unrolled", "--kernel", path]) == cli.Exit.USAGE
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_sizes_from_the_command_line_are_the_ones_that_run():
    check = named("mqar.thm2-step1", "recall-zoology")
    _, args = cli.parsed(["all", "--vocab-size", "32", "--input-seq-len", "20", "--num-kv-pairs", "3"])
    evidence = run_check(check, replace(asked.run(args), shrink=False))
    assert evidence.holds
    assert any("(32, 20, 3)" in name for name in evidence.facts)


@pytest.mark.long
def test_the_whole_run_is_as_expected_names_every_claim_and_states_every_step_as_recorded(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "verify", "all", "--output-format", "json", "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == cli.Exit.EXPECTED, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    found = {c["id"]: c for c in report["canonical"]["claims"]}
    assert set(found) == set(claims())
    assert all(c["outcome"] == c["expected"] for c in found.values())
    written = {c["id"]: c["steps"] for c in recorded.read()["canonical"]["claims"]}
    other = [claim for claim in claims() if found[claim]["steps"] != written[claim]]
    assert not other, "read the change, then run `python -m verify all --record`"


def test_the_readme_s_sample_is_replaced_between_its_markers():
    page = "a\n<!-- sample -->\nold\n<!-- end of sample -->\nb"
    text = readme.with_sample(page, "mqar\n  mqar.thm2-step1  PROVED\n\nall well")
    assert text.startswith("a\n")
    assert text.endswith("\nb")
    assert "PROVED" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="needs the lines"):
        readme.with_sample("no markers", "x\n\ny")
