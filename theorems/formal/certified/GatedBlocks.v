(* Certificates of mqar.thm4 in the paper's block, S4D as a Mamba block whose last channel is 1: for all weights of
   their shape, if their inequalities hold, every query is answered, by the margin that they state. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps foundations.Recurrence mqar.Recall mqar.Gated.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

(* The network with these weights: a block of channels for each key, and the channel `one`, which B and C read. *)
Section Network.
Variable F : field.
Variables num_keys num_values : nat.
Variables bias head key one step_size tap_current tap_previous value : F.
Notation code_channels := (num_keys * num_values)%N.

Definition embedding (x : token num_keys num_values) (c : nat) : F :=
  if (c < code_channels)%N then blocks_embedding num_values key (one_hot_code value) x c else zero F.
Definition block : mamba_weights F := @MambaWeights F code_channels.+1 1 2
  (Affine (fun c i => if (c < code_channels)%N then (if (i == 0)%N then tap_previous else tap_current) else zero F)
    (fun c => if (c < code_channels)%N then bias else one))
  (constant (fun _ => step_size)) (selecting F (fun _ => code_channels)) (selecting F (fun _ => code_channels))
  (fun _ _ => zero F) (Some (selecting F id)).
Definition head_rows : affine F :=
  Affine (fun u c => if (c < code_channels)%N then one_hot_code head u (c %% num_values)%N else zero F)
    (fun _ => zero F).
End Network.

Section GatedBlocks.
Variable R : realFieldType.
Variable exponential : R -> R.
Hypothesis exp0 : exponential 0 = 1.
Variables num_keys num_values : nat.
Variables bias head key one step_size tap_current tap_previous value : R.

(* The argument's steps, without roundings, and its inequalities: verify/certify/formal.py writes them so. *)
Definition kept : R := exponential 0.
Definition write : R := relu (((tap_previous * key) + (tap_current * value)) + bias).
Definition shut : R := ((tap_previous * key) + 0) + bias.
Definition leak : R := (((tap_previous * value) + (tap_current * value)) + (tap_current * key)) + bias.
Definition gate : R := key.
Definition pair : R := ((gate * write) * (step_size * (one * one))) * kept.
Definition margin : R := head * (pair * 1).
Definition closed : bool := [&& key == 10%:R, tap_previous == 10%:R, tap_current == 1, bias == (- 100%:R), one == 1,
  step_size == 1, value == 1, (head * head) == 1, shut <= 0, leak <= 0 & 0 < margin].

(* Delta is the bias itself. *)
Notation F := (over exponential (@relu R) id).
Notation one_hot a := (@one_hot_code F a).
Notation code_channels := (num_keys * num_values)%N.
Notation weights := (@block F num_keys num_values bias one step_size tap_current tap_previous).
Notation code_of := (@embedding F num_keys num_values key value).
Definition logit (s : seq (token num_keys num_values)) (t : nat) (u : 'I_num_values) : R :=
  linear code_channels.+1 (@head_rows F num_keys num_values head) (paper_mamba weights (map code_of s) t) u.

Notation s4d := (@gated_blocks F num_keys num_values key tap_previous tap_current).
Notation s4d_embedding := (@blocks_embedding F num_keys num_values num_values key (one_hot value)).
Notation x s t := (x_hat weights (map code_of s) t).
Arguments x_hat : simpl never.
Arguments s4d_x_hat : simpl never.

Section AsS4d.
Hypothesis bias_is : bias = - (tap_previous * key).
Hypothesis one_ge0 : 0 <= one.

Lemma rowE s i c : row (F := F) (map code_of s) i c = code_of (tok s i) c.
Proof. by rewrite (@row_map _ _ _ _ _ code_of None) // => d; rewrite /embedding /=; case: ifP. Qed.

Lemma x_one s t : x s t code_channels = one.
Proof. by rewrite /x_hat conv2E /= ltnn; case: t => [|t] /=; rewrite ?mul0r !add0r relu_pos. Qed.

Lemma x_code s t c : (c < code_channels)%N -> x s t c = s4d_x_hat s4d (map s4d_embedding s) t c.
Proof.
move=> cd; rewrite /x_hat /s4d_x_hat !conv2E /= cd bias_is; congr relu; congr (_ + _ * _ + _).
  by case: t => [|t] //; rewrite rowE /embedding cd (@row_map _ _ _ _ _ s4d_embedding None).
by rewrite rowE /embedding cd (@row_map _ _ _ _ _ s4d_embedding None).
Qed.

Lemma B_one s t n : B_of weights (map code_of s) t n = one.
Proof. by rewrite /B_of linear_selecting // x_one. Qed.
Lemma C_one s t n : C_of weights (map code_of s) t n = one.
Proof. by rewrite /C_of linear_selecting // x_one. Qed.

(* The Mamba block is the S4D mixer, times the step and twice the channel `one`. *)
Lemma as_s4d s t u :
  logit s t u = step_size * one * one * @Gated.logit R exponential id num_keys num_values num_values key tap_previous
    tap_current (one_hot value) (one_hot head) (fun=> 0) s t u.
Proof.
rewrite /logit /Gated.logit !affine_sum /= !addr0 big_ord_recr /= ltnn mulr0 addr0 mulr_sumr.
apply: eq_bigr => c _; rewrite ltn_ord mulrA; congr (_ * _).
have cd := ltn_ord c; have cd1 : (c < code_channels.+1)%N by exact: leqW.
have open : linear (F := F) code_channels.+1 (selecting F id) (row (F := F) (map code_of s) t) c
    = s4d_embedding (tok s t) c by rewrite linear_selecting // rowE /embedding cd.
have open' : linear (F := F) code_channels (selecting F id) (row (F := F) (map s4d_embedding s) t) c
    = s4d_embedding (tok s t) c by rewrite linear_selecting // (@row_map _ _ _ _ _ s4d_embedding None).
rewrite -[LHS]/(readout (F := F) 1 (state weights (map code_of s) t) (C_of weights (map code_of s) t) c
  * relu (linear (F := F) code_channels.+1 (selecting F id) (row (F := F) (map code_of s) t) c)) open.
rewrite -[paper_s4d _ _ _ _]/((0 + s4d_state s4d (map s4d_embedding s) t c 0 * 1)
  * relu (linear (F := F) code_channels (selecting F id) (row (F := F) (map s4d_embedding s) t) c)) open'.
rewrite mulrA; congr (_ * _); rewrite /readout sumE big_ord_recl big_ord0 addr0 C_one add0r mulr1.
rewrite /state /s6_state /s4d_state !unrolled_1; try by move=> i _; rewrite /= ?mulr0 exp0.
have mulE (a b : R) : @mul F a b = a * b by [].
rewrite !mulE mulr_suml mulr_sumr; apply: eq_bigr => i _; rewrite !mulE B_one /delta_of linear_constant x_code //.
by rewrite /=; ring.
Qed.
End AsS4d.

(* mqar.thm4, paper *)
Theorem gated_blocks_answer ctx tail t q (v u : 'I_num_values) : let s := sequence ctx tail in
  closed -> H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v ->
  margin <= logit s t v - logit s t u /\ logit s t u < logit s t v.
Proof.
move=> s; rewrite /closed => /andP[/eqP key10 /andP[/eqP tap10 /andP[/eqP tap1 /andP[/eqP bias100 /andP[/eqP one1]]]]].
move=> /andP[/eqP step1 /andP[/eqP value1 /andP[_ /andP[_ /andP[leak0 margin0]]]]] h1 h2 query uv.
suff e : logit s t v - logit s t u = margin by rewrite -subr_gt0 e.
have bias_is : bias = - (tap_previous * key) by rewrite bias100 tap10 key10 -natrM.
have one_ge0 : 0 <= one by rewrite one1 ler01.
have fits : tap_previous * value + tap_current * key <= tap_previous * key.
  move: leak0; rewrite /leak bias_is subr_le0; apply: le_trans; rewrite addrAC ler_addl.
  by rewrite tap1 value1 mulr1 ler01.
have ge0 (w : 'I_num_values) r : (r < num_values)%N -> 0 <= one_hot value w r.
  by move=> _; rewrite /one_hot_code value1; case: ifP => _; rewrite /= ?ler01.
have le (w : 'I_num_values) r : (r < num_values)%N -> one_hot value w r <= value.
  by move=> _; rewrite /one_hot_code value1; case: ifP => _; rewrite /= ?ler01.
have pos : [/\ 0 < key, 0 < tap_previous, 0 < tap_current & 0 <= value].
  by rewrite key10 tap10 tap1 value1 ltr0n ltr01 ler01.
have [key0 tp0 tc0 v0] := pos.
have E w := @Gated.logit_query R exponential id exp0 num_keys num_values num_values key tap_previous tap_current
  (one_hot value) value key0 tp0 tc0 v0 ge0 le fits (one_hot head) (fun=> 0) ctx tail t q v w h1 h2 query.
have writeE : write = tap_current * value.
  by rewrite /write bias_is addrAC subrr add0r relu_pos // mulr_ge0 // ltW.
have ones (w : 'I_num_values) : \sum_(r < num_values) one_hot head w r = head.
  rewrite -[RHS]mulr1 -(sum_one_hot exponential (@relu R) id head (fun=> 1) (ltn_ord w)).
  by apply: eq_bigr => r _; rewrite mulr1.
rewrite !as_s4d // !E -/s /dot !sum_one_hot // !ones !addr0.
rewrite /one_hot_code eqxx val_eqE (negPf uv) /margin /pair /gate /kept exp0 writeE /=; ring.
Qed.
End GatedBlocks.
