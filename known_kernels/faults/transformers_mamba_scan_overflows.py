"""transformers 5.23.0: Mamba's scan rounds the state to float16 before it is read; 300·300 does not fit, 90000/128 does."""

import torch
from transformers.models.mamba.modeling_mamba import mamba_selective_scan

u = torch.full((1, 1, 1), 300.0, dtype=torch.float16)
C = torch.full((1, 1, 1), 1 / 128, dtype=torch.float16)
got = mamba_selective_scan(u, torch.ones_like(u), torch.zeros(1, 1), u, C).tolist()
right = [[[300 * 300 / 128]]]
print("got:", got, " right:", right)
