"""A certificate: an argument, sizes, the distinct weights bit by bit, digests of the tensors, and every enclosure.

A certificate is canonical JSON with the SHA-256 of its own content. `check` compares a certificate with what this code
base builds and encloses anew; `check_certificate.py` does without this code base.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS
from mamba_theorems.verify.certify import tensors as flat
from mamba_theorems.verify.certify.argument import POSITIVE, Argument, canonical, digest_of
from mamba_theorems.verify.certify.enclose import Interval, Undecided, decide
from mamba_theorems.verify.certify.layout import Part
from mamba_theorems.verify.certify.tensors import Names, Shipped, exact
from mamba_theorems.verify.certify.term import Term, term

Tensors = Mapping[str, Shipped]
Read = Callable[[np.ndarray], np.ndarray]
"""The numbers at some places of a part."""
FIELDS = {"dtype", "sizes", "weights", "sha256", "enclosures", "hash"}
LIMITS = {"ulps": ELEMENTARY_ULPS}  # what the elementary functions of every backend are good for


class NotLaidOut(ValueError):
    """The weights that ship are not those that the argument is about."""


@dataclass(frozen=True)
class Subject:
    """What can be certified: an argument, the sizes that it takes, and the tensors that ship at those sizes.

    `sizes` completes the user's sizes and raises ValueError for impossible ones; `tensors` rounds the exact weights to
    the dtype once; `weights` gives the weights that stand alone in no layout.
    """

    argument: Argument
    sizes: Callable[[Mapping[str, Any]], dict[str, Any]]
    tensors: Callable[[Mapping[str, Any], str], Tensors]
    weights: Callable[[Mapping[str, Any], Tensors], dict[str, Any]] = lambda sizes, tensors: {}


def make(subject: Subject, chosen: Mapping[str, int], dtype: str) -> dict[str, Any]:
    """The certificate at the chosen sizes. Raises Undecided where the argument does not close, ValueError for sizes."""
    numbers = Numerals.of(subject, chosen, dtype)
    enclosures = decide(subject.argument, dtype, {**numbers.sizes, **numbers.weights})
    content = {
        **subject.argument.prose(),
        "dtype": dtype,
        **numbers.json(),
        "enclosures": {name: interval.decimals() for name, interval in enclosures.items()},
    }
    return {**content, "hash": digest_of(content)}


# -------------------------------------------------------------------------------------------- the weights


def named_weights(argument: Argument, sizes: Names, tensors: Tensors) -> dict[str, Any]:
    """The weights that a layout calls by a name, or by a name and an index, read off where they stand alone.

    Raises ValueError where the argument is about other tensors.
    """
    if set(tensors) != set(argument.tensors):
        raise ValueError(f"The argument is about {sorted(argument.tensors)}, not about {sorted(tensors)}.")
    found: dict[str, Any] = {}
    for name, layout in argument.tensors.items():
        start = 0
        for part in layout.parts:
            _read_part(found, part, sizes, partial(flat.numbers_at, tensors[name], start))
            start += int(exact(part[0], sizes))
    return found


def _read_part(found: dict[str, Any], part: Part, sizes: Names, read: Read) -> None:
    size, fill, scattered = part
    once = [flat.places(entries, sizes) for entries in scattered]
    for entries, at in zip(scattered, once, strict=True):
        number = term(entries.number)
        if number.name and number.name not in sizes and len(at):
            found.setdefault(number.name, float(read(at[:1])[0]))
        if number.arguments:
            _read_multiple(found, number, {**sizes, **flat.indices(entries, sizes)}, at, read)
    if usual := term(fill).name:
        taken = np.concatenate([[], *(flat.repeated(at, e, sizes) for e, at in zip(scattered, once, strict=True))])
        free = np.setdiff1d(np.arange(len(taken) + 1), taken)[:1]
        if free[0] < exact(size, sizes):
            found.setdefault(usual, float(read(free)[0]))


def _read_multiple(found: dict[str, Any], number: Term, names: Names, at: np.ndarray, read: Read) -> None:
    """A list's entries, or the weight that an entry is an integer multiple of."""
    weight, index = number.arguments
    if not weight.name or weight.name in names:
        return
    if number.head == "at":
        _, first = np.unique(exact(index, names), return_index=True)
        found.setdefault(weight.name, read(at[first]).tolist())
    if number.head == "mul":
        factors = np.broadcast_to(exact(index, names), at.shape)
        first = np.flatnonzero(factors)[:1]
        if len(first):
            found.setdefault(weight.name, float(read(at[first])[0] / factors[first][0]))


def laid(argument: Argument, sizes: Names, dtype: str, tensors: Tensors, weights: Names) -> dict[str, str]:
    """The digests of the tensors. Raises NotLaidOut unless every tensor is exactly its layout."""
    digests = {}
    for name, layout in argument.tensors.items():
        parts, shape = flat.laid_out(layout, {**sizes, **weights}), tuple(exact(axis, sizes) for axis in layout.shape)
        if shape != tensors[name].shape or not flat.same(parts, tensors[name], dtype):
            raise NotLaidOut(f"{name} is not laid out as the argument says: change one of them.")
        digests[name] = flat.digest(layout, {**sizes, **weights})
    return digests


def _hexadecimal(weight: float | list[float]) -> str | list[str]:
    return [x.hex() for x in weight] if isinstance(weight, list) else weight.hex()


@dataclass(frozen=True)
class Numerals:
    """What a certificate says of a subject beside its argument, enclosures apart."""

    sizes: dict[str, Any]
    weights: dict[str, Any]
    sha256: dict[str, str]

    @classmethod
    def of(cls, subject: "Subject", chosen: Mapping[str, Any], dtype: str) -> "Numerals":
        """What is read off the weights that ship. Raises ValueError for impossible sizes, or another layout."""
        sizes = {**subject.sizes(chosen), **LIMITS}
        tensors = subject.tensors(sizes, dtype)
        weights = {**named_weights(subject.argument, sizes, tensors), **subject.weights(sizes, tensors)}
        return cls(sizes, weights, laid(subject.argument, sizes, dtype, tensors, weights))

    def json(self) -> dict[str, Any]:
        """As a certificate writes it."""
        weights = {name: _hexadecimal(weight) for name, weight in self.weights.items()}
        return {"sizes": self.sizes, "weights": weights, "sha256": self.sha256}


# ----------------------------------------------------------------------------------------------- checking


class Refused(Exception):
    """The certificate does not show what it says; the message tells why."""


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def parse(text: str) -> dict[str, Any]:
    """The fields of a certificate in its canonical form, its hash compared. Raises Refused."""
    try:
        certificate = json.loads(text)
    except json.JSONDecodeError as reason:
        raise Refused(f"it is not JSON ({reason})") from reason
    _require(isinstance(certificate, dict) and canonical(certificate) == text, "the file is not in its canonical form")
    content = {name: value for name, value in certificate.items() if name != "hash"}
    _require(certificate.get("hash") == digest_of(content), "its hash is not that of its content")
    return certificate


def check(text: str, subject_of: Callable[[str, str], Subject]) -> dict[str, Any]:
    """The certificate, if the network that this code base ships has the weights and the bounds it states.

    `subject_of` gives the subject of a claim and a target, or raises ValueError. Raises Refused with the reason.
    """
    certificate = parse(text)
    try:
        subject = subject_of(certificate["claim"], certificate["target"])
        _compare(certificate, subject)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as reason:
        raise Refused(f"it is malformed ({type(reason).__name__}: {reason})") from reason
    return certificate


def _compare(certificate: dict[str, Any], subject: Subject) -> None:
    prose = subject.argument.prose()
    _require(set(certificate) == {*prose, *FIELDS}, "its fields are not those of a certificate")
    _require({name: certificate[name] for name in prose} == prose, "its argument is not this claim's")
    sizes, dtype = certificate["sizes"], certificate["dtype"]
    flat = [n for size in sizes.values() for n in (size if isinstance(size, list) else [size])]
    _require(all(type(n) is int for n in flat), "a size is no integer")
    numbers = Numerals.of(subject, sizes, dtype)
    shipped = numbers.json()
    _require(shipped["sizes"] == sizes, "its sizes do not belong together")
    _require(certificate["weights"] == shipped["weights"], "its weights are not shipped")
    _require(certificate["sha256"] == shipped["sha256"], "a tensor has another digest")
    try:
        found = decide(subject.argument, dtype, {**numbers.sizes, **numbers.weights})
    except Undecided as reason:
        raise Refused(f"it is undecided: {reason}") from reason
    _compare_enclosures(certificate["enclosures"], found, subject.argument)


def _compare_enclosures(stated: Mapping[str, Any], found: Mapping[str, Interval], argument: Argument) -> None:
    _require(set(stated) == set(found), "its enclosures are not those of its steps")
    for name, interval in found.items():
        (low, high), ends = (Fraction(end) for end in stated[name]), interval.ends()
        _require(low <= ends[0] and ends[1] <= high, f"step '{name}' is not enclosed by what is stated")
    for name, relation in argument.closing:
        low, high = (Fraction(end) for end in stated[name])
        _require(low > 0 if relation == POSITIVE else high <= 0, f"'{name}' is not shown to be {relation}")
