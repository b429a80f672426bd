"""transformers 5.23.0: Mamba-2's scan multiplies what a mask should select: a NaN reaches the tokens before it."""

import torch
from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

one, x = torch.ones(1, 3, 1, 1), torch.tensor([1.0, 1.0, torch.nan]).reshape(1, 3, 1, 1)
got = mamba2_chunk_scan(x, torch.ones(1, 3, 1), torch.zeros(1), one, one, chunk_size=4).flatten().tolist()
right = [1.0, 2.0, torch.nan]
print("got:", got, " right:", right)
