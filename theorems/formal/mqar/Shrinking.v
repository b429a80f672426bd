(* One state and no gate: each query's step shrinks the blocks of the other keys. What every channel, every step and
   every logit is, on every sequence. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall mqar.Gated.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.
Arguments x_hat : simpl never.
Arguments delta_of : simpl never.
Arguments B_of : simpl never.
Arguments C_of : simpl never.
Arguments selective_embedding : simpl never.
Arguments selective_taps : simpl never.
Arguments selective_bias : simpl never.
Arguments selective_steps : simpl never.

(* ReLU of a difference of two counts is their truncated difference. *)
Lemma relu_sub (R : realDomainType) (m n : nat) : relu (m%:R - n%:R : R) = (m - n)%:R.
Proof.
case: (leqP n m) => [nm|/ltnW mn]; first by rewrite -natrB // relu_nat.
by rewrite relu_neg ?subr_le0 ?ler_nat // (eqP (_ : m - n == 0)%N) // subn_eq0.
Qed.

Section Shrinking.
Variable R : realFieldType.
Variable e : R -> R.
Hypotheses (exp0 : e 0 = 1) (expD : forall x y, e (x + y) = e x * e y).
Notation F := (over e (@relu R) id).
Variables kappa V : nat.
Variables shrink gain rate : R.
Notation token := (token kappa V).
Notation network := (@selective F kappa V shrink gain rate).
Notation embedding := (@selective_embedding F kappa V).

(* How strongly the token at t is a query of key j: 1 behind the filler or another key, 3 behind j itself, else 0. *)
Definition asked (s : seq token) (t j : nat) : nat :=
  (if t is r.+1 then seen j (tok s r) else 0) + 2 * seen j (tok s t) - 9.
Definition asked_before (s : seq token) (t j : nat) : nat := if t is r.+1 then asked s r j else 0.

Section At.
Variables (s : seq token) (t : nat).
Hypothesis inside : (t < size s)%N.

Lemma backE n c : back (F := F) (map embedding s) t n c = if (n <= t)%N then embedding (tok s (t - n)) c else 0.
Proof.
rewrite backE; case: ifP => // nt; have -> X r : row (F := F) X r = nth (fun=> 0) X r.
  by elim: X r => [|x X IH] [|r] //=.
by rewrite (nth_map None) // (leq_ltn_trans _ inside) // leq_subr.
Qed.

Lemma x_hatE c : x_hat network (map embedding s) t c =
  relu (selective_taps F kappa V c 0 * (if (2 <= t)%N then embedding (tok s (t - 2)) c else 0)
      + selective_taps F kappa V c 1 * (if (1 <= t)%N then embedding (tok s (t - 1)) c else 0)
      + selective_taps F kappa V c 2 * embedding (tok s t) c + selective_bias F kappa V c).
Proof. by rewrite /x_hat /causal_conv1d /= !backE /= subn0 add0r. Qed.

(* --- the channels of the codes ----------------------------------------------------------------------------------- *)

Lemma code_lt (i : 'I_kappa) (v : 'I_V) : (i * V + v < kappa * V)%N.
Proof. by rewrite (@leq_trans (i.+1 * V)) ?leq_mul // mulSn addnC ltn_add2r. Qed.

Lemma embedding_code (i : 'I_kappa) (v : 'I_V) (x : token) :
  embedding x (i * V + v) = (2 * (x == key_ i))%:R - (2 * (x == value_ v))%:R.
Proof.
have V0 : (0 < V)%N by exact: leq_ltn_trans (leq0n v) (ltn_ord v).
rewrite /selective_embedding code_lt divnMDl // divn_small // addn0 modnMDl modn_small //.
case: x => [[k|w]|]; last by rewrite subrr.
  by rewrite key_eq (_ : (i == k :> nat) = (k == i)) ?natE; [case: (k == i); rewrite subr0 | exact: eq_sym].
by rewrite value_eq (_ : (v == w :> nat) = (w == v)) ?natE; [case: (w == v); rewrite sub0r ?oppr0 | exact: eq_sym].
Qed.

Lemma hat_code (i : 'I_kappa) (v : 'I_V) :
  x_hat network (map embedding s) t (i * V + v) = (stores s t i v)%:R.
Proof.
rewrite x_hatE /selective_taps /selective_bias code_lt /= mul0r add0r mul1r mulN1r natE.
have -> : (if (1 <= t)%N then embedding (tok s (t - 1)) (i * V + v)%N else 0) = embedding (prev s t) (i * V + v)%N.
  by case: t => [|r] /=; [rewrite embedding_code subrr | rewrite subn1].
rewrite !embedding_code /stores.
pose pk := prev s t == key_ i; pose pv := prev s t == value_ v; pose ck := tok s t == key_ i.
pose cv := tok s t == value_ v; rewrite -/pk -/pv -/ck -/cv.
have : ~~ (pk && pv) by rewrite /pk /pv; case: (prev s t) => [[k|w]|] //; rewrite andbF.
have : ~~ (ck && cv) by rewrite /ck /cv; case: (tok s t) => [[k|w]|] //; rewrite andbF.
move: pk pv ck cv => pk pv ck cv c1 c2; transitivity (relu ((2 * pk + 2 * cv)%:R - (2 * pv + 2 * ck + 3)%:R : R)).
  by congr relu; rewrite !natrD; ring.
by rewrite relu_sub; case: pk c2; case: pv; case: ck c1; case: cv.
Qed.

(* --- the channels that see queries ------------------------------------------------------------------------------- *)

Lemma embedding_query (j : 'I_kappa) (x : token) : embedding x (kappa * V + j) = (seen j x)%:R.
Proof. by rewrite /selective_embedding ltnNge leq_addr ltn_add2l ltn_ord /= addKn natE. Qed.

Lemma embedding_asked (j : 'I_kappa) (x : token) : embedding x (kappa * V + kappa + j) = (seen j x)%:R.
Proof.
rewrite /selective_embedding ltnNge -addnA leq_addr addnA ltnNge leq_addr ltn_add2l ltn_ord /= addKn.
exact: natE.
Qed.

Lemma hat_query (j : 'I_kappa) : x_hat network (map embedding s) t (kappa * V + j) = (asked s t j)%:R.
Proof.
rewrite x_hatE /selective_taps /selective_bias ltnNge leq_addr ltn_add2l ltn_ord /=.
rewrite (_ : (kappa * V + j < kappa * V + kappa + kappa)%N); last by rewrite -addnA ltn_add2l ltn_addr.
rewrite !natE /= mul0r add0r mul1r !embedding_query -natrM -relu_sub natrD; congr (relu (_ + _ - _)).
by case: t => [|r] //=; rewrite subn1.
Qed.

Lemma hat_asked (j : 'I_kappa) : x_hat network (map embedding s) t (kappa * V + kappa + j) = (asked_before s t j)%:R.
Proof.
rewrite x_hatE /selective_taps /selective_bias ltnNge -addnA leq_addr addnA ltnNge leq_addr ltn_add2l ltn_ord /=.
rewrite !natE /= mul0r addr0 mul1r.
case: t => [|r] /=; first by rewrite mulr0 addr0 sub0r relu_neg // oppr_le0 ler0n.
rewrite !embedding_asked subn1 /= -natrM /asked -relu_sub natrD; congr (relu (_ + _ - _)).
by case: r => [|r'] //=; rewrite subn2.
Qed.

Lemma hat_one : x_hat network (map embedding s) t (kappa * V + kappa + kappa) = 1.
Proof.
have n1 : (kappa * V + kappa + kappa < kappa * V)%N = false by rewrite ltnNge -addnA leq_addr.
have n2 : (kappa * V + kappa + kappa < kappa * V + kappa)%N = false by rewrite ltnNge leq_addr.
by rewrite x_hatE /selective_taps /selective_bias n1 n2 ltnn !mul0r !add0r relu_pos ?ler01.
Qed.

(* --- the step, B, C and the state -------------------------------------------------------------------------------- *)

(* How many times block i shrinks at t. *)
Definition shrinks (i : nat) : nat := (\sum_(q < kappa | q != i :> nat) asked s t q + asked_before s t i)%N.

Lemma step_code (i : 'I_kappa) (v : 'I_V) :
  delta_of network (map embedding s) t (i * V + v) = 1 + shrink * (shrinks i)%:R.
Proof.
have V0 : (0 < V)%N by exact: leq_ltn_trans (leq0n v) (ltn_ord v).
rewrite /delta_of /linear [LHS]/= addrC; congr (_ + _).
rewrite sumE /selective_steps code_lt divnMDl // divn_small // addn0.
rewrite !big_split_ord /= big1 => [|c _]; last first.
  by rewrite ltnNge leqNgt ltn_ord /= ltn_eqF ?mulr0 // -addnA ltn_addr.
have n2 m : (kappa * V + kappa + m < kappa * V + kappa)%N = false by rewrite ltnNge leq_addr.
rewrite !n2 !andbF eqn_add2l (gtn_eqF (ltn_ord i)) mulr0 addr0 add0r /shrinks natrD natr_sum mulrDr mulr_sumr.
congr (_ + _).
  rewrite [RHS]big_mkcond; apply: eq_bigr => q _.
  rewrite leq_addr ltn_add2l ltn_ord addKn hat_query mulrC /=.
  by case: (q == i :> nat); rewrite /= ?mul0r.
rewrite (bigD1 i) //= big1 ?addr0 => [|c ci].
  by rewrite n2 andbF eqxx hat_asked mulrC.
by rewrite n2 andbF eqn_add2l (_ : (c == i :> nat) = false) ?mulr0 //; exact: negbTE.
Qed.

Lemma B_gain m : B_of network (map embedding s) t m = gain.
Proof.
rewrite /B_of affine_sum /= addr0 big_ord_recr /= eqxx hat_one mul1r big1 ?add0r // => c _.
by rewrite ltn_eqF ?mulr0.
Qed.

Lemma C_one m : C_of network (map embedding s) t m = 1.
Proof.
rewrite /C_of affine_sum /= addr0 big_ord_recr /= eqxx hat_one mul1r big1 ?add0r // => c _.
by rewrite ltn_eqF ?mulr0.
Qed.
End At.

Lemma stateE (s : seq token) t (i : 'I_kappa) (v : 'I_V) : (t < size s)%N ->
  state network (map embedding s) t (i * V + v) 0 =
  \sum_(0 <= r < t.+1) (stores s r i v)%:R * (gain * (1 + shrink * (shrinks s r i)%:R) *
    e (rate * \sum_(r.+1 <= r' < t.+1) (1 + shrink * (shrinks s r' i)%:R))).
Proof.
move=> ts; rewrite /state /s6_state unrolled; apply: eq_big_nat => r /andP[_ rt].
rewrite /= B_gain ?step_code ?hat_code; try exact: leq_trans rt ts.
set P : R := \prod_(_ <= _ < _) _; set Q := e _; suff -> : P = Q by ring.
rewrite /P /Q mulr_sumr (big_morph e expD exp0); apply: eq_big_nat => r' /andP[_ r't].
by rewrite step_code ?[rate * _]mulrC //; exact: leq_trans r't ts.
Qed.

Definition logit (s : seq token) t (u : 'I_V) : R :=
  linear (kappa * V + kappa + kappa).+1 (@selective_head F kappa V) (paper_mamba network (map embedding s) t) u.

Lemma logitE (s : seq token) t u : (t < size s)%N ->
  logit s t u = \sum_(i < kappa) state network (map embedding s) t (i * V + u) 0.
Proof.
move=> ts; have V0 : (0 < V)%N by exact: leq_ltn_trans (leq0n u) (ltn_ord u).
have outE c : paper_mamba network (map embedding s) t c = state network (map embedding s) t c 0.
  by rewrite /paper_mamba /= /readout /= add0r C_one // mulr1.
have up c : (kappa * V + c < kappa * V)%N = false by rewrite ltnNge leq_addr.
rewrite /logit affine_sum /= addr0 big_ord_recr /= -addnA up mulr0 addr0 addnA.
rewrite !big_split_ord /= [X in _ + X + _]big1 ?addr0 => [|c _]; last by rewrite up mulr0.
rewrite [X in _ + X]big1 ?addr0 => [|c _]; last by rewrite -addnA up mulr0.
pose f i r := state network (map embedding s) t (i * V + r)%N 0 * bit (F := F) (r == u).
transitivity (\sum_(0 <= c < kappa * V) f (c %/ V)%N (c %% V)%N).
  by rewrite big_mkord; apply: eq_bigr => c _; rewrite outE ltn_ord /f -divn_eq.
rewrite sum_blocks // big_mkord; apply: eq_bigr => i _.
rewrite big_mkord (bigD1 u) //= /f eqxx mulr1 big1 ?addr0 // => r ru.
by rewrite (_ : (r == u :> nat) = false) ?mulr0 //; exact: negbTE.
Qed.
End Shrinking.
