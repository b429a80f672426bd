(* mqar.h2-necessary: without H2 no block with decay 1 and d_conv <= 4 recalls, whatever it writes and however it reads,
   gate and skip included. One sequence keeps H1, and exchanging its values v1 and v2 changes the answer but neither the
   windows that a convolution sees, up to their order, nor the query's own window. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics Task Blocks.
From Mamba.foundations Require Import Recurrence.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- the sequence and its swap ------------------------------------------------------------------------------------ *)

Notation word := (token 3 7).
Definition a1 : 'I_3 := @Ordinal 3 0 isT.
Definition a2 : 'I_3 := @Ordinal 3 1 isT.
Definition k : 'I_3 := @Ordinal 3 2 isT.
Definition u1 : 'I_7 := @Ordinal 7 0 isT.
Definition u2 : 'I_7 := @Ordinal 7 1 isT.
Definition v1 : 'I_7 := @Ordinal 7 2 isT.
Definition v2 : 'I_7 := @Ordinal 7 3 isT.
Definition f1 : 'I_7 := @Ordinal 7 4 isT.
Definition f2 : 'I_7 := @Ordinal 7 5 isT.
Definition f3 : 'I_7 := @Ordinal 7 6 isT.

(* The context stores v under k; the tail shows k before w, after a copy of what stood before k v. *)
Definition context (v : 'I_7) : seq ('I_3 * 'I_7) := [:: (a1, u1); (a2, u2); (k, v)].
Definition tail (w : 'I_7) : seq word :=
  [:: value_ f1; value_ f2; value_ f3; value_ u1; key_ a2; value_ u2; key_ k; value_ w;
      value_ f1; value_ f2; value_ f3; key_ k].
Definition rewritten (v w : 'I_7) : seq word := sequence (context v) (tail w).
Definition query : nat := 17.

(* Both orders of v1 and v2 keep H1, break H2, and have different answers. *)
Theorem rewritten_sequences :
  [/\ H1 (context v1) && H1 (context v2), ~~ H2 (context v1) (tail v2) && ~~ H2 (context v2) (tail v1),
      asks (context v1) (tail v2) query k v1, asks (context v2) (tail v1) query k v2 & v1 != v2].
Proof. by []. Qed.

(* --- windows ------------------------------------------------------------------------------------------------------ *)

(* What a convolution of `taps` taps sees at t; None before the first token. *)
Definition window (T : Type) (taps : nat) (x : seq T) (t : nat) : seq (option T) :=
  take taps (drop t (nseq taps.-1 None ++ map Some x)).
Definition windows (T : Type) (taps : nat) (x : seq T) : seq (seq (option T)) := mkseq (window taps x) (size x).

Lemma swapped_windows taps : (taps <= 4)%N ->
  perm_eq (windows taps (rewritten v1 v2)) (windows taps (rewritten v2 v1)) /\
  window taps (rewritten v1 v2) query = window taps (rewritten v2 v1) query.
Proof. by case: taps => [|[|[|[|[|]]]]]. Qed.

(* Two logits that are the same do not answer v1 and v2. *)
Definition largest (R : realDomainType) (logit : 'I_7 -> R) (v : 'I_7) : Prop := forall u, u != v -> logit u < logit v.

Lemma same_logits (R : realDomainType) (x y : 'I_7 -> R) : x =1 y -> ~ (largest x v1 /\ largest y v2).
Proof. by move=> xy [/(_ v2 isT) + /(_ v1 isT)]; rewrite !xy => /lt_trans lt /lt; rewrite ltxx. Qed.

(* --- any write and any read --------------------------------------------------------------------------------------- *)

(* Decay 1, no positions: what is written at t is any function of the window at t. *)
Section AnyWrite.
Variables (R : comRingType) (e s p : R -> R) (taps : nat) (write : seq (option word) -> nat -> nat -> R).
Definition last_state (x : seq word) : nat -> nat -> R :=
  recurrence (F := over e s p) (fun _ _ _ => 1) (fun t => write (window taps x t)) (size x).-1.

Lemma last_stateE x c n : x != [::] -> last_state x c n = \sum_(o <- windows taps x) write o c n.
Proof.
move=> x0; rewrite /last_state unrolled_1 // /windows big_map prednK ?lt0n ?size_eq0 //.
by rewrite /index_iota subn0.
Qed.
End AnyWrite.

(* And what is answered is any function of the state and of the window at the query. *)
Theorem h2_necessary (R : realFieldType) (e s p : R -> R) (taps : nat) (write : seq (option word) -> nat -> nat -> R)
    (read : (nat -> nat -> R) -> seq (option word) -> 'I_7 -> R) :
  (taps <= 4)%N ->
  (forall h h' o u, (forall c n, h c n = h' c n) -> read h o u = read h' o u) ->
  let logit x u := read (last_state e s p taps write x) (window taps x query) u in
  logit (rewritten v1 v2) =1 logit (rewritten v2 v1) /\
  ~ (largest (logit (rewritten v1 v2)) v1 /\ largest (logit (rewritten v2 v1)) v2).
Proof.
move=> t4 ext logit; have [ws lw] := swapped_windows t4.
suff same : logit (rewritten v1 v2) =1 logit (rewritten v2 v1) by split; last exact: same_logits.
by move=> u; rewrite /logit lw; apply: ext => c n; rewrite !last_stateE // (perm_big _ ws).
Qed.

(* --- the blocks --------------------------------------------------------------------------------------------------- *)

(* Two positions see the same four tokens. *)
Definition alike (r r' : nat) : Prop := forall n, (n < 4)%N ->
  (n <= r)%N = (n <= r')%N /\ ((n <= r)%N -> tok (rewritten v1 v2) (r - n) = tok (rewritten v2 v1) (r' - n)).

Lemma alike_query : alike query query.
Proof. by case=> [|[|[|[|]]]]. Qed.

(* Sums over all positions are the same if positions that see the same add the same. *)
Lemma sum_alike (R : ringType) (f g : nat -> R) :
  (forall r r', (r <= query)%N -> (r' <= query)%N -> alike r r' -> f r = g r') ->
  \sum_(0 <= r < query.+1) f r = \sum_(0 <= r < query.+1) g r.
Proof.
(* the windows before k v1 and before k v2, and all that differ, change places *)
pose there r := nth 0%N [:: 0; 1; 2; 3; 4; 13; 14; 15; 16; 9; 10; 11; 12; 5; 6; 7; 8; 17]%N r.
move=> fg; transitivity (\sum_(r <- map there (iota 0 query.+1)) g r).
  rewrite big_map /index_iota subn0; apply: eq_big_seq => r ri.
  have ok: all (fun r => (there r <= query)%N && all (fun n => ((n <= r) == (n <= there r))%N &&
      ((n <= r)%N ==> (tok (rewritten v1 v2) (r - n) == tok (rewritten v2 v1) (there r - n)))) (iota 0 4))
      (iota 0 query.+1) by vm_compute.
  have /andP[tq /allP same] := allP ok r ri.
  apply: fg => // [|n n4]; first by move: ri; rewrite mem_iota.
  have := same n; rewrite mem_iota => /(_ n4) /andP[/eqP le /implyP eq].
  by split=> // /eq /eqP.
by rewrite /index_iota subn0; apply: perm_big; vm_compute.
Qed.

(* With decay 1 a state is the sum of what is written. *)
Lemma recurrence_alike (R : comRingType) (e s p : R -> R) (a a' w w' : nat -> nat -> nat -> R) c n :
  (forall r, (r <= query)%N -> a r c n = 1) -> (forall r, (r <= query)%N -> a' r c n = 1) ->
  (forall r r', (r <= query)%N -> (r' <= query)%N -> alike r r' -> w r c n = w' r' c n) ->
  recurrence (F := over e s p) a w query c n = recurrence (F := over e s p) a' w' query c n.
Proof. by move=> a_1 a'_1 ww; rewrite !unrolled_1 //; apply: sum_alike. Qed.

Section Rows.
Variables (R : comRingType) (e s p : R -> R).
Notation F := (over e s p).
Variable f : word -> nat -> R.
Let X v w : seq (nat -> R) := map f (rewritten v w).

Lemma row_rewritten v w t : (t <= query)%N -> row (F := F) (X v w) t = f (tok (rewritten v w) t).
Proof. by move: t; do 18!case=> //. Qed.

Lemma back_alike r r' n : (r <= query)%N -> (r' <= query)%N -> alike r r' -> (n < 4)%N ->
  back (F := F) (X v1 v2) r n = back (F := F) (X v2 v1) r' n.
Proof.
move=> rq r'q same n4; have [le eq] := same n n4; rewrite !backE -le; case: ifP => // nr.
by rewrite !row_rewritten ?eq // (leq_trans (leq_subr _ _)).
Qed.

Lemma row_alike r r' : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  row (F := F) (X v1 v2) r = row (F := F) (X v2 v1) r'.
Proof. by move=> rq r'q /(back_alike rq r'q (n := 0)) /(_ isT); rewrite !backE !subn0. Qed.

Lemma conv_alike taps (M : affine F) r r' c : (taps <= 4)%N -> (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  causal_conv1d taps M (X v1 v2) r c = causal_conv1d taps M (X v2 v1) r' c.
Proof.
by move=> t4 rq r'q same; apply: conv_ext => n nt; rewrite (back_alike rq r'q same) // (leq_trans nt).
Qed.
End Rows.

Lemma conv_map_alike (R : comRingType) (e s p : R -> R) (g : (nat -> R) -> nat -> R) (f : word -> nat -> R) taps
    (M : affine (over e s p)) r r' c : (taps <= 4)%N -> (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  causal_conv1d taps M (List.map g (map f (rewritten v1 v2))) r c =
  causal_conv1d taps M (List.map g (map f (rewritten v2 v1))) r' c.
Proof.
have -> l : List.map g (map f l) = map (fun x => g (f x)) l by elim: l => //= x l ->.
have -> l : List.map g (map f l) = map (fun x => g (f x)) l by elim: l => //= x l ->.
exact: conv_alike.
Qed.

(* Products and sums of equals; `congr` would try to compute them. *)
Lemma eq_mul (R : ringType) (a b c d : R) : a = b -> c = d -> a * c = b * d. Proof. by move=> -> ->. Qed.
Lemma eq_add (R : ringType) (a b c d : R) : a = b -> c = d -> a + c = b + d. Proof. by move=> -> ->. Qed.

Arguments x_hat : simpl never.
Arguments delta_of : simpl never.
Arguments branch : simpl never.
Arguments linear : simpl never.
Arguments o_x_hat : simpl never.
Arguments o_delta_of : simpl never.

Section Blocks.
Variables (R : realFieldType) (e s p : R -> R).
Notation F := (over e s p).
Variable code : word -> nat -> R.                                 (* any embedding, the same at every position *)
Let X v w : seq (nat -> R) := map code (rewritten v w).

(* Both sequences give the same outputs, so that no head answers both. *)
Definition indistinct (d : nat) (block : seq (nat -> R) -> nat -> nat -> R) : Prop :=
  (forall c, (c < d)%N -> block (X v1 v2) query c = block (X v2 v1) query c) /\
  forall head : affine F, ~ (largest (fun u => linear d head (block (X v1 v2) query) u) v1 /\
                             largest (fun u => linear d head (block (X v2 v1) query) u) v2).

Lemma indistinctP d block :
  (forall c, (c < d)%N -> block (X v1 v2) query c = block (X v2 v1) query c) -> indistinct d block.
Proof. by move=> same; split=> // head; apply: same_logits => u; apply: linear_ext. Qed.

(* The decays of a block are 1 on both sequences. *)
Definition decay_1 (width states : nat) (decay : seq (nat -> R) -> nat -> nat -> nat -> R) : Prop :=
  forall v w t c n, (v, w) \in [:: (v1, v2); (v2, v1)] ->
  (t <= query)%N -> (c < width)%N -> (n < states)%N -> decay (X v w) t c n = 1.

Section Paper.
Variable W : mamba_weights F.
Hypothesis taps : (d_conv W <= 4)%N.

Lemma x_hat_alike r r' c : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  x_hat W (X v1 v2) r c = x_hat W (X v2 v1) r' c.
Proof. by move=> rq r'q same; congr (s _); exact: conv_alike. Qed.

Lemma linear_x_hat_alike d (M : affine F) r r' o : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  linear d M (x_hat W (X v1 v2) r) o = linear d M (x_hat W (X v2 v1) r') o.
Proof. by move=> rq r'q same; apply: linear_ext => c _; exact: x_hat_alike. Qed.

Lemma delta_alike r r' c : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
  delta_of W (X v1 v2) r c = delta_of W (X v2 v1) r' c.
Proof. by move=> rq r'q same; congr (p _); exact: linear_x_hat_alike. Qed.

Lemma gated_alike (G : option (affine F)) d y y' c : y c = y' c ->
  gated G d (row (F := F) (X v1 v2) query) y c = gated G d (row (F := F) (X v2 v1) query) y' c.
Proof.
by rewrite /gated => yc; rewrite (row_alike e s p code (leqnn _) (leqnn _) alike_query); case: G => //= G; rewrite yc.
Qed.

Theorem h2_necessary_mamba :
  decay_1 (width W) (d_state W) (fun x t c n => e (delta_of W x t c * A W c n)) ->
  indistinct (width W) (paper_mamba W).
Proof.
move=> one; apply: indistinctP => c cw; apply: gated_alike; apply: eq_sum => n nN.
apply: eq_mul; last by apply: linear_x_hat_alike => //; exact: alike_query.
apply: recurrence_alike => [r rq|r rq|r r' rq r'q same]; [exact: (one v1 v2 r c n isT)|exact: (one v2 v1 r c n isT)|].
by apply: eq_mul; [apply: eq_mul; [exact: delta_alike | exact: x_hat_alike] | exact: linear_x_hat_alike].
Qed.

Theorem h2_necessary_delta_t :
  decay_1 (width W) (d_state W) (fun x t c n => e (delta_of W x t n * A W c n)) ->
  indistinct (width W) (paper_mamba_delta_t W).
Proof.
move=> one; apply: indistinctP => c cw; apply: gated_alike; apply: eq_sum => n nN.
apply: eq_mul; last by apply: linear_x_hat_alike => //; exact: alike_query.
apply: recurrence_alike => [r rq|r rq|r r' rq r'q same]; [exact: (one v1 v2 r c n isT)|exact: (one v2 v1 r c n isT)|].
by apply: eq_mul; [exact: x_hat_alike | exact: linear_x_hat_alike].
Qed.
End Paper.

Theorem h2_necessary_s4d (W : s4d_weights F) : (s4d_d_conv W <= 4)%N ->
  decay_1 (s4d_width W) (s4d_d_state W) (fun _ _ c n => e (s4d_A W c n)) ->
  indistinct (s4d_width W) (paper_s4d W).
Proof.
move=> taps one; apply: indistinctP => c cw; apply: gated_alike; apply: eq_sum => n nN; apply: eq_mul => //.
apply: recurrence_alike => [r rq|r rq|r r' rq r'q same]; first exact: (one v1 v2 r).
  exact: (one v1 v2 r).
by apply: eq_mul => //; congr (s _); exact: conv_alike.
Qed.

Theorem h2_necessary_mamba2 (W : mamba2_weights F) : (m2_d_conv W <= 4)%N ->
  decay_1 (m2_width W) (m2_d_state W) (fun x t c _ => e (dt_of W x t (head_of W c) * m2_A W (head_of W c))) ->
  indistinct (m2_width W) (paper_mamba2 W).
Proof.
move=> taps one; apply: indistinctP => c cw; apply: gated_alike; apply: eq_sum => n nN.
have branch_alike to conv r r' o : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
    branch W (X v1 v2) to conv r o = branch W (X v2 v1) to conv r' o.
  move=> rq r'q same; congr (s _); exact: conv_map_alike.
have dt_alike r r' i : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
    dt_of W (X v1 v2) r i = dt_of W (X v2 v1) r' i.
  by move=> rq r'q same; congr (p _); apply: linear_ext => j _; rewrite (row_alike e s p code rq r'q same).
apply: eq_mul; last by apply: branch_alike => //; exact: alike_query.
apply: recurrence_alike => [r rq|r rq|r r' rq r'q same]; [exact: (one v1 v2 r c n isT)|exact: (one v2 v1 r c n isT)|].
by apply: eq_mul; [apply: eq_mul; [exact: dt_alike | exact: branch_alike] | exact: branch_alike].
Qed.

(* The official block, with its gate and its skip. *)
Theorem h2_necessary_official (W : official_weights F) : (o_d_conv W <= 4)%N ->
  decay_1 (o_width W) (o_d_state W) (fun x t c n => e (o_delta_of W x t c * o_A W c n)) ->
  indistinct (o_d_model W) (official_mamba W).
Proof.
move=> taps one; apply: indistinctP => o _; apply: linear_ext => c cw.
have hat_alike r r' i : (r <= query)%N -> (r' <= query)%N -> alike r r' ->
    o_x_hat W (X v1 v2) r i = o_x_hat W (X v2 v1) r' i.
  move=> rq r'q same; congr (s _); exact: conv_map_alike.
have hat_query i := hat_alike _ _ i (leqnn query) (leqnn query) alike_query.
rewrite /o_inner; apply: eq_mul; last first.
  by congr (s _); apply: linear_ext => i _; rewrite (row_alike e s p code (leqnn _) (leqnn _) alike_query).
apply: eq_add; last by apply: eq_mul; last exact: hat_query.
apply: eq_sum => n nN; apply: eq_mul; last by apply: linear_ext => i _; exact: hat_query.
apply: recurrence_alike => [r rq|r rq|r r' rq r'q same]; [exact: (one v1 v2 r c n isT)|exact: (one v2 v1 r c n isT)|].
apply: eq_mul; last by apply: linear_ext => i _; exact: hat_alike.
apply: eq_mul; last exact: hat_alike.
by congr (p _); apply: linear_ext => i _; exact: hat_alike.
Qed.
End Blocks.
