"""A certificate: an argument, sizes, the distinct weights bit by bit, digests of the tensors, and every enclosure.

Canonical JSON with the SHA-256 of its own content. `check` compares it with what this code base builds and encloses
anew; `check_certificate.py` needs neither.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from kernels.error_bounds import ELEMENTARY_ULPS
from verify.certificates.argument import POSITIVE, Argument, TensorLayout, canonical, digest
from verify.certificates.enclose import Evaluation, Interval, Undecided, decide, evaluation

Tensors = Mapping[str, np.ndarray]
FIELDS = {"dtype", "sizes", "weights", "sha256", "enclosures", "hash"}
LIMITS = {"ulps": ELEMENTARY_ULPS}  # what the elementary functions of every backend are good for


@dataclass(frozen=True)
class Subject:
    """What can be certified: an argument, the sizes that it takes, and the tensors that ship at those sizes.

    `sizes` completes the user's sizes and raises ValueError for impossible ones; `tensors` rounds the exact weights to
    the dtype once.
    """

    argument: Argument
    sizes: Callable[[Mapping[str, int]], dict[str, int]]
    tensors: Callable[[Mapping[str, int], str], Tensors]


def make(subject: Subject, chosen: Mapping[str, int], dtype: str) -> dict[str, Any]:
    """The certificate at the chosen sizes. Raises Undecided where the argument does not close, ValueError for sizes."""
    sizes = {**subject.sizes(chosen), **LIMITS}
    tensors = subject.tensors(sizes, dtype)
    weights = distinct_weights(subject.argument, sizes, dtype, tensors)
    enclosures = decide(subject.argument, dtype, sizes, weights)
    content = {
        **subject.argument.prose(),
        "dtype": dtype,
        "sizes": sizes,
        "weights": {name: float(weight).hex() for name, weight in weights.items()},
        "sha256": {name: sha256(tensor) for name, tensor in tensors.items()},
        "enclosures": {name: interval.decimals() for name, interval in enclosures.items()},
    }
    return {**content, "hash": digest(content)}


def sha256(tensor: np.ndarray) -> str:
    """Of the tensor's bytes, row-major and little-endian."""
    return hashlib.sha256(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).tobytes()).hexdigest()


# -------------------------------------------------------------------------------------------- the weights


def distinct_weights(argument: Argument, sizes: Mapping[str, int], dtype: str, tensors: Tensors) -> dict[str, Fraction]:
    """The named weights, read off the tensors. Raises ValueError unless every tensor is exactly its layout."""
    if set(tensors) != set(argument.tensors):
        raise ValueError(f"The argument is about {sorted(argument.tensors)}, not about {sorted(tensors)}.")
    sized = evaluation(dtype, sizes, {})
    found: dict[str, Fraction] = {}
    for name, layout in argument.tensors.items():
        _read(found, layout, sized, tensors[name].reshape(-1))
    for name, layout in argument.tensors.items():
        if not np.array_equal(laid_out(layout, sized, dtype, found), tensors[name]):
            raise ValueError(f"{name} is not laid out as the argument says: change one of them.")
    return found


def _read(found: dict[str, Fraction], layout: TensorLayout, sized: Evaluation, flat: np.ndarray) -> None:
    """The values at the first entry of every run, and the fill's at the first entry that no run covers."""
    covered = np.zeros(flat.shape, dtype=bool)
    for run in layout.runs:
        indices = _indices(run, sized)
        covered[indices] = True
        if isinstance(run[3], str) and range(*indices.indices(flat.size)):
            found.setdefault(run[3], Fraction(float(flat[indices][0])))
    if isinstance(layout.fill, str) and not covered.all():
        found.setdefault(layout.fill, Fraction(float(flat[int(np.argmin(covered))])))


def _indices(run: Any, sized: Evaluation) -> slice:
    start, step, count = (sized.size(expression) for expression in run[:3])
    return slice(start, start + step * count, step)


def laid_out(layout: TensorLayout, sized: Evaluation, dtype: str, weights: Mapping[str, Fraction]) -> np.ndarray:
    """The tensor that a layout describes."""

    def number(value: int | str) -> float:
        return float(weights[value] if isinstance(value, str) else value)

    shape = tuple(sized.size(axis) for axis in layout.shape)
    flat = np.full(prod(shape), number(layout.fill), dtype=dtype)
    for run in layout.runs:
        flat[_indices(run, sized)] = number(run[3])
    return flat.reshape(shape)


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
    _require(certificate.get("hash") == digest(content), "its hash is not that of its content")
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
    _require({**subject.sizes(sizes), **LIMITS} == sizes, "its sizes do not belong together")
    tensors = subject.tensors(sizes, dtype)
    weights = distinct_weights(subject.argument, sizes, dtype, tensors)
    _require(certificate["weights"] == {k: float(w).hex() for k, w in weights.items()}, "its weights are not shipped")
    _require(certificate["sha256"] == {k: sha256(t) for k, t in tensors.items()}, "a tensor has another digest")
    try:
        found = decide(subject.argument, dtype, sizes, weights)
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
