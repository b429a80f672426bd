"""Evidence on the claims of a paper, as data: `verify.run(["mqar.thm2-step1"])` is a report that a notebook shows.

`verify.show("mqar.thm2-step1", "k1 v1 k2 v2 k1")` is a claim's network on a sequence, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mamba_theorems.verify.version import __version__

if TYPE_CHECKING:
    from mamba_theorems.verify.evidence import Report
    from mamba_theorems.verify.report.watch.notebook import ShownNetwork

if __name__ == "verify":
    from mamba_theorems.checkout import hand_over

    hand_over(__name__)


__all__ = ["__version__", "run", "show"]


def run(
    selected: str | Iterable[str] = "all",
    *,
    tier: str = "quick",
    seed: int = 0,
    device: str = "cpu",
    controls: bool = False,
) -> Report:
    """The report on some claims and on what they rest on; `report["mqar.thm2-step1"]` is one claim's.

    `tier` is quick, full or gpu; `controls` also runs every mutant. Raises ValueError for an unknown claim, tier or
    device, saying what to do.
    """
    from mamba_theorems.verify.api import gather  # noqa: PLC0415 - it takes torch, which the command line does not always need

    return gather(selected, tier=tier, seed=seed, device=device, controls=controls)


def show(claim: str, tokens: str | None = None, target: str | None = None) -> ShownNetwork:
    """A claim's network on a sequence, step by step: a drawing in a notebook, tables where it is printed.

    `tokens` and `target` are by default those of the claim's own example. `.trace` has the numbers: Δ, B, C and the
    state of each layer by channel, (L,) each, and `.trace.result` (L, classes). Raises ValueError, saying what to do.
    """
    from mamba_theorems.verify.report.watch.notebook import watch  # noqa: PLC0415 - it takes torch

    return watch(claim, tokens, target)
