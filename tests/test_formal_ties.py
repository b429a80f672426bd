"""What ties theorems/formal to Python: blocks, weights and hypotheses mean the same on both sides; Rocq can refuse."""

from itertools import product
from random import Random

import pytest
from formal_ties import BLOCKS, Goal, Options, block_goals, decided

from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.sources import Sources

OPTIONS = [Options(*options) for options in product((1, 2, 3, 4), (False, True), (False, True))]


@pytest.fixture(scope="session")
def built():
    """theorems/formal, compiled."""
    try:
        rocq.versions()
    except rocq.NoRocq as reason:
        pytest.skip(f"Rocq is not asked: {reason} (`make formal`)")
    sources = Sources()
    with rocq.alone(rocq.folder_of(sources)):
        return rocq.build(sources)


@pytest.fixture
def random(request):
    """Fixed draws, or a night's own."""
    return Random(int(request.config.option.hypothesis_seed or 0))


def test_every_file_compiles(built):
    assert not built.failed


def test_every_block_computes_what_the_python_block_computes(built, random):
    goals = [
        goal
        for name in BLOCKS
        for options in OPTIONS
        for goal in block_goals(name, options, random, perturbed=options in (OPTIONS[0], OPTIONS[-1]))
    ]
    assert len(goals) == len(BLOCKS) * (len(OPTIONS) + 2)
    assert not decided(built, goals, "From Mamba Require Import Semantics Rational.")


def test_a_wrong_goal_is_told_by_its_name(built):
    goals = [Goal("right", "1 + 1", "2 # 1"), Goal("wrong", "(1 # 2) + (1 # 2)", "2 # 4")]
    assert decided(built, goals).startswith("wrong: ")
    assert not decided(built, goals[:1])
