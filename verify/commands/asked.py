"""From the words of a command line to what they ask for; each function raises UsageError for what cannot be."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mamba_theorems.verify import recorded
from mamba_theorems.verify.commands.table import TABLE
from mamba_theorems.verify.commands.usage import PROGRAM, NothingRan, UsageError, as_usage_error
from mamba_theorems.verify.files import writable
from mamba_theorems.verify.recorded import parsed
from mamba_theorems.verify.settings import Run, Sizes, Tier


def selected(args: Namespace, unnamed: Iterable[str] = ()) -> list[str]:
    """The ids of the claims that the words name, narrowed by -k; -k alone selects among all.

    `unnamed` is what a command takes where nothing is named.
    """
    words = args.words or (["all"] if args.k else list(unnamed))
    if not words:
        raise UsageError(f"name claims, a family, or all, as in `mqar.thm2-step1`: `{PROGRAM} list` shows every claim")
    listed = known()
    chosen = dict.fromkeys(claim for word in words for claim in _named(word, listed))
    narrowed = [c for c in chosen if args.k.lower() in f"{c} {listed[c].title}".lower()]
    if not narrowed:
        raise NothingRan(f"no claim matches -k '{args.k}': `{PROGRAM} list` shows every claim")
    return narrowed


@dataclass(frozen=True)
class Listing:
    """What a list shows of a claim."""

    family: str
    form: str
    title: str


def known() -> dict[str, Listing]:
    """Every claim by its id: from the record where that was made of the sources that are here, which is quick."""
    if recorded.is_current():
        return {i: Listing(c["family"], c["form"], c["title"]) for i, c in recorded.claims().items()}
    from mamba_theorems.theorems.registry import claims, family_of  # noqa: PLC0415 - building every claim takes seconds

    return {i: Listing(family_of(i), str(c.form), c.title) for i, c in claims().items()}


def _named(word: str, listed: Mapping[str, Listing]) -> list[str]:
    """One claim, a family's, or all."""
    found = [c for c, of in listed.items() if word in ("all", c, of.family, c.partition(".")[0])]
    if word in TABLE:
        raise UsageError(f"`{word}` is a command and comes first, as in `{PROGRAM} {word} --help`")
    if not found:
        words = [*listed, *dict.fromkeys(of.family for of in listed.values()), "all", *TABLE]
        raise UsageError(f"there is no claim '{word}'{closest(word, words)}: `{PROGRAM} list` shows every claim")
    return found


def closest(word: str, known: Iterable[str]) -> str:
    """A question in brackets that names the nearest word, if one is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def run(args: Namespace) -> Run:
    """How much to run, on what, from which seed, at which sizes."""
    dtypes = (args.dtype,) if args.dtype else ("float32", "float64")
    return Run(Tier(args.tier), args.seed or 0, device(args.device), dtypes, _kernel(args.kernel or ""), sizes(args))


def device(name: str) -> str:
    """A device that is there."""
    import torch  # noqa: PLC0415 - what needs no run needs no torch

    if name not in ("cpu", "cuda"):
        raise UsageError(f"there is no device '{name}': use cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("this machine has no CUDA device: leave --device out to run on the CPU")
    return name


def sizes(args: Namespace) -> Sizes | None:
    """The sizes of recall, by Zoology's names; all three or none."""
    given = (args.vocab_size, args.input_seq_len, args.num_kv_pairs)
    if given == (None, None, None):
        return None
    if None in given:
        raise UsageError("give --vocab-size, --input-seq-len and --num-kv-pairs together")
    from mamba_theorems.constructions.tasks import zoology_mqar  # noqa: PLC0415

    with as_usage_error():
        zoology_mqar(args.vocab_size, 1, args.input_seq_len, 0, num_kv_pairs=args.num_kv_pairs)
    return Sizes(*given)


def _kernel(name: str) -> str:
    """The name of someone else's kernel, once it is known to be there."""
    from mamba_theorems.verify.checks.foreign import foreign  # noqa: PLC0415 - what needs no run needs no kernel

    with as_usage_error(), foreign(name):
        return name


@contextmanager
def pool(args: Namespace) -> Iterator[Any]:
    """Processes here (`--workers`), or a cluster (`--scheduler`)."""
    from mamba_theorems.verify.fuzz import local  # noqa: PLC0415 - what needs no workers needs none of this

    with ExitStack() as stack:
        if args.scheduler is None:
            yield stack.enter_context(local.pool_of(args.workers or local.automatic()))
            return
        from mamba_theorems.verify.fuzz.cluster import pool_at  # noqa: PLC0415 - an optional extra

        with as_usage_error():
            found = stack.enter_context(pool_at(args.scheduler))
        yield found


def document(path: Path) -> Any:
    """What a JSON file holds."""
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise UsageError(f"cannot read {path} ({reason}): give the JSON that -o wrote") from reason


def record(path: Path) -> dict[str, Any]:
    """The canonical part of a report or of a recorded run."""
    found = document(path)
    from mamba_theorems.verify.record import read_record  # noqa: PLC0415 - reading a report builds its claims

    with as_usage_error(f"cannot use {path}: "):
        return read_record(found)


def output(args: Namespace, *names: str) -> None:
    """See that -o can be written, before the work whose result it is to hold. Raises CannotWrite."""
    if args.output is not None:
        for name in names:
            writable(args.output / name)
