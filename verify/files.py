"""Files that are whole or absent, and notes of runs, a line each."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = Path(".verify")
"""Where runs keep their notes and campaigns their findings."""
SHIPPED = Path(__file__).resolve().parents[1]
"""The folder of the four rooms and of what ships with them (recorded.json, certificates, notebooks)."""


class CannotWrite(RuntimeError):
    """A file cannot be written; the message says which and why."""

    def __init__(self, path: Path, reason: OSError) -> None:
        super().__init__(f"cannot write {path} ({reason.strerror or reason}): choose another folder")


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file or none, text in UTF-8: first beside its place, then over the old file. Raises CannotWrite."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as reason:
        raise CannotWrite(path, reason) from reason
    finally:
        if name and os.path.exists(name):
            os.unlink(name)


def writable(path: Path) -> None:
    """Raises CannotWrite where `write` would: for a path whose content takes long to make. Leaves nothing behind."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(parent for parent in path.parents if parent.exists())
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as reason:
        raise CannotWrite(path, reason) from reason


class JsonLines:
    """A file to which JSON objects are added, a line each; where nothing can be written, nothing is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iterator[Any]:
        """The object of every whole line; a line that a kill cut short is passed over."""
        with suppress(OSError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def append(self, note: Any) -> None:
        """Add one object; without it the run cannot go on after an interruption, and is still a run."""
        with suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(note)}\n")  # the line before may have been cut short

    def close(self) -> None:
        """Forget everything: the run is complete."""
        with suppress(OSError):
            self.path.unlink()
