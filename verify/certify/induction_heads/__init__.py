"""The certificates of induction_heads."""

MODULES = ("lemma3", "plain")
