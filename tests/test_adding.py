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
import torch
from hypothesis import find
from mamba_theorems.kernels import backends, ops
from mamba_theorems.verify.checks.foundations import operations
from mamba_theorems.verify.fuzz.cells import properties
from mamba_theorems.verify.fuzz.executions import admitted, running
from mamba_theorems.verify.settings import Run

toy, x = backends.load("toy"), torch.ones(1, 2, 3)
y = ops.selective_scan(x, x, -torch.ones(2, 2), x, x, backend="toy")
assert torch.equal(y, ops.selective_scan(x, x, -torch.ones(2, 2), x, x, backend="reference")) and toy.calls == 1
assert "toy" in backends.backend_names() and toy.operations == ["selective_scan"]
assert "toy" in backends.choices("selective_scan", "cpu") and "toy" not in backends.choices("ssd_chunk_scan", "cpu")
case = find(operations.scan_options(ops.selective_scan, Run()), lambda case: case.backend == "toy")
assert operations.scan_score(ops.selective_scan, case, Run()).passes and toy.calls == 2
check = properties("foundations.unrolled")["scan-against-definition"]
with running(find(admitted(check, Run()), lambda execution: execution == "toy")):
    ops.selective_scan(x, x, -torch.ones(2, 2), x, x)
assert toy.calls == 3
"""


@pytest.fixture
def copy(tmp_path):
    """The rooms as they are, links kept as links."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignore)
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
