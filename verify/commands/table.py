"""Every command: one entry in TABLE says its name, its help, its options, and the function that does it.

Nothing here imports a claim or torch, so that help and wrong usage are told at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError
from mamba_theorems.verify.settings import Tier

FORMATS = ("text", "json", "junit", "latex", "html")
GRAPHS = ("dot", "mermaid", "svg")
DTYPES = ("float32", "float64")
PROFILES = ("quick", "ci", "nightly")
UNASKED: dict[str, Any] = {
    "k": "", "stop_early": False, "controls": False, "replay": None, "record": False,
    "tier": "quick", "device": "cpu", "dtype": None, "seed": 0, "kernel": None, "source": None, "campaign": None,
    "vocab_size": None, "input_seq_len": None, "num_kv_pairs": None, "output": None,
}  # fmt: skip
"""What holds of a command that has no such option, and of an option that is not given."""


class Parser(argparse.ArgumentParser):
    """Reads the words of one command; an error is a UsageError."""

    def __init__(self, command: Command) -> None:
        super().__init__(
            usage=f"{PROGRAM} {command.words}",
            description=f"{command.about[0].upper()}{command.about[1:]}. {command.more}",
            formatter_class=partial(argparse.HelpFormatter, max_help_position=24, width=80),
            allow_abbrev=False,
        )
        self.set_defaults(**UNASKED)
        for group in command.options:
            group(self)

    @property
    def spelled(self) -> list[str]:
        """Every option."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's message."""
        raise UsageError(message.removeprefix("argument "))


@dataclass(frozen=True)
class Command:
    """A command: `words` is its usage, `about` its help in one line, `work` the MODULE:FUNCTION that does it.

    `more` is what its own help says besides.
    """

    name: str
    words: str
    about: str
    options: Sequence[Callable[[Parser], object]]
    work: str
    more: str = ""

    def run(self, args: argparse.Namespace, terminal: Terminal) -> Exit:
        """Do it. Raises UsageError."""
        module, _, function = self.work.partition(":")
        return getattr(import_module(f"mamba_theorems.verify.commands.{module}"), function)(args, terminal)


# --- what options take -----------------------------------------------------------------------------------------------


def whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"give a whole number from {least}, not '{text}'")
        return int(text)

    return read


def seconds(text: str) -> float:
    """10m, 90s, 2h, 1h30m, or a number of seconds; more than none."""
    number, units = r"\d+(?:\.\d+)?", {"s": 1, "m": 60, "h": 3600}
    parts = re.findall(rf"({number})([smh])", f"{text}s" if re.fullmatch(number, text) else text)
    found = sum(float(count) * units[unit] for count, unit in parts)
    if not re.fullmatch(rf"({number}[smh])+|{number}", text) or found <= 0:
        raise argparse.ArgumentTypeError(f"give a time as in 90s, 10m or 1h30m, not '{text}'")
    return found


def workers(text: str) -> int | None:
    """A number of processes; None for auto."""
    return None if text == "auto" else whole(1)(text)


def size(text: str) -> tuple[str, int]:
    """NAME=N."""
    name, _, number = text.partition("=")
    if not name.isidentifier():
        raise argparse.ArgumentTypeError(f"give NAME=N, as in vocab_size=64, not '{text}'")
    return name, whole(1)(number)


# --- options that commands share -------------------------------------------------------------------------------------


def _words(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)


def _claims(parser: Parser) -> None:
    _words(parser)
    parser.add_argument("-k", metavar="TEXT", help="only claims whose id or title contains TEXT")


def _run(parser: Parser) -> None:
    parser.add_argument("--tier", choices=list(map(str, Tier)), metavar="NAME", help="quick (default), full or gpu")
    _place(parser)


def _place(parser: Parser) -> None:
    add = parser.add_argument
    add("--device", metavar="NAME", help="cpu (default) or cuda")
    add("--dtype", choices=DTYPES, metavar="NAME", help="only float32, or only float64")
    add("--seed", type=whole(0), metavar="N", help="seed of every random draw (default: 0)")


def _stop(parser: Parser) -> None:
    parser.add_argument("-x", dest="stop_early", action="store_true", help="stop at the first that is not as expected")


def _controls(parser: Parser) -> None:
    parser.add_argument("--controls", action="store_true", help="also run every mutant; each must be rejected")


def _kernel(parser: Parser) -> None:
    parser.add_argument("--kernel", metavar="KERNEL", help="run on your own: [OPERATION=]MODULE:FUNCTION")


def _recall(parser: Parser) -> None:
    add = parser.add_argument
    add("--vocab-size", type=whole(1), metavar="V", help="run recall at this size of the vocabulary,")
    add("--input-seq-len", type=whole(1), metavar="L", help="this length,")
    add("--num-kv-pairs", type=whole(1), metavar="K", help="and this number of pairs (all three together)")


def _stored(parser: Parser) -> None:
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="read this report.json, run nothing")


def _campaign(parser: Parser) -> None:
    parser.add_argument(
        "--fuzz", dest="campaign", type=Path, metavar="FILE", help="add the evidence of a campaign's fuzz.json"
    )


def _formats(names: Sequence[str]) -> Callable[[Parser], None]:
    def add(parser: Parser) -> None:
        words = f"{names[0]} (default), {', '.join(names[1:])}"
        parser.add_argument("--output-format", choices=names, default=names[0], metavar="NAME", help=words)

    return add


def _output(parser: Parser) -> None:
    parser.add_argument("-o", dest="output", type=Path, metavar="DIR", help="write the result into this folder")


# --- options of one command ------------------------------------------------------------------------------------------


def _verify(parser: Parser) -> None:
    add = parser.add_argument
    add("--replay", metavar="CHECK:CASE", help="run one instance of one check again")
    add("--record", action="store_true", help="with all: write recorded.json and what it gives")


def _certify(parser: Parser) -> None:
    add = parser.add_argument
    add("--sizes", nargs="+", type=size, default=[], metavar="NAME=N", help="at these sizes (default: the frozen set)")
    add("--target", metavar="NAME", help="only this target")
    add("--dtype", choices=DTYPES, metavar="NAME", help="only float32, or only float64")
    add("--longest", action="store_true", help="also find the largest input_seq_len covered")


def _export(parser: Parser) -> None:
    add = parser.add_argument
    add("--target", default="transformers", metavar="NAME", help="transformers (default), mamba_ssm, safetensors")
    add("--architecture", metavar="NAME", help="mamba or mamba2 (default: the one the claim is about)")


def _fuzz(parser: Parser) -> None:
    add = parser.add_argument
    add("--time", type=seconds, metavar="10m", help="hunt so long; whole rounds count")
    add("--examples", type=whole(1), metavar="N", help="cases for each way of drawing each property")
    add("--per-cell", type=whole(1), default=25, metavar="N", help="cases of one task (default: 25)")
    add("--workers", type=workers, metavar="N", help="processes (default: auto, one a processor)")
    add("--scheduler", metavar="tcp://…", help="run on this Dask cluster instead")
    add("--profile", choices=PROFILES, default="quick", metavar="NAME", help="quick (default), ci or nightly")
    add("--replay", metavar="FILE", help="run a stored finding again")
    add("--controls", action="store_true", help="hunt planted bugs; each must be found")


CLAIM = "CLAIM is a claim's id, a family's name or its ids' first part, or all."
NAMED = "CLAIM… | -k TEXT"
TABLE = {
    command.name: command
    for command in (
        Command(
            "verify",
            f"{NAMED} [options]",
            "gather the evidence on claims (the word `verify` may be left out)",
            (
                _claims,
                _stop,
                _run,
                _controls,
                _recall,
                _kernel,
                _verify,
                _stored,
                _campaign,
                _formats(FORMATS),
                _output,
            ),
            "run:verify",
            CLAIM,
        ),
        Command("list", "list [CLAIM…] [options]", "every claim, a line each", (_claims,), "show:claims_list", CLAIM),
        Command(
            "explain",
            f"explain {NAMED} [options]",
            "a claim in full: statement, hypotheses, steps, weights, evidence",
            (_claims, _run, _recall, _kernel),
            "show:explained",
            CLAIM,
        ),
        Command(
            "graph",
            "graph [CLAIM…] [options]",
            "what rests on what, as DOT, Mermaid or SVG",
            (_claims, _stored, _formats(GRAPHS), _output),
            "show:claims_graph",
            CLAIM,
        ),
        Command(
            "figure", "figure NAME… -o DIR", "figures, or all, and the table of sizes", (_words, _output), "show:figure"
        ),
        Command(
            "appendix",
            "appendix [CLAIM…] -o DIR [options]",
            "the whole report as PDF, LaTeX and page, with results and figures",
            (_claims, _stop, _run, _controls, _recall, _kernel, _stored, _campaign, _output),
            "show:appendix",
            CLAIM,
        ),
        Command(
            "conform",
            "conform [OPERATION=]MODULE:FUNCTION [CLAIM…] [options]",
            "the numeric checks of claims (default: all) on your own kernel",
            (_claims, _stop, _run, _formats(FORMATS), _output),
            "run:conform",
            f"{CLAIM} OPERATION is selective_scan unless you name another. The report has the claims whose checks "
            "called the kernel, and no other; the exit code is 5 where none did. Derivations say nothing of a kernel.",
        ),
        Command(
            "fuzz",
            f"fuzz {NAMED} | --replay FILE [options]",
            "hunt for counterexamples as long as you like",
            (_claims, _stop, _place, _kernel, _fuzz, _formats(("text", "json")), _output),
            "fuzz:fuzz",
            CLAIM,
        ),
        Command(
            "certify",
            f"certify {NAMED} [options]",
            "make certificates: stated sizes, all inputs of these sizes",
            (_claims, _certify, _output),
            "certify:certify",
            CLAIM,
        ),
        Command(
            "check", "check FILE…", "check certificates against the weights built here", (_words,), "certify:check"
        ),
        Command(
            "export",
            "export CLAIM -o DIR [options]",
            "a claim's language model as a folder that other libraries load",
            (_words, _recall, _export, _output),
            "export:export",
        ),
        Command("sizes", "sizes [options]", "what each recall construction costs", (_recall, _output), "show:sizes"),
    )
}
"""The commands, in the order in which help shows them."""
