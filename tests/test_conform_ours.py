"""One suite: its rows are the tests of our own scans, SSD, convolution, steps and gradients, on every backend of ours.

Triton runs in its interpreter, which sees indices and masks but not a GPU's rounding: rows about these alone, in
float64, at sizes that it can bear, with blocks so small that they end inside.
"""

from functools import partial

import pytest

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.backends import AUTO, choices, load
from mamba_theorems.kernels.gpu import backend as triton_ops
from mamba_theorems.verify.conform import suite
from mamba_theorems.verify.conform.kernel import KernelLimits
from mamba_theorems.verify.conform.operations import OPERATIONS
from mamba_theorems.verify.conform.rows import rows_of
from mamba_theorems.verify.conform.suite import Conformance

OURS = [(operation, backend) for operation in OPERATIONS for backend in choices(operation, "cpu")]
SMALL = {"BLOCK_T": 4, "SSD_CHUNK": 16, "CONV_BLOCK_T": 4, "CONV_BLOCK_D": 2}
TINY = {
    "selective_scan": {"sizes": {"length": {"max": 9}}, "elements": 216},
    "ssd_chunk_scan": {"sizes": {"length": {"max": 21}}, "elements": 1008},
    "causal_conv1d": {"sizes": {"length": {"max": 11}}, "elements": 264},
}
INDEXING = {
    "selective_scan": (
        "plain", "all", "option.groups", "packed.returns", "packed.tile", "packed.inside", "packed.initial-state",
        "padding.scattered", "padding.rows", "state.constant-BC", "state.gradient", "pieces.plain", "confined.nan.u",
        "confined.nan.initial", "confined.nan.packed-4",
    ),
    "ssd_chunk_scan": (
        "plain", "all", "packed.returns", "packed.at16", "packed.at17", "packed.inside", "packed.initial-state",
        "padding.scattered", "padding.rows", "state.gradient", "pieces.plain", "confined.nan.x",
        "confined.nan.initial", "confined.nan.packed-16",
    ),
    "causal_conv1d": (
        "plain", "all", "option.seq_idx", "packed.returns.state", "packed.each", "packed.at3", "packed.at4",
        "padding.scattered.state", "padding.rows.state", "short.1", "short.3", "state.gradient", "pieces.plain",
        "confined.nan.x.state", "confined.nan.packed8",
    ),
}  # fmt: skip
"""How the ids of rows begin, by operation: every option together, and each edge of a block."""


def held(operation, backend, rows, limits, draws):
    """What the rows say of a backend; it must not fail, and what is not asked must be as declared."""
    kernel = partial(getattr(ops, operation), backend=backend)
    subject = suite.subject_of(f"{operation} on {backend}", kernel, OPERATIONS[operation], "cpu", limits)
    result = suite.examine(subject, rows, draws=draws)
    assert not result.failures, "\n".join(f"{f.row.id} {f.dtype}: {f.reason}" for f in result.failures)
    assert 0 < result.worst <= 1
    idle = {f.reason for f in result.findings if f.verdict is Conformance.NOT_EXERCISED}
    assert all(reason.startswith(("needs --tier full", "would take about")) for reason in idle)
    return result


@pytest.mark.parametrize(("operation", "backend"), OURS)
def test_every_row_conforms_on_our_backends(operation, backend):
    """The definition gives no gradients; else every option, size and dtype is offered."""
    forward_only = backend != AUTO and not load(backend).differentiable
    result = held(operation, backend, rows_of(operation), KernelLimits(gradient=not forward_only), draws=True)
    assert result.not_offered == (("gradient (declared)",) if forward_only else ())


@pytest.mark.skipif(not triton_ops.interpreted(), reason="a GPU is here: `verify conform --device cuda`")
@pytest.mark.parametrize("operation", TINY)
def test_every_row_about_indices_conforms_on_triton_s_interpreter_or_is_too_large_for_it(operation, monkeypatch):
    for name, size in SMALL.items():
        monkeypatch.setattr(triton_ops, name, size)
    limits = KernelLimits(dtypes=("float64",), **TINY[operation])
    rows = [row for row in rows_of(operation) if row.id.startswith(INDEXING[operation]) and not row.dtype]
    result = held(operation, "triton", rows, limits, draws=False)
    assert all("(declared)" in told or told.startswith("length") for told in result.not_offered)
    conforming = {f.row.id for f in result.findings if f.verdict is Conformance.CONFORMS}
    assert len(conforming) > len(rows) / 2
