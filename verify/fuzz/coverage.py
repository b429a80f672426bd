"""Which sizes a campaign has visited: for each of L, κ, |V|, N, … the powers of two between which cases lay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

NAMES = {
    "length": "L",
    "input_seq_len": "L",
    "tokens": "L",
    "inputs": "L",
    "signal": "L",
    "decays": "L",
    "num_keys": "κ",
    "num_kv_pairs": "κ",
    "num_values": "|V|",
    "num_tokens": "|V|",
    "d": "d",
    "d_inner": "d",
    "dim": "d",
    "d_state": "N",
    "headdim": "P",
    "nheads": "H",
    "groups": "G",
    "batch": "batch",
    "chunk_size": "chunk",
}
"""Fields of cases by the paper's symbol: a number counts as itself, a list by its length."""


def sizes(case: Any) -> dict[str, int]:
    """The sizes of one case by symbol."""
    found = {}
    for field in fields(case):
        value = getattr(case, field.name)
        if field.name in NAMES and isinstance(value, int | list):
            found[NAMES[field.name]] = len(value) if isinstance(value, list) else value
    return found


def place(found: Mapping[str, int]) -> str:
    """The place of a case in the grid: each size by the number of its bits, as in `L:7 κ:4`."""
    return " ".join(f"{name}:{size.bit_length()}" for name, size in sorted(found.items()))


def merged(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """How many cases lay at each place, in one order."""
    return dict(sorted(sum(map(Counter, parts), Counter[str]()).items()))


def ranges(places: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """By symbol, the numbers of bits that were visited."""
    seen: dict[str, set[int]] = {}
    for spot in places:
        for word in spot.split():
            name, _, bits = word.rpartition(":")
            seen.setdefault(name, set()).add(int(bits))
    return {name: tuple(sorted(bits)) for name, bits in sorted(seen.items())}


def sentence(places: Mapping[str, int]) -> str:
    """The sizes visited as one line, as in `L 1–511 · κ 1–31 · 84 places`: by powers of two, holes named."""
    words = [f"{name} {_span(bits)}" for name, bits in ranges(places).items()]
    return " · ".join([*words, f"{len(places)} places of the grid"]) if words else ""


def _span(bits: tuple[int, ...]) -> str:
    low, high = bits[0], bits[-1]
    missing = [b for b in range(low, high) if b not in bits]
    holes = f" (none in {', '.join(_bucket(b) for b in missing)})" if missing else ""
    return f"{2**low // 2}–{2**high - 1}{holes}"


def _bucket(bits: int) -> str:
    return f"{2**bits // 2}–{2**bits - 1}"
