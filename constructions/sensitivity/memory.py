"""Official blocks that freeze time where they want: one network with three settings of Δ alone.

[P] section 3.2: Δ by a flag (no position encoding), Δ by a clock (time as an input), and Δ constant, which is S4D of
the same size.
"""

from dataclasses import dataclass

import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.exact import Index, silu_preimage, softplus_preimage
from mamba_theorems.constructions.compiler.naming import HEAD, LayerNames, Naming
from mamba_theorems.constructions.compiler.tensors import MAMBA, MAMBA2, Given, fill
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import SYMPY, Exact

CLAIM = "sensitivity.latch"
FEATURES = Space(
    (Channel("value"), Channel("signal"), Channel("one")),
    {
        "value": "what a token carries; what comes out is the value that is remembered",
        "signal": "the flag, or the time: what Δ is made of",
        "one": "a constant",
    },
)
"""What a token feeds in: a value in [−1, 1], the flag or the time, and a constant 1."""
PURPOSES = {
    "value+": "SiLU of the value: with value- it gives the value back",
    "value-": "SiLU of minus the value",
    "signal+": "SiLU of the signal: with signal- it gives the signal back",
    "signal-": "SiLU of minus the signal",
    "one": "a constant, of which B and C are made",
    "anchor": "a constant that outweighs the value, so that the norm divides by it alone",
}
INNER = Space(tuple(map(Channel, ("value+", "value-", "signal+", "signal-", "one"))), PURPOSES).padded(6)
INNER2 = Space(tuple(map(Channel, ("value+", "value-", "anchor"))), PURPOSES).padded(6)
MEMORY = Space(
    (Channel("memory"),), {"memory": "each inner channel as it was last written: the value that is remembered"}
)
SIGNAL_RANK = Space((Channel("signal"),), {"signal": "the signal, of which Δ is made"})
SIZES = {"d_model": 3, "d_state": 1, "d_conv": 4, "expand": 2}
"""d_inner = 6, N = 1."""


@dataclass(frozen=True)
class StepRule:
    """Δ = softplus(slope · signal + offset), and the step D at which a value is written with weight 1."""

    slope: Exact
    offset: Exact
    write: Exact


def by_flag(write: Exact = 50, frozen: Exact = 100) -> StepRule:
    """Δ = `write` where the signal is 1, softplus(−`frozen`) where it is 0: time stands still between flags."""
    return StepRule(softplus_preimage(write) + frozen, -frozen, write)


def by_clock(moment: int, sharpness: Exact = 100) -> StepRule:
    """Signal = time: Δ = softplus(−w(t − moment − ½)), so everything up to `moment` is overwritten, then time stops."""
    half = sympy.Rational(1, 2)
    return StepRule(-sharpness, sharpness * (moment + half), SYMPY.softplus(sympy.sympify(sharpness * half)))


def constant(step: Exact = 1) -> StepRule:
    """Δ = `step` always: S4D in the same block."""
    return StepRule(0, softplus_preimage(step), step)


VALUE, SIGNAL, ONE = FEATURES
D_INNER = len(INNER)
CURRENT = SIZES["d_conv"] - 1


def memory_block(step: StepRule) -> Construction:
    """The official Mamba-1 block (sizes SIZES) whose output `value` is its state: h ← e^{−λΔ}h + Δ·value/D.

    Tokens carry (value, signal, 1). A value and a signal pass SiLU in pairs, SiLU(x) − SiLU(−x) = x; the gate is
    SiLU(z*) = 1. At a flag Δ = D: the old state shrinks by e^{−λD} and the value enters with weight 1.
    """
    plus, minus = (tuple(Channel(f"{name}{sign}") for name in ("value", "signal")) for sign in "+-")
    pairs = dict.fromkeys(zip(plus, (VALUE, SIGNAL), strict=True), 1)
    pairs |= dict.fromkeys(zip(minus, (VALUE, SIGNAL), strict=True), -1)
    one = INNER.position(ONE)
    given: dict[str, Given] = {
        "in_proj.weight.x": LinearMap(FEATURES, INNER, pairs),
        "in_proj.weight.z": {(range(D_INNER), FEATURES.position(ONE)): silu_preimage(1)},
        "conv1d.weight": {(channel, 0, CURRENT): 1 for channel in range(4)},
        "conv1d.bias": {(one,): silu_preimage(1)},
        "x_proj.weight.dt": {(0, INNER.position(plus[1])): 1, (0, INNER.position(minus[1])): -1},
        "x_proj.weight.B": {(0, one): 1 / sympy.sympify(step.write)},
        "x_proj.weight.C": {(0, one): 1},
        "dt_proj.weight": step.slope,
        "dt_proj.bias": step.offset,
        "out_proj.weight": LinearMap(INNER, FEATURES, {(VALUE, plus[0]): 1, (VALUE, minus[0]): -1}),
    }
    sizes = SIZES | {"dt_rank": 1}
    layer = LayerNames(FEATURES, INNER, (MEMORY,), INNER, FEATURES, SIGNAL_RANK)
    return Construction(
        CLAIM, "official", sizes, fill(MAMBA, sizes, given), naming=Naming(FEATURES, (layer,), FEATURES)
    )


ANCHOR = 1000
"""The constant that Mamba-2's RMSNorm divides by: it moves a value v by at most |v|/(2·ANCHOR²)."""


def memory_block2(step: StepRule) -> Construction:
    """The same in the official Mamba-2 block: one head of six channels, value±, a constant, three spare.

    Δ is linear in the token before softplus; B = 1/D and C = 1 come from the convolution's bias. The constant is
    written with each value, so that RMSNorm divides by it.
    """
    value, signal, one = range(3)
    pair: dict[Index, Exact] = {(0, value): 1, (1, value): -1}
    given: dict[str, Given] = {
        "in_proj.weight.z": {(range(D_INNER), one): silu_preimage(1)},
        "in_proj.weight.x": pair,
        "in_proj.weight.dt": {(0, signal): step.slope},
        "conv1d.weight.x": {(channel, 0, CURRENT): 1 for channel in range(2)},
        "conv1d.bias.x": {(2,): silu_preimage(ANCHOR)},
        "conv1d.bias.B": silu_preimage(1 / sympy.sympify(step.write)),
        "conv1d.bias.C": silu_preimage(1),
        "dt_bias": step.offset,
        "norm.weight": sympy.sqrt(sympy.Rational(ANCHOR**2, D_INNER) + sympy.sympify(semantics.RMS_NORM_EPS)),
        "out_proj.weight": {index[::-1]: sign for index, sign in pair.items()},
    }
    sizes = SIZES | {"chunk_size": 64}
    names = Naming(FEATURES, (LayerNames(FEATURES, INNER2, (MEMORY,), HEAD, FEATURES),), FEATURES)
    return Construction(CLAIM, "official_mamba2", sizes, fill(MAMBA2, sizes, given), naming=names)


def told() -> list[str]:
    """The network by channel, with each of its steps."""
    rules = {"by flag": by_flag(), "by clock, moment 7": by_clock(7), "constant (S4D)": constant()}
    return [
        "official Mamba-1, d_model 3, d_inner 6, N 1 (Mamba-2: one head of 6); tokens carry value, signal, 1:",
        "  value+ − value− = value, signal+ − signal− = signal (SiLU pairs); one = SiLU(z*) = 1; gate SiLU(z*) = 1",
        "  B = 1/D · one, C = one, λ = 1, out: value = y[value+] − y[value−]",
        *(
            f"  Δ {name}: softplus({sympy.N(rule.slope, 8)} · signal + {sympy.N(rule.offset, 8)}), "
            f"D = {sympy.N(rule.write, 8)}"
            for name, rule in rules.items()
        ),
    ]


TOLD = dict.fromkeys((CLAIM, "sensitivity.lem2-amended", "sensitivity.mamba2"), told)
