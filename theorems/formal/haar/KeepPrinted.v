(* haar.cor2, refuted: the difference of two Heavisides as printed reads minus a token, whatever H(0) is. Time counts from
   1, as in the claim. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section KeepPrinted.
Variable R : realFieldType.

(* H(s - m), with H(0) = 1 or 0. *)
Definition heaviside (at0 : bool) (s m : nat) : R := (if s == m then at0 else (m < s)%N)%:R.
Definition printed_keep (at0 : bool) (x : nat -> R) (n t : nat) : R :=
  \sum_(1 <= s < t.+1) (heaviside at0 s n - heaviside at0 s n.-1) * x s.

Lemma heavisideE at0 s m : heaviside at0 s m = (if at0 then (m <= s)%N else (m < s)%N)%:R.
Proof. by rewrite /heaviside (leq_eqVlt m s) (eq_sym m); case: at0 => //=; case: eqP => [->|_] //; rewrite ltnn. Qed.

Lemma jump s m : (m < s)%N%:R - (m <= s)%N%:R = - (s == m)%:R :> R.
Proof. by rewrite (leq_eqVlt m s) (eq_sym m); case: eqP => [->|_] /=; rewrite ?ltnn ?sub0r ?subrr ?oppr0. Qed.

(* It reads -x_{n-1}, or -x_n. *)
Theorem cor2_reads at0 x n t : (1 < n <= t)%N -> printed_keep at0 x n t = - x (if at0 then n.-1 else n).
Proof.
case: n => [//|n] /andP[n0 nt]; rewrite ltnS in n0.
have only m : (0 < m <= t)%N -> \sum_(1 <= s < t.+1) - (s == m)%:R * x s = - x m.
  move=> mt; rewrite (bigD1_seq m) ?iota_uniq ?mem_index_iota ?ltnS //= eqxx mulN1r big1 ?addr0 // => s /negPf ->.
  by rewrite oppr0 mul0r.
rewrite /printed_keep; under eq_bigr do rewrite !heavisideE.
by case: at0 => /=; under eq_bigr do rewrite jump; rewrite only // ?n0 ltnW.
Qed.

Theorem cor2_refuted at0 :
  ~ (forall (x : nat -> R) n t, (1 <= n <= t)%N -> printed_keep at0 x n t = x n).
Proof.
move=> /(_ (fun=> 1) 2%N 2%N isT); rewrite cor2_reads // => /eqP.
by rewrite eq_sym -subr_eq0 opprK (_ : 1 + 1 = 2%:R) // pnatr_eq0.
Qed.
End KeepPrinted.
