"""A plan: rows of trainings, each row a grid, from TOML.

Every `[[grid]]` has a `label`, what [P] prints of it (`printed`, if anything), and settings of `settings.Training`,
each one value or a list; the row is their product.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

from mamba_theorems.verify.experiments.data import check
from mamba_theorems.verify.experiments.settings import Training

SHIPPED = Path(__file__).parent / "plans"
TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
SETTINGS = {field.name: TYPES[str(field.type)] for field in fields(Training)}
GRID = {"label", "printed", *SETTINGS}


class BadPlan(ValueError):
    """A plan cannot be used; the message is one sentence that says why."""


@dataclass(frozen=True)
class PlanRow:
    """Trainings that are told together, and what [P] prints of them."""

    label: str
    trainings: tuple[Training, ...]
    printed: str = ""


@dataclass(frozen=True)
class Plan:
    """Rows of trainings; `words` say what is reduced, and against what."""

    name: str
    title: str
    words: str
    rows: tuple[PlanRow, ...]

    @property
    def trainings(self) -> tuple[Training, ...]:
        """All of them, in order."""
        return tuple(training for row in self.rows for training in row.trainings)


def shipped() -> dict[str, Path]:
    """The plans that ship, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def load(word: str) -> Plan:
    """A plan that ships, by name, or one from a TOML file. Raises BadPlan."""
    path = shipped().get(word) or Path(word)
    if path.suffix != ".toml":
        near = get_close_matches(word, shipped(), n=1)
        also = f" (did you mean '{near[0]}'?)" if near else ""
        raise BadPlan(f"there is no plan '{word}'{also}: use a .toml file, or one of {', '.join(shipped())}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise BadPlan(f"cannot read the plan {path} ({reason}): give a TOML file") from reason
    try:
        return read(path.stem, data)
    except ValueError as reason:
        raise BadPlan(f"the plan {path.name} cannot be used: {reason}") from reason


def read(name: str, data: Mapping[str, Any]) -> Plan:
    """The plan that TOML data describes. Raises ValueError."""
    if strange := data.keys() - {"title", "words", "grid"}:
        raise ValueError(f"it has a strange {sorted(strange)[0]!r}, where title, words and [[grid]] are known")
    grids = data.get("grid")
    if not isinstance(grids, list) or not grids or not all(isinstance(grid, dict) for grid in grids):
        raise ValueError("it has no [[grid]]")
    rows = tuple(_row(number, grid) for number, grid in enumerate(grids, 1))
    plan = Plan(name, _text(data, "title", name), " ".join(_text(data, "words", "").split()), rows)
    twice = [training for training, count in Counter(plan.trainings).items() if count > 1]
    if twice:
        raise ValueError(f"the same training stands in it twice ({told(twice[0])})")
    return plan


def _text(data: Mapping[str, Any], key: str, default: str) -> str:
    found = data.get(key, default)
    if not isinstance(found, str):
        raise ValueError(f"{key} = {found!r} is no text")
    return found


def _row(number: int, grid: Mapping[str, Any]) -> PlanRow:
    if strange := grid.keys() - GRID:
        word = sorted(strange)[0]
        near = get_close_matches(word, GRID, n=1)
        raise ValueError(f"grid {number} has a strange {word!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    axes = {key: value if isinstance(value, list) else [value] for key, value in grid.items() if key in SETTINGS}
    for key, values in axes.items():
        if not values:
            raise ValueError(f"grid {number}: {key} is an empty list")
        for value in values:
            if type(value) not in SETTINGS[key]:
                raise ValueError(f"grid {number}: {key} = {value!r} is no {SETTINGS[key][-1].__name__}")
    if missing := [name for name in ("task", "mixer", "vocab_size") if name not in axes]:
        raise ValueError(f"grid {number} has no {missing[0]}")
    try:
        label, printed = _text(grid, "label", f"row {number}"), _text(grid, "printed", "")
        return PlanRow(label, tuple(_combinations(axes)), printed)
    except (ValueError, MemoryError) as reason:
        raise ValueError(f"grid {number}: {reason}") from reason


def _combinations(axes: Mapping[str, list[Any]]) -> Iterator[Training]:
    for values in product(*axes.values()):
        settings = dict(zip(axes, values, strict=True))
        training = Training(**settings | {k: float(settings[k]) for k in ("lr", "noise") if k in settings})
        check(training)
        yield training


def told(training: Training, names: tuple[str, ...] = ()) -> str:
    """A training in words: these settings, or those that are not the default."""
    plain, default = training.plain, {f.name: f.default for f in fields(Training)}
    chosen = names or [name for name, value in plain.items() if value != default[name]]
    return " ".join(f"{name} {plain[name]}" for name in chosen)


def varied(row: PlanRow) -> tuple[str, ...]:
    """The settings in which a row's trainings differ, but for rate and seed."""
    names = [name for name in SETTINGS if name not in ("lr", "seed")]
    return tuple(name for name in names if len({training.plain[name] for training in row.trainings}) > 1)
