"""Other people's kernels with the field's signatures: to time them beside ours, to run every claim on them, and to hold
them to the conformance suite.

`python -m verify all --kernel kernels.peers:mambapy_scan` runs all numeric evidence on mambapy; `python -m verify
conform kernels.peers.hf` the suite on transformers' functions. Each module needs its package, and none is copied: an
adapter names arguments and lays them out, and takes no option that theirs does not.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from mamba_theorems.kernels.peers.models import mambapy_model, transformers_model
from mamba_theorems.kernels.peers.scans import accelerated_scan, mamba_ssm_scan, mambapy_scan, transformers_scan

PEERS: dict[str, tuple[str, Callable[..., Any]]] = {
    "transformers": ("transformers", transformers_scan),
    "mambapy": ("mambapy", mambapy_scan),
    "accelerated-scan": ("accelerated_scan", accelerated_scan),
    "mamba_ssm": ("mamba_ssm", mamba_ssm_scan),
}
MODELS = {"transformers": transformers_model, "mambapy": mambapy_model}
"""The same language model in other people's code, weights included, for whom there is one."""


def installed(name: str) -> bool:
    """Whether the package of a peer is there. ValueError for a peer that is not known."""
    if name not in PEERS:
        raise ValueError(f"There is no peer {name!r}; choose from {', '.join(PEERS)}.")
    return find_spec(PEERS[name][0]) is not None
