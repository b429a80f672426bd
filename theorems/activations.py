"""The activations of the blocks as sympy expressions, for every theorem and every check."""

from __future__ import annotations

import sympy as sp


def sigmoid(e: sp.Expr) -> sp.Expr:
    """1/(1 + e^{−e})."""
    return 1 / (1 + sp.exp(-e))


def softplus(e: sp.Expr, *, evaluate: bool = True) -> sp.Expr:
    """ln(1 + e^e); with `evaluate=False` it stays as written at constants, so that a proof shows what it evaluates."""
    return sp.log(1 + sp.exp(e, evaluate=evaluate), evaluate=evaluate)


def silu(e: sp.Expr) -> sp.Expr:
    """e·σ(e)."""
    return e / (1 + sp.exp(-e))


def silu_step(e: sp.Expr, w: sp.Expr) -> sp.Expr:
    """(SiLU(w(e + 1)) − SiLU(w·e))/w: about 1[e ≥ 0] on integers, for a sharpness w > 0."""
    return (silu(w * (e + 1)) - silu(w * e)) / w


def relu(e: sp.Expr) -> sp.Expr:
    """max(0, e)."""
    return sp.Max(0, e)


def identity(e: sp.Expr) -> sp.Expr:
    """e."""
    return e
