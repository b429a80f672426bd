"""`python -m verify`."""

import signal
import sys

from verify.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is an interruption too
    sys.exit(main())
