"""Trainings beside the theorems: the same record on any workers, predictions that can fail, bad plans in a sentence."""

import json
import os
import signal
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
import torch

from mamba_theorems.constructions.mqar.assignments import every_assignment
from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.evidence import outcome_of
from mamba_theorems.verify.experiments import networks, plan, predictions, report
from mamba_theorems.verify.experiments.campaign import PlanRun, TrainingNotes, run_plan
from mamba_theorems.verify.experiments.data import DataSource
from mamba_theorems.verify.experiments.plan import Plan, PlanRow
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import Trained, plain, run_training
from mamba_theorems.verify.fuzz import local

TINY = {
    "title": "tiny",
    "grid": [
        {
            "label": "recall", "task": "mqar-once", "mixer": ["mamba2", "mamba-one-decay"], "gate": False,
            "vocab_size": 2, "num_kv_pairs": 2, "d_model": 4, "d_state": 1, "steps": 3, "batch_size": 4,
        },
        {
            "label": "from a construction", "task": "mqar", "mixer": "construction", "start": "exact",
            "vocab_size": 3, "num_kv_pairs": 2, "input_seq_len": 10, "steps": 1, "batch_size": 4, "lr": 1e-4,
        },
        {
            "label": "filler that contradicts", "task": "zoology-random", "mixer": "hybrid", "n_layer": 2,
            "vocab_size": 8, "num_kv_pairs": 2, "input_seq_len": 12, "d_model": 4, "steps": 2, "seed": [0, 1],
        },
    ],
}  # fmt: skip


def ignore(run):
    """No progress line."""


def run(chosen, pool, notes=None, progress=ignore):
    found = notes.run() if notes else PlanRun(chosen)
    found.workers = pool.workers
    run_plan(found, pool, notes=notes, progress=progress)
    return found


@pytest.fixture(scope="module")
def tiny():
    return plan.read("tiny", TINY)


@pytest.fixture(scope="module")
def alone(tiny):
    return run(tiny, local.InProcess())


# --- the same record -------------------------------------------------------------------------------------------------


def test_two_workers_one_of_them_killed_make_the_same_record(tiny, alone):
    with local.pool_of(2) as pool:
        killed = []

        def kill_one(_):
            if not killed:
                killed.append(next(iter(pool.processes)).pid)
                os.kill(killed[0], signal.SIGKILL)

        found = run(tiny, pool, progress=kill_one)
    assert killed
    assert report.canonical(found) == report.canonical(alone)


def test_an_interrupted_plan_goes_on_from_what_was_done_and_makes_the_same_record(tiny, alone, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    first = run(tiny, local.InProcess(), notes=TrainingNotes(tiny, "cpu", tmp_path), progress=stop)
    assert first.interrupted
    assert len(first.fresh) == 1
    again = run(tiny, local.InProcess(), notes=TrainingNotes(tiny, "cpu", tmp_path))
    assert len(again.fresh) == len(tiny.trainings) - 1
    assert report.canonical(again) == report.canonical(alone)


def test_predictions_are_the_same_before_the_runs_and_after_and_the_record_is_read_back(tiny, alone):
    before, after = report.document(PlanRun(tiny)), report.document(alone)
    assert before["predictions_digest"] == after["predictions_digest"]
    assert set(before["canonical"]["verdicts"].values()) == {predictions.NOT_YET}
    written = json.loads(report.dumps(alone))
    assert report.canonical(report.read(written)) == report.canonical(alone)
    written["canonical"]["results"][0]["right"] += 1
    with pytest.raises(ValueError, match="edited by hand"):
        report.read(written)


def test_exact_weights_answer_before_training_and_contradicted_queries_are_counted(tiny, alone):
    by_label = {row.label: [alone.results[t] for t in row.trainings] for row in tiny.rows}
    exact = by_label["from a construction"][0]
    assert exact.history[0] == (0, pytest.approx(float("nan"), nan_ok=True), 1.0)
    assert exact.alignment
    assert min(cosine for _, cosine in exact.alignment) > 0.99
    for result in by_label["filler that contradicts"]:
        assert 0 < result.shown_another < result.total
        assert result.right_of_others <= min(result.right, result.total - result.shown_another)


# --- predictions -----------------------------------------------------------------------------------------------------


def imagined(training, right, total=100, error=0.0):
    return Trained(training, right, total, 0, 1, error, 1, ((0, 0.0, 0.5),), 1, 0, right, (), 0.0, 0.0)


def verdict(name, trainings, results):
    chosen = next(p for p in predictions.ALL if p.name == name)
    return chosen.verdict(trainings, {r.training: r for r in results})


RECALL = Training("mqar-once", "mamba2", 4, num_kv_pairs=4, gate=False, d_state=3)
KEEP = Training("keep", "s4d", 128, 50, n=5, gate=False, d_conv=1)


def test_a_bound_is_contradicted_by_one_network_and_met_only_when_all_were_run():
    second = replace(RECALL, seed=1)
    name = "fewer states than keys"
    assert verdict(name, (RECALL, second), []) == predictions.NOT_YET
    assert verdict(name, (RECALL, second), [imagined(RECALL, 99)]) == predictions.NOT_YET
    assert verdict(name, (RECALL, second), [imagined(RECALL, 99), imagined(second, 98)]) == predictions.MET
    assert verdict(name, (RECALL, second), [imagined(RECALL, 100)]) == predictions.NOT_MET
    free = {"gate": True}, {"mixer": "mamba"}, {"d_state": 4}, {"distinct_values": True}, {"n_layer": 2}
    for other in (*free, {"vocab_size": 1}):
        assert verdict(name, (replace(RECALL, **other),), [imagined(replace(RECALL, **other), 100)]) == predictions.MET


def test_an_existence_is_met_by_one_network_and_missed_only_when_all_were_run():
    trainings = tuple(replace(RECALL, distinct_values=True, seed=seed, vocab_size=6) for seed in (0, 1))
    name = "distinct values need two states"
    assert verdict(name, trainings, [imagined(trainings[0], 99)]) == predictions.NOT_YET
    assert verdict(name, trainings, [imagined(trainings[1], 100)]) == predictions.MET
    assert verdict(name, trainings, [imagined(t, 99) for t in trainings]) == predictions.NOT_MET


def test_a_construction_needs_a_convolution_that_sees_the_token_before():
    names = {p.name for p in predictions.of(Plan("", "", "", (PlanRow("", (replace(RECALL, d_state=4),)),)))}
    assert names == {"as many states as keys"}
    assert not predictions.of(Plan("", "", "", (PlanRow("", (replace(RECALL, d_state=4, d_conv=1),)),)))


def test_s4d_is_held_against_its_ceiling():
    name = "a time-invariant mixer forgets which"
    assert verdict(name, (KEEP,), [imagined(KEEP, 75)]) == predictions.MET
    assert verdict(name, (KEEP,), [imagined(KEEP, 76)]) == predictions.NOT_MET
    assert verdict(name, (KEEP,), [imagined(KEEP, 76, error=0.003)]) == predictions.MET


def test_the_ceiling_is_the_least_error_that_the_claim_allows():
    """Half-integral errors attain the least sum under bounds on pairs (a vertex cover's relaxation)."""
    for n, times in product(range(1, 6), range(1, 7)):
        pairs = [(t, u) for t in range(times) for u in range(t + 1, min(times, t + n))]
        errors = product((Fraction(0), Fraction(1, 2), Fraction(1)), repeat=times)
        least = min(sum(e) for e in errors if all(e[t] + e[u] >= 1 for t, u in pairs))
        assert predictions.ceiling(n, n + times - 1, 3) == 1 - least * Fraction(1, 3) / times
    assert predictions.ceiling(5, 50, 128) == Fraction(385, 512) < Fraction(752, 1000)


def test_every_prediction_is_of_a_claim_and_some_shipped_plan_tries_it():
    tried = {p.name for name in plan.shipped() for p in predictions.of(plan.load(name))}
    assert tried == {p.name for p in predictions.ALL}
    assert {p.claim for p in predictions.ALL} <= claims().keys()


def test_observed_evidence_raises_no_outcome_and_a_broken_bound_lowers_it(tiny, alone):
    pieces = report.evidence(alone)["mqar.n-lower-bound"]
    assert [piece.holds for piece in pieces] == [True]
    assert outcome_of(pieces, []) is Outcome.UNKNOWN
    broken = PlanRun(tiny, results={t: replace(r, right=r.total) for t, r in alone.results.items()})
    assert [piece.holds for piece in report.evidence(broken)["mqar.n-lower-bound"]] == [False]


def test_a_threshold_is_told_of_whole_sweeps_and_as_that_of_the_best_rate():
    trainings = tuple(replace(RECALL, d_state=n, lr=lr) for n in (3, 4) for lr in (0.01, 0.1))
    chosen = Plan("", "", "", (PlanRow("", trainings),))
    results = {t: imagined(t, 100 if (t.d_state, t.lr) == (4, 0.1) else 50) for t in trainings}
    assert "  least d_state: 4 (every seed), 4 (some seed), 0.99 at the best rate" in report.lines(
        PlanRun(chosen, results=results)
    )
    del results[trainings[0]]
    assert "  least d_state: not yet run" in report.lines(PlanRun(chosen, results=results))


def test_koren_law_is_told_of_recall_alone():
    keep = Training("keep", "mamba", 1, 8, protocol="K")
    assert not any("Koren" in line for line in report.lines(PlanRun(Plan("", "", "", (PlanRow("", (keep,)),)))))


def test_a_note_that_cannot_be_is_passed_over(tiny, alone, tmp_path):
    notes = TrainingNotes(tiny, "cpu", tmp_path)
    for wrong in ({"right": 10**9}, {"right": "1"}, {"alignment": 3}, {"history": 3}, {"training": {"task": 3}}, {}):
        result = plain(alone.results[tiny.trainings[0]])
        notes.append(result | wrong if wrong else [])
    assert not notes.run().results
    notes.add(alone.results[tiny.trainings[0]])
    assert list(notes.run().results) == [tiny.trainings[0]]


# --- what the bounds assume of the networks that they cover ----------------------------------------------------------


def features(training, tokens):
    """What stands before the final norm, in float64."""
    torch.manual_seed(1)
    backbone = networks.build(training).double().backbone
    backbone.norm_f = torch.nn.Identity()
    with torch.no_grad():
        return backbone(torch.as_tensor(tokens), None)[0]


def states_at_the_query(training):
    """The rank of the last features over assignments, a column a query, less those of the first assignment."""
    batch = every_assignment(training.num_kv_pairs, 2, gap=training.d_conv - 1)
    last = features(replace(training, vocab_size=2), batch.tokens)[:, -1]
    table = last.reshape(-1, training.num_kv_pairs, last.shape[1])
    return int(torch.linalg.matrix_rank((table - table[:1]).transpose(1, 2).flatten(0, 1), rtol=1e-10))


@pytest.mark.parametrize("d_state", [1, 2, 3])
def test_networks_under_extension_c_read_their_states_and_others_read_more(d_state):
    for mixer in predictions.ONE_DECAY:
        assert states_at_the_query(replace(RECALL, mixer=mixer, d_state=d_state)) == d_state
    assert states_at_the_query(replace(RECALL, mixer="mamba", d_state=d_state)) > d_state
    assert states_at_the_query(replace(RECALL, mixer="mamba-one-decay", gate=True, d_state=d_state)) > d_state


def is_time_invariant(training):
    """Whether a swap of one token changes the features alike, whatever the others and the time, by the lag alone."""
    training = replace(training, vocab_size=3, input_seq_len=6)
    there = features(training, [[0, 1, 0, 2, 0, 1], [2, 1, 0, 2, 0, 1], [0, 0, 2, 2, 1, 1], [2, 0, 2, 2, 1, 1]])
    later = features(training, [[1, 0, 2, 0, 1, 0], [1, 2, 2, 0, 1, 0]])
    changes = there[1] - there[0], there[3] - there[2], (later[1] - later[0])[1:]
    return all(torch.allclose(change[:5], changes[0][:5], atol=1e-12) for change in changes)


def test_s4d_under_the_ceiling_is_time_invariant_and_others_are_not():
    assert is_time_invariant(KEEP)
    for other in ({"gate": True}, {"d_conv": 2}, {"pe": True}, {"mixer": "mamba"}):
        assert not is_time_invariant(replace(KEEP, **other)), other


def test_a_batch_in_which_nothing_is_asked_does_not_end_a_training():
    """One place after one pair, a sequence a batch: half of the batches ask nothing."""
    training = Training("mqar", "s4d", 2, 3, d_model=2, d_state=1, batch_size=1, steps=8, protocol="exact")
    asked = [bool((DataSource(training).batch(number)[1] >= 0).any()) for number in range(8)]
    assert not all(asked)
    result = run_training(training)
    assert result.exact or result.step == 8


def test_an_lstm_is_as_large_as_the_block_it_stands_beside():
    sizes = {"task": "keep", "vocab_size": 4, "input_seq_len": 8, "d_model": 12}
    block, lstm = (
        sum(p.numel() for p in networks.build(Training(mixer=mixer, **sizes)).parameters())
        for mixer in ("mamba", "lstm")
    )
    assert 0.9 * block < lstm <= block


def test_a_data_set_is_the_same_every_epoch_in_another_order():
    training = Training("zoology", "mamba", 8192, protocol="Z1", batch_size=50_000)
    source = DataSource(training)
    assert source.steps_per_epoch == 6
    orders = [[source.at(epoch * 6 + i) for i in range(6)] for epoch in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(map(str, orders[0])) == sorted(map(str, orders[1]))


# --- the command -----------------------------------------------------------------------------------------------------

GRID = '[[grid]]\ntask = "keep"\nmixer = "mamba"\nvocab_size = 4\ninput_seq_len = 8\n'
CONSTRUCTION = GRID.replace("keep", "mqar").replace('"mamba"', '"construction"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = 3 4", "cannot read the plan"),
        ("title = 'none'", "it has no [[grid]]"),
        (f"grids = 1\n{GRID}", "a strange 'grids'"),
        (f"{GRID}d_modle = 3", "a strange 'd_modle' (did you mean 'd_model'?)"),
        (f"{GRID}d_model = true", "d_model = True is no int"),
        (f"{GRID}lr = []", "lr is an empty list"),
        (f"{GRID}lr = -1", "lr = -1.0 must be positive"),
        (f"{GRID}seed = [1, 1]", "the same training stands in it twice"),
        (f"{GRID}n = 9", "There is no token 9 among 8"),
        (f"{GRID}protocol = 'Z1'", "protocol 'Z1' is of the tasks"),
        (f"{GRID}start = 'exact'", "start = 'exact' does nothing with task 'keep', mixer 'mamba'"),
        (f"{GRID}distinct_values = true", "distinct_values = True does nothing with task 'keep'"),
        (f"{GRID}num_kv_pairs = 2", "num_kv_pairs = 2 does nothing"),
        (GRID.replace('"mamba"', '"hybrid"') + "gate = false", "gate = False does nothing"),
        (GRID.replace('"mamba"', '"attention"') + "d_state = [4, 8]", "d_state = 4 does nothing"),
        (CONSTRUCTION + "d_model = 8", "d_model = 8 does nothing"),
        (CONSTRUCTION + "start = 'exact'\nnoise = 0.1", "noise = 0.1 does nothing"),
        (CONSTRUCTION + "start = 'noise'\nnoise = nan", "noise = nan must be a number"),
        (f"title = ['a']\n{GRID}", "title = ['a'] is no text"),
        (f"{GRID}label = 3", "grid 1: label = 3 is no text"),
        (GRID.replace("= 8", "= 1000000000000"), "Unable to allocate"),
        (GRID.replace("keep", "kept"), "there is no task 'kept'"),
        (GRID.replace("vocab_size = 4\n", ""), "grid 1 has no vocab_size"),
        (GRID.replace("input_seq_len = 8\n", ""), "input_seq_len is missing"),
        ('[[grid]]\ntask = "mqar-once"\nmixer = "s4d"\nvocab_size = 90\nnum_kv_pairs = 4', "use a smaller vocab_size"),
    ],
)
def test_a_plan_that_cannot_be_used_gets_one_sentence(text, message, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert cli.main(["train", str(path)]) == cli.Exit.USAGE
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_an_unknown_plan_names_the_nearest(capsys):
    assert cli.main(["train", "tabel1"]) == cli.Exit.USAGE
    assert "did you mean 'table1'?" in capsys.readouterr().err


def test_plans_of_one_name_and_several_json_documents_are_refused(tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(GRID)
    assert cli.main(["train", *map(str, sorted(tmp_path.glob("*/mine.toml")))]) == cli.Exit.USAGE
    assert "2 of the plans are called 'mine'" in capsys.readouterr().err
    assert cli.main(["train", "states", "mqar", "--output-format", "json"]) == cli.Exit.USAGE
    assert "give one plan" in capsys.readouterr().err


def test_an_interrupt_ends_every_plan(monkeypatch):
    ran = []

    def interrupted(chosen, *_):
        ran.append(chosen.name)
        return cli.Exit.INTERRUPTED

    monkeypatch.setattr("mamba_theorems.verify.commands.train._one", interrupted)
    assert cli.main(["train", "states", "mqar"]) == cli.Exit.INTERRUPTED
    assert ran == ["states"]


def test_the_command_tells_costs_first_and_then_writes_what_it_shows_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(
        GRID.replace('"mamba"', '"s4d"') + "gate = false\nd_conv = 1\nd_model = 4\nsteps = 2\nlr = [0.1, 0.01]"
    )
    assert cli.main(["train", str(path), "--dry-run", "-o", "out"]) == 0
    said = capsys.readouterr().out
    assert "row 1: 2 trainings (2 rates, 1 seeds)" in said
    assert "2 trainings, at most" in said
    assert "predicted of every: haar.keep-nth-s4d-impossible" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    assert cli.main(["train", str(path), "--dry-run", "--output-format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["canonical"]["predictions"]
    before = json.loads((tmp_path / "out" / "train-mine.json").read_text())
    assert cli.main(["train", str(path), "--workers", "1", "-o", "out"]) == 0
    said = capsys.readouterr().out
    after = json.loads((tmp_path / "out" / "train-mine.json").read_text())
    assert after["predictions_digest"] == before["predictions_digest"]
    assert "MET: haar.keep-nth-s4d-impossible" in said
    assert cli.main(["train", "--from", "out/train-mine.json"]) == 0
    assert capsys.readouterr().out == said
