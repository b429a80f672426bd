"""Recall networks on a sequence of keys and values, written as in `k1 v1 k2 v2 k1`; f is a filler."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np

from mamba_theorems.constructions.compiler.targets import COMPILED_TARGETS, TARGETS
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.builders import BUILDERS, KNOW_PAIRS, build
from mamba_theorems.constructions.mqar.printed import (
    Numbers,
    shared_convolution,
    sign_keys,
    sign_values,
)
from mamba_theorems.constructions.mqar.theorem2 import CLAIM
from mamba_theorems.constructions.scene import Example, Scene, SceneSizes
from mamba_theorems.constructions.tasks import (
    IGNORED,
    Violation,
    Vocabulary,
    answers,
    h1_keys_distinct,
    h2_no_query_after_noise,
    h3_values_distinct,
    h4_no_query_after_value,
    token_of,
    word,
)

MOST = 64
"""Keys, and values, that a shown network has at most."""
Build = Callable[[str, Vocabulary, int], Construction]
"""The network for a target, a vocabulary and a number of pairs."""


def smallest(text: str) -> Vocabulary:
    """The paper's vocabulary with as many keys and values as a text names, at least two values; f where it names that.

    Raises ValueError where it names too many.
    """
    named = {letter: [int(n or 1) for n in re.findall(rf"\b{letter}([0-9]{{0,6}})\b", text)] for letter in "kv"}
    keys, values = max(1, *named["k"], 0), max(2, *named["v"], 0)
    if max(keys, values) > MOST:
        raise ValueError(f"{max(keys, values)} keys or values are too many to show: use at most {MOST}")
    size = keys + values
    return Vocabulary(size + 1, range(keys), range(keys, size), size) if "f" in text.split() else Vocabulary.paper(
        keys, values
    )  # fmt: skip


def pairs_of(tokens: np.ndarray, vocabulary: Vocabulary) -> int:
    """How many pairs of a key and a value a sequence starts with, up to the first key that comes again."""
    seen: set[int] = set()
    for key, value in zip(tokens[::2].tolist(), tokens[1::2].tolist(), strict=False):
        if key not in vocabulary.keys or value not in vocabulary.values or key in seen:
            break
        seen.add(key)
    return len(seen)


def recall(
    claim: str, network: Build, vocabulary: Vocabulary, text: str, target: str, num_kv_pairs: int | None = None
) -> Scene:
    """The scene of a text over a vocabulary. Raises ValueError for another text."""
    tokens = np.array([token_of(each, vocabulary) for each in text.split()])
    pairs = pairs_of(tokens, vocabulary) if num_kv_pairs is None else num_kv_pairs
    context = tokens[: 2 * pairs]
    if pairs < 1 or len(context) < 2 * pairs or not (
        vocabulary.is_key(context[::2]).all() and vocabulary.is_value(context[1::2]).all()
    ):  # fmt: skip
        least = "its pairs" if num_kv_pairs is None else f"{pairs} pairs"
        raise ValueError(
            f"a sequence starts with {least} of a key and a value, as in k1 v1 k2 v2 k1: '{text}' does not"
        )
    asked = answers(tokens[None], vocabulary, pairs)[0]
    return Scene(
        claim,
        target,
        network(target, vocabulary, pairs),
        tokens,
        tuple(text.split()),
        tuple(word(token, vocabulary) for token in range(vocabulary.size)),
        right={t: int(asked[t]) for t in np.flatnonzero(asked != IGNORED).tolist()},
        broken=violations(tokens, vocabulary, pairs),
    )


def violations(tokens: np.ndarray, vocabulary: Vocabulary, pairs: int) -> tuple[Violation, ...]:
    """Which of H1 to H4 do not hold, and where."""
    found = (
        h1_keys_distinct(tokens, pairs),
        h2_no_query_after_noise(tokens, vocabulary, pairs),
        h3_values_distinct(tokens, vocabulary),
        h4_no_query_after_value(tokens, vocabulary, pairs),
    )
    return tuple(each for each in found if each is not None)


def _built(claim: str, shown: str, text: str, target: str, sizes: SceneSizes) -> Scene:
    """The scene of a claim's own network, over the smallest vocabulary that has the text, or over another's."""

    def network(target: str, vocabulary: Vocabulary, pairs: int) -> Construction:
        known = {"num_kv_pairs": pairs, "vocab_size": vocabulary.size}
        return build(claim, target, vocabulary=vocabulary, **known)

    scene = recall(shown, network, _sized(text, target, sizes), text, target, sizes.num_kv_pairs)
    if claim in KNOW_PAIRS and TARGETS[target].is_language_model:  # its first layer counts: H4 is not needed
        scene = replace(scene, broken=tuple(each for each in scene.broken if each.hypothesis != "H4"))
    return scene


def _sized(text: str, target: str, sizes: SceneSizes) -> Vocabulary:
    """The smallest vocabulary that has the text; that of another's weights: Zoology's in a language model.

    A language model may embed more tokens than its task has (`export.SPECIAL` are three more).
    """
    if sizes.rows is None:
        return smallest(text)
    if TARGETS[target].is_language_model:
        return replace(Vocabulary.zoology(sizes.vocab_size or sizes.rows - sizes.rows % 2 * 3), size=sizes.rows)
    keys = sizes.num_kv_pairs or len(smallest(text).keys)
    return Vocabulary.paper(keys, sizes.rows - keys)


def _holding(claim: str) -> tuple[str, ...]:
    """The targets that hold a claim's mixer, S4D last."""
    return tuple(target for target in COMPILED_TARGETS if _holds(claim, target))


def _holds(claim: str, target: str) -> bool:
    try:
        build(claim, target, num_kv_pairs=1, vocab_size=3, vocabulary=Vocabulary.paper(1, 2))
    except ValueError:
        return False
    return True


# --------------------------------------------------------------------------------------- as the paper prints them

ORTHOGONAL, SIGN_KEYS = ("++--", "++++"), ("++++", "++--", "+-+-")
NUMBERS, SHIFT = Numbers(10, 1, 10, 3), Fraction(2)
"""k, c_0, c_1, b and β of Theorem 2, step 2."""


def _printed_signs(target: str, vocabulary: Vocabulary, pairs: int) -> Construction:
    """Theorem 2, step 2: sign codes for two values, with the printed bias."""
    low = NUMBERS.tap0 * NUMBERS.key - NUMBERS.bias
    values = sign_values(ORTHOGONAL, SHIFT, low * (NUMBERS.tap1 * SHIFT - NUMBERS.bias))
    return shared_convolution(vocabulary, NUMBERS, values)


def _sign_keys(rectified: bool, target: str, vocabulary: Vocabulary, pairs: int) -> Construction:
    """Theorem 3, step 2: sign codes for up to three keys."""
    return sign_keys(vocabulary, SIGN_KEYS[: len(vocabulary.keys)], rectified=rectified)


def _printed(claim: str, network: Build, most: tuple[int, int], text: str, target: str, sizes: SceneSizes) -> Scene:
    """The scene of a printed network, of at most so many keys and values."""
    vocabulary = smallest(text)
    if len(vocabulary.keys) > most[0] or len(vocabulary.values) > most[1] or vocabulary.filler is not None:
        raise ValueError(f"the network of {claim} has k1 … k{most[0]}, v1 … v{most[1]} and no filler: use those")
    return recall(claim, network, vocabulary, text, target, sizes.num_kv_pairs)


# ------------------------------------------------------------------------------------------------ the examples

TIE, PLAIN, ASKED_ALONE = "k v1 k v2 k", "k1 v1 k2 v2 k1 k2", "k1 v1 k2 v2 f k1 f k2"
"""The smallest sequence on which a network that stores what follows a query ties; one that keeps H1 to H3; and H4."""
TOKENS = {"mqar.n1-delta-gate": ASKED_ALONE, "mqar.robust": "k1 v1 k2 v2 k1 v2 k1 k2"}
AS_PRINTED = "mqar.thm2-step1-printed"

BESIDE = (("mqar.thm4", "paper_s4d"), ("mqar.thm2-step1", "paper"), ("mqar.thm3-step1", "paper_mamba2"))
"""S4D, Mamba and Mamba-2: the paper's three recall theorems, by claim and target."""

EXAMPLES = (
    *(
        Example(claim, _holding(claim), TOKENS.get(claim, PLAIN), partial(_built, claim, claim), BESIDE)
        for claim in BUILDERS
    ),
    Example(AS_PRINTED, _holding(CLAIM), TIE, partial(_built, CLAIM, AS_PRINTED), BESIDE),
    Example("mqar.thm2-step2", ("paper",), "k v1 k", partial(_printed, "mqar.thm2-step2", _printed_signs, (MOST, 2))),
    *(
        Example(claim, ("paper_mamba2",), "k1 v1 k2 v2 k3 v1 k2", partial(_printed, claim, network, (3, MOST)))
        for claim, network in {
            "mqar.thm3-relu-clip": partial(_sign_keys, True),
            "mqar.thm3-amended": partial(_sign_keys, False),
        }.items()
    ),
)
