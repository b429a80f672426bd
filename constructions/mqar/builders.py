"""One builder a claim: explicit networks for multi-query associative recall, for a target and a size."""

from collections.abc import Callable
from functools import partial

from mamba_theorems.constructions.compiler.sharpen import amplified, sharpened
from mamba_theorems.constructions.compiler.targets import COMPILED_TARGETS, TARGETS, require_target
from mamba_theorems.constructions.construction import Construction, compiled
from mamba_theorems.constructions.mqar import codes as recall_codes
from mamba_theorems.constructions.mqar.codes import CodeForm, RecallCodes
from mamba_theorems.constructions.mqar.products import ProductCodes, ProductForm, gated
from mamba_theorems.constructions.mqar.robust import step_gated, time_gated
from mamba_theorems.constructions.mqar.selective import (
    OFFICIAL_CLOCK,
    PAPER_CLOCK,
    WIDE_CLOCKS,
    SelectiveForm,
    largest_ratio,
    ratio,
    selective,
    timed,
)
from mamba_theorems.constructions.mqar.theorem2 import CLAIM, theorem2_step1
from mamba_theorems.constructions.tasks import Vocabulary


def activation_of(target: str) -> str:
    """The non-linearity of a target's block: the paper's proofs take ReLU, the official blocks have SiLU."""
    return "relu" if target.startswith("paper") else "silu"


def _by_codes(
    choose: Callable[[Vocabulary], RecallCodes], claim: str, vocabulary: Vocabulary, target: str
) -> Construction:
    codes = choose(vocabulary)
    description = recall_codes.describe(vocabulary, codes, activation_of(target))
    return compiled(claim, target, description, CodeForm(codes, vocabulary))


def _two_states(vocabulary: Vocabulary, target: str) -> Construction:
    """Extension D. Scores up to 2 K² that differ by 1: in the official blocks SiLU and softplus must not round."""
    codes = recall_codes.two_state_codes(vocabulary)
    description = recall_codes.describe(vocabulary, codes, "relu")
    if activation_of(target) == "silu":
        description = amplified(description, normed="mamba2" in target)
    return compiled("mqar.n2-distinct", target, description, CodeForm(codes, vocabulary))


def _balanced_signs(vocabulary: Vocabulary) -> RecallCodes:
    return recall_codes.sign_codes(vocabulary, recall_codes.balanced_columns(len(vocabulary.values)))


def _one_hot_products(vocabulary: Vocabulary) -> ProductCodes:
    return ProductCodes(len(vocabulary.values), recall_codes.one_hot, recall_codes.one_hot, 1)


def _sign_products(vocabulary: Vocabulary) -> ProductCodes:
    """Balanced sign columns: value {0, 2}, head ±1."""
    codes = _balanced_signs(vocabulary)
    return ProductCodes(codes.width, codes.value, codes.head, codes.margin)


def _gated(
    choose: Callable[[Vocabulary], ProductCodes], claim: str, vocabulary: Vocabulary, target: str
) -> Construction:
    codes, activation = choose(vocabulary), activation_of(target)
    form = ProductForm(codes, vocabulary, activation)
    return compiled(claim, target, gated(vocabulary, codes, activation), form)


def theorem4_without_gate(
    vocabulary: Vocabulary,
    target: str,
    *,
    num_kv_pairs: int,
    positions: bool | None = None,
    widest: bool = False,
) -> Construction:
    """Extension I, ρ = 1/(2κ). With positions (a language model's first layer counts) it needs H1 only, else H4 too.

    `widest` takes the largest ρ and the largest state that a block alone can: for the most queries.
    """
    codes, rho = _one_hot_products(vocabulary), (largest_ratio if widest else ratio)(num_kv_pairs)
    clock = WIDE_CLOCKS[target] if widest else PAPER_CLOCK if target == "paper" else OFFICIAL_CLOCK
    positions = target == "language_model" if positions is None else positions
    context = 2 * num_kv_pairs if positions else None
    if context is None:
        description = selective(vocabulary, codes, rho, clock)
    else:
        description = timed(vocabulary, codes, rho, clock, num_kv_pairs)
    form = SelectiveForm(codes, vocabulary, rho, clock.stored * clock.C, context)
    description = description if target == "paper" else sharpened(description)
    return compiled("mqar.n1-delta-gate", target, description, form)


def robust(
    vocabulary: Vocabulary,
    target: str,
    *,
    num_kv_pairs: int,
    choose: Callable[[Vocabulary], RecallCodes] = recall_codes.one_hot_codes,
) -> Construction:
    """Extension E over the codes that `choose` gives: one-hot, or `two_state_codes` for D + E.

    The paper's block is given positions; a language model counts in a first layer.
    """
    codes, describe_mixer = choose(vocabulary), time_gated if target == "paper" else step_gated
    form = CodeForm(codes, vocabulary, 2 * num_kv_pairs)
    return compiled("mqar.robust", target, describe_mixer(vocabulary, codes, num_kv_pairs), form)


BUILDERS: dict[str, Callable[..., Construction]] = {
    CLAIM: theorem2_step1,
    "mqar.thm2-step2-amended": partial(_by_codes, _balanced_signs, "mqar.thm2-step2-amended"),
    "mqar.value-code": partial(_by_codes, recall_codes.integer_value_codes, "mqar.value-code"),
    "mqar.thm3-step1": partial(_by_codes, recall_codes.one_hot_codes, "mqar.thm3-step1"),
    "mqar.n2-distinct": _two_states,
    "mqar.thm4": partial(_gated, _one_hot_products, "mqar.thm4"),
    "mqar.thm4-jl-amended": partial(_gated, _sign_products, "mqar.thm4-jl-amended"),
    "mqar.n1-delta-gate": theorem4_without_gate,
    "mqar.robust": robust,
}
KNOW_PAIRS = ("mqar.n1-delta-gate", "mqar.robust")
"""Claims whose weights depend on κ beside the vocabulary."""


def build(
    claim: str,
    target: str = "paper",
    *,
    num_kv_pairs: int,
    vocab_size: int,
    vocabulary: Vocabulary | None = None,
) -> Construction:
    """The construction of a claim of this family, for a target and a size.

    The vocabulary is the paper's (`num_kv_pairs` keys, the other tokens values), for a language model Zoology's;
    `vocabulary` overrides it. Raises ValueError for an unknown claim or target, or a size that is impossible.
    """
    if claim not in BUILDERS:
        raise ValueError(f"No construction is known for {claim!r}: choose one of {', '.join(BUILDERS)}.")
    require_target(target, COMPILED_TARGETS)
    vocabulary = vocabulary or _vocabulary(target, num_kv_pairs, vocab_size)
    if not 1 <= num_kv_pairs <= len(vocabulary.keys):
        raise ValueError(
            f"num_kv_pairs={num_kv_pairs} distinct keys do not fit the vocabulary's {len(vocabulary.keys)}: "
            "use at least 1 pair, and enlarge vocab_size for more."
        )
    known = {"num_kv_pairs": num_kv_pairs} if claim in KNOW_PAIRS else {}
    return BUILDERS[claim](vocabulary, target, **known)


def _vocabulary(target: str, num_kv_pairs: int, vocab_size: int) -> Vocabulary:
    if TARGETS[target].is_language_model:
        return Vocabulary.zoology(vocab_size)
    if num_kv_pairs < 1 or num_kv_pairs >= vocab_size:
        raise ValueError(
            f"vocab_size={vocab_size} cannot hold num_kv_pairs={num_kv_pairs} distinct keys and a value: "
            f"use at least 1 pair and vocab_size >= {num_kv_pairs + 1}."
        )
    return Vocabulary.paper(num_kv_pairs, vocab_size - num_kv_pairs)


TITLES = {
    "paper": "the paper's block",
    "official": "the official block",
    "language_model": "the second layer of a language model whose first counts t",
}


def told(claim: str) -> list[str]:
    """The claim's weights by channel at the smallest size (two keys, two values)."""
    lines = []
    for target in ("paper", "language_model" if claim in KNOW_PAIRS else "official"):
        built = build(claim, target, num_kv_pairs=2, vocab_size=4, vocabulary=Vocabulary.paper(2, 2))
        lines += [f"{TITLES[target]}:", *(f"  {line}" for line in built.told)]
    return lines


TOLD = {claim: partial(told, claim) for claim in BUILDERS}
