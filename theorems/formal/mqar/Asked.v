(* How often a sequence has asked, and that nothing before the tail counts as a query; no network is named here but for
   what its indicators count. *)
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Semantics Task Constructions mqar.Recall mqar.Shrinking.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* No value directly follows a key in the tail. *)
Definition tail_stores_nothing kappa V (tail : seq (token kappa V)) : bool :=
  all (fun r => ~~ writes_at tail r) (iota 0 (size tail)).

Section Asked.
Variables kappa V : nat.
Implicit Types (s tail : seq (token kappa V)) (ctx : seq ('I_kappa * 'I_V)) (i j q : 'I_kappa).

(* A key counts where it stands behind the filler or a key: once, or three times right behind itself. *)
Lemma askedE s r j : asked s r j =
  if [&& tok s r == key_ j, 0 < r & ~~ is_value (prev s r)] then (if prev s r == key_ j then 3 else 1) else 0.
Proof.
have low x : seen j x <= 4 by case: x => [[k|w]|] //=; case: ifP.
have own : seen j (key_ j : token kappa V) = 4 by rewrite /= eqxx.
rewrite /asked; have [->|tj] := eqVneq (tok s r) (key_ j).
  rewrite own; case: r => [|r] //=; case: (tok s r) => [[k|w]|] //=.
  by rewrite key_eq -val_eqE /= eq_sym; case: (k == j :> nat).
have le2 : seen j (tok s r) <= 2.
  case: (tok s r) tj => [[k|w]|] //=; rewrite key_eq eq_sym -val_eqE /= => /negPf; rewrite eq_sym => ->; by [].
apply/eqP; rewrite subn_eq0; apply: (@leq_trans (4 + 2 * 2)) => //; apply: leq_add; last by rewrite leq_mul2l.
by case: r {tj le2}.
Qed.

(* Every key's queries up to t. *)
Definition queries s t : nat := \sum_(0 <= r < t.+1) \sum_(j < kappa) asked s r j.

(* A block shrinks once for each query, but not for its own one until one token later. *)
Lemma shrinks_total s t i : \sum_(0 <= r < t.+1) shrinks s r i + asked s t i = queries s t.
Proof.
elim: t => [|t IH]; rewrite /queries.
  by rewrite !big_nat1 /shrinks /= addn0 [RHS](bigD1 i) //= addnC; congr (_ + _); apply: eq_bigl => j; rewrite -val_eqE.
rewrite big_nat_recr //= [RHS]big_nat_recr //= -/(queries s t) -IH /shrinks /= [in RHS](bigD1 i) //=.
rewrite (eq_bigl (fun j : 'I_kappa => j != i)) => [|j]; last by rewrite -val_eqE.
by rewrite [asked s t.+1 i + _]addnC addnA [in RHS]addnAC -!addnA [asked s t i + _]addnC.
Qed.

(* --- the context asks nothing, the tail stores nothing ----------------------------------------------------------- *)

Lemma context_keys ctx tail r : let s := sequence ctx tail in
  r < size (pairs ctx) -> is_key (tok s r) -> (r == 0) || is_value (prev s r).
Proof.
elim: ctx r => [|[k v] ctx IH] [|[|r]] //= rn kr; have := IH r rn kr.
by case: r {rn kr} => [|r].
Qed.

Lemma asked_context ctx tail r j : r < size (pairs ctx) -> asked (sequence ctx tail) r j = 0.
Proof.
move=> rn; rewrite askedE; case: eqP => //= rj; have := context_keys rn (tail := tail); rewrite rj => /(_ isT).
by case: r {rn rj} => [|r] //= ->.
Qed.

Lemma shrinks_context ctx tail r i : r < size (pairs ctx) -> shrinks (sequence ctx tail) r i = 0.
Proof.
move=> rn; rewrite /shrinks big1 => [|j _]; last exact: asked_context.
by case: r rn => [|r] rn //=; rewrite asked_context // ltnW.
Qed.

Lemma stores_tail ctx tail r i v : let s := sequence ctx tail in
  tail_stores_nothing tail -> size (pairs ctx) <= r -> stores s r i v = false.
Proof.
move=> s /allP none nr; apply/negP => /andP[/eqP p /eqP c].
case: r nr p c => [|r] // nr p c.
have [rn|rn] := leqP (size (pairs ctx)) r; last first.
  have /(context_ends tail) : r.+1 = size (pairs ctx) by apply/eqP; rewrite eqn_leq rn.
  by rewrite (p : tok _ r = _).
pose m := r - size (pairs ctx).
have at_ d : tok s (size (pairs ctx) + d) = tok tail d by rewrite /tok nth_cat ltnNge leq_addr addKn.
have rE : r = size (pairs ctx) + m by rewrite subnKC.
rewrite /= rE at_ in p; rewrite rE -addnS at_ in c.
have := none m.+1; rewrite mem_iota /= add0n (tok_size c) => /(_ isT).
by rewrite /writes_at /= p c.
Qed.

(* From a write in the context on, block i shrinks as often as there were queries, less those of t itself. *)
Lemma shrinks_since ctx tail r t i : let s := sequence ctx tail in
  r < size (pairs ctx) -> r <= t -> \sum_(r.+1 <= r' < t.+1) shrinks s r' i + asked s t i = queries s t.
Proof.
move=> s rn rt; rewrite -(shrinks_total s t i) [in RHS](big_cat_nat _ _ _ (leq0n r.+1)) //=.
rewrite [X in _ = X + _ + _]big_nat_cond [X in _ = X + _ + _]big1 ?add0n //.
move=> r' /andP[/andP[_ r'r] _]; apply: shrinks_context; exact: leq_trans r'r rn.
Qed.

(* At a query of q, under H4: its own key counts, once or three times, and no other. *)
Lemma asked_query ctx tail t q v : let s := sequence ctx tail in
  H4 ctx tail -> asks ctx tail t q v -> asked s t q = (if prev s t == key_ q then 3 else 1) /\
  (forall i, i != q -> asked s t i = 0).
Proof.
move=> s /allP h4 query; have tq := query_tok query; have nt := query_tail query; have qv := query_pair query.
split=> [|i iq]; rewrite askedE tq ?eqxx; last by rewrite key_eq eq_sym (negPf iq).
have t0 : 0 < t by apply: leq_trans nt; case: (ctx) qv.
have -> : is_value (prev s t) = false; last by rewrite t0.
apply/negbTE; have := h4 t; rewrite mem_iota /= add0n (tok_size tq) => /(_ isT); rewrite nt tq /=.
by have -> : has (fun p => key_ q == key_ p.1 :> token kappa V) ctx by apply/hasP; exists (q, v).
Qed.
End Asked.
