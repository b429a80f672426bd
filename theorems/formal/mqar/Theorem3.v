(* mqar.thm3, refuted: whatever C is, C log2(kappa) states are too few for some kappa, for every network without a gate
   whose channels share the query's decay. N <= C log2(kappa) says 2^N <= kappa^C, so that no logarithm is needed. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Task Blocks.
From Mamba.mqar Require Import WithoutGate LowerBounds.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Local Open Scope nat_scope.

(* N <= C log2(kappa). *)
Definition few_states (C kappa N : nat) : bool := 2 ^ N <= kappa ^ C.

(* Some network without a gate, its decay at the query shared, with N states, recalls all assignments of kappa keys. *)
Definition recalls (kappa N : nat) : Prop :=
  exists (R : realFieldType) (V : nat) (logit : ('I_kappa -> 'I_V) -> 'I_kappa -> 'I_V -> R) (states : finType),
  [/\ 2 <= V, #|states| = N, without_gate logit states & forall a, answered logit a].

Lemma recalls_bound kappa N : recalls kappa N -> kappa <= N.
Proof.
move=> [R [V [logit [states [V2 <- gate right]]]]].
by apply: (@n_lower_bound _ _ _ _ _ (Ordinal (ltnW V2)) (Ordinal V2)) gate _.
Qed.

(* kappa = 32^C keys: 2^N <= kappa^C = 2^(5 C^2) gives N <= 5 C^2, but 5 C^2 < 32^C. *)
Definition many_keys (C : nat) : nat := 32 ^ C.

Lemma many_keys_gt C : 5 * C ^ 2 < many_keys C.
Proof.
rewrite /many_keys; case: C => // C; elim: C => [//|C IH]; rewrite (expnS 32).
apply: (@leq_ltn_trans (32 * (5 * C.+1 ^ 2))); last by rewrite ltn_mul2l.
rewrite mulnCA leq_mul2l /=; apply: (@leq_trans ((2 * C.+1) ^ 2)); last by rewrite expnMn leq_mul2r orbT.
by rewrite leq_exp2r // mul2n -addnn addSn ltnS leq_addl.
Qed.

Lemma few_states_bound C N : few_states C (many_keys C) N -> N < many_keys C.
Proof.
move=> few; apply: leq_ltn_trans (many_keys_gt C); move: few.
by rewrite /few_states /many_keys (_ : 32 = 2 ^ 5) // -!expnM leq_exp2l // -mulnA mulnn.
Qed.

(* Theorem 3, step 2, as printed: for some C and every kappa >= 2, at most C log2(kappa) states recall. *)
Theorem thm3_refuted :
  ~ exists C, forall kappa, 2 <= kappa -> exists N, few_states C kappa N /\ recalls kappa N.
Proof.
move=> [C all_keys]; pose kappa := many_keys C.+1.
have k2 : 2 <= kappa by rewrite /kappa /many_keys expnS (leq_trans (isT : 2 <= 32)) // leq_pmulr // expn_gt0.
have [N [few /recalls_bound]] := all_keys _ k2; rewrite leqNgt few_states_bound //.
by apply: leq_trans few _; rewrite leq_exp2l.
Qed.

(* The same for the Mamba-2 block itself: any weights, activations, width, embedding and head. *)
Section Mamba2.
Variables (R : realFieldType) (e s p : R -> R) (C V : nat).
Notation F := (over e s p).
Notation kappa := (many_keys C).
Hypothesis V2 : 2 <= V.
Variables (code : nat -> token kappa V -> nat -> R) (head : affine F) (rest : 'I_kappa -> 'I_V -> R).
Variable filler : seq (token kappa V).
Variable W : mamba2_weights F.
Hypothesis no_gate : m2_gate W = None.
Hypothesis wide : m2_d_conv W <= (size filler).+1.
Hypothesis right : forall a, answered (mamba2_logit code filler head rest W) a.

Let two_values : Ordinal (ltnW V2) != Ordinal V2 := isT.

(* N states, heads with one decay at the query. *)
Theorem thm3_refuted_mamba2 : shared_decay_mamba2 code filler W -> ~ few_states C kappa (m2_d_state W).
Proof.
move=> share /few_states_bound; apply/negP; rewrite -leqNgt.
exact: (n_lower_bound_mamba2_shared two_values no_gate wide share (fun a _ => @right a)).
Qed.

(* N states over all heads, each with its own decay. *)
Theorem thm3_refuted_heads (heads : nat) : (forall c, c < m2_width W -> head_of W c < heads) ->
  ~ few_states C kappa (heads * m2_d_state W).
Proof.
move=> headed /few_states_bound; apply/negP; rewrite -leqNgt.
exact: (n_lower_bound_mamba2 two_values no_gate wide headed (fun a _ => @right a)).
Qed.
End Mamba2.
