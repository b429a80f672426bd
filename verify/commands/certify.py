"""`verify certify` and `verify check`: make certificates, and check files, one line each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import Refused
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.files import write


def entries(claim: str, target: str | None, dtype: str | None, sizes: Sequence[str]) -> list[Request]:
    """What `certify` was asked for: one size of a claim, or its frozen set (`all`: the whole set).

    Raises ValueError for an unknown claim or target, or a size that is not NAME=N.
    """
    if claim != "all" and claim not in catalogue.subjects():
        known = ", ".join(catalogue.subjects())
        raise ValueError(f"there is no certificate of '{claim}': choose one of {known}, or `all`")
    if not sizes:
        wanted = (e for e in catalogue.frozen() if claim in ("all", e.claim) and target in (None, e.target))
        return [entry for entry in wanted if dtype in (None, entry.dtype)]
    if claim == "all":
        raise ValueError("--sizes goes with one claim: name it in place of `all`")
    targets = (target,) if target else catalogue.subjects()[claim]
    return [Request(claim, t, dtype or "float32", _sizes(sizes)) for t in targets]


def _sizes(words: Sequence[str]) -> dict[str, int]:
    pairs = [word.partition("=") for word in words]
    if not all(name and number.isdecimal() for name, _, number in pairs):
        raise ValueError("--sizes takes NAME=N, as in `--sizes vocab_size=64 input_seq_len=64 num_kv_pairs=8`")
    return {name: int(number) for name, _, number in pairs}


def certify(wanted: Sequence[Request], folder: Path | None, console: Console, *, longest: bool = False) -> bool:
    """Make each certificate, print its line, write it into the folder; whether all were decided.

    Raises ValueError for impossible sizes.
    """
    decided = True
    for entry in wanted:
        start = time.perf_counter()
        try:
            certificate = entry.make()
        except Disproved as reason:
            line, decided = f"no: {reason}", False
        except Undecided as reason:
            line, decided = f"undecided: {reason}", False
        else:
            line = f"certified, {_ends(certificate)}"
            if folder is not None:
                write(folder / entry.name, canonical(certificate))
        if longest:
            line += f"; closes up to input_seq_len = {catalogue.longest(entry)}"
        sizes = ", ".join(f"{name}={size}" for name, size in entry.sizes.items())
        seconds = time.perf_counter() - start
        console.print(
            f"{entry.claim} ({entry.target}, {entry.dtype}, {sizes}): {line} [{seconds:.1f} s]",
            soft_wrap=True,
            markup=False,
        )
    return decided


def _ends(certificate: dict) -> str:
    """The lower ends of the closing inequalities."""
    ends = {name: certificate["enclosures"][name] for name, _ in certificate["closing"]}
    return ", ".join(f"{name} in [{float(low):.6g}, {float(high):.6g}]" for name, (low, high) in ends.items())


def check(paths: Sequence[str], console: Console) -> bool:
    """Check each file against this code base, and print yes or no with the reason; whether all hold."""
    sound = bool(paths)
    for path in paths:
        try:
            certificate = catalogue.recheck(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as reason:
            sound, line = False, f"no: {path}: it cannot be read ({reason})"
        except Refused as reason:
            sound, line = False, f"no: {path}: {reason}"
        else:
            line = f"yes: {path}: {certificate['claim']} ({certificate['target']}, {certificate['dtype']})"
        console.print(line, soft_wrap=True, markup=False)
    return sound
