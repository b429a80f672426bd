"""A construction as a model directory that others load: transformers, mamba_ssm, or plain safetensors.

The weights are rounded once to float32; labels.json names every token and every row of every weight; the folder appears
whole or not at all.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.channels import Channel
from mamba_theorems.constructions.compiler.modules import empty_module
from mamba_theorems.constructions.compiler.targets import TARGETS as BLOCKS
from mamba_theorems.constructions.compiler.tensors import complete
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.foundations import copying
from mamba_theorems.constructions.induction_heads import answers, plain
from mamba_theorems.constructions.tasks import Vocabulary, requeried_mqar, zoology_mqar

ARCHITECTURES = {"mamba": "language_model", "mamba2": "mamba2_language_model"}
MAMBA2_CLAIMS = ("mqar.thm3-step1",)
SPECIAL = ("<bos>", "<eos>", "<pad>")
"""What a tokenizer wants beside the task's tokens: three more, which no network reads as a key or a value."""
LETTERS = {"key": "k", "value": "v", "filler": "f", "token": "t", "content": "c", "noise": "n", "marker": "m"}
Draw = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""Tokens and targets (count, L), -100 where nothing is asked, of a count and a seed."""


class CannotExport(ValueError):
    """What was asked for cannot be exported; the message is one sentence that says what to do."""


def language_model(
    claim: str, vocab_size: int, input_seq_len: int, num_kv_pairs: int, architecture: str | None = None
) -> Construction:
    """The claim's language model over its task's vocabulary, Zoology's for recall, and SPECIAL's three tokens.

    `num_kv_pairs` are the pairs of a context, or the tokens that are copied. Raises CannotExport for what does not
    exist or fit.
    """
    architecture = architecture or ("mamba2" if claim in MAMBA2_CLAIMS else "mamba")
    if architecture not in ARCHITECTURES:
        raise CannotExport(f"there is no architecture '{architecture}': use one of {', '.join(ARCHITECTURES)}")
    target = ARCHITECTURES[architecture]
    try:
        if claim == plain.CLAIM:
            return plain.plain_s6(vocab_size - 1 + len(SPECIAL), target)
        if claim == copying.CLAIM and architecture == "mamba":
            copying.Copying(vocab_size - 2, num_kv_pairs, input_seq_len)
            return copying.selective_copying(vocab_size, num_kv_pairs).network()
        zoology_mqar(vocab_size, 1, input_seq_len, 0, num_kv_pairs=num_kv_pairs)
        vocabulary = replace(Vocabulary.zoology(vocab_size), size=vocab_size + len(SPECIAL))
        sizes = {"num_kv_pairs": num_kv_pairs, "vocab_size": vocabulary.size}
        return mqar.build(claim, target, **sizes, vocabulary=vocabulary)
    except ValueError as reason:
        raise CannotExport(str(reason)) from reason


def trials(claim: str, vocab_size: int, input_seq_len: int, num_kv_pairs: int) -> dict[str, Draw]:
    """What an exported model is tried on, by what a reader calls it: sequences of its task, and of harder ones."""
    if claim == plain.CLAIM:

        def heads(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
            tokens = np.random.default_rng(seed).integers(vocab_size - 1, size=(count, input_seq_len))
            found = answers(tokens, vocab_size - 1)
            return tokens, np.where(found == vocab_size - 1, vocab_size - 1 + len(SPECIAL), found)

        return {"random tokens, every position asked": heads}
    if claim == copying.CLAIM:
        task = copying.Copying(vocab_size - 2, num_kv_pairs, input_seq_len)

        def copies(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
            tokens, targets = task.batch(count, seed)
            return np.where(tokens >= task.noise, tokens + 2, tokens), targets

        return {"contents at random places": copies}
    sizes = {"num_kv_pairs": num_kv_pairs}

    def zoology(random_filler: bool) -> Draw:
        def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
            more: dict[str, Any] = {"random_non_queries": random_filler, **sizes}
            batch = zoology_mqar(vocab_size, count, input_seq_len, seed, **more)
            return batch.tokens, batch.targets

        return draw

    def again(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        queries = min(3, (input_seq_len - 2 * num_kv_pairs) // num_kv_pairs)
        batch = requeried_mqar(vocab_size, count, input_seq_len, seed, **sizes, queries_per_key=queries)
        return batch.tokens, batch.targets

    return {
        "Zoology's task, filler 0": zoology(False),
        "Zoology's task, any token as filler": zoology(True),
        "each key asked up to three times, values as filler": again,
    }


# ---------------------------------------------------------------------------------------- what things are called


def special_ids(construction: Construction) -> dict[str, int]:
    """bos, eos and pad, three tokens; in copying noise is what pads, for a network passes over it."""
    tokens = [*construction.named.tokens]
    spare = [i for i, channel in enumerate(tokens) if channel.name == "unused"]
    if construction.claim == plain.CLAIM:
        spare = [*range(len(tokens) - 1 - len(SPECIAL), len(tokens) - 1)]
    if construction.claim == copying.CLAIM:
        noise = construction.named.tokens.position(Channel("noise"))
        spare = [noise - 2, noise - 1, noise]
    if len(spare) != len(SPECIAL):
        raise CannotExport(f"{construction.claim} has no tokens to spare: build it by export.language_model")
    return dict(zip(("bos_token_id", "eos_token_id", "pad_token_id"), spare, strict=True))


def words(construction: Construction) -> list[str]:
    """How each token is written, by its id: k1, v1, f, and SPECIAL's."""
    found = [
        f"{LETTERS.get(c.name, c.name)}{'' if c.index is None else int(c.index) + 1}" for c in construction.named.tokens
    ]
    for word, token in zip(SPECIAL, special_ids(construction).values(), strict=True):
        if construction.named.tokens.channels[token].name != "noise":
            found[token] = word
    return found


def labelled(construction: Construction, renamed: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> dict[str, Any]:
    """labels.json: tokens and classes by id, what each channel is for, and the name of every row of every weight."""
    naming = construction.named
    return {
        "claim": construction.claim,
        "words": words(construction),
        "classes": [*map(str, naming.classes)],
        "channels": {where: space.told for where, space in naming.spaces},
        "states": [[*map(str, states)] for layer in naming.layers for states in layer.states],
        "rows": renamed(construction.rows()),
    }


# ------------------------------------------------------------------------------------------------ files


def export(construction: Construction, target: str, folder: Path, files: Mapping[str, str] | None = None) -> None:
    """Write the model into `folder`, which must not exist or be empty, with more `files` by name, such as a README.md.

    transformers: config.json, generation_config.json, a tokenizer of the task's words, and model.safetensors for
    MambaForCausalLM or Mamba2ForCausalLM. mamba_ssm: config.json and pytorch_model.bin for MambaLMHeadModel.
    safetensors: model.safetensors and config.json, which `load` reads. All: labels.json. Raises CannotExport for
    another target, a folder in use, or a construction that is no language model.
    """
    writable(target, folder)
    if not construction.is_language_model:
        raise CannotExport(f"a {construction.target} block is no language model: build one first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            WRITERS[target](construction, Path(scratch))
            for name, content in (files or {}).items():
                Path(scratch, name).write_text(content, encoding="utf-8")
            os.chmod(scratch, 0o755)
            for file in Path(scratch).iterdir():
                file.chmod(0o644)
            shutil.copytree(scratch, folder, dirs_exist_ok=True)
    except OSError as reason:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotExport(f"cannot write {folder} ({reason.strerror}): choose another -o") from reason


def writable(target: str, folder: Path) -> None:
    """Raises CannotExport for a target that there is not, or a folder in use: before the work that it would hold."""
    if target not in WRITERS:
        raise CannotExport(f"there is no target '{target}': use one of {', '.join(WRITERS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotExport(f"{folder} is in use: choose another -o")


def is_mamba2(construction: Construction) -> bool:
    """Whether the language model's mixer is Mamba-2."""
    return "mamba2" in construction.target


def transformers_config(construction: Construction) -> dict[str, Any]:
    """config.json as transformers reads it."""
    sizes = complete(construction.hyperparameters)
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
        **special_ids(construction),
        "dtype": "float32",
    }
    if is_mamba2(construction):
        return config | {"num_heads": 1, "head_dim": sizes["d_inner"], "n_groups": 1, "chunk_size": 64}
    return config | {"intermediate_size": sizes["d_inner"], "time_step_rank": sizes["dt_rank"]}


def mamba_ssm_config(construction: Construction) -> dict[str, Any]:
    """config.json as mamba_ssm's MambaConfig reads it."""
    sizes = complete(construction.hyperparameters)
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


def transformers_names(state: dict[str, Any]) -> dict[str, Any]:
    """The state-spaces names as transformers has them: `embeddings` for `embedding`."""
    return {name.replace("backbone.embedding.", "backbone.embeddings."): w for name, w in state.items()}


def tokenizer_files(construction: Construction) -> dict[str, dict[str, Any]]:
    """A tokenizer that reads the task's words, separated by blanks, as transformers' AutoTokenizer loads it.

    Any other word becomes padding: what looks into a tokenizer tries words that this one does not have.
    """
    spelled, ids = words(construction), special_ids(construction)
    special = {name.removesuffix("_id"): spelled[token] for name, token in ids.items()}
    added = [
        {"id": token, "content": spelled[token], "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for token in ids.values()
        if spelled[token] in SPECIAL
    ]
    vocabulary = {word: token for token, word in enumerate(spelled)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": spelled[ids["pad_token_id"]]}
    nothing = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    tokenizer = {"version": "1.0", **nothing, "added_tokens": added, "pre_tokenizer": {"type": "WhitespaceSplit"}}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    return {"tokenizer.json": tokenizer | {"model": model}, "tokenizer_config.json": config | special}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _save_safetensors(state: dict[str, torch.Tensor], path: Path) -> None:
    try:
        from safetensors.torch import save_file  # noqa: PLC0415 - an optional dependency
    except ImportError as reason:
        raise CannotExport("safetensors is not installed: pip install safetensors") from reason
    save_file({name: w.contiguous() for name, w in state.items()}, path, metadata={"format": "pt"})


def _to_transformers(construction: Construction, folder: Path) -> None:
    _write_json(folder / "config.json", transformers_config(construction))
    _write_json(folder / "generation_config.json", special_ids(construction))
    for name, content in tokenizer_files(construction).items():
        _write_json(folder / name, content)
    _write_json(folder / "labels.json", labelled(construction, transformers_names))
    _save_safetensors(transformers_names(construction.state_dict(torch.float32)), folder / "model.safetensors")


MOST_STATES = 256
"""What mamba_ssm's selective scan holds for Mamba-1."""


def _to_mamba_ssm(construction: Construction, folder: Path) -> None:
    n = construction.hyperparameters["d_state"]
    if n > MOST_STATES and not is_mamba2(construction):
        raise CannotExport(f"d_state = {n} exceeds the {MOST_STATES} of mamba_ssm's scan: use --target transformers")
    _write_json(folder / "config.json", mamba_ssm_config(construction))
    _write_json(folder / "labels.json", labelled(construction))
    torch.save(construction.state_dict(torch.float32), folder / "pytorch_model.bin")


def _to_safetensors(construction: Construction, folder: Path) -> None:
    kind = {"claim": construction.claim, "target": construction.target}
    _write_json(folder / "config.json", kind | construction.hyperparameters)
    _write_json(folder / "labels.json", labelled(construction))
    _save_safetensors(construction.state_dict(torch.float32), folder / "model.safetensors")


def load(folder: str | Path) -> tuple[torch.nn.Module, list[str]]:
    """A model that was exported for safetensors, on our kernels, and the words of its tokens by id.

    tokens (batch, L) -> logits (batch, L, vocab_size). Raises CannotExport for another folder.
    """
    try:
        from safetensors.torch import load_file  # noqa: PLC0415 - an optional dependency

        sizes, labels = (json.loads(Path(folder, name).read_text("utf-8")) for name in ("config.json", "labels.json"))
        block = BLOCKS[sizes["target"]]
        model = empty_module(block, sizes, {}, "silu", torch.float32, "auto")
        model.load_state_dict(load_file(Path(folder, "model.safetensors")), strict=True)
    except (OSError, ValueError, KeyError, ImportError) as reason:
        raise CannotExport(f"{folder} holds no model of --target safetensors ({reason}): export one") from reason
    return model.requires_grad_(False).eval(), labels["words"]


WRITERS: dict[str, Callable[[Construction, Path], None]] = {
    "transformers": _to_transformers,
    "mamba_ssm": _to_mamba_ssm,
    "safetensors": _to_safetensors,
}
TARGETS = tuple(WRITERS)
