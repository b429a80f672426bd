(* mqar.n1-delta-gate with the claim's numbers and the real exp: Delta = 1 + 2^60 n, B = 2^40, e^Lambda = rho^(2^-60);
   the law as claimed, and recall where rho (kappa - 1) < rho^((2 kappa - 2)/2^60). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals topology normedtype derive sequences exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Task mqar.Recall mqar.SelectiveStep mqar.Shrinking mqar.SelectiveRecall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Paper.
Variable R : realType.

(* e^-y > 1 - y for y > 0, by the mean value theorem. *)
Lemma expRN_gt (y : R) : 0 < y -> 1 - expR (- y) < y.
Proof.
move=> y0; have [|c] := @MVT R expR expR 0 y y0 (fun x _ => is_derive_expR x).
  by apply: realfun.continuous_subspace_itv => x _; exact: continuous_expR.
rewrite in_itv /= => /andP[c0 cy]; rewrite expR0 subr0 => step.
rewrite -(ltr_pmul2r (expR_gt0 y)) mulrBl mul1r [expR (- y) * _]mulrC expRxMexpNx_1 step mulrC.
by rewrite ltr_pmul2l // ltr_expR.
Qed.

Variables kappa V : nat.
Variable rho : R.
Hypotheses (rho_gt0 : 0 < rho) (rho_lt1 : rho < 1).
Let shrink : R := 2%:R ^+ 60.
Let stored : R := 2%:R ^+ 40.
Definition rate : R := ln rho^-1 / shrink.
Let rest : R := expR (- rate).

Lemma shrink_gt0 : 0 < shrink. Proof. by rewrite exprn_gt0 ?ltr0n. Qed.
Lemma rate_gt0 : 0 < rate.
Proof. by rewrite divr_gt0 ?shrink_gt0 // ln_gt0 // invf_gt1. Qed.

Lemma decays n : expR ((1 + shrink * n%:R) * - rate) = rest * rho ^+ n.
Proof.
rewrite mulrDl mul1r expRD; congr (_ * _).
have -> : shrink * n%:R * - rate = n%:R * - ln rho^-1.
  by rewrite /rate; field; rewrite gt_eqF ?shrink_gt0.
by rewrite expRMm expRN lnK ?posrE ?invr_gt0 // invrK.
Qed.

Definition selective_paper_logit := @selective_logit R (@expR R) kappa V shrink stored rate.

Variables (ctx : seq ('I_kappa * 'I_V)) (tail : seq (token kappa V)) (t : nat) (q : 'I_kappa) (v : 'I_V).
Notation s := (sequence ctx tail).
Hypotheses (h1 : H1 ctx) (h4 : H4 ctx tail) (query : asks ctx tail t q v).
Hypothesis nothing_late : forall i, (size (pairs ctx) < i)%N -> ~~ writes_at s i.
Notation M u := (selective_paper_logit s t v - selective_paper_logit s t u).
Notation share := (asking s t q).
Notation holders u := ((holders ctx q u)%:R : R).

(* The claim's law: t + 1 is the length, so that t - 1 is L - 2. *)
Theorem n1_law_paper (u : 'I_V) : u != v -> kappa.-1%:R * rho < 1 ->
  `|M u / (2%:R ^+ 40 * rho ^+ (asked s t - share)) - (1 + rho ^+ share * (holders v - holders u))|
  < t.-1%:R * (2%:R ^+ 60)^-1 * ln rho^-1 * (1 + rho ^+ share * holders v).
Proof.
move=> uv few; have s0 : 0 < stored by rewrite exprn_gt0 ?ltr0n.
have r1 : rest <= 1 by rewrite ltW // expR_lt1 oppr_lt0 rate_gt0.
apply: le_lt_trans (n1_law decays s0 (expR_gt0 _) r1 rho_gt0 (ltW rho_lt1) h1 h4 query nothing_late uv (ltW few)) _.
rewrite ltr_pmul2r; last by rewrite ltr_paddr ?ltr01 // mulr_ge0 ?ler0n // exprn_ge0 // ltW.
have t1 : (1 < t)%N by exact: leq_trans (context_some query) (query_tail query).
rewrite -expRMm mulrN (_ : _ * _ * _ = t.-1%:R * rate); last by rewrite /rate mulrA mulrAC.
by apply: expRN_gt; rewrite mulr_gt0 ?rate_gt0 // ltr0n -subn1 subn_gt0.
Qed.

(* The largest logit is the value's where rho (kappa - 1) is below 1 by what 2 kappa - 2 steps at rest take. *)
Theorem n1_recalls_paper (u : 'I_V) : u != v -> kappa.-1%:R * rho < expR (- rate) ^+ (kappa.*2 - 2) ->
  selective_paper_logit s t u < selective_paper_logit s t v.
Proof.
move=> uv few; have s0 : 0 < stored by rewrite exprn_gt0 ?ltr0n.
have r1 : rest <= 1 by rewrite ltW // expR_lt1 oppr_lt0 rate_gt0.
exact: (n1_recalls decays s0 (expR_gt0 _) r1 rho_gt0 (ltW rho_lt1) h1 h4 query nothing_late uv few).
Qed.
End Paper.
