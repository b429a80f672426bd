(* Multi-query associative recall, [P] eq. (46), and the hypotheses H1-H4: the counterpart of constructions/tasks.py.
   Every definition computes. *)
From mathcomp Require Import all_ssreflect.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section Task.
Variables kappa V : nat.   (* how many keys and values there are *)

(* A token is a key, a value, or filler (None); a network may embed it as it likes, most as 0. *)
Definition token := (option ('I_kappa + 'I_V))%type.
Definition key_ (k : 'I_kappa) : token := Some (inl k).
Definition value_ (v : 'I_V) : token := Some (inr v).
Definition is_key (x : token) : bool := if x is Some (inl _) then true else false.
Definition is_value (x : token) : bool := if x is Some (inr _) then true else false.

(* The token at t, and the one before it; outside the sequence there is filler. *)
Definition tok (s : seq token) (t : nat) : token := nth None s t.
Definition prev (s : seq token) (t : nat) : token := if t is r.+1 then tok s r else None.

(* A sequence of the task: k_1 v_1 ... k_p v_p, the context, followed by any tail. *)
Definition pairs (ctx : seq ('I_kappa * 'I_V)) : seq token := flatten [seq [:: key_ p.1; value_ p.2] | p <- ctx].
Definition sequence (ctx : seq ('I_kappa * 'I_V)) (tail : seq token) : seq token := pairs ctx ++ tail.

(* A value that stands directly behind a key is stored under it. *)
Definition writes_at (s : seq token) (t : nat) : bool := is_key (prev s t) && is_value (tok s t).

(* H1: the context's keys are distinct. *)
Definition H1 (ctx : seq ('I_kappa * 'I_V)) : bool := uniq (map fst ctx).

(* H2: no key, stored or not, occurs again (at t) after the tail showed it (at r) right before a value. *)
Definition H2 (ctx : seq ('I_kappa * 'I_V)) (tail : seq token) : bool :=
  let s := sequence ctx tail in
  all (fun t => all (fun r => ~~ [&& size (pairs ctx) <= r, is_key (tok s r), is_value (tok s r.+1) & tok s r == tok s t])
                    (iota 0 t)) (iota 0 (size s)).

(* H3: no value is stored twice, those of the tail included. *)
Definition H3 (ctx : seq ('I_kappa * 'I_V)) (tail : seq token) : bool :=
  let s := sequence ctx tail in
  all (fun t => all (fun r => ~~ [&& writes_at s r, writes_at s t & tok s r == tok s t]) (iota 0 t)) (iota 0 (size s)).

(* H4: what stands before a query of the tail is no value. *)
Definition H4 (ctx : seq ('I_kappa * 'I_V)) (tail : seq token) : bool :=
  let s := sequence ctx tail in
  all (fun t => ~~ [&& size (pairs ctx) <= t, has (fun p => tok s t == key_ p.1) ctx & is_value (prev s t)])
      (iota 0 (size s)).

(* Position t of the tail asks for key q, and v is the answer. *)
Definition asks (ctx : seq ('I_kappa * 'I_V)) (tail : seq token) (t : nat) (q : 'I_kappa) (v : 'I_V) : bool :=
  [&& size (pairs ctx) <= t, tok (sequence ctx tail) t == key_ q & (q, v) \in ctx].
End Task.
Arguments key_ {kappa V} k.
Arguments value_ {kappa V} v.
