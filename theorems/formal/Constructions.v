(* The weights of every network, over any kind of number and computable: the counterpart of constructions/. Rows and
   columns beyond those that a width names are never read. *)
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Semantics Task.
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

(* --- mqar.thm2-step1, mqar.thm2-step2-amended: one convolution for keys and values (shared_convolution) ------------ *)

Section SharedConvolution.
Variable F : field.
Variables kappa V width : nat.             (* keys, values, channels of a value's code *)
Variables key tap0 tap1 bias step_bias : F.
Variables code head : nat -> nat -> F.     (* what value v has on channel r, and the weight by which value u reads it *)
Variable head_bias : nat -> F.

(* Key k is `key` on channel k; a value's code stands behind the keys' channels. *)
Definition shared_embedding (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => zero F
  | Some (inl k) => if c == k then key else zero F
  | Some (inr v) => if c < kappa then zero F else code v (c - kappa)
  end.

(* d = kappa + width, N = kappa; taps (c_0, c_1), bias -b; Delta = 1, Lambda = 0, B = C = the keys' channels. *)
Definition shared_convolution : mamba_weights F := @MambaWeights F (kappa + width) kappa 2
  (Affine (fun _ i => if i == 0 then tap0 else tap1) (fun _ => opp bias))
  (constant (fun _ => step_bias)) (selecting F id) (selecting F id) (fun _ _ => zero F) None.

Definition shared_head : affine F := Affine (fun u c => if c < kappa then zero F else head u (c - kappa)) head_bias.
End SharedConvolution.

(* One-hot values of one weight, each read on its own channel. *)
Definition one_hot_code (F : field) (value : F) (v r : nat) : F := if r == v then value else zero F.
