"""What is known of the theorems that claims name: found here, or recorded with sources that are the same.

theorems/formal/recorded.json is the record; a build here leaves what it found under .verify, so that nothing is asked
twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.files import write
from mamba_theorems.verify.formal import audit as audit_
from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.audit import AXIOMS, REAL, Audit, Theorem, audit
from mamba_theorems.verify.formal.rocq import NoRocq
from mamba_theorems.verify.formal.sources import Sources
from mamba_theorems.verify.shape import misfit

RECORD = "recorded.json"
AUDITED = ".audit.json"
SHAPE = {
    "sources": str,
    "versions": {str: str},
    "theorems": [{"name": str, "says": str, "digest": str, "definitions": str, "axioms": [str]}],
    "digest": str,
}


class NoRecord(ValueError):
    """There is no record of these sources; the message is why."""


@dataclass(frozen=True)
class Known:
    """What is known: `found` if anything is, whether Rocq found it `here`, and how it is known, in words."""

    found: Audit | None
    here: bool
    how: str

    def reason(self, name: str) -> str:
        """Why a theorem is no evidence; empty where it is."""
        if self.found is None:
            return self.how
        if name in self.found.theorems:
            return ""
        return self.found.refused.get(name, "the record does not have it: `python -m verify formal --record`")


def named() -> list[str]:
    """The theorems that claims name, each once, and after them all others that the files state."""
    by_claims = [name for claim in claims().values() if claim.formal for name in claim.formal.theorems]
    return list(dict.fromkeys([*by_claims, *Sources().theorems]))


def examine(sources: Sources | None = None, names: Iterable[str] | None = None) -> Audit:
    """Compile what changed and audit, or take what an earlier run found of the same. Raises NoRocq."""
    sources = sources or Sources()
    wanted = named() if names is None else list(names)
    if sources.refused:
        where, what = sources.refused[0]
        return Audit(sources.digest, {}, {}, dict.fromkeys(wanted, f"{where} says {what}, which no file may say"))
    rocq.versions()
    folder = rocq.folder_of(sources)
    with rocq.alone(folder):
        built = rocq.build(sources)
        code = hashlib.sha256(Path(audit_.__file__).read_bytes()).hexdigest()
        parts = {"sources": sources.digest, "versions": dict(rocq.versions()), "names": sorted(wanted), "audit": code}
        asked = _digest(parts)
        if (found := _before(folder, asked)) is not None and not built.failed:
            return found
        found = audit(sources, built, wanted)
        write(folder / AUDITED, json.dumps({"asked": asked, "found": asdict(found)}))
    return found


def _before(folder: Path, asked: str) -> Audit | None:
    """What the last audit found, if it was asked the same."""
    try:
        note = json.loads((folder / AUDITED).read_text(encoding="utf-8"))
        return _audit(note["found"], note["found"]["theorems"].values()) if note["asked"] == asked else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _audit(part: Mapping[str, Any], theorems: Iterable[Mapping[str, Any]]) -> Audit:
    listed = {
        t["name"]: Theorem(t["name"], t["says"], t["digest"], tuple(t["definitions"]), tuple(t["axioms"]))
        for t in theorems
    }
    return Audit(part["sources"], part["versions"], listed, part.get("refused", {}))


# --- the record ------------------------------------------------------------------------------------------------------


def document(found: Audit) -> dict[str, Any]:
    """What is recorded of an audit."""
    listed = [found.theorems[name] for name in sorted(found.theorems)]
    theorems = [asdict(theorem) | {"definitions": " ".join(theorem.definitions)} for theorem in listed]
    part = {"sources": found.sources, "versions": dict(found.versions), "theorems": theorems}
    plain = json.loads(json.dumps(part))
    return plain | {"digest": _digest(plain)}


def dumps(found: Audit) -> str:
    """The record as text."""
    return json.dumps(document(found), indent=1, ensure_ascii=False) + "\n"


def recorded(sources: Sources | None = None) -> Audit:
    """The record of these sources. Raises NoRecord, which says what is wrong with the one there is."""
    sources = sources or Sources()
    again = "`python -m verify formal --record` makes it again"
    try:
        part = json.loads((sources.folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as reason:
        raise NoRecord(f"theorems/formal has no whole record: {again}") from reason
    if wrong := misfit(part, SHAPE):
        raise NoRecord(f"theorems/formal/{RECORD} is no record ({wrong}): {again}")
    if _digest({name: value for name, value in part.items() if name != "digest"}) != part["digest"]:
        raise NoRecord(f"theorems/formal/{RECORD} was edited by hand: {again}")
    if part["sources"] != sources.digest:
        raise NoRecord(f"theorems/formal/{RECORD} is of other sources: {again}")
    found = _audit(part, [t | {"definitions": t["definitions"].split()} for t in part["theorems"]])
    for theorem in found.theorems.values():
        allowed = AXIOMS if theorem.name.startswith(REAL) else set()
        if {axiom.rpartition(".")[2] for axiom in theorem.axioms} - allowed:
            raise NoRecord(f"theorems/formal/{RECORD} has {theorem.name} with axioms that are not allowed: {again}")
    return found


def _digest(part: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# --- what is known ---------------------------------------------------------------------------------------------------


def known() -> Known:
    """What Rocq finds here, or else the record. A Rocq of other versions than the record's is not asked."""
    try:
        _same_versions()
        found = examine()
    except NoRocq as reason:
        return without(str(reason))
    return Known(found, True, f"checked here by {rocq.told(found.versions)}" if found.versions else "refused unread")


def without(reason: str) -> Known:
    """What is known where Rocq is not asked, for this reason."""
    try:
        record = recorded()
    except NoRecord as lacking:
        return Known(None, False, f"{lacking}; not checked here ({reason}): `{rocq.INSTALL}`")
    return Known(record, False, f"recorded on {rocq.told(record.versions)}, not checked here: `{rocq.INSTALL}`")


def _same_versions() -> None:
    """Raises NoRocq where the record was made by other versions, for which the files need not compile."""
    here = rocq.versions()
    try:
        then = recorded().versions
    except NoRecord:
        return
    if rocq.told(here) != rocq.told(then):
        raise NoRocq(f"here is {rocq.told(here)}, and the files are for {rocq.told(then)}")


def difference(found: Audit) -> str:
    """Where the record says otherwise than what was found; empty where it agrees."""
    try:
        record = recorded()
    except NoRecord as reason:
        return str(reason).partition(": `")[0]
    other = [name for name, theorem in found.theorems.items() if record.theorems.get(name) != theorem]
    return f"the record says otherwise of {', '.join(other[:3])}" if other else ""


def told() -> Audit | None:
    """What is known without compiling anything: the last audit of these sources here, or else the record."""
    sources = Sources()
    try:
        note = json.loads((rocq.folder_of(sources) / AUDITED).read_text(encoding="utf-8"))["found"]
        if note["sources"] == sources.digest and set(named()) <= set(note["theorems"]):
            return _audit(note, note["theorems"].values())
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        return recorded(sources)
    except NoRecord:
        return None
