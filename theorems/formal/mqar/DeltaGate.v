(* mqar.n1-delta-gate: one state and no gate. The margin of a query in the block whose steps shrink, for any function e
   that is like exp: e(x + y) = e(x) e(y) and 1 + x <= e(x). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.Shrinking mqar.Asked.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section LikeExp.
Variables (R : realFieldType) (e : R -> R).
Hypotheses (expD : forall x y, e (x + y) = e x * e y) (exp_ge : forall x, 1 + x <= e x).

Lemma exp_0 : e 0 = 1.
Proof.
have e1 : 1 <= e 0 by have := exp_ge 0; rewrite addr0.
have : e 0 * e 0 = e 0 by rewrite -expD addr0.
by move=> h; apply: (@mulfI _ (e 0)); rewrite ?mulr1 // gt_eqF // (lt_le_trans ltr01).
Qed.

Lemma expN x : e x * e (- x) = 1. Proof. by rewrite -expD subrr exp_0. Qed.

Lemma exp_gt0 x : 0 < e x.
Proof.
have n0 : e x != 0 by apply/eqP => x0; have := expN x; rewrite x0 mul0r => /eqP; rewrite eq_sym oner_eq0.
by rewrite lt_neqAle eq_sym n0 (_ : x = x / 2%:R + x / 2%:R) ?expD ?sqr_ge0 -?expr2 ?sqr_ge0 //; exact: splitr.
Qed.

Lemma exp_le x y : x <= y -> e x <= e y.
Proof.
move=> xy; rewrite -[y](subrK x) expD ler_pmull ?exp_gt0 //.
by rewrite (le_trans _ (exp_ge _)) // ler_addl subr_ge0.
Qed.

Lemma exp_lt1 x : 0 < x -> e (- x) < 1.
Proof.
move=> x0; rewrite -(expN x) ltr_pmull ?exp_gt0 //.
by rewrite (lt_le_trans _ (exp_ge _)) // ltr_addl.
Qed.

Lemma exp_gt x : 0 < x -> 1 - x < e (- x).
Proof.
move=> x0; have [x2|x2] := lerP 0 (1 - x / 2%:R); last first.
  rewrite (lt_trans _ (exp_gt0 _)) // subr_lt0.
  by move: x2; rewrite subr_lt0 => /lt_le_trans; apply; rewrite ler_pdivr_mulr ?ltr0n // ler_pmulr // ler1n.
set h := x / 2%:R in x2 *; have xE : x = h + h by exact: splitr.
have -> : e (- x) = e (- h) * e (- h) by rewrite -expD -opprD -xE.
apply: (@lt_le_trans _ _ ((1 - h) * (1 - h))); last by apply: ler_pmul => //; exact: exp_ge.
have -> : (1 - h) * (1 - h) = 1 - x + h * h by rewrite [in RHS]xE; ring.
by rewrite ltr_addl mulr_gt0 // divr_gt0 // ltr0n.
Qed.

Lemma exp_power x k : e (x * k%:R) = e x ^+ k.
Proof. by elim: k => [|k IH]; rewrite ?mulr0 ?exp_0 // mulrSr mulrDr mulr1 expD IH exprSr. Qed.
End LikeExp.

(* The numbers behind the law: a, x and y lose at most the part l of 1, nv and nu. *)
Lemma near_margin (R : realFieldType) (a x y nv nu P l : R) :
  1 - l < a -> a < 1 -> (1 - l) * nv <= x -> x <= nv -> (1 - l) * nu <= y -> y <= nu ->
  0 <= P -> 0 < l -> 0 <= nv -> P * nu < 1 ->
  `|a + P * (x - y) - (1 + P * (nv - nu))| < l * (1 + P * nv).
Proof.
move=> o1 o2 v1 v2 u1 u2 p0 l0 n0 few.
have o1' : 0 < a - (1 - l) by rewrite subr_gt0.
have o2' : 0 < 1 - a by rewrite subr_gt0.
have v1' : 0 <= x - (1 - l) * nv by rewrite subr_ge0.
have v2' : 0 <= nv - x by rewrite subr_ge0.
have u1' : 0 <= y - (1 - l) * nu by rewrite subr_ge0.
have u2' : 0 <= nu - y by rewrite subr_ge0.
have few' : 0 <= 1 - P * nu by rewrite subr_ge0 ltW.
have l0' := ltW l0.
rewrite ltr_norml; apply/andP; split; rewrite -subr_gt0.
  rewrite [X in 0 < X](_ : _ = (a - (1 - l)) + (P * (x - (1 - l) * nv) + P * (nu - y))); last by ring.
  by rewrite ltr_paddr // addr_ge0 // mulr_ge0.
rewrite [X in 0 < X](_ : _ =
  (1 - a) + (P * (nv - x) + P * (y - (1 - l) * nu) + l * (1 - P * nu) + l * (P * nv))); last by ring.
by rewrite ltr_paddr // !addr_ge0 // !mulr_ge0.
Qed.

Section DeltaGate.
Variables (R : realFieldType) (e : R -> R).
Hypotheses (expD : forall x y, e (x + y) = e x * e y) (exp_ge : forall x, 1 + x <= e x).
Variables kappa V : nat.
(* ln(1/rho), what a query adds to a step (the claim's 2^60), and B (its 2^40); the decay at rest is rho^(1/shrink). *)
Variables lam shrink gain : R.
Hypotheses (lam_gt0 : 0 < lam) (shrink_gt0 : 0 < shrink) (gain_gt0 : 0 < gain).
Definition rho : R := e (- lam).
Notation logit := (@logit R e kappa V shrink gain (- (lam / shrink))).

Variables (ctx : seq ('I_kappa * 'I_V)) (tail : seq (token kappa V)) (t : nat) (q : 'I_kappa) (v : 'I_V).
Notation s := (sequence ctx tail).
Hypotheses (h1 : H1 ctx) (h4 : H4 ctx tail) (no_write : tail_stores_nothing tail) (query : asks ctx tail t q v).

(* What is left at t of a write at r, shrinks apart; and what key i holds of u. *)
Definition rest (r : nat) : R := e (- (lam / shrink * (t - r)%:R)).
Definition held (i : 'I_kappa) (u : 'I_V) : R := \sum_(0 <= r < size (pairs ctx)) (stores s r i u)%:R * rest r.

Lemma logit_held u : logit s t u = gain * \sum_(i < kappa) rho ^+ (queries s t - asked s t i) * held i u.
Proof.
have ts := tok_size (query_tok query); have nt := query_tail query.
rewrite logitE // mulr_sumr; apply: eq_bigr => i _.
rewrite (stateE (exp_0 expD exp_ge) expD) // (big_cat_nat _ _ _ (leq0n (size (pairs ctx)))) /=; last exact: leqW.
rewrite [X in _ + X]big_nat_cond [X in _ + X]big1 ?addr0 => [|r /andP[/andP[nr _] _]]; last first.
  by rewrite stores_tail // mul0r.
rewrite /held !mulr_sumr; apply: eq_big_nat => r /= rn; have rt : (r <= t)%N by rewrite ltnW // (leq_trans rn).
rewrite shrinks_context // mulr0 addr0 mulr1.
have -> : \sum_(r.+1 <= r' < t.+1) (1 + shrink * (shrinks s r' i)%:R) =
    (t - r)%:R + shrink * (queries s t - asked s t i)%:R.
  rewrite big_split /= sumr_const_nat subSS -mulr_sumr -natr_sum; congr (_ + _ * _%:R).
  by rewrite -(@shrinks_since _ _ ctx tail r t i rn rt) addnK.
have -> : - (lam / shrink) * ((t - r)%:R + shrink * (queries s t - asked s t i)%:R) =
    - (lam / shrink * (t - r)%:R) + (- lam) * (queries s t - asked s t i)%:R.
  by rewrite mulrDr mulrA !mulNr divfK // gt_eqF.
rewrite expD (exp_power expD exp_ge) -/rho -/(rest r); ring.
Qed.

(* A pair of the context is held by one write, which stands between 1 and the last token before t. *)
Lemma heldE i u : if (i, u) \in ctx then exists2 r, (0 < r < size (pairs ctx))%N & held i u = rest r else held i u = 0.
Proof.
have total : (\sum_(0 <= r < size (pairs ctx)) stores s r i u)%N = ((i, u) \in ctx).
  by rewrite stores_pairs count_uniq_mem // (map_uniq h1).
rewrite big_mkord in total; rewrite /held big_mkord; case: ifP total => _ total; last first.
  move/eqP: total; rewrite sum_nat_eq0 => /forallP no; rewrite big1 // => r _.
  by have := no r; rewrite eqb0 => /negPf ->; rewrite mul0r.
have [r sr] : exists r : 'I_(size (pairs ctx)), stores s r i u.
  apply/existsP; rewrite -[X in is_true X]negbK negb_exists; apply/negP => /forallP no.
  have : (0 = 1)%N; last by [].
  by rewrite -[RHS]total big1 // => r _; apply/eqP; rewrite eqb0.
move: total; rewrite (bigD1 r) //= sr => /eqP; rewrite -[X in (_ == X)%N]addn0 eqn_add2l sum_nat_eq0 => /forallP no.
have r0 : (0 < r)%N by case: (posnP r) sr => // ->; rewrite stores0.
exists (nat_of_ord r); first by rewrite r0 ltn_ord.
rewrite (bigD1 r) //= sr mul1r big1 ?addr0 // => r' r'r.
by have := no r'; rewrite r'r /= eqb0 => /negPf ->; rewrite mul0r.
Qed.

(* The largest part that is lost at rest: at most (L - 2) steps of 1/shrink each, L = t + 1 tokens. *)
Definition lost : R := t.-1%:R * (lam / shrink).

Lemma rest_bounds r : (0 < r < size (pairs ctx))%N -> 1 - lost < rest r /\ rest r < 1.
Proof.
move=> /andP[r0 rn]; have rt : (r < t)%N by apply: leq_trans rn (query_tail query).
have ls : 0 < lam / shrink by rewrite divr_gt0.
have y0 : 0 < lam / shrink * (t - r)%:R by rewrite mulr_gt0 // ltr0n subn_gt0.
split; last by apply: exp_lt1.
apply: le_lt_trans (exp_gt expD exp_ge y0); rewrite /lost ler_add2l ler_opp2 [X in X <= _]mulrC ler_pmul2r // ler_nat.
by case: (t) rt r0 => [|t'] // _ r0; rewrite leq_subLR -(prednK r0) addSn ltnS leq_addl.
Qed.

(* How many keys but q the context gives the value u. *)
Definition others (u : 'I_V) : nat := \sum_(i < kappa | i != q) ((i, u) \in ctx).

Lemma others_held u : (1 - lost) * (others u)%:R <= \sum_(i < kappa | i != q) held i u <= (others u)%:R.
Proof.
rewrite /others natr_sum mulr_sumr; apply/andP; split; apply: ler_sum => i _; have := heldE i u.
  case: ifP => [_ [r rb ->]|_ ->]; last by rewrite mulr0.
  by rewrite mulr1; have [/ltW] := rest_bounds rb.
by case: ifP => [_ [r rb ->]|_ ->] //; have [_ /ltW] := rest_bounds rb.
Qed.

Lemma lost_gt0 : 0 < lost.
Proof.
have t2 : (1 < t)%N by apply: leq_trans (query_tail query); case: (ctx) (query_pair query) => [|[? ?] ?].
by rewrite mulr_gt0 ?divr_gt0 // ltr0n; case: (t) t2 => [|[]].
Qed.

Lemma rho_gt0 : 0 < rho. Proof. exact: exp_gt0. Qed.
Lemma rho_lt1 : rho < 1. Proof. exact: exp_lt1. Qed.

Lemma others_few u : ((others u)%:R <= kappa.-1%:R :> R).
Proof.
rewrite ler_nat /others; apply: (@leq_trans (\sum_(i < kappa | i != q) 1)).
  by apply: leq_sum => i _; case: (_ \in _).
by rewrite sum1_card cardC1 card_ord.
Qed.

(* The weight of this query, 1 or 3, and how many queries there were up to it, each with its weight. *)
Notation w := (asked s t q).
Notation Q := (queries s t).

Lemma w_gt0 : (0 < w)%N. Proof. by have [-> _] := asked_query h4 query; case: ifP. Qed.

Lemma margin_held u : u != v -> (logit s t v - logit s t u) / (gain * rho ^+ (Q - w)) =
  held q v + rho ^+ w * (\sum_(i < kappa | i != q) held i v - \sum_(i < kappa | i != q) held i u).
Proof.
move=> uv; have wQ : (w <= Q)%N by rewrite -(shrinks_total s t q) leq_addl.
have [_ none] := asked_query h4 query.
have logitE u' : logit s t u' = gain * rho ^+ (Q - w) * (held q u' + rho ^+ w * \sum_(i < kappa | i != q) held i u').
  rewrite logit_held (bigD1 q) //=.
  have -> : \sum_(i < kappa | i != q) rho ^+ (Q - asked s t i) * held i u' =
      rho ^+ (Q - w) * rho ^+ w * \sum_(i < kappa | i != q) held i u'.
    by rewrite -exprD subnK // mulr_sumr; apply: eq_bigr => i iq; rewrite none // subn0.
  by rewrite !mulrDr !mulrA.
have zero : held q u = 0.
  have := heldE q u; case: ifP => // qu; have := H1_unique h1 qu (query_pair query) => uE.
  by rewrite uE eqxx in uv.
have gQ : gain * rho ^+ (Q - w) != 0 by rewrite mulf_neq0 ?expf_neq0 // gt_eqF // rho_gt0.
by rewrite !logitE zero add0r -mulrBr mulrAC mulfV // mul1r -addrA -mulrBr.
Qed.

(* The part of its weight that a query of weight w leaves to the other keys is at most rho. *)
Lemma rho_w : 0 <= rho ^+ w <= rho.
Proof.
have r0 := ltW rho_gt0; rewrite exprn_ge0 //=; case: (w) w_gt0 => // k _.
by rewrite exprS ler_pimulr // exprn_ile1 // ltW // rho_lt1.
Qed.

Lemma held_own : 1 - lost < held q v /\ held q v < 1.
Proof. by have := heldE q v; rewrite (query_pair query) => -[r rb ->]; exact: rest_bounds. Qed.

(* mqar.n1-delta-gate, the law: with shrink = 2^60 and gain = 2^40 it is the claim's; L = t + 1 tokens are read. *)
Theorem n1_delta_gate_law u : rho * kappa.-1%:R < 1 -> u != v ->
  `|(logit s t v - logit s t u) / (gain * rho ^+ (Q - w)) - (1 + rho ^+ w * ((others v)%:R - (others u)%:R))|
  < lost * (1 + rho ^+ w * (others v)%:R).
Proof.
move=> few uv; rewrite margin_held //.
have [o1 o2] := held_own; have /andP[v1 v2] := others_held v; have /andP[u1 u2] := others_held u.
set a := held q v in o1 o2 *; set x := \sum_(i < kappa | i != q) held i v in v1 v2 *.
set y := \sum_(i < kappa | i != q) held i u in u1 u2 *.
set nv : R := (others v)%:R in v1 v2 *; set nu : R := (others u)%:R in u1 u2 *.
have /andP[p0 p1] := rho_w.
have l0 := lost_gt0.
have nv0 : 0 <= nv by rewrite ler0n.
have pnu : rho ^+ w * nu < 1.
  by apply: le_lt_trans few; apply: ler_pmul => //; [rewrite ler0n | exact: others_few].
exact: near_margin.
Qed.

(* Between two writes of the context there are at most 2 (kappa - 1) steps at rest. *)
Lemma rest_apart r r' : (0 < r < size (pairs ctx))%N -> (0 < r' < size (pairs ctx))%N ->
  rest r' <= rest r * e (lam / shrink * (2 * kappa.-1)%:R).
Proof.
move=> /andP[r0 rn] /andP[r0' rn']; rewrite /rest -expD; apply: exp_le => //.
have ls : 0 < lam / shrink by rewrite divr_gt0.
rewrite -!mulrN -mulrDr ler_pmul2l // ler_oppl opprD opprK -ler_subr_addr opprK -natrD ler_nat.
have sizeE : size (pairs ctx) = (2 * size ctx)%N by elim: (ctx) => //= _ l ->; rewrite mulnS.
have few : (size ctx <= kappa)%N.
  by rewrite -(size_map fst) -(card_uniqP h1) (leq_trans (max_card _)) // card_ord.
have r'r : (r' <= r + 2 * kappa.-1)%N.
  rewrite -ltnS; apply: leq_trans rn' _; rewrite sizeE; apply: (@leq_trans (2 * kappa)%N); first by rewrite leq_mul2l.
  rewrite -{1}(prednK (leq_ltn_trans (leq0n q) (ltn_ord q))) mulnS -addSn leq_add2r.
  by case: (r) r0.
have r't : (r' <= t)%N by apply: ltnW; apply: leq_trans rn' (query_tail query).
by rewrite leq_subLR -{1}(subnKC r't) addnC addnCA leq_add2l.
Qed.

Lemma held_ge0 i u : 0 <= held i u.
Proof. by have := heldE i u; case: ifP => [_ [r _ ->]|_ ->] //; apply: ltW; exact: exp_gt0. Qed.

(* mqar.n1-delta-gate, recall: rho (kappa - 1) < 1 is not quite enough, for a pair that the context holds longer has
   decayed more at rest; with that much to spare it is. *)
Theorem n1_delta_gate_recall u : rho * kappa.-1%:R * e (lam / shrink * (2 * kappa.-1)%:R) < 1 -> u != v ->
  logit s t u < logit s t v.
Proof.
move=> few uv; set E := e _ in few.
have gQ : 0 < gain * rho ^+ (Q - w) by rewrite mulr_gt0 // exprn_gt0 // rho_gt0.
rewrite -subr_gt0 -(pmulr_lgt0 _ (_ : 0 < (gain * rho ^+ (Q - w))^-1)) ?invr_gt0 // margin_held //.
have [r rb own] : exists2 r, (0 < r < size (pairs ctx))%N & held q v = rest r.
  by have := heldE q v; rewrite (query_pair query).
rewrite own; have r0 : 0 < rest r by exact: exp_gt0.
have E0 : 0 < E by exact: exp_gt0.
have others_le : \sum_(i < kappa | i != q) held i u <= kappa.-1%:R * (rest r * E).
  apply: (@le_trans _ _ (\sum_(i < kappa | i != q) rest r * E)).
    apply: ler_sum => i _; have := heldE i u; case: ifP => [_ [r' rb' ->]|_ ->]; first exact: rest_apart.
    by rewrite mulr_ge0 // ltW.
  by rewrite sumr_const cardC1 card_ord mulr_natl.
have /andP[p0 p1] := rho_w.
rewrite mulrBr addrA subr_gt0 -[rest r]mul1r; apply: (@lt_le_trans _ _ (1 * rest r)); last first.
  by rewrite ler_addl mulr_ge0 // sumr_ge0 // => i _; exact: held_ge0.
apply: le_lt_trans (_ : _ <= rho * kappa.-1%:R * E * rest r) _; last by rewrite ltr_pmul2r.
rewrite -!mulrA [E * _]mulrC; apply: ler_pmul => //.
by apply: sumr_ge0 => i _; exact: held_ge0.
Qed.
End DeltaGate.
