"""The layer that counts, and the language models that stand on it: exact, and how far."""

from dataclasses import replace
from itertools import combinations
from math import isqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.sharpen import sharpened
from mamba_theorems.constructions.mqar import codes as recall_codes
from mamba_theorems.constructions.mqar.selective import REACH, most_queries
from mamba_theorems.constructions.tasks import (
    Vocabulary,
    answers,
    h4_no_query_after_value,
    requeried_mqar,
    zoology_mqar,
)
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.fields import BALL, FLOAT32, FLOAT64

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def right(construction, dtype, batch) -> float:
    found = construction.module(dtype)(torch.from_numpy(batch.tokens)).argmax(-1).numpy()
    return float((found[batch.queries] == batch.targets[batch.queries]).mean())


def counts(construction, dtype, length: int) -> torch.Tensor:
    """What the first layer leaves in the count's coordinate, t = 1 … length."""
    module = construction.module(dtype)
    tokens = torch.zeros((1, length), dtype=torch.long)
    x = module.backbone.embedding(tokens)
    return module.backbone.layers[0](x)[0, :, construction.vocabulary.size]


@DTYPES
def test_the_first_layer_counts_exactly(dtype):
    model = mqar.build("mqar.robust", "language_model", num_kv_pairs=2, vocab_size=16)
    torch.testing.assert_close(counts(model, dtype, 3000), torch.arange(1, 3001, dtype=dtype), rtol=0, atol=0)


@DTYPES
def test_every_norm_gives_the_stream_back_exactly(dtype):
    """One-hot, count up to a million: the norm over them and the anchor is the identity, to the last bit."""
    for vocab_size in (16, 64, 512):
        field, size = (FLOAT32, FLOAT64)[dtype == torch.float64], counting.stream_width(vocab_size)
        x = np.zeros((3, size), dtype=field.dtype)
        x[:, 3], x[:, vocab_size] = 1, (1, 255, 10**6)
        x[:, vocab_size + 1] = counting.anchor(vocab_size)
        normed = semantics.rms_norm(field, x, counting.norm(vocab_size).to(field))
        np.testing.assert_array_equal(normed[:, : vocab_size + 1], x[:, : vocab_size + 1])


def test_a_count_beyond_the_table_s_entry_moves_the_norm():
    """In float64 the norm feels counts beyond r 2^21; up to there it does not."""
    size = counting.stream_width(16)
    longest = counting.longest_count(16, "float64")
    assert longest == isqrt(size * 2**42 - 1)
    assert counting.longest_count(16, "float32") is None
    x = np.zeros((2, size))
    x[:, 3], x[:, 17], x[:, 16] = 1, counting.anchor(16), (longest, 4 * longest)
    inside, outside = semantics.rms_norm(FLOAT64, x, counting.norm(16).to(FLOAT64))[:, 3]
    assert inside == 1
    assert outside != 1


def test_counting_ends_at_the_mantissa():
    """In float32 the count stays at 2^24, so that no context of 2κ = 2^24 tokens would ever close; float64 goes on."""
    length = 2**24 + 3
    for dtype, last in ((torch.float32, 2.0**24), (torch.float64, 2.0**24 + 3)):
        ones = torch.ones((1, 1, length), dtype=dtype)
        rate = torch.zeros((1, 1), dtype=dtype)
        assert ops.selective_scan(ones, ones, rate, ones, ones)[0, 0, -1] == last


def test_an_anchor_too_light_for_its_length_loses_recall():
    """With an anchor of r in place of r 2^48 the norms keep the count below r < 2κ, and weigh keys by their place."""
    batch = zoology_mqar(64, 50, 64, 0, num_kv_pairs=8)
    model = mqar.robust(batch.vocabulary, "language_model", num_kv_pairs=8, choose=recall_codes.two_state_codes)
    name = "backbone.embedding.weight"
    light = {index: 9 if value != 1 else 1 for index, value in model.weights[name].entries.items()}
    norms = {n: replace(w, fill=1) for n, w in model.weights.items() if "norm" in n}
    weights = model.weights | norms | {name: replace(model.weights[name], entries=light)}
    assert right(model, torch.float32, batch) == 1
    assert right(replace(model, weights=weights), torch.float32, batch) < 1


@settings(max_examples=20)
@given(st.integers(-300, 300))
def test_sharp_silu_is_relu_at_integers(n):
    for field in (FLOAT32, FLOAT64):
        x = field.array([counting.SHARP * n])
        assert abs(semantics.silu(field, x)[0] - counting.SHARP * max(n, 0)) <= 2e-109
    with BALL.arithmetic():
        ball = BALL.array([counting.SHARP * n])
        gap = (ball * BALL.sigmoid(ball))[0] - counting.SHARP * max(n, 0)
        assert abs(gap).abs_lower() <= counting.SHARP * BALL.exp(BALL.array([-counting.SHARP]))[0]


# ------------------------------------------------------------------------------------ extension E


@DTYPES
@pytest.mark.parametrize("choose", [recall_codes.one_hot_codes, recall_codes.two_state_codes])
def test_every_key_three_times_and_noise_from_the_values(dtype, choose):
    batch = requeried_mqar(64, 100, 64, 0, num_kv_pairs=8)
    model = mqar.robust(batch.vocabulary, "language_model", num_kv_pairs=8, choose=choose)
    assert (batch.queries.sum(axis=1) == 24).all()
    assert right(model, dtype, batch) == 1


def test_a_language_model_closed_too_late_or_too_early_fails():
    """The context's last pair is stored at 2κ, noise after a first query at 2κ + 2 at the earliest."""
    batch = requeried_mqar(64, 200, 64, 0, num_kv_pairs=8)
    for pairs, exact in ((7, False), (8, True), (9, False), (12, False)):
        model = mqar.robust(batch.vocabulary, "language_model", num_kv_pairs=pairs)
        assert (right(model, torch.float32, batch) == 1) == exact, pairs


def test_two_states_in_a_language_model_need_float64_beyond_their_entry():
    """2K² ≤ 2^24 up to K = 2896 keys, where float32 answers for the last two keys; two keys on only float64 does."""
    right_of = {}
    for K, dtype in ((2896, torch.float32), (2898, torch.float32), (2898, torch.float64)):
        vocabulary = Vocabulary(2902, range(K), range(K, K + 2), filler=2901)
        model = mqar.robust(vocabulary, "language_model", num_kv_pairs=2, choose=recall_codes.two_state_codes)
        tokens = torch.tensor([[q, K + 1, other, K, 2901, q] for q, other in ((K - 1, K - 2), (K - 2, K - 1))])
        right_of[K, dtype] = bool((model.module(dtype)(tokens)[:, -1].argmax(-1) == K + 1).all())
    assert right_of == {(2896, torch.float32): True, (2898, torch.float32): False, (2898, torch.float64): True}


# ------------------------------------------------------------------------------------ extension I


@DTYPES
def test_one_state_without_a_gate_recalls_in_a_language_model(dtype):
    batch = requeried_mqar(32, 50, 40, 1, num_kv_pairs=4)
    model = mqar.build("mqar.n1-delta-gate", "language_model", num_kv_pairs=4, vocab_size=32)
    assert model.hyperparameters["d_state"] == 1
    assert right(model, dtype, batch) == 1


def test_without_positions_a_query_behind_a_value_is_no_query():
    """Zoology's first query may stand right behind the context: exactly those sequences can fail (H4)."""
    batch = zoology_mqar(16, 200, 32, 0, num_kv_pairs=4, random_non_queries=False)
    block = mqar.build("mqar.n1-delta-gate", "official", num_kv_pairs=4, vocab_size=16, vocabulary=batch.vocabulary)
    found = block.module(torch.float64)(torch.from_numpy(batch.tokens)).argmax(-1).numpy()
    wrong = ((found != batch.targets) & batch.queries).any(axis=1)
    keeps = np.array([h4_no_query_after_value(tokens, batch.vocabulary, 4) is None for tokens in batch.tokens])
    assert wrong.any()
    assert not wrong[keeps].any()


@pytest.mark.parametrize(("dtype", "name"), [(torch.float32, "float32"), (torch.float64, "float64")])
def test_the_range_of_the_dtype_is_the_number_of_queries(dtype, name):
    """κ = 8: the block asked is stored · ρ^(Q − 1); right up to the table's number of queries, wrong far beyond."""
    kappa, most = 8, most_queries(8, name, language_model=True)
    vocabulary = Vocabulary.paper(kappa, 3)
    context = [token for key in range(kappa) for token in (key, kappa + (key > 0))]
    model = mqar.build("mqar.n1-delta-gate", "language_model", num_kv_pairs=kappa, vocab_size=11, vocabulary=vocabulary)
    found = {}
    for queries in (most, 2 * most):
        tokens = np.array([[*context, *([1] * (queries - 1)), 0]])
        right_answer = answers(tokens, vocabulary, kappa)[0, -1]
        found[queries] = int(model.module(dtype)(torch.from_numpy(tokens))[0, -1].argmax()) == right_answer
    assert found == {most: True, 2 * most: False}


def test_the_reach_of_the_timed_form_is_its_longest_sequence():
    """At t = 2κ + 2^15 + 2 every token is taken for every key: all blocks shrink alike, and recall is gone."""
    vocabulary = Vocabulary.paper(2, 3)
    model = mqar.build("mqar.n1-delta-gate", "language_model", num_kv_pairs=2, vocab_size=5, vocabulary=vocabulary)
    module = model.module(torch.float64)
    for length, exact in ((REACH - 10, True), (REACH + 300, False)):
        tokens = torch.tensor([[0, 2, 1, 3, *([4] * length), 0, 4, 1]])
        found = module(tokens)[0, [-3, -1]].argmax(-1).tolist()
        assert (found == [2, 3]) == exact


ORDERS = ((5, 6, 7), (7, 5, 6), (6, 7, 5))


def differences(block, weights: dict[str, np.ndarray]) -> np.ndarray:
    """(orders, d) in balls: how far the last query's output moves where k1 stores another value."""
    rows = BALL.array(np.random.default_rng(1).integers(-3, 4, (11, 6)))
    exact = {name: BALL.array(weight) for name, weight in weights.items()}
    outputs = []
    for value in (1, 2):
        context = [5, value, 6, 2, 7, 3]
        tails = [[token for key in order for token in (10, 10, 10, key)] for order in ORDERS]
        options = {"activation": "identity", "delta_activation": "softplus"}
        outputs.append(np.stack([block(BALL, exact, rows[context + tail], **options)[-1] for tail in tails]))
    with BALL.arithmetic():
        return outputs[0] - outputs[1]


def minors(matrix: np.ndarray) -> list:
    """All 2 × 2 determinants."""
    with BALL.arithmetic():
        return [
            matrix[i, k] * matrix[j, m] - matrix[i, m] * matrix[j, k]
            for i, j in combinations(range(matrix.shape[0]), 2)
            for k, m in combinations(range(matrix.shape[1]), 2)
        ]


@pytest.mark.parametrize("seed", range(3))
def test_mamba2_steps_commute_so_that_every_order_of_queries_reads_one_state(seed):
    """N = 1: whichever key is asked last, what the context stored is one and the same vector times C, a number.

    So κ queries read one number of the state, and N ≥ κ holds again (mqar.n-lower-bound): extension I has no Mamba-2
    form. Mamba-1's step follows its convolution, and the orders differ.
    """
    rng = np.random.default_rng(seed)

    def random(*shape: int) -> np.ndarray:
        return rng.integers(-4, 5, shape) / 8

    taps = {name: random(d, 4) for name, d in (("x_conv.weight", 4), ("B_conv.weight", 1), ("C_conv.weight", 1))}
    maps = {"x.weight": random(4, 6), "B.weight": random(1, 6), "C.weight": random(1, 6)}
    mamba2 = {**maps, **taps, "delta.weight": random(2, 6), "delta.bias": random(2), "A": -np.ones(2)}
    square = {"delta.weight": random(6, 6), "delta.bias": random(6), "A": -np.ones((6, 1))}
    mamba1 = {"conv.weight": random(6, 4), "B.weight": random(1, 6), "C.weight": random(1, 6), **square}
    parallel = minors(differences(semantics.paper_mamba2, mamba2))
    assert all(minor.contains(0) and minor.rad() < 2.0**-60 for minor in parallel)
    assert not all(minor.contains(0) for minor in minors(differences(semantics.paper_mamba, mamba1)))


@pytest.mark.parametrize("target", ["paper_mamba2", "official_mamba2", "mamba2_language_model"])
def test_mamba2_says_why_it_has_no_selective_step_for_recall(target):
    with pytest.raises(ValueError, match="its factors commute"):
        mqar.build("mqar.n1-delta-gate", target, num_kv_pairs=2, vocab_size=6, vocabulary=Vocabulary.zoology(6))


def test_a_sharpened_mixer_is_the_relu_mixer_in_other_units():
    """Its channels are 256 times as large."""
    description = mqar.build("mqar.robust", "paper", num_kv_pairs=2, vocab_size=5).description
    sharp = sharpened(description)
    assert sharp.activation == "silu"
    assert set(sharp.embedding.coefficients.values()) == {
        counting.SHARP * value for value in description.embedding.coefficients.values()
    }
