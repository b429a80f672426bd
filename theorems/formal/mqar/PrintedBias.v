(* mqar.thm2-step2 refuted: with the bias of the head that the paper prints, sign codes in the block of Theorem 2 do not
   recall, though the columns are orthogonal ([P] Theorem 2, step 2). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Shared.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section PrintedBias.
Variable R : realFieldType.
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Notation F := (over e (@relu R) p).

(* The paper's numbers k = 10, beta = 2, c_0 = 1, c_1 = 10, b = 3. *)
Notation k := (10%:R : R).
Notation shift := (2%:R : R).
Notation tap0 := (1 : R).
Notation tap1 := (10%:R : R).
Notation b := (3%:R : R).

Section Columns.
Variables (kappa V n : nat) (root : R) (columns : nat -> nat -> bool).   (* n signs a column, root = sqrt(n) *)
Definition column (v r : nat) : R := signs (F := F) root^-1 columns v r.
Definition code (v r : nat) : R := shifted (F := F) root^-1 shift columns v r.
Lemma codeE v r : code v r = column v r + shift. Proof. by []. Qed.
Lemma columnE v r : column v r = if columns v r then root^-1 else - root^-1. Proof. by []. Qed.
Definition product (u v : nat) : R := \sum_(r < n) column u r * column v r.
Definition total (v : nat) : R := \sum_(r < n) column v r.

(* Value v is written as m_v + beta, read by m_v; the head's bias is -(c_0 k - b) s sum_r (m_v)_r, s = c_1 beta - b. *)
Definition printed_logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @shared_logit R e p kappa V n k tap0 tap1 b step_bias code column
    (fun v => - ((tap0 * k - b) * (tap1 * shift - b) * total v)).

Hypotheses (root_gt0 : 0 < root) (root2 : root ^+ 2 = n%:R).

Lemma column_bounds v r : (r < n)%N -> - 1 <= column v r <= 1.
Proof.
move=> rn; have n1 : 1 <= n%:R :> R by rewrite ler1n (leq_ltn_trans _ rn).
have root1 : 1 <= root by rewrite leNgt; apply/negP => r1; move: n1; rewrite -root2 leNgt exprn_ilt1 // ltW.
have inv0 : 0 <= root^-1 by rewrite invr_ge0 ltW.
have inv1 : root^-1 <= 1 by rewrite invf_le1.
have neg1 : - 1 <= root^-1 by rewrite (le_trans _ inv0) // oppr_le0.
by rewrite /column /signs /=; case: ifP => _; rewrite ?inv1 ?neg1 // ler_oppl opprK inv1 ler_oppl neg1.
Qed.

(* The shift is read out a_0 a_1 times, and the bias takes it off a_0 times. *)
Lemma printed_query ctx tail t q v u : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> ~~ is_key (prev s t) ->
  printed_logit s t u = 7%:R * (970%:R * product u v + 1632%:R * total u).
Proof.
move=> s h1 h2 query alone.
have b0 : 0 <= b by rewrite ler0n.
have kb : b < tap0 * k by rewrite mul1r ltr_nat.
have kn : b < tap1 * k by rewrite -natrM ltr_nat.
have vb (w : 'I_V) r : (r < n)%N -> tap0 * code w r <= b.
  move=> rn; have /andP[_ c1] := column_bounds w rn.
  by rewrite mul1r codeE (natrD _ 1 2) ler_add2r.
rewrite /printed_logit (@shared_logit_query _ _ _ exp0 _ _ _ _ _ _ _ _ _ _ _ step1 b0 kb kn vb _ _ _ _ _ _ h1 h2 query).
have -> : \sum_(w < V) (beside ctx s t w)%:R * gain n tap1 b code column u w = 0.
  rewrite big1 // => w _; rewrite /beside -/s; move: alone.
  by case: (prev s t) => [[i|w']|] //= _; rewrite mul0r.
have -> : (prev s t == key_ q) = false by move: alone; case: (prev s t) => [[]|].
have -> : gain n tap1 b code column u v = 10%:R * product u v + 17%:R * total u.
  rewrite /gain /product /total !mulr_sumr -big_split /=; apply: eq_bigr => r _.
  have /andP[c0 _] := column_bounds v (ltn_ord r).
  rewrite /written codeE relu_pos; first by ring.
  rewrite subr_ge0.
  have one : 1 = - 1 + shift :> R by ring.
  have le1 : 1 <= column v r + shift by rewrite [X in X <= _]one ler_add2r.
  by rewrite (le_trans _ (ler_wpmul2l _ le1)) ?ler0n // mulr1 ler_nat.
by rewrite /=; ring.
Qed.
End Columns.

(* What the paper says: for all orthogonal columns of signs the block recalls. *)
Definition printed_recall := forall (kappa V n : nat) (root : R) (columns : nat -> nat -> bool),
  0 < root -> root ^+ 2 = n%:R -> (forall u v : 'I_V, u != v -> product n root columns u v = 0) ->
  forall ctx tail t q v u, let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  @printed_logit kappa V n root columns s t u < @printed_logit kappa V n root columns s t v.

(* k u k, with the columns ++-- of u and ++++ of the rival. *)
Definition context : seq ('I_1 * 'I_2) := [:: (ord0, ord0)].
Definition question : seq (token 1 2) := [:: key_ ord0].
Lemma asked : [&& H1 context, H2 context question & asks context question 2 ord0 ord0]. Proof. by []. Qed.

Theorem thm2_step2_refuted : ~ printed_recall.
Proof.
move=> recall; pose columns v r := (r < 2)%N || (v == 1%N).
have two : 0 < 2%:R :> R by rewrite ltr0n.
have half : 2%:R^-1 + 2%:R^-1 = 1 :> R by rewrite [RHS](splitr 1) !mul1r.
have [h1 h2 query] := and3P asked.
have root2 : 2%:R ^+ 2 = 4%:R :> R by rewrite -natrX.
have tot v : total 4 2%:R columns v = if v == 1%N then 2%:R else 0.
  rewrite /total !big_ord_recr big_ord0 !columnE /columns /=; case: (v == 1%N) => /=.
    by rewrite add0r half -addrA half.
  by rewrite add0r half -addrA -opprD half subrr.
have own : product 4 2%:R columns 0 0 = 1.
  rewrite /product !big_ord_recr big_ord0 !columnE /columns /= !mulrNN add0r -mulrDr half mulr1 -addrA -mulrDr.
  by rewrite half mulr1 half.
have prod : product 4 2%:R columns 1 0 = 0.
  rewrite /product !big_ord_recr big_ord0 !columnE /columns /= add0r -mulrDr half mulr1 -addrA -mulrDr -opprD.
  by rewrite half mulrN1 subrr.
have apart (u v : 'I_2) : u != v -> product 4 2%:R columns u v = 0.
  case: u v => [[|[|//]] ?] [[|[|//]] ?] //= _; rewrite -prod //.
  by apply: eq_bigr => r _; rewrite mulrC.
have := recall 1%N 2%N 4%N 2%:R columns two root2 apart context question 2%N ord0 ord0 ord_max h1 h2 query isT.
rewrite !(@printed_query _ _ _ _ columns two root2 _ _ _ _ _ _ h1 h2 query) //= prod own !tot /=.
by rewrite ltr_pmul2l ?ltr0n // !mulr0 add0r addr0 mulr1 -natrM ltr_nat.
Qed.

(* The erratum's instance: two signs, +- and ++. *)
Theorem thm2_step2_two_signs (root : R) : 0 < root -> root ^+ 2 = 2%:R ->
  let columns v r := (r == 0%N) || (v == 1%N) in
  let logit := @printed_logit 1 2 2 root columns (sequence context question) 2 in
  product 2 root columns 0 1 = 0 /\
  logit ord0 - logit ord_max = 7%:R * (970%:R - 1632%:R * root) /\ logit ord0 < logit ord_max.
Proof.
move=> root0 root2 columns logit; have [h1 h2 query] := and3P asked.
have sq : root^-1 * root^-1 = 2%:R^-1 by rewrite -invfM -expr2 root2.
have half : 2%:R^-1 + 2%:R^-1 = 1 :> R by rewrite [RHS](splitr 1) !mul1r.
have twice : root^-1 + root^-1 = root by rewrite -mulr2n -mulr_natl -root2 expr2 mulfK ?gt_eqF.
have sum0 : total 2 root columns 0 = 0 by rewrite /total !big_ord_recr big_ord0 !columnE /= add0r subrr.
have sum1 : total 2 root columns 1 = root by rewrite /total !big_ord_recr big_ord0 !columnE /= add0r twice.
have own : product 2 root columns 0 0 = 1.
  by rewrite /product !big_ord_recr big_ord0 !columnE /= add0r mulrNN sq half.
have apart : product 2 root columns 1 0 = 0.
  by rewrite /product !big_ord_recr big_ord0 !columnE /= add0r mulrN subrr.
have logitE w : logit w = 7%:R * (970%:R * product 2 root columns w 0 + 1632%:R * total 2 root columns w).
  exact: (@printed_query _ _ _ _ columns root0 root2 _ _ _ _ _ _ h1 h2 query).
split; first by rewrite -apart; apply: eq_bigr => r _; rewrite mulrC.
have diff : logit ord0 - logit ord_max = 7%:R * (970%:R - 1632%:R * root).
  by rewrite !logitE /= own apart sum0 sum1; ring.
split=> //; rewrite -subr_lt0 diff pmulr_rlt0 ?ltr0n // subr_lt0.
have root1 : 1 < root by rewrite ltNge; apply/negP => r1; have := exprn_ile1 2 (ltW root0) r1; rewrite root2 lern1.
by apply: lt_trans (_ : 1632%:R * 1 < _); rewrite ?ltr_pmul2l ?ltr0n // mulr1 ltr_nat.
Qed.
End PrintedBias.
