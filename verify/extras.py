"""Optional extras: what is missing, and how to get it, in one sentence."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from mamba_theorems.verify.files import SHIPPED


class MissingExtra(RuntimeError):
    """A part of the program needs a package that is not installed."""


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Turn an ImportError inside into one sentence. Raises MissingExtra."""
    try:
        yield
    except ImportError as reason:
        name = reason.name or "a package"
        raise MissingExtra(f"{what} needs {name}, which is not installed: {install(extra)}") from reason


def install(extra: str) -> str:
    """The command that installs an extra: from the checkout that this is, else its packages by their own names.

    This program itself is on no index, and an import name such as `pywt` is not the name of a package there.
    """
    pip = f"{_python()} -m pip install"
    if (SHIPPED / "pyproject.toml").exists():
        return f"{pip} -c constraints.txt '.[{extra}]', from the checkout's root"
    return f"{pip} {' '.join(map(shlex.quote, requirements(extra)))}"


def _python() -> str:
    """The interpreter that runs, as it can be typed from here."""
    running = Path(sys.executable)
    here = Path.cwd()
    return shlex.quote(str(running.relative_to(here) if running.is_relative_to(here) else running))


def requirements(extra: str) -> list[str]:
    """What the installed program's metadata name for an extra."""
    found = metadata.requires("mamba-theorems") or []
    return [line.partition(";")[0].strip() for line in found if re.search(rf"extra *== *['\"]{extra}['\"]", line)]
