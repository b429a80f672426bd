(* mqar.n1-impossible: without a gate, and with a decay that the channels share at the query, one state does not recall
   three keys, not even distinct values; whatever the weights, the activations, the width and the context's decay. *)
From mathcomp Require Import all_ssreflect all_fingroup all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks.
From Mamba.mqar Require Import WithoutGate.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Lemma opposite_signs (R : realDomainType) (c c' z : R) : 0 < c * z -> c' * z < 0 -> c * c' < 0.
Proof.
move=> pos neg; rewrite ltNge; apply/negP=> cc; have := nmulr_rlt0 (c * z) neg; rewrite pos.
rewrite (_ : c' * z * (c * z) = c * c' * z ^+ 2); last by ring.
by rewrite ltNge mulr_ge0 ?sqr_ge0.
Qed.

Section AnyNetwork.
Variables (R : realFieldType) (kappa V : nat).

(* Every assignment of distinct values to the keys is answered. *)
Definition distinct_values_answered (logit : ('I_kappa -> 'I_V) -> 'I_kappa -> 'I_V -> R) : Prop :=
  forall a, injective a -> answered logit a.

(* Two keys q and l hold v and w, then w and v: the state's part in logit v - logit w changes by one number D, and
   C(q) D > 0 > C(l) D. Of three numbers two have the same sign. *)
Theorem n1_impossible logit (states : finType) : #|states| = 1%N -> (kappa <= V)%N ->
  without_gate logit states -> distinct_values_answered logit -> (kappa <= 2)%N.
Proof.
move=> one kV [d [W [h [C [T logitE]]]]] right; rewrite leqNgt; apply/negP=> k3.
have [n0 n0P] := fintype1 one.
pose a0 q := widen_ord kV q; have a0_inj : injective a0 by move=> x y /(congr1 (@nat_of_ord _)) /= xy; exact: val_inj.
have opposite q l : q != l -> C q n0 * C l n0 < 0.
  move=> ql; pose a1 x := a0 (tperm q l x).
  have a1_inj : injective a1 by move=> x y /a0_inj /perm_inj.
  have [a1q a1l] : a1 q = a0 l /\ a1 l = a0 q by rewrite /a1 tpermL tpermR.
  have vw : a0 l != a0 q by rewrite (inj_eq a0_inj) eq_sym.
  have wv : a0 q != a0 l by rewrite eq_sym.
  pose z a := \sum_c h a c n0 * (W (a0 q) c - W (a0 l) c).
  have difference a x : logit a x (a0 q) - logit a x (a0 l) = C x n0 * z a + (T x (a0 q) - T x (a0 l)).
    rewrite !logitE opprD addrACA -sumrB mulr_sumr; congr (_ + _); apply: eq_bigr => c _.
    have -> : \sum_n h a c n * C x n = h a c n0 * C x n0.
      by rewrite (bigD1 n0) //= big1 ?addr0 // => n; rewrite (n0P n) eqxx.
    by rewrite -mulrBr mulrAC mulrC.
  apply: (@opposite_signs _ _ _ (z a0 - z a1)); rewrite mulrBr.
    have: 0 < logit a0 q (a0 q) - logit a0 q (a0 l) by rewrite subr_gt0; apply: right.
    have: logit a1 q (a0 q) - logit a1 q (a0 l) < 0 by rewrite subr_lt0 -a1q; apply: right; rewrite ?a1q.
    by rewrite !difference => low high; rewrite subr_gt0 -(ltr_add2r (T q (a0 q) - T q (a0 l))) (lt_trans low).
  have: logit a0 l (a0 q) - logit a0 l (a0 l) < 0 by rewrite subr_lt0; apply: right.
  have: 0 < logit a1 l (a0 q) - logit a1 l (a0 l) by rewrite subr_gt0 -a1l; apply: right; rewrite ?a1l.
  by rewrite !difference => high low; rewrite subr_lt0 -(ltr_add2r (T l (a0 q) - T l (a0 l))) (lt_trans low).
pose k i (i3 : (i < 3)%N) : 'I_kappa := Ordinal (leq_trans i3 k3).
pose x := C (@k 0%N isT) n0; pose y := C (@k 1%N isT) n0; pose w := C (@k 2%N isT) n0.
have xy : x * y < 0 by exact: opposite.
have xw : x * w < 0 by exact: opposite.
have yw : y * w < 0 by exact: opposite.
have := nmulr_rlt0 (x * y * (x * w)) yw; rewrite (nmulr_rgt0 _ xy) xw.
by rewrite (_ : y * w * (x * y * (x * w)) = (x * y * w) ^+ 2) ?ltNge ?sqr_ge0 //; ring.
Qed.
End AnyNetwork.

Section Blocks.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Variables (kappa V : nat).
Hypothesis kV : (kappa <= V)%N.
Variable code : nat -> token kappa V -> nat -> R.                 (* any embedding, positions included *)
Variables (head : affine F) (rest : 'I_kappa -> 'I_V -> R).       (* any head; what else the logits have *)
Variable filler : seq (token kappa V).                            (* what stands between the pairs and the query *)

(* The paper's block, whatever its weights. *)
Theorem n1_impossible_mamba (W : mamba_weights F) :
  d_state W = 1%N -> gate W = None -> (d_conv W <= (size filler).+1)%N -> shared_decay code filler W ->
  distinct_values_answered (mamba_logit code filler head rest W) -> (kappa <= 2)%N.
Proof.
move=> one no_gate wide share right; have [k0|k0] := posnP kappa; first by rewrite k0.
apply: (n1_impossible (states := [finType of 'I_(d_state W)]) _ kV) right; first by rewrite card_ord.
by apply: mamba_without_gate => //; exact: leq_trans kV.
Qed.

(* Its variant with Delta along the state. *)
Theorem n1_impossible_delta_t (W : mamba_weights F) :
  d_state W = 1%N -> gate W = None -> (d_conv W <= (size filler).+1)%N -> shared_decay_delta_t code filler W ->
  distinct_values_answered (delta_t_logit code filler head rest W) -> (kappa <= 2)%N.
Proof.
move=> one no_gate wide share right; have [k0|k0] := posnP kappa; first by rewrite k0.
apply: (n1_impossible (states := [finType of 'I_(d_state W)]) _ kV) right; first by rewrite card_ord.
by apply: delta_t_without_gate => //; exact: leq_trans kV.
Qed.

(* Mamba-2 with one head. *)
Theorem n1_impossible_mamba2 (W : mamba2_weights F) :
  m2_d_state W = 1%N -> (forall c, (c < m2_width W)%N -> head_of W c = 0%N) ->
  m2_gate W = None -> (m2_d_conv W <= (size filler).+1)%N ->
  distinct_values_answered (mamba2_logit code filler head rest W) -> (kappa <= 2)%N.
Proof.
move=> one headed no_gate wide right; have [k0|k0] := posnP kappa; first by rewrite k0.
apply: (n1_impossible (states := [finType of 'I_1 * 'I_(m2_d_state W)]) _ kV) right.
  by rewrite card_prod !card_ord mul1n.
by apply: mamba2_without_gate => // [c /headed ->|]; last exact: leq_trans kV.
Qed.
End Blocks.
