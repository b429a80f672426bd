"""Torch modules: official names and shapes, equal to the definition on the same weights, decoded step by step."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import blocks, ops, semantics
from kernels.error_bounds import contains, rounding

unchecked_conv = inspect.unwrap(ops.causal_conv1d)
quick = settings(max_examples=12, deadline=None)

BLOCKS = {
    "Mamba": lambda **o: blocks.Mamba(6, 3, 3, **o),
    "MambaS4D": lambda **o: blocks.MambaS4D(6, 3, 3, **o),
    "MambaDeltaT": lambda **o: blocks.MambaDeltaT(6, 3, 3, **o),
    "Mamba2": lambda **o: blocks.Mamba2(6, 3, 3, headdim=3, ngroups=2, chunk_size=4, **o),
}
PAPER_BLOCKS = {
    "PaperMamba": (blocks.PaperMamba, semantics.paper_mamba),
    "PaperMambaDeltaT": (blocks.PaperMambaDeltaT, semantics.paper_mamba_delta_t),
    "PaperMamba2": (blocks.PaperMamba2, semantics.paper_mamba2),
    "PaperS4D": (blocks.PaperS4D, semantics.paper_s4d),
}


def assert_is(module, definition, x, **options):
    """Module and definition may differ by what rounding can do to the definition, twice: its ball holds both."""
    f = rounding(torch.empty(0, dtype=next(module.parameters()).dtype).numpy().dtype)
    weights = {name: f.array(w.detach().numpy()) for name, w in module.state_dict().items()}
    with torch.no_grad():
        y = module(x).numpy()
    argument = x.numpy() if x.dtype == torch.int64 else f.array(x.numpy())
    assert contains(definition(f, weights, argument, **options), y).all()


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


def close(a, b):
    """Equal up to the rounding of re-associated float64 sums of at most a few hundred terms."""
    torch.testing.assert_close(a, b, rtol=0, atol=512 * torch.finfo(torch.float64).eps * float(b.abs().max() + 1))


@pytest.mark.parametrize("name", BLOCKS)
@given(batch=st.integers(1, 2), length=st.integers(1, 11), cut=st.integers(0, 11))
@quick
def test_a_block_continues_from_its_state(name, batch, length, cut):
    block = BLOCKS[name](dtype=torch.float64)
    x = torch.randn(batch, length, 6, dtype=torch.float64)
    cut = min(cut, length - 1)
    with torch.no_grad():
        whole, last = block(x, return_last_state=True)
        parts, state = [], block.allocate_inference_cache(batch, dtype=torch.float64)
        for part in (x[:, :cut], x[:, cut:]):
            if part.shape[1]:
                y, state = block(part, state=state, return_last_state=True)
                parts.append(y)
    close(torch.cat(parts, 1), whole)
    close(state.conv, last.conv)
    close(state.ssm, last.ssm)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_decodes_step_by_step(name):
    block = BLOCKS[name](dtype=torch.float64)
    x = torch.randn(2, 9, 6, dtype=torch.float64)
    with torch.no_grad():
        state = block.allocate_inference_cache(2)
        steps = [block.step(x[:, [t]], *state)[0] for t in range(9)]
        whole, last = block(x, return_last_state=True)
    close(torch.cat(steps, 1), whole)
    close(state.ssm, last.ssm)


@pytest.mark.parametrize("name", BLOCKS)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3))
@quick
def test_packed_sequences_do_not_leak(name, lengths):
    block = BLOCKS[name](dtype=torch.float64)
    parts = [torch.randn(1, n, 6, dtype=torch.float64) for n in lengths]
    seq_idx = torch.tensor([[i % 2 for i, n in enumerate(lengths) for _ in range(n)]])  # an index may come back
    with torch.no_grad():
        packed, last = block(torch.cat(parts, 1), seq_idx=seq_idx, return_last_state=True)
        separate = [block(part, return_last_state=True) for part in parts]
    close(packed, torch.cat([y for y, _ in separate], 1))
    close(last.ssm, separate[-1][1].ssm)
    close(last.conv, separate[-1][1].conv)


@pytest.mark.parametrize("name", BLOCKS)
def test_padding_at_the_end_changes_no_output(name):
    block = BLOCKS[name](dtype=torch.float64)
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    with torch.no_grad():
        close(block(torch.cat([x, torch.zeros(2, 5, 6, dtype=torch.float64)], 1))[:, :7], block(x))


@pytest.mark.parametrize("name", BLOCKS)
def test_every_parameter_is_trained(name):
    block = BLOCKS[name](dtype=torch.float64)
    block(torch.randn(2, 9, 6, dtype=torch.float64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
def test_half_precision_blocks_stay_close_to_float32(name):
    torch.manual_seed(0)
    block = BLOCKS[name]()
    x = torch.randn(2, 9, 6)
    with torch.no_grad():
        y = block(x)
        half = block.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert (half.float() - y).abs().max() <= 16 * torch.finfo(torch.bfloat16).eps * y.abs().max()


def test_s4d_is_the_convolution_with_its_kernel():
    """LTI: recurrence = convolution = FFT, zero-padded to 2L − 1."""
    torch.manual_seed(0)
    block = blocks.MambaS4D(6, 3, 3, dtype=torch.float64)
    length = 40
    x = torch.randn(2, block.d_inner, length, dtype=torch.float64)
    with torch.no_grad():
        A, dt = -torch.exp(block.A_log), torch.exp(block.log_dt)[:, None]
        coefficient = block.C * block.B * torch.expm1(dt * A) / A
        decay = torch.exp((dt * A)[..., None] * torch.arange(length))
        kernel = (coefficient[..., None] * decay).sum(1)
        gate = torch.full_like(x, 1.2784645427610738)  # SiLU = 1
        y = block.mix(x, gate, backend="cpu") - block.D[:, None] * x
    n = 2 * length - 1
    by_fft = torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(kernel, n), n)[..., :length]
    by_sum = torch.stack([(kernel[:, : t + 1].flip(-1) * x[..., : t + 1]).sum(-1) for t in range(length)], -1)
    close(y, by_sum)
    close(by_fft, by_sum)


# -------------------------------------------------------------------------------------- convolution


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 5), st.booleans(), st.booleans())
@quick
def test_convolution_is_its_definition(dim, length, width, packed, continued):
    torch.manual_seed(length)
    x, weight, bias = torch.randn(2, length, dim), torch.randn(dim, width), torch.randn(dim)
    options = {"seq_idx": torch.arange(length).div(3, rounding_mode="floor").expand(2, -1)} if packed else {}
    if continued:
        options["initial_states"] = torch.randn(2, dim, width - 1)
    f = rounding(x.numpy().dtype)
    arrays = [f.array(m.numpy()) for m in (weight, bias)]
    for layout in (x.transpose(1, 2), x.transpose(1, 2).contiguous()):
        y = ops.causal_conv1d(layout, weight, bias, backend="cpu", **options)
        torch.testing.assert_close(y, ops.causal_conv1d(layout, weight, bias, backend="reference", **options))
        if not options:
            assert contains(semantics.causal_conv1d(f, f.array(x.numpy()), *arrays), y.transpose(1, 2).numpy()).all()


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
