(* Softplus over the real numbers, and the bias at which it is 1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals sequences exp.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Softplus.
Variable R : realType.
Definition softplus (x : R) : R := ln (1 + expR x).
Definition step_bias : R := ln (expR 1 - 1).

Lemma softplus_step_bias : softplus step_bias = 1.
Proof.
have e1 : 1 < expR 1 :> R by rewrite expR_gt1 ltr01.
by rewrite /softplus /step_bias lnK ?posrE ?subr_gt0 // addrC subrK -[RHS](expK 1).
Qed.

Implicit Types x y : R.

Lemma onePexp_gt0 x : 0 < 1 + expR x.
Proof. by rewrite addr_gt0 ?ltr01 ?expR_gt0. Qed.

Lemma softplus_gt0 x : 0 < softplus x.
Proof. by rewrite ln_gt0 // ltr_addl expR_gt0. Qed.

Lemma softplus_le : {homo softplus : x y / x <= y}.
Proof. by move=> x y xy; rewrite ler_ln ?posrE ?onePexp_gt0 // ler_add2l ler_expR. Qed.

Lemma softplus_lt : {homo softplus : x y / x < y}.
Proof. by move=> x y xy; rewrite ltr_ln ?posrE ?onePexp_gt0 // ltr_add2l ltr_expR. Qed.

(* What a column keeps of itself at argument x, with Lambda = -1. *)
Lemma exp_softplus x : expR (- softplus x) = (1 + expR x)^-1.
Proof. by rewrite expRN lnK // posrE onePexp_gt0. Qed.
End Softplus.
Arguments step_bias {R}.
