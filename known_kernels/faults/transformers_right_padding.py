"""transformers 5.23.0: after right padding, told by attention_mask, the cache is not that of the tokens alone."""

import torch
from transformers import DynamicCache, MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

config = MambaConfig(hidden_size=2, state_size=2, num_hidden_layers=1)
mixer, u, mask = MambaMixer(config, 0).eval().requires_grad_(False), torch.ones(1, 4, 2), torch.tensor([[1, 1, 1, 0]])
right, cache = mixer(u)[0, 3].tolist(), DynamicCache(config=config)
mixer(u, cache_params=cache, attention_mask=mask)
got = mixer(u[:, :1], cache_params=cache).flatten().tolist()
print("got:", got, " right:", right)
