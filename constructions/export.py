"""A construction as a model directory that others load: transformers, mamba_ssm, or plain safetensors.

The weights are rounded once to float32; the folder appears whole or not at all.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Vocabulary, zoology_mqar

ARCHITECTURES = {"mamba": "language_model", "mamba2": "mamba2_language_model"}
MAMBA2_CLAIMS = ("mqar.thm3-step1",)


class CannotExport(ValueError):
    """What was asked for cannot be exported; the message is one sentence that says what to do."""


def language_model(
    claim: str, vocab_size: int, input_seq_len: int, num_kv_pairs: int, architecture: str | None = None
) -> Construction:
    """The claim's language model over Zoology's vocabulary. Raises CannotExport for what does not exist or fit."""
    architecture = architecture or ("mamba2" if claim in MAMBA2_CLAIMS else "mamba")
    if architecture not in ARCHITECTURES:
        raise CannotExport(f"there is no architecture '{architecture}': use one of {', '.join(ARCHITECTURES)}")
    try:
        zoology_mqar(vocab_size, 1, input_seq_len, 0, num_kv_pairs=num_kv_pairs)
        return mqar.build(
            claim,
            ARCHITECTURES[architecture],
            num_kv_pairs=num_kv_pairs,
            vocab_size=vocab_size,
            vocabulary=Vocabulary.zoology(vocab_size),
        )
    except ValueError as reason:
        raise CannotExport(str(reason)) from reason


def export(construction: Construction, target: str, folder: Path) -> None:
    """Write the model into `folder`, which must not exist or be empty.

    transformers: config.json, generation_config.json and model.safetensors for MambaForCausalLM or Mamba2ForCausalLM.
    mamba_ssm: config.json and pytorch_model.bin for MambaLMHeadModel. safetensors: model.safetensors and config.json.
    Raises CannotExport for another target, a folder in use, or a construction that is no language model.
    """
    if target not in WRITERS:
        raise CannotExport(f"there is no target '{target}': use one of {', '.join(WRITERS)}")
    if not construction.is_language_model:
        raise CannotExport(f"a {construction.target} block is no language model: build one first")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotExport(f"{folder} is in use: choose another -o")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            WRITERS[target](construction, Path(scratch))
            os.chmod(scratch, 0o755)
            for file in Path(scratch).iterdir():
                file.chmod(0o644)
            shutil.copytree(scratch, folder, dirs_exist_ok=True)
    except OSError as reason:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotExport(f"cannot write {folder} ({reason.strerror}): choose another -o") from reason


def is_mamba2(construction: Construction) -> bool:
    """Whether the language model's mixer is Mamba-2."""
    return "mamba2" in construction.target


def transformers_config(construction: Construction) -> dict[str, Any]:
    """config.json as transformers reads it."""
    sizes = construction.hyperparameters
    config: dict[str, Any] = {
        "architectures": ["Mamba2ForCausalLM" if is_mamba2(construction) else "MambaForCausalLM"],
        "model_type": "mamba2" if is_mamba2(construction) else "mamba",
        "vocab_size": sizes["vocab_size"],
        "hidden_size": sizes["d_model"],
        "state_size": sizes["d_state"],
        "num_hidden_layers": sizes["n_layer"],
        "expand": sizes["expand"],
        "conv_kernel": sizes["d_conv"],
        "use_bias": False,
        "use_conv_bias": True,
        "hidden_act": "silu",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "dtype": "float32",
    }
    if is_mamba2(construction):
        return config | {"num_heads": 1, "head_dim": sizes["d_inner"], "n_groups": 1, "chunk_size": 64}
    return config | {"intermediate_size": sizes["d_inner"], "time_step_rank": sizes["dt_rank"]}


def mamba_ssm_config(construction: Construction) -> dict[str, Any]:
    """config.json as mamba_ssm's MambaConfig reads it."""
    sizes = construction.hyperparameters
    mixer: dict[str, Any] = {"d_state": sizes["d_state"], "d_conv": sizes["d_conv"], "expand": sizes["expand"]}
    mixer |= {"layer": "Mamba2", "headdim": sizes["d_inner"]} if is_mamba2(construction) else {
        "layer": "Mamba1", "dt_rank": sizes["dt_rank"]
    }  # fmt: skip
    return {
        "d_model": sizes["d_model"],
        "d_intermediate": 0,
        "n_layer": sizes["n_layer"],
        "vocab_size": sizes["vocab_size"],
        "ssm_cfg": mixer,
        "rms_norm": True,
        "residual_in_fp32": True,
        "fused_add_norm": False,
        "pad_vocab_size_multiple": 1,
        "tie_embeddings": False,
    }


def transformers_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state-spaces names as transformers has them: `embeddings` for `embedding`."""
    return {name.replace("backbone.embedding.", "backbone.embeddings."): w for name, w in state.items()}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _save_safetensors(state: dict[str, torch.Tensor], path: Path) -> None:
    try:
        from safetensors.torch import save_file  # noqa: PLC0415 - an optional dependency
    except ImportError as reason:
        raise CannotExport("safetensors is not installed: pip install safetensors") from reason
    save_file({name: w.contiguous() for name, w in state.items()}, path, metadata={"format": "pt"})


def _to_transformers(construction: Construction, folder: Path) -> None:
    _write_json(folder / "config.json", transformers_config(construction))
    _write_json(folder / "generation_config.json", {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0})
    _save_safetensors(transformers_names(construction.state_dict(torch.float32)), folder / "model.safetensors")


MOST_STATES = 256
"""What mamba_ssm's selective scan holds for Mamba-1."""


def _to_mamba_ssm(construction: Construction, folder: Path) -> None:
    n = construction.hyperparameters["d_state"]
    if n > MOST_STATES and not is_mamba2(construction):
        raise CannotExport(f"d_state = {n} exceeds the {MOST_STATES} of mamba_ssm's scan: use --target transformers")
    _write_json(folder / "config.json", mamba_ssm_config(construction))
    torch.save(construction.state_dict(torch.float32), folder / "pytorch_model.bin")


def _to_safetensors(construction: Construction, folder: Path) -> None:
    _write_json(folder / "config.json", {"claim": construction.claim, **construction.hyperparameters})
    _save_safetensors(construction.state_dict(torch.float32), folder / "model.safetensors")


WRITERS: dict[str, Callable[[Construction, Path], None]] = {
    "transformers": _to_transformers,
    "mamba_ssm": _to_mamba_ssm,
    "safetensors": _to_safetensors,
}
TARGETS = tuple(WRITERS)
