(* haar.s4d-lower-bound-jumps, what is finite in it: the kernel 1[s < n] has a Hankel matrix of rank n, so that N >= n
   states are needed for it; and Eckart-Young against a diagonal matrix, without singular values. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- the Hankel matrix of a kernel -------------------------------------------------------------------------------- *)

Section Hankel.
Variable F : fieldType.

Definition hankel (n : nat) (kernel : nat -> F) : 'M[F]_n := \matrix_(a, b) kernel (a + b)%N.
Definition step (n s : nat) : F := (s < n)%N%:R.

(* A linear time-invariant recurrence with N states has the kernel C A^s B. *)
Definition kernel_of N (A : 'M[F]_N) (B : 'cV[F]_N) (C : 'rV[F]_N) (s : nat) : F := (C *m iter s (mulmx A) B) 0 0.

Lemma hankel_rank N n (A : 'M[F]_N) B C : (\rank (hankel n (kernel_of A B C)) <= N)%N.
Proof.
pose O := \matrix_(i < n) iter i (fun c => c *m A) C.
pose S := \matrix_(m < N, j < n) iter j (mulmx A) B m 0.
rewrite (_ : hankel _ _ = O *m S); first exact: leq_trans (mxrankM_maxl _ _) (rank_leq_col _).
apply/matrixP => i j; rewrite mxE /kernel_of.
have -> : C *m iter (i + j) (mulmx A) B = iter i (fun c => c *m A) C *m iter j (mulmx A) B.
  by elim: (nat_of_ord i) (nat_of_ord j) => // k IH l; rewrite addSnnS IH /= mulmxA.
by rewrite [RHS]mxE mxE; apply: eq_bigr => m _; rewrite !mxE.
Qed.

(* H = [1[a + b < n]] is regular: sum_i c_i 1[i + j < n] = 0 for all j says that all partial sums of c vanish. *)
Theorem step_rank n : \rank (hankel n (step n)) = n.
Proof.
suff /eqP -> : row_free (hankel n (step n)) by [].
rewrite -kermx_eq0; apply/negPn/negP; case/rowV0Pn=> c /sub_kermxP cH /negP[]; apply/eqP.
have sums (j : 'I_n) : \sum_(i < n | (i + j < n)%N) c 0 i = 0.
  have := cH; move/matrixP/(_ 0 j); rewrite !mxE => h; rewrite -[RHS]h [LHS]big_mkcond.
  by apply: eq_bigr => i _; rewrite !mxE /step; case: ifP => _; rewrite ?mulr1 ?mulr0.
have part m : (m <= n)%N -> \sum_(i < n | (i < m)%N) c 0 i = 0.
  case: m => [|m] mn; first by rewrite big_pred0.
  have jn : (n - m.+1 < n)%N by rewrite ltn_subrL (leq_trans _ mn).
  rewrite -[RHS](sums (Ordinal jn)); apply: eq_bigl => i /=.
  by rewrite -[LHS](ltn_add2r (n - m.+1)) subnKC.
apply/rowP => i; rewrite mxE; have := part i.+1 (ltn_ord i); rewrite (bigD1 i) //= => h.
rewrite -[LHS]addr0 -[X in _ + X](part i (ltnW (ltn_ord i))) -[RHS]h; congr (_ + _).
by apply: eq_bigl => l; rewrite ltnS ltn_neqAle andbC.
Qed.

(* A kernel that is 1[s < n] for s <= 2n - 2 has at least n states. *)
Theorem step_needs_states n N (A : 'M[F]_N) B C :
  (forall s, (s <= n.*2 - 2)%N -> kernel_of A B C s = step n s) -> (n <= N)%N.
Proof.
move=> exact_; rewrite -{1}(step_rank n) -(_ : hankel n (kernel_of A B C) = hankel n (step n)) ?hankel_rank //.
apply/matrixP => a b; rewrite !mxE exact_ //; case: n a b {exact_} => [[]//|n] a b.
by rewrite -muln2 mulSn muln2 add2n !subSS subn0 -addnn leq_add // -ltnS ltn_ord.
Qed.
End Hankel.

(* --- Eckart-Young ------------------------------------------------------------------------------------------------- *)

Section EckartYoung.
Variable R : realFieldType.

(* The squared Frobenius norm. *)
Definition sq m n (A : 'M[R]_(m, n)) : R := \sum_i \sum_j A i j ^+ 2.

Lemma sqE m n (A : 'M[R]_(m, n)) : sq A = \tr (A *m A^T).
Proof. by rewrite /sq /mxtrace; apply: eq_bigr => i _; rewrite mxE; apply: eq_bigr => j _; rewrite mxE. Qed.

Lemma sq_ge0 m n (A : 'M[R]_(m, n)) : 0 <= sq A.
Proof. by apply: sumr_ge0 => i _; apply: sumr_ge0 => j _; exact: sqr_ge0. Qed.

Lemma sq_eq0 n (A : 'rV[R]_n) : sq A = 0 -> A = 0.
Proof.
rewrite /sq big_ord1 => /psumr_eq0P z; apply/rowP => j; rewrite mxE; apply/eqP.
by rewrite -sqrf_eq0 z // => i _; exact: sqr_ge0.
Qed.

Lemma gram m n (X : 'M[R]_(m, n)) : row_free X -> X *m X^T \in unitmx.
Proof.
move=> Xf; rewrite -row_free_unit -kermx_eq0; apply/negPn/negP; case/rowV0Pn=> c /sub_kermxP cX /negP[].
have /sq_eq0 cX0 : sq (c *m X) = 0 by rewrite sqE trmx_mul mulmxA -(mulmxA c) cX mul0mx mxtrace0.
by apply/eqP; apply: (row_free_inj Xf); rewrite cX0 mul0mx.
Qed.

Section Projection.
Variables (n : nat) (Q : 'M[R]_n).
Hypothesis sym : Q^T = Q.
Hypothesis idem : Q *m Q = Q.
Lemma sq_proj m (A : 'M[R]_(n, m)) : sq (Q *m A) = \tr (Q *m (A *m A^T)).
Proof. by rewrite sqE trmx_mul sym !mulmxA mxtrace_mulC !mulmxA idem. Qed.
Lemma proj_diag_ge0 i : 0 <= Q i i.
Proof.
rewrite -idem mxE; apply: sumr_ge0 => j _.
by rewrite -[in X in _ * X]sym mxE -expr2 sqr_ge0.
Qed.
End Projection.

(* A matrix of rank N is no closer to a diagonal one than its entries beyond the N largest: with the projection P onto
   the left kernel of E, |D - E|^2 >= |P D|^2 = sum_i P_ii d_i^2, where 0 <= P_ii <= 1 and tr P >= K - N. *)
Theorem eckart_young_diagonal K N (d : 'rV[R]_K) (E : 'M[R]_K) :
  (\rank E <= N)%N -> (forall i j : 'I_K, (i <= j)%N -> d 0 j ^+ 2 <= d 0 i ^+ 2) ->
  \sum_(i < K | (N <= i)%N) d 0 i ^+ 2 <= sq (diag_mx d - E).
Proof.
move=> rE dec.
have [m [X [Xf XE mE]]] : exists m (X : 'M[R]_(m, K)), [/\ row_free X, X *m E = 0 & m = (K - \rank E)%N].
  exists (\rank (kermx E)), (row_base (kermx E)); split; rewrite ?row_base_free ?mxrank_ker //.
  by apply/sub_kermxP; rewrite eq_row_base.
pose G := X *m X^T; pose P := X^T *m invmx G *m X.
have Gu : G \in unitmx by exact: gram.
have PE : P *m E = 0 by rewrite /P -mulmxA XE mulmx0.
have Ps : P^T = P by rewrite /P !trmx_mul trmx_inv /G trmx_mul !trmxK mulmxA.
have Pi : P *m P = P.
  by rewrite /P -!mulmxA (mulmxA X X^T) -/G (mulmxA G) mulmxV // mul1mx.
have Pt : \tr P = (K - \rank E)%:R.
  by rewrite /P -mulmxA mxtrace_mulC -mulmxA -/G mulVmx // mxtrace1 mE.
have Qs : (1%:M - P)^T = 1%:M - P by rewrite linearB /= trmx1 Ps.
have Qi : (1%:M - P) *m (1%:M - P) = 1%:M - P.
  by rewrite mulmxBl !mulmxBr mul1mx mulmx1 mul1mx Pi subrr subr0.
pose A := diag_mx d - E.
have PA : sq (P *m A) <= sq A.
  rewrite (sq_proj Ps Pi) [sq A]sqE -subr_ge0 -linearB /= -{1}[A *m A^T]mul1mx -mulmxBl.
  by rewrite -(sq_proj Qs Qi) sq_ge0.
apply: le_trans PA; rewrite /A mulmxBr PE subr0 (sq_proj Ps Pi) tr_diag_mx mulmx_diag.
have -> : \tr (P *m diag_mx (\row_j (d 0 j * d 0 j))) = \sum_i P i i * d 0 i ^+ 2.
  rewrite /mxtrace; apply: eq_bigr => i _.
  by rewrite mul_mx_diag !mxE expr2.
have [KN|NK] := leqP K N.
  rewrite big1 => [|i Ni]; last by move: (leq_ltn_trans Ni (ltn_ord i)); rewrite ltnNge KN.
  by apply: sumr_ge0 => i _; rewrite mulr_ge0 ?sqr_ge0 // (proj_diag_ge0 Ps Pi).
pose delta := d 0 (Ordinal NK) ^+ 2.
have term i : delta * (P i i - (N <= i)%N%:R) <= P i i * d 0 i ^+ 2 - (N <= i)%N%:R * d 0 i ^+ 2.
  have p0 := proj_diag_ge0 Ps Pi i; have p1 : P i i <= 1.
    by have := proj_diag_ge0 Qs Qi i; rewrite !mxE eqxx subr_ge0.
  rewrite -mulrBl mulrC; case: (leqP N i) => Ni.
    by rewrite ler_wnmul2l ?subr_le0 //; apply: dec.
  by rewrite subr0 ler_wpmul2l //; apply: dec; exact: ltnW.
rewrite -subr_ge0 [X in _ - X](_ : _ = \sum_(i < K) (N <= i)%N%:R * d 0 i ^+ 2); last first.
  by rewrite big_mkcond; apply: eq_bigr => i _; case: ifP => _; rewrite ?mul1r ?mul0r.
rewrite -sumrB; apply: le_trans (ler_sum _ (fun i _ => term i)).
rewrite -mulr_sumr mulr_ge0 ?sqr_ge0 // sumrB subr_ge0 -/(\tr P) Pt -natr_sum ler_nat.
have -> : (\sum_(i < K) (N <= i) = K - N)%N.
  rewrite -(big_mkord xpredT (fun i => (N <= i)%N : nat)) (big_cat_nat _ _ _ (leq0n N) (ltnW NK)) /=.
  rewrite big_nat_cond big1 ?add0n => [|i /andP[/andP[_ iN] _]]; last by rewrite leqNgt iN.
  rewrite (eq_big_nat _ _ (F2 := fun=> 1%N)) ?sum_nat_const_nat ?muln1 // => i /andP[-> _] //.
exact: leq_sub2l.
Qed.
End EckartYoung.
