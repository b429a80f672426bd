"""The cells of a campaign: a property, one way to draw its cases, and a round, with a seed derived from just that.

What a cell finds depends on nothing else, so that the number of workers and their order cannot matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mamba_theorems.verify.checks.check import Property
from mamba_theorems.verify.checks.registry import all_checks
from mamba_theorems.verify.fuzz.generators import generators_of

PER_ROUND = 25
"""Examples of one cell."""


@dataclass(frozen=True)
class Stream:
    """A property of a claim and one way to draw its cases."""

    claim: str
    check: str
    generator: str


@dataclass(frozen=True)
class Cell:
    """One round of a stream: `examples` cases."""

    stream: Stream
    round: int
    examples: int

    def seed(self, campaign_seed: int) -> int:
        """A number from the campaign's seed and the cell's name, the same on every machine."""
        s = self.stream
        return seed_of(campaign_seed, s.claim, s.check, s.generator, self.round)


def seed_of(*parts: object) -> int:
    """A number from these parts' texts alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8], "big")


def properties(claim: str) -> dict[str, Property]:
    """The claim's properties by name."""
    return {check.name: check for check in all_checks()[claim] if isinstance(check, Property)}


def streams(selected: Sequence[str], device: str = "cpu") -> tuple[Stream, ...]:
    """Every property of the selected claims that runs on the device, with every way to draw its cases."""
    return tuple(
        Stream(claim, name, generator)
        for claim in selected
        for name, check in properties(claim).items()
        if device != "cpu" or check.tier != "gpu"
        for generator in generators_of(check)
    )


def cells(of: Sequence[Stream], examples: int | None, per_round: int = PER_ROUND) -> Iterator[Cell]:
    """Round after round, each stream in turn: until every stream has its `examples`, or without end."""
    number = 0
    while examples is None or number * per_round < examples:
        size = per_round if examples is None else min(per_round, examples - number * per_round)
        yield from (Cell(stream, number, size) for stream in of)
        number += 1
