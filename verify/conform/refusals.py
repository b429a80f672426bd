"""Whether a refusal narrows what a kernel is held to, or is a failure.

A refusal narrows what its words name, and an option or a dtype that is refused alone too. What is refused together
while each part of it is taken alone, or at one size, stride, value or direction, must be named or declared: else a
kernel that crashes there would be told that nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.examine import (
    EXAMS,
    FORWARD,
    GRADIENT,
    Deviation,
    Examinee,
    Given,
    In,
    Wrong,
    ask,
    backward,
    draw,
)
from mamba_theorems.verify.conform.kernel import KernelRefusal, NotOffered, Raised
from mamba_theorems.verify.conform.layouts import NotExercised
from mamba_theorems.verify.conform.operations import Operation
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.words import (
    DTYPE_WORDS,
    GRADIENT_WORDS,
    SIZE_WORDS,
    STRIDE_WORDS,
    VALUE_WORDS,
    option_words,
    says,
    says_size,
)

BASE = SuiteRow("base")
FRIENDLY = {
    "length": 64, "d_inner": 16, "dim": 16, "d_state": 16, "headdim": 16, "nheads": 4, "chunk_size": 64, "width": 4,
}  # fmt: skip
"""Sizes that hardly any kernel refuses."""
DECLARE_IT = "name it in the words of the error, or declare it"
MANY_CALLS = {
    "pieces": ("pieces, one of a single token", (*SIZE_WORDS["length"], "piece", "pieces")),
    "steps": ("several steps", ("step", "steps", "state")),
    "bits": ("other numbers of threads", ("thread", "threads")),
    "fresh": ("a second call", ("call", "calls", "memory")),
}
"""Exams that call several times, each with what it has beside its row and the words for that."""


def friendly_sizes(operation: Operation) -> dict[str, int]:
    """The friendly sizes of an operation."""
    return {name: size for name, size in FRIENDLY.items() if name in operation.sizes}


@dataclass(frozen=True)
class Part:
    """One thing that a call has beside the plain one: how a report calls it, its words, whether it is an option or a
    dtype, which may be refused alone without a word, and which size it is.
    """

    name: str
    words: tuple[str, ...]
    alone: bool = False
    size: str = ""

    def named(self, text: str) -> bool:
        """Whether the words of a refusal name it."""
        return says_size(self.size, text) if self.size else says(self.words, text)


@dataclass(frozen=True)
class Ground:
    """The least that a kernel takes: with these options, at each of these sizes."""

    uses: tuple[str, ...]
    sizes: tuple[Mapping[str, int], ...]


def judged(subject: Examinee, row: SuiteRow, direction: str, reason: Exception) -> Exception:
    """The reason itself, or where it is a refusal that does not narrow, the failure that it is."""
    if not isinstance(reason, KernelRefusal) or row.exam == "compiled":
        return reason
    ground = _ground(subject)
    if not ground.sizes or not set(ground.uses) <= set(row.uses):
        return reason  # it takes no less, so that nothing is taken alone
    parts, told = _core(subject, row, direction, reason)
    unnamed = [part for part in parts if not part.named(told.text)]
    if not unnamed:
        return reason
    if len(parts) == 1 and parts[0].alone:
        return KernelRefusal(f"{parts[0].name} ({told})", told.text)
    called = " with ".join(part.name for part in parts)
    how = "each taken alone, refused together" if len(parts) > 1 else "refused, and not named"
    return Wrong(Deviation("the call", kinds.REFUSAL, f"{called}: {how}: {told}: {DECLARE_IT}"))


def _ground(subject: Examinee) -> Ground:
    """Found once: the plain call, or with the first option that makes it one that is taken."""
    if subject.ground is None:
        friendly, limits = friendly_sizes(subject.operation), subject.kernel.limits
        sizes = [dict(subject.operation.sizes), {**subject.operation.sizes, **friendly}]
        sizes = [limits.fitted(each) for each in (*sizes, {**sizes[1], "batch": 1})]
        options: tuple[tuple[str, ...], ...] = ((), *((option,) for option in subject.operation.options))
        found = (Ground(uses, _taken_at(subject, uses, sizes)) for uses in options)
        subject.ground = next((ground for ground in found if ground.sizes), Ground((), ()))
    ground: Ground = subject.ground
    return ground


def _taken_at(subject: Examinee, uses: tuple[str, ...], sizes: list[dict[str, int]]) -> tuple[Mapping[str, int], ...]:
    return tuple(at for at in sizes if _outcome(subject, replace(BASE, uses=uses, sizes=at), FORWARD) is TAKEN)


TAKEN, UNTOLD = "taken", "untold"


def _outcome(subject: Examinee, row: SuiteRow, direction: str) -> KernelRefusal | str:
    """The refusal of a row's call; TAKEN where there is none; UNTOLD where there is no such call."""
    try:
        if row.exam in MANY_CALLS:
            list(EXAMS[row.exam](replace(subject), row))
            return TAKEN
        given = ask(subject, draw(subject, row), gradients=direction == GRADIENT)
        if direction == GRADIENT:
            _back(subject, given)
    except In as found:
        if isinstance(found.reason, KernelRefusal):
            return found.reason
    except KernelRefusal as reason:
        return reason
    except (NotOffered, NotExercised, IndexError, KeyError):
        return UNTOLD
    except (Raised, Wrong):
        return TAKEN
    return TAKEN


def _back(subject: Examinee, given: Given) -> None:
    outputs = [m for m in given.outputs.values() if m.requires_grad]
    if outputs:
        backward(subject, outputs, list(given.leaves.values()), [torch.ones_like(m) for m in outputs])


# --- the least that is refused ---------------------------------------------------------------------------------------


def _core(
    subject: Examinee, row: SuiteRow, direction: str, reason: KernelRefusal
) -> tuple[tuple[Part, ...], KernelRefusal]:
    """The parts of a row without any of which its call is not refused, and the refusal of these alone."""
    for known, text, told in subject.cores:
        if text == reason.text and known <= _keys(subject, row, direction):
            return tuple(_part_of(subject, key) for key in sorted(known, key=str)), told
    search = _Search(subject, row, direction, reason)
    parts = search.parts()
    if all(key is not None for key in search.keys):
        subject.cores.append((frozenset(search.keys), reason.text, search.told))
    return parts, search.told


Key = tuple[str, str, int]
"""What a part is, its name, and of a size how large it is."""


def _keys(subject: Examinee, row: SuiteRow, direction: str) -> frozenset[Key]:
    sizes = subject.kernel.limits.fitted({**subject.operation.sizes, **row.sizes})
    keys: set[Key] = {("option", option, 0) for option in row.uses}
    keys |= {("size", name, size) for name, size in sizes.items()} | {("dtype", row.dtype or subject.main, 0)}
    return frozenset(keys | ({("gradient", "", 0)} if direction == GRADIENT else set()))


def _part_of(subject: Examinee, key: Key) -> Part:
    what, name, size = key
    if what == "option":
        return Part(name, option_words(name, subject.kernel.name_of(name)), alone=True)
    if what == "size":
        return Part(f"{name} = {size}", SIZE_WORDS[name], size=name)
    if what == "dtype":
        return Part(name, (*DTYPE_WORDS[name], "dtype", "dtypes", "precision"), alone=True)
    return Part("the gradient", GRADIENT_WORDS)


class _Search:
    """Takes one part after another from a row, as long as what is left is refused."""

    def __init__(self, subject: Examinee, row: SuiteRow, direction: str, reason: KernelRefusal) -> None:
        self.subject, self.row, self.direction, self.told = subject, row, direction, reason
        self.keys: list[Key | None] = []
        self.found: list[Part] = []

    def parts(self) -> tuple[Part, ...]:
        """Those that are left."""
        row = self.row
        if row.exam in MANY_CALLS and not self._without(replace(row, exam="values")):
            self._add(Part(*MANY_CALLS[row.exam]))
        if row.layout and not self._without(replace(self.row, layout={})):
            self._add(Part("strides", STRIDE_WORDS))
        edited = self._edit()
        if not self.found or not all(part.named(self.told.text) for part in self.found):
            self._sizes()  # what is named already is refused at sizes that bring it about
        if self.direction == GRADIENT and not self._without(self.row, FORWARD):
            self._know(("gradient", "", 0))
        dtype = row.dtype or self.subject.main
        if dtype != self.subject.main and not self._without(replace(self.row, dtype="")):
            self._know(("dtype", dtype, 0))
        for option in row.uses:
            less = replace(self.row, uses=tuple(name for name in self.row.uses if name != option))
            needed = option in _ground(self.subject).uses or option in edited
            if not needed and not self._without(less):
                self._know(("option", option, 0))
        return tuple(self.found)

    def _add(self, part: Part, key: Key | None = None) -> None:
        self.found.append(part)
        self.keys.append(key)

    def _know(self, key: Key) -> None:
        self._add(_part_of(self.subject, key), key)

    def _without(self, row: SuiteRow, direction: str = "") -> bool:
        """Whether a smaller row is refused too; then it is the row at hand."""
        found = _outcome(self.subject, row, direction or self.direction)
        if isinstance(found, KernelRefusal):
            self.row, self.told, self.direction = row, found, direction or self.direction
        return isinstance(found, KernelRefusal)

    def _edit(self) -> frozenset[str]:
        """The arguments whose values the row changes, where these values are a part."""
        row = self.row
        if row.edit is None or self._without(replace(row, edit=None)):
            return frozenset()
        changed = _changed(self.subject, row)
        words = tuple(word for name in changed for word in option_words(name, self.subject.kernel.name_of(name)))
        self._add(Part(f"these values of {', '.join(sorted(changed))}", (*words, *VALUE_WORDS)))
        return changed

    def _sizes(self) -> None:
        """Sizes are a part where the rest is taken at some that the plain call is taken at."""
        targets = _ground(self.subject).sizes
        found = [(at, _outcome(self.subject, replace(self.row, sizes=at), self.direction)) for at in targets]
        target = next((at for at, outcome in found if outcome is TAKEN), None)
        if target is None:
            self._least(found)
            return
        for name, size in target.items():
            now = self.subject.kernel.limits.fitted({**self.subject.operation.sizes, **self.row.sizes})
            less = replace(self.row, sizes={**now, name: size})
            if now[name] != size and not self._without(less):
                self._know(("size", name, now[name]))

    def _least(self, found: list[tuple[Mapping[str, int], KernelRefusal | str]]) -> None:
        """KernelRefusal at every size: so at one of them."""
        for at, outcome in found:
            if isinstance(outcome, KernelRefusal):
                self.row, self.told = replace(self.row, sizes=at), outcome
                return


def _changed(subject: Examinee, row: SuiteRow) -> frozenset[str]:
    """The names of the arguments that a row's edit changes."""
    with_it, plain = draw(subject, row), draw(subject, replace(row, edit=None))
    return frozenset(name for name, m in with_it.items() if not _same(m, plain.get(name)))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num())) and not bool(a.isnan().any())
    return bool(a is b or (not isinstance(a, Tensor) and a == b))
