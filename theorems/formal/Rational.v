(* The equations over Q, to be run. The surrogates of exp, sigma and softplus are polynomials without symmetry, so that
   every weight matters; kernels.semantics runs with the same three. *)
From Coq Require Import QArith List.
From Mamba Require Import Semantics.
Import ListNotations.
Local Open Scope Q_scope.

Definition rat : field := @Field Q 0 1
  (fun x y => Qred (x + y)) (fun x y => Qred (x * y)) Qopp
  (fun x => Qred (1 + x + x * x / 2))                       (* for exp *)
  (fun x => if Qle_bool 0 x then x else 0)                  (* ReLU itself *)
  (fun x => Qred (1 + x * x / 3)).                          (* for softplus *)

Definition vec_of (l : list Q) : nat -> Q := fun i => nth i l 0.
Definition mat_of (l : list (list Q)) : nat -> nat -> Q := fun i => vec_of (nth i l nil).

(* A block's outputs, (L, width), as lists. *)
Definition table (width length : nat) (y : nat -> nat -> Q) : list (list Q) :=
  map (fun t => map (y t) (seq 0 width)) (seq 0 length).
