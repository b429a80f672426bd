"""Shapes in signatures are checked at run time in tests: jaxtyping's hook on the modules that carry them."""

import os
import signal

import pytest
from jaxtyping import install_import_hook

if not os.path.exists("/dev/nvidia0"):
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported: it decides when a kernel is defined

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # what starts in the background ignores Ctrl-C, as its children

CHECKED = [
    "mamba_theorems.kernels.ops",
    "mamba_theorems.kernels.chunked.ssd",
    "mamba_theorems.kernels.blocks.mamba",
    "mamba_theorems.kernels.blocks.mamba2",
    "mamba_theorems.kernels.blocks.paper",
    "mamba_theorems.kernels.blocks.language_model",
]
install_import_hook(CHECKED, "beartype.beartype")


@pytest.fixture(autouse=True)
def _one_thread_a_worker():
    """Two test workers share two cores."""
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Tests marked gpu run only where there is a CUDA device."""
    import torch

    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def small_report():
    """One quick run with controls: a proof with a figure, a disproof, and a counterexample with its replay line."""
    from mamba_theorems.verify.engine.runner import verify
    from mamba_theorems.verify.settings import Run

    return verify(("foundations.euler-gap", "haar.thm1", "mqar.thm2-step1-printed"), Run(), controls=True)
