(* Keys as columns of signs in the paper's Mamba-2 block, one-hot values, N = p ([P] Theorem 3, step 2): the logits of
   every query, on every sequence, for B and C that are linear or pass any activation. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall mqar.Codes.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section SignKeys.
Variable R : realFieldType.
Variables (e sigma p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1) (sigma0 : sigma 0 = 0) (sigma1 : sigma 1 = 1).
Notation F := (over e sigma p).

Variables kappa V N : nat.
Variables (root : R) (columns : nat -> nat -> bool).   (* root = sqrt(N); N signs a column *)
Notation token := (token kappa V).

Definition column : nat -> nat -> R := signs (F := F) root^-1 columns.
Definition one_hot : nat -> nat -> R := one_hot_code (F := F) 1.
Notation weights := (@codes_mamba2 F kappa V N V column column one_hot step_bias).

Definition logit (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear V (@codes_head2 F one_hot) (paper_mamba2 weights (map (@one_hot_token F kappa V) s) t) u.

(* What passes the activation of a key's column, and the product of two keys. *)
Definition passed (j n : nat) : R := sigma (column j n).
Definition gram (q j : nat) : R := \sum_(n < N) passed q n * passed j n.

Lemma branchE (code : token -> nat -> R) (M : affine F) k s t c :
  (forall y, linear (kappa + V) M (one_hot_token F y) c = code y c) -> (forall c, code None c = 0) -> (k < 2)%N ->
  branch weights (map (@one_hot_token F kappa V) s) M (tap F k) t c =
  sigma (code (if k == 0%N then prev s t else tok s t) c).
Proof.
move=> ME none k2.
have rowE i : row (F := F) (List.map (linear (kappa + V) M) (map (@one_hot_token F kappa V) s)) i c = code (tok s i) c.
  elim: s i => [i|y s' IH [|i]]; [by rewrite /tok nth_nil none | exact: ME | exact: IH].
rewrite /branch conv2E rowE; congr sigma.
case: k k2 => [|[|k]] // _; last by case: t => [|t]; rewrite /= ?mul0r !add0r mul1r addr0.
by case: t => [|t]; rewrite /= ?rowE ?mul1r mul0r ?none !addr0.
Qed.

Lemma branches s t : let X := map (@one_hot_token F kappa V) s in
  (forall n, B_branch weights X t n = B_code passed (prev s t) n) /\
  (forall n, C_branch weights X t n = C_code passed (tok s t) n) /\
  (forall r, x_branch weights X t r = x_code one_hot (tok s t) r).
Proof.
have keys (y : token) n : linear (kappa + V) (@of_keys F kappa column) (one_hot_token F y) n = B_code column y n.
  exact (@of_keysE R e p kappa V column y n).
have values (y : token) r : linear (kappa + V) (@of_values F kappa one_hot) (one_hot_token F y) r = x_code one_hot y r.
  exact (@of_valuesE R e p kappa V one_hot y r).
split=> [n|]; first by rewrite /B_branch (branchE (code := B_code column)) //; case: (prev s t) => [[]|].
split=> [n|r]; first by rewrite /C_branch (branchE (code := B_code column)) //; case: (tok s t) => [[]|].
rewrite /x_branch (branchE (code := x_code one_hot)) //; case: (tok s t) => [[]|] //= w.
by rewrite /one_hot /one_hot_code; case: ifP.
Qed.

(* The logit of u at a query of q, at every position of every sequence. *)
Lemma logitE (s : seq token) t q u : tok s t = key_ q ->
  logit s t u = \sum_(j < kappa) gram q j * (writes s t j u)%:R.
Proof.
move=> tq; transitivity (\sum_(j < kappa) \sum_(w < V)
    (writes s t j w)%:R * (score N passed passed q j * product V one_hot one_hot u w)).
  have := @readout_codes R kappa V N V passed passed one_hot one_hot s t u; rewrite tq /= => <-.
  rewrite /logit affine_sum /= addr0; apply: eq_bigr => r _; congr (_ * _).
  rewrite /paper_mamba2 /= /readout sumE; apply: eq_bigr => n _.
  have [_ [-> _]] := branches s t; rewrite tq; congr (_ * _).
  rewrite /m2_state /ssd_state unrolled_1 => [|i _]; last by rewrite /= mulr0 exp0.
  apply: eq_bigr => i _; have [-> [_ ->]] := branches s i.
  by rewrite /dt_of linear_constant /= step1 mul1r.
apply: eq_bigr => j _; rewrite (bigD1 u) //= [X in _ + X]big1 ?addr0 => [|w wu].
  have -> : product V one_hot one_hot u u = 1.
    by rewrite /product (@sum_one_hot _ e sigma p) // /one_hot /one_hot_code eqxx mul1r.
  by rewrite mulr1 mulrC.
have -> : product V one_hot one_hot u w = 0; last by rewrite !mulr0.
rewrite /product (@sum_one_hot _ e sigma p) // /one_hot /one_hot_code.
by rewrite (_ : (u == w :> nat) = false) ?mulr0 //; apply: negbTE; rewrite eq_sym.
Qed.

(* The margin of the query's value: 1 by its own key where columns have length 1, and what other keys add. *)
Lemma marginE ctx tail t q v u : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> logit s t v - logit s t u =
  gram q q + \sum_(a < kappa | a != q) gram q a * ((writes s t a v)%:R - (writes s t a u)%:R).
Proof.
move=> s h1 h2 query uv; rewrite !(logitE _ (query_tok query)) -sumrB (bigD1 q) //=.
rewrite !(writes_query h1 h2 query) eqxx (negPf uv) mulr1 mulr0 subr0; congr (_ + _).
by apply: eq_bigr => a _; rewrite mulrBr.
Qed.
End SignKeys.
