"""Certificates of extension E in the paper's block, alone and over two states: exact where they say, and no further."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import robust
from mamba_theorems.constructions.mqar.codes import RecallCodes, one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary, answers
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.mqar.robust import ONE_HOT, TWO_STATES
from mamba_theorems.verify.certify.tensors import shipped
from mamba_theorems.verify.checks.mqar.recall import least_margins

CLAIM = "mqar.robust"
CODES = {ONE_HOT: one_hot_codes, TWO_STATES: two_state_codes}
TARGETS = pytest.mark.parametrize("target", list(CODES))
SMALL = {"vocab_size": 64, "input_seq_len": 64, "num_kv_pairs": 8}
LARGE = {"vocab_size": 1024, "input_seq_len": 4096, "num_kv_pairs": 64}
MOST = 203
"""Pairs of the paper's vocabulary whose integers float32 holds: 2 * 203^3 < 2^24."""


@cache
def network(target: str, vocab_size: int, pairs: int) -> Construction:
    return robust(Vocabulary.paper(pairs, vocab_size - pairs), "paper", num_kv_pairs=pairs, choose=CODES[target])


def made(target: str, sizes: dict, dtype: str = "float32", **changes):
    """The certificate, of weights changed by the end of their name."""
    changed = {name.replace("__", "."): change for name, change in changes.items()}
    return Request(CLAIM, target, dtype, sizes, changed).make()


def bounds(target: str, sizes: dict, dtype: str = "float32") -> dict[str, tuple[Fraction, Fraction]]:
    enclosures = made(target, sizes, dtype)["enclosures"]
    return {name: (Fraction(low), Fraction(high)) for name, (low, high) in enclosures.items()}


def sequences(pairs: int, vocab_size: int, length: int, count: int = 8) -> np.ndarray:
    """Distinct values; each key asked behind itself, behind others' values and before others' values (H2 broken)."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(count):
        keys, values = rng.permutation(pairs), pairs + rng.permutation(vocab_size - pairs)[:pairs]
        tail = np.stack([rng.permutation(keys), rng.choice(values, pairs), rng.permutation(keys)], 1).reshape(-1)
        tail = np.resize(np.concatenate([keys[:3], np.repeat(keys, 2), tail]), length - 2 * pairs)
        rows.append(np.concatenate([np.stack([keys, values], 1).reshape(-1), tail]))
    return np.array(rows)


# --------------------------------------------------------------------------------- what the arguments say holds


@TARGETS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [SMALL, LARGE | {"input_seq_len": 600}], ids=["64", "1024"])
def test_the_kernels_keep_the_certified_margin_whatever_the_tail(target, dtype, sizes):
    vocab_size, length, pairs = sizes.values()
    low, high = bounds(target, sizes, str(dtype).removeprefix("torch."))["margin"]
    built, tokens = network(target, vocab_size, pairs), sequences(pairs, vocab_size, length)
    logits = built.module(dtype)(torch.from_numpy(tokens)).double().numpy()
    margins = least_margins(logits, answers(tokens, built.vocabulary, pairs))
    assert low <= margins.min() <= high  # the worst case is met: neighbouring keys


@TARGETS
def test_the_float32_kernels_give_the_integers_of_the_closed_form_bit_by_bit(target):
    built, tokens = network(target, 40, 12), sequences(12, 40, 96, count=2)
    logits = built.module(torch.float32)(torch.from_numpy(tokens)).numpy()
    for sequence, found in zip(tokens, logits, strict=True):
        asked = built.vocabulary.is_key(sequence)
        assert (found[asked] == built.expected_logits(RATIONAL, sequence)[asked].astype(float)).all()


def _integers(target: str, tokens: np.ndarray, pairs: int, vocab_size: int) -> dict[str, np.ndarray]:
    """What one sequence makes of x, of B's terms, and of C and the state, by the shipped weights, in integers."""
    weights = {name: w.torch(torch.float64).numpy() for name, w in network(target, vocab_size, pairs).weights.items()}
    weights = {name: w.astype(np.int64) for name, w in weights.items()}
    steps = np.arange(1, len(tokens) + 1)[:, None]
    x = weights["embedding.weight"][tokens] + steps * weights["position.weight"]
    late = np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    x = late * weights["mixer.conv.weight"][:, 0] + x * weights["mixer.conv.weight"][:, 1] + weights["mixer.conv.bias"]
    x = np.maximum(x, 0)
    terms = x[:, None, :] * weights["mixer.B.weight"]
    B, C = terms.sum(-1), x @ weights["mixer.C.weight"].T
    state = np.cumsum(x[:, :, None] * B[:, None, :], axis=0)
    return {"x": x, "terms": terms, "B": B, "C": C, "state": state, "head": weights["head.weight"]}


def _largest(*parts: np.ndarray) -> int:
    return max(int(np.abs(part).max()) for part in parts)


@pytest.mark.parametrize(("pairs", "vocab_size", "length"), [(8, 64, 64), (2, 5, 12), (24, 64, 128)])
def test_no_number_on_the_way_to_a_logit_is_larger_than_stated_and_the_others_are_finite(pairs, vocab_size, length):
    found = bounds(TWO_STATES, {"vocab_size": vocab_size, "input_seq_len": length, "num_kv_pairs": pairs})
    tokens = sequences(pairs, vocab_size, length, count=1)[0]
    tokens[: 2 * pairs : 2] = np.arange(pairs)  # the first key, of the largest code, is stored at the first position
    n = _integers(TWO_STATES, tokens, pairs, vocab_size)
    read = n["head"].any(axis=0)
    products = n["C"][:, None, :] * n["state"]
    largest = max(_largest(n["terms"][1:], np.cumsum(n["terms"][1:], -1), products[:, read]), length)
    assert largest == max(2 * pairs * (pairs**2 - 1), length) <= found["largest"][1]
    everything = _largest(n["terms"], n["state"], products, products.sum(-1))
    assert largest < everything <= found["unread"][0] / 8


def test_b_is_the_code_of_a_pair_s_key_and_0_after_the_context():
    pairs, vocab_size = 5, 17
    tokens = sequences(pairs, vocab_size, 40, count=1)[0]
    found, codes = _integers(TWO_STATES, tokens, pairs, vocab_size)["B"], two_state_codes(Vocabulary.paper(5, 12))
    expected = [[codes.write(key).get(i, 0) for i in range(2)] for key in tokens[: 2 * pairs : 2]]
    np.testing.assert_array_equal(found[1 : 2 * pairs : 2], expected)
    assert not found[2 : 2 * pairs : 2].any()
    assert not found[2 * pairs :].any()
    np.testing.assert_array_equal(found[0], np.sum([[k, 25 - k * k] for k in range(1, 6)], axis=0))


# ------------------------------------------------------------------------------------------- how far they reach


def test_float32_holds_the_integers_of_203_pairs_and_no_more():
    sizes = {"vocab_size": 1024, "input_seq_len": 512, "num_kv_pairs": MOST}
    assert made(TWO_STATES, sizes)["closing"]
    with pytest.raises(Undecided, match="exact") as caught:
        made(TWO_STATES, sizes | {"num_kv_pairs": MOST + 1})
    assert not isinstance(caught.value, Disproved)
    assert made(TWO_STATES, sizes | {"num_kv_pairs": MOST + 1}, "float64")["closing"]
    assert catalogue.longest(Request(CLAIM, TWO_STATES, "float32", sizes)) == 2**24 - 1


@pytest.mark.parametrize(("pairs", "ties"), [(MOST, False), (MOST + 1, True)])
def test_one_pair_more_ties_where_every_product_is_rounded_before_the_sum(pairs, ties):
    """Key 1 stored at position 1, key 2 asked: the limit is that of an evaluation, not of the argument alone."""
    reach, code = 2 * pairs, pairs**2 - 1
    second = np.float32(code) * np.float32(reach) - np.float32(code) * np.float32(reach - 1)
    score_of_1 = np.float32(4) * np.float32(1) + second
    score_of_2 = np.float32(pairs**2 + 4)
    assert (score_of_1 == score_of_2) == ties
    assert score_of_1 == score_of_2 - (not ties)


def test_203_pairs_are_answered_among_neighbouring_keys_in_float32():
    built, keys = network(TWO_STATES, 2 * MOST + 2, MOST), np.arange(MOST)
    for order in (keys, keys[::-1]):
        tokens = np.concatenate([np.stack([order, MOST + keys], 1).reshape(-1), keys])[None]
        with torch.no_grad():
            logits = built.module(torch.float32)(torch.from_numpy(tokens)).double().numpy()
        assert least_margins(logits, answers(tokens, built.vocabulary, MOST)).min() == 1


# -------------------------------------------------------------------------------------------- what gets none


def reaching(reach: int):
    """Keys that open for so many positions."""

    def change(weight: np.ndarray) -> np.ndarray:
        weight[:, :16] *= np.float32(reach / 16)
        return weight

    return change


MUTANTS = {
    "open one pair more": {"embedding__weight": reaching(18)},
    "closed one pair early": {"embedding__weight": reaching(14)},
    "closed one position early": {"embedding__weight": reaching(15)},
    "a key's code twice": {"embedding__weight": lambda w: np.where(w == 1, 2, w)},
    "positions count up": {"position__weight": np.negative},
    "positions count by halves": {"position__weight": lambda w: w / 2},
    "no threshold": {"conv__bias": np.zeros_like},
    "open two wide": {"conv__bias": lambda b: 2 * b},
    "looks at the current token": {"conv__weight": lambda w: w[:, ::-1].copy()},
    "never closes": {"B__weight": lambda w: np.maximum(w, 0)},
    "opens twice": {"B__weight": lambda w: np.where(w > 0, 2 * w, w)},
    "writes minus the code": {"B__weight": np.negative},
    "forgets": {"mixer__A": lambda a: a - 1},
    "half a step": {"delta__bias": lambda b: b / 2},
    "a step that depends on a token": {"delta__weight": lambda w: w + 1},
    "the readout twice": {"head__weight": lambda w: 2 * w},
}


@TARGETS
@pytest.mark.parametrize("name", MUTANTS)
def test_a_network_that_is_not_the_one_gets_no_certificate(target, name):
    with pytest.raises((Undecided, NotLaidOut)):
        made(target, SMALL, **MUTANTS[name])


@TARGETS
def test_a_negated_readout_is_disproved(target):
    with pytest.raises(Disproved, match="margin"):
        made(target, SMALL, head__weight=np.negative)


def _with(write=None, read=None):
    """The two-state codes, but for some."""

    def choose(vocabulary: Vocabulary) -> RecallCodes:
        found = two_state_codes(vocabulary)
        return replace(found, write=write or found.write, read=read or found.read)

    return choose


WRONG_CODES = {
    "the moment curve itself": _with(write=lambda k: {0: k + 1, 1: (k + 1) ** 2}),
    "queries from 0": _with(read=lambda q: {0: 2 * q, 1: 1}),
    "queries once, not twice": _with(read=lambda q: {0: q + 1, 1: 1}),
    "keys on a line": _with(write=lambda k: {0: k + 1, 1: 8 - k}),
    "the curve of fewer keys": _with(write=lambda k: {0: k + 1, 1: 63 - (k + 1) ** 2}),
}


@pytest.mark.parametrize("name", WRONG_CODES)
def test_other_codes_are_not_laid_out(name):
    honest = catalogue.subject(CLAIM, TWO_STATES)
    mutant = robust(Vocabulary.paper(8, 56), "paper", num_kv_pairs=8, choose=WRONG_CODES[name])
    with pytest.raises(NotLaidOut):
        make(replace(honest, tensors=lambda sizes, dtype: shipped(mutant.weights, dtype)), SMALL, "float32")


def test_a_network_for_other_pairs_does_not_meet_what_is_required():
    honest = catalogue.subject(CLAIM, TWO_STATES)
    for pairs in (7, 9):
        other = robust(Vocabulary.paper(8, 56), "paper", num_kv_pairs=pairs, choose=two_state_codes)
        with pytest.raises(Undecided, match="keys reach as far as the pairs"):
            make(replace(honest, tensors=lambda sizes, dtype, o=other: shipped(o.weights, dtype)), SMALL, "float32")


def test_two_states_need_distinct_values_in_the_context_and_the_statement_says_so():
    certificate = made(TWO_STATES, SMALL)
    assert "H3 in the context" in certificate["statement"]
    assert "H3" not in made(ONE_HOT, SMALL)["statement"]
    built = network(TWO_STATES, 64, 8)
    tokens = np.array([[0, 9, 1, 10, 2, 9, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 1]])
    logits = built.module(torch.float32)(torch.from_numpy(tokens))[0, -1]
    assert logits[9] > logits[10]  # keys 1 and 3 share a value, whose logit is the sum of two scores


def test_the_large_size_is_frozen():
    assert {e.target for e in catalogue.frozen() if e.claim == CLAIM and e.sizes == LARGE} >= set(CODES)
