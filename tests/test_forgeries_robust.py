"""Forged certificates of extension E, alone and with D: what is accepted is run, on tails that break H2 to H4."""

import json

import pytest
from attacks import attack
from forged_networks import network
from forging import CHANGES, accepted, changed_weights, forged, frozen_text
from hypothesis import event, given
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify.mqar import robust, robust_model

SMALL = "float32_64_64_8"
BLOCKS, MODELS = (
    [f"mqar.robust_{target}_{SMALL}" for (family,) in [module.FAMILIES] for target in family.targets]
    for module in (robust, robust_model)
)
ROBUST = pytest.mark.parametrize("name", [*BLOCKS, *MODELS])
TWO_STATES = f"mqar.robust_two_state_paper_{SMALL}"
SLIGHT = st.sampled_from([1 + 2.0**-10, 1 - 2.0**-10, 0.9, 1.1, 0.75, 1.5, 0.25, 4.0])


def answered(text: str) -> bool:
    """Whether the network that a certificate lays out answers rightly."""
    certificate = json.loads(text)
    case = network(certificate["claim"], certificate["target"], text)
    return not case.wrong(certificate, ("kernels",))


# ---------------------------------------------------------------------------------------------------- controls


@ROBUST
def test_an_unchanged_network_is_accepted_and_answers(name):
    assert answered(accepted(frozen_text(name), {}, {}))


@ROBUST
def test_a_negated_readout_is_refused_and_answers_wrongly(name):
    change = {"head": -float.fromhex(json.loads(frozen_text(name))["weights"]["head"])}
    text = forged(name, {}, change)
    with pytest.raises(ValueError, match="'margin' is not shown"):
        alone.check(text)
    assert not answered(text)


WRONG = {
    "open for nine pairs": {"reach": 18},
    "open one position more": {"reach": 17},
    "open for seven pairs": {"reach": 14},
    "positions stand still": {"position": 0},
    "nothing is written": {"opening": 0},
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_block_that_writes_elsewhere_is_refused_and_answers_wrongly(name, change):
    text = forged(name, {}, change)
    with pytest.raises(ValueError, match=r"keys reach|count down|'opening' is 1"):
        alone.check(text)
    assert not answered(text)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("positions", "holds"), [(-1, False), (-0.25, True), (0.25, True), (1, False), (2, False)])
def test_a_model_that_closes_at_other_positions_is_refused_unless_it_is_less_than_half_a_position(
    name, positions, holds
):
    weights = json.loads(frozen_text(name))["weights"]
    late, threshold = (float.fromhex(weights[key]) for key in ("late", "threshold"))
    assert threshold == -17 * late
    change = {"threshold": threshold - positions * late}
    assert bool(accepted(frozen_text(name), {}, change)) == holds
    assert not holds or answered(forged(name, {}, change))


# --------------------------------------------------------------------------------------- what is accepted is run


@attack(250)
@given(st.data())
def test_a_language_model_of_accepted_weights_answers(data):
    text = frozen_text(data.draw(st.sampled_from(MODELS)))
    forgery = accepted(text, {}, data.draw(changed_weights(text, factors=st.one_of(CHANGES, SLIGHT))))
    event("accepted" if forgery else "refused")
    assert not forgery or answered(forgery)


@attack(150)
@given(st.data())
def test_no_weight_of_a_block_may_change(data):
    """Each is a stated integer: what follows changes sizes, with the one weight that depends on them."""
    text = frozen_text(data.draw(st.sampled_from(BLOCKS)))
    assert not accepted(text, {}, data.draw(changed_weights(text, most=3, factors=st.one_of(CHANGES, SLIGHT))))


@attack(60)
@given(st.data())
def test_a_block_over_any_vocabulary_and_length_is_accepted_and_answers(data):
    """More keys than pairs, a filler or more, tokens that are nothing: the argument covers them, if the weights do."""
    name, pairs = data.draw(st.sampled_from(BLOCKS)), data.draw(st.sampled_from([1, 2, 3, 5, 7, 9]))
    first, keys, values, unused, tail = (
        data.draw(st.integers(*ends)) for ends in ((0, 3), (0, 30), (0, 20), (0, 3), (1, 40))
    )
    sizes = {
        "num_kv_pairs": pairs,
        "num_keys": pairs + keys,
        "num_values": pairs + values,
        "first_key": first,
        "vocab_size": first + 2 * pairs + keys + values + unused,
        "input_seq_len": 2 * pairs + tail,
    }
    assert not accepted(frozen_text(name), sizes, {})  # its keys reach as far as eight pairs
    assert answered(accepted(frozen_text(name), sizes, {"reach": 2 * pairs}))


@pytest.mark.parametrize(("pairs", "holds"), [(32, True), (33, False)])
def test_two_states_over_zoology_s_1024_tokens_hold_32_pairs_in_float32(pairs, holds):
    """511 keys: 2 num_kv_pairs K^2 is below 2^24, or not."""
    sizes = {"vocab_size": 1024, "first_key": 1, "num_keys": 511, "num_values": 512}
    sizes |= {"input_seq_len": 200, "num_kv_pairs": pairs}
    text = forged(TWO_STATES, sizes, {"reach": 2 * pairs})
    if holds:
        assert alone.check(text)
        assert answered(text)
    else:
        with pytest.raises(ValueError, match="'exact' is not shown"):
            alone.check(text)


@ROBUST
def test_queries_without_room_or_more_pairs_than_keys_are_refused(name):
    for sizes, reason in (({"input_seq_len": 16}, "room for a query"), ({"num_keys": 7}, "enough keys")):
        with pytest.raises(ValueError, match=reason):
            alone.check(forged(name, sizes, {}))
