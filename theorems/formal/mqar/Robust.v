(* mqar.robust: a network that is told positions and the number of pairs closes its writes behind the context, and so
   recalls whatever the tail holds. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions foundations.Recurrence mqar.Recall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.
Arguments x_hat : simpl never.
Arguments delta_of : simpl never.
Arguments B_of : simpl never.
Arguments C_of : simpl never.
Arguments timed_embedding : simpl never.

Section Robust.
Variable R : realFieldType.
Variables exponential softplus : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Notation F := (over exponential (@relu R) softplus).

Variables kappa V n : nat.
Variable step_bias : R.
Hypothesis step1 : softplus step_bias = 1.
Notation network := (@time_gated F kappa V step_bias).
Notation embedding := (@timed_embedding F kappa V n).
Notation place := (@timed_place F kappa).
Notation token := (token kappa V).
Notation embedded := (placed place embedding).

Lemma nat_E k : nat_ (F := F) k = k%:R.
Proof. by rewrite /nat_ sumE sumr_const card_ord. Qed.

Lemma rowE (s : seq token) t c : (t < size s)%N ->
  row (F := F) (embedded s) t c = embedding (tok s t) c + t.+1%:R * place c.
Proof.
move=> ts; rewrite /placed /mkseq.
have -> X : row (F := F) X t = nth (fun=> 0) X t by elim: X t {ts} => [|x X IH] [|t] //=.
by rewrite (nth_map 0%N) ?size_iota // nth_iota //= -nat_E.
Qed.

(* ReLU(x + 1) - ReLU(x): a step from 0 to 1, for integers x. *)
Lemma step_up (x : R) : 0 <= x -> relu (x + 1) - relu x = 1.
Proof. by move=> x0; rewrite !relu_pos ?addr_ge0 ?ler01 // addrAC subrr add0r. Qed.
Lemma step_down (x : R) : x + 1 <= 0 -> relu (x + 1) - relu x = 0.
Proof. by move=> x0; rewrite !relu_neg ?subrr // (le_trans _ x0) // ler_addl ler01. Qed.

(* --- which channel is which -------------------------------------------------------------------------------------- *)

Lemma lt_block a b (j : 'I_kappa) c : (a < b)%N -> (a * kappa + j < b * kappa + c)%N.
Proof.
move=> ab; apply: leq_trans (leq_addr _ _); apply: leq_trans (leq_mul ab (leqnn kappa)).
by rewrite mulSn addnC ltn_add2r.
Qed.

Lemma eq_block a b (j k : 'I_kappa) : (a * kappa + j == b * kappa + k)%N = (a == b) && (j == k).
Proof.
case: (ltngtP a b) => [ab|ba|->]; last by rewrite eqn_add2l.
  by rewrite ltn_eqF // lt_block.
by rewrite gtn_eqF // lt_block.
Qed.

Lemma eq_value a (j : 'I_kappa) c : (a < 3)%N -> (a * kappa + j == 3 * kappa + c)%N = false.
Proof. by move=> a3; rewrite ltn_eqF // lt_block. Qed.

Lemma embedding_key a (j : 'I_kappa) (x : token) : (a < 3)%N ->
  embedding x (a * kappa + j) = if x == key_ j then if (a < 2)%N then (2 * n)%:R else 1 else 0.
Proof.
case: x => [[k|v]|] // a3; rewrite /timed_embedding; last by rewrite eq_value.
rewrite !eq_block nat_E key_eq [k == j]eq_sym; case: (j == k); rewrite ?andbT ?andbF //.
by case: a a3 => [|[|[|]]].
Qed.

Lemma embedding_value (u : 'I_V) (x : token) : embedding x (3 * kappa + u) = (x == value_ u)%:R.
Proof.
case: x => [[k|v]|] //; rewrite /timed_embedding.
  by rewrite ![(3 * kappa + u == _)%N]eq_sym !eq_value //.
by rewrite eqn_add2l value_eq -val_eqE eq_sym; case: eqP.
Qed.

(* --- what the channels hold -------------------------------------------------------------------------------------- *)

Section At.
Variables (s : seq token) (t : nat).
Hypothesis inside : (t < size s)%N.

Lemma hat_open a (j : 'I_kappa) : (a < 2)%N -> x_hat network (embedded s) t (a * kappa + j) =
  relu ((if t is r.+1 then (if tok s r == key_ j then (2 * n)%:R else 0) - t%:R else 0) + (a == 0%N)%:R).
Proof.
move=> a2; have below : (a * kappa + j < 2 * kappa)%N by rewrite -[X in (_ < X)%N]addn0 lt_block.
have first : (a * kappa + j < kappa)%N = (a == 0%N).
  case: a a2 {below} => [|[|]] // _; first by rewrite add0n ltn_ord.
  by rewrite mul1n ltnNge leq_addr.
rewrite /x_hat conv2E /= below first /= mul0r addr0; congr (relu (_ + _)); last by case: (a == 0%N).
case: t inside => [|r] rs //; rewrite mul1r rowE ?(ltnW rs) // embedding_key ?(leq_trans a2) //.
by rewrite /timed_place below mulrN1.
Qed.

Lemma hat_read (j : 'I_kappa) : x_hat network (embedded s) t (2 * kappa + j) = (tok s t == key_ j)%:R.
Proof.
have above : (2 * kappa + j < 2 * kappa)%N = false by rewrite ltnNge leq_addr.
have above1 : (2 * kappa + j < kappa)%N = false by rewrite ltnNge mulSn -addnA leq_addr.
rewrite /x_hat conv2E /= above above1 /= rowE // embedding_key // /timed_place above mulr0 !addr0 mul1r.
have -> : (if t is r.+1 then 0 * row (F := F) (embedded s) r (2 * kappa + j) else 0) = 0.
  by case: t => // r; rewrite mul0r.
by rewrite add0r; case: eqP => _; rewrite ?relu0 // (relu_nat R 1).
Qed.

Lemma hat_value (u : 'I_V) : x_hat network (embedded s) t (3 * kappa + u) = (tok s t == value_ u)%:R.
Proof.
have above : (3 * kappa + u < 2 * kappa)%N = false by rewrite ltnNge [(3 * _)%N]mulSn addnAC leq_addl.
have above1 : (3 * kappa + u < kappa)%N = false by rewrite ltnNge mulSn -addnA leq_addr.
rewrite /x_hat conv2E /= above above1 /= rowE // embedding_value // /timed_place above mulr0 !addr0 mul1r.
by rewrite (_ : (if t is r.+1 then _ else _) = 0) ?add0r ?relu_nat //; case: t => // r; rewrite mul0r.
Qed.

(* A write is open behind a key at 1, ..., 2n, and at the first token, which has none before it. *)
Definition opened (j : 'I_kappa) : bool := if t is r.+1 then (tok s r == key_ j) && (t <= 2 * n)%N else true.

Lemma B_open (j : 'I_kappa) : B_of network (embedded s) t j = (opened j)%:R.
Proof.
have jd : (j < 3 * kappa + V)%N by rewrite (leq_trans (ltn_ord j)) // mulSn -addnA leq_addr.
have jd1 : (kappa + j < 3 * kappa + V)%N.
  by rewrite mulSn mulSn -!addnA ltn_add2l (leq_trans (ltn_ord j)) // leq_addr.
have ne : (kappa + j == j)%N = false.
  by rewrite gtn_eqF // (leq_trans (ltn_ord j)) // leq_addr.
have -> : B_of network (embedded s) t j =
    x_hat network (embedded s) t (0 * kappa + j) - x_hat network (embedded s) t (1 * kappa + j).
  rewrite /B_of /linear [LHS]/= addr0 sumE (bigD1 (Ordinal jd)) //= eqxx (bigD1 (Ordinal jd1)) /=; last first.
    by rewrite -val_eqE /= ne.
  rewrite ne eqxx big1 => [|c /andP[]]; first by rewrite mul0n mul1n add0n mulr1 mulrN1 addr0.
  by rewrite -!val_eqE /= => /negPf -> /negPf ->; rewrite mulr0.
rewrite !hat_open // /opened /= addr0; case: t => [|r]; first by rewrite step_up.
case: eqP => _ /=; last by rewrite step_down // sub0r addrC subr_le0 ler1n.
case: (leqP r.+1 (2 * n)) => le; first by rewrite step_up // subr_ge0 ler_nat.
by rewrite step_down // addrAC -mulrSr subr_le0 ler_nat.
Qed.

Lemma delta_1 c : delta_of network (embedded s) t c = 1.
Proof. by rewrite /delta_of /linear /= sum0 ?add0r // => i _; rewrite mulr0. Qed.

Lemma C_read (j : 'I_kappa) : C_of network (embedded s) t j = (tok s t == key_ j)%:R.
Proof.
have jd : (2 * kappa + j < 3 * kappa + V)%N.
  by rewrite [(3 * _)%N]mulSnr -addnA ltn_add2l (leq_trans (ltn_ord j)) // leq_addr.
rewrite /C_of /linear /= addr0 (sum_pick _ _ _ jd) => [|c _ cj]; last by rewrite (negPf cj) mulr0.
by rewrite eqxx mulr1 hat_read.
Qed.
End At.

(* The state counts the pairs that were written while writes were open. *)
Lemma stateE (s : seq token) t (j : 'I_kappa) (u : 'I_V) : (t < size s)%N ->
  state network (embedded s) t (3 * kappa + u) j =
  (\sum_(0 <= r < t.+1) ((tok s r == value_ u) && opened s r j))%:R.
Proof.
move=> ts; rewrite /state /s6_state unrolled_1 => [|r _]; last by rewrite /= mulr0 exp0.
rewrite natr_sum; apply: eq_big_nat => r /andP[_ rt]; have rs := leq_trans rt ts.
by rewrite /= delta_1 mul1r hat_value // B_open // -natrM mulnb.
Qed.

(* The head: one-hot values. *)
Definition logit (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear (3 * kappa + V) (timed_head F kappa) (paper_mamba network (embedded s) t) u.

Lemma logit_query (s : seq token) t q u : tok s t = key_ q ->
  logit s t u = (\sum_(0 <= r < t.+1) ((tok s r == value_ u) && opened s r q))%:R.
Proof.
move=> tq; have ts := tok_size tq; have ud : (3 * kappa + u < 3 * kappa + V)%N by rewrite ltn_add2l.
rewrite /logit /linear /= addr0 (sum_pick _ _ _ ud) => [|c _ cu]; last by rewrite (negPf cu) mulr0.
rewrite eqxx mulr1 /paper_mamba /= /readout (sum_pick _ _ _ (ltn_ord q)) => [|j jk jq].
  by rewrite stateE // C_read // tq eqxx /= mulr1.
by rewrite (C_read ts (Ordinal jk)) tq key_eq -val_eqE /= eq_sym (negPf jq) mulr0.
Qed.

(* mqar.robust: where the context has the n pairs that the weights know, the margin at every query is 1. *)
Theorem robust ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> size ctx = n -> asks ctx tail t q v -> u != v -> logit s t v - logit s t u = 1.
Proof.
move=> s h1 known query uv; have tq := query_tok query; have qv := query_pair query.
have sizeE : size (pairs ctx) = (2 * n)%N.
  by rewrite -known; elim: (ctx) => //= _ l ->; rewrite mulnS.
suff e w : logit s t w = (w == v)%:R by rewrite !e eqxx (negPf uv) subr0.
rewrite (logit_query _ tq).
suff -> : (\sum_(0 <= r < t.+1) ((tok s r == value_ w) && opened s r q))%N = ((q, w) \in ctx).
  by congr ((nat_of_bool _)%:R); apply/idP/eqP => [qw|->//]; exact: H1_unique h1 qw qv.
have first : is_value (tok s 0) = false by rewrite /s; case: (ctx) qv => // -[].
rewrite (big_cat_nat _ _ _ (leq0n (2 * n)%N)) /=; last by rewrite leqW // -sizeE (query_tail query).
rewrite [X in (_ + X)%N]big_nat_cond [X in (_ + X)%N]big1 => [|[|r] /andP[/andP[nr _] _]].
- rewrite addn0 -(count_uniq_mem _ (map_uniq h1)) -(stores_pairs ctx tail) -sizeE; apply: eq_big_nat => -[|r] /= rn.
    by case: (tok s 0) first => [[]|].
  by rewrite -sizeE (ltnW rn) andbT /stores andbC.
- by case: (tok s 0) first => [[]|].
- rewrite /opened; case: (tok s r =P key_ q) => [rq|_]; last by rewrite andbF.
  case: (leqP r.+1 (2 * n)) => [rn|_]; last by rewrite !andbF.
  have /(context_ends tail) : r.+1 = size (pairs ctx) by rewrite sizeE; apply/eqP; rewrite eqn_leq rn.
  by rewrite -/s rq.
Qed.
End Robust.
