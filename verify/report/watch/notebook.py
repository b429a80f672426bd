"""A watched network in a notebook: a drawing there, tables where it is printed."""

from __future__ import annotations

from mamba_theorems.constructions import examples
from mamba_theorems.verify.report.watch import Watched
from mamba_theorems.verify.report.watch.drawing import svg
from mamba_theorems.verify.report.watch.text import text


class ShownNetwork(Watched):
    """What `verify.show` gives: its `trace` has the numbers."""

    def __str__(self) -> str:
        return text([self])

    def _repr_html_(self) -> str:
        return svg([self])


def watch(claim: str, tokens: str | None, target: str | None) -> ShownNetwork:
    """See `verify.show`."""
    if claim not in examples():
        raise ValueError(f"No network is shown for {claim!r}: use one of {', '.join(examples())}.")
    return ShownNetwork(examples()[claim].at(tokens, target).trace())
