"""Every command: one entry in TABLE says its name, its help, its options, and the function that does it.

Nothing here imports a claim or torch, so that help and wrong usage are told at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError, sign_of_life
from mamba_theorems.verify.settings import Tier

FORMATS = ("text", "json", "junit", "latex", "html")
GRAPHS = ("dot", "mermaid", "svg")
DTYPES = ("float32", "float64")
PROFILES = ("quick", "ci", "nightly")


@dataclass(frozen=True)
class Command:
    """A command: `words` is its usage, `about` its help in one line, `work` the MODULE:FUNCTION that does it.

    `options` are their names; `formats` are its output formats, the default first; `more` is what its own help adds.
    One that `shows` only what is known gives no sign of life.
    """

    name: str
    words: str
    about: str
    options: str
    work: str
    formats: Sequence[str] = ()
    more: str = ""
    shows: bool = False

    def run(self, args: argparse.Namespace, terminal: Terminal) -> Exit:
        """Do it. Raises UsageError."""
        module, _, function = self.work.partition(":")
        with nullcontext() if self.shows and not args.run else sign_of_life(self.name):
            return getattr(import_module(f"mamba_theorems.verify.commands.{module}"), function)(args, terminal)


class Parser(argparse.ArgumentParser):
    """Reads the words of one command; an error is a UsageError."""

    def __init__(self, command: Command) -> None:
        names = command.options.split()
        usage = [PROGRAM, "" if command.name == "verify" else command.name, command.words, "[options]"]
        claim = "CLAIM is a claim's id, a family's name or its ids' first part, or all." if "-k" in names else ""
        super().__init__(
            usage=" ".join(filter(None, usage)),
            description=f"{command.about[0].upper()}{command.about[1:]}. {claim} {command.more}",
            formatter_class=partial(argparse.HelpFormatter, max_help_position=24, width=80),
            allow_abbrev=False,
        )
        self.set_defaults(**UNASKED)
        for option in names:
            self.add_argument(option, **OPTIONS.get(f"{command.name} {option}") or OPTIONS[option])
        if command.formats:
            first, *others = command.formats
            words = f"{first} (default), {', '.join(others)}"
            self.add_argument("--output-format", choices=command.formats, default=first, metavar="NAME", help=words)

    @property
    def spelled(self) -> list[str]:
        """Every option."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's message."""
        raise UsageError(message.removeprefix("argument "))


# --- what options take -----------------------------------------------------------------------------------------------


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"give a whole number from {least} to {most:,}, not '{text}'")
        return int(text)

    return read


LONGEST = 365 * 24 * 3600.0
"""Seconds that a campaign may be told to hunt."""


def seconds(text: str) -> float:
    """10m, 90s, 2h, 1h30m, or a number of seconds; more than none, and a year at most."""
    number, units = r"\d+(?:\.\d+)?", {"s": 1, "m": 60, "h": 3600}
    parts = re.findall(rf"({number})([smh])", f"{text}s" if re.fullmatch(number, text) else text)
    found = sum(float(count) * units[unit] for count, unit in parts)
    if not re.fullmatch(rf"({number}[smh])+|{number}", text) or not 0 < found <= LONGEST:
        raise argparse.ArgumentTypeError(f"give a time as in 90s, 10m or 1h30m, of a year at most, not '{text}'")
    return found


def workers(text: str) -> int | None:
    """A number of processes; None for auto."""
    return None if text == "auto" else whole(1, 1024)(text)


SEEDS, LARGEST = 2**32 - 1, 10**9
"""What random generators take as a seed; a size or a number of examples beyond which nothing here ends."""


def size(text: str) -> tuple[str, int]:
    """NAME=N."""
    name, _, number = text.partition("=")
    if not name.isidentifier():
        raise argparse.ArgumentTypeError(f"give NAME=N, as in vocab_size=64, not '{text}'")
    return name, whole(1, LARGEST)(number)


# --- the options and the commands ------------------------------------------------------------------------------------


def _value(metavar: str, help: str, **more: Any) -> dict[str, Any]:
    return {"metavar": metavar, "help": help, **more}


def _switch(help: str, **more: Any) -> dict[str, Any]:
    return {"action": "store_true", "help": help, **more}


UNASKED: dict[str, Any] = {
    "k": "", "stop_early": False, "controls": False, "record": False, "run": False, "dry_run": False, "check": False,
    "tier": "quick", "device": "cpu", "dtype": None, "seed": None, "kernel": None, "source": None, "campaign": None,
    "output": None, "vocab_size": None, "input_seq_len": None, "num_kv_pairs": None, "tokens": None, "beside": False,
    "weights": None,
}  # fmt: skip
"""What holds where an option is not given, and of a command that has no such option."""

OPTIONS = {
    "words": {"nargs": "*", "help": argparse.SUPPRESS},
    "-k": _value("TEXT", "only claims whose id or title contains TEXT"),
    "-x": _switch("stop at the first that is not as expected", dest="stop_early"),
    "--tier": _value("NAME", "quick (default), full or gpu", choices=list(map(str, Tier))),
    "--device": _value("NAME", "cpu (default) or cuda"),
    "--dtype": _value("NAME", "only float32, or only float64", choices=DTYPES),
    "--seed": _value("N", "seed of every random draw (default: 0)", type=whole(0, SEEDS)),
    "fuzz --seed": _value("N", "seed of the campaign (default: 0; nightly: a new one)", type=whole(0, SEEDS)),
    "--run": _switch("run it here and now, in place of the recorded run"),
    "--controls": _switch("also run every mutant; each must be rejected"),
    "--vocab-size": _value("V", "run recall at this size of the vocabulary,", type=whole(1, LARGEST)),
    "--input-seq-len": _value("L", "this length,", type=whole(1, LARGEST)),
    "--num-kv-pairs": _value("K", "and this number of pairs (all three together)", type=whole(1, LARGEST)),
    "--known": _switch("and every kernel of others that is known and installed, with versions"),
    "--row": _value("TEXT", "only rows whose id contains TEXT, and no random draws", default=""),
    "--kernel": _value("KERNEL", "run on your own: [OPERATION=]MODULE:FUNCTION"),
    "--replay": _value("CHECK:CASE", "run one instance of one check again"),
    "--record": _switch("with all: write recorded.json and what it gives"),
    "--from": _value("FILE", "read this report.json, run nothing", dest="source", type=Path),
    "--fuzz": _value("FILE", "add the evidence of a campaign's fuzz.json", dest="campaign", type=Path),
    "-o": _value("DIR", "write the result into this folder", dest="output", type=Path),
    "--sizes": _value("NAME=N", "at these sizes (default: the frozen set)", nargs="+", type=size, default=[]),
    "--target": _value("NAME", "only this target"),
    "--longest": _switch("also find the largest input_seq_len covered"),
    "export --target": _value("NAME", "transformers (default), mamba_ssm, safetensors", default="transformers"),
    "--tokens": _value("TEXT", "the sequence, as in 'k1 v1 k2 v2 k1' (default: the claim's own example)"),
    "show --target": _value("NAME", "targets, as in paper official_mamba2 (default: the first)", nargs="+", default=[]),
    "--beside": _switch("S4D, Mamba and Mamba-2 side by side on this sequence"),
    "--weights": _value("FILE", "show these weights, a safetensors file of the same names and shapes", type=Path),
    "show --vocab-size": _value(
        "V", "with --weights: the task's vocabulary (default: the embedding's)", type=whole(1, LARGEST)
    ),
    "show --num-kv-pairs": _value(
        "K", "pairs that the sequence starts with (default: up to a key again)", type=whole(1, LARGEST)
    ),
    "--architecture": _value("NAME", "mamba or mamba2 (default: the one the claim is about)"),
    "--time": _value("10m", "hunt so long; whole rounds count", type=seconds),
    "--examples": _value("N", "cases for each way of drawing each property", type=whole(1, LARGEST)),
    "--per-cell": _value("N", "cases of one task (default: 25)", type=whole(1, LARGEST), default=25),
    "--workers": _value("N", "processes (default: auto, one a processor)", type=workers),
    "--scheduler": _value("tcp://…", "run on this Dask cluster instead"),
    "--profile": _value("NAME", "quick (default), ci or nightly", choices=PROFILES, default="quick"),
    "fuzz --replay": _value("FILE", "run a stored finding again"),
    "fuzz --controls": _switch("hunt planted bugs; each must be found"),
    "formal --controls": _switch("also weaken every statement as its claim says; Rocq must refuse"),
    "formal --record": _switch("write theorems/formal/recorded.json"),
    "train --from": _value("FILE", "show this record, run nothing", dest="source", type=Path),
    "--dry-run": _switch("show the trainings and what they cost here, run nothing"),
    "--check": _switch("also have coqchk, Rocq's other checker, check the files"),
}
"""By name, or by command and name where a command means something else by it."""

PLACE, RECALL = "--device --dtype --seed", "--vocab-size --input-seq-len --num-kv-pairs"
COMMANDS = (
    Command(
        "verify",
        "CLAIM… | -k TEXT",
        "gather the evidence on claims (the word `verify` may be left out)",
        f"words -k -x --tier {PLACE} --controls {RECALL} --kernel --replay --record --from --fuzz -o",
        "run:verify",
        FORMATS,
    ),
    Command(
        "paper",
        "",
        "the paper at a glance: each numbered statement, its outcome, errata",
        "--from",
        "show:paper_at_a_glance",
        shows=True,
    ),
    Command("list", "[CLAIM…]", "every claim, a line each", "words -k", "show:claims_list", shows=True),
    Command(
        "explain",
        "CLAIM… | -k TEXT",
        "a claim in full: statement, hypotheses, steps, weights, evidence",
        f"words -k --run --tier {PLACE} {RECALL} --kernel",
        "show:explained",
        shows=True,
        more="Shows what the recorded run found; the options after --run go with it.",
    ),
    Command(
        "show",
        "CLAIM…",
        "a claim's network on a sequence, step by step",
        "words --tokens --target --beside --weights --vocab-size --num-kv-pairs -o",
        "watch:shown",
        ("text", "svg", "html"),
        "CLAIM is a claim's id; several are shown side by side. Keys are k1, k2, … (k is k1), values v1, …, a "
        "filler f; other claims take letters, numbers, contents: see their own example.",
    ),
    Command("graph", "[CLAIM…]", "what rests on what", "words -k --from -o", "show:claims_graph", GRAPHS, shows=True),
    Command("figure", "NAME… -o DIR", "figures, or all, and the table of sizes", "words -o", "show:figure"),
    Command(
        "appendix",
        "[CLAIM…] -o DIR",
        "the whole report as PDF, LaTeX and page, with results and figures",
        f"words -k -x --tier {PLACE} --controls {RECALL} --kernel --from --fuzz -o",
        "show:appendix",
    ),
    Command(
        "conform",
        "[OPERATION=]MODULE[:NAME] …",
        "the conformance suite on your own kernels",
        "words -x --known --row --tier --device --seed -o",
        "conform:conform",
        ("text", "json", "markdown", "html"),
        "Kernels are functions, a module of them, or a block class; OPERATION is the function's own name, else "
        "selective_scan. Replays of failures go to DIR/failures, or to "
        ".verify/failures. Exit codes: 0 all CONFORMS, 1 something FAILS, 5 no row reached the kernel. "
        "See verify/conform/SPECIFICATION.md.",
    ),
    Command(
        "fuzz",
        "CLAIM… | -k TEXT | --replay FILE",
        "hunt for counterexamples as long as you like",
        f"words -k -x {PLACE} --kernel --time --examples --per-cell --workers --scheduler --profile --replay "
        "--controls -o",
        "fuzz:fuzz",
        ("text", "json"),
    ),
    Command(
        "certify",
        "CLAIM… | -k TEXT",
        "make certificates: stated sizes, all inputs of these sizes",
        "words -k --sizes --target --dtype --longest -o",
        "certify:certify",
    ),
    Command(
        "check",
        "[FILE…]",
        "check certificates (those that ship) against the weights built here",
        "words",
        "certify:check",
    ),
    Command(
        "formal",
        "[CLAIM…]",
        "compile and audit the theorems in Rocq: type, axioms, versions",
        "words -k --controls --check --record",
        "formal:formal",
    ),
    Command(
        "export",
        "CLAIM -o DIR",
        "a claim's language model as a folder that other libraries load",
        f"words {RECALL} --target --architecture -o",
        "export:export",
    ),
    Command(
        "cite",
        "CLAIM… | -k TEXT",
        "how to cite a claim: BibTeX with version, outcome and digests",
        "words -k --from",
        "show:cite",
        ("bibtex", "text"),
        shows=True,
    ),
    Command(
        "train",
        "[PLAN…] | --from FILE",
        "train networks by a plan, beside what the theorems predict",
        "words --dry-run --workers --scheduler --device --from -o",
        "train:train",
        ("text", "json"),
        "PLAN is one that ships (without a name: the list) or a TOML file. Exit code 1: a theorem is contradicted.",
    ),
    Command("sizes", "", "what each recall construction costs", f"{RECALL} -o", "show:sizes", shows=True),
)
"""In the order in which help shows them."""
TABLE = {command.name: command for command in COMMANDS}
