"""From a mixer described over named channels to the weights of a block that computes it, exact to the last entry.

Targets: the paper's Mamba block ([P] Tab. 2), the official Mamba-1 block, and a language model around the latter.
`validate` says first what a target cannot hold, and why.
"""

from fractions import Fraction
from math import ceil, log

import sympy

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import Channel, LinearMap
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription, Reason, layers, stream_width
from mamba_theorems.constructions.compiler.exact import (
    ExactTensor,
    Index,
    block,
    silu_preimage,
    softplus_preimage,
    stack_rows,
)
from mamba_theorems.kernels.fields import Exact
from mamba_theorems.kernels.semantics import RMS_NORM_EPS

Weights = dict[str, ExactTensor]
TARGETS = ("paper", "official", "language_model")
# The official block's decay is strict: e^-40 < 2^-54, so exp(-step e^-40) is exactly 1 in float32 and float64.
NEGLIGIBLE_A_LOG = -40


def validate(description: MixerDescription, target: str, layout: Layout | None = None) -> list[Reason]:
    """Every reason why `target` cannot hold the description; empty where it can."""
    if target not in TARGETS:
        return [Reason("target", f"there is no target {target!r}; choose one of {', '.join(TARGETS)}")]
    reasons = [*_mismatched_spaces(description), *_bad_taps(description), *_bad_dynamics(description)]
    if target == "paper":
        return [*reasons, *_gate_is_no_embedding(description)]
    if target == "official" and description.position:
        reasons.append(Reason("position", "the official block sees tokens only; let a first layer count them"))
    return [*reasons, *_unofficial(description, layout or Layout())]


def _gate_is_no_embedding(description: MixerDescription) -> list[Reason]:
    """The paper's gate is σ(linear(x)) of the embedding: with the identity it can only give back what is there."""
    gate, embedding = description.gate, description.embedding.coefficients
    if description.level != 1:
        return [Reason("level", "the paper's block multiplies y by nothing where it has no gate; leave it at 1")]
    if gate is None or all(embedding.get(place) == value for place, value in gate.coefficients.items()):
        return []
    return [
        Reason("gate", "a token's gate differs from its embedding; give the tokens that are asked the same in both")
    ]


def _mismatched_spaces(description: MixerDescription) -> list[Reason]:
    expected = {
        "embedding": (description.tokens, description.inner),
        "B": (description.inner, description.state),
        "C": (description.inner, description.state),
        "readout": (description.inner, description.tokens),
    }
    maps: dict[str, LinearMap] = {name: getattr(description, name) for name in expected}
    return [
        Reason(name, "it maps between other spaces than the description's")
        for name, spaces in expected.items()
        if (maps[name].source, maps[name].target) != spaces
    ]


def _bad_taps(description: MixerDescription) -> list[Reason]:
    inner = set(description.inner)
    stray = (set(description.taps) | set(description.bias)) - inner
    reasons = [Reason("taps", f"{channel} is no inner channel") for channel in sorted(stray)]
    reasons += [Reason("taps", f"{channel} has none") for channel in sorted(inner - set(description.taps))]
    if len({len(taps) for taps in description.taps.values()}) > 1:
        reasons.append(
            Reason("taps", "the channels have different numbers of taps; pad the shorter with zeros in front")
        )
    return reasons


def _bad_dynamics(description: MixerDescription) -> list[Reason]:
    reasons = []
    if description.activation not in ("relu", "silu"):
        reasons.append(Reason("activation", f"{description.activation!r} is neither relu nor silu"))
    if not sympy.sympify(description.step) > 0:
        reasons.append(Reason("step", f"{description.step} is not positive"))
    if not sympy.sympify(description.decay_rate) >= 0:
        reasons.append(Reason("decay_rate", f"{description.decay_rate} is negative: the state would grow"))
    return reasons


def _unofficial(description: MixerDescription, layout: Layout) -> list[Reason]:
    sizes = layout.sizes(description)
    reasons = []
    if description.activation != "silu":
        reasons.append(Reason("activation", f"the official block has SiLU, not {description.activation}"))
    if description.position and description.gate is not None:
        reasons.append(Reason("gate", "a language model that counts takes none; drop the gate or the positions"))
    if len(description.inner) > sizes["d_inner"]:
        why = f"{len(description.inner)} channels exceed d_inner = {sizes['d_inner']}; raise expand"
        reasons.append(Reason("inner", why))
    if _num_taps(description) > layout.d_conv:
        reasons.append(Reason("taps", f"{_num_taps(description)} exceed d_conv = {layout.d_conv}; raise d_conv"))
    if description.delta is not None and len(description.delta.patterns.target) > sizes["dt_rank"]:
        why = f"{len(description.delta.patterns.target)} patterns exceed dt_rank = {sizes['dt_rank']}; raise dt_rank"
        reasons.append(Reason("delta", why))
    return reasons


def _require_valid(description: MixerDescription, target: str, layout: Layout | None = None) -> None:
    reasons = validate(description, target, layout)
    if reasons:
        raise ValueError(f"The {target} target cannot hold this mixer: {'; '.join(map(str, reasons))}.")


# ---------------------------------------------------------------------------------- the paper's block


def paper_weights(description: MixerDescription) -> Weights:
    """embedding.weight (vocab_size, d), mixer.* by the paper block's names, head.weight (vocab_size, d).

    The step needs the paper block's `delta_activation="identity"`. Raises ValueError where `validate` has a reason.
    """
    _require_valid(description, "paper")
    d, n = len(description.inner), len(description.state)
    weights = {
        "embedding.weight": description.embedding.tensor().transposed(),
        "mixer.conv.weight": _conv_weight(description, _num_taps(description)),
        "mixer.conv.bias": _conv_bias(description),
        "mixer.delta.weight": ExactTensor((d, d), 0, _step_entries(description)),
        "mixer.delta.bias": block((d,), description.step),
        "mixer.B.weight": description.B.tensor(),
        "mixer.C.weight": description.C.tensor(),
        "mixer.A": block((d, n), -description.decay_rate),
        "head.weight": description.readout.tensor(),
    }
    if description.gate is not None:
        inner = description.inner
        weights["mixer.gate.weight"] = LinearMap.selecting(inner, inner, inner).tensor()
    return weights | position_weights(description)


def _step_entries(description: MixerDescription) -> dict[Index, Exact]:
    """Δ's matrix, a block of rows for each run of channels that follow one pattern."""
    if description.delta is None:
        return {}
    place, runs = description.inner.position, _runs(description)
    return {
        (rows, place(source)): value
        for (pattern, source), value in description.delta.patterns.coefficients.items()
        for rows in runs.get(pattern, ())
    }


def _runs(description: MixerDescription) -> dict[Channel, list[range]]:
    """The places of the channels that follow each pattern, as runs."""
    runs: dict[Channel, list[range]] = {}
    follows = {} if description.delta is None else description.delta.follows
    for i, channel in enumerate(description.inner):
        if channel not in follows:
            continue
        found = runs.setdefault(follows[channel], [])
        if found and found[-1].stop == i:
            found[-1] = range(found[-1].start, i + 1)
        else:
            found.append(range(i, i + 1))
    return runs


def position_weights(description: MixerDescription) -> Weights:
    """position.weight (d), what position t = 1, 2, ... adds to the embedding, times t; empty without positions."""
    if not description.position:
        return {}
    place = description.inner.position
    entries: dict[Index, Exact] = {(place(channel),): value for channel, value in description.position.items()}
    return {"position.weight": ExactTensor((len(description.inner),), 0, entries)}


def _num_taps(description: MixerDescription) -> int:
    return max(map(len, description.taps.values()), default=0)


def _conv_weight(description: MixerDescription, d_conv: int) -> ExactTensor:
    entries: dict[Index, Exact] = {
        (description.inner.position(channel), d_conv - len(taps) + i): tap
        for channel, taps in description.taps.items()
        for i, tap in enumerate(taps)
    }
    return ExactTensor((len(description.inner), d_conv), 0, entries)


def _conv_bias(description: MixerDescription) -> ExactTensor:
    position = description.inner.position
    return ExactTensor((len(description.inner),), 0, {(position(c),): bias for c, bias in description.bias.items()})


# ----------------------------------------------------------------------------------- the official block


def mamba_weights(description: MixerDescription, layout: Layout | None = None, target: str = "official") -> Weights:
    """The official Mamba-1 block's weights by its names, for one-hot inputs over `description.tokens`.

    The gate is SiLU(z* 1^T e) = `level` on a one-hot e; inner channels beyond the description's stay 0.
    Raises ValueError where `validate` has a reason.
    """
    layout = layout or Layout()
    _require_valid(description, target, layout)
    sizes = layout.sizes(description)
    d_model, d_inner, d_state, dt_rank = (sizes[name] for name in ("d_model", "d_inner", "d_state", "dt_rank"))
    conv = _conv_weight(description, layout.d_conv)
    return {
        "in_proj.weight": stack_rows([_inner_rows(description, d_inner), _gate_rows(description, d_inner)]),
        "conv1d.weight": ExactTensor(
            (d_inner, 1, layout.d_conv), 0, {(c, 0, i): w for (c, i), w in conv.entries.items()}
        ),
        "conv1d.bias": _conv_bias(description).padded((d_inner,)),
        "x_proj.weight": stack_rows(
            [
                _pattern_rows(description, dt_rank, d_inner),
                *(m.tensor().padded((d_state, d_inner)) for m in (description.B, description.C)),
            ]
        ),
        "dt_proj.weight": ExactTensor((d_inner, dt_rank), 0, _followed(description)),
        "dt_proj.bias": block((d_inner,), softplus_preimage(description.step)),
        "A_log": block((d_inner, d_state), a_log(description)),
        "D": block((d_inner,), 0),
        "out_proj.weight": description.readout.tensor().padded((d_model, d_inner)),
    }


def _inner_rows(description: MixerDescription, d_inner: int) -> ExactTensor:
    """The embedding, and the multiples of the count that stand for positions."""
    place = description.inner.position
    rows = description.embedding.tensor().padded((d_inner, stream_width(description)))
    counts = {place(channel): value for channel, value in description.position.items()}
    return rows.with_entries(counting.count_column(len(description.tokens), counts))


def _pattern_rows(description: MixerDescription, dt_rank: int, d_inner: int) -> ExactTensor:
    if description.delta is None:
        return block((dt_rank, d_inner), 0)
    return description.delta.patterns.tensor().padded((dt_rank, d_inner))


def _followed(description: MixerDescription) -> dict[Index, Exact]:
    """dt_proj: which pattern a channel's step follows."""
    if description.delta is None:
        return {}
    place = description.delta.patterns.target.position
    return {(rows, place(pattern)): 1 for pattern, found in _runs(description).items() for rows in found}


def _gate_rows(description: MixerDescription, d_inner: int) -> ExactTensor:
    """z of each token: the SiLU preimage of its gate, or of 1 for all where the mixer has none."""
    d_model = len(description.tokens)
    if description.position:
        return counting.gate_rows(d_model, d_inner, silu_preimage(description.level))
    if description.gate is None:
        return block((d_inner, d_model), silu_preimage(description.level))
    preimages = {value: silu_preimage(value) for value in set(description.gate.coefficients.values())}
    codes = {place: preimages[value] for place, value in description.gate.coefficients.items()}
    return LinearMap(description.tokens, description.inner, codes).tensor().padded((d_inner, d_model))


def a_log(description: MixerDescription) -> Exact:
    """log of the decay rate; where the description has no decay, so little that the step rounds it off."""
    if description.decay_rate:
        return sympy.log(description.decay_rate)
    return NEGLIGIBLE_A_LOG - max(0, ceil(log(description.step)))


def official_weights(description: MixerDescription, layout: Layout | None = None) -> Weights:
    """`mamba_weights` as mixer.*, between a one-hot embedding.weight and an identity head.weight."""
    identity = LinearMap.selecting(description.tokens, description.tokens, description.tokens).tensor()
    mixer = {f"mixer.{name}": weight for name, weight in mamba_weights(description, layout).items()}
    return {"embedding.weight": identity, **mixer, "head.weight": identity}


# --------------------------------------------------------------------------------- the language model


def language_model_weights(description: MixerDescription, layout: Layout | None = None) -> Weights:
    """One pre-norm residual layer around `mamba_weights`, by the state-spaces names, head untied.

    One-hot embeddings all have mean square 1/d_model, so the pre-norm with weight sqrt(1/d_model + eps) leaves them
    as they are. The head reads the answer tokens only; the residual adds to them nothing at a token that is none.
    """
    if description.position:
        return _counting_language_model(description, layout or Layout())
    tokens = description.tokens
    identity = LinearMap.selecting(tokens, tokens, tokens).tensor()
    layer = "backbone.layers.0"
    mixer = {f"{layer}.mixer.{name}": weight for name, weight in mamba_weights(description, layout).items()}
    return {
        "backbone.embedding.weight": identity,
        f"{layer}.norm.weight": one_hot_norm(len(tokens)),
        **mixer,
        "backbone.norm_f.weight": block((len(tokens),), 1),
        "lm_head.weight": LinearMap.selecting(tokens, tokens, description.answers).tensor(),
    }


def _counting_language_model(description: MixerDescription, layout: Layout) -> Weights:
    """Two layers: one counts, the mixer reads the count as its position. Every norm gives the stream back."""
    tokens, sizes = description.tokens, layout.sizes(description)
    size, d_model = len(tokens), sizes["d_model"]
    answers = LinearMap.selecting(tokens, tokens, description.answers).tensor()
    mixers = (counting.counter_layer(size, sizes), mamba_weights(description, layout, "language_model"))
    weights: Weights = {"backbone.embedding.weight": counting.embedding(size)}
    for i, mixer in enumerate(mixers):
        weights[f"backbone.layers.{i}.norm.weight"] = counting.norm(size)
        weights |= {f"backbone.layers.{i}.mixer.{name}": weight for name, weight in mixer.items()}
    return weights | {"backbone.norm_f.weight": counting.norm(size), "lm_head.weight": answers.padded((size, d_model))}


def one_hot_norm(d_model: int) -> ExactTensor:
    """The pre-norm's weight that leaves one-hot embeddings as they are: sqrt(1/d_model + eps)."""
    return block((d_model,), sympy.sqrt(sympy.sympify(Fraction(1, d_model) + RMS_NORM_EPS)))


# ------------------------------------------------------------------------------------- one entry for all


def compile_weights(description: MixerDescription, target: str, layout: Layout | None = None) -> Weights:
    """The weights of the whole network for `target`. Raises ValueError where `validate` has a reason."""
    _require_valid(description, target, layout)
    if target == "paper":
        return paper_weights(description)
    return (
        official_weights(description, layout) if target == "official" else language_model_weights(description, layout)
    )


def hyperparameters(description: MixerDescription, target: str, layout: Layout | None = None) -> dict[str, int]:
    """The sizes of the compiled network, by the field's names."""
    if target == "paper":
        return {
            "d_model": len(description.inner),
            "d_state": len(description.state),
            "d_conv": _num_taps(description),
            "vocab_size": len(description.tokens),
        }
    sizes = (layout or Layout()).sizes(description) | {"vocab_size": len(description.tokens)}
    return sizes | ({"n_layer": layers(description)} if target == "language_model" else {})
