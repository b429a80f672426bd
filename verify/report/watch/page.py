"""Watched networks on a page: a slider over the steps, drawings side by side, and in words what each step does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mamba_theorems.constructions import examples
from mamba_theorems.constructions.mqar.scenes import BESIDE, TIE
from mamba_theorems.verify.report.watch import Watched, legend
from mamba_theorems.verify.report.watch.drawing import inline

TOGETHER = "k1 v1 k2 v2 k2 v2 k2 v2 k2 k1"
"""A sequence without H2 on which Mamba alone ties: its query reads the column of the key before it too."""


@dataclass(frozen=True)
class Group:
    """Networks on one sequence: `name` is an id, `title` a heading, `command` what shows the same at a terminal."""

    name: str
    title: str
    watched: Sequence[Watched]
    command: str

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens, one a step."""
        return self.watched[0].words

    @property
    def told(self) -> str:
        """A list of sentences for each step, as JSON."""
        alone = len(self.watched) == 1
        return json.dumps(
            [
                [each.step(t) if alone else f"{each.title}: {each.step(t)}" for each in self.watched]
                for t in range(len(self.words))
            ],
            ensure_ascii=False,
        )

    @property
    def drawn(self) -> list[str]:
        """A drawing of each."""
        return [inline(each, f"{self.name}-{i}") for i, each in enumerate(self.watched)]

    @property
    def legend(self) -> list[tuple[str, str]]:
        """What each channel is for; those of several networks together."""
        return [*legend(space for each in self.watched for space in each.trace.scene.naming.spaces)]


def together(watched: Sequence[Watched]) -> Group:
    """Networks on one sequence, for a page of their own."""
    names = dict.fromkeys(each.trace.scene.claim for each in watched)
    text = " ".join(watched[0].words)
    return Group(
        "watch", f"{', '.join(names)} on {text}", watched, f'python -m verify show {" ".join(names)} --tokens "{text}"'
    )


def groups(shown: Iterable[str]) -> Iterator[Group]:
    """The page's: S4D, Mamba and Mamba-2 on one sequence, twice; then an example of each claim's network."""
    claims, known = [*shown], examples()
    if {claim for claim, _ in BESIDE} <= {*claims}:
        for name, text in (("tie", TIE), ("neighbour", TOGETHER)):
            watched = [Watched(known[claim].at(text, target).trace()) for claim, target in BESIDE]
            command = f'python -m verify show {BESIDE[1][0]} --tokens "{text}" --beside'
            yield Group(f"watch-{name}", f"S4D, Mamba and Mamba-2 on {text}", watched, command)
    for claim in claims:
        if claim in known:
            example = known[claim]
            title = f"{claim} on {example.tokens}"
            command = f"python -m verify show {claim}"
            yield Group(f"watch-{claim.replace('.', '-')}", title, [Watched(example.at().trace())], command)
