(* What the theorems with exp use of it, over any ordered field: its law, and that it lies above its tangent at 0. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Exponential.
Variables (R : realFieldType) (e : R -> R).
Definition exponential_law : Prop := (forall x y, e (x + y) = e x * e y) /\ (forall x, 1 + x <= e x).
Hypothesis law : exponential_law.

Lemma eD x y : e (x + y) = e x * e y. Proof. exact: (proj1 law). Qed.
Lemma e_ge x : 1 + x <= e x. Proof. exact: (proj2 law). Qed.

Lemma e0 : e 0 = 1.
Proof.
have e0_ge1 : 1 <= e 0 by have := e_ge 0; rewrite addr0.
apply: (mulfI (lt0r_neq0 (lt_le_trans ltr01 e0_ge1))).
by rewrite -eD addr0 mulr1.
Qed.

Lemma e_opp x : e x * e (- x) = 1. Proof. by rewrite -eD subrr e0. Qed.

Lemma e_gt0 x : 0 < e x.
Proof.
rewrite lt_neqAle eq_sym; apply/andP; split.
  by apply/eqP => ex; have := e_opp x; rewrite ex mul0r => /esym/eqP; rewrite oner_eq0.
have -> : x = x / 2%:R + x / 2%:R by rewrite -mulrDl -mulr2n -mulr_natr mulfK // pnatr_eq0.
by rewrite eD -expr2 sqr_ge0.
Qed.

Lemma e_inv x : e (- x) = (e x)^-1.
Proof. by apply: (mulfI (lt0r_neq0 (e_gt0 x))); rewrite e_opp mulfV // lt0r_neq0 // e_gt0. Qed.

Lemma e_nat x k : e (x * k%:R) = e x ^+ k.
Proof. by elim: k => [|k IH]; rewrite ?mulr0 ?e0 // exprS -IH -eD -addn1 natrD mulrDr mulr1 addrC. Qed.

Lemma e_le x y : e x <= e y -> x <= y.
Proof.
apply: contraTT; rewrite -!ltNge => yx; have -> : x = y + (x - y) by rewrite addrC subrK.
rewrite eD ltr_pmulr ?e_gt0 //; apply: lt_le_trans (e_ge _).
by rewrite ltr_addl subr_gt0.
Qed.
End Exponential.
