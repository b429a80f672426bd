"""SSD: chunked = recurrent = one scan a head, for every chunk size and packing; strong decay keeps its digits."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import ops
from kernels.error_bounds import ssd_bound
from kernels.ssd import segment_sums

quick = settings(max_examples=40, deadline=None)
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


def close(a, b, terms):
    """Equal up to the rounding of `terms` re-associated float64 operations."""
    torch.testing.assert_close(a, b, rtol=0, atol=terms * torch.finfo(torch.float64).eps * float(b.abs().max() + 1))


@given(ssd_arguments())
@quick
def test_every_backend_stays_within_the_error_bound(arguments):
    limit = ssd_bound(**arguments)
    for backend in ("cpu", "reference"):
        assert limit.ratio(ops.ssd_chunk_scan(**arguments, backend=backend)) <= 1


def test_error_bound_is_never_looser_than_fifty_times_the_worst_error():
    generator = torch.Generator().manual_seed(0)
    ratios = []
    for length in (1, 2, 3, 5, 8, 13, 21, 34):
        shapes = {"x": (2, length, 4, 8), "dt": (2, length, 4), "B": (2, length, 1, 4), "C": (2, length, 1, 4)}
        arguments = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
        arguments |= {"A": -torch.rand(4, generator=generator), "dt_softplus": True, "chunk_size": 8}
        ratios.append(ssd_bound(**arguments).ratio(ops.ssd_chunk_scan(**arguments)))
    assert 1 / 50 <= max(ratios) <= 1


@given(ssd_arguments(dtypes=(torch.float64,)), st.integers(1, 50))
@quick
def test_the_chunk_size_does_not_matter(arguments, other):
    y, last = ops.ssd_chunk_scan(**arguments, return_final_states=True)
    y_other, last_other = ops.ssd_chunk_scan(**(arguments | {"chunk_size": other}), return_final_states=True)
    close(y_other, y, 512)
    close(last_other, last, 512)


@given(ssd_arguments(dtypes=(torch.float64,), present=("D", "z", "dt_bias")))
@quick
def test_ssd_is_a_selective_scan_with_shared_decay(arguments):
    x, B, C = arguments["x"], arguments["B"], arguments["C"]
    heads, headdim = x.shape[2:]
    channels = {k: arguments[k].repeat_interleave(headdim, -1) for k in ("dt", "dt_bias") if k in arguments}
    D = arguments.get("D")
    y = ops.selective_scan(
        x.flatten(2).mT,
        channels["dt"].mT,
        arguments["A"].repeat_interleave(headdim)[:, None].expand(-1, B.shape[-1]),
        B.permute(0, 2, 3, 1),
        C.permute(0, 2, 3, 1),
        None if D is None else D.reshape(heads, -1).expand(heads, headdim).flatten(),
        arguments["z"].flatten(2).mT if "z" in arguments else None,
        channels.get("dt_bias"),
        delta_softplus=True,
    )
    close(ops.ssd_chunk_scan(**arguments), y.mT.unflatten(2, (heads, headdim)), 512)


@given(ssd_arguments(dtypes=(torch.float64,)), st.integers(1, 39))
@quick
def test_the_future_does_not_change_the_past(arguments, cut):
    time = {"x", "dt", "B", "C", "z", "seq_idx"}
    prefix = {k: v[:, :cut] if k in time else v for k, v in arguments.items()}
    close(ops.ssd_chunk_scan(**arguments)[:, :cut], ops.ssd_chunk_scan(**prefix), 512)


@given(ssd_arguments(dtypes=(torch.float64,), max_length=6, max_heads=2))
@settings(max_examples=8, deadline=None)
def test_ssd_gradients_are_the_finite_differences(arguments):
    inputs = {
        k: v.clone().requires_grad_()
        for k, v in arguments.items()
        if isinstance(v, torch.Tensor) and v.is_floating_point()
    }
    fixed = {k: v for k, v in arguments.items() if k not in inputs}

    def run(*values):
        return ops.ssd_chunk_scan(**dict(zip(inputs, values, strict=True)), **fixed, return_final_states=True)

    assert torch.autograd.gradcheck(run, tuple(inputs.values()), fast_mode=True)


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
    limit = ssd_bound(**arguments)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_state_update_is_one_step_of_the_scan(dtype):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    for heads, groups in (((), ()), ((4,), (2,))):
        arguments = (
            normal(2, *heads, 3),
            normal(2, *heads, 3),
            -normal(*heads, 3, 5).abs(),
            normal(2, *groups, 5),
            normal(2, *groups, 5),
            normal(*heads, 3),
            normal(2, *heads, 3),
            normal(*heads, 3),
            True,
        )
        state = normal(2, *heads, 3, 5)
        states = [state.clone(), state.clone()]
        outputs = [
            ops.selective_state_update(s, *arguments, backend=backend)
            for s, backend in zip(states, ("cpu", "reference"), strict=True)
        ]
        tolerance = 64 * torch.finfo(dtype).eps
        torch.testing.assert_close(*outputs, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(*states, rtol=tolerance, atol=tolerance)
        assert not torch.equal(states[0], state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": torch.ones(2, 5, 3)}, r"dt must have shape \(batch, L, nheads\) = \(2, 5, 4\), not \(2, 5, 3\)"),
        ({"A": torch.ones(4, 3)}, r"A must have shape \(nheads\) = \(4\)"),
        ({"C": torch.ones(2, 5, 2, 7)}, r"C must have shape .* = \(2, 5, 2, 3\), not \(2, 5, 2, 7\)"),
        ({"B": torch.ones(2, 5, 3, 3), "C": torch.ones(2, 5, 3, 3)}, "B has 3 groups, which do not divide nheads = 4"),
        ({"D": torch.ones(5)}, r"D must have shape \(nheads\) = \(4\) or \(nheads, headdim\) = \(4, 6\)"),
        ({"chunk_size": 0}, "chunk_size must be at least 1, not 0"),
        ({"dt": torch.full((2, 5, 4), torch.nan)}, "dt holds a NaN"),
        ({"x": torch.ones(2, 5, 4, 6, dtype=torch.int32)}, "x must be a float tensor"),
    ],
)
def test_bad_arguments_are_named(change, message, monkeypatch):
    monkeypatch.setattr(ops, "_check_ssd", inspect.unwrap(ops._check_ssd))
    arguments = {
        "x": torch.ones(2, 5, 4, 6),
        "dt": torch.ones(2, 5, 4),
        "A": -torch.ones(4),
        "B": torch.ones(2, 5, 2, 3),
        "C": torch.ones(2, 5, 2, 3),
    }
    with pytest.raises((TypeError, ValueError), match=message):
        inspect.unwrap(ops.ssd_chunk_scan)(**(arguments | change))
