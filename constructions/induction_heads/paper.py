"""What induction heads share in the paper's blocks: all but the step and the decay.

One-hot tokens; the state's column is named by the previous token and holds the current one; a query reads the column
of the current token.
"""

from collections.abc import Mapping

from mamba_theorems.constructions.compiler.exact import ExactTensor, Index
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.compiler.tensors import Given, fill, one_layer
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.kernels.fields import Exact


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
    return Construction(claim, target, sizes, weights)


def blank_bias(num_tokens: int, blank: Exact) -> dict[str, ExactTensor]:
    """The head's bias: the blank logit."""
    return {"head.bias": ExactTensor((num_tokens + 1,), 0, {(num_tokens,): blank})}
