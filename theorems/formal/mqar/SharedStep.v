(* mqar.n-lower-bound needs more than a step that all channels share at the query: where A differs by channel, the step
   of the query weighs the channels, and one state recalls two keys. The decay is what has to be shared. *)
From Coq Require Import QArith List.
From Mamba Require Import Semantics.
Import ListNotations.
Local Open Scope Q_scope.

(* Numbers: 2^x at integers for exp, ReLU; Delta is positive, so its activation may be left out. *)
Definition numbers : field := @Field Q 0 1 Qplus Qmult Qopp
  (fun x => Qpower 2 (Qnum (Qred x))) (fun x => if Qle_bool 0 x then x else 0) (fun x => x).

Definition indicator (l : list nat) : nat -> Q := fun c => if existsb (Nat.eqb c) l then 1 else 0.
Definition entries (l : list (list Q)) : nat -> nat -> Q := fun i j => nth j (nth i l nil) 0.

(* Channels 0 to 3 see the previous token, 4 to 7 the current one: keys 1 and 2 with A = 0; with A = -1; keys 1 and 2;
   values v and w. Delta is 2 at key 2 and else 1, in every channel. B is 1 at v and -1 at w, C is 1. *)
Definition block : mamba_weights numbers := @MambaWeights numbers 8 1 2
  (Affine (F := numbers) (fun c i => if Nat.eqb i (if Nat.ltb c 4 then 0 else 1) then 1 else 0) (fun _ => 0))
  (Affine (F := numbers) (fun _ c => indicator [5%nat] c) (fun _ => 1))
  (Affine (F := numbers) (fun _ c => indicator [6%nat] c - indicator [7%nat] c) (fun _ => 0))
  (Affine (F := numbers) (fun _ _ => 0) (fun _ => 1))
  (fun c _ => - indicator [2%nat; 3%nat] c)
  None.

Definition key (second : bool) : nat -> Q :=
  if second then indicator [1%nat; 3%nat; 5%nat] else indicator [0%nat; 2%nat; 4%nat].
Definition value (b : bool) : nat -> Q := if b then indicator [6%nat] else indicator [7%nat].

(* Key 1 holds the value a, key 2 the value b; a filler; the query. *)
Definition input (a b q : bool) : list (nat -> Q) := [key false; value a; key true; value b; fun _ => 0; key q].
Definition head : affine numbers :=
  Affine (F := numbers) (entries [[- (1#4); 1#2; 16; - (2)]; [1#4; - (1#2); - (16); 2]]) (fun _ => 0).
Definition logit (a b q v : bool) : Q := linear 8 head (paper_mamba block (input a b q) 5) (if v then 0%nat else 1%nat).

(* One state, no gate, d_conv - 1 = 1 filler, one step for all channels at every position, two keys: all answered. *)
Theorem shared_step_is_not_enough :
  d_state block = 1%nat /\ gate block = None /\ d_conv block = 2%nat /\
  (forall (X : list (nat -> Q)) (t c : nat), delta_of block X t c = delta_of block X t 0%nat) /\
  forall a b q : bool, let held := if q then b else a in logit a b q (negb held) < logit a b q held.
Proof. repeat split; intros [] [] []; vm_compute; reflexivity. Qed.
