(* haar.keep-nth-s4d-impossible: no linear time-invariant mixer between an embedding and a linear head keeps x_n. On
   uniform tokens its mean error at two readout times less than n apart is at least (1/4)(1 - 1/V). Time counts from 0,
   so that n is the claim's n - 1. *)
From mathcomp Require Import all_ssreflect all_fingroup all_algebra.
From mathcomp.algebra_tactics Require Import ring.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- sequences of T tokens, counted ---------------------------------------------------------------------------- *)

Section Counting.
Variables (V T : nat).
Notation sequences := {ffun 'I_T -> 'I_V}.
Implicit Types (x : sequences) (i j : 'I_T).

Definition replaced x j w : sequences := [ffun k => if k == j then w else x k].
Definition swapped x i j : sequences := [ffun k => x (tperm i j k)].

Lemma swappedK i j : involutive (fun x => swapped x i j).
Proof. by move=> x; apply/ffunP => k; rewrite !ffunE tpermK. Qed.

(* Drawing one token again changes no sum. *)
Lemma redrawn (f : sequences -> nat) j : (\sum_x \sum_w f (replaced x j w) = V * (\sum_x f x))%N.
Proof.
rewrite pair_bigA /=; pose again (p : sequences * 'I_V) := (replaced p.1 j p.2, p.1 j).
have againK : involutive again.
  move=> [x w]; rewrite /again /= /replaced ffunE eqxx; congr (_, _); apply/ffunP => k.
  by rewrite !ffunE; case: eqP => [->|].
rewrite (reindex_inj (inv_inj againK)) /= -(pair_bigA _ (fun x w => f (replaced (replaced x j w) j (x j)))) /=.
rewrite big_distrr /=; apply: eq_bigr => x _; transitivity (\sum_(w < V) f x)%N; last first.
  by rewrite sum_nat_const card_ord.
by apply: eq_bigr => w _; congr f; apply/ffunP => k; rewrite !ffunE; case: eqP => [->|].
Qed.

(* Two of V tokens are equal with probability 1/V. *)
Lemma equal_tokens i j : i != j -> (V * (\sum_(x : sequences) (x i == x j)) = V ^ T)%N.
Proof.
move=> ij; rewrite -(redrawn (fun x : sequences => x i == x j : nat) j).
transitivity (\sum_(x : sequences) 1)%N; last by rewrite sum1_card card_ffun !card_ord.
apply: eq_bigr => x _; rewrite (bigD1 (x i)) //= !ffunE (negPf ij) eqxx eqxx big1 // => w wi.
by rewrite !ffunE (negPf ij) eqxx eq_sym (negPf wi).
Qed.

(* If of x and its swap at most one is right, for all x of a set that swaps keep, half of the set is wrong. *)
Lemma half_wrong (right : pred sequences) (A : pred sequences) i j :
  (forall x, A (swapped x i j) = A x) -> (forall x, A x -> ~~ (right x && right (swapped x i j))) ->
  (\sum_x A x <= 2 * (\sum_x ~~ right x))%N.
Proof.
move=> A_swap one_wrong.
have -> : (2 * (\sum_x ~~ right x) = (\sum_x ~~ right x) + \sum_x ~~ right (swapped x i j))%N.
  by rewrite mul2n -addnn; congr (_ + _)%N; rewrite (reindex_inj (inv_inj (swappedK i j))).
rewrite -big_split leq_sum // => x _; case Ax: (A x) => //.
by have := one_wrong x Ax; case: (right x) => //= ->.
Qed.
End Counting.

(* --- what is asked ------------------------------------------------------------------------------------------------ *)

Section Asked.
Variables (R : realFieldType) (V T : nat).
Notation sequences := {ffun 'I_T -> 'I_V}.

(* The logits answer x_n; a tie is an error. *)
Definition answers (logit : sequences -> 'I_V -> R) (n : 'I_T) (x : sequences) : bool :=
  [forall u, (u != x n) ==> (logit x u < logit x (x n))].

(* Tokens are independent and uniform. *)
Definition probability (A : pred sequences) : R := (\sum_x A x)%:R / (V ^ T)%:R.
Definition error (logit : sequences -> 'I_V -> R) (n : 'I_T) : R := probability (fun x => ~~ answers logit n x).
End Asked.

(* --- any contribution of a token by its lag ----------------------------------------------------------------------- *)

Section Lags.
Variables (R : realFieldType) (V T : nat).
Notation sequences := {ffun 'I_T -> 'I_V}.
Variable phi : nat -> 'I_V -> 'I_V -> R.        (* what a token adds, by its lag, to the logit of u *)
Variable position : nat -> 'I_V -> R.           (* what the readout time adds *)
Definition logit_lti (t : nat) (x : sequences) (u : 'I_V) : R :=
  \sum_(i < T | (i <= t)%N) phi (t - i) (x i) u + position t u.

Notation keeps n t := (answers (logit_lti t) n).

(* Before token n is read, no answer depends on it. *)
Lemma unseen (n : 'I_T) t : (t < n)%N -> (V * (\sum_x keeps n t x) <= V ^ T)%N.
Proof.
move=> tn; rewrite -(redrawn (fun x => keeps n t x : nat) n).
have -> : (V ^ T = \sum_(x : sequences) 1)%N by rewrite sum1_card card_ffun !card_ord.
apply: leq_sum => x _; have same w u : logit_lti t (replaced x n w) u = logit_lti t x u.
  rewrite /logit_lti; congr (_ + _); apply: eq_bigr => i it; rewrite !ffunE; case: eqP => // i_n.
  by rewrite i_n leqNgt tn in it.
have [w0 w0P|none] := pickP (fun w => keeps n t (replaced x n w)); last first.
  by rewrite big1 // => w _; rewrite none.
rewrite (bigD1 w0) //= w0P big1 // => w ww0; apply/eqP; rewrite eqb0; apply/negP => /forallP/(_ w0).
rewrite !ffunE eqxx eq_sym ww0 !same /= => w0w; have /forallP/(_ w) := w0P.
by rewrite !ffunE eqxx ww0 !same /= => /(lt_trans w0w); rewrite ltxx.
Qed.

(* How much more a lag's token adds to its own logit than to the other's, of two tokens. *)
Definition own l u v : R := phi l u u - phi l u v - phi l v u + phi l v v.
Lemma ownC l u v : own l u v = own l v u. Proof. by rewrite /own; ring. Qed.

(* Right on x and on x with two tokens swapped: the asked token's lag has more. *)
Lemma both_right (i j : 'I_T) t (x : sequences) : (i <= t)%N -> (j <= t)%N -> x i != x j ->
  keeps i t x && keeps i t (swapped x i j) -> own (t - j) (x i) (x j) < own (t - i) (x i) (x j).
Proof.
move=> it jt xij /andP[/forallP/(_ (x j)) + /forallP/(_ (x i))].
have ij : i != j by apply: contraNneq xij => ->.
rewrite !ffunE tpermL eq_sym xij /= => first second.
have := addr_gt0 (etrans (subr_gt0 _ _) first) (etrans (subr_gt0 _ _) second).
rewrite -[_ < own _ _ _]subr_gt0; congr (0 < _); rewrite /logit_lti.
have split2 (f : 'I_T -> R) : \sum_(k < T | (k <= t)%N) f k =
    f i + (f j + \sum_(k < T | [&& (k <= t)%N, k != i & k != j]) f k).
  rewrite (bigD1 i) //= (bigD1 j) ?jt 1?eq_sym //=; congr (_ + (_ + _)); apply: eq_bigl => k; by rewrite andbA.
have rest u : \sum_(k < T | [&& (k <= t)%N, k != i & k != j]) phi (t - k) (swapped x i j k) u =
              \sum_(k < T | [&& (k <= t)%N, k != i & k != j]) phi (t - k) (x k) u.
  by apply: eq_bigr => k /and3P[_ ki kj]; rewrite !ffunE tpermD // eq_sym.
by rewrite !split2 !rest !ffunE tpermL tpermR /own; ring.
Qed.

Lemma all_sequences (f : pred sequences) : ((\sum_x f x) + (\sum_x ~~ f x) = V ^ T)%N.
Proof.
rewrite -big_split (eq_bigr (fun=> 1%N)) => [|x _]; last by case: (f x).
by rewrite sum1_card card_ffun !card_ord.
Qed.

Lemma mean_error_counted (n : 'I_T) t delta : (0 < delta)%N -> (delta <= n)%N -> (t + delta < T)%N ->
  (V.-1 * V ^ T <= V * (2 * ((\sum_x ~~ keeps n t x) + \sum_x ~~ keeps n (t + delta) x)))%N.
Proof.
move=> d0 dn tdT.
have complement (f : pred sequences) : (V * (\sum_x f x) <= V ^ T -> V.-1 * V ^ T <= V * \sum_x ~~ f x)%N.
  move=> le; rewrite -subn1 mulnBl mul1n leq_subLR.
  by have -> : (V * V ^ T = V * (\sum_x f x) + V * \sum_x ~~ f x)%N; rewrite ?leq_add2r // -mulnDr all_sequences.
have [tn|nt] := ltnP t n.
  apply: leq_trans (complement _ (unseen tn)) _; rewrite leq_mul2l mulnDr mul2n -addnn -!addnA leq_addr orbT //.
have mT : (n - delta < T)%N by rewrite (leq_ltn_trans (leq_subr _ _)).
have pT : (n + delta < T)%N by rewrite (leq_ltn_trans _ tdT) // leq_add2r.
pose m := Ordinal mT; pose p := Ordinal pT.
have nm : n != m by rewrite -val_eqE /= -{1}(subnK dn) -[X in _ != X]addn0 eqn_add2l -lt0n.
have np : n != p by rewrite -val_eqE /= -[X in X != _]addn0 eqn_add2l eq_sym -lt0n.
pose less u v := own (t - n) u v <= own (t + delta - n) u v.
have lessC u v : less u v = less v u by rewrite /less ownC [X in _ <= X]ownC.
(* where the first lag has no more than the second, swaps with the token at n - delta fool the answer at t *)
have first : ((\sum_(x : sequences) ((x n != x m) && less (x n) (x m))) <= 2 * \sum_x ~~ keeps n t x)%N.
  apply: (@half_wrong _ _ _ (fun x => (x n != x m) && less (x n) (x m)) n m) => x.
    by rewrite !ffunE tpermL tpermR eq_sym lessC.
  case/andP=> xnm le; apply/negP=> /both_right; rewrite nt xnm /= (leq_trans (leq_subr _ _)) //.
  by move=> /(_ isT isT isT); rewrite subnBA // ltNge -/(less _ _) le.
(* elsewhere, swaps with the token at n + delta fool the answer at t + delta *)
have second : ((\sum_(x : sequences) ((x n != x p) && ~~ less (x n) (x p))) <= 2 * \sum_x ~~ keeps n (t + delta) x)%N.
  apply: (@half_wrong _ _ _ (fun x => (x n != x p) && ~~ less (x n) (x p)) n p) => x.
    by rewrite !ffunE tpermL tpermR eq_sym lessC.
  case/andP=> xnp lt; apply/negP=> /both_right; rewrite xnp (leq_trans nt) ?leq_addr //= leq_add2r nt.
  by move=> /(_ isT isT isT); rewrite subnDr => /ltW; rewrite -/(less _ _) (negPf lt).
have swap_pm : ((\sum_(x : sequences) ((x n != x p) && ~~ less (x n) (x p))) =
    \sum_(x : sequences) ((x n != x m) && ~~ less (x n) (x m)))%N.
  rewrite (reindex_inj (inv_inj (@swappedK V T p m))); apply: eq_bigr => x _.
  by rewrite !ffunE tpermL tpermD // eq_sym.
apply: leq_trans (complement (fun x => x n == x m) _) _; first by rewrite equal_tokens.
rewrite leq_mul2l mulnDr; apply/orP; right; apply: leq_trans (leq_add first second).
rewrite swap_pm -big_split leq_sum // => x _; by case: (x n == x m); case: (less _ _).
Qed.

Theorem keep_nth_lti_impossible (n : 'I_T) t delta :
  (0 < V)%N -> (0 < delta)%N -> (delta <= n)%N -> (t + delta < T)%N ->
  4%:R^-1 * (1 - V%:R^-1) <=
  2%:R^-1 * (error (logit_lti t) n + error (logit_lti (t + delta)) n).
Proof.
move=> V0 d0 dn tdT; have counted := mean_error_counted d0 dn tdT.
have VT0 : 0 < (V ^ T)%:R :> R by rewrite ltr0n expn_gt0 V0.
have V0' : 0 < V%:R :> R by rewrite ltr0n.
have c0 : 0 < 4%:R * V%:R * (V ^ T)%:R :> R by rewrite !mulr_gt0 // ltr0n.
rewrite -(ler_pmul2l c0) /error /probability -mulrDl.
have -> : 4%:R * V%:R * (V ^ T)%:R * (4%:R^-1 * (1 - V%:R^-1)) = (V.-1 * V ^ T)%:R :> R.
  rewrite natrM -subn1 natrB //.
  have -> : 4%:R * V%:R * (V ^ T)%:R * (4%:R^-1 * (1 - V%:R^-1)) =
    4%:R * 4%:R^-1 * (V%:R - V%:R * V%:R^-1) * (V ^ T)%:R :> R by ring.
  by rewrite !mulfV ?mul1r // ?pnatr_eq0 // -lt0n.
set W := _ + _; have -> : 4%:R * V%:R * (V ^ T)%:R * (2%:R^-1 * (W / (V ^ T)%:R)) =
    V%:R * (2%:R * W) * (2%:R * 2%:R^-1) * ((V ^ T)%:R / (V ^ T)%:R) :> R by ring.
by rewrite !mulfV ?gt_eqF // ?ltr0n // !mulr1 /W -natrD -!natrM ler_nat.
Qed.
End Lags.

(* --- mixers ------------------------------------------------------------------------------------------------------- *)

Section Mixers.
Variables (R : realFieldType) (V T : nat).
Notation sequences := {ffun 'I_T -> 'I_V}.
Variable position : nat -> 'I_V -> R.
Variables (n : 'I_T) (t delta : nat).
Hypotheses (V0 : (0 < V)%N) (d0 : (0 < delta)%N) (dn : (delta <= n)%N) (tdT : (t + delta < T)%N).

(* Logits that are sums over the tokens read, each by its lag, have the error. *)
Lemma impossible_if (phi : nat -> 'I_V -> 'I_V -> R) (logit : nat -> sequences -> 'I_V -> R) :
  (forall r x u, (r < T)%N -> logit r x u = logit_lti phi position r x u) ->
  4%:R^-1 * (1 - V%:R^-1) <= 2%:R^-1 * (error (logit t) n + error (logit (t + delta)%N) n).
Proof.
move=> logitE; have same r : (r < T)%N -> error (logit r) n = error (logit_lti phi position r (T := T)) n.
  move=> rT; rewrite /error /probability; congr (_%:R / _); apply: eq_bigr => x _; congr (~~ _ : nat).
  by apply: eq_forallb => u; rewrite !logitE.
rewrite !same //; first exact: keep_nth_lti_impossible.
exact: leq_ltn_trans (leq_addr _ _) tdT.
Qed.

(* Embedding E, kernel G, head H: y_t = sum_s G(t - s) E(x_s). *)
Theorem keep_nth_mixer_impossible d m (E : 'I_V -> 'cV[R]_d) (G : nat -> 'M[R]_(m, d)) (H : 'M[R]_(V, m)) :
  let logit r (x : sequences) u :=
    (H *m (\sum_(i < T | (i <= r)%N) G (r - i)%N *m E (x i))) u 0 + position r u in
  4%:R^-1 * (1 - V%:R^-1) <= 2%:R^-1 * (error (logit t) n + error (logit (t + delta)%N) n).
Proof.
apply: (@impossible_if (fun l v u => (H *m (G l *m E v)) u 0)) => r x u _.
by rewrite /logit_lti mulmx_sumr summxE.
Qed.
End Mixers.
