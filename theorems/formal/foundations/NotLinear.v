(* foundations.s6-not-lti: S6 is not linear, whichever increasing functions stand for exp and softplus. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section NotLinear.
Variable R : realFieldType.
Variables (e s p : R -> R).
Notation F := (over e s p).
Hypothesis e_increases : {homo e : x y / x < y}.
Hypothesis p_increases : {homo p : x y / x < y}.

(* One channel and one state, A = -1, B = C = 1, Delta = softplus(input): the last output of S6 over `inputs`. *)
Definition fed (inputs : seq R) (t _ : nat) : R := nth 0 inputs t.
Definition step (inputs : seq R) (t _ : nat) : R := p (nth 0 inputs t).
Definition last_of_s6 (inputs : seq R) : R :=
  s6 (F := F) 1 (fed inputs) (step inputs) (fun _ _ => -1) (fun _ _ => 1) (fun _ _ => 1) (size inputs).-1 0.
Arguments fed : simpl never.
Arguments step : simpl never.
(* The same with Delta in the decay only. *)
Definition last_held (inputs : seq R) : R :=
  readout (F := F) 1 (delta_t_state (F := F) (fed inputs) (step inputs) (fun _ _ => -1) (fun _ _ => 1)
                        (size inputs).-1) (fun _ => 1) 0.

Lemma last_single x : last_of_s6 [:: x] = p x * x.
Proof. by rewrite /last_of_s6 /s6 /readout /= add0r mulr1 /s6_state /= mulr1. Qed.
Lemma last_two x : last_held [:: x; x] = e (- p x) * x + x.
Proof. by rewrite /last_held /readout /= add0r mulr1 /delta_t_state /= !mulr1 mulrN1. Qed.

(* Zeros before the input leave the state at 0. *)
Lemma still x m t : (t < m)%N ->
  s6_state (F := F) (fed (nseq m 0 ++ [:: x])) (step (nseq m 0 ++ [:: x])) (fun _ _ => -1) (fun _ _ => 1) t 0 0 = 0.
Proof.
have zero t' : (t' < m)%N -> fed (nseq m 0 ++ [:: x]) t' 0 = 0.
  by move=> tm; rewrite /fed nth_cat size_nseq tm nth_nseq tm.
elim: t => [|t IH] tm; rewrite /s6_state /=; first by rewrite zero // mulr0 mul0r.
by rewrite [X in _ * X](IH (ltnW tm)) zero // !mulr0 mul0r addr0.
Qed.

Theorem s6_not_lti x : x != 0 ->
  [/\ 2%:R * last_of_s6 [:: x] < last_of_s6 [:: 2%:R * x],
      last_held [:: 2%:R * x; 2%:R * x] < 2%:R * last_held [:: x; x] &
      forall m, last_of_s6 (nseq m 0 ++ [:: x]) = last_of_s6 [:: x]].
Proof.
have two : (0 : R) < 2%:R by rewrite ltr0n.
have twice : 2%:R * x = x + x by rewrite mulr_natl mulr2n.
rewrite neq_lt => x0; split.
- rewrite !last_single [X in _ < X]mulrCA ltr_pmul2l //.
  by case/orP: x0 => x0; [rewrite ltr_nmul2r | rewrite ltr_pmul2r] => //; apply: p_increases;
    rewrite twice ?gtr_addl ?ltr_addl.
- rewrite !last_two mulrDr ltr_add2r mulrCA ltr_pmul2l //.
  by case/orP: x0 => x0; [rewrite ltr_nmul2r | rewrite ltr_pmul2r] => //; apply: e_increases;
    rewrite ltr_opp2; apply: p_increases; rewrite twice ?gtr_addl ?ltr_addl.
- case=> [//|m]; rewrite last_single /last_of_s6 size_cat size_nseq addn1 /s6 /readout /= /s6_state /= add0r mulr1.
  rewrite [X in _ * X](still x (leqnn _)) mulr0 add0r mulr1 /step /fed.
  by rewrite -cat_cons -[0 :: _]/(nseq m.+1 0) nth_cat size_nseq ltnn subnn.
Qed.
End NotLinear.
