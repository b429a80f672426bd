"""The benchmark: its command line refuses what it cannot do, and memory stays linear."""

import json

import pytest
import torch

from mamba_theorems.kernels import bench
from mamba_theorems.kernels.bench import ModelSize, ScanSize


def test_peak_memory_is_at_most_three_times_inputs_and_outputs():
    """No (batch, L, d_inner, N) tensor: that alone would be 16 times as much."""
    assert bench.memory(ScanSize(2, 2048, 256, 32))["ratio"] <= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "mamba9"], "There is no peer 'mamba9'; choose from transformers"),
        (["--device", "cuda"], "no CUDA"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_sentence(arguments, message, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert bench.main(arguments) == 4
    assert message in capsys.readouterr().err


def test_the_record_is_json_and_every_peer_is_timed(tmp_path, capsys, monkeypatch):
    small = ScanSize(1, 8, 4, 2)
    for name in ("HEADLINE", "NARROW"):
        monkeypatch.setattr(bench, name, small)
    monkeypatch.setattr(bench, "SSD_SIZE", ScanSize(1, 8, 64, 2))
    monkeypatch.setattr(bench, "LENGTHS", (8, 16))
    monkeypatch.setattr(bench, "MODEL", ModelSize(2, 8, 4, 2, 5))
    monkeypatch.setattr(bench, "memory", lambda size: {"ratio": 1.0})
    record = tmp_path / "bench.json"
    assert bench.main(["--against", "mambapy", "--rounds", "1", "--threads", "1", "-o", str(record)]) == 0
    timings = json.loads(record.read_text())["timings"]
    assert all({"ours", "mambapy"} <= set(t["milliseconds"]) for t in timings if not t["case"].startswith("SSD"))
    assert "training step" in [t["case"] for t in timings]
    assert "S6 forward + backward" in capsys.readouterr().out
