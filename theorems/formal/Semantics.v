(* The equations of every block, once, over any kind of number: the counterpart of kernels/semantics.py, definition by
   definition. Only the standard library is used, and every definition computes. Time and channels count from 0. *)
From Coq Require Import List PeanoNat.
Set Implicit Arguments.
Unset Strict Implicit.

(* What a block computes with. *)
Record field := Field {
  number :> Type;
  zero : number;
  one : number;
  add : number -> number -> number;
  mul : number -> number -> number;
  opp : number -> number;
  exponential : number -> number;
  sigma : number -> number;        (* the block's activation: ReLU in the paper's, SiLU in the official one *)
  softplus : number -> number }.   (* the activation of Delta *)

Section Semantics.
Variable F : field.
Notation vec := (nat -> F).
Notation mat := (nat -> nat -> F).

(* --- pointwise ---------------------------------------------------------------------------------------------------- *)

(* The sum of f i over i < n. *)
Fixpoint sum (n : nat) (f : vec) : F :=
  match n with O => zero F | S m => add (sum m f) (f m) end.

(* A weight, one row an output, and a bias. *)
Record affine := Affine { weight : mat; bias : vec }.

(* linear: x W^T + b, for x with d entries. *)
Definition linear (d : nat) (M : affine) (x : vec) : vec :=
  fun o => add (sum d (fun c => mul (x c) (weight M o c))) (bias M o).

(* An array (L, d) is a list of vectors; reading after its end gives 0. *)
Fixpoint row (X : list vec) (t : nat) : vec :=
  match X, t with
  | nil, _ => fun _ => zero F
  | cons x _, O => x
  | cons _ Y, S u => row Y u
  end.

(* What stands n tokens before position t; 0 before the first token. *)
Definition back (X : list vec) (t n : nat) : vec :=
  if Nat.leb n t then row X (t - n) else fun _ => zero F.

(* causal_conv1d with k taps: y_t = sum_i w[:, i] x_{t-k+1+i} + b; the last tap is the current token. *)
Definition causal_conv1d (k : nat) (M : affine) (X : list vec) (t : nat) : vec :=
  fun c => add (sum k (fun i => mul (weight M c i) (back X t (k - 1 - i) c))) (bias M c).

(* --- the scans ---------------------------------------------------------------------------------------------------- *)

(* recurrence: h_t = decay_t h_{t-1} + write_t, entry by entry; h_0 = write_0. *)
Fixpoint recurrence (decay write : nat -> mat) (t : nat) : mat :=
  match t with
  | O => write O
  | S u => fun c n => add (mul (decay t c n) (recurrence decay write u c n)) (write t c n)
  end.

(* y_t = h_t C_t, for states of n entries. *)
Definition readout (n : nat) (h : mat) (C : vec) : vec := fun c => sum n (fun m => mul (h c m) (C m)).

(* selective_scan: S6 with n states; Euler for the input. *)
Definition s6_state (u delta : nat -> vec) (A : mat) (B : nat -> vec) : nat -> mat :=
  recurrence (fun t c m => exponential (mul (delta t c) (A c m)))
             (fun t c m => mul (mul (delta t c) (u t c)) (B t m)).
Definition s6 (n : nat) (u delta : nat -> vec) (A : mat) (B C : nat -> vec) (t : nat) : vec :=
  readout n (s6_state u delta A B t) (C t).

(* selective_scan_delta_t: Delta runs along the state, and is not on the input ([P] Lemma 3). *)
Definition delta_t_state (u delta : nat -> vec) (A : mat) (B : nat -> vec) : nat -> mat :=
  recurrence (fun t c m => exponential (mul (delta t m) (A c m))) (fun t c m => mul (u t c) (B t m)).

(* ssd: one scalar decay a head; channel c belongs to head `head c`. *)
Definition ssd_state (head : nat -> nat) (x dt : nat -> vec) (A : vec) (B : nat -> vec) : nat -> mat :=
  recurrence (fun t c _ => exponential (mul (dt t (head c)) (A (head c))))
             (fun t c m => mul (mul (dt t (head c)) (x t c)) (B t m)).
Definition ssd (n : nat) (head : nat -> nat) (x dt : nat -> vec) (A : vec) (B C : nat -> vec) (t : nat) : vec :=
  readout n (ssd_state head x dt A B t) (C t).

(* --- the paper's blocks, [P] Table 2 and eq. (14) ------------------------------------------------------------------ *)

(* sigma(linear(x)) times y where the block has a gate; x is the block's input, with d entries. *)
Definition gated (gate : option affine) (d : nat) (x y : vec) : vec :=
  match gate with
  | None => y
  | Some G => fun c => mul (y c) (sigma (linear d G x c))
  end.

(* paper_mamba and paper_mamba_delta_t: what stands in the weights of both. *)
Record mamba_weights := MambaWeights {
  width : nat; d_state : nat; d_conv : nat;
  conv : affine;            (* width rows of d_conv taps *)
  to_delta : affine;        (* width rows; d_state rows in Delta^T *)
  to_B : affine; to_C : affine;
  A : mat;                  (* Lambda: width rows of d_state entries *)
  gate : option affine }.

Section Mamba.
Variable W : mamba_weights.
Variable X : list vec.

Definition x_hat (t : nat) : vec := fun c => sigma (causal_conv1d (d_conv W) (conv W) X t c).
Definition delta_of (t : nat) : vec := fun c => softplus (linear (width W) (to_delta W) (x_hat t) c).
Definition B_of (t : nat) : vec := linear (width W) (to_B W) (x_hat t).
Definition C_of (t : nat) : vec := linear (width W) (to_C W) (x_hat t).

Definition state : nat -> mat := s6_state x_hat delta_of (A W) B_of.
Definition paper_mamba (t : nat) : vec :=
  gated (gate W) (width W) (row X t) (readout (d_state W) (state t) (C_of t)).

Definition state_delta_t : nat -> mat := delta_t_state x_hat delta_of (A W) B_of.
Definition paper_mamba_delta_t (t : nat) : vec :=
  gated (gate W) (width W) (row X t) (readout (d_state W) (state_delta_t t) (C_of t)).
End Mamba.

(* paper_s4d: Delta = 1; B and C constant, one row a channel. *)
Record s4d_weights := S4dWeights {
  s4d_width : nat; s4d_d_state : nat; s4d_d_conv : nat;
  s4d_conv : affine; s4d_A : mat; s4d_B : mat; s4d_C : mat; s4d_gate : option affine }.

Section S4d.
Variable W : s4d_weights.
Variable X : list vec.

Definition s4d_x_hat (t : nat) : vec := fun c => sigma (causal_conv1d (s4d_d_conv W) (s4d_conv W) X t c).
Definition s4d_state : nat -> mat :=
  recurrence (fun _ c n => exponential (s4d_A W c n)) (fun t c n => mul (s4d_x_hat t c) (s4d_B W c n)).
Definition paper_s4d (t : nat) : vec :=
  gated (s4d_gate W) (s4d_width W) (row X t)
    (fun c => sum (s4d_d_state W) (fun n => mul (s4d_state t c n) (s4d_C W c n))).
End S4d.

(* paper_mamba2: x, B and C each with its own linear map, convolution and sigma; Delta linear in the block's input, one a
   head; heads of `headdim` channels. *)
Record mamba2_weights := Mamba2Weights {
  d_model : nat; m2_width : nat; headdim : nat; m2_d_state : nat; m2_d_conv : nat;
  m2_x : affine; m2_B : affine; m2_C : affine;
  x_conv : affine; B_conv : affine; C_conv : affine;
  m2_delta : affine; m2_A : vec; m2_gate : option affine }.

Section Mamba2.
Variable W : mamba2_weights.
Variable X : list vec.

Definition branch (to conv : affine) (t : nat) : vec := fun c =>
  sigma (causal_conv1d (m2_d_conv W) conv (List.map (linear (d_model W) to) X) t c).
Definition x_branch : nat -> vec := branch (m2_x W) (x_conv W).
Definition B_branch : nat -> vec := branch (m2_B W) (B_conv W).
Definition C_branch : nat -> vec := branch (m2_C W) (C_conv W).
Definition dt_of (t : nat) : vec := fun h => softplus (linear (d_model W) (m2_delta W) (row X t) h).
Definition head_of (c : nat) : nat := Nat.div c (headdim W).

Definition m2_state : nat -> mat := ssd_state head_of x_branch dt_of (m2_A W) B_branch.
Definition paper_mamba2 (t : nat) : vec :=
  gated (m2_gate W) (d_model W) (row X t) (readout (m2_d_state W) (m2_state t) (C_branch t)).
End Mamba2.

(* --- the official Mamba-1 block: mamba, with in_proj's two halves, and Delta's two projections multiplied ----------- *)

Record official_weights := OfficialWeights {
  o_d_model : nat; o_width : nat; o_d_state : nat; o_d_conv : nat;
  o_x : affine; o_z : affine; o_conv : affine;
  o_delta : affine; o_B : affine; o_C : affine; o_A : mat; o_D : vec; o_out : affine }.

Section Official.
Variable W : official_weights.
Variable X : list vec.

Definition o_x_hat (t : nat) : vec := fun c =>
  sigma (causal_conv1d (o_d_conv W) (o_conv W) (List.map (linear (o_d_model W) (o_x W)) X) t c).
Definition o_delta_of (t : nat) : vec := fun c => softplus (linear (o_width W) (o_delta W) (o_x_hat t) c).
Definition o_state : nat -> mat :=
  s6_state o_x_hat o_delta_of (o_A W) (fun t => linear (o_width W) (o_B W) (o_x_hat t)).
Definition o_inner (t : nat) : vec := fun c =>
  mul (add (readout (o_d_state W) (o_state t) (linear (o_width W) (o_C W) (o_x_hat t)) c) (mul (o_D W c) (o_x_hat t c)))
      (sigma (linear (o_d_model W) (o_z W) (row X t) c)).
Definition official_mamba (t : nat) : vec := linear (o_width W) (o_out W) (o_inner t).
End Official.
End Semantics.
