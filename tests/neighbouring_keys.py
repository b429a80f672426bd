"""Recall by moments (N = 2) among neighbouring keys, the nearest scores there are."""

import numpy as np
import torch

from mamba_theorems.constructions.construction import Construction


def margins_in_scores(model: Construction, tokens: np.ndarray, at: slice, targets: np.ndarray) -> np.ndarray:
    """(queries,): the right float32 logit less the best other, where the score of the right key, q^2 + K^2, is 1 each.

    `tokens` is one sequence (L,), whose queries are at `at` with the answers `targets` (queries,).
    """
    with torch.no_grad():
        logits = model.module(torch.float32)(torch.from_numpy(tokens)[None])[0, at].double().numpy()
    rows, keys = np.arange(len(targets)), model.vocabulary.keys
    right = logits[rows, targets].copy()
    logits[rows, targets] = -np.inf
    score = (tokens[at] - keys[0] + 1) ** 2 + len(keys) ** 2
    return (right - logits.max(1)) * score / right
