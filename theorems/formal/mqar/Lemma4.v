(* mqar.lem4, refuted: with i = j among the pairs, no sign matrix keeps all products of its columns at most eps < 1. Of
   mqar.lem4-amended: a matrix stacked on its negative keeps the products, and its columns sum to 0. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Lemma4.
Variable R : realFieldType.

(* Entries +-1/sqrt p: those whose square is 1/p. *)
Definition sign_matrix p d (M : 'M[R]_(p, d)) : Prop := forall r i, M r i ^+ 2 = p%:R^-1.
Definition product_of p d (M : 'M[R]_(p, d)) (i j : 'I_d) : R := \sum_r M r i * M r j.

Lemma own_product p d (M : 'M[R]_(p, d)) i : (0 < p)%N -> sign_matrix M -> product_of M i i = 1.
Proof.
move=> p0 signs; rewrite /product_of (eq_bigr (fun=> p%:R^-1)) => [|r _]; last by rewrite -expr2 signs.
by rewrite sumr_const card_ord -[LHS]mulr_natr mulVf // pnatr_eq0 -lt0n.
Qed.

(* The lemma as printed, whatever p may be. *)
Definition nearly_orthogonal d (eps : R) : Prop :=
  exists p (M : 'M[R]_(p, d)), [/\ (0 < p)%N, sign_matrix M & forall i j, `|product_of M i j| <= eps].

(* It fails for every eps < 1 and every d >= 1. *)
Theorem lem4_fails d eps : (0 < d)%N -> eps < 1 -> ~ nearly_orthogonal d eps.
Proof.
move=> d0 eps1 [p [M [p0 signs small]]]; have := small (Ordinal d0) (Ordinal d0).
by rewrite own_product // normr1 leNgt eps1.
Qed.

Theorem lem4_refuted : ~ (forall d eps, (0 < d)%N -> 0 < eps -> eps < 1 -> nearly_orthogonal d eps).
Proof.
have half0 : 0 < 2%:R^-1 :> R by rewrite invr_gt0 ltr0n.
have half1 : 2%:R^-1 < 1 :> R by rewrite invf_lt1 ?ltr1n ?ltr0n.
by move=> /(_ 1%N _ isT half0 half1); exact: lem4_fails.
Qed.

(* Signs s in place of entries s/sqrt p, whose products are divided by p. *)
Definition signs_only p d (M : 'M[R]_(p, d)) : Prop := forall r i, M r i = 1 \/ M r i = -1.
Definition mean_product p d (M : 'M[R]_(p, d)) (i j : 'I_d) : R := (\sum_r M r i * M r j) / p%:R.
Definition stacked p d (M : 'M[R]_(p, d)) : 'M[R]_(p + p, d) := col_mx M (- M).

Theorem stacked_balanced p d (M : 'M[R]_(p, d)) : signs_only M ->
  [/\ signs_only (stacked M), forall i j, mean_product (stacked M) i j = mean_product M i j &
      forall i, \sum_r stacked M r i = 0].
Proof.
move=> signs; split=> [r i|i j|i].
- rewrite /stacked mxE; case: split => l; rewrite ?mxE; case: (signs l i) => ->; rewrite ?opprK; by [left | right].
- rewrite /mean_product /stacked big_split_ord /=.
  under eq_bigr do rewrite !col_mxEu.
  under [X in _ + X]eq_bigr do rewrite !col_mxEd !mxE mulrNN.
  have twice (a : R) : a + a = a * 2%:R by rewrite mulr_natr mulr2n.
  by rewrite natrD !twice -mulf_div divff ?mulr1 // pnatr_eq0.
- rewrite /stacked big_split_ord /=; under eq_bigr do rewrite col_mxEu.
  by under [X in _ + X]eq_bigr do rewrite col_mxEd mxE; rewrite sumrN subrr.
Qed.
End Lemma4.
