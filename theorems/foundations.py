"""What every other theorem stands on: discretisation, the recurrence and its unrolled form.

Section 2 of the paper and Appendix A; Gu & Dao (2023), Dao & Gu (2024).
"""

from __future__ import annotations

import sympy as sp

from theorems.claim import Claim, Form
from theorems.proof import Bound, Identity, Induction, Limit, Proof

n, j, r = sp.symbols("n j r", integer=True, nonnegative=True)
a, b = sp.Function("a"), sp.Function("b")
x = sp.Symbol("x", nonnegative=True)


def unrolled_sum(length: sp.Expr) -> sp.Expr:
    """Σ_{j=1}^{length} (Π_{r=j+1}^{length} a_r) b_j, the state after `length` steps from 0."""
    return sp.Sum(sp.Product(a(r), (r, j + 1, length)) * b(j), (j, 1, length))


def _unrolled() -> Proof:
    return Proof(
        steps=(
            Induction(
                name="the recurrence unrolls",
                because="peel the newest write off the sum and the newest decay off each product",
                index=n,
                start=0,
                initial=sp.S.Zero,
                next=lambda h, t: a(t + 1) * h + b(t + 1),
                closed=unrolled_sum(n),
            ),
        )
    )


def _scan_associative() -> Proof:
    a1, a2, a3, b1, b2, b3 = sp.symbols("a1 a2 a3 b1 b2 b3", real=True)

    def then(first: tuple[sp.Expr, sp.Expr], second: tuple[sp.Expr, sp.Expr]) -> tuple[sp.Expr, sp.Expr]:
        return first[0] * second[0], second[0] * first[1] + second[1]

    one, two, three = (a1, b1), (a2, b2), (a3, b3)
    left, right = then(then(one, two), three), then(one, then(two, three))
    return Proof(
        steps=(
            Identity(name="decays compose", lhs=left[0], rhs=right[0]),
            Identity(name="states compose", lhs=left[1], rhs=right[1]),
        )
    )


DECAY_GAP = (1 - sp.exp(-x)) - x * (1 - x / 2)


def _euler_gap() -> Proof:
    y = sp.Symbol("y", positive=True)
    ratio = (1 - sp.exp(-y)) / y
    return Proof(
        steps=(
            Bound(
                name="lower, times x",
                claim=sp.Ge(1 - sp.exp(-x), x - x**2 / 2),
                because="1 − e^{−x} − x + x²/2 and its first two derivatives are ≥ 0 at 0",
                also_wrong=(Bound(name="x²/3 for x²/2", claim=sp.Ge(1 - sp.exp(-x), x - x**2 / 3)),),
            ),
            Bound(
                name="upper, times x",
                claim=sp.Le(1 - sp.exp(-x), x - x**2 / 2 + x**3 / 6),
                also_wrong=(Bound(name="x³/7 for x³/6", claim=sp.Le(1 - sp.exp(-x), x - x**2 / 2 + x**3 / 7)),),
            ),
            Limit(name="the ratio tends to 1", expression=ratio, variable=y, point=sp.S.Zero, value=sp.S.One),
            Bound(
                name="divide by x > 0",
                claim=sp.And(sp.Ge(ratio, 1 - y / 2), sp.Le(ratio, 1 - y / 2 + y**2 / 6)),
                given=(
                    sp.Ge(1 - sp.exp(-y), y - y**2 / 2),
                    sp.Le(1 - sp.exp(-y), y - y**2 / 2 + y**3 / 6),
                ),
            ),
        )
    )


CLAIMS = (
    Claim(
        id="foundations.unrolled",
        paper="Eq. (2)–(3)",
        form=Form.PRINTED,
        title="the recurrence is its unrolled sum",
        statement=r"h_t=\bar\Lambda_t h_{t-1}+b_t,\ h_0=0\ \Rightarrow\ "
        r"h_t=\sum_{j=1}^{t}\Bigl(\prod_{r=j+1}^{t}\bar\Lambda_r\Bigr)b_j",
        proof=_unrolled,
    ),
    Claim(
        id="foundations.scan-associative",
        paper="Gu & Dao (2023), §3.3",
        form=Form.PRINTED,
        title="the scan operator is associative",
        statement=r"(a_1,b_1)\circ(a_2,b_2)=(a_1a_2,\,a_2b_1+b_2)\ \text{is associative}",
        proof=_scan_associative,
    ),
    Claim(
        id="foundations.euler-gap",
        paper="Eq. (3), §2",
        form=Form.EXTENSION,
        title="how far Euler's B is from ZOH's",
        statement=r"1-\tfrac x2\le\frac{1-e^{-x}}{x}\le1-\tfrac x2+\tfrac{x^2}{6},\quad x=\lambda\Delta>0",
        hypotheses=(r"\lambda\Delta>0",),
        proof=_euler_gap,
    ),
)
