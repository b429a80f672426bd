(* haar.keep-nth-one-state: one state with Delta_r = softplus(-w(r - n - 1/2)) and lambda = 1 keeps x_n, under ZOH and
   under Euler. Time counts from 0; the state before it is 0, which stands for the claim's x_0. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba.haar Require Import Exponential.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Powers.
Variables (R : realFieldType) (z : R).
Hypotheses (z0 : 0 < z) (z1 : z < 1).

(* sum_{i < m} z^{2i+1} <= z / (1 - z^2). *)
Lemma odd_powers m : \sum_(i < m) z ^+ i.*2.+1 <= z / (1 - z ^+ 2).
Proof.
have one : 0 < 1 - z ^+ 2 by rewrite subr_gt0 exprn_ilt1 // ltW.
have closed : (\sum_(i < m) z ^+ i.*2.+1) * (1 - z ^+ 2) = z * (1 - z ^+ m.*2).
  elim: m => [|m IH]; first by rewrite big_ord0 mul0r expr0 subrr mulr0.
  by rewrite big_ord_recr mulrDl IH /= doubleS !exprS; ring.
by rewrite ler_pdivl_mulr // closed ger_pmulr // ger_addl oppr_le0 exprn_ge0 // ltW.
Qed.

(* sum_{1 <= i <= m} (2i + 1) z^i <= z (3 - z) / (1 - z)^2. *)
Lemma odd_multiples m : \sum_(i < m) i.+1.*2.+1%:R * z ^+ i.+1 <= z * (3%:R - z) / (1 - z) ^+ 2.
Proof.
have one : 0 < (1 - z) ^+ 2 by rewrite exprn_gt0 // subr_gt0.
have closed : (\sum_(i < m) i.+1.*2.+1%:R * z ^+ i.+1) * (1 - z) ^+ 2 =
    z * (3%:R - z) - z ^+ m.+1 * (m.*2%:R * (1 - z) + (3%:R - z)).
  elim: m => [|m IH]; first by rewrite big_ord0 expr1 double0; ring.
  have double k : k.*2%:R = 2%:R * k%:R :> R by rewrite -mul2n natrM.
  have next k : k.+1%:R = k%:R + 1 :> R by rewrite -addn1 natrD.
  by rewrite big_ord_recr mulrDl IH /= !exprS !next !double !next; ring.
rewrite ler_pdivl_mulr // closed ger_addl oppr_le0 mulr_ge0 ?exprn_ge0 ?(ltW z0) // addr_ge0 //.
  by rewrite mulr_ge0 ?ler0n // subr_ge0 ltW.
by rewrite subr_ge0 (le_trans (ltW z1)) // ler1n.
Qed.
End Powers.

Section OneState.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Hypothesis law : exponential_law e.
Hypothesis softplusE : forall y, e (p y) = 1 + e y.   (* softplus(y) = ln(1 + e^y) *)

Variables (w : R) (n : nat).
Hypothesis w_gt0 : 0 < w.
Definition gate (r : nat) : R := p (- w * (r%:R - n%:R - 2%:R^-1)).
Notation z := (e (- (w / 2%:R))).
Notation S := (p (w / 2%:R)).

(* ZOH, and Euler: s6 with A = -1 and B = C = 1, over S. *)
Definition zoh (x : nat -> R) (t : nat) : R :=
  recurrence (F := F) (fun r _ _ => e (- gate r)) (fun r _ _ => (1 - e (- gate r)) * x r) t 0%N 0%N.
Definition euler (x : nat -> R) (t : nat) : R :=
  s6 (F := F) 1 (fun r _ => x r) (fun r _ => gate r) (fun _ _ => -1) (fun _ _ => 1) (fun _ _ => 1) t 0%N / S.

(* --- the gate --------------------------------------------------------------------------------------------------- *)

Lemma half_gt0 : 0 < w / 2%:R. Proof. by rewrite divr_gt0 // ltr0n. Qed.
Lemma z_gt0 : 0 < z. Proof. exact: e_gt0. Qed.
Lemma z_lt1 : z < 1.
Proof.
rewrite (e_inv law) invf_lt1 ?(e_gt0 law) //; apply: lt_le_trans (e_ge law _).
by rewrite ltr_addl half_gt0.
Qed.

Lemma gate_before m : (m <= n)%N -> gate (n - m) = p (w / 2%:R * m.*2.+1%:R).
Proof.
move=> mn; rewrite /gate natrB // -muln2 -[(m * 2).+1]addn1 natrD natrM; congr (p _).
have two : 2%:R * 2%:R^-1 = 1 :> R by rewrite mulfV // pnatr_eq0.
by transitivity (w * (m%:R * (2%:R * 2%:R^-1) + 2%:R^-1)); [rewrite two; ring | ring].
Qed.

Lemma gate_after i : gate (n + i.+1) = p (- (w / 2%:R) * i.*2.+1%:R).
Proof.
rewrite /gate natrD -muln2 -[(i * 2).+1]addn1 -[i.+1]addn1 !natrD natrM; congr (p _).
have two : 2%:R * 2%:R^-1 = 1 :> R by rewrite mulfV // pnatr_eq0.
transitivity (- w * (i%:R * (2%:R * 2%:R^-1) + (2%:R * 2%:R^-1 - 2%:R^-1))); [rewrite two; ring | ring].
Qed.

Lemma p_gt0 y : 0 < p y.
Proof.
rewrite ltNge; apply/negP=> py; have: e 0 <= e (- p y).
  by rewrite (e0 law); apply: le_trans _ (e_ge law _); rewrite ler_addl oppr_ge0.
rewrite (e0 law) (e_inv law) softplusE invf_ge1 ?addr_gt0 ?ltr01 ?(e_gt0 law) // ger_addl.
by rewrite leNgt (e_gt0 law).
Qed.

Lemma gate_gt0 r : 0 < gate r. Proof. exact: p_gt0. Qed.

(* softplus(y) <= e^y, and 1 - e^{-softplus(y)} <= e^y, and e^{-softplus(y)} <= e^{-y}. *)
Lemma p_le y : p y <= e y.
Proof. by rewrite -(ler_add2l 1) -softplusE e_ge. Qed.

Lemma forget_le y : 1 - e (- p y) <= e y.
Proof.
apply: le_trans (p_le y); have := e_ge law (- p y).
by rewrite ler_subl_addr -ler_subl_addl.
Qed.

Lemma keep_le y : e (- p y) <= e (- y).
Proof.
rewrite !(e_inv law) lef_pinv ?posrE ?(e_gt0 law) // softplusE.
by rewrite ler_addr ler01.
Qed.

Lemma keep_bounds r : 0 <= e (- gate r) <= 1.
Proof.
rewrite ltW ?(e_gt0 law) //= (e_inv law) invf_le1 ?(e_gt0 law) //.
by apply: le_trans _ (e_ge law _); rewrite ler_addl ltW // p_gt0.
Qed.

Lemma keep_n m : (m <= n)%N -> e (- gate (n - m)) <= z.
Proof.
move=> mn; rewrite gate_before // (le_trans (keep_le _)) // -[- (_ * _%:R)]mulNr (e_nat law).
by rewrite -[X in _ <= X]expr1 ler_wiexpn2l ?ltW ?z_gt0 ?z_lt1.
Qed.

(* softplus((2m + 1)w/2) <= (2m + 1) softplus(w/2). *)
Lemma gate_le m : (m <= n)%N -> gate (n - m) <= m.*2.+1%:R * S.
Proof.
move=> mn; rewrite gate_before //; apply: (e_le law).
rewrite softplusE (e_nat law) [_%:R * S]mulrC (e_nat law) softplusE.
elim: m.*2 => [|k IH]; first by rewrite !expr1.
rewrite !(exprS _ k.+1); apply: le_trans (_ : (1 + e (w / 2%:R)) * (1 + e (w / 2%:R) ^+ k.+1) <= _); last first.
  by rewrite ler_wpmul2l // addr_ge0 ?ler01 ?ltW ?(e_gt0 law).
rewrite mulrDl mul1r mulrDr mulr1 addrA ler_add2r -addrA ler_addl.
by rewrite addr_ge0 ?exprn_ge0 // ltW // (e_gt0 law).
Qed.

Lemma after_le i : 1 - e (- gate (n + i.+1)) <= z ^+ i.*2.+1 /\ gate (n + i.+1) <= z ^+ i.*2.+1.
Proof. by rewrite gate_after -(e_nat law); split; [exact: forget_le | exact: p_le]. Qed.

(* --- ZOH ---------------------------------------------------------------------------------------------------------- *)

Variable x : nat -> R.

Definition previous (h : nat -> R) (t : nat) : R := if t is r.+1 then h r else 0.

Lemma zoh_step t : zoh x t = e (- gate t) * previous (zoh x) t + (1 - e (- gate t)) * x t.
Proof. by case: t => [|t] //=; rewrite mulr0 add0r. Qed.

(* A convex combination is no farther from x_n than its parts. *)
Lemma convex (g h y c D : R) : 0 <= g <= 1 -> `|h - c| <= D -> `|y - c| <= D -> `|g * h + (1 - g) * y - c| <= D.
Proof.
move=> /andP[g0 g1] hD yD; have -> : g * h + (1 - g) * y - c = g * (h - c) + (1 - g) * (y - c) by ring.
apply: le_trans (ler_norm_add _ _) _; rewrite !normrM (ger0_norm g0) (ger0_norm (_ : 0 <= 1 - g)) ?subr_ge0 //.
have -> : D = g * D + (1 - g) * D by ring.
by apply: ler_add; apply: ler_wpmul2l => //; rewrite subr_ge0.
Qed.

Theorem keep_nth_zoh t D : (n <= t)%N -> `|x n| <= D -> (forall r, (r <= t)%N -> `|x r - x n| <= D) ->
  `|zoh x t - x n| <= D * (z * (1 + 1 / (1 - z ^+ 2))).
Proof.
move=> nt xD far; have D0 : 0 <= D by apply: le_trans xD.
have before r : (r <= t)%N -> `|zoh x r - x n| <= D.
  elim: r => [|r IH] rt; rewrite zoh_step convex ?keep_bounds ?far ?IH ?(ltnW rt) //.
  by rewrite sub0r normrN.
have at_n : `|zoh x n - x n| <= D * z.
  rewrite zoh_step (_ : _ - x n = e (- gate n) * (previous (zoh x) n - x n)); last by ring.
  rewrite normrM mulrC ler_pmul ?normr_ge0 //; last first.
    by rewrite (ger0_norm (ltW (e_gt0 law _))) -[X in gate X](subn0 n) keep_n.
  rewrite /previous; case nE: {1}n => [|r]; first by rewrite sub0r normrN.
  by rewrite before // ltnW // -nE.
have after m : (n + m <= t)%N -> `|zoh x (n + m) - x n| <= D * (z + \sum_(i < m) z ^+ i.*2.+1).
  elim: m => [|m IH] nm; first by rewrite addn0 big_ord0 addr0.
  rewrite big_ord_recr addrA mulrDr addnS zoh_step /= -addnS.
  set g := e _; have [g0 g1] : 0 <= g /\ g <= 1 by apply/andP; exact: keep_bounds.
  have -> : g * zoh x (n + m) + (1 - g) * x (n + m.+1)%N - x n =
    g * (zoh x (n + m) - x n) + (1 - g) * (x (n + m.+1)%N - x n) by ring.
  apply: le_trans (ler_norm_add _ _) _; rewrite !normrM (ger0_norm g0) (ger0_norm (_ : 0 <= 1 - g)) ?subr_ge0 //.
  apply: ler_add; first by apply: le_trans (IH (leq_trans (leqnSn _) _)); rewrite ?ler_pimull // -addnS.
  by rewrite mulrC ler_pmul ?normr_ge0 ?subr_ge0 ?far //; have [] := after_le m.
have [m tE] : exists m, t = (n + m)%N by exists (t - n)%N; rewrite subnKC.
rewrite tE (le_trans (after m _)) ?tE // ler_wpmul2l // mulrDr mulr1 ler_add2l mulrA mulr1.
exact: odd_powers z_gt0 z_lt1 m.
Qed.

(* --- Euler -------------------------------------------------------------------------------------------------------- *)

Definition euler_state (t : nat) : R :=
  s6_state (F := F) (fun r _ => x r) (fun r _ => gate r) (fun _ _ => -1) (fun _ _ => 1) t 0%N 0%N.

Lemma eulerE t : euler x t = euler_state t / S.
Proof.
rewrite /euler; congr (_ / _); transitivity (0 + euler_state t * 1); first by [].
by rewrite add0r mulr1.
Qed.

Lemma euler_step t : euler_state t = e (- gate t) * previous euler_state t + gate t * x t.
Proof.
case: t => [|t]; rewrite /previous ?mulr0 ?add0r.
  by transitivity (gate 0 * x 0%N * 1); [| rewrite mulr1].
transitivity (e (gate t.+1 * -1) * euler_state t + gate t.+1 * x t.+1 * 1); first by [].
by rewrite mulrN1 mulr1.
Qed.

Section Bounded.
Variables (t : nat) (X : R).
Hypothesis nt : (n <= t)%N.
Hypothesis bounded : forall r, (r <= t)%N -> `|x r| <= X.

Let X0 : 0 <= X. Proof. exact: le_trans (normr_ge0 _) (bounded nt). Qed.
Let S0 : 0 < S. Proof. exact: p_gt0. Qed.
Let z0 : 0 <= z := ltW z_gt0.

(* What was written before n, and kept up to n - 1. *)
Lemma euler_before r : (r <= n)%N ->
  `|previous euler_state r| <= X * S * \sum_(i < r) (n - r + i.+1).*2.+1%:R * z ^+ i.
Proof.
elim: r => [|r IH] rn; first by rewrite normr0 big_ord0 mulr0.
rewrite -[previous _ _]/(euler_state r) euler_step big_ord_recl expr0 mulr1 mulrDr.
have nr : (n - r <= n)%N by rewrite leq_subr.
have rE : r = (n - (n - r))%N by rewrite subKn // ltnW.
apply: le_trans (ler_norm_add _ _) _; rewrite [X in X <= _]addrC; apply: ler_add; rewrite normrM.
  rewrite (ger0_norm (ltW (gate_gt0 _))) addn1 -subSn // subSS -mulrA mulrC [S * _]mulrC.
  apply: ler_pmul; rewrite ?normr_ge0 ?(ltW (gate_gt0 _)) //.
    by rewrite bounded // (leq_trans (ltnW rn)).
  by rewrite [X in gate X]rE gate_le.
rewrite (ger0_norm (ltW (e_gt0 law _))).
have -> : \sum_(i < r) (n - r.+1 + (lift ord0 i).+1).*2.+1%:R * z ^+ lift ord0 i =
          z * \sum_(i < r) (n - r + i.+1).*2.+1%:R * z ^+ i.
  rewrite mulr_sumr; apply: eq_bigr => i _; rewrite lift0 exprS mulrCA; congr (_ * (_.*2.+1%:R * _)).
  by rewrite addnS -addSn -subSn.
have g_le : e (- gate r) <= z by rewrite [X in gate X]rE keep_n.
by rewrite mulrCA; apply: ler_pmul => //; [exact/ltW/(e_gt0 law) | exact/IH/ltnW].
Qed.

Lemma euler_at_n : `|euler_state n - S * x n| <= X * S * (z * (3%:R - z) / (1 - z) ^+ 2).
Proof.
have gate_n : gate n = S by rewrite -[X in gate X](subn0 n) gate_before // double0 mulr1.
have e_n : e (- S) <= z by rewrite -gate_n -[X in gate X](subn0 n) keep_n.
rewrite euler_step gate_n addrK normrM (ger0_norm (ltW (e_gt0 law _))).
apply: le_trans (_ : z * (X * S * \sum_(i < n) (n - n + i.+1).*2.+1%:R * z ^+ i) <= _).
  by apply: ler_pmul => //; [exact/ltW/(e_gt0 law) | exact: euler_before].
rewrite mulrCA ler_wpmul2l ?mulr_ge0 ?(ltW S0) // (le_trans _ (odd_multiples z_gt0 z_lt1 n)) //.
by rewrite mulr_sumr ler_sum // => i _; rewrite subnn add0n mulrCA -exprS.
Qed.

Lemma euler_after m : (n + m <= t)%N -> `|euler_state (n + m) - S * x n| <=
  X * (S * (z * (3%:R - z) / (1 - z) ^+ 2) + (S + 1) * \sum_(i < m) z ^+ i.*2.+1).
Proof.
elim: m => [|m IH] nm; first by rewrite addn0 big_ord0 mulr0 addr0 mulrA euler_at_n.
rewrite big_ord_recr [(S + 1) * _]mulrDr addrA [X * _]mulrDr addnS euler_step /= -addnS.
have [forget write] := after_le m; set g := e _ in forget *; set d := gate _ in write *.
have [g0 g1] : 0 <= g /\ g <= 1 by apply/andP; exact: keep_bounds.
have d0 : 0 <= d by exact/ltW/p_gt0.
have -> : g * euler_state (n + m) + d * x (n + m.+1)%N - S * x n =
  g * (euler_state (n + m) - S * x n) + (d * x (n + m.+1)%N - (1 - g) * S * x n) by ring.
apply: le_trans (ler_norm_add _ _) _; apply: ler_add.
  rewrite normrM (ger0_norm g0); apply: le_trans (IH (leq_trans _ nm)); last by rewrite addnS.
  by rewrite ler_pimull.
apply: le_trans (ler_norm_sub _ _) _; rewrite !normrM (ger0_norm d0) (ger0_norm (ltW S0)).
rewrite (ger0_norm (_ : 0 <= 1 - g)) ?subr_ge0 //.
have -> : X * ((S + 1) * z ^+ m.*2.+1) = z ^+ m.*2.+1 * X + z ^+ m.*2.+1 * S * X by ring.
apply: ler_add; rewrite ler_pmul ?mulr_ge0 ?normr_ge0 ?(ltW S0) ?subr_ge0 ?bounded //.
by rewrite ler_wpmul2r // ltW.
Qed.

Theorem keep_nth_euler :
  `|euler x t - x n| <= (z * (3%:R - z) / (1 - z) ^+ 2 + (1 + 1 / S) * (z / (1 - z ^+ 2))) * X.
Proof.
have [m tE] : exists m, t = (n + m)%N by exists (t - n)%N; rewrite subnKC.
have S1 : S * S^-1 = 1 by rewrite mulfV // gt_eqF.
have -> : euler x t - x n = (euler_state t - S * x n) / S by rewrite eulerE mulrBl mulrAC S1 mul1r.
rewrite normrM (ger0_norm (_ : 0 <= S^-1)) ?invr_ge0 ?(ltW S0) // ler_pdivr_mulr // tE.
apply: le_trans (euler_after _) _; first by rewrite -tE.
set Z1 := _ / (1 - z) ^+ 2; set Z2 := z / _.
apply: (@le_trans _ _ (X * (S * Z1 + (S + 1) * Z2))).
  rewrite ler_wpmul2l // ler_add2l ler_wpmul2l ?addr_ge0 ?ler01 ?(ltW S0) //.
  exact: odd_powers z_gt0 z_lt1 m.
have -> : (Z1 + (1 + 1 / S) * Z2) * X * S = X * (S * Z1 + (S + S * S^-1) * Z2) by ring.
by rewrite S1.
Qed.
End Bounded.
End OneState.
