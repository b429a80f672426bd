"""`python -m verify.fuzz.cost`: what a cell, a task and a result cost here, and what that means for many workers.

The model: W workers deliver W / (cell + overhead) cells a second, and neither the scheduler nor the driver more than
1 / (its seconds a task); the least of the three is the rate, and the largest useful W is where they meet.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.files import write
from mamba_theorems.verify.fuzz import local
from mamba_theorems.verify.fuzz.batches import Batches, run_batches
from mamba_theorems.verify.fuzz.campaign import Campaign, CampaignNotes, Settings, run_campaign
from mamba_theorems.verify.fuzz.cells import properties
from mamba_theorems.verify.fuzz.search import CellResult, Watch
from mamba_theorems.verify.settings import Run

WORKERS = (2, 16, 128, 1000, 4096)
PER_CELL = (25, 100, 400)
TASKS = 2000
SPEED = Batches(8, 8, 128)
SCALED = ("mqar.value-code", "mqar.thm3-step1", "mqar.thm4", "mqar.thm4-jl-amended")


@dataclass(frozen=True)
class Costs:
    """Seconds of the mean cell and of the slowest, `examples` cases each; of a task in either pool; of a result."""

    examples: int
    cell: float
    slowest: float
    process_task: float
    dask_task: float
    result: float

    def rate(self, workers: int, examples: int) -> tuple[float, str]:
        """Examples a second on a cluster, and what limits them."""
        cell = self.cell * examples / self.examples
        limits = {
            "workers": workers / (cell + self.dask_task),
            "scheduler": 1 / self.dask_task,
            "driver": 1 / self.result,
        }
        name = min(limits, key=limits.__getitem__)
        return examples * limits[name], name

    def useful(self, examples: int) -> int:
        """Beyond so many workers the scheduler, or the driver, is the limit."""
        return math.floor(self.cell * examples / self.examples / max(self.dask_task, self.result)) + 1


def measure() -> Costs:
    """One whole round, and bare tasks. Takes about two minutes on an idle core."""
    settings = Settings(tuple(claims()), Run(seed=1), examples=25)
    run_campaign(replace(settings, examples=1), local.InProcess())  # everything is imported, compiled and built
    found = run_campaign(settings, local.InProcess())
    seconds = [result.processor_seconds for result in found.results.values()]
    return Costs(
        settings.per_round,
        sum(seconds) / len(seconds),
        max(seconds),
        process_task(),
        dask_task(),
        result_seconds(settings, list(found.results.values())),
    )


def nothing(number: int) -> int:
    """A task that does nothing."""
    return number


def process_task() -> float:
    """Seconds a task of the process pool, without its work."""
    with ProcessPoolExecutor(2) as pool:
        wait([pool.submit(nothing, i) for i in range(100)])
        start = time.perf_counter()
        wait([pool.submit(nothing, i) for i in range(TASKS)])
        return (time.perf_counter() - start) / TASKS


def dask_task() -> float:
    """Processor seconds of scheduler and client for a task without work; NaN where Dask is not installed."""
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an optional extra
    except ImportError:
        return math.nan
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster, set_as_default=False) as client:
        client.gather([client.submit(nothing, -i, pure=False) for i in range(100)])
        start = time.process_time()
        client.gather([client.submit(nothing, i, pure=False) for i in range(TASKS)])
        return (time.process_time() - start) / TASKS


def result_seconds(settings: Settings, results: Sequence[CellResult]) -> float:
    """Processor seconds for the driver to take a result in and to write it down."""
    with tempfile.TemporaryDirectory() as folder:
        notes, campaign = CampaignNotes(settings, Path(folder)), Campaign(settings)
        start = time.process_time()
        for result in results:
            campaign.add(result)
            notes.add(result, 0.0)
        return (time.process_time() - start) / len(results)


# --- scaling, and batches --------------------------------------------------------------------------------------------


@contextmanager
def warm(workers: int, settings: Settings) -> Iterator[local.InProcess | local.Processes]:
    """Workers that have imported, compiled and built everything."""
    with local.pool_of(workers) as pool:
        run_campaign(replace(settings, examples=2, per_round=2), pool)
        yield pool


@dataclass(frozen=True)
class Scaled:
    """The same campaign on so many processes: wall seconds, and seconds that its cells took together by both clocks."""

    wall: float
    cells: float
    processor: float


def scaling(workers: Sequence[int] = (1, 2)) -> dict[int, Scaled]:
    """The campaign of `SCALED` on each number of processes."""
    settings, found = Settings(SCALED, Run(seed=1), examples=25), {}
    for number in workers:
        with warm(number, settings) as pool:
            start = time.perf_counter()
            results = run_campaign(settings, pool).results.values()
            wall = time.perf_counter() - start
        found[number] = Scaled(wall, sum(r.seconds for r in results), sum(r.processor_seconds for r in results))
    return found


def sequences_per_second(spec: Batches = SPEED, count: int = 2048) -> dict[str, float]:
    """Recall sequences a second of processor time on one core, drawn, run and judged, through the official block."""
    check = properties("mqar.thm2-step1")["recall-official"]
    torch.set_num_threads(1)
    found = {}
    for dtype in DTYPES:
        run, examples = Run(dtypes=(dtype,)), count // spec.per_example
        run_batches(spec, check, 20, 0, run, Watch())
        start = time.process_time()
        run_batches(spec, check, examples, 1, run, Watch())
        found[dtype] = examples * spec.per_example / (time.process_time() - start)
    return found


def render(costs: Costs, sequences: Mapping[str, float], scaled: Mapping[int, Scaled]) -> str:
    """What was measured, and the model as a table, in Markdown."""
    per = costs.examples
    recall = ", ".join(f"{rate:,.0f} in {dtype}" for dtype, rate in sequences.items())
    lines = [
        "# What fuzzing costs",
        "",
        f"Written by `python -m verify.fuzz.cost -o .` on {os.cpu_count()} processors; processor times, so that "
        "others' load matters little; the pools of processes are timed by the wall.",
        "",
        f"- A cell of {per} examples: {costs.cell:.3f} s on average, {costs.slowest:.1f} s the slowest.",
        f"- A task: {costs.process_task * 1e3:.2f} ms in a process pool, {costs.dask_task * 1e3:.2f} ms of Dask's "
        "scheduler and client.",
        f"- A result, taken in and written down by the driver: {costs.result * 1e3:.2f} ms.",
        f"- Recall through the official block (κ = {SPEED.num_kv_pairs}, |V| = {SPEED.num_values}, "
        f"L = {SPEED.input_seq_len}), sequences a second and core: {recall}.",
        *(_scaled(number, found, scaled[1]) for number, found in scaled.items()),
        "",
        "From these constants, examples a second, and what limits them: a scheduler takes so many tasks a second and "
        "no more; the last row is the number of workers at which it, or the driver, is the limit.",
        "",
        "| workers | " + " | ".join(f"{n} examples a cell" for n in PER_CELL) + " |",
        "|---|" + "---|" * len(PER_CELL),
    ]
    for workers in WORKERS:
        cells = [f"{rate:,.0f} ({name})" for rate, name in (costs.rate(workers, n) for n in PER_CELL)]
        lines.append(f"| {workers:,} | {' | '.join(cells)} |")
    useful = " | ".join(f"{costs.useful(n):,}" for n in PER_CELL)
    return "\n".join([*lines, f"| useful at most | {useful} |", ""])


def _scaled(number: int, found: Scaled, one: Scaled) -> str:
    busy, dearer, faster = found.cells / found.wall / number, found.processor / one.processor, one.wall / found.wall
    return (
        f"- {number} process{'es' * (number > 1)}: {found.wall:.1f} s, {faster:.2f} times as fast as one; {busy:.0%} "
        f"of the time in cells, whose processor time is {dearer:.2f} of one process's."
    )


def main() -> None:
    """Measure, print, and write the text into a folder if one is named."""
    parser = argparse.ArgumentParser(prog="python -m verify.fuzz.cost", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="the folder that gets fuzz_costs.md")
    folder = parser.parse_args().output
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", file=sys.stderr)
    text = render(measure(), sequences_per_second(), scaling())
    print(text)
    if folder:
        write(folder / "fuzz_costs.md", text)


if __name__ == "__main__":
    main()
