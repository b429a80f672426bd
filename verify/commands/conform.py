"""`conform`: the conformance suite on kernels of others."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mamba_theorems.verify.checks.foreign import function_at, module_at
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import Exit, NothingRan, Terminal, UsageError, as_usage_error, outcome, say
from mamba_theorems.verify.conform import scorecard, suite
from mamba_theorems.verify.conform.blocks import block_operation
from mamba_theorems.verify.conform.kernel import NotOffered
from mamba_theorems.verify.conform.operations import OPERATIONS, Operation
from mamba_theorems.verify.conform.replay import files
from mamba_theorems.verify.conform.rows import rows_of
from mamba_theorems.verify.conform.suite import Result
from mamba_theorems.verify.files import FOLDER, write
from mamba_theorems.verify.settings import Tier

Named = tuple[Operation, str, Callable[..., Any]]


def conform(args: Namespace, terminal: Terminal) -> Exit:
    """`conform [OPERATION=]MODULE[:NAME] …`: every row on every kernel that is named."""
    if not args.words:
        raise UsageError("name your kernel, as in `python -m verify conform mypackage.scan:selective_scan`")
    with as_usage_error():
        kernels = [named for word in args.words for named in kernels_of(word)]
    device = asked.device(args.device)
    file, dumps = scorecard.FORMATS[args.output_format]
    asked.output(args, file)
    results = [_examined(*named, args, device) for named in kernels]
    document = dumps(results)
    if args.output_format == "text" or args.output is not None:
        terminal.put(scorecard.text(results))
    else:
        terminal.document(document)
    if args.output is not None:
        write(args.output / file, document)
    idle = [result.path for result in results if not result.exercised]
    if len(idle) == len(results):
        raise NothingRan(f"{', '.join(idle)} was never called by a row: the lines above say what it refused")
    for path in idle:
        say(f"{path} was never called by a row")
    return outcome(not any(result.failures for result in results) and not idle)


def kernels_of(word: str) -> Iterator[Named]:
    """The kernels of one word: OPERATION=MODULE:NAME, MODULE:NAME, or MODULE for all that it names. Raises ValueError."""
    operation, _, path = word.rpartition("=")
    if ":" not in path:
        yield from _of_module(path)
        return
    function = function_at(path)
    if inspect.isclass(function):
        yield block_operation(operation, function), path, function
        return
    name = path.partition(":")[2]
    operation = operation or (name if name in OPERATIONS else "selective_scan")
    if operation not in OPERATIONS:
        raise ValueError(f"there is no operation '{operation}': use one of {', '.join(OPERATIONS)}")
    yield OPERATIONS[operation], path, function


def _of_module(path: str) -> Iterator[Named]:
    found = [name for name in OPERATIONS if callable(getattr(module_at(path), name, None))]
    if not found:
        raise ValueError(f"'{path}' has no function named {', '.join(OPERATIONS)}: name one, as in {path}:FUNCTION")
    for name in found:
        yield OPERATIONS[name], f"{path}:{name}", function_at(f"{path}:{name}")


def _examined(operation: Operation, path: str, function: Callable[..., Any], args: Namespace, device: str) -> Result:
    """One kernel's result, its failures' replays written."""
    with as_usage_error(f"{path}: "):
        try:
            subject = suite.subject_of(path, function, operation, device)
        except NotOffered as reason:
            raise NothingRan(f"{path} does not run on {reason}") from reason
    rows = [row for row in rows_of(operation.name) if args.row in row.id]
    result = suite.examine(
        subject, rows, tier=Tier(args.tier), seed=args.seed or 0, stop_early=args.stop_early, draws=not args.row
    )
    folder: Path = (args.output or FOLDER) / "failures"
    for finding in scorecard.first_of_each_kind(result):
        names = {name: subject.kernel.name_of(name) for name in operation.options}
        for name, content in files(result, finding, operation.required, names).items():
            write(folder / name, content)
    return result
