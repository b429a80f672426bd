(* Of haar.s4d-lower-bound-jumps the singular values of H = [1[a + b < n]], 1/(2 sin((2k - 1) pi/(2 (2n + 1)))); of
   haar.s4d-lower-bound the bound on 2n samples of [0, 1], for every kernel of N states. k counts from 0. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences.
From mathcomp Require Import derive realfun exp trigo.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import haar.Hankel real.NearlyOrthogonal.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Cosines.
Variables (R : realType) (n : nat).

(* Half the frequency of mode k, the mode at place a, and its singular value. *)
Definition angle (k : nat) : R := k.*2.+1%:R / n.*2.+1%:R * (pi / 2%:R).
Definition mode (k a : nat) : R := cos (a.*2.+1%:R * angle k).
Definition singular (k : nat) : R := (2%:R * sin (angle k))^-1.
Notation eigenvalue k := ((-1) ^+ k * singular k).

Lemma pihalf_gt0 : 0 < pi / 2%:R :> R. Proof. by rewrite divr_gt0 ?pi_gt0 // ltr0n. Qed.

Lemma angle_gt0 k : 0 < angle k.
Proof. by rewrite mulr_gt0 ?pihalf_gt0 // divr_gt0 // ltr0n. Qed.

Lemma angle_lt k : (k < n)%N -> angle k < pi / 2%:R.
Proof.
move=> kn; rewrite -[X in _ < X]mul1r ltr_pmul2r ?pihalf_gt0 // ltr_pdivr_mulr ?ltr0n // mul1r ltr_nat.
by rewrite ltnS ltn_double.
Qed.

Lemma sin_angle_gt0 k : (k < n)%N -> 0 < sin (angle k).
Proof. by move=> kn; rewrite sin_gt0_pihalf // angle_gt0 angle_lt. Qed.

Lemma singular_gt0 k : (k < n)%N -> 0 < singular k.
Proof. by move=> kn; rewrite invr_gt0 mulr_gt0 ?ltr0n // sin_angle_gt0. Qed.

Lemma angle_range k : (k < n)%N -> angle k \in `[- (pi / 2%:R), pi / 2%:R]%R.
Proof.
move=> kn; rewrite in_itv /= (ltW (angle_lt kn)) andbT (le_trans _ (ltW (angle_gt0 k))) //.
by rewrite oppr_le0 ltW // pihalf_gt0.
Qed.

Lemma singular_decreases i k : (i < k)%N -> (k < n)%N -> singular k < singular i.
Proof.
move=> ik kn; have i_n := ltn_trans ik kn.
rewrite ltf_pinv ?posrE ?mulr_gt0 ?ltr0n ?sin_angle_gt0 // ltr_pmul2l ?ltr0n //.
rewrite ltr_sin ?angle_range // ltr_pmul2r ?pihalf_gt0 // ltr_pmul2r ?invr_gt0 ?ltr0n // ltr_nat.
by rewrite ltnS ltn_double.
Qed.

(* Cosines of odd multiples add up to a sine. *)
Lemma cosines_add_up m (phi : R) :
  (\sum_(b < m) cos (b.*2.+1%:R * phi)) * (2%:R * sin phi) = sin (m.*2%:R * phi).
Proof.
elim: m => [|m IH]; first by rewrite big_ord0 !mul0r sin0.
rewrite big_ord_recr mulrDl IH /=; set x := m.*2.+1%:R * phi.
have -> : m.*2%:R * phi = x - phi by rewrite /x -addn1 natrD; ring.
have -> : m.+1.*2%:R * phi = x + phi by rewrite /x doubleS -addn1 natrD; ring.
by rewrite sinB sinD; ring.
Qed.

Lemma quarter_turns k (y : R) : sin (k.*2.+1%:R * (pi / 2%:R) - y) = (-1) ^+ k * cos y.
Proof.
have two : 2%:R * 2%:R^-1 = 1 :> R by rewrite divff // pnatr_eq0.
have -> : k.*2.+1%:R * (pi / 2%:R) - y = - y + pi / 2%:R + pi *+ k.
  rewrite -addn1 natrD -muln2 natrM -[pi *+ k]mulr_natl.
  transitivity (k%:R * pi * (2%:R * 2%:R^-1) + pi / 2%:R - y); first by ring.
  by rewrite two; ring.
by rewrite (alternatingn (@sinDpi R)) sinDpihalf cosN.
Qed.

(* Mode k is an eigenvector of the step's Hankel matrix. *)
Lemma mode_eigen a k : (a < n)%N -> (k < n)%N ->
  \sum_(b < n) step R n (a + b) * mode k b = eigenvalue k * mode k a.
Proof.
move=> an kn; have s0 : 2%:R * sin (angle k) != 0 by rewrite gt_eqF // mulr_gt0 ?ltr0n // sin_angle_gt0.
apply: (mulIf s0); rewrite (_ : \sum_(b < n) _ = \sum_(b < n - a) mode k b); last first.
  rewrite [RHS](big_ord_widen n (mode k)) ?leq_subr // [RHS]big_mkcond; apply: eq_bigr => b _.
  by rewrite /step ltn_subRL; case: ifP; rewrite ?mul1r ?mul0r.
rewrite cosines_add_up.
have -> : (n - a).*2%:R * angle k = k.*2.+1%:R * (pi / 2%:R) - a.*2.+1%:R * angle k.
  have -> : (n - a).*2%:R = n.*2.+1%:R - a.*2.+1%:R :> R.
    by rewrite -natrB ?ltnS ?leq_double ?(ltnW an) // subSS doubleB.
  rewrite mulrBl; congr (_ - _); have m0 : n.*2.+1%:R != 0 :> R by rewrite pnatr_eq0.
  by rewrite /angle; move: (pi / 2%:R) (n.*2.+1%:R) m0 (k.*2.+1%:R) => q m m0 l; rewrite mulrA mulrCA divff ?mulr1.
rewrite quarter_turns /mode /singular; move: s0; set x := 2%:R * _; set c := cos _; set u := _ ^+ k => s0.
by rewrite mulrAC -[u / x * x]mulrA mulVf // mulr1.
Qed.

(* --- the modes are orthogonal ------------------------------------------------------------------------------------- *)

Definition dot i k : R := \sum_(a < n) mode i a * mode k a.

Lemma dot_eigen i k : (i < n)%N -> (k < n)%N -> eigenvalue i * dot i k = eigenvalue k * dot i k.
Proof.
move=> i_n kn; rewrite /dot !mulr_sumr.
transitivity (\sum_(a < n) \sum_(b < n) step R n (a + b) * mode i b * mode k a).
  by apply: eq_bigr => a _; rewrite mulrA -mode_eigen // mulr_suml.
rewrite exchange_big; apply: eq_bigr => b _ /=; rewrite mulrCA -mode_eigen // mulr_sumr.
by apply: eq_bigr => a _; rewrite addnC; ring.
Qed.

Lemma eigenvalue_norm k : (k < n)%N -> `|eigenvalue k| = singular k.
Proof. by move=> kn; rewrite normrM normrX normrN1 expr1n mul1r gtr0_norm // singular_gt0. Qed.

Lemma orthogonal i k : (i < n)%N -> (k < n)%N -> i != k -> dot i k = 0.
Proof.
move=> i_n kn ik; apply/eqP; apply: contraTT (eqxx (eigenvalue i * dot i k)) => d0.
rewrite {2}dot_eigen //; apply/negP => /eqP /(mulIf d0) /(congr1 Num.norm); rewrite !eigenvalue_norm // => same.
move: ik; rewrite neq_ltn => /orP[lt|lt]; first by have := singular_decreases lt kn; rewrite same ltxx.
by have := singular_decreases lt i_n; rewrite same ltxx.
Qed.

Lemma dot_gt0 k : (k < n)%N -> 0 < dot k k.
Proof.
move=> kn; have n0 : (0 < n)%N by exact: leq_ltn_trans kn.
rewrite /dot (bigD1 (Ordinal n0)) //= ltr_paddr ?sumr_ge0 // => [a _|]; first by rewrite -expr2 sqr_ge0.
by rewrite -expr2 exprn_gt0 // /mode mul1r cos_gt0_pihalf // angle_lt // andbT (lt_trans _ (angle_gt0 k)) //
  oppr_lt0 pihalf_gt0.
Qed.

Definition modes : 'M[R]_n := \matrix_(a, k) (mode k a / Num.sqrt (dot k k)).
Definition signed_singular : 'rV[R]_n := \row_k eigenvalue k.

Lemma modes_orthonormal : modes^T *m modes = 1%:M.
Proof.
apply/matrixP => i k; rewrite !mxE.
rewrite (_ : \sum_j _ = dot i k / (Num.sqrt (dot i i) * Num.sqrt (dot k k))); last first.
  by rewrite /dot mulr_suml; apply: eq_bigr => a _; rewrite !mxE invfM mulrACA.
have [->|ik] := eqVneq i k; last by rewrite orthogonal // mul0r.
by rewrite -expr2 sqr_sqrtr ?ltW ?dot_gt0 // divff // gt_eqF // dot_gt0.
Qed.

Lemma modes_orthonormal' : modes *m modes^T = 1%:M.
Proof. exact: mulmx1C modes_orthonormal. Qed.

Lemma step_diagonal : hankel n (step R n) = modes *m diag_mx signed_singular *m modes^T.
Proof.
have -> : modes *m diag_mx signed_singular = hankel n (step R n) *m modes.
  apply/matrixP => a k; rewrite mul_mx_diag !mxE mulrAC [mode k a * _]mulrC -mode_eigen // mulr_suml.
  by apply: eq_bigr => b _; rewrite !mxE mulrA.
by rewrite -mulmxA modes_orthonormal' mulmx1.
Qed.

(* H = Q D Q^T with Q orthogonal and D diagonal: the absolute values on D's diagonal are H's singular values. *)
Theorem step_singular_values : exists Q : 'M[R]_n,
  [/\ Q^T *m Q = 1%:M, hankel n (step R n) = Q *m diag_mx (\row_(k < n) ((-1) ^+ k * singular k)) *m Q^T,
      forall k : 'I_n, 0 < singular k & forall i k : 'I_n, (i < k)%N -> singular k < singular i].
Proof.
exists modes; split; [exact: modes_orthonormal | exact: step_diagonal | by move=> k; exact: singular_gt0 |].
by move=> i k ik; exact: singular_decreases.
Qed.

(* --- N states leave the singular values beyond the N largest ------------------------------------------------------ *)

Lemma sq_orthogonal (A : 'M[R]_n) : sq (modes *m A *m modes^T) = sq A.
Proof.
rewrite !sqE !trmx_mul trmxK !mulmxA -(mulmxA _ modes^T modes) modes_orthonormal mulmx1.
by rewrite -!mulmxA mxtrace_mulC -!mulmxA modes_orthonormal mulmx1.
Qed.

Theorem step_far_from_states N (A : 'M[R]_N) B C :
  \sum_(k < n | (N <= k)%N) singular k ^+ 2
    <= \sum_(a < n) \sum_(b < n) (step R n (a + b) - kernel_of A B C (a + b)) ^+ 2.
Proof.
pose E := hankel n (kernel_of A B C).
have -> : \sum_(a < n) \sum_(b < n) (step R n (a + b) - kernel_of A B C (a + b)) ^+ 2 = sq (hankel n (step R n) - E).
  by apply: eq_bigr => a _; apply: eq_bigr => b _; rewrite !mxE.
have -> : hankel n (step R n) - E = modes *m (diag_mx signed_singular - modes^T *m E *m modes) *m modes^T.
  rewrite mulmxBr mulmxBl -step_diagonal; congr (_ - _).
  by rewrite !mulmxA modes_orthonormal' mul1mx -mulmxA modes_orthonormal' mulmx1.
rewrite sq_orthogonal (eq_bigr (fun k => signed_singular 0 k ^+ 2)) => [|k _]; last first.
  by rewrite mxE exprMn -exprM mulnC exprM sqrrN expr1n expr1n mul1r.
apply: eckart_young_diagonal => [|i k ik].
  by apply: leq_trans (mxrankM_maxl _ _) (leq_trans (mxrankM_maxr _ _) (hankel_rank _ _ _ _)).
rewrite -(real_normK (num_real (signed_singular 0 k))) -(real_normK (num_real (signed_singular 0 i))) !mxE.
rewrite !eigenvalue_norm // ler_expn2r ?nnegrE ?(ltW (singular_gt0 _)) //.
by move: ik; rewrite leq_eqVlt => /orP[/eqP ->|lt] //; exact/ltW/singular_decreases.
Qed.

(* --- on samples of [0, 1] ----------------------------------------------------------------------------------------- *)

Lemma sin_le (x : R) : 0 <= x -> sin x <= x.
Proof.
move=> x0; rewrite -subr_ge0; have slope (y : R) := is_deriveB (is_derive_id y 1) (is_derive_sin y).
apply: le_trans (@grows_from0 R (fun y => y - sin y) (fun y => 1 - cos y) x x0 slope _).
- by rewrite sin0 subrr.
- by move=> y _; rewrite subr_ge0 cos_le1.
Qed.

Lemma singular_ge k : (k < n)%N -> n.*2%:R / (k.*2.+1%:R * pi) <= singular k.
Proof.
move=> kn; have k0 : 0 < k.*2.+1%:R * pi :> R by rewrite mulr_gt0 ?ltr0n // pi_gt0.
apply: (@le_trans _ _ (2%:R * angle k)^-1); last first.
  have s0 : 0 < 2%:R * sin (angle k) by rewrite mulr_gt0 ?ltr0n // sin_angle_gt0.
  have a0 : 0 < 2%:R * angle k by rewrite mulr_gt0 ?ltr0n // angle_gt0.
  rewrite lef_pinv //; apply: ler_wpmul2l; rewrite ?ler0n //; exact/sin_le/ltW/angle_gt0.
have -> : (2%:R * angle k)^-1 = n.*2.+1%:R / (k.*2.+1%:R * pi).
  have := pi_gt0 R; rewrite /angle; move: (pi : R) => q q0.
  have m0 : n.*2.+1%:R != 0 :> R by rewrite pnatr_eq0.
  have l0 : k.*2.+1%:R != 0 :> R by rewrite pnatr_eq0.
  move: n.*2.+1%:R k.*2.+1%:R m0 l0 => m l m0 l0; field.
  by rewrite m0 l0 gt_eqF.
by rewrite ler_wpmul2r ?invr_ge0 ?(ltW k0) // ler_nat.
Qed.

Lemma rows_below (f : nat -> R) (a : 'I_n) : (forall t, 0 <= f t) -> \sum_(b < n) f (a + b)%N <= \sum_(t < n.*2) f t.
Proof.
move=> f0; rewrite -(big_mkord xpredT (fun b => f (a + b)%N)) -(big_mkord xpredT f).
have an := ltn_ord a; have a2n : (a + n <= n.*2)%N by rewrite -addnn leq_add2r ltnW.
rewrite (big_cat_nat _ _ _ (leq0n a) (leq_trans (leq_addr n a) a2n)) /= (big_cat_nat _ _ _ (leq_addr n a) a2n) /=.
rewrite -{3}[a : nat]add0n big_addn addKn (eq_bigr (fun b => f (b + a)%N)) => [|b _]; last by rewrite addnC.
by rewrite addrCA ler_addl addr_ge0 // sumr_ge0.
Qed.

(* The mean square over 2n samples of [0, 1]; the step is 1 on the first half of them. *)
Theorem states_far_on_samples N (A : 'M[R]_N) B C :
  2%:R / pi ^+ 2 * (\sum_(k < n | (N <= k)%N) k.*2.+1%:R ^- 2)
    <= (\sum_(t < n.*2) (step R n t - kernel_of A B C t) ^+ 2) / n.*2%:R.
Proof.
pose f t := (step R n t - kernel_of A B C t) ^+ 2; have f0 t : 0 <= f t by exact: sqr_ge0.
have [n0|n0] := posnP n.
  rewrite big1 ?mulr0 => [|k _]; last by have := ltn_ord k; rewrite {2}n0.
  by rewrite mulr_ge0 ?invr_ge0 ?ler0n // sumr_ge0 // => t _; exact: f0.
have nR : 0 < n%:R :> R by rewrite ltr0n.
have p0 := pi_gt0 R.
have rows : \sum_(a < n) \sum_(b < n) f (a + b)%N <= n%:R * \sum_(t < n.*2) f t.
  apply: (@le_trans _ _ (\sum_(a < n) \sum_(t < n.*2) f t)).
    by apply: ler_sum => a _; exact: rows_below.
  by rewrite sumr_const card_ord mulr_natl.
have low : \sum_(k < n | (N <= k)%N) (n.*2%:R / (k.*2.+1%:R * pi)) ^+ 2 <= n%:R * \sum_(t < n.*2) f t.
  apply: le_trans (le_trans (step_far_from_states A B C) rows); apply: ler_sum => k _.
  rewrite ler_expn2r ?nnegrE ?singular_ge ?(ltW (singular_gt0 _)) //.
  by rewrite divr_ge0 ?ler0n // mulr_ge0 ?ler0n // ltW.
rewrite ler_pdivl_mulr ?ltr0n ?double_gt0 // -(ler_pmul2l nR) (le_trans _ low) // le_eqVlt; apply/orP; left; apply/eqP.
transitivity ((2%:R / (pi : R) ^+ 2 * n.*2%:R * n%:R) * \sum_(k < n | (N <= k)%N) k.*2.+1%:R ^- 2).
  by rewrite [LHS]mulrC -!mulrA; congr (_ * (_ * _)); rewrite [LHS]mulrC -mulrA.
rewrite mulr_sumr; apply: eq_bigr => k _; rewrite -mul2n natrM.
have l0 : k.*2.+1%:R != 0 :> R by rewrite pnatr_eq0.
move: (pi : R) p0 k.*2.+1%:R l0 => q q0 l l0; field.
by rewrite l0 gt_eqF.
Qed.
End Cosines.
