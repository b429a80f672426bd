"""The record of the mutation run (tests/mutation.py): every survivor is accounted for."""

import pytest
from mutation import ROOT, Mutant, guards, record


def test_every_survivor_says_why_or_how_its_line_was_rewritten():
    survivors = [m for m in record() if not m["rejected_by"]]
    assert all(m.keys() & {"reason", "rewritten"} for m in survivors)


def test_a_mutant_is_one_change_of_its_file():
    pytest.importorskip("cosmic_ray", reason="pip install -e '.[mutation]'")
    path = "theorems/proofs/decide.py"
    mutant = Mutant(path, 1, "core/NumberReplacer", 0)
    before, after = (ROOT / path).read_text().splitlines(), (mutant.source() or "").splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_what_only_guards_is_left_out():
    assert guards("zip(a, b, strict=True)") == [((1, 17), (1, 21))]
    assert guards("f(a, b)") == []
