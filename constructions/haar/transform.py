"""Haar coefficients of a sequence in the official blocks: single ones, and the whole transform (N = L).

A signal of length L is followed by one blank position for each coefficient, where it is read. Wavelets are
unnormalised (±1); Mamba-1 makes them from a scalar time, Mamba-2 in two layers, whose first makes steps of time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mamba_theorems.constructions.compiler.blocks import (
    CLOSED,
    ONE,
    SIGNAL,
    TIME,
    UNIT,
    Coefficients,
    Mamba1Description,
    Mamba2Description,
)
from mamba_theorems.constructions.compiler.channels import Channel, Space, family
from mamba_theorems.constructions.construction import Construction, alone
from mamba_theorems.constructions.haar.stack import Stack
from mamba_theorems.kernels.fields import Exact

CLAIM = "haar.official-block"
STREAM = {
    "signal": "the signal; behind it, where the coefficients are read, what comes out",
    "time": "t, counted from 0",
    "one": "a constant",
    "step": "one from position n on: what the first layer writes",
}
INNER = {
    "signal+": "SiLU of the signal: with signal- it gives the signal back",
    "signal-": "SiLU of minus the signal",
    "hinge": "SiLU(128 (t − n)): two of them make a step at n + 1",
    "large": "a constant that outweighs the rest, so that the norm divides by it alone",
    "unused": "holds 0: a square number of channels keeps the norm a power of two",
    "unused 0": "holds 0",
    "unused 1": "holds 0",
}
HALVES = {
    "first half": "Σ of the signal over the first half of wavelet n",
    "second half": "Σ of the signal over the second half of wavelet n",
}
PLUS, MINUS, LARGE, CLOCK = Channel("signal+"), Channel("signal-"), Channel("large"), Channel("clock")


@dataclass(frozen=True)
class Wavelet:
    """1 on [start, middle), −1 on [middle, stop), 0 elsewhere; the scaling function where middle = stop."""

    start: int
    middle: int
    stop: int

    @property
    def jumps(self) -> dict[int, int]:
        """Where the wavelet jumps, and by how much."""
        jumps = {self.start: 1, self.middle: -2, self.stop: 1}
        return jumps if self.middle < self.stop else {self.start: 1, self.stop: -1}

    def values(self, length: int) -> np.ndarray:
        """The wavelet's values on 0 … length − 1, as ints."""
        t = np.arange(length)
        return np.sum([jump * (t >= place) for place, jump in self.jumps.items()], axis=0)

    @property
    def squared_norm(self) -> int:
        """Σ ψ²."""
        return self.stop - self.start


def wavelet(level: int, k: int) -> Wavelet:
    """The wavelet of width 2^level that starts at k·2^level; level ≥ 1."""
    width = 2**level
    return Wavelet(k * width, k * width + width // 2, (k + 1) * width)


def full_basis(length: int) -> tuple[Wavelet, ...]:
    """Scaling function first, then the wavelets from the widest to the narrowest: the order of PyWavelets' wavedec.

    Raises ValueError where the length is no power of two.
    """
    if length < 1 or length & (length - 1):
        raise ValueError(f"A full Haar transform needs a power of two, not {length}: pad the signal with zeros.")
    levels = range(length.bit_length() - 1, 0, -1)
    details = [wavelet(level, k) for level in levels for k in range(length >> level)]
    return (Wavelet(0, length, length), *details)


@dataclass(frozen=True)
class HaarNetwork(Stack):
    """Blocks that turn a signal into its inner products with `basis`."""

    length: int
    basis: tuple[Wavelet, ...]
    knows_time: bool

    def inputs(self, sequence: np.ndarray) -> np.ndarray:
        """(..., L) → (..., L + number of coefficients, d_model): the signal, a constant 1, and time if it is known."""
        steps = self.length + len(self.basis)
        u = np.zeros((*sequence.shape[:-1], steps, len(self.space)), dtype=sequence.dtype)
        u[..., : self.length, self.space.position(SIGNAL)] = sequence
        u[..., self.space.position(ONE)] = 1
        if self.knows_time:
            u[..., self.space.position(TIME)] = np.arange(steps)
        return u

    def read(self, y: np.ndarray) -> np.ndarray:
        """(..., number of coefficients): the signal's channel behind the signal."""
        return y[..., self.length :, self.space.position(SIGNAL)]


def hinge(place: int) -> Channel:
    """The channel SiLU(128(t − place))."""
    return Channel("hinge", place)


def step(place: int) -> Channel:
    """The coordinate 1[t ≥ place]."""
    return Channel("step", place)


def step_of_hinges(jumps: Mapping[int, Exact], scale: Exact = Fraction(1, UNIT)) -> dict[Channel, Exact]:
    """Σ jump·1[t ≥ place] as a combination of hinges: (SiLU(w(t − a + 1)) − SiLU(w(t − a)))/w is 1[t ≥ a]."""
    total: dict[Channel, Exact] = {}
    for place, jump in jumps.items():
        for channel, sign in ((hinge(place - 1), 1), (hinge(place), -1)):
            total[channel] = total.get(channel, 0) + sign * jump * scale
    return {channel: value for channel, value in total.items() if value}


def reading_times(length: int, basis: Sequence[Wavelet]) -> list[dict[int, int]]:
    """The one-hot code of each coefficient's reading time, L + n, as jumps."""
    return [{length + n: 1, length + n + 1: -1} for n in range(len(basis))]


def _places(length: int, basis: Sequence[Wavelet]) -> list[int]:
    codes = [*(w.jumps for w in basis), *reading_times(length, basis)]
    return sorted({place for code in codes for place in code})


def _hinges(places: Sequence[int]) -> tuple[Channel, ...]:
    return tuple(hinge(p) for p in sorted({q for p in places for q in (p - 1, p)}))


def _hinge_inputs(hinges: Sequence[Channel]) -> tuple[dict[tuple[Channel, Channel], Exact], dict[Channel, Exact]]:
    """in_proj and convolution bias of the hinges."""
    return {(c, TIME): UNIT for c in hinges}, {c: -UNIT * int(c.index or 0) for c in hinges}


# --- Mamba-1 ---------------------------------------------------------------------------------------------------------


def mamba1_haar(length: int, basis: Sequence[Wavelet], *, knows_time: bool = True) -> HaarNetwork:
    """One official Mamba-1 block with time as an input (Theorem 1), or two, the first of which recovers it (Prop. 1).

    d_state is the number of coefficients; B is the wavelet at the current time, C the one-hot reading time, decay 1.
    """
    space = Space((SIGNAL, TIME, ONE), STREAM)
    hinges = _hinges(_places(length, basis))
    state = Space(family("coefficient", len(basis)), {"coefficient": "Σ of the signal times wavelet n, up to now"})
    embedding, bias = _hinge_inputs(hinges)
    mixer = Mamba1Description(
        space=space,
        inner=Space((PLUS, MINUS, *hinges), INNER),
        state=state,
        embedding={**embedding, (PLUS, SIGNAL): 1, (MINUS, SIGNAL): -1},
        bias=bias,
        B=_codes(state, [step_of_hinges(w.jumps) for w in basis]),
        C=_codes(state, [step_of_hinges(code) for code in reading_times(length, basis)]),
        readout={(SIGNAL, PLUS): Fraction(1, UNIT**2), (SIGNAL, MINUS): -Fraction(1, UNIT**2)},
    )
    block = alone(CLAIM, mixer, mixer.told())
    layers = (block,) if knows_time else (clock_block(space), block)
    return HaarNetwork(space, layers, length, tuple(basis), knows_time)


def _codes(state: Space, rows: Sequence[Mapping[Channel, Exact]]) -> Coefficients:
    return {(n, source): value for n, row in zip(state, rows, strict=True) for source, value in row.items()}


def clock_block(space: Space) -> Construction:
    """Proposition 1 in the official block: a constant input adds up to t, counted from 0, in the channel `time`.

    h_t = 128·128·(t + 1), D = −128² takes the first step off, the gate multiplies by 128.
    """
    state = Space((Channel("elapsed"),), {"elapsed": "128² times the number of tokens so far"})
    (elapsed,) = state
    block = Mamba1Description(
        space=space,
        inner=Space((CLOCK,), {"clock": "128 at every token: what is added up"}),
        state=state,
        embedding={(CLOCK, ONE): UNIT},
        bias={},
        B={(elapsed, CLOCK): Fraction(1, UNIT)},
        C={(elapsed, CLOCK): Fraction(1, UNIT)},
        readout={(TIME, CLOCK): Fraction(1, UNIT**3)},
        D={CLOCK: -UNIT},
    )
    return alone("haar.prop1-amended", block, block.told())


# --- Mamba-2 ---------------------------------------------------------------------------------------------------------


def mamba2_haar(length: int, basis: Sequence[Wavelet], *, bits: int = 24) -> HaarNetwork:
    """Official Mamba-2 blocks: the first writes 1[t ≥ a] for the places that matter, the second has them in B and C.

    B of Mamba-2 is SiLU of a linear map, so no entry is below −0.2785: the halves of a wavelet are codes of two groups,
    and out_proj subtracts what they store. Both norms are outweighed by a constant and so only scale by a power of two,
    to `bits` bits: use 24 for float32, 53 for float64. Hinges ≤ 2^19 and Σ|signal| ≤ 2^17 suffice.
    """
    places = _places(length, basis)
    space = Space((SIGNAL, TIME, ONE, *(step(p) for p in places)), STREAM)
    half = bits // 2
    blocks = (_steps_block(space, places, 2 ** (half + 28)), _halves_block(space, length, basis, 2 ** (half + 40)))
    layers = tuple(alone(CLAIM, block) for block in blocks)
    return HaarNetwork(space, layers, length, tuple(basis), knows_time=True)


def _steps_block(space: Space, places: Sequence[int], large: int) -> Mamba2Description:
    hinges = _hinges(places)
    side = _side(len(hinges) + 1)
    inner = (*hinges, LARGE, *family("unused", side * side - len(hinges) - 1))
    embedding, bias = _hinge_inputs(hinges)
    heads = tuple(inner[i : i + side] for i in range(0, side * side, side))
    readout: dict[tuple[Channel, Channel], Exact] = {
        (step(place), channel): value
        for place in places
        for channel, value in step_of_hinges({place: 1}, Fraction(large, UNIT * side)).items()
    }
    idle = Space((Channel("idle"),), {"idle": "nothing: the layer's steps are closed"})
    return Mamba2Description(
        space=space,
        heads=heads,
        codes=(idle,),
        x={**embedding, (LARGE, ONE): large},
        x_bias=bias,
        B={},
        C={},
        dt_bias=(CLOSED,) * side,
        D=(1,) * side,
        readout=readout,
        purposes=INNER,
    )


def _side(channels: int) -> int:
    """The least power of two whose square holds the channels: d_inner = side² keeps √(1/d_inner) a power of two."""
    side = 2
    while side * side < channels:
        side *= 2
    return side


def _halves_block(space: Space, length: int, basis: Sequence[Wavelet], large: int) -> Mamba2Description:
    groups = tuple(Space(family(name, len(basis)), HALVES) for name in HALVES)
    stored, others = zip(*(_group_heads(g) for g in (0, 1)), strict=True)
    heads = (stored[0], others[0], stored[1], others[1])
    x: dict[tuple[Channel, Channel], Exact] = {(other[0], ONE): large for other in others}
    readout: dict[tuple[Channel, Channel], Exact] = {}
    scale = Fraction(large, 4 * UNIT**3)
    for g, sign in ((0, 1), (1, -1)):
        for channel, half in ((stored[g][0], 1), (stored[g][1], -1)):
            x[channel, SIGNAL] = half
            readout[SIGNAL, channel] = sign * half * scale
    halves = [_half_codes(w) for w in basis]
    reading = reading_times(length, basis)
    B = {key: value for g, group in enumerate(groups) for key, value in _step_codes(group, [h[g] for h in halves])}
    C = {key: value for group in groups for key, value in _step_codes(group, reading)}
    return Mamba2Description(
        space=space,
        heads=heads,
        codes=groups,
        x=x,
        x_bias={},
        B=B,
        C=C,
        dt_bias=(UNIT, CLOSED, UNIT, CLOSED),
        D=(0, 1, 0, 1),
        readout=readout,
        purposes=INNER,
    )


def _step_codes(group: Space, codes: Sequence[Mapping[int, int]]) -> Iterator[tuple[tuple[Channel, Channel], Exact]]:
    """128 (2 code − 1) of each state, as combinations of the coordinates 1[t ≥ place]: behind SiLU 128·code.

    So a code is 0 (128 e^−128) and not what is left of 1 − 1, whatever the first layer's norm rounds.
    """
    for state, code in zip(group, codes, strict=True):
        yield (state, ONE), -UNIT
        for place, jump in code.items():
            yield (state, step(place)), 2 * UNIT * jump


def _group_heads(group: int) -> tuple[tuple[Channel, ...], tuple[Channel, ...]]:
    """The head that stores the signal and the head that outweighs it; RMSNorm runs over a group's 16 = 4² channels."""
    unused = family(f"unused {group}", 13)
    return (Channel("signal+", group), Channel("signal-", group), *unused[:6]), (Channel("large", group), *unused[6:])


def _half_codes(w: Wavelet) -> tuple[dict[int, int], dict[int, int]]:
    """1 on the first half, and 1 on the second, as jumps; a scaling function has no second half."""
    second = {w.middle: 1, w.stop: -1} if w.middle < w.stop else {}
    return {w.start: 1, w.middle: -1}, second


def told() -> list[str]:
    """A network of the smallest size by channel."""
    (block,) = mamba1_haar(2, (wavelet(1, 0),)).layers
    return ["one coefficient of a signal of length 2, official Mamba-1:", *(f"  {line}" for line in block.told)]


TOLD = {CLAIM: told}
