"""Forging certificates: other sizes or weights, digests, enclosures and hash recomputed by the checker's arithmetic."""

import json
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

import check_certificate as alone
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import canonical, digest_of
from mamba_theorems.verify.certify.tensors import exact, laid_out

FOLDER = Path(__file__).parent.parent / "certificates"


@cache
def frozen_text(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()


def forged(name: str, sizes: dict, weights: dict) -> str:
    """A frozen certificate forged."""
    return forgery(frozen_text(name), sizes, weights)


def forgery(text: str, sizes: dict, weights: dict) -> str:
    """A certificate with other sizes and weights, and everything else recomputed by the checker's own arithmetic.

    From the first digest or step on that cannot be had they are left as they were.
    """
    certificate = json.loads(text)
    assert sizes.keys() <= certificate["sizes"].keys()
    assert weights.keys() <= certificate["weights"].keys()
    certificate["sizes"] |= sizes
    certificate["weights"] |= {key: float(weight).hex() for key, weight in weights.items()}
    names, dtype = numbers_of(certificate), certificate["dtype"]
    with suppress(ValueError, TypeError, LookupError):
        for key, layout in certificate["tensors"].items():
            certificate["sha256"][key] = alone.tensor_digest(layout, dict(names), dtype)
    known = points(names)
    with suppress(ValueError, TypeError, LookupError):
        for step, expression, _ in certificate["steps"]:
            known[step] = alone.value(expression, known, dtype)
            certificate["enclosures"][step] = [f"{end}/{alone.ONE}" for end in known[step]]
    content = {key: part for key, part in certificate.items() if key != "hash"}
    return canonical({**content, "hash": digest_of(content)})


def numbers_of(certificate: dict) -> dict:
    """Sizes, weights and the dtype's own numbers, by name."""
    _, bits, least, _ = alone.FORMATS[certificate["dtype"]]
    names = {"tiny": 2.0**-126, "least": 2.0 ** (least - bits + 1), "integers": 2**bits} | certificate["sizes"]
    weights = certificate["weights"].items()
    return names | {k: [*map(float.fromhex, w)] if isinstance(w, list) else float.fromhex(w) for k, w in weights}


CHANGES = st.sampled_from([-1.0, 0.0, 0.5, 2.0, -2.0, 1 + 2.0**-20, 2.0**20, 2.0**-20])


@st.composite
def changed_weights(draw, text: str, most: int = 2, factors: st.SearchStrategy[float] = CHANGES) -> dict[str, float]:
    """Some of a certificate's weights, each turned, scaled, a little off or 0."""
    weights = {k: float.fromhex(w) for k, w in json.loads(text)["weights"].items() if isinstance(w, str)}
    kept = draw(st.permutations(sorted(weights)))[: draw(st.integers(1, most))]
    return {key: weights[key] * draw(factors, key) for key in kept}


def point(x: float) -> tuple[int, int]:
    return (int(Fraction(x) * alone.ONE),) * 2


def points(numbers: dict) -> dict:
    """Numbers and lists of numbers as the checker's intervals."""
    return {name: [point(x) for x in n] if isinstance(n, list) else point(n) for name, n in numbers.items()}


def accepted(text: str, sizes: dict, weights: dict) -> str:
    """The forgery of a certificate, if the checker accepts it; else nothing."""
    try:
        text = forgery(text, sizes, weights)
        alone.check(text)
    except (ValueError, OverflowError):
        return ""
    return text


def loaded(module: torch.nn.Module, certificate: dict, dtype: torch.dtype | None = None) -> torch.nn.Module:
    """The module with the tensors that a certificate lays out, in its dtype or another."""
    names, dtype = numbers_of(certificate), dtype or getattr(torch, certificate["dtype"])
    argument = catalogue.subject(certificate["claim"], certificate["target"]).argument
    tensors = {}
    for name, layout in argument.tensors.items():
        flat = np.concatenate([dense(part) for part in laid_out(layout, names)])
        shape = [exact(axis, names) for axis in layout.shape]
        tensors[name] = torch.from_numpy(flat.reshape(shape)).to(dtype)
    module.load_state_dict(tensors)
    return module


def dense(part) -> np.ndarray:
    found = np.full(part.size, part.fill)
    found[part.places] = part.numbers
    return found
