"""Certificates: both checkers accept the frozen set and refuse every change; the arguments describe the networks."""

import ast
import copy
import json
import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path

import flint
import numpy as np
import pytest
from attacks import attack
from forging import frozen_text
from hypothesis import given, settings
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.mqar import TapCodes
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import Argument, Scalar, canonical, digest_of
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, Refused, Subject, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided, decide
from mamba_theorems.verify.certify.functions import near
from mamba_theorems.verify.certify.haar import keep
from mamba_theorems.verify.certify.induction_heads import plain
from mamba_theorems.verify.certify.tensors import DTYPES
from mamba_theorems.verify.certify.term import Term, hull
from mamba_theorems.verify.commands import certify as commands

ROOT = Path(__file__).parent.parent
FROZEN = list(catalogue.frozen())
SMALL = {"vocab_size": 64, "input_seq_len": 64, "num_kv_pairs": 8}


@cache
def small_text(target: str = "language_model") -> str:
    return canonical(Request(mqar.CLAIM, target, "float32", SMALL).make())


def reasons(text: str) -> list[str]:
    """Why each checker refuses; fails where one accepts."""
    found = []
    for check, refusal in ((alone.check, (ValueError, LookupError, TypeError)), (catalogue.recheck, Refused)):
        with pytest.raises(refusal) as caught:
            check(text)
        found.append(str(caught.value))
    return found


def rehashed(certificate: dict) -> str:
    content = {name: part for name, part in certificate.items() if name != "hash"}
    return canonical({**content, "hash": digest_of(content)})


# ------------------------------------------------------------------------------------------- the frozen set


def test_the_folder_holds_the_frozen_set_and_nothing_else():
    assert {path.name for path in (ROOT / "certificates").iterdir()} == {entry.name for entry in FROZEN}


@pytest.mark.parametrize("entry", FROZEN, ids=lambda entry: entry.name)
def test_both_checkers_accept_every_frozen_certificate(entry):
    text = (ROOT / "certificates" / entry.name).read_text()
    assert entry.claim in alone.check(text)
    found = catalogue.recheck(text)
    assert (found["claim"], found["target"], found["dtype"]) == (entry.claim, entry.target, entry.dtype)
    assert entry.sizes.items() <= found["sizes"].items()


def test_the_stand_alone_checker_lists_exactly_the_arguments_of_the_code():
    known = {
        digest_of(catalogue.subject(c, t).argument.prose())[:22] for c, ts in catalogue.subjects().items() for t in ts
    }
    assert known == {*alone.READ.split(), *alone.FORMAL.split()}


def test_the_stand_alone_checker_is_short_and_imports_the_standard_library_alone():
    source = (ROOT / "check_certificate.py").read_text()
    assert len(source.splitlines()) <= 200
    modules = {n.module or "" for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= sys.stdlib_module_names


def test_the_stand_alone_checker_runs_alone_and_tells_by_its_exit_code(tmp_path):
    script, good, bad = (tmp_path / name for name in ("check.py", "good.json", "bad.json"))
    script.write_text((ROOT / "check_certificate.py").read_text())
    good.write_text(small_text())
    bad.write_text(small_text().replace('"ulps": 4', '"ulps": 3'))
    runs = [
        subprocess.run([sys.executable, "-I", script, *words], capture_output=True, text=True, check=False)
        for words in ([good], [bad], [good, bad], [], ["--help"])
    ]
    assert [run.returncode for run in runs] == [0, 1, 1, 1, 0]
    assert runs[0].stdout.startswith("yes")
    assert "hash" in runs[1].stdout
    assert [run.stdout.splitlines()[-1] for run in runs[:3]] == [
        f"{held} of {number} certificates hold" for held, number in ((1, 1), (0, 1), (1, 2))
    ]
    assert all("check_certificate.py FILE" in run.stdout and not run.stderr for run in runs[3:])


# ----------------------------------------------------------------------------------------- what is refused


KINDS = sorted({(entry.claim, entry.target): Path(entry.name).stem for entry in FROZEN}.values())
BY_SIZE = sorted(FROZEN, key=lambda entry: math.prod(entry.sizes.values()), reverse=True)
SMALLEST = sorted({(entry.claim, entry.target): Path(entry.name).stem for entry in BY_SIZE}.values())


@attack(300)
@given(st.data())
def test_one_digit_changed_anywhere_is_refused_by_both_checkers_with_the_reason(data):
    text = frozen_text(data.draw(st.sampled_from(KINDS)))
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    position = data.draw(st.sampled_from(digits))
    changed = data.draw(st.sampled_from(sorted(set("0123456789") - {text[position]})))
    assert all(reasons(text[:position] + changed + text[position + 1 :]))


@attack(60)
@given(st.data())
def test_one_character_changed_removed_or_added_anywhere_is_refused(data):
    text = frozen_text(data.draw(st.sampled_from(KINDS)))
    position = data.draw(st.integers(0, len(text) - 1))
    inserted = data.draw(st.sampled_from(["", " ", "x", "7", "\n", '"', text[position] * 2]))
    changed = text[:position] + inserted + text[position + 1 :]
    assert changed == text or all(reasons(changed))


def leaves(value, path=()):
    """The path of every number and word of a JSON value."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    else:
        yield path


@attack(200)
@given(st.data())
def test_a_word_or_a_number_changed_anywhere_is_refused_even_with_a_right_hash(data):
    certificate = json.loads(frozen_text(data.draw(st.sampled_from(KINDS))))
    free = {"hash", "enclosures", "ulps"}  # an enclosure may be stated wider than it is; integers need no ulps
    *path, last = data.draw(
        st.sampled_from([p for p in leaves(certificate) if not free & {p[0], p[-1]} and not a_size(p)])
    )
    part = certificate
    for key in path:
        part = part[key]
    part[last] = part[last] + 1 if isinstance(part[last], int) else _another(part[last], data)
    assert all(reasons(rehashed(certificate)))


def a_size(path: tuple) -> bool:
    """Whether a path leads to one size, not to an entry of a list."""
    return path[0] == "sizes" and len(path) == 2


AT_MOST = {"num_kv_pairs", "input_seq_len", "chunk_size"}  # one less says less of the same weights


@pytest.mark.parametrize("name", SMALLEST)
def test_a_size_changed_is_refused_unless_this_is_the_certificate_that_is_made_for_it(name):
    certificate = json.loads(frozen_text(name))
    for (_, size), step in product(filter(a_size, leaves(certificate)), (-1, 1)):
        changed = {**certificate["sizes"], size: certificate["sizes"][size] + step}
        text = rehashed({**certificate, "sizes": changed})
        weaker = size == "ulps" or (size in AT_MOST and step < 0)  # the stand-alone checker knows no shipped sizes
        if accepted(text, catalogue.recheck) or (accepted(text, alone.check) and not weaker):
            subject = catalogue.subject(certificate["claim"], certificate["target"])
            assert text == canonical(make(subject, changed, certificate["dtype"]))


def accepted(text: str, check=alone.check) -> bool:
    """Whether a checker accepts."""
    try:
        check(text)
    except (Refused, ValueError, LookupError):
        return False
    return True


def test_a_length_that_no_step_reads_is_free_and_nothing_else_is():
    certificate = json.loads(frozen_text("mqar.n2-distinct_paper_mamba2_float32_1024_4096_64"))
    raised = {size: {**certificate["sizes"], size: n + 1} for size, n in certificate["sizes"].items() if size != "ulps"}
    open_sizes = [size for size, sizes in raised.items() if accepted(rehashed({**certificate, "sizes": sizes}))]
    assert open_sizes == ["input_seq_len"]  # the sum holds distinct integers below 2^24, whatever the length


def _another(word: str, data) -> str:
    at = data.draw(st.integers(0, max(len(word) - 1, 0)))
    return word[:at] + ("b" if word[at : at + 1] == "a" else "a") + word[at + 1 :]


NAMES = sorted(json.loads(small_text())["enclosures"])
WEIGHTS = sorted(json.loads(small_text())["weights"])


@pytest.mark.parametrize("name", NAMES)
def test_a_forged_enclosure_is_refused_even_with_a_right_hash(name):
    certificate = json.loads(small_text())
    certificate["enclosures"][name][0] = certificate["enclosures"][name][1]
    for reason in reasons(rehashed(certificate)):
        assert f"step '{name}'" in reason


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_forged_weight_is_refused_even_with_a_right_hash(name):
    certificate = json.loads(small_text())
    weight = np.nextafter(np.float32(float.fromhex(certificate["weights"][name])), np.float32(100))
    certificate["weights"][name] = float(weight).hex()
    ours, theirs = reasons(rehashed(certificate))
    assert "digest" in ours
    assert "weights" in theirs


@pytest.mark.parametrize("size", ["vocab_size", "input_seq_len", "num_keys", "num_values", "first_key", "dt_rank"])
def test_a_larger_size_is_refused_even_with_a_right_hash(size):
    certificate = json.loads(small_text())
    certificate["sizes"][size] += 1
    assert all(reasons(rehashed(certificate)))


def test_more_pairs_than_keys_is_refused_even_with_a_right_hash():
    certificate = json.loads(small_text())
    certificate["sizes"]["num_kv_pairs"] = certificate["sizes"]["num_keys"] + 1
    certificate["sizes"]["input_seq_len"] = 4096
    assert "enough keys" in reasons(rehashed(certificate))[0]


def test_another_argument_is_refused_even_with_a_right_hash():
    for change in ({"closing": []}, {"steps": [["margin", 1, ""]], "closing": [["margin", "> 0"]]}, {"statement": "."}):
        for reason in reasons(rehashed({**json.loads(small_text()), **change})):
            assert "argument" in reason


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", "null\n", '{"hash": 1}\n', "nonsense"])
def test_what_is_no_certificate_is_refused_in_a_sentence(text):
    assert all(reasons(text))


# -------------------------------------------------------------------- undecided is not false, false is not undecided


def test_a_length_beyond_the_largest_is_undecided():
    entry = Request(mqar.CLAIM, "official", "float32", SMALL)
    largest = catalogue.longest(entry)
    assert largest > 4096
    with pytest.raises(Undecided) as caught:
        replace(entry, sizes={**SMALL, "input_seq_len": largest + 1}).make()
    assert not isinstance(caught.value, Disproved)


def test_the_longest_sequence_stops_where_the_argument_does():
    entry = Request(keep.CLAIM, "official", "float64", {"n": 5, "vocab_size": 8, "input_seq_len": 512})
    assert catalogue.longest(entry) == keep.LONGEST
    with pytest.raises(ValueError, match="n <= input_seq_len"):
        catalogue.longest(replace(entry, sizes={**entry.sizes, "n": 600}))


def _tampered(target: str, codes: TapCodes) -> Subject:
    def tensors(sizes, dtype):
        vocabulary = Vocabulary.paper(sizes["num_kv_pairs"], sizes["vocab_size"] - sizes["num_kv_pairs"])
        return mqar.theorem2_step1(vocabulary, target, codes=codes).to(DTYPES[dtype])

    return replace(catalogue.subject(mqar.CLAIM, target), tensors=tensors)


def test_codes_whose_adjacent_margin_is_negative_are_disproved():
    with pytest.raises(Disproved, match="margin"):
        make(_tampered("official", TapCodes("silu", previous=3, current=1)), SMALL, "float32")


def test_codes_whose_adjacent_margin_is_zero_are_undecided():
    with pytest.raises(Undecided) as caught:
        make(_tampered("official", TapCodes("silu", previous=2, current=2)), SMALL, "float32")
    assert not isinstance(caught.value, Disproved)


def test_a_tensor_that_is_not_laid_out_as_the_argument_says_gets_no_certificate():
    honest = catalogue.subject(mqar.CLAIM, "official")

    def tensors(sizes, dtype):
        found = dict(honest.tensors(sizes, dtype))
        found["mixer.D"] = found["mixer.D"].copy()
        found["mixer.D"][-1] = 1e-30
        return found

    with pytest.raises(ValueError, match=r"mixer\.D"):
        make(replace(honest, tensors=tensors), SMALL, "float32")


@pytest.mark.parametrize("name", [name for name in KINDS if "1024_4096_" not in name])
def test_a_change_of_one_entry_of_any_tensor_gets_no_certificate_unless_it_states_it(name):
    entry = next(e for e in FROZEN if e.name == f"{name}.json")
    honest = catalogue.subject(entry.claim, entry.target)
    for changed in honest.argument.tensors:

        def tensors(sizes, dtype, changed=changed):
            found = dict(honest.tensors(sizes, dtype))
            found[changed] = found[changed].copy()
            found[changed].reshape(-1)[-1] = found[changed].reshape(-1)[-1] * 2 or 1
            return found

        try:
            certificate = make(replace(honest, tensors=tensors), entry.sizes, entry.dtype)
        except (NotLaidOut, Undecided):
            continue
        assert certificate["weights"] != json.loads(frozen_text(name))["weights"], changed


def _only(margin) -> Argument:
    """An argument of one step."""
    return Argument("", "", "", (), (), {}, (Scalar("margin", margin, ""),), (("margin", "> 0"),))


@pytest.mark.parametrize("bits", [40, 140, 300, 1500])
def test_precision_grows_until_it_decides(bits):
    tiny = Term(2) ** -Term(bits)
    low = decide(_only(1 + tiny - 1), "float32", {})["margin"].low
    assert low > 0
    with pytest.raises(Disproved):
        decide(_only(1 - (1 + tiny)), "float32", {})


@pytest.mark.parametrize("margin", [Term(2) ** (Term(1) / 2) - Term(8) ** (Term(1) / 6), near(0, 1), 1 / hull(-1, 1)])
def test_what_no_precision_decides_is_undecided_never_disproved(margin):
    with pytest.raises(Undecided) as caught:
        decide(_only(margin), "float32", {})
    assert not isinstance(caught.value, Disproved)


# ---------------------------------------------------------------------------------------- the two arithmetics


@settings(max_examples=60)
@given(st.fractions(min_value=-45, max_value=45, max_denominator=10**6))
def test_the_stand_alone_exp_and_log_are_enclosures_that_agree_with_arb(x):
    with flint.ctx.workprec(256):
        unit = int(x * alone.ONE)
        true = flint.arb(flint.fmpz(unit)) / flint.arb(flint.fmpz(alone.ONE))
        _agree(alone.exp_of(unit), true.exp())
        if x > 0:
            _agree(alone.log_of(unit), true.log())


def _agree(units: tuple[int, int], ball: flint.arb) -> None:
    """The two enclosures overlap, and the stand-alone one is narrow."""
    ends = [Fraction(end, alone.ONE) for end in units]
    middle, radius = (_exact(part) for part in (ball.mid(), ball.rad()))
    assert ends[0] <= middle + radius
    assert middle - radius <= ends[1]
    assert 0 <= ends[1] - ends[0] < Fraction(1, 10**40)


def _exact(point: flint.arb) -> Fraction:
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


# --------------------------------------------------------------------------------------------- the command line


def test_certify_and_check_round_trip_through_files(tmp_path, capsys):
    from mamba_theorems.verify.commands.main import main

    sizes = [f"{name}={size}" for name, size in SMALL.items()]
    assert main(["certify", mqar.CLAIM, "-o", str(tmp_path), "--sizes", *sizes]) == 0
    paths = sorted(map(str, tmp_path.iterdir()))
    assert len(paths) == 3
    assert main(["check", *paths]) == 0
    Path(paths[0]).write_text(Path(paths[0]).read_text().replace("e-2", "e-3", 1))
    assert main(["check", *paths]) == 1
    assert "no: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["certify"],
        ["certify", "mqar.lem4"],
        ["certify", mqar.CLAIM, "--sizes", "vocab_size"],
        ["certify", mqar.CLAIM, "--sizes", "vocab_size=4"],
        ["certify", mqar.CLAIM, "--target", "nowhere", "--sizes", "vocab_size=4"],
        ["certify", "all", "--sizes", "vocab_size=4"],
        ["check", "nowhere.json"],
        ["check", "certificates"],
    ],
)
def test_what_cannot_be_certified_is_told_in_one_sentence(words, capsys):
    from mamba_theorems.verify.commands.main import main

    assert main(words) == 4
    error = capsys.readouterr().err
    assert error.startswith("verify: ")
    assert error.count("\n") == 1


def test_a_file_that_cannot_be_read_is_no_certificate(tmp_path, capsys):
    from mamba_theorems.verify.commands.main import main

    (tmp_path / "latin1.json").write_bytes(b"\xe9")
    assert main(["check", str(tmp_path / "latin1.json")]) == 1
    assert "no: " in capsys.readouterr().out


def test_an_undecided_size_is_told_and_exits_with_1(capsys):
    from mamba_theorems.verify.commands.main import main

    words = ["num_tokens=8", "input_seq_len=200", "gap=198"]
    assert main(["certify", plain.CLAIM, "--target", "paper", "--sizes", *words]) == 1
    assert "undecided" in capsys.readouterr().out


def test_the_entries_of_a_claim_without_sizes_are_its_frozen_set():
    assert commands.entries(list(claims()), None, None, {}) == FROZEN
    first = next(request for request in FROZEN if request.claim == mqar.CLAIM)
    assert copy.copy(first) in commands.entries([mqar.CLAIM], "paper", "float32", {})
