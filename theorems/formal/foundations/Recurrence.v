(* foundations.unrolled and foundations.scan-associative, with the scan in chunks: for every length, over every ring. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Recurrence.
Variable R : comRingType.
Variables (e s p : R -> R) (decay write : nat -> nat -> nat -> R).
Let h := recurrence (F := over e s p) decay write.

(* foundations.unrolled: every write, times the decays that came after it. *)
Theorem unrolled t c n :
  h t c n = \sum_(0 <= i < t.+1) (\prod_(i.+1 <= r < t.+1) decay r c n) * write i c n.
Proof.
elim: t => [|t IH]; first by rewrite big_nat1 big_geq // mul1r.
have -> : h t.+1 c n = decay t.+1 c n * h t c n + write t.+1 c n by [].
rewrite IH [RHS]big_nat_recr //= (big_geq (leqnn _)) mul1r; congr (_ + _).
rewrite mulr_sumr; apply: eq_big_nat => i /andP[_ it].
by rewrite [in RHS]big_nat_recr //= mulrA; congr (_ * _); rewrite mulrC.
Qed.

(* With decay 1 the state is the sum of the writes. *)
Corollary unrolled_1 t c n : (forall r, (r <= t)%N -> decay r c n = 1) ->
  h t c n = \sum_(0 <= i < t.+1) write i c n.
Proof.
move=> d1; rewrite unrolled; apply: eq_big_nat => i it.
rewrite big_nat_cond big1 ?mul1r // => r; rewrite andbT => /andP[_ rt]; exact: d1.
Qed.

(* foundations.scan-associative: a step is a pair of a decay and a write; `step x y` is x, then y. *)
Definition step (x y : R * R) : R * R := (y.1 * x.1, y.1 * x.2 + y.2).
Theorem scan_associative : associative step.
Proof. by move=> [a1 w1] [a2 w2] [a3 w3]; rewrite /step /=; congr (_, _); ring. Qed.
Lemma step0x : left_id (1, 0) step.
Proof. by move=> [a w]; rewrite /step /=; congr (_, _); ring. Qed.
Lemma stepx0 : right_id (1, 0) step.
Proof. by move=> [a w]; rewrite /step /=; congr (_, _); ring. Qed.
Canonical step_monoid := Monoid.Law scan_associative step0x stepx0.

(* The recurrence is the second component of the product of its steps; being a product in a monoid, it may be
   bracketed in any way. *)
Theorem scan_recurrence t c n :
  (\big[step/(1, 0)]_(0 <= i < t.+1) (decay i c n, write i c n)).2 = h t c n.
Proof.
elim: t => [|t IH]; first by rewrite big_nat1.
by rewrite big_nat_recr //= IH.
Qed.

(* m steps act on any state as one step does: they multiply it by the product of their decays and add what they make of
   the state 0. *)
Theorem block_of_steps (a b : nat -> R) (i : nat) (start : R) (g : nat -> R) :
  g 0%N = start -> (forall m, g m.+1 = a (i + m.+1)%N * g m + b (i + m.+1)%N) ->
  forall m, g m = (\prod_(i.+1 <= r < (i + m).+1) a r) * start
                + \sum_(i.+1 <= j < (i + m).+1) (\prod_(j.+1 <= r < (i + m).+1) a r) * b j.
Proof.
move=> g0 gS; elim=> [|m IH]; first by rewrite addn0 !big_geq // mul1r addr0.
rewrite gS IH addnS; set n := (i + m)%N; have le_in : (i <= n)%N := leq_addr _ _.
have grow (l : nat) : (l <= n.+1)%N -> \prod_(l <= r < n.+2) a r = a n.+1 * \prod_(l <= r < n.+1) a r.
  by move=> ln; rewrite big_nat_recr //= mulrC.
rewrite mulrDr mulrA -grow // -addrA; congr (_ + _).
rewrite [in RHS]big_nat_recr //= (big_geq (leqnn _)) mul1r; congr (_ + _).
by rewrite mulr_sumr; apply: eq_big_nat => j /andP[_ jn]; rewrite mulrA -grow.
Qed.

(* One bracketing: a chunk of m steps, and the steps after it. *)
Theorem chunked m t c n : (m <= t.+1)%N ->
  h t c n = (step (\big[step/(1, 0)]_(0 <= i < m) (decay i c n, write i c n))
                  (\big[step/(1, 0)]_(m <= i < t.+1) (decay i c n, write i c n))).2.
Proof. by move=> mt; rewrite -scan_recurrence (big_cat_nat _ _ _ _ mt). Qed.
End Recurrence.
