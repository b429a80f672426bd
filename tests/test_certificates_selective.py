"""Certificates of recall by a selective step: what lasts how long, in which evaluation, and why not longer."""

import json
from dataclasses import replace
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import torch
from forging import frozen_text, loaded

from mamba_theorems.constructions.compiler.exact import FIELD_OF_DTYPE
from mamba_theorems.constructions.compiler.sharpen import sharpened
from mamba_theorems.constructions.construction import compiled
from mamba_theorems.constructions.mqar import theorem4_without_gate
from mamba_theorems.constructions.mqar.codes import one_hot
from mamba_theorems.constructions.mqar.products import ProductCodes
from mamba_theorems.constructions.mqar.selective import OFFICIAL_CLOCK, SelectiveForm, largest_ratio, ratio, selective
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import FLOAT32, ball
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.mqar.selective import MODEL, SELECTIVE, TARGETS, WIDEST
from mamba_theorems.verify.certify.mqar.shrinking import ANY_ORDER, IN_ORDER

CLAIM = SELECTIVE
EVERY_TARGET = pytest.mark.parametrize("target", TARGETS)
BLOCKS = pytest.mark.parametrize("block", ["paper", "official"])
NORMAL, LARGEST, SUBNORMAL = Fraction(1, 2**126), 2**128, Fraction(1, 2**149)


def vocabulary(kappa: int, values: int = 3) -> Vocabulary:
    return Vocabulary(kappa + values + 1, range(kappa), range(kappa, kappa + values), filler=kappa + values)


def sizes(kappa: int, length: int | None = None) -> dict[str, int]:
    return {"vocab_size": kappa + 4, "input_seq_len": length or 3 * kappa + 1, "num_kv_pairs": kappa}


def bounds(target: str, kappa: int, dtype: str = "float32") -> dict[str, tuple[float, float]]:
    certificate = Request(CLAIM, target, dtype, sizes(kappa)).make()
    return {name: tuple(map(float, map(Fraction, ends))) for name, ends in certificate["enclosures"].items()}


def worst(kappa: int) -> tuple[np.ndarray, np.ndarray]:
    """Every key asked once, the last one alone with its value: all other blocks hold the same wrong one."""
    order = np.random.default_rng(kappa).permutation(kappa)
    value = np.where(np.arange(kappa) == order[-1], kappa, kappa + 1)
    context = np.stack([np.arange(kappa), value], 1).reshape(-1)
    return np.concatenate([context, [kappa + 3], order]), value[order]


def built(block: str, kappa: int, **options):
    """The network that the certificates are about: it reads no positions."""
    return theorem4_without_gate(vocabulary(kappa), block, num_kv_pairs=kappa, positions=False, **options)


def shown(share: np.ndarray, kappa: int) -> np.ndarray:
    """What the argument says that a last norm leaves of block q's logit, at least."""
    return share / np.sqrt(4 * (1e-5 + (1 + 8 * share**2) / (kappa + 4)))


def wide(block: str, kappa: int) -> bool:
    return 23 < kappa <= WIDEST[block]


def margins(network, dtype: torch.dtype, kappa: int) -> np.ndarray:
    """Of all queries, in order."""
    tokens, right = worst(kappa)
    logits = network.module(dtype)(torch.from_numpy(tokens[None]))[0, -kappa:].double().numpy()
    answer = logits[np.arange(kappa), right].copy()
    logits[np.arange(kappa), right] = -np.inf
    return answer - logits.max(axis=1)


@pytest.mark.parametrize(
    ("target", "dtype", "kappa"),
    [
        ("paper", "float32", 23),
        ("official", "float32", 23),
        ("sequential_paper", "float32", 46),
        ("sequential_official", "float32", 46),
        ("language_model", "float32", 23),
        ("sequential_language_model", "float32", 37),
        ("paper", "float64", 64),
        ("official", "float64", 64),
        ("language_model", "float64", 64),
    ],
)
def test_the_kernels_keep_the_certified_share_of_what_the_queries_leave(target, dtype, kappa):
    found, block = bounds(target, kappa, dtype), target.removeprefix("sequential_")
    share = found["written"][0] * found["factor"][0] * found["per_query"][0] ** np.arange(kappa)
    if block == MODEL:
        share = shown(share, kappa)
        assert 0.999 < share[-1] / found["shown"][0] < 1.001
    network = built(block, kappa, widest=wide(block, kappa))
    assert (margins(network, getattr(torch, dtype), kappa) >= found["margin"][0] * share).all()


LONGEST = [("paper", 23), ("official", 23), (MODEL, 23), ("sequential_paper", 46), (f"sequential_{MODEL}", 37)]


@pytest.mark.parametrize(("target", "kappa"), LONGEST)
def test_one_more_pair_is_undecided_in_float32(target, kappa):
    Request(CLAIM, target, "float32", sizes(kappa, 4096)).make()
    with pytest.raises(Undecided) as caught:
        Request(CLAIM, target, "float32", sizes(kappa + 1, 4096)).make()
    assert not isinstance(caught.value, Disproved)


@BLOCKS
def test_at_48_pairs_the_last_query_is_answered_wrongly(block):
    """What is left are subnormal numbers, too coarse for a margin of 1/(2κ − 1)."""
    kappa = 48
    network = built(block, kappa, widest=True)
    assert largest_ratio(kappa) ** (kappa - 1) * 5 * 2**120 < NORMAL
    found = margins(network, torch.float32, kappa)
    assert (found[:-1] > 0).all()
    assert found[-1] <= 0


def test_no_ratio_leaves_46_blocks_to_47_and_no_shrinks_at_all_57_to_64():
    """One ratio below 1/(κ − 1) a query; or any shrinks, each query's block over the sum of those not yet asked."""
    assert Fraction(1, 45) ** 45 * LARGEST > NORMAL
    assert Fraction(1, 46) ** 46 * LARGEST < NORMAL
    assert Fraction(1, factorial(56)) * LARGEST > NORMAL > Fraction(1, factorial(57)) * LARGEST
    assert Fraction(1, factorial(63)) * LARGEST < SUBNORMAL


def test_no_ratio_leaves_37_logits_to_38_whose_squares_a_norm_adds_up():
    """A language model's first logit is below 2^64, or its square is no float32; the last one is a normal number."""
    assert Fraction(1, 36) ** 36 * 2**64 > NORMAL
    assert Fraction(1, 37) ** 37 * 2**64 < NORMAL


def test_a_logit_of_2_to_the_64_is_lost_in_a_norm():
    network = built(MODEL, 8).module(torch.float32)
    tokens, _ = worst(8)
    for factor, lost in ((2.0**4, False), (2.0**8, True)):
        with torch.no_grad():
            loud = network.backbone.layers[0].mixer.out_proj.weight
            loud *= factor
            assert (network(torch.from_numpy(tokens[None]))[0, -8] == 0).all() == lost
            loud /= factor


def test_a_scan_multiplies_shrinks_that_underflow_where_states_do_not():
    for kappa, rho, normal in ((23, ratio(23), True), (46, largest_ratio(46), False)):
        assert (rho ** (kappa - 1) > NORMAL) == normal
        assert rho ** (kappa - 1) * 5 * 2**120 > NORMAL
    texts = {t: " ".join(catalogue.subject(CLAIM, t).argument.words) for t in TARGETS}
    for target, text in texts.items():
        in_order = target.startswith("sequential")
        assert (IN_ORDER in text) == in_order
        assert (ANY_ORDER in text) != in_order


def test_codes_that_shut_to_e_256_lose_the_last_queries_of_64_in_float64():
    """With SiLU(−256) = −256 e^-256 for a shut code, queries add up more than 37 of them leave of a write."""
    v, clock = vocabulary(64), replace(OFFICIAL_CLOCK, code=1)
    codes = ProductCodes(len(v.values), one_hot, one_hot, 1)
    mixer = sharpened(selective(v, codes, ratio(64), clock))
    loud = compiled(CLAIM, "official", mixer, SelectiveForm(codes, v, ratio(64), clock.stored))
    found = margins(loud, torch.float64, 64)
    assert (found[:36] > 0).all()
    assert not (found[36:] > 0).any()
    assert (margins(built("official", 64), torch.float64, 64) > 0).all()


def test_codes_whose_threshold_is_0_are_lost_behind_a_norm():
    """Their argument is key (n - 1): 0 where they are shut, if entries are 1; a norm gives them an ulp more or less."""
    found = {}
    for block in ("official", MODEL):
        module = built(block, 64).module(torch.float64)
        mixer = module.backbone.layers[0].mixer if block == MODEL else module.mixer
        with torch.no_grad():
            bias = mixer.conv1d.bias
            bias[:] = torch.where(bias < -3000, bias * 2 / 3, bias)
            tokens, right = worst(64)
            logits = module(torch.from_numpy(tokens[None]))[0, -64:]
        found[block] = float((logits.argmax(-1).numpy() == right).mean())
    assert found["official"] == 1
    assert found[MODEL] < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_hold_what_a_language_model_computes(dtype):
    """Its entries, codes, indicators and steps, at every position of random sequences."""
    found, kappa = bounds(MODEL, 8, str(dtype).removeprefix("torch.")), 8
    layer, v = built(MODEL, kappa).module(dtype).backbone, vocabulary(kappa)
    rng = np.random.default_rng(0)
    context = np.stack([rng.permutation(kappa), rng.integers(kappa, kappa + 3, kappa)], 1).reshape(-1)
    tokens = torch.from_numpy(np.concatenate([context, [v.filler], rng.permutation(kappa), [v.filler, 3]]))
    with torch.no_grad():
        mixer = layer.layers[0].mixer
        x = layer.layers[0].norm(layer.embedding(tokens))
        u = mixer.in_proj(x).chunk(2, dim=-1)[0].T
        seen = mixer.conv1d(u[None])[0, :, : len(tokens)]
        silu = torch.nn.functional.silu(seen)
        delta = torch.nn.functional.softplus(
            mixer.dt_proj(torch.nn.functional.linear(silu.T, mixer.x_proj.weight[: mixer.dt_rank]))
        )
    within(x[x != 0], found["input"])
    codes, indicators = seen[: 3 * kappa], seen[3 * kappa : 5 * kappa]
    within(codes[codes > 0], found["open"])
    assert (codes > 0).sum() == kappa
    assert -codes[codes <= 0].max() >= found["shut"][0]
    assert (silu[: 3 * kappa][codes <= 0] == 0).all()
    within(silu[3 * kappa : 5 * kappa][indicators > 0], found["on"])
    assert (indicators > 0).sum() == 2 * (kappa + 1) - 1
    assert -indicators[indicators <= 0].max() >= found["dark"][0]
    blocks, at_rest = delta[:, : 3 * kappa], delta[:, : 3 * kappa] < 1
    within(blocks[at_rest], found["step_size"])
    assert found["longer"][0] <= blocks[~at_rest].min()
    assert blocks.max() <= 2 * found["longer"][1]
    assert (delta[:, 3 * kappa : 5 * kappa + 1] == 0).all()


def test_in_balls_a_language_model_keeps_the_certified_share():
    """In exact arithmetic on the float32 weights, where a shut code is not 0."""
    found, kappa, precise = bounds(MODEL, 3), 3, ball(400)
    tokens, right = worst(kappa)
    model = built(MODEL, kappa)
    given = {name: Given(precise.array(w.astype(object))) for name, w in model.to(FLOAT32).items()}
    logits = replace(model, weights=given).run(precise, tokens)[-kappa:]
    share = found["written"][0] * found["factor"][0] * found["per_query"][0] ** np.arange(kappa)
    for row, answer, least in zip(logits, right, shown(share, kappa), strict=True):
        others = max(float(x.upper()) for w, x in enumerate(row) if w != answer)
        assert float(row[answer].lower()) - others >= found["margin"][0] * least


class Given:
    """A weight that is already a field's array."""

    def __init__(self, array):
        self.array = array

    def to(self, field):
        return self.array


def within(numbers: torch.Tensor, ends: tuple[float, float]) -> None:
    assert len(numbers) > 0
    assert ends[0] <= numbers.double().min()
    assert numbers.double().max() <= ends[1]


def test_no_product_of_a_step_with_b_and_a_code_overflows_in_any_order():
    """Some blocks multiply Δ by B before they multiply by the code, 0 at a query: 2^61 B must be finite."""
    for block, kappa in (("official", 23), ("official", 46), (MODEL, 37), ("paper", 46)):
        target = block if kappa <= 23 else f"sequential_{block}"
        found = bounds(target, kappa)
        assert found["longest_B"][1] < 2.0**127
        assert found["x_B"][1] < 2.0**127


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exp_and_sigmoid_are_0_far_below_the_least_number(dtype):
    least = {torch.float32: -149, torch.float64: -1074}[dtype]
    x = torch.linspace(5000, -(least - 4) * np.log(2) + 1e-3, 4096, dtype=dtype)
    array, field = x.numpy(), FIELD_OF_DTYPE[dtype]
    for found in (torch.exp(-x), torch.sigmoid(-x), np.exp(-array), field.exp(-array), field.sigmoid(-array)):
        assert (np.asarray(found) == 0).all()
    silu = torch.nn.functional.silu(torch.full((3,), -1024, dtype=dtype))
    assert (silu == 0).all()


def changed(target: str, change: dict):
    """Make the certificate of a network some of whose weights, by the end of their name, are changed."""
    honest = catalogue.subject(CLAIM, target)

    def tensors(sizes, dtype):
        found = dict(honest.tensors(sizes, dtype))
        for ending, tamper in change.items():
            names = [name for name in found if name.endswith(ending)]
            assert names
            found |= {name: tamper(found[name].copy()) for name in names}
        return found

    return make(replace(honest, tensors=tensors), sizes(8, 64), "float32")


def scaled(factor: float):
    return lambda weight: weight * np.float32(factor)


def only(number: float, other: float):
    """One number in place of another."""
    return lambda weight: np.where(weight == number, np.float32(other), weight)


OFFICIAL_MUTANTS = {
    "shrinks too little": {"A_log": lambda a: a - 2},
    "does not shrink": {"x_proj.weight": only(2.0**52, 0)},
    "what is no code has a step": {"x_proj.weight": only(-4, 0)},
    "shut codes are heard": {"in_proj.weight": only(2.0**51, 1024), "conv1d.bias": only(-1.5 * 2.0**51, -1536)},
    "codes pass alone": {"conv1d.bias": only(-1.5 * 2.0**51, 0)},
    "queries behind values": {"conv1d.bias": only(-2304, -1792)},
    "a long step at rest": {"dt_proj.bias": lambda b: b + 2.0**56},
    "no step at rest": {"dt_proj.bias": lambda b: b - 100},
    "writes overflow": {"x_proj.weight": only(2.0**50, 2.0**127)},
}
MUTANTS = {
    "paper": {
        "shrinks too little": {"mixer.A": scaled(0.2)},
        "does not shrink": {"mixer.delta.weight": only(2.0**60, 0)},
        "grows": {"mixer.A": np.negative},
        "what is no code has a step": {"mixer.delta.weight": only(-1, 0)},
        "codes pass alone": {"mixer.conv.bias": only(-3, 0)},
        "queries behind values": {"mixer.conv.bias": only(-9, -7)},
        "writes overflow": {"mixer.B.weight": scaled(2.0**87)},
        "writes vanish": {"mixer.B.weight": scaled(2.0**-140)},
    },
    "official": OFFICIAL_MUTANTS,
    MODEL: {
        **OFFICIAL_MUTANTS,
        "a norm that shuts queries": {"layers.0.norm.weight": scaled(0.8)},
        "a norm that opens keys": {"layers.0.norm.weight": scaled(1.6)},
        "logits whose squares overflow": {"out_proj.weight": scaled(2.0**10)},
        "logits that vanish": {"out_proj.weight": scaled(2.0**-100), "x_proj.weight": only(2.0**10, 2.0**-100)},
        "a last norm with weights": {"norm_f.weight": scaled(2)},
        "a head that reads keys": {"lm_head.weight": lambda head: np.roll(head, 1, axis=1)},
    },
}


@pytest.mark.parametrize(
    ("target", "name"),
    [(t, name) for t in TARGETS for name in MUTANTS[t.removeprefix("sequential_")]],
)
def test_a_network_whose_worst_case_is_wrong_gets_no_certificate(target, name):
    with pytest.raises((Undecided, NotLaidOut)):
        changed(target, MUTANTS[target.removeprefix("sequential_")][name])


@EVERY_TARGET
def test_a_negated_readout_is_disproved(target):
    with pytest.raises(Disproved, match="margin"):
        changed(target, {"mixer.out_proj.weight" if "paper" not in target else "head.weight": np.negative})


@EVERY_TARGET
def test_a_larger_ratio_that_still_is_small_enough_is_certified(target):
    """The mutants are refused for what they do, not for being others: ρ^0.95 is below 1/7."""
    name = "mixer.A" if "paper" in target else "A_log"
    change = scaled(0.95) if "paper" in target else (lambda a: a + np.float32(np.log(0.95)))
    found = changed(target, {name: change})
    assert float(found["enclosures"]["others"][1]) < 0.52


def test_a_norm_two_percent_off_is_certified():
    for factor in (0.98, 1.02):
        found = changed(MODEL, {"layers.0.norm.weight": scaled(factor)})
        assert 0.01 < abs(float(found["enclosures"]["input"][0]) - 1) < 0.03


@pytest.mark.parametrize("name", ["language_model_float32_65_64_8", "sequential_language_model_float32_65_64_8"])
def test_a_language_model_has_the_tensors_that_its_certificate_lays_out(name):
    network = theorem4_without_gate(
        Vocabulary(65, range(8), range(8, 64), filler=64), MODEL, num_kv_pairs=8, positions=False
    ).module(torch.float32)
    own = {key: weight.clone() for key, weight in network.state_dict().items()}
    laid = loaded(network, json.loads(frozen_text(f"{CLAIM}_{name}"))).state_dict()
    assert own.keys() == laid.keys()
    assert all(torch.equal(own[key], laid[key]) for key in own)


def test_more_queries_than_the_range_holds_are_undecided():
    entry = Request(CLAIM, "paper", "float32", {**sizes(8, 4096), "num_queries": 31})
    entry.make()
    with pytest.raises(Undecided):
        replace(entry, sizes={**entry.sizes, "num_queries": 34}).make()
