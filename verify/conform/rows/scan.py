"""The rows of selective_scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan

from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.operations import SCAN, Arguments, Draws
from mamba_theorems.verify.conform.row import Edit, SuiteRow
from mamba_theorems.verify.conform.rows.common import (
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

TOGETHER = ("D", "z", "delta_bias", "delta_softplus", "return_last_state", "initial_state")
USUAL = ("D", "z", "delta_bias", "delta_softplus")
STATE = ("return_last_state",)
BOTH = ("return_last_state", "initial_state")


def rows() -> Iterator[SuiteRow]:
    """All, from the simple to the special."""
    yield from ordinary(SCAN, TOGETHER)
    yield from _packed()
    yield from varlen(("cu_seqlens", *STATE), kinds.VARLEN)
    yield from _states()
    yield from _steps()
    yield from _confined()
    yield from _sizes()
    yield from _half()
    yield from strides(SCAN, ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state"), USUAL)
    yield from honesty(TOGETHER)
    wide = {"d_inner": 18, "length": 67}
    yield SuiteRow("bits.wide", kinds.BITS, (*TOGETHER, "groups"), wide, exam="bits", cells=("same bits",))
    yield from pairs(SCAN)


def _packed() -> Iterator[SuiteRow]:
    uses = ("seq_idx", *STATE)
    yield SuiteRow("packed.returns", kinds.AGAIN, uses, edit=packed((0, 1, 0)))
    yield SuiteRow("packed.one", kinds.PACKED, uses, edit=packed((5,)))
    yield SuiteRow("packed.each", kinds.PACKED, uses, edit=packed(range(200)))
    yield SuiteRow("packed.first-step", kinds.PACKED, uses, edit=boundary(1))
    yield SuiteRow("packed.last-step", kinds.PACKED, uses, edit=boundary(-1))
    for place in (4, 8, 16, 32, 64):
        yield SuiteRow(f"packed.tile-{place}", kinds.PACKED, uses, {"length": place + 5}, edit=boundary(place))
        yield SuiteRow(
            f"packed.inside-{place}", kinds.PACKED, uses, {"length": place + 5}, edit=boundary(place - 1, place + 2)
        )
    yield SuiteRow("packed.initial-state", kinds.INITIAL, (*uses, "initial_state"), edit=packed((0, 1)))
    yield SuiteRow(
        "packed.groups", kinds.PACKED, (*uses, "groups"), edit=packed((0, 1, 0)), cells=("groups", "seq_idx")
    )
    yield from paddings(uses)


def _states() -> Iterator[SuiteRow]:
    yield SuiteRow("state.batch-1", kinds.INITIAL, BOTH, {"batch": 1})
    for length in (1, 2, 3, 7, 15, 17, 33, 63, 65):
        yield SuiteRow(f"state.length-{length}", kinds.INITIAL, BOTH, {"length": length, "d_inner": 2, "batch": 1})
    yield SuiteRow("state.constant-B", kinds.LAST, (*STATE, "constant_B"))
    yield SuiteRow("state.constant-BC", kinds.LAST, (*BOTH, "constant_B", "constant_C"))
    yield SuiteRow("state.gated", kinds.LAST, (*STATE, "z", "D"))
    yield SuiteRow("state.gradient", kinds.LOST, (*TOGETHER,), exam="state gradient", cells=("last state's gradient",))
    yield SuiteRow(
        "state.gradient.ragged",
        kinds.LOST,
        BOTH,
        {"length": 37},
        exam="state gradient",
        cells=("last state's gradient",),
    )
    everything = (*TOGETHER, "groups", "seq_idx")
    yield SuiteRow(
        "state.gradient.wide",
        kinds.LOST,
        everything,
        {"length": 67, "d_inner": 18},
        exam="state gradient",
        cells=("last state's gradient",),
    )
    yield SuiteRow("pieces.plain", kinds.PIECES, BOTH, exam="pieces", cells=("pieces",))
    yield SuiteRow("pieces.all", kinds.PIECES, TOGETHER, exam="pieces", cells=("pieces",))
    yield SuiteRow("pieces.groups", kinds.PIECES, (*BOTH, "groups"), exam="pieces", cells=("pieces",))
    for dtype in ("float64", "bfloat16", "float16"):
        yield SuiteRow(f"pieces.{dtype}", kinds.PIECES, TOGETHER, dtype=dtype, exam="pieces", cells=("pieces",))


def _steps() -> Iterator[SuiteRow]:
    soft = ("delta_softplus",)
    far = (-80.0, -40.0, -20.0, -5.0, 0.0, 3.0, 7.5, 8.5, 10.5, 15.5, 19.5)
    for dtype in ("", "float64"):
        at = f".{dtype}" if dtype else ""
        small = then(filled(delta=far), filled(A=-0.01))
        yield SuiteRow(f"softplus.threshold{at}", kinds.SOFTPLUS, soft, {"length": 22}, dtype, small, cells=soft)
        tail = then(filled(delta=(-30.0, -40.0, -60.0)), filled(u=1e9, A=-0.01))
        yield SuiteRow(f"softplus.tail{at}", kinds.SOFTPLUS, soft, {}, dtype, tail, cells=soft)
    yield SuiteRow("softplus.huge", kinds.SOFTPLUS, soft, edit=then(filled(delta=(200.0, 90.0, 1.0)), filled(A=-0.01)))
    yield SuiteRow("softplus.bias", kinds.BIAS, (*soft, "delta_bias"), edit=filled(delta_bias=(-3.0, 2.0, 5.0)))
    strong = filled(delta=(30.0, 1.0, 90.0), A=(-1.0, -4.0, -9.0))
    yield SuiteRow("decay.strong", kinds.MASK, STATE, edit=strong, cells=("strong decay",))
    yield SuiteRow("decay.strong.state", kinds.MASK, BOTH, {"length": 65}, edit=strong, cells=("strong decay",))
    yield SuiteRow("decay.none", kinds.VALUES, BOTH, edit=filled(A=0.0), cells=("no decay",))
    yield SuiteRow("decay.frozen", kinds.VALUES, BOTH, edit=filled(delta=0.0), cells=("no step",), gradient=False)


def _confined() -> Iterator[SuiteRow]:
    """NaN and inf: causally, in the channel, in the row of the batch, in the packed sequence."""
    for words, value in (("nan", nan), ("inf", inf)):
        late = {2: -3}
        yield _spoiled(f"{words}.u", (*STATE, "z"), spoiled("u", value, late))
        yield _spoiled(f"{words}.B", STATE, spoiled("B", value, late))
        yield _spoiled(f"{words}.C", STATE, spoiled("C", value, {2: 5}))
        yield _spoiled(f"{words}.z", ("z", *STATE), spoiled("z", value, {2: 5}))
        yield _spoiled(f"{words}.D", ("D", *STATE), spoiled("D", value, {}))
        yield _spoiled(f"{words}.initial", BOTH, spoiled("initial_state", value, {0: 1}))
        for place in (1, 4, 8, 16):
            edit = then(boundary(place), spoiled("u", value, {2: place - 1}))
            yield _spoiled(f"{words}.packed-{place}", ("seq_idx", *STATE), edit)
        first = then(boundary(3), spoiled("initial_state", value, {}))
        yield _spoiled(f"{words}.packed.initial", ("seq_idx", *BOTH), first)
        pads = then(packed((0, 0, 0, -1)), spoiled("u", value, {2: -1}))
        yield _spoiled(f"{words}.padding", ("seq_idx", *STATE), pads)


def _spoiled(name: str, uses: tuple[str, ...], edit: Edit) -> SuiteRow:
    return SuiteRow(f"confined.{name}", kinds.LEAK, uses, edit=edit, exam="confined", cells=("NaN and inf",))


def _counted(arguments: Arguments) -> Mapping[str, Tensor]:
    """Decay 1, Δ = B = C = 1, whole numbers: y is a running sum, exact in any order."""
    u = arguments["u"].double().cpu()
    return {"y": u.cumsum(-1), "last_state": u.sum(-1, keepdim=True)}


def _sizes() -> Iterator[SuiteRow]:
    one = {"batch": 1, "d_inner": 2, "d_state": 2}
    yield from sizes_of("length", (1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129), uses=STATE, fixed=one)
    yield from sizes_of(
        "d_state", (1, 2, 7, 16, 17, 64, 65, 256), uses=STATE, fixed={"batch": 1, "d_inner": 2, "length": 9}
    )
    yield from sizes_of(
        "d_inner", (1, 2, 5, 16, 33, 64, 130), uses=STATE, fixed={"batch": 2, "d_state": 2, "length": 9}
    )
    yield from sizes_of("batch", (1, 3, 17), uses=TOGETHER, fixed={"d_inner": 3, "length": 9})
    yield SuiteRow("groups.4", kinds.GROUPS, ("groups",), {"groups": 4, "d_inner": 8})
    yield SuiteRow("groups.each", kinds.GROUPS, ("groups", "D", "z"), {"groups": 4, "d_inner": 4})
    yield SuiteRow("groups.state", kinds.GROUPS, ("groups", *BOTH), {"groups": 3, "d_inner": 6})
    counting = then(filled(A=0.0, delta=1.0, B=1.0, C=1.0), whole("u"))
    tiny = {"batch": 1, "d_inner": 1, "d_state": 1}
    for length in (2048, 100_000):
        yield SuiteRow(
            f"length.{length}", kinds.LARGE, STATE, {**tiny, "length": length}, edit=counting, cells=("sizes",),
            exactly=_counted, gradient=False,
        )  # fmt: skip
    yield SuiteRow(
        "length.2048.decay",
        kinds.LARGE,
        STATE,
        {**tiny, "length": 2048},
        edit=filled(A=-0.01),
        cells=("sizes",),
        gradient=False,
    )
    yield from far(SCAN, ("u", "delta", "z"), ("z",))


def _half() -> Iterator[SuiteRow]:
    for dtype in ("bfloat16", "float16"):
        # e^{ΣΔA} over 21 steps of ΔA ≈ −0.5: A's rounding by 2^-9 moves e^-10 by 2 %, y's own by 0.2 %
        rate = then(filled(A=(-1.00435, -0.99829, -1.9926), delta=0.5, C=1.0, u=0.0), filled(initial_state=2.0**12))
        yield SuiteRow(
            f"half.A.{dtype}", kinds.HALF, BOTH, dtype=dtype, edit=rate, cells=("half precision",), gradient=False
        )
        write = then(filled(A=(-1.00435, -0.99829, -1.9926), delta=0.5, C=2.0**6, B=1.0, u=0.0), _impulse)
        yield SuiteRow(
            f"half.A.write.{dtype}", kinds.HALF, dtype=dtype, edit=write, cells=("half precision",), gradient=False
        )
    big = filled(u=300.0, B=300.0, C=0.01, delta=1.0, A=-8.0)
    yield SuiteRow(
        "half.overflow", kinds.OVERFLOW, dtype="float16", edit=big, cells=("half precision",), gradient=False
    )


def _impulse(arguments: Arguments, n: Draws) -> Arguments:
    u = arguments["u"].clone()
    u[..., 0] = 64.0
    return arguments | {"u": u}
