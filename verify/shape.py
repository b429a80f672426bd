"""The shape that JSON data must have, stated as data of that shape, and what of given data does not fit it."""

from __future__ import annotations

from typing import Any

KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def misfit(data: Any, shape: Any, where: str = "it") -> str:
    """The first place that does not fit, as a sentence; empty if all does.

    A shape is a type; `[shape]`, a list; `{str: shape}`, a mapping; any other mapping, exactly these fields; a
    frozenset, one of these words; or a tuple of shapes, any of them.
    """
    if isinstance(shape, tuple):
        found = [misfit(data, one, where) for one in shape]
        return "" if "" in found else found[0]
    if isinstance(shape, frozenset):
        return "" if isinstance(data, str) and data in shape else f"{where} is none of {', '.join(sorted(shape))}"
    if isinstance(shape, list):
        return _parts(data, list, where) or _first((x, shape[0], f"{where}[{i}]") for i, x in enumerate(data))
    if isinstance(shape, dict):
        return _parts(data, dict, where) or _fields(data, shape, where)
    fits = type(data) is shape or (shape is float and type(data) is int)
    return "" if fits else f"{where} is not {KINDS[shape]}"


def _parts(data: Any, kind: type, where: str) -> str:
    return "" if isinstance(data, kind) else f"{where} is not {'a list' if kind is list else 'a mapping'}"


def _fields(data: dict[str, Any], shape: dict[Any, Any], where: str) -> str:
    if str in shape:
        return _first((value, shape[str], f"{where}.{name!a}") for name, value in data.items())
    missing, strange = sorted(shape.keys() - data.keys()), sorted(data.keys() - shape.keys())
    if missing:
        return f"{where} has no {missing[0]}"
    if strange:
        return f"{where} has a strange {strange[0]!a}"
    return _first((data[name], part, f"{where}.{name}") for name, part in shape.items())


def _first(parts: Any) -> str:
    return next(filter(None, (misfit(*part) for part in parts)), "")
