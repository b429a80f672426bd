(* haar.thm1-amended: three S6 functions come as near to a Haar wavelet in L^2 as is wanted, with an explicit W. *)
From Coq Require Import Arith Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
From Mamba Require Import real.HaarStep.
Local Open Scope R_scope.

(* psi(s) = 1 on [0, 1/2), -1 on [1/2, 1), 0 elsewhere; psi_{j,k}(s) = 2^{j/2} psi(2^j s - k). *)
Definition haar (s : R) : R :=
  if Rlt_dec s 0 then 0 else if Rlt_dec s (1/2) then 1 else if Rlt_dec s 1 then -1 else 0.
Definition wavelet (j k : nat) (s : R) : R := sqrt (2 ^ j) * haar (2 ^ j * s - INR k).

(* g_1 - 2 g_2 + g_3, with thresholds at the wavelet's three jumps. *)
Definition threshold (j k : nat) (part : R) : R := (INR k + part) / 2 ^ j.
Definition three_functions (W : R) (j k : nat) (s : R) : R :=
  let g part := sqrt (2 ^ j) * s6_function W (threshold j k part) s in g 0 - 2 * g (1/2) + g 1.
Definition squared_error W j k (s : R) : R := (wavelet j k s - three_functions W j k s) ^ 2.

(* --- the Gaussian integral, to three figures ---------------------------------------------------------------------- *)

Lemma grows_from0 (f df : R -> R) u : 0 <= u -> (forall x, is_derive f x (df x)) ->
  (forall x, 0 <= x -> 0 <= df x) -> f 0 <= f u.
Proof.
intros u0 d pos; destruct (MVT_gen f 0 u df) as [c [between e]].
- intros x _; apply d.
- intros x _; apply derivable_continuous_pt, ex_derive_Reals_0; exists (df x); apply d.
- rewrite Rmin_left, Rmax_right in between by lra.
  assert (0 <= df c * (u - 0)) by (apply Rmult_le_pos; [apply pos; lra|lra]); lra.
Qed.

Ltac slope := let x := fresh in intros x; auto_derive; [trivial|field].

Lemma exp_le2 u : 0 <= u -> exp (- u) <= 1 - u + u ^ 2 / 2.
Proof.
intros u0; pose (f := fun x => 1 - x + x ^ 2 / 2 - exp (- x)); assert (h : f 0 <= f u).
{ apply (grows_from0 f (fun x => -1 + x + exp (- x))); [exact u0|unfold f; slope|].
  intros x _; pose proof (exp_ineq1_le (- x)); lra. }
unfold f in h; rewrite Ropp_0, exp_0 in h; lra.
Qed.

Lemma exp_ge3 u : 0 <= u -> 1 - u + u ^ 2 / 2 - u ^ 3 / 6 <= exp (- u).
Proof.
intros u0; pose (f := fun x => exp (- x) - (1 - x + x ^ 2 / 2 - x ^ 3 / 6)); assert (h : f 0 <= f u).
{ apply (grows_from0 f (fun x => 1 - x + x ^ 2 / 2 - exp (- x))); [exact u0|unfold f; slope|].
  intros x x0; pose proof (exp_le2 x x0); lra. }
unfold f in h; rewrite Ropp_0, exp_0 in h; lra.
Qed.

Lemma exp_le4 u : 0 <= u -> exp (- u) <= 1 - u + u ^ 2 / 2 - u ^ 3 / 6 + u ^ 4 / 24.
Proof.
intros u0; pose (f := fun x => 1 - x + x ^ 2 / 2 - x ^ 3 / 6 + x ^ 4 / 24 - exp (- x)); assert (h : f 0 <= f u).
{ apply (grows_from0 f (fun x => exp (- x) - (1 - x + x ^ 2 / 2 - x ^ 3 / 6))); [exact u0|unfold f; slope|].
  intros x x0; pose proof (exp_ge3 x x0); lra. }
unfold f in h; rewrite Ropp_0, exp_0 in h; lra.
Qed.

Definition bell (v : R) : R := exp (- (v * v)).

Lemma bell_integrable a b : ex_RInt bell a b.
Proof.
apply (ex_RInt_continuous bell); intros z _; apply (ex_derive_continuous bell); unfold bell; auto_derive; trivial.
Qed.

Lemma bell_to_1 : RInt bell 0 1 <= 1 - 1/3 + 1/10 - 1/42 + 1/216.
Proof.
pose (T := fun v : R => 1 - v ^ 2 + v ^ 4 / 2 - v ^ 6 / 6 + v ^ 8 / 24).
assert (i : is_RInt T 0 1 (1 - 1/3 + 1/10 - 1/42 + 1/216)).
{ pose (P := fun v : R => v - v ^ 3 / 3 + v ^ 5 / 10 - v ^ 7 / 42 + v ^ 9 / 216).
  replace (1 - 1/3 + 1/10 - 1/42 + 1/216) with (minus (P 1) (P 0)) by (unfold P, minus, plus, opp; simpl; field).
  apply (is_RInt_derive P).
  - intros x _; unfold P, T; auto_derive; [trivial|field].
  - intros x _; apply (ex_derive_continuous T); unfold T; auto_derive; trivial. }
rewrite <- (is_RInt_unique _ _ _ _ i); apply RInt_le; [lra|apply bell_integrable|eexists; exact i|].
intros v _; unfold bell, T; pose proof (exp_le4 (v * v) (Rle_0_sqr v)).
replace (v ^ 2) with (v * v) by ring; replace (v ^ 4 / 2) with ((v * v) ^ 2 / 2) by field.
replace (v ^ 6 / 6) with ((v * v) ^ 3 / 6) by field; replace (v ^ 8 / 24) with ((v * v) ^ 4 / 24) by field.
exact H.
Qed.

(* Beyond 1 the bell lies below v e^{-v^2}, whose integral is known; e^{-1} <= 3/8. *)
Lemma bell_from_1 x : 1 <= x -> RInt bell 1 x <= 3/16.
Proof.
intros x1; assert (i : is_RInt (fun v => v * exp (- (v * v))) 1 x (exp (- (1 * 1)) / 2 - exp (- (x * x)) / 2)).
{ replace (exp (- (1 * 1)) / 2 - exp (- (x * x)) / 2) with (minus (- exp (- (x * x)) / 2) (- exp (- (1 * 1)) / 2))
    by (unfold minus, plus, opp; simpl; field).
  apply (is_RInt_derive (fun v => - exp (- (v * v)) / 2)).
  - intros v _; auto_derive; [trivial|field].
  - intros v _; apply (ex_derive_continuous (fun v => v * exp (- (v * v)))); auto_derive; trivial. }
apply Rle_trans with (exp (- (1 * 1)) / 2 - exp (- (x * x)) / 2).
- rewrite <- (is_RInt_unique _ _ _ _ i); apply RInt_le; [lra|apply bell_integrable|eexists; exact i|].
  intros v [v1 _]; unfold bell; pose proof (exp_pos (- (v * v))); nra.
- pose proof (exp_le4 1 ltac:(lra)); pose proof (exp_pos (- (x * x))); replace (1 * 1) with 1 by ring; lra.
Qed.

(* sqrt pi / 2 = 0.886... *)
Definition half_bell : R := 935/1000.

Lemma bell_below x : 0 <= x -> RInt bell 0 x <= half_bell.
Proof.
intros x0; assert (ge0 : forall a b, a <= b -> 0 <= RInt bell a b).
{ intros a b ab; apply RInt_ge_0; [exact ab|apply bell_integrable|]; intros; left; apply exp_pos. }
pose proof bell_to_1; unfold half_bell; destruct (Rle_dec x 1) as [x1|x1].
- pose proof (RInt_Chasles bell 0 x 1 (bell_integrable _ _) (bell_integrable _ _)) as c.
  unfold plus in c; simpl in c; pose proof (ge0 x 1 x1); lra.
- pose proof (RInt_Chasles bell 0 1 x (bell_integrable _ _) (bell_integrable _ _)) as c.
  unfold plus in c; simpl in c; pose proof (bell_from_1 x ltac:(lra)); lra.
Qed.

(* --- one piece ---------------------------------------------------------------------------------------------------- *)

Section Piece.
Variables (w lo up : R).
Hypotheses (w0 : 0 < w) (lo_up : lo <= up).

Definition before_up (s : R) : R := exp (- (w * w * (up - s) ^ 2)).
Definition after_lo (s : R) : R := exp (- (w * w * (s - lo))).

Lemma before_up_integrable : ex_RInt before_up lo up.
Proof.
apply (ex_RInt_continuous before_up); intros z _; apply (ex_derive_continuous before_up).
unfold before_up; auto_derive; trivial.
Qed.

Lemma after_lo_integrable : ex_RInt after_lo lo up.
Proof.
apply (ex_RInt_continuous after_lo); intros z _; apply (ex_derive_continuous after_lo).
unfold after_lo; auto_derive; trivial.
Qed.

Lemma before_up_small : RInt before_up lo up <= half_bell / w.
Proof.
assert (e : RInt (fun y => scal (- w) (bell (- w * y + w * up))) lo up
            = RInt bell (- w * lo + w * up) (- w * up + w * up)).
{ apply (RInt_comp_lin bell); apply bell_integrable. }
assert (e' : RInt (fun y => scal (- w) (bell (- w * y + w * up))) lo up = scal (- w) (RInt before_up lo up)).
{ rewrite <- (RInt_scal before_up); [|apply before_up_integrable].
  apply RInt_ext; intros y _; unfold bell, before_up; do 3 f_equal; ring. }
rewrite e' in e; replace (- w * up + w * up) with 0 in e by ring.
rewrite <- (opp_RInt_swap bell 0 (- w * lo + w * up)) in e by apply bell_integrable.
assert (0 <= - w * lo + w * up) by nra.
pose proof (bell_below (- w * lo + w * up) H) as small; unfold scal, opp in e; simpl in e; unfold mult in e; simpl in e.
apply Rmult_le_reg_l with w; [exact w0|]; replace (w * (half_bell / w)) with half_bell by (field; lra); lra.
Qed.

Lemma after_lo_small : RInt after_lo lo up <= 1 / (w * w).
Proof.
assert (ww : 0 < w * w) by nra.
assert (i : is_RInt after_lo lo up ((1 - exp (- (w * w * (up - lo)))) / (w * w))).
{ replace ((1 - exp (- (w * w * (up - lo)))) / (w * w))
    with (minus (- exp (- (w * w * (up - lo))) / (w * w)) (- exp (- (w * w * (lo - lo))) / (w * w))).
  - apply (is_RInt_derive (fun s => - exp (- (w * w * (s - lo))) / (w * w))).
    + intros x _; unfold after_lo; auto_derive; [trivial|unfold Rminus; field; lra].
    + intros x _; apply (ex_derive_continuous after_lo); unfold after_lo; auto_derive; trivial.
  - unfold minus, plus, opp; simpl; replace (w * w * (lo - lo)) with 0 by ring; rewrite Ropp_0, exp_0; field; lra. }
rewrite (is_RInt_unique _ _ _ _ i); apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; exact ww|].
pose proof (exp_pos (- (w * w * (up - lo)))); lra.
Qed.

Lemma piece (f : R -> R) a b : 0 <= a -> 0 <= b -> ex_RInt f lo up ->
  (forall s, lo < s < up -> f s <= a * before_up s + b * after_lo s) ->
  RInt f lo up <= a * (half_bell / w) + b * (1 / (w * w)).
Proof.
intros a0 b0 fi below.
pose proof before_up_integrable as bi; pose proof after_lo_integrable as ai.
apply Rle_trans with (RInt (fun s => plus (scal a (before_up s)) (scal b (after_lo s))) lo up).
- apply RInt_le; [exact lo_up|exact fi| |exact below].
  apply (ex_RInt_plus (fun s => scal a (before_up s)) (fun s => scal b (after_lo s)));
    [apply (ex_RInt_scal before_up)|apply (ex_RInt_scal after_lo)]; assumption.
- rewrite (RInt_plus (fun s => scal a (before_up s)) (fun s => scal b (after_lo s)));
    [|apply (ex_RInt_scal before_up); assumption|apply (ex_RInt_scal after_lo); assumption].
  rewrite (RInt_scal before_up), (RInt_scal after_lo) by assumption.
  apply Rplus_le_compat; apply Rmult_le_compat_l; [exact a0|apply before_up_small|exact b0|apply after_lo_small].
Qed.
End Piece.

(* --- the wavelet -------------------------------------------------------------------------------------------------- *)

Section Wavelet.
Variables (W : R) (j k : nat).
Hypothesis W0 : 0 < W.
Notation t1 := (threshold j k 0).
Notation t2 := (threshold j k (1/2)).
Notation t3 := (threshold j k 1).
Notation g1 := (s6_function W t1).
Notation g2 := (s6_function W t2).
Notation g3 := (s6_function W t3).
Notation w := (sqrt W).

Lemma scale_ge1 : 1 <= 2 ^ j.
Proof. apply pow_R1_Rle; lra. Qed.

Lemma thresholds : 0 <= t1 /\ t1 < t2 /\ t2 < t3.
Proof.
pose proof scale_ge1 as c1; pose proof (pos_INR k) as k0.
assert (i0 : 0 < / 2 ^ j) by (apply Rinv_0_lt_compat; lra).
unfold threshold, Rdiv; repeat split; [apply Rmult_le_pos; lra|nra|nra].
Qed.

Lemma threshold_inside : (k < 2 ^ j)%nat -> t3 <= 1.
Proof.
intros inside; pose proof scale_ge1 as c1; assert (k1 : INR k + 1 <= 2 ^ j).
{ rewrite <- S_INR; change 2 with (INR 2); rewrite <- pow_INR; apply le_INR; exact inside. }
unfold threshold; apply Rmult_le_reg_r with (2 ^ j); [lra|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma threshold_outside : (2 ^ j <= k)%nat -> 1 <= t1.
Proof.
intros outside; pose proof scale_ge1 as c1; assert (k1 : 2 ^ j <= INR k).
{ change 2 with (INR 2); rewrite <- pow_INR; apply le_INR; exact outside. }
unfold threshold; apply Rmult_le_reg_r with (2 ^ j); [lra|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(* Where s stands among the thresholds is where 2^j s - k stands among 0, 1/2, 1. *)
Lemma place s x : 2 ^ j * s - INR k - x = 2 ^ j * (s - threshold j k x).
Proof. unfold threshold; field; pose proof scale_ge1; lra. Qed.

Lemma place_lt s x : s < threshold j k x -> 2 ^ j * s - INR k < x.
Proof. intros h; pose proof (place s x); pose proof scale_ge1; nra. Qed.

Lemma place_ge s x : threshold j k x <= s -> x <= 2 ^ j * s - INR k.
Proof. intros h; pose proof (place s x); pose proof scale_ge1; nra. Qed.

Definition error (s : R) : R := haar (2 ^ j * s - INR k) - (g1 s - 2 * g2 s + g3 s).
Definition error2 (s : R) : R := error s ^ 2.

Lemma squared_errorE s : squared_error W j k s = 2 ^ j * error2 s.
Proof.
unfold squared_error, wavelet, three_functions, error2, error; cbv zeta.
set (x := haar _); set (q := sqrt (2 ^ j)); set (y := g1 s); set (y2 := g2 s); set (y3 := g3 s).
assert (e : q * q = 2 ^ j) by (apply sqrt_sqrt; pose proof scale_ge1; lra).
rewrite <- e; ring.
Qed.

Lemma integrable lo up h : lo <= up -> (forall s, lo < s < up -> haar (2 ^ j * s - INR k) = h) ->
  ex_RInt error2 lo up.
Proof.
intros lu he; apply ex_RInt_ext with (fun s => (h - (g1 s - 2 * g2 s + g3 s)) ^ 2).
- intros s; rewrite Rmin_left, Rmax_right by exact lu; intros between; unfold error2, error; now rewrite he.
- apply (ex_RInt_continuous (fun s => (h - (g1 s - 2 * g2 s + g3 s)) ^ 2)); intros z _.
  apply (ex_derive_continuous (fun s => (h - (g1 s - 2 * g2 s + g3 s)) ^ 2)); auto_derive.
  repeat split; apply s6_function_derivable.
Qed.

Lemma haar_before s : s < t1 -> haar (2 ^ j * s - INR k) = 0.
Proof. intros h; apply place_lt in h; unfold haar; destruct (Rlt_dec _ 0); lra. Qed.

Lemma haar_first s : t1 <= s < t2 -> haar (2 ^ j * s - INR k) = 1.
Proof.
intros [a b]; apply place_ge in a; apply place_lt in b; unfold haar.
destruct (Rlt_dec _ 0); [lra|]; destruct (Rlt_dec _ (1/2)); lra.
Qed.

Lemma haar_second s : t2 <= s < t3 -> haar (2 ^ j * s - INR k) = -1.
Proof.
intros [a b]; apply place_ge in a; apply place_lt in b; unfold haar.
destruct (Rlt_dec _ 0); [lra|]; destruct (Rlt_dec _ (1/2)); [lra|]; destruct (Rlt_dec _ 1); lra.
Qed.

Lemma haar_after s : t3 <= s -> haar (2 ^ j * s - INR k) = 0.
Proof.
intros a; apply place_ge in a; unfold haar.
destruct (Rlt_dec _ 0); [lra|]; destruct (Rlt_dec _ (1/2)); [lra|]; destruct (Rlt_dec _ 1); lra.
Qed.

Lemma w_square : w * w = W. Proof. apply sqrt_sqrt; lra. Qed.
Lemma w_pos : 0 < w. Proof. apply sqrt_lt_R0; exact W0. Qed.

(* Left of a threshold, squared; right of it, once and squared. *)
Lemma left_square t s : s < t <= 1 -> s6_function W t s ^ 2 <= before_up w t s.
Proof.
intros st; pose proof (left_tail W t s W0 st) as tail; pose proof (s6_function_pos W t s) as pos.
unfold before_up; rewrite w_square.
replace (- (W * (t - s) ^ 2)) with (- (W * (t - s) ^ 2 / 2) + - (W * (t - s) ^ 2 / 2)) by field.
rewrite exp_plus; nra.
Qed.

Lemma right_square t s : t <= s <= 1 -> let q := 1 - s6_function W t s in
  0 <= q /\ q <= after_lo w t s * / W /\ q ^ 2 <= after_lo w t s * (/ W * / W).
Proof.
intros ts q; pose proof (right_tail_fades W t s W0 ts) as tail; pose proof (s6_function_le1 W t s (proj2 ts)) as le1.
assert (i0 : 0 < / W) by (apply Rinv_0_lt_compat; exact W0).
assert (x1 : after_lo w t s <= 1).
{ unfold after_lo; rewrite w_square, <- exp_0; apply exp_le.
  assert (0 <= W * (s - t)) by (apply Rmult_le_pos; lra); lra. }
assert (x0 : 0 < after_lo w t s) by apply exp_pos.
assert (qx : q <= after_lo w t s * / W) by (unfold after_lo; rewrite w_square; exact tail).
assert (q0 : 0 <= q) by (unfold q; lra).
repeat split; [exact q0|exact qx|].
apply Rle_trans with ((after_lo w t s * / W) * (after_lo w t s * / W)); [simpl; rewrite Rmult_1_r; nra|].
replace ((after_lo w t s * / W) * (after_lo w t s * / W))
  with (after_lo w t s * (after_lo w t s * (/ W * / W))) by ring.
apply Rmult_le_compat_l; [lra|]; rewrite <- (Rmult_1_l (/ W * / W)) at 2.
apply Rmult_le_compat_r; [nra|exact x1].
Qed.

Lemma ordered s : s <= 1 -> g3 s <= g2 s /\ g2 s <= g1 s /\ g1 s <= 1 /\ 0 < g3 s.
Proof.
intros s1; destruct thresholds as (a & b & c); repeat split.
- apply s6_function_mono; lra.
- apply s6_function_mono; lra.
- apply s6_function_le1; exact s1.
- apply s6_function_pos.
Qed.

Lemma square_between x y : - y <= x <= y -> x ^ 2 <= y ^ 2.
Proof. intros; nra. Qed.

(* A wavelet that stands behind [0, 1] is 0 there, and the functions fade from the end on. *)
Lemma outside_small : (2 ^ j <= k)%nat ->
  ex_RInt error2 0 1 /\ RInt error2 0 1 <= 1 * (half_bell / w) + 0 * (1 / (w * w)).
Proof.
intros out; pose proof (threshold_outside out) as d.
assert (i : ex_RInt error2 0 1) by (apply integrable with 0; [lra|intros s h; apply haar_before; lra]).
split; [exact i|]; apply piece; [apply w_pos|lra|lra|lra|exact i|]; intros s h.
unfold error2, error; rewrite haar_before by lra; destruct (ordered s) as (o3 & o2 & o1 & o0); [lra|].
pose proof (left_square 1 s ltac:(lra)); rewrite Rmult_0_l, Rplus_0_r, Rmult_1_l.
pose proof (s6_function_mono W 1 t1 s ltac:(lra) d ltac:(lra)).
apply Rle_trans with (s6_function W 1 s ^ 2); [apply square_between; lra|assumption].
Qed.

Section Inside.
Hypothesis inside : (k < 2 ^ j)%nat.

Lemma thresholds_inside : 0 <= t1 /\ t1 < t2 /\ t2 < t3 /\ t3 <= 1.
Proof. destruct thresholds as (a & b & c); pose proof (threshold_inside inside); repeat split; assumption. Qed.

Lemma before_first : ex_RInt error2 0 t1 /\ RInt error2 0 t1 <= 1 * (half_bell / w) + 0 * (1 / (w * w)).
Proof.
destruct thresholds_inside as (a & b & c & d).
assert (i : ex_RInt error2 0 t1) by (apply integrable with 0; [lra|intros s h; apply haar_before; lra]).
split; [exact i|]; apply piece; [apply w_pos|lra|lra|lra|exact i|]; intros s h.
unfold error2, error; rewrite haar_before by lra; destruct (ordered s) as (o3 & o2 & o1 & o0); [lra|].
pose proof (left_square t1 s ltac:(lra)); rewrite Rmult_0_l, Rplus_0_r, Rmult_1_l.
apply Rle_trans with (g1 s ^ 2); [apply square_between; lra|assumption].
Qed.

Lemma first_half : ex_RInt error2 t1 t2 /\
  RInt error2 t1 t2 <= 4 * (half_bell / w) + (4 * / W + / W * / W) * (1 / (w * w)).
Proof.
destruct thresholds_inside as (a & b & c & d); assert (i0 : 0 < / W) by (apply Rinv_0_lt_compat; exact W0).
assert (i : ex_RInt error2 t1 t2) by (apply integrable with 1; [lra|intros s h; apply haar_first; lra]).
split; [exact i|]; apply piece; [apply w_pos|lra|lra|nra|exact i|]; intros s h.
unfold error2, error; rewrite haar_first by lra; destruct (ordered s) as (o3 & o2 & o1 & o0); [lra|].
pose proof (left_square t2 s ltac:(lra)) as p2; destruct (right_square t1 s ltac:(lra)) as (q0 & q1 & qq).
apply Rle_trans with ((1 - g1 s + 2 * g2 s) ^ 2); [apply square_between; lra|].
assert ((1 - g1 s) * g2 s <= 1 - g1 s) by nra.
replace ((1 - g1 s + 2 * g2 s) ^ 2) with ((1 - g1 s) ^ 2 + 4 * ((1 - g1 s) * g2 s) + 4 * g2 s ^ 2) by ring; lra.
Qed.

Lemma second_half : ex_RInt error2 t2 t3 /\
  RInt error2 t2 t3 <= 1 * (half_bell / w) + (4 * / W + 4 * (/ W * / W)) * (1 / (w * w)).
Proof.
destruct thresholds_inside as (a & b & c & d); assert (i0 : 0 < / W) by (apply Rinv_0_lt_compat; exact W0).
assert (i : ex_RInt error2 t2 t3) by (apply integrable with (-1); [lra|intros s h; apply haar_second; lra]).
split; [exact i|]; apply piece; [apply w_pos|lra|lra|nra|exact i|]; intros s h.
unfold error2, error; rewrite haar_second by lra; destruct (ordered s) as (o3 & o2 & o1 & o0); [lra|].
pose proof (left_square t3 s ltac:(lra)) as p3; destruct (right_square t2 s ltac:(lra)) as (q0 & q2 & qq).
apply Rle_trans with ((2 * (1 - g2 s) + g3 s) ^ 2); [apply square_between; lra|].
assert ((1 - g2 s) * g3 s <= 1 - g2 s) by nra.
replace ((2 * (1 - g2 s) + g3 s) ^ 2) with (4 * (1 - g2 s) ^ 2 + 4 * ((1 - g2 s) * g3 s) + g3 s ^ 2) by ring; lra.
Qed.

Lemma after_third : ex_RInt error2 t3 1 /\
  RInt error2 t3 1 <= 0 * (half_bell / w) + (/ W * / W) * (1 / (w * w)).
Proof.
destruct thresholds_inside as (a & b & c & d); assert (i0 : 0 < / W) by (apply Rinv_0_lt_compat; exact W0).
assert (i : ex_RInt error2 t3 1) by (apply integrable with 0; [lra|intros s h; apply haar_after; lra]).
split; [exact i|]; apply piece; [apply w_pos|lra|lra|nra|exact i|]; intros s h.
unfold error2, error; rewrite haar_after by lra; destruct (ordered s) as (o3 & o2 & o1 & o0); [lra|].
destruct (right_square t3 s ltac:(lra)) as (q0 & q3 & qq).
apply Rle_trans with ((1 - g3 s) ^ 2); [apply square_between; lra|lra].
Qed.

Lemma inside_small : ex_RInt error2 0 1 /\ RInt error2 0 1 <= 6 * half_bell / w + 8 / w ^ 4 + 6 / w ^ 6.
Proof.
destruct before_first as (i0 & b0), first_half as (i1 & b1), second_half as (i2 & b2), after_third as (i3 & b3).
assert (i01 := ex_RInt_Chasles _ _ _ _ i0 i1); assert (i23 := ex_RInt_Chasles _ _ _ _ i2 i3).
split; [exact (ex_RInt_Chasles _ _ _ _ i01 i23)|].
rewrite <- (RInt_Chasles error2 0 t2 1) by assumption; rewrite <- (RInt_Chasles error2 0 t1 t2) by assumption.
rewrite <- (RInt_Chasles error2 t2 t3 1) by assumption; unfold plus; simpl.
pose proof w_pos as w0; assert (iW : / W = / (w * w)) by (rewrite w_square; reflexivity); rewrite iW in b1, b2, b3.
replace (6 * half_bell / w + 8 / (w * (w * (w * (w * 1)))) + 6 / (w * (w * (w * (w * (w * (w * 1)))))))
  with ((1 * (half_bell / w) + 0 * (1 / (w * w)))
        + (4 * (half_bell / w) + (4 * / (w * w) + / (w * w) * / (w * w)) * (1 / (w * w)))
        + ((1 * (half_bell / w) + (4 * / (w * w) + 4 * (/ (w * w) * / (w * w))) * (1 / (w * w)))
        + (0 * (half_bell / w) + (/ (w * w) * / (w * w)) * (1 / (w * w))))) by (field; lra).
lra.
Qed.
End Inside.

Lemma error2_small : ex_RInt error2 0 1 /\ RInt error2 0 1 <= 6 * half_bell / w + 8 / w ^ 4 + 6 / w ^ 6.
Proof.
destruct (Nat.lt_ge_cases k (2 ^ j)) as [inside|outside]; [exact (inside_small inside)|].
destruct (outside_small outside) as (i & b); split; [exact i|]; pose proof w_pos as w0.
assert (0 < half_bell / w) by (unfold half_bell; apply Rdiv_lt_0_compat; lra).
assert (0 < / w ^ 4) by (apply Rinv_0_lt_compat, pow_lt; exact w0).
assert (0 < / w ^ 6) by (apply Rinv_0_lt_compat, pow_lt; exact w0).
unfold Rdiv in *; lra.
Qed.
End Wavelet.

(* sqrt 32 = 5.656... *)
Lemma enough_w W n c : 0 < n <= 1 -> 1 <= c -> 32 * (c * c) / n ^ 4 <= W -> 0 < W /\ 5656/1000 * c <= sqrt W * n ^ 2.
Proof.
intros n01 c1 large; assert (n4 : 0 < n ^ 4) by (apply pow_lt; lra).
assert (scaled : 32 * (c * c) <= W * n ^ 4).
{ apply Rmult_le_reg_r with (/ n ^ 4); [apply Rinv_0_lt_compat; exact n4|].
  replace (W * n ^ 4 * / n ^ 4) with W by (field; lra); exact large. }
assert (W0 : 0 < W) by (destruct (Rlt_dec 0 W); [assumption|nra]).
split; [exact W0|]; pose proof (sqrt_sqrt W ltac:(lra)); pose proof (sqrt_pos W).
apply Rsqr_incr_0_var; [unfold Rsqr|apply Rmult_le_pos; [assumption|apply pow_le; lra]].
replace (sqrt W * n ^ 2 * (sqrt W * n ^ 2)) with (sqrt W * sqrt W * n ^ 4) by ring; rewrite H; nra.
Qed.

Theorem thm1_amended eps W j k : 0 < eps -> 32 * 4 ^ j / Rmin 1 eps ^ 4 <= W ->
  ex_RInt (squared_error W j k) 0 1 /\ sqrt (RInt (squared_error W j k) 0 1) < eps.
Proof.
intros eps0 large; set (c := 2 ^ j); set (n := Rmin 1 eps) in *.
assert (n01 : 0 < n <= 1) by (unfold n; split; [apply Rmin_glb_lt; lra|apply Rmin_l]).
assert (n_eps : n <= eps) by apply Rmin_r.
pose proof (scale_ge1 j) as c1; fold c in c1.
assert (four : 4 ^ j = c * c) by (unfold c; rewrite <- Rpow_mult_distr; f_equal; ring).
rewrite four in large; destruct (enough_w W n c n01 c1 large) as (W0 & enough).
destruct (error2_small W j k W0) as (i & small); pose proof (w_pos W W0) as w0; set (w := sqrt W) in *.
assert (i' : ex_RInt (squared_error W j k) 0 1).
{ apply ex_RInt_ext with (fun s => scal c (error2 W j k s)); [|apply (ex_RInt_scal (error2 W j k)); exact i].
  intros s _; symmetry; apply squared_errorE. }
split; [exact i'|].
assert (e : RInt (squared_error W j k) 0 1 = c * RInt (error2 W j k) 0 1).
{ rewrite <- (RInt_scal (error2 W j k)) by exact i; apply RInt_ext; intros s _; apply squared_errorE. }
set (r := / w); assert (r0 : 0 < r) by (apply Rinv_0_lt_compat; exact w0).
assert (wr : w * r = 1) by (apply Rinv_r; lra).
assert (cr : 5656/1000 * (c * r) <= n ^ 2).
{ replace (n ^ 2) with (w * n ^ 2 * r) by (rewrite <- (Rmult_1_r (n ^ 2)) at 2; rewrite <- wr; ring).
  replace (5656/1000 * (c * r)) with (5656/1000 * c * r) by ring; apply Rmult_le_compat_r; lra. }
assert (n2 : 0 < n ^ 2 <= 1) by (split; [apply pow_lt; lra|rewrite <- (pow1 2); apply pow_incr; lra]).
assert (r1 : r <= 1000/5656) by nra.
assert (r3 : r ^ 3 <= (1000/5656) ^ 3) by (apply pow_incr; lra).
assert (r5 : r ^ 5 <= (1000/5656) ^ 5) by (apply pow_incr; lra).
assert (small' : c * RInt (error2 W j k) 0 1 <= (c * r) * (6 * half_bell + 8 * r ^ 3 + 6 * r ^ 5)).
{ replace ((c * r) * (6 * half_bell + 8 * r ^ 3 + 6 * r ^ 5))
    with (c * (6 * half_bell / w + 8 / w ^ 4 + 6 / w ^ 6)) by (unfold r; field; lra).
  apply Rmult_le_compat_l; [lra|exact small]. }
assert (factor : 6 * half_bell + 8 * r ^ 3 + 6 * r ^ 5 < 5656/1000) by (unfold half_bell; lra).
assert (below : c * RInt (error2 W j k) 0 1 < n ^ 2).
{ assert (0 < c * r) by nra; nra. }
rewrite e; apply Rlt_le_trans with (sqrt (n ^ 2)).
- apply sqrt_lt_1_alt; split; [|exact below]; apply Rmult_le_pos; [lra|].
  apply RInt_ge_0; [lra|exact i|]; intros s _; apply pow2_ge_0.
- rewrite sqrt_pow2 by lra; exact n_eps.
Qed.
