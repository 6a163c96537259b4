"""The set-up cell of every notebook."""

import os
import random
import sys
from importlib.util import find_spec
from pathlib import Path

from phi3lib.embeddings.run_time import usable_cores

_THREADS_OF_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ASKED_FOR = os.environ.get("OMP_NUM_THREADS", "")  # by whoever started Python; `start` overwrites it


def start(notebook: str, models: str | None = None, seed: int = 0) -> None:
    """Set a notebook up and say in a few lines what it has to work with.

    notebook: its number, such as "03". models: "bundled" (small checkpoints that come with the course),
    "real" (the published ones) or a folder; the default is what was chosen before, or `PHI3LIB_MODELS`.
    seed: for torch's and Python's global random numbers; everything here that draws some takes a seed of
    its own besides.

    Nothing is downloaded or loaded. The text is the same on every run: no times, paths or host names.
    Raises CheckpointError when `models` is none of these.
    """
    choice = _choose_models(models)
    threads = _set_threads(choice)
    _set_seed(seed)
    print(f"Notebook {notebook} · seed {seed}")
    print(f"Checkpoints: {_say_models(choice)}")
    print(f"Threads: {threads}")
    print(f"Instruments: {_say_widgets()}")


def how_many(*, bundled: int, real: int) -> int:
    """Return how many pictures a notebook takes: `bundled` with the small models, else `real`.

    A picture takes the small models a hundredth of a second, and the published ones seconds on a CPU.
    """
    from phi3lib.loading.defaults import default_models

    return bundled if default_models().choice == "bundled" else real


def _choose_models(models: str | None) -> str:
    """Return the choice, "bundled", "real" or a folder, for everything that the notebook loads."""
    from phi3lib.loading.defaults import default_models, set_default_models

    if models is None:
        return default_models().choice
    return set_default_models(models).choice


def _say_models(choice: str) -> str:
    from phi3lib.loading.defaults import default_models

    if choice == "real":
        return "real (the published ones; downloaded when a cell first asks for them)"
    if choice != "bundled":
        return f"from the folder {Path(choice).name}"
    chosen = default_models()
    if any(name and (Path(name) / "config.json").is_file() for name in (chosen.phi3, chosen.clip)):
        return "bundled (small models, trained for this course; no download)"
    return "the bundled ones are not here; what needs no trained weights runs all the same"


def _set_threads(choice: str) -> int:
    """One thread for small models (two are slower when cores are shared), all for real ones.

    All are the cores that this process may use, or as many as `OMP_NUM_THREADS` said, as on a shared server.
    For linear algebra, too: threads of OpenBLAS that wait for each other make small probes many times slower.
    """
    import torch
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    threads = 1 if choice == "bundled" else _all_threads()
    for name in _THREADS_OF_LIBRARIES:  # that are loaded later, such as SciPy's
        os.environ[name] = str(threads)
    threadpool_limits(threads)  # of those that are here, such as NumPy's
    torch.set_num_threads(threads)
    return threads


def _all_threads() -> int:
    if _ASKED_FOR.isdigit() and int(_ASKED_FOR) > 0:
        return int(_ASKED_FOR)
    return usable_cores()


def _set_seed(seed: int) -> None:
    import torch

    random.seed(seed)
    torch.manual_seed(seed)


def _say_widgets() -> str:
    """Describe where instruments work; a kernel cannot detect the page on which it is displayed."""
    if "ipykernel" not in sys.modules or not (find_spec("ipywidgets") and find_spec("anywidget")):
        return "still pictures (no widgets here)"
    return "live where the page has a kernel and shows widgets, as JupyterLab does; still pictures elsewhere"
