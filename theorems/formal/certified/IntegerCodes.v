(* Certificates of mqar.value-code, mqar.n2-distinct and mqar.thm3-step1 in the paper's blocks: for all weights of their
   shape, if their inequalities hold, then every query is answered, by the margin that they state. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Codes mqar.OneHot mqar.Values.
From Mamba Require Import mqar.TwoStates.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* A code in units of a weight. *)
Definition by_weight (F : field) (a : F) (code : nat -> nat -> F) (k n : nat) : F := mul a (code k n).

Section Codes.
Variable R : realFieldType.
Variable exponential : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Variables num_keys num_values : nat.
Variables head key step_size value : R.

(* The argument's steps, without roundings, and its inequalities: verify/certify/formal.py writes them so. *)
Definition kept : R := exponential 0.
Definition margin : R := (head * ((key * key) * (value * step_size))) * kept.
Definition closed : bool := [&& key == 1, step_size == 1, value == 1, (head * head) == 1 & 0 < margin].

Lemma weights : closed -> [/\ key = 1, step_size = 1, value = 1 & 0 < margin].
Proof. by case/and5P => /eqP key1 /eqP step1 /eqP value1 _ m0. Qed.

Notation F := (over exponential (@relu R) id).
Notation units := (@by_weight F).

Section Blocks.
Variables N width : nat.
Variables write read code row : nat -> nat -> R.
Hypothesis write_ge0 : forall (j : 'I_num_keys) n, (n < N)%N -> 0 <= write j n.
Hypothesis read_ge0 : forall (j : 'I_num_keys) n, (n < N)%N -> 0 <= read j n.
Hypothesis code_ge0 : forall (w : 'I_num_values) r, (r < width)%N -> 0 <= code w r.

(* The networks with these weights, Delta being the bias itself; and the networks of the claims. *)
Definition logit : seq (token num_keys num_values) -> nat -> 'I_num_values -> R :=
  @codes_logit R exponential id num_keys num_values N width (units key write) (units key read)
    (units value code) (units head row) step_size.
Definition logit2 : seq (token num_keys num_values) -> nat -> 'I_num_values -> R :=
  @codes_logit2 R exponential id num_keys num_values N width (units key write) (units key read)
    (units value code) (units head row) step_size.
Notation unit_logit := (@codes_logit R exponential id num_keys num_values N width write read code row 1).

(* At a query the weights multiply every logit. *)
Lemma logit_unit s t q u : closed -> tok s t = key_ q ->
  logit s t u = margin * unit_logit s t u /\ logit2 s t u = logit s t u.
Proof.
case/weights=> key1 step1 value1 _ tq.
have [] := @codes_logit_at R exponential id exp0 num_keys num_values N width (units key write)
  (units key read) (units value code) (units head row) step_size step1 _ _ _ s t q u tq.
- by move=> j n nN; rewrite /by_weight /= key1 mul1r write_ge0.
- by move=> j n nN; rewrite /by_weight /= key1 mul1r read_ge0.
- by move=> w r rw; rewrite /by_weight /= value1 mul1r code_ge0.
rewrite -/logit -/logit2 => l1 l2; split=> //; rewrite l1.
have [-> _] := @codes_logit_at R exponential id exp0 num_keys num_values N width write read code row 1 erefl
  write_ge0 read_ge0 code_ge0 s t q u tq.
rewrite mulr_sumr; apply: eq_bigr => j _; rewrite mulr_sumr; apply: eq_bigr => w _.
have -> : score N (units key write) (units key read) q j = key * key * score N write read q j.
  by rewrite /score mulr_sumr; apply: eq_bigr => n _; rewrite /by_weight /=; ring.
have -> : product width (units value code) (units head row) u w = head * value * product width code row u w.
  by rewrite /product mulr_sumr; apply: eq_bigr => r _; rewrite /by_weight /=; ring.
by rewrite /margin /kept exp0 step1; ring.
Qed.
End Blocks.

Notation one_hot := (@one_hot_code F 1).

(* A lead of 1 between the claim's logits is a lead by the margin between these. *)
Lemma lead (l l' m m' : R) : closed -> l = margin * l' -> m = margin * m' -> 1 <= l' - m' -> margin <= l - m /\ m < l.
Proof.
case/weights=> _ _ _ m0 -> -> one; have le : margin <= margin * l' - margin * m' by rewrite -mulrBr ler_pemulr // ltW.
by split=> //; rewrite -subr_gt0 (lt_le_trans m0 le).
Qed.

Section Query.
Variables (ctx : seq ('I_num_keys * 'I_num_values)) (tail : seq (token num_keys num_values)).
Variables (t : nat) (q : 'I_num_keys) (v u : 'I_num_values).
Notation s := (sequence ctx tail).

(* --- mqar.value-code ---------------------------------------------------------------------------------------------- *)

Definition value_logit := logit num_keys 2 one_hot one_hot (@integer_code F) (@integer_head F).
Definition value_logit2 := logit2 num_keys 2 one_hot one_hot (@integer_code F) (@integer_head F).

Lemma value_unit w : closed -> tok s t = key_ q ->
  value_logit s t w = margin * @Values.value_logit R num_keys num_values exponential id 1 s t w
  /\ value_logit2 s t w = value_logit s t w.
Proof.
apply: logit_unit; [by move=> j n _; exact: one_hot_ge0 | by move=> j n _; exact: one_hot_ge0 |].
by move=> y r _; exact: code_ge0.
Qed.

(* paper *)
Theorem value_code : closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= value_logit s t v - value_logit s t u /\ value_logit s t u < value_logit s t v.
Proof.
move=> shut h1 h2 query uv; have tq := query_tok query.
have [_ one] := Values.value_code (p := id) exp0 (erefl : 1 = 1 :> R) h1 h2 query uv.
exact: lead shut (proj1 (value_unit v shut tq)) (proj1 (value_unit u shut tq)) one.
Qed.

(* paper_mamba2 *)
Theorem value_code_mamba2 : closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= value_logit2 s t v - value_logit2 s t u /\ value_logit2 s t u < value_logit2 s t v.
Proof.
move=> shut h1 h2 query uv; have tq := query_tok query.
by rewrite !(proj2 (value_unit _ shut tq)); exact: value_code.
Qed.

(* --- mqar.n2-distinct --------------------------------------------------------------------------------------------- *)

Definition n2_logit := logit 2 num_values (@moment_write F num_keys) (@moment_read F) one_hot one_hot.
Definition n2_logit2 := logit2 2 num_values (@moment_write F num_keys) (@moment_read F) one_hot one_hot.

Lemma n2_unit w : closed -> tok s t = key_ q ->
  n2_logit s t w = margin * @TwoStates.n2_mamba_logit R num_keys num_values exponential id 1 s t w
  /\ n2_logit2 s t w = n2_logit s t w.
Proof.
apply: logit_unit; [by move=> j n _; exact: write_ge0 | by move=> j n _; exact: read_ge0 |].
by move=> y r _; exact: one_hot_ge0.
Qed.

(* paper *)
Theorem two_states : closed -> H1 ctx -> H2 ctx tail -> H3 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= n2_logit s t v - n2_logit s t u /\ n2_logit s t u < n2_logit s t v.
Proof.
move=> shut h1 h2 h3 query uv; have tq := query_tok query; have step1 : 1 = 1 :> R by [].
have [_ one] := TwoStates.n2_distinct (p := id) exp0 step1 h1 h2 h3 query uv.
rewrite -!(n2_distinct_mamba (p := id) exp0 step1 _ tq) in one.
exact: lead shut (proj1 (n2_unit v shut tq)) (proj1 (n2_unit u shut tq)) one.
Qed.

(* paper_mamba2 *)
Theorem two_states_mamba2 : closed -> H1 ctx -> H2 ctx tail -> H3 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= n2_logit2 s t v - n2_logit2 s t u /\ n2_logit2 s t u < n2_logit2 s t v.
Proof.
move=> shut h1 h2 h3 query uv; have tq := query_tok query.
by rewrite !(proj2 (n2_unit _ shut tq)); exact: two_states.
Qed.
(* --- mqar.thm3-step1 ---------------------------------------------------------------------------------------------- *)

Definition one_hot_logit := logit num_keys num_values one_hot one_hot one_hot one_hot.
Definition one_hot_logit2 := logit2 num_keys num_values one_hot one_hot one_hot one_hot.

Lemma one_hot_unit w : closed -> tok s t = key_ q ->
  one_hot_logit s t w = margin * @OneHot.mamba_logit R num_keys num_values exponential id 1 s t w
  /\ one_hot_logit2 s t w = one_hot_logit s t w.
Proof. by apply: logit_unit => j n _; exact: one_hot_ge0. Qed.

(* paper *)
Theorem one_hot_codes : closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= one_hot_logit s t v - one_hot_logit s t u /\ one_hot_logit s t u < one_hot_logit s t v.
Proof.
move=> shut h1 h2 query uv; have tq := query_tok query.
have one := OneHot.one_hot_mamba (p := id) exp0 (erefl : 1 = 1 :> R) h1 h2 query uv.
by apply: lead shut (proj1 (one_hot_unit v shut tq)) (proj1 (one_hot_unit u shut tq)) _; rewrite one.
Qed.

(* paper_mamba2 *)
Theorem one_hot_codes_mamba2 : closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= one_hot_logit2 s t v - one_hot_logit2 s t u /\ one_hot_logit2 s t u < one_hot_logit2 s t v.
Proof.
move=> shut h1 h2 query uv; have tq := query_tok query.
by rewrite !(proj2 (one_hot_unit _ shut tq)); exact: one_hot_codes.
Qed.
End Query.
End Codes.
