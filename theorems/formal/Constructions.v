(* The weights of every network, over any kind of number and computable: the counterpart of constructions/. Rows and
   columns beyond those that a width names are never read. *)
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Semantics.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section Numbers.
Variable F : field.

(* n as a number; b as 0 or 1. *)
Definition nat_ (n : nat) : F := sum n (fun _ => one F).
Definition bit (b : bool) : F := if b then one F else zero F.
Definition minus (x y : F) : F := add x (opp y).

(* An affine map without bias that copies input `from o` to output o. *)
Definition selecting (from : nat -> nat) : affine F := Affine (fun o c => bit (c == from o)) (fun _ => zero F).
(* An affine map that gives b whatever it reads. *)
Definition constant (b : nat -> F) : affine F := Affine (fun _ _ => zero F) b.
End Numbers.
Arguments nat_ {F} n.
Arguments bit {F} b.
