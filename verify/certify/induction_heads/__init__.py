"""The certificates of induction_heads."""
