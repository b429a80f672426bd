"""padding.scattered: y[0, 2, 15] = 0.266053766, not -3.17855322 ± 1.5e-06 (27 of 126 entries beyond their bounds)

It runs kernels.peers.official:causal_conv1d on the inputs of kernels.peers.official_causal_conv1d.padding.scattered.float32.forward.npz, and compares what comes with the values and bounds there.
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


kernel = getattr(importlib.import_module("kernels.peers.official"), "causal_conv1d")
given = {'x': tensor('x', 'float32', (63, 21, 1)), 'weight': tensor('weight', 'float32', (4, 1)), 'seq_idx': tensor('seq_idx', 'int32', (21, 1))}
options = {}
result = kernel(given['x'], given['weight'], seq_idx=given['seq_idx'])
parts = result if isinstance(result, (tuple, list)) else (result,)
outputs = {'y': parts[0]}
for name, got in outputs.items():
    got, want, bound = got.detach().cpu().double().numpy(), data["want " + name], data["bound " + name]
    lost = np.isnan(want) & np.isnan(got) | np.isinf(want) & ~np.isfinite(got)
    wrong = np.argwhere(~(np.abs(got - want) <= bound) & ~lost & (bound < np.inf))
    at = tuple(wrong[0]) if len(wrong) else ()
    first = f"at {[int(i) for i in at]} {got[at]}, not {want[at]} ± {bound[at]}" if len(wrong) else ""
    print(name, f"is wrong at {len(wrong)} entries: {first}" if len(wrong) else "is right")
