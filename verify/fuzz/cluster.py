"""Workers of a Dask cluster (the extra `cluster`): any scheduler that `tcp://…` reaches, whoever started its workers.

A cell is a task. A task whose worker is lost runs again elsewhere; the driver alone stores findings, as they arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from mamba_theorems.verify.extras import needs
from mamba_theorems.verify.record import fingerprint

RETRIES = 5
"""How often a cell is run again after its worker was lost."""
PATIENCE = 30
"""Seconds to wait for the scheduler, and for a first worker."""


@cache
def version() -> str:
    """A digest of the source text and of the packages of this process."""
    return fingerprint("worker")


def remote_cell(wanted: str, work: Callable[..., Any], *cell: Any) -> Any:
    """A cell, on a worker that runs the driver's version. Raises RuntimeError elsewhere."""
    if version() != wanted:
        raise RuntimeError(
            "a worker has another version of this program or of its packages: install the driver's there"
        )
    return work(*cell)


class Cluster:
    """The workers of a Dask client, however many there are at the time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._done: SimpleQueue[tuple[Any, _Task]] = SimpleQueue()
        self._counted, self._workers = 0.0, 1

    @property
    def workers(self) -> int:
        """Threads of all workers; asked for every few seconds, for clusters that grow."""
        if time.monotonic() - self._counted > 5:
            self._counted, self._workers = time.monotonic(), max(1, sum(self._client.nthreads().values()))
        return self._workers

    def submit(self, work: Callable[..., Any], *cell: Any) -> Future[Any]:
        """Have a worker run the cell; the future outlives a lost worker."""
        task = _Task((version(), work, *cell))
        self._hand_out(task)
        return task.promised

    def _hand_out(self, task: _Task) -> None:
        future = self._client.submit(remote_cell, *task.arguments, pure=False, retries=RETRIES)
        future.add_done_callback(lambda done: self._done.put((done, task)))

    def results(self, pending: Iterable[Future[Any]], seconds: float) -> set[Future[Any]]:
        """The futures that are done, once there is one or the seconds have passed."""
        done: set[Future[Any]] = set()
        try:
            self._take(*self._done.get(timeout=seconds), done)
            while True:
                self._take(*self._done.get_nowait(), done)
        except Empty:
            return done

    def _take(self, future: Any, task: _Task, done: set[Future[Any]]) -> None:
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415 - an optional extra

        try:
            task.promised.set_result(future.result())
        except (KilledWorker, CancelledError, OSError) as reason:
            task.losses += 1
            if task.losses <= RETRIES:
                self._hand_out(task)
                return
            task.promised.set_exception(reason)
        except Exception as reason:
            task.promised.set_exception(reason)
        done.add(task.promised)


class _Task:
    """A cell under way, and what its result is promised to."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments, self.losses = arguments, 0
        self.promised: Future[Any] = Future()


@contextmanager
def pool_at(address: str) -> Iterator[Cluster]:
    """The cluster at a scheduler's address. Raises ValueError where there is none, or no worker in it."""
    with needs("cluster", "--scheduler"):
        from distributed import Client  # noqa: PLC0415 - an optional extra
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as reason:
        raise ValueError(
            f"there is no Dask scheduler at {address} ({type(reason).__name__}): start one first"
        ) from reason
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as reason:
            raise ValueError(
                f"the scheduler at {address} has no worker: start `dask worker {address}` first"
            ) from reason
        yield Cluster(client)
