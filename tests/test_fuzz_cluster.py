"""The same campaign on a Dask cluster of processes on loopback: the same result, also where a worker is killed."""

import json
import os
import signal
from itertools import count

import pytest

from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.fuzz import cluster, findings, local, report
from mamba_theorems.verify.fuzz.campaign import Settings, run_campaign
from mamba_theorems.verify.settings import Run

pytest.importorskip("distributed")

CLAIMS = ("foundations.scan-associative", "foundations.s6-not-lti", "mqar.value-code")
SETTINGS = Settings(CLAIMS, Run(seed=7), examples=12, per_round=6)


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    options = {"host": "127.0.0.1", "dashboard_address": None, "protocol": "tcp"}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as workers:
        yield workers


@pytest.fixture(scope="module")
def alone():
    return run_campaign(SETTINGS, local.InProcess())


def comparable(campaign):
    """Everything but time and place, byte for byte."""
    found = report.document(campaign)
    return json.dumps([found["canonical"], found["digest"], found["measured"]])


def test_a_cluster_gives_the_same_result(scheduler, alone):
    with cluster.pool_at(scheduler.scheduler_address) as pool:
        found = run_campaign(SETTINGS, pool)
    assert found.workers == 2
    assert comparable(found) == comparable(alone)


def test_a_worker_killed_in_mid_run_changes_nothing(scheduler, alone):
    finished = count(1)
    killed = []

    def kill_one(campaign):
        if next(finished) == 3:
            process = next(iter(scheduler.workers.values())).process.process
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    with cluster.pool_at(scheduler.scheduler_address) as pool:
        found = run_campaign(SETTINGS, pool, progress=kill_one)
    assert killed
    assert comparable(found) == comparable(alone)


def test_a_lost_worker_loses_no_finding(scheduler, tmp_path):
    """A planted bug is found twice over while its finder is killed; the driver stores the finding, once."""
    settings = Settings(("foundations.ssd-duality",), Run(seed=1), examples=12, per_round=6, bug=BUG)
    stored = []

    def keep(finding):
        stored.append(findings.store(finding, tmp_path))
        for worker in list(scheduler.workers.values())[:1]:
            os.kill(worker.process.process.pid, signal.SIGKILL)

    with cluster.pool_at(scheduler.scheduler_address) as pool:
        found = run_campaign(settings, pool, on_finding=keep)
    expected = run_campaign(settings, local.InProcess())
    assert comparable(found) == comparable(expected)
    assert sorted(path.stem for path in stored) == sorted(f.name for f in expected.findings)
    assert findings.load(stored[0]).again() is not None


BUG = "SSD: the decay's sign at a chunk's boundary"


def test_workers_of_another_version_are_refused(scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "version", lambda: "another")
    with cluster.pool_at(scheduler.scheduler_address) as pool, pytest.raises(RuntimeError, match="another version"):
        run_campaign(SETTINGS, pool)


def test_no_scheduler_gets_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    assert cli.main(["fuzz", CLAIMS[0], "--scheduler", "tcp://127.0.0.1:9"]) == cli.Exit.USAGE
    lines = capsys.readouterr().err.strip().splitlines()
    assert "there is no Dask scheduler" in lines[-1]
