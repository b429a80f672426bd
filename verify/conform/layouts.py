"""How a tensor may lie in memory: the same values under other strides."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = (1 << 31) + 8
"""More entries than a signed 32-bit offset reaches."""
LAYOUTS = ("strided", "transposed", "expanded", "offset")


class NotExercised(Exception):
    """A row was not run; the message says why."""


def laid(m: Tensor, layout: str) -> Tensor:
    """The tensor in a layout: "strided" takes every second entry of every axis, "transposed" has its last two axes
    exchanged in memory, "offset" begins inside its storage.

    "expanded" repeats the first entry of the first axis by a stride of 0, and changes the values so. "far" has the
    entries of the first axis more than 2^31 entries apart; memory between them is asked for and not touched.
    Raises NotExercised where there is no such memory.
    """
    if layout == "strided":
        wide = m.new_full([2 * n for n in m.shape], 7)
        view = wide[tuple(slice(None, None, 2) for _ in m.shape)]
        return view.copy_(m)
    if layout == "transposed" and m.ndim > 1:
        return m.mT.contiguous().mT
    if layout == "offset":
        return torch.cat([m.new_full((3,), 7), m.flatten()])[3:].view(m.shape)
    if layout == "expanded":
        return m[:1].expand(m.shape)
    if layout == "far":
        try:
            room = torch.empty(FAR * (m.shape[0] - 1) + m.numel(), dtype=m.dtype, device=m.device)
        except (RuntimeError, MemoryError) as reason:
            raise NotExercised("offsets beyond 2^31: no memory for them here") from reason
        return room.as_strided(m.shape, (FAR, *m[0].contiguous().stride())).copy_(m)
    return m.contiguous()
