(* mqar.value-code: one-hot keys and the integer code (v, 1), read by (2w, -w^2), in the paper's Mamba block: N = kappa
   and d = 2 kappa + 2 for every |V|; in its Mamba-2 block as well. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Codes mqar.OneHot.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* Two different integers are at least 1 apart, and so is their difference squared. *)
Lemma square_apart (R : realDomainType) m n : m != n -> 1 <= (m%:R - n%:R : R) ^+ 2.
Proof.
wlog mn : m n / (n <= m)%N => [sym|].
  by case: (leqP n m) => [/sym //|/ltnW /sym s]; rewrite eq_sym -sqrrN opprB; exact: s.
by move=> d; rewrite -natrB // -natrX ler1n expn_gt0 subn_gt0 ltn_neqAle eq_sym d mn.
Qed.

Section Values.
Variable R : realDomainType.
Variables kappa V : nat.
(* Any functions for exp and for the activation of Delta that make the decay and the step 1. *)
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Notation F := (over e (@relu R) p).
Notation one_hot := (@one_hot_code F 1).

(* Two channels for the values, whatever V is. *)
Definition value_logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit R e p kappa V kappa 2 one_hot one_hot (@integer_code F) (@integer_head F) step_bias.
Definition value_logit2 : seq (token kappa V) -> nat -> 'I_V -> R :=
  @codes_logit2 R e p kappa V kappa 2 one_hot one_hot (@integer_code F) (@integer_head F) step_bias.

Lemma code_ge0 (w r : nat) : 0 <= integer_code F w r.
Proof. by rewrite /integer_code; case: ifP => _; rewrite ?natE ?ler0n ?ler01. Qed.

(* With values counted from 1: <head(u), x(w)> = 2 u w - u^2 = w^2 - (w - u)^2. *)
Lemma integer_product u w : product 2 (@integer_code F) (@integer_head F) u w
  = w.+1%:R ^+ 2 - (w%:R - u%:R) ^+ 2.
Proof.
rewrite /product !big_ord_recl big_ord0 /integer_code /integer_head /= !natE.
by rewrite -(addn1 u) -(addn1 w) !natrD; ring.
Qed.

Lemma value_logits ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->
  value_logit s t u = v.+1%:R ^+ 2 - (v%:R - u%:R) ^+ 2 /\ value_logit2 s t u = value_logit s t u.
Proof.
move=> s h1 h2 query; rewrite -integer_product.
have [] := @codes_logit_one_hot R e p exp0 kappa V kappa 2 one_hot one_hot (@integer_code F) (@integer_head F)
  step_bias step1 (fun j n _ => one_hot_ge0 e p j n) (fun j n _ => one_hot_ge0 e p j n) (fun w r _ => code_ge0 w r)
  ctx tail t q v u (@one_hot_product R e p kappa) h1 h2 query.
by rewrite -/s /value_logit /value_logit2 => -> ->.
Qed.

(* mqar.value-code *)
Theorem value_code ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  let M := value_logit s t v - value_logit s t u in
  M = (v%:R - u%:R) ^+ 2 /\ 1 <= M.
Proof.
move=> s h1 h2 query uv M.
have closed : M = (v%:R - u%:R) ^+ 2.
  have [l _] := value_logits v h1 h2 query; have [l' _] := value_logits u h1 h2 query.
  by rewrite /M l l'; ring.
by rewrite closed square_apart // eq_sym.
Qed.

Theorem value_code_mamba2 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  let M := value_logit2 s t v - value_logit2 s t u in
  M = (v%:R - u%:R) ^+ 2 /\ 1 <= M.
Proof.
move=> s h1 h2 query uv M; have := value_code h1 h2 query uv; rewrite /M.
by have [_ ->] := value_logits v h1 h2 query; have [_ ->] := value_logits u h1 h2 query.
Qed.
End Values.
