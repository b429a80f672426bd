"""Campaigns: the same result for any number of workers, after an interruption, and from a stored finding."""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.checks.check import Property
from mamba_theorems.verify.checks.mqar.recall import RecallCase
from mamba_theorems.verify.commands import fuzz as fuzzing
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.commands.table import seconds
from mamba_theorems.verify.commands.usage import Terminal
from mamba_theorems.verify.fuzz import batches, cost, coverage, findings, local, report
from mamba_theorems.verify.fuzz.campaign import Campaign, CampaignNotes, Settings, run_campaign
from mamba_theorems.verify.fuzz.cells import Cell, Stream, cells, properties, streams
from mamba_theorems.verify.fuzz.generators import generators_of
from mamba_theorems.verify.fuzz.search import CellResult, run_cell
from mamba_theorems.verify.settings import Run

CLAIMS = ("foundations.scan-associative", "foundations.s6-not-lti", "mqar.value-code")
SETTINGS = Settings(CLAIMS, Run(seed=7), examples=12, per_round=8)


def comparable(campaign: Campaign) -> str:
    """Everything but time and place, byte for byte."""
    found = report.document(campaign)
    return json.dumps([found["canonical"], found["digest"], found["measured"]])


@pytest.fixture(scope="module")
def alone():
    return run_campaign(SETTINGS, local.InProcess())


# --- the result depends on the settings only -------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_result(alone, workers):
    with local.pool_of(workers) as pool:
        together = run_campaign(SETTINGS, pool)
    assert comparable(together) == comparable(alone)
    assert together.rounds == 2


def test_a_campaign_without_a_whole_round_counts_nothing_and_says_what_to_do(monkeypatch, capsys):
    short = Campaign(replace(SETTINGS, examples=None), seconds=60.0)
    number = len(short.settings.streams)
    assert report.nothing_whole(short).endswith("give a longer --time, or fewer claims, or --examples 8")
    short.add(CellResult(next(short.settings.cells), 8, None, "", "", {}))
    assert short.rounds == 0
    told = f"(1 of its {number} cells are done): give --time {math.ceil(1.5 * number)}m"
    assert told in report.nothing_whole(short)
    monkeypatch.setattr(fuzzing, "_campaign", lambda *_: report.write(short, Terminal()) or short)
    assert cli.main(["fuzz", "mqar.value-code", "--time", "1m"]) == cli.Exit.NOTHING
    printed = capsys.readouterr().out
    assert "0 whole rounds" in printed
    assert told in printed
    assert "no counterexample" not in printed


def test_a_lost_worker_process_changes_nothing(alone):
    killed = []

    def kill_one(campaign):
        if not killed:
            process = next(iter(pool.processes))
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    with local.pool_of(2) as pool:
        found = run_campaign(SETTINGS, pool, progress=kill_one)
    assert killed
    assert comparable(found) == comparable(alone)


def test_a_cell_is_a_pure_function_whatever_ran_before():
    first, *others = cells(streams(CLAIMS), 8, 8)
    before = run_cell(first, Run(seed=1))
    for cell in others[:4]:
        run_cell(cell, Run(seed=1))
    assert run_cell(first, Run(seed=1)) == before
    assert run_cell(first, Run(seed=2)).draws != before.draws


def test_seeds_of_cells_are_distinct_and_pinned():
    found = list(cells(streams(tuple(claims())), 50, 25))
    assert len({cell.seed(0) for cell in found}) == len(found)
    assert Cell(Stream("claim", "check", "generator"), 3, 25).seed(0) == 1954555906078552251


def test_an_interrupted_campaign_goes_on_from_its_notes_to_the_same_result(alone, tmp_path):
    def interrupt(campaign):
        if len(campaign.results) == 5:
            raise KeyboardInterrupt

    half = run_campaign(SETTINGS, local.InProcess(), notes=CampaignNotes(SETTINGS, tmp_path), progress=interrupt)
    assert half.interrupted
    assert len(half.results) == 5
    assert report.document(half)["canonical"]["rounds"] == 0
    notes = CampaignNotes(SETTINGS, tmp_path)
    assert len(notes.results) == 5
    whole = run_campaign(SETTINGS, local.InProcess(), notes=notes)
    assert comparable(whole) == comparable(alone)


def test_time_decides_how_many_whole_rounds_there_are_and_examples_give_them_again():
    endless = Settings(("foundations.s6-not-lti",), Run(seed=7), per_round=4)
    timed = run_campaign(endless, local.InProcess(), seconds=1.0)
    again = run_campaign(replace(endless, examples=timed.rounds * 4), local.InProcess())
    assert timed.rounds > 0
    assert comparable(timed) == comparable(again)


# --- every property, every way to draw -------------------------------------------------------------------------------


def every_stream():
    return [pytest.param(s, id=f"{s.claim}:{s.check}:{s.generator}") for s in streams(tuple(claims()))]


def test_every_property_of_the_project_is_hunted_through():
    hunted = {(s.claim, s.check) for s in streams(tuple(claims()))}
    assert hunted == {(c, name) for c in claims() for name in properties(c)}


@pytest.mark.parametrize("claim", [c for c in claims() if c.startswith("mqar.") and properties(c)])
def test_adversarial_sequences_keep_the_claims_hypotheses(claim):
    for check in properties(claim).values():
        for name in generators_of(check):
            result = run_cell(Cell(Stream(claim, check.name, name), 0, 4), Run(seed=5))
            assert result.failure is None, result.failure


# --- findings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """Theorem 2's construction with a convolution that looks one token further back."""
    check = properties("mqar.thm2-step1")["recall-paper"]
    wrong = replace(check, subject=check.mutants["conv tap moved"])
    for module in ("search", "cells"):
        monkeypatch.setattr(f"mamba_theorems.verify.fuzz.{module}.properties", lambda claim: {"recall-paper": wrong})
    return wrong


@pytest.mark.parametrize("generator", ["as checked", "adversarial, large", "batches, κ = 8, L = 128"])
def test_a_failure_is_shrunk_stored_and_replayed(broken, generator, tmp_path, monkeypatch):
    result = run_cell(Cell(Stream("mqar.thm2-step1", "recall-paper", generator), 0, 20), Run())
    assert result.failure is not None
    assert len(result.failure.case["tokens"]) == 3, "one pair and one query are the smallest failing case"
    finding = findings.found(result, Run(), "")
    path = findings.store(finding, tmp_path)
    assert path.name == f"{finding.name}.json"
    assert findings.load(path) == finding
    assert cli.main(["fuzz", "--replay", str(path)]) == cli.Exit.UNEXPECTED
    monkeypatch.undo()
    assert cli.main(["fuzz", "--replay", str(path)]) == cli.Exit.EXPECTED
    words = shlex.split(findings.replay_lines(finding)[-1])
    assert cli.main(words[3:]) == cli.Exit.EXPECTED


def test_a_stream_that_failed_counts_no_further(broken):
    settings = Settings(("mqar.thm2-step1",), Run(dtypes=("float64",)), examples=30, per_round=10)
    campaign = run_campaign(settings, local.InProcess())
    found = report.document(campaign)["canonical"]
    failed = [s for s in found["streams"] if s["verdict"] == "fails"]
    assert failed
    assert all(f["round"] == 0 for f in found["findings"])
    assert campaign.rounds == 3


def test_a_generator_that_raises_is_a_finding(monkeypatch):
    check = properties("foundations.s6-not-lti")["not-additive-but-shift-invariant"]
    unable = replace(check, cases=lambda subject, run: 1 / 0)
    monkeypatch.setattr("mamba_theorems.verify.fuzz.search.properties", lambda claim: {check.name: unable})
    result = run_cell(Cell(Stream(check.claim, check.name, "as checked"), 0, 4), Run())
    assert "ZeroDivisionError" in result.failure.summary


def test_a_sequence_is_shrunk_to_one_from_which_nothing_can_be_left_out():
    rng = np.random.default_rng(0)
    tail = rng.integers(0, 12, 200).tolist()
    case = RecallCase(4, 8, [0, 4, 1, 5, 2, 6, 3, 7, *tail], "float64")

    def fails(smaller):
        tokens = smaller.tokens[2 * smaller.num_keys :]
        return smaller.num_keys >= 2 and any(a == b for a, b in pairwise(tokens))

    assert fails(case)
    small = batches.shrunk(case, fails)
    assert small.num_keys == 2
    assert len(small.tokens) == 6
    assert small.num_values == 2


# --- coverage, report, command line ----------------------------------------------------------------------------------


def test_sizes_are_counted_by_the_powers_of_two_between_which_they_lie():
    case = RecallCase(5, 8, [0] * 33, "float64")
    assert coverage.sizes(case) == {"κ": 5, "|V|": 8, "L": 33}
    assert coverage.place(coverage.sizes(case)) == "L:6 |V|:4 κ:3"
    assert coverage.sentence({"L:6 κ:3": 2, "L:3 κ:3": 1}).startswith("L 4–63 (none in 8–15, 16–31) · κ 4–7")


def test_a_campaign_s_evidence_is_added_to_the_ordinary_report(alone, small_run, tmp_path):
    pieces = report.read_evidence(json.loads(report.dumps(alone)))
    assert set(pieces) == set(CLAIMS)
    assert all(piece.holds and piece.measured["examples"] for found in pieces.values() for piece in found)
    assert report.merge(small_run, pieces).as_expected
    edited = json.loads(report.dumps(alone).replace('"rounds": 2', '"rounds": 9'))
    with pytest.raises(ValueError, match="edited by hand"):
        report.read_evidence(edited)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2", 2), ("0.5h", 1800)])
def test_times_are_read(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["fuzz"],
        ["fuzz", "mqar.nothing"],
        ["fuzz", "all", "--time", "soon"],
        ["fuzz", "all", "--examples", "0"],
        ["fuzz", "all", "--workers", "many"],
        ["fuzz", "mqar.lem4", "--examples", "1"],
        ["fuzz", "--replay", "nowhere.json"],
        ["fuzz", "--replay", "pyproject.toml"],
    ],
)
def test_wrong_usage_gets_one_sentence(words, capsys):
    assert cli.main(words) == cli.Exit.USAGE
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_ctrl_c_leaves_a_whole_report_and_exit_code_2(tmp_path):
    command = [sys.executable, "-m", "verify", "fuzz", "foundations.s6-not-lti", "--time", "5m", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--output-format", "json"], cwd=tmp_path, stdout=subprocess.PIPE, env=with_path(), text=True
    )
    journal = tmp_path / ".verify"
    while process.poll() is None and not list(journal.glob("fuzz-*.jsonl")):
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == cli.Exit.INTERRUPTED
    found = json.loads(out)
    assert found["volatile"]["interrupted"]
    assert list(journal.glob("fuzz-*.jsonl"))


def with_path():
    return os.environ | {"PYTHONPATH": os.getcwd()}


def test_a_finding_that_cannot_be_stored_is_told_and_the_hunt_goes_on(broken, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".verify").write_text("in the way")
    assert cli.main(["fuzz", "mqar.thm2-step1", "--examples", "5", "--workers", "1"]) == cli.Exit.UNEXPECTED
    printed = capsys.readouterr()
    assert "not stored: cannot write .verify/findings/" in printed.err
    assert "finding" in printed.out
    assert (tmp_path / ".verify").read_text() == "in the way"


def test_profiles_choose_the_examples(capsys):
    assert cli.main(["fuzz", "foundations.s6-not-lti", "--profile", "ci", "--workers", "1"]) == cli.Exit.EXPECTED
    assert "200 examples" in capsys.readouterr().out


def test_a_nightly_campaign_has_a_new_seed_and_tells_it_before_it_hunts(capsys):
    command = ["fuzz", "foundations.s6-not-lti", "--profile", "nightly", "--examples", "1", "--workers", "1"]
    seeds = []
    for _ in range(2):
        assert cli.main(command) == cli.Exit.EXPECTED
        seeds.append(re.search(r"--seed (\d+)", capsys.readouterr().err)[1])
    assert len(set(seeds)) == 2
    assert cli.main([*command, "--seed", seeds[0]]) == cli.Exit.EXPECTED
    assert "--seed" not in capsys.readouterr().err


def test_every_generator_draws_the_checks_own_type_of_case():
    for claim in claims():
        for check in properties(claim).values():
            assert isinstance(check, Property)
            assert next(iter(generators_of(check))) == "as checked"


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_recall_s_speed_is_the_sequences_that_ran_over_their_processor_time(monkeypatch):
    ran, time = [], iter([10.0, 12.0, 20.0, 25.0])
    monkeypatch.setattr(cost.time, "process_time", lambda: next(time))

    def count_batches(spec, check, examples, seed, run, watch):
        ran.append((run.dtypes, examples * spec.per_example))

    monkeypatch.setattr(cost, "run_batches", count_batches)
    found = cost.sequences_per_second(count=640)
    assert [dtypes for dtypes, _ in ran] == [("float32",)] * 2 + [("float64",)] * 2  # warmed up, then timed
    assert found == {"float32": ran[1][1] / 2, "float64": ran[3][1] / 5}
    assert ran[1][1] == ran[3][1] == 640


def test_recall_s_speed_is_of_cases_that_ran():
    assert all(0 < rate < math.inf for rate in cost.sequences_per_second(count=64).values())


def test_the_scheduler_is_the_limit_from_the_number_of_workers_that_the_model_says():
    costs = cost.Costs(examples=25, cell=0.25, slowest=4.0, process_task=1e-4, dask_task=1e-3, result=1e-4)
    limit = costs.useful(25)
    assert limit == 251
    assert costs.rate(limit - 2, 25)[1] == "workers"
    assert costs.rate(limit + 1, 25) == (25_000, "scheduler")
    assert costs.useful(100) == 1001
    scaled = {1: cost.Scaled(8.0, 7.6, 7.0), 2: cost.Scaled(5.0, 9.0, 7.7)}
    text = cost.render(costs, {"float32": 8900.0}, scaled)
    assert "| 1,000 | 25,000 (scheduler)" in text
    assert "2 processes: 5.0 s, 1.60 times as fast as one; 90% of the time in cells" in text
    assert "1.10 of one process's" in text
