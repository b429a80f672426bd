(* sensitivity.lem1 and sensitivity.lem1-amended: how fast S4D and S6 forget one input; and
   sensitivity.bounded-inputs-forget: on a compact input set every state with lambda > 0 forgets exponentially. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive exp.
From Mamba Require Import Semantics Blocks.
From Mamba Require Import real.Softplus real.Sensitivity.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Forgets.
Variable R : realType.
Variables e s p : R -> R.

(* One component (c, n) of a diagonal state, of which only step j reads the coordinate x; see real/Sensitivity.v. *)
Variables (decay write : R -> nat -> nat -> nat -> R) (j c n : nat) (x0 : R).
Hypothesis decay_elsewhere : forall x r, r != j -> decay x r c n = decay x0 r c n.
Hypothesis write_elsewhere : forall x r, r != j -> write x r c n = write x0 r c n.
Variables dLambda dw : R.
Hypothesis dLambdaE : is_derive x0 1 (fun x => decay x j c n) dLambda.
Hypothesis dwE : is_derive x0 1 (fun x => write x j c n) dw.

(* K_j, and |dh_t / dx|. *)
Definition K := gain e s p decay write j c n x0 dLambda dw.
Definition sensitivity t := `|'D_1 ((state e s p decay write c n)^~ t) x0|.

(* The eigenvalue is -lambda; S4D's step is 1, S6's step at r is Delta r. *)
Variables (lambda : R) (Delta : nat -> R).
Definition s4d_decays t := forall r, (j < r <= t)%N -> decay x0 r c n = expR (- lambda).
Definition s6_decays t := forall r, (j < r <= t)%N -> decay x0 r c n = expR (- lambda * Delta r).
Definition clock t := \sum_(j.+1 <= r < t.+1) Delta r.

Lemma sensitivityE t : (j <= t)%N -> sensitivity t = `|K| * `|\prod_(j.+1 <= r < t.+1) decay x0 r c n|.
Proof.
move=> jt; rewrite /sensitivity -normrM; congr (`|_|).
have felt := eq11 e s p decay_elsewhere write_elsewhere dLambdaE dwE jt.
by rewrite derive_val.
Qed.

Lemma s6_size t : (j <= t)%N -> s6_decays t -> sensitivity t = `|K| * expR (- lambda * clock t).
Proof.
move=> jt kept; rewrite sensitivityE //; congr (_ * _).
rewrite (eq_big_nat _ _ (F2 := fun r => expR (- lambda * Delta r))); last by move=> r; rewrite ltnS; exact: kept.
rewrite /clock mulr_sumr (big_morph (@expR R) (@expRD R) (@expR0 R)) ger0_norm //.
by apply: prodr_ge0 => r _; exact/ltW/expR_gt0.
Qed.

Lemma s4d_size t : (j <= t)%N -> s4d_decays t -> sensitivity t = `|K| * expR (- lambda * (t - j)%:R).
Proof.
move=> jt kept; rewrite sensitivityE //; congr (_ * _).
rewrite (eq_big_nat _ _ (F2 := fun=> expR (- lambda))); last by move=> r; rewrite ltnS; exact: kept.
by rewrite prodr_const_nat subSS -expRMm mulrC ger0_norm // ltW ?expR_gt0.
Qed.
(* sensitivity.lem1, with the constants that the printed exponents need. *)
Theorem lem1 t : (j <= t)%N ->
  (s4d_decays t -> sensitivity t = expR (- lambda) * `|K| * expR (- lambda * (t%:R - (j%:R + 1)))) /\
  (s6_decays t -> sensitivity t = `|K| * expR (- lambda * clock t)).
Proof.
move=> jt; split; last exact: s6_size.
move=> /(s4d_size jt) ->; rewrite natrB // [RHS]mulrAC -expRD [LHS]mulrC; congr (expR _ * _).
by rewrite opprD addrA [in RHS]mulrBr mulr1 [RHS]addrC subrK.
Qed.

(* A floor under every step. *)
Lemma forgets t delta : (j <= t)%N -> s6_decays t -> 0 <= lambda -> (forall r, (j < r <= t)%N -> delta <= Delta r) ->
  sensitivity t <= `|K| * expR (- lambda * delta * (t - j)%:R).
Proof.
move=> jt kept lambda0 floor; rewrite s6_size // ler_wpmul2l // ler_expR -mulrA !mulNr ler_opp2 ler_wpmul2l //.
rewrite (_ : delta * _ = \sum_(j.+1 <= r < t.+1) delta); last by rewrite sumr_const_nat subSS mulr_natr.
by apply: ler_sum_nat => r; rewrite ltnS; exact: floor.
Qed.

(* Steps that shrink like 1/(r - j). *)
Lemma slow_clock t : (j <= t)%N -> (forall r, (j < r <= t)%N -> Delta r = ln (1 + (r - j)%:R^-1)) ->
  clock t = ln (1 + (t - j)%:R).
Proof.
move=> jt; rewrite -{1 2}(subnKC jt); elim: (t - j)%N => [|m IH] slow; first by rewrite addr0 ln1 /clock addn0 big_geq.
rewrite /clock addnS big_nat_recr ?ltnS ?leq_addr //= -/(clock (j + m)) IH; last first.
  by move=> r /andP[jr rm]; apply: slow; rewrite jr addnS leqW.
have pos k : 0 < 1 + k%:R :> R by rewrite -mulrS ltr0n.
rewrite slow ?addnS ?ltnS ?leq_addr ?leqnn // -addnS addKn -lnM ?posrE //; last first.
  by rewrite addr_gt0 ?ltr01 // invr_gt0 ltr0n.
by rewrite -mulrS mulrDr mulr1 mulfV ?pnatr_eq0 // addrC.
Qed.

(* sensitivity.lem1-amended: the constant is |K_j|, S4D's exponent t - j; exponential decay needs a floor. *)
Theorem lem1_amended t delta : (j <= t)%N -> 0 <= lambda ->
  [/\ s4d_decays t -> sensitivity t = `|K| * expR (- lambda * (t - j)%:R),
      s6_decays t -> sensitivity t = `|K| * expR (- lambda * clock t),
      s6_decays t -> (forall r, (j < r <= t)%N -> delta <= Delta r) ->
        sensitivity t <= `|K| * expR (- lambda * delta * (t - j)%:R) &
      s6_decays t -> (forall r, (j < r <= t)%N -> Delta r = ln (1 + (r - j)%:R^-1)) ->
        sensitivity t = `|K| * (1 + (t - j)%:R) `^ (- lambda)].
Proof.
move=> jt lambda0; split; [exact: s4d_size | exact: s6_size | by move=> *; exact: forgets |].
by move=> kept slow; rewrite s6_size // slow_clock.
Qed.

(* sensitivity.bounded-inputs-forget: z r = w . x_hat_r, so |z r| <= rho = |w| M where |x_hat_r| <= M. *)
Theorem bounded_inputs_forget t (z : nat -> R) (b rho : R) : (j <= t)%N -> 0 <= lambda ->
  s6_decays t -> (forall r, (j < r <= t)%N -> Delta r = softplus (z r + b)) ->
  (forall r, (j < r <= t)%N -> `|z r| <= rho) ->
  sensitivity t <= `|K| * expR (- lambda * softplus (b - rho) * (t - j)%:R) /\ 0 < softplus (b - rho).
Proof.
move=> jt lambda0 kept stepE within; split; last exact: softplus_gt0.
apply: forgets => // r jrt; rewrite stepE // softplus_le // addrC ler_add2r.
by have := within r jrt; rewrite ler_norml => /andP[].
Qed.
End Forgets.
