(* One S4D mixer with N = 1 behind a gate, with any codes for the values: what every token's window adds to the state,
   and the logits of a query, at every position of every sequence. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions foundations.Recurrence mqar.Recall.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.
Arguments s4d_x_hat : simpl never.
Arguments blocks_embedding : simpl never.

(* A sum over the channels of n blocks of p, block by block. *)
Lemma sum_blocks (R : zmodType) n p (f : nat -> nat -> R) : (0 < p)%N ->
  \sum_(0 <= c < n * p) f (c %/ p)%N (c %% p)%N = \sum_(0 <= i < n) \sum_(0 <= r < p) f i r.
Proof.
move=> p0; elim: n => [|n IH]; first by rewrite mul0n !big_geq.
rewrite [RHS]big_nat_recr //= -IH mulSn addnC (big_cat_nat _ _ _ (leq0n (n * p)%N)) ?leq_addr //=; congr (_ + _).
rewrite -{1}[(n * p)%N]add0n big_addn addKn; apply: eq_big_nat => r /= rp.
by rewrite addnC divnMDl // divn_small // addn0 modnMDl modn_small.
Qed.

(* The product of two columns of p entries. *)
Definition dot (R : ringType) p (x y : nat -> R) : R := \sum_(r < p) x r * y r.

(* How often key q stood directly behind itself up to t. *)
Definition repeats kappa V (s : seq (token kappa V)) (t : nat) (q : 'I_kappa) : nat :=
  \sum_(0 <= r < t.+1) ((prev s r == key_ q) && (tok s r == key_ q)).

Section Gated.
Variable R : realFieldType.
Variables exponential step : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Notation F := (over exponential (@relu R) step).

Variables kappa V p : nat.
Variables key tap0 tap1 : R.
Variable code : nat -> nat -> R.
Notation network := (@gated_blocks F kappa p key tap0 tap1).
Notation embedding := (@blocks_embedding F kappa V p key code).
Notation token := (token kappa V).

(* Codes between 0 and a number m that, with a key behind it, does not pass the bias c_0 k. *)
Variable m : R.
Hypotheses (key_gt0 : 0 < key) (tap0_gt0 : 0 < tap0) (tap1_gt0 : 0 < tap1) (m_ge0 : 0 <= m).
Hypothesis code_ge0 : forall (v : 'I_V) r, (r < p)%N -> 0 <= code v r.
Hypothesis code_le : forall (v : 'I_V) r, (r < p)%N -> code v r <= m.
Hypothesis taps_fit : tap0 * m + tap1 * key <= tap0 * key.

Lemma x_hatE (s : seq token) t c : s4d_x_hat network (map embedding s) t c =
  relu (tap0 * embedding (prev s t) c + tap1 * embedding (tok s t) c - tap0 * key).
Proof.
have rowE r : row (F := F) (map embedding s) r c = embedding (tok s r) c.
  by rewrite (@row_map _ _ _ _ _ embedding None).
by rewrite /s4d_x_hat conv2E /= !rowE; case: t => [|t] /=; rewrite ?rowE ?mulr0.
Qed.

Section Window.
Variables (i : 'I_kappa) (r : nat).
Hypothesis rp : (r < p)%N.
Let c := (i * p + r)%N.
Let p_gt0 : (0 < p)%N := leq_ltn_trans (leq0n r) rp.

Lemma embedding_key (k : 'I_kappa) : embedding (key_ k) c = if k == i then key else 0.
Proof. by rewrite /blocks_embedding /= /c divnMDl // divn_small // addn0 eq_sym. Qed.
Lemma embedding_value (v : 'I_V) : embedding (value_ v) c = code v r.
Proof. by rewrite /blocks_embedding /= /c modnMDl modn_small. Qed.

(* What one window adds: the code of a value behind key i, and the key behind itself. *)
Definition added (x y : token) : R :=
  if x == key_ i then match y with
    | Some (inr v) => tap1 * code v r
    | Some (inl k) => if k == i then tap1 * key else 0
    | None => 0
    end else 0.

Lemma window (x y : token) :
  relu (tap0 * embedding x c + tap1 * embedding y c - tap0 * key) = added x y.
Proof.
rewrite /added; case: eqP => [->|xi].
  rewrite embedding_key eqxx addrAC subrr add0r; case: y => [[k|v]|].
  - by rewrite embedding_key; case: ifP => _; rewrite relu_pos ?mulr0 // mulr_ge0 // ltW.
  - by rewrite embedding_value relu_pos // mulr_ge0 ?code_ge0 // ltW.
  - by rewrite mulr0 relu0.
rewrite relu_neg // subr_le0; apply: le_trans taps_fit; apply: ler_add; rewrite ler_pmul2l //.
  case: x xi => [[k|v]|] xi //; last by rewrite embedding_value code_le.
  by rewrite embedding_key; case: eqP => [ki|//]; case: xi; rewrite ki.
have mk : m <= key.
  by rewrite -(ler_pmul2l tap0_gt0) (le_trans _ taps_fit) // ler_addl mulr_ge0 // ltW.
case: y => [[k|v]|]; last exact: ltW.
  by rewrite embedding_key; case: ifP => // _; exact: ltW.
by rewrite embedding_value; apply: le_trans mk; exact: code_le.
Qed.

(* The state holds what all windows added: the values stored under key i, and key i's repetitions. *)
Lemma stateE (s : seq token) t : s4d_state network (map embedding s) t c 0 =
  tap1 * (\sum_v (writes s t i v)%:R * code v r + key * (repeats s t i)%:R).
Proof.
rewrite /s4d_state unrolled_1 => [|u _]; last by rewrite /= exp0.
rewrite /writes /repeats natr_sum mulrDr.
rewrite (eq_bigr (fun v : 'I_V => \sum_(0 <= u < t.+1) (stores s u i v)%:R * code v r)) => [|v _]; last first.
  by rewrite natr_sum mulr_suml.
rewrite exchange_big /= !mulr_sumr -big_split /=; apply: eq_bigr => u _.
rewrite x_hatE window mulr1 /added /stores; case: (prev s u == key_ i) => /=; last first.
  by rewrite big1 => [|v _]; rewrite ?mul0r // !mulr0 addr0.
case: (tok s u) => [[k|v]|].
- rewrite big1 => [|v _]; last by rewrite mul0r.
  by rewrite mulr0 add0r key_eq; case: ifP => _; rewrite ?mulr1 ?mulr0.
- rewrite (bigD1 v) //= value_eq eqxx mul1r big1 => [|w wv]; first by rewrite /= !mulr0 !addr0.
  by rewrite value_eq eq_sym (negPf wv) mul0r.
- by rewrite big1 => [|v _]; rewrite ?mul0r // !mulr0 addr0.
Qed.
End Window.

Variables (head : nat -> nat -> R) (head_bias : nat -> R).

(* The head reads the gated blocks. *)
Definition logit (s : seq token) t (u : 'I_V) : R :=
  linear (kappa * p) (@blocks_head F p head head_bias) (paper_s4d network (map embedding s) t) u.

Lemma logitE (s : seq token) t q u : tok s t = key_ q -> logit s t u = key * tap1 *
  (\sum_v (writes s t q v)%:R * dot p (head u) (code v) + key * (repeats s t q)%:R * \sum_(r < p) head u r)
  + head_bias u.
Proof.
move=> tq; rewrite /logit /linear sumE; congr (_ + _).
pose y i r := s4d_state network (map embedding s) t (i * p + r)%N 0 * relu (if i == q then key else 0) * head u r.
transitivity (\sum_(0 <= c < kappa * p) y (c %/ p)%N (c %% p)%N).
  rewrite big_mkord; apply: eq_bigr => c _; rewrite /y -divn_eq.
  have gate : linear (F := F) (kappa * p) (selecting F id) (row (F := F) (map embedding s) t) c =
    if (c %/ p)%N == q then key else 0.
    rewrite /linear (@sum_pick _ _ _ _ _ _ c) //= => [|d _ dc]; last by rewrite (negPf dc) mulr0.
    by rewrite eqxx mulr1 addr0 (@row_map _ _ _ _ _ embedding None) // -/(tok s t) tq.
  by rewrite /paper_s4d /= add0r mulr1 -gate.
have [p0|p0] := posnP p.
  by rewrite p0 muln0 big_geq // !big_ord0 big1 => [|v _]; rewrite /dot ?big_ord0 ?mulr0 ?addr0 ?mulr0.
rewrite sum_blocks // big_mkord (bigD1 q) //= [X in _ + X]big1 => [|i iq]; last first.
  by rewrite big1 // => r _; rewrite /y val_eqE (negPf iq) relu0 mulr0 mul0r.
rewrite addr0 big_mkord; under [in RHS]eq_bigr do rewrite /dot mulr_sumr.
rewrite exchange_big /= [key * (repeats _ _ _)%:R * _]mulr_sumr -big_split /= mulr_sumr; apply: eq_bigr => r _.
rewrite /y eqxx relu_pos ?ltW // stateE //.
have -> : \sum_v (writes s t q v)%:R * (head u r * code v r) = head u r * \sum_v (writes s t q v)%:R * code v r.
  by rewrite mulr_sumr; apply: eq_bigr => v _; ring.
ring.
Qed.

(* Under H1 and H2 the block of the query's key holds the code of its value alone, and key q's repetitions. *)
Lemma logit_query ctx tail t q v u : let s := sequence ctx tail in
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> logit s t u = key * tap1 *
    (dot p (head u) (code v) + key * (repeats s t q)%:R * \sum_(r < p) head u r) + head_bias u.
Proof.
move=> s h1 h2 query; rewrite (logitE _ (query_tok query)); congr (_ * (_ + _) + _).
rewrite (bigD1 v) //= (writes_query h1 h2 query) eqxx mul1r big1 ?addr0 // => w wv.
by rewrite (writes_query h1 h2 query) (negPf wv) mul0r.
Qed.
End Gated.
Arguments logit_query {R exponential step} exp0 {kappa V p key tap0 tap1 code m} key_gt0 tap0_gt0 tap1_gt0 m_ge0
  code_ge0 code_le taps_fit head head_bias {ctx tail t q v} u h1 h2 query : rename.
