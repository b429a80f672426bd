(* mqar.thm2-step2-amended: values by sign columns of length p in the paper's Mamba block, one convolution for keys and
   values; the shift that passes the ReLU is read out as nothing where the columns sum to 0, or the head's bias takes it
   off ([P] Theorem 2, step 2, with the factor a_1 that its bias lacks). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.Shared.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Signs.
Variable R : realFieldType.
Variables kappa V width : nat.                      (* width is p *)
Variable sign : nat -> nat -> bool.
Variables key shift tap0 tap1 bias root : R.        (* k, beta, c_0, c_1, b, sqrt(p) *)
Variable f : R.                                     (* the head's bias is - f a_0 s W_o 1 *)
(* Any functions for exp and for the activation of Delta that make the decay and the step 1. *)
Variables (e p : R -> R) (step_bias : R).
Hypotheses (exp0 : e 0 = 1) (step1 : p step_bias = 1).
Hypotheses (root_gt0 : 0 < root) (root_width : root ^+ 2 = width%:R).
Hypotheses (shift_gt0 : 0 < shift) (tap0_gt0 : 0 < tap0) (tap1_gt0 : 0 < tap1) (bias_ge0 : 0 <= bias).
Hypothesis key_passes : bias < tap0 * key.
Hypothesis code_passes : bias <= tap1 * (shift - root^-1).
Hypothesis code_stopped : tap0 * (shift + root^-1) <= bias.

Notation F := (over e (@relu R) p).
Let a0 := tap0 * key - bias.
Let a1 := tap1 * key - bias.
Let s := tap1 * shift - bias.
Notation m := (@signs F root^-1 sign).

Definition logit : seq (token kappa V) -> nat -> 'I_V -> R :=
  @shared_logit R e p kappa V width key tap0 tap1 bias step_bias
    (@shifted F root^-1 shift sign) m (@sign_bias F root^-1 (f * a0 * s) sign width).

(* <m_u, m_w>; what a column sums to; no key directly before t. *)
Definition gram (u w : nat) : R := \sum_(r < width) m u r * m w r.
Definition total (u : nat) : R := \sum_(r < width) m u r.
Definition isolated (x : seq (token kappa V)) (t : nat) : bool := ~~ is_key (prev x t).

Lemma rho_gt0 : 0 < root^-1. Proof. by rewrite invr_gt0. Qed.
Lemma shift_rho : 0 < shift + root^-1. Proof. by rewrite addr_gt0 ?rho_gt0. Qed.
Lemma taps : tap0 < tap1.
Proof.
rewrite -(ltr_pmul2r shift_rho) (le_lt_trans code_stopped) // (le_lt_trans code_passes) // ltr_pmul2l //.
by rewrite ltr_add2l gtr_opp ?rho_gt0.
Qed.
Lemma key_gt0 : 0 < key. Proof. by rewrite -(pmulr_rgt0 _ tap0_gt0) (le_lt_trans bias_ge0). Qed.
Lemma a0_gt0 : 0 < a0. Proof. by rewrite subr_gt0. Qed.
Lemma a01 : a0 < a1. Proof. by rewrite ltr_add2r ltr_pmul2r ?taps ?key_gt0. Qed.
Lemma a1_gt0 : 0 < a1. Proof. exact: lt_trans a0_gt0 a01. Qed.
Lemma key_now : bias < tap1 * key. Proof. by rewrite -subr_gt0 a1_gt0. Qed.
Lemma s_ge0 : 0 <= s.
Proof.
rewrite subr_ge0 (le_trans code_passes) // ler_pmul2l // ger_addl oppr_le0 ltW ?rho_gt0 //.
Qed.

(* --- the columns -------------------------------------------------------------------------------------------------- *)

Lemma m_cases u r : m u r = root^-1 \/ m u r = - root^-1.
Proof. by rewrite /signs; case: (sign u r); [left | right]. Qed.

Lemma m_le u r : m u r <= root^-1.
Proof. by case: (m_cases u r) => ->; rewrite ?lexx // ge0_cp ?ltW ?rho_gt0. Qed.
Lemma m_ge u r : - root^-1 <= m u r.
Proof. by case: (m_cases u r) => ->; rewrite ?lexx // ge0_cp ?ltW ?rho_gt0. Qed.

Lemma gram_own u : gram u u = 1.
Proof.
rewrite /gram (eq_bigr (fun=> root^-1 ^+ 2)) => [|r _]; last first.
  by case: (m_cases u r) => ->; rewrite ?mulrNN -expr2.
by rewrite sumr_const card_ord -mulr_natl -root_width exprVn divff // sqrf_eq0 gt_eqF.
Qed.

(* Coordinate by coordinate, a neighbour that holds w costs at most a_0 of the margin's a_1 (1 - <m_u, m_v>). *)
Lemma neighbour_costs v u w : 0 <= 1 - gram u v + (gram v w - gram u w).
Proof.
rewrite -(gram_own v) /gram -!sumrB -big_split; apply: sumr_ge0 => r _ /=.
rewrite (_ : _ + _ = (m v r - m u r) * (m v r + m w r)); last by ring.
have [u1 w1] := (m_le u r, m_ge w r); have [u2 w2] := (m_ge u r, m_le w r).
case: (m_cases v r) => ->; first by rewrite mulr_ge0 ?subr_ge0 // -ler_subl_addl sub0r.
by rewrite mulr_le0 ?subr_le0 // addrC subr_le0.
Qed.

(* With the bias each coordinate where the columns differ adds at least 2 (c_1 (a_1 - a_0) - a_0 s sqrt(p)) / p. *)
Let excess := tap1 * (a1 - a0) - a0 * s * root.
Lemma bias_costs v u w :
  excess * (1 - gram u v) <= tap1 * (a1 * (1 - gram u v) + a0 * (gram v w - gram u w)) + a0 * s * (total v - total u).
Proof.
rewrite -subr_ge0 -(gram_own v) /gram /total -!sumrB !mulr_sumr -big_split mulr_sumr -big_split -sumrB.
apply: sumr_ge0 => r _ /=.
rewrite (_ : _ - _ = (m v r - m u r) * (tap1 * (a1 * m v r + a0 * m w r) + a0 * s - excess * m v r)); last by ring.
have [u1 w1] := (m_le u r, m_ge w r); have [u2 w2] := (m_ge u r, m_le w r).
have cancel : excess * root^-1 = tap1 * (a1 - a0) * root^-1 - a0 * s.
  by rewrite mulrBl -[a0 * s * root * _]mulrA divff ?gt_eqF // mulr1.
have cost : 0 <= tap1 * a0 by rewrite mulr_ge0 ?ltW ?a0_gt0.
case: (m_cases v r) => ->.
  apply: mulr_ge0; first by rewrite subr_ge0.
  rewrite (_ : _ - _ = tap1 * a0 * (root^-1 + m w r) + a0 * s *+ 2); last first.
    by rewrite cancel; ring.
  by rewrite addr_ge0 ?mulrn_wge0 ?mulr_ge0 ?s_ge0 ?(ltW a0_gt0) ?(ltW tap1_gt0) // -ler_subl_addl sub0r.
apply: mulr_le0; first by rewrite subr_le0.
rewrite (_ : _ - _ = tap1 * a0 * (m w r - root^-1)); last first.
  by rewrite [excess * _]mulrN cancel; ring.
by rewrite mulr_ge0_le0 // subr_le0.
Qed.

(* A value's code passes the ReLU, whole; from the place before it does not. *)
Lemma stopped (w : 'I_V) r : (r < width)%N -> tap0 * shifted (F := F) root^-1 shift sign w r <= bias.
Proof. by move=> _; rewrite (le_trans _ code_stopped) // ler_pmul2l // /= addrC ler_add2l m_le. Qed.

Lemma gain_signs u w : gain width tap1 bias (@shifted F root^-1 shift sign) m u w
  = tap1 * gram u w + s * total u.
Proof.
rewrite /gain /gram /total !mulr_sumr -big_split; apply: eq_bigr => r _ /=.
rewrite /written relu_pos; first by rewrite /shifted /= /s; ring.
rewrite subr_ge0 (le_trans code_passes) // ler_pmul2l // /shifted /= addrC ler_add2r m_ge.
by [].
Qed.

(* The margin at every query under H1 and H2. *)
Lemma margin ctx tail t q (v u : 'I_V) : let x := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->
  logit x t v - logit x t u
    = a0 * ((a1 + bias * (prev x t == key_ q)%:R) * (tap1 * (1 - gram u v) + s * (total v - total u))
        + a0 * (\sum_(w < V) (beside ctx x t w)%:R * (tap1 * (gram v w - gram u w) + s * (total v - total u)))
        - f * s * (total v - total u)).
Proof.
move=> x h1 h2 query.
have read w := shared_logit_query exp0 m (@sign_bias F root^-1 (f * a0 * s) sign width) step1 bias_ge0 key_passes
  key_now stopped w h1 h2 query.
have biasE w : sign_bias (F := F) root^-1 (f * a0 * s) sign width w = - (f * a0 * s * total w).
  by rewrite /sign_bias /= sumE.
have -> : \sum_(w < V) (beside ctx x t w)%:R * (tap1 * (gram v w - gram u w) + s * (total v - total u))
    = \sum_(w < V) (beside ctx x t w)%:R * gain width tap1 bias (@shifted F root^-1 shift sign) m v w
      - \sum_(w < V) (beside ctx x t w)%:R * gain width tap1 bias (@shifted F root^-1 shift sign) m u w.
  by rewrite -[RHS]sumrB; apply: eq_bigr => w _; rewrite !gain_signs; ring.
by rewrite /logit !read !biasE !gain_signs gram_own -/a0 -/a1 /x; ring.
Qed.

Lemma beside_sum ctx (x : seq (token kappa V)) t (G : 'I_V -> R) : H1 ctx ->
  let S := \sum_(w < V) (beside ctx x t w)%:R * G w in
  S = 0 \/ (~~ isolated x t /\ exists w, S = G w).
Proof.
move=> h1 S; rewrite /S /isolated /beside; case: (prev x t) => [[i|w]|] /=;
  try by left; rewrite big1 // => w' _; rewrite mul0r.
case: (pickP (fun w => (i, w) \in ctx)) => [w iw|none]; last by left; rewrite big1 // => w _; rewrite none mul0r.
right; split=> //; exists w; rewrite (bigD1 w) //= iw mul1r big1 ?addr0 // => w' w'w.
rewrite (_ : (_ \in _) = false) ?mul0r //; apply/negP => iw'.
by move: w'w; rewrite (H1_unique h1 iw' iw) eqxx.
Qed.

(* mqar.thm2-step2-amended. v is the query's value, u a rival; "biased" is f = a_1. *)
Theorem thm2_step2_amended ctx tail t q (v u : 'I_V) : let x := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->
  gram u v < 1 ->
  (forall w : 'I_V, total w = 0) \/ f = a1 ->
  (f = a1 -> isolated x t \/ a0 * s * root < tap1 * (a1 - a0)) ->
  (f = a1 -> prev x t != key_ q) ->
  let M := logit x t v - logit x t u in
  [/\ f <> a1 -> a0 * tap1 * (a1 - a0) * (1 - gram u v) <= M,
      isolated x t -> M = a0 * a1 * tap1 * (1 - gram u v) &
      0 < M].
Proof.
move=> x h1 h2 query apart off fits once M.
have ME := margin u h1 h2 query; rewrite -/x -/M in ME.
have d0 : 0 < 1 - gram u v by rewrite subr_gt0.
have [a0p [a1p a10p]] := (a0_gt0, (a1_gt0, a01)).
pose G (w : 'I_V) := tap1 * (gram v w - gram u w) + s * (total v - total u).
have held := beside_sum x t G h1; rewrite -[\sum_(w < V) _]/(\sum_(w < V) (beside ctx x t w)%:R * G w) in ME.
have alone : isolated x t -> M = a0 * a1 * tap1 * (1 - gram u v).
  move=> single; rewrite ME; case: held => [->|[]]; last by rewrite single.
  rewrite (_ : (prev x t == key_ q) = false); last by apply/negP => /eqP k; rewrite /isolated k in single.
  by case: off => [zero|->]; rewrite ?zero /=; ring.
have balanced : (forall w : 'I_V, total w = 0) -> a0 * tap1 * (a1 - a0) * (1 - gram u v) <= M.
  move=> zero; set again := (prev x t == key_ q)%:R in ME.
  have least : - (tap1 * (1 - gram u v)) <= \sum_(w < V) (beside ctx x t w)%:R * G w.
    case: held => [->|[_ [w ->]]]; first by rewrite oppr_le0 mulr_ge0 ?ltW.
    rewrite /G !zero subrr mulr0 addr0 -mulrN ler_pmul2l // -subr_ge0 opprK addrC; exact: neighbour_costs.
  rewrite -subr_ge0 (_ : M - _ = a0 * (bias * again * (tap1 * (1 - gram u v))
      + a0 * (\sum_(w < V) (beside ctx x t w)%:R * G w + tap1 * (1 - gram u v)))); last first.
    by rewrite ME !zero; ring.
  apply: mulr_ge0; first exact: ltW.
  have cost : 0 <= tap1 * (1 - gram u v) by rewrite mulr_ge0 ?ltW.
  rewrite -subr_ge0 opprK in least.
  have once0 : 0 <= bias * again by apply: mulr_ge0 => //; exact: ler0n.
  have a0n := ltW a0p.
  by apply: addr_ge0; apply: mulr_ge0.
have right : 0 < M.
  case: off => [zero|biased]; first by rewrite (lt_le_trans _ (balanced zero)) // !mulr_gt0 // subr_gt0.
  case: held => [S0|[busy [w Sw]]].
    rewrite ME S0 (negPf (once biased)) biased /=.
    by rewrite (_ : _ * _ = a0 * a1 * tap1 * (1 - gram u v)); [rewrite !mulr_gt0 | ring].
  rewrite ME Sw (negPf (once biased)) biased /= mulr_gt0 //.
  rewrite (_ : _ - _ = tap1 * (a1 * (1 - gram u v) + a0 * (gram v w - gram u w)) + a0 * s * (total v - total u)).
    apply: lt_le_trans (bias_costs v u w); rewrite mulr_gt0 // subr_gt0.
    by case: (fits biased) => // single; rewrite single in busy.
  by rewrite /G; ring.
by split=> // biased; apply: balanced; case: off.
Qed.
End Signs.
