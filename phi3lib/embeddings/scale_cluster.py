"""A cluster of Ray for the time of one call: the one that was joined already, a given one, or a new one."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read by Ray when it starts; what the user has set stays.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # to Ray's company
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_worker_niceness": "0",  # by default workers come after all other programs
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as later versions do; else a warning
}
STORE_BYTES = 200_000_000  # names and counts, no pictures
ATTEMPTS = 5  # to start: Ray gives up if its own processes need more than 15 s, as on a busy machine


@contextmanager
def cluster(ray: Any, *, cpus: int, gpus: float, address: str | None) -> Iterator[None]:
    """Join or start a cluster; leave it at the end, or end it if it was started here.

    Raises ValueError if it has fewer processors or devices than are asked for: Ray would wait for them.
    """
    is_own, folder = not ray.is_initialized(), ""
    address = address or os.environ.get("RAY_ADDRESS")  # as `ray job submit` sets it
    # Until the end: Ray Data reads the variables when a dataset is computed.
    with _environment(QUIET), _quiet_messages(is_own), _quiet_data(ray):
        try:
            if is_own and address is None:
                folder = _start(ray, cpus)
            elif is_own:
                with _quiet_standard_error():
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            _require_resources(ray, cpus, gpus)
            yield
        finally:
            if is_own:
                ray.shutdown()
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _start(ray: Any, cpus: int) -> str:
    """Start a cluster on this machine, return the folder of its logs; it ends with this process."""
    folder = tempfile.mkdtemp(prefix="ray-", dir=_short_folder())
    atexit.register(
        shutil.rmtree, folder, ignore_errors=True
    )  # files that a last process may still have written
    for attempt in range(ATTEMPTS):
        try:
            with _environment(_quick_imports(folder)), _quiet_standard_error():
                ray.init(
                    num_cpus=cpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=STORE_BYTES,
                    _temp_dir=f"{folder}/{attempt}",
                    _node_ip_address="127.0.0.1",  # this machine only, also without a network
                )
            return folder
        except Exception as error:  # Ray raises a bare Exception
            ray.shutdown()
            if "timed out" not in str(error):
                raise
            failure = error
    raise RuntimeError(f"Ray could not be started within {ATTEMPTS} attempts: {failure}") from failure


def _quick_imports(folder: str) -> dict[str, str]:
    """Return a PYTHONPATH for the processes of a cluster, with which they start sooner.

    Each of the seven imports jsonschema, which builds the grammars of rfc3987_syntax, a package of Jupyter,
    to check addresses that Ray never checks: 1.9 s of a processor instead of 0.5 s. Ray gives up if one of
    them needs more than 15 s, as on a machine with much other work.
    """
    Path(folder, "rfc3987_syntax.py").write_text("raise ImportError('not needed here')\n", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))}


def _short_folder() -> str | None:
    """Paths of sockets have at most about 100 characters, and Ray appends 70."""
    return "/tmp" if os.path.isdir("/tmp") else None


def _require_resources(ray: Any, cpus: int, gpus: float) -> None:
    there = ray.cluster_resources()
    for name, wanted in (("CPU", cpus), ("GPU", gpus)):
        if wanted > there.get(name, 0):
            raise ValueError(
                f"the workers need {wanted:g} {name}s, and the cluster has {there.get(name, 0):g}: use fewer "
                f"workers=, or a smaller {name.lower()}s="
            )


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for a while; those of `QUIET` that the user has set stay."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(
        {name: value for name, value in values.items() if name not in QUIET or before[name] is None}
    )
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet_standard_error() -> Iterator[None]:
    """Drop the line in which Ray's C++ part says that it writes no lines."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _quiet_messages(is_own: bool) -> Iterator[None]:
    """Print no messages of a cluster that ends with the call, such as that a worker has died.

    Ray prints them whatever `log_to_driver` is. Their consequences are in the table and its errors.
    """
    from ray._private import worker

    before = getattr(worker, "print_to_stdstream", None)
    if not is_own or before is None:
        yield
        return
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


@contextmanager
def _quiet_data(ray: Any) -> Iterator[None]:
    """Show no bars and no log of Ray Data, and raise a worker's errors unchanged."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "raise_original_map_exception": True,
    }
    before = {name: getattr(context, name) for name in wanted if hasattr(context, name)}
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    for name in before:
        setattr(context, name, wanted[name])
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)
