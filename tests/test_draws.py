"""Tests say the same twice: what they draw depends on no clock, no other test and no earlier run."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attacks import MANY, NIGHTLY, attack
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
TEST = "test_a_list_reversed_twice_is_itself"


@given(st.lists(st.integers() | st.floats(allow_nan=False), max_size=40))
def test_a_list_reversed_twice_is_itself(numbers):
    """Many draws of numbers, of which hypothesis takes some from the source text of what is imported."""
    assert numbers[::-1][::-1] == numbers


def drawn(*args: str) -> tuple[list[str], str]:
    """Every example of one test, as a pytest of its own draws them where hypothesis sees a CI, and the seed told."""
    options = [
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "--hypothesis-verbosity=verbose",
        "-k",
        f"{TEST} or contradicting",
        *args,
    ]
    command = [sys.executable, "-m", "pytest", *options, "tests/test_draws.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "CI": "1"})
    assert done.returncode == 0, done.stdout
    examples = re.findall(rf"(?ms)Test case: {TEST}\((.*?)^\)", done.stdout)
    return examples, "".join(re.findall(r"(?m)^seed: --hypothesis-seed=(\d+)$", done.stdout))


def test_a_test_draws_the_same_in_every_collection_and_anew_in_a_nightly_run_that_tells_its_seed():
    (alone, none), (after_others, _) = drawn(), drawn("tests/test_evidence.py")
    assert after_others == alone
    nightly, seed = drawn(f"--hypothesis-profile={NIGHTLY}")
    assert min(len(set(alone)), len(set(nightly))) > 50
    assert nightly != alone
    assert (bool(seed), bool(none)) == (True, False)


@pytest.mark.parametrize(("profile", "factor"), [("fixed", 1), (NIGHTLY, MANY)])
def test_a_nightly_run_attacks_with_many_examples(profile, factor):
    before = settings.get_current_profile_name()
    settings.load_profile(profile)
    seen = []

    def see(number: int) -> None:
        seen.append(number)

    try:
        attack(7)(given(st.integers())(see))()
    finally:
        settings.load_profile(before)
    assert len(seen) == 7 * factor


# --- generators ------------------------------------------------------------------------------------------------------

GENERATORS = ("default_rng", "Random", "RandomState", "SeedSequence", "Generator")
SHARED = ("random", "np.random", "numpy.random")


def unseeded(path: Path) -> list[str]:
    """Calls that make a generator without a seed, or draw from the one that a whole process shares."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Attribute)]
    found = []
    for call in made:
        owner, name = ast.unparse(call.func.value), call.func.attr
        shared = owner in SHARED and name not in (*GENERATORS, "SystemRandom")
        if shared or (name in GENERATORS[:-1] and not call.args and not call.keywords):
            found.append(f"{path.relative_to(ROOT)}:{call.lineno}: {owner}.{name}")
    return found


def test_nothing_draws_from_a_generator_without_a_seed():
    files = [
        path
        for room in ("theorems", "constructions", "kernels", "verify", "tests")
        for path in (ROOT / room).rglob("*.py")
    ]
    assert not [line for path in files for line in unseeded(path)]
