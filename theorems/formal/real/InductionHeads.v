(* induction.lem3-argmax, induction.lem3-amended and the printed induction.lem3 refuted: the real exp and softplus. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals sequences exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks Constructions real.Softplus.
From Mamba Require Import induction_heads.Head induction_heads.Lemma3.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Real.
Variables (R : realType) (V : nat).
Notation e := (@expR R).
Notation p := (@softplus R).
Notation F := (over e (@relu R) p).
Implicit Types (s : seq 'I_V) (w : R).

Lemma keepsE (x : R) : keeps e p x = (1 + expR x)^-1.
Proof. by rewrite /keeps exp_softplus. Qed.
Lemma keeps_gt0 (x : R) : 0 < keeps e p x.
Proof. by rewrite keepsE invr_gt0 onePexp_gt0. Qed.
Lemma keeps_le1 (x : R) : keeps e p x <= 1.
Proof. by rewrite keepsE invf_le1 ?onePexp_gt0 // ler_addl ltW ?expR_gt0. Qed.

(* At argument 0 every column is halved. *)
Lemma keeps_half : keeps e p 0 = 2%:R^-1 :> R.
Proof. by rewrite keepsE expR0. Qed.

(* induction.lem3-argmax *)
Theorem lem3_argmax_real w s t : 0 <= w -> (t < size s)%N ->
  let logit := @printed_logit R e p V w s t in
  (repeated s t <-> leads V logit (target s t)) /\ (repeated s t <-> 0 < \sum_(u < V) logit u).
Proof.
move=> w0 ts; have E : erases e p w 0 = keeps e p w by rewrite /erases addr0.
have E0 : 0 < erases e p w 0 by rewrite E; exact: keeps_gt0.
have half : erases e p w 0 *+ 2 <= 1.
  rewrite E keepsE -mulr_natl ler_pdivr_mulr; last exact: onePexp_gt0.
  have := @expR0 R; rewrite mul1r mulr2n => <-; rewrite ler_add2l ler_expR; exact: w0.
exact: (lem3_argmax E0 half (keeps_gt0 0) (keeps_le1 0) ts).
Qed.

(* induction.lem3 fails as printed: blank never leads at the first token, and what is not erased is halved. *)
Theorem lem3_printed_fails w (x : 'I_V) : let s := [:: x] in
  ~ leads V (@printed_logit R e p V w s 0) (target s 0) /\ keeps e p 0 = 2%:R^-1 :> R /\ keeps e p 0 != 1 :> R.
Proof.
split=> [/(_ x (ltnW (ltn_ord x)) (negbT (ltn_eqF (ltn_ord x))))|].
  rewrite /printed_logit logit_blank not_repeated ?ltxx //; exact: keeps_gt0.
split; first exact: keeps_half.
by rewrite keeps_half invr_eq1 -[2%:R]/(1 + 1) -subr_eq0 addrK oner_eq0.
Qed.

(* --- amended ------------------------------------------------------------------------------------------------------ *)

Section Amended.
Variables (w : R) (L : nat).
Hypothesis wL : ln (2%:R * L%:R) <= w.
Notation W := (lemma3_amended (F := F) V w).
Notation logit := (@logit_of R e p V W 2%:R^-1).
Notation own := (@own R e p V (w + w) (- w) 2%:R^-1).
Notation rest := (@rest R e p V (w + w) (- w) 2%:R^-1).
Let u := expR (- w).

Lemma erasesE : erases e p (w + w) (- w) = u * keeps e p (- w).
Proof.
rewrite [erases _ _ _ _](_ : _ = keeps e p w); last by rewrite /erases addrK.
have u0 := expR_gt0 (- w); rewrite !keepsE -/u -[expR w]invrK -expRN -/u.
have -> : 1 + u^-1 = (1 + u) / u by rewrite mulrDl mul1r mulfV 1?addrC // gt_eqF.
by rewrite invf_div.
Qed.

Lemma kept_in_one_step : expR (- u) <= keeps e p (- w).
Proof. by rewrite keepsE expRN lef_pinv ?posrE ?onePexp_gt0 ?expR_gt0 // expR_ge1Dx // ltW ?expR_gt0. Qed.

(* induction.lem3-amended: exact up to length L, blank included. *)
Theorem lem3_amended s t : (size s <= L)%N -> (t < size s)%N ->
  [/\ logit s t V = 2%:R^-1,
      ~~ repeated s t <-> own s t + rest s t = 0,
      ~~ repeated s t -> forall v : 'I_V, logit s t v = 0 &
      repeated s t <->
        [/\ expR (- (L%:R - 2%:R) * u) <= own s t, expR (- 2%:R^-1) < own s t & rest s t < u * own s t]].
Proof.
move=> sL ts; have u0 : 0 < u := expR_gt0 _; have k0 := keeps_gt0 (- w); have k1 := keeps_le1 (- w).
have E0 : 0 < erases e p (w + w) (- w) by rewrite erasesE mulr_gt0.
have zero v : ~~ repeated s t -> logit s t (v : 'I_V) = 0 by move=> no; exact: not_repeated.
have ownz : ~~ repeated s t -> own s t = 0 by move=> no; rewrite /own; case: (answer s t) => // v; exact: zero.
have restz : ~~ repeated s t -> rest s t = 0 by move=> no; rewrite /rest big1 // => v _; exact: zero.
have L0 : (0 < L)%N by rewrite (leq_ltn_trans _ (leq_trans ts sL)).
have twoL : 0 < 2%:R * L%:R :> R by rewrite mulr_gt0 ?ltr0n.
have uL : u * (2%:R * L%:R) <= 1.
  rewrite /u expRN -ler_pdivl_mull ?invr_gt0 ?expR_gt0 // invrK mulr1.
  by rewrite -[X in X <= _](@lnK R) ?posrE // ler_expR.
have uL2 : L%:R * u <= 2%:R^-1.
  by rewrite -(ler_pmul2l (_ : 0 < 2%:R)) ?ltr0n // mulfV ?pnatr_eq0 // mulrA mulrC.
have rest_u : repeated s t -> 0 <= rest s t < u * own s t.
  move=> rep; have EM : erases e p (w + w) (- w) * (1 + u) = u.
    by rewrite erasesE keepsE -mulrA mulVf ?mulr1 // gt_eqF ?onePexp_gt0.
  by apply: (rest_lt _ E0 k0 k1 ts rep (M := 1 + u)) => //; rewrite ?onePexp_gt0 // EM // addrC.
have yes : repeated s t ->
    [/\ expR (- (L%:R - 2%:R) * u) <= own s t, expR (- 2%:R^-1) < own s t & rest s t < u * own s t].
  move=> rep; have t0 : (0 < t)%N by case: (t) rep.
  have tL := leq_trans ts sL; have L2 : (1 < L)%N := leq_ltn_trans t0 tL.
  have left : expR (- (L%:R - 2%:R) * u) <= own s t.
    apply: le_trans (own_ge _ E0 k0 k1 ts rep).
    apply: (@le_trans _ _ (expR (- u) ^+ t.-1)); last first.
      by apply: ler_expn2r; rewrite ?nnegrE ?(ltW k0) ?(ltW (expR_gt0 _)) ?kept_in_one_step.
    rewrite -expRMm ler_expR mulrN mulNr ler_opp2 ler_pmul2r // -(@natrB _ _ 2).
      by rewrite ler_nat leq_subRL //; move: tL; case: (t) t0.
    exact: L2.
  split=> //; last by have /andP[] := rest_u rep.
  apply: lt_le_trans left; rewrite ltr_expR mulNr ltr_opp2 (lt_le_trans _ uL2) // ltr_pmul2r //.
  by rewrite ltr_subl_addr ltr_addl ltr0n.
split=> //; first exact: logit_blank.
- split=> [no|]; first by rewrite ownz // restz // addr0.
  apply: contra_eqN => rep; have [_ own0 _] := yes rep; have /andP[rest0 _] := rest_u rep.
  by rewrite gt_eqF // ltr_paddr // (lt_trans _ own0) // expR_gt0.
- by move=> no v; exact: zero.
- split=> // -[_ own0 _]; apply: contraTT own0 => no.
  by rewrite ownz // -leNgt ltW // expR_gt0.
Qed.
End Amended.
End Real.
