(* Softplus over the reals, and the bias at which it is 1. *)
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
End Softplus.
Arguments step_bias {R}.
