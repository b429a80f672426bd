(* sensitivity.lem2-amended: what a summable Delta keeps of an input; and sensitivity.criterion: which inputs a state
   never forgets. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive exp.
From Mamba Require Import Semantics Blocks.
From Mamba Require Import real.Sensitivity real.Lemma1.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.
Local Open Scope classical_set_scope.

(* The tangent of e^{-y} at 0 lies below it. *)
Lemma e_ge1B (R : realType) (y : R) : 0 <= y -> 1 - y <= expR (- y).
Proof.
move=> y0; have ny : - y <= 0 by rewrite oppr_le0.
have within : {within `[- y, 0], continuous (@expR R)}.
  by apply: continuous_subspaceT => x; exact: continuous_expR.
have [c c0] := MVT_segment ny (fun x _ => is_derive_expR x) within.
rewrite expR0 sub0r opprK => e1; rewrite ler_subl_addr -ler_subl_addl e1.
by rewrite ler_pimull // -expR0 ler_expR; move: c0; rewrite in_itv /= => /andP[].
Qed.

Lemma norm_same_sign (R : realDomainType) (a b : R) : 0 <= a * b -> `|a| <= `|a + b|.
Proof.
case: (ltrgtP a 0) => [a0|a0|->]; last by rewrite normr0.
- rewrite nmulr_rge0 // => b0; have ab0 : a + b <= 0 by rewrite -[0]addr0 ler_add // ltW.
  by rewrite (ler0_norm (ltW a0)) ler0_norm // ler_opp2 ger_addl.
- by rewrite pmulr_rge0 // => b0; rewrite (gtr0_norm a0) ger0_norm ?addr_ge0 ?(ltW a0) // ler_addl.
Qed.

Section Remembers.
Variable R : realType.
Variables e s p : R -> R.

(* One component (c, n) of an S6 state, of which only step j reads the coordinate x; see real/Sensitivity.v. *)
Variables (decay write : R -> nat -> nat -> nat -> R) (j c n : nat) (x0 : R).
Hypothesis decay_elsewhere : forall x r, r != j -> decay x r c n = decay x0 r c n.
Hypothesis write_elsewhere : forall x r, r != j -> write x r c n = write x0 r c n.
Variables dLambda dw : R.
Hypothesis dLambdaE : is_derive x0 1 (fun x => decay x j c n) dLambda.
Hypothesis dwE : is_derive x0 1 (fun x => write x j c n) dw.
Variables (lambda : R) (Delta : nat -> R).
Hypothesis lambda_ge0 : 0 <= lambda.

Notation K := (K e s p decay write j c n x0 dLambda dw).
Notation before := (before e s p decay write j c n x0).
Notation sensitivity := (sensitivity e s p decay write c n x0).
Notation s6_decays := (s6_decays decay j c n x0 lambda Delta).
Notation clock := (clock j Delta).
Notation size := (s6_size e s p decay_elsewhere write_elsewhere dLambdaE dwE).

(* sensitivity.lem2-amended: S is at least what the steps after j add up to, as the value of their series is. *)
Theorem lem2_amended t S : (j <= t)%N -> s6_decays t -> clock t <= S ->
  let limit := `|K| * expR (- lambda * S) in
  [/\ 0 <= sensitivity t - limit,
      sensitivity t - limit <= sensitivity t * (lambda * (S - clock t)) &
      0 <= dw * (before * dLambda) -> expR (- lambda * S) * `|dw| <= sensitivity t].
Proof.
move=> jt kept below limit; have sizeE := size jt kept.
have above : limit <= sensitivity t.
  by rewrite sizeE ler_wpmul2l // ler_expR !mulNr ler_opp2 ler_wpmul2l.
rewrite subr_ge0; split=> // [|agree].
- rewrite sizeE -mulrBr -mulrA ler_wpmul2l //.
  have -> : - lambda * S = - lambda * clock t + - (lambda * (S - clock t)).
    by rewrite mulrBr opprB addrA -!mulNr [- lambda * clock t]mulNr addNr add0r.
  rewrite expRD -[X in X - _]mulr1 -mulrBr ler_wpmul2l ?(ltW (expR_gt0 _)) // ler_subl_addr -ler_subl_addl.
  by rewrite e_ge1B // mulr_ge0 // subr_ge0.
- by apply: le_trans above; rewrite mulrC ler_wpmul2r ?(ltW (expR_gt0 _)) //; exact: norm_same_sign.
Qed.

(* sensitivity.criterion: the limit over t exists; it is positive iff K_j is not 0 and lambda = 0 or Delta is summable.
   The sensitivity is counted from step j on. *)
Theorem criterion : (forall t, s6_decays t) -> (forall r, (j < r)%N -> 0 <= Delta r) ->
  cvg (fun m => sensitivity (j + m)) /\
  (0 < lim (fun m => sensitivity (j + m)) <->
     K != 0 /\ (lambda = 0 \/ cvg (series (fun r => Delta (r + j.+1)%N)))).
Proof.
move=> kept Delta0; pose u r := Delta (r + j.+1)%N; have u0 r : 0 <= u r by apply: Delta0; rewrite ltn_addl.
have sizeE m : sensitivity (j + m) = `|K| * expR (- lambda * series u m).
  rewrite (size (leq_addr m j) (kept _)) /clock seriesEnat /=; congr (_ * expR (_ * _)).
  by rewrite -{1}[j.+1]add0n big_addn subSS addKn.
have grows : nondecreasing_seq (series u) by exact: nondecreasing_series.
have shrinks : nonincreasing_seq (fun m => sensitivity (j + m)).
  move=> m m' mm; rewrite !sizeE ler_wpmul2l // ler_expR !mulNr ler_opp2 ler_wpmul2l //; exact: grows.
have conv : cvg (fun m => sensitivity (j + m)).
  by apply: nonincreasing_is_cvg => //; exists 0 => _ [m _ <-]; rewrite normr_ge0.
split=> //; split=> [remembered|[K0 summable]].
- have K0 : 0 < `|K|.
    rewrite normr_gt0; apply: contraTneq remembered => K0; rewrite -leNgt; apply: limr_le => //.
    by apply: nearW => m; rewrite sizeE K0 normr0 mul0r.
  split; first by rewrite -normr_gt0.
  have [->|l0] := eqVneq lambda 0; [by left | right].
  have lpos : 0 < lambda by rewrite lt_neqAle eq_sym l0.
  apply: nondecreasing_is_cvg => //.
  set l := lim _ in remembered; exists (- ln (l / `|K|) / lambda) => _ [m _ <-].
  have := nonincreasing_cvg_ge shrinks conv m; rewrite -/l sizeE => lm.
  rewrite ler_pdivl_mulr // ler_oppr [series u m * _]mulrC -mulNr.
  by rewrite -ler_expR lnK ?posrE ?divr_gt0 // ler_pdivr_mulr // mulrC.
- have K1 : 0 < `|K| by rewrite normr_gt0.
  case: summable => [l0|sum].
    apply: lt_le_trans K1 _; apply: limr_ge => //.
    by apply: nearW => m; rewrite sizeE l0 oppr0 mul0r expR0 mulr1.
  apply: (@lt_le_trans _ _ (`|K| * expR (- lambda * lim (series u)))); first by rewrite mulr_gt0 ?expR_gt0.
  apply: limr_ge => //; apply: nearW => m; rewrite sizeE ler_wpmul2l // ler_expR !mulNr ler_opp2 ler_wpmul2l //.
  exact: nondecreasing_cvg_le.
Qed.
End Remembers.
