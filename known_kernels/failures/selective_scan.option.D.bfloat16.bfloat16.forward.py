"""option.D.bfloat16: y: has dtype float32, not bfloat16

It runs kernels.peers:transformers_scan on the inputs of selective_scan.option.D.bfloat16.bfloat16.forward.npz and compares the outputs with the values and bounds there.
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


kernel = getattr(importlib.import_module("kernels.peers"), "transformers_scan")
given = {'u': tensor('u', 'bfloat16', (84, 21, 1)), 'delta': tensor('delta', 'bfloat16', (84, 21, 1)), 'A': tensor('A', 'float32', (3, 1)), 'B': tensor('B', 'bfloat16', (63, 21, 1)), 'C': tensor('C', 'bfloat16', (63, 21, 1)), 'D': tensor('D', 'float32', (1,))}
options = {}
result = kernel(given['u'], given['delta'], given['A'], given['B'], given['C'], D=given['D'])
parts = result if isinstance(result, (tuple, list)) else (result,)
outputs = {'y': parts[0]}
for name, got in outputs.items():
    want, bound = data["want " + name], data["bound " + name]
    error = np.abs(got.detach().double().cpu().numpy() - want)
    wrong = ~(error <= bound) & ~(np.isnan(want) & np.isnan(got.detach().double().cpu().numpy()))
    print(name, "is right" if not wrong.any() else f"is wrong at {wrong.sum()} entries, by {np.nanmax(error)}")
