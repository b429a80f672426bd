(* mqar.thm3-relu-clip refuted: in the block of Table 2, whose ReLU clips the columns of signs, orthogonal keys do not
   recall ([P] Theorem 3, step 2). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.SignKeys.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Clipped.
Variable R : realFieldType.
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).

(* The product of two keys, before the activation. *)
Definition key_product (N : nat) (root : R) (columns : nat -> nat -> bool) (q a : nat) : R :=
  \sum_(n < N) column e id p root columns q n * column e id p root columns a n.

(* What would follow from the paper: for all orthogonal columns of signs the block with the activation sigma recalls. *)
Definition orthogonal_keys_recall (sigma : R -> R) :=
  forall (kappa V N : nat) (root : R) (columns : nat -> nat -> bool), 0 < root -> root ^+ 2 = N%:R ->
  (forall q a : 'I_kappa, q != a -> key_product N root columns q a = 0) ->
  forall ctx tail t q (v u : 'I_V), let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  @logit R e sigma p step_bias kappa V N root columns s t u < @logit R e sigma p step_bias kappa V N root columns s t v.

(* N = 4, the keys a = ++++, q = ++-- and c = +-+-, and a u q v c u q. *)
Definition columns (j n : nat) : bool :=
  if j == 0%N then true else if j == 1%N then (n < 2)%N else ~~ odd n.
Let a : 'I_3 := ord0.
Let q : 'I_3 := Ordinal (isT : (1 < 3)%N).
Let c : 'I_3 := ord_max.
Let u : 'I_2 := ord0.
Let v : 'I_2 := ord_max.
Definition context := [:: (a, u); (q, v); (c, u)].
Definition question : seq (token 3 2) := [:: key_ q].
Lemma asked : [&& H1 context, H2 context question & asks context question 6 q v]. Proof. by []. Qed.

Lemma orthogonal (i j : 'I_3) : i != j -> key_product 4 2%:R columns i j = 0.
Proof.
case: i j => [[|[|[|//]]] ?] [[|[|[|//]]] ?] //= _;
  rewrite /key_product !big_ord_recr big_ord0 /column /signs /=; ring.
Qed.

(* ReLU leaves 1/2 where a column has +, so that two keys' products count the places where both do. *)
Lemma clipped_product (i j : nat) : gram e (@relu R) p 4 2%:R columns i j =
  (\sum_(n < 4) (columns i n && columns j n))%:R * 4%:R^-1.
Proof.
have half0 : 0 <= 2%:R^-1 :> R by rewrite invr_ge0 ler0n.
have on : relu (2%:R^-1 : R) = 2%:R^-1 by rewrite relu_pos.
have off : relu (- 2%:R^-1 : R) = 0 by rewrite relu_neg ?oppr_le0.
have four : 2%:R^-1 * 2%:R^-1 = 4%:R^-1 :> R by rewrite -invfM -natrM.
rewrite natr_sum mulr_suml; apply: eq_bigr => n _; rewrite /passed /column /signs.
by case: (columns i n); case: (columns j n); rewrite /= ?on ?off ?four ?mul1r ?mul0r ?mulr0.
Qed.

Theorem clipped_margin :
  let logit := @logit R e (@relu R) p step_bias 3 2 4 2%:R columns (sequence context question) 6 in
  logit v - logit u = - 4%:R^-1.
Proof.
move=> l; have [h1 h2 query] := and3P asked; have uv : u != v by [].
rewrite /l (@marginE _ _ _ _ _ exp0 step1 (relu0 R) (relu_nat R 1) 3 2 4 2%:R columns _ _ _ _ _ _ h1 h2 query uv).
have wr j w : writes (sequence context question) 6 j w = ((j, w) \in context).
  by rewrite writes_context // => r r6 rt; rewrite ltnNge r6 in rt.
rewrite big_mkcond !big_ord_recr big_ord0 /= !wr !clipped_product.
rewrite !big_ord_recr !big_ord0 /=.
ring.
Qed.

Theorem thm3_relu_clip_refuted : ~ orthogonal_keys_recall (@relu R).
Proof.
move=> recall; have [h1 h2 query] := and3P asked; have vu : u != v by [].
have two : 0 < 2%:R :> R by rewrite ltr0n.
have root2 : 2%:R ^+ 2 = 4%:R :> R by rewrite -natrX.
have := recall 3%N 2%N 4%N 2%:R columns two root2 orthogonal context question 6%N q v u h1 h2 query vu.
by rewrite -subr_gt0 clipped_margin oppr_gt0 invr_lt0 ltrn0.
Qed.

(* Without ReLU the same keys recall with margin 1. *)
Theorem linear_margin :
  let logit := @logit R e id p step_bias 3 2 4 2%:R columns (sequence context question) 6 in
  logit v - logit u = 1.
Proof.
move=> l; have [h1 h2 query] := and3P asked; have uv : u != v by [].
rewrite /l (@marginE _ _ _ _ _ exp0 step1 erefl erefl 3 2 4 2%:R columns _ _ _ _ _ _ h1 h2 query uv).
have g0 (j : 'I_3) : j != q -> gram e id p 4 2%:R columns q j = 0.
  by move=> jq; rewrite -(orthogonal (i := q) (j := j)) // eq_sym.
rewrite big1 ?addr0 => [|j jq]; last by rewrite g0 // mul0r.
have four : 2%:R^-1 * 2%:R^-1 = 4%:R^-1 :> R by rewrite -invfM -natrM.
rewrite /gram (eq_bigr (fun=> 4%:R^-1)) => [|n _].
  by rewrite sumr_const card_ord -[_ *+ _]mulr_natr mulVf // pnatr_eq0.
by rewrite /passed /column /signs /=; case: ifP => _; rewrite ?mulrNN four.
Qed.
End Clipped.
