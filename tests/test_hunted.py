"""Forgeries by the hunter: what it once found, a fixed part of what it looks at, and the ranges of what is accepted."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
from attacks import attack
from forged_networks import KINDS, WAYS, Network, honest, network
from forging import accepted, numbers_of, points
from hunt_forgeries import closes, hunt, with_weights
from hypothesis import given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.tensors import exact, places, repeated

FOUND = [  # claim, target, weights that were accepted once, and of which operation the range was missing
    ("mqar.thm2-step2-amended", "language_model", {"key": 1340567.25, "value": 2325442.75}, "squares of the last norm"),
    ("mqar.thm2-step2-amended", "language_model", {"value": 4.8487752060605406e20}, "squares of the last norm"),
    ("mqar.thm3-step1", "mamba2_language_model", {"value": 9.318629502160638e20}, "squares of the block's norm"),
    ("mqar.thm3-step1", "language_model", {"gate": 133.4420166015625, "norm_weight": 3468.97509765625}, "squares"),
    ("mqar.thm3-step1", "official", {"key": 9.2e16}, "states of channels that nothing reads"),
    ("mqar.n2-distinct", "official", {"key": 2.0**45}, "states of channels that nothing reads"),
    ("mqar.value-code", "official", {"key": 1.0237846335826952e19}, "states of channels that nothing reads"),
    ("mqar.thm4", "official", {"one": 3.3e20}, "the state of the constant channel"),
    ("mqar.thm4", "official", {"head": 391681605632.0, "one": 1.1338856935351223e-21}, "products that underflow"),
    (
        "mqar.thm3-step1",
        "mamba2_language_model",
        {"key": 6.145865760753821e-11, "gate": 26594652160.0, "value": 2.954455291801784e-21},
        "products that underflow",
    ),
    ("induction.plain-s6", "official", {"tap": 4204667076608.0}, "a readout"),
    ("induction.plain-s6", "official_mamba2", {"tap": 0.0547027625143528}, "products that underflow, C B first"),
    ("induction.plain-s6", "official_mamba2", {"gate": 3.7882755350437947e-06}, "products that are flushed to 0"),
    ("induction.plain-s6", "paper", {"blank": 4.820831054878095e-40}, "a weight that is flushed to 0"),
    (
        "induction.plain-s6",
        "official",
        {"gate": 2.7089667320251465, "tap": 0.2713315784931183, "A_log": -0.292170912027359},
        "a readout before its gate",
    ),
    ("induction.plain-s6", "mamba2_language_model", {"norm_weight": 0.007007870823144913}, "products, B first"),
]


@pytest.mark.parametrize(("claim", "target", "weights", "missing"), FOUND)
def test_what_was_found_once_is_refused(claim, target, weights, missing):
    weights = {name: float(np.float32(w)) for name, w in weights.items()}
    assert not closes(honest(claim, target), weights), missing
    assert not accepted(honest(claim, target), {}, weights), missing


@pytest.mark.parametrize(("claim", "target"), KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_an_unchanged_network_does_what_is_stated_however_it_is_evaluated(claim, target, way):
    assert not network(claim, target).wrong(with_weights(honest(claim, target), {}), (way,))


@attack(30)
@given(st.integers(0, 2**32 - 1))
def test_no_accepted_certificate_is_false_of_its_network(seed):
    looked_at = islice(hunt(np.random.default_rng(seed)), 20)
    assert not [found for found in looked_at if found is not None and found.wrong]


# ------------------------------------------------------------------------------------------------------ ranges

PLACES = {  # what a module gives, and the steps that bound it
    "in_proj": ("most_x", "most_z", "most_u", "most_B", "most_C"),
    "x_proj": ("most_dt", "most_B", "most_C"),
    "mixer.out_proj": ("most_out",),
    "norm_f": ("most_shown",),
    "head": ("most_logit",),
    "mixer.conv": ("most_u",),
    "mixer.B": ("most_B",),
    "mixer.C": ("most_C",),
}
BOUNDED = [kind for kind in KINDS if any(s.name == "most_state" for s in catalogue.subject(*kind).argument.steps)]
OWN = {  # other arguments, and the steps of their own that bound what every operation gives
    "haar.official-block": {"summed", "summed_2", "finite_1", "finite", "unread", "path_1", "path"},
    "haar.thm1-amended": set(),
    "mqar.n1-delta-gate": {"path", "seen", "largest", "longest_B", "x_B"},
}
EVERY = {"most_u", "most_delta", "most_B", "most_C", "most_exponent", "growth", "most_state", "most_readout"}


@pytest.mark.parametrize(("claim", "target"), KINDS)
def test_every_operation_of_a_network_has_its_range(claim, target):
    argument = catalogue.subject(claim, target).argument
    steps = {step.name for step in argument.steps}
    if any(name == "exact" for name, _ in argument.closing):  # integers: their one bound is above them all
        assert "largest" in steps
    elif (claim, target) in BOUNDED:
        gated = set() if target == "paper" else {"most_z", "most_gated"}
        squared = {"most_squared", "most_normed"} if "mamba2" in target else set()
        summed = {"most_stream", "most_added", "most_shown"} if target.endswith("language_model") else set()
        counting = {"summed", "count_most_state", "count_path", "room"}
        assert steps >= EVERY | gated | squared | (counting if claim == "mqar.robust" else summed) | {"most_logit"}
        assert "path" in steps
    else:
        assert steps >= OWN[claim]


@pytest.mark.parametrize(("claim", "target"), KINDS)
def test_no_row_has_more_entries_than_its_layout_says(claim, target):
    names = numbers_of(with_weights(honest(claim, target), {}))
    for name, layout in catalogue.subject(claim, target).argument.tensors.items():
        width = math.prod(int(exact(axis, names)) for axis in layout.shape[1:])
        for entries in (e for _, _, many in layout.parts for e in many):
            at = repeated(places(entries, names), entries, names)
            assert not len(at) or np.unique(at // width, return_counts=True)[1].max() <= exact(
                entries.per_row, names
            ), name


@pytest.mark.parametrize(("claim", "target"), [kind for kind in BOUNDED if kind[0] != "mqar.robust"])
def test_what_modules_give_is_within_the_ranges(claim, target):
    certificate = with_weights(honest(claim, target), {})
    known, case = points(numbers_of(certificate)), network(claim, target)
    for step, expression, _ in certificate["steps"]:
        known[step] = alone.value(expression, known, certificate["dtype"])
    assert isinstance(case, Network)
    seen = {}

    def record(name):
        def see(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output  # a convolution hands its state on beside
            seen[name] = float(first.abs().max())

        return see

    hooks = [module.register_forward_hook(record(name)) for name, module in case.module.named_modules()]
    with torch.no_grad():
        case.wrong(certificate, ("kernels",))
    for hook in hooks:
        hook.remove()
    checked = 0
    for name, largest in seen.items():
        for place, steps in PLACES.items():
            bounds = [known[step][1] / alone.ONE for step in steps if step in known]
            if name.endswith(place) and bounds:
                assert largest <= max(bounds), name
                checked += 1
    assert checked
