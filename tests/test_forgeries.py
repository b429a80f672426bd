"""Forged certificates: digests, enclosures and hash recomputed as a forger would, on other sizes or weights.

The stand-alone checker knows no shipped weights. What it refuses is tried on forgeries that it once accepted; what it
accepts is run: a network with the forged weights must still answer.
"""

import json

import pytest
from attacks import attack
from forged_networks import network
from forging import accepted, changed_weights, forged, frozen_text
from hypothesis import event, given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify.mqar import codes, products, theorem2

SMALL = "float32_64_64_8"


def test_a_forgery_that_changes_nothing_is_accepted():
    assert alone.check(forged(f"mqar.thm2-step1_paper_{SMALL}", {}, {}))


GATED = [
    f"{claim}_{target}_{SMALL}"
    for claim in ("mqar.thm3-step1", "mqar.thm2-step2-amended", "mqar.value-code")
    for target in ("official", "official_mamba2", "language_model", "mamba2_language_model")
]
BLOCK, WAVELET = "haar.official-block_official_float32_128_14", "haar.thm1-amended_mixer_float32_3_10"
KEEP, HEADS = "haar.keep-nth-one-state_official_float64_256_128_512", "induction.plain-s6_paper_float32_32_112_110"
MODEL = f"mqar.robust_two_state_language_model_{SMALL}"
PAPER = f"mqar.thm2-step1_paper_{SMALL}"
SELECTIVE = "float32_65_64_8"
UNIT, NORMAL = "'unit' is not shown to be > 0", "may be 0, subnormal or too large"
FALSE = {  # the certificate, the sizes and weights that a forger changes, and why it is refused
    **{f"{name}: the gate turned": (name, {}, {"gate": -1}, f"{UNIT}|{NORMAL}") for name in GATED},
    "read before the signal": (BLOCK, {"starts": [-1, *[0] * 127]}, {}, "starts before the signal"),
    "a wavelet beyond the hinges": (BLOCK, {"stops": [300, *[128] * 127]}, {}, "after the hinges"),
    "a middle before its start": (BLOCK, {"starts": [128] * 128}, {}, "middle before its start"),
    "a step so small that the state underflows": (BLOCK, {}, {"step_bias": -63, "A_log": -20}, "no small number"),
    "functions better than they are": (BLOCK, {"ulps": 0}, {}, "at least one ulp"),
    "no whole level": (WAVELET, {"level": 3.01}, {}, "no integer"),
    "a level of other cells": (WAVELET, {"level": 4}, {}, "cells is 2"),
    "a growing state": (HEADS, {"gap": 10, "input_seq_len": 12}, {"A": 0.5}, "'exponent' is not shown"),
    "a weight between two floats": (HEADS, {}, {"A": -0.7200000000001}, "no floats"),
    "noise hidden by a negative gate": (
        KEEP,
        {"n": 5, "input_seq_len": 32},
        {"gate": -110, "readout": -1e50, "slope": 0, "bias": 0},
        "nothing is negative: gate",
    ),
    **{
        f"a negative write, {target}": (
            f"mqar.thm4_{target}_{SMALL}",
            {"input_seq_len": 17},
            {"key": 8, "value": -0.75, "bias": -9.25, "gate": -1},
            "'difference' is not shown",
        )
        for target in ("official", "language_model")
    },
    "a last norm whose squares overflow": (
        f"mqar.thm3-step1_language_model_{SMALL}",
        {},
        {"norm_weight": 2.0**17},
        NORMAL,
    ),
    "a key's code that SiLU bends": (MODEL, {}, {"key": 4}, "no positive number"),
    "a negated head over a bound that fails": (
        f"mqar.n1-delta-gate_paper_{SELECTIVE}",
        {},
        {"A": -(2.0**-118), "head": -2},
        "'margin' is not shown",
    ),
    "a readout that overflows before its gate": (
        f"mqar.n1-delta-gate_sequential_official_{SELECTIVE}",
        {},
        {"gate": 2.0**-60, "read": 2.0**70},
        NORMAL,
    ),
    "half a pair": (PAPER, {"num_kv_pairs": 7.5}, {}, "no integer"),
    "a truth value for a size": (PAPER, {"num_kv_pairs": True}, {}, "no integer"),
    "no rank": (f"mqar.thm2-step1_official_{SMALL}", {"dt_rank": 0}, {}, "no entries"),
}


@pytest.mark.parametrize(("name", "sizes", "weights", "reason"), FALSE.values(), ids=FALSE)
def test_what_is_false_of_the_forged_network_is_refused_for_that(name, sizes, weights, reason):
    text = forged(name, sizes, weights)
    with pytest.raises(ValueError, match=reason):
        alone.check(text)


@pytest.mark.parametrize("claim", ["mqar.thm2-step2-amended", "mqar.thm4-jl-amended"])
@pytest.mark.parametrize("shift", ["beyond the width", "below zero"])
def test_columns_that_are_one_code_in_other_digits_are_refused(claim, shift):
    name = f"{claim}_paper_{SMALL}"
    sizes = json.loads(frozen_text(name))["sizes"]
    first, width = sizes["columns"][0], sizes["width"]
    step = 2**width
    columns = [first + (i if shift == "beyond the width" else i - 100) * step for i in range(sizes["num_values"])]
    with pytest.raises(ValueError, match="column"):
        alone.check(forged(name, {"columns": columns}, {}))


# ----------------------------------------------------------------------------------- what is accepted is run

RECALL = [
    f"{family.claim}_{target}_{SMALL}"
    for family in (*theorem2.FAMILIES, *codes.FAMILIES, *products.FAMILIES)
    for target in family.targets
]


@attack(500)
@given(st.data())
def test_a_recall_network_of_accepted_weights_answers(data):
    name = data.draw(st.sampled_from(RECALL))
    text = accepted(frozen_text(name), {}, data.draw(changed_weights(frozen_text(name))))
    event("accepted" if text else "refused")
    assert not text or answered(name, text)


@pytest.mark.parametrize("name", RECALL)
def test_a_recall_network_of_unchanged_weights_is_accepted_and_answers(name):
    assert answered(name, accepted(frozen_text(name), {}, {}))


def answered(name: str, text: str) -> bool:
    """Whether the network that a certificate lays out answers rightly."""
    return not network(*name.removesuffix(f"_{SMALL}").split("_", 1)).wrong(json.loads(text), ("kernels",))


HEADS_TO_RUN = [HEADS.replace("paper", target) for target in ("paper", "official", "official_mamba2")]
SHORT = {"gap": 10, "input_seq_len": 12}


@attack(60)
@given(st.data())
def test_an_induction_head_of_accepted_weights_answers(data):
    name = data.draw(st.sampled_from(HEADS_TO_RUN))
    text = accepted(frozen_text(name), SHORT, data.draw(changed_weights(frozen_text(name), most=1)))
    event("accepted" if text else "refused")
    assert not text or induced(name, text)


@pytest.mark.parametrize("name", HEADS_TO_RUN)
def test_an_induction_head_of_unchanged_weights_is_accepted_and_answers(name):
    assert induced(name, accepted(frozen_text(name), SHORT, {}))


def induced(name: str, text: str) -> bool:
    """Whether the induction head that a certificate lays out answers rightly."""
    target = name.split("_", 1)[1].partition("_float32")[0]
    short = network("induction.plain-s6", target, accepted(frozen_text(name), SHORT, {}))
    return not short.wrong(json.loads(text), ("kernels",))
