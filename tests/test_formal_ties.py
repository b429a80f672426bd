"""What ties theorems/formal to Python: blocks, weights and hypotheses mean the same on both sides; Rocq can refuse."""

import re
from dataclasses import replace
from random import Random

import formal_ties
import numpy as np
import pytest
from attacks import NIGHTLY
from formal_ties import (
    LARGE,
    SMALL,
    TASK,
    TIES,
    VOCABULARY,
    Goal,
    blocks_differ,
    decided,
    hypotheses_differ,
    task_goals,
    weights_differ,
)

from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.sources import Sources
from mamba_theorems.verify.report import rocq as definitions


@pytest.fixture(scope="session")
def built(here):
    """theorems/formal, compiled."""
    sources = Sources()
    with rocq.alone(rocq.folder_of(sources)):
        return rocq.build(sources)


@pytest.fixture
def rng(request):
    """Fixed draws, or a night's own."""
    return Random(int(request.config.option.hypothesis_seed or 0))


@pytest.fixture
def night(request):
    """Whether the run is a night's, which may take longer."""
    return request.config.getoption("hypothesis_profile") == NIGHTLY


def test_every_file_compiles(built):
    assert not built.failed


def test_every_block_computes_what_the_python_block_computes(built, rng):
    assert not blocks_differ(built, rng)


def test_a_wrong_goal_is_told_by_its_name(built):
    goals = [Goal("right", "1 + 1", "2 # 1"), Goal("wrong", "(1 # 2) + (1 # 2)", "2 # 4")]
    assert decided(built, goals).startswith("wrong: ")
    assert not decided(built, goals[:1])


def test_the_hypotheses_and_the_answers_are_python_s_on_every_small_sequence(built, night):
    assert not hypotheses_differ(built, LARGE if night else SMALL)


def stored_keys_alone(tokens, pairs):
    """H2 read otherwise: no *stored* key occurs again."""
    h1, h2, h3, h4 = formal_ties.hypotheses(tokens, pairs)
    stored = (tokens[:, :, None] == tokens[:, None, : 2 * pairs : 2]).any(-1)
    return [h1, h2 & stored, h3, h4]


def writes_of_the_context_alone(tokens, pairs):
    """H3 without the writes of the tail."""
    h1, h2, h3, h4 = formal_ties.hypotheses(tokens, pairs)
    return [h1, h2, h3 & (np.arange(tokens.shape[1]) < 2 * pairs), h4]


def behind_any_token(tokens, pairs):
    """H4 of filler too: a query stands behind a key."""
    h1, h2, h3, h4 = formal_ties.hypotheses(tokens, pairs)
    behind = np.zeros_like(h4)
    behind[:, 2 * pairs :] = (tokens[:, 2 * pairs :, None] == tokens[:, None, : 2 * pairs : 2]).any(-1)
    behind[:, 2 * pairs :] &= ~VOCABULARY.is_key(tokens[:, 2 * pairs - 1 : -1])
    return [h1, h2, h3, behind]


OTHERWISE = (stored_keys_alone, writes_of_the_context_alone, behind_any_token)


def test_another_reading_of_a_hypothesis_is_refused(built):
    """Wherever Python would read a hypothesis otherwise, Rocq refuses the number that it then gives."""
    right = list(task_goals({1: 3}))
    refused = [
        replace(other, name=f"{reading.__name__}: {other.name}", holds=False)
        for reading in OTHERWISE
        for other, goal in zip(task_goals({1: 3}, reading), right, strict=True)
        if other != goal
    ]
    assert {goal.name.partition(":")[0] for goal in refused} == {reading.__name__ for reading in OTHERWISE}
    assert not decided(built, refused, TASK)


def test_the_weights_of_every_construction_are_python_s(built):
    texts = {d.name.rpartition(".")[2]: d.text for d in definitions.texts().values() if d.name.startswith("Constr")}
    blocks = {name for name, text in texts.items() if re.search(r": (?:mamba|s4d|mamba2|official)_weights", text)}
    parts = {name for name in blocks for other in blocks - {name} if re.search(rf"\b{name}\b", texts[other])}
    defined = blocks - parts
    assert defined == set(TIES), "a construction in Rocq has a line in TIES, with the same network in Python"
    assert not weights_differ(built, sorted(defined))
