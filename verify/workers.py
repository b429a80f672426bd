"""Worker processes: each has its share of the cores, runs nothing of the caller's script and exits with its parent."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from mamba_theorems.verify.settings import FOREIGN_MEMORY, Run

WORKERS = 2


class _Process(SpawnProcess):
    """A fresh interpreter that does not run the caller's script, which needs no guard and may be no file at all."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # multiprocessing reads here what a worker has to run first
        try:
            return SpawnProcess._Popen(process_obj)  # type: ignore[attr-defined]
        finally:
            sys.modules["__main__"] = script


class _Context(SpawnContext):
    Process = _Process


class Pool(ProcessPoolExecutor):
    """A pool of `number` processes, each with so many threads, and with `memory` bytes at most."""

    def __init__(self, number: int, threads: int, memory: int = resource.RLIM_INFINITY) -> None:
        self._others = set(active_children())
        super().__init__(number, _Context(), _begin, (threads, memory))

    @property
    def processes(self) -> set[BaseProcess]:
        """The worker processes that live."""
        return set(active_children()) - self._others

    def terminate(self) -> None:
        """Stop every worker at once, at work or not."""
        self.shutdown(wait=False, cancel_futures=True)
        for process in self.processes:
            process.terminate()


@contextmanager
def workers(run: Run) -> Iterator[Pool]:
    """Worker processes that stop where the run is interrupted or this process is killed.

    Someone else's kernel may materialise every state; where that takes more than FOREIGN_MEMORY the check fails, and
    says so, before the machine runs out of memory and the whole run is killed.
    """
    threads = max(1, (os.cpu_count() or 1) // WORKERS)
    pool = Pool(WORKERS, threads, FOREIGN_MEMORY if run.kernel else resource.RLIM_INFINITY)
    try:
        yield pool
    except BaseException:
        pool.terminate()
        raise
    pool.shutdown(cancel_futures=True)


def _begin(threads: int, memory: int) -> None:
    """What a worker does before it imports torch, which reads its number of threads once."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if memory != resource.RLIM_INFINITY:
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = memory if most == resource.RLIM_INFINITY else min(memory, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers to stop
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Wait for the parent's end, also by a signal that it cannot catch, and stop at once."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
