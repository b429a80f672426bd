"""A definition, a statement or a Python block that is changed breaks what ties theorems/formal to claims, by name."""

import numpy as np
import pytest
from formal_ties import Options, Random, blocks_differ, hypotheses_differ, weights_differ

from mamba_theorems.constructions import tasks
from mamba_theorems.kernels import semantics
from mamba_theorems.verify.formal import kept, rocq
from mamba_theorems.verify.formal.sources import OPTIONS, PROJECT, Sources, path_of

SHORT = [Options(2, False, True), Options(3, True, False)]


def blocks(built):
    """test_every_block_computes_what_the_python_block_computes, with two of its sixteen options."""
    return blocks_differ(built, Random(0), options=SHORT)


def hypotheses(built):
    """test_the_hypotheses_and_the_answers_are_python_s_on_every_small_sequence, with one pair."""
    return hypotheses_differ(built, {1: 3})


def weights(built):
    """test_the_weights_of_every_construction_are_python_s, with one construction."""
    return weights_differ(built, ["shared_convolution"])


NEEDED = {blocks: ("Semantics", "Rational"), hypotheses: ("Task",), weights: ("Constructions", "Rational")}


def place(tmp_path, modules, *changes):
    """Sources of these modules and all that they need, changed: a module, and what stands in it once, for what."""
    whole = Sources()
    texts = {m: whole.texts[m] for module in modules for m in whole.needs(module)}
    for module, old, new in changes:
        assert texts[module].count(old) == 1, old
        texts[module] = texts[module].replace(old, new)
    for module, text in texts.items():
        path = tmp_path / "sources" / path_of(module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "sources" / PROJECT).write_text("\n".join(OPTIONS) + "\n")
    return Sources(tmp_path / "sources")


def tie(tie_, tmp_path, monkeypatch, *changes):
    """What a tie says of changed definitions; empty where both sides are the same."""
    monkeypatch.chdir(tmp_path)
    sources = place(tmp_path, NEEDED[tie_], *changes)
    with rocq.alone(rocq.folder_of(sources)):
        built = rocq.build(sources)
    assert not built.failed
    return tie_(built)


@pytest.mark.parametrize("tie_", NEEDED)
def test_unchanged_both_sides_are_the_same(tie_, tmp_path, monkeypatch, here):
    assert tie(tie_, tmp_path, monkeypatch) == ""


DEFINITIONS = [
    (blocks, "Semantics", "back X t (k - 1 - i) c", "back X t i c"),
    (blocks, "Semantics", "  | O => write O\n", "  | O => fun _ _ => zero F\n"),
    (blocks, "Semantics", "mul (mul (delta t c) (u t c)) (B t m)", "mul (u t c) (B t m)"),
    (blocks, "Semantics", "Nat.div c (headdim W)", "Nat.modulo c (headdim W)"),
    (blocks, "Semantics", "mul (o_D W c) (o_x_hat t c)", "mul (o_D W c) (row X t c)"),
    (hypotheses, "Task", "[&& size (pairs ctx) <= r, is_key (tok s r)", "[&& size (pairs ctx) < r, is_key (tok s r)"),
    (hypotheses, "Task", "has (fun p => tok s t == key_ p.1) ctx & is_value", "is_key (tok s t) & is_value"),
    (weights, "Constructions", "if c < kappa then zero F else head u (c - kappa)", "head u (c - kappa)"),
]


@pytest.mark.parametrize(("tie_", "module", "old", "new"), DEFINITIONS)
def test_a_changed_definition_breaks_its_tie(tie_, module, old, new, tmp_path, monkeypatch, here):
    assert tie(tie_, tmp_path, monkeypatch, (module, old, new))


STATEMENTS = [
    ("(M : 'M[R]_(p, d)) : signs_only M ->", "(M : 'M[R]_(p, d)) (_ : (0 < p)%N) : signs_only M ->"),
    ("forall r i, M r i = 1 \\/ M r i = -1.", "forall r i, M r i = -1 \\/ M r i = 1."),
    ("mean_product (stacked M) i j = mean_product M i j", "mean_product (stacked M) i j = mean_product M j i"),
]


@pytest.mark.parametrize(("old", "new"), STATEMENTS)
def test_a_changed_statement_is_another_than_the_record_s(old, new, tmp_path, monkeypatch, here):
    """test_the_record_that_ships_is_what_rocq_says_here, with one theorem; the changed file may compile, or not."""
    name = "mqar.Lemma4.stacked_balanced"
    shipped = kept.recorded().theorems[name]
    monkeypatch.chdir(tmp_path)
    assert kept.examine(place(tmp_path, ["mqar.Lemma4"]), [name]).theorems[name] == shipped
    found = kept.examine(place(tmp_path, ["mqar.Lemma4"], ("mqar.Lemma4", old, new)), [name])
    assert found.theorems.get(name) != shipped


def reversed_taps(f, x, weight, bias=None):
    """causal_conv1d with the first tap for the current token."""
    return semantics_conv1d(f, x, weight[:, ::-1], bias)


semantics_conv1d = semantics.causal_conv1d


def h2_from_the_second_query_on(tokens, vocabulary, pairs):
    """H2 read otherwise: the tail's first token may occur again."""
    broken = h2(tokens, vocabulary, pairs)
    return broken & (np.cumsum(broken, axis=1) > 1)


h2 = tasks.broken_h2


@pytest.mark.parametrize(
    ("tie_", "room", "name", "other"),
    [
        (blocks, semantics, "causal_conv1d", reversed_taps),
        (hypotheses, tasks, "broken_h2", h2_from_the_second_query_on),
    ],
)
def test_a_changed_python_definition_breaks_its_tie(tie_, room, name, other, tmp_path, monkeypatch, here):
    monkeypatch.setattr(room, name, other)
    assert tie(tie_, tmp_path, monkeypatch)
