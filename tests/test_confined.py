"""What is not finite stays where the equations put it: after its token, in its sequence, on every backend.

In integers every backend gives the definition's bits, NaN and infinities included. A gradient that a loss does not owe
to a token is the one that it has without that token's NaN.
"""

import itertools
from math import inf, nan

import pytest
import torch

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.gpu import backend as triton_ops

OPERATIONS = ("selective_scan", "selective_scan_delta_t", "ssd_chunk_scan", "causal_conv1d")
FAST = [
    *((operation, "cpu") for operation in OPERATIONS),
    ("ssd_chunk_scan", "torch"),
    *((operation, "triton") for operation in OPERATIONS if operation != "selective_scan_delta_t"),
]
TIME = {"selective_scan": -1, "selective_scan_delta_t": -1, "ssd_chunk_scan": 1, "causal_conv1d": -1}
IN_TIME = {"u", "delta", "B", "C", "z", "x", "dt"}
LENGTH = 9
PACKED = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2, 2]])  # a tile's first step is a sequence's first


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Several blocks and chunks, the last of each ragged, at sizes that the interpreter can bear."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK_T": 4, "SSD_CHUNK": 16, "CONV_BLOCK_T": 4, "CONV_BLOCK_D": 2}.items():
            if triton_ops.interpreted():
                patch.setattr(triton_ops, name, value)
        yield


def integers(operation, length=LENGTH):
    """Small integers, every decay 1 or 0: no order of summation changes a bit."""
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape):
        return torch.randint(1, 4, shape, generator=generator).double()

    decays = torch.tensor([[0.0, -800.0], [0.0, 0.0]], dtype=torch.float64)
    if operation == "causal_conv1d":
        return {"x": drawn(2, 2, length), "weight": drawn(2, 3), "initial_states": drawn(2, 2, 2)}
    if operation == "ssd_chunk_scan":
        signals = {"x": drawn(2, length, 2, 2), "dt": torch.ones(2, length, 2, dtype=torch.float64)}
        matrices = {"B": drawn(2, length, 1, 2), "C": drawn(2, length, 1, 2), "A": decays[0]}
        return signals | matrices | {"D": drawn(2), "initial_states": drawn(2, 2, 2, 2), "chunk_size": 4}
    state = operation == "selective_scan_delta_t"
    signals = {"u": drawn(2, 2, length), "delta": torch.ones(2, 2, length, dtype=torch.float64), "A": decays}
    matrices = {"B": drawn(2, 2, length), "C": drawn(2, 2, length)}
    return signals | matrices | {"initial_state": drawn(2, 2, 2)} | ({} if state else {"D": drawn(2)})


def run(operation, arguments, backend, **options):
    last = {"ssd_chunk_scan": "return_final_states", "causal_conv1d": "return_final_states"}
    options |= {last.get(operation, "return_last_state"): True}
    return getattr(ops, operation)(**arguments, **options, backend=backend)


def spoiled(operation, arguments, names, time, value, batch=0):
    """One entry of each of these arguments at one time."""
    changed = {name: arguments[name].clone() for name in names}
    for tensor in changed.values():
        tensor[batch].select(min(TIME[operation], 0), time).view(-1)[0] = value
    return arguments | changed


def choices(arguments, backend):
    """Each argument in time by itself; all at once in the interpreter, which is slow."""
    names = sorted(IN_TIME & set(arguments))
    return [names] if backend == "triton" else [[name] for name in names]


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(("operation", "backend"), FAST)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_finite_goes_where_the_definition_puts_it(operation, backend, packed, value):
    """Each argument in time, at the start, inside and at the end of a sequence: outputs and last states."""
    arguments, options = integers(operation), {"seq_idx": PACKED.expand(2, -1)} if packed else {}
    for name in sorted(IN_TIME & set(arguments)):
        for time in (1, 4) if backend == "triton" else (0, 1, 4, 8):
            bad = spoiled(operation, arguments, [name], time, value)
            found = run(operation, bad, backend, **options)
            for mine, theirs in zip(found, run(operation, bad, "reference", **options), strict=True):
                assert_same(mine, theirs)


@pytest.mark.parametrize(("operation", "backend"), FAST)
def test_a_state_that_is_not_finite_ends_with_its_sequence(operation, backend):
    arguments = integers(operation)
    name = "initial_state" if "initial_state" in arguments else "initial_states"
    arguments[name][0].view(-1)[0] = nan
    options = {"seq_idx": PACKED.expand(2, -1)}
    for mine, theirs in zip(
        run(operation, arguments, backend, **options), run(operation, arguments, "reference", **options), strict=True
    ):
        assert_same(mine, theirs)
    assert torch.isfinite(run(operation, arguments, backend, **options)[1]).all()


def gradients(operation, arguments, backend, weights, **options):
    inputs = {k: v.clone().requires_grad_() for k, v in arguments.items() if isinstance(v, torch.Tensor)}
    y, _ = run(operation, arguments | inputs, backend, **options)
    return dict(
        zip(inputs, torch.autograd.grad(y, list(inputs.values()), weights, materialize_grads=True), strict=True)
    )


def at_time(operation, tensor, times):
    return tensor[:, times] if TIME[operation] == 1 else tensor[..., times]


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize(("operation", "backend"), FAST)
def test_a_loss_that_does_not_see_a_token_has_the_gradients_without_it(operation, backend, value):
    """Causality of the backward pass: every gradient, those of weights included, as if the token were another."""
    clean = integers(operation)
    weights = torch.ones_like(run(operation, clean, backend)[0])
    at_time(operation, weights, slice(5, None)).zero_()
    expected = gradients(operation, clean, backend, weights)
    for names in choices(clean, backend):
        for time in (5,) if backend == "triton" else (5, 8):
            bad = spoiled(operation, clean, names, time, value)
            bad = spoiled(operation, bad, names, time, value, batch=1)
            for found, wanted in zip(
                gradients(operation, bad, backend, weights).values(), expected.values(), strict=True
            ):
                torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("where", ["token", "cotangent"])
@pytest.mark.parametrize(("operation", "backend"), FAST)
def test_a_sequence_that_is_not_finite_leaves_the_others_gradients_alone(operation, backend, where):
    """Forwards and backwards over the boundaries of packed sequences, and across a batch."""
    clean, options = integers(operation), {"seq_idx": PACKED.expand(2, -1)}
    weights = torch.ones_like(run(operation, clean, backend)[0])
    expected = gradients(operation, clean, backend, weights, **options)
    for time, others in ((1, slice(4, None)), (5, [0, 1, 2, 3, 7, 8]), (8, slice(0, 7))):
        if backend == "triton" and time != 5:
            continue
        if where == "token":
            cases = [spoiled(operation, clean, names, time, nan) for names in choices(clean, backend)]
            cotangents = weights
        else:
            cases, cotangents = [clean], weights.clone()
            at_time(operation, cotangents, time)[0] = nan
        for case in cases:
            found = gradients(operation, case, backend, cotangents, **options)
            for name in sorted(IN_TIME & set(clean)):
                mine, theirs = at_time(operation, found[name], others), at_time(operation, expected[name], others)
                torch.testing.assert_close(mine, theirs)
                torch.testing.assert_close(found[name][1], expected[name][1])


ONE = torch.ones(1, 1, 4, dtype=torch.float64)


@pytest.mark.parametrize("backend", ["reference", "cpu", "triton"])
def test_the_reported_instance_of_s6(backend):
    u, q = torch.tensor([[[1, nan, 1, 1]]], dtype=torch.float64), torch.tensor([[0, 0, 1, 1]])
    y = ops.selective_scan(u, ONE, torch.zeros(1, 1, dtype=torch.float64), ONE, ONE, seq_idx=q, backend=backend)
    assert_same(y, torch.tensor([[[1, nan, 1, 2]]], dtype=torch.float64))


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("backend", ["reference", "cpu", "torch", "triton", "auto"])
def test_the_reported_instances_of_ssd(backend, wanted):
    if wanted and backend == "reference":
        pytest.skip("it gives no gradients, and says so")

    def scan(x, **options):
        one = torch.ones(1, len(x), 1, 1, dtype=torch.float64)
        x = torch.tensor(x, dtype=torch.float64)[None, :, None, None].requires_grad_(wanted)
        zero = torch.zeros(1, dtype=torch.float64)
        y = ops.ssd_chunk_scan(x, one[..., 0], zero, one, one, backend=backend, **options)
        return y.detach().flatten()

    for value in (nan, inf):
        assert_same(scan([1, 1, value]), torch.tensor([1, 2, value], dtype=torch.float64))
        packed = scan([1, value, 1, 1], seq_idx=torch.tensor([[0, 0, 1, 1]]))
        assert_same(packed, torch.tensor([1, value, 1, 2], dtype=torch.float64))


@pytest.mark.parametrize("backend", ["reference", "cpu", "triton"])
def test_the_reported_instance_of_the_convolution(backend):
    x, q = torch.tensor([[[1, nan, 1, 1]]], dtype=torch.float64), torch.tensor([[0, 0, 1, 1]])
    taps = torch.ones(1, 2, dtype=torch.float64)
    y, last = ops.causal_conv1d(x, taps, seq_idx=q, return_final_states=True, backend=backend)
    assert_same(y, torch.tensor([[[1, nan, 1, 2]]], dtype=torch.float64))
    assert_same(last, torch.tensor([[[1]]], dtype=torch.float64))
    _, last = ops.causal_conv1d(
        x[..., :3], taps.expand(1, 2).repeat(1, 2)[:, :3], seq_idx=q[:, :3], return_final_states=True
    )
    assert_same(last, torch.tensor([[[0, 1]]], dtype=torch.float64))


def test_a_nan_stays_in_its_row_of_a_step():
    state, x = torch.zeros(2, 2, 2, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64)
    x[0, 0] = nan
    for backend in ("reference", "cpu", "triton"):
        own = state.clone()
        y = ops.selective_state_update(
            own, x, x * 0 + 1, -torch.ones(2, 2).double(), x * 0 + 1, x * 0 + 1, backend=backend
        )
        assert torch.isfinite(y[1]).all()
        assert torch.isfinite(own[1]).all()
        assert torch.isnan(y[0, 0])


def test_a_sequence_may_begin_at_a_tiles_first_step():
    """At every boundary of tiles and chunks as they ship, and beside it: the bits of each sequence alone."""
    for operation, backend in FAST:
        if backend == "triton":
            continue  # its boundaries are those of PACKED, above
        arguments = integers(operation, 130)
        cuts = [0, 31, 32, 63, 64, 65, 96, 128, 129, 130]
        seq_idx = torch.bucketize(torch.arange(130), torch.tensor(cuts[1:]), right=True).expand(2, -1)
        y, last = run(operation, arguments, backend, seq_idx=seq_idx)
        for start, stop in itertools.pairwise(cuts):
            time = slice(start, stop)
            part = {k: at_time(operation, v, time) if k in IN_TIME else v for k, v in arguments.items()}
            if start:
                part = {k: v for k, v in part.items() if not k.startswith("initial")}
            alone, after = run(operation, part, backend)
            assert_same(at_time(operation, y, time), alone)
        assert_same(last, after)


@pytest.mark.parametrize("backend", ["cpu", "triton"])
def test_the_gate_has_its_part_in_the_gradient_of_D(backend):
    """With C = 0 it is Σ SiLU(z)·u, in numbers for which SiLU is exact."""
    u, z = torch.tensor([[[1.0, 2, 3]]]).double(), torch.tensor([[[800.0, -900, 801]]]).double()
    one, D = torch.ones_like(u), torch.ones(1, dtype=torch.float64, requires_grad=True)
    arguments = {"u": u, "delta": one, "A": -one[0, :, :1], "B": one, "C": 0 * one, "D": D, "z": z}
    (bar,) = torch.autograd.grad(ops.selective_scan(**arguments, backend=backend).sum(), D)
    assert bar == 800 + 3 * 801
    heads = {
        "x": u.mT[..., None],
        "dt": one.mT,
        "A": -one[0, 0, :1],
        "B": one.mT[..., None],
        "C": 0 * one.mT[..., None],
    }
    heads |= {"D": D, "z": z.mT[..., None]}
    (bar,) = torch.autograd.grad(ops.ssd_chunk_scan(**heads, backend=backend).sum(), D)
    assert bar == 800 + 3 * 801


@pytest.mark.parametrize("backend", ["reference", "cpu", "triton"])
def test_groups_are_consecutive_channels(backend):
    """Channel d reads group ⌊d·G/d_inner⌋, head h group ⌊h·G/nheads⌋: repeated each, never in turns."""
    one = torch.ones(1, 4, 1, dtype=torch.float64)
    B = torch.tensor([1.0, 10]).double().view(1, 2, 1, 1)
    y = ops.selective_scan(one, one, -one[0], B, torch.ones_like(B), backend=backend)
    assert y.flatten().tolist() == [1, 1, 10, 10]
    x, step = one.view(1, 1, 4, 1), one.view(1, 1, 4)
    y = ops.ssd_chunk_scan(x, step, -one[0, :, 0], B.view(1, 1, 2, 1), torch.ones(1, 1, 2, 1).double(), backend=backend)
    assert y.flatten().tolist() == [1, 1, 10, 10]
    state = torch.zeros(1, 4, 1, 1, dtype=torch.float64)
    heads = (x[:, 0], x[:, 0], -one[0, :, :, None], B.view(1, 2, 1), torch.ones(1, 2, 1).double())
    assert ops.selective_state_update(state, *heads, backend=backend).flatten().tolist() == [1, 1, 10, 10]


@pytest.mark.parametrize("backend", ["reference", "cpu", "torch", "triton"])
def test_the_step_of_ssd_is_at_least_its_limit(backend):
    """0 where nothing is said: a Δ below 0 is 0, on every backend."""
    one = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    dt = torch.tensor([1.0, -1.0, 2.0]).double().view(1, 3, 1)
    for limit, expected in (((0.0, inf), [1, 1, 3]), ((0.5, 1.5), [1, 1.5, 3]), ((-2.0, inf), [1, 0, 2])):
        zero = torch.zeros(1, dtype=torch.float64)
        y = ops.ssd_chunk_scan(one, dt, zero, one, one, dt_limit=limit, backend=backend)
        assert y.flatten().tolist() == expected
