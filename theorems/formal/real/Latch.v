(* sensitivity.latch with the real exp: values and noise in [-1, 1], D >= 1, 0 < eps <= 1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks sensitivity.Latch real.Lemma2.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.
Local Open Scope classical_set_scope.

Section Real.
Variable R : realType.

(* Four terms of the exponential's series. *)
Lemma exp_ge_cubic (y : R) : 0 <= y -> 1 + y + y ^+ 2 / 2%:R + y ^+ 3 / 6%:R <= expR y.
Proof.
move=> y0; have grows : nondecreasing_seq (series (exp_coeff y)).
  by apply: nondecreasing_series => n _; exact: exp_coeff_ge0.
have := nondecreasing_cvg_le grows (@is_cvg_series_exp_coeff R y) 4%N.
by rewrite seriesEnat /= /exp_coeff /= !big_nat_recr //= big_geq // add0r expr0 expr1 divr1 divr1.
Qed.

Lemma exp_below_chord (eps : R) : 0 < eps -> eps <= 1 -> expR (- eps) <= 1 - 5%:R / 8%:R * eps.
Proof.
move=> e0 e1; have g := expR_gt0 eps.
rewrite expRN -[X in X <= _]mul1r ler_pdivr_mulr //.
pose q : R := 1 + eps + eps ^+ 2 / 2%:R + eps ^+ 3 / 6%:R.
have k0 : 0 <= 1 - 5%:R / 8%:R * eps.
  rewrite subr_ge0; apply: (@le_trans _ _ eps) => //; rewrite ler_pimull ?(ltW e0) //.
  by rewrite ler_pdivr_mulr ?ltr0n // mul1r ler_nat.
apply: (@le_trans _ _ ((1 - 5%:R / 8%:R * eps) * q)); last by rewrite ler_wpmul2l // exp_ge_cubic // ltW.
rewrite -subr_ge0 (_ : _ - 1 = eps / 48%:R * (6%:R * (1 - eps) + 7%:R * (1 - eps ^+ 2) + 5%:R * (1 - eps ^+ 3)));
  last by rewrite /q; field.
by rewrite mulr_ge0 ?divr_ge0 ?ler0n ?(ltW e0) // !addr_ge0 // mulr_ge0 ?ler0n ?subr_ge0 ?exprn_ile1 ?(ltW e0).
Qed.

Theorem latch_holds_real (D eps : R) (flag : nat -> bool) (x : nat -> R) tau m :
  1 <= D -> 0 < eps -> eps <= 1 -> (forall t, `|x t| <= 1) ->
  flag tau -> (forall r, (tau < r <= tau + m)%N -> ~~ flag r) ->
  `|latch (@expR R) id id D eps flag x (tau + m) - x tau|
    < 8%:R / 5%:R * expR (- D) + m%:R * eps * (1 + D^-1).
Proof.
move=> D1 e0 e1 x1; apply: latch_holds => //; rewrite ?expR_gt0 //.
- apply: (@le_trans _ _ (expR (- 1))); first by rewrite ler_expR ler_opp2.
  by apply: le_trans (exp_below_chord ltr01 (lexx _)) _; rewrite (_ : 1 - _ = 3%:R / 8%:R) //; field.
- exact: e_ge1B (ltW e0).
- exact: exp_below_chord.
Qed.
End Real.
