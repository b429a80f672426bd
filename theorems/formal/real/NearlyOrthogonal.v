(* mqar.lem4-amended: sign matrices with nearly orthogonal, and balanced, columns exist. A row at a time: of all rows of
   signs one keeps the sum of cosh(eps <M_i, M_j>) over the pairs i != j at most cosh(eps) times what it was. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype sequences derive realfun exp.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import mqar.Lemma4.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Cosh.
Variable R : realType.
Implicit Types x y : R.
Definition cosh x : R := (expR x + expR (- x)) / 2%:R.
Definition sinh x : R := (expR x - expR (- x)) / 2%:R.

Lemma cosh_gt0 x : 0 < cosh x.
Proof. by rewrite divr_gt0 ?ltr0n // addr_gt0 // expR_gt0. Qed.

Lemma coshN x : cosh (- x) = cosh x.
Proof. by rewrite /cosh opprK addrC. Qed.

Lemma cosh_norm x : cosh `|x| = cosh x.
Proof. by case: (ger0P x) => _ //; rewrite coshN. Qed.

Lemma expR_le_2cosh x : expR x <= cosh x *+ 2.
Proof. by rewrite -mulr_natr divfK ?pnatr_eq0 // ler_addl ltW // expR_gt0. Qed.

(* One sign more or less. *)
Lemma cosh_both x y : cosh (x + y) + cosh (- x + y) = (cosh x * cosh y) *+ 2.
Proof.
rewrite /cosh -mulr_natr !opprD opprK !expRD !expRN; field.
by rewrite !gt_eqF ?expR_gt0.
Qed.

Lemma exp_slope (k x : R) : is_derive x 1 (fun y => expR (k * y)) (k * expR (k * x)).
Proof.
have inner : is_derive x 1 (fun y : R => k * y) k.
  rewrite (_ : (fun y => k * y) = k \*: id); last by apply/funext.
  by apply: is_derive_eq; rewrite -[_ *: _]/(_ * _) mulr1.
have outer := is_derive_expR (k * x).
by apply: (trigger_derive (is_derive1_comp outer inner)); rewrite mulrC.
Qed.

Lemma cosh_slope x : is_derive x 1 cosh (sinh x).
Proof.
have d1 := exp_slope 1 x; have d2 := exp_slope (-1) x.
rewrite (_ : cosh = 2%:R^-1 \*: ((fun y => expR (1 * y)) + (fun y => expR (- 1 * y)))); last first.
  by apply/funext => y; rewrite -[RHS]/(_ * (expR (1 * y) + expR (-1 * y))) mul1r mulN1r mulrC.
by apply: (trigger_derive (is_deriveZ _ (is_deriveD d1 d2))); rewrite -[_ *: _]/(_ * _) /sinh !mul1r !mulN1r mulrC.
Qed.

Lemma sinh_slope x : is_derive x 1 sinh (cosh x).
Proof.
have d1 := exp_slope 1 x; have d2 := exp_slope (-1) x.
rewrite (_ : sinh = 2%:R^-1 \*: ((fun y => expR (1 * y)) - (fun y => expR (- 1 * y)))); last first.
  by apply/funext => y; rewrite -[RHS]/(_ * (expR (1 * y) - expR (-1 * y))) mul1r mulN1r mulrC.
apply: (trigger_derive (is_deriveZ _ (is_deriveB d1 d2))).
by rewrite -[_ *: _]/(_ * _) /cosh !mul1r !mulN1r opprK mulrC.
Qed.

(* A function whose slope is nonnegative from 0 on. *)
Lemma grows_from0 (f df : R -> R) x : 0 <= x -> (forall y, is_derive y 1 f (df y)) -> (forall y, 0 <= y -> 0 <= df y) ->
  f 0 <= f x.
Proof.
move=> x0 dfE df0.
have within : {within `[0, x]%classic, continuous f}.
  apply: continuous_subspaceT => y; apply/differentiable_continuous/derivable1_diffP; by have [] := dfE y.
have [y y0 fE] := MVT_segment x0 (fun z _ => dfE z) within.
rewrite -subr_ge0 fE subr0 mulr_ge0 // df0 //; by move: y0; rewrite in_itv /= => /andP[].
Qed.

Lemma sinh_ge0 x : 0 <= x -> 0 <= sinh x.
Proof. by move=> x0; rewrite divr_ge0 ?ler0n // subr_ge0 ler_expR (le_trans _ x0) // oppr_le0. Qed.

Lemma sinh_le x : 0 <= x -> sinh x <= x * cosh x.
Proof.
move=> x0; rewrite -subr_ge0.
apply: le_trans (@grows_from0 (fun y => y * cosh y - sinh y) (fun y => y * sinh y) x x0 _ _).
- by rewrite mul0r /sinh oppr0 subrr mul0r subr0.
- move=> y; have d1 := cosh_slope y; have d2 := sinh_slope y.
  rewrite (_ : (fun _ => _) = id * cosh - sinh); last by apply/funext.
  apply: (trigger_derive (is_deriveB (is_deriveM (is_derive_id _ _) d1) d2)).
  by rewrite -![_ *: _]/(_ * _) mulr1 addrK.
- by move=> y y0; rewrite mulr_ge0 // sinh_ge0.
Qed.

Lemma cosh_le x : 0 <= x -> cosh x <= expR (x ^+ 2 / 2%:R).
Proof.
move=> x0; pose f y := - (cosh y * expR (- (y ^+ 2 / 2%:R))).
suff: f 0 <= f x.
  rewrite /f expr0n mul0r oppr0 expR0 mulr1 {1}/cosh oppr0 expR0 (_ : 1 + 1 = 2%:R) // divff ?pnatr_eq0 //.
  by rewrite ler_opp2 expRN ler_pdivr_mulr ?expR_gt0 // mul1r.
pose df y := (y * cosh y - sinh y) * expR (- (y ^+ 2 / 2%:R)).
apply: (@grows_from0 f df x x0) => [y|y y0]; last first.
  by rewrite mulr_ge0 ?(ltW (expR_gt0 _)) // subr_ge0 sinh_le.
have d1 := cosh_slope y.
have inner : is_derive y 1 (fun z : R => - (z ^+ 2 / 2%:R)) (- y).
  rewrite (_ : (fun _ => _) = (- 2%:R^-1) \*: (id * id : R -> R)); last first.
    by apply/funext => z; rewrite -[RHS]/(_ * (z * z)) mulNr mulrC expr2.
  apply: is_derive_eq; rewrite -![_ *: _]/(_ * _) !mulr1 mulNr -mulr2n -[y *+ 2]mulr_natl mulKf //.
  by rewrite pnatr_eq0.
have outer := is_derive_expR (- (y ^+ 2 / 2%:R)).
have d2 : is_derive y 1 (fun z => expR (- (z ^+ 2 / 2%:R))) _ :=
  @is_derive1_comp R (@expR R) (fun z => - (z ^+ 2 / 2%:R)) y _ _ outer inner.
rewrite (_ : f = - (cosh * (fun z => expR (- (z ^+ 2 / 2%:R))))); last by apply/funext.
apply: (trigger_derive (is_deriveN (is_deriveM d1 d2))).
transitivity (- (cosh y * (expR (- (y ^+ 2 / 2%:R)) * - y) + expR (- (y ^+ 2 / 2%:R)) * sinh y)); first by [].
rewrite /df !mulrN opprD opprK mulrBl; congr (_ - _); last exact: mulrC.
by rewrite mulrCA mulrC [in RHS](mulrC y).
Qed.
End Cosh.

(* --- one row of signs --------------------------------------------------------------------------------------------- *)

Section Row.
Variables (R : realType) (d : nat).
Notation choices := {ffun 'I_d -> bool}.
Definition sign (f : choices) (i : 'I_d) : R := (-1) ^+ f i.
Definition flipped (i : 'I_d) (f : choices) : choices := [ffun k => if k == i then ~~ f k else f k].

Lemma flippedK i : involutive (flipped i).
Proof. by move=> f; apply/ffunP => k; rewrite !ffunE; case: eqP => // _; rewrite negbK. Qed.

Lemma cosh_sign (f : choices) i j (e S : R) :
  cosh (e * (sign f i * sign f j + S)) + cosh (e * (- (sign f i * sign f j) + S)) = (cosh e * cosh (e * S)) *+ 2.
Proof.
rewrite /sign -signr_addb !mulrDr mulrN; case: (_ (+) _); last by rewrite expr0 mulr1 cosh_both.
by rewrite expr1 mulrN1 opprK addrC cosh_both.
Qed.

(* The mean over all rows. *)
Lemma row_mean i j (e S : R) : i != j ->
  \sum_(f : choices) cosh (e * (sign f i * sign f j + S)) = \sum_(f : choices) cosh e * cosh (e * S).
Proof.
move=> ij; have two : 2%:R != 0 :> R by rewrite pnatr_eq0.
apply: (mulIf two); rewrite !mulr_natr -[in RHS]sumrMnl mulr2n.
rewrite [X in _ + X = _](reindex_inj (inv_inj (flippedK i))) -big_split; apply: eq_bigr => f _ /=.
have turned : sign (flipped i f) i * sign (flipped i f) j = - (sign f i * sign f j).
  by rewrite /sign !ffunE eqxx eq_sym (negPf ij) signrN mulNr.
by rewrite turned cosh_sign.
Qed.

Lemma some_below (a : choices -> R) b : \sum_f a f = \sum_(f : choices) b -> exists f, a f <= b.
Proof.
move=> mean; pose f0 : choices := [ffun => false].
have [f _ least] := @arg_minP _ R _ f0 xpredT a isT; exists f.
have : \sum_(g : choices) a f <= \sum_g a g by apply: ler_sum => g _; exact: least.
rewrite mean !sumr_const ler_pmuln2r //; apply/card_gt0P; by exists f0.
Qed.
End Row.

(* --- the matrix, row by row --------------------------------------------------------------------------------------- *)

Section Matrix.
Variables (R : realType) (d : nat).

Definition inner p (M : 'M[R]_(p, d)) (i j : 'I_d) : R := \sum_r M r i * M r j.
Definition potential p (e : R) (M : 'M[R]_(p, d)) : R := \sum_i \sum_(j | j != i) cosh (e * inner M i j).

Lemma inner_col p (v : 'rV[R]_d) (M : 'M[R]_(p, d)) i j :
  inner (col_mx v M) i j = v 0 i * v 0 j + inner M i j.
Proof.
rewrite /inner big_split_ord /= big_ord1 !col_mxEu; congr (_ + _).
by apply: eq_bigr => r _; rewrite !col_mxEd.
Qed.

Lemma next_row p (e : R) (M : 'M[R]_(p, d)) : signs_only M ->
  exists M' : 'M[R]_(1 + p, d), signs_only M' /\ potential e M' <= cosh e * potential e M.
Proof.
move=> signs; pose row_of f : 'rV[R]_d := \row_i sign R f i.
have [f small] : exists f, potential e (col_mx (row_of f) M) <= cosh e * potential e M.
  apply: some_below; rewrite /potential exchange_big /=.
  under [in RHS]eq_bigr do rewrite mulr_sumr; rewrite [RHS]exchange_big /=; apply: eq_bigr => i _.
  under [in RHS]eq_bigr do rewrite mulr_sumr; rewrite exchange_big [RHS]exchange_big /=; apply: eq_bigr => j ji.
  rewrite -(row_mean e (inner M i j) (i := i) (j := j)) 1?eq_sym //.
  by apply: eq_bigr => f _; rewrite inner_col !mxE.
exists (col_mx (row_of f) M); split=> // r i.
rewrite mxE; case: (fintype.split _) => l; rewrite ?mxE; last exact: signs.
by rewrite /sign; case: (f i); [right | left].
Qed.

Lemma rows_exist p (e : R) :
  exists M : 'M[R]_(p, d), signs_only M /\ potential e M <= cosh e ^+ p * (d * d.-1)%:R.
Proof.
elim: p => [|p [M [signs small]]].
  exists 0; split=> [r|]; first by case: r.
  rewrite expr0 mul1r le_eqVlt; apply/orP; left; apply/eqP.
  transitivity (\sum_(i < d) (d.-1)%:R : R); last by rewrite sumr_const card_ord -mulr_natl -natrM.
  apply: eq_bigr => i _; rewrite (eq_bigr (fun=> 1)); last first.
    by move=> j _; rewrite /inner big_ord0 mulr0 /cosh oppr0 expR0 (_ : 1 + 1 = 2%:R) // divff // pnatr_eq0.
  by rewrite sumr_const (_ : #|_| = d.-1) // (@cardC1 _ i) card_ord.
have [M' [signs' step]] := next_row e signs; exists M'; split=> //.
by apply: le_trans step _; rewrite exprS -mulrA ler_wpmul2l // ltW // cosh_gt0.
Qed.

Lemma pair_below p (e : R) (M : 'M[R]_(p, d)) i j : i != j -> cosh (e * inner M i j) *+ 2 <= potential e M.
Proof.
move=> ij; pose T k := \sum_(l | l != k) cosh (e * inner M k l).
have T0 (k : 'I_d) (P : pred 'I_d) : 0 <= \sum_(l | P l) cosh (e * inner M k l).
  by apply: sumr_ge0 => l _; exact/ltW/cosh_gt0.
have T_ge k l : l != k -> cosh (e * inner M k l) <= T k.
  by move=> lk; rewrite /T (bigD1 l) //= ler_addl T0.
have -> : potential e M = \sum_k T k by [].
rewrite (bigD1 i) //= (bigD1 j) 1?eq_sym //= addrA mulr2n -[X in X <= _]addr0.
apply: ler_add; last by apply: sumr_ge0 => k _; exact: T0.
apply: ler_add; first by rewrite T_ge // eq_sym.
rewrite (_ : inner M i j = inner M j i) ?T_ge //.
by apply: eq_bigr => r _; rewrite mulrC.
Qed.

(* Signs whose products stay below eps p. *)
Lemma signs_exist p (eps : R) : (0 < d)%N -> 0 < eps -> 4%:R * ln d%:R <= p%:R * eps ^+ 2 ->
  exists M : 'M[R]_(p, d), signs_only M /\ forall i j, i != j -> `|inner M i j| < p%:R * eps.
Proof.
move=> d0 eps0 enough; have [M [signs small]] := rows_exist p eps; exists M; split=> // i j ij.
rewrite ltNge; apply/negP => large.
pose E : R := expR (p%:R * eps ^+ 2 / 2%:R).
have E0 : 0 < E by exact: expR_gt0.
have d0' : 0 < d%:R :> R by rewrite ltr0n.
have up : E ^+ 2 <= E * (d * d.-1)%:R.
  apply: (@le_trans _ _ (cosh (eps * inner M i j) *+ 2)).
    rewrite -[cosh _]cosh_norm (le_trans _ (expR_le_2cosh _)) // normrM (gtr0_norm eps0).
    rewrite -expRMm ler_expR (_ : 2%:R * _ = eps * (p%:R * eps)); last by field.
    by rewrite ler_wpmul2l // ltW.
  apply: le_trans (pair_below eps M ij) (le_trans small _); rewrite ler_wpmul2r ?ler0n //.
  apply: (@le_trans _ _ (expR (eps ^+ 2 / 2%:R) ^+ p)); last by rewrite -expRMm ler_expR mulrA.
  by rewrite ler_expn2r ?nnegrE ?(ltW (cosh_gt0 _)) ?(ltW (expR_gt0 _)) // cosh_le // ltW.
move: up; rewrite expr2 ler_pmul2l // => up.
have down : d%:R ^+ 2 <= E.
  rewrite -[d%:R]lnK ?posrE // -expRMm ler_expR.
  rewrite -(ler_pmul2l (_ : 0 < 2%:R :> R)) ?ltr0n // mulrA -natrM (le_trans enough) //.
  by rewrite [X in _ <= X]mulrC divfK // pnatr_eq0.
have := le_trans down up; rewrite -natrX ler_nat leqNgt -mulnn ltn_pmul2l //.
by rewrite ltn_predL d0.
Qed.
End Matrix.

(* --- entries +-1/sqrt p ------------------------------------------------------------------------------------------- *)

Section Exists.
Variable R : realType.

Definition scaled p d (S : 'M[R]_(p, d)) : 'M[R]_(p, d) := (Num.sqrt p%:R)^-1 *: S.

Lemma scaled_product p d (S : 'M[R]_(p, d)) i j : product_of (scaled S) i j = mean_product S i j.
Proof.
rewrite /product_of /mean_product mulr_suml; apply: eq_bigr => r _.
by rewrite !mxE mulrACA -expr2 exprVn sqr_sqrtr ?ler0n // mulrC.
Qed.

(* Signs S, so that M = S/sqrt p; and M stacked on -M, with entries +-1/sqrt (2 p). *)
Theorem lem4_amended p d (eps : R) : (0 < p)%N -> (0 < d)%N -> 0 < eps -> 4%:R * ln d%:R <= p%:R * eps ^+ 2 ->
  exists S : 'M[R]_(p, d),
    [/\ signs_only S, forall i j, i != j -> `|product_of (scaled S) i j| < eps, signs_only (stacked S),
        forall i j, product_of (scaled (stacked S)) i j = product_of (scaled S) i j &
        forall i, \sum_r scaled (stacked S) r i = 0].
Proof.
move=> p0 d0 eps0 enough; have [S [signs small]] := signs_exist d0 eps0 enough.
have pR : 0 < p%:R :> R by rewrite ltr0n.
have [stacked_signs same balanced] := stacked_balanced signs.
exists S; split=> // [i j ij|i j|i]; first 2 last.
- by under eq_bigr do rewrite mxE; rewrite -mulr_sumr balanced mulr0.
- rewrite scaled_product normrM (gtr0_norm (_ : 0 < p%:R^-1)) ?invr_gt0 // ltr_pdivr_mulr // mulrC.
  exact: small.
- by rewrite !scaled_product same.
Qed.
End Exists.
