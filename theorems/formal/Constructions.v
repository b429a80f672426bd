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

(* --- induction heads (constructions/induction_heads): the state's column is named by the previous token and holds the
   current one; a query reads the column of the current token ------------------------------------------------------- *)

Section InductionHeads.
Variable F : field.
Variable V : nat.               (* tokens 0 ... V - 1; class V is blank *)
Variables scale blank : F.      (* of the head *)

(* Token x is [e_x; e_x], which the convolution turns into [e_previous; e_current]. *)
Definition head_embedding (x : nat) : nat -> F := fun c => bit ((c == x) || (c == V + x)).

(* d = 2 V, N = V, B = [I|0], C = [0|I], with any map to Delta and any Lambda. *)
Definition head_block (to_delta : affine F) (A : nat -> nat -> F) : mamba_weights F := @MambaWeights F (V + V) V 2
  (Affine (fun c i => bit ((c < V) == (i == 0))) (fun _ => zero F))
  to_delta (selecting F id) (selecting F (addn V)) A None.

(* Lemma 3, printed: Delta = softplus(w [I|0] x_hat); amended: softplus(w (2 [I|0] x_hat - 1)); Lambda = -1. *)
Definition lemma3_block (slope offset : F) : mamba_weights F :=
  head_block (Affine (fun n c => if c == n then slope else zero F) (fun _ => offset)) (fun _ _ => opp (one F)).
Definition lemma3_printed (w : F) : mamba_weights F := lemma3_block w (zero F).
Definition lemma3_amended (w : F) : mamba_weights F := lemma3_block (add w w) (opp w).

(* Plain S6: Delta and Lambda are the same for all. *)
Definition plain_s6 (step_bias rate : F) : mamba_weights F :=
  head_block (constant (fun _ => step_bias)) (fun _ _ => opp rate).

(* The logit of token v reads channel V + v; blank's is a constant. *)
Definition induction_head : affine F :=
  Affine (fun u c => if (u < V) && (c == V + u) then scale else zero F) (fun u => if u == V then blank else zero F).
End InductionHeads.
