(* foundations.ssd-duality: Mamba-2 is masked attention, by rows, and by chunks of any lengths (Dao & Gu 2024). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba Require foundations.Recurrence.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Duality.
Variable R : comRingType.
Variables (e s p : R -> R).
Notation F := (over e s p).

(* All that is used of the exponential. *)
Hypothesis e0 : e 0 = 1.
Hypothesis eD : {morph e : x y / x + y >-> x * y}.

Variables (N : nat) (head : nat -> nat).
Variables (x dt : nat -> nat -> R) (A : nat -> R) (B C : nat -> nat -> R).
Variable c : nat.   (* one channel *)

(* What step r leaves of the state; the clock, sigma_t in the claim; the mask, and the scores of the attention. *)
Definition a r := e (dt r (head c) * A (head c)).
Definition clock t := \sum_(0 <= r < t.+1) dt r (head c).
Definition mask t j := \prod_(j.+1 <= r < t.+1) a r.
Definition score t j := \sum_(m < N) C t m * B j m.
Definition fed j := dt j (head c) * x j c.

Lemma prod_a i t : \prod_(i <= r < t) a r = e (A (head c) * \sum_(i <= r < t) dt r (head c)).
Proof.
have step r : a r = e (A (head c) * dt r (head c)) by rewrite /a mulrC.
rewrite (eq_bigr (fun r => e (A (head c) * dt r (head c)))) => [|r _]; last exact: step.
by rewrite mulr_sumr; apply/esym/(big_morph e eD e0).
Qed.

(* The mask's entry is e^{A (sigma_t - sigma_j)}. *)
Theorem mask_of_clock t j : (j <= t)%N -> mask t j = e (A (head c) * (clock t - clock j)).
Proof.
move=> jt; rewrite /mask prod_a; congr (e (_ * _)); rewrite /clock.
by rewrite (@big_cat_nat _ _ _ j.+1 0 t.+1) //= addrC addKr.
Qed.

(* Rows: y = (L o C B^T)(Delta x). *)
Theorem masked_attention t :
  ssd (F := F) N head x dt A B C t c = \sum_(0 <= j < t.+1) mask t j * score t j * fed j.
Proof.
rewrite /ssd /readout sumE /=; under eq_bigr do rewrite /ssd_state Recurrence.unrolled /= mulr_suml.
rewrite exchange_big /=; apply: eq_bigr => j _; rewrite /score mulr_sumr mulr_suml; apply: eq_bigr => m _.
by rewrite -[LHS]/(mask t j * (fed j * B j m) * C t m); ring.
Qed.

(* --- chunks ------------------------------------------------------------------------------------------------------- *)

(* A chunk reads the state H that was carried to its first step i, and its own steps by attention. *)
Definition within i (H : nat -> R) t :=
  (\prod_(i <= r < t.+1) a r) * (\sum_(m < N) C t m * H m) + \sum_(i <= j < t.+1) mask t j * score t j * fed j.
(* It carries on what q steps leave of H, and its own writes. *)
Definition carried i q (H : nat -> R) m :=
  (\prod_(i <= r < i + q) a r) * H m + \sum_(i <= j < i + q) (\prod_(j.+1 <= r < i + q) a r) * fed j * B j m.
(* The outputs of chunks of the lengths `qs` from step i on. *)
Fixpoint chunks (qs : seq nat) i (H : nat -> R) : seq R :=
  if qs is q :: rest then [seq within i H t | t <- iota i q] ++ chunks rest (i + q)%N (carried i q H) else [::].

(* The recurrence's state before step i. *)
Let before i m := if i is t.+1 then ssd_state (F := F) head x dt A B t c m else 0.

Lemma before_unrolled i m : before i m = \sum_(0 <= j < i) (\prod_(j.+1 <= r < i) a r) * fed j * B j m.
Proof.
case: i => [|t]; first by rewrite big_nil.
by rewrite /before /ssd_state Recurrence.unrolled; apply: eq_bigr => j _; rewrite -mulrA.
Qed.

Lemma prod_a_cat j i t : (j <= i)%N -> (i <= t)%N ->
  \prod_(j <= r < t) a r = (\prod_(i <= r < t) a r) * \prod_(j <= r < i) a r.
Proof. by move=> ji it; rewrite mulrC -big_cat_nat. Qed.

Lemma carried_before i q m : carried i q (before i) m = before (i + q)%N m.
Proof.
rewrite /carried !before_unrolled (@big_cat_nat _ _ _ i 0 (i + q)) ?leq_addr //=; congr (_ + _).
rewrite mulr_sumr; apply: eq_big_nat => j /andP[_ ji].
by rewrite [in RHS](prod_a_cat (i := i)) ?leq_addr // !mulrA.
Qed.

Lemma within_before i t : (i <= t)%N -> within i (before i) t = ssd (F := F) N head x dt A B C t c.
Proof.
move=> it; rewrite /within masked_attention (@big_cat_nat _ _ _ i 0 t.+1) 1?leqW //=; congr (_ + _).
under [X in _ * X = _]eq_bigr do rewrite before_unrolled mulr_sumr.
rewrite exchange_big mulr_sumr /=; apply: eq_big_nat => j /andP[_ ji].
rewrite /mask (prod_a_cat (i := i)) 1?leqW // /score -!mulrA; congr (_ * _).
by rewrite mulr_suml mulr_sumr; apply: eq_bigr => m _; rewrite -!mulrA mulrCA /fed; congr (_ * _); ring.
Qed.

Lemma eq_carried i q H H' : H =1 H' -> carried i q H =1 carried i q H'.
Proof. by move=> HH m; rewrite /carried HH. Qed.
Lemma eq_chunks qs i H H' : H =1 H' -> chunks qs i H = chunks qs i H'.
Proof.
elim: qs i H H' => //= q qs IH i H H' HH; congr (_ ++ _); last exact/IH/eq_carried.
by apply: eq_map => t; rewrite /within; congr (_ * _ + _); apply: eq_bigr => m _; rewrite HH.
Qed.

(* Chunked = recurrent. *)
Theorem chunked_is_recurrent qs :
  chunks qs 0 (fun=> 0) = [seq ssd (F := F) N head x dt A B C t c | t <- iota 0 (sumn qs)].
Proof.
have: forall i, chunks qs i (before i) = [seq ssd (F := F) N head x dt A B C t c | t <- iota i (sumn qs)].
  elim: qs => //= q qs IH i; rewrite iotaD map_cat -IH (eq_chunks _ _ (carried_before i q)); congr (_ ++ _).
  by apply/eq_in_map => t; rewrite mem_iota => /andP[it _]; exact: within_before.
by move=> /(_ 0%N) <-; exact: eq_chunks.
Qed.
End Duality.
