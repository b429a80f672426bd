"""A watched network as tables for a reader: which rows there are to see, their numbers, what is asked and answered.

`text`, `drawing` and `page` show them, each in its own markup; none of them computes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from mamba_theorems.constructions.compiler.channels import SPARE, Space
from mamba_theorems.constructions.scene import OF, LayerTrace, Rows, Trace
from mamba_theorems.theorems.mqar import task
from mamba_theorems.theorems.registry import claims

FAINT = 1e-9
"""What lies below this, and below this share of the largest number of its table, is next to nothing."""
MOST_CLASSES = 12
ALIKE = " and "
CLOSE = 1e-6
"""How far a number that a float network gives may be from the exact one, relative to it, to count as answered."""
SEQUENCES = {h.name: h for h in (task.H1, task.H2, task.H3, task.H4)}
"""The hypotheses that the tokens alone make true or false."""
KINDS = {
    "paper": "the paper's Mamba block",
    "official": "official Mamba-1 block",
    "language_model": "language model on Mamba-1",
    "paper_mamba2": "the paper's Mamba-2 block",
    "official_mamba2": "official Mamba-2 block",
    "mamba2_language_model": "language model on Mamba-2",
    "paper_delta_t": "the paper's Mamba-Δ^⊤ block",
    "paper_s4d": "the paper's block with S4D",
    "constant_step": "official Mamba-1 block with a constant step: S4D",
}


def number(x: Any) -> str:
    """A number as a cell shows it: whole, a fraction, a power of two, else three digits."""
    if isinstance(x, Fraction | int):
        exact = Fraction(x)
        if exact.denominator == 1:
            return _whole(int(exact))
        return str(exact) if len(str(exact)) <= 6 else _short(float(exact))
    value = float(x)
    if not isfinite(value):
        return str(value)
    near = round(value)
    return _whole(near) if near and abs(value - near) <= FAINT * abs(near) else _short(value)


def _whole(n: int) -> str:
    size = abs(n)
    if size < 10**5:
        return str(n)
    return f"{'−' * (n < 0)}2^{size.bit_length() - 1}" if size & (size - 1) == 0 else _short(float(n))


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def faintest(largest: float) -> float:
    """Up to which size a number is next to nothing in a table with this largest one."""
    return FAINT * min(1.0, largest)


@dataclass(frozen=True)
class Panel:
    """One quantity: its sign and words, the rows that change, those that stay, and how many are 0.

    `same` has the rows that hold one number at every step, by that number; `faint` counts rows that are 0, or next to
    nothing (`truly` if all of them are 0); `unread` those that nothing reads.
    """

    sign: str
    words: str
    rows: Rows
    same: dict[str, list[str]]
    faint: int = 0
    truly: bool = True
    unread: int = 0
    kept: bool = False

    def cell(self, x: Any) -> str:
        """A number of a row; what is next to nothing beside the largest is ≈0, but in rows that are always shown."""
        return "≈0" if x and not self.kept and abs(float(x)) <= faintest(self.largest) else number(x)

    @property
    def largest(self) -> float:
        """The largest size of a number in the rows; 1 where there is none."""
        return max((abs(float(x)) for row in self.rows.values() for x in row), default=0) or 1

    @property
    def notes(self) -> Iterator[str]:
        """What is not in the rows, in words."""
        for value, names in self.same.items():
            some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            all_of_them = not self.rows and not self.faint and len(self.same) == 1
            yield f"{value} at every step" + ("" if all_of_them else f": {some}")
        if self.faint:
            kind = "0" if self.truly else "0, or next to nothing,"
            alone = not (self.rows or self.same or self.unread)
            yield f"{'' if alone else f'{self._others(self.faint)} '}{kind} at every step"
        if self.unread:
            yield f"{self._others(self.unread)} stored, and read by nothing"

    def _others(self, count: int) -> str:
        other = "" if not (self.rows or self.same) else " others" if count > 1 else " other"
        return f"{count}{other} {'are' if count > 1 else 'is'}"


def panel(
    sign: str, words: str, rows: Rows, kept: Iterable[str] = (), read: Callable[[str], bool] = lambda name: True
) -> Panel:
    """The rows that there are to see: those `kept` whatever they hold, none that is not `read`."""
    unread = [name for name in rows if not read(name)]
    rows = {name: row for name, row in rows.items() if name not in unread}
    sizes = {name: max(abs(float(x)) for x in row) for name, row in rows.items()}
    least, always = faintest(max(sizes.values(), default=0)), set(kept)
    faint = [name for name, size in sizes.items() if size <= least and name not in always]
    same: dict[str, list[str]] = {}
    shown: Rows = {}
    for name, row in rows.items():
        if name in faint:
            continue
        if name not in always and len(row) > 1 and all(x == row[0] for x in row):
            same.setdefault(number(row[0]), []).append(name)
        else:
            shown[name] = row
    truly, stored = all(sizes[name] == 0 for name in faint), len(unread)
    return Panel(sign, words, shown, same, len(faint), truly, stored, bool(always))


@dataclass(frozen=True)
class Answer:
    """What is asked at a step: the scores by class, the right one first, then from the highest; and the margin."""

    step: int
    word: str
    right: str
    scores: dict[str, Any]
    margin: Any

    @property
    def shown(self) -> dict[str, Any]:
        """The scores that are not 0, and the right one's, and the best other's."""
        best = [*self.scores][:2]
        return {name: score for name, score in self.scores.items() if score or name in best}

    @property
    def tied(self) -> tuple[str, ...]:
        """The classes that have the right one's score, it included, where that is the highest and not its alone."""
        top = self.scores[self.right]
        return (
            tuple(c for c, x in self.scores.items() if x == top) if self.margin is not None and not self.margin else ()
        )

    @property
    def verdict(self) -> str:
        """How it comes out, in words."""
        if self.margin is None:
            return "there is no other"
        if not self.margin:
            return f"margin 0: a TIE of {' and '.join(self.tied)}"
        best = max((c for c in self.scores if c != self.right), key=lambda c: self.scores[c])
        return f"margin {number(self.margin)}: " + (
            f"{self.right} is answered" if self.margin > 0 else f"WRONG, {best}"
        )


@dataclass(frozen=True)
class Watched:
    """A trace with what a reader is told of it: `claim` tells its title and its hypotheses."""

    trace: Trace
    weights: str = ""

    @property
    def title(self) -> str:
        """The claim, and where its network stands."""
        scene = self.trace.scene
        return f"{scene.claim} in the {KINDS[scene.target].removeprefix('the ')}"

    @property
    def about(self) -> str:
        """What the claim says, whose the weights are, and whether a number was rounded."""
        numbers = "exact numbers" if self.trace.exact else "float64"
        whose = f", weights of {self.weights} by the names of the claim's own network" if self.weights else ""
        return f"{claims()[self.trace.scene.claim].title} ({numbers}{whose})"

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens, one a step."""
        return self.trace.scene.words

    @property
    def broken(self) -> list[str]:
        """Which hypotheses of the claim do not hold, and where."""
        needed = {getattr(h, "name", "") for h in claims()[self.trace.scene.claim].hypotheses}
        found = []
        for violation in self.trace.scene.broken:
            if violation.hypothesis in needed:
                places = ", ".join(f"step {t + 1} ({self.words[t]})" for t in violation.positions)
                found.append(f"{violation.hypothesis} does not hold at {places}: {self._says(violation.hypothesis)}")
        return found

    @staticmethod
    def _says(hypothesis: str) -> str:
        return f"it asks that {SEQUENCES[hypothesis].words.partition(': ')[2]}"

    @cached_property
    def layers(self) -> tuple[tuple[Panel, ...], ...]:
        """The panels of each layer."""
        read = self.trace.scene.read
        return tuple(tuple(_panels(layer, of)) for layer, of in zip(self.trace.layers, read, strict=True))

    @cached_property
    def output(self) -> Panel:
        """What comes out: all classes, or of many those that are right, or highest, at a step where one is asked."""
        scene, result = self.trace.scene, self.trace.result
        rows = {name: result[:, c] for c, name in enumerate(scene.classes)}
        kept = set(rows)
        if len(rows) > MOST_CLASSES:
            kept = {answer.right for answer in self.answers}
            kept |= {max(answer.scores, key=answer.scores.__getitem__) for answer in self.answers}
        kind = ("logits", "the score of each class") if scene.right else ("out", "what comes out")
        return panel(*kind, rows, kept)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What is asked, and what is answered."""
        trace, scene = self.trace, self.trace.scene
        found = []
        for t, right in scene.right.items():
            scores = {scene.classes[right]: trace.result[t, right]}
            others = sorted(trace.rivals(t).items(), key=lambda rival: -float(rival[1]))
            scores |= {scene.classes[c]: score for c, score in others[: MOST_CLASSES - 1]}
            found.append(Answer(t, scene.words[t], scene.classes[right], scores, trace.margin(t)))
        return tuple(found)

    @property
    def numbers(self) -> Iterator[tuple[int, str]]:
        """Where a number is asked: the step, and how it comes out."""
        for t, wanted in self.trace.scene.wanted.items():
            got = self.trace.result[t, 0]
            near = abs(float(got) - float(wanted)) <= CLOSE * max(1, abs(float(wanted)))
            yield t, f"{number(got)} comes out, {number(Fraction(wanted))} is wanted" + ("" if near else ": WRONG")

    @property
    def legend(self) -> Iterator[tuple[str, str]]:
        """What each channel is for: its name, and a sentence."""
        yield from legend(self.trace.scene.naming.spaces)

    def step(self, t: int) -> str:
        """What happens at a step, in words."""
        told = [f"step {t + 1} of {len(self.words)}: {self.words[t]}"]
        written = [f"{name} = {number(row[t])}" for name, row in self._changed(t)]
        told.append(f"in the state {', '.join(written)} changes" if written else "the state stays as it is")
        told += [f"{a.right} is asked for: {a.verdict}" for a in self.answers if a.step == t]
        told += [verdict for at, verdict in self.numbers if at == t]
        return "; ".join(told) + "."

    def _changed(self, t: int) -> list[tuple[str, Any]]:
        """The rows of the last layer's state that a step changes."""
        (state,) = (p for p in self.layers[-1] if p.sign == "h")
        least = faintest(state.largest)
        before = {name: row[t - 1] if t else 0 for name, row in state.rows.items()}
        return [(n, row) for n, row in state.rows.items() if abs(float(row[t]) - float(before[n])) > least]


def legend(spaces: Iterable[tuple[str, Space]]) -> Iterator[tuple[str, str]]:
    """Each name, with where it stands if it stands for more than one thing, and what it is for; spare ones left out."""
    found: dict[tuple[str, str], str] = {}
    for where, space in spaces:
        for name, purpose in space.told.items():
            indexed = "" if space.named(name)[0].index is None else "[n]"
            if purpose != SPARE:
                found.setdefault((f"{name}{indexed}", purpose), where)
    names = [name for name, _ in found]
    for (name, purpose), where in found.items():
        yield (f"{name} ({where})" if names.count(name) > 1 else name), purpose


def alike(rows: Rows) -> Rows:
    """The rows with those that are alike at every step as one, under the name of the first, but for constant ones."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for name, row in rows.items():
        found.setdefault(tuple(row), []).append(name)
    constant = {name for values, names in found.items() if len(set(values)) == 1 for name in names}
    merged = {_together(names): np.array(values) for values, names in found.items() if names[0] not in constant}
    return {name: row for name, row in rows.items() if name in constant} | merged


def _together(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}{ALIKE}{len(names) - 1} alike"


def _panels(layer: LayerTrace, of: Collection[str]) -> Iterator[Panel]:
    """`of` are the channels that are read."""

    def read(name: str) -> bool:
        return name.partition(OF)[0].partition(ALIKE)[0] in of

    gate = panel("gate", "what y is multiplied by", alike(layer.gate), read=read)
    yield panel("u", "what the scan takes", layer.inner)
    yield panel("Δ", "the step", alike(layer.delta))
    yield panel("e^ΔA", "what is left of the state", alike(layer.decay))
    yield panel("B", "where u is written", layer.B)
    yield panel("C", "where the state is read", layer.C)
    yield panel("h", "the state: what was written", layer.state, read=read)
    if gate.rows:
        yield panel("y", "what is read, before the gate", layer.readout, read=read)
        yield gate


def beside(watched: Sequence[Watched]) -> list[tuple[str, str, list[str]]]:
    """Networks on one sequence: at each step at which one is asked, the token, and how each comes out."""
    steps = sorted({answer.step for each in watched for answer in each.answers})
    return [
        (
            f"step {t + 1}",
            watched[0].words[t],
            [next((a.verdict for a in each.answers if a.step == t), "") for each in watched],
        )
        for t in steps
    ]
