"""What every row of a network's tensors is called: its tokens, its layers' channels, states and steps, its classes.

The names and what they are for come from the spaces that the description was written in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.channels import Channel, Space
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.s4d import without_constants
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.compiler.tensors import Table, Weights

NOTHING = Space(())
HEAD = Space((Channel("head"),), {"head": "one step and one decay for all channels"})


@dataclass(frozen=True)
class LayerNames:
    """One block's: what goes in, the inner channels, the states by group, what Δ runs along, what comes out.

    `rank` are the patterns that a step of low rank is made of; none where the block has no such step.
    """

    stream: Space
    inner: Space
    states: tuple[Space, ...]
    steps: Space
    out: Space
    rank: Space = NOTHING

    @property
    def spaces(self) -> dict[str, Space]:
        """All of them, by what they are called."""
        states = {f"state of group {g}" if len(self.states) > 1 else "state": s for g, s in enumerate(self.states)}
        found = {"stream": self.stream, "inner": self.inner, **states, "step": self.steps, "rank": self.rank}
        return {name: space for name, space in found.items() if len(space)}

    @property
    def axes(self) -> dict[str, list[str]]:
        """The names along each size of the block's tensors (`compiler.tensors`); Mamba-2's codes are its groups'."""
        spaces = {"d_model": self.stream, "d_inner": self.inner, "d_state": self.states[0], "d_out": self.out}
        spaces |= {"nheads": self.steps, "dt_rank": self.rank}
        found = {axis: [*map(str, space)] for axis, space in spaces.items()}
        return found | {"codes": [str(channel) for space in self.states for channel in space], "one": ["all"]}


@dataclass(frozen=True)
class Naming:
    """A network's: the tokens that it takes, its layers, the classes that its head tells apart.

    A block alone takes and gives the channels of its stream.
    """

    tokens: Space
    layers: tuple[LayerNames, ...]
    classes: Space

    @property
    def spaces(self) -> Iterator[tuple[str, Space]]:
        """Every space and where it stands."""
        yield "tokens", self.tokens
        for i, layer in enumerate(self.layers):
            place = f"layer {i + 1}, " if len(self.layers) > 1 else ""
            yield from ((f"{place}{name}", space) for name, space in layer.spaces.items())
        yield "classes", self.classes


def names_of(description: MixerDescription, target: str, sizes: Mapping[str, int]) -> Naming:
    """The names of a described mixer's network in a target; `sizes` are the network's, by the field's names."""
    layers = (layer_names(description, target, sizes),)
    if description.position and TARGETS[target].is_language_model:
        layers = (_counter(layers[0], sizes), *layers)
    return Naming(description.tokens, layers, description.tokens)


def layer_names(description: MixerDescription, target: str, sizes: Mapping[str, int]) -> LayerNames:
    """The names of the block that holds a described mixer."""
    inner, states = description.inner, (description.state,)
    if target in ("paper", "paper_s4d"):
        inner = inner if target == "paper" else without_constants(description).inner
        return LayerNames(inner, inner, states, inner, inner)
    stream = _stream(description, sizes["d_model"])
    if "mamba2" in target:
        inner = inner.among(description.read).padded(sizes["d_inner"])
        return LayerNames(stream, inner, states, HEAD, inner if target == "paper_mamba2" else stream)
    rank = NOTHING if description.delta is None else description.delta.patterns.target
    inner = inner.padded(sizes["d_inner"])
    return LayerNames(stream, inner, states, inner, stream, rank.padded(sizes["dt_rank"]))


def _stream(description: MixerDescription, d_model: int) -> Space:
    """The tokens' one-hot; beside it what a counting layer needs, where there are positions."""
    tokens = description.tokens
    if description.position:
        tokens = tokens.with_channels(*counting.STREAM, purposes=counting.STREAM.purposes)
    return tokens.padded(d_model)


def _counter(mixer: LayerNames, sizes: Mapping[str, int]) -> LayerNames:
    inner, state = counting.INNER.padded(sizes["d_inner"]), counting.STATE.padded(sizes["d_state"])
    return LayerNames(mixer.stream, inner, (state,), inner, mixer.stream, NOTHING.padded(sizes["dt_rank"]))


OUTSIDE: Table = {
    "embedding.weight": ("tokens", "d_model"),
    "position.weight": ("d_model",),
    "head.weight": ("classes", "d_out"),
    "head.bias": ("classes",),
    "norm.weight": ("d_model",),
    "norm_f.weight": ("d_model",),
    "lm_head.weight": ("classes", "d_model"),
}
"""The tensors that stand around the blocks, as `compiler.tensors` has those inside."""


def row_names(naming: Naming, target: str, weights: Weights) -> dict[str, list[list[str]]]:
    """The name of every row of every tensor, axis by axis: `row_names(…)["head.weight"][0]` are the classes."""
    alone = "embedding.weight" not in weights and not TARGETS[target].is_language_model
    return {name: _labelled(naming, target, name, weight.shape, alone) for name, weight in weights.items()}


def _labelled(naming: Naming, target: str, name: str, shape: tuple[int, ...], alone: bool) -> list[list[str]]:
    layer = naming.layers[_layer_of(name, len(naming.layers))]
    inside = alone or "mixer." in name
    tensor = name.rpartition("mixer.")[2] if inside else ".".join(name.split(".")[-2:])
    axes = (TARGETS[target].table if inside else OUTSIDE)[tensor]
    known = {**layer.axes, "tokens": [*map(str, naming.tokens)], "classes": [*map(str, naming.classes)]}
    return [_axis(known, axis, size) for axis, size in zip(axes, shape, strict=True)]


def _layer_of(name: str, layers: int) -> int:
    """The number of the layer whose tensor this is; the last for what stands behind them, the first for the rest."""
    _, found, rest = name.partition("layers.")
    return int(rest.partition(".")[0]) if found else layers - 1 if "head" in name or "norm_f" in name else 0


def _axis(known: Mapping[str, list[str]], axis: str | Mapping[str, str], size: int) -> list[str]:
    """The names along an axis; parts that are stacked are told apart by what they are called."""
    if isinstance(axis, Mapping):
        return [f"{part}: {name}" for part, inner in axis.items() for name in known[inner]]
    if axis == "d_conv":
        return [f"{size - 1 - i} tokens ago" for i in range(size - 1)] + ["this token"]
    return known[axis]
