(* Induction heads: the task, what a head's channels hold, and how the columns of its state develop. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks Constructions.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- the task ----------------------------------------------------------------------------------------------------- *)

Section Task.
Variable V : nat.
Implicit Types (s : seq 'I_V) (t : nat).

Definition at_ s t : option 'I_V := nth None (map Some s) t.
Definition before s t : option 'I_V := if t is r.+1 then at_ s r else None.

(* What followed the last n before t. *)
Fixpoint followed s n t : option 'I_V :=
  if t is r.+1 then if at_ s r == Some n then at_ s r.+1 else followed s n r else None.

(* What is asked at t: x_{j+1}, j the last earlier position with x_j = x_t; None, which is blank, if there is none. *)
Definition answer s t : option 'I_V := if at_ s t is Some n then followed s n t else None.
Definition repeated s t : bool := at_ s t \in [seq at_ s j | j <- iota 0 t].

(* The class that is right at t: a token, or V, blank. A class leads where its logit is above every other one. *)
Definition target s t : nat := if answer s t is Some v then v else V.
Definition leads (R : numDomainType) (logits : nat -> R) (class : nat) : Prop :=
  forall c, (c <= V)%N -> c != class -> logits c < logits class.

Lemma at_some s t : (t < size s)%N -> exists n, at_ s t = Some n.
Proof. by case: s => // x s ts; exists (nth x (x :: s) t); rewrite /at_ (nth_map x). Qed.

Lemma followed_none s n t : (t < size s)%N ->
  (followed s n t == None) = (Some n \notin [seq at_ s j | j <- iota 0 t]).
Proof.
elim: t => // t IH ts; rewrite -addn1 iotaD map_cat mem_cat /= mem_seq1 addn1 [Some n == _]eq_sym /=.
have [E|_] := eqVneq (at_ s t) (Some n); last by rewrite orbF IH // ltnW.
by have [y ->] := at_some ts; rewrite orbT.
Qed.

Lemma answer_none s t : (t < size s)%N -> (answer s t == None) = ~~ repeated s t.
Proof. by move=> ts; rewrite /answer /repeated; have [n ->] := at_some ts; exact: followed_none. Qed.

(* The answer is what it is said to be. *)
Lemma answerP s t j v : (j < t)%N -> at_ s j = at_ s t -> at_ s j.+1 = Some v -> at_ s t != None ->
  (forall i, (j < i < t)%N -> at_ s i != at_ s t) -> answer s t = Some v.
Proof.
rewrite /answer; case: (at_ s t) => // n jt sj sj1 _; elim: t jt => // t IH jt last /=; case: ifP => E.
  move: jt; rewrite ltnS leq_eqVlt => /predU1P[<- //|jt].
  by have := last t; rewrite jt leqnn E => /(_ isT).
move: jt; rewrite ltnS leq_eqVlt => /predU1P[e|jt]; first by rewrite -e sj eqxx in E.
by apply: IH => // i /andP[ji it]; apply: last; rewrite ji leqW.
Qed.
End Task.

(* --- the channels ------------------------------------------------------------------------------------------------- *)

Section Channels.
Variables (R : realFieldType) (e p : R -> R).
Notation F := (over e (@relu R) p).
Variable V : nat.
Variables (to_delta : affine F) (A : nat -> nat -> R).
Notation W := (head_block (F := F) V to_delta A).

Definition code (x : 'I_V) : nat -> R := head_embedding F V x.
Notation coded s := (map code s).

Lemma bitE b : bit (F := F) b = b%:R. Proof. by case: b. Qed.

Lemma rowE s t c : row (F := F) (coded s) t c = if at_ s t is Some x then code x c else 0.
Proof. by elim: s t => [|x s IH] [|t] //=; rewrite IH. Qed.

Lemma low (n : 'I_V) : (n < V + V)%N. Proof. exact: leq_trans (ltn_ord n) (leq_addr _ _). Qed.
Lemma high (n : 'I_V) : (V + n < V + V)%N. Proof. by rewrite ltn_add2l. Qed.

Lemma code_low (x n : 'I_V) : code x n = (x == n)%:R.
Proof.
rewrite /code /head_embedding bitE eq_sym [X in _ || X](_ : _ = false) ?orbF //.
by rewrite ltn_eqF // (leq_trans (ltn_ord n)) ?leq_addr.
Qed.
Lemma code_high (x n : 'I_V) : code x (V + n)%N = (x == n)%:R.
Proof.
rewrite /code /head_embedding bitE [X in X || _](_ : _ = false) /= ?eqn_add2l 1?eq_sym //.
by rewrite ltn_eqF // (leq_trans (ltn_ord x)) ?leq_addr.
Qed.

Lemma row_low s t (n : 'I_V) : row (F := F) (coded s) t n = (at_ s t == Some n)%:R.
Proof. by rewrite rowE; case: (at_ s t) => [x|] //; rewrite code_low. Qed.
Lemma row_high s t (n : 'I_V) : row (F := F) (coded s) t (V + n)%N = (at_ s t == Some n)%:R.
Proof. by rewrite rowE; case: (at_ s t) => [x|] //; rewrite code_high. Qed.

Lemma x_hat_low s t (n : 'I_V) : x_hat W (coded s) t n = (before s t == Some n)%:R.
Proof.
rewrite /x_hat conv2E /= ltn_ord /= addr0 mul0r addr0.
by case: t => [|t]; rewrite ?mul1r ?row_low /= ?relu0 // relu_nat.
Qed.
Lemma x_hat_high s t (n : 'I_V) : x_hat W (coded s) t (V + n)%N = (at_ s t == Some n)%:R.
Proof.
rewrite /x_hat conv2E /= [(V + n < V)%N]ltnNge leq_addr /= addr0 mul1r row_high.
by case: t => [|t]; rewrite ?mul0r add0r relu_nat.
Qed.

Lemma selected d from (x : nat -> R) o : (from o < d)%N -> linear d (selecting F from) x o = x (from o).
Proof.
move=> od; rewrite /linear [LHS]/= addr0 (sum_pick _ _ _ od) ?eqxx ?mulr1 // => i _ /negPf ->.
by rewrite mulr0.
Qed.

Lemma BE s t (n : 'I_V) : B_of W (coded s) t n = (before s t == Some n)%:R.
Proof. by rewrite -x_hat_low; exact: (@selected (V + V) id _ n (low n)). Qed.
Lemma CE s t (n : 'I_V) : C_of W (coded s) t n = (at_ s t == Some n)%:R.
Proof. by rewrite -x_hat_high; exact: (@selected (V + V) (addn V) _ n (high n)). Qed.

(* What the head makes of the block's output y: token u's logit, and blank's, which has the number V. *)
Lemma head_token scale blank (y : nat -> R) (u : 'I_V) :
  linear (V + V) (induction_head (F := F) V scale blank) y u = scale * y (V + u)%N.
Proof.
rewrite /linear /= (ltn_eqF (ltn_ord u)) addr0 (sum_pick _ _ _ (high u)) ?ltn_ord ?eqxx /= 1?mulrC // => i _.
by move=> /negPf ->; rewrite mulr0.
Qed.
Lemma head_blank scale blank (y : nat -> R) :
  linear (V + V) (induction_head (F := F) V scale blank) y V = blank.
Proof. by rewrite /linear /= eqxx sum0 ?add0r // => i _; rewrite ltnn /= mulr0. Qed.

(* Reading the column of the current token. *)
Lemma read_column s t n (h : nat -> nat -> R) c : at_ s t = Some n ->
  readout (F := F) V h (C_of W (coded s) t) c = h c n.
Proof.
move=> tn; rewrite /readout (sum_pick _ _ _ (ltn_ord n)); first by rewrite CE tn eqxx; exact: mulr1.
move=> i iV i_n; rewrite -[i]/(nat_of_ord (Ordinal iV)) CE tn (_ : (Some n == Some _) = false); first exact: mulr0.
by apply/negbTE; apply: contra i_n => /eqP [->].
Qed.
End Channels.
