(* mqar.n-lower-bound: without a gate, and with a decay that the channels share at the query, recall needs N >= kappa
   states, over all heads: whatever the weights, the activations, the width, the embedding and the context's decay. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Task Blocks.
From Mamba.mqar Require Import WithoutGate.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Signs.
Variable R : realFieldType.

Lemma sumr_gt0 n (f : 'I_n -> R) i : (forall j, 0 <= f j) -> f i != 0 -> 0 < \sum_j f j.
Proof. by move=> f0 fi; rewrite (bigD1 i) //= ltr_paddr ?sumr_ge0 // lt_neqAle eq_sym fi f0. Qed.

(* kappa affine functionals g |-> C(q).g + T(q) that take every pattern of signs need kappa entries of g. If there were
   fewer, some c != 0 had sum_q c_q C(q) = 0. Then sum_q c_q f_q is sum_q c_q T(q), whatever the labels; but it is
   positive where the labels are the signs of c, and negative where they are the opposite ones. *)
Lemma sign_patterns (kappa : nat) (I : finType) (C : 'I_kappa -> I -> R) (T : 'I_kappa -> R)
    (g : ('I_kappa -> bool) -> I -> R) :
  (forall label q, let f := (\sum_n g label n * C q n) + T q in if label q then 0 < f else f < 0) ->
  (kappa <= #|I|)%N.
Proof.
move=> right; rewrite leqNgt; apply/negP=> Nk.
pose M : 'M[R]_(kappa, #|I|) := \matrix_(q, n) C q (enum_val n).
have : kermx M != 0.
  by rewrite kermx_eq0 /row_free; apply: contraTneq Nk => <-; rewrite -leqNgt rank_leq_col.
case/rowV0Pn=> c /sub_kermxP cM /rV0Pn[q0 cq0].
pose f label q := (\sum_n g label n * C q n) + T q.
have total label : \sum_q c 0 q * f label q = \sum_q c 0 q * T q.
  rewrite -[RHS]add0r -[X in X + _](_ : \sum_q c 0 q * (\sum_n g label n * C q n) = 0); last first.
    under eq_bigr do rewrite mulr_sumr.
    rewrite exchange_big big1 //= => n _.
    under eq_bigr do rewrite mulrCA.
    rewrite -mulr_sumr; have /matrixP/(_ 0 (enum_rank n)) := cM; rewrite !mxE => e.
    by rewrite -[RHS](mulr0 (g label n)) -[in RHS]e; congr (_ * _); apply: eq_bigr => q _; rewrite !mxE enum_rankK.
  by rewrite -big_split /=; apply: eq_bigr => q _; rewrite -mulrDr.
have nz label : f label q0 != 0.
  by have /= := right label q0; rewrite -/(f label q0); case: (label q0) => h; [rewrite gt_eqF | rewrite lt_eqF].
have pos : 0 < \sum_q c 0 q * T q.
  rewrite -(total (fun q => 0 < c 0 q)); apply: (@sumr_gt0 _ _ q0); last by rewrite mulf_neq0.
  move=> q; have := right (fun q => 0 < c 0 q) q; rewrite /= -/(f _ q).
  case: ltP => [c0 f0|c0 f0]; first by rewrite mulr_ge0 // ltW.
  by rewrite -mulrNN mulr_ge0 // oppr_ge0 // ltW.
have neg : 0 < - \sum_q c 0 q * T q.
  rewrite -(total (fun q => c 0 q < 0)) -sumrN.
  apply: (@sumr_gt0 _ _ q0); last by rewrite oppr_eq0 mulf_neq0.
  move=> q; have := right (fun q => c 0 q < 0) q; rewrite /= -/(f _ q).
  case: ltP => [c0 f0|c0 f0]; first by rewrite -mulNr mulr_ge0 // ?oppr_ge0 ltW.
  by rewrite -mulrN mulr_ge0 // oppr_ge0 ltW.
by move: neg; rewrite oppr_gt0 => /(lt_trans pos); rewrite ltxx.
Qed.
End Signs.

Section AnyNetwork.
Variables (R : realFieldType) (kappa V : nat).

(* Every assignment of two values v and w to the keys is answered. *)
Definition two_values_answered (logit : ('I_kappa -> 'I_V) -> 'I_kappa -> 'I_V -> R) (v w : 'I_V) : Prop :=
  forall a, (forall q, a q = v \/ a q = w) -> answered logit a.

(* Any write, any decay, any d: the state before the query is any function of the assignment. *)
Theorem n_lower_bound logit (states : finType) (v w : 'I_V) : v != w ->
  without_gate logit states -> two_values_answered logit v w -> (kappa <= #|states|)%N.
Proof.
move=> vw [d [W [h [C [T logitE]]]]] right.
pose a (label : 'I_kappa -> bool) q := if label q then v else w.
pose om c := W v c - W w c.
apply: (@sign_patterns _ _ _ C (fun q => T q v - T q w) (fun label n => \sum_c h (a label) c n * om c)) => label q /=.
have -> : (\sum_n (\sum_c h (a label) c n * om c) * C q n) + (T q v - T q w) =
    logit (a label) q v - logit (a label) q w.
  rewrite !logitE opprD addrACA -sumrB; congr (_ + _).
  under eq_bigr do rewrite mulr_suml.
  rewrite exchange_big; apply: eq_bigr => c _; rewrite -mulrBr -/(om c) mulr_suml.
  by apply: eq_bigr => n _; rewrite mulrAC.
have two q' : a label q' = v \/ a label q' = w by rewrite /a; case: (label q'); [left | right].
have: a label q = if label q then v else w by [].
case: (label q) => aq; last by have := right _ two q v; rewrite aq subr_lt0; exact.
by have := right _ two q w; rewrite aq eq_sym subr_gt0; exact.
Qed.
End AnyNetwork.

Section Blocks.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Variables (kappa V : nat) (v w : 'I_V).
Hypothesis vw : v != w.
Variable code : nat -> token kappa V -> nat -> R.                 (* any embedding, positions included *)
Variables (head : affine F) (rest : 'I_kappa -> 'I_V -> R).       (* any head; what else the logits have *)
Variable filler : seq (token kappa V).                            (* what stands between the pairs and the query *)

(* The paper's block, whatever its weights. *)
Theorem n_lower_bound_mamba (W : mamba_weights F) :
  gate W = None -> (d_conv W <= (size filler).+1)%N -> shared_decay code filler W ->
  two_values_answered (mamba_logit code filler head rest W) v w -> (kappa <= d_state W)%N.
Proof.
move=> no_gate wide share right; have [k0|k0] := posnP kappa; first by rewrite k0.
rewrite -[d_state W]card_ord.
apply: (n_lower_bound vw) right; apply: mamba_without_gate => //.
exact: leq_ltn_trans (leq0n v) (ltn_ord v).
Qed.

(* Its variant with Delta along the state. *)
Theorem n_lower_bound_delta_t (W : mamba_weights F) :
  gate W = None -> (d_conv W <= (size filler).+1)%N -> shared_decay_delta_t code filler W ->
  two_values_answered (delta_t_logit code filler head rest W) v w -> (kappa <= d_state W)%N.
Proof.
move=> no_gate wide share right; have [k0|k0] := posnP kappa; first by rewrite k0.
rewrite -[d_state W]card_ord.
apply: (n_lower_bound vw) right; apply: delta_t_without_gate => //.
exact: leq_ltn_trans (leq0n v) (ltn_ord v).
Qed.

(* Mamba-2, whose heads have one decay each: the states of all heads together. *)
Theorem n_lower_bound_mamba2 (W : mamba2_weights F) (heads : nat) :
  m2_gate W = None -> (m2_d_conv W <= (size filler).+1)%N ->
  (forall c, (c < m2_width W)%N -> (head_of W c < heads)%N) ->
  two_values_answered (mamba2_logit code filler head rest W) v w -> (kappa <= heads * m2_d_state W)%N.
Proof.
move=> no_gate wide headed right; have [k0|k0] := posnP kappa; first by rewrite k0.
have -> : (heads * m2_d_state W)%N = #|[finType of 'I_heads * 'I_(m2_d_state W)]| by rewrite card_prod !card_ord.
apply: (n_lower_bound vw) right; apply: mamba2_without_gate => //.
exact: leq_ltn_trans (leq0n v) (ltn_ord v).
Qed.

(* The states of one head, if the heads share their decay at the query. *)
Theorem n_lower_bound_mamba2_shared (W : mamba2_weights F) :
  m2_gate W = None -> (m2_d_conv W <= (size filler).+1)%N -> shared_decay_mamba2 code filler W ->
  two_values_answered (mamba2_logit code filler head rest W) v w -> (kappa <= m2_d_state W)%N.
Proof.
move=> no_gate wide share right; have [k0|k0] := posnP kappa; first by rewrite k0.
rewrite -[m2_d_state W]card_ord.
apply: (n_lower_bound vw) right; apply: mamba2_without_gate_shared => //.
exact: leq_ltn_trans (leq0n v) (ltn_ord v).
Qed.
End Blocks.
