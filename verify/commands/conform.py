"""`conform`: the conformance suite on kernels of others."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from itertools import product
from pathlib import Path

from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import Exit, NothingRan, Terminal, UsageError, as_usage_error, outcome, say
from mamba_theorems.verify.conform import known, scorecard
from mamba_theorems.verify.conform.kernel import NotOffered
from mamba_theorems.verify.conform.kernels import Examined, kernels_of
from mamba_theorems.verify.conform.replay import file_name, files
from mamba_theorems.verify.conform.suite import Result
from mamba_theorems.verify.files import FOLDER, write
from mamba_theorems.verify.settings import Tier


def conform(args: Namespace, terminal: Terminal) -> Exit:
    """`conform [OPERATION=]MODULE[:NAME] …`: every row on every kernel that is named."""
    words = [*args.words, *(known.words_of_installed() if args.known else ())]
    if not words:
        raise UsageError("name your kernel, as in `python -m verify conform mypackage.scan:selective_scan`")
    with as_usage_error():
        kernels = [kernel for word in words for kernel in kernels_of(word)]
    device = asked.device(args.device)
    file, dumps = scorecard.FORMATS[args.output_format]
    if args.known and args.output_format == "markdown":
        dumps = partial(scorecard.markdown, preface=known.preface())
    asked.output(args, file)
    results = [_examined(kernel, args, device) for kernel in kernels]
    if args.output_format == "text" or args.output is not None:
        terminal.put(scorecard.text(results))
    else:
        terminal.document(dumps(results))
    if args.output is not None:
        write(args.output / file, dumps(results))
    idle = [result.path for result in results if not result.exercised]
    if len(idle) == len(results):
        raise NothingRan(f"{', '.join(idle)} was never called by a row: the lines above say what it refused")
    for path in idle:
        say(f"{path} was never called by a row")
    return outcome(not any(result.failures for result in results) and not idle)


def _examined(kernel: Examined, args: Namespace, device: str) -> Result:
    """One kernel's result, its failures' replays written, and removed those of an earlier run that it contradicts."""
    how = {"tier": Tier(args.tier), "seed": args.seed or 0, "stop_early": args.stop_early}
    try:
        with as_usage_error(f"{kernel.path}: "):
            result = kernel.examine(device, args.row, **how)
    except NotOffered as reason:
        raise NothingRan(f"{kernel.path} does not run on {reason}") from reason
    folder: Path = (args.output or FOLDER) / "failures"
    for finding, ending in product(result.findings, (".py", ".npz")):
        (folder / (file_name(result, finding) + ending)).unlink(missing_ok=True)
    for finding in scorecard.first_of_each_kind(result):
        for name, content in files(result, finding, kernel.subject(device).kernel).items():
            write(folder / name, content)
    return result
