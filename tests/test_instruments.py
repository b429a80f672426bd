"""A run whose instruments are broken says which, and tells no verdict."""

from dataclasses import replace

import pytest

from mamba_theorems import check_certificate
from mamba_theorems.theorems.proofs import decide, proof, steps
from mamba_theorems.theorems.proofs.decide import Truth, Verdict, proved, unknown
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.checks import certificates
from mamba_theorems.verify.checks.check import Finding, Property, Score
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.engine import derivations, gather, instruments, runner
from mamba_theorems.verify.engine.instruments import INSTRUMENTS, check_instruments
from mamba_theorems.verify.evidence import Outcome, outcome_of
from mamba_theorems.verify.settings import BrokenInstrument

VALUE = property(lambda score: score.value)


def credulous(decider):
    """The same procedure, which takes what it does not know for proved."""

    def decided(*args, **options) -> Verdict:
        found = decider(*args, **options)
        return proved(found.method) if found.truth is Truth.UNKNOWN else found

    return decided


def passing(ahead):
    return property(lambda score: ahead(score.value) if score.unit == "margin" else usual.fget(score))


usual = Score.passes
BROKEN = {
    "a margin of 0 passes": (Score, "passes", passing(lambda v: v >= 0), "score lets pass margin 0.0"),
    "what is not a number passes": (Score, "passes", passing(lambda v: not v <= 0), "score lets pass margin nan"),
    "nothing passes": (Score, "passes", property(lambda _: False), "score refuses margin 5e-324"),
    "every score passes": (Score, "passes", property(lambda _: True), "score lets pass margin 0.0"),
    "a bound is taken wide": (
        Score,
        "passes",
        property(lambda s: s.value <= 1 + 1e-9 if s.unit == "error/bound" else usual.fget(s)),
        "score lets pass error/bound 1.0000000000000002",
    ),
    "a failing property is not told": (Property, "_failed", lambda *_: Finding(True, ""), "score lets pass margin 0.0"),
    "unknown is taken for proof": (decide, "entails", credulous(decide.entails), "for which z3 has no time"),
    "everything is entailed": (decide, "entails", lambda *_: proved("z3"), "the proof engine lets pass"),
    "nothing is proved": (decide, "entails", lambda *_: unknown("z3"), "proof engine refuses the bound x² + 1"),
    "every identity holds": (steps, "identity", lambda *_: proved("sympy"), "lets pass the identity (x + 1)² = x² + 1"),
    "a last step states anything": (proof.Proof, "link", lambda *_: "", "lets pass a proof of another statement"),
    "derivations crash": (derivations, "_evidence", None, "the proof engine cannot decide"),
    "contradictions are not seen": (
        instruments,
        "outcome_of",
        lambda pieces, below: outcome_of([p for p in pieces if p.holds is not False], below),
        "lets pass a proof beside a counterexample",
    ),
    "a claim forgets what it rests on": (instruments, "outcome_of", lambda p, _: outcome_of(p, ()), "rests on what"),
    "every outcome is known": (instruments, "outcome_of", lambda *_: Outcome.PROVED, "lets pass"),
    "the stand-alone checker accepts all": (check_certificate, "check", str, "check_certificate.py lets pass"),
    "no number is checked": (check_certificate, "check_numbers", lambda _: None, "whose weights are changed"),
    "no digest is checked": (check_certificate, "tensor_digest", lambda *_: "", "check_certificate.py"),
    "any argument is known": (check_certificate, "READ", "", "refuses an honest certificate"),
    "our checker accepts all": (catalogue, "check", lambda *_: {}, "checker of `check` lets pass"),
    "all is certified": (certificates, "look", lambda *_: Finding(True, ""), "maker of certificates lets pass"),
    "nothing is certified": (certificates, "look", lambda *_: Finding(None, ""), "maker of certificates refuses"),
}  # fmt: skip


def test_sound_instruments_pass():
    check_instruments()


@pytest.mark.parametrize(("owner", "name", "broken", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_instrument_is_named(owner, name, broken, says, monkeypatch):
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(BrokenInstrument) as reason:
        check_instruments()
    assert says in str(reason.value)
    assert "\n" not in str(reason.value)


def test_every_instrument_has_what_must_pass_and_what_must_not():
    for name in {i.name for i in INSTRUMENTS}:
        assert {i.true for i in INSTRUMENTS if i.name == name} == {True, False}


@pytest.mark.parametrize("args", ["foundations.euler-gap", "explain foundations.euler-gap --run", "all -x"])
def test_a_run_with_a_broken_instrument_exits_with_3_and_one_sentence_and_no_verdict(
    args, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Score, "passes", property(lambda _: True))
    monkeypatch.setattr(runner, "gather", gather.time.sleep)  # a worker's work, which is not waited for
    assert cli.main(args.split()) == cli.Exit.INTERNAL
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("verify: the score lets pass margin 0.0: ")
    assert len(printed.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_replay_with_a_broken_instrument_tells_no_verdict(capsys, monkeypatch):
    monkeypatch.setattr(Score, "passes", property(lambda _: True))
    network = "Theorem 2, k = 2, v = 1, c_0 = 1, c_1 = 2, b = 1"
    case = f'statement:{{"network":"{network}","num_kv_pairs":1,"rival":"v2","sequence":"k v1 k v2 k"}}'
    assert cli.main(["mqar.thm2-step1-printed", "--replay", case]) == cli.Exit.INTERNAL
    assert capsys.readouterr().out == ""


def test_an_instrument_leaves_the_engine_as_it_found_it():
    before = decide._ToZ3.solver
    check_instruments()
    assert decide._ToZ3.solver is before


def test_a_false_case_of_one_s_own_is_one_line_more(monkeypatch):
    mine = instruments.Instrument("oracle", "what is false", lambda: True)
    monkeypatch.setattr(instruments, "INSTRUMENTS", (*INSTRUMENTS, mine))
    with pytest.raises(BrokenInstrument, match=r"^the oracle lets pass what is false: "):
        check_instruments()
    monkeypatch.setattr(instruments, "INSTRUMENTS", (replace(mine, passes=lambda: 1 / 0),))
    with pytest.raises(BrokenInstrument, match=r"^the oracle cannot decide what is false: "):
        check_instruments()
