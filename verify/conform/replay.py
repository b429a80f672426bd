"""A failure as two files that need none of this code: an npz of inputs, right values and bounds, and a short script."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.verify.conform.blocks import BlockCase
from mamba_theorems.verify.conform.examine import SuiteCall, compared, rounded
from mamba_theorems.verify.conform.kernel import Kernel
from mamba_theorems.verify.conform.operations import OPERATIONS, Operation
from mamba_theorems.verify.conform.suite import Result, RowFinding

HEAD = '''"""{about}

It runs {path} on the inputs of {name}.npz, and compares what comes with the values and bounds there.
"""
import importlib, os, sys
import numpy as np, torch

sys.path.append(os.getcwd())
data = np.load(os.path.splitext(__file__)[0] + ".npz")
'''
FUNCTION = """

def tensor(key, dtype, strides):
    m = torch.from_numpy(data[key]).to(getattr(torch, dtype))
    once = m[tuple(slice(1) if s == 0 else slice(None) for s in strides)]
    room = torch.empty(1 + sum((n - 1) * s for n, s in zip(m.shape, strides)), dtype=m.dtype)
    return room.as_strided(once.shape, strides).copy_(once).as_strided(m.shape, strides)


kernel = getattr(importlib.import_module("{module}"), "{function}")
given = {given}
options = {options}
{call}"""
BLOCK = """block = getattr(importlib.import_module("{module}"), "{function}")(**{options}).to(torch.{dtype})
block.load_state_dict({{n[7:]: torch.from_numpy(data[n]) for n in data if n.startswith("weight ")}})
{given}
{call}"""
COMPARE = """
for name, got in outputs.items():
    got, want, bound = got.detach().cpu().double().numpy(), data["want " + name], data["bound " + name]
    lost = np.isnan(want) & np.isnan(got) | np.isinf(want) & ~np.isfinite(got)
    wrong = np.argwhere(~(np.abs(got - want) <= bound) & ~lost & (bound < np.inf))
    at = tuple(wrong[0]) if len(wrong) else ()
    first = f"at {[int(i) for i in at]} {got[at]}, not {want[at]} ± {bound[at]}" if len(wrong) else ""
    print(name, f"is wrong at {len(wrong)} entries: {first}" if len(wrong) else "is right")
"""


def file_name(result: Result, finding: RowFinding) -> str:
    """The name of its two files, without an ending; two kernels share none."""
    return re.sub(r"[^\w.-]", "_", f"{result.path}.{finding.row.id}.{finding.dtype}.{finding.direction}")


def files(result: Result, finding: RowFinding, kernel: Kernel) -> dict[str, bytes]:
    """The npz and the script of a failure, by file name; {} where it failed before there was a result."""
    case = finding.case
    if case is None or finding.failure is None:
        return {}
    if isinstance(case, BlockCase):
        arrays, script = _arrays_of_block(case), _script_of_block(result, case)
    else:
        arrays, script = _of_call(result, finding, case, kernel)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    name = file_name(result, finding)
    about = f"{finding.row.id}: {finding.reason}".replace("\\", "/").replace('"""', "'")
    text = HEAD.format(about=about, path=result.path, name=name) + script + COMPARE
    return {f"{name}.npz": buffer.getvalue(), f"{name}.py": text.encode()}


def _right(values: Mapping[str, tuple[Tensor, Tensor]], got: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The right values, and the bounds with the rounding of the result to its own dtype."""
    arrays = {}
    for name, (value, bound) in values.items():
        dtype = m.dtype if isinstance(m := got.get(name), Tensor) else torch.float64
        arrays[f"want {name}"], arrays[f"bound {name}"] = value.numpy(), rounded(bound, value, dtype).numpy()
    return arrays


# --- a block ---------------------------------------------------------------------------------------------------------


def _arrays_of_block(case: BlockCase) -> dict[str, np.ndarray]:
    weights = {f"weight {name}": w for name, w in case.built.weights.items()}
    return weights | {name: _array(m) for name, m in case.inputs.items()} | _right(case.outputs, case.got)


def _script_of_block(result: Result, case: BlockCase) -> str:
    module, _, function = result.path.partition(":")
    given = "\n".join(f"{n} = torch.from_numpy(data[{n!r}]).to({m.dtype})" for n, m in case.inputs.items())
    dtype = str(case.built.u.dtype).removeprefix("torch.")
    options = _literal(case.built.made_with)
    return BLOCK.format(
        module=module, function=function, options=options, dtype=dtype, given=given, call=case.calls
    )  # fmt: skip


# --- a function ------------------------------------------------------------------------------------------------------


def _of_call(result: Result, finding: RowFinding, case: SuiteCall, kernel: Kernel) -> tuple[dict[str, np.ndarray], str]:
    assert finding.failure is not None
    operation = OPERATIONS[result.operation]
    values = {name: pair for name, pair in case.right.outputs.items() if name in case.got}
    real = compared(operation, case.arguments)
    if real is not None and "y" in values:  # nobody reads y at padding
        value, bound = values["y"]
        values["y"] = value, torch.where(real, bound, torch.inf)
    output = finding.failure.output
    gradient = output.startswith("gradient of ")
    if gradient:
        values[output] = case.right.gradients[output.removeprefix("gradient of ")]
    arrays = {name: _array(m) for name, m in case.arguments.items() if isinstance(m, Tensor)} | _right(values, case.got)
    arrays |= {f"loss {name}": _array(weight) for name, weight in (case.loss or {}).items()}
    return arrays, _script(result, case, operation, kernel, list(values), case.loss if gradient else None)


def _array(m: Tensor) -> np.ndarray:
    """On the host; numpy has no bfloat16, and float32 holds it exactly."""
    m = m.detach().cpu()
    return (m.float() if m.dtype is torch.bfloat16 else m).contiguous().numpy()


def _script(
    result: Result, case: SuiteCall, operation: Operation, kernel: Kernel, outputs: list[str],
    loss: Mapping[str, Tensor] | None,
) -> str:  # fmt: skip
    module, _, function = result.path.partition(":")
    tensors = {n: _tensor(n, m) for n, m in case.arguments.items() if isinstance(m, Tensor)}
    plain = {n: v for n, v in case.arguments.items() if not isinstance(v, Tensor)}
    placed = kernel.placed(operation.required)
    by_place = ", ".join(f"given[{n!r}]" for n in placed)
    own = {n: kernel.name_of(n) or n for n in (*tensors, *plain) if n not in placed}
    by_name = "".join(f", {own[n]}=given[{n!r}]" for n in tensors if n not in placed)
    by_name += "".join(f", {own[n]}=options[{n!r}]" for n in plain)
    lines = []
    if loss is not None:
        lines.append("leaves = {n: m.requires_grad_() for n, m in given.items() if m.is_floating_point()}")
        if case.arguments.keys() & {"state"}:  # which is advanced in place
            lines.append("given = given | {'state': given['state'].clone()}")
    lines += [
        f"result = kernel({(by_place + by_name).removeprefix(', ')})",
        "parts = result if isinstance(result, (tuple, list)) else (result,)",
    ]
    rows = "[given['state_batch_indices'][given['state_batch_indices'] >= 0].long()]"
    state = f"given['state']{rows if 'state_batch_indices' in tensors else ''}"
    plain_outputs = [n for n in outputs if not n.startswith("gradient")]
    pairs = ", ".join(f"{n!r}: {state if n == 'state' else f'parts[{i}]'}" for i, n in enumerate(plain_outputs))
    lines.append(f"outputs = {{{pairs}}}")
    if loss is not None:
        target = outputs[-1].removeprefix("gradient of ")
        terms = " + ".join(
            f"(outputs[{n!r}] * tensor('loss {n}', {str(w.dtype)[6:]!r}, {w.stride()!r})).sum()"
            for n, w in loss.items()
        )
        lines.append(f"outputs[{outputs[-1]!r}], = torch.autograd.grad({terms}, [leaves[{target!r}]])")
    given = "{" + ", ".join(f"{n!r}: {t}" for n, t in tensors.items()) + "}"
    return FUNCTION.format(
        module=module, function=function, given=given, options=_literal(plain), call="\n".join(lines)
    )


def _tensor(name: str, m: Tensor) -> str:
    return f"tensor({name!r}, {str(m.dtype)[6:]!r}, {tuple(m.stride())!r})"


def _literal(values: Mapping[str, Any]) -> str:
    return repr(dict(values)).replace("inf)", "float('inf'))")
