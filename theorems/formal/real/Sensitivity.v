(* How the state depends on one input: sensitivity.eq11, on any diagonal recurrence and on the S6 and S4D states. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype derive.
From Mamba Require Import Semantics Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Eq11.
Variable R : realType.
Variables e s p : R -> R.
Notation F := (over e s p).

(* The decays and writes of one component (c, n) as functions of one coordinate x of the mixer's input at step j. *)
Variables (decay write : R -> nat -> nat -> nat -> R) (j c n : nat) (x0 : R).
(* No other step reads x. *)
Hypothesis decay_elsewhere : forall x r, r != j -> decay x r c n = decay x0 r c n.
Hypothesis write_elsewhere : forall x r, r != j -> write x r c n = write x0 r c n.

Definition state x t : R := recurrence (F := F) (decay x) (write x) t c n.
(* h_{j-1}, which is 0 before the first step, and K_j for the derivatives dw of the write and dLambda of the decay. *)
Definition before : R := if j is i.+1 then state x0 i else 0.
Definition gain (dLambda dw : R) : R := dw + before * dLambda.

Variables dLambda dw : R.
Hypothesis dLambdaE : is_derive x0 1 (fun x => decay x j c n) dLambda.
Hypothesis dwE : is_derive x0 1 (fun x => write x j c n) dw.

Lemma state_before x t : (t < j)%N -> state x t = state x0 t.
Proof.
move=> tj; apply: recurrence_ext => r rt; [apply: decay_elsewhere | apply: write_elsewhere];
  by rewrite neq_ltn (leq_ltn_trans rt tj).
Qed.

Lemma state_at_j x : state x j = decay x j c n * before + write x j c n.
Proof.
rewrite /before; case E: j => [|i]; first by rewrite mulr0 add0r.
by rewrite -(state_before x) ?E.
Qed.

(* Equation (11). *)
Theorem eq11 t : (j <= t)%N ->
  is_derive x0 1 (state^~ t) (gain dLambda dw * \prod_(j.+1 <= r < t.+1) decay x0 r c n).
Proof.
elim: t => [|t IH]; rewrite leq_eqVlt => /predU1P[jt|jt] //; last first.
  rewrite ltnS in jt; have {}IH := IH jt.
  rewrite (_ : state^~ t.+1 = cst (decay x0 t.+1 c n) * (state^~ t) + cst (write x0 t.+1 c n)); last first.
    apply/funext => x; rewrite /state recurrenceS decay_elsewhere ?write_elsewhere // gtn_eqF //.
  apply: is_derive_eq; rewrite /cst /= !scaler0 !addr0 [in RHS]big_nat_recr //=.
  by rewrite -[_ *: _]/(_ * _) mulrCA [X in _ * X = _]mulrC.
all: rewrite -jt big_geq // mulr1.
all: rewrite (_ : state^~ j = (fun x => decay x j c n) * cst before + (fun x => write x j c n));
  last by apply/funext => x; rewrite state_at_j.
all: apply: is_derive_eq; rewrite /gain scaler0 add0r addrC; congr (_ + _).
Qed.
End Eq11.

(* The state of S6 is such a recurrence; so are those of S4D, of Delta^T and of Mamba-2, by their definitions. *)
Section S6.
Variable R : realType.
Variables e s p : R -> R.
Notation F := (over e s p).
Variables (u delta : R -> nat -> nat -> R) (A : nat -> nat -> R) (B : R -> nat -> nat -> R).
Variables (j c n : nat) (x0 : R).
Hypothesis u_elsewhere : forall x r, r != j -> u x r c = u x0 r c.
Hypothesis delta_elsewhere : forall x r, r != j -> delta x r c = delta x0 r c.
Hypothesis B_elsewhere : forall x r, r != j -> B x r n = B x0 r n.
Let h x t := s6_state (F := F) (u x) (delta x) A (B x) t c n.

Corollary eq11_s6 dLambda dw t :
  is_derive x0 1 (fun x => e (delta x j c * A c n)) dLambda ->
  is_derive x0 1 (fun x => delta x j c * u x j c * B x j n) dw -> (j <= t)%N ->
  is_derive x0 1 (h^~ t)
    ((dw + (if j is i.+1 then h x0 i else 0) * dLambda) * \prod_(j.+1 <= r < t.+1) e (delta x0 r c * A c n)).
Proof.
move=> dL dW; apply: (@eq11 R e s p (fun x r c' m => e (delta x r c' * A c' m))
  (fun x r c' m => delta x r c' * u x r c' * B x r m) j c n x0) => // x r rj; first by rewrite delta_elsewhere.
by rewrite delta_elsewhere // u_elsewhere // B_elsewhere.
Qed.
End S6.
