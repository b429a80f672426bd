"""option.dt_limit.steps: y[0, 1, 4] = 0.206254482, not 1.56024608 ± 0.0001 (by steps)

It runs kernels.peers.hf:TransformersMamba2 on the inputs of kernels.peers.hf_TransformersMamba2.option.dt_limit.steps.float32.step.npz, and compares what comes with the values and bounds there.
"""
import importlib, os, sys
import numpy as np, torch

sys.path.append(os.getcwd())
data = np.load(os.path.splitext(__file__)[0] + ".npz")
block = getattr(importlib.import_module("kernels.peers.hf"), "TransformersMamba2")(**{'d_model': 6, 'd_state': 3, 'd_conv': 4, 'expand': 2, 'headdim': 3, 'chunk_size': 16, 'dt_limit': (0.2, 0.5)}).to(torch.float32)
block.load_state_dict({n[7:]: torch.from_numpy(data[n]) for n in data if n.startswith("weight ")})
u = torch.from_numpy(data['u']).to(torch.float32)
later = torch.from_numpy(data['later']).to(torch.float32)
cache, ys = list(block.allocate_inference_cache(2, 8, dtype=u.dtype)), []
for t in range(u.shape[1]):
    y, *cache = block.step(u[:, t : t + 1], *cache)
    ys.append(y)
outputs = {'y': torch.cat(ys, 1)}
for name, got in outputs.items():
    got, want, bound = got.detach().cpu().double().numpy(), data["want " + name], data["bound " + name]
    lost = np.isnan(want) & np.isnan(got) | np.isinf(want) & ~np.isfinite(got)
    wrong = np.argwhere(~(np.abs(got - want) <= bound) & ~lost & (bound < np.inf))
    at = tuple(wrong[0]) if len(wrong) else ()
    first = f"at {[int(i) for i in at]} {got[at]}, not {want[at]} ± {bound[at]}" if len(wrong) else ""
    print(name, f"is wrong at {len(wrong)} entries: {first}" if len(wrong) else "is right")
