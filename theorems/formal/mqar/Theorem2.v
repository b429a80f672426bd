(* mqar.thm2-step1, and mqar.thm2-step1-printed refuted: one-hot keys and values in the paper's Mamba block, N = kappa,
   d = kappa + |V| ([P] Theorem 2, step 1). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Shared.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Theorem2.
Variable R : realFieldType.
Variables kappa V : nat.
Variables key value tap0 tap1 bias : R.             (* k, v, c_0, c_1, b *)
(* Any functions for exp and for the activation of Delta that make the decay and the step 1. *)
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Hypotheses (value_gt0 : 0 < value) (tap0_gt0 : 0 < tap0) (bias_ge0 : 0 <= bias).
Hypothesis values_stopped : tap0 * value <= bias.
Hypothesis keys_pass : bias < tap0 * key.
Hypothesis values_pass : bias < tap1 * value.

Notation F := (over e (@relu R) p).
Definition logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @shared_logit R e p kappa V V key tap0 tap1 bias step_bias (@one_hot_code F value) (@one_hot_code F 1) (fun _ => 0).
Let g : nat -> nat -> R := @gain R V tap1 bias (@one_hot_code F value) (@one_hot_code F 1).

Let a0 := tap0 * key - bias.
Let a1 := tap1 * key - bias.
Let c := tap1 * value - bias.

Lemma taps : tap0 < tap1.
Proof. by rewrite -(ltr_pmul2r value_gt0) (le_lt_trans values_stopped). Qed.
Lemma key_gt0 : 0 < key.
Proof. by rewrite -(pmulr_rgt0 _ tap0_gt0) (le_lt_trans bias_ge0). Qed.
Lemma a0_gt0 : 0 < a0. Proof. by rewrite subr_gt0. Qed.
Lemma c_gt0 : 0 < c. Proof. by rewrite subr_gt0. Qed.
Lemma a01 : a0 < a1. Proof. by rewrite ltr_add2r ltr_pmul2r ?taps ?key_gt0. Qed.
Lemma a1_gt0 : 0 < a1. Proof. exact: lt_trans a0_gt0 a01. Qed.
Lemma key_now : bias < tap1 * key. Proof. by rewrite -subr_gt0 a1_gt0. Qed.

(* No value passes the bias from the place before. *)
Lemma stopped (v : 'I_V) r : (r < V)%N -> tap0 * one_hot_code (F := F) value v r <= bias.
Proof. by rewrite /one_hot_code; case: ifP => _ _ //; rewrite mulr0. Qed.

(* Row u of the head reads value u alone. *)
Lemma gain_one_hot (u w : 'I_V) : g u w = c * (u == w)%:R.
Proof.
rewrite /g /gain /written /one_hot_code (bigD1 u) //= eqxx mul1r big1 ?addr0 => [|r ru]; last first.
  by rewrite (_ : (r == u :> nat) = false) ?mul0r //; exact: negbTE.
rewrite (_ : (u == w :> nat) = (u == w)) //; case: (u == w) => /=; first by rewrite mulr1 relu_pos // ltW ?c_gt0.
by rewrite !mulr0 add0r (off bias_ge0).
Qed.

(* Every logit of a query; n_{q,w} is how often w was stored under q: at every position of every sequence. *)
Lemma logit_counts s t q u : tok s t = key_ q ->
  logit s t u = a0 * c * ((a1 + bias * (prev s t == key_ q)%:R) * (writes s t q u)%:R
    + a0 * (if prev s t is Some (inl i) then (writes s t i u)%:R else 0)).
Proof.
move=> tq; rewrite /logit (logit_query exp0 _ _ step1 bias_ge0 keys_pass key_now stopped _ tq) addr0.
have own j : \sum_(w < V) (writes s t j w)%:R * g u w = c * (writes s t j u)%:R.
  rewrite (bigD1 u) //= gain_one_hot eqxx mulr1 mulrC big1 ?addr0 // => w wu.
  by rewrite gain_one_hot eq_sym (negPf wu) !mulr0.
rewrite own -/a0 -/a1; case: (prev s t) => [[i|w]|]; rewrite ?own; ring.
Qed.

(* mqar.thm2-step1. v is the query's value, u a rival; key i may stand right before the query, `beside` says what i
   holds: the margin is a_0 c (a_1 + a_0 ([v(i) = v] - [v(i) = u]) + b [i = q]). *)
Theorem thm2_step1 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  let M := logit s t v - logit s t u in
  [/\ M = a0 * c * (a1 + a0 * ((beside ctx s t v)%:R - (beside ctx s t u)%:R) + bias * (prev s t == key_ q)%:R),
      a0 * c * (a1 - a0) <= M,
      0 < a0 * c * (a1 - a0) &
      logit s t u < logit s t v].
Proof.
move=> s h1 h2 query uv M.
have closed : M =
    a0 * c * (a1 + a0 * ((beside ctx s t v)%:R - (beside ctx s t u)%:R) + bias * (prev s t == key_ q)%:R).
  rewrite /M !(logit_counts _ (query_tok query)) !(writes_query h1 h2 query) eqxx (negPf uv) /beside.
  by case pt: (prev s t) => [[i|w]|]; rewrite ?(writes_neighbour h1 h2 query _ pt) /=; ring.
have bound : a0 * c * (a1 - a0) <= M.
  rewrite closed ler_pmul2l ?mulr_gt0 ?a0_gt0 ?c_gt0 // -addrA ler_add2l.
  apply: ler_paddr; first by rewrite mulr_ge0 ?ler0n.
  rewrite -mulrN1 ler_pmul2l ?a0_gt0 // ler_subr_addr (le_trans _ (ler0n _ _)) //.
  by rewrite addrC subr_le0 lern1 leq_b1.
have positive : 0 < a0 * c * (a1 - a0) by rewrite !mulr_gt0 ?a0_gt0 ?c_gt0 // subr_gt0 a01.
by split=> //; rewrite -subr_gt0 (lt_le_trans positive).
Qed.

(* mqar.thm2-step1-printed: without H2 the value that follows a query is stored under its key as well. *)
Section Printed.
Variables (k : 'I_kappa) (v1 v2 : 'I_V).
Hypothesis differ : v1 != v2.
Notation ctx := [:: (k, v1)].
Notation once := [:: key_ k; value_ v2; key_ k].
Notation twice := [:: key_ k; value_ v2; key_ k; value_ v2; key_ k].

(* On k v1 k v2 k both values have the same logit at the last query. *)
Theorem thm2_step1_printed_ties :
  [/\ H1 ctx, asks ctx once 4 k v1 & logit (sequence ctx once) 4 v2 = logit (sequence ctx once) 4 v1].
Proof.
split=> //; first by rewrite /asks /= eqxx mem_seq1 eqxx.
rewrite !(@logit_counts _ 4 k) // !writesS /writes !big_nat1 /stores /tok /= !eqxx /=.
by rewrite ?value_eq ?eqxx ?(negPf differ) eq_sym ?(negPf differ).
Qed.

(* With k v2 appended the wrong value wins. *)
Theorem thm2_step1_printed_wrong :
  [/\ H1 ctx, asks ctx twice 6 k v1 & logit (sequence ctx twice) 6 v1 < logit (sequence ctx twice) 6 v2].
Proof.
split=> //; first by rewrite /asks /= eqxx mem_seq1 eqxx.
rewrite !(@logit_counts _ 6 k) // !writesS /writes !big_nat1 /stores /tok /= !eqxx /=.
rewrite ?value_eq ?eqxx ?(negPf differ) eq_sym ?(negPf differ) /= !mulr0 !addr0.
by rewrite ltr_pmul2l ?mulr_gt0 ?a0_gt0 ?c_gt0 // ltr_pmul2l ?a1_gt0 // ltr_nat.
Qed.
End Printed.

(* So the printed statement, which has no H2, is false of this network whatever its numbers, kappa >= 1 and |V| >= 2. *)
Theorem thm2_step1_printed : (0 < kappa)%N -> (1 < V)%N ->
  ~ (forall ctx tail t q (v u : 'I_V), let s := sequence ctx tail in
      H1 ctx -> asks ctx tail t q v -> u != v -> logit s t u < logit s t v).
Proof.
move=> k0 v1 recalls; pose w0 := Ordinal (ltnW v1); pose w1 := Ordinal v1.
have [h1 query] := @thm2_step1_printed_ties (Ordinal k0) w0 w1 isT.
by move=> ties; have := recalls _ _ _ _ _ w1 h1 query isT; rewrite ties ltxx.
Qed.
End Theorem2.
