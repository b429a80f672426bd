"""The command line, from words to an exit code: 0 as expected, 1 not, 2 interrupted, 3 internal, 4 usage, 5 nothing."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from difflib import get_close_matches

from rich.console import Console

from mamba_theorems.verify.commands.table import TABLE, Command, Parser
from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError, say
from mamba_theorems.verify.extras import MissingExtra
from mamba_theorems.verify.files import CannotWrite
from mamba_theorems.verify.settings import BrokenInstrument
from mamba_theorems.verify.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    terminal = Terminal()
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv), terminal)
        sys.stdout.flush()
        return code
    except UsageError as reason:
        say(str(reason))
        return reason.code
    except (CannotWrite, MissingExtra) as reason:
        say(str(reason))
        return Exit.USAGE
    except BrokenInstrument as reason:
        say(str(reason))
        return Exit.INTERNAL
    except KeyboardInterrupt as reason:
        say(f"interrupted{reason.args[0] if reason.args else ''}")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.EXPECTED
    except Exception:
        Console(stderr=True).print_exception()
        return Exit.INTERNAL


def _run(words: list[str], terminal: Terminal) -> Exit:
    if not words:
        raise UsageError(f"say what to do, as in `{PROGRAM} all`; `{PROGRAM} --help` shows every command")
    if words[0] in ("-h", "--help"):
        terminal.put(overview())
    elif words[0] == "--version":
        terminal.put(f"mamba-theorems {__version__}")
    else:
        command, args = parsed(words)
        return command.run(args, terminal)
    return Exit.EXPECTED


def overview() -> str:
    """The help on all commands."""
    width = max(map(len, TABLE))
    return "\n".join(
        [
            f"usage: {PROGRAM} CLAIM… | FAMILY… | all | COMMAND … [options]",
            "",
            "Gathers evidence on the claims of a paper, and reports how strong it is.",
            "",
            *(f"  {command.name:<{width}}  {command.about}" for command in TABLE.values()),
            "",
            "`COMMAND --help` shows a command's options, `all --help` verify's; --version.",
            "Exit: 0 as expected, 1 not, 2 interrupted, 3 internal, 4 usage, 5 nothing ran.",
        ]
    )


def parsed(words: Sequence[str]) -> tuple[Command, Namespace]:
    """The command, and its options. Raises UsageError; SystemExit where help was asked for, and shown."""
    command, rest = (TABLE[words[0]], words[1:]) if words[0] in TABLE else (TABLE["verify"], words)
    parser = Parser(command)
    args, strange = parser.parse_known_intermixed_args(rest)
    if strange:
        raise UsageError(_refused(strange[0].partition("=")[0], command, parser))
    return command, args


def _refused(word: str, command: Command, parser: Parser) -> str:
    """What is wrong with a word that the command does not take."""
    see = f"see `{PROGRAM} {'all' if command.name == 'verify' else command.name} --help`"
    others = [f"`{other.name}`" for other in TABLE.values() if word in Parser(other).spelled]
    if others:
        return f"{word} goes with {', '.join(others)}, not with `{command.name}`: {see}"
    near = get_close_matches(word, parser.spelled, n=1) if word.startswith("-") else []
    return f"`{command.name}` takes no {word}{f' (did you mean {near[0]}?)' if near else ''}: {see}"
