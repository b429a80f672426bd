"""Families of certificates: one claim in some targets, its network, the frozen sizes, and the mutants."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from mamba_theorems.constructions.compiler.exact import ExactTensor
from mamba_theorems.verify.certify.argument import Argument, Proven
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.formal import proved
from mamba_theorems.verify.certify.tensors import shipped

Sizes = Mapping[str, Any]
Tamper = Callable[[np.ndarray], np.ndarray]
Changes = Mapping[str, Tamper]
"""What becomes of weights, by the end of their name."""
Mutants = Mapping[str, Changes]
Weights = Callable[[str, Sizes, str], Mapping[str, ExactTensor]]
Frozen = Iterable[tuple[str, dict[str, int]]]
"""Dtypes and sizes of the frozen set, for one target; checks take the first and the last size of a dtype."""


@dataclass(frozen=True)
class Family:
    """A claim in some targets; every function is given a target and says what its certificates need.

    `sizes` completes chosen sizes and raises ValueError for impossible ones. `weights` are the exact weights that ship
    at those sizes, for a dtype. `mutants` are networks whose worst case is wrong: a change that only widens an
    enclosure leaves the worst case undecided, which rejects nothing. `beside` reads off weights that stand alone in no
    layout. `formal` names the theorem that covers the argument's arithmetic, where there is one.
    """

    claim: str
    targets: tuple[str, ...]
    argument: Callable[[str], Argument]
    sizes: Callable[[str, Sizes], dict[str, Any]]
    weights: Weights
    frozen: Callable[[str], Frozen]
    mutants: Callable[[str], Mutants]
    beside: Callable[[Sizes, Tensors], dict[str, Any]] = lambda sizes, tensors: {}
    formal: Callable[[str], Proven | None] = lambda target: None

    def subject(self, target: str) -> Subject:
        """What can be certified in a target."""

        def tensors(sizes: Sizes, dtype: str) -> Tensors:
            return shipped(self.weights(target, sizes, dtype), dtype)

        argument = proved(self.argument(target), self.formal(target))
        return Subject(argument, partial(self.sizes, target), tensors, self.beside)


def weights_of(build: Callable[..., Mapping[str, ExactTensor]], *names: str) -> Weights:
    """The weights of a network that depends on the sizes of these names alone; each network is built once."""
    built = cache(build)
    return lambda target, sizes, dtype: built(*(sizes[name] for name in names))


def only(chosen: Sizes, who: str, names: Sequence[str]) -> dict[str, Any]:
    """The chosen sizes of these names. Raises ValueError where a size is missing; the message begins with `who`."""
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"{who} the sizes {', '.join(names)}: give {', '.join(missing)}.")
    return {name: chosen[name] for name in names}


def one_more(weight: np.ndarray) -> np.ndarray:
    """The last entry, one more: no layout has it."""
    weight.reshape(-1)[-1] += 1
    return weight
