"""Ten planted bugs: each is found by a campaign and shrunk to L ≤ 16; `-m slow` hunts through all claims."""

import pytest

from mamba_theorems.kernels.cpu.backend import BACKEND as COMPILED
from mamba_theorems.kernels.cpu.backend import warm_up
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.fuzz import local
from mamba_theorems.verify.fuzz.cells import properties
from mamba_theorems.verify.fuzz.controls import SECONDS, hunt
from mamba_theorems.verify.fuzz.planted import BUGS, planted
from mamba_theorems.verify.settings import Run

LONGEST = 16
AT = {
    "convolution: the oldest tap is off by one": "foundations.unrolled",
    "scan: the carry into the last chunk is lost": "foundations.scan-associative",
    "scan: packed sequences leak": "foundations.unrolled",
    "scan: softplus turns linear at 8": "foundations.unrolled",
    "scan: B of the wrong group": "foundations.unrolled",
    "scan: no D where L is odd": "foundations.unrolled",
    "SSD: the decay's sign at a chunk's boundary": "foundations.ssd-duality",
    "codes: one key has another's code": "mqar.value-code",
    "Theorem 2: neighbours tie": "mqar.thm2-step1",
    "positions: off by one": "mqar.robust",
}
"""A claim whose properties see the bug."""


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compiling for the first time is no part of a hunt."""
    warm_up()


def test_there_are_ten_bugs_in_kernels_and_constructions():
    assert set(AT) == set(BUGS)
    assert len(BUGS) == 10


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_shrunk_by_the_claim_it_touches(bug):
    hunted = hunt(bug, (AT[bug],), Run(seed=1), local.InProcess())
    assert hunted.finding is not None
    assert hunted.finding.again() is not None
    assert hunted.length is not None
    assert hunted.length <= LONGEST


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_within_a_minute_among_all_claims(bug):
    with local.pool_of(2) as pool:
        hunted = hunt(bug, tuple(claims()), Run(), pool)
    assert hunted.finding is not None
    assert hunted.seconds <= SECONDS
    assert hunted.length is not None
    assert hunted.length <= LONGEST


def test_a_bug_is_gone_when_it_is_dug_up_again():
    before = COMPILED.selective_scan
    with planted("scan: packed sequences leak"):
        assert COMPILED.selective_scan != before
    assert COMPILED.selective_scan == before


def test_a_bug_that_nobody_planted_is_not_found():
    check = properties("mqar.value-code")["recall-paper"]
    assert check.examine(check.subject, Run()).holds
