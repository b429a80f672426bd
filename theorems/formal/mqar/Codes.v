(* Recall by codes on channels of their own, in the paper's Mamba and Mamba-2 blocks: at a query of q the logit of u is
   the sum over the stored (j, w) of <C(q), B(j)> <head(u), x(w)>, on every sequence. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Codes.
Variable R : realDomainType.
Variables e p : R -> R.
Hypothesis exp0 : e 0 = 1.
Notation F := (over e (@relu R) p).

Variables kappa V N width : nat.
Variables write read value head : nat -> nat -> R.
Variable step_bias : R.
Hypothesis step1 : p step_bias = 1.
(* What passes ReLU: every code but the head's. *)
Hypothesis write_ge0 : forall (j : 'I_kappa) n, (n < N)%N -> 0 <= write j n.
Hypothesis read_ge0 : forall (j : 'I_kappa) n, (n < N)%N -> 0 <= read j n.
Hypothesis value_ge0 : forall (w : 'I_V) r, (r < width)%N -> 0 <= value w r.

Notation token := (token kappa V).
Notation weights := (@codes_mamba F N width step_bias).
Notation embedding := (@codes_embedding F kappa V N write read value).
Notation weights2 := (@codes_mamba2 F kappa V N width write read value step_bias).
Notation embedding2 := (@one_hot_token F kappa V).

Definition codes_logit (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear (N + N + width) (@codes_head F N head) (paper_mamba weights (map embedding s) t) u.
Definition codes_logit2 (s : seq token) (t : nat) (u : 'I_V) : R :=
  linear width (@codes_head2 F head) (paper_mamba2 weights2 (map embedding2 s) t) u.

Definition score (q j : nat) : R := \sum_(n < N) read q n * write j n.
Definition product (u w : nat) : R := \sum_(r < width) head u r * value w r.

(* --- what both blocks compute: x, B and C from one token each ----------------------------------------------------- *)

Definition B_code (y : token) (n : nat) : R := if y is Some (inl j) then write j n else 0.
Definition C_code (y : token) (n : nat) : R := if y is Some (inl j) then read j n else 0.
Definition x_code (y : token) (r : nat) : R := if y is Some (inr w) then value w r else 0.

(* A window writes iff it is (key, value). *)
Lemma write_one s t n r :
  x_code (tok s t) r * B_code (prev s t) n
    = \sum_(j < kappa) \sum_(w < V) (stores s t j w)%:R * (value w r * write j n).
Proof.
rewrite /stores; have none : \sum_(j < kappa) \sum_(w < V) false%:R * (value w r * write j n) = 0.
  by rewrite big1 // => j _; rewrite big1 // => w _; rewrite mul0r.
case: (prev s t) => [[j|w]|] /=; rewrite ?mulr0 ?none //.
rewrite (bigD1 j) //= [X in _ + X]big1 ?addr0 => [|i ij]; last first.
  by rewrite big1 // => w _; rewrite key_eq eq_sym (negPf ij) mul0r.
rewrite key_eq eqxx; case: (tok s t) => [[i|w]|] /=; try by rewrite mul0r big1 // => w _; rewrite mul0r.
rewrite (bigD1 w) //= value_eq eqxx mul1r big1 ?addr0 // => w' ww.
by rewrite value_eq eq_sym (negPf ww) mul0r.
Qed.

Lemma readout_codes s t (u : 'I_V) :
  \sum_(r < width) (\sum_(n < N) (\sum_(0 <= i < t.+1) x_code (tok s i) r * B_code (prev s i) n) * C_code (tok s t) n)
    * head u r
  = if tok s t is Some (inl q)
    then \sum_(j < kappa) \sum_(w < V) (writes s t j w)%:R * (score q j * product u w) else 0.
Proof.
case: (tok s t) => [[q|w]|] /=; try by rewrite big1 // => r _; rewrite big1 ?mul0r // => n _; rewrite mulr0.
transitivity (\sum_(r < width) \sum_(n < N) \sum_(j < kappa) \sum_(w < V)
    (writes s t j w)%:R * ((read q n * write j n) * (head u r * value w r))).
  apply: eq_bigr => r _; rewrite mulr_suml; apply: eq_bigr => n _.
  under eq_bigr => i _ do rewrite write_one.
  rewrite exchange_big !mulr_suml; apply: eq_bigr => j _.
  rewrite exchange_big !mulr_suml; apply: eq_bigr => w _ /=.
  by rewrite -mulr_suml -natr_sum -/(writes s t j w); ring.
under [LHS]eq_bigr => r _ do rewrite exchange_big /=.
rewrite [LHS]exchange_big; apply: eq_bigr => j _ /=.
under [LHS]eq_bigr => r _ do rewrite exchange_big /=.
rewrite [LHS]exchange_big; apply: eq_bigr => w _ /=.
rewrite /score /product mulr_suml mulr_sumr [LHS]exchange_big; apply: eq_bigr => n _ /=.
by rewrite !mulr_sumr.
Qed.

(* --- the paper's Mamba block -------------------------------------------------------------------------------------- *)

Notation x s t := (x_hat weights (map embedding s) t).
Arguments x_hat : simpl never.

Lemma x_hatE s t c : x s t c = relu (embedding (if (c < N)%N then prev s t else tok s t) c).
Proof.
have rowE i : row (F := F) (map embedding s) i c = embedding (tok s i) c by rewrite (@row_map _ _ _ _ _ _ None).
rewrite /x_hat conv2E rowE /=; case: (c < N)%N => /=; last by case: t => [|t]; rewrite ?mul0r !add0r mul1r addr0.
by case: t => [|t]; rewrite ?rowE ?mul1r mul0r !addr0.
Qed.

Lemma x_write s t n : (n < N)%N -> x s t n = B_code (prev s t) n.
Proof.
move=> nN; rewrite x_hatE nN; case: (prev s t) => [[j|w]|] /=; rewrite ?relu0 //; last by rewrite ltn_addr // relu0.
by rewrite nN relu_pos ?write_ge0.
Qed.

Lemma x_read s t n : (n < N)%N -> x s t (N + n)%N = C_code (tok s t) n.
Proof.
move=> nN; rewrite x_hatE ltnNge leq_addr; case: (tok s t) => [[j|w]|] /=; rewrite ?relu0 //.
  by rewrite ltnNge leq_addr /= ltn_add2l nN addKn relu_pos ?read_ge0.
by rewrite ltn_add2l nN relu0.
Qed.

Lemma x_value s t r : (r < width)%N -> x s t (N + N + r)%N = x_code (tok s t) r.
Proof.
move=> rw; have NN : (N + N + r < N + N)%N = false by rewrite ltnNge leq_addr.
rewrite x_hatE ltnNge -addnA leq_addr addnA; case: (tok s t) => [[j|w]|] /=; rewrite ?relu0 ?NN //.
  by rewrite ltnNge -addnA leq_addr relu0.
by rewrite addKn relu_pos ?value_ge0.
Qed.

(* The logit of every value, at every position of every sequence. *)
Theorem codes_logitE s t u : codes_logit s t u = if tok s t is Some (inl q)
  then \sum_(j < kappa) \sum_(w < V) (writes s t j w)%:R * (score q j * product u w) else 0.
Proof.
rewrite -readout_codes /codes_logit affine_sum /= addr0 big_split_ord /= big1 ?add0r => [|c _].
  apply: eq_bigr => r _; rewrite ltnNge leq_addr /= addKn; congr (_ * _).
  rewrite /paper_mamba /= /readout sumE; apply: eq_bigr => n _; congr (_ * _).
    rewrite /state /s6_state unrolled_1 => [|i _]; last by rewrite /= mulr0 exp0.
    have nd : (n < N + N + width)%N by rewrite -addnA ltn_addr.
    apply: eq_bigr => i _; rewrite x_value // /B_of linear_selecting // x_write //.
    by rewrite /delta_of linear_constant /= step1 mul1r.
  by rewrite /C_of linear_selecting ?x_read //= ltn_addr // ltn_add2l.
by rewrite ltn_ord mulr0.
Qed.

(* --- the paper's Mamba-2 block ------------------------------------------------------------------------------------ *)

Notation inputs s := (map embedding2 s).

Lemma branchE (code : token -> nat -> R) (M : affine F) k s t c :
  (forall y, linear (kappa + V) M (embedding2 y) c = code y c) -> (forall c, code None c = 0) -> (k < 2)%N ->
  branch weights2 (inputs s) M (tap F k) t c = relu (code (if k == 0%N then prev s t else tok s t) c).
Proof.
move=> McE none k2; have rowE i : row (F := F) (List.map (linear (kappa + V) M) (inputs s)) i c = code (tok s i) c.
  elim: s i => [i|y s' IH [|i]]; [by rewrite /tok nth_nil none | exact: McE | exact: IH].
rewrite /branch conv2E rowE; congr relu.
case: k k2 => [|[|k]] // _; last by case: t => [|t]; rewrite /= ?mul0r !add0r mul1r addr0.
by case: t => [|t]; rewrite /= ?rowE ?mul1r mul0r ?none !addr0.
Qed.

Lemma of_keysE (code : nat -> nat -> R) (y : token) n :
  linear (kappa + V) (@of_keys F kappa code) (embedding2 y) n = if y is Some (inl j) then code j n else 0.
Proof.
rewrite /linear /= addr0; case: y => [[j|w]|] /=; last by rewrite sum0 // => c _; rewrite mul0r.
  rewrite (sum_pick _ _ _ (ltn_addr V (ltn_ord j))) ?eqxx ?ltn_ord ?mul1r // => c _ /negPf ->.
  by rewrite mul0r.
by rewrite sum0 // => c _; case: eqP => [->|_] /=; rewrite ?mul0r // ltnNge leq_addr mulr0.
Qed.

Lemma of_valuesE (code : nat -> nat -> R) (y : token) r :
  linear (kappa + V) (@of_values F kappa code) (embedding2 y) r = if y is Some (inr w) then code w r else 0.
Proof.
rewrite /linear /= addr0; case: y => [[j|w]|] /=; last by rewrite sum0 // => c _; rewrite mul0r.
  by rewrite sum0 // => c _; case: eqP => [->|_] /=; rewrite ?mul0r // ltn_ord mulr0.
have kw : (kappa + w < kappa + V)%N by rewrite ltn_add2l.
rewrite (sum_pick _ _ _ kw) ?eqxx => [|c _ /negPf ->]; last by rewrite mul0r.
by rewrite ltnNge leq_addr /= addKn mul1r.
Qed.

Lemma B_branchE s t n : (n < N)%N -> B_branch weights2 (inputs s) t n = B_code (prev s t) n.
Proof.
move=> nN; rewrite /B_branch (branchE (code := B_code)) //= => [|y]; last exact: of_keysE.
by case: (prev s t) => [[j|w]|] /=; rewrite ?relu0 // relu_pos ?write_ge0.
Qed.

Lemma C_branchE s t n : (n < N)%N -> C_branch weights2 (inputs s) t n = C_code (tok s t) n.
Proof.
move=> nN; rewrite /C_branch (branchE (code := C_code)) //= => [|y]; last exact: of_keysE.
by case: (tok s t) => [[j|w]|] /=; rewrite ?relu0 // relu_pos ?read_ge0.
Qed.

Lemma x_branchE s t r : (r < width)%N -> x_branch weights2 (inputs s) t r = x_code (tok s t) r.
Proof.
move=> rw; rewrite /x_branch (branchE (code := x_code)) //= => [|y]; last exact: of_valuesE.
by case: (tok s t) => [[j|w]|] /=; rewrite ?relu0 // relu_pos ?value_ge0.
Qed.

Theorem codes_logit2E s t u : codes_logit2 s t u = if tok s t is Some (inl q)
  then \sum_(j < kappa) \sum_(w < V) (writes s t j w)%:R * (score q j * product u w) else 0.
Proof.
rewrite -readout_codes /codes_logit2 affine_sum /= addr0; apply: eq_bigr => r _; congr (_ * _).
rewrite /paper_mamba2 /= /readout sumE; apply: eq_bigr => n _; rewrite C_branchE //; congr (_ * _).
rewrite /m2_state /ssd_state unrolled_1 => [|i _]; last by rewrite /= mulr0 exp0.
apply: eq_bigr => i _; rewrite x_branchE // B_branchE //.
by rewrite /dt_of linear_constant /= step1 mul1r.
Qed.

(* --- at a query --------------------------------------------------------------------------------------------------- *)

Lemma codes_logit_at s t q u : tok s t = key_ q ->
  codes_logit s t u = \sum_(j < kappa) \sum_(w < V) (writes s t j w)%:R * (score q j * product u w)
  /\ codes_logit2 s t u = codes_logit s t u.
Proof. by move=> tq; rewrite codes_logit2E codes_logitE tq. Qed.

(* Keys whose codes pick out one another: under H1 and H2 a query reads its own value's code, and nothing else. *)
Theorem codes_logit_one_hot ctx tail t q v u : let s := sequence ctx tail in
  (forall q j : 'I_kappa, score q j = (q == j)%:R) -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->
  codes_logit s t u = product u v /\ codes_logit2 s t u = product u v.
Proof.
move=> s apart h1 h2 query; have [l1 l2] := codes_logit_at u (query_tok query).
suff e1 : codes_logit s t u = product u v by rewrite l2.
rewrite l1 (bigD1 q) //= [X in _ + X]big1 ?addr0 => [|j jq]; last first.
  by rewrite big1 // => w _; rewrite apart eq_sym (negPf jq) mul0r mulr0.
rewrite (bigD1 v) //= big1 ?addr0 => [|w wv]; rewrite (writes_query h1 h2 query) ?(negPf wv) ?mul0r //.
by rewrite apart !eqxx !mul1r.
Qed.
End Codes.
