"""Section 3's networks on a sequence: Haar coefficients of a signal such as `3 1 4 1`, KEEP 2nd of letters."""

import re
from fractions import Fraction
from functools import partial
from string import ascii_lowercase

import numpy as np

from mamba_theorems.constructions.haar.keep import CLAIM as KEEP
from mamba_theorems.constructions.haar.keep import keep_nth
from mamba_theorems.constructions.haar.transform import CLAIM as TRANSFORM
from mamba_theorems.constructions.haar.transform import full_basis, mamba1_haar, mamba2_haar
from mamba_theorems.constructions.scene import Example, Scene, SceneSizes

KEPT = 2
LONGEST_SIGNAL = 8
NUMBER = re.compile(r"[+-]?[0-9./]{1,30}")
"""Short enough for a float."""


def numbers(words: tuple[str, ...]) -> list[Fraction]:
    """Decimals and fractions. Raises ValueError for what is none."""
    return list(map(_number, words))


def _number(word: str) -> Fraction:
    try:
        return Fraction(word if NUMBER.fullmatch(word) else "")
    except (ValueError, ZeroDivisionError) as reason:
        raise ValueError(
            f"'{word}' is no number of at most 30 digits: write decimals or fractions, as in 3 0.5 -1/4"
        ) from reason


def coefficients(claim: str, knows_time: bool, text: str, target: str, sizes: SceneSizes) -> Scene:
    """All Haar coefficients of a signal, each read at a step of its own behind the signal."""
    words = tuple(text.split())
    signal, length = numbers(words), len(words)
    if length > LONGEST_SIGNAL:
        raise ValueError(f"a signal of {length} numbers is too long to show: give 2, 4 or {LONGEST_SIGNAL}")
    basis = full_basis(length)
    network = mamba1_haar(length, basis, knows_time=knows_time) if target == "official" else mamba2_haar(
        length, basis, bits=53
    )  # fmt: skip
    values = np.array([sum(s * int(v) for s, v in zip(signal, w.values(length), strict=True)) for w in basis])
    return Scene(
        claim,
        target,
        network,
        np.array(signal, dtype=object),
        (*words, *(f"c{n}?" for n in range(len(basis)))),
        ("coefficient",),
        wanted={length + n: value for n, value in enumerate(values)},
        outputs=lambda read: np.concatenate([np.zeros(length, dtype=read.dtype), read])[:, None],
    )


def keep(text: str, target: str, sizes: SceneSizes) -> Scene:
    """KEEP 2nd: from the second letter on, that letter."""
    words = tuple(text.split())
    if any(len(word) != 1 or word not in ascii_lowercase for word in words):
        raise ValueError(f"'{text}' are no letters: use a to z, as in a b c a")
    tokens = np.array([ascii_lowercase.index(word) for word in words])
    count = max(2, 1 + int(tokens.max()))
    right = {t: int(tokens[KEPT - 1]) for t in range(KEPT - 1, len(tokens))}
    return Scene(KEEP, target, keep_nth(KEPT, count), tokens, words, tuple(ascii_lowercase[:count]), right)


EXAMPLES = (
    Example(TRANSFORM, ("official", "official_mamba2"), "3 1 4 1", partial(coefficients, TRANSFORM, True)),
    Example("haar.prop1-amended", ("official",), "3 1", partial(coefficients, "haar.prop1-amended", False)),
    Example(KEEP, ("official",), "c a b b c", keep),
)
