"""A network on one sequence, and what it does there step by step: tokens, Δ, B, C, the state by channel, what comes out.

A trace is the run of the block's own equations, watched (`Field.note`): nothing here computes what a block computes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
class Scene:
    """A network and a sequence for it.

    `given` is what it takes; `words` are how a reader writes it, one a step; `classes` what its outputs are called.
    `right` has the class to be answered at each step where one is asked, `wanted` the number; `broken` are the
    hypotheses of sequences that do not hold, whoever needs them. `outputs` makes (L, classes) of what the network gives.
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
            weight.to(FLOAT64)
            for part in parts
            for name, weight in part.weights.items()
            if name.endswith("out_proj.weight") or (name == "head.weight" and part.target.startswith("paper"))
        ]
        layers = zip(self.naming.layers, maps, strict=True)
        return [{str(c) for c, row in zip(layer.inner, matrix.T, strict=True) if row.any()} for layer, matrix in layers]

    def run(self, f: Field) -> np.ndarray:
        """What comes out, (L, classes), by the definition over the field."""
        tokens = self.given.ndim == 1 and isinstance(self.network, Construction)
        given = self.given if tokens or isinstance(self.network, Stack) else f.array(self.given)
        return self.outputs(self.network.run(f, given))

    def trace(self) -> "Trace":
        """The run, watched: in rationals where everything on its way is rational, else in float64."""
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
class Example:
    """How the network of a claim is shown: for which targets, the first by default, and on which sequence.

    `scene` makes one of a text, a target, and the sizes of another's weights: vocab_size and num_kv_pairs, or None. It
    raises ValueError for a text that is no sequence of the network's, or a target that cannot hold it.
    """

    claim: str
    targets: tuple[str, ...]
    tokens: str
    scene: Callable[..., Scene]

    def at(
        self, tokens: str | None = None, target: str | None = None, vocab_size: int | None = None,
        num_kv_pairs: int | None = None,
    ) -> Scene:  # fmt: skip
        """The scene of a text, by default the example's own. Raises ValueError, saying what to do."""
        chosen = target or self.targets[0]
        if chosen not in self.targets:
            raise ValueError(f"{self.claim} has no target '{chosen}': use one of {', '.join(self.targets)}")
        text = self.tokens if tokens is None else tokens
        length = len(text.split())
        if not 1 <= length <= LONGEST:
            raise ValueError(f"{length} tokens are none to show: give 1 to {LONGEST}, as in '{self.tokens}'")
        return self.scene(text, chosen, vocab_size=vocab_size, num_kv_pairs=num_kv_pairs)
