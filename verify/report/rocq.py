"""The theorems of a claim as a reader sees them: what Rocq prints of each, and the text of the definitions below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mamba_theorems.theorems.claim import Claim, Outcome
from mamba_theorems.verify.formal import kept, rocq
from mamba_theorems.verify.formal.audit import Audit, Theorem
from mamba_theorems.verify.formal.sources import Sources
from mamba_theorems.verify.report.places import file_of

NAME = re.compile(r"[^\W\d][\w']*(?:\.[\w']+)*")


@dataclass(frozen=True)
class Definition:
    """A definition of theorems/formal: its whole name, its file, its text with the comment before it."""

    name: str
    file: str
    text: str

    @property
    def anchor(self) -> str:
        """What links to it name."""
        return f"rocq-{self.name}"


@dataclass(frozen=True)
class Shown:
    """A theorem: its name, its file, its type as Rocq prints it, its axioms, the definitions that it unfolds to."""

    name: str
    file: str
    says: str
    axioms: str
    definitions: tuple[str, ...]

    @property
    def words(self) -> Iterator[tuple[str, str]]:
        """The type in pieces, each with the anchor of the definition that it names, or none."""
        at = 0
        for match in NAME.finditer(self.says):
            if definition := self._named(match[0]):
                yield self.says[at : match.start()], ""
                yield match[0], definition.anchor
                at = match.end()
        yield self.says[at:], ""

    def _named(self, word: str) -> Definition | None:
        found = [d for d in self.definitions if f".{d}".endswith(f".{word}") and d in texts()]
        return texts()[found[0]] if len(found) == 1 else None


@dataclass(frozen=True)
class Theorems:
    """All theorems of a claim: what they say of it, what they leave out, and by which Rocq that is known."""

    role: str
    leaves_out: str
    known: str
    shown: tuple[Shown, ...]


def theorems(claim: Claim) -> Theorems | None:
    """A claim's theorems; None where it names none."""
    if claim.formal is None:
        return None
    audit = _told()
    found = audit.theorems if audit else {}
    known = f"Rocq's kernel: {rocq.told(audit.versions)}" if audit else "not recorded for these sources"
    role = "The negation of the statement, by" if claim.expected is Outcome.REFUTED else "The statement, by"
    role = "A part of the statement, by" if claim.formal.leaves_out else role
    shown = tuple(_shown(name, found.get(name)) for name in claim.formal.theorems)
    return Theorems(role, claim.formal.leaves_out, known, shown)


def _shown(name: str, theorem: Theorem | None) -> Shown:
    if theorem is None:
        return Shown(name, file_of(name), "", "not recorded", ())
    axioms = ", ".join(theorem.axioms) or "none"
    return Shown(name, file_of(name), theorem.says, axioms, theorem.definitions)


def definitions(claims: Iterable[Claim]) -> list[Definition]:
    """The definitions that the theorems of claims unfold to, in the order of the files."""
    wanted = {d for claim in claims if (told := theorems(claim)) for shown in told.shown for d in shown.definitions}
    return [definition for name, definition in texts().items() if name in wanted]


@cache
def _told() -> Audit | None:
    return kept.told()


# --- the text of definitions -----------------------------------------------------------------------------------------

_OPENS = r"(?:Definition|Fixpoint|Record|Variant|Inductive|Canonical)"
_DEFINED = re.compile(
    rf"(?P<comment>(?:^\(\*(?:(?!\*\)).)*\*\)[ ]*\n)?)^[ ]*(?P<text>{_OPENS}\s+(?P<name>[\w']+)\b.*?\.)(?=\s|$)"
    r"(?P<after>[ ]*\(\*(?:(?!\*\)).)*\*\))?",
    re.MULTILINE | re.DOTALL,
)


@cache
def texts() -> Mapping[str, Definition]:
    """Every definition by its whole name, in the order of the modules and of each file."""
    found: dict[str, Definition] = {}
    for module, text in Sources().texts.items():
        for match in _DEFINED.finditer(text):
            name = f"{module}.{match['name']}"
            comment = "" if match["comment"].startswith("(* ---") else match["comment"]
            found[name] = Definition(name, file_of(name), comment + match["text"] + (match["after"] or ""))
    return found
