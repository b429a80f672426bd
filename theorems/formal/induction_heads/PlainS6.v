(* induction.plain-s6: the paper's Mamba block with one constant decay rho = e^{-lambda Delta} is an induction head on
   all sequences of at most n + 3 tokens exactly when rho^{n+1} > 2 rho - 1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Blocks Constructions induction_heads.Head induction_heads.Columns.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* --- a column that decays by rho at every step -------------------------------------------------------------------- *)

Section Column.
Variables (R : realFieldType) (V : nat) (s : seq 'I_V) (n : 'I_V) (rho : R) (g : nat -> 'I_V -> R).
Hypothesis g0 : forall u, g 0%N u = 0.
Hypothesis gS : forall t u,
  g t.+1 u = if at_ s t == Some n then rho * g t u + (at_ s t.+1 == Some u)%:R else rho * g t u.
Hypothesis rho0 : 0 < rho.
Hypothesis rho1 : rho < 1.

(* What writes at k steps in a row amount to, the latest being 1. *)
Definition geometric k := \sum_(i < k) rho ^+ i.
Lemma geometricS k : geometric k.+1 = rho * geometric k + 1.
Proof.
rewrite /geometric big_ord_recl expr0 addrC; congr (_ + 1).
by rewrite mulr_sumr; apply: eq_bigr => i _; rewrite exprS.
Qed.
Lemma geometric_ge0 k : 0 <= geometric k.
Proof. by apply: sumr_ge0 => i _; rewrite exprn_ge0 // ltW. Qed.
Lemma geometric_le k m : (k <= m)%N -> geometric k <= geometric m.
Proof.
move=> /subnKC <-; elim: (m - k)%N => [|i IH]; first by rewrite addn0.
by rewrite addnS (le_trans IH) // /geometric [X in _ <= X]big_ord_recr /= ler_addl exprn_ge0 // ltW.
Qed.
(* rho + ... + rho^k < 1 exactly if rho^{k+1} > 2 rho - 1. *)
Lemma lighter k : (rho * geometric k < 1) = (2%:R * rho - 1 < rho ^+ k.+1).
Proof.
have d : 0 < 1 - rho by rewrite subr_gt0.
have sum : (1 - rho) * geometric k = 1 - rho ^+ k.
  elim: k => [|k IH]; first by rewrite /geometric big_ord0 expr0 mulr0 subrr.
  by rewrite geometricS mulrDr mulr1 mulrCA IH exprS; ring.
rewrite -(ltr_pmul2l d) mulrCA sum mulr1 -[LHS]subr_gt0 -[RHS]subr_gt0 exprS.
by move: (rho ^+ k) => y; congr (_ < _); ring.
Qed.

Let older := (older_weigh_less g0 gS rho0 rho0 (ltW rho1)).

Lemma all_le t : (t < size s)%N -> all_of g t <= geometric t.
Proof.
elim: t => [|t IH] ts; first by rewrite /all_of big1 ?geometric_ge0.
rewrite geometricS; have {}IH := IH (ltnW ts); have [tn|tn] := eqVneq (at_ s t) (Some n).
  by rewrite (all_write gS ts tn) ler_add2r ler_pmul2l.
rewrite (all_keep gS tn); apply: (@le_trans _ _ (rho * geometric t)); first by rewrite ler_pmul2l.
by rewrite ler_addl ler01.
Qed.

(* At a query of n at t + 1, the older writes of other tokens than the right one amount to rho + ... + rho^{t-1}. *)
Lemma rest_le_geometric t v : (t.+1 < size s)%N -> at_ s t.+1 = Some n -> followed s n t.+1 = Some v ->
  rest_of g t.+1 v <= rho * geometric t.-1 * g t.+1 v.
Proof.
have below k u : followed s n k = Some u -> (k < size s)%N -> rest_of g k u <= rho * geometric k.-1 * g k u.
  elim: k => // k IH /=; case: ifP => [/eqP kn ku|/negbT kn ku] ks.
    rewrite (write_rest gS kn ku) -mulrA ler_pmul2l //.
    apply: le_trans (rest_le g0 gS rho0 rho0 k u) _; apply: le_trans (all_le (ltnW ks)) _.
    by rewrite ler_pemulr ?geometric_ge0 // (write_own g0 gS rho0 rho0 kn ku).
  rewrite (keep_rest gS _ kn) gS (negPf kn) mulrCA ler_pmul2l //; apply: le_trans (IH ku (ltnW ks)) _.
  by rewrite ler_wpmul2r ?(g_ge0 g0 gS rho0 rho0) // ler_pmul2l // geometric_le // leq_pred.
move=> ts sn /=; case: ifP => [/eqP tn|/negbT tn tv]; last first.
  by rewrite (keep_rest gS _ tn) gS (negPf tn) mulrCA ler_pmul2l //; exact: below (ltnW ts).
rewrite sn => -[<-]; rewrite (write_rest gS tn sn) -mulrA ler_pmul2l //.
apply: (@le_trans _ _ (geometric t.-1)); last first.
  by rewrite ler_pemulr ?geometric_ge0 // (write_own g0 gS rho0 rho0 tn sn).
(* The write at t, if there is one, is of n itself: it is no rival. *)
case: t ts tn sn => [|t] ts tn sn; first by rewrite /rest_of big1 ?geometric_ge0.
have -> : rest_of g t.+1 n = rho * rest_of g t n.
  have [tn'|tn'] := eqVneq (at_ s t) (Some n); first by rewrite (write_rest gS tn' tn).
  by rewrite (keep_rest gS _ tn').
apply: le_trans (_ : _ <= rest_of g t n) _.
  by rewrite ler_pimull ?(ltW rho1) // sumr_ge0 // => u _; exact: (g_ge0 g0 gS rho0 rho0).
by apply: le_trans (rest_le g0 gS rho0 rho0 t n) _; exact: all_le (ltnW (ltnW ts)).
Qed.
End Column.

(* --- the block ---------------------------------------------------------------------------------------------------- *)

Section Plain.
Variables (R : realFieldType) (e p : R -> R).
Notation F := (over e (@relu R) p).
Variables (V : nat) (step_bias rate scale theta : R).
Notation W := (plain_s6 (F := F) V step_bias rate).
Notation coded s := (map (@code R e p V) s).
Hypothesis step1 : p step_bias = 1.
Hypothesis scale0 : 0 < scale.

(* rho = e^{-lambda Delta}, Delta = 1; the head multiplies by `scale`, and the blank logit is scale theta. *)
Definition rho := e (- rate).
Definition plain_logit (s : seq 'I_V) t (class : nat) : R :=
  linear (V + V) (induction_head (F := F) V scale (scale * theta)) (paper_mamba W (coded s) t) class.

(* Every position of every sequence of at most n + 3 tokens is answered. *)
Definition right n := forall s t, (size s <= n + 3)%N -> (t < size s)%N -> leads V (plain_logit s t) (target s t).

Definition column s (n : 'I_V) t (u : 'I_V) : R := state W (coded s) t (V + u)%N n.

Let highE s t (n : 'I_V) : x_hat W (coded s) t (V + n)%N = (at_ s t == Some n)%:R :=
  x_hat_high (to_delta W) (A W) s t n.
Let BE4 s t (n : 'I_V) : B_of W (coded s) t n = (Head.before s t == Some n)%:R := BE (to_delta W) (A W) s t n.
Let deltaE s t c : delta_of W (coded s) t c = 1.
Proof. by rewrite -step1 /delta_of /linear /= sum0 ?add0r // => i _; rewrite mulr0. Qed.

Lemma column0 s n u : column s n 0 u = 0.
Proof.
rewrite -[LHS]/(delta_of W (coded s) 0 (V + u)%N * x_hat W (coded s) 0 (V + u)%N * B_of W (coded s) 0 n).
by rewrite BE4 mulr0.
Qed.
Lemma columnS s n t u :
  column s n t.+1 u = if at_ s t == Some n then rho * column s n t u + (at_ s t.+1 == Some u)%:R
                      else rho * column s n t u.
Proof.
rewrite -[LHS]/(e (delta_of W (coded s) t.+1 (V + u)%N * - rate) * column s n t u
   + delta_of W (coded s) t.+1 (V + u)%N * x_hat W (coded s) t.+1 (V + u)%N * B_of W (coded s) t.+1 n).
rewrite deltaE !mul1r BE4 highE /= -/rho.
by case: ifP => _; rewrite ?mulr1 // mulr0 addr0.
Qed.

Lemma logit_column s t n (u : 'I_V) : at_ s t = Some n -> plain_logit s t u = scale * column s n t u.
Proof.
move=> tn; rewrite /plain_logit head_token; congr (_ * _).
exact: (read_column (to_delta W) (A W) (state W (coded s) t) _ tn).
Qed.
Lemma logit_blank s t : plain_logit s t V = scale * theta.
Proof. exact: head_blank. Qed.

Hypothesis rho_gt0 : 0 < rho.
Hypothesis rho_lt1 : rho < 1.

Lemma sufficient n : 0 < theta -> theta < rho ^+ n.+1 -> 2%:R * rho - 1 < rho ^+ n.+1 -> right n.
Proof.
move=> theta0 below; rewrite -(lighter rho_lt1) => light s t sn ts.
have [x tx] := at_some ts; have gE := logit_column _ tx.
pose g0 := column0 s x; pose gS := columnS s x.
case A: (answer s t) => [v|]; last first.
  have no : followed s x t = None by move: A; rewrite /answer tx.
  rewrite /target A => c; rewrite leq_eqVlt => /predU1P[->|cV _]; first by rewrite eqxx.
  by rewrite logit_blank (gE (Ordinal cV)) ltr_pmul2l // (not_written g0 gS no ts).
have fv : followed s x t = Some v by move: A; rewrite /answer tx.
have low : theta < column s x t v.
  apply: lt_le_trans (latest_kept g0 gS rho_gt0 rho_gt0 (ltW rho_lt1) fv).
  apply: lt_le_trans below _; rewrite ler_wiexpn2l ?(ltW rho_gt0) ?(ltW rho_lt1) //.
  by have := leq_trans ts sn; rewrite addnS ltnS addn2 -subn1 leq_subLR.
have above : rest_of (column s x) t v < column s x t v.
  case: t ts tx fv low {gE A} => // t ts tx fv low.
  have := rest_le_geometric g0 gS rho_gt0 rho_lt1 ts tx fv => /le_lt_trans; apply.
  rewrite gtr_pmull ?(lt_trans theta0) //; apply: le_lt_trans light.
  rewrite ler_pmul2l // geometric_le // -subn1 leq_subLR.
  by have := leq_trans ts sn; rewrite addnS ltnS addn2 ltnS.
rewrite /target A => c; rewrite leq_eqVlt => /predU1P[-> _|cV cv].
  by rewrite logit_blank gE ltr_pmul2l.
rewrite (gE (Ordinal cV)) gE ltr_pmul2l //; apply: le_lt_trans above.
exact: (rest_ge g0 gS rho_gt0 rho_gt0).
Qed.

(* q^{n+1} v q: the older writes of q weigh rho + ... + rho^n beside that of v. *)
Lemma necessary n : (1 < V)%N -> right n -> 2%:R * rho - 1 < rho ^+ n.+1.
Proof.
move=> V1 ok; rewrite -(lighter rho_lt1).
pose q := Ordinal (ltnW V1); pose v := Ordinal V1; pose s := nseq n.+1 q ++ [:: v; q].
have vq : (Some v == Some q) = false by [].
have size_s : size s = n.+3 by rewrite size_cat size_nseq addn2.
have at_q i : (i <= n)%N -> at_ s i = Some q.
  move=> i_n; rewrite /at_ map_cat nth_cat size_map size_nseq ltnS i_n.
  by rewrite (nth_map q) ?size_nseq ?ltnS // nth_nseq ltnS i_n.
have at_v : at_ s n.+1 = Some v by rewrite /at_ map_cat nth_cat size_map size_nseq ltnn subnn.
have at_last : at_ s n.+2 = Some q.
  by rewrite /at_ map_cat nth_cat size_map size_nseq ltnNge leqnSn /= subSn // subnn.
have target_v : target s n.+2 = v by rewrite /target /answer at_last /= at_v vq at_q // eqxx at_v.
have early i : (i <= n)%N -> column s q i q = geometric rho i /\ column s q i v = 0.
  elim: i => [|i IH] i_n; first by rewrite !column0 /geometric big_ord0.
  have [Eq Ev] := IH (ltnW i_n).
  by rewrite !columnS at_q ?(ltnW i_n) // eqxx at_q // eqxx Eq Ev geometricS [Some q == Some v]eq_sym vq mulr0 addr0.
have [Eq Ev] := early n (leqnn n).
have ts : (n.+2 < size s)%N by rewrite size_s.
have := ok s n.+2 _ ts; rewrite size_s addn3 => /(_ (leqnn _)) /(_ q (ltnW (ltn_ord q))).
rewrite target_v => /(_ isT); rewrite !(logit_column _ at_last) ltr_pmul2l //.
by rewrite !columnS at_v vq at_q // !eqxx Eq Ev addr0 mulr0 add0r ltr_pmul2l.
Qed.

(* induction.plain-s6 *)
Theorem plain_s6_threshold n : (1 < V)%N -> 0 < theta -> theta < rho ^+ n.+1 ->
  (right n <-> 2%:R * rho - 1 < rho ^+ n.+1) /\ (rho <= 2%:R^-1 -> right n).
Proof.
move=> V1 theta0 below; split; first by split; [exact: necessary | exact: sufficient].
move=> half; apply: sufficient => //; apply: (@le_lt_trans _ _ 0); last by rewrite exprn_gt0.
by rewrite subr_le0 -(@ler_pmul2l _ 2%:R^-1) ?invr_gt0 ?ltr0n // mulr1 mulrA mulVf ?mul1r // pnatr_eq0.
Qed.
End Plain.
