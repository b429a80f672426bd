(* mqar.thm3-amended: when sign keys recall, for linear B and C: the margin of every query, a sufficient condition, the
   least margin over all assignments, and what that costs in states ([P] Theorem 3, step 2). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.SignKeys.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* All keys in order, key j with the value a j, and one query directly behind them. *)
Section Assignments.
Variables (kappa V : nat) (a : 'I_kappa -> 'I_V) (q : 'I_kappa).
Definition assigned : seq ('I_kappa * 'I_V) := [seq (j, a j) | j <- enum 'I_kappa].
Definition question : seq (token kappa V) := [:: key_ q].
Notation s := (sequence assigned question).
Notation t := (size (pairs assigned)).

Lemma assigned_mem j u : ((j, u) \in assigned) = (a j == u).
Proof.
apply/mapP/eqP => [[i _ [-> ->]] //|<-]; exists j => //; exact: mem_enum.
Qed.

Lemma assigned_H1 : H1 assigned.
Proof. by rewrite /H1 -map_comp map_id enum_uniq. Qed.

Lemma assigned_H2 : H2 assigned question.
Proof.
apply/allP => r; rewrite mem_iota size_cat addn1 ltnS => /andP[_ rt]; apply/allP => i; rewrite mem_iota => /andP[_ ir].
by rewrite leqNgt (leq_trans ir rt).
Qed.

Lemma assigned_asks : asks assigned question t q (a q).
Proof. by rewrite /asks leqnn assigned_mem eqxx /tok nth_cat ltnn subnn eqxx. Qed.

Lemma assigned_writes j u : writes s t j u = (a j == u).
Proof. by rewrite -assigned_mem writes_context ?assigned_H1 // => r tr rt; rewrite leqNgt rt in tr. Qed.
End Assignments.

Section Amended.
Variable R : realFieldType.
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).

Variables kappa V N : nat.
Variables (root : R) (columns : nat -> nat -> bool).
Hypotheses (root_gt0 : 0 < root) (root2 : root ^+ 2 = N%:R).
(* Mamba-2 with linear x, B and C; g_{qa} is the product of two keys. *)
Notation logit := (@logit R e id p step_bias kappa V N root columns).
Definition g (q a : nat) : R := gram e id p N root columns q a.

Lemma g_own q : g q q = 1.
Proof.
rewrite /g /gram (eq_bigr (fun=> N%:R^-1)) => [|n _]; last first.
  by rewrite /passed /column /signs -root2 expr2 invfM; case: ifP => _ /=; rewrite ?mulrNN.
rewrite sumr_const card_ord -[_ *+ _]mulr_natr mulVf //.
by rewrite -root2 expf_neq0 // gt_eqF.
Qed.

(* The exact margin: what the other keys add, by how often they store v(q) and the rival. *)
Theorem thm3_margin ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> logit s t v - logit s t u =
  1 + \sum_(a < kappa | a != q) g q a * ((writes s t a v)%:R - (writes s t a u)%:R).
Proof.
by move=> s h1 h2 query uv; rewrite (marginE exp0 step1 _ _ _ _ _ h1 h2 query uv) // -/(g q q) g_own.
Qed.

(* Small products recall where few other keys store the two values. *)
Theorem thm3_sufficient eps ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  let others w := \sum_(a < kappa | a != q) (writes s t a w)%:R in
  (forall a : 'I_kappa, a != q -> `|g q a| <= eps) ->
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  1 - eps * (others u + others v) <= logit s t v - logit s t u /\
  (eps * (others u + others v) < 1 -> logit s t u < logit s t v).
Proof.
move=> s others small h1 h2 query uv.
suff le : 1 - eps * (others u + others v) <= logit s t v - logit s t u.
  by split=> // lt1; rewrite -subr_gt0 (lt_le_trans _ le) // subr_gt0.
rewrite (thm3_margin h1 h2 query uv) ler_add2l -/s ler_oppl -sumrN mulrDr /others !mulr_sumr -big_split.
apply: ler_sum => a aq; rewrite -mulrN opprB mulrBr -mulNr /=.
have [low high] : - eps <= g q a /\ g q a <= eps by apply/andP; rewrite -ler_norml small.
by apply: ler_add; rewrite ler_wpmul2r ?ler0n // ler_oppl.
Qed.

(* Over all assignments the least margin of a first query is 1 - sum |g_{qa}|; two values are enough to attain it. *)
Theorem thm3_least q (v w : 'I_V) : v != w ->
  let margin a u := logit (sequence (assigned a) (question V q)) (size (pairs (assigned a))) (a q)
                  - logit (sequence (assigned a) (question V q)) (size (pairs (assigned a))) u in
  let least := 1 - \sum_(j < kappa | j != q) `|g q j| in
  (forall a u, u != a q -> least <= margin a u) /\
  (exists a u, (forall j, a j = v \/ a j = w) /\ u != a q /\ margin a u = least).
Proof.
move=> vw margin least.
have marginE a u : u != a q ->
    margin a u = 1 + \sum_(j < kappa | j != q) g q j * ((a j == a q)%:R - (a j == u)%:R).
  move=> uq; rewrite /margin (thm3_margin (assigned_H1 a) (assigned_H2 a q) (assigned_asks a q) uq); congr (_ + _).
  by apply: eq_bigr => j _; rewrite !assigned_writes.
split=> [a u uq|].
  rewrite marginE // ler_add2l -sumrN; apply: ler_sum => j _.
  have [g1 g2] : - `|g q j| <= g q j /\ - `|g q j| <= - g q j.
    by rewrite ler_opp2 ler_norm ler_oppl -normrN ler_norm.
  case: (a j =P a q) => [->|_]; first by rewrite eq_sym (negPf uq) /= subr0 mulr1.
  by case: (a j == u) => /=; [rewrite sub0r mulrN1 | rewrite subr0 mulr0 oppr_le0].
pose a j := if (j == q) || (g q j <= 0) then v else w.
have aq : a q = v by rewrite /a eqxx.
exists a, w; split=> [j|]; first by rewrite /a; case: ifP; [left | right].
split; first by rewrite aq eq_sym.
rewrite marginE aq 1?eq_sym //; congr (_ + _); rewrite -sumrN; apply: eq_bigr => j jq.
rewrite /a (negPf jq) /=; case: (lerP (g q j) 0) => g0.
  by rewrite eqxx (negPf vw) /= subr0 mulr1 ler0_norm // opprK.
by rewrite eqxx eq_sym (negPf vw) /= sub0r mulrN1 gtr0_norm.
Qed.

(* Right for all assignments, the keys' products leave the Gram matrix regular: N >= kappa. *)
Theorem thm3_states : (forall q : 'I_kappa, \sum_(a < kappa | a != q) `|g q a| < 1) -> (kappa <= N)%N.
Proof.
move=> dominant; rewrite leqNgt; apply/negP => few.
pose M : 'M[R]_(kappa, N) := \matrix_(j, n) passed e id p root columns j n.
have : kermx M != 0.
  by rewrite kermx_eq0 /row_free; apply: contraTneq few => <-; rewrite -leqNgt rank_leq_col.
case/rowV0Pn => c /sub_kermxP cM /rV0Pn[i ci].
have zero q : \sum_(j < kappa) c 0 j * g q j = 0.
  rewrite /g /gram; under eq_bigr do rewrite mulr_sumr; rewrite exchange_big big1 // => n _ /=.
  under eq_bigr do rewrite mulrCA; rewrite -mulr_sumr.
  have /matrixP/(_ 0 n) := cM; rewrite !mxE => cMn.
  by rewrite (eq_bigr (fun j => c 0 j * M j n)) ?cMn ?mulr0 // => j _; rewrite mxE.
have [q _ most] := @Order.TotalTheory.arg_maxP _ _ _ i predT (fun j => `|c 0 j|) isT.
have cq : 0 < `|c 0 q| by rewrite (lt_le_trans _ (most i isT)) // normr_gt0.
have := zero q; rewrite (bigD1 q) //= g_own mulr1 => /eqP; rewrite addr_eq0 => /eqP cqE.
have : `|c 0 q| < `|c 0 q|; last by rewrite ltxx.
rewrite [in X in X < _]cqE normrN; apply: (@le_lt_trans _ _ (\sum_(j < kappa | j != q) `|c 0 q| * `|g q j|)).
  apply: le_trans (ler_norm_sum _ _ _) _; apply: ler_sum => j _; rewrite normrM ler_wpmul2r //; exact: most.
by rewrite -mulr_sumr gtr_pmulr.
Qed.
End Amended.
