"""What Rocq itself says of theorems: the type, the definitions that the type unfolds to, the axioms.

A theorem's digest covers its type and, transitively, every definition of this project that the type mentions, all as
`Set Printing All` prints them; a reader is shown the type in the notations of the files.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.rocq import Built
from mamba_theorems.verify.formal.sources import ROOT, Sources, code, path_of

REAL = "real."
"""The modules that may use axioms begin so."""
AXIOMS = {
    "propositional_extensionality",
    "functional_extensionality_dep",
    "constructive_indefinite_description",
    "sig_not_dec",
    "sig_forall_dec",
    "classic",
}
"""The axioms of Rocq's real numbers and of mathcomp's analysis, which those modules may use; no other does any."""
ANALYSIS = (
    "From mathcomp Require Import boolp classical_sets reals topology normedtype sequences derive exp.",
    "Import numFieldNormedType.Exports.",
    "Open Scope classical_set_scope.",
)
"""In whose notations limits and derivatives are shown."""
COQUELICOT = "Coquelicot"
OWN_REALS = (
    "From Coq Require Import Reals.",
    f"From {COQUELICOT} Require Import {COQUELICOT}.",
    "Open Scope R_scope.",
)
"""In whose notations the theorems of a module that requires Coquelicot are shown, those about Rocq's own R."""
TOGETHER = "all_of_them"
CLOSED = "Closed under the global context"
WIDTH = 83
"""Columns in which Rocq prints a type; seven of them are its own indentation."""
SECONDS = 900
"""What one coqc of the audit may take, on a busy machine too."""
AT_ONCE = 4
"""So many coqc at the most: each holds all libraries, more than a gigabyte."""


@dataclass(frozen=True)
class Theorem:
    """A theorem that Rocq's kernel accepted.

    `says` is its type for a reader, `digest` covers the type and all `definitions` of this project that it unfolds to,
    and `axioms` are what its proof assumes.
    """

    name: str
    says: str
    digest: str
    definitions: tuple[str, ...]
    axioms: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """What was found: the theorems, those that are refused with the reason, and of what, by what."""

    sources: str
    versions: Mapping[str, str]
    theorems: Mapping[str, Theorem]
    refused: Mapping[str, str]


def audit(sources: Sources, built: Built, names: Iterable[str]) -> Audit:
    """Ask Rocq of every named theorem (`mqar.Theorem2.thm2_step1`); what it cannot tell is refused."""
    refused, wanted = {}, []
    for name in dict.fromkeys(names):
        if reason := _missing(name, sources, built):
            refused[name] = reason
        else:
            wanted.append(name)
    modules = [m for m in sources.texts if m not in built.failed]
    found: dict[str, Theorem] = {}
    if wanted:
        definitions = {name: how for m in modules for name, how in _defined(m, sources, built)}
        own_reals = {name for name in wanted if _about_own_reals(name, sources)}
        answers = _ask(wanted, definitions, modules, built, _closed(wanted), own_reals)
        if answers.get(("rests", TOGETHER), CLOSED).strip() != CLOSED:
            answers = _ask(wanted, definitions, modules, built, [], own_reals)
        for name in wanted:
            said = answers.get(("rests", name)) or answers["rests", TOGETHER]
            axioms, reason = _axioms(said, allowed=AXIOMS if name.startswith(REAL) else set())
            if reason:
                refused[name] = reason
            else:
                found[name] = _theorem(name, answers, definitions, axioms)
    return Audit(sources.digest, dict(rocq.versions()), found, refused)


def _closed(theorems: Iterable[str]) -> list[str]:
    """The theorems that may use no axiom: asked of together, in a fraction of the time, as long as none does."""
    return [name for name in theorems if not name.startswith(REAL)]


def _about_own_reals(theorem: str, sources: Sources) -> bool:
    """Whether a theorem's module requires Coquelicot."""
    return COQUELICOT in code(sources.texts[theorem.rpartition(".")[0]])


def _missing(name: str, sources: Sources, built: Built) -> str:
    """Why Rocq cannot be asked of a theorem; empty where it can."""
    module, _, theorem = name.rpartition(".")
    if module not in sources.texts:
        return f"there is no {path_of(module)}"
    if module in built.failed:
        return f"{path_of(module)} does not compile: {built.failed[module]}"
    if theorem not in {found for kind, found in _globals(built.folder, module) if kind == "prf"}:
        return f"{path_of(module)} has no theorem {theorem}"
    return ""


# --- the questions ---------------------------------------------------------------------------------------------------

Asked = tuple[str, str]
"""A question: says, shown, rests or means, and the name."""
Question = tuple[Asked, str]
"""A question, and the command that asks it."""


def _globals(folder: Path, module: str) -> Iterator[tuple[str, str]]:
    """Kind and name of all that a compiled module defines, from the notes that coqc leaves beside it."""
    notes = (folder / path_of(module)).with_suffix(".glob").read_text(encoding="utf-8")
    for kind, inside, name in re.findall(r"^([a-z]+) \d+:\d+ (\S+) (\S+)$", notes, re.MULTILINE):
        if kind != "binder":
            yield kind, name if inside == "<>" else f"{inside}.{name}"


def _defined(module: str, sources: Sources, built: Built) -> Iterator[tuple[str, str]]:
    """Of a module's definitions, records and lemmas the name, and the command that tells what it means.

    Of a lemma the type is enough, unless the module has one that computes.
    """
    lemma = "Print" if re.search(r"\bDefined\s*\.", code(sources.texts[module])) else "Check"
    for kind, name in _globals(built.folder, module):
        if kind not in ("sec", "var", "not", "abbrev", "mod", "modtype", "lib"):
            yield f"{module}.{name}", lemma if kind == "prf" else "Print"


def _ask(
    theorems: list[str],
    definitions: Mapping[str, str],
    modules: Iterable[str],
    built: Built,
    together: list[str],
    own_reals: set[str],
) -> dict[Asked, str]:
    """The answers to all questions. Raises RuntimeError where coqc fails.

    What the theorems of `together` rest on is asked of all at once, under the name TOGETHER; what the others rest on
    takes most of the time, and a coqc a processor shares it.
    """
    exact: list[Question] = [(("says", name), f"Check @{ROOT}.{name}.") for name in theorems]
    exact += [(("means", name), f"{how} {ROOT}.{name}.") for name, how in definitions.items()]
    shared: list[Question] = [
        (("rests", name), f"Print Assumptions {ROOT}.{name}.") for name in theorems if name not in together
    ]
    names, share = " ".join(modules), min(os.cpu_count() or 1, AT_ONCE)
    first = [*_exactly(names, [*exact, *shared[::share]], together), *_shown(names, theorems, own_reals)]
    others = [list(_exactly(names, shared[i::share], [])) for i in range(1, min(share, len(shared)))]
    with ThreadPoolExecutor(share) as pool:
        runs = pool.map(lambda lines: _answers(lines, built), [first, *others])
        return {asked: said for run in runs for asked, said in run.items()}


def _exactly(modules: str, questions: Iterable[Question], together: list[str]) -> Iterator[str | Question]:
    """The questions, in the words that digests cover."""
    yield f"From {ROOT} Require {modules}."
    if together:
        yield f"Definition {TOGETHER} := ({', '.join(f'@{ROOT}.{name}' for name in together)})."
    yield from ("Set Printing All.", "Set Printing Width 1000000.", "Set Printing Depth 1000000.")
    yield from questions
    if together:
        yield ("rests", TOGETHER), f"Print Assumptions {TOGETHER}."


def _shown(modules: str, theorems: list[str], own_reals: set[str]) -> Iterator[str | Question]:
    """Every theorem in the notations of the files; those of `own_reals` last, in OWN_REALS, which hides others."""
    yield "From mathcomp Require Import all_ssreflect all_algebra."
    yield from ANALYSIS if any(module.startswith(REAL) for module in modules.split()) else ()
    yield f"From {ROOT} Require Import {modules}."
    yield from ("Import GRing.Theory Num.Theory Order.TTheory.", "Open Scope ring_scope.", "Unset Printing All.")
    yield from (f"Set Printing Width {WIDTH}.", "Set Printing Depth 1000000.")
    questions = {name: (("shown", name), f"Check @{ROOT}.{name}.") for name in theorems}
    yield from (questions[name] for name in theorems if name not in own_reals)
    yield from OWN_REALS if own_reals else ()
    yield from (questions[name] for name in theorems if name in own_reals)


def _answers(lines: Iterable[str | Question], built: Built) -> dict[Asked, str]:
    """The answers to a file's questions, from one run of coqc. Raises RuntimeError where it fails."""
    text: list[str] = []
    asked: list[Asked] = []
    for line in lines:
        if isinstance(line, str):
            text.append(line)
        else:
            text.append(f'Redirect "{len(asked)}" {line[1]}')
            asked.append(line[0])
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "Asked.v")
        file.write_text("\n".join(text) + "\n", encoding="utf-8")
        failed, said = rocq.coqc(file, built.folder, SECONDS)
        if failed:
            raise RuntimeError(f"the audit of theorems/formal fails: {said.strip()[-500:]}")
        return {question: Path(name, f"{i}.out").read_text(encoding="utf-8") for i, question in enumerate(asked)}


# --- the answers -----------------------------------------------------------------------------------------------------


def _axioms(said: str, allowed: set[str]) -> tuple[tuple[str, ...], str]:
    """What `Print Assumptions` lists, and why that is refused; whatever is not understood is refused."""
    if said.strip() == CLOSED:
        return (), ""
    head, *lines = said.rstrip().splitlines() or [""]
    listed = [re.match(r"([\w.']+)(?:\s+:|$)", line) for line in lines if not line.startswith(" ")]
    if head.strip() != "Axioms:" or not all(listed):
        return (), f"Print Assumptions says: {' '.join(said.split())[:200]}"
    names = tuple(sorted(match[1] for match in listed if match))
    strange = [name for name in names if name.rpartition(".")[2] not in allowed]
    return names, f"it assumes {', '.join(strange)}" if strange else ""


def _theorem(
    name: str, answers: Mapping[Asked, str], definitions: Mapping[str, str], axioms: tuple[str, ...]
) -> Theorem:
    says = answers["says", name]
    unfolds = _unfolded(says, name, answers, definitions)
    found = hashlib.sha256(_plain(says).encode())
    for definition in unfolds:
        found.update(f"\0{definition}\0{_plain(answers['means', definition])}".encode())
    return Theorem(name, _readable(answers["shown", name]), found.hexdigest(), tuple(unfolds), axioms)


def _unfolded(says: str, name: str, answers: Mapping[Asked, str], definitions: Mapping[str, str]) -> list[str]:
    """The definitions that a type mentions, and those that these mention, and so on."""
    ends: dict[str, set[str]] = {}
    for definition in definitions:
        parts = definition.split(".")
        for i in range(len(parts)):
            ends.setdefault(".".join(parts[i:]), set()).add(definition)
    found: set[str] = set()
    texts = [says.partition(":")[2]]
    while texts:
        mentioned = {d for token in re.findall(r"[\w']+(?:\.[\w']+)+", texts.pop()) for d in ends.get(token, ())}
        new = mentioned - found
        found |= new
        texts += [answers["means", d] for d in sorted(new)]
    return sorted(found - {name})


def _plain(said: str) -> str:
    return " ".join(said.split())


def _readable(said: str) -> str:
    """A type as Rocq prints it, without the name before it and its indentation."""
    _, _, type_ = said.partition("\n")
    lines = type_.rstrip().splitlines()
    return "\n".join([lines[0].removeprefix("     : "), *(line.removeprefix(" " * 7) for line in lines[1:])])
