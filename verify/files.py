"""Files that are whole or absent: written beside their place, then moved over the old one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path(".verify")
"""Where runs keep their notes and campaigns their findings."""
SHIPPED = Path(__file__).resolve().parents[1]
"""The folder of the four rooms and of what ships with them (recorded.json, certificates, notebooks)."""


class CannotWrite(RuntimeError):
    """A file cannot be written; the message says which and why."""


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file or none. Raises CannotWrite."""
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
        raise CannotWrite(f"cannot write {path} ({reason.strerror}): choose another -o") from reason
    finally:
        if name and os.path.exists(name):
            os.unlink(name)
