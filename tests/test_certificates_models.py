"""Certificates of N = 2 and of Theorem 4 in official blocks: what they take for granted, what they must refuse."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neighbouring_keys import margins_in_scores

import check_certificate as alone
from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.exact import FIELD_OF_DTYPE as FIELD
from mamba_theorems.constructions.compiler.sharpen import LOUD, amplified
from mamba_theorems.constructions.tasks import answers
from mamba_theorems.kernels.confined import softplus
from mamba_theorems.verify.certify import catalogue, tensors
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.layout import Entries, tensor
from mamba_theorems.verify.certify.term import the
from mamba_theorems.verify.checks.mqar.recall import least_margins

TWO, ONE, SIGNS = "mqar.n2-distinct", "mqar.thm4", "mqar.thm4-jl-amended"
MODELS = ("language_model", "mamba2_language_model")
SMALL = {"vocab_size": 64, "input_seq_len": 64, "num_kv_pairs": 8}
LARGE = {"vocab_size": 1024, "input_seq_len": 4096, "num_kv_pairs": 64}


@cache
def network(claim: str, target: str, vocab_size: int, pairs: int):
    return mqar.build(claim, target, num_kv_pairs=pairs, vocab_size=vocab_size)


def made(claim: str, target: str, sizes: dict, dtype: str = "float32", **changes):
    """The certificate, of weights changed by the end of their name."""
    return Request(claim, target, dtype, sizes, {name.replace("__", "."): c for name, c in changes.items()}).make()


# ------------------------------------------------------------------------------- N = 2: what must not round


@pytest.mark.parametrize("target", MODELS)
def test_two_states_in_float32_keep_the_certified_margin_among_neighbouring_keys_of_1024_tokens(target):
    certificate = made(TWO, target, LARGE)
    built = network(TWO, target, 1024, 64)
    keys, values, rng = np.array(built.vocabulary.keys), np.array(built.vocabulary.values), np.random.default_rng(0)
    for chosen in (keys[-64:], keys[-128::2], rng.permutation(keys)[:64]):
        pairs = np.stack([rng.permutation(chosen), rng.permutation(values)[:64]], 1).ravel()
        tokens = np.concatenate([pairs, np.sort(chosen)])
        targets = answers(tokens[None], built.vocabulary, 64)[0, -64:]
        found = margins_in_scores(built, tokens, slice(-64, None), targets)
        assert found.min() >= float(certificate["enclosures"]["margin"][0]) > 0.3


@pytest.mark.parametrize("target", ["official", "language_model"])
def test_two_states_in_float32_are_the_integers_of_the_closed_form(target):
    """Bit by bit where nothing is normed: no function of the block rounds."""
    built = network(TWO, target, 512, 8)
    keys, values = list(built.vocabulary.keys)[-8:], list(built.vocabulary.values)[-8:]
    tokens = np.array([*np.stack([keys, values], 1).ravel(), *keys])
    logits = built.module(torch.float32)(torch.from_numpy(tokens)[None])[0, -8:, values].double().numpy()
    K = np.arange(8) + len(built.vocabulary.keys) - 7 if target == "language_model" else np.arange(1, 9)
    scores = len(built.vocabulary.keys) ** 2 + K[:, None] ** 2 - (K[:, None] - K) ** 2
    if target == "official":
        np.testing.assert_array_equal(logits, scores)
    else:
        assert (logits.argmax(1) == np.arange(8)).all()


@pytest.mark.parametrize("target", MODELS)
@pytest.mark.parametrize("weight", ["in_proj__weight", "dt_proj__bias"])
def test_codes_gates_and_steps_that_elementary_functions_round_get_no_certificate(target, weight):
    """A quarter of 64: sigmoid(16) is less than 1, softplus(16) more than 16."""
    name = weight if weight == "in_proj__weight" or "mamba2" not in target else "dt_bias"
    with pytest.raises(Undecided, match="logarithm" if weight == "in_proj__weight" else "softplus") as caught:
        made(TWO, target, SMALL, **{name: lambda w: w / 4})
    assert not isinstance(caught.value, Disproved)


@pytest.mark.parametrize("target", MODELS)
def test_the_codes_by_preimages_of_small_integers_are_not_laid_out(target):
    honest = catalogue.subject(TWO, target)
    plain = mqar.build("mqar.thm3-step1", target, num_kv_pairs=8, vocab_size=64)
    with pytest.raises(NotLaidOut):
        make(replace(honest, tensors=lambda sizes, dtype: tensors.shipped(plain.weights, dtype)), SMALL, "float32")


@pytest.mark.parametrize("target", MODELS)
def test_two_states_that_are_read_with_the_other_sign_are_disproved(target):
    with pytest.raises(Disproved, match="margin"):
        made(TWO, target, SMALL, out_proj__weight=np.negative)


@pytest.mark.parametrize("target", MODELS)
def test_more_keys_than_a_float32_tells_apart_are_undecided_and_float64_tells_them(target):
    wide = LARGE | {"vocab_size": 2048}
    with pytest.raises(Undecided, match="margin") as caught:
        made(TWO, target, wide)
    assert not isinstance(caught.value, Disproved)
    assert made(TWO, target, wide, "float64")["closing"]


def test_what_has_a_bias_or_a_gate_is_not_amplified():
    for description in (
        network(ONE, "official", 12, 4).description,
        network("mqar.thm2-step1", "paper", 8, 4).description,
    ):
        with pytest.raises(ValueError, match="sharpen this mixer"):
            amplified(description)


# ------------------------------------------------------------------------------------ what is taken for granted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silu_and_softplus_give_back_what_is_64_or_more(dtype):
    x = torch.cat([torch.arange(LOUD, 5000), torch.linspace(63.99, 3e8, 4096)]).to(dtype)
    array = x.numpy()
    field = FIELD[dtype]
    for found in (torch.nn.functional.silu(x), x * torch.sigmoid(x), x / (1 + torch.exp(-x)), softplus(x)):
        assert torch.equal(found, x)
    assert torch.equal(torch.nn.functional.softplus(x), x)
    for found in (array * field.sigmoid(array), field.softplus(array)):
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("vocab_size", [64, 100, 1023])
def test_a_norm_gives_one_hot_tokens_one_number_at_every_position(dtype, vocab_size):
    built = network("mqar.thm2-step1", "language_model", vocab_size, 4)
    norm = built.module(dtype).get_submodule("backbone.layers.0.norm")
    tokens = torch.cat([torch.arange(vocab_size), torch.arange(vocab_size).flip(0)[:77]])
    found = norm(torch.eye(vocab_size, dtype=dtype)[tokens][None])[0]
    assert len(set(found[torch.arange(len(tokens)), tokens].tolist())) == 1


# --------------------------------------------------------------------------------- Theorem 4: only pairs pass


@pytest.mark.parametrize("claim", [ONE, SIGNS])
@pytest.mark.parametrize("target", ["official", "language_model"])
def test_keys_after_themselves_and_long_noise_leave_theorem_4_its_certified_margin(claim, target):
    sizes = {"vocab_size": 24, "input_seq_len": 700, "num_kv_pairs": 4}
    enclosures = made(claim, target, sizes)["enclosures"]
    built = network(claim, target, 24, 4)
    keys, values = list(built.vocabulary.keys)[:4], list(built.vocabulary.values)
    context = np.stack([keys, values[:4]], 1).ravel()
    tails = ([keys[2]] * 600, values[4:] * 40 + [keys[1], keys[1], keys[0], keys[3]], keys * 100)
    for tail in tails:
        tokens = np.array([*context, *tail])[None]
        with torch.no_grad():
            found = built.module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
        margin = least_margins(found, answers(tokens, built.vocabulary, 4))[0]
        scale = float(enclosures["final"][0])
        assert margin >= float(enclosures["margin"][0]) * scale > 0
        assert target != "official" or margin <= float(enclosures["margin"][1])


@pytest.mark.parametrize("target", ["official", "language_model"])
@pytest.mark.parametrize(
    "change",
    [
        {"conv1d__bias": lambda bias: np.where(bias < 0, bias * 2 / 3, bias)},  # a key alone is at 0: it leaks
        {"conv1d__weight": np.abs},  # a key after itself passes
        {"conv1d__bias": lambda bias: np.where(bias < 0, bias * 4 / 3, bias)},  # a pair is at 0
    ],
)
def test_thresholds_that_let_more_or_less_than_pairs_pass_get_no_certificate(target, change):
    with pytest.raises(Undecided) as caught:
        made(ONE, target, SMALL, **change)
    assert not isinstance(caught.value, NotLaidOut)


@pytest.mark.parametrize("claim", [ONE, SIGNS])
def test_a_language_model_of_theorem_4_read_with_the_other_sign_is_disproved(claim):
    with pytest.raises(Disproved, match="margin"):
        made(claim, "language_model", SMALL, out_proj__weight=np.negative)


# ------------------------------------------------------------------------------------ entries that repeat


@st.composite
def layouts(draw):
    """A layout with repeated entries, and the tensor that it says."""
    rows, columns, step, times = (draw(st.integers(1, 4)) for _ in range(4))
    stride, start, number = draw(st.integers(0, 7)), draw(st.integers(0, 3)), draw(st.integers(-3, 3))
    place = start + (step * the.i + the.j)
    entries = (Entries(rows, columns, place, number, times, stride), Entries(2, 1, the.i, 2))
    size = start + 3 * step + 4 + 3 * stride + 3
    expected = np.zeros(size)
    for i in range(rows):
        for j in range(columns):
            for n in range(times):
                expected[start + step * i + j + n * stride] += number
    expected[:2] += 2
    return tensor((size,), 0, *entries), expected


@given(layouts())
def test_a_repeated_entry_is_laid_out_as_often_as_it_says(case):
    layout, expected = case
    (part,) = tensors.laid_out(layout, {})
    found = np.zeros(part.size)
    found[part.places] = part.numbers
    np.testing.assert_array_equal(found, expected)
    assert tensors.digest(layout, {}) == alone.tensor_digest(layout.json(), {}, "float32")


@given(st.integers(1, 5), st.integers(0, 9))
def test_the_digest_tells_how_often_and_how_far_apart(times, stride):
    def layout(n: int, far: int):
        return tensor((100,), 0, Entries(3, 1, the.i, 1, n, far))

    def digests(n: int, far: int) -> set[str]:
        return {tensors.digest(layout(n, far), {}), alone.tensor_digest(layout(n, far).json(), {}, "float32")}

    honest = digests(times, stride)
    assert len(honest) == 1
    assert not honest & digests(times + 1, stride)
    assert times == 1 or not honest & digests(times, stride + 1)


def test_a_repetition_beyond_its_tensor_is_refused_by_both():
    layout = tensor((10,), 0, Entries(1, 1, 0, 1, 4, 3), Entries(1, 1, 0, 1, 5, 3))
    with pytest.raises(ValueError, match="outside"):
        tensors.laid_out(layout, {})
    with pytest.raises(ValueError, match="not laid out"):
        alone.tensor_digest(layout.json(), {}, "float32")


def test_a_tensor_with_one_block_less_is_not_laid_out():
    def one_less(weight: np.ndarray) -> np.ndarray:
        row = np.flatnonzero(weight.any(axis=1))[0]
        weight[row, np.flatnonzero(weight[row])[-1]] = 0
        return weight

    with pytest.raises(NotLaidOut):
        made(ONE, "language_model", SMALL, out_proj__weight=one_less)


def test_the_margin_of_theorem_4_is_the_closed_form_s():
    for claim in (ONE, SIGNS):
        low, high = map(Fraction, made(claim, "official", SMALL)["enclosures"]["margin"])
        ideal = Fraction(str(network(claim, "official", 64, 8).closed_form.margins["every query"]))
        assert low <= ideal <= high
        assert high - low < ideal / 1000


def test_the_language_models_are_frozen_at_1024_tokens():
    found = {(e.claim, e.target) for e in catalogue.frozen() if e.sizes == LARGE and e.dtype == "float32"}
    assert {(TWO, target) for target in MODELS} | {(ONE, MODELS[0]), (SIGNS, MODELS[0])} <= found
    assert Request(ONE, MODELS[0], "float32", LARGE) in list(catalogue.frozen())
