(* mqar.thm4, mqar.thm4-jl-amended, mqar.thm4-jl-small-epsilon: one S4D mixer with N = 1 behind a gate recalls, values
   being one-hot or columns of signs. mqar.thm4-jl: the printed step about the columns' sums is false. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.Gated.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Theorem4.
Variable R : realFieldType.
Variables exponential step : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Notation F := (over exponential (@relu R) step).

Variables kappa V : nat.
Variables key tap0 tap1 : R.
Hypotheses (key_gt0 : 0 < key) (tap0_gt0 : 0 < tap0) (tap1_gt0 : 0 < tap1).

Section OneHot.
Variable value : R.
Hypothesis value_gt0 : 0 < value.
(* A value and the key behind it do not pass the bias c_0 k. *)
Hypothesis taps_fit : tap0 * value + tap1 * key <= tap0 * key.

(* d = kappa |V|, N = 1: one-hot values, and the head that reads them. *)
Notation logit := (@logit R exponential step kappa V V key tap0 tap1
  (one_hot_code (F := F) value) (one_hot_code (F := F) 1) (fun=> 0)).

Theorem thm4 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  logit s t v - logit s t u = key * tap1 * value /\ logit s t u < logit s t v.
Proof.
move=> s h1 h2 query uv; suff e : logit s t v - logit s t u = key * tap1 * value.
  by split=> //; rewrite -subr_gt0 e !mulr_gt0.
have ge0 (w : 'I_V) r : (r < V)%N -> 0 <= one_hot_code (F := F) value w r.
  by move=> _; rewrite /one_hot_code; case: ifP => _ //; exact: ltW.
have le (w : 'I_V) r : (r < V)%N -> one_hot_code (F := F) value w r <= value.
  by move=> _; rewrite /one_hot_code; case: ifP => _ //; exact: ltW.
have E w := logit_query exp0 key_gt0 tap0_gt0 tap1_gt0 (ltW value_gt0) ge0 le taps_fit
  (one_hot_code (F := F) 1) (fun=> 0) w h1 h2 query.
have pick (w : 'I_V) (f : nat -> R) : \sum_(r < V) one_hot_code (F := F) 1 w r * f r = f w.
  rewrite (bigD1 w) //= /one_hot_code eqxx mul1r big1 ?addr0 // => r rw.
  by rewrite val_eqE (negPf rw) mul0r.
have ones (w : 'I_V) : \sum_(r < V) one_hot_code (F := F) 1 w r = 1.
  by rewrite -[RHS](pick w (fun=> 1)); apply: eq_bigr => r _; rewrite mulr1.
by rewrite !E /dot !pick !ones /one_hot_code eqxx val_eqE (negPf uv) /=; ring.
Qed.
End OneHot.

(* Step 2: columns m_v of p signs, times 1/sqrt(p); value v is written as m_v + beta, and read by m_v. *)
Section Signs.
Variable p : nat.
Variable root : R.   (* the square root of p *)
Hypotheses (root_gt0 : 0 < root) (root2 : root ^+ 2 = p%:R).
Variable columns : nat -> nat -> bool.
Variable shift : R.
Definition m : nat -> nat -> R := signs (F := F) root^-1 columns.
Definition code : nat -> nat -> R := shifted (F := F) root^-1 shift columns.

(* The code is positive, and with a key behind it does not pass the bias c_0 k. *)
Hypothesis shift_above : root^-1 < shift.
Hypothesis codes_stopped : tap0 * (shift + root^-1) + tap1 * key <= tap0 * key.

Notation logit b := (@logit R exponential step kappa V p key tap0 tap1 code m b).

Lemma codeE v r : code v r = m v r + shift. Proof. by []. Qed.
Let inv_gt0 : 0 < root^-1. Proof. by rewrite invr_gt0. Qed.
Lemma shift_gt0 : 0 < shift. Proof. exact: lt_trans shift_above. Qed.

Lemma entry_sqr v r : m v r * m v r = p%:R^-1.
Proof. by rewrite /m /signs -root2 expr2 invfM; case: ifP => _; rewrite /= ?mulrNN. Qed.

(* A column has length 1; two columns that differ somewhere have a product below 1. *)
Lemma dot_own v : dot p (m v) (m v) = 1.
Proof.
rewrite /dot (eq_bigr _ (fun (r : 'I_p) _ => entry_sqr v r)) sumr_const card_ord -mulr_natl mulfV //.
by rewrite -root2 expf_neq0 // gt_eqF.
Qed.

Lemma dot_differ v u : (exists r : 'I_p, columns v r != columns u r) -> dot p (m v) (m u) < 1.
Proof.
case=> r vu; rewrite -(dot_own v) /dot [in X in X < _](bigD1 r) //= [in X in _ < X](bigD1 r) //=.
have le i : m v i * m u i <= m v i * m v i.
  have pos := ltW (mulr_gt0 inv_gt0 inv_gt0); have neg : - (root^-1 * root^-1) <= root^-1 * root^-1.
    by rewrite (le_trans _ pos) // oppr_le0.
  by rewrite /m /signs /=; do 2?case: ifP => _; rewrite ?mulrNN ?mulrN ?mulNr.
apply: ltr_le_add; last by apply: ler_sum => i _; exact: le.
have pos := mulr_gt0 inv_gt0 inv_gt0; have neg : - (root^-1 * root^-1) < root^-1 * root^-1.
  by rewrite (lt_trans _ pos) // oppr_lt0.
by move: vu; rewrite /m /signs /=; do 2?case: ifP => _; rewrite ?mulrNN ?mulrN ?mulNr.
Qed.

(* The logits of a query: its value's column, the shift, and what the query's key added behind itself. *)
Lemma signs_query b ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> logit b s t u = key * tap1 *
    (dot p (m v) (m u) + (shift + key * (repeats s t q)%:R) * \sum_(r < p) m u r) + b u.
Proof.
move=> s h1 h2 query.
have ge0 (w : 'I_V) r : (r < p)%N -> 0 <= code w r.
  move=> _; rewrite codeE /m /signs /=; case: ifP => _; first by rewrite addr_ge0 // ltW // shift_gt0.
  by rewrite addrC subr_ge0 ltW.
have le (w : 'I_V) r : (r < p)%N -> code w r <= shift + root^-1.
  move=> _; rewrite codeE addrC ler_add2l /m /signs /=; case: ifP => _ //.
  by rewrite (le_trans _ (ltW inv_gt0)) // oppr_le0 ltW.
have m_ge0 : 0 <= shift + root^-1 by rewrite addr_ge0 // ltW // shift_gt0.
rewrite (logit_query exp0 key_gt0 tap0_gt0 tap1_gt0 m_ge0 ge0 le codes_stopped _ _ _ h1 h2 query).
congr (_ * _ + _).
have -> : dot p (m u) (code v) =
  dot p (m v) (m u) + shift * \sum_(r < p) m u r.
  by rewrite /dot mulr_sumr -big_split /=; apply: eq_bigr => r _; rewrite codeE; ring.
rewrite -/s /=; ring.
Qed.
Arguments signs_query b {ctx tail t q v} u h1 h2 query : rename.

(* mqar.thm4-jl-amended. Columns that sum to 0 take the shift off; or a bias of the head does, where the query's key
   never stood directly behind itself. *)
Definition balanced := forall v : 'I_V, \sum_(r < p) m v r = 0.
Definition biased (b : nat -> R) := forall v : 'I_V, b v = - (key * tap1 * shift * \sum_(r < p) m v r).

Theorem thm4_jl_amended (b : nat -> R) ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  (forall v u : 'I_V, v != u -> exists r : 'I_p, columns v r != columns u r) ->
  (balanced /\ (forall v : 'I_V, b v = 0)) \/ (biased b /\ repeats s t q = 0%N) ->
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  logit b s t v - logit b s t u = key * tap1 * (1 - dot p (m v) (m u)) /\ logit b s t u < logit b s t v.
Proof.
move=> s differ off h1 h2 query uv.
suff e : logit b s t v - logit b s t u = key * tap1 * (1 - dot p (m v) (m u)).
  split=> //; rewrite -subr_gt0 e !mulr_gt0 // subr_gt0; apply: dot_differ; apply: differ; by rewrite eq_sym.
rewrite !(signs_query _ _ h1 h2 query) dot_own.
by case: off => [[zero b0]|[bE r0]]; [rewrite !zero !b0 | rewrite -/s r0 !bE]; rewrite /=; ring.
Qed.

(* mqar.thm4-jl-small-epsilon. No bias: the columns are nearly orthogonal to each other and to 1/sqrt(p). *)
Variable eps : R.
Hypothesis near : forall v u : 'I_V, v != u -> `|dot p (m v) (m u)| <= eps.
Hypothesis near_ones : forall v : 'I_V, `|dot p (m v) (fun=> root^-1)| <= eps.

(* A column's sum is sqrt(p) times its product with 1/sqrt(p). *)
Lemma sum_column (v : nat) : \sum_(r < p) m v r = root * dot p (m v) (fun=> root^-1).
Proof. by rewrite /dot -mulr_suml mulrCA mulfV ?mulr1 // gt_eqF. Qed.

Theorem thm4_jl_small_epsilon ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in
  eps * (1 + 2%:R * shift * root) < 1 ->
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> repeats s t q = 0%N -> u != v ->
  key * tap1 * (1 - eps - 2%:R * shift * root * eps) <= logit (fun=> 0) s t v - logit (fun=> 0) s t u /\
  logit (fun=> 0) s t u < logit (fun=> 0) s t v.
Proof.
move=> s small h1 h2 query r0 uv.
suff le : key * tap1 * (1 - eps - 2%:R * shift * root * eps) <= logit (fun=> 0) s t v - logit (fun=> 0) s t u.
  split=> //; rewrite -subr_gt0 (lt_le_trans _ le) // !mulr_gt0 //.
  rewrite -subr_gt0 in small; congr (0 < _): small; ring.
rewrite !(signs_query _ _ h1 h2 query) dot_own -/s r0 !sum_column.
set g := dot p (m v) (m u); set a := dot _ _ _; set c := dot _ _ _.
have -> : key * tap1 * (1 + (shift + key * 0%:R) * (root * a)) + 0 -
  (key * tap1 * (g + (shift + key * 0%:R) * (root * c)) + 0) = key * tap1 * (1 - g + shift * root * (a - c)).
  by rewrite /=; ring.
rewrite ler_pmul2l ?mulr_gt0 // ler_add //.
  by rewrite ler_add2l ler_opp2; apply: le_trans (ler_norm _) (near _); rewrite eq_sym.
rewrite (_ : - (2%:R * shift * root * eps) = shift * root * (- eps - eps)); last by ring.
have sr : 0 <= shift * root by rewrite mulr_ge0 // ltW // shift_gt0.
rewrite ler_wpmul2l // ler_add ?ler_opp2 //.
  by move: (near_ones v); rewrite ler_norml => /andP[].
by move: (near_ones u); rewrite ler_norml => /andP[].
Qed.
End Signs.
End Theorem4.

(* mqar.thm4-jl: the printed step, for all columns of signs, and that it is false. *)
Section Printed.
Variable R : realFieldType.
Notation F := (over (@id R) id id).

Definition printed_step := forall (p V : nat) (root eps : R) (columns : nat -> nat -> bool),
  0 < root -> root ^+ 2 = p%:R -> let m := m id id root columns in
  (forall v u : 'I_V, v != u -> `|dot p (m v) (m u)| <= eps) ->
  (forall v : 'I_V, `|dot p (m v) (fun=> root^-1)| <= eps) ->
  forall v : 'I_V, `|\sum_(r < p) m v r| <= eps.

(* Four signs, one column +++-: its product with 1/2 is 1/2, its sum is 1. *)
Theorem thm4_jl_refuted : ~ printed_step.
Proof.
move=> printed; pose column (_ r : nat) := (r < 3)%N.
have two : 0 < 2%:R :> R by rewrite ltr0n.
have half : 2%:R^-1 + 2%:R^-1 = 1 :> R by rewrite [RHS](splitr 1) !mul1r.
have sum1 v : \sum_(r < 4) m id id (2%:R : R) column v r = 1.
  by rewrite !big_ord_recr big_ord0 /m /signs /= add0r half addrK.
have := printed 4%N 1%N 2%:R 2%:R^-1 column two _ _ _ ord0; rewrite sum1 normr1.
have -> : (1 <= 2%:R^-1 :> R) = false by rewrite -[X in X <= _]half ger_addl lt_geF // invr_gt0.
move=> h; suff : false by []; apply: h => [|v u|v].
- by rewrite -natrX.
- by rewrite !ord1.
- by rewrite /dot -mulr_suml sum1 mul1r ger0_norm // invr_ge0 ltW.
Qed.

(* The erratum's instance: ++- over the square root of 3 has product 1/3 with the vector, and its sum is larger. *)
Theorem thm4_jl_three (root : R) : 0 < root -> root ^+ 2 = 3%:R ->
  let m := m id id root (fun _ r => (r < 2)%N) 0 in
  dot 3 m (fun=> root^-1) = 3%:R^-1 /\ \sum_(r < 3) m r = root^-1 /\ 3%:R^-1 < root^-1.
Proof.
move=> root0 root2; have inv0 : 0 < root^-1 by rewrite invr_gt0.
have sum1 : \sum_(r < 3) m id id root (fun _ r => (r < 2)%N) 0 r = root^-1.
  by rewrite !big_ord_recr big_ord0 /m /signs /= add0r addrK.
have sq : 3%:R^-1 = root^-1 * root^-1 by rewrite -root2 expr2 invfM.
rewrite /dot -mulr_suml sum1 sq; split=> //; split=> //.
rewrite -[X in _ < X]mul1r ltr_pmul2r // invf_lt1 // ltNge; apply/negP => r1.
by have := exprn_ile1 2 (ltW root0) r1; rewrite root2 lern1.
Qed.

(* What is true instead, at every p: sqrt(p) times as much. *)
Theorem thm4_jl_instead (p V : nat) (root eps : R) (columns : nat -> nat -> bool) : 0 < root ->
  let m := m id id root columns in
  (forall v : 'I_V, `|dot p (m v) (fun=> root^-1)| <= eps) -> forall v : 'I_V, `|\sum_(r < p) m v r| <= root * eps.
Proof.
move=> root0 m near v; rewrite (sum_column _ _ _ root0) normrM gtr0_norm // ler_pmul2l //; exact: near.
Qed.
End Printed.
