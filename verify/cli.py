"""The command line: `python -m verify all`, `CLAIM…`, `list`, `explain CLAIM`, `graph`, `figure NAME`, `appendix`,
`certify CLAIM`, `check FILE…`, `fuzz CLAIM…|all`.

Exit codes: 0 every outcome as expected, 1 not, 2 interrupted, 3 internal error, 4 wrong usage, 5 nothing ran.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import record as data
from mamba_theorems.verify.checks.foreign import foreign
from mamba_theorems.verify.checks.registry import all_checks
from mamba_theorems.verify.commands import export
from mamba_theorems.verify.commands.export import WrongExport
from mamba_theorems.verify.engine.gather import replay
from mamba_theorems.verify.engine.journal import Journal
from mamba_theorems.verify.engine.runner import verify, with_dependencies
from mamba_theorems.verify.evidence import Report
from mamba_theorems.verify.extras import MissingExtra
from mamba_theorems.verify.files import CannotWrite, write
from mamba_theorems.verify.report import explain, graph, paper_map, readme, text
from mamba_theorems.verify.report.formats import FORMATS, plain_text
from mamba_theorems.verify.settings import Run, Sizes, Tier

GRAPHS = {"dot": graph.dot, "mermaid": graph.mermaid, "svg": graph.svg}


class Exit(IntEnum):
    """What the process tells its caller."""

    EXPECTED = 0
    UNEXPECTED = 1
    INTERRUPTED = 2
    INTERNAL = 3
    USAGE = 4
    NOTHING = 5


class UsageError(Exception):
    """What the user asked for cannot be done; the message is one sentence that says what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `python -m verify --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    console = Console(highlight=False)
    try:
        return _dispatch(_parser().parse_args(argv), console)
    except (UsageError, CannotWrite, MissingExtra, WrongExport) as reason:
        print(f"verify: {reason}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        print("verify: interrupted; no report was written: the same command goes on from here", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.EXPECTED
    except Exception:
        console.print_exception()
        return Exit.INTERNAL


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m verify", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add(
        "words",
        nargs="+",
        metavar="all | CLAIM… | list | explain CLAIM | …",
        help="what to do (also: graph, figure NAME, appendix, certify CLAIM, check FILE…,\nexport CLAIM, sizes, fuzz)",
    )
    add("-k", metavar="TEXT", default="", help="only claims whose id or title contains TEXT")
    add("-x", action="store_true", help="stop at the first claim that is not as expected")
    add("--tier", choices=[t.value for t in Tier], default="quick", help="how much to run (default: quick)")
    add("--device", default="cpu", help="cpu (default) or cuda")
    add("--dtype", choices=["float32", "float64"], help="only this dtype")
    add("--seed", type=int, default=0, help="seed of every random draw (default: 0)")
    add("--controls", action="store_true", help="also run every mutant; each must be rejected")
    add("--replay", metavar="CHECK:CASE", help="run one instance of one check again")
    add("--vocab-size", type=int, metavar="V", help="run recall at these sizes…")
    add("--input-seq-len", type=int, metavar="L", help="…length…")
    add("--num-kv-pairs", type=int, metavar="K", help="…and pairs (all three together)")
    add("--architecture", metavar="NAME", help="export: mamba or mamba2 (default: the one the claim is about)")
    add("--kernel", metavar="MODULE:FUNCTION", help="run all numeric evidence on this selective_scan (or OPERATION=…)")
    add("--sizes", nargs="+", default=[], metavar="NAME=N", help="certify at these sizes (default: the frozen set)")
    add("--target", help="certify only this target; export: transformers (default), mamba_ssm, safetensors")
    add("--longest", action="store_true", help="certify: also find the largest input_seq_len that the argument covers")
    add("--output-format", choices=[*FORMATS, *GRAPHS], default="text", help="default: text; graph: dot, mermaid, svg")
    add("--from", dest="source", type=Path, metavar="FILE", help="render a report.json instead of running")
    add("-o", dest="output", type=Path, metavar="DIR", help="write the report into DIR as well")
    fuzz = parser.add_argument_group("fuzz", "with --seed, --device, --dtype, --kernel, -x, -o and --controls as above")
    fuzz.add_argument("--time", metavar="10m", help="hunt so long; whole rounds count")
    fuzz.add_argument("--examples", type=int, metavar="N", help="give each way of drawing each property N cases")
    fuzz.add_argument("--per-cell", type=int, default=25, metavar="N", help="cases of one task (default: 25)")
    fuzz.add_argument("--workers", default="auto", metavar="auto|N", help="processes (default: one a processor)")
    fuzz.add_argument("--scheduler", metavar="tcp://…", help="run on this Dask cluster instead")
    fuzz.add_argument("--profile", choices=["quick", "nightly", "ci"], default="quick", help="default: quick")
    add("--fuzz", dest="campaign", type=Path, metavar="FILE", help="add the evidence of a campaign's fuzz.json")
    add("--record", action="store_true", help="with `all`: write recorded.json, paper_map.md and the README's sample")
    return parser


def _dispatch(args: argparse.Namespace, console: Console) -> int:
    command, *rest = args.words
    if command in ("certify", "check"):
        return _certificates(command, rest, args, console)
    if command == "list":
        return _list(_selected(rest or ["all"], args.k), console)
    if command == "graph":
        return _graph(_selected(rest or ["all"], args.k), args)
    if command == "figure":
        return _figure(rest, args)
    if command == "sizes":
        return _recall_sizes(args, console)
    if command == "export":
        console.print(
            export.run(rest, args.target, args.architecture, _sizes(args), args.output), soft_wrap=True, markup=False
        )
        return Exit.EXPECTED
    if command == "fuzz":
        return _fuzz(rest, args, console)
    run = _run(args)
    if args.replay is not None:
        return _replay(args.words, args.replay, run, console)
    if command == "explain":
        return _explain(rest, run, console)
    if command == "appendix":
        return _appendix(_selected(rest or ["all"], args.k), args, run, console)
    return _verify(_selected(args.words, args.k), args, run, console)


# --- what was asked for ------------------------------------------------------------------------------------------


def _selected(words: Sequence[str], keyword: str) -> list[str]:
    """Claim ids named by the words, all of them for `all`, narrowed by the keyword."""
    for word in words:
        if word != "all" and word not in claims():
            raise UsageError(f"there is no claim '{word}'{_closest(word)}: `python -m verify list` shows all")
    chosen = list(claims()) if "all" in words else list(dict.fromkeys(words))
    return [c for c in chosen if keyword.lower() in f"{c} {claims()[c].title}".lower()]


def _closest(word: str) -> str:
    words = [
        *claims(),
        "all",
        "list",
        "explain",
        "graph",
        "figure",
        "appendix",
        "certify",
        "check",
        "export",
        "sizes",
        "fuzz",
    ]
    near = get_close_matches(word, words, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _run(args: argparse.Namespace) -> Run:
    dtypes = (args.dtype,) if args.dtype else ("float32", "float64")
    return Run(Tier(args.tier), args.seed, _device(args.device), dtypes, _kernel(args.kernel), _sizes(args))


def _device(name: str) -> str:
    import torch  # noqa: PLC0415 - `list` and wrong usage need no torch

    if name not in ("cpu", "cuda"):
        raise UsageError(f"there is no device '{name}': use cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("this machine has no CUDA device: leave --device out to run on the CPU")
    return name


def _sizes(args: argparse.Namespace) -> Sizes | None:
    given = (args.vocab_size, args.input_seq_len, args.num_kv_pairs)
    if given == (None, None, None):
        return None
    if None in given:
        raise UsageError("give --vocab-size, --input-seq-len and --num-kv-pairs together")
    from mamba_theorems.constructions.tasks import zoology_mqar  # noqa: PLC0415

    try:
        zoology_mqar(args.vocab_size, 1, args.input_seq_len, 0, num_kv_pairs=args.num_kv_pairs)
    except ValueError as reason:
        raise UsageError(str(reason)) from reason
    return Sizes(*given)


def _kernel(name: str | None) -> str:
    """The name of someone else's kernel, once it is known to be there."""
    try:
        with foreign(name or ""):
            return name or ""
    except ValueError as reason:
        raise UsageError(str(reason)) from reason


# --- certificates ------------------------------------------------------------------------------------------------


def _certificates(command: str, words: list[str], args: argparse.Namespace, console: Console) -> int:
    from mamba_theorems.verify.commands import certify as commands  # noqa: PLC0415 - torch is loaded only where it is needed

    if command == "check":
        if not words:
            raise UsageError("name the certificates to check, as in `python -m verify check certificates/*.json`")
        return Exit.EXPECTED if commands.check(words, console) else Exit.UNEXPECTED
    if len(words) != 1:
        raise UsageError("name one claim to certify, or `all`, as in `python -m verify certify mqar.thm2-step1`")
    try:
        wanted = commands.entries(words[0], args.target, args.dtype, args.sizes)
        decided = commands.certify(wanted, args.output, console, longest=args.longest)
    except ValueError as reason:
        raise UsageError(str(reason)) from reason
    if not wanted:
        return Exit.NOTHING
    return Exit.EXPECTED if decided else Exit.UNEXPECTED


# --- campaigns ---------------------------------------------------------------------------------------------------


def _fuzz(words: list[str], args: argparse.Namespace, console: Console) -> int:
    from mamba_theorems.verify.commands import fuzz as commands  # noqa: PLC0415 - torch is loaded only where it is needed

    try:
        if args.replay is not None:
            return Exit.EXPECTED if commands.replay(args.replay, console) else Exit.UNEXPECTED
        selected = _selected(words, args.k)
        if not selected:
            raise UsageError("name the claims to hunt through, or `all`, as in `python -m verify fuzz all --time 10m`")
        options = commands.Options(
            args.time, args.examples, args.per_cell, args.workers, args.scheduler, args.profile,
            args.x, args.output_format == "json", args.output,
        )  # fmt: skip
        if args.controls:
            return Exit.EXPECTED if commands.controls(selected, _run(args), options, console) else Exit.UNEXPECTED
        campaign = commands.fuzz(selected, _run(args), options, console)
    except ValueError as reason:
        raise UsageError(str(reason)) from reason
    if campaign.interrupted:
        return Exit.INTERRUPTED
    return Exit.UNEXPECTED if campaign.findings else Exit.EXPECTED


def _with_campaign(report: Report, path: Path | None) -> Report:
    """The report with a campaign's evidence, if one is named."""
    if path is None:
        return report
    from mamba_theorems.verify.fuzz import report as campaigns  # noqa: PLC0415 - torch is loaded only where it is needed

    try:
        return campaigns.merge(report, campaigns.read_evidence(_document(path)))
    except ValueError as reason:
        raise UsageError(f"cannot use {path}: {reason}") from reason


# --- what is done ------------------------------------------------------------------------------------------------


def _list(selected: list[str], console: Console) -> int:
    width = max(map(len, selected), default=0)
    for name in selected:
        claim = claims()[name]
        console.print(f"{name:<{width}}  {claim.form:<9}  {claim.title}", soft_wrap=True, markup=False)
    return Exit.EXPECTED if selected else Exit.NOTHING


def _graph(selected: list[str], args: argparse.Namespace) -> int:
    name = "dot" if args.output_format == "text" else args.output_format
    if name not in GRAPHS:
        raise UsageError(f"a graph is written as one of {', '.join(GRAPHS)}, not {name}")
    drawn = GRAPHS[name](selected, _outcomes(args.source))
    if args.output is None:
        sys.stdout.write(drawn)
    else:
        write(args.output / f"graph.{name}", drawn)
    return Exit.EXPECTED if selected else Exit.NOTHING


def _figure(names: list[str], args: argparse.Namespace) -> int:
    from mamba_theorems.verify.report import publish  # noqa: PLC0415 - optional extras

    known = publish.names()
    if args.output is None or not names or not set(names) <= {*known, "all"}:
        raise UsageError(f"a figure takes -o DIR and names among: {', '.join(['all', *known])}")
    for name in known if "all" in names else names:
        for path, content in publish.figure_files(name).items():
            write(args.output / path, content)
    return Exit.EXPECTED


def _appendix(selected: list[str], args: argparse.Namespace, run: Run, console: Console) -> int:
    from mamba_theorems.verify.report import publish  # noqa: PLC0415 - optional extras

    if args.output is None:
        raise UsageError("an appendix takes -o DIR: the folder for its PDF, LaTeX, page, results and figures")
    publish.ready()
    report = _report(selected, args, run)
    text.write(report, console)
    for path, content in publish.companion(report).items():
        write(args.output / path, content)
    console.print(f"written: {args.output / 'appendix.pdf'}", soft_wrap=True, markup=False)
    return Exit.EXPECTED if report.as_expected else Exit.UNEXPECTED


def _outcomes(source: Path | None) -> dict[str, Outcome]:
    """Outcomes by claim, from a report or else from the last recorded run."""
    found = _document(source or paper_map.last_record())["canonical"]["claims"]
    return {c["id"]: Outcome(c["outcome"]) for c in found if c["id"] in claims()}


def _document(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise UsageError(f"cannot read the report {path} ({reason}): give the JSON that -o wrote") from reason


def _report(selected: list[str], args: argparse.Namespace, run: Run) -> Report:
    """A run, or the one that --from names."""
    if args.source is None:
        return _with_campaign(_with_progress(selected, run, controls=args.controls, stop_early=args.x), args.campaign)
    try:
        whole = data.load(_document(args.source))
    except ValueError as reason:
        raise UsageError(f"cannot use {args.source}: {reason}") from reason
    wanted = with_dependencies(selected)
    return _with_campaign(replace(whole, claims=tuple(c for c in whole.claims if c.claim.id in wanted)), args.campaign)


def _explain(words: list[str], run: Run, console: Console) -> int:
    if not words:
        raise UsageError("name the claim to explain, as in `python -m verify explain mqar.thm2-step1`")
    selected = _selected(words, "")
    report = _with_progress(selected, run, controls=False, stop_early=False)
    found = [c for c in report.claims if c.claim.id in selected]
    for claim in found:
        explain.write(claim, console)
    return Exit.EXPECTED if all(c.as_expected for c in found) else Exit.UNEXPECTED


def _recall_sizes(args: argparse.Namespace, console: Console) -> int:
    """The table of what recall costs, at the sizes asked for or over its grid; `-o` writes it into a folder."""
    from mamba_theorems.constructions.mqar import sizes  # noqa: PLC0415 - the other commands need no torch here

    wanted = _sizes(args)
    grid = sizes.GRID if wanted is None else ((wanted.num_kv_pairs, wanted.vocab_size - wanted.num_kv_pairs),)
    text = sizes.render(grid)
    if args.output is None:
        console.print(text, soft_wrap=True, markup=False)
    else:
        write(args.output / "recall_sizes.md", text)
    return Exit.EXPECTED


def _replay(words: list[str], spec: str, run: Run, console: Console) -> int:
    selected = _selected(words, "")
    claim = selected[0]
    name, _, case = spec.partition(":")
    names = [c.name for c in all_checks()[claim]] if len(selected) == 1 else []
    if name not in names:
        raise UsageError(f"--replay takes one claim and CHECK:CASE, with CHECK one of: {', '.join(names) or 'none'}")
    try:
        instance = json.loads(case)
    except json.JSONDecodeError as reason:
        raise UsageError(f"the case after '{name}:' is not JSON ({reason}): copy the whole replay line") from reason
    try:
        evidence = replay(claim, name, instance, run)
    except (TypeError, KeyError) as reason:
        raise UsageError(f"the case does not fit check '{name}' ({reason}): copy the whole replay line") from reason
    console.print(f"{claim}: {name}: {evidence.summary}", soft_wrap=True, markup=False)
    return Exit.EXPECTED if evidence.holds else Exit.UNEXPECTED


def _verify(selected: list[str], args: argparse.Namespace, run: Run, console: Console) -> int:
    if not selected:
        print("verify: no claim matches; `python -m verify list` shows all", file=sys.stderr)
        return Exit.NOTHING
    if args.record and (args.words != ["all"] or args.k):
        raise UsageError("--record goes with `all`: a record of some claims would lose the others")
    if args.output_format not in FORMATS:
        raise UsageError(f"--output-format {args.output_format} goes with `graph`: choose one of {', '.join(FORMATS)}")
    FORMATS[args.output_format].ready()
    report = _report(selected, args, run)
    written = "" if args.output_format == "text" else FORMATS[args.output_format].dumps(report)
    if written and args.output is None:
        sys.stdout.write(written)
    else:
        text.write(report, console)
    if args.output is not None:
        write(args.output / FORMATS[args.output_format].file, written or plain_text(report))
    if args.record:
        record(report)
    return Exit.EXPECTED if report.as_expected else Exit.UNEXPECTED


def record(report: Report, folder: Path = Path()) -> None:
    """Write recorded.json (the canonical part and its digest), paper_map.md, and the README's sample of the output."""
    document = {key: value for key, value in data.document(report).items() if key != "volatile"}
    write(folder / paper_map.RECORD, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    write(folder / paper_map.MAP, paper_map.render(document))
    readme.update(write, plain_text(report), folder)


def _with_progress(selected: list[str], run: Run, *, controls: bool, stop_early: bool) -> Report:
    """Run with a progress bar, from where an interrupted run of the same kind stopped; not with a foreign kernel."""
    notes = None if run.kernel else Journal(run)
    wanted = with_dependencies(selected)
    if notes is not None and (known := sum(c in notes.claims for c in wanted)):
        print(f"verify: {known} of {len(wanted)} claims are from an interrupted run ({notes.path})", file=sys.stderr)
    with _bar(len(wanted) * (2 if controls else 1)) as advance:
        report = verify(selected, run, controls=controls, stop_early=stop_early, progress=advance, notes=notes)
    if notes is not None:
        notes.close()
    return report


@contextmanager
def _bar(total: int) -> Iterator:
    """A progress bar on a terminal's standard error, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=total)

        def advance(name: str) -> None:
            progress.update(task, description=name, advance=1)

        yield advance
