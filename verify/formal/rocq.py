"""Rocq on this machine: its versions, and theorems/formal compiled beside its sources' folder, what changed only."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mamba_theorems.verify.files import FOLDER, SHIPPED, write
from mamba_theorems.verify.formal.sources import PROJECT, ROOT, Sources, path_of

INSTALL = "make formal"
SECONDS = 150
"""What one file may take; the whole build has BUILD_SECONDS."""
BUILD_SECONDS = 3600
STAMPS = ".stamps.json"
"""Of each module in a folder of compiled files the digest of what its file, if there is one, was compiled from."""
QUIET = ("-w", "none")

LIBRARIES = {
    "mathcomp": ("mathcomp/ssreflect", "libcoq-mathcomp-ssreflect"),
    "algebra": ("mathcomp/algebra", "libcoq-mathcomp-algebra"),
    "algebra-tactics": ("mathcomp/algebra_tactics", "libcoq-mathcomp-algebra-tactics"),
    "analysis": ("mathcomp/analysis", "libcoq-mathcomp-analysis"),
    "Coquelicot": ("Coquelicot", "libcoq-coquelicot"),
}
"""What the files require: the library's folder below user-contrib, and the Debian package that tells its version."""


class NoRocq(RuntimeError):
    """Rocq, or what the files require, is not here; the message says what, in words that follow a colon."""


@dataclass(frozen=True)
class Built:
    """The folder of compiled files, and for each module that did not compile what Rocq says of it."""

    folder: Path
    failed: Mapping[str, str]


@cache
def versions() -> Mapping[str, str]:
    """Rocq's version and its libraries'. Raises NoRocq."""
    missing = [tool for tool in ("coqc", "coq_makefile", "make") if shutil.which(tool) is None]
    if missing:
        raise NoRocq(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")
    said = _output("coqc", "--version")
    number = re.search(r"version (\S+)", said)
    contrib = Path(_output("coqc", "-where").strip()) / "user-contrib"
    lacking = [name for name, (folder, _) in LIBRARIES.items() if not (contrib / folder).is_dir()]
    if number is None or lacking:
        raise NoRocq(f"Coq's {', '.join(lacking)} not installed" if lacking else "coqc tells no version")
    return {"Coq": number[1]} | {name: _packaged(package) for name, (_, package) in LIBRARIES.items()}


def told(found: Mapping[str, str]) -> str:
    """Versions in a sentence: the two that matter most."""
    return f"Coq {found['Coq']} and mathcomp {found['mathcomp']}"


def _packaged(package: str) -> str:
    """What Debian says of a package, without its own revision."""
    try:
        said = _output("dpkg-query", "-W", "-f", "${Version}", package)
    except (OSError, subprocess.CalledProcessError):
        return "of unknown version"
    return re.split(r"[-+]", said)[0]


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def run(words: Sequence[str], folder: Path, seconds: float) -> tuple[int, str]:
    """Run a program in a folder: its exit code, 124 where it took too long, and all that it printed.

    It has a process group of its own, which ends with this process's interest in it.
    """
    with subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return 124, f"it took more than {seconds:.0f} s"
        except BaseException:
            _end(process)
            raise
        return process.returncode, said


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the whole group to end, so that make removes the file at which it was, and then see that it has ended."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


# --- the build -------------------------------------------------------------------------------------------------------


def folder_of(sources: Sources) -> Path:
    """Where the compiled files of a folder of sources are: of the project's own in the checkout, wherever one stands.

    Of an installed package, and of other sources, they are below the current folder.
    """
    if sources.folder != Sources().folder:
        return FOLDER.resolve() / "formal" / hashlib.sha256(str(sources.folder).encode()).hexdigest()[:12]
    checkout = (SHIPPED / "pyproject.toml").exists() and os.access(SHIPPED, os.W_OK)
    return (SHIPPED / FOLDER if checkout else FOLDER.resolve()) / "formal" / "build"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works in a folder. Raises NoRocq where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as reason:
        raise NoRocq(f"nothing can be compiled into {folder} ({reason.strerror})") from reason
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(sources: Sources) -> Built:
    """Compile what changed, and what requires it. Raises NoRocq; the folder must be this process's alone."""
    folder, stamps = folder_of(sources), _stamps(sources)
    before = _noted(folder)
    changed = [m for m in sources.texts if before.get(m) != stamps[m] or not _compiled(folder, m).exists()]
    for module in {*before, *_left(folder)} - set(sources.texts) | set(changed):
        for path in folder.glob(f"{module.replace('.', '/')}.*"):
            path.unlink()
    for module in changed:
        write(folder / path_of(module), sources.texts[module])
    write(folder / PROJECT, sources.project)
    write(folder / STAMPS, json.dumps(stamps))  # before the work: what an interrupted build has done stays done
    said = _make(folder, sources) if changed else ""
    failed = {m: _said_of(m, said) for m in sources.texts if not _compiled(folder, m).exists()}
    return Built(folder, failed)


def _stamps(sources: Sources) -> dict[str, str]:
    """Of each module the digest of all that its compiled file depends on."""
    installed = json.dumps(versions(), sort_keys=True)
    return {
        module: hashlib.sha256(
            "\0".join([installed, *(sources.texts[m] for m in sources.needs(module))]).encode()
        ).hexdigest()
        for module in sources.texts
    }


def _noted(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / STAMPS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _left(folder: Path) -> set[str]:
    return {".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("*.v")}


def _compiled(folder: Path, module: str) -> Path:
    return folder / path_of(module).replace(".v", ".vo")


def _make(folder: Path, sources: Sources) -> str:
    files = [path_of(module) for module in sources.texts]
    code, said = run(["coq_makefile", "-f", PROJECT, *files, "-o", "Makefile.coq"], folder, SECONDS)
    if code:
        raise NoRocq(f"coq_makefile fails ({said.strip()})")
    jobs = f"-j{os.cpu_count() or 1}"
    code, said = run(["make", "-k", jobs, "-f", "Makefile.coq", f"COQC=timeout {SECONDS} coqc"], folder, BUILD_SECONDS)
    if code == 124:
        raise NoRocq(f"the files are not compiled after {BUILD_SECONDS} s, and the next run goes on from there")
    return said


def _said_of(module: str, said: str) -> str:
    """What the compiler printed on a file, in one line."""
    file = re.escape(path_of(module))
    if found := re.search(
        rf'File "(?:\./)?{file}", (line \d+), [^\n]*\n(?:Error:)?(.*?)(?=\n\n|\nmake|\Z)', said, re.DOTALL
    ):
        return f"{found[1]}: {' '.join(found[2].split())[:300]}"
    return f"it took more than {SECONDS} s" if re.search(rf"{file}o\] Error 124", said) else "what it requires fails"


def recheck(built: Built, sources: Sources) -> str:
    """What coqchk, a checker of its own, has against the compiled files; empty where it accepts them.

    The libraries are taken as they are: to check these too takes more than an hour.
    """
    modules = [word for m in sources.texts if m not in built.failed for word in ("-norec", f"{ROOT}.{m}")]
    failed, said = run(["coqchk", "-silent", *modules, "-R", ".", ROOT], built.folder, BUILD_SECONDS)
    return " ".join(said.split())[-300:] if failed else ""


def coqc(file: Path, built: Path, seconds: float = SECONDS, *options: str) -> tuple[int, str]:
    """Compile one file against a folder of compiled ones."""
    return run(["coqc", *QUIET, *options, "-R", str(built), ROOT, file.name], file.parent, seconds)
