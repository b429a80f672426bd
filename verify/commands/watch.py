"""`show CLAIM…`: networks on a sequence, step by step, as text, SVG or a page."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mamba_theorems.constructions import examples
from mamba_theorems.constructions.scene import Example, SceneSizes
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import Exit, Terminal, UsageError, as_usage_error
from mamba_theorems.verify.extras import needs
from mamba_theorems.verify.files import write
from mamba_theorems.verify.report.watch import Watched
from mamba_theorems.verify.report.watch.drawing import svg
from mamba_theorems.verify.report.watch.text import text

FILES = {"text": "show.txt", "svg": "show.svg", "html": "show.html"}


def shown(args: Namespace, terminal: Terminal) -> Exit:
    """Show them."""
    asked.output(args, FILES[args.output_format])
    watched = _watched(args)
    if args.output is not None:
        write(args.output / FILES[args.output_format], _document(watched, args.output_format))
    elif args.output_format == "text":
        terminal.put(text(watched, terminal.width if terminal.is_terminal else 80).rstrip("\n"))
    else:
        terminal.document(_document(watched, args.output_format))
    return Exit.EXPECTED


def _document(watched: list[Watched], form: str) -> str:
    if form == "svg":
        return '<?xml version="1.0" encoding="utf-8"?>\n' + svg(watched) + "\n"
    if form == "text":
        return text(watched)
    from mamba_theorems.verify.report import html  # noqa: PLC0415 - an optional extra
    from mamba_theorems.verify.report.watch.page import together  # noqa: PLC0415

    return html.watched(together(watched))


def _watched(args: Namespace) -> list[Watched]:
    """The networks that the words name. Raises UsageError."""
    chosen = [_example(word) for word in args.words]
    if not chosen:
        raise UsageError("name a claim whose network is to be shown, as in `show mqar.thm2-step1`")
    if args.vocab_size is not None and args.weights is None:
        raise UsageError("--vocab-size goes with --weights: without them the vocabulary is the text's")
    with as_usage_error():
        text = chosen[0].tokens if args.tokens is None else args.tokens
        if args.weights is not None:
            return [_trained(args, chosen, text)]
        wanted = [(each.claim, target) for each in chosen for target in args.target or each.targets[:1]]
        wanted += [pair for pair in chosen[0].companions if args.beside and pair not in wanted]
        sizes = SceneSizes(num_kv_pairs=args.num_kv_pairs)
        return [Watched(examples()[claim].at(text, target, sizes).trace()) for claim, target in wanted]


def _example(word: str) -> Example:
    known = examples()
    if word in known:
        return known[word]
    family = [claim for claim in known if claim.partition(".")[0] == word.partition(".")[0]]
    raise UsageError(
        f"no network is shown for '{word}'{asked.closest(word, known)}: use one of {', '.join(family or known)}"
    )


# ------------------------------------------------------------------------------------------------ another's weights


def _trained(args: Namespace, chosen: list[Example], text: str) -> Watched:
    """The claim's network with the weights of a file, at that file's sizes."""
    if len(chosen) > 1 or len(args.target) > 1 or args.beside:
        raise UsageError("--weights go with one claim and one --target")
    state, target = _state(args.weights), (args.target or chosen[0].targets[:1])[0]
    sizes = SceneSizes(_rows(state), args.vocab_size, args.num_kv_pairs)
    return Watched(chosen[0].at(text, target, sizes).with_weights(state).trace(), args.weights.name)


def _state(path: Path) -> Mapping[str, Any]:
    """The arrays of a safetensors file by our names."""
    with needs("interop", "--weights"):
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415
    from mamba_theorems.kernels.blocks.interop import from_transformers  # noqa: PLC0415

    try:
        found = load_file(path)
    except (OSError, SafetensorError) as reason:
        raise UsageError(f"cannot read {path} ({reason}): give a safetensors file") from reason
    return {name: weight.double().numpy() for name, weight in from_transformers(found).items()}


def _rows(state: Mapping[str, Any]) -> int | None:
    """How many tokens the weights embed; None where they have no embedding."""
    for name in ("embedding.weight", "backbone.embedding.weight"):
        if name in state and state[name].ndim:
            return len(state[name])
    return None
