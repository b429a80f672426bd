(* What a sequence of the recall task has stored: which value stands directly behind which key, how often, and what H1,
   H2 and H3 say of it at a query. No network is named here. *)
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Task.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Arguments tok : simpl never.

Section Recall.
Variables kappa V : nat.
Implicit Types (s tail : seq (token kappa V)) (ctx : seq ('I_kappa * 'I_V)) (j i q : 'I_kappa) (u v w : 'I_V).

(* The window that ends at r is (key j, value u); n_{j,u} is how many there are up to t. *)
Definition stores s r j u : bool := (prev s r == key_ j) && (tok s r == value_ u).
Definition writes s t j u : nat := \sum_(0 <= r < t.+1) stores s r j u.

(* --- equations between tokens ------------------------------------------------------------------------------------- *)

Lemma key_eq j i : ((key_ j : token kappa V) == key_ i) = (j == i). Proof. by []. Qed.
Lemma value_eq u w : ((value_ u : token kappa V) == value_ w) = (u == w). Proof. by []. Qed.
Lemma key_not_value j u : ((key_ j : token kappa V) == value_ u) = false. Proof. by []. Qed.
Lemma value_not_key u j : ((value_ u : token kappa V) == key_ j) = false. Proof. by []. Qed.

(* A position that holds a token lies inside the sequence. *)
Lemma tok_size s t x : tok s t = Some x -> t < size s.
Proof. by move=> e; rewrite ltnNge; apply/negP => /(nth_default None); rewrite -/(tok s t) e. Qed.

(* --- one write a position ----------------------------------------------------------------------------------------- *)

Lemma stores_at s r j u : stores s r j u -> writes_at s r.
Proof. by case/andP => /eqP p /eqP c; rewrite /writes_at p c. Qed.

Lemma stores_unique s r j i u w : stores s r j u -> stores s r i w -> j = i /\ u = w.
Proof. by case/andP => /eqP p /eqP c /andP[]; rewrite p c key_eq value_eq => /eqP-> /eqP->. Qed.

Lemma stores0 s j u : stores s 0 j u = false. Proof. by []. Qed.

Lemma writesS s t j u : writes s t.+1 j u = writes s t j u + stores s t.+1 j u.
Proof. by rewrite /writes big_nat_recr. Qed.

(* --- H1: the context holds one value a key ------------------------------------------------------------------------ *)

Lemma H1_unique ctx j u w : H1 ctx -> (j, u) \in ctx -> (j, w) \in ctx -> u = w.
Proof.
rewrite /H1; elim: ctx => // -[k z] ctx IH /= /andP[kn un].
have fresh x : (k, x) \in ctx = false.
  by apply/negP => kx; case/negP: kn; apply/mapP; exists (k, x).
rewrite !inE => /predU1P[[-> ->]|ju] /predU1P[[e]|jw].
- by [].
- by rewrite fresh in jw.
- by rewrite e fresh in ju.
- exact: IH.
Qed.

(* The context stores each of its pairs once. *)
Lemma stores_pairs ctx tail j u :
  \sum_(0 <= r < size (pairs ctx)) stores (sequence ctx tail) r j u = count_mem (j, u) ctx.
Proof.
elim: ctx => [|[k v] ctx IH]; first by rewrite big_geq.
rewrite /= big_nat_recl // big_nat_recl // -IH stores0 add0n; congr addn.
by apply: eq_big_nat => -[|r] _ //=; rewrite ?stores0 // /stores /= andbC.
Qed.

Lemma context_ends ctx tail r : r.+1 = size (pairs ctx) -> is_value (tok (sequence ctx tail) r).
Proof. by elim: ctx r => [|[k v] ctx IH] [|[|r]] //= -[]; exact: IH. Qed.

(* --- H2: what the tail cannot do ---------------------------------------------------------------------------------- *)

(* A key that occurs at t was not shown before a value earlier in the tail. *)
Lemma H2_fresh ctx tail r t j : let s := sequence ctx tail in
  H2 ctx tail -> size (pairs ctx) <= r -> r < t -> tok s r = key_ j -> tok s t = key_ j -> ~~ is_value (tok s r.+1).
Proof.
move=> s /allP h2 nr rt rj tj; have := h2 t; rewrite mem_iota /= add0n -/s (tok_size tj) => /(_ isT) /allP /(_ r).
by rewrite mem_iota /= add0n => /(_ rt); rewrite nr rj tj eqxx /= andbT.
Qed.

(* Where the tail before t showed key j before no value, j's writes are those of the context. *)
Lemma writes_context ctx tail t j u : let s := sequence ctx tail in
  H1 ctx -> size (pairs ctx) <= t ->
  (forall r, size (pairs ctx) <= r -> r < t -> tok s r = key_ j -> ~~ is_value (tok s r.+1)) ->
  writes s t j u = ((j, u) \in ctx).
Proof.
move=> s h1 nt h2; rewrite /writes (big_cat_nat _ _ _ (leq0n (size (pairs ctx)))) /=; last exact: leqW.
rewrite stores_pairs count_uniq_mem ?(map_uniq h1) // -[RHS]addn0; congr addn.
rewrite big_nat_cond big1 // => -[|r] /andP[/andP[nr rt] _] //.
apply/eqP; rewrite eqb0; apply/negP => /andP[/eqP rj /eqP ru].
case: (leqP (size (pairs ctx)) r) => [nr'|rn].
  by have := h2 r nr' rt rj; rewrite ru.
have /(context_ends tail) : r.+1 = size (pairs ctx) by apply/eqP; rewrite eqn_leq rn.
by rewrite (rj : tok s r = key_ j).
Qed.

(* --- what is stored at a query under H1 and H2 -------------------------------------------------------------------- *)

Section Query.
Variables (ctx : seq ('I_kappa * 'I_V)) (tail : seq (token kappa V)) (t : nat) (q : 'I_kappa) (v : 'I_V).
Notation s := (sequence ctx tail).
Hypotheses (h1 : H1 ctx) (h2 : H2 ctx tail) (query : asks ctx tail t q v).

Lemma query_tok : tok s t = key_ q. Proof. by case/and3P: query => _ /eqP. Qed.
Lemma query_pair : (q, v) \in ctx. Proof. by case/and3P: query. Qed.
Lemma query_tail : size (pairs ctx) <= t. Proof. by case/and3P: query. Qed.

(* The query's key holds its value of the context, once, and no other. *)
Lemma writes_query u : writes s t q u = (u == v).
Proof.
rewrite writes_context ?query_tail // => [|r nr rt rq]; last exact: H2_fresh h2 nr rt rq query_tok.
congr nat_of_bool; apply/idP/eqP => [qu|->]; last exact: query_pair.
exact: H1_unique h1 qu query_pair.
Qed.

(* A key directly before the query holds what the context gave it: its own window ends in a key. *)
Lemma writes_neighbour i u : prev s t = key_ i -> writes s t i u = ((i, u) \in ctx).
Proof.
have nt := query_tail; have tq := query_tok.
case: t nt tq => [|r] nt tq //= ri; apply: writes_context => // r' nr' r'r ri'.
move: r'r; rewrite ltnS leq_eqVlt => /predU1P[->|r'r]; first by rewrite tq.
exact: H2_fresh h2 nr' r'r ri' ri.
Qed.

(* H3: at any time a value was stored at most once, under all keys together; the query's value under q alone. *)
Lemma H3_once u r : H3 ctx tail -> r <= t -> \sum_(j < kappa) writes s r j u <= 1.
Proof.
move=> /allP h3 rt; pose at_ r' := is_key (prev s r') && (tok s r' == value_ u).
have one r' : \sum_(j < kappa) stores s r' j u = at_ r'.
  rewrite /stores /at_; case: (prev s r') => [[k|z]|] /=; try by rewrite big1.
  rewrite (bigD1 k) //= key_eq eqxx /= big1 ?addn0 // => j jk.
  by rewrite key_eq eq_sym (negPf jk).
rewrite /writes exchange_big /= (eq_bigr (fun r' => nat_of_bool (at_ r'))) => [|r' _]; last exact: one.
have low r0 : at_ r0 -> r0 <= t -> \sum_(0 <= r' < r0) at_ r' = 0.
  move=> a0 r0t; rewrite big_nat_cond big1 // => r' /andP[/andP[_ r'0] _]; apply/eqP; rewrite eqb0; apply/negP => a'.
  have := h3 r0; rewrite mem_iota /= add0n => /(_ (leq_ltn_trans r0t (tok_size query_tok))) /allP /(_ r').
  rewrite mem_iota /= add0n => /(_ r'0); case/andP: a' => [k' /eqP c']; case/andP: a0 => [k0 /eqP c0].
  by rewrite /writes_at k' c' k0 c0 eqxx.
elim: r rt => [|r IH] rt; first by rewrite big_nat1 leq_b1.
rewrite big_nat_recr //=; case a: (at_ r.+1); last by rewrite addn0; exact: IH (ltnW rt).
by rewrite low.
Qed.

Lemma H3_only j : H3 ctx tail -> j != q -> writes s t j v = 0.
Proof.
move=> h3 jq; have := H3_once v h3 (leqnn t).
by rewrite (bigD1 q) //= writes_query eqxx (bigD1 j) //=; case: (writes s t j v).
Qed.
End Query.
End Recall.
