(* One convolution for keys and values in the paper's Mamba block, with any codes for the values ([P] App. D.3): what
   the state holds on every sequence, and the logits of a query under H1 and H2. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* Whether a key stands directly before t, and the context holds w under it. *)
Definition beside kappa V (ctx : seq ('I_kappa * 'I_V)) (s : seq (token kappa V)) (t : nat) (w : 'I_V) : bool :=
  if prev s t is Some (inl i) then (i, w) \in ctx else false.

Section Shared.
Variable R : realFieldType.
Variables e p : R -> R.
Hypothesis exp0 : e 0 = 1.
Notation F := (over e (@relu R) p).

Variables kappa V width : nat.
Variables key tap0 tap1 bias step_bias : R.
Variables code head : nat -> nat -> R.
Variable head_bias : nat -> R.
Hypothesis step1 : p step_bias = 1.
Hypothesis bias_ge0 : 0 <= bias.
Hypothesis key_before : bias < tap0 * key.   (* the previous key passes the bias, *)
Hypothesis key_now : bias < tap1 * key.      (* the current one does too, *)
Hypothesis value_before : forall (v : 'I_V) r, (r < width)%N -> tap0 * code v r <= bias.   (* a previous value not *)

Notation token := (token kappa V).
Notation weights := (@shared_convolution F kappa width tap0 tap1 bias step_bias).
Notation embedding := (@shared_embedding F kappa V key code).

Definition shared_logit (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear (kappa + width) (@shared_head F kappa head head_bias) (paper_mamba weights (map embedding s) t) u.

Let a0 := tap0 * key - bias.
Let a1 := tap1 * key - bias.
Definition written (w r : nat) : R := relu (tap1 * code w r - bias).
(* What value u's row of the head reads where w is stored. *)
Definition gain (u w : nat) : R := \sum_(r < width) head u r * written w r.

Notation x s t := (x_hat weights (map embedding s) t).
Arguments x_hat : simpl never.

Lemma x_hatE s t c : x s t c = relu (tap0 * embedding (prev s t) c + tap1 * embedding (tok s t) c - bias).
Proof.
have rowE r : row (F := F) (map embedding s) r c = embedding (tok s r) c by rewrite (@row_map _ _ _ _ _ _ None).
by rewrite /x_hat conv2E /= !rowE; case: t => [|t] /=; rewrite ?rowE ?mulr0.
Qed.

Lemma embedding_key y (j : 'I_kappa) : embedding y j = if y == key_ j then key else 0.
Proof.
case: y => [[k|v]|] //=; last by rewrite ltn_ord.
by rewrite key_eq eq_sym; congr (if _ then _ else _); rewrite -val_eqE.
Qed.

Lemma embedding_code y r : embedding y (kappa + r)%N = if y is Some (inr v) then code v r else 0.
Proof.
case: y => [[k|v]|] //=; first by rewrite gtn_eqF // (leq_trans (ltn_ord k)) ?leq_addr.
by rewrite ltnNge leq_addr /= addKn.
Qed.

Lemma off : relu (- bias) = 0. Proof. by rewrite relu_neg ?oppr_le0. Qed.
Lemma a0_ge0 : 0 <= a0. Proof. by rewrite subr_ge0 ltW. Qed.
Lemma a1_ge0 : 0 <= a1. Proof. by rewrite subr_ge0 ltW. Qed.

Lemma x_key s t (j : 'I_kappa) :
  x s t j = relu (tap0 * (if prev s t == key_ j then key else 0)
    + tap1 * (if tok s t == key_ j then key else 0) - bias).
Proof. by rewrite x_hatE !embedding_key. Qed.

(* A window writes iff it is (key j, value w). *)
Lemma write_one s t (j : 'I_kappa) r : (r < width)%N ->
  x s t (kappa + r)%N * x s t j = a0 * \sum_(w < V) (stores s t j w)%:R * written w r.
Proof.
move=> rw; rewrite x_key x_hatE !embedding_code /stores.
have [->|pj] /= := eqVneq (prev s t) (key_ j); last first.
  rewrite big1 => [|w _]; last by rewrite mul0r.
  rewrite !mulr0 add0r; have [->|_] := eqVneq (tok s t) (key_ j); last by rewrite mulr0 add0r off mulr0.
  rewrite /= mulr0 addr0; case: (prev s t) => [[k|v]|] /=; rewrite ?mulr0 ?add0r ?off ?mul0r //.
  by rewrite [relu (_ - bias)]relu_neg ?mul0r // subr_le0 value_before.
rewrite mulr0 add0r; case: (tok s t) => [[k|v]|] /=; rewrite ?mulr0 ?add0r ?off ?mul0r.
- by rewrite big1 ?mulr0 // => w _; rewrite mul0r.
- rewrite addr0 (relu_pos a0_ge0) (bigD1 v) //= value_eq eqxx mul1r big1 ?addr0 1?mulrC // => w wv.
  by rewrite value_eq eq_sym (negPf wv) mul0r.
- by rewrite big1 ?mulr0 // => w _; rewrite mul0r.
Qed.

(* The state counts the writes: on every sequence, at every time. *)
Lemma stateE s t (j : 'I_kappa) r : (r < width)%N ->
  state weights (map embedding s) t (kappa + r)%N j = a0 * \sum_(w < V) (writes s t j w)%:R * written w r.
Proof.
move=> rw; rewrite /state /s6_state unrolled_1 => [|i _]; last by rewrite /= mulr0 exp0.
have -> : \sum_(w < V) (writes s t j w)%:R * written w r
        = \sum_(0 <= i < t.+1) \sum_(w < V) (stores s i j w)%:R * written w r.
  rewrite exchange_big; apply: eq_bigr => w _; rewrite /writes natr_sum mulr_suml; exact: eq_bigr.
rewrite mulr_sumr; apply: eq_bigr => i _; rewrite -write_one // /B_of linear_selecting ?ltn_addr //.
by rewrite /delta_of linear_constant /= step1 mul1r.
Qed.

(* The logit of every value, at every position of every sequence. *)
Lemma shared_logitE s t u : shared_logit s t u =
  \sum_(j < kappa) a0 * x s t j * (\sum_(w < V) (writes s t j w)%:R * gain u w) + head_bias u.
Proof.
rewrite /shared_logit affine_sum /= big_split_ord /= big1 ?add0r => [|c _]; last by rewrite ltn_ord mulr0.
congr (_ + _); transitivity (\sum_(r < width) \sum_(j < kappa)
    a0 * x s t j * (\sum_(w < V) (writes s t j w)%:R * written w r) * head u r).
  apply: eq_bigr => r _; rewrite ltnNge leq_addr /= addKn -mulr_suml; congr (_ * _).
  rewrite /paper_mamba /= /readout sumE; apply: eq_bigr => j _; rewrite stateE // /C_of linear_selecting ?ltn_addr //.
  by rewrite /= mulrAC.
rewrite exchange_big; apply: eq_bigr => j _ /=.
under eq_bigr => r _ do rewrite -mulrA mulr_suml.
rewrite -mulr_sumr exchange_big; congr (_ * _); apply: eq_bigr => w _ /=.
by rewrite /gain mulr_sumr; apply: eq_bigr => r _; rewrite -mulrA [head _ _ * _]mulrC.
Qed.

(* A query reads its own column by a_1, its neighbour's by a_0; b more where they are one. *)
Lemma x_query s t (q j : 'I_kappa) : tok s t = key_ q ->
  x s t j = (a1 + bias * (prev s t == key_ q)%:R) * (j == q)%:R + a0 * (prev s t == key_ j)%:R.
Proof.
move=> tq; rewrite x_key tq key_eq [q == j]eq_sym.
have [->|jq] := eqVneq j q.
  case: (prev s t == _) => /=; last by rewrite !mulr0 add0r !addr0 mulr1 (relu_pos a1_ge0).
  rewrite relu_pos; first by rewrite /a0 /a1; ring.
  by rewrite addrAC addr_ge0 ?a0_ge0 // (le_trans bias_ge0) // ltW.
rewrite !mulr0 addr0 add0r; case: (prev s t == _) => /=; last by rewrite !mulr0 add0r off.
by rewrite mulr1 (relu_pos a0_ge0).
Qed.

Lemma logit_query s t q u : tok s t = key_ q ->
  shared_logit s t u = a0 * ((a1 + bias * (prev s t == key_ q)%:R) * (\sum_(w < V) (writes s t q w)%:R * gain u w)
    + a0 * (if prev s t is Some (inl i) then \sum_(w < V) (writes s t i w)%:R * gain u w else 0)) + head_bias u.
Proof.
move=> tq; rewrite shared_logitE; congr (_ + _).
pose N j := \sum_(w < V) (writes s t j w)%:R * gain u w.
transitivity (\sum_(j < kappa) (a0 * ((a1 + bias * (prev s t == key_ q)%:R) * ((j == q)%:R * N j))
                              + a0 * (a0 * ((prev s t == key_ j)%:R * N j)))).
  by apply: eq_bigr => j _; rewrite (x_query _ tq) -/(N j); ring.
rewrite big_split /= -!mulr_sumr mulrDr; congr (_ * (_ * _) + _ * (_ * _)).
  by rewrite (bigD1 q) //= eqxx mul1r big1 ?addr0 // => j /negPf ->; rewrite mul0r.
case: (prev s t) => [[i|v]|]; try by rewrite big1 // => j _; rewrite mul0r.
rewrite (bigD1 i) //= key_eq eqxx mul1r big1 ?addr0 // => j ji.
by rewrite key_eq eq_sym (negPf ji) mul0r.
Qed.

(* Under H1 and H2 a query of q reads the code of its value, and that of the value which its neighbour holds. *)
Theorem shared_logit_query ctx tail t q v u : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->
  shared_logit s t u = a0 * ((a1 + bias * (prev s t == key_ q)%:R) * gain u v
    + a0 * (\sum_(w < V) (beside ctx s t w)%:R * gain u w)) + head_bias u.
Proof.
move=> s h1 h2 query; rewrite (logit_query _ (query_tok query)); congr (_ * (_ * _ + _ * _) + _).
  rewrite (bigD1 v) //= (writes_query h1 h2 query) eqxx mul1r big1 ?addr0 // => w wv.
  by rewrite (writes_query h1 h2 query) (negPf wv) mul0r.
rewrite /beside; case pt: (prev s t) => [[i|w]|]; try by rewrite big1 // => w' _; rewrite mul0r.
by apply: eq_bigr => w _; rewrite (writes_neighbour h1 h2 query w pt).
Qed.
End Shared.
