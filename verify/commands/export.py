"""`export CLAIM`: a claim's language model as a folder that other libraries load."""

from __future__ import annotations

import math
from argparse import Namespace

from mamba_theorems.constructions import export as models
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError
from mamba_theorems.verify.report.model_card import ModelCard


def export(args: Namespace, terminal: Terminal) -> Exit:
    """Write the model, and say what was written."""
    sizes = asked.sizes(args)
    if len(args.words) != 1 or sizes is None or args.output is None:
        raise UsageError(
            "export takes one claim, --vocab-size, --input-seq-len, --num-kv-pairs and -o DIR, "
            f"as in `{PROGRAM} export mqar.n2-distinct --target transformers --vocab-size 64 "
            "--input-seq-len 64 --num-kv-pairs 8 -o model`"
        )
    asked.output(args, "config.json")
    shape = (sizes.vocab_size, sizes.input_seq_len, sizes.num_kv_pairs)
    try:
        models.writable(args.target, args.output)
        model = models.language_model(args.words[0], *shape, args.architecture)
        card = ModelCard(model, args.target, *shape).text()
        models.export(model, args.target, args.output, {"README.md": card})
    except models.CannotExport as reason:
        raise UsageError(str(reason)) from reason
    count = sum(math.prod(weight.shape) for weight in model.weights.values())
    target = model.target.replace("_", " ")
    terminal.put(f"{args.output}: {args.words[0]} as a {target}, {count:,} parameters, float32; see its README.md")
    return Exit.EXPECTED
