"""Extension E: with positions and κ known, keys write in the context only, whatever follows the queries.

ReLU(2κ[key] − s + 1) − ReLU(2κ[key] − s) = [key][s ≤ 2κ], exactly; additive positions on the key channels do it.
"""

from constructions.channels import Channel, LinearMap, Space, family
from constructions.compile import MixerDescription
from constructions.mqar.codes import RecallCodes, describe
from constructions.tasks import Vocabulary
from kernels.fields import Exact


def time_gated(vocabulary: Vocabulary, codes: RecallCodes, num_kv_pairs: int) -> MixerDescription:
    """The codes' mixer with B = Σ_k code(k) (open[k] − open_late[k]): two channels a key in place of B's own.

    The channels look at the previous token, whose position s is added to its embedding times −1.
    """
    plain = describe(vocabulary, codes, "relu")
    count = len(vocabulary.keys)
    opens, late = family("open", count), family("open late", count)
    kept = tuple(channel for channel in plain.inner if channel.name != "previous key")
    inner = Space(opens + late + kept)
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
