"""mamba_ssm 2.3.2: selective_state_update_ref rounds the state to float16 before it is read."""

import torch

from kernels.peers.official import selective_state_update  # their function, imported without the CUDA extension

x = torch.full((1, 1), 300.0, dtype=torch.float16)
C = torch.full((1, 1), 1 / 128, dtype=torch.float16)
got = selective_state_update(torch.zeros(1, 1, 1), x, torch.ones_like(x), torch.zeros(1, 1), x, C).tolist()
right = [[300 * 300 / 128]]
print("got:", got, " right:", right)
