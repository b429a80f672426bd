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

(* --- mqar.thm2-step1, mqar.thm2-step2-amended: one convolution for keys and values (shared_convolution) ----------- *)

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

(* --- recall by codes on channels of their own: B reads the previous key's code, C the current key's, x the current
   value's (constructions/mqar/codes.py) ---------------------------------------------------------------------------- *)

Section RecallCodes.
Variable F : field.
Variables kappa V N width : nat.           (* keys, values, channels of a key's codes, of a value's code *)
Variables write read : nat -> nat -> F.    (* the codes of key k *)
Variables value head : nat -> nat -> F.    (* the code of value v, and the head's row for it *)
Variable step_bias : F.

(* In the paper's Mamba block, d = 2 N + width: taps (1, 0) for the channels that B reads, (0, 1) for the others. *)
Definition codes_embedding (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => zero F
  | Some (inl k) => if c < N then write k c else if c < N + N then read k (c - N) else zero F
  | Some (inr v) => if c < N + N then zero F else value v (c - (N + N))
  end.
Definition codes_mamba : mamba_weights F := @MambaWeights F (N + N + width) N 2
  (Affine (fun c i => bit (i == if c < N then 0 else 1)) (fun _ => zero F))
  (constant (fun _ => step_bias)) (selecting F id) (selecting F (addn N)) (fun _ _ => zero F) None.
Definition codes_head : affine F :=
  Affine (fun u c => if c < N + N then zero F else head u (c - (N + N))) (fun _ => zero F).

(* In the paper's Mamba-2 block over one-hot tokens: each code in a linear map, each of x, B, C with its own taps. *)
Definition one_hot_token (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => zero F
  | Some (inl k) => bit (c == k)
  | Some (inr v) => bit (c == kappa + v)
  end.
Definition of_keys (code : nat -> nat -> F) : affine F :=
  Affine (fun n c => if c < kappa then code c n else zero F) (fun _ => zero F).
Definition of_values (code : nat -> nat -> F) : affine F :=
  Affine (fun r c => if c < kappa then zero F else code (c - kappa) r) (fun _ => zero F).
Definition tap (n : nat) : affine F := Affine (fun _ i => bit (i == n)) (fun _ => zero F).
Definition codes_mamba2 : mamba2_weights F := @Mamba2Weights F (kappa + V) width width N 2
  (of_values value) (of_keys write) (of_keys read) (tap 1) (tap 0) (tap 1)
  (constant (fun _ => step_bias)) (fun _ => zero F) None.
Definition codes_head2 : affine F := Affine head (fun _ => zero F).
End RecallCodes.

(* The codes of Extension H, (v, 1) read by (2w, -w^2), and of Extension D, (l, K^2 - l^2) read by (2q, 1): keys and
   values counted from 1, as the claims do. *)
Section IntegerCodes.
Variable F : field.
Notation square x := (mul x x).
Definition integer_code (v r : nat) : F := if r == 0 then nat_ v.+1 else one F.
Definition integer_head (w r : nat) : F :=
  if r == 0 then mul (nat_ 2) (nat_ w.+1) else opp (square (nat_ w.+1)).
Definition moment_write (K l n : nat) : F :=
  if n == 0 then nat_ l.+1 else minus (square (nat_ K)) (square (nat_ l.+1)).
Definition moment_read (q n : nat) : F := if n == 0 then mul (nat_ 2) (nat_ q.+1) else one F.
End IntegerCodes.

(* Sign codes for values ([P] Theorem 2, step 2): column v of M = +-1/sqrt(p) as written, shifted by beta, read by the
   column itself; the head's bias takes off `factor` times the column's sum. *)
Section SignCodes.
Variable F : field.
Variable sign : nat -> nat -> bool.
Variables scale shift factor : F.   (* 1/sqrt(p), beta *)
Variable width : nat.
Definition sign_column (v r : nat) : F := if sign v r then scale else opp scale.
Definition shifted_column (v r : nat) : F := add (sign_column v r) shift.
Definition sign_bias (v : nat) : F := opp (mul factor (sum width (sign_column v))).
End SignCodes.

(* --- mqar.n1-delta-gate: N = 1 and no gate; a query's step shrinks every other block, the next step its own ------- *)

Section SelectiveStep.
Variable F : field.
Variables kappa V : nat.
Variables shrink stored rate : F.     (* what a query adds to a step, B, and -Lambda *)

(* Channels: V for each key's block, kappa that see a query, kappa that see it one token later, and one that is 1. *)
Notation codes := (kappa * V).
Notation late := (kappa * V + kappa).
Notation ones := (kappa * V + kappa + kappa).
Definition which (c : nat) : nat := if c < late then c - codes else c - late.

(* Filler stands before a query as keys do, values do not. *)
Definition selective_embedding (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => if (codes <= c) && (c < ones) then nat_ 2 else zero F
  | Some (inl k) => if c < codes then (if c %/ V == k then nat_ 2 else zero F)
                    else if c < ones then (if which c == k then nat_ 4 else nat_ 2) else zero F
  | Some (inr v) => if c < codes then (if c %% V == v then opp (nat_ 2) else zero F) else zero F
  end.
Definition selective_taps (c i : nat) : F :=
  if c < codes then nth (zero F) [:: zero F; one F; opp (one F)] i
  else if c < late then nth (zero F) [:: zero F; one F; nat_ 2] i
  else if c < ones then nth (zero F) [:: one F; nat_ 2; zero F] i else zero F.
Definition selective_bias (c : nat) : F :=
  if c < codes then opp (nat_ 3) else if c < ones then opp (nat_ 9) else one F.

(* Delta of block b: 1, and `shrink` for each query of another key now and of its own one token ago; where nothing is
   read, nothing is written. *)
Definition selective_delta (o c : nat) : F :=
  if o < codes
  then if (codes <= c) && (c < late) && (which c != o %/ V) || (late <= c) && (c < ones) && (which c == o %/ V)
       then shrink else zero F
  else if c == ones then opp (one F) else zero F.

Definition selective_step : mamba_weights F := @MambaWeights F (kappa * V + kappa + kappa + 1) 1 3
  (Affine selective_taps selective_bias) (Affine selective_delta (fun _ => one F))
  (Affine (fun _ c => if c == ones then stored else zero F) (fun _ => zero F))
  (Affine (fun _ c => bit (c == ones)) (fun _ => zero F)) (fun _ _ => opp rate) None.

(* Row u of the head reads value u in every block. *)
Definition selective_head : affine F := Affine (fun u c => bit ((c < codes) && (c %% V == u))) (fun _ => zero F).
End SelectiveStep.
