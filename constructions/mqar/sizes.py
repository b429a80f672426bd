"""What each recall construction costs, over (κ, |V|): sizes, state, margin, least dtype, longest sequence; dominance.

The one source for these numbers: the tables, the appendix and the checks read them. All are closed forms, of the
paper's block unless a row says language model; a test holds them to compiled weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2

from mamba_theorems.constructions.compiler.counting import longest_count, stream_width
from mamba_theorems.constructions.mqar.codes import balanced_width
from mamba_theorems.constructions.mqar.selective import REACH, most_queries

MANTISSA = {"float32": 24, "float64": 53}
BITS = {"float32": 32, "float64": 64}
MODEL = " (language model)"


@dataclass(frozen=True)
class Cost:
    """One row: d inner channels, N states a channel, `read` channels that are read out, the rest as in the heading.

    `largest` is the largest integer that a sum must hold exactly: it must fit the mantissa. `queries` is how many a
    dtype's range allows, `longest` the largest L; None where there is no limit. `needs` is what the block must have
    beside conv and mixer, `parameters` the entries of all weights, dense.
    """

    claim: str
    hypotheses: frozenset[str]
    needs: frozenset[str]
    d: int
    N: int
    read: int
    margin: str
    largest: int
    parameters: int
    num_kv_pairs: int
    longest: Mapping[str, int | None] | None = None
    queries: Mapping[str, int] | None = None
    form: str = ""
    dominated_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The claim, and which of its forms."""
        return self.claim + self.form

    @property
    def dtypes(self) -> tuple[str, ...]:
        """In which dtypes every sum is exact and every key can be asked once."""
        asked = self.queries or dict.fromkeys(MANTISSA, self.num_kv_pairs)
        fits = {name: self.largest <= 2**bits and asked[name] >= self.num_kv_pairs for name, bits in MANTISSA.items()}
        return tuple(name for name, it_does in fits.items() if it_does)

    @property
    def dtype(self) -> str:
        """The least of them; "none" beyond float64."""
        return next(iter(self.dtypes), "none")

    @property
    def state_bits(self) -> int:
        """Bits of the state that is read: N · read entries in `dtype`."""
        return self.N * self.read * BITS.get(self.dtype, 64)

    @property
    def state_size(self) -> int:
        """N·d."""
        return self.N * self.d

    def dominates(self, other: "Cost") -> bool:
        """No more of anything (hypotheses, machinery, d, N, bits, parameters), and less of something."""
        mine = (self.d, self.N, self.state_bits, self.parameters)
        its = (other.d, other.N, other.state_bits, other.parameters)
        subset = self.hypotheses <= other.hypotheses and self.needs <= other.needs
        return subset and all(a <= b for a, b in zip(mine, its, strict=True)) and mine != its


def table(num_keys: int, num_values: int, num_kv_pairs: int | None = None) -> tuple[Cost, ...]:
    """Every construction over the given keys and |V| values, each with the rows that dominate it.

    A sequence stores `num_kv_pairs` of the keys, all of them if it is None.
    """
    kappa = num_keys if num_kv_pairs is None else num_kv_pairs
    parts = (_ungated, _one_state, _timed, _counting)
    rows = [row for part in parts for row in part(num_keys, num_values, kappa)]
    return tuple(replace(row, dominated_by=_dominating(row, rows)) for row in rows)


def of_zoology(vocab_size: int, num_kv_pairs: int) -> tuple[Cost, ...]:
    """The table over Zoology's vocabulary."""
    half = vocab_size // 2
    return table(half - 1, vocab_size - half, num_kv_pairs)


def _dominating(row: Cost, rows: Sequence[Cost]) -> tuple[str, ...]:
    return tuple(other.name for other in rows if other.dominates(row))


def _parameters(d: int, n: int, vocab: int, taps: int = 2, *, gate: bool = False, positions: bool = False) -> int:
    """Embedding, head, conv and bias, Δ and bias, B, C, A; gate and positions where there are any."""
    return 2 * vocab * d + (taps + 1) * d + d * d + d + 3 * n * d + gate * d * d + positions * d


PLAIN = frozenset({"H1", "H2"})
NOTHING: frozenset[str] = frozenset()
TWO_STATES = "min((q − l)², K² + q²) ≥ 1"


def _ungated(k: int, v: int, kappa: int) -> tuple[Cost, ...]:
    p = balanced_width(v)

    def row(claim: str, d: int, n: int, read: int, margin: str, largest: int, needed: frozenset[str] = PLAIN) -> Cost:
        return Cost(claim, needed, NOTHING, d, n, read, margin, largest, _parameters(d, n, k + v), kappa)

    return (
        row("mqar.thm2-step1", k + v, k, v, "2, 3 or 4", 5),
        row("mqar.thm2-step2-amended", 2 * k + p, k, p, "4", 2 * p),
        row("mqar.value-code", 2 * k + 2, k, 2, "(v − w)² ≥ 1", v * v),
        row("mqar.thm3-step1", 2 * k + v, k, v, "1", 1),
        row("mqar.n2-distinct", v + 4, 2, v, TWO_STATES, 2 * k * k, PLAIN | {"H3"}),
    )


def _one_state(k: int, v: int, kappa: int) -> tuple[Cost, ...]:
    p, gate = balanced_width(v), frozenset({"gate"})

    def gated(claim: str, width: int, margin: str, largest: int) -> Cost:
        d = k * width + 1
        return Cost(claim, PLAIN, gate, d, 1, k * width, margin, largest, _parameters(d, 1, k + v, gate=True), kappa)

    def selective(form: str, needed: str, needs: str, d: int, *, positions: bool) -> Cost:
        parameters = _parameters(d, 1, k + v + 1, 3, positions=positions)
        queries = {dtype: most_queries(kappa, dtype) for dtype in MANTISSA}
        longest = dict.fromkeys(MANTISSA, 2 * kappa + REACH) if positions else None
        return Cost("mqar.n1-delta-gate", frozenset(needed.split()), frozenset(needs.split(", ")), d, 1, k * v,
                    "(2κ)^{1−Q}(1 − n_w/(2κ))", 2, parameters, kappa, longest, queries, form)  # fmt: skip

    return (
        gated("mqar.thm4", v, "10", 110),
        gated("mqar.thm4-jl-amended", p, "40", 20 * p + 100),
        selective("", "H1 H4", "selective Δ", k * v + 2 * k + 1, positions=False),
        selective(" (with positions)", "H1", "selective Δ, positions", k * v + 4 * k + 3, positions=True),
    )


def _timed(k: int, v: int, kappa: int) -> tuple[Cost, ...]:
    positions, with_d = frozenset({"positions"}), frozenset({"H1", "H3 in the context"})
    wide, narrow = 3 * k + v, 2 * k + 2 + v
    parameters = [_parameters(d, n, k + v, positions=True) for d, n in ((wide, k), (narrow, 2))]
    return (
        Cost("mqar.robust", frozenset({"H1"}), positions, wide, k, v, "1", 2 * kappa, parameters[0], kappa),
        Cost("mqar.robust", with_d, positions, narrow, 2, v, TWO_STATES, 2 * kappa * k * k, parameters[1], kappa,
             form=" (with D)"),
    )  # fmt: skip


def _counting(k: int, v: int, kappa: int) -> tuple[Cost, ...]:
    """Two official Mamba-1 layers over the keys, the values and a filler."""
    layer, with_d = frozenset({"a layer that counts"}), frozenset({"H1", "H3 in the context"})
    longest = {dtype: longest_count(k + v + 1, dtype) for dtype in MANTISSA}
    reach = dict.fromkeys(MANTISSA, 2 * kappa + REACH)
    queries = {dtype: most_queries(kappa, dtype, language_model=True) for dtype in MANTISSA}

    def model(claim: str, needed: frozenset[str], d: int, n: int, read: int, margin: str, largest: int) -> Cost:
        parameters = _model_parameters(k + v + 1, d, n, k + 1 if n == 1 else 1)
        return Cost(claim, needed, layer, d, n, read, margin, largest, parameters, kappa, longest, form=MODEL)

    shrinking = model("mqar.n1-delta-gate", frozenset({"H1"}), k * v + 4 * k + 3, 1, k * v,
                      "(2κ)^{1−Q}(1 − n_w/(2κ))", 2)  # fmt: skip
    return (
        model("mqar.robust", frozenset({"H1"}), 2 * k + v + 1, k, v, "1", 2 * kappa),
        replace(model("mqar.robust", with_d, v + 5, 2, v, TWO_STATES, 2 * k * k), form=f" (with D){MODEL}"),
        replace(shrinking, needs=layer | {"selective Δ"}, longest=reach, queries=queries),
    )


def _model_parameters(vocab: int, d: int, n: int, patterns: int) -> int:
    """Two layers of the least width that holds d channels, embedding, head and three norms."""
    d_model = stream_width(vocab)
    d_inner, rank = d_model * ceil(d / d_model), max(ceil(d_model / 16), patterns)
    mixer = 3 * d_model * d_inner + 5 * d_inner + (rank + 2 * n) * d_inner + d_inner * (rank + 1) + (n + 1) * d_inner
    return 2 * (vocab * d_model + mixer) + 3 * d_model


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
        "Generated by `python -m verify sizes`. Sizes of the paper-block form at κ keys and |V| values, or of two",
        "official Mamba-1 layers where a row says language model; bits of state are N times the channels read out, in",
        "the least dtype in which every sum is exact and every key can be asked once. Where the range of that dtype",
        "limits the number of queries Q, it stands beside L. A row is dominated by another that needs no more of",
        "anything (hypotheses, machinery, d, N, bits, parameters) and less of something.",
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


def _line(row: Cost) -> str:
    cells = (
        row.name,
        ", ".join(sorted(row.hypotheses)),
        ", ".join(sorted(row.needs)) or "-",
        f"{row.d:,}",
        str(row.N),
        f"{row.parameters:,}",
        f"{row.state_bits:,}",
        row.margin,
        row.dtype,
        _limits(row),
        ", ".join(row.dominated_by) or "none",
    )
    return f"| {' | '.join(cells)} |"


def _limits(row: Cost) -> str:
    """The largest L and Q in the least dtype."""
    longest = None if row.longest is None else row.longest.get(row.dtype)
    queries = None if row.queries is None else row.queries.get(row.dtype)
    words = "any" if longest is None else f"{longest:,}"
    return words if queries is None else f"{words}; Q ≤ {queries:,}"
