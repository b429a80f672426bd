"""How the state depends on one input: eq. (11) and Lemma 1.

One component h of a diagonal state, one coordinate x of the mixer's input x̂_j. Step j reads x: h_j = Λ(x) h_{j−1} +
w(x). Step r > j multiplies by a(r), which is e^{−λΔ(r)} in S6 and e^{−λ} in S4D, and adds b(r): neither depends on x.
m = t − j.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Chained,
    Conjunction,
    Identity,
    Induction,
    Proof,
    Step,
    Termwise,
)
from mamba_theorems.theorems.proofs.written import ForAll
from mamba_theorems.theorems.statement import Hypothesis

x = sp.Symbol("x", real=True)
j, r, i = sp.symbols("j r i", integer=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
before, lam, floor = sp.symbols("h_{j-1} lambda delta", real=True)
a, b, Delta = (sp.Function(name, real=True) for name in ("a", "b", "Delta"))
Decay, Write = sp.Function("Lambda", real=True), sp.Function("w", real=True)

Decays = Callable[[sp.Expr], sp.Expr]
AT_J = Decay(x) * before + Write(x)
"""h_j."""
K = sp.Derivative(Write(x), x) + before * sp.Derivative(Decay(x), x)
"""K_j = ∂(B̄_j x̂_j)/∂x̂_j + h_{j−1} ∂Λ̄_j/∂x̂_j."""

LAMBDA = Hypothesis("λ ≥ 0", "the eigenvalue −λ is not positive", sp.Ge(lam, 0), r"\lambda\ge0")


def s6(step: sp.Expr) -> sp.Expr:
    """e^{−λΔ(r)}."""
    return sp.exp(-lam * Delta(step))


def s4d(_: sp.Expr) -> sp.Expr:
    """e^{−λ}: Δ = 1."""
    return sp.exp(-lam)


def kept(decay: Decays, steps: sp.Expr = m) -> sp.Expr:
    """Π_{r=j+1}^{j+steps} a(r)."""
    return sp.Product(decay(r), (r, j + 1, j + steps))


def state(decay: Decays, steps: sp.Expr = m) -> sp.Expr:
    """h_{j+steps} as a function of x: the unrolled sum from h_j on."""
    own = sp.Sum(b(i) * sp.Product(decay(r), (r, i + 1, j + steps)), (i, j + 1, j + steps))
    return kept(decay, steps) * AT_J + own


def sensitivity(decay: Decays) -> sp.Expr:
    """∂h_t/∂x̂_j, t = j + m."""
    return sp.Derivative(state(decay), x)


def clock(steps: sp.Expr = m) -> sp.Expr:
    """Σ_{r=j+1}^{j+steps} Δ(r)."""
    return sp.Sum(Delta(r), (r, j + 1, j + steps))


START = sp.Eq(state(a, sp.S.Zero), AT_J, evaluate=False)
FOLLOWS = sp.Eq(state(a, m + 1), a(j + m + 1) * state(a) + b(j + m + 1), evaluate=False)
EQ11 = sp.Eq(sensitivity(a), K * kept(a), evaluate=False)


def by_product(decay: Decays, of: str = "") -> Identity:
    """Eq. (11) for the decays of a kind."""
    return Identity(
        name=f"{of}∂h_t/∂x̂_j = K_j Π a(r)",
        because="eq. (11): what later steps add does not depend on x",
        lhs=sensitivity(decay),
        rhs=K * kept(decay),
    ).but_not("without the term through the decay", rhs=sp.Derivative(Write(x), x) * kept(decay))


def eq11() -> Proof:
    """The unrolled sum solves the recurrence; differentiate it."""
    steps = (
        Identity(name="the unrolled sum starts at h_j", lhs=START.lhs, rhs=START.rhs),
        Identity(name="and follows the recurrence", lhs=FOLLOWS.lhs, rhs=FOLLOWS.rhs).but_not(
            "the decay one step late", rhs=a(j + m) * state(a) + b(j + m + 1)
        ),
        by_product(a),
    )
    return Proof(steps=(*steps, Conjunction(name="eq. (11)", of=steps)))


def _same_sequence(decay: Decays, product: sp.Expr, name: str) -> tuple[Step, ...]:
    """The product of the decays and a closed form follow one recurrence p ← a p from 1."""
    both = [
        Induction(
            name=f"{name}: {what}",
            sequence=f"p_{name}",
            index=m,
            initial=sp.S.One,
            next=lambda p, n: decay(j + n + 1) * p,
            closed=closed,
        )
        for what, closed in (("the product of the decays", kept(decay)), ("its closed form", product))
    ]
    equal, closed = (step.relation for step in both)
    same = Chained(name=f"{name}: the decays multiply", links=(sp.Eq(equal.rhs, equal.lhs, evaluate=False), closed))
    return (*both, same)


AT_START = {m: 0, j: 0, lam: 0}
"""Where every premise about the state holds: at step j itself, without decay."""
S6_PRODUCT, S4D_PRODUCT = sp.exp(-lam * clock()), sp.exp(-lam * m)


def absolute(decay: Decays, size: sp.Expr, factor: sp.Expr | None = None) -> sp.Eq:
    """|∂h_t/∂x̂_j| = |K_j|·size, or c̃·size with another constant c̃."""
    constant = sp.Abs(K) if factor is None else factor
    return sp.Eq(sp.Abs(sensitivity(decay)), constant * size, evaluate=False)


def size_is(decay: Decays, product: sp.Expr, name: str) -> tuple[Step, ...]:
    """|∂h_t/∂x̂_j| = |K_j|·product, from eq. (11) and the product's closed form."""
    derivative, same = by_product(decay, f"{name}: "), _same_sequence(decay, product, name)
    size = Bound(
        name=f"{name}: |∂h_t/∂x̂_j|",
        claim=absolute(decay, product),
        given=(derivative.relation, same[-1].relation),
        witness=AT_START,
    ).but_not("half of it", claim=absolute(decay, product / 2))
    return (derivative, *same, size)


S6_SIZE, S4D_SIZE = absolute(s6, S6_PRODUCT), absolute(s4d, S4D_PRODUCT)
S4D_PRINTED = absolute(s4d, sp.exp(-lam * (m - 1)), sp.exp(-lam) * sp.Abs(K))
LEMMA1 = sp.And(S4D_PRINTED, S6_SIZE, evaluate=False)


def lemma1() -> Proof:
    """Both closed forms, with the constant that the printed exponents need."""
    time_invariant = size_is(s4d, S4D_PRODUCT, "S4D")
    printed = Bound(
        name="S4D: c̃ = e^{−λ}|K_j| with the printed exponent t − (j+1)",
        claim=S4D_PRINTED,
        given=(S4D_SIZE, split := sp.Eq(S4D_PRODUCT, sp.exp(-lam) * sp.exp(-lam * (m - 1)), evaluate=False)),
        witness=AT_START,
    )
    exponents = Identity(name="e^{−λm} = e^{−λ}e^{−λ(m−1)}", lhs=split.lhs, rhs=split.rhs)
    selective = size_is(s6, S6_PRODUCT, "S6")
    lemma = Conjunction(name="Lemma 1", of=(printed, selective[-1]))
    return Proof(steps=(*time_invariant, exponents, printed, *selective, lemma))


# --- a floor under every step -------------------------------------------------------------------------------------

LATER = sp.And(sp.Ge(r, j + 1), sp.Le(r, j + m))
FLOOR = Hypothesis(
    "Δ ≥ δ",
    "no step after j is shorter than δ",
    ForAll(r, sp.Ge(Delta(r), floor), LATER),
    r"\Delta_r\ge\delta\ (j<r\le t)",
)
FORGETS = sp.Le(sp.Abs(sensitivity(s6)), sp.Abs(K) * sp.exp(-lam * floor * m), evaluate=False)


def slow(step: sp.Expr) -> sp.Expr:
    """e^{−λ ln(1 + 1/(r−j))}, r > j: steps that shrink like 1/(r − j); written so that it is real for every r."""
    return sp.exp(-lam * sp.log(1 + 1 / (1 + sp.Abs(step - j - 1))))


SLOW_PRODUCT = (1 + m) ** (-lam)
SLOW_SIZE = absolute(slow, SLOW_PRODUCT)
LEMMA1_AMENDED = sp.And(S4D_SIZE, S6_SIZE, FORGETS, SLOW_SIZE, evaluate=False)


def at_most_exponential(size: Step) -> tuple[Step, ...]:
    """Δ ≥ δ at every step gives ΣΔ ≥ mδ, hence |K| e^{−λΣΔ} ≤ |K| e^{−λδm}; `size` states |∂h_t/∂x̂_j|."""
    least = sp.Sum(floor, (r, j + 1, j + m))
    longer = Termwise(name="m steps of at least δ each", lower=least, upper=clock(), given=(FLOOR.meaning,))
    even = Identity(name="m steps of δ", lhs=least, rhs=floor * m)
    forgets = Bound(
        name="the sensitivity is at most |K_j| e^{−λδ(t−j)}",
        because="the exponential is monotone",
        claim=FORGETS,
        given=(size.relation, longer.relation, even.relation, LAMBDA.meaning),
        witness=AT_START,
    ).but_not("without a floor", given=(size.relation, LAMBDA.meaning))
    return (longer, even, forgets)


def lemma1_amended() -> Proof:
    """c̃ = |K_j|; S4D's exponent t − j; and what "exponentially" needs."""
    time_invariant, selective = size_is(s4d, S4D_PRODUCT, "S4D"), size_is(s6, S6_PRODUCT, "S6")
    forgets, slowly = at_most_exponential(selective[-1]), size_is(slow, SLOW_PRODUCT, "slow")
    parts = tuple(steps[-1] for steps in (time_invariant, selective, forgets, slowly))
    return Proof(
        hypotheses=(LAMBDA.meaning, FLOOR.meaning),
        steps=(
            *time_invariant,
            *selective,
            *forgets,
            *slowly,
            Conjunction(name="Lemma 1, amended", of=parts),
        ),
    )


CLAIMS = (
    Claim(
        id="sensitivity.eq11",
        paper="Eq. (11)",
        form=Form.PRINTED,
        title="the sensitivity of the state to an input",
        statement=r"h_j=\bar\Lambda_jh_{j-1}+\bar B_j\hat x_j,\ h_r=\bar\Lambda_rh_{r-1}+b_r\ (r>j)\ \Rightarrow\ "
        r"\partial h_t/\partial\hat x_j=\Bigl(\prod_{r=j+1}^t\bar\Lambda_r\Bigr)K_j,\quad "
        r"K_j=\frac{\partial(\bar B_j\hat x_j)}{\partial\hat x_j}"
        r"+\frac{\partial\bar\Lambda_j}{\partial\hat x_j}h_{j-1}",
        depends_on=("foundations.unrolled",),
        formula=sp.And(START, FOLLOWS, EQ11, evaluate=False),
        proof=eq11,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("real.Sensitivity.eq11", "real.Sensitivity.eq11_s6"),
            refused=(
                Weakened("without the term through the decay", ": R := dw + before * dLambda.", ": R := dw."),
                Weakened(
                    "the decay of step j too",
                    r"(gain dLambda dw * \prod_(j.+1 <= r < t.+1)",
                    r"(gain dLambda dw * \prod_(j <= r < t.+1)",
                ),
                Weakened(
                    "later steps read x",
                    "Hypothesis write_elsewhere : forall x r, r != j ->",
                    "Hypothesis write_elsewhere : forall x r, (r < j)%N ->",
                ),
            ),
        ),
    ),
    Claim(
        id="sensitivity.lem1",
        paper="Lemma 1",
        form=Form.PRINTED,
        title="S4D forgets by e^{−λ(t−j−1)}, S6 by e^{−λΣΔ}, up to a constant",
        statement=r"|\partial h_t/\partial\hat x_j|=\tilde c\,e^{-\lambda(t-(j+1))}\ (\Delta=1:\ \text{S4D}),\ "
        r"\tilde c=e^{-\lambda}|K_j|;\quad "
        r"\tilde c\,e^{-\lambda\sum_{r=j+1}^t\Delta_r}\ \text{(S6)},\ \tilde c=|K_j|",
        depends_on=("sensitivity.eq11",),
        formula=LEMMA1,
        proof=lemma1,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("real.Lemma1.lem1",),
            refused=(
                Weakened("the printed constant with the exponent t − j", "(t%:R - (j%:R + 1))", "(t%:R - j%:R)"),
                Weakened(
                    "without the term through the decay",
                    "(s6_decays t -> sensitivity t = `|K| *",
                    "(s6_decays t -> sensitivity t = `|dw| *",
                ),
                Weakened(
                    "S4D decays by e^{−2λ}",
                    "decay x0 r c n = expR (- lambda).",
                    "decay x0 r c n = expR (- lambda *+ 2).",
                ),
            ),
        ),
    ),
    Claim(
        id="sensitivity.lem1-amended",
        paper="Lemma 1",
        form=Form.AMENDED,
        title="the constant is |K_j|; exponential decay needs λ > 0 and Δ bounded below",
        statement=r"|\partial h_t/\partial\hat x_j|=|K_j|e^{-\lambda(t-j)}\ \text{(S4D)},\ "
        r"|K_j|e^{-\lambda\sum_{r>j}\Delta_r}\le|K_j|e^{-\lambda\delta(t-j)}\ \text{(S6)};\ "
        r"\text{with}\ \Delta_r=\ln(1+\tfrac1{r-j})\ \text{it is only}\ |K_j|(1+t-j)^{-\lambda}",
        hypotheses=(LAMBDA, FLOOR),
        depends_on=("sensitivity.eq11",),
        formula=LEMMA1_AMENDED,
        proof=lemma1_amended,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("real.Lemma1.lem1_amended",),
            refused=(
                Weakened(
                    "without a floor",
                    "s6_decays t -> (forall r, (j < r <= t)%N -> delta <= Delta r) ->\n        sensitivity",
                    "s6_decays t ->\n        sensitivity",
                ),
                Weakened("λ negative", "0 <= lambda ->\n  [/\\", "lambda <= 0 ->\n  [/\\"),
                Weakened("a slow clock one step late", "`|K| * (1 + (t - j)%:R) `^", "`|K| * (t - j)%:R `^"),
            ),
        ),
    ),
)
