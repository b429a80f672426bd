(* haar.keep-nth-one-state and haar.any-weights with the real exp and softplus. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals sequences exp.
From Mamba Require Import Semantics Blocks.
From Mamba.haar Require Import Exponential KeepNthOneState AnyWeights.
From Mamba.real Require Import Softplus Lemma2.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Real.
Variables (R : realType) (s : R -> R).

Lemma expR_law : exponential_law (@expR R).
Proof.
split=> [x y|x]; first exact: expRD.
have [x0|/ltW x0] := lerP 0 x; first exact: expR_ge1Dx.
by have := @e_ge1B R (- x); rewrite !opprK oppr_ge0 => /(_ x0).
Qed.

Lemma expR_softplus (y : R) : expR (softplus y) = 1 + expR y.
Proof. by rewrite /softplus lnK // posrE onePexp_gt0. Qed.

Notation z w := (expR (- (w / 2%:R))).
Theorem keep_nth_real (w : R) n x t : 0 < w -> (n <= t)%N ->
  (forall D, `|x n| <= D -> (forall r, (r <= t)%N -> `|x r - x n| <= D) ->
     `|zoh expR s (@softplus R) w n x t - x n| <= D * (z w * (1 + 1 / (1 - z w ^+ 2)))) /\
  (forall X, (forall r, (r <= t)%N -> `|x r| <= X) ->
     `|euler expR s (@softplus R) w n x t - x n| <=
       (z w * (3%:R - z w) / (1 - z w) ^+ 2 + (1 + 1 / softplus (w / 2%:R)) * (z w / (1 - z w ^+ 2))) * X).
Proof.
move=> w0 nt; split=> [D xD far|X bounded].
  by apply: keep_nth_zoh => //; [exact: expR_law | exact: expR_softplus].
by apply: keep_nth_euler => //; [exact: expR_law | exact: expR_softplus].
Qed.

Theorem any_weights_real L (w : nat -> R) : (0 < L)%N -> (forall i, (i < L)%N -> 0 < w i) ->
  \sum_(0 <= i < L) w i <= 2%:R^-1 ->
  exists delta : nat -> R,
    (forall x, last_output expR s (@softplus R) L delta x = \sum_(0 <= i < L) w i * x i) /\
    (forall i, (i < L)%N -> w i <= delta i < 2%:R * w i).
Proof.
move=> L0 w0 light; have [delta sol] := steps_exist (@expR R) L w; exists delta; split=> [x|i iL].
  by apply: (any_weights_equal (e := expR)) => //; exact: expR_law.
by apply: (any_weights_steps (e := expR)) iL => //; exact: expR_law.
Qed.
End Real.
