"""A first layer that counts: t = 1, 2, ... in a coordinate of the residual stream, where the paper adds positions.

Additive positions would load nowhere; a layer is part of every Mamba language model. The stream has the tokens'
one-hot, the count, an anchor, and zeros up to a square. The anchor outweighs them, so that every norm divides by it.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import isqrt

from mamba_theorems.constructions.compiler.channels import Channel, Space
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, block
from mamba_theorems.constructions.compiler.tensors import MAMBA, Given, Weights, fill
from mamba_theorems.kernels.fields import Exact

SHARP = 256
"""SiLU(256 n) is 256 ReLU(n) for integers n, softplus(256 n) for n ≠ 0: in float32 exactly, else to 256 e^-256."""
ANCHOR = 2**48
"""Mean square 4^48 (1 + (1 + t²)/(r² 4^48)), r² = d_model: the fraction rounds off while it is below half an ulp."""
COUNTER_A_LOG = -46
"""256 e^-46 < 2^-54: the counter's decay rounds to 1 in float32 and float64."""


STREAM = Space(
    (Channel("count"), Channel("anchor")),
    {
        "count": "t, the position, that the first layer counts and the norms keep",
        "anchor": "a constant so large that every norm divides by it alone",
    },
)
"""What the stream has beside the tokens' one-hot."""
INNER = Space((Channel("tick"),), {"tick": "256 at every token: what the first layer adds up"})
STATE = Space((Channel("ticks"),), {"ticks": "the sum of the ticks so far, which is t on the layer's scale"})


def stream_width(num_tokens: int) -> int:
    """d_model: the least square that holds the one-hot, the count and the anchor."""
    return (isqrt(num_tokens + 1) + 1) ** 2


def anchor(num_tokens: int) -> int:
    """The anchor's coordinate, r 2^48: its square is d_model times a power of 4, so that mean and root are exact."""
    return isqrt(stream_width(num_tokens)) * ANCHOR


def longest_count(num_tokens: int, dtype: str) -> int | None:
    """The largest t at which every norm of the stream rounds to the anchor alone; None where no t is too large.

    Needs 1 + t² < 2^-p r² 4^48, p = 25 (float32) or 54 (float64). In float32 the count itself stops at 2^24 before.
    """
    if dtype == "float32":
        return None
    return isqrt(stream_width(num_tokens) * 4**48 // 2**54 - 1)


def embedding(num_tokens: int) -> ExactTensor:
    """One-hot, count 0, anchor r 2^48."""
    entries: dict[Index, Exact] = {(token, token): 1 for token in range(num_tokens)}
    entries[range(num_tokens), num_tokens + 1] = anchor(num_tokens)
    return ExactTensor((num_tokens, stream_width(num_tokens)), 0, entries)


def norm(num_tokens: int) -> ExactTensor:
    """A norm's weight that gives the stream back as it was, the anchor as 0."""
    return block((stream_width(num_tokens),), ANCHOR).with_entries({(num_tokens + 1,): 0})


def gate_rows(num_tokens: int, d_inner: int, value: Exact) -> ExactTensor:
    """z = value 1ᵀe, whatever the count; the anchor is 0 behind a norm, and so is what follows it."""
    uncounted: dict[Index, Exact] = {(row, num_tokens): 0 for row in range(d_inner)}
    return ExactTensor((d_inner, stream_width(num_tokens)), value, uncounted)


def counter_layer(num_tokens: int, sizes: Mapping[str, int]) -> Weights:
    """The official Mamba-1 mixer whose output is 1 in the count's coordinate, summed over time; all powers of two.

    Channel 0 is SiLU(256) = 256, its step softplus(256) = 256, B = C = 1 on its scale, its gate SiLU(256) = 256.
    """
    one = Fraction(1, SHARP)
    given: dict[str, Given] = {
        "in_proj.weight.z": gate_rows(num_tokens, sizes["d_inner"], SHARP),
        "conv1d.bias": {(0,): SHARP},
        "x_proj.weight.B": {(0, 0): one**3},
        "x_proj.weight.C": {(0, 0): one},
        "dt_proj.bias": SHARP,
        "A_log": COUNTER_A_LOG,
        "out_proj.weight": {(num_tokens, 0): one},
    }
    return fill(MAMBA, sizes, given)
