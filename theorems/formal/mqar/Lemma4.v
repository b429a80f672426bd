(* mqar.lem4, refuted: with i = j among the pairs, no sign matrix keeps all products of its columns at most eps < 1. *)
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
End Lemma4.
