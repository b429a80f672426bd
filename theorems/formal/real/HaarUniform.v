(* haar.thm1, refuted: the wavelet jumps in the middle and the three functions do not, so that none of them is everywhere
   nearer than 2^{j/2}. *)
From Coq Require Import Arith Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
From Mamba Require Import real.HaarStep real.HaarWavelet.
Local Open Scope R_scope.

Definition uniformly_near (W : R) (j k : nat) (eps : R) : Prop :=
  forall s, 0 <= s <= 1 -> Rabs (wavelet j k s - three_functions W j k s) < eps.

Lemma three_functions_continuous W j k s : continuous (three_functions W j k) s.
Proof.
apply (ex_derive_continuous (three_functions W j k)); unfold three_functions; cbv zeta.
auto_derive; repeat split; apply s6_function_derivable.
Qed.

(* For every level j, place k, and W. *)
Theorem thm1_fails W j k eps : (k < 2 ^ j)%nat -> eps <= sqrt (2 ^ j) -> ~ uniformly_near W j k eps.
Proof.
intros inside small near; set (G := three_functions W j k); set (c := sqrt (2 ^ j)) in *.
destruct (thresholds j k) as (t1_0 & t12 & t23); pose proof (threshold_inside j k inside) as t31.
set (t1 := threshold j k 0) in *; set (t2 := threshold j k (1/2)) in *; set (t3 := threshold j k 1) in *.
assert (at_jump : G t2 < - c + eps).
{ pose proof (near t2 ltac:(lra)) as n; unfold wavelet in n; rewrite haar_second in n by (fold t2 t3; lra).
  apply Rabs_def2 in n; fold G c in n; lra. }
assert (before : forall s, t1 <= s < t2 -> c - eps < G s).
{ intros s h; pose proof (near s ltac:(lra)) as n; unfold wavelet in n; rewrite haar_first in n by exact h.
  apply Rabs_def2 in n; fold G c in n; lra. }
assert (a0 : 0 < - G t2) by lra.
destruct (proj1 (filterlim_locally G (G t2)) (three_functions_continuous W j k t2) (mkposreal _ a0)) as [d close].
assert (d0 : 0 < d) by apply cond_pos.
pose (s := Rmax t1 (t2 - d / 2)); assert (s1 : t1 <= s < t2).
{ split; [apply Rmax_l|apply Rmax_lub_lt; lra]. }
assert (s2 : t2 - d / 2 <= s) by apply Rmax_r.
assert (ball_s : ball t2 d s).
{ apply Rabs_def1; unfold minus, plus, opp; simpl; lra. }
pose proof (close s ball_s) as c_s; apply Rabs_def2 in c_s; unfold minus, plus, opp in c_s; simpl in c_s.
pose proof (before s s1); lra.
Qed.

Theorem thm1_refuted :
  ~ (forall eps j k, 0 < eps -> (k < 2 ^ j)%nat -> exists W, uniformly_near W j k eps).
Proof.
intros printed; destruct (printed (1/2) 0%nat 0%nat ltac:(lra) ltac:(simpl; apply Nat.lt_0_1)) as [W near].
apply (thm1_fails W 0 0 (1/2)) in near; [exact near|simpl; apply Nat.lt_0_1|].
simpl; rewrite sqrt_1; lra.
Qed.
