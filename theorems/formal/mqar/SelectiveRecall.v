(* mqar.n1-delta-gate: when one state, no gate and a selective step recall. The steps at rest cost something: beside
   rho (kappa - 1) < 1 it takes rho (kappa - 1) < rest^(2 kappa - 2), where rest = rho^(1/shrink) is what one leaves. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.SelectiveStep mqar.Shrinking.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Recalls.
Variable R : realFieldType.
Variable e : R -> R.
Variables kappa V : nat.
Variables shrink stored rate rest rho : R.
Hypothesis decays : forall n, e ((1 + shrink * n%:R) * - rate) = rest * rho ^+ n.
Hypotheses (stored_gt0 : 0 < stored) (rest_gt0 : 0 < rest) (rest_le1 : rest <= 1) (rho_gt0 : 0 < rho).
Hypothesis rho_le1 : rho <= 1.

Variables (ctx : seq ('I_kappa * 'I_V)) (tail : seq (token kappa V)) (t : nat) (q : 'I_kappa) (v : 'I_V).
Notation s := (sequence ctx tail).
Notation T := (size (pairs ctx)).
Hypotheses (h1 : H1 ctx) (h4 : H4 ctx tail) (query : asks ctx tail t q v).
(* The tail stores nothing: no value directly follows a key there. *)
Hypothesis nothing_late : forall i, (T < i)%N -> ~~ writes_at s i.

Notation logit := (@selective_logit R e kappa V shrink stored rate).

Lemma context_behind r : (r.+1 < T)%N -> is_key (tok s r.+1) -> is_value (tok s r).
Proof. by elim: ctx r => [|[k w] c IH] [|[|r]] //= rT; exact: IH. Qed.

Lemma early i : writes_at s i -> (0 < i < T)%N.
Proof.
case: i => // i w; rewrite /= ltn_neqAle; apply/andP; split; last first.
  by rewrite leqNgt; apply: contraL w => /nothing_late.
apply: contraL w => /eqP Ti; have := @context_ends _ _ ctx tail i Ti.
by rewrite /writes_at /=; case: (tok s i) => [[k|w]|].
Qed.

Lemma nothing_asked r j : (r < T)%N -> asking s r j = 0%N.
Proof.
case: r => // r rT; rewrite /asking; case: ifP => // /andP[/eqP rj].
by rewrite (context_behind rT) // rj.
Qed.

Lemma first : stored_first s t.
Proof.
move=> i it /early /andP[_ iT]; rewrite /asked big_nat_cond big1 // => r; rewrite andbT ltnS => /andP[_ ri].
by rewrite big1 // => j _; rewrite nothing_asked // (leq_ltn_trans ri).
Qed.

(* What block b holds of u, each write by its age. *)
Definition weight (b : 'I_kappa) (u : 'I_V) : R := \sum_(0 <= i < t.+1) (stores s i b u)%:R * rest ^+ (t - i).

Lemma held b u : writes s t b u = ((b, u) \in ctx).
Proof.
apply: writes_context => //; first exact: query_tail query.
move=> r Tr rt rb; have := nothing_late (_ : (T < r.+1)%N); rewrite ltnS => /(_ Tr).
by rewrite /writes_at /= rb.
Qed.

Lemma rest_exp m n : (m <= n)%N -> rest ^+ n <= rest ^+ m.
Proof. by move=> mn; rewrite ler_wiexpn2l // ltW. Qed.

Lemma weight_le b u : weight b u <= ((b, u) \in ctx)%:R * rest ^+ (t - T.-1).
Proof.
rewrite -held /writes natr_sum mulr_suml /weight; apply: ler_sum => i _.
case st: (stores s i b u); last by rewrite !mul0r.
have /andP[_ iT] := early (stores_at st); have T0 := leq_ltn_trans (leq0n i) iT.
by rewrite !mul1r rest_exp // leq_sub2l // -ltnS (ltn_predK T0).
Qed.
Lemma weight_ge b u : ((b, u) \in ctx)%:R * rest ^+ t.-1 <= weight b u.
Proof.
rewrite -held /writes natr_sum mulr_suml /weight; apply: ler_sum => i _.
case st: (stores s i b u); last by rewrite !mul0r.
by rewrite !mul1r rest_exp // -subn1 leq_sub2l //; case/andP: (early (stores_at st)).
Qed.

Lemma asks_some : (0 < asking s t q)%N.
Proof.
have Tt := query_tail query; have tq := query_tok query.
have /allP /(_ t) := h4; rewrite mem_iota /= add0n (tok_size tq) => /(_ isT); rewrite Tt /=.
rewrite (_ : has _ _ = true); last by apply/hasP; exists (q, v); [exact: query_pair query | rewrite tq].
case: t Tt tq => [|r] Tt tq /=; first by move: Tt; rewrite leqn0; case: ctx query => // /and3P[].
by rewrite /asking tq eqxx /= => ->; case: ifP.
Qed.

Lemma asking_other b : b != q -> asking s t b = 0%N.
Proof.
move=> bq; rewrite /asking; case: t (query_tok query) => // r tq.
by rewrite tq key_eq eq_sym (negPf bq).
Qed.

Let share := asking s t q.
Let before := (asked s t - share)%N.

(* The margin, exactly: the query's block has shrunk `share` times less than the others. *)
Lemma margin (u : 'I_V) : u != v ->
  logit s t v - logit s t u = stored * rho ^+ before
    * (weight q v + rho ^+ share * (\sum_(b < kappa | b != q) weight b v - \sum_(b < kappa | b != q) weight b u)).
Proof.
move=> uv; have qu : (q, u) \in ctx = false.
  by apply/negP => qu; move: uv; rewrite (H1_unique h1 qu (query_pair query)) eqxx.
have none : weight q u = 0.
  by apply/eqP; rewrite eq_le; have := weight_le q u; have := weight_ge q u; rewrite qu !mul0r => -> ->.
have other b : b != q -> shrunk s t b = (before + share)%N.
  by move=> bq; rewrite /shrunk asking_other // subn0 /before subnK ?asking_le.
have logitE w : logit s t w = stored * (weight q w * rho ^+ before
    + \sum_(b < kappa | b != q) weight b w * rho ^+ (before + share)).
  rewrite (@selective_logitE R e kappa V shrink stored rate rest rho decays s t w (tok_size (query_tok query)) first).
  by rewrite (bigD1 q) //=; congr (_ * (_ + _)); apply: eq_bigr => b bq; rewrite other.
have sums w : \sum_(b < kappa | b != q) weight b w * rho ^+ (before + share)
    = (\sum_(b < kappa | b != q) weight b w) * (rho ^+ before * rho ^+ share) by rewrite mulr_suml exprD.
by rewrite !logitE none !sums; ring.
Qed.

(* H1: the context has at most 2 kappa tokens. *)
Lemma context_size : (T <= kappa.*2)%N.
Proof.
have -> : T = (size ctx).*2 by elim: ctx => //= -[k w] c IH; rewrite IH.
rewrite leq_double -(size_map fst) -(card_uniqP h1) -[X in (_ <= X)%N](card_ord kappa).
exact: max_card.
Qed.

Lemma context_some : (1 < T)%N.
Proof. by case: ctx query => [|[k w] c] // /and3P[]. Qed.

(* The other keys that hold u. *)
Definition holders (u : 'I_V) : nat := \sum_(b < kappa | b != q) ((b, u) \in ctx).
Lemma holders_le u : (holders u <= kappa.-1)%N.
Proof.
rewrite /holders (leq_trans (leq_sum _ (_ : forall b, b != q -> ((b, u) \in ctx) <= 1)%N)) //; last first.
  by rewrite sum1_card cardC1 card_ord.
by move=> b _; exact: leq_b1.
Qed.

(* mqar.n1-delta-gate, amended: one state recalls every assignment. *)
Theorem n1_recalls (u : 'I_V) : u != v -> kappa.-1%:R * rho < rest ^+ (kappa.*2 - 2) -> logit s t u < logit s t v.
Proof.
move=> uv small; rewrite -subr_gt0 margin // !mulr_gt0 ?exprn_gt0 //.
have Tt := query_tail query; have T1 := context_some; have w1 := asks_some.
pose Y := rest ^+ (t - T.-1); have Y0 : 0 < Y by rewrite exprn_gt0.
have others : \sum_(b < kappa | b != q) weight b u <= kappa.-1%:R * Y.
  apply: (@le_trans _ _ ((holders u)%:R * Y)); last first.
    by apply: ler_wpmul2r; [exact: ltW | rewrite ler_nat holders_le].
  by rewrite /holders natr_sum mulr_suml ler_sum // => b _; exact: weight_le.
have fellows : 0 <= \sum_(b < kappa | b != q) weight b v.
  by apply: sumr_ge0 => b _; apply: sumr_ge0 => i _; rewrite mulr_ge0 ?ler0n ?exprn_ge0 ?ltW.
have own : Y * rest ^+ (T - 2) <= weight q v.
  apply: le_trans (weight_ge q v); rewrite (query_pair query) mul1r -exprD rest_exp //.
  case: T Tt T1 => [|[|m]] //= mt _; rewrite subn2 /= addnC addnBA ?(ltnW mt) // -addn1 subnDl subn1.
  by [].
have less : rho ^+ share * (kappa.-1%:R * Y) < Y * rest ^+ (T - 2).
  apply: (@le_lt_trans _ _ (kappa.-1%:R * rho * Y)).
    rewrite mulrA ler_wpmul2r ?(ltW Y0) // mulrC ler_wpmul2l ?ler0n //.
    by rewrite -{2}[rho]expr1 ler_wiexpn2l // ltW.
  rewrite mulrC ltr_pmul2l // (lt_le_trans small) // rest_exp // leq_sub2r //; exact: context_size.
rewrite mulrBr addrA subr_gt0; apply: le_lt_trans (lt_le_trans less _).
  by apply: ler_wpmul2l; [rewrite exprn_ge0 // ltW | exact: others].
by rewrite (le_trans own) // ler_addl mulr_ge0 // exprn_ge0 // ltW.
Qed.

(* How far the margin is from what it would be if steps at rest cost nothing. *)
Theorem n1_law (u : 'I_V) : u != v -> kappa.-1%:R * rho <= 1 ->
  `|(logit s t v - logit s t u) / (stored * rho ^+ before)
      - (1 + rho ^+ share * ((holders v)%:R - (holders u)%:R))|
  <= (1 - rest ^+ t.-1) * (1 + rho ^+ share * (holders v)%:R).
Proof.
move=> uv few; pose X := rest ^+ t.-1; pose r := rho ^+ share; rewrite -/X -/r.
have scale : stored * rho ^+ before != 0 by rewrite mulf_neq0 ?expf_neq0 ?gt_eqF.
rewrite margin // -/r mulrAC divff // mul1r.
have X1 : 0 <= 1 - X by rewrite subr_ge0 exprn_ile1 // ltW.
have r0 : 0 <= r by rewrite exprn_ge0 // ltW.
have at_most b w : weight b w <= ((b, w) \in ctx)%:R.
  by rewrite (le_trans (weight_le b w)) // ler_pimulr ?ler0n // exprn_ile1 // ltW.
pose S w := \sum_(b < kappa | b != q) weight b w; rewrite -/(S v) -/(S u).
have S_le w : S w <= (holders w)%:R by rewrite /holders natr_sum ler_sum.
have S_ge w : (holders w)%:R * X <= S w.
  by rewrite /holders natr_sum mulr_suml ler_sum // => b _; exact: weight_ge.
have A_le : weight q v <= 1 by have := at_most q v; rewrite (query_pair query).
have A_ge : X <= weight q v by have := weight_ge q v; rewrite (query_pair query) mul1r.
have few_u : r * (holders u)%:R <= 1.
  apply: le_trans few; rewrite mulrC; apply: (@le_trans _ _ (kappa.-1%:R * r)).
    by apply: ler_wpmul2r => //; rewrite ler_nat holders_le.
  by apply: ler_wpmul2l; rewrite ?ler0n // -[X in _ <= X]expr1 ler_wiexpn2l ?asks_some // ltW.
have -> : weight q v + r * (S v - S u) - (1 + r * ((holders v)%:R - (holders u)%:R))
    = (weight q v - 1) + r * (S v - (holders v)%:R) + r * ((holders u)%:R - S u) by ring.
rewrite ler_norml; apply/andP; split.
  have -> : - ((1 - X) * (1 + r * (holders v)%:R)) = (X - 1) + r * ((holders v)%:R * X - (holders v)%:R) + 0 by ring.
  apply: ler_add; last by rewrite mulr_ge0 // subr_ge0.
  by apply: ler_add; [rewrite ler_add2r | apply: ler_wpmul2l; rewrite // ler_add2r].
apply: (@le_trans _ _ (0 + 0 + (1 - X))); last first.
  by rewrite !add0r ler_pemulr // ler_addl mulr_ge0 ?ler0n.
apply: ler_add; first by apply: ler_add; rewrite ?subr_le0 // mulr_ge0_le0 // subr_le0.
apply: (@le_trans _ _ (r * (holders u)%:R * (1 - X))).
  by rewrite -mulrA; apply: ler_wpmul2l => //; rewrite mulrBr mulr1 ler_add2l ler_opp2.
by rewrite -{2}[1 - X]mul1r; apply: ler_wpmul2r.
Qed.
End Recalls.
