"""The tasks: each generator makes what its definition says, and the oracle agrees with it."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions.foundations.copying import Copying
from mamba_theorems.constructions.haar import task as keep
from mamba_theorems.constructions.induction_heads import task as induction
from mamba_theorems.constructions.mqar.assignments import every_assignment, queried_once
from mamba_theorems.constructions.tasks import (
    IGNORED,
    Vocabulary,
    answers,
    h1_keys_distinct,
    h2_no_query_after_noise,
    h3_values_distinct,
    h4_filler,
    paper_mqar,
    stored_writes,
    zoology_mqar,
)


@st.composite
def zoology_sizes(draw):
    num_kv_pairs = draw(st.integers(1, 12))
    vocab_size = draw(st.integers(2 * num_kv_pairs + 2, 80))
    input_seq_len = 2 * draw(st.integers(2 * num_kv_pairs, 4 * num_kv_pairs + 8))
    return {"vocab_size": vocab_size, "input_seq_len": input_seq_len, "num_kv_pairs": num_kv_pairs}


@st.composite
def paper_sizes(draw):
    num_kv_pairs = draw(st.integers(1, 8))
    return {
        "num_kv_pairs": num_kv_pairs,
        "num_values": draw(st.integers(1, 12)),
        "input_seq_len": 2 * num_kv_pairs + draw(st.integers(1, 30)),
    }


seeds = st.integers(0, 2**32)


@given(zoology_sizes(), seeds, st.booleans())
def test_zoology_queries_every_key_once_and_answers_its_value(sizes, seed, random_non_queries):
    batch = zoology_mqar(num_examples=5, seed=seed, random_non_queries=random_non_queries, **sizes)
    pairs = sizes["num_kv_pairs"]
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        asked = np.flatnonzero(targets != IGNORED)
        value_of = dict(zip(tokens[0 : 2 * pairs : 2].tolist(), tokens[1 : 2 * pairs : 2].tolist(), strict=True))
        assert sorted(tokens[asked]) == sorted(value_of)
        assert [value_of[key] for key in tokens[asked].tolist()] == targets[asked].tolist()
        assert (asked % 2 == 0).all()
        assert (asked >= 2 * pairs).all()


@given(zoology_sizes(), seeds)
def test_zoology_draws_distinct_keys_and_values_from_their_halves(sizes, seed):
    batch = zoology_mqar(num_examples=5, seed=seed, **sizes)
    pairs, half = sizes["num_kv_pairs"], sizes["vocab_size"] // 2
    for tokens in batch.tokens:
        keys, values = tokens[0 : 2 * pairs : 2], tokens[1 : 2 * pairs : 2]
        assert len(set(keys)) == len(set(values)) == pairs
        assert ((keys >= 1) & (keys < half)).all()
        assert ((values >= half) & (values < sizes["vocab_size"])).all()


@given(zoology_sizes(), seeds)
def test_zoology_with_filler_satisfies_every_hypothesis_and_the_oracle(sizes, seed):
    batch = zoology_mqar(num_examples=3, seed=seed, random_non_queries=False, **sizes)
    pairs, vocabulary = sizes["num_kv_pairs"], batch.vocabulary
    np.testing.assert_array_equal(answers(batch.tokens, vocabulary, pairs), batch.targets)
    for tokens in batch.tokens:
        assert h1_keys_distinct(tokens, pairs) is None
        assert h2_no_query_after_noise(tokens, vocabulary, pairs) is None
        assert h3_values_distinct(tokens, vocabulary) is None
        assert h4_filler(tokens, vocabulary, pairs, [0]) is None
    assert ((batch.tokens == 0) | batch.queries | (np.arange(batch.tokens.shape[1]) < 2 * pairs)).all()


@given(zoology_sizes(), seeds)
def test_zoology_random_non_queries_keep_the_oracle_right_at_its_queries(sizes, seed):
    batch = zoology_mqar(num_examples=5, seed=seed, random_non_queries=True, **sizes)
    truth = answers(batch.tokens, batch.vocabulary, sizes["num_kv_pairs"])
    np.testing.assert_array_equal(truth[batch.queries], batch.targets[batch.queries])


def test_zoology_random_non_queries_reach_the_whole_vocabulary():
    batch = zoology_mqar(12, 2000, 20, seed=0, num_kv_pairs=2)
    tail = batch.tokens[:, 4:][~batch.queries[:, 4:]]
    counts = np.bincount(tail, minlength=12)
    expected = tail.size / 12
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_zoology_gaps_follow_the_power_law():
    """The first pair's gap has the power law itself as its distribution (the first of the ordered draws)."""
    batch = zoology_mqar(64, 20000, 40, seed=1, power_a=0.01, num_kv_pairs=1, random_non_queries=False)
    gaps = (np.argmax(batch.queries, axis=1) - 2) // 2
    law = np.arange(1, 20) ** (0.01 - 1)
    expected = 20000 * law / law.sum()
    assert (abs(np.bincount(gaps, minlength=19) - expected) < 5 * np.sqrt(expected)).all()


def test_zoology_is_reproducible_and_depends_on_the_seed():
    first, again, other = (zoology_mqar(64, 4, 64, seed=seed).tokens for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(paper_sizes(), seeds)
def test_paper_task_satisfies_h1_h2_and_answers_the_stored_value(sizes, seed):
    batch = paper_mqar(num_examples=4, seed=seed, **sizes)
    pairs, vocabulary = sizes["num_kv_pairs"], batch.vocabulary
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        assert h1_keys_distinct(tokens, pairs) is None
        assert h2_no_query_after_noise(tokens, vocabulary, pairs) is None
        assert h4_filler(tokens, vocabulary, pairs, vocabulary.values) is None
        value_of = dict(zip(tokens[0 : 2 * pairs : 2].tolist(), tokens[1 : 2 * pairs : 2].tolist(), strict=True))
        tail = [value_of.get(token, IGNORED) for token in tokens[2 * pairs :].tolist()]
        assert targets.tolist() == [IGNORED] * (2 * pairs) + tail


def test_paper_task_without_its_hypotheses_violates_them():
    free = paper_mqar(3, 4, 200, 30, seed=0, distinct_keys=False, requery_after_value=True)
    assert any(h1_keys_distinct(tokens, 3) for tokens in free.tokens)
    assert any(h2_no_query_after_noise(tokens, free.vocabulary, 3) for tokens in free.tokens)


def test_paper_task_has_adjacent_and_repeated_queries():
    batch = paper_mqar(3, 4, 100, 30, seed=0, query_probability=0.8)
    assert (batch.queries[:, 1:] & batch.queries[:, :-1]).any()
    assert (batch.queries.sum(axis=1) > 3).any()


def test_paper_task_of_queries_only_asks_everywhere():
    assert paper_mqar(3, 4, 10, 20, seed=0, query_probability=1.0).queries[:, 6:].all()


@settings(max_examples=30)
@given(paper_sizes(), seeds)
def test_an_answer_is_withheld_exactly_where_the_context_contradicts_itself(sizes, seed):
    batch = paper_mqar(num_examples=4, seed=seed, distinct_keys=False, requery_after_value=True, **sizes)
    pairs = sizes["num_kv_pairs"]
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        context = list(zip(tokens[0 : 2 * pairs : 2].tolist(), tokens[1 : 2 * pairs : 2].tolist(), strict=True))
        for t in range(2 * pairs, len(tokens)):
            stored = {value for key, value in context if key == tokens[t]}
            assert targets[t] == (stored.pop() if len(stored) == 1 else IGNORED)


VOCABULARY = Vocabulary(8, keys=range(1, 4), values=range(4, 8), filler=0)


@pytest.mark.parametrize(
    ("violation", "positions"),
    [
        (h1_keys_distinct(np.array([1, 4, 1, 5]), 2), (2,)),
        (h2_no_query_after_noise(np.array([1, 4, 1, 5, 1]), VOCABULARY, 1), (4,)),
        (h2_no_query_after_noise(np.array([1, 4, 2, 5, 0, 2, 1]), VOCABULARY, 1), (5,)),
        (h3_values_distinct(np.array([1, 4, 2, 4]), VOCABULARY), (3,)),
        (h3_values_distinct(np.array([1, 4, 1, 4]), VOCABULARY), (3,)),
        (h4_filler(np.array([1, 4, 1, 0, 2]), VOCABULARY, 1, [0]), (4,)),
    ],
)
def test_each_hypothesis_names_the_positions_that_break_it(violation, positions):
    assert violation is not None
    assert violation.positions == positions


@pytest.mark.parametrize(
    "holds",
    [
        h1_keys_distinct(np.array([1, 4, 2, 4]), 2),
        h2_no_query_after_noise(np.array([1, 4, 1, 1, 5, 0]), VOCABULARY, 1),
        h2_no_query_after_noise(np.array([1, 4, 1, 0, 5, 1]), VOCABULARY, 1),
        h3_values_distinct(np.array([1, 4, 5, 4, 2, 6]), VOCABULARY),
        h4_filler(np.array([1, 4, 1, 0]), VOCABULARY, 1, [0]),
    ],
)
def test_each_hypothesis_accepts_its_near_misses(holds):
    assert holds is None


def test_stored_writes_are_the_values_directly_after_a_key():
    writes = stored_writes(np.array([1, 4, 5, 2, 2, 6, 0, 7]), VOCABULARY)
    assert writes.positions.tolist() == [1, 5]
    assert writes.keys.tolist() == [1, 2]
    assert writes.values.tolist() == [4, 6]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: zoology_mqar(16, 1, 64, 0, num_kv_pairs=8), "use vocab_size >= 18 or fewer pairs"),
        (lambda: zoology_mqar(64, 1, 30, 0, num_kv_pairs=8), "use at least 32"),
        (lambda: zoology_mqar(64, 1, 33, 0, num_kv_pairs=8), "is odd: use 34"),
        (lambda: zoology_mqar(3, 1, 4, 0, num_kv_pairs=1), "use at least 4"),
        (lambda: zoology_mqar(64, 0, 64, 0), "num_examples=0 must be at least 1"),
        (lambda: paper_mqar(4, 4, 1, 8, 0), "use at least 9"),
        (lambda: paper_mqar(0, 4, 1, 8, 0), "num_kv_pairs=0 must be at least 1"),
        (lambda: Vocabulary(4, range(0, 2), range(1, 4)), "must be disjoint token ids below 4"),
        (lambda: Vocabulary(4, range(0), range(1, 4)), "needs a key and a value"),
        (lambda: answers(np.array([[1, 4, 4, 5]]), VOCABULARY, 2), "must start with 2 pairs"),
        (lambda: answers(np.array([[1, 4]]), VOCABULARY, 2), "must start with 2 pairs"),
    ],
)
def test_an_impossible_size_raises_one_sentence_that_says_what_to_do(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


# --- the other tasks: their oracles against the definition, on all small sequences ------------------------------------


def all_sequences(num_tokens, length):
    return np.array(list(product(range(num_tokens), repeat=length)))


def kept(sequence, n):
    return [sequence[n - 1] if t >= n else IGNORED for t in range(1, len(sequence) + 1)]


def followed(sequence, blank):
    """y_t = x_{j+1}, j the last earlier position with x_j = x_t."""
    before = [[j for j in range(t) if sequence[j] == x] for t, x in enumerate(sequence)]
    return [sequence[js[-1] + 1] if js else blank for js in before]


def copied(sequence, noise, marker):
    contents = iter([x for x in sequence if x not in (noise, marker)])
    return [next(contents) if x == marker else IGNORED for x in sequence]


def agrees(oracle, definition, num_tokens=3, lengths=range(1, 6)):
    """Whether an oracle on arrays says what the definition says of every small sequence."""
    batches = [all_sequences(num_tokens, length) for length in lengths]
    return all(oracle(b).tolist() == [definition(s) for s in b.tolist()] for b in batches)


def first_occurrence(tokens):
    """A mutant of the oracle: what followed the first occurrence."""
    return np.array([[s[s.index(x) + 1] if x in s[:t] else 3 for t, x in enumerate(s)] for s in tokens.tolist()])


def test_keep_answers_token_n_and_a_mutant_does_not():
    for n in (1, 2, 3):
        assert agrees(lambda b, n=n: keep.answers(b, n), lambda s, n=n: kept(s, n), lengths=range(n, 6))
    assert not agrees(lambda b: keep.answers(b, 3), lambda s: kept(s, 2), lengths=range(3, 6))
    with pytest.raises(ValueError, match="There is no token 4 among 3"):
        keep.answers(np.zeros((1, 3), dtype=int), 4)


def test_induction_answers_what_followed_last_and_mutants_do_not():
    assert agrees(lambda b: induction.answers(b, 3), lambda s: followed(s, 3))
    assert induction.answers(np.array([0, 1, 0, 2, 0]), 3).tolist() == [3, 3, 1, 3, 2]
    assert not agrees(first_occurrence, lambda s: followed(s, 3))
    assert not agrees(lambda b: np.roll(induction.answers(b, 3), 1, -1), lambda s: followed(s, 3))


def test_copying_answers_every_content_in_order_at_every_place_and_a_mutant_does_not():
    for values, count, length in ((2, 1, 3), (2, 2, 5), (3, 2, 4)):
        task = Copying(values, count, length)
        places = list(combinations(range(length - count), count))
        cases = list(product(places, product(range(values), repeat=count)))
        chosen, contents = (np.array(part) for part in zip(*cases, strict=True))
        tokens, targets = task.sequence(chosen, contents)
        said = [copied(s, task.noise, task.marker) for s in tokens.tolist()]
        assert targets.tolist() == said
        assert count == 1 or targets[:, ::-1].tolist() != said
        drawn, answered = task.batch(50, seed=1)
        assert answered.tolist() == [copied(s, task.noise, task.marker) for s in drawn.tolist()]


@pytest.mark.parametrize(
    ("pairs", "values", "distinct", "count"), [(2, 3, False, 9), (3, 4, True, 24), (1, 2, True, 2)]
)
def test_every_assignment_stands_once_with_every_query(pairs, values, distinct, count):
    batch = every_assignment(pairs, values, gap=2, distinct_values=distinct)
    assigned = batch.tokens[:, 1 : 2 * pairs : 2] - pairs
    expected = permutations(range(values), pairs) if distinct else product(range(values), repeat=pairs)
    rows = sorted((*a, q) for a, q in zip(assigned.tolist(), batch.tokens[:, -1].tolist(), strict=True))
    assert rows == sorted((*a, q) for a in expected for q in range(pairs))
    assert len(rows) == count * pairs
    assert (batch.targets[:, -1] == assigned[np.arange(len(rows)), batch.tokens[:, -1]] + pairs).all()
    assert (batch.targets[:, :-1] == IGNORED).all()
    assert (batch.tokens[:, 2 * pairs : -1] == batch.vocabulary.values[0]).all()


@given(st.integers(1, 5), st.integers(5, 9), st.integers(0, 3), st.booleans(), seeds)
def test_queried_once_asks_every_key_once_and_stores_nothing_after_the_context(pairs, values, gap, distinct, seed):
    batch = queried_once(pairs, values, 4, seed, gap=gap, distinct_values=distinct)
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        assert h1_keys_distinct(tokens, pairs) is None
        assert not distinct or h3_values_distinct(tokens, batch.vocabulary) is None
        assert len(stored_writes(tokens, batch.vocabulary).keys) == pairs
        asked = np.flatnonzero(targets != IGNORED)
        assert asked.tolist() == list(range(2 * pairs + gap, 3 * pairs + gap))
        value_of = dict(zip(tokens[0 : 2 * pairs : 2].tolist(), tokens[1 : 2 * pairs : 2].tolist(), strict=True))
        assert [value_of[key] for key in tokens[asked].tolist()] == targets[asked].tolist()
        assert sorted(tokens[asked].tolist()) == sorted(value_of)


def test_too_many_assignments_and_too_few_values_get_one_sentence():
    with pytest.raises(ValueError, match="use a smaller vocab_size"):
        every_assignment(8, 8)
    with pytest.raises(ValueError, match="use a larger vocab_size"):
        queried_once(4, 3, 1, 0, distinct_values=True)
