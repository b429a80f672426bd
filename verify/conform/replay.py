"""A failure as two files that need none of this code: an npz of inputs, right values and bounds, and a short script."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mamba_theorems.verify.conform.examine import rounded
from mamba_theorems.verify.conform.suite import Result, RowFinding

SCRIPT = '''"""{about}

It runs {path} on the inputs of {name}.npz and compares the outputs with the values and bounds there.
"""
import importlib, os, sys
import numpy as np, torch

sys.path.append(os.getcwd())
data = np.load(os.path.splitext(__file__)[0] + ".npz")


def tensor(key, dtype, strides):
    m = torch.from_numpy(data[key]).to(getattr(torch, dtype))
    once = m[tuple(slice(1) if s == 0 else slice(None) for s in strides)]
    room = torch.empty(1 + sum((n - 1) * s for n, s in zip(m.shape, strides)), dtype=m.dtype)
    return room.as_strided(once.shape, strides).copy_(once).as_strided(m.shape, strides)


kernel = getattr(importlib.import_module("{module}"), "{function}")
given = {given}
options = {options}
{call}
for name, got in outputs.items():
    want, bound = data["want " + name], data["bound " + name]
    error = np.abs(got.detach().double().cpu().numpy() - want)
    wrong = ~(error <= bound) & ~(np.isnan(want) & np.isnan(got.detach().double().cpu().numpy()))
    print(name, "is right" if not wrong.any() else f"is wrong at {{wrong.sum()}} entries, by {{np.nanmax(error)}}")
'''


def file_name(result: Result, finding: RowFinding) -> str:
    """The name of its two files, without an ending."""
    return re.sub(r"[^\w.-]", "_", f"{result.operation}.{finding.row.id}.{finding.dtype}.{finding.direction}")


def files(
    result: Result, finding: RowFinding, required: tuple[str, ...], names: Mapping[str, str | None]
) -> dict[str, bytes]:
    """The npz and the script of a failure, by file name; {} where it failed before there was a result."""
    case = finding.case
    if case is None or finding.failure is None:
        return {}
    output = finding.failure.output
    gradient = output.startswith("gradient of ")
    values = {name: pair for name, pair in case.right.outputs.items() if name in case.got}
    if gradient:
        name = output.removeprefix("gradient of ")
        values[output] = case.right.gradients[name]
    arrays: dict[str, np.ndarray] = {}
    for name, m in case.arguments.items():
        if isinstance(m, Tensor):
            arrays[name] = _array(m)
    for name, (value, bound) in values.items():
        got = case.got.get(name)
        dtype = got.dtype if isinstance(got, Tensor) else torch.float64
        arrays[f"want {name}"], arrays[f"bound {name}"] = value.numpy(), rounded(bound, value, dtype).numpy()
    for name, weight in (case.loss or {}).items():
        arrays[f"loss {name}"] = _array(weight)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    name = file_name(result, finding)
    script = _script(result, finding, name, required, names, list(values), case.loss if gradient else None)
    return {f"{name}.npz": buffer.getvalue(), f"{name}.py": script.encode()}


def _array(m: Tensor) -> np.ndarray:
    """On the host; numpy has no bfloat16, and float32 holds it exactly."""
    m = m.detach().cpu()
    return (m.float() if m.dtype is torch.bfloat16 else m).contiguous().numpy()


def _script(
    result: Result, finding: RowFinding, name: str, required: tuple[str, ...], names: Mapping[str, str | None],
    outputs: list[str], loss: Mapping[str, Tensor] | None,
) -> str:  # fmt: skip
    assert finding.case is not None
    module, _, function = result.path.partition(":")
    tensors = {n: _tensor(n, m) for n, m in finding.case.arguments.items() if isinstance(m, Tensor)}
    plain = {n: v for n, v in finding.case.arguments.items() if not isinstance(v, Tensor)}
    by_place = ", ".join(f"given[{n!r}]" for n in required)
    own = {n: names.get(n) or n for n in (*tensors, *plain) if n not in required}
    by_name = "".join(f", {own[n]}=given[{n!r}]" for n in tensors if n not in required)
    by_name += "".join(f", {own[n]}=options[{n!r}]" for n in plain)
    lines = []
    if loss is not None:
        lines.append("leaves = {n: m.requires_grad_() for n, m in given.items() if m.is_floating_point()}")
    lines += [
        f"result = kernel({by_place}{by_name})",
        "parts = result if isinstance(result, (tuple, list)) else (result,)",
    ]
    plain_outputs = [n for n in outputs if not n.startswith("gradient")]
    pairs = ", ".join(
        f"{n!r}: {'given[' + repr(n) + ']' if n == 'state' else f'parts[{i}]'}" for i, n in enumerate(plain_outputs)
    )
    lines.append(f"outputs = {{{pairs}}}")
    if loss is not None:
        target = outputs[-1].removeprefix("gradient of ")
        terms = " + ".join(
            f"(outputs[{n!r}] * tensor('loss {n}', {str(w.dtype)[6:]!r}, {w.stride()!r})).sum()"
            for n, w in loss.items()
        )
        lines.append(f"outputs[{outputs[-1]!r}], = torch.autograd.grad({terms}, [leaves[{target!r}]])")
    given = "{" + ", ".join(f"{n!r}: {t}" for n, t in tensors.items()) + "}"
    about = f"{finding.row.id}: {finding.reason}"
    return SCRIPT.format(
        about=about.replace("\\", "/").replace('"""', "'"), path=result.path, name=name, module=module,
        function=function, given=given, options=_literal(plain), call="\n".join(lines),
    )  # fmt: skip


def _tensor(name: str, m: Tensor) -> str:
    return f"tensor({name!r}, {str(m.dtype)[6:]!r}, {tuple(m.stride())!r})"


def _literal(values: Mapping[str, Any]) -> str:
    return repr(dict(values)).replace("inf)", "float('inf'))")
