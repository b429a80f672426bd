(* mqar.n1-delta-gate: N = 1 and no gate in the paper's Mamba block, whose step shrinks every block but the query's. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* How much the token at t asks for key j: once behind filler or another key, three times behind j itself; a key behind
   a value, or behind nothing, does not ask. *)
Definition asking kappa V (s : seq (token kappa V)) (t : nat) (j : 'I_kappa) : nat :=
  (if t is r.+1 then if (tok s t == key_ j) && ~~ is_value (tok s r) then if tok s r == key_ j then 3 else 1 else 0
   else 0)%N.
(* All that was asked up to t. *)
Definition asked kappa V (s : seq (token kappa V)) (t : nat) : nat :=
  (\sum_(0 <= r < t.+1) \sum_(j < kappa) asking s r j)%N.

Section SelectiveStep.
Variable R : realFieldType.
Variable e : R -> R.
Variables kappa V : nat.
Variables shrink stored rate rest rho : R.
(* e^(-rate (1 + shrink n)) = rest rho^n: what a step leaves. *)
Hypothesis decays : forall n, e ((1 + shrink * n%:R) * - rate) = rest * rho ^+ n.
Notation F := (over e (@relu R) id).
Notation token := (token kappa V).
Notation weights := (@selective_step F kappa V shrink stored rate).
Notation embedding := (@selective_embedding F kappa V).
Notation codes := (kappa * V)%N.
Notation late := (kappa * V + kappa)%N.
Notation ones := (kappa * V + kappa + kappa)%N.

Definition selective_logit (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear (ones + 1) (@selective_head F kappa V) (paper_mamba weights (map embedding s) t) u.

Notation x s t := (x_hat weights (map embedding s) t).
Arguments x_hat : simpl never.

(* Three taps. *)
Lemma conv3E (M : affine F) (X : seq (nat -> R)) t c : causal_conv1d 3 M X t c =
  (if t is r.+2 then weight M c 0%N * row (F := F) X r c else 0)
    + (if t is r.+1 then weight M c 1%N * row (F := F) X r c else 0)
    + weight M c 2 * row (F := F) X t c + bias M c.
Proof.
by rewrite /causal_conv1d /= add0r !backE; case: t => [|[|t]] /=; rewrite ?mulr0 ?subn0 ?subn1 ?subn2.
Qed.

Lemma rowE s t c : (t < size s)%N -> row (F := F) (map embedding s) t c = embedding (tok s t) c.
Proof. by elim: s t => [|y s IH] [|t] //=; exact: IH. Qed.

(* --- the channels ------------------------------------------------------------------------------------------------- *)

Definition code_ (b : 'I_kappa) (v : 'I_V) : nat := b * V + v.
Lemma code_lt b v : (code_ b v < codes)%N.
Proof. by rewrite (@leq_trans (b.+1 * V)) ?leq_mul2r ?ltn_ord ?orbT // /code_ mulSn addnC ltn_add2r. Qed.
Lemma code_div b v : (code_ b v %/ V = b)%N.
Proof. by rewrite /code_ divnMDl ?(leq_ltn_trans _ (ltn_ord v)) // divn_small // addn0. Qed.
Lemma code_mod b v : (code_ b v %% V = v)%N. Proof. by rewrite /code_ modnMDl modn_small. Qed.

Lemma query_lt (j : 'I_kappa) : (codes + j < late)%N. Proof. by rewrite ltn_add2l. Qed.
Lemma query_ge (j : nat) : (codes + j < codes)%N = false. Proof. by rewrite ltnNge leq_addr. Qed.
Lemma query_ones (j : 'I_kappa) : (codes + j < ones)%N. Proof. by rewrite (leq_trans (query_lt j)) ?leq_addr. Qed.
Lemma late_ge (j : nat) : (late + j < late)%N = false. Proof. by rewrite ltnNge leq_addr. Qed.
Lemma late_ge' (j : nat) : (late + j < codes)%N = false. Proof. by rewrite ltnNge -addnA leq_addr. Qed.
Lemma late_ones (j : 'I_kappa) : (late + j < ones)%N. Proof. by rewrite ltn_add2l. Qed.
Lemma which_query (j : 'I_kappa) : which kappa V (codes + j) = j. Proof. by rewrite /which query_lt addKn. Qed.
Lemma which_late (j : 'I_kappa) : which kappa V (late + j) = j. Proof. by rewrite /which late_ge addKn. Qed.
Lemma ones_ge : (ones < codes)%N = false. Proof. by rewrite ltnNge -addnA leq_addr. Qed.
Lemma ones_ge' : (ones < late)%N = false. Proof. by rewrite ltnNge leq_addr. Qed.

Lemma x_one s t : x s t ones = 1.
Proof.
rewrite /x_hat conv3E /= /selective_taps /selective_bias !ones_ge !ones_ge' !ltnn /=.
by case: t => [|[|t]]; rewrite !mul0r !add0r relu_pos ?ler01.
Qed.

(* What a token gives to the channel of (key b, value v), and to those of key j. *)
Lemma embedding_code (y : token) b v : embedding y (code_ b v)
  = (2 * (y == key_ b))%:R - (2 * (y == value_ v))%:R.
Proof.
rewrite /selective_embedding code_lt code_div code_mod; case: y => [[k|w]|] /=; last by rewrite leqNgt code_lt subr0.
  by rewrite key_eq eq_sym -val_eqE natE subr0; case: (_ == _ :> nat).
by rewrite value_eq eq_sym -val_eqE natE sub0r; case: (_ == _ :> nat); rewrite ?oppr0.
Qed.
Definition sees (y : token) (j : 'I_kappa) : nat := (if y == key_ j then 4 else if is_value y then 0 else 2)%N.
Lemma embedding_query (y : token) (c : nat) (j : 'I_kappa) :
  (codes <= c < ones)%N -> which kappa V c = j ->
  embedding y c = (sees y j)%:R.
Proof.
case/andP => c0 c1 cj; rewrite /selective_embedding ltnNge c0 c1 cj /sees.
case: y => [[k|w]|] //=; last by rewrite natE.
by rewrite key_eq eq_sym -val_eqE !natE; case: (_ == _ :> nat).
Qed.

Lemma relu_int (a b : nat) : relu (a%:R - b%:R : R) = (a - b)%:R.
Proof.
case: (leqP b a) => [ba|ab]; first by rewrite -natrB // relu_nat.
by rewrite relu_neg ?subr_le0 ?ler_nat ?(ltnW ab) // (eqP (_ : a - b == 0)%N) // subn_eq0 ltnW.
Qed.

(* --- x: what each channel sees ------------------------------------------------------------------------------------ *)

Section At.
Variables (s : seq token) (t : nat).
Hypothesis inside : (t < size s)%N.

Lemma row_at r c : (r <= t)%N -> row (F := F) (map embedding s) r c = embedding (tok s r) c.
Proof. by move=> rt; rewrite rowE // (leq_ltn_trans rt). Qed.

Lemma x_code b v : x s t (code_ b v) = (stores s t b v)%:R.
Proof.
rewrite /x_hat conv3E /= /selective_taps /selective_bias !code_lt /= natE row_at // embedding_code /stores.
case: t inside row_at => [|r] _ rowr /=.
  transitivity (relu ((2 * (tok s 0 == value_ v))%:R - (2 * (tok s 0 == key_ b) + 3)%:R : R)).
    by congr relu; rewrite natrD; ring.
  by rewrite relu_int; case: (_ == _); case: (_ == _).
rewrite (_ : (if r is _.+1 then _ else _) = 0); last by case: r {rowr} => [|r]; rewrite ?mul0r.
rewrite rowr ?leqnSn // embedding_code.
transitivity (relu ((2 * (tok s r == key_ b) + 2 * (tok s r.+1 == value_ v))%:R
  - (2 * (tok s r == value_ v) + 2 * (tok s r.+1 == key_ b) + 3)%:R : R)).
  by congr relu; rewrite !natrD; ring.
rewrite relu_int; have [->|_] := eqVneq (tok s r) (key_ b); last first.
  by case: (tok s r == _); case: (tok s r.+1 == _); case: (tok s r.+1 == _).
have [->|_] := eqVneq (tok s r.+1) (value_ v); first by rewrite key_not_value value_not_key.
by rewrite key_not_value; case: (tok s r.+1 == _).
Qed.

Lemma x_query (j : 'I_kappa) : x s t (codes + j)%N = (asking s t j)%:R.
Proof.
have E y : embedding y (codes + j)%N = (sees y j)%:R.
  by apply: embedding_query; rewrite ?leq_addr ?query_ones ?which_query.
rewrite /x_hat conv3E /= /selective_taps /selective_bias query_ge query_lt query_ones /= !natE row_at // E.
case: t inside row_at => [|r] _ rowr /=.
  transitivity (relu ((2 * sees (tok s 0) j)%:R - 9%:R : R)); first by congr relu; rewrite natrM; ring.
  by rewrite relu_int /sees; case: (_ == _); case: (is_value (tok s 0)).
rewrite (_ : (if r is _.+1 then _ else _) = 0); last by case: r {rowr} => [|r]; rewrite ?mul0r.
rewrite rowr ?leqnSn // E.
transitivity (relu ((sees (tok s r) j + 2 * sees (tok s r.+1) j)%:R - 9%:R : R)).
  by congr relu; rewrite natrD natrM; ring.
rewrite relu_int /sees; case: (tok s r.+1 == key_ j) => /=; last first.
  by case: (tok s r == key_ j); case: (is_value (tok s r)); case: (is_value (tok s r.+1)).
by have [->|_] := eqVneq (tok s r) (key_ j); [| case: (is_value (tok s r))].
Qed.

Lemma x_late (j : 'I_kappa) : x s t (late + j)%N = (if t is r.+1 then asking s r j else 0%N)%:R.
Proof.
have E y : embedding y (late + j)%N = (sees y j)%:R.
  by apply: embedding_query; rewrite ?late_ones ?which_late // -addnA leq_addr.
rewrite /x_hat conv3E /= /selective_taps /selective_bias late_ge late_ge' late_ones /= !natE mul0r addr0.
case: t inside row_at => [|[|r]] _ rowr /=.
- by rewrite !add0r relu_neg // oppr_le0 ler0n.
- rewrite rowr // E; transitivity (relu ((2 * sees (tok s 0) j)%:R - 9%:R : R)).
    by congr relu; rewrite natrM; ring.
  by rewrite relu_int /sees; case: (_ == _); case: (is_value (tok s 0)).
have r2 : (r <= r.+2)%N by rewrite (leq_trans (leqnSn r)).
rewrite (rowr r) // (rowr r.+1) // !E.
transitivity (relu ((sees (tok s r) j + 2 * sees (tok s r.+1) j)%:R - 9%:R : R)).
  by congr relu; rewrite natrD natrM; ring.
rewrite relu_int /sees; case: (tok s r.+1 == key_ j) => /=; last first.
  by case: (tok s r == key_ j); case: (is_value (tok s r)); case: (is_value (tok s r.+1)).
by have [->|_] := eqVneq (tok s r) (key_ j); [| case: (is_value (tok s r))].
Qed.

(* Each step of block b, and what B and C are. *)
Lemma ones0 : (ones + 0 = ones)%N. Proof. exact: addn0. Qed.

Lemma delta_code b v : delta_of weights (map embedding s) t (code_ b v)
  = 1 + shrink * (\sum_(j < kappa | j != b) asking s t j + (if t is r.+1 then asking s r b else 0))%N%:R.
Proof.
rewrite /delta_of affine_sum /= addrC; congr (_ + _).
rewrite 3!big_split_ord /= big_ord1 addn0 big1 ?add0r => [|c _]; last first.
  rewrite /selective_delta code_lt leqNgt ltn_ord /= leqNgt (leq_trans (ltn_ord c)) ?leq_addr //=.
  by rewrite mulr0.
rewrite {3}/selective_delta code_lt ones_ge' ltnn andbF /= andbF mulr0 addr0 natrD mulrDr; congr (_ + _).
  rewrite natr_sum mulr_sumr [RHS]big_mkcond; apply: eq_bigr => j _.
  rewrite x_query /selective_delta code_lt leq_addr query_lt which_query code_div leqNgt query_lt /= orbF.
  by rewrite (_ : (j == b :> nat) = (j == b)) //; case: (j == b); rewrite ?mulr0 1?mulrC.
rewrite (bigD1 b) //= big1 ?addr0 => [|j jb].
  by rewrite x_late /selective_delta code_lt late_ge andbF leq_addr late_ones which_late code_div eqxx mulrC.
rewrite /selective_delta code_lt late_ge andbF leq_addr late_ones which_late code_div /=.
by rewrite (_ : (j == b :> nat) = false) ?mulr0 //; exact: negbTE.
Qed.

Lemma pick_ones (a : R) : \sum_(c < ones + 1) x s t c * (if c == ones :> nat then a else 0) = a.
Proof.
rewrite big_split_ord /= big_ord1 addn0 eqxx x_one mul1r big1 ?add0r // => c _.
by rewrite ltn_eqF ?mulr0.
Qed.
Lemma B_ofE n : B_of weights (map embedding s) t n = stored.
Proof. by rewrite /B_of affine_sum /= pick_ones addr0. Qed.
Lemma C_ofE n : C_of weights (map embedding s) t n = 1.
Proof. by rewrite /C_of affine_sum /= pick_ones addr0. Qed.
End At.
End SelectiveStep.
