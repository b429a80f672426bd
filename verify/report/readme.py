"""The README's sample of the output: real lines of the last recorded run, none typed."""

from __future__ import annotations

from pathlib import Path

README = Path("README.md")
START, END = "<!-- sample -->", "<!-- end of sample -->"
SAMPLE = (
    "foundations.unrolled",
    "haar.thm1",
    "haar.s4d-lower-bound",
    "sensitivity.lem2",
    "mqar.thm2-step1",
    "mqar.thm2-step1-printed",
    "mqar.n-lower-bound",
    "induction.lem3-amended",
    "dynamics.1d-blowup",
)


def excerpt(printed: str) -> str:
    """The lines of the sampled claims, with what is indented below them, and the closing lines."""
    body, _, closing = printed.rstrip().rpartition("\n\n")
    kept, inside = [], False
    for line in body.splitlines():
        if line.startswith("  ") and not line.startswith("   "):
            inside = line.split()[0] in SAMPLE
        if line.startswith("  ") and inside:
            kept.append(line[2:])
    return "\n".join([*kept, "", *closing.splitlines()])


def with_sample(readme: str, printed: str) -> str:
    """The README with its sample replaced. Raises ValueError where the markers are missing."""
    head, found, rest = readme.partition(START)
    _, closed, tail = rest.partition(END)
    if not (found and closed):
        raise ValueError(f"README.md needs the lines {START} and {END} around its sample")
    indented = "\n".join(f"    {line}".rstrip() for line in excerpt(printed).splitlines())
    return f"{head}{START}\n\n{indented}\n\n{END}{tail}"
