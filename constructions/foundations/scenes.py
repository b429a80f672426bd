"""Selective copying on a sequence such as `c1 n c2 m m`: contents, noise n, markers m, as many as contents."""

import re

import numpy as np

from mamba_theorems.constructions.foundations.copying import CLAIM, selective_copying
from mamba_theorems.constructions.scene import Example, Scene, SceneSizes


def copied(text: str, target: str, sizes: SceneSizes) -> Scene:
    """Each marker answered by the next content. Raises ValueError for another text."""
    words = tuple(text.split())
    strange = [word for word in words if not re.fullmatch(r"c[1-9][0-9]?|[nm]", word)]
    if strange:
        raise ValueError(f"there is no token '{strange[0]}': use c1, c2, … for contents, n for noise, m for a marker")
    contents = [int(word[1:]) - 1 for word in words if word[0] == "c"]
    markers = [t for t, word in enumerate(words) if word == "m"]
    if not contents or markers != [*range(len(words) - len(contents), len(words))]:
        raise ValueError(f"'{text}' must end with as many markers m as it has contents, as in c1 n c2 m m")
    kinds = max(2, 1 + max(contents)) if sizes.rows is None else sizes.rows - 2
    if not max(contents) < kinds:
        raise ValueError(f"there are {kinds} contents: use c1 to c{kinds}")
    place = {"n": kinds, "m": kinds + 1}
    tokens = np.array([place[word] if word in place else int(word[1:]) - 1 for word in words])
    classes = (*(f"c{kind + 1}" for kind in range(kinds)), "n", "m")
    network = selective_copying(kinds, len(contents)).network()
    return Scene(CLAIM, target, network, tokens, words, classes, dict(zip(markers, contents, strict=True)))


EXAMPLES = (Example(CLAIM, ("language_model",), "c2 n c1 n m m", copied),)
