"""Random arguments of the scans: shapes shrink, entries come from a seed."""

from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st


@dataclass(frozen=True)
class ScanCase:
    """The arguments of `kernels.ops.selective_scan` by name."""

    batch: int
    d_inner: int
    length: int
    d_state: int
    groups: int
    dtype: torch.dtype
    seed: int
    present: frozenset
    layout: str
    constant: frozenset = frozenset()
    arguments: dict = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "arguments", self._draw())

    def _draw(self):
        generator = torch.Generator().manual_seed(self.seed)

        def normal(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(self.dtype)

        def signal():
            if self.layout == "time-major":
                return normal(self.batch, self.length, self.d_inner).transpose(1, 2)
            if self.layout == "strided":
                return normal(self.batch, 2 * self.d_inner, 2 * self.length)[:, ::2, ::2]
            return normal(self.batch, self.d_inner, self.length)

        matrix = (self.batch, self.groups, self.d_state, self.length)
        arguments = {
            "u": signal(),
            "delta": signal(),
            "A": -normal(self.d_inner, self.d_state).abs(),
            "B": normal(*matrix),
            "C": normal(*matrix) if self.groups > 1 else normal(*matrix)[:, 0],
            "delta_softplus": True,
        }
        optional = {
            "D": normal(self.d_inner),
            "z": signal(),
            "delta_bias": normal(self.d_inner),
            "initial_state": normal(self.batch, self.d_inner, self.d_state),
            "seq_idx": torch.randint(0, 3, (self.batch, self.length), generator=generator).sort(-1).values,
        }
        for name in self.constant:
            arguments[name] = normal(self.d_inner, self.d_state)
        return arguments | {name: value for name, value in optional.items() if name in self.present}


def delta_t_arguments(case):
    """The case as arguments of `kernels.ops.selective_scan_delta_t`: one Δ ≥ 0 a state."""
    kept = {k: v for k, v in case.arguments.items() if k in {"u", "A", "D", "z", "initial_state", "seq_idx"}}
    B, C = (case.arguments[k] if case.arguments[k].ndim == 3 else case.arguments[k][:, 0] for k in "BC")
    return kept | {"delta": B.roll(1, 0).abs(), "B": B, "C": C}


OPTIONAL = ("D", "z", "delta_bias", "initial_state", "seq_idx")


@st.composite
def scan_cases(
    draw,
    dtypes=(torch.float32, torch.float64),
    max_length=150,
    max_channels=20,
    max_state=9,
    present=OPTIONAL,
    constants=False,
):
    """Ragged sizes: 1 upward, below, at and above the vector width and the tile."""
    groups = draw(st.integers(1, 3))
    return ScanCase(
        batch=draw(st.integers(1, 3)),
        d_inner=groups * draw(st.integers(1, max(1, max_channels // groups))),
        length=draw(st.integers(1, max_length)),
        d_state=draw(st.integers(1, max_state)),
        groups=groups,
        dtype=draw(st.sampled_from(dtypes)),
        seed=draw(st.integers(0, 2**16)),
        present=frozenset(draw(st.sets(st.sampled_from(present)))) if present else frozenset(),
        layout=draw(st.sampled_from(["contiguous", "time-major", "strided"])),
        constant=frozenset(draw(st.sets(st.sampled_from("BC")))) if constants else frozenset(),
    )
