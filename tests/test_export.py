"""Exported models load in transformers and answer recall, with a generator written from Zoology's description alone."""

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from mamba_theorems.constructions import export
from mamba_theorems.kernels.blocks import Mamba, Mamba2, MambaLM, interop
from mamba_theorems.verify.commands import main as cli

transformers = pytest.importorskip("transformers")
load_file = pytest.importorskip("safetensors.torch").load_file

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
SIZES = ["--vocab-size", "16", "--input-seq-len", "16", "--num-kv-pairs", "2"]
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


@dataclass
class MambaConfig:
    """The keys that mamba_ssm >= 2.1 reads from config.json: `MambaConfig(**json)` refuses any other."""

    d_model: int
    n_layer: int
    vocab_size: int
    d_intermediate: int = 0
    ssm_cfg: dict = field(default_factory=dict)
    attn_layer_idx: list = field(default_factory=list)
    attn_cfg: dict = field(default_factory=dict)
    rms_norm: bool = True
    residual_in_fp32: bool = True
    fused_add_norm: bool = True
    pad_vocab_size_multiple: int = 8
    tie_embeddings: bool = True


def mamba_ssm_shapes(config: MambaConfig) -> dict[str, tuple[int, ...]]:
    """Every name and shape that MambaLMHeadModel(config) registers, written from its modules; it loads strictly."""
    assert config.rms_norm
    assert config.d_intermediate == 0
    assert not config.attn_layer_idx
    vocab = -(-config.vocab_size // config.pad_vocab_size_multiple) * config.pad_vocab_size_multiple
    options = dict(config.ssm_cfg)
    layer, n, expand = options.pop("layer", "Mamba1"), options["d_state"], options["expand"]
    d, width = config.d_model, expand * config.d_model
    if layer == "Mamba2":
        assert set(options) <= {"d_state", "d_conv", "expand", "headdim"}
        assert width % options["headdim"] == 0
        heads = width // options["headdim"]
        mixer = {
            "in_proj.weight": (2 * width + 2 * n + heads, d),
            "conv1d.weight": (width + 2 * n, 1, options["d_conv"]),
        }
        mixer |= {"conv1d.bias": (width + 2 * n,), "dt_bias": (heads,), "A_log": (heads,), "D": (heads,)}
        mixer |= {"norm.weight": (width,), "out_proj.weight": (d, width)}
    else:
        assert set(options) <= {"d_state", "d_conv", "expand", "dt_rank"}
        rank = options["dt_rank"]
        mixer = {"in_proj.weight": (2 * width, d), "conv1d.weight": (width, 1, options["d_conv"])}
        mixer |= {"conv1d.bias": (width,), "x_proj.weight": (rank + 2 * n, width), "dt_proj.weight": (width, rank)}
        mixer |= {"dt_proj.bias": (width,), "A_log": (width, n), "D": (width,), "out_proj.weight": (d, width)}
    shapes = {"backbone.embedding.weight": (vocab, d), "backbone.norm_f.weight": (d,), "lm_head.weight": (vocab, d)}
    for i in range(config.n_layer):
        prefix = f"backbone.layers.{i}"
        shapes |= {f"{prefix}.norm.weight": (d,)} | {f"{prefix}.mixer.{name}": s for name, s in mixer.items()}
    return shapes


def from_mamba_ssm_folder(folder) -> tuple[MambaConfig, dict[str, torch.Tensor], MambaLM]:
    """What from_pretrained does: the config by its keys, the weights strictly, into our own model of the same names."""
    config = MambaConfig(**json.loads((folder / "config.json").read_text()))
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    options = dict(config.ssm_cfg)
    mixer = {"Mamba1": Mamba, "Mamba2": Mamba2}[options.pop("layer")]
    model = MambaLM(config.vocab_size, config.d_model, config.n_layer, mixer=mixer, dtype=torch.float32, **options)
    model.load_state_dict(state, strict=True)
    return config, state, model.requires_grad_(False)


@pytest.mark.parametrize(
    ("claim", "architecture"),
    [*((claim, None) for claim in CLAIMS), *((claim, "mamba2") for claim in MAMBA2_TOO)],
)
def test_mamba_ssm_s_folder_is_what_its_head_model_loads_and_recalls(claim, architecture, tmp_path):
    export.export(export.language_model(claim, 64, 64, 8, architecture), "mamba_ssm", tmp_path / "model")
    config, state, model = from_mamba_ssm_folder(tmp_path / "model")
    assert {name: tuple(weight.shape) for name, weight in state.items()} == mamba_ssm_shapes(config)
    assert {weight.dtype for weight in state.values()} == {torch.float32}
    assert not config.tie_embeddings
    tokens, labels = zoology_sequences(64, 64, 8, 100, seed=3)
    asked = labels != -100
    assert (model(torch.from_numpy(tokens)).argmax(-1).numpy()[asked] == labels[asked]).all()


def test_mamba_ssm_refuses_more_states_than_its_scan_holds(tmp_path):
    model = export.language_model("mqar.thm2-step1", 516, 32, 4)
    with pytest.raises(export.CannotExport, match="exceeds the 256"):
        export.export(model, "mamba_ssm", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_command_line_exports_and_says_what(tmp_path, capsys):
    words = ["export", "mqar.n2-distinct", *SIZES, "-o", str(tmp_path / "model")]
    assert cli.main(words) == cli.Exit.EXPECTED
    assert "as a language model" in capsys.readouterr().out
    files = list((tmp_path / "model").iterdir())
    assert {"config.json", "model.safetensors", "README.md", "labels.json"} <= {p.name for p in files}
    assert {p.stat().st_mode & 0o777 for p in files} == {0o644}, "others on the machine may read it"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mqar.n2-distinct"], "export takes one claim"),
        (["mqar.lem4", *SIZES], "No construction"),
        (
            [
                "mqar.n1-delta-gate",
                "--architecture",
                "mamba2",
                *SIZES,
            ],
            "its factors commute",
        ),
        (["mqar.n2-distinct", "--vocab-size", "16", "--input-seq-len", "4", "--num-kv-pairs", "2"], "too short"),
        (
            [
                "mqar.n2-distinct",
                "--target",
                "gguf",
                *SIZES,
            ],
            "no target 'gguf'",
        ),
        (
            [
                "mqar.thm4",
                "--architecture",
                "mamba2",
                *SIZES,
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


MODELS = (*CLAIMS, "induction.plain-s6", "foundations.selective-copying")
EXPORTED = [
    *((claim, None) for claim in MODELS),
    *((claim, "mamba2") for claim in (*MAMBA2_TOO, "induction.plain-s6")),
]


class MambaLMHeadModel:
    """mamba_ssm's, on our blocks: its names, its from_pretrained, its result."""

    @staticmethod
    def from_pretrained(folder, device):
        assert device == "cuda"
        *_, model = from_mamba_ssm_folder(Path(folder))
        return lambda tokens: SimpleNamespace(logits=model(tokens))


@pytest.fixture
def beside_mamba_ssm(monkeypatch):
    monkeypatch.setitem(sys.modules, "mamba_ssm", ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.models", ModuleType("mamba_ssm.models"))
    simple = ModuleType("mamba_ssm.models.mixer_seq_simple")
    simple.MambaLMHeadModel = MambaLMHeadModel
    monkeypatch.setitem(sys.modules, simple.__name__, simple)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)


@pytest.mark.parametrize("target", export.TARGETS)
@pytest.mark.parametrize(("claim", "architecture"), EXPORTED)
def test_three_lines_of_its_own_model_card_load_a_model_and_answer_a_prompt(
    claim, architecture, target, tmp_path, capsys, monkeypatch, beside_mamba_ssm
):
    folder, kind = tmp_path / "model", ["--architecture", architecture] if architecture else []
    words = ["export", claim, *SIZES, *kind, "--target", target, "-o", str(folder)]
    assert cli.main(words) == cli.Exit.EXPECTED, capsys.readouterr().err
    card = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.S)
    (answer,) = re.findall(r"is answered by `(.*)`, the largest", card)
    assert len(code.splitlines()) == 3
    capsys.readouterr()
    monkeypatch.chdir(folder)
    exec(code, {})
    assert capsys.readouterr().out.split() == [answer]

    kept = [row.split("|")[2].split()[::2] for row in card.splitlines() if row.startswith("|") and "%" in row]
    assert any(len(counts) > 1 and counts[0] == counts[1] for counts in kept), "answered wherever hypotheses hold"
    for needed in ("license: mit", "Evidence: **", "arXiv 2506.11891", f"`{claim}`", "seed 0"):
        assert needed in card

    labels = json.loads((folder / "labels.json").read_text())
    weights = folder / ("pytorch_model.bin" if target == "mamba_ssm" else "model.safetensors")
    state = torch.load(weights) if target == "mamba_ssm" else load_file(weights)
    assert {name: tuple(map(len, rows)) for name, rows in labels["rows"].items()} == {
        name: tuple(weight.shape) for name, weight in state.items()
    }
    assert len(labels["words"]) == len(set(labels["words"])) == len(labels["classes"])
    if target == "transformers":
        config = json.loads((folder / "config.json").read_text())
        special = {config[f"{name}_token_id"] for name in ("bos", "eos", "pad")}
        assert len(special) == 3
        assert special == set(json.loads((folder / "generation_config.json").read_text()).values())
        assert {labels["words"][token] for token in special} <= {"<bos>", "<eos>", "<pad>", "n"}


@pytest.mark.parametrize(("claim", "architecture"), [("mqar.robust", None), ("mqar.n2-distinct", "mamba2")])
def test_the_weights_are_the_same_bits_in_both_layouts(claim, architecture, tmp_path):
    """Each library's folder under the other's names: transformers loads mamba_ssm's weights, strictly, and back."""
    construction = export.language_model(claim, 16, 16, 2, architecture)
    for target in ("transformers", "mamba_ssm"):
        export.export(construction, target, tmp_path / target)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "transformers")
    loaded = {name: weight.clone() for name, weight in theirs.state_dict().items()}
    ours = torch.load(tmp_path / "mamba_ssm" / "pytorch_model.bin", weights_only=True)
    theirs.load_state_dict(interop.to_transformers(ours), strict=True)
    assert all(torch.equal(weight, loaded[name]) for name, weight in theirs.state_dict().items())
    back = interop.from_transformers(load_file(tmp_path / "transformers" / "model.safetensors"))
    assert back.keys() == ours.keys()
    assert all(torch.equal(weight, ours[name]) for name, weight in back.items())
    *_, model = from_mamba_ssm_folder(tmp_path / "mamba_ssm")
    model.load_state_dict(back, strict=True)


def test_an_exported_model_is_shown_by_its_own_weights(tmp_path, capsys):
    export.export(export.language_model("mqar.thm2-step1", 16, 16, 2), "transformers", tmp_path / "model")
    words = ["show", "mqar.thm2-step1", "--target", "language_model", "--tokens", "k3 v5 k1 v2 f k3"]
    assert cli.main([*words, "--weights", str(tmp_path / "model" / "model.safetensors")]) == cli.Exit.EXPECTED
    assert "v5 is answered" in capsys.readouterr().out


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(export.CannotExport, match="in use"):
        export.export(export.language_model("mqar.n2-distinct", 16, 16, 2), "transformers", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["note"]
