"""[P] Lemma 3: induction heads in Mamba-Δ^⊤, amended and as printed, and what all heads of the paper's blocks share.

One-hot tokens; the state's column is named by the previous token and holds the current one; a query reads the column
of the current token.
"""

from collections.abc import Mapping
from fractions import Fraction

from mamba_theorems.constructions.compiler.channels import Channel, Space, family
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index
from mamba_theorems.constructions.compiler.naming import LayerNames, Naming
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.compiler.tensors import Given, fill, one_layer
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.kernels.fields import Exact

BLANK = Channel("blank")
TOKENS = {"token": "the token of number n + 1", "blank": "the answer where the token did not occur before"}
INNER = {
    "previous": "one where token n stood one token ago: B writes into its column",
    "current": "one where token n stands here: what is written, and what C reads by",
}
COLUMNS = {"column": "what followed token n, the latest heaviest: read when token n comes again"}
PRINTED, AMENDED = "induction.lem3", "induction.lem3-amended"


def lemma3(num_tokens: int, w: Exact) -> Construction:
    """[P] Lemma 3 amended: Δ = softplus(w(2[I|0]x̂ − 1)), Λ = −1, blank ½; exact for w ≥ ln(2L)."""
    return _lemma3(AMENDED, num_tokens, 2 * w, -w, Fraction(1, 2))


def lemma3_printed(num_tokens: int, w: Exact) -> Construction:
    """[P] Lemma 3 as printed: Δ = softplus(w[I|0]x̂), Λ = −1, no row for blank (its logit stays 0)."""
    return _lemma3(PRINTED, num_tokens, w, 0, 0)


def _lemma3(claim: str, num_tokens: int, slope: Exact, offset: Exact, blank: Exact) -> Construction:
    step: dict[str, Given] = {
        "delta.weight": {(n, n): slope for n in range(num_tokens)},
        "delta.bias": offset,
        "A": -1,
    }
    return paper_head(claim, "paper_delta_t", num_tokens, step, 1, blank)


def paper_head(
    claim: str, target: str, num_tokens: int, dynamics: Mapping[str, Given], scale: Exact, blank: Exact
) -> Construction:
    """Tokens 0 … num_tokens−1, class num_tokens is blank; `dynamics` are the block's step and A.

    Embedding, convolution [previous; current], B = [I|0], C = [0|I], and the head on the current half, times `scale`.
    """
    n, width = num_tokens, 2 * num_tokens
    sizes = {"vocab_size": n + 1, "d_model": width, "d_state": n, "d_conv": 2}
    previous: dict[Index, Exact] = {(i, i): 1 for i in range(n)}
    current: dict[Index, Exact] = {(i, n + i): 1 for i in range(n)}
    taps: dict[Index, Exact] = {(range(n), 0): 1, (range(n, width), 1): 1}
    mixer = fill(
        TARGETS[target].table, sizes, {"conv.weight": taps, "B.weight": previous, "C.weight": current, **dynamics}
    )
    embedding, head = (ExactTensor((n + 1, width), 0, e) for e in (previous | current, dict.fromkeys(current, scale)))
    weights = one_layer(embedding, mixer, head) | blank_bias(n, blank)
    inner, state = Space((*family("previous", n), *family("current", n)), INNER), Space(family("column", n), COLUMNS)
    layer = LayerNames(inner, inner, (state,), state if target == "paper_delta_t" else inner, inner)
    return Construction(claim, target, sizes, weights, naming=head_naming(n, layer))


def head_naming(num_tokens: int, layer: LayerNames) -> Naming:
    """The names of an induction head over `num_tokens` tokens and blank, which is no token of the task."""
    tokens = Space((*family("token", num_tokens), BLANK), TOKENS)
    return Naming(tokens, (layer,), tokens)


def blank_bias(num_tokens: int, blank: Exact) -> dict[str, ExactTensor]:
    """The head's bias: the blank logit."""
    return {"head.bias": ExactTensor((num_tokens + 1,), 0, {(num_tokens,): blank})}


def told() -> list[str]:
    """The amended weights by channel."""
    return _told("w(2 previous[n] − 1)", "1/2")


def told_printed() -> list[str]:
    """The printed weights by channel."""
    return _told("w previous[n]", "no row")


def _told(step: str, blank: str) -> list[str]:
    return [
        "previous[n] = token n one step ago, current[n] = token n now (taps (1, 0) and (0, 1))",
        f"Δ[n] = softplus({step}), Λ = −1: column n is erased when token n came before",
        "B[n] = previous[n], C[n] = current[n], x̂ = [previous; current]",
        f"logit[v] = current[v] of the column read; blank: {blank}",
    ]


TOLD = {AMENDED: told, PRINTED: told_printed, "induction.lem3-argmax": told_printed}
