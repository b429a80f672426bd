"""`formal`: the theorems in Rocq, compiled where they changed, and what Rocq says of each."""

from __future__ import annotations

import textwrap
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator

from rich.text import Text

from mamba_theorems.theorems.claim import Claim, Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import PROGRAM, Exit, NothingRan, Terminal, UsageError, outcome, say
from mamba_theorems.verify.files import writable, write
from mamba_theorems.verify.formal import kept, rocq, weaken
from mamba_theorems.verify.formal.audit import Audit, Theorem
from mamba_theorems.verify.formal.rocq import NoRocq
from mamba_theorems.verify.formal.sources import Sources, path_of
from mamba_theorems.verify.report.places import file_of

WIDTH = 80


def formal(args: Namespace, terminal: Terminal) -> Exit:
    """`formal [CLAIM…]`."""
    selected = [claims()[c] for c in asked.selected(args, unnamed=["all"])]
    shown = [claim for claim in selected if claim.formal]
    if args.record and len(selected) < len(claims()):
        raise UsageError("--record goes without claims and -k: a record of less would lose the rest")
    if args.record:
        writable(Sources().folder / kept.RECORD)
    if not shown and (args.words or args.k):
        raise NothingRan(
            f"no theorem in Rocq is named by {', '.join(c.id for c in selected[:3])}: see `{PROGRAM} formal`"
        )
    found, lines = _examined(args)
    for claim in shown:
        for text in _claim(claim, found):
            terminal.print(text, soft_wrap=True)
    wrong = [*_wrong(shown, found), *_build_failures()]
    wrong += _controls(shown, lines) if args.controls else []
    wrong += _checked(lines) if args.check else []
    for line in [*_summary(shown, found), *lines]:
        terminal.print(Text(line, style="bold"), soft_wrap=True)
    for line in wrong:
        for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False):
            terminal.print(Text(part, style="bold red"), soft_wrap=True)
    _record(args, found, not wrong)
    return outcome(not wrong)


def _examined(args: Namespace) -> tuple[Audit, list[str]]:
    """What Rocq says of all claims' theorems, and how long it took. Raises NothingRan where there is no Rocq."""
    start = time.perf_counter()
    try:
        found = kept.examine()
    except NoRocq as reason:
        raise NothingRan(
            f"Rocq is not asked, since {reason}; what is known is {kept.without(str(reason)).how}"
        ) from reason
    return found, [f"compiled and audited in {time.perf_counter() - start:.0f} s"]


def _build_failures() -> list[str]:
    """Files that do not compile, whether or not a claim names a theorem of theirs."""
    sources = Sources()
    if sources.refused:
        return [f"{where}: {what} is refused" for where, what in sources.refused]
    with rocq.alone(rocq.folder_of(sources)):
        built = rocq.build(sources)
    return [f"{path_of(module)} does not compile: {said}" for module, said in built.failed.items()]


def _claim(claim: Claim, found: Audit) -> Iterator[Text]:
    if claim.formal is None:
        return
    for line in textwrap.wrap(f"{claim.id} — {claim.title}", WIDTH, subsequent_indent="  ", break_on_hyphens=False):
        yield Text(line, style="bold")
    for name in claim.formal.theorems:
        theorem = found.theorems.get(name)
        yield from (Text(f"  {line}") for line in (name, f"  in {file_of(name)}"))
        yield from (Text(f"    {line}") for line in (_theorem(theorem) if theorem else [found.refused[name]]))
    role = "they refute it" if claim.expected is Outcome.REFUTED else "nothing"
    yield from _wrapped(f"leaves out: {claim.formal.leaves_out or 'nothing'}" if role == "nothing" else role)
    yield Text()


def _theorem(theorem: Theorem) -> Iterator[str]:
    yield from theorem.says.splitlines()
    axioms = ", ".join(theorem.axioms) or "none, closed under the global context"
    yield from textwrap.wrap(f"axioms: {axioms}", WIDTH - 4, subsequent_indent="  ")
    yield f"digest: {theorem.digest[:16]}, of this and {len(theorem.definitions)} definitions below it"


def _wrapped(text: str) -> Iterator[Text]:
    for line in textwrap.wrap(text, WIDTH - 2, subsequent_indent="  ", break_on_hyphens=False):
        yield Text(f"  {line}")


def _summary(shown: list[Claim], found: Audit) -> Iterator[str]:
    whole = [c for c in shown if c.formal and not c.formal.leaves_out and set(c.formal.theorems) <= set(found.theorems)]
    theorems = [found.theorems[n] for c in shown if c.formal for n in c.formal.theorems if n in found.theorems]
    closed = sum(not theorem.axioms for theorem in theorems)
    yield f"{len(theorems)} theorems of {len(shown)} claims accepted, {closed} of them without any axiom;"
    yield f"{len(whole)} claims with nothing left out; {len(found.theorems)} theorems audited in all"
    yield from textwrap.wrap(", ".join(f"{name} {version}" for name, version in found.versions.items()), WIDTH)


def _wrong(shown: Iterable[Claim], found: Audit) -> list[str]:
    by_claims = {name: claim.id for claim in shown if claim.formal for name in claim.formal.theorems}
    lacking = [name for name in dict.fromkeys([*by_claims, *found.refused]) if name not in found.theorems]
    return [f"{by_claims.get(name, 'no claim')}: {name}: {found.refused.get(name, 'not audited')}" for name in lacking]


def _controls(shown: list[Claim], lines: list[str]) -> list[str]:
    """Try every change that the claims name; each must be refused."""
    sources = Sources()
    with rocq.alone(rocq.folder_of(sources)):
        built = rocq.build(sources)
        tried = [
            weaken.attempt(claim, change, sources, built)
            for claim in shown
            for change in (claim.formal.refused if claim.formal else ())
        ]
    lines.append(f"controls: {sum(t.refused for t in tried)} of {len(tried)} weakened statements refused")
    return [f"{t.claim}: {t.name}: not refused: {t.said}" for t in tried if not t.refused]


def _checked(lines: list[str]) -> list[str]:
    """Have coqchk, which shares little with coqc, check the compiled files again."""
    sources, start = Sources(), time.perf_counter()
    with rocq.alone(rocq.folder_of(sources)):
        wrong = rocq.recheck(rocq.build(sources), sources)
    lines.append(f"coqchk: {'fails' if wrong else 'every file'} ({time.perf_counter() - start:.0f} s)")
    return [f"coqchk: {wrong}"] if wrong else []


def _record(args: Namespace, found: Audit, right: bool) -> None:
    """Write the record where that was asked for; else say where it differs from what was found."""
    target = Sources().folder / kept.RECORD
    if args.record and not right:
        say("nothing is recorded, since not all is as claimed")
    elif args.record:
        write(target, kept.dumps(found))
    elif difference := kept.difference(found):
        say(f"{difference}: read the change, then run `{PROGRAM} formal --record`")
