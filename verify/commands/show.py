"""What is known without a run, and what a run is shown as: list, explain, graph, figure, appendix, cite, sizes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError, outcome
from mamba_theorems.verify.files import write
from mamba_theorems.verify.report import graph, paper_map

DRAWN = {"dot": graph.dot, "mermaid": graph.mermaid, "svg": graph.svg}


def claims_list(args: Namespace, terminal: Terminal) -> Exit:
    """`list`: a line each."""
    selected = asked.selected(args, unnamed=["all"])
    width = max(map(len, selected))
    for name in selected:
        terminal.put(f"{name:<{width}}  {claims()[name].form:<9}  {claims()[name].title}")
    return Exit.EXPECTED


def claims_graph(args: Namespace, terminal: Terminal) -> Exit:
    """`graph`: what rests on what."""
    selected = asked.selected(args, unnamed=["all"])
    drawn = DRAWN[args.output_format](selected, _outcomes(args.source))
    if args.output is None:
        terminal.document(drawn)
    else:
        write(args.output / f"graph.{args.output_format}", drawn)
    return Exit.EXPECTED


def _outcomes(source: Path | None) -> dict[str, Outcome]:
    """Outcomes by claim, from a report or else from the last recorded run."""
    found = asked.record(source or paper_map.last_record())["claims"]
    return {c["id"]: Outcome(c["outcome"]) for c in found if c["id"] in claims()}


def explained(args: Namespace, terminal: Terminal) -> Exit:
    """`explain`: claims in full."""
    from mamba_theorems.verify.commands import run  # noqa: PLC0415 - `list` needs no engine
    from mamba_theorems.verify.report import explain  # noqa: PLC0415

    selected = asked.selected(args)
    report = run.report(selected, args)
    outcomes = {c.claim.id: c.outcome for c in report.claims}
    found = [c for c in report.claims if c.claim.id in selected]
    for claim in found:
        explain.write(claim, terminal, outcomes)
    return outcome(all(c.as_expected for c in found))


def figure(args: Namespace, terminal: Terminal) -> Exit:
    """`figure`: drawings, and the table of sizes."""
    from mamba_theorems.verify.report import publish  # noqa: PLC0415 - optional extras

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
    from mamba_theorems.verify.report import citation  # noqa: PLC0415 - an optional extra

    selected = asked.selected(args)
    part = asked.record(args.source or paper_map.last_record())
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
