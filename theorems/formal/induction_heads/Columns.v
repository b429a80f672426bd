(* A column of an induction head's state: each step multiplies it, by E where its token came before and by K elsewhere,
   and a write adds what follows its token. What is left of the latest write, and what older ones weigh beside it. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks induction_heads.Head.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Columns.
Variables (R : realFieldType) (V : nat) (s : seq 'I_V) (n : 'I_V) (E K : R) (g : nat -> 'I_V -> R).
Hypothesis g0 : forall u, g 0%N u = 0.
Hypothesis gS : forall t u,
  g t.+1 u = if at_ s t == Some n then E * g t u + (at_ s t.+1 == Some u)%:R else K * g t u.
Hypothesis E0 : 0 < E.
Hypothesis K0 : 0 < K.
Hypothesis K1 : K <= 1.

Definition all_of t := \sum_u g t u.
Definition rest_of t v := \sum_(u | u != v) g t u.

Lemma g_ge0 t u : 0 <= g t u.
Proof.
elim: t => [|t IH]; first by rewrite g0.
by rewrite gS; case: ifP => _; rewrite ?addr_ge0 ?mulr_ge0 ?ler0n ?(ltW E0) ?(ltW K0).
Qed.

Lemma all_ge0 t : 0 <= all_of t. Proof. by apply: sumr_ge0 => u _; exact: g_ge0. Qed.
Lemma rest_le t v : rest_of t v <= all_of t.
Proof. by rewrite /all_of (bigD1 v) //= ler_addr g_ge0. Qed.
Lemma rest_ge t v u : u != v -> g t u <= rest_of t v.
Proof. by move=> uv; rewrite /rest_of (bigD1 u) //= ler_addl sumr_ge0 // => *; exact: g_ge0. Qed.

(* A column that is not written is 0. *)
Lemma not_written t : followed s n t = None -> (t < size s)%N -> forall u, g t u = 0.
Proof.
elim: t => [|t IH] /= none ts u; first exact: g0.
rewrite gS; case: ifP none => [_|_ none]; last by rewrite IH ?mulr0 // ltnW.
by have [y ->] := at_some ts.
Qed.

Lemma all_write t : (t.+1 < size s)%N -> at_ s t = Some n -> all_of t.+1 = E * all_of t + 1.
Proof.
move=> ts tn; have [y sy] := at_some ts.
rewrite /all_of; under eq_bigr do rewrite gS tn eqxx sy; rewrite big_split /= -mulr_sumr; congr (_ + _).
rewrite (bigD1 y) //= eqxx big1 ?addr0 // => u uy.
by rewrite (_ : (Some y == Some u) = false) //; apply/negbTE; apply: contra uy => /eqP [->].
Qed.
Lemma all_keep t : at_ s t != Some n -> all_of t.+1 = K * all_of t.
Proof. by move=> /negPf tn; rewrite /all_of mulr_sumr; apply: eq_bigr => u _; rewrite gS tn. Qed.

(* After a write of y: y is at least 1, and the others are what E leaves of them. *)
Lemma write_own t y : at_ s t = Some n -> at_ s t.+1 = Some y -> 1 <= g t.+1 y.
Proof. by move=> tn sy; rewrite gS tn sy !eqxx ler_addr mulr_ge0 ?g_ge0 ?(ltW E0). Qed.
Lemma write_rest t y : at_ s t = Some n -> at_ s t.+1 = Some y -> rest_of t.+1 y = E * rest_of t y.
Proof.
move=> tn sy; rewrite /rest_of mulr_sumr; apply: eq_bigr => u uy; rewrite gS tn sy eqxx.
by rewrite (_ : (Some y == Some u) = false) ?addr0 //; apply/negbTE; apply: contra uy => /eqP [->].
Qed.
Lemma keep_rest t v : at_ s t != Some n -> rest_of t.+1 v = K * rest_of t v.
Proof. by move=> /negPf tn; rewrite /rest_of mulr_sumr; apply: eq_bigr => u _; rewrite gS tn. Qed.

(* The latest write is kept step by step. *)
Lemma latest_kept t v : followed s n t = Some v -> K ^+ t.-1 <= g t v.
Proof.
elim: t => // t IH /=; case: ifP => [/eqP tn sv|/negbT tn fv].
  by rewrite (le_trans _ (write_own tn sv)) // exprn_ile1 // ltW.
rewrite gS (negPf tn); case: t IH tn fv => // t IH _ fv.
by rewrite exprS ler_pmul2l //; exact: IH.
Qed.

(* Where E M + 1 <= M, the whole column stays below M, and the older writes below c of the latest, E M <= c. *)
Lemma older_weigh_less M c : 0 < M -> E * M + 1 <= M -> E * M <= c -> 0 < c ->
  forall t, (t < size s)%N -> all_of t < M /\ forall v, followed s n t = Some v -> rest_of t v < c * g t v.
Proof.
move=> M0 bound EMc c0; elim=> [_|t IH ts].
  by split=> //; rewrite /all_of big1 // => u _; exact: g0.
have [below older] := IH (ltnW ts).
have [tn|tn] := eqVneq (at_ s t) (Some n); last first.
  split=> [|v]; first by rewrite all_keep // (le_lt_trans _ below) // ler_pimull // all_ge0.
  by rewrite /= (negPf tn) => /older less; rewrite keep_rest // gS (negPf tn) mulrCA ltr_pmul2l.
have lt : E * all_of t < E * M by rewrite ltr_pmul2l.
split=> [|v /=]; first by rewrite all_write // (lt_le_trans _ bound) // ltr_add2r.
rewrite tn eqxx => sv; rewrite write_rest // (@lt_le_trans _ _ c) ?ler_pmulr ?write_own //.
by rewrite (lt_le_trans _ EMc) // (le_lt_trans _ lt) // ler_pmul2l // rest_le.
Qed.
End Columns.
