(* foundations.lti-convolution: S4D is a convolution, and the discrete Fourier transform of period P computes the first
   L values of every convolution exactly when P >= 2L - 1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks.
From Mamba Require foundations.Recurrence.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Definition convolution (R : ringType) (k x : nat -> R) t := \sum_(0 <= j < t.+1) k (t - j)%N * x j.

Section S4d.
Variable R : comRingType.
Variables (e s p : R -> R).
Notation F := (over e s p).
Variable W : s4d_weights F.

(* k_i = sum_n C_n a_n^i B_n, a_n = e^{Lambda_n}; one kernel a channel. *)
Definition kernel c i : R := \sum_(n < s4d_d_state W) s4d_C W c n * e (s4d_A W c n) ^+ i * s4d_B W c n.

Theorem s4d_is_convolution X t c :
  paper_s4d W X t c = gated (s4d_gate W) (s4d_width W) (row X t)
                        (fun c' => convolution (kernel c') (fun j => s4d_x_hat W X j c') t) c.
Proof.
have shuffle (a x b r : R) : a * (x * b) * r = r * a * b * x by ring.
have mixer c' : sum (F := F) (s4d_d_state W) (fun n => s4d_state W X t c' n * s4d_C W c' n)
              = convolution (kernel c') (fun j => s4d_x_hat W X j c') t.
  rewrite sumE; under eq_bigr do rewrite /s4d_state Recurrence.unrolled /= mulr_suml.
  rewrite exchange_big /convolution /=; apply: eq_big_nat => j /andP[_ jt].
  rewrite /kernel mulr_suml; apply: eq_bigr => n _.
  by rewrite prodr_const_nat subSS; exact: shuffle.
by rewrite /paper_s4d /gated; case: (s4d_gate W) => [G|] /=; rewrite mixer.
Qed.
End S4d.

Section Fourier.
Variable K : numFieldType.
Variables (P : nat) (omega : K).
Hypothesis primitive : P.-primitive_root omega.
Let P0 : (0 < P)%N := prim_order_gt0 primitive.

(* The transform of a sequence of length L (zero-padded where L < P, wrapped where P < L), and the inverse. *)
Definition transform L (f : nat -> K) (k : nat) := \sum_(j < L) f j * omega ^+ (k * j).
Definition inverse (g : nat -> K) (t : nat) := P%:R^-1 * \sum_(k < P) g k * omega ^- (k * t).
Definition by_transform L (k x : nat -> K) := inverse (fun i => transform L k i * transform L x i).

(* The powers of a root of unity other than 1 cancel. *)
Lemma sum_of_powers a t : \sum_(k < P) omega ^+ (k * a) * omega ^- (k * t) = (P%:R *+ (a == t %[mod P])).
Proof.
have o0 : omega != 0.
  by apply: contra_eq_neq (prim_expr_order primitive) => ->; rewrite expr0n gtn_eqF // eq_sym oner_eq0.
pose z := omega ^+ a / omega ^+ t.
under eq_bigr => k _ do rewrite mulnC exprM mulnC exprM -exprVn -exprMn -/z.
have zP : z ^+ P = 1.
  by rewrite /z exprMn exprVn -!exprM ![(_ * P)%N]mulnC !exprM (prim_expr_order primitive) !expr1n divr1.
have z1 : (z == 1) = (a == t %[mod P]).
  rewrite -(eq_prim_root_expr primitive) /z -(inj_eq (mulIf (expf_neq0 t o0))) mulfVK ?mul1r // expf_neq0 //.
rewrite -z1; case: eqP => [->|/eqP zn1].
  by under eq_bigr do rewrite expr1n; rewrite sumr_const card_ord mulr1n.
by rewrite mulr0n; apply/eqP; have := subrX1 z P; rewrite zP subrr => /esym/eqP; rewrite mulf_eq0 subr_eq0 (negPf zn1).
Qed.

(* What the transform computes is the circular convolution. *)
Lemma circular L k x t :
  by_transform L k x t = \sum_(i < L) \sum_(j < L) k i * x j *+ (i + j == t %[mod P])%N.
Proof.
have Pn : P%:R != 0 :> K by rewrite pnatr_eq0 -lt0n.
rewrite /by_transform /inverse /transform; under eq_bigr do rewrite mulr_suml mulr_suml.
rewrite exchange_big mulr_sumr; apply: eq_bigr => i _ /=.
under eq_bigr do rewrite mulr_sumr mulr_suml.
rewrite exchange_big mulr_sumr; apply: eq_bigr => j _ /=.
rewrite (eq_bigr (fun l : 'I_P => k i * x j * (omega ^+ (l * (i + j)) * omega ^- (l * t)))); last first.
  by move=> l _; rewrite mulnDr exprD !mulrA; congr (_ * _); rewrite -!mulrA; congr (_ * _); rewrite mulrCA.
by rewrite -mulr_sumr sum_of_powers; case: (_ == _); rewrite ?mulr0n ?mulr0 // !mulr1n mulrCA mulVf // mulr1.
Qed.

Lemma convolution_as_double L (k x : nat -> K) t : (t < L)%N ->
  convolution k x t = \sum_(i < L) \sum_(j < L) k i * x j *+ (i + j == t)%N.
Proof.
move=> tL; rewrite exchange_big /= /convolution -(big_mkord xpredT (fun j => \sum_(i < L) k i * x j *+ (i + j == t)%N)).
rewrite [RHS](@big_cat_nat _ _ _ t.+1) //= [X in _ = _ + X]big_nat_cond [X in _ = _ + X]big1 ?addr0; last first.
  move=> j /andP[/andP[tj _] _]; rewrite big1 // => i _.
  by rewrite (_ : (i + j == t)%N = false) //; apply/negbTE; rewrite neq_ltn (leq_trans tj) ?leq_addl ?orbT.
apply: eq_big_nat => j /andP[_ jt]; rewrite ltnS in jt.
have sub : (t - j < L)%N by rewrite (leq_ltn_trans (leq_subr _ _)).
rewrite (bigD1 (Ordinal sub)) //= subnK // eqxx mulr1n big1 ?addr0 // => i.
rewrite -val_eqE /= => it; rewrite (_ : (i + j == t)%N = false) //; apply/negbTE.
by apply: contra it => /eqP <-; rewrite addnK.
Qed.

(* Two inputs of one 1 each. *)
Lemma two_deltas L a b (r : nat -> nat -> bool) : (a < L)%N -> (b < L)%N ->
  \sum_(i < L) \sum_(j < L) (i == a :> nat)%:R * (j == b :> nat)%:R *+ r i j = (r a b)%:R :> K.
Proof.
move=> aL bL; rewrite (bigD1 (Ordinal aL)) //= (bigD1 (Ordinal bL)) //= !eqxx mulr1 [X in _ + X + _]big1; last first.
  by move=> j; rewrite -val_eqE /= => /negPf ->; rewrite mulr0 mul0rn.
rewrite addr0 big1 ?addr0 // => i; rewrite -val_eqE /= => /negPf ->.
by rewrite big1 // => j _; rewrite mul0r mul0rn.
Qed.

Theorem transform_convolves L : (0 < L)%N ->
  (forall k x t, (t < L)%N -> by_transform L k x t = convolution k x t) <-> (2 * L - 1 <= P)%N.
Proof.
move=> L0; split=> [agree|long k x t tL].
- rewrite leqNgt; apply/negP => short; pose a := minn P L.-1; pose b := (P - a)%N.
  have aL : (a < L)%N by rewrite (leq_ltn_trans (geq_minr _ _)) // prednK.
  have ab : (a + b = P)%N by rewrite subnKC // geq_minl.
  have bL : (b < L)%N.
    rewrite /b /a; case: (leqP P L.-1) => [_|/ltnW LP]; first by rewrite subnn.
    by rewrite -(ltn_add2r L.-1) subnK // (leq_trans short) // mul2n -addnn -addnBA // subn1.
  have := agree (fun i => (i == a)%:R) (fun j => (j == b)%:R) 0%N L0.
  rewrite circular (convolution_as_double _ _ L0) /= (two_deltas (fun i j => i + j == 0 %[mod P])%N aL bL).
  rewrite (two_deltas (fun i j => i + j == 0)%N aL bL) ab modnn mod0n eqxx eqn0Ngt P0 => /eqP.
  by rewrite oner_eq0.
- rewrite circular (convolution_as_double k x tL).
  apply: eq_bigr => i _; apply: eq_bigr => j _; congr (_ *+ _).
  have below m : (m < 2 * L - 1)%N -> (m < P)%N by move=> ml; exact: leq_trans ml long.
  rewrite !modn_small // below //.
    by rewrite (leq_trans tL) // mul2n -addnn -addnBA // leq_addr.
  have [iL jL] := (ltn_ord i, ltn_ord j); rewrite mul2n -addnn -addnBA // -addSn leq_add // subn1.
  by rewrite -ltnS prednK.
Qed.
End Fourier.
