"""softplus.tail: y[1, 0] = -2.6493125, not -2.64981723 ± 8.6e-06 (2 of 6 entries beyond their bounds)

It runs kernels.peers.ggml:selective_state_update on the inputs of kernels.peers.ggml_selective_state_update.softplus.tail.float32.forward.npz, and compares what comes with the values and bounds there.
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


kernel = getattr(importlib.import_module("kernels.peers.ggml"), "selective_state_update")
given = {'state': tensor('state', 'float32', (15, 5, 1)), 'x': tensor('x', 'float32', (3, 1)), 'dt': tensor('dt', 'float32', (3, 1)), 'A': tensor('A', 'float32', (5, 1)), 'B': tensor('B', 'float32', (5, 1)), 'C': tensor('C', 'float32', (5, 1))}
options = {'dt_softplus': True}
result = kernel(given['state'], given['x'], given['dt'], given['A'], given['B'], given['C'], dt_softplus=options['dt_softplus'])
parts = result if isinstance(result, (tuple, list)) else (result,)
outputs = {'y': parts[0], 'state': given['state']}
for name, got in outputs.items():
    got, want, bound = got.detach().cpu().double().numpy(), data["want " + name], data["bound " + name]
    lost = np.isnan(want) & np.isnan(got) | np.isinf(want) & ~np.isfinite(got)
    wrong = np.argwhere(~(np.abs(got - want) <= bound) & ~lost & (bound < np.inf))
    at = tuple(wrong[0]) if len(wrong) else ()
    first = f"at {[int(i) for i in at]} {got[at]}, not {want[at]} ± {bound[at]}" if len(wrong) else ""
    print(name, f"is wrong at {len(wrong)} entries: {first}" if len(wrong) else "is right")
