"""`certify` and `check`: make certificates, and check files, one line each."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import Refused
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.formal import how_known
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import (
    PROGRAM,
    Exit,
    NothingRan,
    Terminal,
    UsageError,
    as_usage_error,
    outcome,
)
from mamba_theorems.verify.files import SHIPPED, write


def certify(args: Namespace, terminal: Terminal) -> Exit:
    """Make each certificate, print its line, write it into the folder."""
    with as_usage_error():
        wanted = entries(asked.selected(args), args.target, args.dtype, dict(args.sizes))
        if not wanted:
            raise NothingRan("no certificate of the frozen set has this target and dtype: give its --sizes")
        asked.output(args, *(entry.name for entry in wanted))
        decided = [_certified(entry, args, terminal) for entry in wanted]
    return outcome(all(decided))


def entries(claims: Sequence[str], target: str | None, dtype: str | None, sizes: Mapping[str, int]) -> list[Request]:
    """What `certify` was asked for: one size of a claim, or what the frozen set has of the claims.

    Raises ValueError where no claim has a certificate, and for sizes of several claims.
    """
    targets = catalogue.subjects()
    chosen = [claim for claim in claims if claim in targets]
    if not chosen:
        raise ValueError(f"there is no certificate of '{claims[0]}': choose one of {', '.join(targets)}, or `all`")
    if not sizes:
        wanted = (e for e in catalogue.frozen() if e.claim in chosen and target in (None, e.target))
        return [entry for entry in wanted if dtype in (None, entry.dtype)]
    if len(claims) > 1:
        raise ValueError(f"--sizes goes with one claim: name it, as in `{PROGRAM} certify {chosen[0]} --sizes …`")
    return [
        Request(chosen[0], t, dtype or "float32", dict(sizes)) for t in ((target,) if target else targets[chosen[0]])
    ]


def _certified(entry: Request, args: Namespace, terminal: Terminal) -> bool:
    """Whether a certificate was decided. Raises ValueError for impossible sizes."""
    start, decided = time.perf_counter(), False
    try:
        certificate = entry.make()
    except Disproved as reason:
        line = f"no: {reason}"
    except Undecided as reason:
        line = f"undecided: {reason}"
    else:
        line, decided = f"certified, {_ends(certificate)}, argument {how_known(certificate)}", True
        if args.output is not None:
            write(args.output / entry.name, canonical(certificate))
    if args.longest:
        line += f"; closes up to input_seq_len = {catalogue.longest(entry)}"
    sizes = ", ".join(f"{name}={size}" for name, size in entry.sizes.items())
    seconds = time.perf_counter() - start
    terminal.put(f"{entry.claim} ({entry.target}, {entry.dtype}, {sizes}): {line} [{seconds:.1f} s]")
    return decided


def _ends(certificate: dict) -> str:
    """Both ends of the closing inequalities."""
    ends = {name: certificate["enclosures"][name] for name, _ in certificate["closing"]}
    return ", ".join(f"{name} in [{float(low):.6g}, {float(high):.6g}]" for name, (low, high) in ends.items())


def check(args: Namespace, terminal: Terminal) -> Exit:
    """Check each file against this code base, print yes or no with the reason, and how many hold.

    Without files: the certificates that ship with the program.
    """
    paths = args.words or sorted(map(str, (SHIPPED / "certificates").glob("*.json")))
    try:
        contents = [(path, Path(path).read_bytes()) for path in paths]
    except OSError as reason:
        raise UsageError(
            f"cannot read {reason.filename} ({reason.strerror}): name files that `certify` wrote"
        ) from reason
    held = sum(_sound(path, content, terminal) for path, content in contents)
    terminal.put(f"{held} of {len(paths)} certificates hold")
    return outcome(held == len(paths))


def _sound(path: str, content: bytes, terminal: Terminal) -> bool:
    try:
        certificate = catalogue.recheck(content.decode("utf-8"))
    except (UnicodeDecodeError, Refused) as reason:
        terminal.put(f"no: {path}: {reason}")
        return False
    subject = f"{certificate['claim']} ({certificate['target']}, {certificate['dtype']})"
    terminal.put(f"yes: {path}: {subject}; argument {how_known(certificate)}")
    return True
