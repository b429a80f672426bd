(* What the lower bounds ask of a network: that its logits are W h C(q) + T(q), where the assignment of values to keys
   is in h only. The blocks of Semantics.v are so if they have no gate and if, at the query, the channels share their
   decay up to a factor that does not depend on the query. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- the task: an assignment, some fixed tokens, and the first query ---------------------------------------------- *)

Section Inputs.
Variables kappa V : nat.
Implicit Types (a b : 'I_kappa -> 'I_V) (q : 'I_kappa).

(* Every key with its value; what stands between the pairs and the query; the query. *)
Definition context a : seq ('I_kappa * 'I_V) := [seq (k, a k) | k <- enum 'I_kappa].
Definition asked (filler : seq (token kappa V)) a q : seq (token kappa V) :=
  sequence (context a) (filler ++ [:: key_ q]).
Definition place (filler : seq (token kappa V)) : nat := kappa.*2 + size filler.

Lemma size_pairs (ctx : seq ('I_kappa * 'I_V)) : size (pairs ctx) = (size ctx).*2.
Proof. by elim: ctx => [|x ctx IH] //=; rewrite -/(pairs ctx) IH. Qed.

Lemma size_context a : size (pairs (context a)) = kappa.*2.
Proof. by rewrite size_pairs size_map size_enum_ord. Qed.

Lemma context_H1 a : H1 (context a).
Proof. by rewrite /H1 -map_comp map_id_in ?enum_uniq // => k. Qed.

Lemma asks_it filler a q : asks (context a) (filler ++ [:: key_ q]) (place filler) q (a q).
Proof.
apply/and3P; split; first by rewrite size_context leq_addr.
  by rewrite /tok /sequence nth_cat size_context ltnNge leq_addr /= addKn nth_cat ltnn subnn.
by apply/mapP; exists q; rewrite ?mem_enum.
Qed.

Lemma size_asked filler a q : size (asked filler a q) = (place filler).+1.
Proof. by rewrite size_cat size_context size_cat addn1 -addnS. Qed.

(* The embedding may depend on the position. *)
Variables (R : comRingType) (e s p : R -> R) (code : nat -> token kappa V -> nat -> R).
Definition embedded (x : seq (token kappa V)) : seq (nat -> R) := [seq code t (tok x t) | t <- iota 0 (size x)].

Lemma row_embedded x t : (t < size x)%N -> row (F := over e s p) (embedded x) t = code t (tok x t).
Proof.
rewrite /embedded => tx; rewrite -[tok x t]/((fun r => tok x r) t).
have: forall m, row (F := over e s p) [seq code r (tok x r) | r <- iota m (size x)] t = code (m + t) (tok x (m + t)).
  elim: (size x) t tx => [|n IH] [|t] //= tn m; first by rewrite addn0.
  by rewrite IH // addSnnS.
by move=> /(_ 0%N).
Qed.

(* Before the query stands the same whichever key is asked for, and the assignment lies outside the query's window. *)
Lemma same_past filler a q q' t : (t < place filler)%N ->
  row (F := over e s p) (embedded (asked filler a q)) t = row (F := over e s p) (embedded (asked filler a q')) t.
Proof.
move=> tp; rewrite !row_embedded ?size_asked ?(leqW tp) //; congr (code t _).
rewrite /tok /asked /sequence !catA !nth_cat !size_cat size_context.
by rewrite -/(place filler) tp.
Qed.

Lemma same_window filler a b q n : (n <= size filler)%N ->
  row (F := over e s p) (embedded (asked filler a q)) (place filler - n) =
  row (F := over e s p) (embedded (asked filler b q)) (place filler - n).
Proof.
move=> nf; rewrite !row_embedded ?size_asked ?ltnS ?leq_subr //; congr (code _ _).
by rewrite /tok /asked /sequence !nth_cat !size_context /place -addnBA // ltnNge leq_addr.
Qed.
End Inputs.

(* --- what is asked of a network ----------------------------------------------------------------------------------- *)

Section Network.
Variables (R : realFieldType) (kappa V : nat).
Implicit Types (a : 'I_kappa -> 'I_V) (q : 'I_kappa) (u : 'I_V).
Variable logit : ('I_kappa -> 'I_V) -> 'I_kappa -> 'I_V -> R.   (* the logit of u, where a holds and q is asked for *)

(* Every key is answered: its value has the largest logit. *)
Definition answered a : Prop := forall q u, u != a q -> logit a q u < logit a q (a q).

(* The logits are W h C(q) + T(q). *)
Definition without_gate (states : finType) : Prop :=
  exists d (W : 'I_V -> 'I_d -> R) (h : ('I_kappa -> 'I_V) -> 'I_d -> states -> R) (C : 'I_kappa -> states -> R)
    (T : 'I_kappa -> 'I_V -> R),
  forall a q u, logit a q u = (\sum_c (\sum_n h a c n * C q n) * W u c) + T q u.
End Network.

(* --- the blocks --------------------------------------------------------------------------------------------------- *)

Section Recurrences.
Variables (R : comRingType) (e s p : R -> R).
Notation F := (over e s p).

(* The state before step t. *)
Definition before (h : nat -> nat -> nat -> R) (t c n : nat) : R := if t is r.+1 then h r c n else 0.

Lemma recurrence_step (decay write : nat -> nat -> nat -> R) t c n :
  recurrence (F := F) decay write t c n =
  decay t c n * before (recurrence (F := F) decay write) t c n + write t c n.
Proof. by case: t => [|t] //=; rewrite mulr0 add0r. Qed.

Lemma back_ext (X Y : seq (nat -> R)) t n : ((n <= t)%N -> row (F := F) X (t - n) = row (F := F) Y (t - n)) ->
  back (F := F) X t n = back (F := F) Y t n.
Proof. by rewrite !backE => XY; case: ifP => // /XY. Qed.

Lemma x_hat_ext (W : mamba_weights F) X Y t c :
  (forall n, (n < d_conv W)%N -> (n <= t)%N -> row (F := F) X (t - n) = row (F := F) Y (t - n)) ->
  x_hat W X t c = x_hat W Y t c.
Proof.
by move=> XY; rewrite /x_hat (@conv_ext _ _ _ _ _ _ X Y t t) // => n nd; rewrite (back_ext (XY n nd)).
Qed.

Lemma row_linear d (M : affine F) X t o : (t < size X)%N ->
  row (F := F) (map (linear d M) X) t o = linear d M (row (F := F) X t) o.
Proof. by elim: X t => [|x X IH] [|t] //= tX; rewrite IH. Qed.

Lemma branch_ext (W : mamba2_weights F) to conv X Y t c : (t < size X)%N -> (t < size Y)%N ->
  (forall n, (n < m2_d_conv W)%N -> (n <= t)%N -> row (F := F) X (t - n) = row (F := F) Y (t - n)) ->
  branch W X to conv t c = branch W Y to conv t c.
Proof.
move=> tX tY XY; rewrite /branch (@conv_ext _ _ _ _ _ _ _ (map (linear (d_model W) to) Y) t t) // => n nd.
rewrite !backE; case: ifP => // nt.
by rewrite !row_linear ?(leq_ltn_trans (leq_subr _ _)) ?XY.
Qed.

(* The blocks' last steps. *)
Lemma state_step (W : mamba_weights F) X t c n : state W X t c n =
  e (delta_of W X t c * A W c n) * before (state W X) t c n + delta_of W X t c * x_hat W X t c * B_of W X t n.
Proof. exact: recurrence_step. Qed.

Lemma state_delta_t_step (W : mamba_weights F) X t c n : state_delta_t W X t c n =
  e (delta_of W X t n * A W c n) * before (state_delta_t W X) t c n + x_hat W X t c * B_of W X t n.
Proof. exact: recurrence_step. Qed.

Lemma m2_state_step (W : mamba2_weights F) X t c n : m2_state W X t c n =
  e (dt_of W X t (head_of W c) * m2_A W (head_of W c)) * before (m2_state W X) t c n +
  dt_of W X t (head_of W c) * x_branch W X t c * B_branch W X t n.
Proof. exact: recurrence_step. Qed.
End Recurrences.

Arguments x_hat : simpl never.
Arguments delta_of : simpl never.
Arguments B_of : simpl never.
Arguments C_of : simpl never.
Arguments dt_of : simpl never.
Arguments x_branch : simpl never.
Arguments B_branch : simpl never.
Arguments C_branch : simpl never.
Arguments state : simpl never.
Arguments state_delta_t : simpl never.
Arguments m2_state : simpl never.
Arguments branch : simpl never.
Arguments linear : simpl never.
Arguments readout : simpl never.
Arguments before : simpl never.

Section Mamba.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Variables (kappa V : nat) (code : nat -> token kappa V -> nat -> R) (filler : seq (token kappa V)).
Let X a q := embedded code (asked filler a q).
Let t := place filler.

(* The head's logits, plus anything that does not depend on the assignment. *)
Variables (head : affine F) (rest : 'I_kappa -> 'I_V -> R).

(* How a block whose last step is known gives W h C + T. *)
Lemma readout_split d (states : finType) N (Y : ('I_kappa -> 'I_V) -> 'I_kappa -> nat -> R)
    (h : ('I_kappa -> 'I_V) -> 'I_d -> states -> R) (K : 'I_kappa -> states -> R)
    (write C : 'I_kappa -> nat -> nat -> R) :
  (forall a q (c : 'I_d), Y a q c = \sum_m h a c m * K q m + \sum_(n < N) write q c n * C q c n) ->
  without_gate (fun a q u => linear d head (Y a q) u + rest q u) states.
Proof.
move=> YE; exists d, (fun (u : 'I_V) (c : 'I_d) => weight head u c), h, K, (fun q (u : 'I_V) =>
  (\sum_(c < d) (\sum_(n < N) write q c n * C q c n) * weight head u c) + bias head u + rest q u) => a q u.
rewrite /linear sumE !addrA; congr (_ + _ + _).
by rewrite -big_split; apply: eq_bigr => c _; rewrite /= YE mulrDl.
Qed.

Section Paper.
Variable W : mamba_weights F.
Hypothesis no_gate : gate W = None.
Hypothesis window : (d_conv W <= (size filler).+1)%N.

Definition mamba_logit a q (u : 'I_V) : R := linear (width W) head (paper_mamba W (X a q) t) u + rest q u.
Definition delta_t_logit a q (u : 'I_V) : R := linear (width W) head (paper_mamba_delta_t W (X a q) t) u + rest q u.

Lemma x_hat_query a b q c : x_hat W (X a q) t c = x_hat W (X b q) t c.
Proof. by apply: x_hat_ext => n nd _; apply: same_window; rewrite -ltnS (leq_trans nd). Qed.

Lemma x_hat_past a q q' r c : (r < t)%N -> x_hat W (X a q) r c = x_hat W (X a q') r c.
Proof. by move=> rt; apply: x_hat_ext => n _ _; apply: same_past; rewrite (leq_ltn_trans (leq_subr _ _)). Qed.

Lemma delta_query a b q c : delta_of W (X a q) t c = delta_of W (X b q) t c.
Proof. by rewrite /delta_of; congr (p _); apply: linear_ext => i _; exact: x_hat_query. Qed.
Lemma B_query a b q c : B_of W (X a q) t c = B_of W (X b q) t c.
Proof. by apply: linear_ext => i _; exact: x_hat_query. Qed.
Lemma C_query a b q c : C_of W (X a q) t c = C_of W (X b q) t c.
Proof. by apply: linear_ext => i _; exact: x_hat_query. Qed.

Lemma delta_past a q q' r c : (r < t)%N -> delta_of W (X a q) r c = delta_of W (X a q') r c.
Proof. by move=> rt; rewrite /delta_of; congr (p _); apply: linear_ext => i _; exact: x_hat_past. Qed.
Lemma B_past a q q' r c : (r < t)%N -> B_of W (X a q) r c = B_of W (X a q') r c.
Proof. by move=> rt; apply: linear_ext => i _; exact: x_hat_past. Qed.

Lemma state_past a q q' c n : before (state W (X a q)) t c n = before (state W (X a q')) t c n.
Proof.
rewrite /before; case tE: t => [//|r]; apply: recurrence_ext => i ir.
  by congr (e (_ * _)); apply: delta_past; rewrite tE ltnS.
by congr (_ * _ * _); [apply: delta_past | apply: x_hat_past | apply: B_past]; rewrite tE ltnS.
Qed.

Lemma state_delta_t_past a q q' c n :
  before (state_delta_t W (X a q)) t c n = before (state_delta_t W (X a q')) t c n.
Proof.
rewrite /before; case tE: t => [//|r]; apply: recurrence_ext => i ir.
  by congr (e (_ * _)); apply: delta_past; rewrite tE ltnS.
by congr (_ * _); [apply: x_hat_past | apply: B_past]; rewrite tE ltnS.
Qed.

(* At the query the channels share their decay, up to a factor that does not depend on the query. *)
Definition shared_decay : Prop := exists (rate : 'I_kappa -> nat -> R) (factor : nat -> nat -> R),
  forall a q c n, (c < width W)%N -> (n < d_state W)%N ->
  e (delta_of W (X a q) t c * A W c n) = rate q n * factor c n.
Definition shared_decay_delta_t : Prop := exists (rate : 'I_kappa -> nat -> R) (factor : nat -> nat -> R),
  forall a q c n, (c < width W)%N -> (n < d_state W)%N ->
  e (delta_of W (X a q) t n * A W c n) = rate q n * factor c n.

(* Two cases: one step and one A for all channels, the step read from the query; steps that no query changes. *)
Lemma one_step_one_decay : (0 < kappa)%N -> (0 < V)%N ->
  (forall a q c, (c < width W)%N -> delta_of W (X a q) t c = delta_of W (X a q) t 0%N) ->
  (forall c n, (c < width W)%N -> A W c n = A W 0%N n) -> shared_decay.
Proof.
move=> k0 v0 one_step one_A; pose a0 := fun _ : 'I_kappa => Ordinal v0.
exists (fun q n => e (delta_of W (X a0 q) t 0%N * A W 0%N n)), (fun _ _ => 1) => a q c n cd _.
by rewrite mulr1 one_step // one_A // (delta_query a a0).
Qed.

Lemma fixed_steps (step : nat -> R) :
  (forall a q c, (c < width W)%N -> delta_of W (X a q) t c = step c) -> shared_decay.
Proof.
move=> fixed; exists (fun _ _ => 1), (fun c n => e (step c * A W c n)) => a q c n cd _.
by rewrite mul1r fixed.
Qed.

Lemma mamba_without_gate : (0 < kappa)%N -> (0 < V)%N -> shared_decay ->
  without_gate mamba_logit [finType of 'I_(d_state W)].
Proof.
move=> k0 v0 [rate [factor share]]; pose q0 := Ordinal k0; pose a0 := fun _ : 'I_kappa => Ordinal v0.
apply: (@readout_split (width W) [finType of 'I_(d_state W)] (d_state W) (fun a q => paper_mamba W (X a q) t)
  (fun a c n => before (state W (X a q0)) t c n * factor c n)
  (fun q n => rate q n * C_of W (X a0 q) t n)
  (fun q c n => delta_of W (X a0 q) t c * x_hat W (X a0 q) t c * B_of W (X a0 q) t n)
  (fun q _ n => C_of W (X a0 q) t n)) => a q c.
rewrite /paper_mamba no_gate /= /readout sumE -big_split; apply: eq_bigr => n _ /=.
rewrite state_step (state_past a q q0) share // (delta_query a a0).
by rewrite (x_hat_query a a0) (B_query a a0) (C_query a a0); ring.
Qed.

Lemma delta_t_without_gate : (0 < kappa)%N -> (0 < V)%N -> shared_decay_delta_t ->
  without_gate delta_t_logit [finType of 'I_(d_state W)].
Proof.
move=> k0 v0 [rate [factor share]]; pose q0 := Ordinal k0; pose a0 := fun _ : 'I_kappa => Ordinal v0.
apply: (@readout_split (width W) [finType of 'I_(d_state W)] (d_state W) (fun a q => paper_mamba_delta_t W (X a q) t)
  (fun a c n => before (state_delta_t W (X a q0)) t c n * factor c n)
  (fun q n => rate q n * C_of W (X a0 q) t n)
  (fun q c n => x_hat W (X a0 q) t c * B_of W (X a0 q) t n)
  (fun q _ n => C_of W (X a0 q) t n)) => a q c.
rewrite /paper_mamba_delta_t no_gate /= /readout sumE -big_split; apply: eq_bigr => n _ /=.
rewrite state_delta_t_step (state_delta_t_past a q q0) share //.
by rewrite (x_hat_query a a0) (B_query a a0) (C_query a a0); ring.
Qed.
End Paper.

Section Mamba2.
Variables (W : mamba2_weights F) (heads : nat).
Hypothesis no_gate : m2_gate W = None.
Hypothesis window : (m2_d_conv W <= (size filler).+1)%N.
(* Every channel belongs to one of the heads. *)
Hypothesis headed : forall c, (c < m2_width W)%N -> (head_of W c < heads)%N.

Definition mamba2_logit a q (u : 'I_V) : R := linear (m2_width W) head (paper_mamba2 W (X a q) t) u + rest q u.

Lemma size_X a q : size (X a q) = t.+1.
Proof. by rewrite size_map size_iota size_asked. Qed.

Lemma branch_query to conv a b q c : branch W (X a q) to conv t c = branch W (X b q) to conv t c.
Proof.
apply: branch_ext; rewrite ?size_X // => n nd _.
by apply: same_window; rewrite -ltnS (leq_trans nd).
Qed.

Lemma x_query a b q c : x_branch W (X a q) t c = x_branch W (X b q) t c. Proof. exact: branch_query. Qed.
Lemma B2_query a b q c : B_branch W (X a q) t c = B_branch W (X b q) t c. Proof. exact: branch_query. Qed.
Lemma C2_query a b q c : C_branch W (X a q) t c = C_branch W (X b q) t c. Proof. exact: branch_query. Qed.

Lemma branch_past to conv a q q' r c : (r < t)%N -> branch W (X a q) to conv r c = branch W (X a q') to conv r c.
Proof.
move=> rt; apply: branch_ext; rewrite ?size_X ?(leqW rt) // => n _ _.
by apply: same_past; rewrite (leq_ltn_trans (leq_subr _ _)).
Qed.

Lemma dt_query a b q i : dt_of W (X a q) t i = dt_of W (X b q) t i.
Proof.
rewrite /dt_of; congr (p _); apply: linear_ext => c _.
by have := same_window e s p code a b q (leq0n (size filler)); rewrite subn0 => ->.
Qed.

Lemma dt_past a q q' r i : (r < t)%N -> dt_of W (X a q) r i = dt_of W (X a q') r i.
Proof. by move=> rt; rewrite /dt_of; congr (p _); apply: linear_ext => c _; rewrite (same_past e s p code a q q'). Qed.

Lemma m2_state_past a q q' c n : before (m2_state W (X a q)) t c n = before (m2_state W (X a q')) t c n.
Proof.
rewrite /before; case tE: t => [//|r]; apply: recurrence_ext => i ir.
  by congr (e (_ * _)); apply: dt_past; rewrite tE ltnS.
by congr (_ * _ * _); [apply: dt_past | apply: branch_past | apply: branch_past]; rewrite tE ltnS.
Qed.

(* A head's decay is one number, so nothing is asked of the steps; the states are those of all heads. *)
Lemma mamba2_without_gate : (0 < kappa)%N -> (0 < V)%N ->
  without_gate mamba2_logit [finType of 'I_heads * 'I_(m2_d_state W)].
Proof.
move=> k0 v0; pose q0 := Ordinal k0; pose a0 := fun _ : 'I_kappa => Ordinal v0.
apply: (@readout_split (m2_width W) [finType of 'I_heads * 'I_(m2_d_state W)] (m2_d_state W)
  (fun a q => paper_mamba2 W (X a q) t)
  (fun a c m => if head_of W c == m.1 :> nat then before (m2_state W (X a q0)) t c m.2 else 0)
  (fun q m => e (dt_of W (X a0 q) t m.1 * m2_A W m.1) * C_branch W (X a0 q) t m.2)
  (fun q c n => dt_of W (X a0 q) t (head_of W c) * x_branch W (X a0 q) t c * B_branch W (X a0 q) t n)
  (fun q _ n => C_branch W (X a0 q) t n)) => a q c.
rewrite /paper_mamba2 no_gate /= /readout sumE.
rewrite -(pair_bigA _ (fun (i : 'I_heads) (n : 'I_(m2_d_state W)) =>
  (if head_of W c == i :> nat then before (m2_state W (X a q0)) t c n else 0) *
  (e (dt_of W (X a0 q) t i * m2_A W i) * C_branch W (X a0 q) t n))) /=.
rewrite (bigD1 (Ordinal (headed (ltn_ord c)))) //= [X in _ + X + _]big1 ?addr0; last first.
  move=> i ic; rewrite big1 // => n _; case: eqP => [ci|]; last by rewrite mul0r.
  by rewrite -val_eqE /= ci eqxx in ic.
rewrite eqxx -big_split; apply: eq_bigr => n _ /=.
rewrite m2_state_step (m2_state_past a q q0).
by rewrite (dt_query a a0) (x_query a a0) (B2_query a a0) (C2_query a a0); ring.
Qed.

(* Heads that share their decay at the query share their states too. *)
Definition shared_decay_mamba2 : Prop := exists (rate : 'I_kappa -> R) (factor : nat -> R),
  forall a q c, (c < m2_width W)%N ->
  e (dt_of W (X a q) t (head_of W c) * m2_A W (head_of W c)) = rate q * factor c.

Lemma mamba2_without_gate_shared : (0 < kappa)%N -> (0 < V)%N -> shared_decay_mamba2 ->
  without_gate mamba2_logit [finType of 'I_(m2_d_state W)].
Proof.
move=> k0 v0 [rate [factor share]]; pose q0 := Ordinal k0; pose a0 := fun _ : 'I_kappa => Ordinal v0.
apply: (@readout_split (m2_width W) [finType of 'I_(m2_d_state W)] (m2_d_state W)
  (fun a q => paper_mamba2 W (X a q) t)
  (fun a c n => before (m2_state W (X a q0)) t c n * factor c)
  (fun q n => rate q * C_branch W (X a0 q) t n)
  (fun q c n => dt_of W (X a0 q) t (head_of W c) * x_branch W (X a0 q) t c * B_branch W (X a0 q) t n)
  (fun q _ n => C_branch W (X a0 q) t n)) => a q c.
rewrite /paper_mamba2 no_gate /= /readout sumE -big_split; apply: eq_bigr => n _ /=.
rewrite m2_state_step (m2_state_past a q q0) share // (dt_query a a0).
by rewrite (x_query a a0) (B2_query a a0) (C2_query a a0); ring.
Qed.
End Mamba2.
End Mamba.
