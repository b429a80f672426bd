(* What the affine maps of Constructions.v do over a commutative ring. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Blocks Constructions.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Maps.
Variables (R : comRingType) (e s p : R -> R).
Notation F := (over e s p).

Lemma linear_selecting d from (x : nat -> R) o : (from o < d)%N -> linear d (selecting F from) x o = x (from o).
Proof.
move=> od; rewrite /linear [LHS]/= addr0 (sum_pick _ _ _ od) ?eqxx ?mulr1 // => i _ /negPf ->.
by rewrite mulr0.
Qed.

Lemma linear_constant d (b x : nat -> R) o : linear d (@constant F b) x o = b o.
Proof. by rewrite /linear /= sum0 ?add0r // => c _; rewrite mulr0. Qed.

(* An affine map as a sum. *)
Lemma affine_sum d (M : affine F) (x : nat -> R) o : linear d M x o = \sum_(c < d) x c * weight M o c + bias M o.
Proof. by rewrite /linear /= sumE. Qed.

Lemma natE n : nat_ (F := F) n = n%:R.
Proof. by rewrite /nat_ sumE sumr_const card_ord. Qed.

(* A one-hot code picks one term of a sum. *)
Lemma sum_one_hot n (a : R) i (f : nat -> R) : (i < n)%N ->
  \sum_(r < n) one_hot_code (F := F) a i r * f r = a * f i.
Proof.
move=> ni; rewrite (bigD1 (Ordinal ni)) //= /one_hot_code eqxx big1 ?addr0 // => r ri.
by rewrite (_ : (r == i :> nat) = false) ?mul0r //; exact: negbTE.
Qed.
End Maps.
