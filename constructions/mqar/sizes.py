"""What each recall construction costs, over (κ, |V|): sizes, state, margin, least dtype, longest sequence; dominance.

All numbers are closed forms of the paper-block form with κ keys and |V| values; a test holds them to compiled weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb, floor, log2

MANTISSA = {"float32": 24, "float64": 53}
BITS = {"float32": 32, "float64": 64}
RANGE = {"float32": 126, "float64": 1022}


@dataclass(frozen=True)
class Size:
    """One row: d inner channels, N states a channel, `read` channels that are read out, the rest as in the heading.

    `largest` is the largest integer that a logit's sum may pass through: it must fit the mantissa. `needs` is what the
    block must have beside conv and mixer. `longest` is the largest L, None where there is no limit.
    """

    claim: str
    hypotheses: frozenset[str]
    needs: frozenset[str]
    d: int
    N: int
    read: int
    taps: int
    margin: str
    largest: int
    vocab_size: int
    longest: int | None = None
    dominated_by: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        """The least dtype in which every sum is exact; "none" beyond float64."""
        return next((name for name, bits in MANTISSA.items() if self.largest <= 2**bits), "none")

    @property
    def state_bits(self) -> int:
        """Bits of the state that is read: N · read entries in `dtype`."""
        return self.N * self.read * BITS.get(self.dtype, 64)

    @property
    def parameters(self) -> int:
        """Entries of all weights, dense: embedding, conv and bias, Δ, B, C, A, head, gate, positions."""
        block = (self.taps + 1) * self.d + self.d * self.d + self.d + 3 * self.N * self.d
        gate = self.d * self.d if "gate" in self.needs else 0
        position = self.d if "positions" in self.needs else 0
        return 2 * self.vocab_size * self.d + block + gate + position

    def dominates(self, other: "Size") -> bool:
        """No more of anything (hypotheses, machinery, d, N, bits, parameters), and less of something."""
        mine = (self.d, self.N, self.state_bits, self.parameters)
        its = (other.d, other.N, other.state_bits, other.parameters)
        subset = self.hypotheses <= other.hypotheses and self.needs <= other.needs
        return subset and all(a <= b for a, b in zip(mine, its, strict=True)) and mine != its


def balanced_width(count: int) -> int:
    """The least even p with binom(p, p/2) ≥ count."""
    p = 2
    while comb(p, p // 2) < count:
        p += 2
    return p


def table(num_kv_pairs: int, num_values: int) -> tuple[Size, ...]:
    """Every construction at κ keys and |V| values, each with the rows that dominate it."""
    rows = (
        *_ungated(num_kv_pairs, num_values),
        *_one_state(num_kv_pairs, num_values),
        *_timed(num_kv_pairs, num_values),
    )
    return tuple(replace(row, dominated_by=_dominating(row, rows)) for row in rows)


def _dominating(row: Size, rows: Sequence[Size]) -> tuple[str, ...]:
    return tuple(other.claim for other in rows if other.dominates(row))


def _ungated(k: int, v: int) -> tuple[Size, ...]:
    vocab, plain, p = k + v, frozenset({"H1", "H2"}), balanced_width(v)
    none: frozenset[str] = frozenset()
    return (
        Size("mqar.thm2-step1", plain, none, k + v, k, v, 2, "2, 3 or 4", 5, vocab),
        Size("mqar.thm2-step2-amended", plain, none, 2 * k + p, k, p, 2, "4", 2 * p, vocab),
        Size("mqar.value-code", plain, none, 2 * k + 2, k, 2, 2, "(v − w)² ≥ 1", v * v, vocab),
        Size("mqar.thm3-step1", plain, none, 2 * k + v, k, v, 2, "1", 1, vocab),
        Size("mqar.n2-distinct", plain | {"H3"}, none, v + 4, 2, v, 2, "min((q − l)², K² + q²) ≥ 1", 2 * k * k, vocab),
    )


def _one_state(k: int, v: int) -> tuple[Size, ...]:
    vocab, p = k + v, balanced_width(v)
    plain, gate = frozenset({"H1", "H2"}), frozenset({"gate"})
    queries = floor(RANGE["float32"] / log2(2 * k)) if k > 0 else 0
    return (
        Size("mqar.thm4", plain, gate, k * v + 1, 1, k * v, 2, "10", 110, vocab),
        Size("mqar.thm4-jl-amended", plain, gate, k * p + 1, 1, k * p, 2, "40", 20 * p + 100, vocab),
        Size("mqar.n1-delta-gate", frozenset({"H1", "H4"}), frozenset({"selective Δ"}), k * v + 2 * k + 1, 1, k * v, 3,
             "(2κ)^{1−Q}(1 − n_w/(2κ))", 110, vocab + 1, longest=2 * k + 1 + 2 * queries),
    )  # fmt: skip


def _timed(k: int, v: int) -> tuple[Size, ...]:
    vocab, positions = k + v, frozenset({"positions"})
    return (
        Size("mqar.robust", frozenset({"H1"}), positions, 3 * k + v, k, v, 2, "1", 2**24, vocab, longest=2**24),
        Size("mqar.robust (with D)", frozenset({"H1", "H3 in the context"}), positions, 2 * k + 2 + v, 2, v, 2,
             "min((q − l)², K² + q²) ≥ 1", max(2 * k * k, 2**24), vocab, longest=2**24),
    )  # fmt: skip


def lower_bounds(num_kv_pairs: int, num_values: int) -> dict[str, float]:
    """What no construction beats: N without a gate or selective Δ (mqar.n-lower-bound), and information."""
    return {"N without a gate": num_kv_pairs, "bits of state": num_kv_pairs * log2(num_values)}


# --------------------------------------------------------------------------------------------- as text

GRID = ((8, 32), (64, 256), (128, 512), (64, 4096))
HEADINGS = ("claim", "hypotheses", "needs", "d", "N", "parameters", "bits of state", "margin", "dtype", "largest L",
            "dominated by")  # fmt: skip


def render(grid: Sequence[tuple[int, int]] = GRID) -> str:
    """The tables as Markdown."""
    parts = [
        "# What recall costs",
        "",
        "Generated by `python -m verify sizes`. Sizes of the paper-block form at κ keys and |V| values; bits of state",
        "are N times the channels read out, in the least dtype in which every sum is exact. A row is dominated by",
        "another that needs no more of anything (hypotheses, machinery, d, N, bits, parameters) and less of something.",
    ]
    for num_kv_pairs, num_values in grid:
        parts += ["", *_one_table(num_kv_pairs, num_values)]
    return "\n".join(parts) + "\n"


def _one_table(num_kv_pairs: int, num_values: int) -> list[str]:
    bounds = lower_bounds(num_kv_pairs, num_values)
    return [
        f"## κ = {num_kv_pairs}, |V| = {num_values}",
        "",
        f"Lower bounds: N ≥ {bounds['N without a gate']} without a gate or selective Δ (mqar.n-lower-bound, values may"
        f" coincide); {bounds['bits of state']:,.0f} bits of state (κ log₂|V|).",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
        *(_line(row) for row in table(num_kv_pairs, num_values)),
    ]


def _line(row: Size) -> str:
    cells = (
        row.claim,
        ", ".join(sorted(row.hypotheses)),
        ", ".join(sorted(row.needs)) or "-",
        f"{row.d:,}",
        str(row.N),
        f"{row.parameters:,}",
        f"{row.state_bits:,}",
        row.margin,
        row.dtype,
        "any" if row.longest is None else f"{row.longest:,}",
        ", ".join(row.dominated_by) or "none",
    )
    return f"| {' | '.join(cells)} |"
