(* mqar.n2-distinct: two states recall any number of distinct values, B(l) = (l, K^2 - l^2), C(q) = (2q, 1), K = kappa,
   keys counted from 1, one-hot values, in the paper's Mamba-2 block; in its Mamba block as well. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Codes mqar.OneHot mqar.Values.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section TwoStates.
Variable R : realDomainType.
Variables kappa V : nat.
(* Any functions for exp and for the activation of Delta that make the decay and the step 1. *)
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Notation F := (over e (@relu R) p).
Notation one_hot := (@one_hot_code F 1).

Definition n2_logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit2 R e p kappa V 2 V (@moment_write F kappa) (@moment_read F) one_hot one_hot step_bias.
Definition n2_mamba_logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit R e p kappa V 2 V (@moment_write F kappa) (@moment_read F) one_hot one_hot step_bias.

(* Every code passes ReLU: l <= K. *)
Lemma write_ge0 (j : 'I_kappa) n : 0 <= moment_write F kappa j n.
Proof.
rewrite /moment_write; case: ifP => _; rewrite natE ?ler0n //= natE subr_ge0.
by rewrite -!natrM ler_nat leq_mul.
Qed.
Lemma read_ge0 (q : 'I_kappa) n : 0 <= moment_read F q n.
Proof. by rewrite /moment_read; case: ifP => _; rewrite ?ler01 //= !natE mulr_ge0 ?ler0n. Qed.

Lemma moment_score (q j : nat) : score 2 (@moment_write F kappa) (@moment_read F) q j
  = kappa%:R ^+ 2 + q.+1%:R ^+ 2 - (q%:R - j%:R) ^+ 2.
Proof.
rewrite /score !big_ord_recl big_ord0 /moment_write /moment_read /minus /= !natE.
by rewrite -(addn1 q) -(addn1 j) !natrD; ring.
Qed.

(* A value's logit is the score of the keys that hold it. *)
Lemma n2_logits s t q u : tok s t = key_ q ->
  n2_logit s t u = \sum_(j < kappa) (writes s t j u)%:R * (kappa%:R ^+ 2 + q.+1%:R ^+ 2 - (q%:R - j%:R) ^+ 2)
  /\ n2_mamba_logit s t u = n2_logit s t u.
Proof.
move=> tq; have [] := @codes_logit_at R e p exp0 kappa V 2 V (@moment_write F kappa) (@moment_read F) one_hot one_hot
  step_bias step1 (fun j n _ => write_ge0 j n) (fun j n _ => read_ge0 j n) (fun w r _ => one_hot_ge0 e p w r)
  s t q u tq.
rewrite /n2_logit /n2_mamba_logit => -> ->; split=> //; apply: eq_bigr => j _.
rewrite (bigD1 u) //= /product one_hot_product eqxx mulr1 moment_score big1 ?addr0 // => w wu.
by rewrite one_hot_product eq_sym (negPf wu) !mulr0.
Qed.

(* mqar.n2-distinct: l is the key under which the rival u is stored, where it is. *)
Theorem n2_distinct ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> H3 ctx tail -> asks ctx tail t q v -> u != v ->
  let M := n2_logit s t v - n2_logit s t u in
  M = (if [pick l | (0 < writes s t l u)%N] is Some l then (q%:R - l%:R) ^+ 2 else kappa%:R ^+ 2 + q.+1%:R ^+ 2)
  /\ 1 <= M.
Proof.
move=> s h1 h2 h3 query uv M; have tq := query_tok query.
have own : n2_logit s t v = kappa%:R ^+ 2 + q.+1%:R ^+ 2.
  have [-> _] := n2_logits v tq; rewrite (bigD1 q) //= (writes_query h1 h2 query) eqxx mul1r.
  rewrite big1 => [|j jq]; first by ring.
  by rewrite (H3_only h1 h2 query h3 jq) mul0r.
have [rival _] := n2_logits u tq; rewrite /M own rival; case: pickP => [l ul|none].
  have once : (\sum_(j < kappa) writes s t j u <= 1)%N by exact: H3_once query u t h3 (leqnn t).
  have lu : writes s t l u = 1%N.
    by apply/eqP; rewrite eqn_leq ul andbT (leq_trans _ once) // (bigD1 l) //= leq_addr.
  have other j : j != l -> writes s t j u = 0%N.
    move=> jl; move: once; rewrite (bigD1 l) //= lu (bigD1 j) //=.
    by case: (writes s t j u).
  have lq : q != l by apply: contraTneq ul => <-; rewrite (writes_query h1 h2 query) (negPf uv).
  rewrite (bigD1 l) //= lu mul1r big1 => [|j jl]; last by rewrite other ?mul0r.
  by split; [ring | rewrite addr0 opprB addrC subrK square_apart].
rewrite big1 => [|j _]; last by have := none j; case: (writes s t j u) => // _; rewrite mul0r.
by rewrite subr0; split=> //; rewrite ler_paddl ?sqr_ge0 // -natrX ler1n expn_gt0.
Qed.

(* The same logits, and so the same margin, in the Mamba block. *)
Corollary n2_distinct_mamba s t q (u : 'I_V) : tok s t = key_ q -> n2_mamba_logit s t u = n2_logit s t u.
Proof. by case/(n2_logits u). Qed.
End TwoStates.
