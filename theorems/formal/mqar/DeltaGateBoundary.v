(* mqar.n1-delta-gate: rho (kappa - 1) < 1 alone is not enough. Of q v a u b u the pair that is asked for was written
   first, and has decayed at rest for longest: where rho comes too near to 1/2, the two others outweigh it. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.algebra_tactics Require Import ring.
From Mamba Require Import Semantics Task Blocks Constructions mqar.Recall mqar.Shrinking mqar.Asked mqar.DeltaGate.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.TTheory.
Local Open Scope ring_scope.

Section Boundary.
Variables (R : realFieldType) (e : R -> R).
Hypotheses (expD : forall x y, e (x + y) = e x * e y) (exp_ge : forall x, 1 + x <= e x).
Variables lam shrink gain : R.
Hypotheses (lam_gt0 : 0 < lam) (shrink_gt0 : 0 < shrink) (gain_gt0 : 0 < gain).
Notation logit := (@logit R e 3 2 shrink gain (- (lam / shrink))).
Notation rho := (rho e lam).

Let q : 'I_3 := ord0.
Let a : 'I_3 := Ordinal (isT : (1 < 3)%N).
Let b : 'I_3 := ord_max.
Let v : 'I_2 := ord0.
Let u : 'I_2 := ord_max.
Definition context := [:: (q, v); (a, u); (b, u)].
Definition question : seq (token 3 2) := [:: None; key_ q].
Lemma asked_here :
  [&& H1 context, H4 context question, tail_stores_nothing question & asks context question 7 q v].
Proof. by []. Qed.

Theorem n1_delta_gate_boundary :
  1 <= rho * (e (lam / shrink * 2%:R) + e (lam / shrink * 4%:R)) ->
  logit (sequence context question) 7 v <= logit (sequence context question) 7 u.
Proof.
move=> near; have /and4P[h1 h4 none query] := asked_here; have uv : u != v by [].
have gQ : 0 < gain * rho ^+ (queries (sequence context question) 7 - asked (sequence context question) 7 q).
  by rewrite mulr_gt0 // exprn_gt0 // rho_gt0.
rewrite -subr_le0 -(pmulr_lle0 _ (_ : 0 < (gain * rho ^+
  (queries (sequence context question) 7 - asked (sequence context question) 7 q))^-1)) ?invr_gt0 //.
rewrite (@margin_held _ _ expD exp_ge _ _ lam shrink gain shrink_gt0 gain_gt0 _ _ _ _ _ h1 h4 none query _ uv).
have -> : asked (sequence context question) 7 q = 1%N by [].
have heldE6 i x : held e lam shrink context question 7 i x =
    \sum_(r < 6) (stores (sequence context question) r i x)%:R * rest e lam shrink 7 r.
  by rewrite /held big_mkord.
have own : held e lam shrink context question 7 q v = rest e lam shrink 7 1.
  by rewrite heldE6 !big_ord_recr big_ord0 /= !mul0r !addr0 add0r mul1r.
have fellows : \sum_(i < 3 | i != q) held e lam shrink context question 7 i v = 0.
  rewrite big_mkcond !big_ord_recr big_ord0 /= !heldE6 !big_ord_recr !big_ord0 /=.
  by rewrite !mul0r !addr0.
have rivals : \sum_(i < 3 | i != q) held e lam shrink context question 7 i u =
    rest e lam shrink 7 3 + rest e lam shrink 7 5.
  rewrite big_mkcond !big_ord_recr big_ord0 /= !heldE6 !big_ord_recr !big_ord0 /=.
  by rewrite !mul0r !addr0 !add0r !mul1r.
pose x := lam / shrink; pose r1 := rest e lam shrink 7 1.
have r3 : rest e lam shrink 7 3 = r1 * e (x * 2%:R).
  by rewrite /r1 /rest -expD; congr e; rewrite -/x (_ : 7 - 3 = 4)%N // (_ : 7 - 1 = 6)%N //; ring.
have r5 : rest e lam shrink 7 5 = r1 * e (x * 4%:R).
  by rewrite /r1 /rest -expD; congr e; rewrite -/x (_ : 7 - 5 = 2)%N // (_ : 7 - 1 = 6)%N //; ring.
have r0 : 0 < r1 by exact: exp_gt0.
rewrite own fellows rivals r3 r5 -/r1 expr1 sub0r -mulrDr mulrN mulrCA subr_le0 -[X in X <= _]mulr1.
by rewrite ler_pmul2l.
Qed.

(* So it is for every rho < 1/2 that is near enough to 1/2: e(x) >= 1 + x. *)
Corollary near_half : 1 <= rho * (2%:R + 6%:R * (lam / shrink)) ->
  logit (sequence context question) 7 v <= logit (sequence context question) 7 u.
Proof.
move=> near; apply: n1_delta_gate_boundary; apply: le_trans near _.
rewrite ler_pmul2l ?rho_gt0 // (_ : _ + 6%:R * _ = (1 + lam / shrink * 2%:R) + (1 + lam / shrink * 4%:R)); last by ring.
by apply: ler_add; exact: exp_ge.
Qed.
End Boundary.
