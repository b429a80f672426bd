"""Running-error bounds of the operations: how far a dtype may be from real arithmetic."""
