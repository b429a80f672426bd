"""Arguments whose arithmetic is a theorem: its hypotheses are their inequalities, its network is the one laid out."""

import json
import re
from dataclasses import replace
from itertools import product

import formal_ties
import numpy as np
import pytest
from forging import frozen_text

import check_certificate as alone
from mamba_theorems.constructions import tasks
from mamba_theorems.kernels import semantics
from mamba_theorems.verify.certify import catalogue, formal
from mamba_theorems.verify.certify.argument import Argument, Proven, digest_of
from mamba_theorems.verify.certify.formal import how_known, hypotheses, proved
from mamba_theorems.verify.certify.functions import near, relu, rounded, snap, total
from mamba_theorems.verify.certify.layout import TensorLayout
from mamba_theorems.verify.certify.tensors import exact, laid_out
from mamba_theorems.verify.certify.term import Term, equal, hull, term, the, within
from mamba_theorems.verify.checks.certificates import look
from mamba_theorems.verify.formal import kept, rocq
from mamba_theorems.verify.formal.sources import Sources
from mamba_theorems.verify.settings import Run

SUBJECTS = [(claim, target) for claim, targets in catalogue.subjects().items() for target in targets]
ARGUMENTS = {subject: catalogue.subject(*subject).argument for subject in SUBJECTS}
FORMAL = {subject: argument for subject, argument in ARGUMENTS.items() if argument.formal}
IDS = [" ".join(subject) for subject in FORMAL]
each = pytest.mark.parametrize("argument", FORMAL.values(), ids=IDS)


def tensor_of(layout: TensorLayout, names: dict[str, int]) -> np.ndarray:
    """The tensor that a layout describes."""
    flat = np.concatenate([part.at(np.arange(part.size)) for part in laid_out(layout, names)])
    return flat.reshape([int(exact(term(axis), names)) for axis in layout.shape])


def again(argument: Argument) -> Argument:
    """The argument, its theorem looked at again."""
    return proved(replace(argument, formal=None), argument.formal)


def test_the_arguments_that_theorems_cover():
    assert set(FORMAL) == {
        ("mqar.thm2-step1", "paper"),
        ("mqar.thm3-step1", "paper"), ("mqar.thm3-step1", "paper_mamba2"),
        ("mqar.value-code", "paper"), ("mqar.value-code", "paper_mamba2"),
        ("mqar.n2-distinct", "paper"), ("mqar.n2-distinct", "paper_mamba2"),
        ("mqar.thm4", "paper"),
    }  # fmt: skip


# --- the theorem's hypotheses are the argument's inequalities ---------------------------------------------------------


@each
def test_a_theorem_supposes_the_inequalities_and_the_claim_s_hypotheses_and_nothing_else(argument):
    theorem = kept.recorded().theorems[argument.formal.theorem]
    says = " ".join(theorem.says.split())
    field, exp0, inequalities, *premises, conclusion = says.split(" -> ")
    assert (field, exp0) == ("forall (R : realFieldType) (exponential : R", "R), exponential 0 = 1")
    assert re.fullmatch(r"forall [^,]*, (let s := sequence ctx tail in )?(\w+\.)?closed [^,]*", inequalities)
    h3 = ["H3 ctx tail"] if "H3" in argument.statement else []
    assert premises == ["H1 ctx", "H2 ctx tail", *h3, "asks ctx tail t q v", "u != v"]
    assert re.match(r"\w+\.margin [^-]* <= .* - .* /\\ .* < ", conclusion)
    assert not theorem.axioms


def test_what_a_theorem_leaves_names_theorems_that_there_are():
    named = {
        name for argument in FORMAL.values() for name in re.findall(r"certified\.\w+\.\w+", argument.formal.leaves)
    }
    assert named == {"certified.OneHotKeys.one_hot_keys_rounded"} <= set(kept.recorded().theorems)


@each
def test_an_inequality_that_is_dropped_takes_the_theorem(argument):
    assert again(argument) == argument
    weights = formal.weights_of(argument)
    about_weights = [r for r in argument.requires if weights & set(formal._names(r[1]))]
    dropped = [replace(argument, closing=tuple(c for c in argument.closing if c != one)) for one in argument.closing]
    dropped += [replace(argument, requires=tuple(r for r in argument.requires if r != one)) for one in about_weights]
    for fewer in dropped:
        with pytest.raises(ValueError, match="theorem"):
            again(fewer)


@each
def test_a_step_that_is_another_takes_the_theorem(argument):
    text = hypotheses(argument, argument.formal.floats)
    for i, step in enumerate(argument.steps):
        if f"Definition {step.name} :" in text:
            other = replace(step, expression=step.expression + the.key)
            with pytest.raises(ValueError, match="other inequalities"):
                again(replace(argument, steps=(*argument.steps[:i], other, *argument.steps[i + 1 :])))


@each
def test_another_relation_or_another_theorem_is_refused(argument):
    turned = tuple((name, "<= 0" if relation == "> 0" else "> 0") for name, relation in argument.closing)
    with pytest.raises(ValueError, match="name no theorem"):
        again(replace(argument, closing=turned))
    with pytest.raises(ValueError, match="no theorem"):
        proved(argument, Proven("certified.OneHotKeys.no_such_theorem", ""))
    with pytest.raises(ValueError, match="other inequalities"):
        proved(argument, Proven("mqar.Theorem2.thm2_step1", "", argument.formal.floats))


def test_a_comment_is_no_hypothesis_and_two_sets_of_hypotheses_are_none(monkeypatch):
    argument = FORMAL["mqar.thm2-step1", "paper"]
    texts = dict(Sources().texts)
    text, module = hypotheses(argument), argument.formal.theorem.rpartition(".")[0]
    for forged in (texts[module].replace(text, f"(* {text} *)"), texts[module] + text):
        monkeypatch.setattr(Sources, "texts", texts | {module: forged})
        with pytest.raises(ValueError, match="other inequalities"):
            again(argument)


@pytest.mark.parametrize(
    ("x", "exactly"),
    [
        (rounded(the.a * the.b) + 1, "(a * b) + 1"),
        (near(the.a, 3) - snap(the.b), "a - b"),
        (relu(the.a - 2), "relu (a - 2%:R)"),
        (total(the.a, the.b), "a + b"),
        (abs(the.a + the.b) / 2, "`|a + b| / 2%:R"),
        ((the.a + abs(the.b)) / 2, "(a + `|b|) / 2%:R"),
        (Term(-3) * the.a, "(- 3%:R) * a"),
    ],
)
def test_a_term_is_what_it_is_without_roundings(x, exactly):
    assert formal._stated(x) == exactly


@pytest.mark.parametrize(
    "x", [hull(the.a, the.b), the.b + hull(the.a, -the.a), the.b + within(the.a * the.c), the.a**the.b, the.a[the.i]]
)
def test_a_term_that_is_no_single_number_has_no_exact_value(x):
    with pytest.raises(ValueError, match="no single number"):
        formal._stated(x)


def test_what_is_required_is_an_equation_or_that_something_is_not_negative():
    assert formal._required(equal(the.a, 2)) == "a == 2%:R"
    assert formal._required(equal(the.a * the.a, 1)) == "(a * a) == 1"
    assert formal._required(the.a - the.b) == "0 <= a - b"
    assert formal._required(the.a - abs(the.b - 1)) == "0 <= a - `|b - 1|"


# --- the inequalities hold of networks that answer, and are needed ----------------------------------------------------

PAPER_2 = {"key": 2, "value_weight": 1, "tap_previous": 1, "tap_current": 2, "bias": -1, "step_size": 1}
HONEST = (PAPER_2, PAPER_2 | {name: -PAPER_2[name] for name in ("key", "value_weight", "tap_previous", "tap_current")})
NEEDED = {
    "silent": PAPER_2 | {"key": 1, "value_weight": 4, "tap_previous": -4, "tap_current": 0, "bias": 6},
    "leak": PAPER_2 | {"key": 3, "value_weight": 5, "tap_previous": 3, "tap_current": 5, "bias": -4},
    "right wrong repeated margin": PAPER_2 | {"step_size": -1},
}


def inequalities(argument: Argument, weights: dict[str, int]) -> tuple[dict[str, bool], int]:
    """Which inequalities hold of weights, and the margin, from the text that Rocq reads."""
    *definitions, closed = re.findall(r"Definition (\w+) : \w+ := (.*?)\.(?:\n|$)", hypotheses(argument), re.DOTALL)
    names = weights | {"relu": lambda y: max(y, 0), "exponential": 0}
    for name, text in definitions:
        names[name] = 1 if text == "exponential 0" else eval(text, {}, names)
    each_of = re.split(r", | & ", closed[1].removeprefix("[&& ").removesuffix("]"))
    return {re.search(r"[a-z]\w*", one)[0]: eval(one, {}, names) for one in each_of}, names["margin"]


def leads(argument: Argument, weights: dict[str, int]) -> int:
    """The least lead of a right logit over another, exactly, on all sequences of two pairs and two or three more."""
    vocabulary = tasks.Vocabulary.paper(2, 2)
    names = weights | {"num_keys": 2, "num_values": 2, "first_key": 0, "vocab_size": 4}
    whole = {name: tensor_of(layout, names).astype(int).astype(object) for name, layout in argument.tensors.items()}
    mixer = {name.removeprefix("mixer."): w for name, w in whole.items()}
    found = []
    for length, context in product((2, 3), product(((0, 1), (1, 0)), product((2, 3), repeat=2))):
        tails = np.array(list(product(range(4), repeat=length)))
        tokens = np.concatenate([np.tile(np.stack(context, 1).ravel(), (len(tails), 1)), tails], axis=1)
        tokens = tokens[~tasks.broken_h2(tokens, vocabulary, 2).any(axis=1)]
        embedded = whole["embedding.weight"][tokens]
        y = semantics.paper_mamba(formal_ties.SURROGATES, mixer, embedded, delta_activation="identity")
        logits, targets = (y @ whole["head.weight"].T)[..., 2:], tasks.answers(tokens, vocabulary, 2)
        at = targets >= 0
        right = targets[at] - 2
        found.append(min(logits[at][range(len(right)), right] - logits[at][range(len(right)), 1 - right]))
    return min(found)


@pytest.mark.parametrize("weights", HONEST)
def test_where_the_inequalities_hold_every_query_is_answered_by_the_margin(weights):
    argument = FORMAL["mqar.thm2-step1", "paper"]
    holds, margin = inequalities(argument, weights)
    assert all(holds.values())
    assert leads(argument, weights) == margin > 0


@pytest.mark.parametrize("fails", NEEDED)
def test_where_an_inequality_fails_a_query_may_be_answered_wrongly(fails):
    argument = FORMAL["mqar.thm2-step1", "paper"]
    holds, _ = inequalities(argument, NEEDED[fails])
    assert [name for name, true in holds.items() if not true] == fails.split()
    assert leads(argument, NEEDED[fails]) < 0


# --- what certificates say --------------------------------------------------------------------------------------------


def test_the_stand_alone_checker_knows_which_arguments_were_read():
    known = {
        name: sorted(digest_of(a.prose())[:22] for a in ARGUMENTS.values() if bool(a.formal) == (name == "FORMAL"))
        for name in ("READ", "FORMAL")
    }
    assert known == {"READ": alone.READ.split(), "FORMAL": alone.FORMAL.split()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mqar.thm2-step1_paper_float32_64_64_8", "FORMAL (certified.OneHotKeys.one_hot_keys) but for what floats add"),
        ("mqar.thm2-step1_official_float32_64_64_8", "read"),
        ("mqar.thm4_paper_float32_64_64_8", "FORMAL (certified.GatedBlocks.gated_blocks_answer) but for what floats"),
    ],
)
def test_a_certificate_says_whether_its_argument_is_a_theorem_or_was_read(name, said):
    text = frozen_text(name)
    assert f"Argument: {said}" in alone.check(text)
    assert how_known(json.loads(text)).startswith(said)


def test_a_theorem_that_is_neither_proved_nor_recorded_is_no_theorem(monkeypatch):
    request = next(r for r in catalogue.frozen() if (r.claim, r.target) == ("mqar.thm2-step1", "paper"))
    assert str(look(request, Run()).facts["argument"]).startswith("FORMAL")
    monkeypatch.setattr(formal, "_theorems", dict)
    assert look(request, Run()).facts["argument"] == "read"


# --- the theorem's network is the one that the certificate lays out ---------------------------------------------------

NUMBERS = {"key": 3, "value": 5, "value_weight": 5, "tap_previous": 7, "tap_current": 11, "bias": -13, "step_size": 17}
NUMBERS |= {"head": 19, "one": 23}
KEYS, VALUES = 2, 3
SIZES = {"first_key": 0, "num_keys": KEYS, "num_values": VALUES, "vocab_size": KEYS + VALUES, "width": VALUES}
Q = {name: formal_ties.number(n) for name, n in NUMBERS.items()}
UNIT = "(one_hot_code (F := rat) 1)"
REQUIRED = f"{formal_ties.WEIGHTS}From Mamba Require Import certified.IntegerCodes certified.GatedBlocks.\n"


def laid(subject: tuple[str, str]) -> dict[str, np.ndarray]:
    """A certificate's tensors at a small size, each weight a number of its own; biases that are left out are 0."""
    found = {name: tensor_of(layout, NUMBERS | SIZES) for name, layout in ARGUMENTS[subject].tensors.items()}
    for name in [name for name in found if name.endswith(".weight")]:
        found.setdefault(name.replace(".weight", ".bias"), np.zeros(len(found[name]), dtype=int))
    return formal_ties._aligned(found, KEYS)


def one_hot_keys() -> tuple[str, dict[str, str]]:
    """The embedding and the weights in Rocq of the network that the theorem is about."""
    code, minus = f"(one_hot_code (F := rat) {Q['value_weight']})", formal_ties.number(-NUMBERS["bias"])
    W = f"(@shared_convolution rat {KEYS} {VALUES} {Q['tap_previous']} {Q['tap_current']} {minus} {Q['step_size']})"
    head = f"(@shared_head rat {KEYS} {UNIT} (fun _ => 0))"
    return f"@shared_embedding rat {KEYS} {VALUES} {Q['key']} {code}", formal_ties.mamba(W, head)


def gated_blocks() -> tuple[str, dict[str, str]]:
    """The same of Theorem 4."""
    numbers = " ".join(Q[name] for name in ("bias", "one", "step_size", "tap_current", "tap_previous"))
    W = f"(@block rat {KEYS} {VALUES} {numbers})"
    gate = f"(match Semantics.gate {W} with Some G => G | None => @constant rat (fun _ => 2 # 1) end)"
    terms = formal_ties.mamba(W, f"(@head_rows rat {KEYS} {VALUES} {Q['head']})")
    terms |= {f"mixer.gate.{part}": f"({part} {gate})" for part in ("weight", "bias")}
    return f"@embedding rat {KEYS} {VALUES} {Q['key']} {Q['value']}", terms


def coded(codes: formal_ties.Codes, second: bool) -> tuple[str, dict[str, str]]:
    """The same of recall by codes, each in units of a weight; `second` in the Mamba-2 block."""
    units = {"write": "key", "read": "key", "value": "value", "head": "head"}
    of = {
        code: f"(by_weight (F := rat) {Q[unit]} {getattr(codes, code).format(kappa=KEYS)})"
        for code, unit in units.items()
    }
    n, width = codes.states(KEYS, VALUES), codes.width(KEYS, VALUES)
    three = f"{of['write']} {of['read']} {of['value']}"
    if not second:
        W, head = f"(@codes_mamba rat {n} {width} {Q['step_size']})", f"(@codes_head rat {n} {of['head']})"
        return f"@codes_embedding rat {KEYS} {VALUES} {n} {three}", formal_ties.mamba(W, head)
    W = f"(@codes_mamba2 rat {KEYS} {VALUES} {n} {width} {three} {Q['step_size']})"
    maps = {f"mixer.{name}": f"(m2_{name} {W})" for name in ("x", "B", "C", "delta")}
    maps |= {f"mixer.{name}_conv": f"({name}_conv {W})" for name in "xBC"}
    maps["head"] = f"(@codes_head2 rat {of['head']})"
    return f"@one_hot_token rat {KEYS} {VALUES}", formal_ties._affine(maps) | {"mixer.A": f"(m2_A {W})"}


NETWORKS = {("mqar.thm2-step1", "paper"): one_hot_keys(), ("mqar.thm4", "paper"): gated_blocks()} | {
    (codes.claim, target): coded(codes, second=target == "paper_mamba2")
    for codes, target in product(formal_ties.CODES, ("paper", "paper_mamba2"))
}


def test_every_theorem_has_its_network_here():
    assert set(NETWORKS) == set(FORMAL)


def test_every_theorem_is_about_the_network_that_the_certificate_lays_out(here):
    sources = Sources()
    with rocq.alone(rocq.folder_of(sources)):
        built = rocq.build(sources)
    tokens = formal_ties.tokens_of(tasks.Vocabulary.paper(KEYS, VALUES))
    goals = [
        goal
        for subject, (code, terms) in NETWORKS.items()
        for goal in formal_ties.Tied(" ".join(subject), tokens, laid(subject), code, terms).goals()
    ]
    assert {name for _, terms in NETWORKS.values() for name in terms} >= {"mixer.gate.weight", "mixer.x_conv.weight"}
    assert not formal_ties.decided(built, goals, REQUIRED)
