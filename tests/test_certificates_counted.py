"""Certificates of language models whose first layer counts: steps enclose the networks, mutants get none."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from neighbouring_keys import margins_in_scores

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import robust
from mamba_theorems.constructions.mqar.codes import one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary, requeried_mqar
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.mqar import robust_model
from mamba_theorems.verify.certify.tensors import DTYPES
from mamba_theorems.verify.checks.mqar.recall import least_margins

CLAIM = "mqar.robust"
CODES = {robust_model.ONE_HOT: one_hot_codes, robust_model.TWO_STATES: two_state_codes}
TARGETS = pytest.mark.parametrize("target", list(CODES))
SMALL = {"vocab_size": 64, "input_seq_len": 64, "num_kv_pairs": 8}
TINY = {"vocab_size": 8, "input_seq_len": 12, "num_kv_pairs": 2}


@cache
def network(target: str, vocab_size: int, num_kv_pairs: int) -> Construction:
    vocabulary = Vocabulary.zoology(vocab_size)
    return robust(vocabulary, "language_model", num_kv_pairs=num_kv_pairs, choose=CODES[target])


def bounds(target: str, sizes: dict, dtype: str = "float32") -> dict[str, tuple[float, float]]:
    certificate = Request(CLAIM, target, dtype, sizes).make()
    return {name: tuple(map(float, map(Fraction, ends))) for name, ends in certificate["enclosures"].items()}


@TARGETS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernels_keep_the_certified_margin_whatever_the_tail(target, dtype):
    found, batch = (
        bounds(target, SMALL, str(dtype).removeprefix("torch.")),
        requeried_mqar(64, 60, 64, 0, num_kv_pairs=8),
    )
    logits = network(target, 64, 8).module(dtype)(torch.from_numpy(batch.tokens)).double().numpy()
    least = found["margin"][0] * found["factor"][0] * found["normed"][0]
    margins = least_margins(logits, np.where(batch.queries, batch.targets, -100))
    assert margins.min() >= least > 0.9
    if target == robust_model.ONE_HOT:
        assert margins.min() <= found["factor"][1] * found["normed"][1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_count_is_within_the_certified_unit(dtype):
    found = bounds(robust_model.ONE_HOT, {**SMALL, "input_seq_len": 4096}, str(dtype).removeprefix("torch."))
    model = network(robust_model.ONE_HOT, 64, 8).module(dtype)
    tokens = torch.from_numpy(np.random.default_rng(0).integers(64, size=(1, 4096)))
    x = model.backbone.layers[0](model.backbone.embedding(tokens))
    quotient = x[0, :, 64].double().numpy() / np.arange(1, 4097)
    assert found["unit"][0] <= quotient.min()
    assert quotient.max() <= found["unit"][1]


TAIL = [5, 1, 6, 1, 6, 2, 1]
"""Value 5, then each key behind other values: (1, 6) would be a second pair of key 1."""


@TARGETS
def test_in_balls_the_shipped_weights_answer_within_the_enclosures(target):
    """In exact arithmetic on the float32 weights: the right logit, the others, and a late write's trace."""
    found, model = bounds(target, TINY), network(target, 8, 2)
    weights = {name: BALL.array(w.astype(object)) for name, w in model.to(DTYPES["float32"]).items()}
    logits = replace(model, weights={n: _Given(w) for n, w in weights.items()}).run(BALL, np.array([1, 4, 2, 5, *TAIL]))
    scores = {"language_model": {1: 1, 2: 1}, "two_state_language_model": {1: 10, 2: 13}}[target]
    for at, (query, right) in {5: (1, 4), 9: (2, 5), 10: (1, 4)}.items():
        answer = float(logits[at, right].mid()) / scores[query]
        assert found["factor"][0] * found["normed"][0] <= answer <= found["factor"][1] * found["normed"][1]
        others = [float(logits[at, w].mid()) for w in range(8) if w != right]
        assert float(logits[at, right].mid()) - max(others) >= found["margin"][0] * found["factor"][0] * 0.999
    assert 0 < logits[10, 6] < found["stray"][1]


class _Given:
    """A weight that is already a field's array."""

    def __init__(self, array):
        self.array = array

    def to(self, field):
        return self.array


def changed(target: str, change: dict, sizes: dict = SMALL):
    """Make the certificate of a network some of whose weights, by the end of their name, are changed."""
    honest = catalogue.subject(CLAIM, target)

    def tensors(sizes, dtype):
        found = dict(honest.tensors(sizes, dtype))
        for ending, tamper in change.items():
            names = [name for name in found if name.endswith(ending)]
            assert names
            found |= {name: tamper(found[name].copy()) for name in names}
        return found

    return make(replace(honest, tensors=tensors), sizes, "float32")


def moved(positions: int):
    """The threshold so many positions later."""
    return lambda bias: np.where(bias != 0, bias - 256 * positions, 0).astype(bias.dtype)


def scaled(factor: float):
    return lambda weight: weight * np.float32(factor)


MUTANTS = {
    "open one more pair": {"layers.1.mixer.conv1d.bias": moved(2)},
    "open one position more": {"layers.1.mixer.conv1d.bias": moved(1)},
    "closed one pair early": {"layers.1.mixer.conv1d.bias": moved(-2)},
    "closed at the last pair": {"layers.1.mixer.conv1d.bias": moved(-1)},
    "the step never closes": {"layers.1.mixer.dt_proj.bias": scaled(3)},
    "the step opens": {"layers.1.mixer.dt_proj.weight": np.negative},
    "count twice as fast": {"layers.0.mixer.out_proj.weight": scaled(2)},
    "count forgets": {"layers.0.mixer.A_log": scaled(0)},
    "an anchor of its own size": {"embedding.weight": lambda e: np.minimum(e, 1)},
    "the state forgets": {"layers.1.mixer.A_log": scaled(0)},
    "the first layer writes the state's step": {"layers.0.mixer.dt_proj.weight": lambda w: w + 1},
    "the head reads keys": {"lm_head.weight": lambda w: np.roll(w, 1, axis=0)},
}


@TARGETS
@pytest.mark.parametrize("name", MUTANTS)
def test_a_network_whose_worst_case_is_wrong_gets_no_certificate(target, name):
    with pytest.raises((Undecided, NotLaidOut)):
        changed(target, MUTANTS[name])


@TARGETS
def test_a_negated_readout_is_disproved(target):
    with pytest.raises(Disproved, match="margin"):
        changed(target, {"layers.1.mixer.out_proj.weight": np.negative})


@TARGETS
def test_a_threshold_less_than_half_a_position_off_still_holds(target):
    """Up to there every input is answered rightly: the mutants are refused for what they do, not for being others."""
    for part in (-0.5, 0.25):
        weights = changed(target, {"layers.1.mixer.conv1d.bias": moved(part)})["weights"]
        assert weights != Request(CLAIM, target, "float32", SMALL).make()["weights"]


def test_two_states_need_float64_where_keys_are_many():
    """Scores up to 2 K^2 that differ by 1: beyond 600 keys a dozen roundings may outweigh that in float32."""
    sizes = {"vocab_size": 2048, "input_seq_len": 4096, "num_kv_pairs": 64}
    with pytest.raises(Undecided, match="margin") as caught:
        Request(CLAIM, robust_model.TWO_STATES, "float32", sizes).make()
    assert not isinstance(caught.value, Disproved)
    assert Request(CLAIM, robust_model.TWO_STATES, "float64", sizes).make()["closing"]


def test_two_states_in_float32_keep_the_certified_margin_among_neighbouring_keys_of_1024_tokens():
    sizes = {"vocab_size": 1024, "input_seq_len": 4096, "num_kv_pairs": 64}
    least, model = bounds(robust_model.TWO_STATES, sizes)["margin"][0], network(robust_model.TWO_STATES, 1024, 64)
    keys, values, rng = np.array(model.vocabulary.keys), np.array(model.vocabulary.values), np.random.default_rng(0)
    chosen, stored = rng.permutation(keys[-64:]), rng.permutation(values)[:64]
    order = np.argsort(chosen)
    tail = np.stack([chosen[order], rng.choice(values, 64)], 1).ravel()
    tokens = np.concatenate([np.stack([chosen, stored], 1).ravel(), tail])
    assert margins_in_scores(model, tokens, slice(128, None, 2), stored[order]).min() >= least > 0.3


def gates_of_16(weight):
    """The gate's rows of in_proj a 16th as large."""
    half = len(weight) // 2
    return np.concatenate([weight[:half], weight[half:] / 16]).astype(weight.dtype)


def test_two_states_whose_elementary_functions_round_get_no_certificate():
    """A 16th of 256: sigmoid(16) is less than 1, softplus(16) more than 16."""
    with pytest.raises(Undecided, match="softplus") as caught:
        changed(robust_model.TWO_STATES, {"layers.1.mixer.dt_proj.bias": scaled(1 / 16)})
    assert not isinstance(caught.value, Disproved)
    with pytest.raises(Undecided, match="logarithm") as caught:
        changed(robust_model.TWO_STATES, {"layers.1.mixer.in_proj.weight": gates_of_16})
    assert not isinstance(caught.value, Disproved)


def test_a_length_at_which_the_count_may_be_a_position_off_is_undecided():
    entry = Request(CLAIM, robust_model.ONE_HOT, "float32", SMALL)
    longest = catalogue.longest(entry)
    assert longest > 2**16
    with pytest.raises(Undecided):
        replace(entry, sizes={**SMALL, "input_seq_len": longest + 1}).make()
