"""mamba_ssm 2.3.2: ssd_chunk_scan_combined_ref masks after e^x: where it overflows, the gradient of dt is 0·inf.

h_1 = dt_1, h_2 = e^(−100 dt_2) h_1 + dt_2; the gradient of y_1 + y_2 along dt is 1 + e^−100 and 1 − 100 e^−100.
"""

import torch

from kernels.peers.official import ssd_chunk_scan  # their function, imported without the CUDA extension

dt, one = torch.ones(1, 2, 1, requires_grad=True), torch.ones(1, 2, 1, 1)
y = ssd_chunk_scan(one, dt, torch.tensor([-100.0]), one, one, 2)
got = torch.autograd.grad(y.sum(), dt)[0].flatten().tolist()
right = [1.0, 1.0]
print("got:", got, " right:", right)
