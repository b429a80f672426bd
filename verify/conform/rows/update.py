"""The rows of selective_state_update."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.operations import UPDATE
from mamba_theorems.verify.conform.row import Edit, SuiteRow
from mamba_theorems.verify.conform.rows.common import (
    far,
    filled,
    honesty,
    ordinary,
    pairs,
    sizes_of,
    spoiled,
    strides,
    then,
)  # fmt: skip

TOGETHER = ("D", "z", "dt_bias", "dt_softplus")
HEADS = (*TOGETHER, "groups")
SLOTS = "state_batch_indices"


def rows() -> Iterator[SuiteRow]:
    """All, from the simple to the special."""
    yield from ordinary(UPDATE, TOGETHER)
    yield SuiteRow("all.heads", kinds.GROUPS, HEADS, cells=("all together",))
    yield from _steps()
    yield from _slots()
    yield from _through_the_state()
    yield from _confined()
    yield from _sizes()
    yield from _half()
    yield from strides(UPDATE, ("state", "x", "dt", "A", "B", "C", "D", "z", "dt_bias"), TOGETHER)
    yield SuiteRow(
        "strides.tied", kinds.STRIDES, ("heads",), layout=dict.fromkeys(("dt", "A"), "strided"), cells=("strides",)
    )
    yield from honesty(TOGETHER)
    yield from pairs(UPDATE)


def _steps() -> Iterator[SuiteRow]:
    for words, uses in (("plain", ()), ("all", TOGETHER), ("heads", HEADS)):
        yield SuiteRow(f"steps.{words}", kinds.PIECES, uses, exam="steps", cells=("steps",))
        for dtype in ("float64", "bfloat16", "float16"):
            yield SuiteRow(f"steps.{words}.{dtype}", kinds.PIECES, uses, dtype=dtype, exam="steps", cells=("steps",))
    soft = ("dt_softplus",)
    far_values = (-80.0, -40.0, -20.0, -5.0, 0.0, 3.0, 7.5, 8.5, 10.5, 15.5, 19.5)
    for dtype in ("", "float64"):
        at = f".{dtype}" if dtype else ""
        small = then(filled(dt=far_values), filled(A=-0.01))
        yield SuiteRow(f"softplus.threshold{at}", kinds.SOFTPLUS, soft, {"dim": 11}, dtype, small, cells=soft)
        tail = then(filled(dt=(-30.0, -40.0, -60.0)), filled(x=1e9, A=-0.01))
        yield SuiteRow(f"softplus.tail{at}", kinds.SOFTPLUS, soft, {}, dtype, tail, cells=soft)
    yield SuiteRow("softplus.bias", kinds.BIAS, (*soft, "dt_bias"), edit=filled(dt_bias=(-3.0, 2.0, 5.0)))
    strong = filled(dt=(30.0, 1.0, 90.0), A=(-1.0, -4.0, -9.0))
    yield SuiteRow("decay.strong", kinds.MASK, edit=strong, cells=("strong decay",))
    yield SuiteRow("decay.none", kinds.VALUES, edit=filled(A=0.0), cells=("no decay",))
    yield SuiteRow("decay.frozen", kinds.STEP, edit=filled(dt=0.0), cells=("no step",), gradient=False)


def _slots() -> Iterator[SuiteRow]:
    """Rows of a larger state, in any order and with gaps; −1 for a place of the batch that advances none."""
    for words, uses in (("plain", (SLOTS,)), ("all", (SLOTS, *TOGETHER)), ("heads", (SLOTS, *HEADS))):
        for batch in (1, 2, 5):
            yield _slot_row(f"{words}.batch-{batch}", kinds.SLOTS, uses, batch)
        yield _slot_row(f"{words}.padding", kinds.PADDING_SLOT, (*uses, "padding_slot"), 5)
        yield SuiteRow(f"slots.{words}.steps", kinds.SLOTS, uses, {"batch": 4}, exam="steps", cells=("slots",))
    yield _slot_row("only-padding", kinds.PADDING_SLOT, ("padding_slot",), 1)
    yield SuiteRow("slots.padding.steps", kinds.PADDING_SLOT, ("padding_slot",), exam="steps", cells=("slots",))
    yield SuiteRow(
        "slots.strided", kinds.STRIDES, (SLOTS,), {"batch": 3}, layout={"state": "transposed"}, cells=("slots",)
    )
    pads = spoiled("x", nan, {0: 0})
    yield SuiteRow(
        "confined.nan.padding-slot", kinds.LEAK, ("padding_slot",), {"batch": 3}, edit=pads, exam="confined",
        cells=("NaN and inf",),
    )  # fmt: skip


def _through_the_state() -> Iterator[SuiteRow]:
    """The gradient through y and the state that the next step is given."""
    cells = ("last state's gradient",)
    for words, uses in (("plain", ()), ("all", TOGETHER), ("slots", (SLOTS,)), ("padding", ("padding_slot",))):
        yield SuiteRow(f"state.gradient.{words}", kinds.LOST, uses, {"batch": 4}, exam="state gradient", cells=cells)


def _slot_row(name: str, kind: kinds.FaultKind, uses: tuple[str, ...], batch: int) -> SuiteRow:
    return SuiteRow(f"slots.{name}", kind, uses, {"batch": batch}, cells=("slots",))


def _confined() -> Iterator[SuiteRow]:
    for words, value in (("nan", nan), ("inf", inf)):
        for name, uses in (("x", ()), ("B", ()), ("C", ()), ("state", ()), ("z", ("z",)), ("D", ("D",))):
            yield _spoiled(f"{words}.{name}", uses, spoiled(name, value, {}))
            yield _spoiled(f"{words}.{name}.heads", (*uses, "groups"), spoiled(name, value, {}))


def _spoiled(name: str, uses: tuple[str, ...], edit: Edit) -> SuiteRow:
    return SuiteRow(f"confined.{name}", kinds.LEAK, uses, edit=edit, exam="confined", cells=("NaN and inf",))


def _sizes() -> Iterator[SuiteRow]:
    yield from sizes_of("d_state", (1, 2, 7, 16, 17, 64, 128, 256), uses=TOGETHER)
    yield from sizes_of("dim", (1, 2, 16, 33, 64, 256), uses=TOGETHER)
    yield from sizes_of("batch", (1, 3, 17), uses=TOGETHER)
    yield from sizes_of("nheads", (1, 3, 8), uses=(*TOGETHER, "heads"))
    for headdim in (1, 64):
        yield SuiteRow(f"headdim.{headdim}", kinds.LARGE, (*HEADS, "heads"), {"dim": headdim}, cells=("sizes",))
    yield SuiteRow("groups.4", kinds.GROUPS, ("groups",), {"groups": 4, "nheads": 8}, cells=("groups",))
    yield SuiteRow("groups.each", kinds.GROUPS, ("groups",), {"groups": 4, "nheads": 4}, cells=("groups",))
    yield from far(UPDATE, ("state", "x"), ())


def _half() -> Iterator[SuiteRow]:
    for dtype in ("bfloat16", "float16"):
        rate = filled(A=(-1.00435, -0.99829, -1.9926), dt=8.0, C=1.0, x=0.0, state=2.0**12)
        yield SuiteRow(f"half.A.{dtype}", kinds.HALF, dtype=dtype, edit=rate, cells=("half precision",), gradient=False)
    big = filled(x=300.0, B=300.0, C=0.01, dt=1.0, A=-8.0)
    yield SuiteRow(
        "half.overflow", kinds.OVERFLOW, dtype="float16", edit=big, cells=("half precision",), gradient=False
    )
