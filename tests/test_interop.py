"""Weights move to transformers and back, and both models compute the same function; peers' scans too."""

import pytest
import torch
from hypothesis import given, settings
from scan_strategies import scan_cases

from mamba_theorems.kernels import blocks, semantics
from mamba_theorems.kernels.arguments import S6
from mamba_theorems.kernels.backends import using_backend
from mamba_theorems.kernels.blocks.interop import from_transformers, model_from_transformers, to_transformers
from mamba_theorems.kernels.bounds.running_error import contains, rounding, selective_scan_bound
from mamba_theorems.kernels.peers import PEERS, installed

transformers = pytest.importorskip("transformers", reason="the optional extra `interop`")

SIZES = {"vocab_size": 7, "hidden_size": 4, "state_size": 3, "num_hidden_layers": 2, "conv_kernel": 3, "expand": 2}


def their_model(name):
    torch.manual_seed(0)
    if name == "mamba":
        return transformers.MambaForCausalLM(transformers.MambaConfig(**SIZES, use_mambapy=False)).eval()
    config = transformers.Mamba2Config(**SIZES, num_heads=4, head_dim=2, n_groups=2, chunk_size=4)
    return transformers.Mamba2ForCausalLM(config).eval()


def assert_in_one_ball(name, ours, theirs, tokens):
    f = rounding(torch.float32)
    weights = {k: f.array(w.numpy()) for k, w in ours.state_dict().items()}
    options = {"ngroups": 2} if name == "mamba2" else {}
    balls = semantics.language_model(f, weights, tokens.numpy(), **options)
    with torch.no_grad():
        for logits in (ours(tokens), theirs(tokens).logits):
            assert contains(balls, logits.numpy()).all()


@pytest.mark.parametrize("name", ["mamba", "mamba2"])
def test_both_models_lie_in_one_running_error_ball(name):
    theirs = their_model(name)
    assert_in_one_ball(name, model_from_transformers(theirs), theirs, torch.tensor([[0, 3, 6, 1, 1], [2, 2, 5, 0, 4]]))


@pytest.mark.parametrize("name", ["mamba", "mamba2"])
def test_a_state_dict_moves_both_ways(name):
    theirs = their_model(name)
    weights = from_transformers(theirs.state_dict())
    assert to_transformers(weights).keys() == theirs.state_dict().keys()
    ours = model_from_transformers(theirs)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) / 8)
    theirs.load_state_dict(to_transformers(ours.state_dict()))
    back = from_transformers(theirs.state_dict())
    assert all(torch.equal(w, back[k]) for k, w in ours.state_dict().items())
    assert_in_one_ball(name, ours, theirs, torch.tensor([[0, 3, 6, 1]]))


def test_safetensors_hold_a_model(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = blocks.MambaLM(5, 4, 1)
    safetensors.save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = blocks.MambaLM(5, 4, 1)
    other.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"))
    tokens = torch.tensor([[0, 1, 4]])
    with torch.no_grad():
        assert torch.equal(model(tokens), other(tokens))


def test_another_architecture_is_refused():
    other = type("Model", (), {"config": type("Config", (), {"model_type": "gpt2"})})
    with pytest.raises(ValueError, match="'gpt2' is no Mamba model"):
        model_from_transformers(other)


# ---------------------------------------------------------------------------------- their scans, ours


@pytest.mark.parametrize("peer", ["transformers", "mambapy", "accelerated-scan"])
@given(case=scan_cases(dtypes=(torch.float32,), max_length=33, present=("D", "z", "delta_bias")))
@settings(max_examples=8)
def test_a_peers_scan_stays_within_our_error_bound(peer, case):
    """Whatever the bracketing of a parallel scan."""
    if not installed(peer):
        pytest.skip(f"{peer} is not installed")
    if case.groups > 1 and peer == "transformers":
        return
    arguments = dict(case.arguments)
    positional = [arguments.pop(name) for name in ("u", "delta", "A", "B", "C")]
    y = PEERS[peer][1](*positional, **arguments)
    assert selective_scan_bound(S6(**case.arguments), associative=True).ratio(y) <= 1


@pytest.mark.parametrize("peer", ["transformers", "mambapy"])
def test_a_peers_scan_runs_under_our_blocks(peer):
    block, x = blocks.Mamba(4, 3), torch.randn(2, 5, 4)
    f = rounding(torch.float32)
    weights = {k: f.array(w.numpy()) for k, w in block.state_dict().items()}
    with torch.no_grad(), using_backend({"selective_scan": PEERS[peer][1]}):
        assert contains(semantics.mamba(f, weights, f.array(x.numpy())), block(x).numpy()).all()
