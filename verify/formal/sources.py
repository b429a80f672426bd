"""The Rocq sources: which modules there are, what they must not say, and their digest.

What stands in a comment or a string is no code. A file that says one of the refused words is not compiled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mamba_theorems.verify.files import SHIPPED

ROOT = "Mamba"
"""The logical name of the folder: `mqar.Theorem2` is Mamba.mqar.Theorem2 to Rocq."""
PROJECT = "_CoqProject"
OPTIONS = (
    f"-R . {ROOT}",
    "-arg -w -arg -notation-overridden,-ambiguous-paths,-redundant-canonical-projection",
)
"""All that _CoqProject may say: an option such as -type-in-type changes what a proof is worth."""

Refusals = list[tuple[str, str]]
"""Places (file:line) and what is wrong there."""


@dataclass(frozen=True)
class Sources:
    """A folder of Rocq files."""

    folder: Path = SHIPPED / "theorems" / "formal"

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The text of every module, by its name under the root."""
        return {
            ".".join(path.relative_to(self.folder).with_suffix("").parts): path.read_text(encoding="utf-8")
            for path in sorted(self.folder.rglob("*.v"))
        }

    @cached_property
    def theorems(self) -> tuple[str, ...]:
        """All that the files call a theorem or a corollary, with the module before it."""
        stated = re.compile(r"^\s*(?:Theorem|Corollary)\s+([\w']+)", re.MULTILINE)
        return tuple(f"{module}.{name}" for module, text in self.texts.items() for name in stated.findall(code(text)))

    @cached_property
    def project(self) -> str:
        """The text of _CoqProject."""
        return (self.folder / PROJECT).read_text(encoding="utf-8")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it, whatever the folder's place."""
        found = hashlib.sha256(self.project.encode())
        for module, text in sorted(self.texts.items()):
            found.update(f"\0{module}\0{text}".encode())
        return found.hexdigest()

    @cached_property
    def refused(self) -> Refusals:
        """Every place that says what no file may say."""
        strange = [line for line in self.project.splitlines() if line.strip() and line.strip() not in OPTIONS]
        found = [(PROJECT, f"the option {line.strip()}") for line in strange]
        for module, text in self.texts.items():
            if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
                found.append((path_of(module), "a name that is no module's"))
            found += [(f"{path_of(module)}:{line}", what) for line, what in forbidden(text)]
        return found

    def needs(self, module: str) -> tuple[str, ...]:
        """The modules of this folder that a module requires, and itself."""
        found, open_ = set(), {module}
        while open_:
            found |= open_
            said = {name for one in open_ for name in _required(code(self.texts[one]))}
            open_ = {m for m in self.texts if any(f".{m}".endswith(f".{name}") for name in said)} - found
        return tuple(sorted(found))


def path_of(module: str) -> str:
    """A module's file, from the folder."""
    return f"{module.replace('.', '/')}.v"


def _required(text: str) -> Iterator[str]:
    wanted = rf"From\s+{ROOT}((?:\.[\w']+)*)\s+Require\s+(?:Import\s+|Export\s+)?([\w.'\s]+?)\.(?=\s|$)"
    for sentence in re.finditer(wanted, text):
        yield from (f"{sentence[1]}.{name}".lstrip(".") for name in sentence[2].split())
    for name in re.finditer(rf"\b{ROOT}\.([\w']+(?:\.[\w']+)*)", text):
        yield name[1]


# --- what no file may say --------------------------------------------------------------------------------------------

_MARK = re.compile(r'\(\*|\*\)|"(?:[^"]|"")*"')


def code(text: str) -> str:
    """A text without its comments, which nest, and with its strings empty; line numbers stay."""
    kept: list[str] = []
    depth = at = 0
    for mark in _MARK.finditer(text):
        between = text[at : mark.start()]
        kept.append("\n" * between.count("\n") if depth else between)
        opens, closes = mark[0] == "(*", mark[0] == "*)"
        if depth or opens:
            kept.append("\n" * mark[0].count("\n"))
        elif not closes:
            kept.append('""' + "\n" * mark[0].count("\n"))
        else:
            kept.append(mark[0])
        depth += opens - (closes and depth > 0)
        at = mark.end()
    return "".join(kept) + ("" if depth else text[at:])


_WORDS = (
    r"Admitted|Admit|admit|give_up|Axioms?|Parameters?|Conjectures?|bypass_check|Declare|Primitive|Load|LoadPath|ML|"
    r"Redirect|Drop|Cd|type_in_type"
)
_FLAGS = r"(?:Guard|Positivity|Universe)\s+Checking|Bypass\w*|Definitional\s+UIP|Type\s*In\s*Type"
_REFUSED = re.compile(rf"(?<![\w.'])(?:(?:{_WORDS})(?![\w'])|(?:Uns|S)et\s+(?:{_FLAGS})|(?:Uns|S)et\s+Guard(?![\w']))")
_SCOPE = re.compile(
    r"(?<![\w.'])(?:(?P<opens>Section)|(?P<closes>End))\s+(?P<name>[\w']+)(?=\s*\.)"
    r"|(?:^|[.\]}]\s+|\b(?:Local|Global|Polymorphic|Monomorphic|Cumulative)\s+)"
    r"(?P<assumes>Hypothes[ie]s|Variables?|Context)\b"
)


def forbidden(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that say a refused word, or that assume something outside a section."""
    bare = code(text)
    for match in _REFUSED.finditer(bare):
        yield _line(bare, match.start()), " ".join(match[0].split())
    sections: list[str] = []
    for match in _SCOPE.finditer(bare):
        if match["opens"]:
            sections.append(match["name"])
        elif match["closes"]:
            if sections and sections[-1] == match["name"]:
                sections.pop()
        elif not sections:
            yield _line(bare, match.start("assumes")), f"{match['assumes']} outside a section"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
