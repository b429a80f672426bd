"""confined.nan.x: y[0, 0, 0, 0] = nan, not -0.0613547114 ± 3.1e-06 (61 of 1024 entries beyond their bounds)

It runs kernels.peers.official:ssd_minimal on the inputs of kernels.peers.official_ssd_minimal.confined.nan.x.float32.forward.npz, and compares what comes with the values and bounds there.
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


kernel = getattr(importlib.import_module("kernels.peers.official"), "ssd_minimal")
given = {'x': tensor('x', 'float32', (512, 8, 2, 1)), 'dt': tensor('dt', 'float32', (256, 4, 1)), 'A': tensor('A', 'float32', (1,)), 'B': tensor('B', 'float32', (192, 3, 3, 1)), 'C': tensor('C', 'float32', (192, 3, 3, 1))}
options = {'chunk_size': 16, 'return_final_states': True}
result = kernel(given['x'], given['dt'], given['A'], given['B'], given['C'], chunk_size=options['chunk_size'], return_final_states=options['return_final_states'])
parts = result if isinstance(result, (tuple, list)) else (result,)
outputs = {'y': parts[0], 'final_states': parts[1]}
for name, got in outputs.items():
    got, want, bound = got.detach().cpu().double().numpy(), data["want " + name], data["bound " + name]
    lost = np.isnan(want) & np.isnan(got) | np.isinf(want) & ~np.isfinite(got)
    wrong = np.argwhere(~(np.abs(got - want) <= bound) & ~lost & (bound < np.inf))
    at = tuple(wrong[0]) if len(wrong) else ()
    first = f"at {[int(i) for i in at]} {got[at]}, not {want[at]} ± {bound[at]}" if len(wrong) else ""
    print(name, f"is wrong at {len(wrong)} entries: {first}" if len(wrong) else "is right")
