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

(* --- ZOH ------------------------------------------------------------------------------------------------------------ *)

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
End OneState.
