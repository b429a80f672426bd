"""Runs derivations and checks: gathers, resumes, and computes outcomes."""
