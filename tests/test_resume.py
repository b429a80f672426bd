"""An interrupted run leaves no report and no process, and the same command goes on from where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mamba_theorems.verify import record as data
from mamba_theorems.verify.engine.journal import Journal
from mamba_theorems.verify.engine.runner import with_dependencies
from mamba_theorems.verify.evidence import MutantResult
from mamba_theorems.verify.record import fingerprint
from mamba_theorems.verify.settings import Run

ROOT = Path(__file__).resolve().parent.parent
SELECTED = ["foundations.euler-gap", "haar.thm1", "mqar.thm2-step1-printed"]
COMMAND = [sys.executable, "-m", "verify", *SELECTED, "--output-format", "json", "-o", "out"]


def start(folder: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(COMMAND, cwd=folder, env=environment, start_new_session=True, **pipes)


def wait_for_a_claim(folder: Path) -> None:
    """Until the first claim is noted."""
    for _ in range(1200):
        if any(path.read_text().count("\n") >= 2 for path in folder.glob(".verify/run-*.jsonl")):
            return
        time.sleep(0.05)
    pytest.fail("no claim was noted in 60 s")


def living(session: int) -> list[int]:
    """Processes of a session that are neither gone nor zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see whether processes are gone")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing_half_done_and_resumes(tmp_path, small_report, how):
    run = start(tmp_path)
    wait_for_a_claim(tmp_path)
    run.send_signal(how)
    _, said = run.communicate(timeout=60)
    assert run.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 2), said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
    for _ in range(100):
        if not living(run.pid):
            break
        time.sleep(0.1)
    assert not living(run.pid)
    if how != signal.SIGKILL:
        return
    again = start(tmp_path)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert f"of {len(with_dependencies(SELECTED))} claims are from an interrupted run" in said
    assert not list(tmp_path.glob(".verify/*"))
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    told = {claim["id"]: claim for claim in document["canonical"]["claims"]}
    assert [told[claim] for claim in SELECTED] == data.canonical(small_report)["claims"]


def test_a_journal_gives_back_what_was_noted_and_passes_over_a_cut_line(tmp_path, small_report):
    first, second, _ = small_report.claims
    notes = Journal(Run(), tmp_path)
    notes.add(first)
    with notes.path.open("a") as file:
        file.write('\n{"report": [{"id": "foun')
    notes.add(second)
    notes.add_mutants(first.claim.id, [MutantResult("c", "m", True, "how")])
    again = Journal(Run(), tmp_path)
    assert list(again.claims) == [first.claim.id, second.claim.id]
    assert data.canonical(replace(small_report, claims=(again.claims[first.claim.id],), mutants=())) == data.canonical(
        replace(small_report, claims=(first,), mutants=())
    )
    assert again.mutants == {first.claim.id: (MutantResult("c", "m", True, "how"),)}
    again.close()
    assert not Journal(Run(), tmp_path).claims


def test_another_run_has_another_journal():
    assert fingerprint(Run()) == fingerprint(Run())
    assert len({fingerprint(r) for r in (Run(), Run(seed=1), Run(dtypes=("float32",)))}) == 3
