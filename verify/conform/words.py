"""What the words of an error name: options, sizes, dtypes, strides, gradients, as the field calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mamba_theorems.verify.conform.kernel import OTHER_NAMES

STRAY = re.compile(
    r"sequence of length \d|values to unpack|broadcast (together|input)|could not be broadcast|cannot reshape|"
    r"shape mismatch|shapes? .* not aligned|unsupported operand|invalid for input of size|expected size|equal size|"
    r"must match (the (existing )?size|except)|arg(ument)? \d",
    re.I,
)
"""Words of Python, numpy and torch about a shape that does not fit: they name a size by chance, and refuse nothing."""
LIMIT = re.compile(r"multiples? of|divisible|powers? of|%|(<=?|>=?|==|\bin)\s*[\d(\[{]")
"""Words, or a line of source, that compare a size with numbers and need not say which size."""
GRADIENT_WORDS = (
    "grad", "grads", "gradient", "gradients", "backward", "backprop", "backpropagation", "autograd", "differentiable",
    "differentiate", "training", "inference",
)  # fmt: skip
STRIDE_WORDS = (
    "stride",
    "strides",
    "strided",
    "contiguous",
    "layout",
    "aligned",
    "alignment",
    "transposed",
    "expanded",
)
VALUE_WORDS = (
    "nan", "nans", "inf", "infinite", "infinity", "finite", "negative", "positive", "nonnegative", "pad", "pads",
    "padding", "padded", "empty", "sorted", "increasing", "monotone", "consecutive", "decreasing",
)  # fmt: skip
_TIME = ("length", "lengths", "seqlen", "seqlens", "seq_len", "sequence length", "timesteps", "tokens", "L", "T")
_CHANNELS = ("dim", "dims", "channel", "channels", "d_inner", "d_model", "dimension")
SIZE_WORDS: Mapping[str, tuple[str, ...]] = {
    "batch": ("batch", "batches", "batch_size", "batched"),
    "length": _TIME,
    "d_inner": _CHANNELS,
    "dim": (*_CHANNELS, "headdim", "head_dim"),
    "d_state": ("d_state", "dstate", "state size", "state dimension", "states", "state_size", "N"),
    "headdim": ("headdim", "head_dim", "head dim", "head dimension", "head size", "P"),
    "nheads": ("nheads", "num_heads", "n_heads", "heads", "head", "H"),
    "groups": ("groups", "group", "ngroups", "n_groups", "num_groups", "G"),
    "chunk_size": ("chunk_size", "chunk", "chunks", "block", "block_len"),
    "width": ("width", "widths", "taps", "tap", "kernel size", "kernel_size", "d_conv", "filter"),
}
DTYPE_WORDS: Mapping[str, tuple[str, ...]] = {
    "float64": ("float64", "double", "fp64"), "float32": ("float32", "float", "single", "fp32"),
    "bfloat16": ("bfloat16", "bf16", "half", "half precision"),
    "float16": ("float16", "fp16", "half", "half precision"),
}  # fmt: skip
_OF_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "D": ("skip", "skip connection"), "z": ("gate", "gates", "gated", "gating"),
    "delta_bias": ("bias", "biases"), "dt_bias": ("bias", "biases"), "bias": ("biases",),
    "delta_softplus": ("softplus",), "dt_softplus": ("softplus",),
    "dt_limit": ("limit", "limits", "clamp", "clamping"),
    "return_last_state": ("last state", "final state", "last_state", "final_state"),
    "return_final_states": ("last state", "final state", "last_state", "final_state", "final_states"),
    "initial_state": ("state", "init state"), "initial_states": ("state", "states", "init states"),
    "seq_idx": ("packed", "packing", "sequence index", "sequence indices", "sequence ids"),
    "cu_seqlens": ("packed", "packing", "varlen", "variable length", "variable lengths", "bounds", "seq_idx"),
    "return_varlen_states": ("varlen", "varlen_states", "cu_seqlens", "seq_idx"),
    "activation": ("activations", "silu", "swish"),
    "state_batch_indices": ("slots", "slot", "indices", "cache", "continuous batching"),
    "padding_slot": ("padding", "pad", "padded", "negative", "-1", "state_batch_indices", "slot", "slots"),
    "groups": SIZE_WORDS["groups"], "heads": SIZE_WORDS["nheads"],
    "constant_B": ("constant", "B", "time-invariant"), "constant_C": ("constant", "C", "time-invariant"),
    "D_per_channel": ("D", "headdim", "per channel", "a head", "per head"),
}  # fmt: skip


def option_words(option: str, own: str | None = None) -> tuple[str, ...]:
    """What an option may be called: the field's name, the kernel's own, in one number or several."""
    called = [option, *OTHER_NAMES.get(option, ()), *([own] if own else [])]
    called += [name.removesuffix("s") if name.endswith("s") else f"{name}s" for name in called if len(name) > 1]
    spoken = [name.replace("_", joined) for name in called for joined in (" ", "-") if "_" in name]
    return (*called, *spoken, *_OF_OPTIONS.get(option, ()))


def names(words: Iterable[str], text: str) -> bool:
    """Whether a text has one of the words as a word; one letter counts in its own case alone."""
    return any(
        re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text, re.I if len(word) > 1 else 0)
        for word in words
    )


def says(words: Iterable[str], text: str) -> bool:
    """Whether the words of a refusal name what these are words for."""
    return not STRAY.search(text) and names(words, text)


def says_size(name: str, text: str) -> bool:
    """Whether the words of a refusal name a size, or limit one."""
    return says(SIZE_WORDS[name], text) or (not STRAY.search(text) and LIMIT.search(text) is not None)
