"""Torch modules: official names and shapes, equal to the definition on the same weights, on every backend."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import backends, blocks, ops, semantics
from kernels.fields import FLOAT64

quick = settings(max_examples=15, deadline=None)


def weights_of(module):
    return {name: w.detach().numpy() for name, w in module.state_dict().items()}


def agree(module, definition, x, **options):
    """Module and definition in float64, to the rounding of a sum of a few hundred products."""
    with torch.no_grad():
        y = module(x).numpy()
    expected = definition(FLOAT64, weights_of(module), x.numpy(), **options)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(y, expected, rtol=0, atol=1000 * np.finfo(float).eps * scale)


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


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(1, 4))
@quick
def test_mamba_equals_its_definition(batch, length, d_model, d_state, d_conv):
    torch.manual_seed(length)
    block = blocks.Mamba(d_model, d_state, d_conv, dtype=torch.float64)
    agree(block, semantics.mamba, torch.randn(batch, length, d_model, dtype=torch.float64))


@given(st.booleans(), st.sampled_from(["identity", "softplus"]), st.integers(1, 12))
@quick
def test_paper_mamba_equals_its_definition(gate, delta_activation, length):
    block = blocks.PaperMamba(5, 3, gate=gate, delta_activation=delta_activation, dtype=torch.float64)
    x = torch.randn(2, length, 5, dtype=torch.float64)
    agree(block, semantics.paper_mamba, x, delta_activation=delta_activation)


def test_language_model_equals_its_definition():
    model = blocks.MambaLM(11, 16, 2, dtype=torch.float64)
    agree(model, semantics.language_model, torch.randint(0, 11, (2, 9)))
    assert {"backbone.layers.1.mixer.A_log", "backbone.norm_f.weight", "lm_head.weight"} <= set(model.state_dict())


def test_packed_sequences_do_not_leak_through_a_block():
    block = blocks.Mamba(16, dtype=torch.float64)
    first, second = torch.randn(1, 5, 16, dtype=torch.float64), torch.randn(1, 7, 16, dtype=torch.float64)
    seq_idx = torch.tensor([[0] * 5 + [1] * 7])
    with torch.no_grad():
        packed = block(torch.cat([first, second], 1), seq_idx=seq_idx)
        separate = torch.cat([block(first), block(second)], 1)
    torch.testing.assert_close(packed, separate, rtol=1e-13, atol=1e-13)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 6), st.booleans(), st.booleans())
@quick
def test_convolution_equals_its_definition(dim, length, width, packed, continued):
    torch.manual_seed(length)
    x, weight, bias = torch.randn(2, length, dim), torch.randn(dim, width), torch.randn(dim)
    options = {"seq_idx": torch.arange(length).div(3, rounding_mode="floor").expand(2, -1)} if packed else {}
    if continued and width > 1:
        options["initial_states"] = torch.randn(2, dim, width - 1)
    for layout in (x.transpose(1, 2), x.transpose(1, 2).contiguous()):
        run = [
            ops.causal_conv1d(layout, weight, bias, activation="silu", backend=b, **options)
            for b in ("cpu", "reference")
        ]
        torch.testing.assert_close(*run, rtol=1e-5, atol=1e-5)


def test_convolution_continues_from_its_final_states():
    x, weight = torch.randn(2, 3, 9), torch.randn(3, 4)
    head, states = ops.causal_conv1d(x[..., :2], weight, return_final_states=True)
    tail = ops.causal_conv1d(x[..., 2:], weight, initial_states=states)
    assert torch.equal(torch.cat([head, tail], -1), ops.causal_conv1d(x, weight))


# ---------------------------------------------------------------------------- someone else's kernel


def test_a_foreign_scan_runs_under_every_block():
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs)
        return backends.available_functions("cpu")["selective_scan"](*args, **kwargs)

    model = blocks.MambaLM(7, 8, 3)
    tokens = torch.randint(0, 7, (1, 4))
    with torch.no_grad():
        expected = model(tokens)
        with backends.using_backend({"selective_scan": counted}):
            assert torch.equal(model(tokens), expected)
        model(tokens)
    assert len(calls) == 3


def test_a_registered_backend_is_chosen_by_name():
    backends.register_backend("wrong", {"selective_scan": lambda u, *args, **kwargs: torch.zeros_like(u)})
    block = blocks.PaperMamba(4, 2, backend="auto")
    with torch.no_grad(), backends.using_backend("wrong"):
        assert not block(torch.randn(1, 3, 4)).any()


def test_unknown_operations_and_backends_are_named():
    with pytest.raises(ValueError, match="scan is no operation; choose from selective_scan"):
        backends.register_backend("x", {"scan": print})
    with pytest.raises(ValueError, match="no backend 'y'"), backends.using_backend("y"):
        pass
    backends.register_backend("scan only", {"selective_scan": print})
    with pytest.raises(ValueError, match="has no causal_conv1d; it has selective_scan"):
        inspect.unwrap(ops.causal_conv1d)(torch.ones(1, 1, 1), torch.ones(1, 1), backend="scan only")
