"""Someone else's kernel under every block: found by name, and held to what it takes."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from mamba_theorems.verify.settings import FOREIGN_MEMORY, NotAvailable


class TheirKernel(NamedTuple):
    """An operation of someone else's, counted, by the path that names it."""

    operation: str
    path: str
    function: Callable


_THEIRS: ContextVar[TheirKernel | None] = ContextVar("theirs", default=None)


def theirs() -> TheirKernel | None:
    """Someone else's operation that runs under every block now, if one does."""
    return _THEIRS.get()


@contextmanager
def foreign(kernel: str) -> Iterator[Counter[str]]:
    """Someone else's operation under every block: [OPERATION=]MODULE:FUNCTION, or "" for ours; counts its calls.

    Raises ValueError for an operation or a function that does not exist.
    """
    calls: Counter[str] = Counter()
    if not kernel:
        yield calls
        return
    from mamba_theorems.kernels.backends import OPERATIONS, using_backend  # noqa: PLC0415 - most runs need no other kernel

    operation, _, path = kernel.rpartition("=")
    operation = operation or "selective_scan"
    if operation not in OPERATIONS:
        raise ValueError(f"there is no operation '{operation}': use one of {', '.join(OPERATIONS)}")
    named = TheirKernel(operation, path, _counted(_with_reasons(function_at(path), path), calls))
    with using_backend({operation: named.function}):
        token = _THEIRS.set(named)
        try:
            yield calls
        finally:
            _THEIRS.reset(token)


def _with_reasons(function: Callable, path: str) -> Callable:
    """`function`, saying what it lacks: an option that it does not take, or the memory that it asked for.

    What it does not do skips a check; a kernel may say so itself, by NotImplementedError.
    """

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as reason:
            lacking = re.search(r"unexpected keyword argument '(\w+)'", str(reason))
            if lacking is None or lacking[1] not in options:
                raise
            raise NotAvailable(f"{path} takes no {lacking[1]}") from reason
        except NotImplementedError as reason:
            raise NotAvailable(str(reason) or f"{path} does not do this") from reason
        except (MemoryError, RuntimeError) as reason:
            if isinstance(reason, MemoryError) or "allocate memory" in str(reason):
                raise MemoryError(f"{path} asks for more than the {FOREIGN_MEMORY >> 30} GiB of a run") from reason
            raise

    return call


def _counted(function: Callable, calls: Counter[str]) -> Callable:
    """`function`, counted in `calls` whenever it does what it is asked to, rightly or wrongly."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        calls["kernel"] += 1
        try:
            return function(*args, **options)
        except NotAvailable:
            calls["kernel"] -= 1
            raise

    return call


def function_at(path: str) -> Callable:
    """The function at MODULE:FUNCTION; modules of the current directory count. Raises ValueError."""
    module, _, name = path.partition(":")
    try:
        function = getattr(module_at(module), name)
    except AttributeError as reason:
        raise ValueError(f"'{path}' is no MODULE:FUNCTION (AttributeError: {reason})") from reason
    if not callable(function):
        raise ValueError(f"'{path}' is no MODULE:FUNCTION (it is of type {type(function).__name__})")
    return function


def module_at(path: str) -> ModuleType:
    """The module of a name; modules of the current directory count. Raises ValueError."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return import_module(path)
    except Exception as reason:  # someone else's module may raise anything
        raise ValueError(f"'{path}' cannot be imported ({type(reason).__name__}: {reason})") from reason
