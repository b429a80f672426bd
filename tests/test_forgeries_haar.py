"""Forged certificates of Haar coefficients and of KEEP n-TH: what the checker accepts of changed weights is run."""

import json

import pytest
from attacks import attack
from forged_networks import BITS, honest, network
from forging import accepted, changed_weights, forgery
from hypothesis import event, given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify.haar import keep, mamba1


def holds(claim: str, target: str, text: str) -> bool:
    """Whether a certificate is true of the network that it lays out."""
    return not network(claim, target).wrong(json.loads(text), ("kernels",))


@pytest.mark.parametrize("target", sorted(BITS))
def test_a_transform_of_unchanged_weights_is_accepted_and_within_its_bound(target):
    assert holds(mamba1.BLOCK, target, accepted(honest(mamba1.BLOCK, target), {}, {}))


@attack(200)
@given(st.data())
def test_a_transform_of_accepted_weights_is_within_its_bound(data):
    target = data.draw(st.sampled_from(sorted(BITS)))
    text = accepted(honest(mamba1.BLOCK, target), {}, data.draw(changed_weights(honest(mamba1.BLOCK, target))))
    event("accepted" if text else "refused")
    assert not text or holds(mamba1.BLOCK, target, text)


@pytest.mark.parametrize("loud", ["large", "large_2"])
def test_a_norm_whose_squares_overflow_is_refused(loud):
    weights = json.loads(honest(mamba1.BLOCK, "official_mamba2"))["weights"]
    scales = {"large": "step_out", "large_2": "scale"}
    by = 2.0**30
    change = {loud: float.fromhex(weights[loud]) * by, scales[loud]: float.fromhex(weights[scales[loud]]) * by}
    with pytest.raises(ValueError, match="too large"):
        alone.check(forgery(honest(mamba1.BLOCK, "official_mamba2"), {}, change))


def test_keep_nth_of_unchanged_weights_is_accepted_and_keeps():
    assert holds(keep.CLAIM, "official", accepted(honest(keep.CLAIM, "official"), {}, {}))


@attack(200)
@given(st.data())
def test_keep_nth_of_accepted_weights_keeps(data):
    text = accepted(honest(keep.CLAIM, "official"), {}, data.draw(changed_weights(honest(keep.CLAIM, "official"))))
    event("accepted" if text else "refused")
    assert not text or holds(keep.CLAIM, "official", text)
