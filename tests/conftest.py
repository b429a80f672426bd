"""What every test runs under: draws from fixed seeds, one thread a worker, shapes checked as signatures state them.

`--hypothesis-profile=nightly` draws from a new seed, which the first line of the run tells.
"""

import os
import random
import signal
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace

import pytest
from attacks import NIGHTLY
from hypothesis import register_random, settings
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

# --- draws -----------------------------------------------------------------------------------------------------------

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile(NIGHTLY, derandomize=False, deadline=None, print_blob=True)
settings.load_profile("fixed")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """A nightly run has one new seed, unless it is told one; its workers are told the same."""
    if config.getoption("hypothesis_profile") == NIGHTLY and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(2**32))


def pytest_sessionstart(session):
    """Tell the seed before anything is drawn, so that a run that is killed can be run again."""
    seed, reporter = session.config.option.hypothesis_seed, session.config.pluginmanager.get_plugin("terminalreporter")
    if seed is not None and reporter is not None:
        reporter.write_line(f"seed: --hypothesis-seed={seed}")


class TorchDraws:
    """torch's own generator, which hypothesis seeds before every example as it seeds Python's and numpy's."""

    def seed(self, number):
        import torch

        torch.manual_seed(number)

    def getstate(self):
        import torch

        return torch.get_rng_state()

    def setstate(self, state):
        import torch

        torch.set_rng_state(state)


TORCH = TorchDraws()
register_random(TORCH)


@pytest.fixture(autouse=True, scope="session")
def _draws_depend_on_no_import():
    """hypothesis takes constants from the modules imported so far, and these depend on the tests that ran before."""
    from mamba_theorems.verify.fuzz.draws import pure_draws

    with pure_draws():
        yield


@pytest.fixture(autouse=True)
def _one_thread_and_one_seed():
    """Two test workers share two cores; what a test draws from torch does not depend on the tests before it."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)


def pytest_collection_modifyitems(items):
    """Tests marked long start first; tests marked gpu run only where there is a CUDA device."""
    import torch

    items.sort(key=lambda item: "long" not in item.keywords)
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def no_sign_of_life(monkeypatch):
    """A slow machine's commands say nothing in between: what they print is compared."""
    from mamba_theorems.verify.commands import usage

    monkeypatch.setattr(usage, "SOON", 3600)


# --- runs ------------------------------------------------------------------------------------------------------------


class Here(Executor):
    """Does what is submitted at once, in this process."""

    def submit(self, work, /, *args, **options):
        future = Future()
        try:
            future.set_result(work(*args, **options))
        except Exception as reason:
            future.set_exception(reason)
        return future


@pytest.fixture(autouse=True, scope="session")
def _a_run_that_a_test_asks_for_stays_in_its_process():
    """A run's two workers would import again, beside two test workers, what this process has imported.

    What is about the workers themselves starts `python -m verify`.
    """
    from mamba_theorems.verify.engine import runner

    @contextmanager
    def here(_run):
        yield Here()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "workers", here)
        yield


ASKED = ("foundations.euler-gap", "haar.thm1", "mqar.thm2-step1-printed")


@pytest.fixture(scope="session")
def small_run(_a_run_that_a_test_asks_for_stays_in_its_process):
    """One quick run with controls: a proof with a figure, a disproof, a counterexample with its replay line; and what
    they rest on.
    """
    from mamba_theorems.verify.engine.runner import verify
    from mamba_theorems.verify.settings import Run

    return verify(ASKED, Run(), controls=True)


@pytest.fixture(scope="session")
def small_report(small_run):
    """What was asked for of the small run, not what that rests on."""
    mutants = tuple((claim, mutant) for claim, mutant in small_run.mutants if claim in ASKED)
    return replace(small_run, claims=tuple(small_run[claim] for claim in ASKED), mutants=mutants)


@pytest.fixture(scope="session")
def here():
    """Rocq on this machine; where CI runs it must be here."""
    from mamba_theorems.verify.formal import rocq

    try:
        return rocq.versions()
    except rocq.NoRocq as reason:
        if os.environ.get("CI"):
            pytest.fail(f"CI checks every theorem, and Rocq is not asked: {reason}")
        pytest.skip(f"Rocq is not asked: {reason} (`make formal`)")
