"""The rows of every operation: what is tried, each with a stable id and the kind of fault that it looks for."""

from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.rows import convolution, scan, ssd, update

TABLES = {
    "selective_scan": scan.rows,
    "ssd_chunk_scan": ssd.rows,
    "causal_conv1d": convolution.rows,
    "selective_state_update": update.rows,
}


def rows_of(operation: str) -> tuple[SuiteRow, ...]:
    """The rows of an operation; each id once."""
    return tuple({row.id: row for row in TABLES[operation]()}.values())
