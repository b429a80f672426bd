"""Trained networks beside the theorems: evidence of the word OBSERVED, which never raises an outcome.

A plan (`plan`, `plans`) is a grid of trainings (`training`), each a pure function of its `settings`; `campaign` runs
them on one machine or on a cluster; `predictions` says before the runs what the theorems expect of them; `report` is
the record.
"""
