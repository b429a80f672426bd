"""torch.compile(fullgraph=True): no operation and no block breaks the graph, and gradients are those of eager runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mamba_theorems.kernels import traced
from mamba_theorems.kernels.arguments import RECORDS

SCRIPT = Path(__file__).with_name("compiled.py")


def script(*options):
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parent.parent)}
    command = [sys.executable, SCRIPT, *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)


def test_every_operation_and_block_is_one_graph():
    """In a process of its own, without the tests' checks of shapes."""
    done = script()
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("ok ") == 11 + 3 * 8 + 1


@pytest.mark.slow
def test_a_block_compiles_to_machine_code():
    done = script("--inductor")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.operation)
def test_each_operation_is_an_operator_with_a_fake_kernel(record):
    operator = getattr(torch.ops.mamba_theorems, record.operation).default
    assert [a.name for a in operator._schema.arguments] == [*traced._FIELDS[record.operation], "backend"]
