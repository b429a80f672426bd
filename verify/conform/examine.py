"""The exams: a kernel is called on a row's inputs, and what it gives is held to the oracle's values and bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mamba_theorems.kernels.bounds.running_error import CUDA, HOST
from mamba_theorems.verify.conform import kinds, oracle
from mamba_theorems.verify.conform.kernel import Kernel, NotOffered, Raised
from mamba_theorems.verify.conform.kinds import FaultKind
from mamba_theorems.verify.conform.layouts import NotExercised, laid
from mamba_theorems.verify.conform.operations import Arguments, Draws, Operation, Right, advanced, right, widened
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.words import GRADIENT_WORDS, names

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
FORWARD, GRADIENT, STEP = "forward", "gradient", "step"
DIRECTIONS = (FORWARD, GRADIENT, STEP)


@dataclass
class Examinee:
    """A kernel under examination, and what was found out about it.

    `accumulation` says what each dtype is computed in; `uniform` holds the half dtypes in which the kernel takes no
    float32 beside it; `lost` says why gradients are not offered, once one has come back it `differentiates`; `bare` is
    whether it takes the plain call; `worst` is the largest error/bound of the row at hand. `unnamed` are the ordinary
    sizes that it refuses without naming them; `ground` and `cores` are what `refusals` found out.
    """

    kernel: Kernel
    operation: Operation
    device: str = "cpu"
    dtypes: tuple[str, ...] = tuple(DTYPES)
    accumulation: dict[str, torch.dtype] = field(default_factory=dict)
    uniform: set[str] = field(default_factory=set)
    lost: str = ""
    bare: bool = True
    differentiates: bool = False
    unnamed: dict[str, str] = field(default_factory=dict)
    ground: Any = None
    cores: list[Any] = field(default_factory=list)
    worst: float = 0.0

    @property
    def main(self) -> str:
        """The dtype of rows that name none."""
        return "float32" if "float32" in self.dtypes else self.dtypes[0]

    def precision(self, dtype: str) -> oracle.Precision:
        """What the kernel may round to for arguments of a dtype."""
        given = DTYPES[dtype]
        accumulation = self.accumulation.get(dtype, torch.float64 if dtype == "float64" else torch.float32)
        half = torch.finfo(given).eps / 2 if given in oracle.HALVES else 0.0
        operands = oracle.MIXED_ROUNDINGS * half if self.operation.matrix_products else 0.0
        elementary = HOST if self.device == "cpu" else CUDA
        return oracle.Precision(accumulation, elementary, operands, oracle.POINTWISE_ROUNDINGS * half)

    def compare(
        self, name: str, got: Tensor, value: Tensor, bound: Tensor, where: Tensor | None = None
    ) -> Deviation | None:
        """See `compare`; the largest error/bound is kept."""
        found = ratios(got, value, bound, where)
        self.worst = max(self.worst, float(found.max()) if found.numel() else 0.0)
        return deviation(name, got, value, bound, found)


@dataclass(frozen=True)
class Deviation:
    """What was wrong first: the output and its index, what came and what had to, within which bound, and the kind."""

    output: str
    kind: FaultKind
    note: str = ""
    index: tuple[int, ...] = ()
    got: float | None = None
    want: float | None = None
    bound: float | None = None
    model: str = ""

    def __str__(self) -> str:
        if self.got is None:
            return f"{self.output}: {self.note}"
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.output}{at} = {self.got:.9g}, not {self.want:.9g} ± {self.bound:.2g}{note}"


@dataclass(frozen=True)
class SuiteCall:
    """One call and what it should give: for the naming of a fault and for the replay; partial where it was several."""

    arguments: Arguments
    right: Right
    loss: Mapping[str, Tensor] | None = None
    got: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False


class Wrong(Exception):
    """The kernel failed a row."""

    def __init__(self, failure: Deviation, case: Any = None) -> None:
        super().__init__(str(failure))
        self.failure, self.case = failure, case


# --- inputs ----------------------------------------------------------------------------------------------------------


def draw(subject: Examinee, row: SuiteRow, turn: int = 0) -> Arguments:
    """The arguments of a row, in its dtype and layout, on the device. Raises NotOffered for what is not taken."""
    kernel, operation, dtype = subject.kernel, subject.operation, row.dtype or subject.main
    if dtype not in subject.dtypes:
        raise NotOffered(dtype)
    for option in row.uses:
        lacking = kernel.lacks(option, operation.features)
        if lacking:
            raise NotOffered(lacking)
    limits = kernel.limits.with_these((*row.uses, dtype))
    lacking = kernel.limits.apart((*row.uses, dtype)) or limits.fits(row.sizes) or _declared(kernel, row)
    if lacking:
        raise NotOffered(lacking)
    sizes = _divided(limits.fitted({**operation.sizes, **row.sizes}))
    beyond = limits.too_many(sizes)
    if beyond:
        raise NotOffered(beyond)
    n = Draws(row.seed + turn)
    arguments = operation.draw(n, sizes, frozenset(row.uses))
    if row.edit is not None:
        try:
            arguments = row.edit(arguments, n)
        except IndexError as reason:
            raise NotOffered("places beyond the sizes that it takes (declared)") from reason
    if "chunk_size" in arguments and kernel.name_of("chunk_size") is None:
        del arguments["chunk_size"]
    if "cu_seqlens" in arguments and kernel.lacks("seq_idx"):  # most of the field takes both, some the bounds alone
        del arguments["seq_idx"]
    return {name: _placed(subject, dtype, row, name, value) for name, value in arguments.items()}


def _declared(kernel: Kernel, row: SuiteRow) -> str:
    """What a row has beside options that is declared as not offered, or ""."""
    has = [name for name in ("strides", "padding") if name in row.cells]
    return next((f"{name} (declared)" for name in has if name in kernel.limits.not_offered), "")


def _divided(sizes: dict[str, int]) -> dict[str, int]:
    """Groups must divide what they group."""
    whole = next((sizes[name] for name in ("nheads", "d_inner") if name in sizes), 0)
    if whole and "groups" in sizes and whole % sizes["groups"]:
        return {**sizes, "groups": 1}
    return sizes


def _placed(subject: Examinee, dtype: str, row: SuiteRow, name: str, value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.is_floating_point():
        keeps = name in subject.operation.heavy and dtype not in subject.uniform and DTYPES[dtype] in oracle.HALVES
        value = value.to(torch.float32 if keeps else DTYPES[dtype])
    return laid(value.to(subject.device), row.layout.get(name, "contiguous"))


# --- a call ----------------------------------------------------------------------------------------------------------


class _Watch(TorchFunctionMode):
    """While a kernel runs: memory that it asks for uninitialised is filled, and a graph that it builds is noted."""

    FACTORIES = (torch.empty, torch.empty_like, torch.empty_strided, Tensor.new_empty, Tensor.new_empty_strided)

    def __init__(self, fill: float) -> None:
        super().__init__()
        self.fill, self.built = fill, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in self.FACTORIES and isinstance(made, Tensor) and made.is_floating_point():
            with torch.no_grad():
                made.fill_(self.fill)
        elif isinstance(made, Tensor) and made.requires_grad and made.grad_fn is not None:
            self.built |= sum(isinstance(a, Tensor) and a.requires_grad for a in args) > 1
        return made


@dataclass(frozen=True)
class Given:
    """What a kernel gave: outputs by name, the arguments as they were passed, and whether it built a graph.

    `leaves` are what gradients are asked of: of a state that is advanced in place what it was copied from.
    """

    outputs: Mapping[str, Tensor]
    passed: Arguments
    built: bool
    leaves: Mapping[str, Tensor] = field(default_factory=dict)


def ask(subject: Examinee, arguments: Arguments, *, gradients: bool = False, fill: float = float("nan")) -> Given:
    """Call the kernel. Raises Wrong for inputs changed in place and for what is no result; NotOffered, Raised."""
    operation = subject.operation
    passed = {name: _passed(m, gradients) for name, m in arguments.items()}
    before = {name: m.detach().clone() for name, m in passed.items() if isinstance(m, Tensor)}
    leaves = {name: m for name, m in passed.items() if isinstance(m, Tensor) and m.requires_grad}
    if operation.name == "selective_state_update":
        with torch.set_grad_enabled(gradients):
            passed["state"] = _copied(passed["state"])
    _poison(arguments, fill)
    watch = _Watch(fill)
    with torch.set_grad_enabled(gradients), watch:
        result = subject.kernel.call(operation.required, passed)
    outputs = _outputs(operation, passed, result)
    for name, old in before.items():
        if name != operation.state and not same_bits(passed[name].detach(), old):
            raise Wrong(Deviation(name, kinds.CHANGED, "the call changed this input"))
    if "state_batch_indices" in passed:
        _untouched(passed, before["state"])
    return Given(outputs, passed, watch.built, leaves)


def _untouched(passed: Arguments, before: Tensor) -> None:
    """Raises Wrong where a step changes a row of the state that no index names."""
    named = passed["state_batch_indices"].long()
    kind = kinds.PADDING_SLOT if bool((named < 0).any()) else kinds.SLOTS
    for row in sorted(set(range(len(before))) - set(named.tolist())):
        if not same_bits(passed["state"][row].detach(), before[row]):
            raise Wrong(Deviation("state", kind, f"row {row} is changed, which state_batch_indices does not name"))


def _passed(m: Any, gradients: bool) -> Any:
    """The same memory, asking for gradients where they are wanted."""
    if not isinstance(m, Tensor) or not m.is_floating_point():
        return m
    return m.detach().requires_grad_(gradients)


def _copied(state: Tensor) -> Tensor:
    """A state that may be changed in place, laid out as the given one; one entry a place."""
    if 0 in state.stride():
        return state.clone(memory_format=torch.contiguous_format)
    copy = torch.empty_strided(state.shape, state.stride(), dtype=state.dtype, device=state.device)
    return copy.copy_(state)


def _poison(arguments: Arguments, fill: float) -> None:
    """Leave memory behind that holds no zeros, of the sizes that results have."""
    shapes = [m for m in arguments.values() if isinstance(m, Tensor) and m.is_floating_point()]
    litter = [torch.full_like(m, fill, memory_format=torch.contiguous_format) for m in shapes]
    del litter


def _outputs(operation: Operation, passed: Arguments, result: Any) -> dict[str, Tensor]:
    names = outputs_of(operation, passed)
    parts = result if isinstance(result, tuple | list) else (result,)
    if not all(isinstance(part, Tensor) for part in parts[: len(names)]) or len(parts) < len(names):
        kinds_of = ", ".join(type(part).__name__ for part in parts)
        raise Wrong(Deviation("result", kinds.FORM, f"is ({kinds_of}), not ({', '.join(names)})"))
    outputs = dict(zip(names, parts, strict=False))
    if operation.name == "selective_state_update":
        outputs["state"] = advanced(passed)
    return outputs


def outputs_of(operation: Operation, arguments: Arguments) -> list[str]:
    """The names of what a call returns, in their order; not a state that it advances in place."""
    return ["y", *(name for ask, name in operation.states.items() if arguments.get(ask))]


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal bits, NaN equal to NaN."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | (a.isnan() & b.isnan())).all())


# --- comparison ------------------------------------------------------------------------------------------------------


def form(subject: Examinee, name: str, got: Tensor, arguments: Arguments, want: Tensor) -> Deviation | None:
    """The result's dtype, shape and device."""
    signal = arguments[subject.operation.signal]
    allowed = {signal.dtype}
    if name in subject.operation.states.values() and subject.operation.name != "causal_conv1d":
        allowed |= {torch.float32} if signal.dtype in oracle.HALVES else set()
    if name == "state":
        allowed = {arguments["state"].dtype}
    if tuple(got.shape) != tuple(want.shape):
        return Deviation(name, kinds.FORM, f"has shape {tuple(got.shape)}, not {tuple(want.shape)}")
    if got.dtype not in allowed:
        wanted = " or ".join(sorted(str(d).removeprefix("torch.") for d in allowed))
        return Deviation(name, kinds.FORM, f"has dtype {str(got.dtype).removeprefix('torch.')}, not {wanted}")
    if got.device.type != signal.device.type:
        return Deviation(name, kinds.FORM, f"is on {got.device}, not on {signal.device}")
    return None


def rounded(bound: Tensor, value: Tensor, dtype: torch.dtype) -> Tensor:
    """The bound with the rounding of the result to its dtype."""
    info = torch.finfo(dtype)
    return bound + info.eps / 2 * (value.abs() + bound) + info.smallest_normal * info.eps


def compare(name: str, got: Tensor, value: Tensor, bound: Tensor, where: Tensor | None = None) -> Deviation | None:
    """The worst entry beyond its bound; NaN where the value is NaN, no finite number where it is infinite."""
    return deviation(name, got, value, bound, ratios(got, value, bound, where))


def ratios(got: Tensor, value: Tensor, bound: Tensor, where: Tensor | None = None) -> Tensor:
    """|error| over its bound by entry: inf where a NaN or inf is missing or too much, 0 where none is compared."""
    got64, finite = got.detach().cpu().double(), value.isfinite()
    found = torch.where(finite, (got64 - value).abs() / rounded(bound, value, got.dtype), 0.0)
    found = torch.where(finite & ~got64.isfinite() | _vanished(got64, value), torch.inf, found)
    return found if where is None else torch.where(where, found, 0.0)


def _vanished(got: Tensor, value: Tensor) -> Tensor:
    """Where a number stands for what is none, or an infinity for NaN."""
    return ~value.isfinite() & got.isfinite() | value.isnan() & ~got.isnan()


def deviation(name: str, got: Tensor, value: Tensor, bound: Tensor, found: Tensor) -> Deviation | None:
    """The entry of the largest ratio, if that is beyond 1."""
    if found.numel() == 0 or float(found.max()) <= 1:
        return None
    place = tuple(int(i) for i in torch.unravel_index(found.argmax(), found.shape))
    came, wanted, within = (float(m[place]) for m in (got.detach(), value, rounded(bound, value, got.dtype)))
    kind = kinds.LOST_NAN if not isfinite(wanted) else kinds.VALUES
    beyond = int((found > 1).sum())
    note = f"{beyond} of {found.numel()} entries beyond their bounds" if beyond > 1 else ""
    return Deviation(name, kind, note, place, came, wanted, within)


def _judge(
    subject: Examinee, arguments: Arguments, given: Given, wanted: Right, loss: Any = None, partial: bool = False
) -> None:
    """Raises Wrong with the first output that is wrong."""
    real = compared(subject.operation, arguments)
    case = SuiteCall(arguments, wanted, loss, dict(given.outputs), partial)
    for name, got in given.outputs.items():
        value, bound = wanted.outputs[name]
        failure = form(subject, name, got, arguments, value)
        failure = failure or subject.compare(name, got, value, bound, real if name == "y" else None)
        if failure:
            raise Wrong(failure, case)


def compared(operation: Operation, arguments: Arguments) -> Tensor | None:
    """Where y is compared: not at padding, whose output nobody reads (a convolution gives 0 there)."""
    seq_idx, slots = arguments.get("seq_idx"), arguments.get("state_batch_indices")
    if slots is not None:
        return (slots >= 0).cpu().reshape(-1, *[1] * (arguments["x"].ndim - 1))
    if seq_idx is None or operation.name == "causal_conv1d":
        return None
    real = (seq_idx >= 0).cpu()
    return real[:, None] if operation.time == 2 else real[:, :, None, None]


def wanted_of(
    subject: Examinee, row: SuiteRow, arguments: Arguments, loss: Mapping[str, Tensor] | None = None
) -> Right:
    """The oracle's, or the row's own exact values."""
    if row.exactly is not None:
        exact = row.exactly(arguments)
        return Right({name: (value, torch.zeros_like(value)) for name, value in exact.items()}, {})
    return right(subject.operation, arguments, subject.precision(row.dtype or subject.main), loss)


# --- the exams -------------------------------------------------------------------------------------------------------

Exam = Callable[[Examinee, SuiteRow], Iterator[str]]
"""Yields each direction that it has shown; raises Wrong, NotOffered or Raised with `direction` of what it was in."""


class In(Exception):
    """Marks where an exam was: a direction, and what happened there."""

    def __init__(self, direction: str, reason: Exception) -> None:
        super().__init__(direction)
        self.direction, self.reason = direction, reason


@contextmanager
def _direction(name: str) -> Iterator[None]:
    try:
        yield
    except (Wrong, NotOffered, NotExercised, Raised) as reason:
        raise In(name, reason) from reason


def values(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """y and the last state; then the gradient of every input through y."""
    with _direction(FORWARD):
        arguments = draw(subject, row)
        both = row.gradient and row.exactly is None and wants_gradients(subject, row)
        loss = _loss(subject, row, arguments, {"y": arguments[subject.operation.signal].shape}) if both else None
        wanted = wanted_of(subject, row, arguments, loss)
        _judge(subject, arguments, ask(subject, arguments), wanted)
    yield FORWARD
    if loss is not None:
        with _direction(GRADIENT):
            _gradients(subject, arguments, loss, wanted)
        yield GRADIENT


def _loss(
    subject: Examinee, row: SuiteRow, arguments: Arguments, shapes: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """The weights of a loss Σ ∂·output, in the signal's dtype."""
    n, signal = Draws(row.seed + 1), arguments[subject.operation.signal]
    loss = {name: n.normal(*shape).to(signal.device, signal.dtype) for name, shape in shapes.items()}
    real = compared(subject.operation, arguments)
    return loss if real is None else loss | {"y": torch.where(real.to(signal.device), loss["y"], 0.0)}


def state_gradient(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """The gradient of every input through y and the last state together."""
    if not wants_gradients(subject, row):
        return
    with _direction(GRADIENT):
        if STATE_GRADIENT in subject.kernel.limits.not_offered:
            raise NotOffered("gradient through the last state (declared)")
        arguments = draw(subject, row)
        forward = wanted_of(subject, row, arguments)
        advanced_too = ["state"] if subject.operation.name == "selective_state_update" else []
        names = [*outputs_of(subject.operation, arguments), *advanced_too]
        shapes = {name: forward.outputs[name][0].shape for name in names}
        loss = _loss(subject, row, arguments, shapes)
        _gradients(subject, arguments, loss, wanted_of(subject, row, arguments, loss))
    yield GRADIENT


STATE_GRADIENT = "state gradient"


def wants_gradients(subject: Examinee, row: SuiteRow) -> bool:
    """Whether gradients are asked of it in a row."""
    limits = subject.kernel.limits
    apart = limits.apart((*row.uses, row.dtype or subject.main, GRADIENT))
    return not subject.lost and limits.gradient and not apart


def _gradients(subject: Examinee, arguments: Arguments, loss: Mapping[str, Tensor], wanted: Right) -> None:
    """Raises Wrong for a gradient that is missing or beyond its bound; NotOffered where the kernel builds no graph."""
    given = _on_a_graph(subject, arguments)
    if not given.outputs["y"].requires_grad:
        if given.built:
            raise Wrong(Deviation("y", kinds.LOST, "it computes on a graph that its result no longer has"))
        subject.lost = "it builds no graph"
        raise NotOffered(f"gradient ({subject.lost})")
    if not all(given.outputs[name].requires_grad for name in loss):
        raise NotOffered("gradient through the last state (it has no graph)")
    leaves = given.leaves
    outputs = [given.outputs[name] for name in loss]
    weights = [w.to(m.dtype) for w, m in zip(loss.values(), outputs, strict=True)]
    found = backward(subject, outputs, list(leaves.values()), weights)
    got = {**given.outputs, **{f"gradient of {name}": g for name, g in zip(leaves, found, strict=True)}}
    case = SuiteCall(arguments, wanted, loss, got)
    _judge(subject, arguments, given, wanted, loss)
    subject.differentiates = True
    for name, gradient in zip(leaves, found, strict=True):
        value, bound = wanted.gradients[name]
        if gradient is None:
            if float(value.abs().max()) == 0:
                continue
            raise Wrong(Deviation(f"gradient of {name}", kinds.LOST, "there is none"), case)
        failure = subject.compare(f"gradient of {name}", gradient, value, bound)
        if failure:
            raise Wrong(replace(failure, kind=kinds.GRADIENT), case)


def _on_a_graph(subject: Examinee, arguments: Arguments) -> Given:
    """A call on inputs that require gradients. A kernel that says there, before it has ever given one, that it has none
    is asked for none.
    """
    try:
        return ask(subject, arguments, gradients=True)
    except Raised as reason:
        if subject.differentiates or not names(GRADIENT_WORDS, str(reason)):
            raise
        subject.lost = f"where one is asked for it raises {reason}"
        raise NotOffered(f"gradient ({subject.lost})") from reason


def told(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """Where inputs require gradients every result requires one, or the kernel says that there is none."""
    with _direction(GRADIENT):
        limits = subject.kernel.limits
        if not limits.gradient:
            raise NotOffered("gradient (declared)")
        apart = limits.apart((*row.uses, row.dtype or subject.main, GRADIENT))
        if apart:
            raise NotOffered(apart)
        arguments = draw(subject, row)
        given = _on_a_graph(subject, arguments)
        for name in outputs_of(subject.operation, arguments):
            if name != "y" and STATE_GRADIENT in limits.not_offered:
                raise NotOffered("gradient through the last state (declared)")
            if not given.outputs[name].requires_grad:
                raise Wrong(Deviation(name, kinds.LOST, "inputs require a gradient, this result has none: " + SAY_SO))
    yield GRADIENT


SAY_SO = "raise an error there, or declare it"


def backward(subject: Examinee, outputs: list[Tensor], leaves: list[Tensor], weights: list[Tensor]) -> Sequence[Any]:
    """The gradients. A step advances its state in place, after which a graph may refuse to go back, and says so."""
    try:
        return subject.kernel.run(lambda: torch.autograd.grad(outputs, leaves, weights, allow_unused=True))
    except Raised as reason:
        if subject.operation.name != "selective_state_update" or not names(GRADIENT_WORDS, str(reason)):
            raise
        subject.lost = f"going back through a step raises {reason}"
        raise NotOffered(f"gradient ({subject.lost})") from reason


def confined(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """NaN or inf among the inputs: every entry that it does not reach is right, every other is no number.

    Then the gradient through the entries that it does not reach, of the signals there: finite and right, as if the NaN
    were a number. It is asked of what enters a state; C, z, D and an activation's slope are factors of the gradient.
    """
    with _direction(FORWARD):
        if "NaN" in subject.kernel.limits.not_offered:
            raise NotOffered("NaN and inf (declared)")
        arguments = draw(subject, row)
        wanted = wanted_of(subject, row, arguments)
        given = ask(subject, arguments)
        try:
            _judge(subject, arguments, given, wanted)
        except Wrong as wrong:
            if wrong.failure.kind is kinds.VALUES and not _finite(wrong.failure.got):
                wrong.failure = replace(wrong.failure, kind=kinds.LEAK)
            raise
    yield FORWARD
    if wants_gradients(subject, row) and not _spoiled(arguments) & set(FACTORS) and "activation" not in arguments:
        with _direction(GRADIENT):
            _confined_gradients(subject, row, arguments, wanted.outputs["y"][0].isfinite())
        yield GRADIENT


FACTORS = ("C", "z", "D")


def _spoiled(arguments: Arguments) -> set[str]:
    """The names of arguments that have a NaN or inf."""
    return {name for name, m in arguments.items() if isinstance(m, Tensor) and not bool(m.isfinite().all())}


def _confined_gradients(subject: Examinee, row: SuiteRow, arguments: Arguments, finite: Tensor) -> None:
    """Raises Wrong where all y are finite and a signal's gradient is not that of a number in the NaN's place."""
    operation = subject.operation
    loss = _loss(subject, row, arguments, {"y": finite.shape})
    loss["y"] = torch.where(finite.to(subject.device), loss["y"], 0.0)
    clean = {n: m.nan_to_num(1.0, 1.0, 1.0) if n in _spoiled(arguments) else m for n, m in arguments.items()}
    wanted = wanted_of(subject, row, clean, loss)
    given = ask(subject, arguments, gradients=True)
    y = given.outputs["y"]
    if not y.requires_grad:
        raise NotOffered("gradient (its result has no graph)")
    leaves = {name: m for name, m in given.leaves.items() if name in VARYING}
    found = backward(subject, [y], list(leaves.values()), [loss["y"].to(y.dtype)])
    channels = tuple(axis for axis in range(1, finite.ndim) if axis != operation.time)
    where, real = finite.all(channels, keepdim=True), compared(operation, arguments)
    where = where if real is None else where & real
    for name, gradient in zip(leaves, found, strict=True):
        value, bound = wanted.gradients[name]
        if gradient is None or (operation.time and value.ndim == 2):
            continue  # whether there is one, and a constant's, other rows ask
        failure = subject.compare(f"gradient of {name}", gradient, value, bound, _at(where, operation, value))
        if failure:
            raise Wrong(replace(failure, kind=kinds.GRADIENT if _finite(failure.got) else kinds.LEAK))


def _at(where: Tensor, operation: Operation, signal: Tensor) -> Tensor:
    """Where, by batch and time, in the shape of a signal of any number of axes."""
    ones = [1] * (signal.ndim - 2)
    shape = (signal.shape[0], -1, *ones) if operation.time == 1 else (signal.shape[0], *ones, -1)
    return where.reshape(shape).expand(signal.shape)


def _finite(x: float | None) -> bool:
    return x is not None and abs(x) < float("inf")


def pieces(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """The whole in pieces of several lengths, each handed the state of the one before; the last ones are steps."""
    operation = subject.operation
    with _direction(STEP):
        arguments = draw(subject, row)
        wanted = wanted_of(subject, row, arguments)
        length = arguments[operation.signal].shape[operation.time]
        unit = _least_length(subject)
        cuts = sorted({0, length, *(k * unit for k in (1, 2, 3, 8) if k * unit < length)})
        state = arguments.get(operation.start)
        ys, given = [], None
        for start, stop in pairwise(cuts):
            part = {name: _piece(operation, name, m, start, stop) for name, m in arguments.items()}
            if state is not None:
                part[operation.start] = state
            given = ask(subject, part)
            ys.append(given.outputs["y"])
            state = given.outputs[operation.state]
        assert state is not None
        outputs = {"y": torch.cat(ys, operation.time), operation.state: state}
        wanted = _handed_on(subject, row, arguments, state, wanted)
        _judge(subject, arguments, Given(outputs, arguments, False), wanted, partial=True)
    yield STEP


def _handed_on(subject: Examinee, row: SuiteRow, arguments: Arguments, state: Any, wanted: Right) -> Right:
    """Where the state is handed on in half precision, every term is rounded once more a piece."""
    if state is None or state.dtype not in oracle.HALVES or subject.operation.name == "causal_conv1d":
        return wanted
    p = subject.precision(row.dtype or subject.main)
    return right(subject.operation, arguments, replace(p, operands=p.operands + 8 * torch.finfo(state.dtype).eps))


def _least_length(subject: Examinee) -> int:
    rule = subject.kernel.limits.sizes.get("length")
    return rule.get("multiple", 1) if isinstance(rule, Mapping) else min(rule) if rule else 1


VARYING = ("u", "delta", "x", "dt", "B", "C", "z", "seq_idx")
"""The arguments that vary with time."""


def _piece(operation: Operation, name: str, m: Any, start: int, stop: int) -> Any:
    """The part of an argument between two times."""
    if not isinstance(m, Tensor) or name not in VARYING or (name in "BC" and m.ndim == 2):
        return m
    axis = 1 if name == "seq_idx" else operation.time if operation.time == 1 else m.ndim - 1
    return m.narrow(axis, start, stop - start).contiguous()


def steps(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """Several steps of decoding on one state, against the scan of all of them."""
    count = 7
    with _direction(STEP):
        turns = [draw(subject, row, turn) for turn in range(count)]
        shared = {name: m for name, m in turns[0].items() if name in SHARED_BY_STEPS}
        turns = [turn | shared for turn in turns]
        state, ys = turns[0]["state"], []
        for turn in turns:
            given = ask(subject, turn | {"state": state})
            ys.append(given.outputs["y"])
            state = given.passed["state"]
        wanted, real = _of_steps(subject, row, turns), compared(subject.operation, turns[0])
        for t, y in enumerate(ys):
            value, bound = (m[..., t].reshape(y.shape) for m in wanted["y"])
            failure = subject.compare("y", y, value, bound, real)
            if failure:
                raise Wrong(replace(failure, note=f"at step {t + 1} of {count}"))
        both = (
            subject.operation.outputs(turns[0], {"y": y[..., -1], "last_state": last}) for y, last in _pairs(wanted)
        )
        value, bound = (found["state"] for found in both)
        failure = subject.compare("state", given.outputs["state"], value, bound)
        if failure:
            raise Wrong(replace(failure, note=f"after {count} steps"))
    yield STEP


SHARED_BY_STEPS = ("A", "D", "dt_bias", "dt_softplus", "state_batch_indices")


def _pairs(wanted: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """y and last state: the values, then the bounds."""
    yield from zip(wanted["y"], wanted["last_state"], strict=True)


def _of_steps(subject: Examinee, row: SuiteRow, turns: list[Arguments]) -> dict[str, tuple[Tensor, Tensor]]:
    problems = [subject.operation.problem(widened(turn)) for turn in turns]
    joined = {
        name: torch.cat([getattr(problem, name) for problem in problems], -1)
        for name in ("u", "step", "B", "C", "z")
        if getattr(problems[0], name) is not None
    }
    whole = replace(problems[0], **joined)
    sizes, _ = oracle.scan_bounds(whole, subject.precision(row.dtype or subject.main), None)
    found = oracle.scan_values(whole)
    return {name: (found[name], sizes[name]) for name in found}


def bits(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """The same call gives the same bits, and so with one thread; gradients too."""
    with _direction(FORWARD):
        arguments = draw(subject, row)
        first = ask(subject, arguments).outputs
        _equal(first, ask(subject, arguments, fill=1.0).outputs, "the same call again")
        with _threads(1):
            _equal(first, ask(subject, arguments).outputs, "with one thread")
        with _threads(2):
            _equal(first, ask(subject, arguments).outputs, "with two threads")
    yield FORWARD
    if not wants_gradients(subject, row):
        return
    with _direction(GRADIENT):
        if not subject.kernel.limits.deterministic:
            raise NotOffered("the same bits of gradients (declared)")
        found = []
        for threads in (None, None, 1, 2):
            with _threads(threads):
                found.append(_plain_gradients(subject, arguments))
        for other, words in zip(found[1:], ("the same call again", "with one thread", "with two threads"), strict=True):
            _equal(found[0], other, words)
    yield GRADIENT


def _plain_gradients(subject: Examinee, arguments: Arguments) -> dict[str, Tensor]:
    given = ask(subject, arguments, gradients=True)
    leaves = given.leaves
    y = given.outputs["y"]
    if not y.requires_grad:
        raise NotOffered("gradient (its result has no graph)")
    found = backward(subject, [y], list(leaves.values()), [torch.ones_like(y)])
    return {f"gradient of {name}": g for name, g in zip(leaves, found, strict=True) if g is not None}


def _equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor], words: str) -> None:
    for name, a in first.items():
        if not same_bits(a.detach(), second[name].detach()):
            differ = (a.detach() != second[name].detach()).nonzero()
            place = tuple(differ[0].tolist())
            raise Wrong(Deviation(name, kinds.BITS, words, place, float(second[name][place]), float(a[place]), 0.0))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Run torch, and numba where it was imported, on so many threads."""
    if count is None:
        yield
        return
    before, numba = torch.get_num_threads(), sys.modules.get("numba")
    of_numba = numba.get_num_threads() if numba else 0
    torch.set_num_threads(count)
    if numba:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if numba:
            numba.set_num_threads(of_numba)


def fresh(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """Two calls of the same shapes and other values, in which the first inputs' memory is used again."""
    with _direction(FORWARD):
        first, second = draw(subject, row), draw(subject, row, 1)
        one = ask(subject, first)
        kept = {name: m.detach().clone() for name, m in one.outputs.items()}
        two = ask(subject, second)
        _judge(subject, second, two, wanted_of(subject, row, second))
        for name, old in kept.items():
            if not same_bits(one.outputs[name].detach(), old):
                raise Wrong(Deviation(name, kinds.STALE, "a later call changed the result of an earlier one"))
        _judge(subject, first, one, wanted_of(subject, row, first))
        same_memory = {n: m.copy_(second[n]) if isinstance(m, Tensor) else m for n, m in first.items()}
        three = ask(subject, same_memory)
        try:
            _judge(subject, second, three, wanted_of(subject, row, second))
        except Wrong as wrong:
            note = "the same memory with other values: an earlier result comes back"
            raise Wrong(replace(wrong.failure, kind=kinds.STALE, note=note), wrong.case) from wrong
    yield FORWARD


def compiled(subject: Examinee, row: SuiteRow) -> Iterator[str]:
    """torch.compile with fullgraph traces the call, and what runs then is right."""
    with _direction(FORWARD):
        arguments = draw(subject, row)
        operation, theirs = subject.operation, subject.kernel
        traced = torch.compile(theirs.function, fullgraph=True, backend="aot_eager")
        inside = Kernel(theirs.path, traced, replace(theirs.limits), theirs.parameters)
        try:
            with torch.no_grad():
                result = inside.call(operation.required, dict(arguments))
        except Raised as reason:
            raise NotOffered(f"torch.compile(fullgraph=True): {reason}") from reason
        theirs.calls += 1
        given = Given(_outputs(operation, arguments, result), arguments, False)
        _judge(subject, arguments, given, wanted_of(subject, row, arguments))
    yield FORWARD


EXAMS: dict[str, Exam] = {
    "values": values,
    "state gradient": state_gradient,
    "confined": confined,
    "pieces": pieces,
    "steps": steps,
    "bits": bits,
    "fresh": fresh,
    "compiled": compiled,
    "told": told,
}
