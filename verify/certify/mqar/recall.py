"""What all arguments for associative recall share: hypotheses, sizes, names, and the family of a recall network."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.exact import ExactTensor
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.codes import balanced_columns
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.argument import ULPS, Argument, Proven, Requirement
from mamba_theorems.verify.certify.blocks import is_model
from mamba_theorems.verify.certify.family import Family, Frozen, Mutants, Sizes, one_more, only
from mamba_theorems.verify.certify.term import Term, equal, the

HYPOTHESES = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens of the "
    "vocabulary, with distinct keys k_1 ... k_p (H1), in whose tail no key occurs again once a value has directly "
    "followed it there (H2)"
)
CONCLUSION = (
    ": at every tail position that holds one of k_1 ... k_p, the logit of that key's value is larger than every other "
    "logit, both in exact arithmetic on these weights and in every floating-point evaluation described below."
)
V, K, P, FIRST = the.vocab_size, the.num_keys, the.num_kv_pairs, the.first_key
ANSWERS = FIRST + K
REQUIRES = (
    ("at least one pair", P >= 1),
    ("enough keys", K >= P),
    ("at least one value", the.num_values >= 1),
    ("all keys and values are tokens", FIRST + (K + the.num_values) <= V),
    ("room for a query", the.input_seq_len >= 2 * P + 1),
    ULPS,
)
SIGNED: Requirement = ("'head' is 1 or -1", equal(the.head * the.head, 1))
HEAD_SIGN = the.head / abs(the.head)
NONE: Mapping[str, Proven] = {}
NAMES = ("vocab_size", "input_seq_len", "num_kv_pairs")


def fixed(**weights: int) -> tuple[Requirement, ...]:
    """The requirements that weights are stated integers."""
    return tuple((f"'{name}' is {number}", equal(Term(name), number)) for name, number in weights.items())


def in_integers(theorem: str) -> Proven:
    """A theorem about a network in integers, which floats compute as they are."""
    return Proven(theorem, "what floats add: that nothing is rounded where 'exact' is positive", floats=("exact",))


def at(*sizes: int) -> dict[str, int]:
    """The sizes by name."""
    return dict(zip(NAMES, sizes, strict=True))


def completed(target: str, chosen: Sizes) -> dict[str, Any]:
    """vocab_size, num_kv_pairs, input_seq_len, and what follows from them. Raises ValueError for impossible sizes."""
    sizes = only(chosen, "Recall needs", ("vocab_size", "num_kv_pairs", "input_seq_len"))
    vocab_size, num_kv_pairs, length = sizes.values()
    if not 1 <= num_kv_pairs < vocab_size or length <= 2 * num_kv_pairs:
        raise ValueError("Recall needs 1 <= num_kv_pairs < vocab_size and input_seq_len > 2 num_kv_pairs: change them.")
    if is_model(target):
        vocabulary = Vocabulary.zoology(vocab_size)
    else:
        vocabulary = Vocabulary.paper(num_kv_pairs, vocab_size - num_kv_pairs)
    keys, values = vocabulary.keys, vocabulary.values
    if num_kv_pairs > len(keys):
        raise ValueError(f"num_kv_pairs={num_kv_pairs} exceeds the {len(keys)} keys: enlarge vocab_size.")
    return sizes | {"first_key": keys[0], "num_keys": len(keys), "num_values": len(values)}


def sign_columns(sizes: Sizes) -> dict[str, Any]:
    """The codes of all values by signs, as integers, and how many digits they have."""
    words = balanced_columns(sizes["num_values"])
    columns = [int(word.replace("+", "1").replace("-", "0"), 2) for word in words]
    return {"columns": columns, "width": len(words[0])}


def two_sizes(target: str) -> Frozen:
    """A small and a large size, in float32."""
    return (("float32", at(64, 64, 8)), ("float32", at(1024, 4096, 64)))


def mutants(target: str) -> Mutants:
    """Networks by codes whose worst case is wrong."""
    if "official" in target or is_model(target):
        return {
            "readout negated": {"mixer.out_proj.weight": np.negative},
            "one entry of D": {"mixer.D": one_more},
            "one entry of x_proj, or of Mamba-2's norm": {
                "mixer.x_proj.weight": one_more,
                "mixer.norm.weight": one_more,
            },
        }
    return {
        "readout negated": {"head.weight": np.negative},
        "one entry of the convolution": {"conv.weight": one_more, "mixer.x_conv.weight": one_more},
        "a step that depends on a token": {"delta.weight": one_more},
    }


def family(
    claim: str,
    targets: tuple[str, ...],
    argument: Callable[[str], Argument],
    *,
    build: Callable[[str, int, int], Construction] | None = None,
    sizes: Callable[[str, Sizes], dict[str, Any]] = completed,
    shapes: tuple[str, ...] = ("expand", "dt_rank"),
    frozen: Callable[[str], Frozen] = two_sizes,
    mutants: Callable[[str], Mutants] = mutants,
    formal: Mapping[str, Proven] = NONE,
) -> Family:
    """The family of a network that `build` makes of target, vocab_size and num_kv_pairs; by default the claim's own.

    `shapes` are the hyperparameters that the argument takes as sizes, where the network has them. `formal` has the
    theorems by target.
    """

    def usual(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
        return mqar.build(claim, target, num_kv_pairs=num_kv_pairs, vocab_size=vocab_size)

    network = cache(build or usual)

    def of(target: str, sizes: Sizes) -> Construction:
        return network(target, sizes["vocab_size"], sizes["num_kv_pairs"])

    def shaped(target: str, chosen: Sizes) -> dict[str, Any]:
        found = sizes(target, chosen)
        known = of(target, found).hyperparameters
        return found | {name: known[name] for name in shapes if name in known}

    def weights(target: str, sizes: Sizes, dtype: str) -> Mapping[str, ExactTensor]:
        return of(target, sizes).weights

    return Family(claim, targets, argument, shaped, weights, frozen, mutants, formal=formal.get)
