"""causal_conv1d 1.7.0: causal_conv1d_ref multiplies by the mask of seq_idx: a NaN reaches the next packed sequence."""

import sys, types, torch  # noqa: E401

sys.modules["causal_conv1d_cuda"] = types.ModuleType("causal_conv1d_cuda")  # the extension, which a CPU lacks
from causal_conv1d.causal_conv1d_interface import causal_conv1d_ref  # noqa: E402

x, seq_idx = torch.tensor([[[1.0, torch.nan, 1.0, 1.0]]]), torch.tensor([[0, 0, 1, 1]])
got = causal_conv1d_ref(x, torch.ones(1, 2), seq_idx=seq_idx).flatten().tolist()
right = [1.0, torch.nan, 1.0, 2.0]
print("got:", got, " right:", right)
