"""Workers on this machine: processes with one thread each; a lost process is replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from mamba_theorems.verify.workers import Pool

RETRIES = 3


class InProcess:
    """A pool without other processes: a cell is run when it is submitted."""

    workers = 1

    def submit(self, work: Callable[..., Any], *cell: Any) -> Future[Any]:
        """Run the cell."""
        future: Future[Any] = Future()
        future.set_result(work(*cell))
        return future

    def results(self, pending: Iterable[Future[Any]], seconds: float) -> set[Future[Any]]:
        """All pending futures: they are done."""
        return set(pending)


class Processes:
    """A pool of `workers` processes; the cells of a lost process are run again, up to RETRIES losses in a row."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool, self._losses = Pool(workers, threads=1), 0
        self._under_way: dict[Future[Any], tuple[tuple[Any, ...], Future[Any]]] = {}

    def submit(self, work: Callable[..., Any], *cell: Any) -> Future[Any]:
        """Have a process run the cell; the future outlives a lost process."""
        promised: Future[Any] = Future()
        self._hand_out((work, *cell), promised)
        return promised

    def _hand_out(self, task: tuple[Any, ...], promised: Future[Any]) -> None:
        try:
            future = self._pool.submit(*task)
        except BrokenProcessPool:
            future = Future()
            future.set_exception(BrokenProcessPool())
        self._under_way[future] = (task, promised)

    def results(self, pending: Iterable[Future[Any]], seconds: float) -> set[Future[Any]]:
        """The futures that are done; a lost pool is started again with the cells it had under way."""
        done = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            self._recover()
            return set()
        self._losses = 0 if done else self._losses
        return {self._keep(future) for future in done}

    def _keep(self, future: Future[Any]) -> Future[Any]:
        _, promised = self._under_way.pop(future)
        reason = future.exception()
        if reason is not None:
            promised.set_exception(reason)
        else:
            promised.set_result(future.result())
        return promised

    def _recover(self) -> None:
        self._losses += 1
        if self._losses > RETRIES:
            raise RuntimeError(f"worker processes were lost {self._losses} times in a row: use fewer --workers")
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool, lost, self._under_way = Pool(self.workers, threads=1), self._under_way, {}
        for task, promised in lost.values():
            self._hand_out(task, promised)

    @property
    def processes(self) -> set[BaseProcess]:
        """The worker processes."""
        return self._pool.processes

    def close(self) -> None:
        """Stop every worker, at work or not."""
        if self._under_way:
            self._pool.terminate()
        else:
            self._pool.shutdown()


@contextmanager
def pool_of(workers: int) -> Iterator[InProcess | Processes]:
    """A pool in this process for one worker; for more, processes that are stopped afterwards."""
    if workers == 1:
        yield InProcess()
        return
    pool = Processes(workers)
    try:
        yield pool
    finally:
        pool.close()


def automatic() -> int:
    """As many workers as there are processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
