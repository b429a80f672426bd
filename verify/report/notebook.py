"""What a notebook shows: a report as a table of its claims, one claim in full, a network on a sequence."""

from __future__ import annotations

from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.report.book import parts
from mamba_theorems.verify.report.watch import Watched
from mamba_theorems.verify.report.watch.drawing import svg
from mamba_theorems.verify.report.watch.text import text


class ShownClaim(ClaimReport):
    """A claim's report that a notebook shows in full."""

    def _repr_html_(self) -> str:
        from mamba_theorems.verify.report.html import claim_fragment  # noqa: PLC0415 - html is an extra

        return claim_fragment(self)


class ShownReport(Report):
    """A report that a notebook shows as a table of claims, each of which the notebook shows in full."""

    def __getitem__(self, claim_id: str) -> ShownClaim:
        """One claim's report. Raises KeyError if it did not run."""
        return ShownClaim(**parts(super().__getitem__(claim_id)))

    def _repr_html_(self) -> str:
        from mamba_theorems.verify.report.html import fragment  # noqa: PLC0415 - html is an extra

        return fragment(self)


class ShownNetwork(Watched):
    """A watched network: a drawing in a notebook, tables where it is printed."""

    def __str__(self) -> str:
        return text([self])

    def _repr_html_(self) -> str:
        return svg([self])


def shown(report: Report) -> ShownReport:
    """The same report, to be shown."""
    return ShownReport(**parts(report))
