"""Where the benchmarks write: each its own section of README.md, in it a block for each processor."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

README = Path(__file__).with_name("README.md")
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # before the benchmark adds its own
BLOCK = re.compile(r"<!-- on (.+?): begin -->\n(.*?)\n<!-- on \1: end -->", re.DOTALL)
MACHINE = re.compile(r"transformers [\w.+-]+, (.+), \d+ of \d+ threads")


def write_section(name: str, text: str, file: Path = README) -> None:
    """Put a section between its markers; everything else in the file stays."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = file.read_text(encoding="utf-8") if file.is_file() else "# Benchmarks\n"
    if begin in old and end in old:
        before, after = old[: old.index(begin)], old[old.index(end) + len(end) :]
    else:
        before, after = old.rstrip() + "\n\n", "\n"
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def blocks_of(name: str) -> dict[str, str]:
    """What a section holds, by processor; without blocks its tables are of the processor it names."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = README.read_text(encoding="utf-8") if README.is_file() else ""
    if begin not in old or end not in old:
        return {}
    section = old[old.index(begin) + len(begin) : old.index(end)]
    if found := dict(BLOCK.findall(section)):
        return found
    named, first_row = MACHINE.findall(section), section.find("\n| ")
    return {named[-1]: section[first_row:].strip()} if named and first_row >= 0 else {}


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    lines = [f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def machine() -> str:
    """Versions, processor and threads, as a sentence."""
    import torch
    import transformers

    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} threads"
    return (
        f"Python {platform.python_version()}, {versions}, {processor()}, {threads}; load {LOAD:.1f} before."
    )


def processor() -> str:
    """The processor's name as the system has it; with AMX, which virtual machines of one name may lack.

    Products in bfloat16 are five times as fast with it.
    """
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    named = [
        line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")
    ] or [platform.machine()]
    return f"{named[0]} with AMX" if "amx_bf16" in text else named[0]


def seconds(action: Callable[[], object], *, times: int = 3) -> float:
    """The least of several runs, after one that is not counted: others may use the machine, too."""
    action()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        measured.append(time.perf_counter() - start)
    return min(measured)


def memory_now() -> int:
    """What this process holds now, in bytes; where there is no /proc, its peak so far."""
    return _memory("VmRSS")


def peak_memory() -> int:
    """The peak of this process in bytes, since `forget_peak` where the system can forget."""
    return _memory("VmHWM")


def forget_peak() -> None:
    """From now on `peak_memory` counts anew (Linux only)."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def _memory(field: str) -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def parser_of(text: str) -> argparse.ArgumentParser:
    """A parser with the option that all benchmarks have."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, to try it: prints, and writes nothing")
    return parser


def publish(name: str, title: str, text: str, figures: str, *, quick: bool, on: str | None = None) -> None:
    """Print the figures; those of a full run go into README.md, with what was measured and the machine.

    on: the machine in words, where it is not this one's processor that was measured. Figures of other
    machines stay as they are; those of this one are replaced.
    """
    figures = f"{figures}\n\n{on or machine()}"
    print(figures)
    if quick:
        return
    blocks = blocks_of(name) | {on or processor(): figures}
    shown = [f"<!-- on {one}: begin -->\n{body}\n<!-- on {one}: end -->" for one, body in blocks.items()]
    write_section(name, "\n\n".join([f"## {title}", text, *shown]))


def in_own_process(file: str, *arguments: str) -> dict:
    """What a benchmark's program, started with these arguments, prints as JSON on its last line."""
    done = subprocess.run([sys.executable, file, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def fastest(rounds: int, ways: Sequence[str], measure: Callable[[str], dict]) -> dict[str, dict]:
    """For each way the run with the least "seconds". Ways take turns: others may use the machine, too."""
    runs = [{way: measure(way) for way in ways} for _ in range(rounds)]
    return {way: min((run[way] for run in runs), key=lambda run: run["seconds"]) for way in ways}
