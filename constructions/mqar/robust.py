"""Extension E: with positions and κ known, only the context is stored, whatever follows the queries.

In the paper's block ReLU(2κ[key] − s + 1) − ReLU(2κ[key] − s) = [key][s ≤ 2κ] opens each write, with additive
positions. In a language model a first layer counts, and Δ = softplus(256 − 512 ReLU(s − 2κ − 1)) closes the state: open
at 2κ, closed at 2κ + 2, whatever a norm's rounding does to the count. Behind a value, at 2κ + 1, nothing is written.
"""

from dataclasses import replace
from fractions import Fraction

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.counting import SHARP
from mamba_theorems.constructions.compiler.description import MixerDescription, StepPatterns
from mamba_theorems.constructions.compiler.sharpen import sharpened
from mamba_theorems.constructions.mqar.codes import RecallCodes, describe
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import Exact

LATE = Channel("late")
WINDOW = {
    "open": "2κ − s + 1 where key n stands one token ago, at place s of the context; 0 behind the context",
    "open late": "2κ − s there: what is taken off again, so that open − open late is one inside the context",
}


def step_gated(vocabulary: Vocabulary, codes: RecallCodes, num_kv_pairs: int) -> MixerDescription:
    """The codes' mixer for a language model: one more channel, ReLU(s − 2κ − 1), shuts the step after the context.

    One channel for all keys: B keeps the codes' own entries, so that two states (D) stay as exact as without positions.
    The gate is 256 too: SiLU gives it back as it is.
    """
    plain = describe(vocabulary, codes, "relu")
    inner = plain.inner.with_channels(LATE, purposes={"late": "t − 2κ − 1 behind the context, 0 inside"})
    shut = Space((Channel("shut"),), {"shut": "what closes every step behind the context, so that nothing is written"})
    readout = {place: value * Fraction(1, SHARP**2) for place, value in plain.readout.coefficients.items()}
    mixer = replace(
        plain,
        inner=inner,
        embedding=LinearMap(plain.tokens, inner, plain.embedding.coefficients),
        taps={**plain.taps, LATE: (0, 1)},
        bias={LATE: -2 * num_kv_pairs - 1},
        B=LinearMap(inner, plain.state, plain.B.coefficients),
        C=LinearMap(inner, plain.state, plain.C.coefficients),
        readout=LinearMap(inner, plain.tokens, readout),
        step=SHARP,
        level=SHARP,
        position={LATE: 1},
        delta=StepPatterns(
            LinearMap(inner, shut, {(Channel("shut"), LATE): -2 * SHARP}), dict.fromkeys(inner, Channel("shut"))
        ),
    )
    return sharpened(mixer)


def time_gated(vocabulary: Vocabulary, codes: RecallCodes, num_kv_pairs: int) -> MixerDescription:
    """The codes' mixer with B = Σ_k code(k) (open[k] − open_late[k]): two channels a key in place of B's own.

    The channels look at the previous token, whose position s is added to its embedding times −1.
    """
    plain = describe(vocabulary, codes, "relu")
    count = len(vocabulary.keys)
    opens, late = family("open", count), family("open late", count)
    kept = tuple(channel for channel in plain.inner if channel.name != "previous key")
    inner = Space(opens + late + kept, {**plain.inner.purposes, **WINDOW})
    return MixerDescription(
        tokens=plain.tokens,
        inner=inner,
        state=plain.state,
        embedding=LinearMap(plain.tokens, inner, _embedding(plain, kept, opens, late, num_kv_pairs)),
        taps=dict.fromkeys((*opens, *late), (1, 0)) | {channel: plain.taps[channel] for channel in kept},
        bias=dict.fromkeys(opens, 1),
        B=LinearMap(inner, plain.state, _writes(plain.state, codes, opens, late)),
        C=LinearMap(inner, plain.state, plain.C.coefficients),
        readout=LinearMap(inner, plain.tokens, plain.readout.coefficients),
        activation="relu",
        position=dict.fromkeys((*opens, *late), -1),
    )


def _embedding(
    plain: MixerDescription,
    kept: tuple[Channel, ...],
    opens: tuple[Channel, ...],
    late: tuple[Channel, ...],
    num_kv_pairs: int,
) -> dict[tuple[Channel, Channel], Exact]:
    entries = {place: value for place, value in plain.embedding.coefficients.items() if place[0] in kept}
    for channels in (opens, late):
        keys = plain.tokens.named("key")
        entries |= dict.fromkeys(zip(channels, keys, strict=True), 2 * num_kv_pairs)
    return entries


def _writes(
    state: Space, codes: RecallCodes, opens: tuple[Channel, ...], late: tuple[Channel, ...]
) -> dict[tuple[Channel, Channel], Exact]:
    entries: dict[tuple[Channel, Channel], Exact] = {}
    for k, (first, second) in enumerate(zip(opens, late, strict=True)):
        for i, number in codes.write(k).items():
            n = state.channels[i]
            entries |= {(n, first): number, (n, second): -number}
    return entries
