(* Certificates of mqar.thm2-step1 in the paper's block: for all weights of their shape, if their inequalities hold,
   every query is answered, by the margin that they state; and in rounded numbers, stage by stage. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall mqar.Shared.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- in rounded numbers ------------------------------------------------------------------------------------------- *)

(* A sum of bits that is 0, or 1. *)
Lemma no_bit (b : nat -> bool) n : (\sum_(0 <= r < n) b r = 0)%N -> forall r, (r < n)%N -> ~~ b r.
Proof.
elim: n => // n IH; rewrite big_nat_recr //= => /eqP; rewrite addn_eq0 => /andP[/eqP none bn] r.
by rewrite ltnS leq_eqVlt => /predU1P[->|/(IH none)] //; case: (b n) bn.
Qed.

Lemma one_bit (b : nat -> bool) n : (\sum_(0 <= r < n) b r = 1)%N ->
  exists r, [/\ (r < n)%N, b r & forall i, (i < n)%N -> i != r -> ~~ b i].
Proof.
elim: n => [|n IH]; first by rewrite big_geq.
rewrite big_nat_recr //=; case bn: (b n); rewrite ?addn1 ?addn0.
  move=> [] /no_bit none; exists n; split=> // i; rewrite ltnS leq_eqVlt => /predU1P[->|]; first by rewrite eqxx.
  by move=> i_n _; exact: none.
case/IH=> r [rn br other]; exists r; split=> // [|i]; first exact: ltnW.
by rewrite ltnS leq_eqVlt => /predU1P[-> _|/other] //; rewrite bn.
Qed.

Section Rounded.
Variable R : realDomainType.
Variables num_keys num_values : nat.
Notation token := (token num_keys num_values).

(* The enclosures that a certificate states of its steps. *)
Variables previous current after_itself value stored right wrong repeated : R * R.
Definition within (enclosure : R * R) (y : R) : bool := enclosure.1 <= y <= enclosure.2.

(* What is asked of an evaluation of the block on a sequence, stage by stage, however it rounds: x are the channels
   behind the convolution and ReLU, h the rows of the state that belong to values, logit the logits. *)
Record evaluation (s : seq token) (x : nat -> nat -> R) (h : nat -> nat -> nat -> R) (logit : nat -> nat -> R) : Prop :=
  Evaluation {
  key_unseen : forall t (j : 'I_num_keys), prev s t != key_ j -> tok s t != key_ j -> x t j = 0;
  key_before : forall t (j : 'I_num_keys), prev s t = key_ j -> tok s t != key_ j -> within previous (x t j);
  key_now : forall t (j : 'I_num_keys), prev s t != key_ j -> tok s t = key_ j -> within current (x t j);
  key_twice : forall t (j : 'I_num_keys), prev s t = key_ j -> tok s t = key_ j -> within after_itself (x t j);
  value_unseen : forall t (u : 'I_num_values), tok s t != value_ u -> x t (num_keys + u)%N = 0;
  value_now : forall t (u : 'I_num_values), is_key (prev s t) -> tok s t = value_ u ->
    within value (x t (num_keys + u)%N);
  (* An entry of the state is 0 if nothing was written, and a write that stands alone is kept. *)
  nothing_written : forall t (u : 'I_num_values) (j : 'I_num_keys),
    (forall r, (r <= t)%N -> x r (num_keys + u)%N * x r j = 0) -> h t u j = 0;
  written_once : forall t (u : 'I_num_values) (j : 'I_num_keys) r, (r <= t)%N ->
    within value (x r (num_keys + u)%N) -> within previous (x r j) ->
    (forall i, (i <= t)%N -> i != r -> x i (num_keys + u)%N * x i j = 0) -> within stored (h t u j);
  (* A logit is 0 if all its terms are; a term that stands alone is the logit; another one adds what is not negative. *)
  no_term : forall t (u : 'I_num_values), (forall j : 'I_num_keys, x t j * h t u j = 0) -> logit t u = 0;
  one_term : forall t (u : 'I_num_values) (j : 'I_num_keys), within stored (h t u j) ->
    (forall i : 'I_num_keys, i != j -> x t i * h t u i = 0) ->
    [/\ within current (x t j) -> within right (logit t u),
        within previous (x t j) -> within wrong (logit t u) &
        within after_itself (x t j) -> within repeated (logit t u)];
  two_terms : forall t (u : 'I_num_values) (j i : 'I_num_keys), j != i ->
    within current (x t j) -> within stored (h t u j) -> within previous (x t i) -> within stored (h t u i) ->
    (forall k : 'I_num_keys, k != j -> k != i -> x t k * h t u k = 0) -> right.1 <= logit t u }.

Section Query.
Variables (ctx : seq ('I_num_keys * 'I_num_values)) (tail : seq token).
Notation s := (sequence ctx tail).
Variables (x : nat -> nat -> R) (h : nat -> nat -> nat -> R) (logit : nat -> nat -> R).
Hypothesis run : evaluation s x h logit.

(* Only a window (key j, value u) writes into row u, column j. *)
Lemma no_write r (u : 'I_num_values) (j : 'I_num_keys) : ~~ stores s r j u -> x r (num_keys + u)%N * x r j = 0.
Proof.
rewrite /stores negb_and; have [tu|tu] := eqVneq (tok s r) (value_ u); last by rewrite (value_unseen run tu) mul0r.
by rewrite orbF => pj; rewrite (key_unseen run pj) ?mulr0 // tu.
Qed.

Lemma unwritten t (u : 'I_num_values) (j : 'I_num_keys) : writes s t j u = 0%N -> h t u j = 0.
Proof. by move=> /no_bit none; apply: (nothing_written run) => r rt; apply: no_write; exact: none. Qed.

Lemma once_written t (u : 'I_num_values) (j : 'I_num_keys) : writes s t j u = 1%N -> within stored (h t u j).
Proof.
case/one_bit=> r [rt w other]; have [/eqP pj /eqP tu] := andP w.
apply: (written_once run (r := r)) => //; last by move=> i it ir; apply: no_write; exact: other.
  by apply: (value_now run); rewrite ?pj.
by apply: (key_before run); rewrite ?tu.
Qed.

Hypotheses (right_gt0 : 0 < right.1) (repeated_gt0 : 0 < repeated.1) (margin_gt0 : 0 < right.1 - wrong.2).

(* mqar.thm2-step1, paper: what every evaluation of this kind answers, rounded or exact. *)
Theorem one_hot_keys_rounded t q (v u : 'I_num_values) :
  H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> logit t u < logit t v.
Proof.
move=> h1 h2 query uv; have tq := query_tok query.
have ownv : within stored (h t v q) by apply: once_written; rewrite (writes_query h1 h2 query) eqxx.
have ownu : h t u q = 0 by apply: unwritten; rewrite (writes_query h1 h2 query) (negPf uv).
have now : prev s t != key_ q -> within current (x t q) by move=> pq; exact: (key_now run).
have unread (j : 'I_num_keys) : j != q -> prev s t != key_ j -> x t j = 0.
  by move=> jq pj; apply: (key_unseen run) => //; rewrite tq key_eq eq_sym.
(* The query's key stands alone, or behind itself: no rival has a term. *)
have alone : (forall j : 'I_num_keys, j != q -> prev s t != key_ j) -> logit t u < logit t v.
  move=> pj; have zero j : j != q -> x t j = 0 by move=> jq; apply: unread => //; exact: pj.
  have -> : logit t u = 0.
    by apply: (no_term run) => j; have [->|jq] := eqVneq j q; [rewrite ownu mulr0 | rewrite zero ?mul0r].
  have [|r _ w] := one_term run ownv; first by move=> j jq; rewrite zero ?mul0r.
  have [pq|pq] := eqVneq (prev s t) (key_ q).
    by have /andP[le _] := w (key_twice run pq tq); exact: lt_le_trans le.
  by have /andP[le _] := r (now pq); exact: lt_le_trans le.
case pt: (prev s t) => [[i|y]|]; try by apply: alone => j _; rewrite pt.
have [iq|iq] := eqVneq i q; first by apply: alone => j; rewrite pt -iq key_eq eq_sym.
(* Another key i stands before it, and may hold a value of its own. *)
have pi : prev s t = key_ i by [].
have pq : prev s t != key_ q by rewrite pi key_eq.
have before : within previous (x t i) by apply: (key_before run) => //; rewrite tq key_eq eq_sym.
have zero j : j != q -> j != i -> x t j = 0.
  by move=> jq ji; apply: unread => //; rewrite pi key_eq eq_sym.
have held w : writes s t i w = ((i, w) \in ctx) by have := writes_neighbour h1 h2 query w pi.
have le_right : right.1 <= logit t v.
  case iv: ((i, v) \in ctx).
    apply: (two_terms run (j := q) (i := i)) => //; first by rewrite eq_sym.
    - exact: now.
    - by apply: once_written; rewrite held iv.
    - by move=> j jq ji; rewrite zero ?mul0r.
  have [|r _ _] := one_term run ownv; last by have /andP[] := r (now pq).
  move=> j jq; have [->|ji] := eqVneq j i; last by rewrite zero ?mul0r.
  by rewrite unwritten ?mulr0 // held iv.
case iu: ((i, u) \in ctx).
  have st : within stored (h t u i) by apply: once_written; rewrite held iu.
  have [j ji|_ w _] := one_term run st.
    by have [->|jq] := eqVneq j q; [rewrite ownu mulr0 | rewrite zero ?mul0r].
  have /andP[_ le] := w before; apply: le_lt_trans le (lt_le_trans _ le_right); by rewrite -subr_gt0.
suff -> : logit t u = 0 by exact: lt_le_trans le_right.
apply: (no_term run) => j; have [->|jq] := eqVneq j q; first by rewrite ownu mulr0.
have [->|ji] := eqVneq j i; last by rewrite zero ?mul0r.
by rewrite unwritten ?mulr0 // held iu.
Qed.
End Query.
End Rounded.

(* --- in exact numbers --------------------------------------------------------------------------------------------- *)

Section OneHotKeys.
Variable R : realFieldType.
Variable exponential : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Variables num_keys num_values : nat.
Variables key value_weight tap_previous tap_current bias step_size : R.

(* The argument's steps, without roundings, and its inequalities: verify/certify/formal.py writes them so. *)
Definition silent : R := bias.
Definition leak : R := (tap_previous * value_weight) + bias.
Definition previous : R := relu ((tap_previous * key) + bias).
Definition current : R := relu ((tap_current * key) + bias).
Definition after_itself : R := relu (((tap_previous * key) + (tap_current * key)) + bias).
Definition value : R := relu ((tap_current * value_weight) + bias).
Definition kept : R := exponential 0.
Definition write : R := (step_size * value) * previous.
Definition stored : R := write * kept.
Definition read_right : R := stored * current.
Definition read_wrong : R := stored * previous.
Definition read_repeated : R := stored * after_itself.
Definition right : R := read_right.
Definition wrong : R := read_wrong.
Definition repeated : R := read_repeated.
Definition margin : R := right - wrong.
Definition closed : bool := [&& silent <= 0, leak <= 0, 0 < right, 0 < wrong, 0 < repeated & 0 < margin].

(* The block with these weights, Delta being the bias itself. *)
Notation F p := (over exponential (@relu R) p).
Notation one_hot a := (@one_hot_code (F (fun=> 1)) a).
Notation network p step := (@shared_logit R exponential p num_keys num_values num_values key tap_previous tap_current
  (- bias) step (@one_hot_code (F p) value_weight) (@one_hot_code (F p) 1) (fun=> 0)).
Definition logit : seq (token num_keys num_values) -> nat -> 'I_num_values -> R := network id step_size.

(* A constant step multiplies the state. *)
Lemma logit_step s t u : logit s t u = step_size * network (fun=> 1) 0 s t u.
Proof.
rewrite /logit /shared_logit !affine_sum /= !addr0 mulr_sumr; apply: eq_bigr => c _.
rewrite mulrA; congr (_ * _).
rewrite /paper_mamba /= /readout !sumE mulr_sumr; apply: eq_bigr => n _.
rewrite mulrA; congr (_ * _).
rewrite /state /s6_state !unrolled_1; try by move=> i _; rewrite /= mulr0 exp0.
rewrite mulr_sumr; apply: eq_bigr => i _.
by rewrite /delta_of linear_constant /= mul1r mulrA.
Qed.

Lemma relu_gt0 (y : R) : 0 < relu y -> 0 < y /\ relu y = y.
Proof. by rewrite /relu lt_maxr ltxx /= => y0; split=> //; rewrite max_r // ltW. Qed.

Lemma positive : closed -> [/\ 0 < step_size, 0 < value, 0 < previous & 0 < current].
Proof.
case/andP => _ /andP[_ /andP[r0 /andP[w0 _]]]; move: r0 w0.
rewrite /right /wrong /read_right /read_wrong /stored /write /kept exp0 mulr1.
have v0 : 0 <= value := relu_ge0 _; have p0 : 0 <= previous := relu_ge0 _; have c0 : 0 <= current := relu_ge0 _.
have [->|v1] := eqVneq value 0; first by rewrite mulr0 !mul0r ltxx.
have [->|p1] := eqVneq previous 0; first by rewrite mulr0 !mul0r ltxx.
have [->|c1] := eqVneq current 0; first by rewrite mulr0 ltxx.
have vp : 0 < value by rewrite lt_neqAle eq_sym v1.
have pp : 0 < previous by rewrite lt_neqAle eq_sym p1.
have cp : 0 < current by rewrite lt_neqAle eq_sym c1.
by rewrite !pmulr_lgt0.
Qed.

(* mqar.thm2-step1, paper *)
Theorem one_hot_keys ctx tail t q (v u : 'I_num_values) : let s := sequence ctx tail in
  closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= logit s t v - logit s t u /\ logit s t u < logit s t v.
Proof.
move=> s shut h1 h2 query uv; have [step0 value0 previous0 current0] := positive shut.
have [silent0 leak0 margin0] : [/\ silent <= 0, leak <= 0 & 0 < margin].
  by case/andP: shut => ? /andP[? /andP[_ /andP[_ /andP[_ ?]]]].
suff le : margin <= logit s t v - logit s t u by split=> //; rewrite -subr_gt0 (lt_le_trans margin0 le).
have b0 : 0 <= - bias by rewrite oppr_ge0.
have [before0 beforeE] := relu_gt0 previous0; have [now0 nowE] := relu_gt0 current0.
have before : - bias < tap_previous * key by rewrite -subr_gt0 opprK.
have now : - bias < tap_current * key by rewrite -subr_gt0 opprK.
have stopped (w : 'I_num_values) r : (r < num_values)%N ->
    tap_previous * one_hot value_weight w r <= - bias.
  by move=> _; rewrite /one_hot_code; case: ifP => _; rewrite ?mulr0 // -subr_le0 opprK.
have gainE (w y : 'I_num_values) : @gain R num_values tap_current (- bias) (one_hot value_weight)
    (one_hot 1) w y = value * (w == y)%:R.
  rewrite /gain sum_one_hot // mul1r /written /one_hot_code val_eqE opprK.
  by case: (w == y); rewrite /= ?mulr1 // !mulr0 add0r relu_neg.
have E w := @shared_logit_query R exponential (fun=> 1) exp0 num_keys num_values num_values key tap_previous tap_current
  (- bias) 0 _ (one_hot 1) (fun=> 0) erefl b0 before now stopped ctx tail t q v w h1 h2 query.
have besideE (w : 'I_num_values) : \sum_(y < num_values) (beside ctx s t y)%:R * @gain R num_values tap_current (- bias)
    (one_hot value_weight) (one_hot 1) w y = value * (beside ctx s t w)%:R.
  rewrite (bigD1 w) //= gainE eqxx mulr1 mulrC big1 ?addr0 // => y yw.
  by rewrite gainE eq_sym (negPf yw) !mulr0.
rewrite !logit_step -mulrBr !E -/s !addr0 !opprK.
rewrite !besideE !gainE eqxx (negPf uv) -nowE -beforeE.
rewrite -/previous -/current /margin /right /wrong /read_right /read_wrong /stored /write /kept exp0.
set n := (prev s t == _); set a := beside _ _ _ v; set b := beside _ _ _ u.
rewrite -subr_ge0 [X in 0 <= X](_ : _ = step_size * value * previous * (- bias * n%:R + previous * (1 + a%:R - b%:R))).
  apply: mulr_ge0; first by rewrite !mulr_ge0 ?ltW.
  apply: addr_ge0; first by rewrite mulr_ge0 ?ler0n.
  apply: mulr_ge0; first exact: ltW.
  by rewrite addrAC addr_ge0 ?ler0n // subr_ge0 lern1 leq_b1.
by rewrite /=; ring.
Qed.

(* --- the block itself is an evaluation of this kind, with one number in each enclosure ---------------------------- *)

Notation block := (@shared_convolution (F id) num_keys num_values tap_previous tap_current (- bias) step_size).
Notation code_of := (@shared_embedding (F id) num_keys num_values key (@one_hot_code (F id) value_weight)).
Notation x s t := (x_hat block (map code_of s) t).
Arguments x_hat : simpl never.
Definition point (y : R) : R * R := (y, y).

Lemma pointE y z : within (point y) z = (y == z). Proof. by rewrite /within /= -eq_le. Qed.

Lemma keyE s t (j : 'I_num_keys) : x s t j = relu (tap_previous * (if prev s t == key_ j then key else 0)
  + tap_current * (if tok s t == key_ j then key else 0) + bias).
Proof. by rewrite x_key opprK. Qed.

Lemma valueE s t (u : 'I_num_values) : x s t (num_keys + u)%N =
  relu (tap_previous * (if prev s t == value_ u then value_weight else 0)
  + tap_current * (if tok s t == value_ u then value_weight else 0) + bias).
Proof.
have E y : code_of y (num_keys + u)%N = if y == value_ u then value_weight else 0.
  rewrite embedding_code; case: y => [[k|w]|] //; by rewrite value_eq /one_hot_code val_eqE eq_sym.
by rewrite x_hatE opprK !E.
Qed.

Lemma stateE s t (u : 'I_num_values) (j : 'I_num_keys) : state block (map code_of s) t (num_keys + u)%N j
  = \sum_(0 <= i < t.+1) step_size * (x s i (num_keys + u)%N * x s i j).
Proof.
rewrite /state /s6_state unrolled_1 => [|i _]; last by rewrite /= mulr0 exp0.
apply: eq_bigr => i _; rewrite /B_of linear_selecting ?ltn_addr // /delta_of linear_constant.
by rewrite /= mulrA.
Qed.

Lemma logitE s t (u : 'I_num_values) :
  logit s t u = \sum_(j < num_keys) x s t j * state block (map code_of s) t (num_keys + u)%N j.
Proof.
rewrite /logit /shared_logit affine_sum /= addr0 big_split_ord /= big1 ?add0r => [|c _]; last by rewrite ltn_ord mulr0.
transitivity (paper_mamba block (map code_of s) t (num_keys + u)%N).
  rewrite -[RHS]mul1r -(sum_one_hot exponential (@relu R) id 1
    (fun r => paper_mamba block (map code_of s) t (num_keys + r)%N) (ltn_ord u)).
  by apply: eq_bigr => r _; rewrite ltnNge leq_addr /= addKn mulrC.
rewrite /paper_mamba /= /readout sumE; apply: eq_bigr => j _.
by rewrite /C_of linear_selecting ?ltn_addr //= mulrC.
Qed.

Theorem one_hot_keys_exact s : closed ->
  evaluation (point previous) (point current) (point after_itself) (point value) (point stored)
    (point right) (point wrong) (point repeated) s (fun t c => x s t c)
    (fun t u j => state block (map code_of s) t (num_keys + u)%N j)
    (fun t u => linear (num_keys + num_values) (@shared_head (F id) num_keys (@one_hot_code (F id) 1) (fun=> 0))
      (paper_mamba block (map code_of s) t) u).
Proof.
move=> shut; have [step0 value0 previous0 current0] := positive shut.
have [silent0 leak0] : silent <= 0 /\ leak <= 0 by case/andP: shut => ? /andP[? _].
have storedE : stored = step_size * (value * previous) by rewrite /stored /write /kept exp0 mulr1 mulrA.
have stored0 : 0 < stored by rewrite storedE !mulr_gt0.
split=> [t j pj tj|t j pj tj|t j pj tj|t j pj tj|t u tu|t u pu tu|t u j none|t u j r rt vr pr other|t u none|
         t u j st other|t u j i ji cj sj pi si other].
- by rewrite keyE (negPf pj) (negPf tj) !mulr0 !add0r relu_neg.
- by rewrite pointE keyE pj eqxx (negPf tj) mulr0 addr0.
- by rewrite pointE keyE tj eqxx (negPf pj) mulr0 add0r.
- by rewrite pointE keyE pj tj !eqxx.
- rewrite valueE (negPf tu) mulr0 addr0 relu_neg //; case: ifP => _; rewrite ?mulr0 ?add0r //.
- by rewrite pointE valueE tu eqxx; case: (prev s t) pu => [[k|w]|] //= _; rewrite mulr0 add0r.
- by rewrite stateE big_nat_cond big1 // => r /andP[/andP[_ rt] _]; rewrite none ?mulr0.
- rewrite pointE stateE (bigD1_seq r) ?iota_uniq ?mem_index_iota //= big_nat_cond big1 ?addr0 => [|i].
    by move: vr pr; rewrite !pointE => /eqP <- /eqP <-; rewrite storedE.
  by case/andP=> /andP[_ it] ir; rewrite other ?mulr0.
- by rewrite -[linear _ _ _ _]/(logit s t u) logitE big1 // => j _; exact: none.
- rewrite -[linear _ _ _ _]/(logit s t u) logitE (bigD1 j) //= big1 ?addr0 => [|i ij]; last exact: other.
  move: st; rewrite !pointE => /eqP <-; split=> /eqP <-; by rewrite mulrC.
rewrite -[linear _ _ _ _]/(logit s t u) logitE (bigD1 j) //= (bigD1 i) 1?eq_sym //= big1 ?addr0; last first.
  by move=> k /andP[kj ki]; exact: other.
move: cj sj pi si; rewrite !pointE => /eqP <- /eqP <- /eqP <- /eqP <-.
by rewrite /= mulrC ler_addl mulr_ge0 // ltW.
Qed.
End OneHotKeys.
