"""The suite's rows as evidence of the claims that rest on the kernels: TESTED, on our backends or on the kernel named.

A row that FAILS contradicts the check, and is named. What a kernel is told stays its own: CONFORMS is no claim's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.backends import AUTO, choices, load
from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.verify.checks.case import Choice, NotACase, Record
from mamba_theorems.verify.checks.check import Check, Finding
from mamba_theorems.verify.checks.foreign import theirs
from mamba_theorems.verify.conform import suite
from mamba_theorems.verify.conform.examine import Examinee
from mamba_theorems.verify.conform.kernel import Kernel, KernelLimits, NotOffered
from mamba_theorems.verify.conform.operations import OPERATIONS
from mamba_theorems.verify.conform.row import SuiteRow
from mamba_theorems.verify.conform.rows import rows_of
from mamba_theorems.verify.conform.suite import Conformance, Result
from mamba_theorems.verify.settings import NotAvailable, Run, Tier

Function = Callable[..., Any]
THEIRS = "theirs"
SLOWER = ("plain", "option.seq_idx", "all")


@dataclass(frozen=True)
class RowCase:
    """A row on a backend, or on the kernel that the run names."""

    row: str
    backend: str


@dataclass(frozen=True, kw_only=True)
class Rows(Check[Function]):
    """Rows of an operation, on every backend that has it, or on the kernel that the run names for it alone.

    The quick tier holds those whose ids begin as `beginnings` say, of these on our slower backends those that begin as
    `SLOWER` says; the full tier holds every row, and random draws.
    """

    operation: str
    beginnings: tuple[str, ...]

    def examine(self, subject: Function, run: Run) -> Finding:
        """Hold the rows on each backend, to the first that fails. Raises NotAvailable where the kernel takes none."""
        found: list[tuple[str, Result]] = []
        for name, examinee in self._examinees(subject, run):
            result = self._held(name, examinee, run)
            found.append((name, result))
            if result.failures:
                failure = result.failures[0]
                words = f"{failure.row.id} FAILS in {failure.dtype}, {failure.direction}, on {name}: {failure.reason}"
                case = asdict(RowCase(failure.row.id, name))
                return Finding(False, words, self._facts(found, run), _figures(found), case)
        if not any(result.exercised for _, result in found):
            told = "; ".join(reason for _, result in found for reason in result.not_offered)
            raise NotAvailable(f"no row of {self.operation} reached the kernel: {told}")
        return Finding(True, "", self._facts(found, run), _figures(found))

    def replay(self, case: Any, run: Run) -> Finding:
        """Hold one row again. Raises NotACase for a row or a backend that does not exist."""
        rows = {row.id: row for row in rows_of(self.operation)}
        examinees = dict(self._examinees(self.subject, run))
        fields = {"row": Choice(list(rows)), "backend": Choice(list(examinees))}
        if reason := Record(fields).misfit(case, f"a case of '{self.name}'", run):
            raise NotACase(reason)
        asked = RowCase(**case)
        row, examinee = rows[asked.row], examinees[asked.backend]
        result = suite.examine(examinee, [row], draws=False)
        summary = "; ".join(f.reason for f in result.failures) or "passes"
        return Finding(result.exercised and not result.failures, summary, {}, {}, case)

    def _held(self, name: str, examinee: Examinee, run: Run) -> Result:
        whole = run.tier is not Tier.QUICK
        rows = rows_of(self.operation) if whole else self.rows
        if not whole and name not in (AUTO, THEIRS):
            rows = tuple(row for row in rows if row.id.startswith(SLOWER)) or rows
        return suite.examine(examinee, rows, draws=whole, seed=run.seed, stop_early=True)

    @property
    def rows(self) -> tuple[SuiteRow, ...]:
        """Those of the quick tier, in the dtypes that claims are tested in."""
        chosen = tuple(row for row in rows_of(self.operation) if row.id.startswith(self.beginnings))
        return tuple(row for row in chosen if row.tier is Tier.QUICK and row.dtype in ("", *DTYPES))

    def _examinees(self, subject: Function, run: Run) -> Iterator[tuple[str, Examinee]]:
        """By name. Raises NotAvailable where the run's kernel takes no dtype or device that is asked for."""
        operation, named = OPERATIONS[self.operation], theirs()
        if named is not None and named.operation == self.operation and subject == self.subject:
            try:
                examinee = suite.subject_of(named.path, named.function, operation, run.device)
            except NotOffered as reason:
                raise NotAvailable(f"{named.path} does not run on {reason}") from reason
            dtypes = tuple(name for name in run.dtypes if name in examinee.dtypes)
            if not dtypes:
                raise NotAvailable(f"{named.path} takes no {' or '.join(run.dtypes)}")
            yield THEIRS, replace(examinee, dtypes=dtypes)
            return
        for name in choices(self.operation, run.device):
            limits = KernelLimits(dtypes=run.dtypes, gradient=name == AUTO or load(name).differentiable)
            kernel = Kernel(f"{self.operation} on {name}", partial(subject, backend=name), limits)
            yield name, Examinee(kernel, operation, run.device, run.dtypes)

    def _facts(self, found: list[tuple[str, Result]], run: Run) -> dict[str, str | int]:
        total = len(rows_of(self.operation))
        held = len(self.rows) if run.tier is Tier.QUICK else total
        facts: dict[str, str | int] = {"kernel": self.operation, "dtypes": ", ".join(run.dtypes), "device": run.device}
        facts["rows"] = f"{held} of the suite's {total}"
        name, result = found[0]
        if name != THEIRS:
            return facts | {"backends": ", ".join("compiled" if name == AUTO else name for name, _ in found)}
        lacking = {"not offered": "; ".join(result.not_offered)} if result.not_offered else {}
        return facts | {"kernel": result.path} | lacking


def _figures(found: list[tuple[str, Result]]) -> dict[str, float | str]:
    """So many verdicts by so many calls, forwards and back, and the largest error/bound of any."""
    decided = (Conformance.CONFORMS, Conformance.FAILS)
    return {
        "examples": sum(f.verdict in decided for _, result in found for f in result.findings),
        "calls": sum(result.calls for _, result in found),
        "worst error/bound": max(result.worst for _, result in found),
    }


# --- wrong operations, each to be rejected ---------------------------------------------------------------------------


def _deaf(operation: Function, name: str) -> Function:
    """The operation, deaf to an option."""
    return lambda *given, **options: operation(*given, **{k: v for k, v in options.items() if k != name})


def _wrong_group(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, **options: Any) -> Any:
    """Channel d of group d mod G."""
    B, C = (m.repeat(1, u.shape[1] // m.shape[1], 1, 1) if m.ndim == 4 else m for m in (B, C))
    return ops.selective_scan(u, delta, A, B, C, **options)


def _added_twice(*given: Any, initial_state: Tensor | None = None, **options: Any) -> Any:
    """The initial state once more, without decay, in the first output."""
    result = ops.selective_scan(*given, initial_state=initial_state, **options)
    y, last = result if isinstance(result, tuple) else (result, None)
    if initial_state is not None and given[4].ndim == 3:
        first = torch.einsum("bdn,bn->bd", initial_state, given[4][..., 0].to(initial_state.dtype))
        y = torch.cat([y[..., :1] + first[..., None].to(y.dtype), y[..., 1:]], -1)
    return y if last is None else (y, last)


def _relu_step(state: Tensor, x: Tensor, dt: Tensor, *matrices: Any, **options: Any) -> Any:
    """ReLU for softplus."""
    soft, bias = options.pop("dt_softplus", False), options.pop("dt_bias", None)
    step = dt if bias is None else dt + bias
    return ops.selective_state_update(state, x, functional.relu(step) if soft else step, *matrices, **options)


def _groups_reversed(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, **options: Any) -> Any:
    return ops.ssd_chunk_scan(x, dt, A, B.flip(2), C.flip(2), **options)


UNROLLED = "foundations.unrolled"
ALWAYS = (
    "plain", "option.", "all", "packed.returns", "packed.initial", "packed.at1", "packed.tile", "padding.scattered",
    "padding.rows", "softplus.", "groups.",
)  # fmt: skip
"""How the ids of rows begin that the quick tier holds of every operation."""

CHECKS: tuple[Check, ...] = (
    Rows(
        claim=UNROLLED,
        name="rows-of-the-scan",
        operation="selective_scan",
        beginnings=(*ALWAYS, "state.constant", "state.gradient", "decay."),
        subject=ops.selective_scan,
        mutants={
            "packing ignored": _deaf(ops.selective_scan, "seq_idx"),
            "state not handed on": _deaf(ops.selective_scan, "initial_state"),
            "gate ignored": _deaf(ops.selective_scan, "z"),
            "channels of the wrong group": _wrong_group,
        },
    ),
    Rows(
        claim=UNROLLED,
        name="rows-of-the-convolution",
        operation="causal_conv1d",
        beginnings=(*ALWAYS, "short.", "state.gradient"),
        subject=ops.causal_conv1d,
        mutants={
            "taps reversed": lambda x, weight, **rest: ops.causal_conv1d(x, weight.flip(-1), **rest),
            "packing ignored": _deaf(ops.causal_conv1d, "seq_idx"),
        },
    ),
    Rows(
        claim=UNROLLED,
        name="rows-of-one-step",
        operation="selective_state_update",
        beginnings=(*ALWAYS, "steps.", "decay."),
        subject=ops.selective_state_update,
        mutants={
            "state not advanced": lambda state, *rest, **options: ops.selective_state_update(
                state.clone(), *rest, **options
            ),
            "softplus replaced by ReLU": _relu_step,
        },
    ),
    Rows(
        claim="foundations.ssd-duality",
        name="rows-of-ssd",
        operation="ssd_chunk_scan",
        beginnings=(*ALWAYS, "state.gradient", "decay.", "limit.", "chunk.32"),
        subject=ops.ssd_chunk_scan,
        mutants={
            "packing ignored": _deaf(ops.ssd_chunk_scan, "seq_idx"),
            "state not handed on": _deaf(ops.ssd_chunk_scan, "initial_states"),
            "groups reversed": _groups_reversed,
        },
    ),
    Rows(
        claim="foundations.scan-associative",
        name="pieces-of-a-scan",
        operation="selective_scan",
        beginnings=("pieces.",),
        subject=ops.selective_scan,
        mutants={"state dropped": _deaf(ops.selective_scan, "initial_state"), "state added twice": _added_twice},
    ),
)
"""By claim, as those of `checks.registry`, which lie a floor below."""
