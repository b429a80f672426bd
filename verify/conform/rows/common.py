"""Rows that every operation has, from its options and sizes: each option alone, each pair, dtypes, strides, honesty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

import torch
from torch import Tensor

from mamba_theorems.verify.conform import kinds
from mamba_theorems.verify.conform.kinds import FaultKind
from mamba_theorems.verify.conform.layouts import LAYOUTS
from mamba_theorems.verify.conform.operations import Arguments, Draws, Operation, cut
from mamba_theorems.verify.conform.row import Edit, SuiteRow
from mamba_theorems.verify.settings import Tier

KIND_OF = {
    "D": kinds.SKIP, "z": kinds.GATE, "delta_bias": kinds.BIAS, "dt_bias": kinds.BIAS,
    "delta_softplus": kinds.SOFTPLUS, "dt_softplus": kinds.SOFTPLUS, "dt_limit": kinds.LIMIT,
    "return_last_state": kinds.LAST, "return_final_states": kinds.LAST,
    "initial_state": kinds.INITIAL, "initial_states": kinds.INITIAL, "seq_idx": kinds.PACKED,
    "groups": kinds.GROUPS, "constant_B": kinds.CONSTANT, "constant_C": kinds.CONSTANT,
    "D_per_channel": kinds.WIDE_SKIP, "bias": kinds.CONV_BIAS, "activation": kinds.ACTIVATION,
    "cu_seqlens": kinds.VARLEN, "return_varlen_states": kinds.VARLEN_STATE,
    "state_batch_indices": kinds.SLOTS, "padding_slot": kinds.PADDING_SLOT,
}  # fmt: skip
"""The kind of fault that an option alone looks for."""


def kind_of(option: str, operation: Operation) -> FaultKind:
    """The kind of fault of an option."""
    if operation.name == "causal_conv1d" and option == "return_final_states":
        return kinds.CONV_STATE
    return KIND_OF.get(option, kinds.VALUES)


def ordinary(operation: Operation, together: Iterable[str]) -> Iterator[SuiteRow]:
    """Plain; each option alone, in every dtype; all that go together."""
    together = tuple(together)
    yield SuiteRow("plain")
    for dtype in ("", "float64", "bfloat16", "float16"):
        at = f".{dtype}" if dtype else ""
        for option in operation.everything:
            kind = kinds.PRECISION if dtype else kind_of(option, operation)
            yield SuiteRow(f"option.{option}{at}", kind, (option,), dtype=dtype)
        if dtype:
            yield SuiteRow(f"dtype.{dtype}", kinds.PRECISION, dtype=dtype)
            yield SuiteRow(f"dtype.{dtype}.all", kinds.PRECISION, together, dtype=dtype, cells=("all together",))
    yield SuiteRow("all", uses=together, cells=("all together",))


def pairs(operation: Operation) -> Iterator[SuiteRow]:
    """Each pair of options."""
    for one, other in combinations(operation.everything, 2):
        yield SuiteRow(f"pair.{one}.{other}", kinds.VALUES, (one, other))


def strides(operation: Operation, arguments: Iterable[str], uses: tuple[str, ...]) -> Iterator[SuiteRow]:
    """Every tensor in every layout."""
    for name in arguments:
        needed = (*uses, name) if name in operation.options and name not in uses else uses
        for layout in LAYOUTS:
            yield SuiteRow(f"strides.{name}.{layout}", kinds.STRIDES, needed, layout={name: layout}, cells=("strides",))
    everything = dict.fromkeys(arguments, "transposed")
    yield SuiteRow("strides.all.transposed", kinds.STRIDES, uses, layout=everything, cells=("strides",))


def honesty(together: tuple[str, ...]) -> Iterator[SuiteRow]:
    """The same bits, memory of this call, and torch.compile."""
    yield SuiteRow("bits.plain", kinds.BITS, exam="bits", cells=("same bits",))
    yield SuiteRow("bits.all", kinds.BITS, together, exam="bits", cells=("same bits",))
    yield SuiteRow("gradient.told", kinds.LOST, exam="told", cells=("gradient or a word",))
    yield SuiteRow("gradient.told.all", kinds.LOST, together, exam="told", cells=("gradient or a word",))
    yield SuiteRow("fresh.plain", kinds.STALE, exam="fresh", cells=("fresh memory",))
    yield SuiteRow("fresh.all", kinds.STALE, together, exam="fresh", cells=("fresh memory",))
    yield SuiteRow("compile", kinds.COMPILE, exam="compiled", cells=("torch.compile",), tier=Tier.FULL)


def far(operation: Operation, arguments: Iterable[str], uses: tuple[str, ...]) -> Iterator[SuiteRow]:
    """Entries that lie more than 2^31 entries into their memory, of which only they are touched."""
    for name in arguments:
        yield SuiteRow(
            f"offsets.{name}", kinds.OFFSETS, uses, layout={name: "far"}, cells=("offsets beyond 2^31",),
            gradient=False, tier=Tier.FULL,
        )  # fmt: skip


def sizes_of(
    name: str,
    values: Iterable[int],
    kind: FaultKind = kinds.LARGE,
    uses: tuple[str, ...] = (),
    fixed: Mapping[str, int] | None = None,
) -> Iterator[SuiteRow]:
    """A size at each of these values."""
    for value in values:
        yield SuiteRow(f"{name}.{value}", kind, uses, {**(fixed or {}), name: value}, cells=("sizes",))


def spoiled(name: str, value: float, where: Mapping[int, int | slice]) -> Edit:
    """One entry, or a slice, of an argument becomes NaN or inf; `where` says by axis, all others at 0."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        changed = arguments[name].clone()
        changed[tuple(where.get(axis, 0) for axis in range(changed.ndim))] = value
        return arguments | {name: changed}

    return edit


def packed(*rows: Iterable[int]) -> Edit:
    """seq_idx of these patterns, stretched over the length; the rows of a batch take them in turn."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        given = arguments["seq_idx"]
        batch, length = given.shape
        patterns = [_stretched(list(rows[i % len(rows)]), length) for i in range(batch)]
        return arguments | {"seq_idx": torch.stack(patterns).to(given.dtype)}

    return edit


def _stretched(pattern: list[int], length: int) -> Tensor:
    """Each number of the pattern so often that all fill the length, the last one the rest."""
    each = max(1, length // len(pattern))
    places = (torch.arange(length) // each).clamp(max=len(pattern) - 1)
    return torch.tensor(pattern)[places]


Paddings = Mapping[str, tuple[tuple[int, ...], ...]]
PADDINGS: Paddings = {
    "right": ((0, 0, 0, -1),),
    "left": ((-1, 0, 0, 0),),
    "between": ((0, -1, 1, 1),),
    "scattered": ((0, -1, 0, -1, -1, 0, 0), (0, -1, 1, 1, -1, 1, -1)),
    "all": ((-1,), (0,)),
    "rows": ((0, 0, -1), (-1, 0, 0)),
}
"""seq_idx of the rows of a batch in turn."""
APART: Paddings = {**PADDINGS, "scattered": ((0, -1, 1, -1, -1, 2, 2), (0, -1, 1, 1, -1, 2, -1))}
"""The same with no padding between tokens of one sequence."""


def paddings(uses: tuple[str, ...], words: str = "", patterns: Paddings = PADDINGS) -> Iterator[SuiteRow]:
    """Padding on either side, between sequences and tokens, in a whole row, and otherwise in each row."""
    for place, rows in patterns.items():
        yield SuiteRow(
            f"padding.{place}{words}", kinds.PADDING, uses, edit=packed(*rows), cells=("padding",), gradient=False
        )


def boundary(*places: int) -> Edit:
    """seq_idx that changes at these places, from the end where negative."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        given = arguments["seq_idx"]
        length = given.shape[1]
        starts = torch.zeros(length, dtype=torch.long)
        for place in places:
            if place % length > 0:
                starts[place % length] = 1
        return arguments | {"seq_idx": starts.cumsum(0).expand_as(given).to(given.dtype).clone()}

    return edit


def varlen(uses: tuple[str, ...], states: FaultKind) -> Iterator[SuiteRow]:
    """Sequences by their bounds: lengths of 1, empty ones, one alone, bounds beside those of chunks of 16."""

    def row(name: str, kind: FaultKind, *bounds: int) -> SuiteRow:
        return SuiteRow(f"varlen.{name}", kind, uses, {"length": 37}, edit=bounded(*bounds), cells=("cu_seqlens",))

    yield row("one", kinds.VARLEN)
    yield row("ones", states, *range(1, 37))
    for place in (1, 15, 16, 17, 31, 32, 33, 36):
        yield row(f"at{place}", states, place)
    yield row("inside", states, 3, 7, 20, 22)
    yield row("empty", kinds.EMPTY, 9, 9, 9, 20)
    yield row("empty.first", kinds.EMPTY, 0, 0, 5)
    yield row("empty.last", kinds.EMPTY, 16, 16, 37)


def bounded(*places: int) -> Edit:
    """cu_seqlens with these bounds between 0 and L."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        return arguments | cut([0, *places, int(arguments["cu_seqlens"][-1])])

    return edit


def then(*edits: Edit) -> Edit:
    """One edit after another."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        for each in edits:
            arguments = each(arguments, n)
        return arguments

    return edit


def filled(**values: float | tuple[float, ...]) -> Edit:
    """Arguments filled with a number, or with several in turn along the last axis."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        changed = {}
        for name, value in values.items():
            m = arguments.get(name)
            if m is not None:
                several = torch.tensor(value if isinstance(value, tuple) else (value,), dtype=torch.float64)
                turn = torch.arange(m.numel()) % len(several)
                changed[name] = several[turn].reshape(m.shape)
        return arguments | changed

    return edit


def whole(*names: str, low: int = -3, high: int = 3) -> Edit:
    """Small whole numbers, so that sums are exact in any order."""

    def edit(arguments: Arguments, n: Draws) -> Arguments:
        return arguments | {
            name: n.uniform(low, high, *arguments[name].shape).round() for name in names if name in arguments
        }

    return edit
