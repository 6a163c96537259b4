"""Collect the forms of the instruments that a notebook shows, while it runs.

`notebooks/run.py` sets the variable RECORD to a file in the kernel's environment; a reader's kernel has none,
and nothing is computed there.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

RECORD = "PHI3LIB_RECORD_INSTRUMENTS"


def record(instrument: Any, key: str) -> None:
    """Add an instrument's form to the file that RECORD names, under the key of its still picture.

    The file holds {"forms": {key: form}, "seconds": …, "cpu_seconds": …}: what all forms took. Nothing
    happens without the variable, and for an instrument that needs a kernel.
    """
    path = os.environ.get(RECORD)
    if not path:
        return
    clock, cpu = time.perf_counter(), time.process_time()
    form = instrument.without_kernel()
    if form is None:
        return
    file = Path(path)
    kept: dict[str, Any] = {"forms": {}, "seconds": 0.0, "cpu_seconds": 0.0}
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
    kept["forms"][key] = form.to_json()
    kept["seconds"] += time.perf_counter() - clock
    kept["cpu_seconds"] += time.process_time() - cpu
    file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
