"""All claims by id, and the graph of what rests on what."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import networkx as nx

from mamba_theorems.theorems.claim import FAMILIES, Claim


class UnknownClaim(KeyError):
    """No claim has this id."""


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its id, family by family. Raises ValueError where two claims have one id."""
    found: dict[str, Claim] = {}
    for claim in (claim for members in _families().values() for claim in members):
        if claim.id in found:
            raise ValueError(f"two claims are called {claim.id}")
        found[claim.id] = claim
    return found


@cache
def family_of(claim_id: str) -> str:
    """The family in which a claim stands. Raises UnknownClaim for an id that no claim has."""
    for family, members in _families().items():
        if any(claim.id == claim_id for claim in members):
            return family
    raise UnknownClaim(claim_id)


@cache
def _families() -> dict[str, tuple[Claim, ...]]:
    return {family: import_module(f"mamba_theorems.theorems.{family}").CLAIMS for family in FAMILIES}


@cache
def dependency_graph() -> nx.DiGraph:
    """An edge a → b says that a rests on b. Raises ValueError on a cycle or an unknown claim."""
    graph = nx.DiGraph()
    graph.add_nodes_from(claims())
    for claim in claims().values():
        for other in claim.depends_on:
            if other not in claims():
                raise ValueError(f"claim {claim.id} rests on {other}, which does not exist")
            graph.add_edge(claim.id, other)
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"claims rest on each other in a circle: {nx.find_cycle(graph)}")
    return graph


def dependencies_first() -> list[str]:
    """Claim ids ordered so that each comes after all that it rests on."""
    return list(nx.lexicographical_topological_sort(dependency_graph().reverse()))
