"""The certificates of mqar."""
