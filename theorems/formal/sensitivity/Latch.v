(* sensitivity.latch: one S6 state holds the last flagged value; every S4D mixer, of any size, misses it on one of four
   inputs. What is needed of the exponential is named; real/Latch.v shows it for the real one. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- S6 holds ---------------------------------------------------------------------------------------------------- *)

Section Holds.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Variables (D eps : R) (flag : nat -> bool) (x : nat -> R).
Hypothesis D1 : 1 <= D.
Hypothesis eps0 : 0 < eps.
Hypothesis x1 : forall t, `|x t| <= 1.
Hypothesis eD0 : 0 < e (- D).
Hypothesis eD : e (- D) <= 3%:R / 8%:R.
Hypothesis e_ge : 1 - eps <= e (- eps).
Hypothesis e_gt0 : 0 < e (- eps).
Hypothesis e_le : e (- eps) <= 1 - 5%:R / 8%:R * eps.

(* N = 1, lambda = 1, B = 1/D; a flag makes Delta = D, elsewhere Delta = eps. *)
Definition latch : nat -> R := fun t =>
  s6_state (F := F) (fun r _ => x r) (fun r _ => if flag r then D else eps) (fun _ _ => -1) (fun _ _ => D^-1) t 0%N 0%N.
Definition worst : R := 8%:R / 5%:R.

Let D0 : 0 < D := lt_le_trans ltr01 D1.
Let before t := if t is r.+1 then latch r else 0.

Lemma latchE t : latch t = if flag t then e (- D) * before t + x t else e (- eps) * before t + eps * x t / D.
Proof.
have Dn : D != 0 by rewrite gt_eqF.
case: t => [|t]; rewrite /latch /before /s6_state /=.
  by case: ifP => _; rewrite mulr0 add0r // mulrAC mulfV // mul1r.
by case: ifP => _; rewrite mulrN1 // mulrAC mulfV // mul1r.
Qed.

Lemma noise_small t : `|eps * x t / D| <= eps / D.
Proof.
rewrite normrM normrM (gtr0_norm eps0) (@ger0_norm _ D^-1) ?invr_ge0 ?(ltW D0) //.
by rewrite ler_wpmul2r ?invr_ge0 ?(ltW D0) // ler_pimulr ?(ltW eps0).
Qed.

Lemma bounded_step h t : `|h| < worst ->
  `|if flag t then e (- D) * h + x t else e (- eps) * h + eps * x t / D| < worst.
Proof.
move=> hw; case: ifP => _; apply: le_lt_trans (ler_norm_add _ _) _; rewrite normrM.
  rewrite (gtr0_norm eD0); apply: (@lt_le_trans _ _ (3%:R / 8%:R * worst + 1)); last first.
    by rewrite (_ : _ + 1 = worst) // /worst; field.
  apply: ltr_le_add (x1 t); apply: (@lt_le_trans _ _ (e (- D) * worst)); first by rewrite ltr_pmul2l.
  by rewrite ler_wpmul2r // divr_ge0 ?ler0n.
rewrite (gtr0_norm e_gt0); apply: (@le_lt_trans _ _ ((1 - 5%:R / 8%:R * eps) * `|h| + eps / D)).
  by rewrite ler_add ?noise_small // ler_wpmul2r.
apply: (@le_lt_trans _ _ ((1 - 5%:R / 8%:R * eps) * `|h| + eps)).
  by rewrite ler_add2l ler_pdivr_mulr // ler_pmulr.
have k0 : 0 < 1 - 5%:R / 8%:R * eps := lt_le_trans e_gt0 e_le.
have w : (1 - 5%:R / 8%:R * eps) * worst + eps = worst by rewrite /worst; field.
by rewrite -[X in _ < X]w ltr_add2r ltr_pmul2l.
Qed.

Lemma bounded t : `|before t| < worst.
Proof.
elim: t => [|t IH]; first by rewrite normr0 divr_gt0 ?ltr0n.
by rewrite /before latchE; exact: bounded_step.
Qed.

(* m steps after the last flag, at tau, the state is the value there, up to (8/5) e^{-D} + m eps (1 + 1/D). *)
Theorem latch_holds tau m : flag tau -> (forall r, (tau < r <= tau + m)%N -> ~~ flag r) ->
  `|latch (tau + m) - x tau| < worst * e (- D) + m%:R * eps * (1 + D^-1).
Proof.
move=> flagged; elim: m => [_|m IH quiet].
  rewrite addn0 latchE flagged addrK normrM (gtr0_norm eD0) !mul0r addr0 mulrC ltr_pmul2r //; exact: bounded.
have {}IH : `|latch (tau + m) - x tau| < worst * e (- D) + m%:R * eps * (1 + D^-1).
  by apply: IH => r /andP[tr rm]; apply: quiet; rewrite tr addnS leqW.
rewrite addnS latchE (negPf (quiet _ _)) ?ltnS ?leq_addr ?addnS //= -/(before (tau + m).+1).
have -> : e (- eps) * latch (tau + m) + eps * x (tau + m).+1 / D - x tau =
    e (- eps) * (latch (tau + m) - x tau) + ((e (- eps) - 1) * x tau + eps * x (tau + m).+1 / D) by ring.
have e1 : e (- eps) <= 1 by rewrite (le_trans e_le) // ger_addl oppr_le0 mulr_ge0 ?divr_ge0 ?ler0n // ltW.
apply: le_lt_trans (ler_norm_add _ _) _.
have -> : m.+1%:R * eps * (1 + D^-1) = m%:R * eps * (1 + D^-1) + (eps + eps / D) by rewrite -addn1 natrD; ring.
rewrite addrA; apply: ltr_le_add.
  by apply: le_lt_trans IH; rewrite normrM (gtr0_norm e_gt0) ler_pimull.
apply: le_trans (ler_norm_add _ _) _; rewrite ler_add ?noise_small //.
rewrite normrM -[X in _ <= X]mulr1 ler_pmul ?normr_ge0 //.
by rewrite ler0_norm ?subr_le0 // opprB ler_subl_addl -ler_subl_addr.
Qed.
End Holds.

(* --- no LTI mixer does ------------------------------------------------------------------------------------------- *)

Section Misses.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
(* Any S4D block, with any number of channels, states and taps, any embedding of the tokens and any affine readout. *)
Variables (W : s4d_weights F) (d : nat) (head : affine F).
Variables (plus minus : nat -> R) (noise : nat -> nat -> R).   (* flags with the values 1 and -1; noise by position *)
Variables t1 t2 t : nat.
Hypothesis apart1 : (t1 + s4d_d_conv W <= t2)%N.
Hypothesis apart2 : (t1 < t2 < t)%N.

Definition input (one two : nat -> R) : seq (nat -> R) :=
  [seq (if r == t1 then one else if r == t2 then two else noise r) | r <- iota 0 t.+1].
Definition output one two : R := linear d head (paper_s4d W (input one two) t) 0.

Lemma row_input one two r : (r <= t)%N ->
  row (F := F) (input one two) r = if r == t1 then one else if r == t2 then two else noise r.
Proof.
have gen (f : nat -> nat -> R) i n q : (q < n)%N -> row (F := F) [seq f r | r <- iota i n] q = f (i + q)%N.
  elim: n i q => [//|n IH] i [|q] qn /=; first by rewrite addn0.
  by rewrite IH // addSnnS.
by move=> rt; rewrite /input gen.
Qed.

Notation x_hat one two := (s4d_x_hat W (input one two)).
(* A step sees at most one of the flags. *)
Lemma sees one one' two two' r c : (r <= t)%N ->
  x_hat one two r c - x_hat one' two r c = x_hat one two' r c - x_hat one' two' r c.
Proof.
move=> rt; have [late|early] := leqP t2 r.
  have same w : x_hat one w r c = x_hat one' w r c.
    congr (s _); apply: conv_ext => n nk; rewrite !backE; case: leqP => // nr.
    rewrite !row_input ?(leq_trans (leq_subr _ _)) // (_ : (r - n == t1)%N = false) //.
    by rewrite gtn_eqF // ltn_subRL (leq_trans _ late) // (leq_trans _ apart1) // addnC ltn_add2l.
  by rewrite !same !subrr.
have same o : x_hat o two r c = x_hat o two' r c.
  congr (s _); apply: conv_ext => n nk; rewrite !backE; case: leqP => // nr.
  rewrite !row_input ?(leq_trans (leq_subr _ _)) //; case: ifP => // _.
  by rewrite (_ : (r - n == t2)%N = false) // ltn_eqF // (leq_ltn_trans (leq_subr _ _)).
by rewrite !same.
Qed.

Lemma combine (a b h1 h2 h3 h4 x1 x2 x3 x4 : R) : h1 - h2 = h3 - h4 -> x1 - x2 = x3 - x4 ->
  (a * h1 + x1 * b) - (a * h2 + x2 * b) = (a * h3 + x3 * b) - (a * h4 + x4 * b).
Proof.
have split_ h h' x x' : (a * h + x * b) - (a * h' + x' * b) = a * (h - h') + (x - x') * b by ring.
by move=> hE xE; rewrite !split_ hE xE.
Qed.

Lemma superposes one one' two two' :
  output one two - output one' two = output one two' - output one' two'.
Proof.
have states r c n : (r <= t)%N ->
    s4d_state W (input one two) r c n - s4d_state W (input one' two) r c n =
    s4d_state W (input one two') r c n - s4d_state W (input one' two') r c n.
  elim: r => [|r IH] rt; first by rewrite /s4d_state /= -!mulrBl (sees _ _ two two').
  exact: combine (IH (ltnW rt)) (sees _ _ two two' _ rt).
have mixers c : paper_s4d W (input one two) t c - paper_s4d W (input one' two) t c =
    paper_s4d W (input one two') t c - paper_s4d W (input one' two') t c.
  have rows o w : row (F := F) (input o w) t = noise t.
    by case/andP: apart2 => a b; rewrite row_input // !gtn_eqF // (ltn_trans a).
  have sums : forall o o' w w', o = one -> o' = one' -> w = two -> w' = two' ->
      sum (F := F) (s4d_d_state W) (fun n => s4d_state W (input o w) t c n * s4d_C W c n)
    - sum (F := F) (s4d_d_state W) (fun n => s4d_state W (input o' w) t c n * s4d_C W c n)
    = sum (F := F) (s4d_d_state W) (fun n => s4d_state W (input o w') t c n * s4d_C W c n)
    - sum (F := F) (s4d_d_state W) (fun n => s4d_state W (input o' w') t c n * s4d_C W c n).
    move=> o o' w w' -> -> -> ->; rewrite !sumE -!sumrB; apply: eq_bigr => n _.
    by rewrite -!mulrBl states.
  rewrite /paper_s4d /gated !rows; case: (s4d_gate W) => [G|] /=; last exact: sums.
  by rewrite -!mulrBl (sums one one' two two').
have read (y y' : nat -> R) : linear d head y 0 - linear d head y' 0 = \sum_(c < d) (y c - y' c) * weight head 0%N c.
  rewrite /linear /= !sumE opprD addrACA subrr addr0 -sumrB.
  by apply: eq_bigr => c _; rewrite mulrBl.
by rewrite /output !read; apply: eq_bigr => c _; rewrite mixers.
Qed.

(* The last flag holds 1, 1 and 1 on three of the inputs, and -1 where only the first flag stands: one output is off. *)
Definition off (y target : R) : bool := 2%:R^-1 <= `|y - target|.
Notation none := (noise t2).

Lemma one_of_four a b c y : a - b = c - y -> [|| off a 1, off b 1, off c 1 | off y (-1)].
Proof.
rewrite /off => same; apply/negPn; rewrite !negb_or -!ltNge; apply/negP => /and4P[A B C Y].
have [AB CY] := (ltr_add A B, ltr_add C Y); have := ltr_add AB CY.
have -> : 2%:R^-1 + 2%:R^-1 + (2%:R^-1 + 2%:R^-1) = 2%:R :> R by field.
rewrite ltNge => /negP; apply.
have {1}-> : 2%:R = (a - 1) - (b - 1) + ((y - -1) - (c - 1)).
  by rewrite (_ : _ + _ = a - b - (c - y) + 2%:R); [rewrite same subrr add0r | ring].
apply: le_trans (ler_norm _) _; apply: le_trans (ler_norm_add _ _) _.
by rewrite ler_add ?ler_norm_sub // [X in _ <= X]addrC ler_norm_sub.
Qed.

Theorem lti_misses :
  [|| off (output plus plus) 1, off (output minus plus) 1, off (output plus none) 1 | off (output minus none) (-1)].
Proof. exact: one_of_four (superposes plus minus plus none). Qed.
End Misses.

(* Any LTI mixer at all, of any size: with a pointwise embedding and an affine readout its output at t is a sum of
   functions k r of the token at r, here any functions, whether they come from one kernel or not. *)
Section AnyMixer.
Variables (R : realFieldType) (T : Type) (bias : R) (k : nat -> T -> R).
Variables (plus minus : T) (noise : nat -> T) (t1 t2 t : nat).

Definition mixed (one two : T) : R :=
  bias + \sum_(r < t.+1) k r (if r == t1 :> nat then one else if r == t2 :> nat then two else noise r).

Theorem mixer_misses : [|| off (mixed plus plus) 1, off (mixed minus plus) 1, off (mixed plus (noise t2)) 1
                         | off (mixed minus (noise t2)) (-1)].
Proof.
apply: one_of_four; rewrite /mixed !opprD !addrA ![bias + _ - bias]addrAC subrr !add0r -!sumrB.
by apply: eq_bigr => r _; case: eqP => // _; rewrite !subrr.
Qed.
End AnyMixer.
