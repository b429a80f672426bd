(* mqar.thm2-step1 with the paper's numbers (keys 2, values 1, taps 1 and 2, bias 1), the real exp and softplus. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals sequences exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Task mqar.Recall mqar.Shared mqar.Theorem2 real.Softplus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Paper.
Variable R : realType.
Variables kappa V : nat.
Definition paper_logit := @logit R kappa V 2%:R 1 1 2%:R 1 (@expR R) (@softplus R) step_bias.

(* The margin is 3; 4 or 2 where the key before the query holds the query's value or the rival; 5 where it is q. *)
Theorem thm2_step1_paper ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  paper_logit s t v - paper_logit s t u
    = 3%:R + (beside ctx s t v)%:R - (beside ctx s t u)%:R + (prev s t == key_ q)%:R
  /\ paper_logit s t u < paper_logit s t v.
Proof.
move=> s h1 h2 query uv.
have [] := @thm2_step1 R kappa V 2%:R 1 1 2%:R 1 (@expR R) (@softplus R) step_bias
  (expR0 R) (softplus_step_bias R) ltr01 ltr01 ler01 _ _ _ ctx tail t q v u h1 h2 query uv.
- by rewrite mulr1.
- by rewrite mul1r ltr1n.
- by rewrite mulr1 ltr1n.
by move=> M _ _ right; split=> //; rewrite /paper_logit M /s; ring.
Qed.
End Paper.
