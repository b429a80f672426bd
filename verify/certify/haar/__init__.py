"""The certificates of haar."""
