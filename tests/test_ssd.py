"""What is our own of SSD: its bits for every chunk size, its error bound, the digits of strong decay, its messages.

That it is right, forwards and backwards, the suite's rows say (test_conform_ours.py).
"""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.kernels import backends, ops
from mamba_theorems.kernels.arguments import SSD
from mamba_theorems.kernels.bounds.ssd import ssd_bound
from mamba_theorems.kernels.chunked.ssd import segment_sums

quick = settings(max_examples=15)
OPTIONAL = ("D", "z", "dt_bias", "initial_states", "seq_idx")


@st.composite
def ssd_arguments(draw, dtypes=(torch.float32, torch.float64), max_length=40, max_heads=4, present=OPTIONAL):
    dtype = draw(st.sampled_from(dtypes))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    batch, length, groups = draw(st.integers(1, 2)), draw(st.integers(1, max_length)), draw(st.integers(1, 2))
    heads, headdim, n = groups * draw(st.integers(1, max_heads // 2)), draw(st.integers(1, 5)), draw(st.integers(1, 6))

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    optional = {
        "D": normal(heads) if draw(st.booleans()) else normal(heads, headdim),
        "z": normal(batch, length, heads, headdim),
        "dt_bias": normal(heads),
        "initial_states": normal(batch, heads, headdim, n),
        "seq_idx": torch.randint(0, 3, (batch, length), generator=generator).sort(-1).values,
    }
    chosen = draw(st.sets(st.sampled_from(present))) if present else set()
    return {
        "x": normal(batch, heads, length, headdim).transpose(1, 2)
        if draw(st.booleans())
        else normal(batch, length, heads, headdim),
        "dt": normal(batch, length, heads),
        "A": -normal(heads).abs(),
        "B": normal(batch, length, groups, n),
        "C": normal(batch, length, groups, n),
        "chunk_size": draw(st.integers(1, 20)),
        "dt_softplus": True,
    } | {name: value for name, value in optional.items() if name in chosen}


BACKENDS = backends.choices("ssd_chunk_scan", "cpu")


@pytest.mark.parametrize("backend", BACKENDS)
def test_error_bound_is_never_looser_than_fifty_times_the_worst_error(backend):
    generator = torch.Generator().manual_seed(0)
    ratios = []
    for length in (1, 2, 3, 5, 8, 13, 21, 34):
        shapes = {"x": (2, length, 4, 8), "dt": (2, length, 4), "B": (2, length, 1, 4), "C": (2, length, 1, 4)}
        arguments = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
        arguments |= {"A": -torch.rand(4, generator=generator), "dt_softplus": True, "chunk_size": 8}
        ratios.append(ssd_bound(SSD(**arguments)).ratio(ops.ssd_chunk_scan(**arguments, backend=backend)))
    assert 1 / 50 <= max(ratios) <= 1


@given(ssd_arguments(), st.integers(1, 50))
@quick
def test_the_chunk_size_does_not_matter(arguments, other):
    """Compiled it changes no bit; in torch's chunks no more than rounding may."""
    resized = arguments | {"chunk_size": other}
    assert torch.equal(ops.ssd_chunk_scan(**arguments), ops.ssd_chunk_scan(**resized))
    assert ssd_bound(SSD(**resized)).ratio(ops.ssd_chunk_scan(**resized, backend="torch")) <= 1


@given(ssd_arguments(), st.integers(1, 39))
@quick
def test_the_future_changes_no_bit_of_the_past(arguments, cut):
    time = {"x", "dt", "B", "C", "z", "seq_idx"}
    prefix = {k: v[:, :cut] if k in time else v for k, v in arguments.items()}
    assert torch.equal(ops.ssd_chunk_scan(**arguments)[:, :cut], ops.ssd_chunk_scan(**prefix))


@given(ssd_arguments(present=("D", "z", "dt_bias", "initial_states")), st.integers(1, 39))
@quick
def test_a_state_carries_the_past_bit_by_bit(arguments, cut):
    if arguments["x"].shape[1] <= cut:
        return
    time = {"x", "dt", "B", "C", "z"}
    head = {k: v[:, :cut] if k in time else v for k, v in arguments.items()}
    tail = {k: v[:, cut:] if k in time else v for k, v in arguments.items()}
    y_head, state = ops.ssd_chunk_scan(**head, return_final_states=True)
    y_tail, last = ops.ssd_chunk_scan(**(tail | {"initial_states": state}), return_final_states=True)
    whole, whole_last = ops.ssd_chunk_scan(**arguments, return_final_states=True)
    assert torch.equal(torch.cat([y_head, y_tail], 1), whole)
    assert torch.equal(last, whole_last)


# -------------------------------------------------------------------------------------------- traps


def strong_decay():
    """256 steps that forget everything, then one that forgets nothing: Σ Δ|A| = 12800 before, 0.01 after."""
    length = 256
    dt = torch.full((1, length, 1), 50.0)
    dt[:, -1] = 0.01
    one = torch.ones(1, length, 1, 1)
    return {"x": one, "dt": dt, "A": -torch.ones(1), "B": one, "C": one, "chunk_size": length}


def test_strong_decay_over_a_chunk_keeps_its_digits():
    arguments = strong_decay()
    limit = ssd_bound(SSD(**arguments))
    y = ops.ssd_chunk_scan(**arguments)
    exact = 50 * torch.exp(torch.tensor(-0.01, dtype=torch.float64)) + 0.01
    assert abs(y[0, -1].double() - exact) <= 8 * torch.finfo(torch.float32).eps * exact
    assert limit.ratio(y) <= 1


def test_the_trap_of_strong_decay_is_real():
    """A difference of running sums, as often written, loses three digits of the same number."""
    arguments = strong_decay()
    running = (arguments["dt"] * arguments["A"])[0, :, 0].cumsum(0)
    naive = torch.exp(running[-1] - running[-2])
    exact = torch.exp(torch.tensor(-0.01, dtype=torch.float64))
    assert abs(naive - exact) > 1e-4
    by_segments = torch.exp(segment_sums((arguments["dt"] * arguments["A"])[0, :, 0]))[-1, -2]
    assert abs(by_segments - exact) <= torch.finfo(torch.float32).eps


def test_decay_never_grows_by_rounding():
    """exp(cumsum_i − cumsum_j) may exceed 1; a segment sum of non-positive terms cannot."""
    log_decay = -torch.rand(64, 256, generator=torch.Generator().manual_seed(0)) * 1e-3
    sums = segment_sums(log_decay)
    assert float(sums.max()) <= 0


# ------------------------------------------------------------------------------------- one step, errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": torch.ones(2, 5, 3)}, r"dt must have shape \(batch, L, nheads\) = \(2, 5, 4\), not \(2, 5, 3\)"),
        ({"A": torch.ones(4, 3)}, r"A must have shape \(nheads\) = \(4\)"),
        ({"C": torch.ones(2, 5, 2, 7)}, r"C must have shape .* = \(2, 5, 2, 3\), not \(2, 5, 2, 7\)"),
        ({"B": torch.ones(2, 5, 3, 3), "C": torch.ones(2, 5, 3, 3)}, "B has 3 groups, which do not divide nheads = 4"),
        ({"D": torch.ones(5)}, r"D must have shape \(nheads\) = \(4\) or \(nheads, headdim\) = \(4, 6\)"),
        ({"chunk_size": 0}, "chunk_size must be at least 1, not 0"),
        ({"dt_limit": (1, 0.1)}, r"dt_limit must be a pair \(least, largest\) with least ≤ largest, not \(1, 0.1\)"),
        ({"dt_limit": (torch.nan, 1.0)}, "dt_limit must be a pair"),
        ({"dt_limit": 1.0}, "dt_limit must be a pair"),
        ({"x": torch.ones(2, 0, 4, 6)}, r"x is empty: \(batch, L, nheads, headdim\) = \(2, 0, 4, 6\)"),
        ({"x": torch.ones(0, 5, 4, 6)}, r"x is empty: \(batch, L, nheads, headdim\) = \(0, 5, 4, 6\)"),
        ({"cu_seqlens": torch.tensor([0, 5]), "seq_idx": torch.zeros(2, 5).int()}, "cuts a batch of 1"),
        ({"return_varlen_states": True}, "return_varlen_states needs cu_seqlens"),
        ({"x": torch.ones(2, 5, 4, 6, dtype=torch.int32)}, "x must be a float tensor"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {
        "x": torch.ones(2, 5, 4, 6),
        "dt": torch.ones(2, 5, 4),
        "A": -torch.ones(4),
        "B": torch.ones(2, 5, 2, 3),
        "C": torch.ones(2, 5, 2, 3),
    }
    with pytest.raises((TypeError, ValueError), match=message):
        inspect.unwrap(ops.ssd_chunk_scan)(**(arguments | change))
