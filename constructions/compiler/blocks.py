"""Official blocks written in named channels: in_proj, taps, x_proj, Δ, A, D, gate and out_proj, exact and unrolled.

Where `constructions.compiler.mamba1` starts from tokens and a constant step, these take any input space (a signal,
time, a constant 1) and a step that may depend on it: what Section 3 of the paper asks of S6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
import torch
from torch import nn

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space
from mamba_theorems.constructions.compiler.exact import (
    ExactTensor,
    Index,
    block,
    silu_preimage,
    softplus_preimage,
    stack_rows,
)
from mamba_theorems.constructions.compiler.mamba1 import Weights
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.blocks import Mamba as MambaModule
from mamba_theorems.kernels.blocks import Mamba2 as Mamba2Module
from mamba_theorems.kernels.fields import Exact, Field

Coefficients = Mapping[tuple[Channel, Channel], Exact]
UNIT = 128
"""SiLU(128) = softplus(128) = 128 in float32, and e^{−128} = 0: powers of two make the whole block exact."""
NO_DECAY = -60
"""A_log of a state that forgets nothing: 128·e^{−60} < 2^{−54}, so e^{ΔA} is exactly 1 in float32 and float64."""
D_CONV = 4
ONE, TIME, SIGNAL = Channel("one"), Channel("time"), Channel("signal")


@dataclass(frozen=True)
class Block:
    """One official block with explicit weights; `ngroups` is 0 for Mamba-1, else Mamba-2's."""

    space: Space
    weights: Weights
    ngroups: int = 0
    told: tuple[str, ...] = ()
    """What each weight does between named channels, for a reader."""

    def run(self, f: Field, u: np.ndarray) -> np.ndarray:
        """(..., L, d_model) → (..., L, d_model), by the block's definition over a number field."""
        weights = {name: weight.to(f) for name, weight in self.weights.items()}
        if self.ngroups:
            return semantics.mamba2(f, weights, u, ngroups=self.ngroups)
        return semantics.mamba(f, weights, u)

    def module(self, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
        """The torch block of `kernels.blocks` with these weights, each rounded once."""
        module = self._empty(dtype)
        module.load_state_dict({name: weight.torch(dtype) for name, weight in self.weights.items()}, strict=True)
        return module.requires_grad_(False).eval().to(device)

    def _empty(self, dtype: torch.dtype) -> nn.Module:
        d_model, d_inner = self.weights["out_proj.weight"].shape
        options: dict[str, Any] = {"d_inner": d_inner, "dtype": dtype}
        if self.ngroups:
            d_state = (self.weights["conv1d.weight"].shape[0] - d_inner) // (2 * self.ngroups)
            headdim = d_inner // self.weights["A_log"].shape[0]
            return Mamba2Module(d_model, d_state, D_CONV, headdim=headdim, ngroups=self.ngroups, **options)
        dt_rank, d_state = self.weights["dt_proj.weight"].shape[1], self.weights["A_log"].shape[1]
        return MambaModule(d_model, d_state, D_CONV, dt_rank=dt_rank, **options)


@dataclass(frozen=True)
class Mamba1:
    """A Mamba-1 block by channel. Inner channels are SiLU(embedding·u + bias); the gate is SiLU(128) times `one`.

    `step` gives each inner channel's constant Δ (softplus⁻¹ is taken here); `step_map`, `step_bias` instead a Δ that is
    softplus of one linear form of the inner channels, shared by all. `D` and `a_log` are per inner channel and one.
    """

    space: Space
    inner: Space
    state: Space
    embedding: Coefficients
    bias: Mapping[Channel, Exact]
    B: Coefficients
    C: Coefficients
    readout: Coefficients
    step: Exact = UNIT
    step_map: Mapping[Channel, Exact] = field(default_factory=dict)
    step_bias: Exact | None = None
    D: Mapping[Channel, Exact] = field(default_factory=dict)
    a_log: Exact = NO_DECAY

    def block(self) -> Block:
        """The weights, by the official names; dt_rank is 1."""
        return Block(self.space, self._projections() | self._dynamics(), told=tuple(self._told()))

    def _told(self) -> Iterator[str]:
        for channel in self.inner:
            yield f"{channel} = SiLU({_sum(self.embedding, channel, self.bias.get(channel, 0))})"
        for state in self.state:
            yield f"B of {state} = {_sum(self.B, state)}"
            yield f"C of {state} = {_sum(self.C, state)}"
        steps = {(ONE, channel): value for channel, value in self.step_map.items()}
        yield "Δ = " + (str(self.step) if self.step_bias is None else f"softplus({_sum(steps, ONE, self.step_bias)})")
        yield f"A = −exp({self.a_log}); D = {', '.join(f'{c}: {v}' for c, v in self.D.items()) or 0}; gate = {UNIT}"
        for channel in self.space:
            yield f"output {channel} = {_sum(self.readout, channel)}"

    def _projections(self) -> Weights:
        gate = {(channel, ONE): silu_preimage(UNIT) for channel in self.inner}
        return {
            "in_proj.weight": stack_rows(
                [LinearMap(self.space, self.inner, part).tensor() for part in (self.embedding, gate)]
            ),
            "conv1d.weight": current_token(len(self.inner)),
            "conv1d.bias": vector(self.inner, self.bias),
            "x_proj.weight": stack_rows([self._step_row(), *(self._code(part) for part in (self.B, self.C))]),
            "out_proj.weight": LinearMap(self.inner, self.space, self.readout).tensor(),
        }

    def _dynamics(self) -> Weights:
        d_inner, d_state = len(self.inner), len(self.state)
        bias = softplus_preimage(self.step) if self.step_bias is None else self.step_bias
        return {
            "dt_proj.weight": block((d_inner, 1), 1),
            "dt_proj.bias": block((d_inner,), bias),
            "A_log": block((d_inner, d_state), self.a_log),
            "D": vector(self.inner, self.D),
        }

    def _code(self, part: Coefficients) -> ExactTensor:
        return LinearMap(self.inner, self.state, part).tensor()

    def _step_row(self) -> ExactTensor:
        position = self.inner.position
        return ExactTensor((1, len(self.inner)), 0, {(0, position(c)): value for c, value in self.step_map.items()})


@dataclass(frozen=True)
class Mamba2:
    """A Mamba-2 block by channel: x, B and C are SiLU of linear maps of the input; one Δ and D a head.

    `heads` are equally long tuples of x channels, divided evenly among groups; B, C map the input to (group, state).
    RMSNorm runs over the x channels of a group: one of them may hold a constant that outweighs the rest.
    """

    space: Space
    heads: tuple[tuple[Channel, ...], ...]
    codes: tuple[Space, ...]
    x: Coefficients
    x_bias: Mapping[Channel, Exact]
    B: Coefficients
    C: Coefficients
    dt_bias: tuple[Exact, ...]
    D: tuple[Exact, ...]
    readout: Coefficients

    @property
    def inner(self) -> Space:
        """The x channels, head by head."""
        return Space(tuple(channel for head in self.heads for channel in head))

    @property
    def code_space(self) -> Space:
        """The states of all groups, group by group."""
        return Space(tuple(channel for group in self.codes for channel in group))

    def block(self) -> Block:
        """The weights, by the official names."""
        return Block(self.space, self._projections() | self._dynamics(), ngroups=len(self.codes))

    def _projections(self) -> Weights:
        inner, code = self.inner, self.code_space
        gate = {(channel, ONE): silu_preimage(UNIT) for channel in inner}
        maps = ((inner, gate), (inner, self.x), (code, self.B), (code, self.C))
        rows = [LinearMap(self.space, target, part).tensor() for target, part in maps]
        conv_dim = len(inner) + 2 * len(code)
        return {
            "in_proj.weight": stack_rows([*rows, block((len(self.heads), len(self.space)), 0)]),
            "conv1d.weight": current_token(conv_dim),
            "conv1d.bias": vector(inner, self.x_bias).padded((conv_dim,)),
            "norm.weight": block((len(inner),), 1),
            "out_proj.weight": LinearMap(inner, self.space, self.readout).tensor(),
        }

    def _dynamics(self) -> Weights:
        nheads = len(self.heads)
        return {
            "dt_bias": ExactTensor((nheads,), 0, {(i,): value for i, value in enumerate(self.dt_bias)}),
            "A_log": block((nheads,), NO_DECAY),
            "D": ExactTensor((nheads,), 0, {(i,): value for i, value in enumerate(self.D)}),
        }


def _sum(part: Coefficients, target: Channel, constant: Exact = 0) -> str:
    """A row of a linear map, as a sum of named channels."""
    terms = [f"{value}·{source}" for (row, source), value in part.items() if row == target]
    return " + ".join([*terms, *([str(constant)] if constant or not terms else [])])


def current_token(channels: int) -> ExactTensor:
    """The convolution that looks at the current token only: conv1d.weight (channels, 1, 4)."""
    entries: dict[Index, Exact] = {(range(channels), 0, D_CONV - 1): 1}
    return ExactTensor((channels, 1, D_CONV), 0, entries)


def vector(space: Space, values: Mapping[Channel, Exact]) -> ExactTensor:
    """Values by channel, 0 elsewhere."""
    return ExactTensor((len(space),), 0, {(space.position(channel),): value for channel, value in values.items()})


def closed_gate() -> sympy.Expr:
    """A Δ bias that writes nothing: softplus(−200) underflows in float32 and is 1e-87 in ℝ."""
    return sympy.Integer(-200)
