"""ggml as xllamacpp 2026.10.11549 ships it: softplus is log(1 + e^x) in float32, 0 below −17; right is log1p(e^−30)·1e9."""

import torch

from kernels.peers.ggml import selective_scan

one = torch.ones(1, 1, 1)
got = selective_scan(1e9 * one, -30 * one, torch.zeros(1, 1), one, one, delta_softplus=True).flatten().tolist()
right = [9.357622968839737e-05]
print("got:", got, " right:", right)
