"""transformers 5.23.0: with time_step_limit a step of Mamba-2 is not what a forward pass gives: the step has no limit."""

import torch
from transformers import DynamicCache, Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

sizes = {"hidden_size": 2, "num_heads": 1, "head_dim": 4, "state_size": 2, "n_groups": 1, "num_hidden_layers": 1}
config = Mamba2Config(**sizes, time_step_limit=(1.0, 2.0))
mixer, u, cache = Mamba2Mixer(config, 0).eval().requires_grad_(False), torch.ones(1, 2, 2), DynamicCache(config=config)
right = mixer(u)[0, 1].tolist()
got = [mixer(token, cache_params=cache) for token in u.split(1, 1)][1].flatten().tolist()
print("got:", got, " right:", right)
