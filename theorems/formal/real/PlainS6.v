(* induction.plain-s6 with the real exp: every sequence of every length is answered, each length with some blank logit
   below every write, exactly when lambda Delta >= ln 2. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals sequences exp.
From Mamba Require Import Semantics Blocks Constructions induction_heads.Head induction_heads.PlainS6.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Real.
Variables (R : realType) (p : R -> R) (V : nat) (step_bias rate scale : R).
Hypothesis step1 : p step_bias = 1.
Hypothesis scale0 : 0 < scale.
Hypothesis rate0 : 0 < rate.
Notation rho := (expR (- rate)).

Lemma at_most_half : (rho <= 2%:R^-1) = (ln 2%:R <= rate).
Proof.
have two : (0 : R) < 2%:R by rewrite ltr0n.
by rewrite expRN lef_pinv ?posrE ?expR_gt0 // -[X in X <= expR _](@lnK R) ?posrE // ler_expR.
Qed.

(* A decay below 1 falls below every positive number. *)
Lemma powers_vanish (x : R) : 0 < x -> exists n, rho ^+ n.+1 <= x.
Proof.
move=> x0; exists (Num.bound (x^-1 / rate)).
have big : x^-1 <= expR ((Num.bound (x^-1 / rate)).+1%:R * rate).
  apply: le_trans (expR_ge1Dx _); last by rewrite mulr_ge0 ?ler0n ?(ltW rate0).
  have xi : 0 < x^-1 by rewrite invr_gt0.
  have far := archi_boundP (ltW (divr_gt0 xi rate0)); move: far; set m := Num.bound _ => far.
  apply: (@le_trans _ _ (m.+1%:R * rate)); last by rewrite ler_addr ler01.
  by rewrite -ler_pdivr_mulr // (le_trans (ltW far)) // ler_nat.
rewrite -expRMm mulrN expRN -[X in _ <= X]invrK lef_pinv ?posrE ?expR_gt0 ?invr_gt0 //.
Qed.

Theorem plain_s6_every_length : (1 < V)%N ->
  (forall n theta, 0 < theta -> theta < rho ^+ n.+1 -> @right R (@expR R) p V step_bias rate scale theta n)
  <-> ln 2%:R <= rate.
Proof.
move=> V1; have r0 : 0 < rho := expR_gt0 _; have r1 : rho < 1 by rewrite expR_lt1 oppr_lt0.
split=> [all|]; rewrite -at_most_half; last first.
  move=> half n theta theta0 below.
  by have [_] := plain_s6_threshold step1 scale0 r0 r1 V1 theta0 below; apply.
rewrite leNgt; apply/negP => above.
have x0 : 0 < 2%:R * rho - 1.
  by rewrite subr_gt0 -(@ltr_pmul2l _ 2%:R^-1) ?invr_gt0 ?ltr0n // mulr1 mulKf // pnatr_eq0.
have [n small] := powers_vanish x0.
have t0 : 0 < rho ^+ n.+1 / 2%:R by rewrite divr_gt0 ?exprn_gt0 ?ltr0n.
have below : rho ^+ n.+1 / 2%:R < rho ^+ n.+1.
  by rewrite ltr_pdivr_mulr ?ltr0n // ltr_pmulr ?exprn_gt0 // ltr1n.
have [[]] := plain_s6_threshold step1 scale0 r0 r1 V1 t0 below.
by move=> /(_ (all n _ t0 below)); rewrite ltNge small.
Qed.
End Real.
