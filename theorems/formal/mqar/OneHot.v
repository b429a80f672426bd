(* mqar.thm3-step1: one-hot codes in the paper's Mamba-2 block, three convolutions, N = kappa ([P] Theorem 3, step 1);
   with a convolution that keeps B, C and x apart the Mamba block does the same. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Codes.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section OneHot.
Variable R : realDomainType.
Variables kappa V : nat.
(* Any functions for exp and for the activation of Delta that make the decay and the step 1. *)
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Notation one_hot := (@one_hot_code (over e (@relu R) p) 1).

Definition logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit2 R e p kappa V kappa V one_hot one_hot one_hot one_hot step_bias.
Definition mamba_logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit R e p kappa V kappa V one_hot one_hot one_hot one_hot step_bias.

Lemma one_hot_ge0 i r : 0 <= one_hot i r. Proof. by rewrite /one_hot_code; case: ifP => _; rewrite ?ler01. Qed.
Lemma one_hot_product n (i j : 'I_n) : \sum_(r < n) one_hot i r * one_hot j r = (i == j)%:R.
Proof.
by rewrite sum_one_hot // mul1r /one_hot_code (_ : (i == j :> nat) = (i == j)) //; case: (i == j).
Qed.

(* A query's logits are its value's one-hot code. *)
Lemma logits ctx tail t q (v w : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> logit s t w = (w == v)%:R /\ mamba_logit s t w = (w == v)%:R.
Proof.
move=> s h1 h2 query; rewrite -one_hot_product.
have [] := @codes_logit_one_hot R e p exp0 kappa V kappa V one_hot one_hot one_hot one_hot step_bias step1
  (fun j n _ => one_hot_ge0 j n) (fun j n _ => one_hot_ge0 j n) (fun w r _ => one_hot_ge0 w r)
  ctx tail t q v w (@one_hot_product kappa) h1 h2 query.
by [].
Qed.

(* mqar.thm3-step1: at every query the value leads by exactly 1. *)
Theorem thm3_step1 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> logit s t v - logit s t u = 1.
Proof.
move=> s h1 h2 query uv; have [-> _] := logits v h1 h2 query; have [-> _] := logits u h1 h2 query.
by rewrite eqxx (negPf uv) subr0.
Qed.

Theorem one_hot_mamba ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> mamba_logit s t v - mamba_logit s t u = 1.
Proof.
move=> s h1 h2 query uv; have [_ ->] := logits v h1 h2 query; have [_ ->] := logits u h1 h2 query.
by rewrite eqxx (negPf uv) subr0.
Qed.
End OneHot.
