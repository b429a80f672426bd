"""The task KEEP n-TH: y_t = x_n for every t ≥ n, over independent and uniform tokens. [P] Section 3.2, App. D.2."""

import numpy as np

from mamba_theorems.constructions.tasks import IGNORED


def answers(tokens: np.ndarray, n: int) -> np.ndarray:
    """Token n at every t ≥ n, IGNORED before: (..., L) int64; tokens are counted from 1. ValueError without token n."""
    if not 1 <= n <= tokens.shape[-1]:
        raise ValueError(f"There is no token {n} among {tokens.shape[-1]}: choose 1 ≤ n ≤ input_seq_len.")
    found = np.full_like(tokens, IGNORED)
    found[..., n - 1 :] = tokens[..., n - 1 : n]
    return found


def batch(n: int, vocab_size: int, num_examples: int, input_seq_len: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and targets, (num_examples, L) int64 each. Raises ValueError without token n."""
    tokens = np.random.default_rng(seed).integers(vocab_size, size=(num_examples, input_seq_len))
    return tokens, answers(tokens, n)
