"""Memory: how much of an input the state still knows later (Section 3.2 of the paper, Lemmas 1 and 2, eq. 11, 45).

Statements are about one component of a diagonal state h and one coordinate of the mixer's input x̂; j ≤ t.
"""

from __future__ import annotations

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Outcome
from mamba_theorems.theorems.sensitivity import attention, latch, lemma2, recurrence

DIAGONAL = r"\bar\Lambda_r=e^{-\lambda\Delta_r},\ \lambda\ge0,\ \Delta_r>0"
ANY_INPUT = "Euler or ZOH: the write may be any differentiable function of the mixer's input at its own step"

CLAIMS = (
    Claim(
        id="sensitivity.eq11",
        paper="Eq. (11)",
        form=Form.PRINTED,
        title="the sensitivity of the state to an input",
        statement=r"\partial h_t/\partial\hat x_j=\Bigl(\prod_{r=j+1}^t\bar\Lambda_r\Bigr)K_j,\quad "
        r"K_j=\frac{\partial(\bar B_j\hat x_j)}{\partial\hat x_j}"
        r"+\frac{\partial\bar\Lambda_j}{\partial\hat x_j}h_{j-1}",
        hypotheses=(ANY_INPUT,),
        depends_on=("foundations.unrolled",),
        formula=recurrence.propagation().relation,
        proof=recurrence.eq11,
    ),
    Claim(
        id="sensitivity.lem1",
        paper="Lemma 1",
        form=Form.PRINTED,
        title="S4D forgets by e^{−λ(t−j−1)}, S6 by e^{−λΣΔ}, up to a constant",
        statement=r"|\partial h_t/\partial\hat x_j|=\tilde c\,e^{-\lambda(t-(j+1))}\ \text{(S4D)},\quad "
        r"\tilde c\,e^{-\lambda\sum_{r=j+1}^t\Delta_r}\ \text{(S6), for some}\ \tilde c\ge0",
        hypotheses=(DIAGONAL, r"\Delta=1\ \text{in S4D}"),
        depends_on=("sensitivity.eq11",),
        proof=recurrence.lemma1,
    ),
    Claim(
        id="sensitivity.lem1-amended",
        paper="Lemma 1",
        form=Form.AMENDED,
        title="the constant is |K_j|; exponential decay needs λ > 0 and Δ bounded below",
        statement=r"|\partial h_t/\partial\hat x_j|=|K_j|e^{-\lambda(t-j)}\ \text{(S4D)},\ "
        r"|K_j|e^{-\lambda\sum_{r>j}\Delta_r}\ \text{(S6)};\ "
        r"\Delta\ge\delta\Rightarrow\ \le|K_j|e^{-\lambda\delta(t-j)};"
        r"\ \text{with}\ \Delta_r=\ln(1+1/r)\ \text{it is only}\ t^{-\lambda}",
        hypotheses=(DIAGONAL,),
        depends_on=("sensitivity.eq11",),
        formula=recurrence.FORGETS,
        proof=recurrence.lemma1_amended,
    ),
    Claim(
        id="sensitivity.lem2",
        paper="Lemma 2",
        form=Form.PRINTED,
        title="a summable Δ keeps at least e^{−c} of the input's own write",
        statement=r"\lambda\sum\Delta(x_r)\to\ \le c\ \Rightarrow\ "
        r"\lim_t|\partial h_t/\partial x_j|\ge e^{-c}\,|\partial(B\Delta x)/\partial x_j|",
        hypotheses=(DIAGONAL,),
        expected=Outcome.REFUTED,
        disproof=lemma2.disproof,
        erratum=Erratum(
            printed="If λΣΔ(x_r) converges to at most c, then lim |∂h_t/∂x_j| ≥ e^{−c} |∂(BΔx)/∂x_j|;"
            " to remember, Mamba must necessarily push λΔ to 0.",
            instance="λ = 1, Δ = softplus, B(x) = 1 + βx with β = (2 − ln 3)/(ln 3)², x_1 = ln 3, x_2 = 0,"
            " x_{2+r} = ln(e^{2^{−r}} − 1): h_1 = 4 ln 2, K_2 = ln 2 − h_1/4 = 0, so the left side is 0 at every t ≥ 2;"
            " c = 3 ln 2 + 1 (1 if the sum starts after j) and the right side is ln 2/(8e) = 0.0319 (ln 2/e)."
            " With B = 1 the same happens at x_1 = 1.57357716…, the root of a·softplus(a) = 4 ln 2.",
            reading="x_j moves Δ_j, hence Λ̄_j, hence what is kept of h_{j−1}, as eq. (11) itself says",
            instead="sensitivity.lem2-amended: the limit is |K_j| e^{−λΣ_{r>j}Δ_r}, with equality; the printed bound"
            " holds when (BΔx)′Δ′h_{j−1} ≤ 0, in particular for the first token",
            survives="a summable λΔ keeps every input with K_j ≠ 0; that Δ must tend to 0 is the converse, and true"
            " (sensitivity.criterion)",
        ),
    ),
    Claim(
        id="sensitivity.lem2-amended",
        paper="Lemma 2",
        form=Form.AMENDED,
        title="a summable Δ keeps exactly |K_j| e^{−λΣΔ}",
        statement=r"0\le|\partial h_t/\partial x_j|-|K_j|e^{-\lambda S}"
        r"\le|K_j|\lambda\Bigl(S-\sum_{r=j+1}^t\Delta_r\Bigr),\ S=\sum_{r>j}\Delta_r<\infty",
        hypotheses=(DIAGONAL, r"S<\infty"),
        depends_on=("sensitivity.eq11",),
        formula=lemma2.CLOSE,
        proof=lemma2.amended,
    ),
    Claim(
        id="sensitivity.criterion",
        paper="Lemma 2, both directions",
        form=Form.EXTENSION,
        title="which inputs a state never forgets",
        statement=r"\lim_t|\partial h_t/\partial x_j|>0\iff K_j\ne0\ \text{and}\ "
        r"(\lambda=0\ \text{or}\ \sum_{r>j}\Delta(x_r)<\infty)",
        hypotheses=(DIAGONAL, "a statement about the state h, not about the output y"),
        depends_on=("sensitivity.eq11", "sensitivity.lem2-amended"),
        proof=lemma2.criterion,
    ),
    Claim(
        id="sensitivity.bounded-inputs-forget",
        paper="Section 3.2, condition (12)",
        form=Form.EXTENSION,
        title="on a compact input set every state with λ > 0 forgets exponentially",
        statement=r"|x|\le M\Rightarrow\Delta\ge\delta=\text{softplus}(b-\|w\|M)>0,\quad "
        r"|\partial h_t/\partial x_j|\le|K_j|e^{-\lambda\delta(t-j)}",
        hypotheses=(DIAGONAL, r"\Delta=\text{softplus}(w^\top x+b)"),
        depends_on=("sensitivity.eq11",),
        formula=recurrence.FORGETS,
        proof=recurrence.bounded_inputs_forget,
    ),
    Claim(
        id="sensitivity.latch",
        paper="Section 3.2, beyond it",
        form=Form.EXTENSION,
        title="one S6 state holds the last flagged value; no LTI mixer of any size does",
        statement=r"|h_t-v|\le2e^{-D}+m\varepsilon(1+1/D)\ \text{for S6 with N=1, m steps after the last flag};\ "
        r"\text{every LTI mixer errs by}\ \ge\tfrac12\ \text{on one of four inputs}",
        hypotheses=(
            r"v,u\in[-1,1],\ D\ge1,\ e^{-D}\le\tfrac12,\ \varepsilon\le1",
            "the two flags and the readout are further apart than the convolution's window",
        ),
        depends_on=("foundations.unrolled",),
        formula=latch.HELD,
        proof=latch.proof,
    ),
    Claim(
        id="sensitivity.attention",
        paper="Eq. (45), j < t",
        form=Form.AMENDED,
        title="causal attention forgets like 1/t, with its constant",
        statement=r"|\partial y_t/\partial x_j|\le\frac Ct\bigl(\min_r e^{x_t^\top W_Q^\top W_Kx_r}\bigr)^{-1},\ j<t,"
        r"\quad C=e^{M^2q}\|W_V\|(1+2M^2q)",
        hypotheses=(r"M=\sup\|x\|,\ q=\|W_Q^\top W_K\|", r"j<t"),
        formula=attention.FADES,
        proof=attention.bound,
    ),
    Claim(
        id="sensitivity.attention-query",
        paper="Eq. (45), j = t",
        form=Form.PRINTED,
        title="the same at the query's own token",
        statement=r"|\partial y_t/\partial x_t|\le\frac Ct\bigl(\min_r e^{x_t^\top W_Q^\top W_Kx_r}\bigr)^{-1}",
        hypotheses=(r"C\ \text{does not depend on}\ t",),
        expected=Outcome.REFUTED,
        disproof=attention.query_disproof,
        erratum=Erratum(
            printed="|∂y_t/∂x_j| ≤ (C/t)(min_r e^{…})^{−1} for every j ≤ t.",
            instance="one dimension, W_V = 1, q = 1, x_r = +1, −1, …, +1, −1, x_t = 0: all scores are 0 and ∂y_t/∂x_t ="
            " (q(t−1) + 1)/t = 1, while the right side is C/t; with the C of j < t it fails from t = 9 on (1 > 3e/9).",
            reading="x_j for j = t, the token that is also the query: every score moves with it",
            instead="sensitivity.attention for j < t; at j = t one term more, W_V Cov(x) W_Kᵀ W_Q, at most 2M²q‖W_V‖",
            survives="the O(1/t) decay for every earlier token",
        ),
    ),
    Claim(
        id="sensitivity.mamba2",
        paper="Remark 1",
        form=Form.AMENDED,
        title="Mamba-2: one decay a head, past the convolution's window",
        statement=r"\partial h_t/\partial x_j=\Bigl(\prod_{r>i}\bar\lambda_r\Bigr)G,\ i=j+k-1,\quad "
        r"G=\sum_{i'=j}^{j+k-1}\Bigl(\prod_{r=i'+1}^{i}\bar\lambda_r\Bigr)d_{i'}\ "
        r"\text{with the same factor for all}\ P\times N\ \text{components of a head}",
        hypotheses=(r"\bar\lambda_r=e^{-\lambda\Delta_r}\ \text{scalar per head}", r"t\ge j+k-1"),
        depends_on=("sensitivity.eq11",),
        proof=recurrence.mamba2,
    ),
)
