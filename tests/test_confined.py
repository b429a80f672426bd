"""What is not finite stays where the equations put it, beyond what the suite's rows "confined" ask of every kernel.

A NaN in Δ, and anywhere in Δ along the state, goes where the definition puts it. A gradient that a loss does not owe to
a token, of weights too, is the one that it has without that token's NaN.
"""

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


NOT_IN_ROWS = {
    ("selective_scan", "cpu"): {"delta"},  # a kernel of others may refuse it
    ("ssd_chunk_scan", "cpu"): {"dt"},
    ("ssd_chunk_scan", "torch"): {"dt"},
    ("selective_scan_delta_t", "cpu"): IN_TIME,  # no operation of the suite
}


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(("operation", "backend"), NOT_IN_ROWS)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_finite_goes_where_the_definition_puts_it(operation, backend, packed, value):
    """Each argument in time, at the start, inside and at the end of a sequence: outputs and last states."""
    arguments, options = integers(operation), {"seq_idx": PACKED.expand(2, -1)} if packed else {}
    for name in sorted(NOT_IN_ROWS[operation, backend] & set(arguments)):
        for time in (0, 1, 4, 8):
            bad = spoiled(operation, arguments, [name], time, value)
            found = run(operation, bad, backend, **options)
            for mine, theirs in zip(found, run(operation, bad, "reference", **options), strict=True):
                assert_same(mine, theirs)


def test_a_state_that_is_not_finite_ends_with_its_sequence():
    arguments, options = integers("selective_scan_delta_t"), {"seq_idx": PACKED.expand(2, -1)}
    arguments["initial_state"][0].view(-1)[0] = nan
    found = [run("selective_scan_delta_t", arguments, backend, **options) for backend in ("cpu", "reference")]
    assert_same(*found)
    assert torch.isfinite(found[0][1]).all()


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


@pytest.mark.parametrize("backend", ["reference", "cpu", "torch", "triton"])
def test_a_step_of_ssd_below_0_is_none_where_no_limit_is_given(backend):
    """A kernel of others need not clamp what nobody limits."""
    one, zero = torch.ones(1, 3, 1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    dt = torch.tensor([1.0, -1.0, 2.0]).double().view(1, 3, 1)
    assert ops.ssd_chunk_scan(one, dt, zero, one, one, backend=backend).flatten().tolist() == [1, 1, 3]
