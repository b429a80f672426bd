"""Forged certificates of Haar coefficients and of KEEP n-TH: what the checker accepts of changed weights is run."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from attacks import attack
from forging import accepted, changed_weights, forgery, loaded
from hypothesis import event, given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.constructions.haar import full_basis, keep_nth, mamba1_haar, mamba2_haar
from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.haar import keep, mamba1

LENGTH, N, TOKENS, SEQUENCE = 16, 5, 8, 32
BITS = {"official": 12, "official_mamba2": 6}


@cache
def certificate(target: str) -> str:
    sizes = {"length": LENGTH, "bits": BITS[target]}
    return canonical(Request(mamba1.BLOCK, target, "float32", sizes).make())


@cache
def keeping() -> str:
    return canonical(
        Request(keep.CLAIM, "official", "float32", {"n": N, "vocab_size": TOKENS, "input_seq_len": SEQUENCE}).make()
    )


def transforms(target: str, text: str) -> bool:
    """Whether the network that a certificate lays out has every coefficient within what is stated."""
    basis = full_basis(LENGTH)
    network = mamba1_haar(LENGTH, basis) if target == "official" else mamba2_haar(LENGTH, basis, bits=24)
    modules = torch.nn.Module()
    modules.layers = torch.nn.ModuleList([layer.module(torch.float32) for layer in network.layers])
    layers = [loaded(modules.layers[0], text)] if target == "official" else loaded(modules, text).layers
    signal = np.random.default_rng(0).uniform(-1, 1, (32, LENGTH)).astype(np.float32)
    signal[0], signal[1], signal[2] = 1, [(-1) ** s for s in range(LENGTH)], np.eye(LENGTH)[3] * 1e-20
    u = torch.from_numpy(network.inputs(signal))
    for layer in layers[:-1]:
        u = u + layer(u)
    found = layers[-1](u)[:, LENGTH:, 0].double().numpy()
    waves = np.stack([w.values(LENGTH) for w in basis]).astype(float)
    error, size = np.abs(found - signal.astype(float) @ waves.T), np.abs(signal.astype(float)) @ np.abs(waves).T
    return bool((error <= 2.0 ** -json.loads(text)["sizes"]["bits"] * size + 2.0**-100).all())


@pytest.mark.parametrize("target", BITS)
def test_a_transform_of_unchanged_weights_is_accepted_and_within_its_bound(target):
    assert transforms(target, accepted(certificate(target), {}, {}))


@attack(200)
@given(st.data())
def test_a_transform_of_accepted_weights_is_within_its_bound(data):
    target = data.draw(st.sampled_from(sorted(BITS)))
    text = accepted(certificate(target), {}, data.draw(changed_weights(certificate(target))))
    event("accepted" if text else "refused")
    assert not text or transforms(target, text)


@pytest.mark.parametrize("loud", ["large", "large_2"])
def test_a_norm_whose_squares_overflow_is_refused(loud):
    weights = json.loads(certificate("official_mamba2"))["weights"]
    scales = {"large": "step_out", "large_2": "scale"}
    by = 2.0**30
    change = {loud: float.fromhex(weights[loud]) * by, scales[loud]: float.fromhex(weights[scales[loud]]) * by}
    with pytest.raises(ValueError, match="too large"):
        alone.check(forgery(certificate("official_mamba2"), {}, change))


def keeps(text: str) -> bool:
    """Whether the network that a certificate lays out shows token n at every later position."""
    network = keep_nth(N, TOKENS)
    tokens = np.random.default_rng(0).integers(TOKENS, size=(64, SEQUENCE))
    tokens[0], tokens[1], tokens[1, N - 1] = 3, 2, 7
    block = loaded(network.block.module(torch.float32), text)
    y = block(torch.from_numpy(network.inputs(tokens)).float())[:, N - 1 :, :TOKENS]
    return bool((y.argmax(-1).numpy() == tokens[:, N - 1, None]).all())


def test_keep_nth_of_unchanged_weights_is_accepted_and_keeps():
    assert keeps(accepted(keeping(), {}, {}))


@attack(200)
@given(st.data())
def test_keep_nth_of_accepted_weights_keeps(data):
    text = accepted(keeping(), {}, data.draw(changed_weights(keeping())))
    event("accepted" if text else "refused")
    assert not text or keeps(text)
