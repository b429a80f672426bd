"""`python -m verify export CLAIM`: a claim's language model as a folder that other libraries load."""

from __future__ import annotations

from pathlib import Path

from mamba_theorems.verify.settings import Sizes


class WrongExport(ValueError):
    """What was asked for cannot be exported; one sentence that says what to do."""


def run(
    words: list[str], target: str | None, architecture: str | None, sizes: Sizes | None, folder: Path | None
) -> str:
    """Write the model and return the line that says what was written. Raises WrongExport."""
    from mamba_theorems.constructions import export  # noqa: PLC0415 - the other commands need no torch here

    if len(words) != 1 or sizes is None or folder is None:
        raise WrongExport(
            "export takes one claim, --vocab-size, --input-seq-len, --num-kv-pairs and -o DIR, "
            "as in `python -m verify export mqar.n2-distinct --target transformers --vocab-size 64 "
            "--input-seq-len 64 --num-kv-pairs 8 -o model`"
        )
    try:
        model = export.language_model(words[0], sizes.vocab_size, sizes.input_seq_len, sizes.num_kv_pairs, architecture)
        export.export(model, target or "transformers", folder)
    except export.CannotExport as reason:
        raise WrongExport(str(reason)) from reason
    count = sum(_size(weight.shape) for weight in model.weights.values())
    return f"{folder}: {words[0]} as a {model.target.replace('_', ' ')}, {count:,} parameters, float32"


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total
