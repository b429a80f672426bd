"""`python -m kernels.bench`: our kernels and other people's, side by side in one run.

Every round runs each implementation once, in turn, so that all see the same machine; the median over the rounds is
reported. `--against` adds peers, `--output-format json` and `-o FILE` keep the record, `--device cuda` compares with a
copy. On a machine that others use, set OMP_WAIT_POLICY=passive: threads that spin for a descheduled one cost more than
the work.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.blocks.language_model import MambaLM
from mamba_theorems.kernels.blocks.mamba import Mamba
from mamba_theorems.kernels.fields import FLOAT32
from mamba_theorems.kernels.peers import MODELS, PEERS, installed

Run = Callable[[], Any]


@dataclass(frozen=True)
class ScanSize:
    """The size of a scan."""

    batch: int
    length: int
    d_inner: int
    d_state: int

    def __str__(self) -> str:
        return f"B={self.batch} L={self.length} d_inner={self.d_inner} N={self.d_state}"


@dataclass(frozen=True)
class ModelSize:
    """The size of a language model of one Mamba-1 layer, and of a batch."""

    batch: int
    length: int
    d_model: int
    d_state: int
    vocab_size: int

    def __str__(self) -> str:
        return f"B={self.batch} L={self.length} d_model={self.d_model} N={self.d_state} |V|={self.vocab_size}"


@dataclass(frozen=True)
class Timing:
    """One case: medians in milliseconds by implementation, of wall and of processor time, and as multiples of ours.

    Processor time sums over threads; on a machine that others use (see `load`) it is the steadier of the two.
    """

    case: str
    size: str
    milliseconds: dict[str, float]
    cpu_milliseconds: dict[str, float]
    ratio_to_ours: dict[str, float]
    cpu_ratio_to_ours: dict[str, float]
    rounds: int
    load: float


HEADLINE, NARROW = ScanSize(1, 2048, 256, 16), ScanSize(1, 8192, 64, 2)
SSD_SIZE = ScanSize(1, 4096, 512, 64)
MODEL = ModelSize(32, 256, 64, 16, 128)
CASES = ("forward", "narrow", "backward", "ssd", "training", "linearity", "memory")
PATIENCE = 10_000.0  # milliseconds
LENGTHS = (1_000, 3_162, 10_000, 31_623, 100_000)


def arguments(size: ScanSize, device: str = "cpu", gradients: bool = False) -> dict[str, Tensor]:
    """Random arguments of a selective scan with D, as every peer takes them."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    signal, matrix = (size.batch, size.d_inner, size.length), (size.batch, size.d_state, size.length)
    result = {
        "u": normal(*signal),
        "delta": 0.1 * normal(*signal).abs(),
        "A": -normal(size.d_inner, size.d_state).abs(),
        "B": normal(*matrix),
        "C": normal(*matrix),
        "D": normal(size.d_inner),
    }
    return {name: value.requires_grad_(gradients) for name, value in result.items()}


def side_by_side(runs: dict[str, Run], rounds: int, device: str = "cpu") -> dict[str, tuple[float, float]]:
    """Median (wall, processor) milliseconds of each run; every round takes each once.

    A run whose first call takes longer than PATIENCE is not repeated.
    """
    first = {name: _milliseconds(run, device) for name, run in runs.items()}
    times = {name: [value] if value[0] > PATIENCE else [] for name, value in first.items()}
    for _ in range(rounds):
        for name, run in runs.items():
            if first[name][0] <= PATIENCE:
                times[name].append(_milliseconds(run, device))
    return {name: (_median(values, 0), _median(values, 1)) for name, values in times.items()}


def _median(values: list[tuple[float, float]], i: int) -> float:
    return statistics.median(value[i] for value in values)


def _milliseconds(run: Run, device: str) -> tuple[float, float]:
    """Wall and processor time of one call."""
    _synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    _synchronize(device)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _timing(case: str, size: ScanSize | ModelSize, runs: dict[str, Run], rounds: int, device: str) -> Timing:
    medians = side_by_side(runs, rounds, device)
    wall, cpu = ({name: both[i] for name, both in medians.items()} for i in range(2))
    timing = Timing(case, str(size), wall, cpu, _ratios(wall), _ratios(cpu), rounds, os.getloadavg()[0])
    print("\n".join(_lines(asdict(timing))), file=sys.stderr, flush=True)
    return timing


def _scans(peers: Sequence[str], device: str) -> dict[str, Callable[..., Tensor]]:
    """Ours and the peers', each imported and compiled by a first small call."""
    scans = {"ours": ops.selective_scan} | {name: PEERS[name][1] for name in peers}
    small = arguments(ScanSize(1, 8, 16, 2), device, gradients=True)
    for scan in scans.values():
        _forward_backward(scan, small)()
    return scans


def _ratios(times: dict[str, float]) -> dict[str, float]:
    return {name: t / times["ours"] for name, t in times.items() if name != "ours"}


def forward(size: ScanSize, peers: Sequence[str], rounds: int, device: str) -> Timing:
    """S6 forward."""
    inputs, scans = arguments(size, device), _scans(peers, device)
    with torch.no_grad():
        return _timing("S6 forward", size, {k: _forward(f, inputs) for k, f in scans.items()}, rounds, device)


def _forward(scan: Callable[..., Tensor], inputs: dict[str, Tensor]) -> Run:
    return lambda: scan(**inputs)


def forward_backward(size: ScanSize, peers: Sequence[str], rounds: int, device: str) -> Timing:
    """S6 forward and the gradients of every argument."""
    inputs, scans = arguments(size, device, gradients=True), _scans(peers, device)
    runs = {k: _forward_backward(f, inputs) for k, f in scans.items()}
    return _timing("S6 forward + backward", size, runs, rounds, device)


def _forward_backward(scan: Callable[..., Tensor], inputs: dict[str, Tensor]) -> Run:
    return lambda: torch.autograd.grad(scan(**inputs).sum(), list(inputs.values()))


def ssd(size: ScanSize, rounds: int, device: str, headdim: int = 64) -> Timing:
    """SSD against torch: in chunks, and as the recurrence, one step after the other; and against the definition."""
    nheads = size.d_inner // headdim
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "x": (size.batch, size.length, nheads, headdim),
        "dt": (size.batch, size.length, nheads),
        "B": (size.batch, size.length, 1, size.d_state),
        "C": (size.batch, size.length, 1, size.d_state),
    }
    inputs = {name: torch.randn(*shape, generator=generator).to(device) for name, shape in shapes.items()}
    A = -torch.rand(nheads, generator=generator).to(device)
    tensors = (inputs["x"], 0.1 * inputs["dt"].abs(), A, inputs["B"], inputs["C"])
    arrays = [m.cpu().numpy() for m in tensors]
    runs: dict[str, Run] = {
        "ours": lambda: ops.ssd_chunk_scan(*tensors),
        "chunks in torch": lambda: ops.ssd_chunk_scan(*tensors, backend="torch"),
        "recurrent loop": lambda: ssd_recurrent(*tensors),
        "definition": lambda: semantics.ssd(FLOAT32, *arrays),
    }
    return _timing("SSD forward", size, runs, max(1, rounds // 3), device)


def ssd_recurrent(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The recurrence of SSD in torch, one step after the other, for one group: what chunks replace."""
    decay, written = torch.exp(dt * A)[..., None, None], (dt[..., None] * x)[..., None]
    h, ys = torch.zeros_like(written[:, 0] * B[:, 0, :, None]), []
    for t in range(x.shape[1]):
        h = decay[:, t] * h + written[:, t] * B[:, t, :, None]
        ys.append((h @ C[:, t, :, :, None])[..., 0])
    return torch.stack(ys, 1)


def training_step(size: ModelSize, peers: Sequence[str], rounds: int, device: str) -> Timing:
    """Forward, backward and AdamW's step of one language model, the same weights in ours and in the peers'.

    Raises AssertionError where a peer's logits are not ours.
    """
    torch.manual_seed(0)
    ours = MambaLM(size.vocab_size, size.d_model, mixer=Mamba, d_state=size.d_state).to(device)
    models = {"ours": ours} | {name: MODELS[name](ours).to(device) for name in peers if name in MODELS}
    tokens = torch.randint(size.vocab_size, (size.batch, size.length + 1), device=device)
    with torch.no_grad():
        expected = ours(tokens[:, :-1])
        for model in models.values():
            torch.testing.assert_close(model(tokens[:, :-1]), expected, rtol=1e-3, atol=1e-3)
    return _timing("training step", size, {k: _step(m, tokens) for k, m in models.items()}, rounds, device)


def _step(model: nn.Module, tokens: Tensor) -> Run:
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def run() -> None:
        logits = model(tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def linearity(rounds: int, device: str) -> dict[str, Any]:
    """The exponent of S6 forward's cost in L, by least squares in logarithms."""
    inputs = {length: arguments(ScanSize(1, length, 64, 16), device) for length in LENGTHS}
    with torch.no_grad():
        medians = side_by_side({str(k): _forward(ops.selective_scan, v) for k, v in inputs.items()}, rounds, device)
    wall, cpu = (np.array([both[i] for both in medians.values()]) for i in range(2))
    slopes = [float(np.polyfit(np.log(LENGTHS), np.log(times), 1)[0]) for times in (wall, cpu)]
    return {"milliseconds": medians, "exponent": slopes[0], "cpu_exponent": slopes[1]}


def memory(size: ScanSize) -> dict[str, float]:
    """Peak memory of S6 forward as a multiple of its inputs plus outputs, in a process of its own (Linux)."""
    program = f"import json; from mamba_theorems.kernels.bench import *; print(json.dumps(peak_memory({size!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def peak_memory(size: ScanSize) -> dict[str, float]:
    """`memory` of this process: its high-water mark over what it held before the inputs."""
    _forward(ops.selective_scan, arguments(ScanSize(1, 8, 16, 2)))()
    before = _status("VmRSS")
    inputs = arguments(size)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    y = _forward(ops.selective_scan, inputs)()
    needed = sum(t.numel() * t.element_size() for t in (*inputs.values(), y))
    return {"inputs_and_outputs_bytes": needed, "ratio": (_status("VmHWM") - before) / needed}


def _status(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def bandwidth(size: ScanSize, rounds: int) -> dict[str, Any]:
    """Bytes that S6 forward must move, a second, as a fraction of a copy measured in the same run (CUDA)."""
    inputs = arguments(size, "cuda")
    moved = sum(t.numel() * t.element_size() for t in inputs.values()) + inputs["u"].numel() * 4
    source = torch.empty(moved // 8, device="cuda")
    target = torch.empty_like(source)
    with torch.no_grad():
        runs: dict[str, Run] = {"ours": _forward(ops.selective_scan, inputs), "copy": lambda: target.copy_(source)}
        medians = side_by_side(runs, rounds, "cuda")
    return {"bytes": moved, "fraction_of_copy": medians["copy"][0] / medians["ours"][0], **medians}


# ------------------------------------------------------------------------------------- command line


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    peers = [name for name in options.against if installed(name)]
    rounds, device = options.rounds, options.device
    result: dict[str, Any] = {"host": _host(), "missing": [n for n in options.against if n not in peers]}
    timings: dict[str, Callable[[], Timing]] = {
        "forward": lambda: forward(HEADLINE, peers, rounds, device),
        "narrow": lambda: forward(NARROW, peers, rounds, device),
        "backward": lambda: forward_backward(HEADLINE, peers, rounds, device),
        "ssd": lambda: ssd(SSD_SIZE, rounds, device),
        "training": lambda: training_step(MODEL, peers, rounds, device),
    }
    result["timings"] = [asdict(run()) for name, run in timings.items() if name in options.cases]
    if "linearity" in options.cases:
        result["linearity"] = linearity(rounds, device)
    if "memory" in options.cases and device == "cpu":
        result["memory"] = memory(ScanSize(4, 4096, 512, 16))
    if "memory" in options.cases and device == "cuda":
        result["bandwidth"] = bandwidth(ScanSize(8, 8192, 2048, 2), rounds)
    return result


def _host() -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"{result['host']['threads']} threads, float32", ""]
    for timing in result["timings"]:
        lines += _lines(timing)
    if "linearity" in result:
        wall, cpu = result["linearity"]["exponent"], result["linearity"]["cpu_exponent"]
        ends = f"from {LENGTHS[0]} to {LENGTHS[-1]}"
        lines.append(f"S6 forward, cost in L {ends}: exponent {wall:.3f} (wall), {cpu:.3f} (processor)")
    if "memory" in result:
        lines.append(f"S6 forward, peak memory / (inputs + outputs): {result['memory']['ratio']:.2f}")
    if "bandwidth" in result:
        lines.append(
            f"S6 forward at N=2, fraction of a copy's bandwidth: {result['bandwidth']['fraction_of_copy']:.2f}"
        )
    lines += [f"not installed: {', '.join(result['missing'])}"] if result["missing"] else []
    return "\n".join(lines)


def _lines(timing: dict[str, Any]) -> list[str]:
    lines = [f"{timing['case']}  {timing['size']}  (median of {timing['rounds']}, load {timing['load']:.1f})"]
    for name, wall in timing["milliseconds"].items():
        line = f"  {name:<18}{wall:>12.3f} ms wall{timing['cpu_milliseconds'][name]:>12.3f} ms processor"
        if name in timing["ratio_to_ours"]:
            line += f"{timing['ratio_to_ours'][name]:>9.1f}× / {timing['cpu_ratio_to_ours'][name]:.1f}×"
        lines.append(line)
    return lines


def _cases(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in CASES]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no case {unknown[0]!r}; choose from {', '.join(CASES)}")
    return chosen


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 to 1,024, not {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m kernels.bench", description=__doc__.splitlines()[0])
    p.add_argument("--against", type=lambda s: s.split(","), default=[], help=f"peers: {','.join(PEERS)}")
    p.add_argument("--cases", type=_cases, default=list(CASES), help=f"which measurements: {','.join(CASES)}")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--threads", type=_count, default=2)
    p.add_argument("--rounds", type=_count, default=7)
    p.add_argument("--output-format", choices=("text", "json"), default="text")
    p.add_argument("-o", "--output", help="also write the JSON record to this file")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 4 for a request that cannot be met."""
    options = parser().parse_args(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here; leave out --device cuda.", file=sys.stderr)
        return 4
    try:
        for name in options.against:
            installed(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 4
    torch.set_num_threads(options.threads)
    result = report(options)
    text = json.dumps(result, indent=2)
    if options.output:
        with open(options.output, "w") as file:
            file.write(text + "\n")
    print(text if options.output_format == "json" else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
