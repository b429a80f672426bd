(* sensitivity.lem2, refuted: an input that a summable Delta ought to keep is never felt, since what it takes from the
   state before it is exactly what it writes. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive realfun exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba Require Import real.Softplus real.Sensitivity.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.
Local Open Scope classical_set_scope.

Section Printed.
Variable R : realType.
Notation F := (over (@expR R) id (@softplus R)).

(* One component of S6: the eigenvalue -lambda, Delta = softplus(x), B = b + beta x; the input of step j is x. *)
Definition inputs (u : nat -> R) j (x : R) r : R := if r == j then x else u r.
Definition state_of (lambda b beta : R) u j t (x : R) : R :=
  s6_state (F := F) (fun r _ => inputs u j x r) (fun r _ => softplus (inputs u j x r)) (fun _ _ => - lambda)
    (fun r _ => b + beta * inputs u j x r) t 0%N 0%N.
Definition own_write (b beta x : R) : R := (b + beta * x) * softplus x * x.

(* What is felt of the input of step j at step t. *)
Definition felt lambda b beta (u : nat -> R) j t : R := `|'D_1 (state_of lambda b beta u j t) (u j)|.
Definition written b beta (u : nat -> R) (j : nat) : R := `|'D_1 (own_write b beta) (u j)|.

(* The lemma as printed, for the limit; and for every later step. *)
Definition lem2_printed : Prop := forall lambda b beta c u j, 0 <= lambda ->
  let steps := series (fun r => lambda * softplus (u (r + j.+1)%N)) in
  cvg steps -> lim steps <= c -> expR (- c) * written b beta u j <= lim (fun m => felt lambda b beta u j (j + m)).
Definition lem2_printed_at : Prop := forall lambda b beta c u j t, 0 <= lambda -> (j <= t)%N ->
  lambda * (\sum_(j.+1 <= r < t.+1) softplus (u r)) <= c ->
  expR (- c) * written b beta u j <= felt lambda b beta u j t.

(* ln 3, 0, and then the inputs whose steps are 1/2, 1/4, 1/8, ...; B = 1 + beta x. *)
Definition forgotten (r : nat) : R :=
  match r with 0 => ln 3%:R | 1 => 0 | m.+2 => ln (expR (2%:R^-1 ^+ m.+1) - 1) end.
Definition slope : R := (2%:R - ln 3%:R) / ln 3%:R ^+ 2.

Lemma ln3_gt0 : 0 < ln 3%:R :> R. Proof. by rewrite ln_gt0 // ltr1n. Qed.

Lemma softplus0 : softplus 0 = ln 2%:R :> R. Proof. by rewrite /softplus expR0. Qed.

Lemma softplus_ln3 : softplus (ln 3%:R) = 2%:R * ln 2%:R :> R.
Proof.
rewrite /softplus lnK ?posrE ?ltr0n // (_ : 1 + 3%:R = 2%:R ^+ 2); last by ring.
by rewrite lnX ?ltr0n // mulr_natl.
Qed.

Lemma step_after m : softplus (forgotten m.+2) = 2%:R^-1 ^+ m.+1.
Proof.
have pos : 0 < 2%:R^-1 ^+ m.+1 :> R by rewrite exprn_gt0 // invr_gt0 ltr0n.
by rewrite /softplus lnK ?posrE ?subr_gt0 ?expR_gt1 // addrC subrK expK.
Qed.

Lemma steps_after : (fun r => 1 * softplus (forgotten (r + 2))) = geometric (2%:R^-1 : R) 2%:R^-1.
Proof. by apply/funext => m; rewrite addn2 step_after mul1r /= exprS. Qed.

Lemma steps_add_up : series (fun r => 1 * softplus (forgotten (r + 2))) --> (1 : R).
Proof.
rewrite steps_after; have two : 2%:R != 0 :> R by rewrite pnatr_eq0.
have half : `|2%:R^-1 : R| < 1 by rewrite ger0_norm ?invr_ge0 ?ler0n // invf_lt1 ?ltr0n // ltr1n.
have := @cvg_geometric_series R 2%:R^-1 _ half; rewrite [X in _ --> X -> _](_ : _ = 1 :> R) //.
by field.
Qed.

Lemma steps_below t : \sum_(2 <= r < t.+1) softplus (forgotten r) <= 1.
Proof.
case: t => [|t]; first by rewrite big_geq // ler01.
have grows : nondecreasing_seq (series (fun r => 1 * softplus (forgotten (r + 2)))).
  by apply: nondecreasing_series => n _; rewrite mul1r ltW // softplus_gt0.
have := nondecreasing_cvg_le grows (cvgP _ steps_add_up) t.
rewrite (cvg_lim _ steps_add_up) // seriesEnat /= => le; apply: le_trans le.
rewrite -{1}[2%N]add0n big_addn subSS subn1 /=.
by apply: ler_sum => r _; rewrite mul1r.
Qed.

Lemma softplus_slope (x : R) : is_derive x 1 (@softplus R) (expR x / (1 + expR x)).
Proof.
have pos := onePexp_gt0 x.
have inner : is_derive x 1 (fun y : R => 1 + expR y) (expR x).
  by apply: is_derive_eq; rewrite add0r.
rewrite (_ : @softplus R = @ln R \o (fun y => 1 + expR y)) //.
have outer := is_derive1_ln pos.
have whole := @is_derive1_comp R (@ln R) (fun y => 1 + expR y) x _ _ outer inner.
by apply: (trigger_derive whole); rewrite mulrC.
Qed.

Lemma kept_slope : is_derive (0 : R) 1 (fun x => expR (softplus x * -1)) (- 4%:R^-1).
Proof.
rewrite (_ : (fun _ => _) = (fun x => (1 + expR x)^-1)); last first.
  by apply/funext => x; rewrite mulrN1 exp_softplus.
have inner : is_derive (0 : R) 1 (fun y : R => 1 + expR y) 1.
  by apply: is_derive_eq; rewrite add0r expR0.
have nz : 1 + expR 0 != 0 :> R by rewrite expR0 (_ : 1 + 1 = 2%:R) // pnatr_eq0.
apply: (trigger_derive (@is_deriveV R (fun y => 1 + expR y) 0 1 1 nz inner)); rewrite expR0 -[_ *: _]/(_ * _) mulr1.
by rewrite (_ : 1 + 1 = 2%:R) // -natrX.
Qed.

Lemma write_slope (b beta : R) : is_derive (0 : R) 1 (fun x => softplus x * x * (b + beta * x)) (b * ln 2%:R).
Proof.
have d1 := softplus_slope 0.
have d2 : is_derive (0 : R) 1 (fun x : R => b + beta * x) beta.
  have -> : (fun x : R => b + beta * x) = cst b + beta \*: id by apply/funext.
  by apply: is_derive_eq; rewrite add0r -[_ *: _]/(_ * _) mulr1.
have -> : (fun x => softplus x * x * (b + beta * x)) = (@softplus R * id) * (fun x => b + beta * x) by apply/funext.
apply: (trigger_derive (is_deriveM (is_deriveM d1 (is_derive_id _ _)) d2)).
rewrite -![_ *: _]/(_ * _) -[(_ * _) 0]/(softplus 0 * 0) softplus0.
by rewrite !mulr0 !mul0r !addr0 add0r mulr1.
Qed.

(* The instance: the steps after j = 1 add up to 1, the input's own write has the slope ln 2, and it is never felt. *)
Theorem lem2_instance t : (1 <= t)%N ->
  [/\ \sum_(2 <= r < t.+1) softplus (forgotten r) <= 1, written 1 slope forgotten 1%N = ln 2%:R, 0 < ln 2%:R :> R &
      felt 1 1 slope forgotten 1%N t = 0].
Proof.
move=> t1; have ln2 : 0 < ln 2%:R :> R by rewrite ln_gt0 // ltr1n.
split=> //; first exact: steps_below.
  rewrite /written (_ : own_write 1 slope = (fun x => softplus x * x * (1 + slope * x))); last first.
    by apply/funext => x; rewrite /own_write; ring.
  have d := write_slope 1 slope; by rewrite derive_val mul1r gtr0_norm.
have ln3 : ln 3%:R != 0 :> R by rewrite gt_eqF // ln3_gt0.
have other x r : r != 1%N -> inputs forgotten 1%N x r = inputs forgotten 1%N 0 r
  by move=> /negPf r1; rewrite /inputs r1.
have d := @eq11_s6 R (@expR R) id (@softplus R) (fun x r _ => inputs forgotten 1%N x r)
  (fun x r _ => softplus (inputs forgotten 1%N x r)) (fun _ _ => -1) (fun x r _ => 1 + slope * inputs forgotten 1%N x r)
  1%N 0%N 0%N 0 other (fun x r r1 => congr1 (@softplus R) (other x r r1))
  (fun x r r1 => congr1 (fun y => 1 + slope * y) (other x r r1)) _ _ t kept_slope (write_slope 1 slope) t1.
have {}d : is_derive (0 : R) 1 (state_of 1 1 slope forgotten 1%N t) 0.
  apply: (trigger_derive d); rewrite [X in X * _](_ : _ = 0) ?mul0r //.
  transitivity (1 * ln 2%:R + softplus (ln 3%:R) * ln 3%:R * (1 + slope * ln 3%:R) * - 4%:R^-1 : R); first by [].
  by rewrite softplus_ln3 /slope; move: (ln 2%:R) (ln 3%:R) ln3 => a b b0; field.
by rewrite /felt derive_val normr0.
Qed.

Theorem lem2_refuted : ~ lem2_printed /\ ~ lem2_printed_at.
Proof.
have kept : 0 < expR (- 1) * ln 2%:R :> R by have [_ _ ln2 _] := lem2_instance (leqnn 1); rewrite mulr_gt0 ?expR_gt0.
split=> lemma.
- have := lemma 1 1 slope 1 forgotten 1%N ler01 (cvgP _ steps_add_up).
  rewrite (cvg_lim _ steps_add_up) // => /(_ (lexx _)).
  rewrite (_ : (fun m => _) = cst 0); last by apply/funext => m; have [] := @lem2_instance (1 + m) isT.
  by rewrite lim_cst //; have [_ -> _ _] := lem2_instance (leqnn 1); rewrite leNgt kept.
- have [below own _ never] := lem2_instance (leqnn 1).
  have := lemma 1 1 slope 1 forgotten 1%N 1%N ler01 (leqnn 1); rewrite mul1r => /(_ below).
  by rewrite own never leNgt kept.
Qed.
End Printed.
