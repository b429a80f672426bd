"""From a mixer described over named channels to the weights of a network that computes it, exact to the last entry."""

from fractions import Fraction

import sympy

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import LinearMap
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, block
from mamba_theorems.constructions.compiler.mamba1 import mamba_mixer, paper_mixer
from mamba_theorems.constructions.compiler.mamba2 import mamba2_mixer, paper_mamba2_mixer, readout
from mamba_theorems.constructions.compiler.s4d import s4d_mixer, without_constants
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.compiler.tensors import Weights, language_model, one_layer
from mamba_theorems.constructions.compiler.validate import require_valid
from mamba_theorems.kernels.fields import Exact
from mamba_theorems.kernels.semantics import RMS_NORM_EPS


def compile_weights(description: MixerDescription, target: str, layout: Layout | None = None) -> Weights:
    """The weights of the whole network for `target`. Raises ValueError where `validate` has a reason."""
    layout = layout or Layout()
    require_valid(description, target, layout)
    if target in ("paper", "paper_s4d"):
        mixer = (paper_mixer if target == "paper" else s4d_mixer)(description)
        shown = description if target == "paper" else without_constants(description)
        network = one_layer(shown.embedding.tensor().transposed(), mixer, shown.readout.tensor())
        return network | _positions(description)
    identity = LinearMap.selecting(description.tokens, description.tokens, description.tokens).tensor()
    if target == "paper_mamba2":
        return one_layer(identity, paper_mamba2_mixer(description), readout(description))
    mixer = (mamba2_mixer if "mamba2" in target else mamba_mixer)(description, layout)
    if TARGETS[target].is_language_model:
        return _language_model(description, mixer, layout)
    return one_layer(identity, mixer, identity)


_MAMBA2_SIZES = ("d_model", "d_state", "vocab_size", "d_inner", "d_conv")
SIZES = {
    **dict.fromkeys(("paper", "paper_s4d"), ("d_model", "d_state", "d_conv", "vocab_size")),
    "paper_mamba2": _MAMBA2_SIZES,
    "official_mamba2": (*_MAMBA2_SIZES, "expand"),
    "mamba2_language_model": (*_MAMBA2_SIZES, "expand", "n_layer"),
}
"""Which sizes a network has; Mamba-1's has all."""


def hyperparameters(description: MixerDescription, target: str, layout: Layout | None = None) -> dict[str, int]:
    """The sizes of the compiled network, by the field's names."""
    sizes = (layout or Layout()).sizes(description) | {"vocab_size": len(description.tokens)}
    if TARGETS[target].is_language_model:
        sizes["n_layer"] = description.layers
    if target.startswith("paper"):
        sizes |= {"d_conv": description.d_conv, "d_inner": len(description.read)}
    if target in ("paper", "paper_s4d"):
        sizes["d_model"] = len((description if target == "paper" else without_constants(description)).inner)
    return {name: sizes[name] for name in SIZES.get(target, sizes)}


def _positions(description: MixerDescription) -> Weights:
    """position.weight (d), what position t = 1, 2, ... adds to the embedding, times t; empty without positions."""
    if not description.position:
        return {}
    place = description.inner.position
    entries: dict[Index, Exact] = {(place(channel),): value for channel, value in description.position.items()}
    return {"position.weight": ExactTensor((len(description.inner),), 0, entries)}


def _language_model(description: MixerDescription, mixer: Weights, layout: Layout) -> Weights:
    """One pre-norm residual layer around the mixer, head untied; a first layer counts where there are positions.

    One-hot embeddings all have mean square 1/d_model, so the pre-norm with weight sqrt(1/d_model + eps) leaves them
    as they are. Where the stream counts, every norm gives it back. The head reads the answer tokens only; the residual
    adds to them nothing at a token that is none.
    """
    tokens, size, width = description.tokens, len(description.tokens), description.stream_width
    head = LinearMap.selecting(tokens, tokens, description.answers).tensor().padded((size, width))
    if not description.position:
        identity = LinearMap.selecting(tokens, tokens, tokens).tensor()
        return language_model(identity, [(one_hot_norm(size), mixer)], block((size,), 1), head)
    norm, counter = counting.norm(size), counting.counter_layer(size, layout.sizes(description))
    return language_model(counting.embedding(size), [(norm, counter), (norm, mixer)], norm, head)


def one_hot_norm(d_model: int) -> ExactTensor:
    """The pre-norm's weight that leaves one-hot embeddings as they are: sqrt(1/d_model + eps)."""
    return block((d_model,), sympy.sqrt(sympy.sympify(Fraction(1, d_model) + RMS_NORM_EPS)))
