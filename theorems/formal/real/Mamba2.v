(* sensitivity.mamba2: past its convolution's window a Mamba-2 block fades a token by one factor a head. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype derive.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* A diagonal recurrence of which any step may read x: what the steps add, each kept by the later decays. *)
Section AnySteps.
Variables (R : realType) (e s p : R -> R).
Notation F := (over e s p).
Variables (decay write : R -> nat -> nat -> nat -> R) (c n : nat) (x0 : R).
Hypothesis decay_smooth : forall r, derivable (fun x => decay x r c n) x0 1.
Hypothesis write_smooth : forall r, derivable (fun x => write x r c n) x0 1.

Definition component x t : R := recurrence (F := F) (decay x) (write x) t c n.
Definition previous r : R := if r is q.+1 then component x0 q else 0.
Definition added r : R :=
  'D_1 (fun x => write x r c n) x0 + previous r * 'D_1 (fun x => decay x r c n) x0.

Lemma steps_add_up t : is_derive x0 1 (component^~ t)
  (\sum_(0 <= q < t.+1) (\prod_(q.+1 <= r < t.+1) decay x0 r c n) * added q).
Proof.
elim: t => [|t IH].
  rewrite big_nat1 big_geq // mul1r /added mul0r addr0.
  rewrite (_ : component^~ 0%N = (fun x => write x 0%N c n)) //; exact: (derivableP (write_smooth 0%N)).
have dD := derivableP (@decay_smooth t.+1); have dW := derivableP (@write_smooth t.+1).
have -> : component^~ t.+1 = (fun x => decay x t.+1 c n) * (component^~ t) + (fun x => write x t.+1 c n).
  by apply/funext => x.
apply: (trigger_derive (is_deriveD (is_deriveM dD IH) dW)).
rewrite [RHS]big_nat_recr //= [\prod_(t.+2 <= _ < _) _]big_geq // mul1r.
rewrite [in RHS](eq_big_nat _ _
  (F2 := fun q => decay x0 t.+1 c n * ((\prod_(q.+1 <= r < t.+1) decay x0 r c n) * added q))); last first.
  by move=> q /andP[_ qt]; rewrite big_nat_recr //= mulrCA mulrA.
by rewrite -mulr_sumr /added /= -![_ *: _]/(_ * _) -addrA [X in _ = _ + X]addrC.
Qed.
End AnySteps.

Section Mamba2.
Variables (R : realType) (e s p : R -> R).
Notation F := (over e s p).
Variables (W : mamba2_weights F) (X : seq (nat -> R)).
(* Coordinate a of token j moves; the other numbers of the sequence stay. *)
Variables (j a : nat).
Definition moved (x : R) : seq (nat -> R) :=
  mkseq (fun r c => if (r == j) && (c == a) then x else row (F := F) X r c) (size X).
Let x0 := row (F := F) X j a.

(* The last step whose convolution sees token j. *)
Definition last_step : nat := (j + m2_d_conv W - 1)%N.

(* The decay of a head: one number a step. *)
Definition head_decay (head r : nat) (x : R) : R := e (dt_of W (moved x) r head * m2_A W head).
Definition head_keeps (head q t : nat) : R := \prod_(q.+1 <= r < t.+1) head_decay head r x0.

(* Of component (c, n): the state, what step r writes, and what it adds to the derivative. *)
Definition entry c n t (x : R) : R := m2_state W (moved x) t c n.
Definition entry_write c n r (x : R) : R :=
  dt_of W (moved x) r (head_of W c) * x_branch W (moved x) r c * B_branch W (moved x) r n.
Definition entry_adds c n r : R :=
  'D_1 (entry_write c n r) x0
  + (if r is q.+1 then entry c n q x0 else 0) * 'D_1 (head_decay (head_of W c) r) x0.
Definition at_window c n : R :=
  \sum_(j <= q < last_step.+1) head_keeps (head_of W c) q last_step * entry_adds c n q.

Lemma rowE (Y : seq (nat -> R)) r : row (F := F) Y r = nth (fun=> 0) Y r.
Proof. by elim: Y r => [|y Y IH] [|r] //=. Qed.

Lemma row_elsewhere x r c : r != j -> row (F := F) (moved x) r c = row (F := F) (moved x0) r c.
Proof.
move=> /negPf rj; rewrite !rowE; have [rX|Xr] := ltnP r (size X); first by rewrite !nth_mkseq // rj.
by rewrite !nth_default // size_mkseq.
Qed.

Lemma dt_elsewhere x r h : r != j -> dt_of W (moved x) r h = dt_of W (moved x0) r h.
Proof. by move=> rj; congr (p _); apply: linear_ext => c _; exact: row_elsewhere. Qed.

Lemma branch_elsewhere to cv x r c : (0 < m2_d_conv W)%N -> ~~ (j <= r <= last_step)%N ->
  branch W (moved x) to cv r c = branch W (moved x0) to cv r c.
Proof.
move=> k0 far; congr (s _); apply: conv_ext => q qk; rewrite !backE; case: ifP => // qr.
have rqj : (r - q)%N != j.
  apply: contraNneq far => rq; rewrite (_ : r = j + q)%N ?leq_addr /=; last by rewrite -rq subnK.
  by rewrite /last_step -addnBA // leq_add2l -ltnS subn1 prednK.
rewrite !rowE; have [rX|Xr] := ltnP (r - q) (size X); last by rewrite !nth_default // size_map size_mkseq.
rewrite !(nth_map (fun=> 0)) ?size_mkseq //; apply: linear_ext => c' _.
by rewrite -!rowE row_elsewhere.
Qed.

Lemma constant_slope (f : R -> R) : (forall x, f x = f x0) -> is_derive x0 1 f 0.
Proof. by move=> fE; rewrite (_ : f = cst (f x0)); [exact: is_derive_cst | apply/funext]. Qed.

Variables (c n : nat).
Hypothesis taps : (0 < m2_d_conv W)%N.
Hypothesis decay_smooth : derivable (head_decay (head_of W c) j) x0 1.
Hypothesis write_smooth : forall r, (j <= r <= last_step)%N -> derivable (entry_write c n r) x0 1.

Lemma decay_elsewhere r : r != j -> is_derive x0 1 (head_decay (head_of W c) r) 0.
Proof. by move=> rj; apply: constant_slope => x; rewrite /head_decay dt_elsewhere. Qed.

Lemma write_elsewhere r : ~~ (j <= r <= last_step)%N -> is_derive x0 1 (entry_write c n r) 0.
Proof.
move=> far; apply: constant_slope => x; rewrite /entry_write /x_branch /B_branch !branch_elsewhere // dt_elsewhere //.
by apply: contraNneq far => ->; rewrite leqnn /last_step -addnBA // leq_addr.
Qed.

Lemma adds_nothing r : ~~ (j <= r <= last_step)%N -> entry_adds c n r = 0.
Proof.
move=> far; have rj : r != j by apply: contraNneq far => ->; rewrite leqnn /last_step -addnBA // leq_addr.
have dD := decay_elsewhere rj; have dW := write_elsewhere far.
by rewrite /entry_adds !derive_val mulr0 addr0.
Qed.

Lemma entry_slope t : is_derive x0 1 (entry c n t)
  (\sum_(0 <= q < t.+1) head_keeps (head_of W c) q t * entry_adds c n q).
Proof.
apply: (@steps_add_up R e s p (fun x r c' _ => head_decay (head_of W c') r x)
  (fun x r c' m => entry_write c' m r x) c n x0) => r.
- by have [->|rj] := eqVneq r j; [exact: decay_smooth | have := decay_elsewhere rj; case].
- have [near|far] := boolP (j <= r <= last_step)%N; first exact: write_smooth.
  by have := write_elsewhere far; case.
Qed.

(* All components of a head share the factor: it names the head only. *)
Theorem mamba2_fades t : (last_step <= t)%N ->
  is_derive x0 1 (entry c n t) (head_keeps (head_of W c) last_step t * at_window c n) /\
  is_derive x0 1 (entry c n last_step) (at_window c n).
Proof.
have j_last : (j <= last_step)%N by rewrite /last_step -addnBA // leq_addr.
have window u : (last_step <= u)%N ->
    \sum_(0 <= q < u.+1) head_keeps (head_of W c) q u * entry_adds c n q =
    head_keeps (head_of W c) last_step u * at_window c n.
  move=> lu; rewrite (big_cat_nat _ _ _ (leq0n j)) /= ?(leqW (leq_trans j_last lu)) //.
  rewrite big_nat_cond big1 ?add0r => [|q /andP[/andP[_ qj] _]]; last first.
    by rewrite adds_nothing ?mulr0 // leqNgt qj.
  rewrite (@big_cat_nat _ _ _ last_step.+1) ?(leqW j_last) //= [X in _ + X]big_nat_cond.
  rewrite [X in _ + X]big1 ?addr0 => [|q /andP[/andP[lq _] _]]; last first.
    by rewrite adds_nothing ?mulr0 // negb_and -!ltnNge lq orbT.
  rewrite mulr_sumr; apply: eq_big_nat => q /andP[_ ql]; rewrite mulrA; congr (_ * _).
  by rewrite /head_keeps mulrC -big_cat_nat.
have one : head_keeps (head_of W c) last_step last_step = 1 by rewrite /head_keeps big_geq.
move=> lt; split; first by rewrite -(window t lt); exact: entry_slope.
by have := entry_slope last_step; rewrite (window _ (leqnn _)) one mul1r; exact.
Qed.
End Mamba2.
