"""The rows of ssd_chunk_scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan

from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.operations import SSD, Arguments, Draws
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

TOGETHER = ("D", "z", "dt_bias", "dt_softplus", "dt_limit", "initial_states", "return_final_states", "groups")
USUAL = ("D", "z", "dt_bias", "dt_softplus")
STATE = ("return_final_states",)
BOTH = ("return_final_states", "initial_states")
VARLEN = ("cu_seqlens", "return_varlen_states")
SMALL = {"batch": 1, "nheads": 2, "headdim": 2, "d_state": 2}


def rows() -> Iterator[SuiteRow]:
    """All, from the simple to the special."""
    yield from ordinary(SSD, TOGETHER)
    yield from _packed()
    yield from varlen(VARLEN, kinds.VARLEN_STATE)
    yield from _states()
    yield from _steps()
    yield from _confined()
    yield from _sizes()
    yield from _half()
    yield from strides(SSD, ("x", "dt", "A", "B", "C", "D", "z", "dt_bias", "initial_states"), USUAL)
    yield from honesty(TOGETHER)
    yield from pairs(SSD)


def _packed() -> Iterator[SuiteRow]:
    uses = ("seq_idx", *STATE)
    yield SuiteRow("packed.returns", kinds.AGAIN, uses, edit=packed((0, 1, 0)))
    yield SuiteRow("packed.returns.inside", kinds.AGAIN, uses, {"length": 16}, edit=packed((0, 1, 0, 1)))
    yield SuiteRow("packed.one", kinds.PACKED, uses, edit=packed((5,)))
    yield SuiteRow("packed.each", kinds.PACKED, uses, edit=packed(range(200)))
    for place in (1, 5, 15, 16, 17, 31, 32, -1):
        yield SuiteRow(f"packed.at{place}", kinds.PACKED, uses, edit=boundary(place))
    yield SuiteRow("packed.inside", kinds.PACKED, uses, edit=boundary(3, 7, 20, 22))
    yield SuiteRow("packed.initial-state", kinds.INITIAL, (*uses, "initial_states"), edit=boundary(20))
    yield SuiteRow(
        "packed.groups", kinds.PACKED, (*uses, "groups"), edit=packed((0, 1, 0)), cells=("groups", "seq_idx")
    )
    yield SuiteRow("packed.initial-state.inside", kinds.INITIAL, (*uses, "initial_states"), edit=boundary(3))
    yield from paddings(uses)


def _states() -> Iterator[SuiteRow]:
    yield SuiteRow("state.batch-1", kinds.INITIAL, BOTH, {"batch": 1})
    for length in (1, 2, 3, 7, 15, 16, 17, 31, 33, 47, 63, 65):
        yield SuiteRow(f"state.length-{length}", kinds.INITIAL, BOTH, SMALL | {"length": length})
    yield SuiteRow("state.gated", kinds.LAST, (*STATE, "z", "D"))
    yield SuiteRow("state.gradient", kinds.LOST, TOGETHER, exam="state gradient", cells=("last state's gradient",))
    yield SuiteRow(
        "state.gradient.ragged",
        kinds.LOST,
        BOTH,
        {"length": 21},
        exam="state gradient",
        cells=("last state's gradient",),
    )
    yield SuiteRow(
        "varlen.gradient", kinds.LOST, (*VARLEN, *USUAL), exam="state gradient", cells=("last state's gradient",)
    )
    yield SuiteRow("ragged.bias", kinds.RAGGED, ("dt_bias", "dt_softplus"), {"length": 19}, cells=("ragged chunk",))
    yield SuiteRow("ragged.all", kinds.RAGGED, TOGETHER, {"length": 33}, cells=("ragged chunk",))
    yield SuiteRow("pieces.plain", kinds.PIECES, BOTH, exam="pieces", cells=("pieces",))
    yield SuiteRow("pieces.all", kinds.PIECES, TOGETHER, exam="pieces", cells=("pieces",))
    yield SuiteRow("pieces.groups", kinds.PIECES, (*BOTH, "groups"), {"groups": 4}, exam="pieces", cells=("pieces",))
    for dtype in ("float64", "bfloat16", "float16"):
        yield SuiteRow(f"pieces.{dtype}", kinds.PIECES, TOGETHER, dtype=dtype, exam="pieces", cells=("pieces",))


def _steps() -> Iterator[SuiteRow]:
    soft = ("dt_softplus",)
    far_values = (-80.0, -40.0, -20.0, -5.0, 0.0, 3.0, 7.5, 8.5, 10.5, 15.5, 19.5)
    for dtype in ("", "float64"):
        at = f".{dtype}" if dtype else ""
        small = then(filled(dt=far_values), filled(A=-0.01))
        yield SuiteRow(f"softplus.threshold{at}", kinds.SOFTPLUS, soft, {"length": 22}, dtype, small, cells=soft)
        tail = then(filled(dt=(-30.0, -40.0, -60.0)), filled(x=1e9, A=-0.01))
        yield SuiteRow(f"softplus.tail{at}", kinds.SOFTPLUS, soft, {}, dtype, tail, cells=soft)
    limits = ("dt_limit", "dt_softplus", "dt_bias")
    yield SuiteRow("limit.low", kinds.LIMIT, limits, edit=_limit(0.5, inf))
    yield SuiteRow("limit.high", kinds.LIMIT, limits, edit=_limit(0.0, 0.6))
    yield SuiteRow("limit.both", kinds.LIMIT, limits, edit=_limit(0.4, 0.9))
    yield SuiteRow(
        "limit.negative", kinds.LIMIT, ("dt_limit",), edit=then(filled(dt=(0.4, -0.3, 0.9)), _limit(0.0, inf))
    )
    strong = filled(dt=(30.0, 1.0, 90.0, 60.0, 45.0), A=(-1.0, -4.0, -9.0))
    yield SuiteRow("decay.strong", kinds.MASK, STATE, edit=strong, cells=("strong decay",))
    yield SuiteRow("decay.strong.state", kinds.MASK, (*BOTH, "seq_idx"), edit=strong, cells=("strong decay",))
    late = then(filled(dt=0.01, A=-1.0), _late_steps)
    yield SuiteRow("decay.late", kinds.MASK, STATE, edit=late, cells=("strong decay",))
    yield SuiteRow("decay.none", kinds.VALUES, BOTH, edit=filled(A=0.0), cells=("no decay",))
    yield SuiteRow("decay.frozen", kinds.VALUES, BOTH, edit=filled(dt=0.0), cells=("no step",), gradient=False)


def _limit(low: float, high: float) -> Edit:
    return lambda arguments, n: arguments | {"dt_limit": (low, high)}


def _late_steps(arguments: Arguments, n: Draws) -> Arguments:
    """Every other step forgets all: exponents of both signs meet in a chunk."""
    dt = arguments["dt"].clone()
    dt[:, ::2] = 120.0
    return arguments | {"dt": dt}


def _confined() -> Iterator[SuiteRow]:
    """NaN and inf: causally, in the channel, in the head, in the row of the batch, in the packed sequence."""
    for words, value in (("nan", nan), ("inf", inf)):
        yield _spoiled(f"{words}.x", STATE, spoiled("x", value, {1: -3}))
        yield _spoiled(f"{words}.x.inside", (*STATE, "z"), spoiled("x", value, {1: 5}))
        yield _spoiled(f"{words}.B", STATE, spoiled("B", value, {1: -3}))
        yield _spoiled(f"{words}.C", STATE, spoiled("C", value, {1: 5}))
        yield _spoiled(f"{words}.z", ("z", *STATE), spoiled("z", value, {1: 5}))
        yield _spoiled(f"{words}.initial", BOTH, spoiled("initial_states", value, {0: 1}))
        for place in (1, 5, 16, 17):
            edit = then(boundary(place), spoiled("x", value, {1: place - 1}))
            yield _spoiled(f"{words}.packed-{place}", ("seq_idx", *STATE), edit)
        first = then(boundary(3), spoiled("initial_states", value, {}))
        yield _spoiled(f"{words}.packed.initial", ("seq_idx", *BOTH), first)
        pads = then(packed((0, 0, 0, -1)), spoiled("x", value, {1: -1}))
        yield _spoiled(f"{words}.padding", ("seq_idx", *STATE), pads)


def _spoiled(name: str, uses: tuple[str, ...], edit: Edit) -> SuiteRow:
    return SuiteRow(f"confined.{name}", kinds.LEAK, uses, edit=edit, exam="confined", cells=("NaN and inf",))


def _counted(arguments: Arguments) -> Mapping[str, Tensor]:
    """Decay 1, Δ = B = C = 1, whole numbers: y is a running sum, exact in any order."""
    x = arguments["x"].double().cpu()
    return {"y": x.cumsum(1), "final_states": x.sum(1)[..., None]}


def _sizes() -> Iterator[SuiteRow]:
    yield from sizes_of("length", (1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128), uses=STATE, fixed=SMALL)
    for chunk in (32, 64, 128, 256):
        for length in (chunk - 1, chunk, chunk + 1) if chunk < 128 else (70,):
            at = SMALL | {"nheads": 1, "chunk_size": chunk, "length": length}
            yield SuiteRow(f"chunk.{chunk}.length.{length}", kinds.RAGGED, BOTH, at, cells=("sizes",))
    one = {"batch": 1, "nheads": 1, "length": 18}
    yield from sizes_of("d_state", (1, 2, 7, 16, 17, 64, 128, 256), uses=STATE, fixed=one | {"headdim": 2})
    yield from sizes_of("headdim", (1, 3, 16, 33, 64, 128, 256), uses=STATE, fixed=one | {"d_state": 2})
    yield from sizes_of("nheads", (1, 3, 8), uses=TOGETHER[:-1], fixed={"headdim": 2, "length": 18})
    yield from sizes_of("batch", (1, 3), uses=TOGETHER, fixed={"length": 18})
    yield SuiteRow("groups.4", kinds.GROUPS, ("groups",), {"groups": 4, "nheads": 8, "headdim": 1})
    yield SuiteRow("groups.each", kinds.GROUPS, ("groups", "D"), {"groups": 4, "nheads": 4})
    yield SuiteRow("groups.state", kinds.GROUPS, ("groups", *BOTH), {"groups": 3, "nheads": 6, "headdim": 1})
    counting = then(filled(A=0.0, dt=1.0, B=1.0, C=1.0), whole("x"))
    tiny = {"batch": 1, "nheads": 1, "headdim": 1, "d_state": 1, "chunk_size": 64}
    for length in (2048, 100_000):
        yield SuiteRow(
            f"length.{length}", kinds.LARGE, STATE, {**tiny, "length": length}, edit=counting, cells=("sizes",),
            exactly=_counted, gradient=False,
        )  # fmt: skip
    yield from far(SSD, ("x", "B", "z"), ("z",))


def _half() -> Iterator[SuiteRow]:
    for dtype, start in (("bfloat16", 2.0**40), ("float16", 2.0**12)):
        # ΣΔA = −37·0.5 or more: A's rounding moves e^-18 by several %, every rounding of a term by far less
        many = {"length": 37} if dtype == "bfloat16" else {"length": 21}
        rate = then(filled(A=(-1.00435, -0.99829, -1.0926), dt=0.5, C=2.0**-3, x=0.0), filled(initial_states=start))
        yield SuiteRow(
            f"half.A.{dtype}", kinds.HALF, BOTH, many, dtype, rate, cells=("half precision",), gradient=False
        )
        write = then(filled(A=(-1.00435, -0.99829, -1.0926), dt=0.5, C=2.0**6, B=1.0, x=0.0), _impulse)
        yield SuiteRow(
            f"half.A.write.{dtype}", kinds.HALF, STATE, many, dtype, write, cells=("half precision",), gradient=False
        )
    big = filled(x=0.001, B=300.0, C=300.0, dt=0.5, A=-8.0)
    one = {"d_state": 1}
    yield SuiteRow("half.overflow", kinds.OVERFLOW, (), one, "float16", big, cells=("half precision",), gradient=False)


def _impulse(arguments: Arguments, n: Draws) -> Arguments:
    x = arguments["x"].clone()
    x[:, 0] = 64.0
    return arguments | {"x": x}
