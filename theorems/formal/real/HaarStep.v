(* The S6 function of eq. (8) with time as its input, B = 1 and lambda = 1, against a Heaviside step: of
   haar.thm1-pointwise the two tails, with 1/W for pi^2/(12 W). *)
From Coq Require Import Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
Local Open Scope R_scope.

Definition softplus (x : R) : R := ln (1 + exp x).
Definition gate (W threshold r : R) : R := softplus (- W * (r - threshold)).
(* g(s) = e^{-int_s^1 softplus(-W (r - threshold)) dr}, read at time 1. *)
Definition s6_function (W threshold s : R) : R := exp (- RInt (gate W threshold) s 1).
Definition heaviside (threshold s : R) : R := if Rle_dec threshold s then 1 else 0.

(* --- softplus ----------------------------------------------------------------------------------------------------- *)

Lemma softplus_pos x : 0 < softplus x.
Proof. unfold softplus; rewrite <- ln_1; apply ln_increasing; pose proof (exp_pos x); lra. Qed.

Lemma softplus_gt x : x < softplus x.
Proof. unfold softplus; rewrite <- (ln_exp x) at 1; apply ln_increasing; pose proof (exp_pos x); lra. Qed.

Lemma softplus_le_exp x : softplus x <= exp x.
Proof.
unfold softplus; rewrite <- (ln_exp (exp x)) at 2; pose proof (exp_pos x).
destruct (Req_dec (1 + exp x) (exp (exp x))) as [->|ne]; [lra|].
left; apply ln_increasing; [lra|]; apply exp_ineq1; lra.
Qed.

Lemma softplus_le x y : x <= y -> softplus x <= softplus y.
Proof.
intros [xy| ->]; [left|right; reflexivity]; unfold softplus.
apply ln_increasing; pose proof (exp_pos x); [lra|]; pose proof (exp_increasing _ _ xy); lra.
Qed.

Lemma exp_le x y : x <= y -> exp x <= exp y.
Proof. intros [xy| ->]; [left; apply exp_increasing; exact xy | right; reflexivity]. Qed.

(* --- the exponent ------------------------------------------------------------------------------------------------- *)

Lemma gate_continuous W t r : continuous (gate W t) r.
Proof.
apply (ex_derive_continuous (gate W t)); unfold gate, softplus.
auto_derive; repeat split; match goal with |- 0 < 1 + exp ?x => pose proof (exp_pos x); lra end.
Qed.

Lemma gate_integrable W t a b : ex_RInt (gate W t) a b.
Proof. apply (ex_RInt_continuous (gate W t)); intros z _; apply gate_continuous. Qed.

Lemma exponent_ge0 W t s : s <= 1 -> 0 <= RInt (gate W t) s 1.
Proof. intros s1; apply RInt_ge_0; [lra|apply gate_integrable|]; intros; left; apply softplus_pos. Qed.

Lemma s6_function_pos W t s : 0 < s6_function W t s.
Proof. apply exp_pos. Qed.

Lemma s6_function_le1 W t s : s <= 1 -> s6_function W t s <= 1.
Proof. intros s1; rewrite <- exp_0; apply exp_le; pose proof (exponent_ge0 W t s s1); lra. Qed.

(* A later threshold, a smaller function. *)
Lemma s6_function_mono W t t' s : 0 <= W -> t <= t' -> s <= 1 -> s6_function W t' s <= s6_function W t s.
Proof.
intros W0 tt s1; apply exp_le, Ropp_le_contravar, RInt_le; [lra|apply gate_integrable|apply gate_integrable|].
intros r _; apply softplus_le; nra.
Qed.

Lemma s6_function_derivable W t s : ex_derive (s6_function W t) s.
Proof.
apply (ex_derive_comp exp (fun s => - RInt (gate W t) s 1)); [eexists; apply is_derive_exp|].
apply (ex_derive_opp (fun s => RInt (gate W t) s 1)); eexists.
apply (is_derive_RInt' (gate W t) (fun s => RInt (gate W t) s 1) s 1); [|apply gate_continuous].
apply filter_forall; intros r; apply (RInt_correct (gate W t)), gate_integrable.
Qed.

(* Left of the threshold softplus lies above its ramp. *)
Theorem left_tail W t s : 0 < W -> s < t <= 1 -> s6_function W t s < exp (- (W * (t - s) ^ 2 / 2)).
Proof.
intros W0 [st t1]; apply exp_increasing, Ropp_lt_contravar.
rewrite <- (RInt_Chasles (gate W t) s t 1); try apply gate_integrable.
pose proof (exponent_ge0 W t t t1).
assert (i : is_RInt (fun r => W * (t - r)) s t (W * (t - s) ^ 2 / 2)).
{ replace (W * (t - s) ^ 2 / 2) with (minus (- (W * (t - t) ^ 2 / 2)) (- (W * (t - s) ^ 2 / 2)))
    by (unfold minus, plus, opp; simpl; field).
  apply (is_RInt_derive (fun r => - (W * (t - r) ^ 2 / 2))).
  - intros x _; auto_derive; [trivial|field].
  - intros x _; apply (ex_derive_continuous (fun r => W * (t - r))); auto_derive; trivial. }
assert (W * (t - s) ^ 2 / 2 < RInt (gate W t) s t).
{ rewrite <- (is_RInt_unique _ _ _ _ i); apply RInt_lt; [lra|..].
  - intros x _; apply gate_continuous.
  - intros x _; apply (ex_derive_continuous (fun r => W * (t - r))); auto_derive; trivial.
  - intros x _; replace (W * (t - x)) with (- W * (x - t)) by ring; apply softplus_gt. }
unfold plus; simpl; lra.
Qed.

(* Right of it softplus lies below the exponential. *)
Lemma right_tail_fades W t s : 0 < W -> t <= s <= 1 -> 1 - s6_function W t s <= exp (- (W * (s - t))) / W.
Proof.
intros W0 [ts s1]; unfold s6_function.
assert (i : is_RInt (fun r => exp (- W * (r - t))) s 1 ((exp (- (W * (s - t))) - exp (- (W * (1 - t)))) / W)).
{ replace ((exp (- (W * (s - t))) - exp (- (W * (1 - t)))) / W)
    with (minus (- exp (- W * (1 - t)) / W) (- exp (- W * (s - t)) / W)).
  - apply (is_RInt_derive (fun r => - exp (- W * (r - t)) / W)).
    + intros x _; auto_derive; [trivial|unfold Rminus; field; lra].
    + intros x _; apply (ex_derive_continuous (fun r => exp (- W * (r - t)))); auto_derive; trivial.
  - unfold minus, plus, opp; simpl; rewrite <- !Ropp_mult_distr_l; field; lra. }
assert (below : RInt (gate W t) s 1 <= (exp (- (W * (s - t))) - exp (- (W * (1 - t)))) / W).
{ rewrite <- (is_RInt_unique _ _ _ _ i); apply RInt_le; [lra|apply gate_integrable|eexists; exact i|].
  intros x _; apply softplus_le_exp. }
assert ((exp (- (W * (s - t))) - exp (- (W * (1 - t)))) / W <= exp (- (W * (s - t))) / W).
{ apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; lra|pose proof (exp_pos (- (W * (1 - t)))); lra]. }
pose proof (exp_ineq1_le (- RInt (gate W t) s 1)); lra.
Qed.

Theorem right_tail W t s : 0 < W -> t <= s <= 1 -> 1 - s6_function W t s <= 1 / W.
Proof.
intros W0 ts; apply Rle_trans with (1 := right_tail_fades W t s W0 ts).
apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; lra|].
rewrite <- exp_0; apply exp_le; assert (0 <= W * (s - t)) by (apply Rmult_le_pos; lra); lra.
Qed.
