"""Someone else's kernel: found by name, called by its own names, held to what it takes and counted.

What it takes comes from its signature, from what it declares in an attribute `conformance` (of the function, or of its
module), and from what it refuses in words. `DECLARABLE` says what may be declared.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from math import prod
from traceback import extract_tb
from typing import Any

from torch import nn

from mamba_theorems.verify.settings import NotAvailable

Sizes = Mapping[str, int]
DECLARABLE = {
    "dtypes": "names of the dtypes it takes",
    "options": "the optional arguments it takes, all others being refused",
    "not_offered": "optional arguments and features that it does not take, strides and padding among them; NaN: it "
    "may spread NaN and inf; state gradient: none goes through its last state",
    "not_together": "lists of options, features, dtypes and gradient that it does not take together; a mapping at a "
    "list's end says, as sizes do, which sizes it takes with them",
    "sizes": "by name, a list of sizes, or {multiple, min, max}",
    "elements": "the most that batch, length, channels, states and taps of one call may multiply to: for interpreters",
    "names": "its own names of arguments, by the field's",
    "gradient": "false where it is forward only",
    "deterministic": "false where sums of gradients are in no fixed order",
    "devices": "names of the devices it runs on",
}
OTHER_NAMES = {
    "return_last_state": ("return_final_states", "return_final_state", "output_final_state"),
    "return_final_states": ("return_last_state", "return_final_state", "output_final_state"),
    "initial_state": ("initial_states", "init_state", "h0"),
    "initial_states": ("initial_state", "init_states", "h0"),
    "delta_bias": ("dt_bias",),
    "delta_softplus": ("dt_softplus",),
    "dt_softplus": ("delta_softplus",),
    "dt_bias": ("delta_bias",),
    "state_batch_indices": ("cache_indices", "state_indices"),
}
"""Names under which others have an option."""
_WORDS_OF_REFUSAL = re.compile(
    r"support(?!ed operand)|not implemented|gives no gradients|requires? |"
    r"must be (a )?(multiple|contiguous|divisible|power|at least|one of)",
    re.I,
)


def elements(sizes: Sizes) -> int:
    """What all sizes multiply to, but for chunks and groups, which divide others."""
    return prod(size for name, size in sizes.items() if name not in ("chunk_size", "groups"))


class NotOffered(Exception):
    """The kernel does not take this; the message says what, and who says so."""


class KernelRefusal(NotOffered):
    """The kernel raised what may be a refusal; `text` is what it said, "" where it said nothing.

    `refusals.judged` says whether it narrows what is held, or is a failure.
    """

    def __init__(self, told: str, text: str = "") -> None:
        super().__init__(told)
        self.text = text


class Raised(Exception):
    """The kernel raised what is no refusal."""


@dataclass(frozen=True)
class KernelLimits:
    """What a kernel declares that it takes; None and {} where it declares nothing."""

    dtypes: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None
    not_offered: tuple[str, ...] = ()
    not_together: tuple[Sequence[Any], ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    elements: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    gradient: bool = True
    deterministic: bool = True
    devices: tuple[str, ...] | None = None

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> KernelLimits:
        """From what was declared. Raises ValueError that names what cannot be declared."""
        unknown = sorted(set(declared) - set(DECLARABLE))
        if unknown:
            raise ValueError(f"conformance declares {', '.join(unknown)}: declare {', '.join(DECLARABLE)}")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list | set) else v for k, v in declared.items()}
        return cls(**given)

    def fits(self, sizes: Sizes) -> str:
        """Why the sizes are not taken, or ""."""
        return next((f"{n} = {size}" for n, size in sizes.items() if not _allowed(self.sizes.get(n), size)), "")

    def fitted(self, sizes: Sizes) -> dict[str, int]:
        """The sizes, each raised to the next that is taken, or lowered where there is none."""
        return {name: _nearest(self.sizes.get(name), size) for name, size in sizes.items()}

    def apart(self, present: Iterable[str]) -> str:
        """What of this it does not take together, or ""."""
        given = set(present)
        lists = [names for names in self.not_together if not isinstance(names[-1], Mapping)]
        return next((" with ".join(names) + " (declared)" for names in lists if given >= set(names)), "")

    def with_these(self, present: Iterable[str]) -> KernelLimits:
        """The limits where this is in use: the sizes that are declared to go with it."""
        given = set(present)
        rules = [
            names[-1] for names in self.not_together if isinstance(names[-1], Mapping) and given >= set(names[:-1])
        ]
        return replace(self, sizes={**self.sizes, **{name: rule for sizes in rules for name, rule in sizes.items()}})

    def too_many(self, sizes: Sizes) -> str:
        """Why so many elements are not taken, or ""."""
        beyond = self.elements is not None and elements(sizes) > self.elements
        return f"calls of more than {self.elements} elements (declared)" if beyond else ""


def _allowed(rule: Any, size: int) -> bool:
    if rule is None:
        return True
    if not isinstance(rule, Mapping):
        return size in rule
    return size % rule.get("multiple", 1) == 0 and rule.get("min", 1) <= size <= rule.get("max", size)


def _nearest(rule: Any, size: int) -> int:
    if _allowed(rule, size):
        return size
    if not isinstance(rule, Mapping):
        return min((n for n in rule if n >= size), default=max(rule))
    multiple = rule.get("multiple", 1)
    low = -(-max(size, rule.get("min", 1)) // multiple) * multiple
    return low if low <= rule.get("max", low) else rule["max"] // multiple * multiple


class Kernel:
    """A function or class of theirs, with its limits; `calls` counts the calls that were not refused."""

    def __init__(
        self,
        path: str,
        function: Callable[..., Any],
        limits: KernelLimits | None = None,
        parameters: frozenset[str] | None = None,
    ) -> None:
        self.path, self.function, self.calls = path, function, 0
        self.refused: dict[str, str] = {}
        self.limits = declared(function) if limits is None else limits
        self.parameters = parameters or parameters_of(function)
        self.by_name_alone = by_name_alone(function)

    def lacks(self, option: str, features: Iterable[str] = ()) -> str:
        """Why an option is not offered: by declaration or by signature; "" where it may be."""
        limits = self.limits
        if option in self.refused:
            return self.refused[option]
        if option in limits.not_offered or (limits.options is not None and option not in limits.options):
            return f"{option} (declared)"
        if option in features or self.name_of(option) is not None:
            return ""
        return f"{option} (not in its signature)"

    def name_of(self, argument: str) -> str | None:
        """Its own name of an argument; None where the signature has none."""
        wanted = self.limits.names.get(argument, argument)
        if self.parameters is None or wanted in self.parameters:
            return wanted
        return next((name for name in OTHER_NAMES.get(argument, ()) if name in self.parameters), None)

    def call(self, required: Iterable[str], arguments: Mapping[str, Any]) -> Any:
        """Call it: required arguments by place where it takes them so, the others by its own names.

        Raises NotOffered, Raised.
        """
        placed = self.placed(required)
        by_name = {}
        for name, value in arguments.items():
            if name not in placed:
                own = self.name_of(name)
                if own is None:
                    raise NotOffered(f"{name} (not in its signature)")
                by_name[own] = value
        return self.run(lambda: self.function(*(arguments[name] for name in placed), **by_name), by_name)

    def placed(self, required: Iterable[str]) -> list[str]:
        """Those of the required arguments that it takes by place: all up to the first that it takes by name alone."""
        return list(takewhile(lambda name: self.name_of(name) not in self.by_name_alone, required))

    def run(self, work: Callable[[], Any], names: Iterable[str] = ()) -> Any:
        """Do something of the kernel's. Raises KernelRefusal, Raised."""
        self.calls += 1
        try:
            return work()
        except Exception as reason:  # someone else's code may raise anything
            told = refusal(reason, names)
            if told:
                self.calls -= 1
                raise KernelRefusal(told, _words(reason)) from reason
            raise Raised(f"{type(reason).__name__}: {_first_line(reason)}") from reason


def refusal(reason: Exception, names: Iterable[str]) -> str:
    """What an exception says the kernel does not take; "" where it is no refusal."""
    text = _first_line(reason)
    lacking = re.search(r"unexpected keyword argument '(\w+)'", text)
    if isinstance(reason, TypeError) and lacking and lacking[1] in names:
        return f"{lacking[1]} (not taken: {text})"
    refused = isinstance(reason, NotImplementedError | ValueError | AssertionError | NotAvailable)
    if refused or (isinstance(reason, RuntimeError | TypeError) and _WORDS_OF_REFUSAL.search(text)):
        return f"refused by {type(reason).__name__}: {text}"
    return ""


def _words(reason: Exception) -> str:
    """What it says; of an assert without a message the line of source."""
    said = str(reason).strip()
    if said or not isinstance(reason, AssertionError):
        return said
    (*_, where) = extract_tb(reason.__traceback__)
    return where.line or ""


def _first_line(reason: Exception) -> str:
    return (_words(reason).splitlines() or ["without a word"])[0][:200]


def declared(function: Callable[..., Any]) -> KernelLimits:
    """What the function declares, or its module for all of its functions."""
    module = inspect.getmodule(function)
    return KernelLimits.of(getattr(function, "conformance", None) or getattr(module, "conformance", None) or {})


def by_name_alone(function: Callable[..., Any]) -> frozenset[str]:
    """The parameters that the function takes by name and not by place."""
    try:
        own = _own_parameters(function)
    except (TypeError, ValueError):  # it tells no signature
        return frozenset()
    return frozenset(p.name for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY)


def _own_parameters(maker: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those of the function that is called; of what it wraps where it hands all on."""
    own = list(inspect.signature(maker, follow_wrapped=False).parameters.values())
    hands_on = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own)
    return _own_parameters(maker.__wrapped__) if hands_on and hasattr(maker, "__wrapped__") else own


def parameters_of(function: Callable[..., Any], method: str = "__init__") -> frozenset[str] | None:
    """The names of its parameters, of a class's method with those that it hands on to its bases; None where it takes
    any.

    What torch's own classes would take is no parameter of a block's.
    """
    bases = inspect.getmro(function) if inspect.isclass(function) else ()
    bases = bases[: bases.index(nn.Module)] if nn.Module in bases else bases
    makers = [vars(base)[method] for base in bases if method in vars(base)] or [function]
    names: set[str] = set()
    for maker in makers:
        try:
            found = _own_parameters(maker)
        except (TypeError, ValueError):
            return None
        names |= {p.name for p in found}
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found):
            return frozenset(names)
    return frozenset(names) if bases and issubclass(bases[0], nn.Module) else None
