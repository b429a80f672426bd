"""transformers 5.23.0: both steps of decoding round the state to float16 before it is read."""

import torch
from transformers.models.mamba.modeling_mamba import mamba_selective_state_update as step

x = torch.full((1, 1), 300.0, dtype=torch.float16)
C = torch.full((1, 1), 1 / 128, dtype=torch.float16)
got = step(torch.zeros(1, 1, 1), x, torch.ones_like(x), torch.zeros(1, 1), x, C).tolist()
right = [[300 * 300 / 128]]
print("got:", got, " right:", right)
