(* haar.any-weights: with its steps free, one state of the Euler recurrence with lambda = 1 reads out every positive
   weight vector, and the steps are at most twice the weights if these add up to at most 1/2. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba.foundations Require Import Recurrence.
From Mamba.haar Require Import Exponential.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section AnyWeights.
Variables (R : realFieldType) (e s p : R -> R).
Hypothesis law : exponential_law e.

Lemma e_sum (f : nat -> R) m n : \prod_(m <= r < n) e (f r * -1) = e (- \sum_(m <= r < n) f r).
Proof.
rewrite -sumrN; elim/big_rec2: _ => [|r x y _ ->]; first by rewrite (e0 law).
by rewrite (eD law) mulrN1.
Qed.

(* L tokens, their weights, and what is read at the last one. *)
Variables (L : nat) (w : nat -> R).
Definition later (delta : nat -> R) (i : nat) : R := \sum_(i.+1 <= r < L) delta r.
Definition solves (delta : nat -> R) : Prop := forall i, (i < L)%N -> delta i = w i * e (later delta i).
Definition last_output (delta x : nat -> R) : R :=
  s6 (F := over e s p) 1 (fun t _ => x t) (fun t _ => delta t) (fun _ _ => -1) (fun _ _ => 1) (fun _ _ => 1) L.-1 0%N.

(* Delta_s = w_s e^{sum_{r > s} Delta_r}, solved backwards. *)
Theorem steps_exist : exists delta, solves delta.
Proof.
suff from k : exists delta, forall i, (L - k <= i < L)%N -> delta i = w i * e (later delta i).
  by have [delta sol] := from L; exists delta => i iL; apply: sol; rewrite subnn.
elim: k => [|k [delta IH]]; first by exists (fun=> 0) => i; rewrite subn0 => /andP[/leq_ltn_trans lt /lt]; rewrite ltnn.
pose j := (L - k.+1)%N; exists (fun i => if i == j then w j * e (later delta j) else delta i) => i /andP[ji iL].
have same l : (j <= l)%N -> later (fun i => if i == j then w j * e (later delta j) else delta i) l = later delta l.
  move=> jl; apply: eq_big_nat => r /andP[lr _]; case: eqP => // rj.
  by rewrite rj ltnNge jl in lr.
rewrite same //; case: eqP => [->//|/eqP ij]; apply: IH; rewrite iL andbT (leq_trans (leqSpred _)) //.
by rewrite -subnS ltn_neqAle eq_sym ij.
Qed.

Variable delta : nat -> R.
Hypothesis sol : solves delta.

(* Whatever the weights, the recurrence reads them out. *)
Theorem any_weights_equal x : (0 < L)%N -> last_output delta x = \sum_(0 <= i < L) w i * x i.
Proof.
move=> L0; have -> : last_output delta x = 0 + s6_state (F := over e s p) (fun t _ => x t) (fun t _ => delta t)
  (fun _ _ => -1) (fun _ _ => 1) L.-1 0%N 0%N * 1 by [].
rewrite add0r mulr1 /s6_state unrolled prednK //; apply: eq_big_nat => i /andP[_ iL].
rewrite /= e_sum mulr1 sol // -/(later delta i).
transitivity (w i * x i * (e (later delta i) * e (- later delta i))); first by ring.
by rewrite (e_opp law) mulr1.
Qed.

Hypothesis positive : forall i, (i < L)%N -> 0 < w i.
Hypothesis light : \sum_(0 <= i < L) w i <= 2%:R^-1.

(* e^{-sum of the later steps} >= 1 - the sum of the later weights. *)
Lemma kept k : (k <= L)%N -> 1 - \sum_(k <= r < L) w r <= e (- \sum_(k <= r < L) delta r).
Proof.
elim: {k}(L - k)%N {-2}k (erefl (L - k)%N) => [|m IH] k km kL.
  have Lk : (L <= k)%N by rewrite -subn_eq0 km.
  by rewrite !big_geq // oppr0 addr0 (e0 law).
have kL' : (k < L)%N by rewrite -subn_gt0 km.
have := IH k.+1; rewrite subnS km => /(_ erefl kL') le.
rewrite !(big_ltn kL') !opprD (eD law); set later_w := \sum_(k.+1 <= r < L) w r in le *.
have back : delta k * e (- \sum_(k.+1 <= r < L) delta r) = w k.
  by rewrite sol // -/(later delta k) -mulrA (e_opp law) mulr1.
apply: le_trans (_ : (1 - delta k) * e (- \sum_(k.+1 <= r < L) delta r) <= _).
  by rewrite mulrBl mul1r back addrA addrAC ler_sub.
by apply: ler_wpmul2r; [exact/ltW/(e_gt0 law) | exact: e_ge law _].
Qed.

Theorem any_weights_steps i : (i < L)%N -> w i <= delta i < 2%:R * w i.
Proof.
move=> iL; have steps r : (r < L)%N -> 0 < delta r by move=> rL; rewrite sol // mulr_gt0 ?(e_gt0 law) ?positive.
have w0 := positive iL; rewrite sol //.
have later_ge0 : 0 <= later delta i.
  by rewrite /later big_nat_cond; apply: sumr_ge0 => r; rewrite andbT => /andP[_ /steps /ltW].
rewrite -{1}[w i]mulr1 ler_pmul2l // mulrC ltr_pmul2r // (le_trans _ (e_ge law _)) ?ler_addl //=.
have half : 2%:R^-1 < e (- later delta i).
  apply: lt_le_trans (kept iL); rewrite ltr_subr_addl.
  rewrite [X in _ < X](_ : 1 = 2%:R^-1 + 2%:R^-1); last by rewrite -mulr2n -(mulr_natl 2%:R^-1) mulfV // pnatr_eq0.
  rewrite ltr_add2r; apply: lt_le_trans light; rewrite (big_cat_nat _ _ _ (leq0n i) (ltnW iL)) /= (big_ltn iL).
  rewrite addrA ltr_addr ltr_paddl //.
  rewrite big_nat_cond; apply: sumr_ge0 => r; rewrite andbT => /andP[_ ri].
  by rewrite ltW // positive // (ltn_trans ri).
by rewrite -(ltr_pmul2r ((e_gt0 law) (- later delta i))) (e_opp law) -ltr_pdivr_mull ?ltr0n // mulr1.
Qed.
End AnyWeights.
