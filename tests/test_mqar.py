"""The recall family: sizes as stated, hypotheses that are needed, constructions that fail outside their table entry."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.construction import compiled
from mamba_theorems.constructions.mqar import codes as recall_codes
from mamba_theorems.constructions.mqar import sizes
from mamba_theorems.constructions.mqar.active import ActiveBlock
from mamba_theorems.constructions.mqar.codes import CodeForm, RecallCodes
from mamba_theorems.constructions.tasks import (
    Vocabulary,
    answers,
    h1_keys_distinct,
    h2_no_query_after_noise,
    h3_values_distinct,
    h4_filler,
    h4_no_query_after_value,
    paper_mqar,
    zoology_mqar,
)
from mamba_theorems.kernels.fields import BALL, FLOAT32, FLOAT64, RATIONAL
from mamba_theorems.theorems.mqar.lower_bounds import CONTEXT, TAIL, swapped
from mamba_theorems.theorems.mqar.values import printed_margin
from mamba_theorems.verify.checks.mqar import large
from mamba_theorems.verify.report import publish as companion
from mamba_theorems.verify.settings import Sizes

VALUES_ONLY = ("mqar.value-code", "mqar.thm3-step1", "mqar.thm2-step2-amended", "mqar.n2-distinct")


def last_margin(construction, field, tokens: list[int], correct: int) -> object:
    logits = construction.run(field, np.array(tokens))[-1]
    values = list(construction.vocabulary.values)
    return logits[correct] - max(logits[v] for v in values if v != correct)


# ----------------------------------------------------------------------------------------- sizes


def of_row(row: sizes.Cost, num_kv_pairs: int):
    """The construction a row of the table at (3, 4) is about."""
    filler = "n1-delta" in row.claim or sizes.MODEL in row.form
    vocabulary = Vocabulary(8, range(3), range(3, 7), filler=7) if filler else Vocabulary.paper(3, 4)
    target = "language_model" if sizes.MODEL in row.form else "paper"
    if "with D" in row.form:
        return mqar.robust(vocabulary, target, num_kv_pairs=num_kv_pairs, choose=recall_codes.two_state_codes)
    if "with positions" in row.form:
        return mqar.theorem4_without_gate(vocabulary, target, num_kv_pairs=num_kv_pairs, positions=True)
    return mqar.build(row.claim, target, num_kv_pairs=num_kv_pairs, vocab_size=vocabulary.size, vocabulary=vocabulary)


@pytest.mark.parametrize("row", sizes.table(3, 4), ids=lambda row: row.name)
def test_the_table_s_sizes_are_those_of_the_compiled_weights(row):
    built = of_row(row, 3)
    assert built.hyperparameters["d_state"] == row.N
    assert row.d == len(built.description.inner)
    assert row.parameters == sum(prod(weight.shape) for weight in built.weights.values())
    read = {source for _, source in built.description.readout.coefficients}
    assert row.read == len(read)


def test_the_companion_s_table_is_this_one():
    head, *rows = companion.sizes(mqar.BUILDERS)
    assert len(head) == len(rows[0])
    expected = {(row.name, k, row.d, row.N) for k in companion.PAIRS for row in sizes.table(k, companion.VALUES)}
    assert {(r[0], int(r[1]), int(r[3]), int(r[4])) for r in rows} == expected


def test_what_dominates_is_named_and_nothing_dominates_itself():
    for grid in sizes.GRID:
        rows = {row.name: row for row in sizes.table(*grid)}
        for row in rows.values():
            assert row.name not in row.dominated_by
            assert all(rows[other].dominates(row) for other in row.dominated_by)
            assert row.state_bits >= sizes.lower_bounds(*grid)["bits of state"]
            if not row.needs and "H3" not in row.hypotheses:
                assert grid[0] <= row.N


def test_the_table_on_disk_is_not_stale():
    assert Path("recall_sizes.md").read_text(encoding="utf-8") == sizes.render(), "run `python -m verify sizes -o .`"


def test_balanced_columns_are_distinct_and_balanced():
    for count in (1, 2, 3, 7, 20, 21, 252):
        columns = recall_codes.balanced_columns(count)
        assert len(set(columns)) == count
        assert {len(c) for c in columns} == {sizes.balanced_width(count)}
        assert all(2 * c.count("+") == len(c) for c in columns)


# --------------------------------------------------------------------- outside the table's entries


def two_keys(K: int) -> tuple[Vocabulary, list[int]]:
    """Keys K − 1 and K of K, one value each; the last is asked."""
    vocabulary = Vocabulary.paper(K, 2)
    return vocabulary, [K - 2, K, K - 1, K + 1, K - 1]


def test_two_states_are_exact_in_float32_up_to_the_table_s_entry_and_fail_beyond():
    """2K² ≤ 2²⁴ up to K = 2896; the neighbours K − 1 and K tie or swap at some K right after it, not in float64."""
    assert next(row for row in sizes.table(2896, 4) if row.claim == "mqar.n2-distinct").dtype == "float32"
    assert next(row for row in sizes.table(2897, 4) if row.claim == "mqar.n2-distinct").dtype == "float64"
    margins = {K: moment_margins(K) for K in (2896, *range(2897, 2905))}
    assert margins[2896] == (1, 1)
    assert all(exact == 1 for _, exact in margins.values())
    assert any(rounded <= 0 for rounded, _ in margins.values())


def moment_margins(K: int) -> tuple[float, float]:
    """The least margin over neighbouring keys among the last 32, in float32 and float64, of the block's own sums."""
    codes = recall_codes.two_state_codes(Vocabulary.paper(K, 1))
    least = []
    for dtype in (np.float32, np.float64):
        B = np.array([[codes.write(k).get(n, 0) for n in range(2)] for k in range(K - 32, K)], dtype=dtype)
        C = np.array([[codes.read(q)[n] for n in range(2)] for q in range(K - 32, K)], dtype=dtype)
        scores = C[:, :1] * B[:, 0] + C[:, 1:] * B[:, 1]
        assert scores.dtype == dtype
        own = np.diag(scores).copy()
        np.fill_diagonal(scores, -np.inf)
        least.append(float((own - scores.max(axis=1)).min()))
    return least[0], least[1]


def test_integer_values_fail_in_float32_beyond_their_table_entry():
    (row,) = [row for row in sizes.table(1, 5000) if row.claim == "mqar.value-code"]
    assert row.dtype == "float64"
    vocabulary = Vocabulary.paper(1, 5000)
    tokens = [[0, 1 + v, 0] for v in range(4900, 5000)]
    right = {}
    for dtype in (torch.float32, torch.float64):
        module = mqar.build("mqar.value-code", "paper", num_kv_pairs=1, vocab_size=5001, vocabulary=vocabulary).module(
            dtype
        )
        answered = module(torch.tensor(tokens))[:, -1].argmax(-1)
        right[dtype] = int((answered == torch.tensor(tokens)[:, 1]).sum())
    assert right[torch.float64] == 100
    assert right[torch.float32] < 100


BLOCKS = [row for row in sizes.table(3, 4) if sizes.MODEL not in row.form]


@pytest.mark.parametrize("row", BLOCKS, ids=lambda row: row.name)
def test_the_channels_that_sleep_change_no_logit(row):
    """What the large checks leave out is 0: the block's own logits, bit by bit, with and without random filler."""
    subject = large.Large(row.name, Sizes(32, 40, 6))
    built = subject.build(subject.sizes)
    for dtype in (torch.float32, torch.float64):
        for random_filler in (False, True):
            batch = zoology_mqar(32, 12, 40, 3, num_kv_pairs=6, random_non_queries=random_filler)
            whole = built.module(dtype)(torch.from_numpy(batch.tokens)).numpy()[batch.queries]
            np.testing.assert_array_equal(ActiveBlock(built, dtype).logits(batch.tokens, batch.queries), whole)


@pytest.mark.parametrize("name", ["mqar.thm4", "mqar.thm4-jl-amended"])
def test_blocks_of_absent_keys_change_no_logit(name):
    """What is run at 8192 in place of 4095 alike blocks: each sequence's own, bit by bit the whole network's values."""
    subject = large.Large(name, Sizes(32, 40, 6))
    batch = zoology_mqar(32, 12, 40, 3, num_kv_pairs=6, random_non_queries=False)
    own = large.own_keys(batch)
    part = subject.build(subject.sizes, own.vocabulary)
    np.testing.assert_array_equal(own.targets[own.queries] - 6, batch.targets[batch.queries] - 16)
    for dtype in (torch.float32, torch.float64):
        whole = ActiveBlock(subject.build(subject.sizes), dtype).logits(batch.tokens, batch.queries)
        found = ActiveBlock(part, dtype).logits(own.tokens, own.queries)
        np.testing.assert_array_equal(found[:, 6:22], whole[:, 16:])


def test_every_row_is_run_at_every_size_where_it_holds():
    """Each row of the paper's block at 512 and 1024, at 8192 where N·d ≤ 10^5; 1,000 sequences, 100 if wide."""
    runs = {(subject.name, subject.sizes.vocab_size): subject for subject in large.subjects()}
    for size, pairs in ((512, 64), (1024, 128), (8192, 64)):
        for row in sizes.of_zoology(size, pairs):
            if sizes.MODEL in row.form or row.name == "mqar.n1-delta-gate" or (size == 8192 and row.state_size > 1e5):
                continue
            assert runs[row.name, size].count() == (1000 if row.state_size <= 1e5 else 100)
            assert runs[row.name, size].row(runs[row.name, size].sizes).dtypes == row.dtypes


def test_every_place_behind_a_context_is_asked_where_h4_without_positions_would_have_to_hold():
    """(512, 256, 64) and (1024, 512, 128) have as many places as queries: one stands right behind the last value."""
    for vocab_size, length, pairs in ((512, 256, 64), (1024, 512, 128)):
        batch = zoology_mqar(vocab_size, 20, length, 0, num_kv_pairs=pairs, random_non_queries=False)
        broken = [h4_no_query_after_value(tokens, batch.vocabulary, pairs) for tokens in batch.tokens]
        assert all(violation is not None for violation in broken)


@pytest.mark.parametrize("name", ["mqar.n1-delta-gate (with positions)", "mqar.robust (with D)"])
def test_a_row_fails_in_the_dtype_that_it_does_not_claim(name):
    """κ = 64 queries need more range than float32 has; 2κK² at 1024 exceeds its mantissa."""
    wanted = large.MIDDLE if "delta" in name else large.LARGE
    subject = large.Large(name, wanted)
    assert subject.row(wanted).dtypes == ("float64",)
    built = subject.build(wanted)
    batch = zoology_mqar(wanted.vocab_size, 4, wanted.input_seq_len, 0, num_kv_pairs=wanted.num_kv_pairs,
                         random_non_queries=False)  # fmt: skip
    assert ActiveBlock(built, torch.float64).right(batch).all()
    assert not ActiveBlock(built, torch.float32).right(batch).all()


# ------------------------------------------------------------------------------------- hypotheses


def test_h1_is_needed():
    """κ = 2: key 0 stored twice with different values has no answer; the block ties."""
    vocabulary = Vocabulary.paper(2, 2)
    tokens = [0, 2, 0, 3, 0]
    built = mqar.build("mqar.thm3-step1", "paper", num_kv_pairs=2, vocab_size=4, vocabulary=vocabulary)
    assert h1_keys_distinct(np.array(tokens), 2) is not None
    assert last_margin(built, RATIONAL, tokens, 3) == 0


@pytest.mark.parametrize("claim", ["mqar.thm3-step1", "mqar.value-code", "mqar.thm4"])
def test_h2_is_needed(claim):
    """κ = 1: k v1 k v2 k v2 k is answered wrongly by every ungated or gated block without positions."""
    vocabulary, tokens = Vocabulary.paper(1, 2), [0, 1, 0, 2, 0, 2, 0]
    built = mqar.build(claim, "paper", num_kv_pairs=1, vocab_size=3, vocabulary=vocabulary)
    assert h2_no_query_after_noise(np.array(tokens), vocabulary, 1) is not None
    assert last_margin(built, RATIONAL, tokens, 1) < 0
    robust = mqar.build("mqar.robust", "paper", num_kv_pairs=1, vocab_size=3, vocabulary=vocabulary)
    assert last_margin(robust, RATIONAL, tokens, 1) == 1


def test_h3_is_needed_by_two_states():
    """κ = 3, two of the keys share a value: their scores add up past the query's own."""
    vocabulary, tokens = Vocabulary.paper(3, 2), [0, 3, 1, 4, 2, 4, 0]
    built = mqar.build("mqar.n2-distinct", "paper", num_kv_pairs=3, vocab_size=5, vocabulary=vocabulary)
    assert h3_values_distinct(np.array(tokens), vocabulary) is not None
    assert last_margin(built, RATIONAL, tokens, 3) < 0


def test_h4_is_needed_by_the_selective_step():
    """κ = 3, the query right behind a value: it looks like a key of the context, and the other block outweighs it."""
    vocabulary = Vocabulary(6, range(3), range(3, 5), filler=5)
    built = mqar.build("mqar.n1-delta-gate", "paper", num_kv_pairs=3, vocab_size=6, vocabulary=vocabulary)
    context = [0, 3, 1, 4, 2, 4]
    assert h4_filler(np.array([*context, 3, 0]), vocabulary, 3, [5]) is not None
    assert last_margin(built, FLOAT64, [*context, 0], 3) < 0
    assert last_margin(built, FLOAT64, [*context, 5, 0], 3) > 0


def test_swapped_sequences_get_the_same_logits_from_every_positionless_construction():
    names = {
        "k": 0,
        "a1": 1,
        "a2": 2,
        **{name: 3 + i for i, name in enumerate(("v1", "v2", "u1", "u2", "f1", "f2", "f3"))},
    }
    first, second = ([names[t] for t in tokens] for tokens in (CONTEXT + TAIL, swapped(CONTEXT + TAIL)))
    vocabulary = Vocabulary.paper(3, 7)
    asked = [answers(np.array([tokens]), vocabulary, 3)[0][-1] for tokens in (first, second)]
    assert asked == [names["v1"], names["v2"]]
    for claim in ("mqar.thm2-step1", *VALUES_ONLY, "mqar.thm4"):
        built = mqar.build(claim, "paper", num_kv_pairs=3, vocab_size=10, vocabulary=vocabulary)
        np.testing.assert_array_equal(
            built.run(RATIONAL, np.array(first))[-1], built.run(RATIONAL, np.array(second))[-1]
        )


# ------------------------------------------------------------------------------- extensions D and E


def test_time_gates_with_noise_from_v_and_every_key_queried_three_times():
    """Extension E: each query is followed by a noise value, three rounds over all keys."""
    rng = np.random.default_rng(0)
    num_keys, num_values = 8, 8
    vocabulary = Vocabulary.paper(num_keys, num_values)
    built = mqar.build("mqar.robust", "paper", num_kv_pairs=num_keys, vocab_size=16, vocabulary=vocabulary)
    rows = []
    for _ in range(50):
        context = np.stack([rng.permutation(num_keys), rng.integers(num_keys, 16, num_keys)], axis=1).ravel()
        rounds = [rng.permutation(num_keys) for _ in range(3)]
        tail = np.stack([np.concatenate(rounds), rng.integers(num_keys, 16, 3 * num_keys)], axis=1).ravel()
        rows.append(np.concatenate([context, tail]))
    tokens = np.stack(rows)
    targets = answers(tokens, vocabulary, num_keys)
    asked = targets >= 0
    for dtype in (torch.float32, torch.float64):
        found = built.module(dtype)(torch.from_numpy(tokens)).argmax(-1).numpy()
        assert (found[asked] == targets[asked]).all()
    plain = mqar.build("mqar.thm3-step1", "paper", num_kv_pairs=num_keys, vocab_size=16, vocabulary=vocabulary)
    assert (plain.run(FLOAT64, tokens).argmax(-1)[asked] != targets[asked]).any()


def test_two_states_need_the_time_gates_on_random_filler():
    batch = zoology_mqar(64, 100, 64, 0, num_kv_pairs=8)
    alone = mqar.build("mqar.n2-distinct", "paper", num_kv_pairs=8, vocab_size=64, vocabulary=batch.vocabulary)
    gated = mqar.robust(batch.vocabulary, "paper", num_kv_pairs=8, choose=recall_codes.two_state_codes)
    scores = {}
    for name, built in {"D": alone, "D + E": gated}.items():
        found = built.module(torch.float32)(torch.from_numpy(batch.tokens)).argmax(-1).numpy()
        scores[name] = float((found[batch.queries] == batch.targets[batch.queries]).mean())
    assert scores["D + E"] == 1
    assert scores["D"] < 0.9


# ----------------------------------------------------------------------------------- small matters


def test_orthogonal_columns_are_the_smallest_counterexample_to_the_printed_bias():
    """p = 1 has the two columns + and −, of product −1: no ε < 1 allows them; at p = 2 orthogonal columns fail."""
    assert float(printed_margin({"u": "+-", "v": "++"}, "u", "v")) < 0
    assert float(printed_margin({"u": "+-", "v": "-+"}, "u", "v")) > 0


@pytest.mark.parametrize("target", ["paper_mamba2", "official_mamba2", "mamba2_language_model"])
def test_mamba2_says_why_it_cannot_hold_a_mixer(target):
    with pytest.raises(ValueError, match="compile to Mamba-1 only"):
        mqar.build("mqar.thm4", target, num_kv_pairs=2, vocab_size=4, vocabulary=Vocabulary.paper(2, 2))


def test_the_official_block_says_that_it_sees_no_positions():
    with pytest.raises(ValueError, match="let a first layer count them"):
        mqar.build("mqar.robust", "official", num_kv_pairs=2, vocab_size=4, vocabulary=Vocabulary.paper(2, 2))


def test_unbalanced_or_equal_columns_are_refused():
    vocabulary = Vocabulary.paper(2, 2)
    for columns in (["++", "+-"], ["+-", "+-"]):
        with pytest.raises(ValueError, match="must differ and have as many"):
            recall_codes.sign_codes(vocabulary, columns)


def test_the_closed_form_is_exact_over_the_rationals():
    vocabulary = Vocabulary.paper(3, 3)
    tokens = np.array([0, 3, 1, 4, 2, 3, 1, 2, 2, 5, 0, 4])
    for claim in (*VALUES_ONLY, "mqar.thm4", "mqar.robust"):
        built = mqar.build(claim, "paper", num_kv_pairs=3, vocab_size=6, vocabulary=vocabulary)
        expected, found = built.expected_logits(RATIONAL, tokens), built.run(RATIONAL, tokens)
        queries = vocabulary.is_key(tokens)
        np.testing.assert_array_equal(found[queries], expected[queries])


@pytest.mark.parametrize("target", ["official", "language_model"])
@pytest.mark.parametrize("claim", [*VALUES_ONLY, "mqar.thm4"])
def test_the_closed_form_is_the_official_blocks_up_to_its_decay(claim, target):
    """Arb encloses the difference at every query; a write loses at most its `decay_loss_bound`."""
    batch, vocabulary = (
        paper_mqar(3, 4, 2, 12, seed=3, query_probability=0.5),
        Vocabulary(8, range(1, 4), range(4, 8), 0),
    )
    built = mqar.build(claim, target, num_kv_pairs=3, vocab_size=8, vocabulary=vocabulary)
    for tokens, targets in zip(batch.tokens + 1, batch.targets, strict=True):
        asked = np.flatnonzero(targets >= 0)
        gaps = (built.run(BALL, tokens) - built.expected_logits(BALL, tokens))[asked]
        with BALL.arithmetic():
            stored = sum(abs(y) for y in built.closed_form.readout(BALL, tokens).ravel())
            bound = BALL.number(built.decay_loss_bound(len(tokens))) * stored * BALL.sqrt(BALL.number(8))
        for gap in gaps[:, list(vocabulary.values)].ravel():
            assert gap.abs_lower() <= bound.upper() < 2**-20
            assert gap.rad() < 2**-80


def assembled(codes: RecallCodes, vocabulary: Vocabulary) -> MixerDescription:
    description = recall_codes.describe(vocabulary, codes, "relu")
    return compiled("mqar.thm3-step1", "paper_mamba2", description, CodeForm(codes, vocabulary)).description


def test_a_description_serves_the_paper_s_mamba2_block_in_single_precision():
    vocabulary = Vocabulary.paper(3, 3)
    assert assembled(recall_codes.one_hot_codes(vocabulary), vocabulary).state
    built = mqar.build("mqar.thm3-step1", "paper_mamba2", num_kv_pairs=3, vocab_size=6, vocabulary=vocabulary)
    assert last_margin(built, FLOAT32, [0, 3, 1, 4, 2, 5, 1], 4) == 1
