(* induction.lem3-argmax and induction.lem3-amended in the paper's Mamba-Delta^T block, for any exp and softplus: the
   real ones, for which the claims' bounds hold, are in real/InductionHeads.v. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks Constructions induction_heads.Head induction_heads.Columns.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Lemma3.
Variables (R : realFieldType) (e p : R -> R).
Notation F := (over e (@relu R) p).
Variable V : nat.

(* The logits at t; class V is blank. *)
Definition logit_of (W : mamba_weights F) blank (s : seq 'I_V) t (class : nat) : R :=
  linear (V + V) (induction_head (F := F) V 1 blank) (paper_mamba_delta_t W (map (@code R e p V) s) t) class.

Section Block.
Variables slope offset blank : R.
Notation W := (lemma3_block (F := F) V slope offset).
Notation coded s := (map (@code R e p V) s).

(* What one step leaves of the column of the previous token, and of every other column. *)
Definition erases := e (- p (slope + offset)).
Definition keeps := e (- p offset).

Let lowE s t (n : 'I_V) : x_hat W (coded s) t n = (before s t == Some n)%:R := x_hat_low (to_delta W) (A W) s t n.
Let highE s t (n : 'I_V) : x_hat W (coded s) t (V + n)%N = (at_ s t == Some n)%:R :=
  x_hat_high (to_delta W) (A W) s t n.
Let BE3 s t (n : 'I_V) : B_of W (coded s) t n = (before s t == Some n)%:R := BE (to_delta W) (A W) s t n.

Lemma decayE s t (n : 'I_V) :
  e (delta_of W (coded s) t n * -1) = if before s t == Some n then erases else keeps.
Proof.
have seen : linear (V + V) (to_delta W) (x_hat W (coded s) t) n = slope * (before s t == Some n)%:R + offset.
  rewrite /linear /=; congr (_ + _); rewrite (sum_pick _ _ _ (low n)) ?eqxx; last first.
    by move=> i _ /negPf ->; rewrite mulr0.
  by rewrite mulrC -lowE.
rewrite mulrN1 -[delta_of W _ _ _]/(p (linear (V + V) (to_delta W) (x_hat W (coded s) t) n)) seen /erases /keeps.
by case: ifP => _; rewrite ?mulr1 ?mulr0 ?add0r.
Qed.

(* The entry of token u in column n of the state. *)
Definition column s (n : 'I_V) t (u : 'I_V) : R := state_delta_t W (coded s) t (V + u)%N n.

Lemma column0 s n u : column s n 0 u = 0.
Proof.
rewrite -[LHS]/(x_hat W (coded s) 0 (V + u)%N * B_of W (coded s) 0 n).
by rewrite BE3 mulr0.
Qed.

Lemma columnS s n t u :
  column s n t.+1 u = if at_ s t == Some n then erases * column s n t u + (at_ s t.+1 == Some u)%:R
                      else keeps * column s n t u.
Proof.
rewrite -[LHS]/(e (delta_of W (coded s) t.+1 n * -1) * column s n t u
                + x_hat W (coded s) t.+1 (V + u)%N * B_of W (coded s) t.+1 n).
rewrite decayE BE3 highE /=.
by case: ifP => _; rewrite ?mulr1 // mulr0 addr0.
Qed.

Lemma logit_column s t n (u : 'I_V) : at_ s t = Some n -> logit_of W blank s t u = column s n t u.
Proof.
move=> tn; rewrite /logit_of head_token mul1r.
exact: (read_column (to_delta W) (A W) (state_delta_t W (coded s) t) _ tn).
Qed.
Lemma logit_blank s t : logit_of W blank s t V = blank.
Proof. exact: head_blank. Qed.

(* What the claims say of the logits at t: the answer's, all other tokens' together. *)
Definition own s t : R := if answer s t is Some v then logit_of W blank s t v else 0.
Definition rest s t : R := \sum_(u < V | answer s t != Some u) logit_of W blank s t u.

Hypothesis erases_gt0 : 0 < erases.
Hypothesis keeps_gt0 : 0 < keeps.
Hypothesis keeps_le1 : keeps <= 1.

Lemma not_repeated s t (u : 'I_V) : (t < size s)%N -> ~~ repeated s t -> logit_of W blank s t u = 0.
Proof.
move=> ts; rewrite -answer_none // /answer; have [n tn] := at_some ts; rewrite tn => /eqP none.
by rewrite (logit_column _ tn); exact: (not_written (column0 s n) (columnS s n) none ts).
Qed.

Lemma own_ge s t : (t < size s)%N -> repeated s t -> keeps ^+ t.-1 <= own s t.
Proof.
move=> ts; rewrite -[repeated s t]negbK -answer_none // /own; case A: (answer s t) => [v|] // _.
have [n tn] := at_some ts; rewrite (logit_column _ tn).
apply: (latest_kept (column0 s n) (columnS s n) erases_gt0 keeps_gt0 keeps_le1).
by move: A; rewrite /answer tn.
Qed.

Lemma rest_lt s t M c : (t < size s)%N -> repeated s t -> 0 < M -> erases * M + 1 <= M -> erases * M <= c -> 0 < c ->
  0 <= rest s t < c * own s t.
Proof.
move=> ts; rewrite -[repeated s t]negbK -answer_none // /own /rest; case A: (answer s t) => [v|] // _ M0 bound EM c0.
have [n tn] := at_some ts; rewrite (logit_column _ tn).
have fv : followed s n t = Some v by move: A; rewrite /answer tn.
have -> : \sum_(u < V | Some v != Some u) logit_of W blank s t u = rest_of (column s n) t v.
  rewrite /rest_of; apply: eq_big => [u|u _]; last exact: logit_column.
  by rewrite eq_sym.
have [_ less] := older_weigh_less (column0 s n) (columnS s n) erases_gt0 keeps_gt0 keeps_le1 M0 bound EM c0 ts.
rewrite less // andbT sumr_ge0 // => u _.
exact: (g_ge0 (column0 s n) (columnS s n) erases_gt0 keeps_gt0).
Qed.
End Block.

Section Printed.
Variable w : R.
Notation W := (lemma3_printed (F := F) V w).
Definition printed_logit := logit_of W 0.
Hypothesis erases_gt0 : 0 < erases w 0.
Hypothesis erases_half : erases w 0 *+ 2 <= 1.
Hypothesis keeps_gt0 : 0 < keeps 0.
Hypothesis keeps_le1 : keeps 0 <= 1.

(* In exact arithmetic the printed weights are right at every repeated token and nowhere else. *)
Theorem lem3_argmax s t : (t < size s)%N ->
  (repeated s t <-> leads V (printed_logit s t) (target s t)) /\
  (repeated s t <-> 0 < \sum_(u < V) printed_logit s t u).
Proof.
move=> ts; have [n tn] := at_some ts; have Vpos : (0 < V)%N by exact: leq_ltn_trans (ltn_ord n).
case rep: (repeated s t); last first.
  have zero u : printed_logit s t (u : 'I_V) = 0 by apply: not_repeated; rewrite ?rep.
  split; split=> //; last by rewrite big1 ?ltxx.
  have -> : target s t = V.
    by rewrite /target; case A: (answer s t) (answer_none ts) => [v|] //; rewrite rep.
  have nV := negbT (ltn_eqF (ltn_ord n)).
  by move=> /(_ n (ltnW (ltn_ord n)) nV); rewrite zero /printed_logit logit_blank ltxx.
have left := own_ge 0 erases_gt0 keeps_gt0 keeps_le1 ts rep.
have half : erases w 0 * 2%:R <= 1 by rewrite mulr_natr.
have bound : erases w 0 * 2%:R + 1 <= 2%:R by rewrite -[X in _ <= X]/(1 + 1) ler_add2r.
have two : (0 : R) < 2%:R by rewrite ltr0n.
have /andP[rest0] := rest_lt 0 erases_gt0 keeps_gt0 keeps_le1 ts rep two bound half ltr01.
rewrite mul1r; move: left; rewrite /own /rest /target; case A: (answer s t) => [v|]; last first.
  by move: (answer_none ts); rewrite A rep.
move=> left less; have own0 : 0 < printed_logit s t v by apply: lt_le_trans left; rewrite exprn_gt0.
have pos u : 0 <= printed_logit s t (u : 'I_V).
  rewrite /printed_logit (logit_column _ _ _ _ tn).
  exact: (g_ge0 (column0 _ _ s n) (columnS _ _ s n) erases_gt0 keeps_gt0).
split; split=> // _; last first.
  by rewrite (bigD1 v) //= ltr_paddr // sumr_ge0 // => u _; exact: pos.
move=> c; rewrite leq_eqVlt => /predU1P[-> _|cV cv]; first by rewrite /printed_logit logit_blank.
rewrite (le_lt_trans _ less) // (bigD1 (Ordinal cV)) /=; last by rewrite eq_sym.
by rewrite ler_addl sumr_ge0 // => u _; exact: pos.
Qed.
End Printed.
End Lemma3.
