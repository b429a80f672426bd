"""The rows of causal_conv1d."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan

import torch
from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.operations import CONVOLUTION, Arguments
from mamba_theorems.verify.conform.row import Edit, SuiteRow
from mamba_theorems.verify.conform.rows.common import (
    APART,
    boundary,
    far,
    filled,
    honesty,
    ordinary,
    packed,
    paddings,
    pairs,
    sizes_of,
    spoiled,
    strides,
    then,
    varlen,
    whole,
)  # fmt: skip

TOGETHER = ("bias", "activation", "initial_states", "return_final_states")
STATE = ("return_final_states",)
BOTH = ("return_final_states", "initial_states")


def rows() -> Iterator[SuiteRow]:
    """All, from the simple to the special."""
    yield from ordinary(CONVOLUTION, TOGETHER)
    yield from _packed()
    yield from varlen(("cu_seqlens", *STATE), kinds.VARLEN)
    yield from _states()
    yield from _confined()
    yield from _sizes()
    yield from strides(CONVOLUTION, ("x", "weight", "bias", "initial_states"), ("bias", "activation"))
    yield from honesty(TOGETHER)
    yield from pairs(CONVOLUTION)


def _packed() -> Iterator[SuiteRow]:
    for words, uses in (("", ("seq_idx",)), (".state", ("seq_idx", *STATE))):
        yield SuiteRow(f"packed.returns{words}", kinds.AGAIN, uses, edit=packed((0, 1, 0)))
        yield SuiteRow(f"packed.returns.soon{words}", kinds.AGAIN, uses, edit=boundary(9, 10))
        yield SuiteRow(f"packed.one{words}", kinds.PACKED, uses, edit=packed((5,)))
        yield SuiteRow(f"packed.each{words}", kinds.PACKED, uses, edit=packed(range(200)))
        for place in (1, 2, 3, 4, 8, 16, -1, -2, -3, -4):
            yield SuiteRow(f"packed.at{place}{words}", kinds.PACKED, uses, edit=boundary(place))
        yield from paddings(uses, words, APART)
    yield SuiteRow("packed.initial-state", kinds.INITIAL, ("seq_idx", "initial_states"), edit=boundary(2))
    yield SuiteRow("packed.initial-state.state", kinds.INITIAL, ("seq_idx", *BOTH), edit=boundary(2))


def _states() -> Iterator[SuiteRow]:
    yield SuiteRow("state.batch-1", kinds.INITIAL, BOTH, {"batch": 1})
    for length in (1, 2, 3, 4, 5):
        yield SuiteRow(f"short.{length}", kinds.SHORT, (), {"length": length}, cells=("fewer tokens than taps",))
        yield SuiteRow(
            f"short.{length}.state", kinds.SHORT, STATE, {"length": length}, cells=("fewer tokens than taps",)
        )
        yield SuiteRow(
            f"short.{length}.both", kinds.SHORT, TOGETHER, {"length": length}, cells=("fewer tokens than taps",)
        )
    yield SuiteRow("state.gradient", kinds.LOST, TOGETHER, exam="state gradient", cells=("last state's gradient",))
    yield SuiteRow("pieces.plain", kinds.PIECES, BOTH, exam="pieces", cells=("pieces",))
    yield SuiteRow("pieces.all", kinds.PIECES, TOGETHER, exam="pieces", cells=("pieces",))
    for dtype in ("float64", "bfloat16", "float16"):
        yield SuiteRow(f"pieces.{dtype}", kinds.PIECES, TOGETHER, dtype=dtype, exam="pieces", cells=("pieces",))


def _confined() -> Iterator[SuiteRow]:
    """NaN and inf reach the taps of their own channel and sequence, and no further."""
    for words, value in (("nan", nan), ("inf", inf)):
        yield _spoiled(f"{words}.x", (), spoiled("x", value, {2: 5}))
        yield _spoiled(f"{words}.x.state", STATE, spoiled("x", value, {2: -5}))
        yield _spoiled(f"{words}.x.last", TOGETHER, spoiled("x", value, {2: -1}))
        yield _spoiled(f"{words}.initial", ("initial_states",), spoiled("initial_states", value, {2: -1}))
        for place in (1, 5, 8, 16, -1, -2):
            edit = then(boundary(place), spoiled("x", value, {2: place - 1}))
            yield _spoiled(f"{words}.packed{place}", ("seq_idx",), edit)
            yield _spoiled(f"{words}.packed{place}.state", ("seq_idx", *STATE), edit)
        pads = then(packed((0, 0, 0, -1)), spoiled("x", value, {2: -1}))
        yield _spoiled(f"{words}.padding", ("seq_idx", *STATE), pads)


def _spoiled(name: str, uses: tuple[str, ...], edit: Edit) -> SuiteRow:
    return SuiteRow(f"confined.{name}", kinds.LEAK, uses, edit=edit, exam="confined", cells=("NaN and inf",))


def _counted(arguments: Arguments) -> Mapping[str, Tensor]:
    """Taps of 1 and whole numbers: y is the sum of the last k tokens, exactly."""
    x, width = arguments["x"].double().cpu(), arguments["weight"].shape[1]
    padded = torch.nn.functional.pad(x, (width - 1, 0))
    return {"y": padded.unfold(2, width, 1).sum(-1), "final_states": x[..., x.shape[-1] - width + 1 :]}


def _sizes() -> Iterator[SuiteRow]:
    yield from sizes_of("length", (1, 2, 15, 16, 17, 31, 63, 64, 65, 128), uses=("bias",), fixed={"dim": 2, "batch": 1})
    for width in (1, 2, 3, 4, 5, 8):
        for length in (width - 1, width, width + 1):
            if length:
                at = {"width": width, "length": length}
                yield SuiteRow(f"width.{width}.length.{length}", kinds.SHORT, ("bias",), at, cells=("sizes",))
    yield from sizes_of("width", (2, 3), uses=TOGETHER)
    yield from sizes_of("dim", (1, 2, 7, 8, 16, 33, 130), uses=TOGETHER, fixed={"length": 9, "batch": 1})
    yield from sizes_of("batch", (1, 3, 17), uses=TOGETHER, fixed={"length": 9})
    big = then(filled(x=(3.0, -120.0, 40.0)), filled(weight=1.0))
    yield SuiteRow("activation.far", kinds.ACTIVATION, ("activation",), edit=big, cells=("activation",))
    counting = then(filled(weight=1.0), whole("x"))
    for length in (2048, 100_000):
        yield SuiteRow(
            f"length.{length}", kinds.LARGE, STATE, {"batch": 1, "dim": 1, "length": length}, edit=counting,
            cells=("sizes",), exactly=_counted, gradient=False,
        )  # fmt: skip
    yield from far(CONVOLUTION, ("x",), ("bias",))
