(* foundations.selective-copying, its lower bound: who answers M markers for all contents, from one state of N columns
   to which the contents are added and which is read linearly, has N >= M. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import mqar.LowerBounds.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Copying.
Variables (R : realFieldType) (V M N d : nat).
Notation contents := {ffun 'I_M -> 'I_V}.
Variables (value : 'I_V -> 'cV[R]_d) (write : 'I_M -> 'rV[R]_N) (read : 'I_M -> 'cV[R]_N) (head : 'M[R]_(V, d)).

(* Content l is written at B = write l, marker i reads with C = read i, the head turns what is read into logits. *)
Definition copying_state (x : contents) : 'M[R]_(d, N) := \sum_l value (x l) *m write l.
Definition marker_logit (x : contents) (i : 'I_M) (u : 'I_V) : R := (head *m (copying_state x *m read i)) u 0.

Theorem copying_needs_states : (1 < V)%N ->
  (forall (x : contents) i u, u != x i -> marker_logit x i u < marker_logit x i (x i)) -> (M <= N)%N.
Proof.
move=> V1 right; pose v0 : 'I_V := Ordinal (ltnW V1); pose v1 : 'I_V := Ordinal V1.
pose x (label : 'I_M -> bool) : contents := [ffun i => if label i then v1 else v0].
pose y label := head *m copying_state (x label).
rewrite -[N]card_ord; apply: (@sign_patterns _ _ _ (fun i n => read i n 0) (fun=> 0)
  (fun label n => y label v1 n - y label v0 n)) => label i /=.
have -> : (\sum_n (y label v1 n - y label v0 n) * read i n 0) + 0 =
    marker_logit (x label) i v1 - marker_logit (x label) i v0.
  by rewrite addr0 /marker_logit mulmxA -/(y label) !mxE -sumrB; apply: eq_bigr => n _; rewrite mulrBl.
have := right (x label) i; rewrite ffunE; case: (label i) => answer.
  by rewrite subr_gt0 answer.
by rewrite subr_lt0 answer.
Qed.
End Copying.
