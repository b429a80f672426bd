"""From the words of a command to kernels with their rows: what the command line and the pytest plugin share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from mamba_theorems.verify.checks.foreign import function_at, module_at
from mamba_theorems.verify.conform import blocks, suite
from mamba_theorems.verify.conform.examine import Examinee
from mamba_theorems.verify.conform.kernel import NotOffered
from mamba_theorems.verify.conform.operations import OPERATIONS
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.rows import rows_of
from mamba_theorems.verify.conform.suite import Conformance, Result, RowFinding
from mamba_theorems.verify.settings import Tier


class Examined:
    """A kernel of an operation, or a block class, and its rows."""

    def __init__(self, operation: str, path: str, function: Callable[..., Any]) -> None:
        self.operation, self.path, self.function = operation, path, function
        self.rows: tuple[Any, ...] = tuple(blocks.rows()) if operation == blocks.BLOCK else rows_of(operation)
        self.subject = cache(self._subject)

    def _subject(self, device: str) -> Examinee:
        """The kernel with what it takes. Raises NotOffered for a device that it does not take."""
        if self.operation == blocks.BLOCK:
            return blocks.subject_of_block(self.path, self.function, device)  # type: ignore[arg-type]
        return suite.subject_of(self.path, self.function, OPERATIONS[self.operation], device)

    def hold(self, row: SuiteRow, device: str, tier: str) -> tuple[RowFinding, ...]:
        """What one row says."""
        if row.tier is not Tier.QUICK and tier == Tier.QUICK:
            reason = f"needs --ssm-tier {row.tier}"
            return (RowFinding(row, row.dtype, "forward", Conformance.NOT_EXERCISED, reason),)
        try:
            subject = self.subject(device)
        except NotOffered as reason:
            return (RowFinding(row, row.dtype, "forward", Conformance.NOT_OFFERED, str(reason)),)
        return tuple((blocks.hold_block if self.operation == blocks.BLOCK else suite.hold)(subject, row))

    def examine(self, device: str, only: str = "", **how: Any) -> Result:
        """All rows whose id contains `only`, and random draws where it is empty. Raises NotOffered."""
        subject, rows = self.subject(device), tuple(row for row in self.rows if only in row.id)
        if self.operation == blocks.BLOCK:
            return blocks.examine_block(subject, rows, **how)
        return suite.examine(subject, rows, draws=not only, **how)


def kernels_of(word: str) -> Iterator[Examined]:
    """The kernels of one word: [OPERATION=]MODULE:NAME, or MODULE for all that it names. Raises ValueError."""
    operation, _, path = word.rpartition("=")
    if ":" not in path:
        yield from _of_module(path)
        return
    function, name = function_at(path), path.partition(":")[2]
    if inspect.isclass(function):
        operation = blocks.BLOCK
    operation = operation or (name if name in OPERATIONS else "selective_scan")
    if operation not in (*OPERATIONS, blocks.BLOCK):
        raise ValueError(f"there is no operation '{operation}': use one of {', '.join(OPERATIONS)}, or a block class")
    yield Examined(operation, path, function)


def _of_module(path: str) -> Iterator[Examined]:
    module = module_at(path)
    found = [name for name in OPERATIONS if callable(getattr(module, name, None))]
    if not found:
        raise ValueError(f"'{path}' has no function named {', '.join(OPERATIONS)}: name one, as in {path}:FUNCTION")
    for name in found:
        yield Examined(name, f"{path}:{name}", getattr(module, name))
