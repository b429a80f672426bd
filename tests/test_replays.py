"""A replay runs exactly its case, or says in one sentence what a case must be; an erratum is about one instance."""

import io
import json
import re
import shlex
from dataclasses import asdict
from itertools import islice

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from rich.console import Console

from mamba_theorems.theorems.claim import Kind, Outcome, worded
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify import recorded
from mamba_theorems.verify.checks.case import NotACase, Record, Whole
from mamba_theorems.verify.checks.check import Examination, Property, drawn, replay_line
from mamba_theorems.verify.checks.statements.test import StatementTest
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.commands import run as running
from mamba_theorems.verify.engine import gather
from mamba_theorems.verify.engine.gather import checks_of
from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.report import book, text
from mamba_theorems.verify.settings import Run, Tier

REFUTED = [c for c in claims().values() if c.expected is Outcome.REFUTED]
CHECKS = [check for claim in claims() for check in checks_of(claim)]
CHECK = {(check.claim, check.name): check for check in CHECKS}
TEXT, THREE = "statement", ["1", "1/2", "-3/5"]
OTHERS = {
    ("haar.thm1", "sup-error-above-one"): {"s": "1/2", "W": 10**8, "epsilon": "1/2"},
    ("sensitivity.lem2", "exact-counterexample"): {"steps": 3},
    ("sensitivity.lem2", "enclosed-counterexample"): {"steps": 6},
    ("sensitivity.attention-query", "query-keeps-its-weight"): {"t": 9},
    ("induction.lem3", "lone-write-lost-in-floats"): {"L": 152, "dtype": "float32"},
    ("dynamics.1d-mixed-all-diverge", "mixed-signs-enclosed"): {
        "mu": "1", "S_delta": "-1", "decay": "1", "start": THREE, "clock": "4",
    },
    ("dynamics.nd-positive-eigenvalue", "saddle-in-rationals"): {
        "form": [["1", "0"], ["0", "-1"]], "start": ["1/2", "1"],
    },
}  # fmt: skip
"""What checks of whole runs print beside the instances that errata name."""
PRINTED = {(c.id, TEXT): dict(c.erratum.case) for c in REFUTED} | OTHERS
TOGETHER = {
    ("haar.thm1", TEXT): {"j": 1, "k": 1},
    ("haar.cor2", TEXT): {"x": [1, -1], "n": 2, "t": 2},
    ("mqar.lem4", TEXT): {"p": 2, "d": 2, "signs": 1},
    ("mqar.thm2-step1-printed", TEXT): {"sequence": "k1 v1 k2 v2 k1", "num_kv_pairs": 2},
    ("mqar.thm2-step2", TEXT): {"sequence": "k v2 k", "rival": "v1"},
    ("mqar.thm3-relu-clip", TEXT): {"sequence": "k1 v1 k2 v1 k2", "num_kv_pairs": 2, "rival": "v2"},
    ("mqar.thm4-jl", TEXT): {"columns": ["++"]},
    ("induction.lem3", TEXT): {"num_tokens": 3, "tokens": [2, 1, 2]},
    ("dynamics.1d-mixed-all-diverge", "mixed-signs-enclosed"): {"clock": "1"},
    ("dynamics.nd-positive-eigenvalue", "saddle-in-rationals"): {
        "form": [["2", "0"], ["0", "-1"]],
        "start": ["1/4", "1"],
    },
}
"""Other cases that fit, where a value alone does not, or changes nothing that is told."""
ONLY_ONE = {("mqar.thm2-step1-printed", "network"), ("mqar.thm2-step2", "network"), ("mqar.thm3-relu-clip", "network"),
            ("mqar.thm2-step2", "num_kv_pairs")}  # fmt: skip
"""What has no other value there."""
INERT = {("haar.cor2", "x"), ("induction.lem3", "num_tokens"), ("induction.lem3", "tokens"),
         ("mqar.thm3-relu-clip", "num_kv_pairs")}  # fmt: skip
"""What the point of this one case does not depend on, and TOGETHER changes."""
SLOW = {("dynamics.1d-mixed-all-diverge", "mixed-signs-enclosed")}
"""Balls around a solution take seconds: one other case is enough."""
NOT_HERE = (None, [], {}, "\u2603", "\uff11", -0.0, float("nan"), 1.5, -(10**30), "foo", True)
OTHER_VALUES = (
    *(0, 1, 2, 3, 5, 16, 153, 0.25, True, False, "0", "1", "1/4", "2", "3/4", "3", "-2", "log(2)", "2*x", "float64"),
    *("v1", "v2", "v3", ["++"], ["1", "1/2", "-1/2"], ["1", "1"], [["1", "0"], ["0", "-2"]], [1, 1], [-1], [1], [0, 1]),
)


def again(claim: str, check: str, case: object) -> str:
    """What a replay finds; raises NotACase."""
    found = gather.replay(claim, check, case, Run())
    return f"{found.summary} {dict(found.facts)}"


def test_every_printed_replay_is_among_those_that_are_perturbed():
    assert recorded.is_current(), "the record is of other sources: `python -m verify all --record`"
    lines = [text for told in recorded.read()["shown"]["told"].values() for _, lines in told for kind, text in lines]
    found = {}
    for line in lines:
        if "replay: " in line:
            words = shlex.split(line.partition("replay: ")[2])
            name, _, case = words[-1].partition(":")
            found[words[3], name] = json.loads(case)
    assert found.keys() <= PRINTED.keys()
    assert all(PRINTED[at] == case for at, case in found.items())


@pytest.mark.parametrize("at", PRINTED, ids=":".join)
def test_a_replay_obeys_its_case_or_refuses_it(at):
    (claim, check), case, first = at, PRINTED[at], again(*at, PRINTED[at])
    assert gather.replay(claim, check, case, Run()).holds
    assert at not in TOGETHER or again(*at, case | TOGETHER[at]) != first
    for name in case:
        with pytest.raises(NotACase, match=re.escape(f'"{name}"')):
            again(*at, {n: v for n, v in case.items() if n != name})
        wrong = [tried(at, case | {name: value}) for value in NOT_HERE if value != case[name]]
        assert wrong.count("refused") >= len(NOT_HERE) - 3
        if at in SLOW:
            continue
        others = (value for value in OTHER_VALUES if str(value) != str(case[name]))
        ran = list(islice((found for v in others if (found := tried(at, case | {name: v})) != "refused"), 2))
        assert (claim, name) in INERT or first not in ran, f"{name} is taken and makes no difference"
        assert ran or name in TOGETHER.get(at, {}) or (claim, name) in ONLY_ONE, f"no other value of {name} was tried"
    for none in (case | {"strange": 1}, None, 3, "x", [case]):
        assert tried(at, none) == "refused"


def tried(at: tuple[str, str], case: object) -> str:
    """What a replay finds, or that it refuses the case, in one sentence."""
    try:
        return again(*at, case)
    except NotACase as reason:
        return "refused" if len(str(reason).splitlines()) == 1 else "refused at length"


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        ('sup-error-above-one:{"W":3,"epsilon":"77","s":"foo"}', 4, '"s" must be an exact number'),
        ('sup-error-above-one:{"W":3,"epsilon":"77","s":"1/2"}', 1, "which is at most ε = 77"),
        ('sup-error-above-one:{"W":3,"epsilon":"1/4","s":"1/2"}', 0, '"W": 3'),
        ('sup-error-above-one:{"W":3,"W":4,"epsilon":"1/4","s":"1/2"}', 4, "stands twice"),
        ('sup-error-above-one:{"W":NaN,"epsilon":"1/4","s":"1/2"}', 4, "NaN is no number"),
        ("sup-error-above-one:[]", 4, "must be a mapping"),
    ],
)
def test_the_command_line_obeys_or_refuses(capsys, monkeypatch, spec, code, says):
    monkeypatch.setattr(running, "check_instruments", lambda: None)
    assert cli.main(["haar.thm1", "--replay", spec]) == code
    printed = capsys.readouterr()
    assert says in (printed.err if code == cli.Exit.USAGE else printed.out)
    assert "Traceback" not in printed.err


def test_a_check_of_all_its_sizes_takes_no_case(capsys, monkeypatch):
    monkeypatch.setattr(running, "check_instruments", lambda: None)
    assert cli.main(["haar.prop1-amended", "--replay", 'time-in-the-official-block:{"t":3}']) == cli.Exit.USAGE
    assert "takes no case: run `python -m verify haar.prop1-amended`" in capsys.readouterr().err


def test_no_examination_names_a_case_that_it_cannot_run():
    assert all((c.again is None) is (c.case is None) for c in CHECKS if isinstance(c, Examination))


STATEMENTS, PROPERTIES = ([c for c in CHECKS if isinstance(c, kind)] for kind in (StatementTest, Property))


@pytest.mark.parametrize("check", STATEMENTS, ids=lambda c: f"{c.claim}:{c.name}")
def test_every_listed_instance_is_in_the_domain_of_its_statement(check):
    domain = check.source.domain(check.subject)
    for instances in islice(check.source.instances(check.subject, Tier.QUICK), 3):
        for i in range(0, len(instances), max(1, len(instances) // 4)):
            assert domain.misfit(json.loads(json.dumps(instances.case(i))), "it", Run()) == ""


@pytest.mark.parametrize("check", PROPERTIES, ids=lambda c: f"{c.claim}:{c.name}")
def test_what_is_drawn_is_in_the_domains_of_its_fields(check):
    @settings(
        max_examples=4, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(check.cases(check.subject, Run()))
    def held(case):
        assert asdict(check.case_of(json.loads(json.dumps(asdict(case))), Run())) == json.loads(
            json.dumps(asdict(case))
        )

    held()


def test_a_case_is_held_to_its_domains_and_to_what_must_fit_together():
    domain = Record({"n": Whole(1, 3)}, together=lambda case: "" if case["n"] < 3 else "n is too large here")
    assert domain.misfit({"n": 2}, "it", Run()) == ""
    assert domain.misfit({"n": True}, "it", Run()) == '"n" must be a whole number from 1 to 3, not true'
    assert domain.misfit({"n": 3}, "it", Run()) == "n is too large here"
    with pytest.raises(ValueError, match="annotate it with a domain"):
        drawn(type("Bare", (), {"__annotations__": {"n": int}}))


# --- one instance an erratum -----------------------------------------------------------------------------------------


def of_one_check(claim_id: str, finding) -> ClaimReport:
    """A report of a claim on which only the test of its statement ran."""
    check = CHECK[claim_id, TEXT]
    evidence = gather._as_evidence(check, finding, Run())
    return ClaimReport(claims()[claim_id], family_of(claim_id), Outcome.REFUTED, (evidence,))


@pytest.mark.parametrize("claim", REFUTED, ids=lambda c: c.id)
def test_text_terminal_and_replay_name_the_same_instance(claim):
    check, case = CHECK[claim.id, TEXT], dict(claim.erratum.case)
    assert check.kind is Kind.REFUTED
    finding = check.examine(check.subject, Run())
    assert finding.holds, finding.summary
    assert finding.case == case
    assert all(worded(value) in claim.erratum.instance for value in case.values())
    report, console = of_one_check(claim.id, finding), Console(file=io.StringIO(), width=80)
    text.write(Report((report,), Run(), 0.0), console)
    shown = console.file.getvalue()
    assert f"fails at: {claim.erratum.instance}" in shown
    (line,) = re.findall("replay: (.*)", shown)
    assert line == replay_line(check, finding)
    assert json.loads(shlex.split(line)[-1].partition(":")[2]) == case
    told = book.entry(report)
    assert told.failing["Fails at"] == claim.erratum.instance
    assert told.named.replay == line


def test_only_a_statement_that_fails_says_where():
    for claim in claims().values():
        parts = book.erratum(claim.erratum, claim.form) if claim.erratum else {}
        assert ("Fails at" in parts) is (claim.expected is Outcome.REFUTED)
