"""What a notebook shows of a report: its claims as a table, and one claim in full."""

from __future__ import annotations

from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.report.book import parts


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


def shown(report: Report) -> ShownReport:
    """The same report, to be shown."""
    return ShownReport(**parts(report))
