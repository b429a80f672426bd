"""Depthwise causal convolution with SiLU in Triton, forward and backward.

Inputs are padded in front by width − 1 tokens (zeros, or the states before); `stretch` numbers the packed sequences,
and a tap sees only tokens of its own.
"""

import triton
import triton.language as tl

from mamba_theorems.kernels.gpu.s6 import sigmoid, times


@triton.jit
def preactivation(
    x,
    weight,
    bias,
    stretch,
    batch,
    row,
    channel,
    time,
    mask,
    length,
    WIDTH: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    PACKED: tl.constexpr,
):
    """Σ_k weight[:, k]·x[t + k] + bias of a tile (BLOCK_D, BLOCK_T); x (batch·dim, L + WIDTH − 1)."""
    padded = length + WIDTH - 1
    in_channels = tl.sum(mask.to(tl.int32), axis=1) > 0
    out = tl.zeros(mask.shape, dtype=x.dtype.element_ty)
    if HAS_BIAS:
        out += tl.load(bias + channel, mask=in_channels, other=0)[:, None]
    for k in tl.static_range(WIDTH):
        seen = tl.load(x + row[:, None] * padded + time[None, :] + k, mask=mask, other=0)
        if PACKED:
            seen = tl.where(same_stretch(stretch, batch, time, k, length, WIDTH)[None, :], seen, 0)
        out += seen * tl.load(weight + channel * WIDTH + k, mask=in_channels, other=0)[:, None]
    return out


@triton.jit
def same_stretch(stretch, batch, time, k, length, WIDTH: tl.constexpr):
    """Whether the token under tap k and the current one belong to the same packed sequence, (BLOCK_T)."""
    padded = length + WIDTH - 1
    in_time = (time >= 0) & (time < length)
    here = tl.load(stretch + batch * padded + time + WIDTH - 1, mask=in_time, other=0)
    there = tl.load(stretch + batch * padded + time + k, mask=in_time, other=-1)
    return here == there


@triton.jit
def conv_forward(
    x,
    weight,
    bias,
    stretch,
    y,
    length,
    dim,
    WIDTH: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    PACKED: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_T: tl.constexpr,
):
    """y (batch, dim, L) of x (batch, dim, L + WIDTH − 1). Grid (blocks of time, blocks of channels, batch)."""
    batch = tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    time = tl.program_id(0) * BLOCK_T + tl.arange(0, BLOCK_T)
    mask = (channel < dim)[:, None] & (time < length)[None, :]
    row = batch * dim + channel
    out = preactivation(x, weight, bias, stretch, batch, row, channel, time, mask, length, WIDTH, HAS_BIAS, PACKED)
    if SILU:
        out *= sigmoid(out)
    tl.store(y + row[:, None] * length + time[None, :], out, mask=mask)


@triton.jit
def conv_backward(
    x,
    weight,
    bias,
    stretch,
    y_bar,
    x_bar,
    weight_bar,
    bias_bar,
    length,
    dim,
    WIDTH: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    PACKED: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_T: tl.constexpr,
):
    """x_bar as x, zero at first; weight_bar (batch, dim, WIDTH), bias_bar (batch, dim). Grid (blocks of dim, batch)."""
    batch = tl.program_id(1).to(tl.int64)
    channel = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    in_channels = channel < dim
    row = batch * dim + channel
    padded = length + WIDTH - 1
    tap = tl.arange(0, 16)
    w_bar = tl.zeros((BLOCK_D, 16), dtype=x.dtype.element_ty)
    b_bar = tl.sum(w_bar, axis=1)
    for block in range(tl.cdiv(length, BLOCK_T)):
        time = block * BLOCK_T + tl.arange(0, BLOCK_T)
        mask = in_channels[:, None] & (time < length)[None, :]
        out_bar = tl.load(y_bar + row[:, None] * length + time[None, :], mask=mask, other=0)
        if SILU:
            out = preactivation(
                x, weight, bias, stretch, batch, row, channel, time, mask, length, WIDTH, HAS_BIAS, PACKED
            )
            slope = sigmoid(out)
            out_bar = times(out_bar, slope * (1 + out * (1 - slope)))
        b_bar += tl.sum(out_bar, axis=1)
        for k in tl.static_range(WIDTH):
            at = row[:, None] * padded + time[None, :] + k
            through = out_bar
            if PACKED:
                through = tl.where(same_stretch(stretch, batch, time, k, length, WIDTH)[None, :], through, 0)
            seen = tl.load(x + at, mask=mask, other=0)
            w_bar += tl.where(tap[None, :] == k, tl.sum(times(through, seen), axis=1)[:, None], 0)
            w = tl.load(weight + channel * WIDTH + k, mask=in_channels, other=0)
            tl.atomic_add(x_bar + at, times(through, w[:, None]), mask=mask)
    tap_mask = in_channels[:, None] & (tap < WIDTH)[None, :]
    tl.store(weight_bar + row[:, None] * WIDTH + tap[None, :], w_bar, mask=tap_mask)
    tl.store(bias_bar + row, b_bar, mask=in_channels)
