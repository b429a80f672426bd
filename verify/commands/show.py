"""What is known without a run, and what a run is shown as: list, explain, graph, figure, appendix, cite, sizes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mamba_theorems.verify import recorded
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.table import UNASKED
from mamba_theorems.verify.commands.usage import (
    PROGRAM,
    Exit,
    NothingRan,
    Terminal,
    UsageError,
    as_usage_error,
    outcome,
    say,
)
from mamba_theorems.verify.files import write
from mamba_theorems.verify.report import layout, paper

if TYPE_CHECKING:
    from mamba_theorems.theorems.claim import Outcome

ONLY_WITH_RUN = {
    "--tier": "tier", "--device": "device", "--dtype": "dtype", "--seed": "seed", "--kernel": "kernel",
    "--vocab-size": "vocab_size", "--input-seq-len": "input_seq_len", "--num-kv-pairs": "num_kv_pairs",
}  # fmt: skip


def claims_list(args: Namespace, terminal: Terminal) -> Exit:
    """`list`: a line each."""
    selected, listed = asked.selected(args, unnamed=["all"]), asked.known()
    width = max(map(len, selected)) + 2
    rows = ((f"{name:<{width}}{listed[name].form}", listed[name].title) for name in selected)
    for line in layout.columns(rows, terminal.width, width + 11):
        terminal.put(line)
    return Exit.EXPECTED


def claims_graph(args: Namespace, terminal: Terminal) -> Exit:
    """`graph`: what rests on what."""
    selected = asked.selected(args, unnamed=["all"])
    from mamba_theorems.verify.report import graph  # noqa: PLC0415 - builds every claim

    drawn = graph.DRAWN[args.output_format](selected, _outcomes(args.source))
    if args.output is None:
        terminal.document(drawn)
    else:
        write(args.output / f"graph.{args.output_format}", drawn)
    return Exit.EXPECTED


def _outcomes(source: Path | None) -> dict[str, Outcome]:
    """Outcomes by claim, from a report or else from the last recorded run."""
    from mamba_theorems.theorems.claim import Outcome  # noqa: PLC0415 - builds every claim
    from mamba_theorems.theorems.registry import claims  # noqa: PLC0415

    found = asked.record(source or recorded.last_record())["claims"]
    return {c["id"]: Outcome(c["outcome"]) for c in found if c["id"] in claims()}


def explained(args: Namespace, terminal: Terminal) -> Exit:
    """`explain`: claims in full, as the recorded run tells them, or with --run from a run."""
    selected = asked.selected(args)
    if args.run:
        return _explained_by_a_run(selected, args, terminal)
    for option, name in ONLY_WITH_RUN.items():
        if getattr(args, name) != UNASKED[name]:
            raise UsageError(f"{option} goes with --run: without it the recorded run is shown")
    with as_usage_error():
        told, known = recorded.read()["shown"]["told"], recorded.claims()
        terminal.put_wrapped(recorded.made())
    if lacking := [claim for claim in selected if claim not in told]:
        raise NothingRan(f"the record has no {lacking[0]}: `{PROGRAM} explain {lacking[0]} --run` runs it")
    if not recorded.is_current():
        say("the record was made of other sources of the claims: --run tells them as they are here")
    for claim in selected:
        terminal.put("")
        layout.show(told[claim], terminal)
    return outcome(all(known[claim]["outcome"] == known[claim]["expected"] for claim in selected))


def _explained_by_a_run(selected: list[str], args: Namespace, terminal: Terminal) -> Exit:
    from mamba_theorems.verify.commands import run  # noqa: PLC0415 - the record needs no engine
    from mamba_theorems.verify.report import explain  # noqa: PLC0415

    report = run.report(selected, args)
    outcomes = {c.claim.id: c.outcome for c in report.claims}
    found = [c for c in report.claims if c.claim.id in selected]
    for claim in found:
        explain.write(claim, terminal, outcomes)
    return outcome(all(c.as_expected for c in found))


def paper_at_a_glance(args: Namespace, terminal: Terminal) -> Exit:
    """`paper`: what the paper numbers, in its order, and what became of it; then its errata."""
    if args.source is None:
        with as_usage_error():
            canonical, about = recorded.read()["canonical"], recorded.made()
    else:
        canonical, about = asked.record(args.source), f"from {args.source}"
    whole = {claim["id"] for claim in canonical["claims"]} >= asked.known().keys()
    for line in (about, "", *paper.counted(canonical["counts"]), ""):
        terminal.put_wrapped(line)
    for line in layout.columns(paper.terminal(paper.rows(canonical["claims"], whole=whole)), terminal.width, 20):
        terminal.put(line)
    terminal.put("")
    layout.show(paper.errata(canonical["claims"]), terminal)
    return Exit.EXPECTED


def figure(args: Namespace, terminal: Terminal) -> Exit:
    """`figure`: drawings, and the table of sizes."""
    from mamba_theorems.verify.report import publish  # noqa: PLC0415 - optional extras

    with as_usage_error():
        known = publish.names()
    if args.output is None or not args.words or not set(args.words) <= {*known, "all"}:
        raise UsageError(f"a figure takes -o DIR and names among: {', '.join(['all', *known])}")
    names = known if "all" in args.words else args.words
    asked.output(args, *(f"{name}.svg" for name in names))
    for name in names:
        for path, content in publish.figure_files(name).items():
            write(args.output / path, content)
    return Exit.EXPECTED


def appendix(args: Namespace, terminal: Terminal) -> Exit:
    """`appendix`: the whole report, in every form."""
    from mamba_theorems.verify.commands import run  # noqa: PLC0415 - `list` needs no engine
    from mamba_theorems.verify.report import publish, text  # noqa: PLC0415 - optional extras

    if args.output is None:
        raise UsageError("an appendix takes -o DIR: the folder for its PDF, LaTeX, page, results and figures")
    selected = asked.selected(args, unnamed=["all"])
    publish.ready()
    asked.output(args, "appendix.pdf")
    found = run.report(selected, args)
    text.write(found, terminal)
    for path, content in publish.companion(found).items():
        write(args.output / path, content)
    terminal.put(f"written: {args.output / 'appendix.pdf'}")
    return outcome(found.as_expected)


def cite(args: Namespace, terminal: Terminal) -> Exit:
    """`cite`: an entry a claim, and the paper's, from the last recorded run or from the report that --from names."""
    from mamba_theorems.verify import record as data  # noqa: PLC0415 - an optional extra
    from mamba_theorems.verify.report import citation  # noqa: PLC0415

    selected = asked.selected(args)
    part = asked.record(args.source or recorded.last_record())
    found = {claim["id"]: claim for claim in part["claims"]}
    if missing := [name for name in selected if name not in found]:
        raise UsageError(
            f"the results have no {missing[0]}: run `{PROGRAM} {missing[0]}` with --output-format json -o DIR"
        )
    digest = data.digest(part)
    if args.output_format == "text":
        terminal.document("".join(f"{citation.claim_text(found[name], digest)}\n" for name in selected))
    else:
        entries = [citation.claim_bibtex(found[name], digest) for name in selected]
        terminal.document("\n".join([*entries, citation.PAPER_BIBTEX]))
    return Exit.EXPECTED


def sizes(args: Namespace, terminal: Terminal) -> Exit:
    """`sizes`: what recall costs, at the sizes asked for or over a grid."""
    from mamba_theorems.constructions.mqar import sizes as tables  # noqa: PLC0415 - `list` needs no torch

    wanted = asked.sizes(args)
    grid = tables.GRID if wanted is None else ((wanted.num_kv_pairs, wanted.vocab_size - wanted.num_kv_pairs),)
    table = tables.render(grid)
    if args.output is None:
        terminal.put(table)
    else:
        write(args.output / "recall_sizes.md", table)
    return Exit.EXPECTED
