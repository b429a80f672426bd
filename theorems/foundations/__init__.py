"""What every other theorem stands on: discretisations, the one recurrence in its many forms, and SiLU's identities.

Section 2 of the paper and Appendix A; Gu & Dao (2023), Dao & Gu (2024).
"""

from __future__ import annotations

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.foundations import activations, copying, discretisation, recurrence
from mamba_theorems.theorems.foundations.recurrence import unrolled_sum

__all__ = ["CLAIMS", "unrolled_sum"]

POSITIVE = r"\lambda\Delta>0"

CLAIMS = (
    Claim(
        id="foundations.zoh",
        paper="Eq. (3), §2",
        form=Form.PRINTED,
        title="zero-order hold solves the state equation exactly",
        statement=r"h'=-\lambda h+Bx,\ x\ \text{held}\ \Rightarrow\ "
        r"h(\Delta)=e^{-\lambda\Delta}h(0)+\frac{1-e^{-\lambda\Delta}}{\lambda}Bx;\ "
        r"\text{the gain tends to}\ \Delta\ \text{as}\ \lambda\to0",
        hypotheses=(r"\lambda>0,\ \Delta>0",),
        proof=discretisation.zoh,
    ),
    Claim(
        id="foundations.euler-gap",
        paper="Eq. (3), §2",
        form=Form.EXTENSION,
        title="how far Euler's B is from ZOH's",
        statement=r"1-\tfrac x2\le\frac{1-e^{-x}}{x}\le1-\tfrac x2+\tfrac{x^2}{6},\quad x=\lambda\Delta>0",
        hypotheses=(POSITIVE,),
        formula=discretisation.GAP,
        proof=discretisation.euler_gap,
    ),
    Claim(
        id="foundations.bilinear",
        paper="§2 (S4's discretisation)",
        form=Form.EXTENSION,
        title="the bilinear rule: stable, third-order close, and alternating beyond λΔ = 2",
        statement=r"0\le e^{-x}-\frac{1-x/2}{1+x/2}\le\frac{x^3}{12},\quad "
        r"\frac{1-x/2}{1+x/2}\in(-1,1],\ <0\iff x>2",
        hypotheses=(r"x=\lambda\Delta\ge0",),
        formula=discretisation.BILINEAR,
        proof=discretisation.bilinear,
    ),
    Claim(
        id="foundations.unrolled",
        paper="Eq. (2)–(3)",
        form=Form.PRINTED,
        title="the recurrence is its unrolled sum",
        statement=r"h_t=\bar\Lambda_t h_{t-1}+b_t,\ h_0=0\ \Rightarrow\ "
        r"h_t=\sum_{j=1}^{t}\Bigl(\prod_{r=j+1}^{t}\bar\Lambda_r\Bigr)b_j",
        proof=recurrence.unrolled,
    ),
    Claim(
        id="foundations.scan-associative",
        paper="Gu & Dao (2023), §3.3",
        form=Form.PRINTED,
        title="the scan operator is associative",
        statement=r"(a_1,b_1)\circ(a_2,b_2)=(a_1a_2,\,a_2b_1+b_2)\ \text{is associative};\ "
        r"h_{i+m}=\Bigl(\prod_{r=i+1}^{i+m}a_r\Bigr)h_i+\sum_{j=i+1}^{i+m}\Bigl(\prod_{r=j+1}^{i+m}a_r\Bigr)b_j",
        proof=recurrence.scan_associative,
    ),
    Claim(
        id="foundations.lti-convolution",
        paper="Gu et al. (2022), S4; §2",
        form=Form.PRINTED,
        title="S4D: recurrence = convolution = FFT zero-padded to at least 2L − 1",
        statement=r"y_t=\sum_{j\le t}k_{t-j}x_j,\ k_i=\sum_nC_n\bar\Lambda_n^i\bar B_n;\quad "
        r"y=\mathcal F_P^{-1}(\mathcal F_Pk\cdot\mathcal F_Px)\ \text{on}\ 0\le t<L"
        r"\ \text{for all}\ k,x\ \text{iff}\ P\ge2L-1",
        depends_on=("foundations.unrolled",),
        proof=recurrence.lti_convolution,
    ),
    Claim(
        id="foundations.s6-not-lti",
        paper="§2",
        form=Form.PRINTED,
        title="S6 is not linear time-invariant: it is not linear",
        statement=r"S(2x)\ne2S(x):\ x=\ln3,\ N=1:\ 2\ln3\ln10\ne2\ln3\ln4;\ "
        r"\text{also with Δ in the decay only;\ it does commute with a delay}",
        proof=recurrence.s6_not_lti,
    ),
    Claim(
        id="foundations.gated-rnn",
        paper="Gu & Dao (2023), Theorem 1",
        form=Form.PRINTED,
        title="ZOH with N = 1, A = −1 is the gated RNN; Euler is not",
        statement=r"\Delta=\text{softplus}(z)\Rightarrow e^{-\Delta}h+(1-e^{-\Delta})u=(1-g)h+g\,u,\ g=\sigma(z);\quad "
        r"\text{Euler writes}\ \Delta u,\ \Delta\ge g",
        hypotheses=("N = 1, A = −1, B = 1, ZOH",),
        formula=discretisation.GATED,
        proof=discretisation.gated_rnn,
    ),
    Claim(
        id="foundations.ssd-duality",
        paper="Dao & Gu (2024), §3–7",
        form=Form.PRINTED,
        title="Mamba-2 is masked attention, by rows or by chunks",
        statement=r"y=(L\circ CB^\top)(\Delta x),\ L_{tj}=\prod_{r=j+1}^ta_r=e^{A(\sigma_t-\sigma_j)},\ "
        r"\sigma_t=\sum_{r\le t}\Delta_r;\ \text{chunked}=\text{recurrent}",
        hypotheses=(r"a_r=e^{A\Delta_r}\ \text{one number a head}",),
        depends_on=("foundations.unrolled", "foundations.scan-associative"),
        proof=recurrence.ssd_duality,
    ),
    Claim(
        id="foundations.silu-pair",
        paper="official blocks",
        form=Form.EXTENSION,
        title="two SiLU channels make a linear one",
        statement=r"\text{SiLU}(x)-\text{SiLU}(-x)=x",
        formula=activations.PAIR,
        proof=activations.silu_pair,
    ),
    Claim(
        id="foundations.silu-step",
        paper="official blocks",
        form=Form.EXTENSION,
        title="the SiLU step is its own complement",
        statement=r"\text{step}(d)=\frac{\text{SiLU}(w(d+1))-\text{SiLU}(wd)}{w}\ \Rightarrow\ "
        r"\text{step}(d)+\text{step}(-1-d)=1,\ \text{step}(-1)=\frac1{1+e^w}",
        hypotheses=("w > 0",),
        depends_on=("foundations.silu-pair",),
        formula=activations.STEP,
        proof=activations.silu_step_proof,
    ),
    Claim(
        id="foundations.selective-copying",
        paper="Gu & Dao (2023), §4.1.1",
        form=Form.EXTENSION,
        title="two official layers with N = M copy M tokens; no additive state smaller than M does",
        statement=r"\text{layer 1 counts, layer 2 writes content}\ l\ \text{at address}\ l\ \text{and reads}\ i\ "
        r"\text{at marker}\ i:\ \text{margin}>\tfrac14\ \text{for}\ w\ge32M;\ "
        r"S_{il}=C_i\cdot B_l\ \text{strictly diagonally dominant}\Rightarrow N\ge M",
        hypotheses=(
            "exactly M content tokens, in any places among noise, then M markers; contents may coincide",
            "lower bound: contents are added into one state and read linearly",
        ),
        depends_on=("foundations.unrolled", "foundations.silu-pair"),
        formula=copying.MARGIN,
        proof=copying.proof,
    ),
)
