"""Named channels in place of bare indices: every weight is a coefficient between two names, exact.

The paper's block matrices `[I | 0]` and `e_v` become linear maps between spaces of channels such as `key[3]`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mamba_theorems.constructions.compiler.exact import ExactTensor, Index
from mamba_theorems.kernels.fields import Exact


class Channel(NamedTuple):
    """One coordinate, by name: `Channel("key", 3)`, or `Channel("one")` where there is only one."""

    name: str
    index: int | None = None  # type: ignore[assignment]  # in place of tuple.index, which no one needs here

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


SPARE = "holds 0: the layout is wider than what it has to hold"


def family(name: str, size: int) -> tuple[Channel, ...]:
    """The channels `name[0] ... name[size-1]`."""
    return tuple(Channel(name, i) for i in range(size))


@dataclass(frozen=True)
class Space:
    """Channels in the order in which they are laid out. Raises ValueError where a channel occurs twice.

    `purposes` says in one sentence what the channels of each name are for; n stands for their index.
    """

    channels: tuple[Channel, ...]
    purposes: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if len(self.places) < len(self.channels):
            raise ValueError("A space holds a channel twice: give each coordinate its own name.")

    @cached_property
    def places(self) -> dict[Channel, int]:
        """Where each channel is laid out."""
        return {channel: i for i, channel in enumerate(self.channels)}

    def __len__(self) -> int:
        return len(self.channels)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self.channels)

    def __contains__(self, channel: Channel) -> bool:
        return channel in self.places

    def position(self, channel: Channel) -> int:
        """Where the channel is laid out. Raises ValueError for a channel of another space."""
        place = self.places.get(channel)
        if place is None:
            raise ValueError(f"There is no channel {channel} in this space: add it first.")
        return place

    def named(self, name: str) -> tuple[Channel, ...]:
        """The channels of one name, in order."""
        return tuple(channel for channel in self if channel.name == name)

    @property
    def told(self) -> dict[str, str]:
        """What the channels of each name are for, in their order; "" where nobody says."""
        return {channel.name: self.purposes.get(channel.name, "") for channel in self}

    def with_channels(self, *channels: Channel, purposes: Mapping[str, str]) -> "Space":
        """This space with more channels behind its own, and what those are for."""
        return Space((*self, *channels), {**self.purposes, **purposes})

    def among(self, channels: Iterable[Channel]) -> "Space":
        """Some of the channels, in the order given, for what they were for."""
        return Space(tuple(channels), self.purposes)

    def padded(self, size: int) -> "Space":
        """This space with as many spare channels behind it as a layout of `size` channels leaves empty."""
        return self.with_channels(*family("spare", size - len(self)), purposes={"spare": SPARE})


@dataclass(frozen=True)
class LinearMap:
    """A sparse exact matrix between spaces: target channel += coefficient * source channel.

    Raises ValueError where a coefficient names a channel of another space.
    """

    source: Space
    target: Space
    coefficients: Mapping[tuple[Channel, Channel], Exact]  # (target, source)

    def __post_init__(self) -> None:
        for target in {target for target, _ in self.coefficients}:
            self.target.position(target)
        for source in {source for _, source in self.coefficients}:
            self.source.position(source)

    @classmethod
    def selecting(cls, source: Space, target: Space, channels: Iterable[Channel], scale: Exact = 1) -> "LinearMap":
        """The map that copies `channels`, which both spaces have, times `scale`; the paper's `[I | 0]`."""
        return cls(source, target, {(channel, channel): scale for channel in channels})

    def tensor(self) -> ExactTensor:
        """The matrix, (len(target), len(source))."""
        rows, columns = self.target.places, self.source.places
        entries: dict[Index, Exact] = {
            (rows[target], columns[source]): value for (target, source), value in self.coefficients.items()
        }
        return ExactTensor((len(self.target), len(self.source)), 0, entries)
