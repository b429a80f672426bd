"""Evidence on the claims of a paper: run it, and read it as data."""

__version__ = "0.1.0"
