"""The same runs as the command line's, from Python."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import torch

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.engine.runner import verify
from mamba_theorems.verify.evidence import Report
from mamba_theorems.verify.report.notebook import shown
from mamba_theorems.verify.settings import Run, Tier


def gather(selected: str | Iterable[str], *, tier: str, seed: int, device: str, controls: bool) -> Report:
    """See `verify.run`."""
    words = [selected] if isinstance(selected, str) else list(selected)
    chosen = list(claims()) if "all" in words else words
    for name in chosen:
        if name not in claims():
            raise ValueError(
                f"There is no claim {name!r}{_closest(name)}: mamba_theorems.theorems.registry.claims() lists all."
            )
    if tier not in list(Tier):
        raise ValueError(f"There is no tier {tier!r}: use one of {', '.join(Tier)}.")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"There is no device {device!r} here: leave it out to run on the CPU.")
    return shown(verify(chosen, Run(Tier(tier), seed, device), controls=controls))


def _closest(name: str) -> str:
    near = get_close_matches(name, list(claims()), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
