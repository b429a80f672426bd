(* mqar.n1-delta-gate: the logits of the network with N = 1, no gate and a selective step, on every sequence whose
   writes come before its queries. Part of the claim: what the steps at rest cost is exact here. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions Maps mqar.Recall mqar.SelectiveStep.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.
Arguments x_hat : simpl never.
Arguments B_of : simpl never.
Arguments C_of : simpl never.
Arguments delta_of : simpl never.

(* How often block b has shrunk up to t: for everything asked, less what is asked of b now. *)
Definition shrunk kappa V (s : seq (token kappa V)) (t : nat) (b : 'I_kappa) : nat := (asked s t - asking s t b)%N.

Section Shrunk.
Variables kappa V : nat.
Implicit Type s : seq (token kappa V).

Lemma asking_le s t b : (asking s t b <= asked s t)%N.
Proof. by rewrite /asked big_nat_recr //= (bigD1 b) //= addnCA leq_addr. Qed.

Lemma shrunk0 s b : shrunk s 0 b = 0%N.
Proof. by rewrite /shrunk /asked big_nat1 big1. Qed.

Lemma shrunkS s t b :
  shrunk s t.+1 b = (shrunk s t b + (\sum_(j < kappa | j != b) asking s t.+1 j + asking s t b))%N.
Proof.
rewrite {1}/shrunk {1}/asked big_nat_recr //= -/(asked s t) (bigD1 b) //= addnCA addKn.
by rewrite /shrunk [RHS]addnCA subnK ?asking_le // addnC.
Qed.
End Shrunk.

(* A sum over n blocks of p, block by block. *)
Lemma sum_of_blocks (M : zmodType) n p (f : nat -> M) :
  \sum_(c < n * p) f c = \sum_(b < n) \sum_(r < p) f (b * p + r)%N.
Proof.
rewrite -(big_mkord xpredT f) -(big_mkord xpredT (fun b => \sum_(r < p) f (b * p + r)%N)).
elim: n => [|n IH]; first by rewrite mul0n !big_geq.
rewrite [RHS]big_nat_recr //= -IH mulSn addnC (big_cat_nat _ _ _ (leq0n (n * p)%N)) ?leq_addr //=; congr (_ + _).
rewrite -{1}[(n * p)%N]add0n big_addn addKn -(big_mkord xpredT (fun r => f (n * p + r)%N)).
by apply: eq_bigr => r _; rewrite addnC.
Qed.

Section Shrinking.
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
Notation ones := (kappa * V + kappa + kappa)%N.

Variable s : seq token.

(* Until t, whatever is stored is stored before anything is asked. *)
Definition stored_first (t : nat) : Prop := forall i, (i <= t)%N -> writes_at s i -> asked s i = 0%N.

Lemma stateE t b v : (t < size s)%N -> stored_first t ->
  state weights (map embedding s) t (code_ b v) 0
  = stored * (\sum_(0 <= i < t.+1) (stores s i b v)%:R * rest ^+ (t - i)) * rho ^+ shrunk s t b.
Proof.
elim: t => [|t IH] ts first.
  rewrite /state /s6_state /= x_code // stores0 mulr0 mul0r big_nat1 stores0.
  by rewrite mul0r mulr0 mul0r.
rewrite /state /s6_state recurrenceS -/(s6_state _ _ _ _) -/(state _ _) IH ?(ltnW ts) //; last first.
  by move=> i it; apply: first; rewrite (leq_trans it).
rewrite (delta_code _ _ _ _ ts) /= decays x_code // B_ofE // [\sum_(0 <= i < t.+2) _]big_nat_recr //= subnn expr0 mulr1.
rewrite shrunkS; set n := (\sum_(j < kappa | _) _ + _)%N.
have -> : \sum_(0 <= i < t.+1) (stores s i b v)%:R * rest ^+ (t.+1 - i)
        = rest * \sum_(0 <= i < t.+1) (stores s i b v)%:R * rest ^+ (t - i).
  rewrite mulr_sumr; apply: eq_big_nat => i; rewrite ltnS => /andP[_ it].
  by rewrite subSn // exprS; ring.
case st: (stores s t.+1 b v); last by rewrite /= mulr0 mul0r !addr0 exprD; ring.
have : shrunk s t.+1 b = 0%N by rewrite /shrunk (first _ (leqnn _) (stores_at st)) sub0n.
rewrite shrunkS -/n => /eqP; rewrite addn_eq0 => /andP[/eqP-> /eqP->].
by rewrite /= addn0 mulr0 addr0 !expr0; ring.
Qed.

(* A write that is i tokens old weighs rest^i, and rho for each time that its block has shrunk. *)
Theorem selective_logitE t u : (t < size s)%N -> stored_first t ->
  @selective_logit R e kappa V shrink stored rate s t u = stored * \sum_(b < kappa)
    (\sum_(0 <= i < t.+1) (stores s i b u)%:R * rest ^+ (t - i)) * rho ^+ shrunk s t b.
Proof.
move=> ts first; rewrite /selective_logit affine_sum /= addr0 3!big_split_ord /= big_ord1.
have off (c : nat) : (codes + c < codes)%N = false by rewrite ltnNge leq_addr.
rewrite [X in _ + X = _](_ : _ = 0) ?addr0; last by rewrite -!addnA off mulr0.
rewrite [X in _ + X = _](_ : _ = 0) ?addr0; last by rewrite big1 // => c _; rewrite -addnA off mulr0.
rewrite [X in _ + X = _](_ : _ = 0) ?addr0; last by rewrite big1 // => c _; rewrite off mulr0.
pose y c := paper_mamba weights (map embedding s) t c.
rewrite (eq_bigr (fun c : 'I_(kappa * V) => y c * (c %% V == u)%N%:R)) => [|c _]; last first.
  by rewrite ltn_ord /=; case: (_ == _).
rewrite (sum_of_blocks _ _ (fun c => y c * (c %% V == u)%N%:R)) mulr_sumr; apply: eq_bigr => b _.
rewrite (bigD1 u) //= (code_mod b u) eqxx mulr1 big1 ?addr0 => [|w wu]; last first.
  by rewrite (code_mod b w) (_ : (w == u :> nat) = false) ?mulr0 //; exact: negbTE.
rewrite /y /paper_mamba /= /readout /= add0r C_ofE mulr1 mulrA; exact: stateE.
Qed.
End Shrinking.
