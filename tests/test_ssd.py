"""SSD: compiled = chunked = recurrent = one scan a channel, for every chunk size; strong decay keeps its digits."""

import inspect

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mamba_theorems.kernels import backends, ops
from mamba_theorems.kernels.arguments import S6, SSD
from mamba_theorems.kernels.bounds.running_error import selective_scan_bound
from mamba_theorems.kernels.bounds.ssd import ssd_bound
from mamba_theorems.kernels.chunked.ssd import segment_sums

WIDE_SHAPES = {"x": (1, 70, 2, 33), "dt": (1, 70, 2), "A": (2,), "B": (1, 70, 1, 19), "C": (1, 70, 1, 19)}
quick = settings(max_examples=40)
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


def wide():
    """Several tiles of time, vectors of channels and blocks of states, the last of each ragged."""
    generator = torch.Generator().manual_seed(1)
    arguments = {name: torch.randn(*shape, generator=generator) for name, shape in WIDE_SHAPES.items()}
    return arguments | {"A": -arguments["A"].abs(), "dt_softplus": True}


BACKENDS = backends.choices("ssd_chunk_scan", "cpu")


@given(ssd_arguments())
@example(wide())
@quick
def test_every_backend_stays_within_the_error_bound(arguments):
    limit = ssd_bound(SSD(**arguments))
    for backend in BACKENDS:
        y, last = ops.ssd_chunk_scan(**arguments, return_final_states=True, backend=backend)
        assert limit.ratio(y) <= 1
        assert limit.last_state.ratio(last) <= 1


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


@given(ssd_arguments(dtypes=(torch.bfloat16, torch.float16)))
@quick
def test_half_precision_inputs_are_accumulated_in_float32(arguments):
    wide = {k: v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for k, v in arguments.items()}
    for backend in BACKENDS:
        y = ops.ssd_chunk_scan(**arguments, backend=backend)
        assert torch.equal(y, ops.ssd_chunk_scan(**wide, backend=backend).to(y.dtype))


@given(ssd_arguments(), st.integers(1, 50))
@quick
def test_the_chunk_size_does_not_matter(arguments, other):
    """Compiled it changes no bit; in torch's chunks no more than rounding may."""
    resized = arguments | {"chunk_size": other}
    assert torch.equal(ops.ssd_chunk_scan(**arguments), ops.ssd_chunk_scan(**resized))
    assert ssd_bound(SSD(**resized)).ratio(ops.ssd_chunk_scan(**resized, backend="torch")) <= 1


@given(ssd_arguments(present=("D", "z", "dt_bias")))
@quick
def test_ssd_is_a_selective_scan_with_shared_decay(arguments):
    """One value in float64, and both kernels within their bounds of it."""
    x, B, C = arguments["x"], arguments["B"], arguments["C"]
    heads, headdim = x.shape[2:]
    channels = {k: arguments[k].repeat_interleave(headdim, -1) for k in ("dt", "dt_bias") if k in arguments}
    D = arguments.get("D")
    scan = {
        "u": x.flatten(2).mT,
        "delta": channels["dt"].mT,
        "A": arguments["A"].repeat_interleave(headdim)[:, None].expand(-1, B.shape[-1]),
        "B": B.permute(0, 2, 3, 1),
        "C": C.permute(0, 2, 3, 1),
        "D": None if D is None else D.reshape(heads, -1).expand(heads, headdim).flatten(),
        "z": arguments["z"].flatten(2).mT if "z" in arguments else None,
        "delta_bias": channels.get("dt_bias"),
        "delta_softplus": True,
    }
    y = ops.ssd_chunk_scan(**arguments).flatten(2).mT
    limit = selective_scan_bound(S6(**scan))
    assert limit.ratio(ops.selective_scan(**scan)) <= 1
    assert limit.ratio(y) <= 1


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


@given(ssd_arguments(present=("D", "z", "dt_bias")), st.integers(1, 39))
@quick
def test_packed_sequences_equal_separate_ones(arguments, cut):
    length = arguments["x"].shape[1]
    cut = min(cut, length)
    time = {"x", "dt", "B", "C", "z"}
    parts = [slice(0, cut), slice(cut, length)] if cut < length else [slice(0, length)]
    separate = [
        ops.ssd_chunk_scan(**{k: v[:, part] if k in time else v for k, v in arguments.items()}) for part in parts
    ]
    seq_idx = (torch.arange(length) >= cut).long().expand(arguments["x"].shape[0], -1)
    assert torch.equal(ops.ssd_chunk_scan(**arguments, seq_idx=seq_idx), torch.cat(separate, 1))


@given(ssd_arguments(present=("D", "seq_idx")))
@quick
def test_limits_of_the_step_are_a_clamp(arguments):
    arguments |= {"dt_softplus": False}
    clamped = arguments | {"dt": arguments["dt"].clamp(0.1, 0.7)}
    for backend in BACKENDS:
        y = ops.ssd_chunk_scan(**arguments, dt_limit=(0.1, 0.7), backend=backend)
        assert torch.equal(y, ops.ssd_chunk_scan(**clamped, backend=backend))


@given(ssd_arguments(dtypes=(torch.float64,)))
@quick
def test_a_negative_step_is_none(arguments):
    """dt_limit is (0, ∞) where nothing is said: without softplus every backend clamps, as the bound does."""
    arguments |= {"dt_softplus": False}
    limit = ssd_bound(SSD(**arguments))
    for backend in BACKENDS:
        assert limit.ratio(ops.ssd_chunk_scan(**arguments, backend=backend)) <= 1


@given(ssd_arguments())
@quick
def test_training_and_inference_agree_within_the_bound(arguments):
    """Where gradients are wanted SSD runs in torch's chunks."""
    trained = ops.ssd_chunk_scan(**(arguments | {"A": arguments["A"].clone().requires_grad_()}))
    assert trained.requires_grad
    assert ssd_bound(SSD(**arguments)).ratio(trained) <= 1


@given(ssd_arguments(dtypes=(torch.float64,), max_length=6, max_heads=2))
@settings(max_examples=8)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_state_update_is_one_step_of_the_scan(dtype):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    for heads, groups in ((), ()), ((4,), (2,)):
        x, dt, z = (normal(2, *heads, 3) for _ in range(3))
        A, D, bias = -normal(*heads, 3, 5).abs(), normal(*heads, 3), normal(*heads, 3)
        B, C, start = normal(2, *groups, 5), normal(2, *groups, 5), normal(2, *heads, 3, 5)
        spread = [m.repeat_interleave(2, 1).flatten(0, 1) if heads else m for m in (B, C)]  # a head's group
        for backend in backends.choices("selective_state_update", "cpu"):
            state = start.clone()
            y = ops.selective_state_update(state, x, dt, A, B, C, D, z, bias, True, backend=backend)
            for head in range(heads[0]) if heads else (None,):
                one = slice(None) if head is None else slice(head, None, heads[0])  # its rows of (batch·heads, …)
                rows = [m.reshape(-1, *m.shape[len(heads) + 1 :])[one] for m in (x, dt, z, start, y, state)]
                weights = [m if head is None else m[head] for m in (A, D, bias)]
                u, delta, gate, before, found, after = rows
                matrices = [m[one][..., None] for m in spread]
                scan = (u[..., None], delta[..., None], weights[0], *matrices, weights[1], gate[..., None], weights[2])
                limits = selective_scan_bound(S6(*scan, delta_softplus=True, initial_state=before))
                assert limits.ratio(found[..., None]) <= 1
                assert limits.last_state.ratio(after) <= 1
            assert not torch.equal(state, start)


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
