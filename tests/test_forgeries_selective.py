"""Forged certificates of extension I: what is refused, and networks of what is accepted, in all its targets."""

import json

import numpy as np
import pytest
from attacks import attack
from forged_networks import network
from forging import accepted, changed_weights, forged, frozen_text
from hypothesis import event, given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify.mqar import selective

CLAIM, SIZE = selective.SELECTIVE, "float32_65_64_8"
TARGETS = selective.TARGETS
NORMAL, UNLIT = "may be 0, subnormal or too large", "'unlit' is not shown"


def named(target: str) -> str:
    return f"{CLAIM}_{target}_{SIZE}"


def weights_of(target: str) -> dict[str, float]:
    return {key: float.fromhex(w) for key, w in json.loads(frozen_text(named(target)))["weights"].items()}


def scaled(target: str, **factors: float) -> dict[str, float]:
    weights = weights_of(target)
    return {key: single(weights[key] * factor) for key, factor in factors.items()}


def single(number: float) -> float:
    return float(np.float32(number))


NEARER = {"key": 2048, "value": -2048, "bias": -3072}
IDLE = {**NEARER, "steps": 5, "quiet": -1, "one": 1, "step_bias": 0.5, "scale": 2.0**116, "read": 2.0**-60}
IDLE |= {"A_log": single(np.log(np.log(16) / 1280))}
SHORT = {"steps": 1, "step_bias": -80, "A_log": single(np.log(np.log(16) / 255))}
FALSE = {  # target, sizes, weights, reason
    "a channel that nothing reads overflows": (
        "sequential_official",
        {"num_queries": 40},
        IDLE,
        "'hushed' is not shown",
    ),
    "a step that its bias shortens": ("official", {}, SHORT, "'margin' is not shown"),
    "two steps that overflow": ("official", {}, {"steps": 2.0**119}, NORMAL),
    "a step times B overflows": ("official", {}, scaled("official", scale=2.0**20, read=2.0**-20), NORMAL),
    "a step times B overflows, paper": ("paper", {}, scaled("paper", scale=2.0**30, head=2.0**-30), NORMAL),
    "codes that a norm opens": ("language_model", {}, scaled("language_model", norm_weight=1.6), NORMAL),
    "queries that a norm shuts": ("language_model", {}, scaled("language_model", norm_weight=0.85), NORMAL),
    "keys behind values that a norm lets ask": ("language_model", {}, scaled("language_model", norm_weight=1.1), UNLIT),
    "codes that are shut to e^-512": ("official", {}, {k: w / 2 for k, w in NEARER.items()}, "'deep' is not shown"),
    "squares that overflow": ("language_model", {}, scaled("language_model", head=2.0**8), NORMAL),
    "logits that underflow": ("language_model", {}, scaled("language_model", head=2.0**-100, read=2.0**-100), NORMAL),
    "a value that is not minus a key": ("language_model", {}, scaled("language_model", value=0.5), "minus 'key'"),
    "a threshold at 0": ("language_model", {}, scaled("language_model", bias=2 / 3), "-3/2"),
    "queries beyond the range": ("language_model", {"num_queries": 47}, {}, NORMAL),
}


@pytest.mark.parametrize(("target", "sizes", "weights", "reason"), FALSE.values(), ids=FALSE)
def test_what_is_false_of_the_forged_network_is_refused_for_that(target, sizes, weights, reason):
    text = forged(named(target), sizes, weights)
    with pytest.raises(ValueError, match=reason):
        alone.check(text)


@pytest.mark.parametrize("target", TARGETS)
def test_a_network_of_unchanged_weights_is_accepted_and_answers(target):
    assert answered(target, accepted(frozen_text(named(target)), {}, {}))


TOGETHER = [("key", "value", "bias"), ("scale", "read"), ("step_bias",), ("A_log",), ("A",), ("norm_weight",)]
FACTORS = st.sampled_from([0.5, 0.95, 0.98, 1.02, 1.05, 1.25, 2.0, 2.0**-30, 2.0**30])
QUERIES = st.sampled_from([8, 8, 20, 47])


@st.composite
def changes(draw, target: str) -> dict[str, float]:
    """One or two weights as any forger would, or some that belong together by one factor."""
    weights = weights_of(target)
    if draw(st.booleans()):
        return draw(changed_weights(frozen_text(named(target))))
    known = [names for names in TOGETHER if names[0] in weights]
    factor, names = draw(FACTORS), draw(st.sampled_from(known))
    return {name: float(np.float32(weights[name] * factor)) for name in names if name in weights}


@attack(400)
@given(st.data())
def test_a_network_of_accepted_weights_answers(data):
    target, queries = data.draw(st.sampled_from(TARGETS)), data.draw(QUERIES)
    text = accepted(frozen_text(named(target)), {"num_queries": queries}, data.draw(changes(target)))
    event("accepted" if text else "refused")
    assert not text or answered(target, text)


def answered(target: str, text: str) -> bool:
    """Whether the network that a certificate lays out answers every query."""
    return not network(CLAIM, target, text).wrong(json.loads(text), ("kernels",))
