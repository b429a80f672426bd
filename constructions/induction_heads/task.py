"""The task of induction heads: y_t = x_{j+1}, j the last earlier position with x_j = x_t, blank if there is none."""

import numpy as np


def answers(tokens: np.ndarray, num_tokens: int) -> np.ndarray:
    """What follows the last earlier occurrence of each token, `num_tokens` (blank) if none: (..., L) int64."""
    order = np.argsort(tokens, axis=-1, kind="stable")  # by token and, for one token, by position
    ordered = np.take_along_axis(tokens, order, -1)
    again = ordered[..., 1:] == ordered[..., :-1]
    follower = np.take_along_axis(tokens, np.minimum(order[..., :-1] + 1, tokens.shape[-1] - 1), -1)
    found = np.full_like(tokens, num_tokens)
    np.put_along_axis(found, order[..., 1:], np.where(again, follower, num_tokens), -1)
    return found


def batch(num_tokens: int, num_examples: int, input_seq_len: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Uniform tokens and their answers, (num_examples, L) int64 each; the blank is token `num_tokens`."""
    tokens = np.random.default_rng(seed).integers(num_tokens, size=(num_examples, input_seq_len))
    return tokens, answers(tokens, num_tokens)


def hard_case(num_tokens: int, length: int, position: int, seed: int) -> np.ndarray:
    """The paper's hard case: token 0 only at `position` and `length - position` (from 1), the rest random others."""
    if not 1 <= position < length - position:
        raise ValueError(f"position={position} must lie before the middle of a sequence of length {length}: lower it.")
    tokens = np.random.default_rng(seed).integers(1, num_tokens, length)
    tokens[[position - 1, length - position - 1]] = 0
    return tokens


def lone_write(gap: int) -> np.ndarray:
    """0 1 … 1 0, asked `gap` steps after the write: length gap + 2."""
    return np.array([0, *[1] * gap, 0])


def repeated(count: int, gap: int = 1) -> np.ndarray:
    """0^count 1 … 1 0: the query's token before its answer as often as wanted, asked `gap` steps after the write."""
    return np.array([*[0] * count, *[1] * gap, 0])
