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

(* --- mqar.thm4: a block of p channels for each key, one S4D mixer with N = 1, and a gate that picks a block ------- *)

Section Gated.
Variable F : field.
Variables kappa V p : nat.
Variables key tap0 tap1 : F.
Variable code : nat -> nat -> F.   (* the code of value v, one number a channel of a block *)

(* A key on its own block, a value's code on every block. *)
Definition blocks_embedding (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => zero F
  | Some (inl k) => if c %/ p == k then key else zero F
  | Some (inr v) => code v (c %% p)
  end.

(* Two taps, bias -c_0 k; Lambda = 0, B = C = 1; the gate reads the token's own channels. *)
Definition gated_blocks : s4d_weights F := @S4dWeights F (kappa * p) 1 2
  (Affine (fun _ i => if i == 0 then tap0 else tap1) (fun _ => opp (mul tap0 key)))
  (fun _ _ => zero F) (fun _ _ => one F) (fun _ _ => one F) (Some (selecting F id)).

(* The head: the same rows for every block, and a bias. *)
Definition blocks_head (head : nat -> nat -> F) (b : nat -> F) : affine F := Affine (fun u c => head u (c %% p)) b.
End Gated.

(* --- codes of values ---------------------------------------------------------------------------------------------- *)

Section Codes.
Variable F : field.

(* Columns of signs, times x = 1/sqrt(p); shifted by beta. *)
Definition signs (x : F) (columns : nat -> nat -> bool) (v r : nat) : F := if columns v r then x else opp x.
Definition shifted (x shift : F) (columns : nat -> nat -> bool) (v r : nat) : F := add (signs x columns v r) shift.
(* The head's bias that takes off `factor` times the sum of a column of p signs. *)
Definition sign_bias (x factor : F) (columns : nat -> nat -> bool) (p v : nat) : F :=
  opp (mul factor (sum p (signs x columns v))).
End Codes.

(* --- mqar.robust: time-gated writes, for a network that is told positions and the number n of pairs -------------- *)

Section Robust.
Variable F : field.
Variables kappa V n : nat.

(* The embedding of a sequence whose position t = 1, 2, ... adds t times `place` to the token's. *)
Definition placed T (place : nat -> F) (code : option T -> nat -> F) (s : seq (option T)) : seq (nat -> F) :=
  mkseq (fun t c => add (code (nth None s t) c) (mul (nat_ t.+1) (place c))) (size s).

(* Channels: kappa that open, kappa that open one step later, kappa for the current key, |V| for the current value. *)
Definition timed_place (c : nat) : F := if c < 2 * kappa then opp (one F) else zero F.
Definition timed_embedding (x : token kappa V) : nat -> F := fun c =>
  match x with
  | None => zero F
  | Some (inl k) => if (c == 0 * kappa + k) || (c == 1 * kappa + k) then nat_ (2 * n) else bit (c == 2 * kappa + k)
  | Some (inr v) => bit (c == 3 * kappa + v)
  end.

(* Those that open look at the previous token only, the others at the current one; B opens until 2n, then closes. *)
Definition time_gated (step_bias : F) : mamba_weights F := @MambaWeights F (3 * kappa + V) kappa 2
  (Affine (fun c i => bit ((i == 0) == (c < 2 * kappa))) (fun c => bit (c < kappa)))
  (constant (fun _ => step_bias))
  (Affine (fun j c => if c == j then one F else if c == kappa + j then opp (one F) else zero F) (fun _ => zero F))
  (selecting F (fun j => 2 * kappa + j)) (fun _ _ => zero F) None.
Definition timed_head : affine F := selecting F (fun u => 3 * kappa + u).
End Robust.
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

(* --- mqar.n1-delta-gate: N = 1, no gate; a query's step shrinks every other block, and one token later its own ---- *)

Section Selective.
Variable F : field.
Variables kappa V : nat.
Variables shrink gain rate : F.   (* what a query adds to a step; B; Lambda *)

(* Channels: |V| for each key; kappa that see a query of key j, kappa that see it one token later; the channel one. *)
Definition seen (j : nat) (x : token kappa V) : nat :=
  match x with
  | None => 2
  | Some (inl k) => if j == k then 4 else 2
  | Some (inr _) => 0
  end.
Definition selective_embedding (x : token kappa V) : nat -> F := fun c =>
  if c < kappa * V then
    match x with
    | None => zero F
    | Some (inl k) => if c %/ V == k then nat_ 2 else zero F
    | Some (inr v) => if c %% V == v then opp (nat_ 2) else zero F
    end
  else if c < kappa * V + kappa then nat_ (seen (c - kappa * V) x)
  else if c < kappa * V + kappa + kappa then nat_ (seen (c - (kappa * V + kappa)) x)
  else zero F.

(* Taps (0, 1, -1), bias -3 for a code; (0, 1, 2) and (1, 2, 0), bias -9 for what sees queries; bias 1 for one. *)
Definition selective_taps (c i : nat) : F :=
  if c < kappa * V then (if i == 1 then one F else if i == 2 then opp (one F) else zero F)
  else if c < kappa * V + kappa then nat_ i
  else if c < kappa * V + kappa + kappa then nat_ (if i == 2 then 0 else i.+1)
  else zero F.
Definition selective_bias (c : nat) : F :=
  if c < kappa * V then opp (nat_ 3) else if c < kappa * V + kappa + kappa then opp (nat_ 9) else one F.

(* The step is 1, and for key j's block as often `shrink` more as other keys are asked for now, or j just before. The
   channels that are no codes have step 0. *)
Definition selective_steps (o c : nat) : F :=
  if o < kappa * V then
    (if (kappa * V <= c) && (c < kappa * V + kappa) then (if c - kappa * V == o %/ V then zero F else shrink)
     else if c == kappa * V + kappa + o %/ V then shrink else zero F)
  else if c == kappa * V + kappa + kappa then opp (one F) else zero F.

Definition selective : mamba_weights F := @MambaWeights F (kappa * V + kappa + kappa).+1 1 3
  (Affine selective_taps selective_bias) (Affine selective_steps (fun _ => one F))
  (Affine (fun _ c => if c == kappa * V + kappa + kappa then gain else zero F) (fun _ => zero F))
  (Affine (fun _ c => if c == kappa * V + kappa + kappa then one F else zero F) (fun _ => zero F))
  (fun _ _ => rate) None.
(* The head: one-hot values, the same row for every block. *)
Definition selective_head : affine F := Affine (fun u c => bit ((c < kappa * V) && (c %% V == u))) (fun _ => zero F).
End Selective.
