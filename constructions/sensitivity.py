"""Memory in explicit weights: eq. (11) for an S6 mixer, and official Mamba-1 blocks that freeze time where they want.

[P] section 3.2. The blocks are one network with three settings of dt_proj alone: Δ by a flag (no position encoding),
Δ by a clock (time as an input), and Δ constant, which is S4D of the same size.
"""

from dataclasses import dataclass

import numpy as np
import sympy
import torch

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.exact import (
    ExactTensor,
    Index,
    block,
    silu_preimage,
    softplus_preimage,
    stack_rows,
)
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.blocks import Mamba, Mamba2
from mamba_theorems.kernels.fields import Exact, Field

Weights = dict[str, ExactTensor]


# ------------------------------------------------------------------------------- eq. (11), over a field


@dataclass(frozen=True)
class Mixer:
    """S6: Δ = softplus(W_Δ x̂ + b), B = W_B x̂; delta_weight (d, d), delta_bias (d), A (d, N), B_weight (N, d)."""

    delta_weight: np.ndarray
    delta_bias: np.ndarray
    A: np.ndarray
    B_weight: np.ndarray

    def one_head(self) -> "Mixer":
        """The Mamba-2 head with this mixer's first Δ and first decay: the same for all channels and states."""
        tied = np.repeat(self.delta_weight[:1], len(self.A), axis=0), np.repeat(self.delta_bias[:1], len(self.A))
        return Mixer(*tied, np.full_like(self.A, self.A[0, 0]), self.B_weight)

    def states(self, f: Field, x: np.ndarray) -> np.ndarray:
        """h_1 … h_L, (L, d, N), by the definition; x (L, d)."""
        with f.arithmetic():
            delta = f.softplus(semantics.linear(x, f.array(self.delta_weight), f.array(self.delta_bias)))
            B = semantics.linear(x, f.array(self.B_weight))
            return semantics.state_history(f, x, delta, f.array(self.A), B)

    def eq11(self, f: Field, x: np.ndarray, j: int, e: int) -> np.ndarray:
        """∂h_t/∂x̂_{j,e} for t = j … L, (L − j, d, N), j counted from 0: (Π_{r>j} Λ̄_r) K_j."""
        with f.arithmetic():
            z = semantics.linear(x, f.array(self.delta_weight), f.array(self.delta_bias))
            decay = f.exp(f.softplus(z)[..., None] * f.array(self.A))
            before = self.states(f, x)[j - 1] if j else 0 * decay[0]
            K = self._write_change(f, x[j], z[j], e) + self._decay_change(f, decay[j], z[j], e) * before
            return np.stack([K, *(K * p for p in np.multiply.accumulate(decay[j + 1 :], axis=0))])

    def _write_change(self, f: Field, x: np.ndarray, z: np.ndarray, e: int) -> np.ndarray:
        """∂(B̄ x̂)/∂x̂_e at one step, (d, N): Δ′Bx + ΔB′x + ΔB where the coordinate is e's."""
        B = semantics.linear(x, f.array(self.B_weight))
        through_delta = (f.sigmoid(z) * f.array(self.delta_weight)[:, e] * x)[:, None] * B
        through_B = (f.softplus(z) * x)[:, None] * f.array(self.B_weight)[:, e]
        own = f.array(np.eye(len(x), dtype=int))[:, e, None] * f.softplus(z)[:, None] * B
        return through_delta + through_B + own

    def _decay_change(self, f: Field, decay: np.ndarray, z: np.ndarray, e: int) -> np.ndarray:
        """∂Λ̄/∂x̂_e at one step, (d, N): A Δ′ e^{ΔA}."""
        slope = f.sigmoid(z) * f.array(self.delta_weight)[:, e]
        return f.array(self.A) * slope[:, None] * decay


# ------------------------------------------------------------------------- official blocks with memory

FEATURES = Space((Channel("value"), Channel("signal"), Channel("one")))
"""What a token feeds in: a value in [−1, 1], the flag or the time, and a constant 1."""
INNER = Space(tuple(Channel(name) for name in ("value+", "value-", "signal+", "signal-", "one", "spare")))
SIZES = {"d_model": 3, "d_state": 1, "d_conv": 4, "expand": 2, "dt_rank": 1}
"""d_inner = 6, N = 1."""


@dataclass(frozen=True)
class Step:
    """Δ = softplus(slope · signal + offset), and the step D at which a value is written with weight 1."""

    slope: Exact
    offset: Exact
    write: Exact


def by_flag(write: Exact = 50, frozen: Exact = 100) -> Step:
    """Δ = `write` where the signal is 1, softplus(−`frozen`) where it is 0: time stands still between flags."""
    return Step(softplus_preimage(write) + frozen, -frozen, write)


def by_clock(moment: int, sharpness: Exact = 100) -> Step:
    """Signal = time: Δ = softplus(−w(t − moment − ½)), so everything up to `moment` is overwritten, then time stops."""
    half = sympy.Rational(1, 2)
    return Step(-sharpness, sharpness * (moment + half), sympy.log(1 + sympy.exp(sharpness * half)))


def constant(step: Exact = 1) -> Step:
    """Δ = `step` always: S4D in the same block."""
    return Step(0, softplus_preimage(step), step)


def memory_block(step: Step) -> Weights:
    """The official Mamba-1 block (sizes SIZES) whose output `value` is its state: h ← e^{−λΔ}h + Δ·value/D.

    Tokens carry (value, signal, 1). A value and a signal pass SiLU in pairs, SiLU(x) − SiLU(−x) = x; the gate is
    SiLU(z*) = 1. At a flag Δ = D: the old state shrinks by e^{−λD} and the value enters with weight 1.
    """
    d_inner, d_conv = len(INNER), SIZES["d_conv"]
    taps: dict[Index, Exact] = {(c, 0, d_conv - 1): 1 for c in range(4)}
    one = INNER.position(Channel("one"))
    return {
        "in_proj.weight": stack_rows([_pairs().tensor(), _gate()]),
        "conv1d.weight": ExactTensor((d_inner, 1, d_conv), 0, taps),
        "conv1d.bias": ExactTensor((d_inner,), 0, {(one,): silu_preimage(1)}),
        "x_proj.weight": _signal_B_C(step.write),
        "dt_proj.weight": block((d_inner, 1), step.slope),
        "dt_proj.bias": block((d_inner,), step.offset),
        "A_log": block((d_inner, 1), 0),
        "D": block((d_inner,), 0),
        "out_proj.weight": _difference(),
    }


ANCHOR = 1000
"""The constant that Mamba-2's RMSNorm divides by: it moves a value v by at most |v|/(2·ANCHOR²)."""


def memory_block2(step: Step) -> Weights:
    """The same in the official Mamba-2 block: one head of six channels, value±, a constant, three spare.

    Δ is linear in the token before softplus; B = 1/D and C = 1 come from the convolution's bias. The constant is
    written with each value, so that RMSNorm divides by it.
    """
    d_inner, d_conv = len(INNER), SIZES["d_conv"]
    value, signal, one = range(3)
    x, B, C, dt = d_inner, 2 * d_inner, 2 * d_inner + 1, 2 * d_inner + 2
    rows: dict[Index, Exact] = {(range(d_inner), one): silu_preimage(1)}
    rows |= {(x, value): 1, (x + 1, value): -1, (dt, signal): step.slope}
    bias = {2: silu_preimage(ANCHOR), B - x: silu_preimage(1 / sympy.sympify(step.write)), C - x: silu_preimage(1)}
    rms = sympy.sqrt(sympy.Rational(ANCHOR**2, d_inner) + sympy.sympify(semantics.RMS_NORM_EPS))
    return {
        "in_proj.weight": ExactTensor((2 * d_inner + 3, len(FEATURES)), 0, rows),
        "conv1d.weight": ExactTensor((d_inner + 2, 1, d_conv), 0, {(c, 0, d_conv - 1): 1 for c in range(2)}),
        "conv1d.bias": ExactTensor((d_inner + 2,), 0, {(c,): b for c, b in bias.items()}),
        "dt_bias": block((1,), step.offset),
        "A_log": block((1,), 0),
        "D": block((1,), 0),
        "norm.weight": block((d_inner,), rms),
        "out_proj.weight": ExactTensor((len(FEATURES), d_inner), 0, {(value, 0): 1, (value, 1): -1}),
    }


def memory_module2(step: Step, dtype: torch.dtype, backend: str = "auto") -> Mamba2:
    """`memory_block2` on the kernels, in chunks of 64."""
    module = Mamba2(SIZES["d_model"], SIZES["d_state"], headdim=len(INNER), chunk_size=64, backend=backend, dtype=dtype)
    module.load_state_dict({name: weight.torch(dtype) for name, weight in memory_block2(step).items()})
    return module.requires_grad_(False)


def memory_module(step: Step, dtype: torch.dtype, backend: str = "auto") -> Mamba:
    """`memory_block` on the kernels: (batch, L, 3) → (batch, L, 3), the answer in coordinate 0."""
    module = Mamba(SIZES["d_model"], SIZES["d_state"], dt_rank=SIZES["dt_rank"], backend=backend, dtype=dtype)
    module.load_state_dict({name: weight.torch(dtype) for name, weight in memory_block(step).items()})
    return module.requires_grad_(False)


def _pairs() -> LinearMap:
    """value± = ±value and signal± = ±signal before SiLU."""
    signs = {"+": 1, "-": -1}
    return LinearMap(
        FEATURES,
        INNER,
        {(Channel(n + s), Channel(n)): sign for n in ("value", "signal") for s, sign in signs.items()},
    )


def _gate() -> ExactTensor:
    column = FEATURES.position(Channel("one"))
    return ExactTensor((len(INNER), len(FEATURES)), 0, {(range(len(INNER)), column): silu_preimage(1)})


def _signal_B_C(write: Exact) -> ExactTensor:
    """x_proj: dt reads signal⁺ − signal⁻, B is 1/D and C is 1, both off the constant channel."""
    dt, B, C = (Channel(name) for name in ("dt", "B", "C"))
    one = Channel("one")
    return LinearMap(
        INNER,
        Space((dt, B, C)),
        {
            (dt, Channel("signal+")): 1,
            (dt, Channel("signal-")): -1,
            (B, one): 1 / sympy.sympify(write),
            (C, one): 1,
        },
    ).tensor()


def _difference() -> ExactTensor:
    value = Channel("value")
    return LinearMap(INNER, FEATURES, {(value, Channel("value+")): 1, (value, Channel("value-")): -1}).tensor()


def describe_claim(claim: str) -> list[str]:
    """The claim's network told by channel; [] where there is none."""
    if claim not in ("sensitivity.latch", "sensitivity.lem2-amended", "sensitivity.mamba2"):
        return []
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
