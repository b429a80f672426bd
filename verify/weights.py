"""The weights of a claim's construction, told by channel for a reader."""

from __future__ import annotations

from theorems.registry import family_of


def weights_by_channel(claim_id: str) -> list[str]:
    """Lines that say what each weight does between named channels, at the smallest size; [] without a construction."""
    from importlib import import_module  # noqa: PLC0415
    from importlib.util import find_spec  # noqa: PLC0415

    name = f"constructions.{family_of(claim_id)}"
    describe = getattr(import_module(name), "describe_claim", None) if find_spec(name) else None
    return describe(claim_id) if describe else []
