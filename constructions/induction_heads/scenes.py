"""Induction heads on a sequence of letters, as in `a b a`: what followed the letter when it last occurred."""

from collections.abc import Callable
from functools import partial
from string import ascii_lowercase

import numpy as np

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads.lemma3 import AMENDED, PRINTED, lemma3, lemma3_printed
from mamba_theorems.constructions.induction_heads.plain import CLAIM, TARGETS, plain_s6
from mamba_theorems.constructions.induction_heads.task import answers
from mamba_theorems.constructions.scene import Example, Scene, SceneSizes

W = 8
"""w of Lemma 3: at least ln(2L) for every sequence that is shown."""
TOKENS = "a b c a b a"


def letters(
    claim: str, network: Callable[[int, str], Construction], text: str, target: str, sizes: SceneSizes
) -> Scene:
    """The scene of a text. Raises ValueError for what is no letter."""
    words = tuple(text.split())
    strange = [word for word in words if len(word) != 1 or word not in ascii_lowercase]
    if strange:
        raise ValueError(f"there is no token '{strange[0]}': use the letters a to z")
    tokens = np.array([ascii_lowercase.index(word) for word in words])
    count = max(2, 1 + int(tokens.max())) if sizes.rows is None else sizes.rows - 1
    if not max(tokens) < count <= len(ascii_lowercase):
        raise ValueError(f"{count} letters are too few or too many here: use those from a on, at most 26")
    right = dict(enumerate(answers(tokens, count).tolist()))
    classes = (*ascii_lowercase[:count], "blank")
    return Scene(claim, target, network(count, target), tokens, words, classes, right)


def _amended(count: int, target: str) -> Construction:
    return lemma3(count, W)


def _printed(count: int, target: str) -> Construction:
    return lemma3_printed(count, W)


EXAMPLES = (
    Example(AMENDED, ("paper_delta_t",), TOKENS, partial(letters, AMENDED, _amended)),
    *(
        Example(claim, ("paper_delta_t",), TOKENS, partial(letters, claim, _printed))
        for claim in (PRINTED, "induction.lem3-argmax")
    ),
    *(
        Example(claim, TARGETS, TOKENS, partial(letters, claim, plain_s6))
        for claim in (CLAIM, "induction.plain-s6-limits")
    ),
)
