(* What holds of every block: its equations over a commutative ring, sums as big operators, and causality. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Mamba Require Import Semantics.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* The equations over a commutative ring, with any three functions for exp, sigma and the activation of Delta. *)
Definition over (R : comRingType) (e s p : R -> R) : field := @Field R 0 1 +%R *%R -%R e s p.

(* ReLU, the paper's sigma. *)
Definition relu (R : realDomainType) (x : R) : R := Num.max 0 x.

Section Relu.
Variable R : realDomainType.
Implicit Type x : R.
Lemma relu_pos x : 0 <= x -> relu x = x. Proof. by move=> x0; rewrite /relu max_r. Qed.
Lemma relu_neg x : x <= 0 -> relu x = 0. Proof. by move=> x0; rewrite /relu max_l. Qed.
Lemma relu0 : relu (0 : R) = 0. Proof. exact: relu_pos. Qed.
Lemma relu_nat n : relu (n%:R : R) = n%:R. Proof. by rewrite relu_pos ?ler0n. Qed.
Lemma relu_ge0 x : 0 <= relu x. Proof. by rewrite /relu le_maxr lexx. Qed.
End Relu.

Section Ring.
Variables (R : comRingType) (e s p : R -> R).
Notation F := (over e s p).
Notation vec := (nat -> R).

Lemma sumE n (f : vec) : sum (F := F) n f = \sum_(i < n) f i.
Proof. by elim: n => [|n IH] /=; rewrite ?big_ord0 // big_ord_recr /= IH. Qed.

(* A sum that holds one number: what a one-hot row of weights picks. *)
Lemma sum_pick n (f : vec) m : (m < n)%N -> (forall i, (i < n)%N -> i != m -> f i = 0) -> sum (F := F) n f = f m.
Proof.
move=> mn f0; rewrite sumE (bigD1 (Ordinal mn)) //= big1 ?addr0 // => i im.
by apply: f0; rewrite // -val_eqE in im.
Qed.

Lemma sum0 n (f : vec) : (forall i, (i < n)%N -> f i = 0) -> sum (F := F) n f = 0.
Proof. by move=> f0; rewrite sumE big1 // => i _; exact: f0. Qed.

Lemma eq_sum n (f g : vec) : (forall i, (i < n)%N -> f i = g i) -> sum (F := F) n f = sum (F := F) n g.
Proof. by move=> fg; rewrite !sumE; apply: eq_bigr => i _; exact: fg. Qed.

Lemma linear_ext d (M : affine F) (x y : vec) o : (forall c, (c < d)%N -> x c = y c) -> linear d M x o = linear d M y o.
Proof. by move=> xy; rewrite /linear /=; congr (_ + _); apply: eq_sum => c cd; rewrite xy. Qed.

(* --- rows and what stands before them ----------------------------------------------------------------------------- *)

Lemma row_cat (X Y : seq vec) t :
  row (F := F) (X ++ Y) t = if (t < size X)%N then row (F := F) X t else row (F := F) Y (t - size X).
Proof.
elim: X t => [|x X IH] t /=; first by rewrite subn0.
by case: t => [|t] //=; rewrite IH ltnS subSS.
Qed.

Lemma row_map (T : Type) (code : T -> vec) (x0 : T) (X : seq T) t c :
  (forall c, code x0 c = 0) -> row (F := F) (map code X) t c = code (nth x0 X t) c.
Proof. by move=> z; elim: X t => [|x X IH] [|t] //=; rewrite ?z. Qed.

Lemma backE (X : seq vec) t n :
  back (F := F) X t n = if (n <= t)%N then row (F := F) X (t - n) else fun=> 0.
Proof. by rewrite /back (_ : Nat.leb n t = (n <= t)%N) //; elim: n t => [|n IH] [|t] //=; rewrite IH. Qed.

Lemma tap_lt k i : (i < k)%N -> (k - 1 - i < k)%N.
Proof. by case: k => // k _; rewrite subn1 /= ltnS leq_subr. Qed.

(* A convolution sees its window only. *)
Lemma conv_ext k (M : affine F) (X Y : seq vec) t r c :
  (forall n, (n < k)%N -> back (F := F) X t n c = back (F := F) Y r n c) ->
  causal_conv1d k M X t c = causal_conv1d k M Y r c.
Proof. by move=> XY; rewrite /causal_conv1d /=; congr (_ + _); apply: eq_sum => i ik; rewrite XY ?tap_lt. Qed.

(* Two taps: the previous token and the current one. *)
Lemma conv2E (M : affine F) (X : seq vec) t c : causal_conv1d 2 M X t c =
  (if t is r.+1 then weight M c 0 * row (F := F) X r c else 0) + weight M c 1 * row (F := F) X t c + bias M c.
Proof.
rewrite /causal_conv1d /= add0r !backE; case: t => [|t] /=; first by rewrite mulr0 subn0.
by rewrite subn0 subn1.
Qed.

(* --- the recurrence ------------------------------------------------------------------------------------------------ *)

Lemma recurrence_ext (a a' w w' : nat -> nat -> nat -> R) t c n :
  (forall r, (r <= t)%N -> a r c n = a' r c n) -> (forall r, (r <= t)%N -> w r c n = w' r c n) ->
  recurrence (F := F) a w t c n = recurrence (F := F) a' w' t c n.
Proof.
elim: t => [|t IH] aE wE /=; first exact: wE.
by rewrite IH ?aE ?wE // => r rt; [apply: aE | apply: wE]; exact: leqW.
Qed.

Lemma recurrenceS (a w : nat -> nat -> nat -> R) t c n :
  recurrence (F := F) a w t.+1 c n = a t.+1 c n * recurrence (F := F) a w t c n + w t.+1 c n.
Proof. by []. Qed.
End Ring.
Arguments linear_ext {R e s p d} M {x y} o xy.
