"""Where the benchmarks write: each its own section of README.md, with the machine's name and versions."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

README = Path(__file__).with_name("README.md")


def write_section(name: str, text: str) -> None:
    """Put a section between its markers; everything else in the file stays."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = README.read_text(encoding="utf-8") if README.is_file() else "# Benchmarks\n"
    if begin in old and end in old:
        before, after = old[: old.index(begin)], old[old.index(end) + len(end) :]
    else:
        before, after = old.rstrip() + "\n\n", "\n"
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


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
    return f"Python {platform.python_version()}, {versions}, {_processor()}, {threads}."


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def seconds(action: Callable[[], object], *, times: int = 3) -> float:
    """The least of several runs, after one that is not counted: others may use the machine, too."""
    action()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        measured.append(time.perf_counter() - start)
    return min(measured)


def peak_memory() -> int:
    """The peak of this process in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
