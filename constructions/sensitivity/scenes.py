"""Blocks that freeze time, on a sequence of values, as in `0.5! 0.2 -0.3 0.8! 0.1`: ! is the flag."""

from functools import partial

import numpy as np

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.haar.scenes import numbers
from mamba_theorems.constructions.scene import Example, Scene, SceneSizes
from mamba_theorems.constructions.sensitivity.memory import (
    CLAIM,
    FEATURES,
    VALUE,
    StepRule,
    by_flag,
    constant,
    memory_block,
    memory_block2,
)

RULES = {"official": by_flag(), "official_mamba2": by_flag(), "constant_step": constant()}
"""By the flag, in both blocks; and the same block with a constant step, which is S4D."""
TOKENS = "0.5! 0.25 -0.75 0.75! 0.125 -0.5"


def flagged(claim: str, text: str, target: str, sizes: SceneSizes) -> Scene:
    """The value at the last flag, from the first flag on."""
    words = tuple(text.split())
    values, flags = numbers(tuple(word.removesuffix("!") for word in words)), [word.endswith("!") for word in words]
    given = np.array([[value, int(flag), 1] for value, flag in zip(values, flags, strict=True)], dtype=object)
    held = {t: max(s for s in range(t + 1) if flags[s]) for t in range(len(words)) if any(flags[: t + 1])}
    return Scene(
        claim,
        target,
        _network(target, RULES[target]),
        given,
        words,
        ("value",),
        wanted={t: values[s] for t, s in held.items()},
        outputs=lambda y: y[:, FEATURES.position(VALUE)][:, None],
    )


def _network(target: str, rule: StepRule) -> Construction:
    return memory_block2(rule) if target == "official_mamba2" else memory_block(rule)


EXAMPLES = (
    Example(CLAIM, tuple(RULES), TOKENS, partial(flagged, CLAIM)),
    Example("sensitivity.lem2-amended", ("official",), TOKENS, partial(flagged, "sensitivity.lem2-amended")),
    Example("sensitivity.mamba2", ("official_mamba2",), TOKENS, partial(flagged, "sensitivity.mamba2")),
)
