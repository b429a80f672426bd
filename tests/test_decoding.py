"""Steps: one token or several, with every option of a block, and the gradients that go through them or are refused."""

import inspect
from functools import partial

import pytest
import torch
from test_blocks import BLOCKS, PAPER_BLOCKS, ball

from mamba_theorems.kernels import backends, blocks, ops, semantics
from mamba_theorems.kernels.bounds.running_error import contains

PAPER = {name: (partial(make, 4, 3), definition) for name, (make, definition) in PAPER_BLOCKS.items()}
LIMIT = (0.5, 0.6)  # between the Δ of most tokens: either bound is reached
MAMBA2 = {
    "plain": {},
    "dt_limit": {"dt_limit": LIMIT},
    "D_has_hdim": {"D_has_hdim": True},
    "norm_before_gate": {"norm_before_gate": True},
    "no norm": {"rmsnorm": False},
    "everything": {"dt_limit": LIMIT, "D_has_hdim": True, "norm_before_gate": True, "conv_init": 0.5},
}
KEPT = ("dt_limit", "norm_before_gate")
SIGNED = (
    lambda **o: blocks.PaperMamba2(4, 3, delta_activation="identity", **o),
    partial(semantics.paper_mamba2, delta_activation="identity"),
)
EVERY = {
    **BLOCKS,
    **PAPER,
    "PaperMamba2, Δ of either sign": SIGNED,
    **{
        f"Mamba2, {name}": (
            lambda options=options, **o: blocks.Mamba2(4, 3, 3, headdim=2, ngroups=2, chunk_size=4, **options, **o),
            partial(semantics.mamba2, ngroups=2, **{k: v for k, v in options.items() if k in KEPT}),
        )
        for name, options in MAMBA2.items()
    },
}


def made(name, **options):
    """A block whose D and biases are no constants."""
    torch.manual_seed(0)
    block = EVERY[name][0](dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
        if hasattr(block, "A"):
            block.A.copy_(-block.A.abs())
    return block


def assert_inside(name, block, x, y):
    assert contains(ball(block, EVERY[name][1], x), y.detach().double().numpy()).all()


@pytest.mark.parametrize("pieces", [(9,), (1,) * 9, (1, 5, 1, 2), (4, 5)])
@pytest.mark.parametrize("name", EVERY)
def test_steps_of_any_number_of_tokens_are_the_whole(name, pieces):
    """Each output of each token, and states advanced by as many."""
    block, x = made(name), torch.randn(2, 9, 4, dtype=torch.float64)
    with torch.no_grad():
        state = block.allocate_inference_cache(2)
        parts = [block.step(part, *state) for part in x.split(pieces, 1)]
        _, last = block(x, return_last_state=True)
    assert all(new is old for _, *states in parts for new, old in zip(states, state, strict=True))
    assert_inside(name, block, x, torch.cat([y for y, *_ in parts], 1))
    for mine, theirs in zip(state, last, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", EVERY)
def test_a_block_with_every_option_is_its_definition(name):
    block, x = made(name), torch.randn(2, 5, 4, dtype=torch.float64)
    assert_inside(name, block, x, block(x))


@pytest.mark.parametrize("pieces", [(6,), (1,) * 6, (2, 1, 3)])
def test_a_language_model_decodes_any_number_of_tokens(pieces):
    torch.manual_seed(0)
    model, tokens = blocks.MambaLM(7, 4, 2, d_state=3, dtype=torch.float64), torch.randint(0, 7, (2, 6))
    with torch.no_grad():
        state = model.allocate_inference_cache(2)
        logits = torch.cat([model.step(part, state)[0] for part in tokens.split(pieces, 1)], 1)
        torch.testing.assert_close(logits, model(tokens))


@pytest.mark.parametrize("name", EVERY)
def test_gradients_flow_through_steps_and_their_states(name):
    """Of every parameter and token, as through the whole: nothing is cut off where a state is handed on."""
    block, x = made(name), torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    inputs, weights = [x, *block.parameters()], torch.randn(2, 5, 4, dtype=torch.float64)
    expected = torch.autograd.grad((block(x) * weights).sum(), inputs)
    state = block.allocate_inference_cache(2)
    outputs = torch.cat([block.step(part, *state)[0] for part in x.split((2, 1, 1, 1), 1)], 1)
    for found, wanted in zip(torch.autograd.grad((outputs * weights).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", BLOCKS)
def test_gradients_flow_through_a_cache(name):
    block, x = BLOCKS[name][0](layer_idx=0, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    params = type("Params", (), {"key_value_memory_dict": {}, "seqlen_offset": 0})
    inputs, weights = list(block.parameters()), torch.randn(2, 5, 4, dtype=torch.float64)
    expected = torch.autograd.grad((block(x) * weights).sum(), inputs)
    outputs = []
    for start, stop in ((0, 2), (2, 3), (3, 5)):
        params.seqlen_offset = start
        outputs.append(block(x[:, start:stop], inference_params=params))
    found = torch.autograd.grad((torch.cat(outputs, 1) * weights).sum(), inputs)
    for mine, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, wanted)


# ------------------------------------------------------------------------------ no gradient is lost


def arguments():
    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    scan = {"u": normal(1, 2, 3), "A": -normal(2, 2).abs(), "B": normal(1, 2, 3), "C": normal(1, 2, 3), "D": normal(2)}
    scan |= {"delta": normal(1, 2, 3), "z": normal(1, 2, 3), "initial_state": normal(1, 2, 2)}
    ssd = {"x": normal(1, 3, 2, 2), "dt": normal(1, 3, 2), "A": -normal(2).abs(), "B": normal(1, 3, 1, 2)}
    ssd |= {"C": normal(1, 3, 1, 2), "D": normal(2, 2), "z": normal(1, 3, 2, 2), "dt_bias": normal(2)}
    step = {"state": normal(1, 2, 2), "x": normal(1, 2), "dt": normal(1, 2), "A": -normal(2, 2).abs(), "D": normal(2)}
    step |= {"B": normal(1, 2), "C": normal(1, 2), "z": normal(1, 2), "dt_bias": normal(2)}
    return {
        "selective_scan": scan | {"delta_bias": normal(2)},
        "selective_scan_delta_t": scan,
        "ssd_chunk_scan": ssd | {"initial_states": normal(1, 2, 2, 2)},
        "causal_conv1d": {
            "x": normal(1, 2, 3),
            "weight": normal(2, 3),
            "bias": normal(2),
            "initial_states": normal(1, 2, 2),
        },
        "selective_state_update": step,
    }


EACH = [(operation, name) for operation, given in arguments().items() for name in given]


@pytest.mark.parametrize(("operation", "name"), EACH)
def test_every_backend_gives_each_gradient_or_says_no(operation, name):
    given = arguments()[operation]
    for backend in (*backends.choices(operation, "cpu"), "triton"):
        if backend == "triton" and operation == "selective_scan_delta_t":
            continue
        own = {k: v.clone() for k, v in given.items()}
        own[name].requires_grad_()
        leaf = own[name]
        if name == "state":
            own[name] = own[name] * 1  # a leaf cannot be advanced in place
        call = partial(getattr(ops, operation), **own, backend=backend)
        if backend == "reference":
            with pytest.raises(
                RuntimeError, match=f"The backend 'reference' gives no gradients of {operation}: call it"
            ):
                call()
            with torch.no_grad():
                call()
            continue
        (bar,) = torch.autograd.grad(call().square().sum(), leaf)
        assert bar.abs().sum() > 0


@pytest.mark.parametrize("name", EVERY)
def test_a_block_on_the_reference_says_that_it_gives_no_gradients(name):
    block, x = made(name, backend="reference"), torch.randn(1, 3, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="gives no gradients"):
        block(x)
    with pytest.raises(RuntimeError, match="gives no gradients"):
        block.step(x[:, :1], *block.allocate_inference_cache(1))
    with torch.no_grad():
        assert_inside(name, block, x, block(x))


def test_a_foreign_kernel_without_gradients_says_so():
    block = blocks.Mamba(4, 3)
    with (
        backends.using_backend({"selective_scan": lambda u, *args, **kwargs: torch.zeros_like(u)}),
        pytest.raises(RuntimeError, match="This selective_scan gives no gradients, and one is wanted"),
    ):
        block(torch.ones(1, 3, 4))


# -------------------------------------------------------------------------------- rows of a larger state


@pytest.mark.parametrize("backend", ["reference", "cpu", "triton"])
def test_state_batch_indices_advance_rows_of_a_larger_state(backend):
    given = arguments()["selective_state_update"]
    slots = torch.randn(5, 2, 2, dtype=torch.float64)
    given = {
        k: torch.cat([v, 2 * v]) if k in {"x", "dt", "B", "C", "z"} else v for k, v in given.items() if k != "state"
    }
    rows, own = torch.tensor([3, 1], dtype=torch.int32), slots.clone()
    y = ops.selective_state_update(own, **given, backend=backend, state_batch_indices=rows)
    alone = slots[[3, 1]]
    torch.testing.assert_close(y, ops.selective_state_update(alone, **given, backend=backend), rtol=0, atol=0)
    assert torch.equal(own[[3, 1]], alone)
    assert torch.equal(own[[0, 2, 4]], slots[[0, 2, 4]])


@pytest.mark.parametrize("rows", [[3, -1, -1], [-1, -1, -1], [-1, 0, -1]])
def test_a_padding_slot_adds_nothing_to_a_gradient(rows):
    """Entries of padding write what another entry writes; each row's gradient is counted once."""
    given = {k: v for k, v in arguments()["selective_state_update"].items() if k != "state"}
    given = {k: torch.cat([v, 2 * v, v]) if k in {"x", "dt", "B", "C", "z"} else v for k, v in given.items()}
    leaf = torch.randn(5, 2, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 2, 2, dtype=torch.float64)
    real = [i for i, row in enumerate(rows) if row >= 0]
    found = []
    for entries in (range(3), real):
        part = {k: v[list(entries)] if k in {"x", "dt", "B", "C", "z"} else v for k, v in given.items()}
        state = leaf * 1
        if entries:
            ops.selective_state_update(state, **part, state_batch_indices=torch.tensor([rows[i] for i in entries]))
        found += torch.autograd.grad((state * weights).sum(), leaf)
    torch.testing.assert_close(*found, rtol=0, atol=0)


@pytest.mark.parametrize("rows", [[3, -1], [-1, -1], [-1, 0]])
def test_a_padding_slot_advances_no_row_and_gives_0(rows):
    given = arguments()["selective_state_update"]
    slots = torch.randn(5, 2, 2, dtype=torch.float64)
    given = {
        k: torch.cat([v, 2 * v]) if k in {"x", "dt", "B", "C", "z"} else v for k, v in given.items() if k != "state"
    }
    own, real = slots.clone(), [i for i, row in enumerate(rows) if row >= 0]
    y = ops.selective_state_update(own, **given, state_batch_indices=torch.tensor(rows))
    assert not y[[i for i, row in enumerate(rows) if row < 0]].any()
    alone = slots[[row for row in rows if row >= 0]]
    if real:
        part = {k: v[real] if k in {"x", "dt", "B", "C", "z"} else v for k, v in given.items()}
        torch.testing.assert_close(y[real], ops.selective_state_update(alone, **part), rtol=0, atol=0)
    slots[[row for row in rows if row >= 0]] = alone
    assert torch.equal(own, slots)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.tensor([3, 3]), r"must be different rows of 0 … 4, or -1, not \[3, 3\]"),
        (torch.tensor([0, 5]), "must be different rows"),
        (torch.tensor([0, -2]), "must be different rows"),
        (torch.tensor([0.0, 1.0]), "state_batch_indices must be an int32 or int64 tensor"),
        ([0, 1], "state_batch_indices must be an int32 or int64 tensor of shape .* not a list"),
    ],
)
def test_rows_that_are_none_are_refused(rows, message):
    x, m = torch.ones(2, 2), torch.ones(2, 3)
    with pytest.raises((TypeError, ValueError), match=message):
        inspect.unwrap(ops.selective_state_update)(
            torch.ones(5, 2, 3), x, x, -torch.ones(2, 3), m, m, state_batch_indices=rows
        )


# ------------------------------------------------------------------ what we take, and what we do not


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: blocks.Mamba(4, use_fast_path=True), "Mamba takes no use_fast_path yet: backend= chooses what runs"),
        (lambda: blocks.Mamba2(4, d_ssm=2), "Mamba2 takes no d_ssm yet: every channel goes through the SSM"),
        (lambda: blocks.Mamba2(4, process_group=None), "Mamba2 takes no process_group yet: a block runs on one device"),
        (
            lambda: blocks.Mamba2(4, headdim=4)(torch.ones(1, 2, 4), seqlen=2),
            "Mamba2 takes no seqlen yet: its input has",
        ),
        (lambda: blocks.MambaS4D(4, dt_rank=3), "MambaS4D has no argument 'dt_rank'"),
        (lambda: blocks.PaperMamba(4, 2, d_inner=3), "PaperMamba has no argument 'd_inner'"),
        (lambda: blocks.Mamba(4)(torch.ones(1, 2, 4), mask=None), "Mamba has no argument 'mask'"),
        (lambda: blocks.Mamba(4, dt_init="zeros"), "dt_init must be 'random' or 'constant', not 'zeros'"),
        (lambda: blocks.Mamba2(4, headdim=4, dt_limit=(1.0, 0.1)), r"dt_limit must be a pair .* not \(1.0, 0.1\)"),
        (lambda: blocks.PaperMamba2(4, 2, nheads=3), "nheads = 3 must divide d = 4"),
    ],
)
def test_arguments_that_we_lack_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_dt_init_and_dt_scale_are_the_official_ones():
    block = blocks.Mamba(48, dt_init="constant", dt_scale=2.0)
    assert torch.equal(block.dt_proj.weight, torch.full_like(block.dt_proj.weight, 2 * 3**-0.5))
    spread = blocks.Mamba(48, dt_scale=2.0).dt_proj.weight.abs().max()
    assert 3**-0.5 < spread <= 2 * 3**-0.5
    assert blocks.Mamba(48, layer_idx=5).layer_idx == 5


def test_mamba2_has_the_official_shapes_with_every_option():
    block = blocks.Mamba2(64, D_has_hdim=True, rmsnorm=False, layer_idx=1)
    assert block.D.shape == (128,)
    assert "norm.weight" not in block.state_dict()


@pytest.mark.parametrize("shape", [(0, 3, 4), (1, 0, 4), (1, 3, 5), (3, 4)])
@pytest.mark.parametrize("name", EVERY)
def test_an_input_that_is_empty_or_of_another_shape_is_named(name, shape):
    block, x = made(name), torch.ones(shape, dtype=torch.float64)
    message = (
        "hidden_states is empty: .*; every size must be at least 1" if 0 in shape else "hidden_states must have shape"
    )
    step = inspect.unwrap(type(block).step)  # the tests' own check of shapes would come first
    with pytest.raises(ValueError, match=message):
        block(x)
    with pytest.raises(ValueError, match=message):
        step(block, x, *block.allocate_inference_cache(1))
