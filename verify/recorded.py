"""What the last recorded run knows, read at once: nothing here builds a claim, and nothing imports sympy or torch.

`recorded.json` has the canonical part of a run with its digest, and what `explain`, `list` and `paper` show with its
own: when and on what the run was, each claim as it is told, and a fingerprint of the sources of the claims.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.version import __version__

RECORD = Path("recorded.json")
PARTS = {"canonical": "digest", "shown": "shown_digest"}


def last_record() -> Path:
    """The file of the last recorded run: the current folder's, or else the one that ships with the program."""
    return RECORD if RECORD.exists() else SHIPPED / RECORD


def digest(part: Mapping[str, Any]) -> str:
    """SHA-256 of a part in one fixed spelling."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parsed(text: str) -> Any:
    """A JSON text as data. Raises ValueError, in one sentence."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise ValueError(f"it is no whole JSON text ({reason})") from reason


def read() -> dict[str, Any]:
    """The record, whole. Raises ValueError, which says what is wrong with it and what to do."""
    path = last_record()
    return _read(path.absolute(), path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=1)
def _read(path: Path, _: int) -> dict[str, Any]:
    again = "make it again with `python -m verify all --record`"
    try:
        document = parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise ValueError(f"cannot use {path} ({reason}): {again}") from reason
    if not isinstance(document, dict) or not all(isinstance(document.get(part), dict) for part in PARTS):
        raise ValueError(f"{path} does not hold what a run showed: {again}")
    for part, name in PARTS.items():
        if digest(document[part]) != document.get(name):
            raise ValueError(f"cannot use {path}: its digest does not fit its {part} part: it was edited by hand")
    if document["canonical"].get("version") != __version__:
        raise ValueError(f"{path} was written by another version of this program: {again}")
    if not _is_whole(document):
        raise ValueError(f"cannot use {path}: it lacks claims, or what was said of them: {again}")
    return document


CLAIM = {"id", "family", "form", "paper", "title", "outcome", "expected", "erratum"}
RUN = {"date", "tier", "python", "machine", "versions"}


def _is_whole(document: Mapping[str, Any]) -> bool:
    """Whether all that is read here is there."""
    claims, shown = document["canonical"].get("claims"), document["shown"]
    known = isinstance(claims, list) and all(isinstance(claim, dict) and claim.keys() >= CLAIM for claim in claims)
    run = shown.get("run")
    return known and isinstance(run, dict) and run.keys() >= RUN and isinstance(shown.get("told"), dict)


def claims() -> dict[str, dict[str, Any]]:
    """Every recorded claim by its id. Raises ValueError."""
    return {claim["id"]: claim for claim in read()["canonical"]["claims"]}


def fingerprint() -> str:
    """Of the text of everything that claims are made of, as a short hash."""
    found = hashlib.sha256()
    for path in sorted((SHIPPED / "theorems").rglob("*.py")):
        found.update(path.relative_to(SHIPPED).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def is_current() -> bool:
    """Whether there is a record, and its claims are those of the sources that are here."""
    try:
        return read()["shown"].get("sources") == fingerprint()
    except ValueError:
        return False


def made() -> str:
    """When and on what the recorded run was, in one line. Raises ValueError."""
    document = read()
    run = document["shown"]["run"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    where = f"tier {run['tier']}, Python {run['python']} on {run['machine']}, {versions}"
    return f"recorded on {run['date']} by mamba-theorems {__version__} ({where}); digest {document['digest'][:16]}"
