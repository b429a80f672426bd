"""Explicit networks: the compiled weights compute the closed form, and recall what the oracle says."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mamba_theorems import constructions
from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.channels import Channel, LinearMap, Space, family
from mamba_theorems.constructions.compiler.compile import compile_weights
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, block, silu_preimage, softplus_preimage, stack_rows
from mamba_theorems.constructions.compiler.targets import MIXER_TARGETS, TARGETS
from mamba_theorems.constructions.compiler.tensors import MAMBA, complete, fill
from mamba_theorems.constructions.compiler.validate import validate
from mamba_theorems.constructions.tasks import Batch, Vocabulary, paper_mqar, zoology_mqar
from mamba_theorems.kernels.fields import FLOAT32, FLOAT64, RATIONAL, ball

CLAIM = "mqar.thm2-step1"
BALL = ball(200)


def predictions(construction, field, batch: Batch) -> np.ndarray:
    return construction.run(field, batch.tokens)[batch.queries].argmax(-1)


def recall(construction, field, batch: Batch) -> float:
    return float((predictions(construction, field, batch) == batch.targets[batch.queries]).mean())


# -------------------------------------------------------------------------------------- exact tensors

exact_numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.fractions(),
    st.sampled_from([sympy.sqrt(2), sympy.exp(-40), sympy.log(3) / 7, silu_preimage(1)]),
)


@given(exact_numbers)
@example(Fraction(2**24 + 1, 2**24) + Fraction(1, 2**70))  # float64 rounds it to a float32 tie
def test_a_weight_is_rounded_once_from_its_exact_value(number):
    tensor = ExactTensor((1,), number)
    for dtype, bits, tiny in ((torch.float32, 24, -149), (torch.float64, 53, -1074)):
        rounded = Fraction(tensor.torch(dtype)[0].item())
        error = abs(sympy.sympify(rounded) - sympy.sympify(number))
        exponent = max(int(np.frexp(abs(float(number)))[1]) - bits, tiny)
        assert sympy.N(error, 60) <= sympy.Rational(2) ** (exponent - 1) * (1 + sympy.Rational(1, 10**30))


def test_the_double_rounding_trap_is_avoided():
    trap = 1 + Fraction(1, 2**24) + Fraction(1, 2**70)
    assert np.float32(np.float64(float(trap))) == np.float32(1)
    assert ExactTensor((1,), trap).torch(torch.float32)[0].item() == 1 + 2**-23


@given(st.data())
def test_blocks_and_entries_land_where_numpy_puts_them(data):
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    reference = np.full((rows, columns), 7.0)
    entries = {}
    for value in range(data.draw(st.integers(0, 5))):
        start, row = data.draw(st.integers(0, columns)), data.draw(st.integers(0, rows - 1))
        entries[(row, range(start, columns))] = value
    for (row, span), value in entries.items():
        reference[row, span.start : span.stop] = value
    tensor = ExactTensor((rows, columns), 7, entries)
    np.testing.assert_array_equal(tensor.to(FLOAT64), reference)
    np.testing.assert_array_equal(tensor.transposed().to(FLOAT64), reference.T)
    stacked = stack_rows([tensor, block((2, columns), 3), tensor]).to(FLOAT64)
    np.testing.assert_array_equal(stacked, np.vstack([reference, np.full((2, columns), 3.0), reference]))


@pytest.mark.parametrize("index", [(3, 0), (0, -1), (0,), (0, range(1, 4)), (range(2, 0, -1), 0)])
def test_an_entry_outside_the_shape_is_refused(index):
    with pytest.raises(ValueError, match="move the entry or enlarge the array"):
        ExactTensor((3, 3), 0, {index: 1})


def test_a_weight_in_an_unsupported_dtype_is_refused():
    with pytest.raises(ValueError, match="float32 or float64"):
        ExactTensor((1,), 1).torch(torch.bfloat16)


@given(st.integers(1, 50), st.integers(1, 50))
def test_preimages_are_enclosed_by_the_activation(numerator, denominator):
    code = Fraction(numerator, denominator)
    x, y = (BALL.array([preimage(code)]) for preimage in (silu_preimage, softplus_preimage))
    with BALL.arithmetic():
        assert (x * BALL.sigmoid(x) - BALL.array([code]))[0].contains(0)
        assert (BALL.softplus(y) - BALL.array([code]))[0].contains(0)
        assert not (x * BALL.sigmoid(x) - BALL.array([code + Fraction(1, 10**20)]))[0].contains(0)


# ---------------------------------------------------------------------------------- channels and compiler


def test_a_channel_of_another_space_is_refused():
    space = Space(family("key", 2))
    with pytest.raises(ValueError, match=r"no channel value\[0\]"):
        LinearMap.selecting(space, space, [Channel("value", 0)])
    with pytest.raises(ValueError, match="twice"):
        Space((Channel("one"), Channel("one")))


def description(activation="silu") -> MixerDescription:
    codes = mqar.OFFICIAL_CODES if activation == "silu" else mqar.PAPER_CODES
    return mqar.describe(Vocabulary.paper(2, 3), codes)


@pytest.mark.parametrize(
    ("change", "layout", "reason"),
    [
        ({"activation": "relu"}, Layout(), "activation: the official block has SiLU"),
        ({"activation": "tanh"}, Layout(), "neither relu nor silu"),
        ({"step": 0}, Layout(), "step: 0 is not positive"),
        ({"decay_rate": -1}, Layout(), "decay_rate: -1 is negative"),
        ({"taps": {}}, Layout(), r"taps: key\[0\] has none"),
        ({"bias": {Channel("ghost"): 1}}, Layout(), "taps: ghost is no inner channel"),
        ({"tokens": Space(family("token", 5))}, Layout(), "embedding: it maps between other spaces"),
        ({}, Layout(d_conv=1), "exceed d_conv = 1; raise d_conv"),
        ({}, Layout(expand=0), "exceed d_inner = 0; raise expand"),
    ],
)
def test_validation_says_why_the_official_block_cannot_hold_a_mixer(change, layout, reason):
    broken = replace(description(), **change)
    assert validate(broken, "official", layout)
    with pytest.raises(ValueError, match=reason):
        compile_weights(broken, "official", layout)


@pytest.mark.parametrize("target", MIXER_TARGETS)
def test_validation_accepts_what_compiles(target):
    assert validate(description("relu" if target.startswith("paper") else "silu"), target) == []


def test_the_papers_block_takes_a_relu_mixer_and_the_papers_constants():
    weights = {name: w.to(FLOAT64) for name, w in compile_weights(description("relu"), "paper").items()}
    np.testing.assert_array_equal(weights["embedding.weight"], np.diag([2.0, 2, 1, 1, 1]))
    np.testing.assert_array_equal(weights["mixer.conv.weight"], np.tile([1.0, 2.0], (5, 1)))
    np.testing.assert_array_equal(weights["mixer.conv.bias"], -np.ones(5))
    np.testing.assert_array_equal(weights["mixer.B.weight"], np.eye(2, 5))
    assert not weights["mixer.A"].any()


@given(st.integers(1, 2), st.integers(2, 5), st.integers(1, 4))
def test_official_weights_have_the_official_names_and_shapes(expand, d_conv, dt_rank):
    d_model, d_inner, n = 5, 5 * expand, 2
    weights = compile_weights(description(), "official", Layout(expand, d_conv, dt_rank))
    shapes = {name.removeprefix("mixer."): w.shape for name, w in weights.items() if name.startswith("mixer.")}
    assert shapes == {
        "in_proj.weight": (2 * d_inner, d_model),
        "conv1d.weight": (d_inner, 1, d_conv),
        "conv1d.bias": (d_inner,),
        "x_proj.weight": (dt_rank + 2 * n, d_inner),
        "dt_proj.weight": (d_inner, dt_rank),
        "dt_proj.bias": (d_inner,),
        "A_log": (d_inner, n),
        "D": (d_inner,),
        "out_proj.weight": (d_model, d_inner),
    }


@pytest.mark.parametrize("name", TARGETS)
def test_the_table_has_the_tensors_of_the_module_and_the_shapes(name):
    """The one list of a block's tensors is what torch registers for it, gate and biases of B and C aside."""
    target = TARGETS[name]
    full = complete({"d_model": 6, "d_inner": 8, "d_state": 3, "d_conv": 4, "dt_rank": 2, "nheads": 2})
    options = {size: full[size] for size in target.sizes if size in full}
    paper = {"gate": "gate.weight" in target.table, "bias": False} if target.is_the_papers else {}
    module = target.module(6, **options, **paper)
    given = {"gate.weight": 0} if "gate.weight" in target.table else {}
    filled = {tensor: weight.shape for tensor, weight in fill(target.table, full, given).items()}
    assert filled == {tensor: tuple(weight.shape) for tensor, weight in module.state_dict().items()}


def test_a_tensor_that_a_block_does_not_have_is_refused():
    sizes = {"d_model": 2, "d_state": 1, "d_conv": 4, "dt_rank": 1}
    with pytest.raises(ValueError, match=r"has no x_proj.weight.E: choose among in_proj.weight"):
        fill(MAMBA, sizes, {"x_proj.weight.E": 1})
    with pytest.raises(ValueError, match=r"shape \(3, 1\) does not fit \(1, 2\): enlarge the block"):
        fill(MAMBA, sizes, {"x_proj.weight.B": block((3, 1), 1)})


def test_a_norm_is_1_and_all_else_0_where_nothing_is_given():
    sizes = {"d_model": 2, "d_state": 1, "d_conv": 4}
    filled = fill(TARGETS["official_mamba2"].table, sizes, {"in_proj.weight.C": 5})
    assert {name for name, weight in filled.items() if weight.to(FLOAT64).any()} == {"norm.weight", "in_proj.weight"}
    np.testing.assert_array_equal(
        filled["in_proj.weight"].to(FLOAT64), np.repeat([[0], [5], [0]], [5, 1, 1], 0) * np.ones(2)
    )


# ------------------------------------------------------------------------- Theorem 2, step 1: closed form


@st.composite
def token_sequences(draw, filler=True):
    num_keys, num_values = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = num_keys + num_values + filler
    vocabulary = Vocabulary(size, range(num_keys), range(num_keys, num_keys + num_values), size - 1 if filler else None)
    tokens = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=14))
    return vocabulary, np.array(tokens)


@st.composite
def relu_codes(draw):
    """The threshold stops the previous value iff a1 >= a0 + c + a0 c / b: the least such a1, and more."""
    previous, value, key_weight, bias = (draw(st.integers(1, 4)) for _ in range(4))
    current = previous + value + Fraction(previous * value, bias) + draw(st.integers(0, 3))
    return mqar.TapCodes("relu", previous, current, value, key_weight, bias)


@given(token_sequences(), relu_codes())
@example((Vocabulary.paper(1, 2), np.array([0, 1, 0, 2, 0])), mqar.PAPER_CODES)
def test_paper_block_equals_the_closed_form_exactly_on_every_sequence(case, codes):
    vocabulary, tokens = case
    construction = mqar.theorem2_step1(vocabulary, "paper", codes=codes)
    assert (construction.run(RATIONAL, tokens) == construction.expected_logits(RATIONAL, tokens)).all()


@settings(max_examples=25)
@given(token_sequences(), st.sampled_from(["official", "language_model"]))
def test_official_block_equals_the_closed_form_up_to_its_decay(case, target):
    """In real arithmetic: Arb encloses the difference, and a write loses at most its `decay_loss_bound`."""
    vocabulary, tokens = case
    construction = mqar.theorem2_step1(vocabulary, target)
    got, expected = construction.run(BALL, tokens), construction.expected_logits(BALL, tokens)
    with BALL.arithmetic():
        stored = sum(abs(y) for y in construction.closed_form.readout(BALL, tokens).ravel())
        bound = BALL.number(construction.decay_loss_bound(len(tokens))) * stored
        if target == "language_model":  # the final norm's slope is at most 1/rms, and the residual keeps |x| >= 1
            bound = bound * BALL.sqrt(BALL.number(vocabulary.size))
    for gap in (got - expected).ravel():
        assert gap.abs_lower() <= bound.upper()
        assert gap.rad() < 2**-100  # far below the decay, e^-40: the enclosure above says something


@given(token_sequences())
def test_closed_form_counts_writes_as_the_definition_says(case):
    """logit_v = a0 c (a1 n_qv + a0 n_iv), counted by hand, at every query that does not repeat its neighbour."""
    vocabulary, tokens = case
    expected = mqar.RecallForm(mqar.PAPER_CODES, vocabulary).readout(RATIONAL, tokens)
    for t, q in enumerate(tokens.tolist()):
        i = tokens[t - 1].item() if t else None
        if q not in vocabulary.keys or i == q:
            continue
        pairs = list(zip(tokens[:t].tolist(), tokens[1 : t + 1].tolist(), strict=True))
        for v in vocabulary.values:
            neighbour = pairs.count((i, v)) if i in vocabulary.keys else 0
            assert expected[t, v] == 3 * pairs.count((q, v)) + neighbour


@given(st.integers(1, 6), st.integers(2, 6), st.integers(1, 20), st.integers(0, 2**32), st.floats(0.2, 1))
def test_margins_are_the_closed_form_ones_whatever_stands_before_the_query(keys, values, tail, seed, probability):
    batch = paper_mqar(keys, values, 3, 2 * keys + tail, seed, query_probability=probability)
    construction = mqar.theorem2_step1(batch.vocabulary, "paper")
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        logits = construction.run(RATIONAL, tokens)[:, list(batch.vocabulary.values)]
        for t in np.flatnonzero(targets >= 0):
            right = targets[t] - batch.vocabulary.values.start
            margin = logits[t, right] - max(np.delete(logits[t], right))
            assert margin >= construction.margins[case_of(tokens, targets, t, batch)]


def case_of(tokens, targets, t, batch) -> str:
    if not batch.vocabulary.is_key(tokens[t - 1]):
        return "isolated"
    if tokens[t] == tokens[t - 1]:
        return "adjacent, same key"
    return "adjacent, same value" if targets[t] == targets[t - 1] else "adjacent, other value"


def test_paper_margins_are_three_two_four():
    margins = mqar.theorem2_step1(Vocabulary.paper(2, 2), "paper").margins
    assert list(margins.values()) == [3, 2, 4, 5]


def test_the_smallest_sequence_without_h2_ties():
    construction = mqar.theorem2_step1(Vocabulary.paper(1, 2), "paper")
    logits = construction.run(RATIONAL, np.array([0, 1, 0, 2, 0]))[-1]
    assert logits[1] == logits[2] > 0
    wrong = construction.run(RATIONAL, np.array([0, 1, 0, 2, 0, 2, 0]))[-1]
    assert wrong[2] > wrong[1]


def test_h2_must_count_keys_that_the_context_does_not_store():
    """`x w x w x w x q`: x is no key of the context, yet its three writes tie with q's one through the neighbour."""
    construction = mqar.theorem2_step1(Vocabulary.paper(2, 2), "paper")
    q, x, v, w = 0, 1, 2, 3
    logits = construction.run(RATIONAL, np.array([q, v, x, w, x, w, x, w, x, q]))[-1]
    assert logits[v] == logits[w] == 3


# ------------------------------------------------------------------------- Theorem 2, step 1: recall


@pytest.mark.parametrize("field", [FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize("target", MIXER_TARGETS)
@settings(max_examples=15)
@given(st.integers(1, 8), st.integers(2, 8), st.integers(1, 24), st.integers(0, 2**32))
def test_every_target_recalls_the_papers_task(target, field, keys, values, tail, seed):
    batch = paper_mqar(keys, values, 8, 2 * keys + tail, seed, query_probability=0.7)
    if batch.queries.any():
        assert recall(mqar.theorem2_step1(batch.vocabulary, target), field, batch) == 1


@settings(max_examples=10)
@given(st.integers(1, 8), st.integers(0, 20), st.integers(0, 30), st.integers(0, 2**32))
def test_language_model_recalls_zoology(pairs, spare, extra, seed):
    vocab_size = 2 * (pairs + 1 + spare)
    batch = zoology_mqar(vocab_size, 8, 4 * pairs + 2 * extra, seed, num_kv_pairs=pairs, random_non_queries=False)
    model = constructions.build(CLAIM, "language_model", num_kv_pairs=pairs, vocab_size=vocab_size)
    assert recall(model, FLOAT32, batch) == 1


def module_recall(construction, dtype, batch: Batch) -> float:
    logits = construction.module(dtype)(torch.from_numpy(batch.tokens)).numpy()
    return float((logits[batch.queries].argmax(-1) == batch.targets[batch.queries]).mean())


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@DTYPES
@pytest.mark.parametrize("target", MIXER_TARGETS)
@settings(max_examples=8)
@given(st.integers(1, 8), st.integers(2, 8), st.integers(1, 24), st.integers(0, 2**32))
def test_every_module_recalls_the_papers_task(target, dtype, keys, values, tail, seed):
    batch = paper_mqar(keys, values, 8, 2 * keys + tail, seed, query_probability=0.7)
    if batch.queries.any():
        assert module_recall(mqar.theorem2_step1(batch.vocabulary, target), dtype, batch) == 1


@DTYPES
@pytest.mark.parametrize(("vocab_size", "length", "pairs", "examples"), [(64, 64, 8, 1000), (256, 256, 32, 16)])
def test_language_model_module_recalls_zoology_at_the_fields_sizes(vocab_size, length, pairs, examples, dtype):
    model = constructions.build(CLAIM, "language_model", num_kv_pairs=pairs, vocab_size=vocab_size)
    batch = zoology_mqar(vocab_size, examples, length, 0, num_kv_pairs=pairs, random_non_queries=False)
    assert module_recall(model, dtype, batch) == 1


@DTYPES
@pytest.mark.parametrize("target", MIXER_TARGETS)
def test_a_module_holds_the_exact_weights_rounded_once(target, dtype):
    construction = constructions.build(CLAIM, target, num_kv_pairs=3, vocab_size=8)
    field = FLOAT32 if dtype == torch.float32 else FLOAT64
    state, weights = construction.module(dtype).state_dict(), construction.to(field)
    assert state.keys() == weights.keys()
    for name, weight in weights.items():
        np.testing.assert_array_equal(state[name].numpy(), weight)


@given(token_sequences(), st.sampled_from(["mqar.thm4", "mqar.thm4-jl-amended"]))
def test_theorem_4_in_the_s4d_block_is_what_it_is_in_mamba_s(case, claim):
    vocabulary, tokens = case
    sizes = {"num_kv_pairs": 1, "vocab_size": vocabulary.size, "vocabulary": vocabulary}
    s4d, mamba = (constructions.build(claim, target, **sizes) for target in ("paper_s4d", "paper"))
    assert (s4d.run(RATIONAL, tokens) == mamba.run(RATIONAL, tokens)).all()
    with pytest.raises(ValueError, match="S4D's B and C are the same at every token"):
        constructions.build(CLAIM, "paper_s4d", **sizes)


MUTANTS = {
    "paper": [
        ("mixer.conv.weight", {(range(6), 0): 2, (range(6), 1): 1}),  # taps swapped
        ("mixer.conv.weight", {(range(6), 0): 0}),  # no look-back
        ("mixer.conv.bias", {(range(6),): 0}),  # no threshold
        ("mixer.A", {(range(6), range(3)): -2}),  # forgets
        ("mixer.B.weight", {(0, 0): 0}),  # one key not written
        ("mixer.C.weight", {(0, 0): 0, (0, 1): 1}),  # one key read from its neighbour's column
        ("head.weight", {(3, 3): -1}),
    ],
    "official": [
        ("mixer.conv1d.weight", {(range(3), 0, 3): 0}),
        ("mixer.conv1d.weight", {(range(6), 0, 2): 0}),
        ("mixer.in_proj.weight", {(range(6, 12), range(6)): 0}),  # gate shut
        ("mixer.dt_proj.bias", {(range(6),): -200}),  # step 0 in float32
        ("mixer.A_log", {(range(6), range(3)): 1}),
        ("mixer.x_proj.weight", {(1, 0): 0}),
        ("mixer.out_proj.weight", {(3, 3): 0}),
    ],
}


@pytest.mark.parametrize(
    ("target", "name", "entries"), [(target, *mutant) for target, mutants in MUTANTS.items() for mutant in mutants]
)
def test_a_broken_weight_breaks_recall(target, name, entries):
    batch = paper_mqar(3, 3, 200, 20, seed=0, query_probability=0.7)
    construction = mqar.theorem2_step1(batch.vocabulary, target)
    assert recall(construction, FLOAT32, batch) == 1
    mutant = construction.with_entries(name, entries)
    assert recall(mutant, FLOAT32, batch) < 1
    assert module_recall(mutant, torch.float32, batch) < 1


def test_decay_is_exactly_one_in_floats_and_bounded_in_real_arithmetic():
    construction = mqar.theorem2_step1(Vocabulary.paper(2, 2), "official")
    for field in (FLOAT32, FLOAT64):
        a_log = construction.to(field)["mixer.A_log"]
        assert (field.exp(-field.exp(a_log)) == 1).all()
    assert construction.decay_loss_bound(100) == 100 * sympy.exp(-40)
    assert mqar.theorem2_step1(Vocabulary.paper(2, 2), "paper").decay_loss_bound(100) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"claim": "mqar.thm9"}, "No construction is known for 'mqar.thm9'"),
        ({"target": "gpu"}, "There is no target 'gpu'"),
        ({"num_kv_pairs": 0}, "use at least 1 pair"),
        ({"num_kv_pairs": 16}, "use at least 1 pair and vocab_size >= 17"),
        ({"target": "language_model", "num_kv_pairs": 8}, "do not fit the vocabulary's 7"),
    ],
)
def test_an_impossible_construction_raises_one_sentence(arguments, sentence):
    valid = {"claim": CLAIM, "target": "paper", "num_kv_pairs": 4, "vocab_size": 16}
    with pytest.raises(ValueError, match=sentence):
        constructions.build(**{**valid, **arguments})


@pytest.mark.parametrize(
    ("codes", "sentence"), [({"previous": 0}, "positive"), ({"bias": 0}, "previous value through")]
)
def test_impossible_codes_raise_one_sentence(codes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(mqar.PAPER_CODES, **codes)


def test_the_explanation_tells_every_weight_by_channel():
    lines = constructions.describe_claim("mqar", CLAIM)
    assert "  embedding  key[0] = 2 key[0], key[1] = 2 key[1], value[0] = value[0], value[1] = value[1]" in lines
    assert any(
        "key[0] key[1] value[0] value[1]: relu, taps (1, 2), the current token's last, bias -1" in x for x in lines
    )
    assert any("value[0] value[1]: silu, taps (0, " in line for line in lines)
    assert constructions.describe_claim("mqar", "mqar.thm3") == []
