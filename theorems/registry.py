"""All claims by id, and the graph of what rests on what."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

import networkx as nx

from mamba_theorems.theorems.claim import FAMILIES, Claim


class UnknownClaim(KeyError):
    """No claim has this id."""


@cache
def claims() -> dict[str, Claim]:
    """Every claim, family by family, in the order in which its file lists them."""
    found: dict[str, Claim] = {}
    for family in FAMILIES:
        if find_spec(f"mamba_theorems.theorems.{family}") is None:
            continue
        for claim in import_module(f"mamba_theorems.theorems.{family}").CLAIMS:
            if claim.id in found:
                raise ValueError(f"two claims are called {claim.id}")
            found[claim.id] = claim
    return found


@cache
def family_of(claim_id: str) -> str:
    """The family (file name) in which a claim stands."""
    for family in FAMILIES:
        if find_spec(f"mamba_theorems.theorems.{family}") and any(
            c.id == claim_id for c in import_module(f"mamba_theorems.theorems.{family}").CLAIMS
        ):
            return family
    raise UnknownClaim(claim_id)


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
