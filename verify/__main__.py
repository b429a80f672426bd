"""`python -m verify`, and `mamba-theorems` once installed."""

import signal
import sys

from mamba_theorems.verify.commands.main import main


def run() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is an interruption too
    sys.exit(main())


if __name__ == "__main__":
    run()
