"""Certificates: their arguments describe the networks they are about, on the kernels and in exact arithmetic."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.exact import FIELD_OF_DTYPE as FIELD
from mamba_theorems.constructions.haar import full_basis, keep_nth, mamba1_haar
from mamba_theorems.constructions.induction_heads import answers as answers_of_heads
from mamba_theorems.constructions.induction_heads import lemma3, lone_write, repeated
from mamba_theorems.constructions.induction_heads import plain_s6 as plain_s6_head
from mamba_theorems.constructions.tasks import answers
from mamba_theorems.kernels.fields import BALL, RATIONAL
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.haar import keep, mamba1
from mamba_theorems.verify.certify.induction_heads import plain
from mamba_theorems.verify.certify.mqar import codes, products
from mamba_theorems.verify.certify.tensors import DTYPES
from mamba_theorems.verify.checks.mqar.recall import least_margins

ADJACENT, SAME_VALUE, SAME_KEY, ISOLATED = [1, 0], [2, 0], [0, 0], [0]


def _sequence(num_keys: int, query: list[int], length: int) -> list[int]:
    """Keys 0 … store: 0 → v0, 1 → v1, 2 → v0; noise up to the query, at the end of the sequence."""
    values = [num_keys, num_keys + 1, num_keys, *([num_keys + 1] * (num_keys - 3))]
    context = [token for pair in zip(range(num_keys), values, strict=True) for token in pair]
    return [*context, *([num_keys + 1] * (length - len(context) - len(query))), *query]


@pytest.mark.parametrize("target", ["paper", "official"])
@pytest.mark.parametrize(("query", "right"), [(ADJACENT, "right"), (ISOLATED, "right"), (SAME_KEY, "repeated")])
def test_the_steps_enclose_the_logits_of_the_block_s_definition_and_of_its_kernels(target, query, right):
    sizes = {"vocab_size": 6, "num_kv_pairs": 3, "input_seq_len": 12}
    certificate = Request(mqar.CLAIM, target, "float32", sizes).make()
    bounds = {name: [Fraction(end) for end in ends] for name, ends in certificate["enclosures"].items()}
    network = mqar.build(mqar.CLAIM, target, num_kv_pairs=3, vocab_size=6)
    tokens = np.array(_sequence(3, query, 12))
    field = RATIONAL if target == "paper" else BALL
    shipped = {name: field.array(w.astype(object)) for name, w in network.to(DTYPES["float32"]).items()}
    exact = [_fraction(x) for x in _run(network, field, shipped, tokens)[-1]]
    kernel = [Fraction(float(x)) for x in network.module(torch.float32)(torch.from_numpy(tokens)[None])[0, -1]]
    for logits in (exact, kernel):
        assert bounds[right][0] <= logits[3] <= bounds[right][1]
        assert (bounds["wrong"][0] <= logits[4] <= bounds["wrong"][1]) if query == ADJACENT else logits[4] == 0
        assert all(abs(logits[i]) < Fraction(1, 10**30) for i in (0, 1, 2, 5))
    if query == ADJACENT:
        assert bounds["margin"][0] <= kernel[3] - kernel[4] <= bounds["margin"][1]


def _run(network, field, weights, tokens):
    return replace(network, weights={n: _Given(w) for n, w in weights.items()}).run(field, tokens)


class _Given:
    """A weight that is already a field's array."""

    def __init__(self, array):
        self.array = array

    def to(self, field):
        return self.array


def _fraction(x) -> Fraction:
    return x if isinstance(x, Fraction) else Fraction(float(x.mid()))


@pytest.mark.parametrize("target", ["paper", "official", "language_model"])
def test_the_float32_kernels_answer_long_sequences_with_at_least_the_certified_margin(target):
    pairs, length = 8, 512
    sizes = {"vocab_size": 32, "num_kv_pairs": pairs, "input_seq_len": length}
    certificate = Request(mqar.CLAIM, target, "float32", sizes).make()
    network = mqar.build(mqar.CLAIM, target, num_kv_pairs=pairs, vocab_size=32)
    keys, values = list(network.vocabulary.keys)[:pairs], list(network.vocabulary.values)
    rng, rows = np.random.default_rng(0), []
    for _ in range(4):
        stored = rng.choice(values, pairs)
        context = np.stack([rng.permutation(keys), stored], 1).reshape(-1)
        noise = rng.choice(values, length - 2 * pairs - 40)
        rows.append(np.concatenate([context, noise, rng.choice(keys, 40)]))
    tokens = np.array(rows)
    scores = network.module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
    margins = least_margins(scores, answers(tokens, network.vocabulary, pairs))
    scale = float(certificate["enclosures"]["scale"][0]) if target == "language_model" else 1
    assert (margins >= float(certificate["enclosures"]["margin"][0]) * scale).all()
    if target != "language_model":
        assert margins.min() <= float(certificate["enclosures"]["margin"][1])  # the worst case is met


@pytest.mark.parametrize("n", [1, 5, 40])
def test_keep_s_kernels_answer_every_position_with_at_least_the_certified_margin(n):
    sizes = {"n": n, "vocab_size": 8, "input_seq_len": 48}
    certificate = Request(keep.CLAIM, "official", "float32", sizes).make()
    tokens = np.random.default_rng(n).integers(8, size=(16, 48))
    tokens[0], tokens[1, n - 1] = 3, 7  # one token only; the kept one new
    y = keep_nth(n, 8).on_kernels(tokens, torch.float32)[:, n - 1 :].astype(float)
    right = np.take_along_axis(y, tokens[:, n - 1, None, None].repeat(y.shape[1], 1), axis=-1)[..., 0]
    np.put_along_axis(y, tokens[:, n - 1, None, None].repeat(y.shape[1], 1), -np.inf, axis=-1)
    assert float(certificate["enclosures"]["right"][0]) <= right.min()
    assert right.max() <= float(certificate["enclosures"]["right"][1])
    assert (right - y.max(axis=-1)).min() >= float(certificate["enclosures"]["margin"][0])


def test_induction_heads_on_the_kernels_keep_the_certified_margins():
    certificate = Request(
        "induction.lem3-amended", "paper", "float32", {"num_tokens": 4, "input_seq_len": 96, "w": 16}
    ).make()
    tokens = np.random.default_rng(0).integers(4, size=(12, 96))
    tokens[0], tokens[1] = lone_write(94), [*repeated(48, 47)]  # the longest gap; all the older writes against one
    logits = lemma3(4, 16).module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
    targets = answers_of_heads(tokens, 4)
    margins = least_margins(logits, targets)
    least = min(float(certificate["enclosures"][name][0]) for name in ("margin", "margin_over_blank", "blank"))
    assert margins.min() >= least


@pytest.mark.parametrize(
    ("claim", "target"),
    [(f.claim, t) for f in (*codes.FAMILIES, *products.FAMILIES) for t in f.targets if "model" not in t],
)
def test_recall_s_float32_kernels_keep_the_certified_margin(claim, target):
    pairs, values, length = 6, 18, 96
    sizes = {"vocab_size": pairs + values, "num_kv_pairs": pairs, "input_seq_len": length}
    certificate = Request(claim, target, "float32", sizes).make()
    network = mqar.build(claim, target, num_kv_pairs=pairs, vocab_size=pairs + values)
    rng, rows = np.random.default_rng(0), []
    for _ in range(8):  # distinct values, and no value of the tail behind a key: H1, H2, H3
        pairs_of = np.stack([rng.permutation(pairs), pairs + rng.permutation(values)[:pairs]], 1).reshape(-1)
        tail = rng.permutation(pairs)[:, None].repeat(length, 1).T.reshape(-1)[: length - 2 * pairs]
        rows.append(np.concatenate([pairs_of, tail]))
    tokens = np.array(rows)
    scores = network.module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
    margins = least_margins(scores, answers(tokens, network.vocabulary, pairs))
    norm = 1 if "official_mamba2" not in target else float(certificate["enclosures"]["norm"][0])
    assert margins.min() >= 0.999 * norm * float(certificate["enclosures"]["margin"][0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_haar_coefficients_on_the_kernels_are_within_the_certified_share_of_the_signal(dtype):
    length, bits = 32, {"float32": 16, "float64": 45}[dtype]
    Request(mamba1.BLOCK, "official", dtype, {"length": length, "bits": bits}).make()
    signal = np.random.default_rng(0).uniform(-1, 1, (64, length)).astype(dtype)
    signal[0], signal[1] = 1, [(-1) ** s for s in range(length)]
    network = mamba1_haar(length, full_basis(length))
    found = network.on_kernels(signal, getattr(torch, dtype)).astype(np.longdouble)
    waves = np.stack([w.values(length) for w in network.basis]).astype(np.longdouble)
    error = np.abs(found - signal.astype(np.longdouble) @ waves.T)
    assert (error <= 2.0**-bits * (np.abs(signal) @ np.abs(waves).T) + 2.0**-100).all()
    assert error.max() > 0


@pytest.mark.parametrize("target", plain.TARGETS)
def test_plain_s6_answers_on_the_kernels_up_to_the_certified_gap(target):
    Request(plain.CLAIM, target, "float32", {"num_tokens": 4, "input_seq_len": 112, "gap": 110}).make()
    tokens = np.random.default_rng(0).integers(4, size=(8, 112))
    tokens[0], tokens[1] = lone_write(110), repeated(2, 109)  # the longest gap; an older write against the latest
    logits = plain_s6_head(4, target).module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
    assert (least_margins(logits, answers_of_heads(tokens, 4)) > 0).all()


@pytest.mark.parametrize("target", plain.TARGETS)
def test_plain_s6_is_undecided_beyond_the_normal_numbers_never_disproved(target):
    with pytest.raises(Undecided) as caught:
        Request(plain.CLAIM, target, "float32", {"num_tokens": 4, "input_seq_len": 200, "gap": 130}).make()
    assert not isinstance(caught.value, Disproved)


def test_a_haar_coefficient_cannot_be_certified_below_its_rounding():
    with pytest.raises(Undecided):
        Request(mamba1.BLOCK, "official", "float32", {"length": 32, "bits": 24}).make()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exp_and_sigmoid_are_one_where_they_are_within_a_quarter_of_the_unit_roundoff(dtype):
    unit = torch.finfo(dtype).eps / 2
    small = torch.logspace(-60, 0, 4096, base=2, dtype=torch.float64).to(dtype) * (unit / 4)
    large = torch.linspace(0, 700, 4096, dtype=dtype) - math.log(unit / 4) + 1e-6
    array = small.numpy()
    for found in (
        torch.exp(-small),
        torch.exp(small),
        np.exp(-array),
        torch.sigmoid(large),
        FIELD[dtype].sigmoid(large.numpy()),
    ):
        assert (np.asarray(found) == 1).all()


@pytest.mark.parametrize("change", [{"dt_proj.bias": 300}, {"dt_proj.bias": -200}, {"x_proj.weight": -1}])
def test_a_gate_at_the_wrong_time_or_with_the_wrong_sign_gets_no_certificate(change):
    honest = catalogue.subject(keep.CLAIM, "official")
    ((name, shift),) = change.items()

    def tensors(sizes, dtype):
        found = dict(honest.tensors(sizes, dtype))
        found[name] = found[name] * shift if name == "x_proj.weight" else found[name] + shift
        return found

    with pytest.raises((Undecided, ValueError)):
        make(replace(honest, tensors=tensors), {"n": 5, "vocab_size": 8, "input_seq_len": 48}, "float32")
