"""In a checkout: `verify` and `mamba_theorems.verify` are one module, and so are all modules below the two.

The four rooms of a checkout can be imported by their own names where Python starts there. Two copies of a class would
be two classes, so a room that is imported by its own name hands itself over to `mamba_theorems`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def hand_over(room: str) -> None:
    """Make the room that is being imported by its own name the module below `mamba_theorems`.

    The room `kernels` gives way to Hugging Face's package, unless `python -m kernels.…` asks for the room.
    """
    module = import_module(f"{__package__}.{room}")
    if room == "kernels" and sys.argv[:1] != ["-m"] and _hugging_face() is not None:
        del sys.modules[room]
        module = import_module(room)
    sys.modules[room] = module


class _Rooms(MetaPathFinder, Loader):
    """Finds what lies below a room under the room's own name, and loads the module below `mamba_theorems`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of a module below a room that was handed over, or of another's `kernels`; None for all else."""
        if fullname == "kernels":
            return _hugging_face()
        room = fullname.partition(".")[0]
        ours = sys.modules.get(f"{__package__}.{room}")
        own = find_spec(f"{__package__}.{fullname}") if ours and ours is sys.modules.get(room) else None
        if own is None:
            return None
        spec = ModuleSpec(fullname, self, origin=own.origin)
        spec.submodule_search_locations = own.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module below `mamba_theorems`; its own spec is kept, for importlib puts this one in its place."""
        module = import_module(f"{__package__}.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run: give the module its own spec back."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state

    def get_code(self, fullname: str) -> CodeType:
        """The code that `python -m` runs, which does not need the name `kernels` any more."""
        sys.modules.pop("kernels", None)
        own = find_spec(f"{__package__}.{fullname}")
        return own.loader.get_code(own.name)  # type: ignore[union-attr]


def _hugging_face() -> ModuleSpec | None:
    """Hugging Face's package `kernels`, which transformers imports; None where it is not installed."""
    return PathFinder.find_spec("kernels", [folder for folder in sys.path if Path(folder).resolve() != ROOT])


def install() -> None:
    """From now on a room has one copy, and `import kernels` finds Hugging Face's package where that is installed."""
    sys.meta_path.insert(0, _Rooms())
