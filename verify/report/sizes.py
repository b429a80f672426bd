"""The table of sizes of the companion: rows of `constructions.mqar.sizes`, which says what each construction costs.

[P] Table 1 states sizes by order; here they are numbers, held to the compiled weights by a test.
"""

from __future__ import annotations

from collections.abc import Iterable

HEAD = ("claim", "κ", "|V|", "width d", "state N", "weights", "bits of state", "least dtype")
PAIRS, VALUES = (4, 16), 16


def sizes(selected: Iterable[str]) -> list[tuple[str, ...]]:
    """The head and one row for each construction of the selected claims and number of pairs; [] without any."""
    from constructions.mqar.sizes import table  # noqa: PLC0415 - torch

    wanted = set(selected)
    rows = [
        (row.name, *map(str, (pairs, VALUES, row.d, row.N, row.parameters, row.state_bits, row.dtype)))
        for pairs in PAIRS
        for row in table(pairs, VALUES)
        if row.claim in wanted
    ]
    return [HEAD, *sorted(rows, key=lambda row: row[0])] if rows else []
