"""Worker processes that share the cores and never outlive their parent."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from mamba_theorems.verify.settings import FOREIGN_MEMORY, Run

WORKERS = 2


@contextmanager
def workers(run: Run) -> Iterator[ProcessPoolExecutor]:
    """Worker processes that stop where the run is interrupted or this process is killed."""
    context, others = get_context("spawn"), set(active_children())
    pool = ProcessPoolExecutor(WORKERS, context, _begin, (os.getpid(), bool(run.kernel)))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    pool.shutdown(cancel_futures=True)


def _begin(parent: int, foreign: bool) -> None:
    """A worker takes its share of the cores.

    Someone else's kernel may materialise every state; where that takes more than FOREIGN_MEMORY the check fails, and
    says so, before the machine runs out of memory and the whole run is killed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))
    if foreign:
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = FOREIGN_MEMORY if most == resource.RLIM_INFINITY else min(FOREIGN_MEMORY, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
    outlive_no_parent(parent)


def outlive_no_parent(parent: int) -> None:
    """Leave Ctrl-C to the parent, and stop where it has gone: a killed parent cannot say goodbye."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers to stop
    threading.Thread(target=watch, daemon=True).start()
