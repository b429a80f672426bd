"""Exported models load in transformers and answer recall, with a generator written from Zoology's description alone."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from constructions import export
from verify import cli

transformers = pytest.importorskip("transformers")

CLAIMS = (
    "mqar.thm2-step1",
    "mqar.thm2-step2-amended",
    "mqar.value-code",
    "mqar.thm3-step1",
    "mqar.n2-distinct",
    "mqar.thm4",
    "mqar.thm4-jl-amended",
    "mqar.robust",
    "mqar.n1-delta-gate",
)
MAMBA2_TOO = ("mqar.thm2-step2-amended", "mqar.value-code", "mqar.n2-distinct")


def zoology_sequences(vocab_size: int, length: int, pairs: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys from the lower half, values from the upper, no replacement; each key asked once, at an even place; filler 0.

    Written from the description of the task, with nothing of ours: the gap of each query is drawn by the power law
    of exponent 0.01 - 1 without replacement.
    """
    rng = np.random.default_rng(seed)
    tokens = np.zeros((count, length), dtype=np.int64)
    labels = np.full((count, length), -100)
    slots = (length - 2 * pairs) // 2
    law = 0.01 * np.arange(1, slots + 1) ** (0.01 - 1)
    for row, label in zip(tokens, labels, strict=True):
        keys = rng.choice(np.arange(1, vocab_size // 2), pairs, replace=False)
        values = rng.choice(np.arange(vocab_size // 2, vocab_size), pairs, replace=False)
        row[0 : 2 * pairs : 2], row[1 : 2 * pairs : 2] = keys, values
        places = 2 * pairs + 2 * rng.choice(slots, pairs, replace=False, p=law / law.sum())
        row[places], label[places] = keys, values
    return tokens, labels


def accuracy(folder, tokens: np.ndarray, labels: np.ndarray) -> float:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)).logits
    asked = labels != -100
    return float((logits.argmax(-1).numpy()[asked] == labels[asked]).mean())


@pytest.mark.parametrize(
    ("claim", "architecture"),
    [*((claim, None) for claim in CLAIMS), *((claim, "mamba2") for claim in MAMBA2_TOO)],
)
def test_transformers_loads_an_exported_model_and_it_recalls(claim, architecture, tmp_path):
    construction = export.language_model(claim, 64, 64, 8, architecture)
    export.export(construction, "transformers", tmp_path / "model")
    tokens, labels = zoology_sequences(64, 64, 8, 100, seed=1)
    assert accuracy(tmp_path / "model", tokens, labels) == 1


@pytest.mark.parametrize("claim", ["mqar.robust", "mqar.n1-delta-gate"])
def test_an_exported_model_that_counts_recalls_on_random_filler_too(claim, tmp_path):
    """Zoology's default: what is no query is any token. The two layers are transformers' own."""
    export.export(export.language_model(claim, 64, 64, 8), "transformers", tmp_path / "model")
    tokens, labels = zoology_sequences(64, 64, 8, 100, seed=2)
    filler = np.random.default_rng(2).integers(64, size=tokens.shape)
    assert accuracy(tmp_path / "model", np.where(tokens == 0, filler, tokens), labels) == 1


def test_a_model_outside_its_hypotheses_fails(tmp_path):
    """Two states need distinct values: where all keys hold one of two values, some query is answered wrongly."""
    export.export(export.language_model("mqar.n2-distinct", 64, 64, 8), "transformers", tmp_path / "model")
    tokens, labels = zoology_sequences(64, 64, 8, 100, seed=1)
    merged = np.where(tokens >= 32, 32 + tokens % 2, tokens)
    merged_labels = np.where(labels >= 32, 32 + labels % 2, labels)
    assert accuracy(tmp_path / "model", merged, merged_labels) < 1


def test_the_names_are_all_known_to_transformers(tmp_path):
    export.export(export.language_model("mqar.value-code", 16, 16, 2), "transformers", tmp_path / "model")
    _, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(report.values())


def test_mamba_ssm_s_folder_holds_what_its_head_model_reads(tmp_path):
    construction = export.language_model("mqar.thm3-step1", 16, 16, 2)
    export.export(construction, "mamba_ssm", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    state = torch.load(tmp_path / "model" / "pytorch_model.bin", weights_only=True)
    assert config["ssm_cfg"]["layer"] == "Mamba2"
    assert state["backbone.embedding.weight"].shape == (config["vocab_size"], config["d_model"])
    assert state["backbone.layers.0.mixer.conv1d.weight"].dtype == torch.float32


def test_the_command_line_exports_and_says_what(tmp_path):
    arguments = ["--vocab-size", "16", "--input-seq-len", "16", "--num-kv-pairs", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "verify", "export", "mqar.n2-distinct", *arguments, "-o", str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == cli.Exit.EXPECTED, done.stderr
    assert "language model" in done.stdout
    assert {"config.json", "model.safetensors"} <= {p.name for p in (tmp_path / "model").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mqar.n2-distinct"], "export takes one claim"),
        (["mqar.lem4", "--vocab-size", "16", "--input-seq-len", "16", "--num-kv-pairs", "2"], "No construction"),
        (
            [
                "mqar.n1-delta-gate",
                "--architecture",
                "mamba2",
                "--vocab-size",
                "16",
                "--input-seq-len",
                "16",
                "--num-kv-pairs",
                "2",
            ],
            "its factors commute",
        ),
        (["mqar.n2-distinct", "--vocab-size", "16", "--input-seq-len", "4", "--num-kv-pairs", "2"], "too short"),
        (
            [
                "mqar.n2-distinct",
                "--target",
                "gguf",
                "--vocab-size",
                "16",
                "--input-seq-len",
                "16",
                "--num-kv-pairs",
                "2",
            ],
            "no target 'gguf'",
        ),
        (
            [
                "mqar.thm4",
                "--architecture",
                "mamba2",
                "--vocab-size",
                "16",
                "--input-seq-len",
                "16",
                "--num-kv-pairs",
                "2",
            ],
            "compile to Mamba-1 only",
        ),
    ],
)
def test_bad_input_gets_one_sentence_and_no_folder(arguments, says, tmp_path, capsys):
    assert cli.main(["export", *arguments, "-o", str(tmp_path / "model")]) == cli.Exit.USAGE
    printed = capsys.readouterr().err.strip()
    assert says in printed
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(export.CannotExport, match="in use"):
        export.export(export.language_model("mqar.n2-distinct", 16, 16, 2), "transformers", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["note"]
