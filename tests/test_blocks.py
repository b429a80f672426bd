"""Torch modules: official names and shapes, equal to the definition on the same weights, decoded step by step."""

import inspect
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.kernels import backends, blocks, ops, semantics
from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS, contains, rounding

unchecked_conv = inspect.unwrap(ops.causal_conv1d)
quick = settings(max_examples=8)

BLOCKS = {
    "Mamba": (lambda **o: blocks.Mamba(4, 3, 3, **o), semantics.mamba),
    "MambaS4D": (lambda **o: blocks.MambaS4D(4, 3, 3, **o), semantics.mamba_s4d),
    "MambaDeltaT": (lambda **o: blocks.MambaDeltaT(4, 3, 3, **o), semantics.mamba_delta_t),
    "Mamba2": (
        lambda **o: blocks.Mamba2(4, 3, 3, headdim=2, ngroups=2, chunk_size=4, **o),
        partial(semantics.mamba2, ngroups=2),
    ),
}
PAPER_BLOCKS = {
    "PaperMamba": (blocks.PaperMamba, semantics.paper_mamba),
    "PaperMambaDeltaT": (blocks.PaperMambaDeltaT, semantics.paper_mamba_delta_t),
    "PaperMamba2": (blocks.PaperMamba2, semantics.paper_mamba2),
    "PaperS4D": (blocks.PaperS4D, semantics.paper_s4d),
}


def ball(module, definition, x, elementary_ulps=ELEMENTARY_ULPS, **options):
    """The definition on the module's weights, enclosed with all that rounding in the module's dtype can do."""
    f = rounding(next(module.parameters()).dtype, elementary_ulps)
    weights = {name: f.array(w.detach().double().numpy()) for name, w in module.state_dict().items()}
    return definition(f, weights, x.numpy() if x.dtype == torch.int64 else f.array(x.double().numpy()), **options)


def assert_is(module, definition, x, **options):
    with torch.no_grad():
        assert contains(ball(module, definition, x, **options), module(x).numpy()).all()


def assert_inside(name, block, x, y, elementary_ulps=ELEMENTARY_ULPS):
    """y, however it was computed, is the block's output on x (batch, L, d_model) up to rounding."""
    assert y.shape == x.shape
    assert contains(ball(block, BLOCKS[name][1], x, elementary_ulps), y.double().numpy()).all()


def test_mamba_has_the_official_names_shapes_and_defaults():
    shapes = {name: tuple(p.shape) for name, p in blocks.Mamba(48).named_parameters()}
    assert shapes == {
        "A_log": (96, 16),
        "D": (96,),
        "in_proj.weight": (192, 48),
        "conv1d.weight": (96, 1, 4),
        "conv1d.bias": (96,),
        "x_proj.weight": (35, 96),
        "dt_proj.weight": (96, 3),
        "dt_proj.bias": (96,),
        "out_proj.weight": (48, 96),
    }


@pytest.mark.parametrize(
    ("mixer", "own"),
    [
        (blocks.MambaS4D, {"log_dt": (96,), "A_log": (96, 16), "B": (96, 16), "C": (96, 16)}),
        (blocks.MambaDeltaT, {"A_log": (96, 16), "x_proj.weight": (35, 96), "dt_proj.weight": (16, 3)}),
    ],
)
def test_other_mixers_have_the_official_block_around_them(mixer, own):
    shapes = {name: tuple(p.shape) for name, p in mixer(48).named_parameters()}
    official = {name: tuple(p.shape) for name, p in blocks.Mamba(48).named_parameters()}
    around = ("in_proj.weight", "conv1d.weight", "conv1d.bias", "out_proj.weight")
    assert {name: shapes[name] for name in around} == {name: official[name] for name in around}
    assert shapes.items() >= own.items()


def test_mamba2_has_the_official_names_shapes_and_defaults():
    shapes = {name: tuple(p.shape) for name, p in blocks.Mamba2(64).named_parameters()}
    assert shapes == {
        "dt_bias": (2,),
        "A_log": (2,),
        "D": (2,),
        "in_proj.weight": (2 * 128 + 2 * 128 + 2, 64),
        "conv1d.weight": (128 + 2 * 128, 1, 4),
        "conv1d.bias": (128 + 2 * 128,),
        "norm.weight": (128,),
        "out_proj.weight": (64, 128),
    }
    assert blocks.Mamba2(64).chunk_size == 256


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 5)])
def test_official_blocks_are_their_definitions(batch, length, dtype):
    torch.manual_seed(length)
    x = torch.randn(batch, length, 4, dtype=dtype)
    assert_is(blocks.Mamba(4, 3, 2, dtype=dtype), semantics.mamba, x)
    mamba2 = blocks.Mamba2(4, 3, 2, headdim=2, ngroups=2, chunk_size=2, dtype=dtype)
    assert_is(mamba2, semantics.mamba2, x, ngroups=2)


@pytest.mark.parametrize("name", ["MambaS4D", "MambaDeltaT"])
def test_the_papers_mixers_in_the_official_block_are_their_definitions(name):
    torch.manual_seed(3)
    make, definition = BLOCKS[name]
    assert_is(make(dtype=torch.float64), definition, torch.randn(2, 5, 4, dtype=torch.float64))
    if name == "MambaS4D":
        euler = partial(definition, discretization=semantics.euler)
        assert_is(make(discretization="euler", dtype=torch.float64), euler, torch.randn(1, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("name", PAPER_BLOCKS)
def test_paper_blocks_are_their_definitions(name, gate):
    torch.manual_seed(1)
    make, definition = PAPER_BLOCKS[name]
    assert_is(make(4, 3, gate=gate, dtype=torch.float64), definition, torch.randn(2, 5, 4, dtype=torch.float64))


@pytest.mark.parametrize("mixer", [blocks.Mamba, blocks.Mamba2])
def test_language_models_are_their_definition(mixer):
    torch.manual_seed(2)
    options = {"headdim": 4} if mixer is blocks.Mamba2 else {}
    model = blocks.MambaLM(5, 4, 2, mixer=mixer, d_state=3, **options, dtype=torch.float64)
    assert_is(model, semantics.language_model, torch.randint(0, 5, (2, 4)))
    assert {"backbone.layers.1.mixer.A_log", "backbone.norm_f.weight", "lm_head.weight"} <= set(model.state_dict())


def test_a_flipped_tap_is_noticed():
    block = blocks.Mamba(4, 3, 2, dtype=torch.float64)

    def flipped(f, weights, x):
        return semantics.mamba(f, weights | {"conv1d.weight": weights["conv1d.weight"][..., ::-1]}, x)

    with pytest.raises(AssertionError):
        assert_is(block, flipped, torch.randn(1, 3, 4, dtype=torch.float64))


# ------------------------------------------------------------------------------- time, in every way


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("name", BLOCKS)
@given(batch=st.integers(1, 2), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
@quick
def test_a_block_continues_from_its_state(name, batch, lengths):
    block = BLOCKS[name][0](dtype=torch.float64)
    parts, outputs = [normal(batch, n, 4) for n in lengths], []
    with torch.no_grad():
        state = block.allocate_inference_cache(batch, dtype=torch.float64)
        for part in parts:
            y, state = block(part, state=state, return_last_state=True)
            outputs.append(y)
        whole = block(torch.cat(parts, 1))
    for y in (whole, torch.cat(outputs, 1)):
        assert_inside(name, block, torch.cat(parts, 1), y)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("steps", [1, 5, 9])
def test_a_block_decodes_step_by_step(name, steps):
    """And goes on in one piece from the state that the steps left."""
    block = BLOCKS[name][0](dtype=torch.float64)
    x = normal(2, 9, 4)
    with torch.no_grad():
        state = block.allocate_inference_cache(2)
        outputs = [block.step(x[:, [t]], *state)[0] for t in range(steps)]
        outputs += [block(x[:, steps:], state=state)] if steps < 9 else []
    assert_inside(name, block, x, torch.cat(outputs, 1))


@pytest.mark.parametrize("name", BLOCKS)
@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
@quick
def test_packed_sequences_do_not_leak(name, lengths):
    """Each is computed as if it were alone, and the last one can be continued."""
    block = BLOCKS[name][0](dtype=torch.float64)
    parts, tail = [normal(1, n, 4) for n in lengths], normal(1, 2, 4)
    seq_idx = torch.tensor([[i % 2 for i, n in enumerate(lengths) for _ in range(n)]])  # an index may come back
    with torch.no_grad():
        packed, last = block(torch.cat(parts, 1), seq_idx=seq_idx, return_last_state=True)
        outputs = list(packed.split(lengths, 1))
        outputs[-1] = torch.cat([outputs[-1], block(tail, state=last)], 1)
    parts[-1] = torch.cat([parts[-1], tail], 1)
    for part, y in zip(parts, outputs, strict=True):
        assert_inside(name, block, part, y)


@pytest.mark.parametrize("name", BLOCKS)
def test_padding_at_the_end_changes_no_output(name):
    block = BLOCKS[name][0](dtype=torch.float64)
    x = normal(2, 7, 4)
    with torch.no_grad():
        padded = block(torch.cat([x, torch.zeros(2, 5, 4, dtype=torch.float64)], 1))
    assert_inside(name, block, x, padded[:, :7])


@pytest.mark.parametrize("name", BLOCKS)
def test_every_parameter_is_trained(name):
    block = BLOCKS[name][0](dtype=torch.float64)
    block(normal(2, 9, 4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
def test_half_precision_blocks_round_no_more_than_every_operation_may(name):
    """Accumulation is in float32, so elementary functions are rounded to half precision once: good to one ulp."""
    torch.manual_seed(0)
    block, x = BLOCKS[name][0]().to(torch.bfloat16), torch.randn(2, 5, 4).to(torch.bfloat16)
    with torch.no_grad():
        y = block(x)
        assert y.dtype == torch.bfloat16
        assert_inside(name, block, x, y, elementary_ulps=1)
        block.conv1d.weight.copy_(block.conv1d.weight.flip(-1))
        with pytest.raises(AssertionError):
            assert_inside(name, block, x, y, elementary_ulps=1)


def test_s4d_is_the_convolution_with_its_kernel():
    """LTI: in balls, the recurrence and Σ_i k_i x_{t−i} overlap, and the module lies in the one; FFT: see `verify`."""
    torch.manual_seed(0)
    block = blocks.MambaS4D(4, 3, 3, dtype=torch.float64)
    x = normal(2, block.d_inner, 12)
    gate = torch.full_like(x, 1.2784645427610738)  # SiLU = 1 up to rounding
    with torch.no_grad():
        y = block.mix(x, gate, backend="cpu").numpy()
    f = rounding(torch.float64)
    w = {name: f.array(m.detach().numpy()) for name, m in block.state_dict().items()}
    decay, gain = semantics.zoh(f, f.exp(w["log_dt"])[:, None], -f.exp(w["A_log"]))
    powers = np.cumprod(np.broadcast_to(decay, (11, *decay.shape)), 0)
    kernel = np.concatenate([[(w["C"] * gain * w["B"]).sum(-1)], (w["C"] * gain * w["B"] * powers).sum(-1)])
    u, silu = f.array(x.numpy()), semantics.silu(f, f.array(gate.numpy()))
    sums = [(kernel[: t + 1][::-1].T * u[..., : t + 1]).sum(-1) + w["D"] * u[..., t] for t in range(12)]
    assert contains(np.stack(sums, -1) * silu, y).all()


# -------------------------------------------------------------------------------------- convolution


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 5), st.booleans(), st.booleans())
@quick
def test_convolution_is_its_definition(dim, length, width, packed, continued):
    torch.manual_seed(length)
    x, weight, bias = torch.randn(2, length, dim), torch.randn(dim, width), torch.randn(dim)
    options = {"seq_idx": torch.arange(length).div(3, rounding_mode="floor").expand(2, -1)} if packed else {}
    if continued:
        options["initial_states"] = torch.randn(2, dim, width - 1)
    f = rounding(torch.float32)
    arrays = [f.array(m.numpy()) for m in (weight, bias)]
    past = options.get("initial_states", torch.zeros(2, dim, 0)).transpose(1, 2)
    parts = list(x.split(3, 1)) if packed else [x]
    balls = [semantics.causal_conv1d(f, f.array(torch.cat([past, parts[0]], 1).numpy()), *arrays)[:, past.shape[1] :]]
    balls += [semantics.causal_conv1d(f, f.array(part.numpy()), *arrays) for part in parts[1:]]
    for layout in (x.transpose(1, 2), x.transpose(1, 2).contiguous()):
        for backend in backends.choices("causal_conv1d", "cpu"):
            y = ops.causal_conv1d(layout, weight, bias, backend=backend, **options)
            assert contains(np.concatenate(balls, 1), y.transpose(1, 2).numpy()).all()


def test_convolution_continues_from_its_final_states():
    x, weight = torch.randn(2, 3, 9), torch.randn(3, 4)
    head, states = ops.causal_conv1d(x[..., :2], weight, return_final_states=True)
    tail = ops.causal_conv1d(x[..., 2:], weight, initial_states=states)
    assert torch.equal(torch.cat([head, tail], -1), ops.causal_conv1d(x, weight))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: blocks.Mamba(0), "d_model must be at least 1, not 0"),
        (lambda: blocks.Mamba(4, d_state=-3), "d_state must be at least 1, not -3"),
        (lambda: blocks.Mamba2(4, headdim=3), "headdim = 3 must divide d_inner = 8"),
        (lambda: blocks.Mamba2(4, headdim=4, ngroups=3), "3 groups, which do not divide nheads = 2"),
        (lambda: blocks.MambaS4D(4, discretization="bilinear"), "discretization must be 'zoh' or 'euler'"),
        (lambda: blocks.PaperMamba(4, 2, activation="tanh"), "no activation 'tanh'; choose from identity"),
        (lambda: blocks.MambaLM(-1, 4), "vocab_size must be at least 1, not -1"),
        (lambda: unchecked_conv(torch.ones(1, 2, 3), torch.ones(3, 4)), r"weight must have shape \(dim, width\) = \(2"),
        (lambda: unchecked_conv(torch.ones(1, 2, 3), torch.ones(2, 4), activation="tanh"), "activation must be None"),
    ],
)
def test_impossible_sizes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
