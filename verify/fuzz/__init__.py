"""Fuzzing campaigns: every property of the project, hunted for counterexamples as long as one likes.

A campaign is a list of cells (`cells`), each a pure function of itself (`search`); `campaign` runs them on one machine
or on a cluster and merges what they found; `findings` keeps what failed; `planted` shows that bugs are found.
"""
