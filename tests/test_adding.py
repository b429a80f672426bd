"""Adding to the house: what is new touches one file a room and one line in each list; shown in a temporary copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("theorems", "constructions", "kernels", "verify", "mamba_theorems", "certificates")
FILES = ("recorded.json", "check_certificate.py")
TOY_BACKEND = '''"""The backend "toy": the scan by its definition, and nothing else."""

from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.reference.backend import BACKEND as DEFINITION


class Toy(Backend):
    """Counts its calls."""

    calls = 0

    def selective_scan(self, s):
        """The definition."""
        Toy.calls += 1
        return DEFINITION.selective_scan(s)


BACKEND = Toy()
'''
USE_OF_TOY = """
from dataclasses import replace
import torch
from hypothesis import find
from mamba_theorems.kernels import backends, ops
from mamba_theorems.verify.conform import claims
from mamba_theorems.verify.fuzz.cells import properties
from mamba_theorems.verify.fuzz.executions import admitted, running
from mamba_theorems.verify.settings import Run

toy, x = backends.load("toy"), torch.ones(1, 2, 3)
y = ops.selective_scan(x, x, -torch.ones(2, 2), x, x, backend="toy")
assert torch.equal(y, ops.selective_scan(x, x, -torch.ones(2, 2), x, x, backend="reference")) and toy.calls == 1
assert "toy" in backends.backend_names() and toy.operations == ["selective_scan"]
assert "toy" in backends.choices("selective_scan", "cpu") and "toy" not in backends.choices("ssd_chunk_scan", "cpu")
rows = next(check for check in claims.CHECKS if check.name == "rows-of-the-scan")
found = replace(rows, beginnings=("plain",)).examine(ops.selective_scan, Run())
assert found.holds and found.facts["backends"] == "compiled, reference, toy" and toy.calls > 1
before, check = toy.calls, properties("foundations.unrolled")["scan-against-definition"]
with running(find(admitted(check, Run()), lambda execution: execution == "toy")):
    ops.selective_scan(x, x, -torch.ones(2, 2), x, x)
assert toy.calls == before + 1
"""
TOY_THEOREM = {
    "theorems": '''"""A toy: Theorem 2 with the current key's code 4 in place of 3."""

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.mqar.task import H1, H2
from mamba_theorems.theorems.mqar.theorem2 import a0, a1, c, margin, rival, same
from mamba_theorems.theorems.proofs.proof import Identity, Proof

MARGIN = sp.Eq(margin().subs(a1, 4), 4 * a0 * c + a0**2 * c * (same - rival), evaluate=False)


def proof() -> Proof:
    """The margin of Theorem 2 at these numbers."""
    wrong = Identity(name="code 3", lhs=margin().subs(a1, 3), rhs=MARGIN.rhs)
    return Proof(steps=(Identity(name="margin", lhs=MARGIN.lhs, rhs=MARGIN.rhs, also_wrong=(wrong,)),))


CLAIMS = (
    Claim(
        id="mqar.toy",
        paper="none",
        form=Form.EXTENSION,
        title="Theorem 2 with another code",
        statement="4a_0c+a_0^2c(s-r)",
        hypotheses=(H1, H2),
        depends_on=("foundations.silu-pair",),
        formula=MARGIN,
        proof=proof,
    ),
)
''',
    "constructions": '''"""A toy: Theorem 2's network with the current key's code 4 in place of 3."""

from mamba_theorems.constructions.construction import compiled
from mamba_theorems.constructions.mqar.theorem2 import RecallForm, TapCodes, describe

CODES = TapCodes("relu", current=4, key_weight=2, bias=1)


def toy(vocabulary, target):
    """The network."""
    return compiled("mqar.toy", target, describe(vocabulary, CODES), RecallForm(CODES, vocabulary))


TOLD = {"mqar.toy": lambda: ["a toy"]}
''',
    "verify/checks": '''"""The toy's network on a kernel."""

from mamba_theorems.constructions.mqar import toy
from mamba_theorems.verify.checks.mqar.recall import Recall
from mamba_theorems.verify.checks.mqar.targets import recall_property


def build(target, vocabulary):
    return toy(vocabulary, target)


CHECKS = (recall_property("mqar.toy", "toy-recalls", Recall(build, "paper")),)
''',
    "verify/certify": '''"""The toy's certificate, by the argument for Theorem 2."""

from dataclasses import replace

from mamba_theorems.constructions.mqar import toy
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.mqar import recall, theorem2


def argument(target):
    return replace(theorem2.FAMILIES[0].argument(target), claim="mqar.toy")


def network(target, vocab_size, num_kv_pairs):
    return toy(Vocabulary.paper(num_kv_pairs, vocab_size - num_kv_pairs), target)


def frozen(target):
    yield "float32", recall.at(8, 16, 3)


def mutants(target):
    return {"ReLU threshold broken": theorem2.FAMILIES[0].mutants(target)["ReLU threshold broken"]}


FAMILIES = (
    recall.family(
        "mqar.toy", ("paper",), argument, build=network, shapes=("dt_rank",), frozen=frozen, mutants=mutants
    ),
)
''',
}
"""One file a room, and one a floor of verify."""
LINES = {
    "theorems": ('"theorem2", ', '"theorem2", "toy", '),
    "constructions": ("\n__all__", "\nfrom mamba_theorems.constructions.mqar.toy import toy\n\n__all__"),
    "verify/checks": ('"theorem2", ', '"theorem2", "toy", '),
    "verify/certify": ('"theorem2", ', '"theorem2", "toy", '),
}
"""What becomes of one line in each `__init__`."""
USE_OF_TOY_THEOREM = """
from mamba_theorems.constructions import describe_claim
from mamba_theorems.theorems.registry import family_of
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.checks.check import rejects
from mamba_theorems.verify.checks.registry import all_checks
from mamba_theorems.verify.commands.main import main
from mamba_theorems.verify.engine.derivations import reject_step_mutants
from mamba_theorems.verify.engine.gather import gather
from mamba_theorems.verify.settings import Run

found = {(str(e.kind), e.check): e.holds for e in gather("mqar.toy", Run()).evidence}
assert found == {
    ("PROVED", "derivation"): True,
    ("TESTED", "toy-recalls"): True,
    ("CERTIFIED", "certificate-paper-float32"): True,
}, found
assert all(m.rejected for m in reject_step_mutants("mqar.toy"))
for check in all_checks()["mqar.toy"]:
    for mutant in check.mutants.values():
        assert rejects(check, mutant, Run())[0], check.name
request = next(r for r in catalogue.frozen() if r.claim == "mqar.toy")
assert catalogue.recheck(canonical(request.make()))["claim"] == "mqar.toy"
assert family_of("mqar.toy") == "mqar" and describe_claim("mqar", "mqar.toy") == ["a toy"]
assert main(["list", "mqar.toy"]) == 0
"""


@pytest.fixture
def copy(tmp_path):
    """The rooms as they are, compiled kernels included, links kept as links."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(copy, program):
    environment = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_toy_backend_is_one_folder_and_one_line(copy):
    folder = copy / "kernels" / "toy"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "backend.py").write_text(TOY_BACKEND)
    names = copy / "kernels" / "backends.py"
    line = '    "reference": _Place("reference", ("cpu", "cuda")),\n'
    assert names.read_text().count(line) == 1
    names.write_text(names.read_text().replace(line, line + '    "toy": _Place("toy", ("cpu",)),\n'))
    run(copy, USE_OF_TOY)


def test_a_toy_theorem_is_one_file_a_room_and_one_line_in_each_init(copy):
    for room, text in TOY_THEOREM.items():
        family = copy / room / "mqar"
        (family / "toy.py").write_text(text)
        before, after = LINES[room]
        listed = (family / "__init__.py").read_text()
        assert listed.count(before) == 1, room
        (family / "__init__.py").write_text(listed.replace(before, after))
    run(copy, USE_OF_TOY_THEOREM)
