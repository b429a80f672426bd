"""A network on one sequence, and what it does there step by step: Δ, B, C, the state by channel, what comes out.

A trace is the run of the block's own equations, watched (`Field.note`): nothing here computes what a block computes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

import numpy as np

from mamba_theorems.constructions.compiler.channels import Space
from mamba_theorems.constructions.compiler.naming import LayerNames, Naming
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.haar.stack import Stack
from mamba_theorems.constructions.tasks import Violation
from mamba_theorems.kernels.fields import FLOAT64, RATIONAL, Field

LONGEST = 48
"""Tokens that are shown at most."""
OF = " of "
"""Between a channel and the state that keeps it."""
Rows: TypeAlias = dict[str, np.ndarray]
"""Numbers over time, (L,), by what they are called."""


@dataclass(frozen=True)
class Checkpoint(Construction):
    """A network of a construction's names and shapes with another's weights: `state` by name, floats."""

    state: Mapping[str, np.ndarray] = field(default_factory=dict)

    def to(self, f: Field) -> dict[str, np.ndarray]:
        """Every weight in a number field."""
        return {name: f.array(np.asarray(weight, dtype=np.float64)) for name, weight in self.state.items()}


@dataclass(frozen=True)
class Scene:
    """A network and a sequence for it.

    `given` is what it takes; `words` are how a reader writes it, one a step; `classes` what its outputs are called.
    `right` has the class to be answered at each step where one is asked, `wanted` the number; `broken` are the
    hypotheses of sequences that do not hold, whoever needs them. `outputs` makes (L, classes) of the network's result.
    """

    claim: str
    target: str
    network: Construction | Stack
    given: np.ndarray
    words: tuple[str, ...]
    classes: tuple[str, ...]
    right: Mapping[int, int] = field(default_factory=dict)
    wanted: Mapping[int, Any] = field(default_factory=dict)
    broken: tuple[Violation, ...] = ()
    outputs: Callable[[np.ndarray], np.ndarray] = lambda result: result

    @property
    def naming(self) -> Naming:
        """The names of its tokens, of all its layers, of its classes."""
        if isinstance(self.network, Construction):
            return self.network.named
        parts = [layer.named for layer in self.network.layers]
        return Naming(parts[0].tokens, tuple(names for part in parts for names in part.layers), parts[-1].classes)

    @property
    def read(self) -> list[set[str]]:
        """The inner channels of each layer that what follows reads: where its out_proj, or the head, is not 0."""
        parts = (self.network,) if isinstance(self.network, Construction) else self.network.layers
        maps = [
            weight
            for part in parts
            for name, weight in part.to(FLOAT64).items()
            if name.endswith("out_proj.weight") or (name == "head.weight" and part.target.startswith("paper"))
        ]
        layers = zip(self.naming.layers, maps, strict=True)
        return [{str(c) for c, row in zip(layer.inner, matrix.T, strict=True) if row.any()} for layer, matrix in layers]

    def run(self, f: Field) -> np.ndarray:
        """What comes out, (L, classes), by the definition over the field."""
        tokens = self.given.ndim == 1 and isinstance(self.network, Construction)
        given = self.given if tokens or isinstance(self.network, Stack) else f.array(self.given)
        return self.outputs(self.network.run(f, given))

    def with_weights(self, state: Mapping[str, np.ndarray]) -> "Scene":
        """The same with another's weights in the network's place.

        Raises ValueError where a name or a shape is another than the network's, a weight is not finite, or the network
        is several.
        """
        if not isinstance(self.network, Construction):
            raise ValueError(f"{self.claim} is {len(self.network.layers)} blocks in a row: show it by its own weights")
        own = {name: weight.shape for name, weight in self.network.weights.items()}
        strange = [f"it has a {name}, which the network has not" for name in state if name not in own]
        strange += [f"it has no {name}" for name in own if name not in state]
        strange += [
            f"its {name} has shape {state[name].shape}, not {shape}"
            for name, shape in own.items()
            if name in state and state[name].shape != shape
        ]
        strange += [f"its {name} is not finite" for name, weight in state.items() if not np.isfinite(weight).all()]
        if strange:
            raise ValueError(f"the weights do not fit {self.claim} in the target {self.target}: {strange[0]}")
        parts = {f.name: getattr(self.network, f.name) for f in fields(self.network)}
        return replace(self, network=Checkpoint(**parts, state=dict(state)))

    def trace(self) -> "Trace":
        """The run, watched: in rationals where everything on its way is rational, else in float64."""
        if isinstance(self.network, Checkpoint):
            return self._watched(FLOAT64)
        try:
            return self._watched(RATIONAL)
        except ArithmeticError:
            return self._watched(FLOAT64)

    def _watched(self, numbers: Field) -> "Trace":
        layers: list[dict[str, np.ndarray]] = []

        def note(name: str, value: np.ndarray) -> None:
            if name == "input":
                layers.append({})
            layers[-1][name] = np.asarray(value)

        result = self.run(replace(numbers, note=note))
        found = (LayerTrace(names, seen) for names, seen in zip(self.naming.layers, layers, strict=True))
        return Trace(self, tuple(found), result, numbers.name)


@dataclass(frozen=True)
class LayerTrace:
    """What one block computed, by the names of `kernels.semantics`, without a batch: time comes first."""

    names: LayerNames
    seen: Mapping[str, np.ndarray]

    @property
    def length(self) -> int:
        """The number of steps."""
        return len(self.seen["u"])

    @property
    def stream(self) -> Rows:
        """What goes in."""
        return _rows(self.names.stream, self.seen["input"])

    @property
    def inner(self) -> Rows:
        """u, what the scan takes, by inner channel."""
        return _rows(self.names.inner, self._flat("u"))

    @property
    def delta(self) -> Rows:
        """Δ, along what the block has it."""
        return _rows(self.names.steps, self.seen["delta"])

    @property
    def decay(self) -> Rows:
        """e^{ΔA}, what is left of the state: of each channel and state, or of each head."""
        if self._by_head:
            return _rows(self.names.steps, np.moveaxis(self.seen["decay"][..., 0, 0], 0, 1))
        return self._of_state(self.seen["decay"])

    @property
    def B(self) -> Rows:
        """What each state writes by."""
        return self._codes("B")

    @property
    def C(self) -> Rows:
        """What each state is read by."""
        return self._codes("C")

    @property
    def state(self) -> Rows:
        """h, by state and inner channel."""
        return self._of_state(self.states)

    @property
    def states(self) -> np.ndarray:
        """h, (L, d, N)."""
        h = self.seen["state"]
        return np.moveaxis(h, 0, 1).reshape(self.length, -1, h.shape[-1]) if self._by_head else h

    @property
    def readout(self) -> Rows:
        """y, what is read of the state, before the gate."""
        return _rows(self.names.inner, self._flat("y"))

    @property
    def gate(self) -> Rows:
        """What y is multiplied by; {} where there is no gate."""
        return _rows(self.names.inner, self._flat("gate")) if "gate" in self.seen else {}

    @property
    def _by_head(self) -> bool:
        return self.seen["state"].ndim > 3

    def _flat(self, name: str) -> np.ndarray:
        return self.seen[name].reshape(self.length, -1)

    def _codes(self, name: str) -> Rows:
        """B or C: (L, N), in Mamba-2 (L, groups, N); S4D's may be another for each channel, (L, d, N)."""
        value = self.seen[name]
        if value.ndim == 3 and not self._by_head:
            return self._of_state(value)
        groups = value.reshape(self.length, len(self.names.states), -1)
        return {k: v for g, space in enumerate(self.names.states) for k, v in _rows(space, groups[:, g]).items()}

    def _of_state(self, values: np.ndarray) -> Rows:
        """(L, d, N) by channel and state; by channel where there is one state."""
        group = -(-values.shape[1] // len(self.names.states))
        found: Rows = {}
        for d, channel in enumerate(self.names.inner):
            states = self.names.states[d // group]
            for n, state in enumerate(states):
                found[str(channel) if len(states) == 1 else f"{channel}{OF}{state}"] = values[:, d, n]
        return found


def _rows(space: Space, values: np.ndarray) -> Rows:
    """(L, len(space)) by channel."""
    return {str(channel): values[:, i] for i, channel in enumerate(space)}


@dataclass(frozen=True)
class Trace:
    """A watched run: its layers, and what came out, (L, classes), in numbers of a field."""

    scene: Scene
    layers: tuple[LayerTrace, ...]
    result: np.ndarray
    numbers: str

    @property
    def exact(self) -> bool:
        """Whether no number was rounded."""
        return self.numbers == RATIONAL.name

    def rivals(self, t: int) -> dict[int, Any]:
        """What every class but the right one scores at step t."""
        return {c: self.result[t, c] for c in range(len(self.scene.classes)) if c != self.scene.right[t]}

    def margin(self, t: int) -> Any:
        """The right class's score less the best other's, at a step where one is asked; None without a rival."""
        others = self.rivals(t).values()
        return self.result[t, self.scene.right[t]] - max(others) if others else None


@dataclass(frozen=True)
class SceneSizes:
    """What a text does not say: how many tokens another's weights embed, those of the task, and the number of pairs."""

    rows: int | None = None
    vocab_size: int | None = None
    num_kv_pairs: int | None = None


@dataclass(frozen=True)
class Example:
    """How the network of a claim is shown: for which targets, the first by default, and on which sequence.

    `scene` makes one of a text, a target and sizes. It raises ValueError for a text that is no sequence of the
    network's, or a target that cannot hold it. `beside` are the claims and targets that it is shown beside: its own
    targets where there are none.
    """

    claim: str
    targets: tuple[str, ...]
    tokens: str
    scene: Callable[[str, str, SceneSizes], Scene]
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def companions(self) -> tuple[tuple[str, str], ...]:
        """What it is shown beside."""
        return self.beside or tuple((self.claim, target) for target in self.targets)

    def at(self, tokens: str | None = None, target: str | None = None, sizes: SceneSizes | None = None) -> Scene:
        """The scene of a text, by default the example's own. Raises ValueError, saying what to do."""
        chosen = target or self.targets[0]
        if chosen not in self.targets:
            raise ValueError(f"{self.claim} has no target '{chosen}': use one of {', '.join(self.targets)}")
        text = self.tokens if tokens is None else tokens
        length = len(text.split())
        if not 1 <= length <= LONGEST:
            raise ValueError(f"{length} tokens are none to show: give 1 to {LONGEST}, as in '{self.tokens}'")
        return self.scene(text, chosen, sizes or SceneSizes())
