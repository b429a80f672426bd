"""The conformance suite: what a kernel must do, row by row, told to the people who write one.

Rows say what is tried, the oracle what is right and within which bound, the suite what the kernel did. A derivation
says nothing here, and a kernel that was not called is told nothing.
"""
