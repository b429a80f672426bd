"""The same description as Mamba-2 weights: x, B and C leave one convolution, with no linear map after it.

Targets: the paper's Mamba-2 block ([P] Tab. 2), the official one (z, x, B, C, dt), a language model around the latter.
"""

from dataclasses import replace

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription, Reason
from mamba_theorems.constructions.compiler.exact import (
    ExactTensor,
    Index,
    block,
    silu_preimage,
    softplus_preimage,
    stack_rows,
)
from mamba_theorems.constructions.compiler.mamba1 import Weights, a_log, one_hot_norm, validate
from mamba_theorems.kernels.fields import Exact

MAMBA2_TARGETS = ("paper_mamba2", "official_mamba2", "mamba2_language_model")
NAMES = ("x", "B", "C")


def streams(description: MixerDescription) -> dict[str, tuple[Channel, ...]]:
    """Which inner channels x, B and C carry, in order. KeyError where B or C is no selection (see `reasons`)."""
    read = {source for _, source in description.readout.coefficients}
    source_of = {name: dict(getattr(description, name).coefficients.keys()) for name in ("B", "C")}
    return {
        "x": tuple(channel for channel in description.inner if channel in read),
        **{name: tuple(source_of[name][n] for n in description.state) for name in ("B", "C")},
    }


def reasons(description: MixerDescription, target: str, layout: Layout) -> list[Reason]:
    """Every reason why a Mamba-2 target cannot hold the description."""
    found = validate(description if target == "paper_mamba2" else replace(description, level=1), "paper")
    if target != "paper_mamba2" and description.activation != "silu":
        found.append(Reason("activation", f"the official block has SiLU, not {description.activation}"))
    for name in ("B", "C"):
        coefficients = getattr(description, name).coefficients
        targets = [target for target, _ in coefficients]
        if set(coefficients.values()) != {1} or sorted(targets) != sorted(description.state):
            found.append(Reason(name, "Mamba-2 has no linear map after its convolution; select one channel a state"))
    if description.gate is not None or description.position:
        found.append(Reason("mixer", "gates and positions compile to Mamba-1 only"))
    if description.delta is not None:
        why = "Mamba-2's step sees the current token alone, so its factors commute and N >= keys is needed again"
        found.append(Reason("delta", f"{why} (mqar.n-lower-bound); use Mamba-1, whose step follows its convolution"))
    if target != "paper_mamba2" and not found and len(streams(description)["x"]) > _d_inner(description, layout):
        found.append(Reason("inner", "the value channels exceed d_inner; raise expand"))
    return found


def _d_inner(description: MixerDescription, layout: Layout) -> int:
    return layout.expand * len(description.tokens)


def _rows(matrix: LinearMap, channels: tuple[Channel, ...]) -> ExactTensor:
    """The rows of `matrix` for `channels`, one below the other (a channel may occur twice)."""
    row_of: dict[Channel, list[int]] = {}
    for row, channel in enumerate(channels):
        row_of.setdefault(channel, []).append(row)
    entries: dict[Index, Exact] = {
        (row, matrix.source.position(source)): value
        for (target, source), value in matrix.coefficients.items()
        for row in row_of.get(target, ())
    }
    return ExactTensor((len(channels), len(matrix.source)), 0, entries)


def _taps(description: MixerDescription, channels: tuple[Channel, ...], d_conv: int) -> dict[tuple[int, int], Exact]:
    return {
        (row, d_conv - len(description.taps[channel]) + i): tap
        for row, channel in enumerate(channels)
        for i, tap in enumerate(description.taps[channel])
    }


def _bias(description: MixerDescription, channels: tuple[Channel, ...]) -> dict[int, Exact]:
    return {row: description.bias[channel] for row, channel in enumerate(channels) if channel in description.bias}


def _readout(description: MixerDescription, width: int) -> ExactTensor:
    """(vocab_size, width): the readout of the x channels, zero beyond them."""
    x = Space(streams(description)["x"])
    return LinearMap(x, description.tokens, description.readout.coefficients).tensor().padded(
        (len(description.tokens), width)
    )  # fmt: skip


def paper_mamba2_weights(description: MixerDescription) -> Weights:
    """One-hot embedding, then mixer.* by the paper block's names: the linear maps hold the description's embedding."""
    d_conv = max(map(len, description.taps.values()))
    identity = LinearMap.selecting(description.tokens, description.tokens, description.tokens).tensor()
    weights: Weights = {"embedding.weight": identity}
    for name, channels in streams(description).items():
        taps: dict[Index, Exact] = dict(_taps(description, channels, d_conv).items())
        bias: dict[Index, Exact] = {(row,): value for row, value in _bias(description, channels).items()}
        weights |= {
            f"mixer.{name}.weight": _rows(description.embedding, channels),
            f"mixer.{name}_conv.weight": ExactTensor((len(channels), d_conv), 0, taps),
            f"mixer.{name}_conv.bias": ExactTensor((len(channels),), 0, bias),
        }
    return weights | {
        "mixer.delta.weight": block((1, len(description.tokens)), 0),
        "mixer.delta.bias": block((1,), description.step),
        "mixer.A": block((1,), -description.decay_rate),
        "head.weight": _readout(description, len(streams(description)["x"])),
    }


def mamba2_weights(description: MixerDescription, layout: Layout) -> Weights:
    """The official Mamba-2 block's weights by its names, one head, for one-hot inputs over `description.tokens`.

    The gate is SiLU(z* 1^T e) = `level`; the norm after it divides by a positive number, which no argmax sees.
    """
    d_model, d_inner, n = len(description.tokens), _d_inner(description, layout), len(description.state)
    parts, starts = streams(description), {"x": 0, "B": d_inner, "C": d_inner + n}
    heights = {"x": d_inner, "B": n, "C": n}
    taps: dict[Index, Exact] = {}
    bias: dict[Index, Exact] = {}
    for name, channels in parts.items():
        start = starts[name]
        taps |= {(start + row, 0, i): tap for (row, i), tap in _taps(description, channels, layout.d_conv).items()}
        bias |= {(start + row,): value for row, value in _bias(description, channels).items()}
    rows = [_rows(description.embedding, parts[name]).padded((heights[name], d_model)) for name in NAMES]
    gate = block((d_inner, d_model), silu_preimage(description.level))
    return {
        "in_proj.weight": stack_rows([gate, *rows, block((1, d_model), 0)]),
        "conv1d.weight": ExactTensor((d_inner + 2 * n, 1, layout.d_conv), 0, taps),
        "conv1d.bias": ExactTensor((d_inner + 2 * n,), 0, bias),
        "dt_bias": block((1,), softplus_preimage(description.step)),
        "A_log": block((1,), a_log(description)),
        "D": block((1,), 0),
        "norm.weight": block((d_inner,), 1),
        "out_proj.weight": _readout(description, d_inner),
    }


def compile_weights(description: MixerDescription, target: str, layout: Layout) -> Weights:
    """The weights of the whole network for a Mamba-2 target. Raises ValueError where `reasons` has one."""
    found = reasons(description, target, layout)
    if found:
        raise ValueError(f"The {target} target cannot hold this mixer: {'; '.join(map(str, found))}.")
    if target == "paper_mamba2":
        return paper_mamba2_weights(description)
    mixer = mamba2_weights(description, layout)
    tokens = description.tokens
    identity = LinearMap.selecting(tokens, tokens, tokens).tensor()
    if target == "official_mamba2":
        inside = {f"mixer.{name}": weight for name, weight in mixer.items()}
        return {"embedding.weight": identity, **inside, "head.weight": identity}
    layer = "backbone.layers.0"
    return {
        "backbone.embedding.weight": identity,
        f"{layer}.norm.weight": one_hot_norm(len(tokens)),
        **{f"{layer}.mixer.{name}": weight for name, weight in mixer.items()},
        "backbone.norm_f.weight": block((len(tokens),), 1),
        "lm_head.weight": LinearMap.selecting(tokens, tokens, description.answers).tensor(),
    }


def hyperparameters(description: MixerDescription, target: str, layout: Layout) -> dict[str, int]:
    """The sizes of the compiled network, by the field's names."""
    sizes = {
        "d_model": len(description.tokens),
        "d_state": len(description.state),
        "vocab_size": len(description.tokens),
    }
    if target == "paper_mamba2":
        x = streams(description)["x"]
        return sizes | {"d_inner": len(x), "d_conv": max(map(len, description.taps.values()))}
    sizes |= {"d_inner": _d_inner(description, layout), "d_conv": layout.d_conv, "expand": layout.expand}
    return sizes | ({"n_layer": 1} if target == "mamba2_language_model" else {})
