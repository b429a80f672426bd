"""The backend "torch": SSD in chunks, on any device, with gradients of every order by autograd."""

from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from mamba_theorems.kernels.arguments import S6, SSD
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.chunked.scan import confined, in_chunks
from mamba_theorems.kernels.cpu.backend import BACKEND as COMPILED


class Chunked(Backend):
    """SSD alone."""

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """In chunks of chunk_size; where they give what is not finite, step by step on a CPU."""
        return confined(s, in_chunks, _on_cpu)


def _on_cpu(s: S6) -> Any:
    given: dict[str, Any] = {f.name: getattr(s, f.name) for f in fields(s)}
    moved: dict[str, Any] = {name: value.cpu() if isinstance(value, Tensor) else value for name, value in given.items()}
    y, last = COMPILED.selective_scan(replace(s, **moved))
    return y.to(s.u.device), last.to(s.u.device)


BACKEND = Chunked()
