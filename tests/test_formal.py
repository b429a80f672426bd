"""Theorems in Rocq as evidence: what is refused unread, what the record is worth, and which word a claim gets."""

import re
from dataclasses import replace

import pytest
from attacks import NIGHTLY

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Kind, Outcome, Weakened
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.commands.main import main
from mamba_theorems.verify.evidence import THEOREM, outcome_of
from mamba_theorems.verify.formal import audit, kept, rocq, weaken, worth
from mamba_theorems.verify.formal.audit import Audit, Theorem
from mamba_theorems.verify.formal.kept import Known
from mamba_theorems.verify.formal.rocq import NoRocq
from mamba_theorems.verify.formal.sources import OPTIONS, PROJECT, Sources, code, forbidden, path_of

UNROLLED = "foundations.Recurrence.unrolled"

# --- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Lemma a : True. Proof. Admitted.",
        "Proof. by admit. Qed.",
        "Axiom a : False.",
        "Local Axioms a b : False.",
        "Parameter x : nat.",
        "Conjecture c : True.",
        "#[bypass_check(guard)] Fixpoint f (n : nat) : nat := f n.",
        "Unset Guard Checking.",
        "Unset  Positivity Checking.",
        "Unset Universe Checking.",
        'Declare ML Module "plugin".',
        "Primitive int := #int63_type.",
        "Load other.",
        'Add LoadPath "/tmp" as Mamba.',
        "Variable x : nat.",
        "Section S. End S.\nHypothesis false : False.",
        "Section S.\nVariable x : nat.\nEnd S.\nContext (y : nat).",
        "Next Obligation. Admitted.",
        "(* a comment *) Axiom a (* another *) : False.",
        '(* "*)" *) Axiom a : False.',
    ],
)
def test_a_refused_word_is_found(line):
    assert list(forbidden(line))


@pytest.mark.parametrize(
    "line",
    [
        "(* Admitted: no. Axiom, (* nested: Parameter *) admit *) Definition a := 1.",
        'Definition a := "Axiom"%string.',
        "Section S.\nVariables (x : nat) (y : nat).\nHypothesis h : x = y.\nContext (z : nat).\nEnd S.",
        "Section A. Section B. Variable x : nat. End B. Variable y : nat. End A.",
        "Definition parameter_ := 1. Definition admitted_x := is_admitted.",
        "Lemma axiom_free : mathcomp.Axiom.",
        "Proof. by vm_compute. Qed.",
    ],
)
def test_what_is_no_such_word_is_not(line):
    assert not list(forbidden(line))


def test_a_place_is_told_by_its_line():
    assert list(forbidden("(* one\ntwo *)\nAxiom a : False.")) == [(3, "Axiom")]
    assert code('a (* b "*)" c *) d') == "a  d"


def folder(tmp_path, **files):
    """A folder of sources."""
    (tmp_path / PROJECT).write_text("\n".join(OPTIONS) + "\n")
    for name, text in files.items():
        (tmp_path / f"{name}.v").write_text(text)
    return Sources(tmp_path)


def test_an_option_that_changes_what_a_proof_is_worth_is_refused(tmp_path):
    assert not folder(tmp_path, A="Definition a := 1.").refused
    (tmp_path / PROJECT).write_text("\n".join([*OPTIONS, "-arg -type-in-type"]))
    assert Sources(tmp_path).refused == [(PROJECT, "the option -arg -type-in-type")]


def test_the_sources_that_ship_say_no_refused_word():
    assert not Sources().refused


def test_the_digest_is_of_every_file_and_its_name(tmp_path):
    digest = folder(tmp_path, A="Definition a := 1.", B="From Mamba Require Import A.").digest
    assert digest == Sources(tmp_path).digest
    (tmp_path / "A.v").rename(tmp_path / "C.v")
    renamed = Sources(tmp_path).digest
    (tmp_path / PROJECT).write_text("")
    assert len({digest, renamed, Sources(tmp_path).digest}) == 3


def test_a_module_needs_what_it_requires_by_way_of_others_too(tmp_path):
    sources = folder(tmp_path, A="", B="From Mamba Require Import A.", C="(* A *) From Mamba Require B.\n", D="")
    assert sources.needs("C") == ("A", "B", "C")
    assert sources.needs("D") == ("D",)


def test_a_module_is_required_by_its_folder_or_by_the_end_of_its_name(tmp_path):
    texts = {"x/A": "", "B": "From Mamba.x Require Import A.", "C": "From Mamba Require Import A.", "y/BA": ""}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.v").write_text(text)
    (tmp_path / PROJECT).write_text("")
    assert [Sources(tmp_path).needs(module) for module in ("B", "C")] == [("B", "x.A"), ("C", "x.A")]


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "allowed", "axioms", "refused"),
    [
        ("Closed under the global context\n", set(), (), False),
        ("Axioms:\nClassical.classic : forall P, P \\/ ~ P\n", {"classic"}, ("Classical.classic",), False),
        ("Axioms:\na.classic\n  : forall P,\n    P \\/ ~ P\n", {"classic"}, ("a.classic",), False),
        ("Axioms:\nClassical.classic : forall P, P \\/ ~ P\n", set(), ("Classical.classic",), True),
        ("Axioms:\nfunext : True\nmine : False\n", {"funext"}, ("funext", "mine"), True),
        ("Axioms:\nf is assumed to be guarded.\n", {"f"}, (), True),
        ("Section Variables:\nx : nat\n", {"x"}, (), True),
        ("", set(), (), True),
    ],
)
def test_only_allowed_axioms_pass_and_what_is_not_understood_does_not(said, allowed, axioms, refused):
    found, reason = audit._axioms(said, allowed)
    assert (found, bool(reason)) == (axioms, refused)


# --- the record ------------------------------------------------------------------------------------------------------


def found(sources, *names, axioms=()):
    """An audit in which these theorems passed."""
    listed = {name: Theorem(name, "forall n, n = n", "0" * 64, ("Semantics.sum",), axioms) for name in names}
    return Audit(sources.digest, {"Coq": "8.16.1", "mathcomp": "1.15.0"}, listed, {})


def test_a_record_is_read_as_it_was_written(tmp_path):
    sources = folder(tmp_path, A="Definition a := 1.")
    (tmp_path / kept.RECORD).write_text(kept.dumps(found(sources, "A.a", "real.B.b", axioms=())))
    assert kept.recorded(sources) == found(sources, "A.a", "real.B.b")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[: len(t) // 2], "no whole record"),
        (lambda t: t.replace("n = n", "n = m"), "edited by hand"),
        (lambda t: t.replace('"versions"', '"version"'), "is no record"),
        (lambda _: kept.dumps(found(Sources(), "A.a")), "of other sources"),
    ],
)
def test_a_record_that_does_not_fit_is_none(tmp_path, change, says):
    sources = folder(tmp_path, A="Definition a := 1.")
    (tmp_path / kept.RECORD).write_text(change(kept.dumps(found(sources, "A.a"))))
    with pytest.raises(kept.NoRecord, match=says):
        kept.recorded(sources)


def test_a_recorded_theorem_has_no_axiom_but_those_of_the_reals_in_real(tmp_path):
    sources = folder(tmp_path, A="")
    (tmp_path / kept.RECORD).write_text(kept.dumps(found(sources, "real.A.a", axioms=("Classical.classic",))))
    assert kept.recorded(sources).theorems
    (tmp_path / kept.RECORD).write_text(kept.dumps(found(sources, "A.a", axioms=("Classical.classic",))))
    with pytest.raises(kept.NoRecord, match="not allowed"):
        kept.recorded(sources)


def test_the_record_that_ships_fits_the_sources_and_has_every_theorem():
    assert set(kept.named()) == set(kept.recorded().theorems) >= set(Sources().theorems)


# --- what a claim names ----------------------------------------------------------------------------------------------

NAMED = [claim for claim in claims().values() if claim.formal]


@pytest.mark.parametrize("claim", NAMED, ids=lambda claim: claim.id)
def test_a_claim_that_its_theorems_say_whole_is_expected_formal_or_refuted(claim):
    whole = not claim.formal.leaves_out
    assert (claim.expected is Outcome.FORMAL) == (whole and claim.expected is not Outcome.REFUTED)


@pytest.mark.parametrize("claim", NAMED, ids=lambda claim: claim.id)
def test_three_changes_at_least_are_refused_of_a_claim_each_in_a_place_of_its_own(claim):
    texts = Sources().texts
    module = claim.formal.theorems[0].rpartition(".")[0]
    assert len({change.name for change in claim.formal.refused}) >= 3
    assert [texts[module].count(change.old) for change in claim.formal.refused] == [1] * len(claim.formal.refused)


# --- what theorems are worth -----------------------------------------------------------------------------------------

CLAIM = Claim("a.claim", "", Form.EXTENSION, "", "", expected=Outcome.FORMAL, formal=Formal((UNROLLED,)))
HERE = Known(found(Sources(), UNROLLED), True, "checked here by Coq 8.16.1 and mathcomp 1.15.0")


def test_a_theorem_that_leaves_nothing_out_makes_a_claim_formal_whatever_it_depends_on():
    (piece,) = worth.evidence(CLAIM, HERE)
    assert (piece.kind, piece.check, piece.holds, piece.summary) == (Kind.FORMAL, THEOREM, True, HERE.how)
    assert piece.facts["axioms"] == "none"
    assert outcome_of([piece], [Outcome.TESTED, Outcome.UNKNOWN]) is Outcome.FORMAL


def test_a_partial_theorem_raises_no_claim():
    assert worth.evidence(replace(CLAIM, formal=Formal((UNROLLED,), leaves_out="the bound")), HERE) == ()


def test_a_theorem_that_is_not_known_is_undecided_and_tells_why():
    (piece,) = worth.evidence(replace(CLAIM, formal=Formal((UNROLLED, "mqar.No.theorem"))), HERE)
    assert piece.holds is None
    assert piece.summary.startswith("mqar.No.theorem: the record does not have it")
    assert outcome_of([piece], []) is Outcome.UNKNOWN


def test_the_negation_of_a_refuted_claim_is_a_refutation():
    erratum = Erratum("", "", "", "", "", {})
    (piece,) = worth.evidence(replace(CLAIM, expected=Outcome.REFUTED, erratum=erratum), HERE)
    assert piece.kind is Kind.REFUTED
    assert outcome_of([piece], []) is Outcome.REFUTED


def test_a_claim_without_a_theorem_has_no_such_evidence():
    assert worth.evidence(replace(CLAIM, formal=None), HERE) == ()


# --- without Rocq ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_rocq(monkeypatch):
    """A machine without Rocq."""

    def missing():
        raise NoRocq("coqc is not installed")

    monkeypatch.setattr(rocq, "versions", missing)


@pytest.fixture
def recorded(monkeypatch):
    """A record of one theorem that fits."""
    monkeypatch.setattr(kept, "recorded", lambda *_: found(Sources(), UNROLLED))


def test_without_rocq_the_record_counts_and_says_that_nothing_was_checked_here(no_rocq, recorded):
    (piece,) = worth.evidence(CLAIM, kept.known())
    assert piece.holds
    assert piece.summary == "recorded on Coq 8.16.1 and mathcomp 1.15.0, not checked here: `make formal`"


def test_without_rocq_and_without_a_record_that_fits_nothing_counts(no_rocq, monkeypatch):
    def other(*_):
        raise kept.NoRecord("theorems/formal/recorded.json is of other sources")

    monkeypatch.setattr(kept, "recorded", other)
    (piece,) = worth.evidence(CLAIM, kept.known())
    assert piece.holds is None
    assert "of other sources" in piece.summary
    assert "make formal" in piece.summary


def test_rocq_of_other_versions_is_not_asked(recorded, monkeypatch):
    monkeypatch.setattr(rocq, "versions", lambda: {"Coq": "8.19.0", "mathcomp": "2.2.0"})
    assert not kept.known().here


def test_the_command_says_in_one_sentence_that_nothing_ran(no_rocq, recorded, capsys):
    assert main(["formal"]) == 5
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "coqc is not installed" in said
    assert "make formal" in said


def test_the_command_takes_no_claims_with_its_record(capsys):
    assert main(["formal", "foundations", "--record"]) == 4
    assert "--record goes without claims" in capsys.readouterr().err


# --- with Rocq -------------------------------------------------------------------------------------------------------


SMALL = """From Mamba Require Import Semantics.
Theorem taps F k M X t c : @causal_conv1d F k M X t c = causal_conv1d k M X t c. Proof. reflexivity. Qed.
"""
SAME = ("(* causal_conv1d with k taps", "(* The convolution with k taps"), ("Proof. reflexivity.", "Proof. trivial.")
OTHER = (
    [("(back X t (k - 1 - i) c)", "(back X t i c)")],  # the taps the other way round
    [("if Nat.leb n t then row X (t - n)", "if Nat.ltb n t then row X (t - n)")],  # < for <=, two levels down
    [("k M X t c. Proof", "k M X t c \\/ True. Proof"), ("Proof. reflexivity.", "Proof. right; exact I.")],  # weaker
)


def audited(tmp_path, monkeypatch, *changes):
    """The digest of Small.taps, and the text of the theorem, after changes in the files."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "sources"
    place.mkdir(exist_ok=True)
    texts = {"Semantics": Sources().texts["Semantics"], "Small": SMALL}
    for old, new in changes:
        assert sum(text.count(old) for text in texts.values()) == 1, old
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    found = kept.examine(folder(place, **texts), ["Small.taps"])
    assert not found.refused
    return found.theorems["Small.taps"]


def test_the_digest_of_a_theorem_follows_its_statement_and_every_definition_below_it(tmp_path, monkeypatch, here):
    first = audited(tmp_path, monkeypatch)
    assert "Semantics.back" in first.definitions
    assert "Semantics.ssd" not in first.definitions
    assert audited(tmp_path, monkeypatch, *SAME) == first
    digests = {first.digest}
    for changes in OTHER:
        digests.add(audited(tmp_path, monkeypatch, *changes).digest)
    assert len(digests) == 1 + len(OTHER)


OWN_REALS = """From Coq Require Import Reals.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.
Theorem positive x : 0 < exp x / 2. Proof. apply Rdiv_lt_0_compat; [apply exp_pos | apply Rlt_0_2]. Qed.
"""
ANY_REALS = """From mathcomp Require Import all_ssreflect all_algebra.
Local Open Scope ring_scope.
Theorem square (R : realFieldType) (x : R) : 0 <= x ^+ 2. Proof. exact: Num.Theory.sqr_ge0. Qed.
"""


def test_a_theorem_about_rocq_s_own_reals_is_shown_in_their_notations_and_no_other_is(tmp_path, monkeypatch, here):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "sources"
    (place / "real").mkdir(parents=True)
    files = {"real/Own": OWN_REALS, "real/Any": ANY_REALS}
    found = kept.examine(folder(place, **files), ["real.Own.positive", "real.Any.square"])
    assert {name: theorem.says for name, theorem in found.theorems.items()} == {
        "real.Own.positive": "forall x : R, 0 < exp x / 2",
        "real.Any.square": "forall (R : realFieldType) (x : R), 0 <= x ^+ 2",
    }


def test_what_does_not_compile_or_assumes_is_refused_by_name(tmp_path, monkeypatch, here):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "sources"
    place.mkdir()
    broken = folder(
        place,
        A="Lemma a : 1 = 2. Proof. reflexivity. Qed.",
        B="From Mamba Require Import A. Lemma b : True. Proof. exact I. Qed.",
        C="From Coq Require Import Classical. Lemma c (P : Prop) : P \\/ ~ P. Proof. apply classic. Qed.",
        D="Lemma d : True. Proof. exact I. Qed.",
    )
    audit = kept.examine(broken, ["A.a", "B.b", "C.c", "D.d", "D.e"])
    assert list(audit.theorems) == ["D.d"]
    assert "Unable to unify" in audit.refused["A.a"]
    assert audit.refused["B.b"] == "B.v does not compile: what it requires fails"
    assert audit.refused["C.c"] == "it assumes Classical_Prop.classic"
    assert audit.refused["D.e"] == "D.v has no theorem e"


def test_what_changed_is_compiled_and_nothing_else(tmp_path, monkeypatch, here):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "sources"
    place.mkdir()
    texts = {
        "A": "Definition a := 1.",
        "B": "From Mamba Require Import A. Definition b := a.",
        "C": "Definition c := 1.",
    }

    def times():
        sources = folder(place, **texts)
        with rocq.alone(rocq.folder_of(sources)):
            built = rocq.build(sources)
        assert not built.failed
        return {name: (built.folder / f"{name}.vo").stat().st_mtime_ns for name in texts}

    first = times()
    assert times() == first
    texts["A"] = "Definition a := 2."
    second = times()
    assert {name for name in texts if second[name] != first[name]} == {"A", "B"}


def test_what_a_module_needs_is_what_rocq_s_own_tool_finds(here):
    sources, found = Sources(), {}
    _, said = rocq.run(["coqdep", "-R", ".", "Mamba", *map(path_of, sources.texts)], sources.folder, 60)
    for name, needed in re.findall(r"^(\S+)\.vo\b[^:]*: (.*)", said, re.MULTILINE):
        modules = {word[:-3].replace("/", ".") for word in needed.split() if word.endswith(".vo")}
        found[name.replace("/", ".")] = modules & set(sources.texts)
    assert set(found) == set(sources.texts)
    for module, needed in found.items():
        assert set(sources.needs(module)) == {module}.union(*map(sources.needs, needed)), module


def test_the_record_that_ships_is_what_rocq_says_here(here):
    assert kept.difference(kept.examine()) == ""


REAL_CHANGE = Weakened("one write fewer", r"\sum_(0 <= i < t.+1) (\prod", r"\sum_(0 <= i < t) (\prod")


def tried(claim, *changes):
    sources = Sources()
    with rocq.alone(rocq.folder_of(sources)):
        built = rocq.build(sources)
        return [weaken.attempt(claim, change, sources, built) for change in changes]


def test_a_weakened_statement_is_refused_and_one_that_says_the_same_is_not(here):
    same = Weakened("the same", "(* foundations.unrolled:", "(* The unrolled sum:")
    spelling = Weakened("misspelt", "Theorem unrolled t c n :", "Theorem unrolled t c n : :")
    absent = Weakened("not there", "no such words", "others")
    assert [t.refused for t in tried(CLAIM, REAL_CHANGE, same, spelling, absent)] == [True, False, False, False]


def test_the_weakened_statements_of_claims_are_refused(here, request):
    """The first of every tenth by day; all of them at night, and by `formal --controls`."""
    every = list(weaken.changes())
    night = request.config.getoption("hypothesis_profile") == NIGHTLY
    chosen = every if night else every[::10]
    assert [t for claim, change in chosen for t in tried(claim, change) if not t.refused] == []
