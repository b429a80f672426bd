"""Every certificate that can be made: the subjects by claim and target, and the frozen set that the report quotes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from mamba_theorems.theorems.claim import FAMILIES
from mamba_theorems.verify.certify.certificate import Subject, check, make
from mamba_theorems.verify.certify.enclose import Undecided
from mamba_theorems.verify.certify.family import Changes, Family, Tamper
from mamba_theorems.verify.certify.tensors import Shipped, Sparse


@cache
def families() -> tuple[Family, ...]:
    """The FAMILIES of every module that a package lists in MODULES; a package is named like a family of claims."""
    packages = [name for name in (f"mamba_theorems.verify.certify.{family}" for family in FAMILIES) if find_spec(name)]
    modules = [f"{package}.{module}" for package in packages for module in import_module(package).MODULES]
    return tuple(family for module in modules for family in import_module(module).FAMILIES)


def subjects() -> dict[str, tuple[str, ...]]:
    """The targets of every claim that can be certified."""
    found: dict[str, tuple[str, ...]] = {}
    for family in families():
        found[family.claim] = (*found.get(family.claim, ()), *family.targets)
    return found


def family_of(claim: str, target: str) -> Family:
    """The family of a claim and a target. Raises ValueError for an unknown one."""
    for family in families():
        if claim == family.claim and target in family.targets:
            return family
    known = "; ".join(f"{name} for {', '.join(targets)}" for name, targets in subjects().items())
    raise ValueError(f"There is no certificate of {claim} for {target}: choose one of {known}.")


@cache
def subject(claim: str, target: str) -> Subject:
    """The subject of a claim and a target. Raises ValueError for an unknown one."""
    return family_of(claim, target).subject(target)


@dataclass(frozen=True)
class Request:
    """A certificate that may be made; `changes` alter weights by the end of their name."""

    claim: str
    target: str
    dtype: str
    sizes: Mapping[str, int]
    changes: Changes = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The certificate's file name."""
        sizes = "_".join(str(size) for size in self.sizes.values())
        return f"{self.claim}_{self.target}_{self.dtype}_{sizes}.json"

    def make(self) -> dict[str, Any]:
        """The certificate. Raises Undecided or ValueError."""
        honest = subject(self.claim, self.target)

        def tensors(sizes: Mapping[str, Any], dtype: str) -> dict[str, Shipped]:
            return {name: self._changed(name, w) for name, w in honest.tensors(sizes, dtype).items()}

        return make(replace(honest, tensors=tensors), self.sizes, self.dtype)

    def _changed(self, name: str, weight: Shipped) -> Shipped:
        for ending, change in self.changes.items():
            if name.endswith(ending):
                return _changed_sparse(weight, change) if isinstance(weight, Sparse) else change(weight.copy())
        return weight


def _changed_sparse(weight: Sparse, change: Tamper) -> Sparse:
    """The change of what differs from the fill; the first entry one more where nothing does."""
    if len(weight.places):
        return replace(weight, numbers=change(weight.numbers.copy()))
    return replace(weight, places=np.zeros(1, int), numbers=np.array([weight.fill + 1]))


def frozen() -> Iterator[Request]:
    """The frozen set."""
    for family in families():
        for target in family.targets:
            for dtype, sizes in family.frozen(target):
                yield Request(family.claim, target, dtype, sizes)


def recheck(content: str) -> dict[str, Any]:
    """The certificate of a file, compared with what this code base ships and encloses. Raises Refused."""
    return check(content, subject)


def longest(request: Request, name: str = "input_seq_len") -> int:
    """The largest value of one size that the argument covers and at which it closes; 0 where it never does.

    The search doubles and bisects, since every step is monotone in a length. Raises ValueError for impossible sizes.
    """
    subject(request.claim, request.target).sizes(request.sizes)
    if name not in request.sizes:
        raise ValueError(f"{request.claim} has no size {name}.")

    def closes(size: int) -> bool:
        try:
            replace(request, sizes={**request.sizes, name: size}).make()
        except (Undecided, ValueError):
            return False
        return True

    first = request.sizes[name]
    low, high = (first, 2 * first) if closes(first) else (0, first)
    while low and closes(high):
        low, high = high, 2 * high
    while low and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if closes(middle) else (low, middle)
    return low
