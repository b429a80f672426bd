(* sensitivity.attention-query, refuted: how strongly attention feels its own query does not fall with the length. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive realfun exp.
From Mamba Require Import real.NearlyOrthogonal.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Attention.
Variable R : realType.

(* Causal softmax attention in one dimension: W_V = v, W_Q W_K = q. *)
Definition attention (q v : R) (x : nat -> R) (t : nat) : R :=
  (\sum_(r < t.+1) expR (q * x t * x r) * (v * x r)) / \sum_(r < t.+1) expR (q * x t * x r).
Definition moved (x : nat -> R) (j : nat) (z : R) (r : nat) : R := if r == j then z else x r.

(* Equation (45) for every token up to the query, the query's own included: one C for all lengths t + 1; m is the least
   of the exponentials, or below it. *)
Definition eq45_printed : Prop := forall q v M : R, exists C : R, forall (x : nat -> R) t j m, (j <= t)%N ->
  (forall r, (r <= t)%N -> `|x r| <= M) -> (forall r, (r <= t)%N -> m <= expR (q * x t * x r)) ->
  `|'D_1 (fun z => attention q v (moved x j z) t) (x j)| * t.+1%:R * m <= C.

(* k tokens 1, as many -1, in turn, then the query 0. *)
Definition pairs (k r : nat) : R := if (r < k.*2)%N then (-1) ^+ r else 0.

Lemma pairs_cancel k : \sum_(r < k.*2) (-1) ^+ r = 0 :> R.
Proof.
elim: k => [|k IH]; first by rewrite big_ord0.
by rewrite doubleS !big_ord_recr /= IH add0r exprS mulN1r subrr.
Qed.

Lemma square_slope0 : is_derive (0 : R) 1 (fun z : R => z * z) 0.
Proof.
rewrite (_ : (fun z => z * z) = 1 \*: (id * id : R -> R)); last first.
  by apply/funext => z; rewrite -[RHS]/(1 * (z * z)) mul1r.
by apply: is_derive_eq; rewrite -![_ *: _]/(_ * _) !mul0r addr0 mulr0.
Qed.

Lemma exp_square_slope0 : is_derive (0 : R) 1 (fun z : R => expR (z * z)) 0.
Proof.
have outer := is_derive_expR ((0 : R) * 0); have inner := square_slope0.
by apply: (trigger_derive (@is_derive1_comp R (@expR R) (fun z => z * z) 0 _ _ outer inner)); rewrite !mulr0.
Qed.

Theorem query_felt k : is_derive (0 : R) 1 (fun z => attention 1 1 (moved (pairs k) k.*2 z) k.*2) 1.
Proof.
set t := k.*2; pose sg (r : nat) : R := (-1) ^+ r.
pose E r : R -> R := fun z => expR (sg r * z); pose G : R -> R := fun z => expR (z * z).
pose top : R -> R := \sum_(r < t) (sg r \*: E r) + G * id; pose low : R -> R := \sum_(r < t) E r + G.
have sumE (h : 'I_t -> R -> R) z : (\sum_(r < t) h r) z = \sum_(r < t) h r z by rewrite fct_sumE.
have -> : (fun z => attention 1 1 (moved (pairs k) t z) t) = top * (fun z => (low z)^-1).
  apply/funext => z; rewrite -[RHS]/(top z * (low z)^-1).
  rewrite -[top z]/((\sum_(r < t) (sg r \*: E r)) z + G z * z) -[low z]/((\sum_(r < t) E r) z + G z) !sumE.
  have self : moved (pairs k) t z t = z by rewrite /moved eqxx.
  have own (r : 'I_t) : moved (pairs k) t z r = sg r by rewrite /moved /pairs ltn_eqF ltn_ord.
  rewrite /attention !big_ord_recr /= self !mul1r.
  have -> : \sum_(r < t) expR (z * moved (pairs k) t z r) * (1 * moved (pairs k) t z r) =
      \sum_(r < t) (sg r \*: E r) z.
    by apply: eq_bigr => r _; rewrite own mul1r mulrC [z * _]mulrC.
  have -> : \sum_(r < t) expR (z * moved (pairs k) t z r) = \sum_(r < t) E r z.
    by apply: eq_bigr => r _; rewrite own mulrC.
  by [].
have dE r : is_derive (0 : R) 1 (E r) (sg r).
  by apply: (trigger_derive (exp_slope (sg r) 0)); rewrite mulr0 expR0 mulr1.
have dG : is_derive (0 : R) 1 G 0 := exp_square_slope0.
have dtop : is_derive (0 : R) 1 top t.+1%:R.
  have dsum : is_derive (0 : R) 1 (\sum_(r < t) (sg r \*: E r)) (\sum_(r < t) sg r *: sg r).
    by apply: is_derive_sum => r; exact: is_deriveZ.
  apply: (trigger_derive (is_deriveD dsum (is_deriveM dG (is_derive_id _ _)))).
  rewrite /G mul0r expR0 scale0r addr0 scale1r (eq_bigr (fun=> 1)) => [|r _]; last first.
    by rewrite -[_ *: _]/(_ * _) -expr2 sqrr_sign.
  by rewrite sumr_const card_ord -mulrSr.
have dlow : is_derive (0 : R) 1 low 0.
  have dsum : is_derive (0 : R) 1 (\sum_(r < t) E r) (\sum_(r < t) sg r) by apply: is_derive_sum => r; exact: dE.
  by apply: (trigger_derive (is_deriveD dsum dG)); rewrite pairs_cancel addr0.
have low0 : low 0 = t.+1%:R.
  rewrite -[low 0]/((\sum_(r < t) E r) 0 + G 0) sumE /G mulr0 expR0 (eq_bigr (fun=> 1)) => [|r _]; last first.
    by rewrite /E mulr0 expR0.
  by rewrite sumr_const card_ord -mulrSr.
have nz : low 0 != 0 by rewrite low0 pnatr_eq0.
have dinv := @is_deriveV R low 0 0 1 nz dlow.
apply: (trigger_derive (is_deriveM dtop dinv)); rewrite !scaler0 add0r low0 -[_ *: _]/(_ * _).
by rewrite mulVf // pnatr_eq0.
Qed.

Theorem eq45_refuted : ~ eq45_printed.
Proof.
move=> /(_ 1 1 1)[C bound]; pose k := Num.bound `|C|.
have large : C < k.*2.+1%:R.
  apply: le_lt_trans (ler_norm C) _; apply: lt_le_trans (archi_boundP (normr_ge0 C)) _.
  by rewrite ler_nat -/k -addnn leqW // leq_addr.
have here : pairs k k.*2 = 0 by rewrite /pairs ltnn.
have below r : (r <= k.*2)%N -> `|pairs k r| <= 1.
  by move=> _; rewrite /pairs; case: ifP => _; rewrite ?normr0 ?ler01 // normrX normrN1 expr1n.
have least r : (r <= k.*2)%N -> 1 <= expR (1 * pairs k k.*2 * pairs k r).
  by move=> _; rewrite here mulr0 mul0r expR0.
have felt := query_felt k.
have := bound (pairs k) k.*2 k.*2 1 (leqnn _) below least.
by rewrite here derive_val normr1 mul1r mulr1 leNgt large.
Qed.
End Attention.
