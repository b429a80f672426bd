(* haar.keep-nth-s4d-impossible for the S4D block itself: any weights, any sigma, one tap before it, no gate. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba.foundations Require Import Recurrence.
From Mamba.haar Require Import KeepNth.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Arguments s4d_state : simpl never.

Section S4D.
Variables (R : realFieldType) (e s p : R -> R) (V T : nat).
Notation F := (over e s p).
Notation sequences := {ffun 'I_T -> 'I_V}.
Variables (W : s4d_weights F) (code : 'I_V -> nat -> R) (head : affine F).
Variable position : nat -> 'I_V -> R.           (* what the readout time adds to the logits *)
Hypotheses (no_gate : s4d_gate W = None) (one_tap : (s4d_d_conv W <= 1)%N).
Let X (x : sequences) : seq (nat -> R) := [seq code (x i) | i <- enum 'I_T].

Definition s4d_logit (r : nat) (x : sequences) (u : 'I_V) : R :=
  linear (s4d_width W) head (paper_s4d W (X x) r) u + position r u.

Let hat v c := s (causal_conv1d (s4d_d_conv W) (s4d_conv W) [:: code v] 0 c).

Lemma x_hatE x (i : 'I_T) c : s4d_x_hat W (X x) i c = hat (x i) c.
Proof.
congr (s _); apply: conv_ext => k k1; have -> : k = 0%N by case: k k1 => // k /leq_trans /(_ one_tap).
rewrite !backE !leq0n !subn0 /= /X.
have row_nth (l : seq 'I_T) j : (j < size l)%N -> row (F := F) [seq code (x k) | k <- l] j = code (x (nth i l j)).
  by elim: l j => [|h l IH] [|j] //= jl; exact: IH.
by rewrite row_nth ?size_enum_ord // nth_ord_enum.
Qed.

Lemma s4d_stateE x r c m : (r < T)%N -> s4d_state W (X x) r c m =
  \sum_(i < T | (i <= r)%N) e (s4d_A W c m) ^+ (r - i) * (hat (x i) c * s4d_B W c m).
Proof.
have widen (f : nat -> R) : (r < T)%N -> \sum_(0 <= i < r.+1) f i = \sum_(i < T | (i <= r)%N) f i.
  by move=> rT; rewrite big_mkord (big_ord_widen _ f rT).
move=> rT; rewrite /s4d_state unrolled widen //.
by apply: eq_bigr => i ir; rewrite prodr_const_nat subSS x_hatE.
Qed.

(* Its logits are sums over the tokens read, each by its lag. *)
Let kernel l c := \sum_(m < s4d_d_state W) e (s4d_A W c m) ^+ l * s4d_B W c m * s4d_C W c m.
Let phi l v (u : 'I_V) := \sum_(c < s4d_width W) kernel l c * hat v c * weight head u c.
Let offset r (u : 'I_V) := bias head u + position r u.

Lemma s4d_lti r x u : (r < T)%N -> s4d_logit r x u = logit_lti phi offset r x u.
Proof.
move=> rT; rewrite /s4d_logit /logit_lti /linear /offset addrA; congr (_ + _ + _); rewrite sumE.
rewrite /phi exchange_big; apply: eq_bigr => c _ /=; rewrite -mulr_suml; congr (_ * _).
rewrite /paper_s4d no_gate /= sumE.
have step m : s4d_state W (X x) r c m * s4d_C W c m =
    \sum_(i < T | (i <= r)%N) e (s4d_A W c m) ^+ (r - i) * (hat (x i) c * s4d_B W c m) * s4d_C W c m.
  by rewrite s4d_stateE // mulr_suml.
rewrite (eq_bigr _ (fun (m : 'I_(s4d_d_state W)) _ => step m)) exchange_big; apply: eq_bigr => i _.
by rewrite /kernel mulr_suml; apply: eq_bigr => m _; ring.
Qed.

Theorem keep_nth_s4d_impossible (n : 'I_T) t delta :
  (0 < V)%N -> (0 < delta)%N -> (delta <= n)%N -> (t + delta < T)%N ->
  4%:R^-1 * (1 - V%:R^-1) <= 2%:R^-1 * (error (s4d_logit t) n + error (s4d_logit (t + delta)%N) n).
Proof.
by move=> V0 d0 dn tdT; apply: (@impossible_if _ _ _ offset n t delta V0 d0 dn tdT phi) => r x u; exact: s4d_lti.
Qed.
End S4D.
